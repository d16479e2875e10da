"""The health step's update of a day on stored states: after two years of history against after a month."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
from health_step import Inputs, no_states, product
from pyspark.sql import functions as F
from support.evidence import CELLS, FIRST_DAY, write_evidence
from support.output import Line, Result, arguments, publish
from support.runs import interleaved, require
from support.spark import settings_at, temporary_spark

from battery_lake.gold.cell_state import HealthParams, cell_state, pack_days, pack_inputs
from battery_lake.lake.access import Lake

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

AIM = 0.9
SHORT_DAYS = 30
PATTERNS = 8
"""So many packs have a history; the fleet is made of copies of them."""

UPDATE_DAYS = 2
"""The day that the state leaves open, and the new one."""


@dataclass(frozen=True, slots=True)
class Update:
    """What a day's run starts from.

    Parameters
    ----------
    inputs
        The packs, and what is new of them.
    states
        As they were stored.
    state_kb
        Size of a pack's state: its columns in memory, and as zstd in Parquet. [kB]
    """

    inputs: Inputs
    states: DataFrame
    state_kb: tuple[float, float]


def prepared(lake: Lake, folder: Path, packs: int, days: int) -> Update:
    """Filter a few packs through all days but the last one, and make a fleet of copies; untimed.

    Parameters
    ----------
    lake
        Of the session.
    folder
        For its files.
    packs, days
        Size of the fleet, and days with evidence, the new one included.
    """
    spark = lake.spark
    patterns = Inputs.of(spark, write_evidence(folder / "evidence", min(PATTERNS, packs), days, strings=True))
    before, after = _cut(patterns, days - 1, 0), _cut(patterns, days, days - UPDATE_DAYS)
    begun = pack_days(
        pack_inputs(before.sessions, before.observations, before.packs, no_states(spark)), HealthParams()
    )
    cell_state(begun).write.parquet(f"{folder}/patterns")
    stored = spark.read.parquet(f"{folder}/patterns")
    _same_as_in_one_run(spark, patterns, after, stored)
    frames = {
        "sessions": after.sessions,
        "observations": after.observations,
        "packs": after.packs,
        "states": stored,
    }
    for name, frame in frames.items():
        _copies(frame, packs).write.parquet(f"{folder}/{name}")
    sessions, observations, known, states = (spark.read.parquet(f"{folder}/{name}") for name in frames)
    return Update(Inputs(sessions, observations, known), states, _size_kb(folder / "patterns"))


def _size_kb(folder: Path) -> tuple[float, float]:
    """Kilobytes a row of Parquet files, in memory and compressed, without what files hold beside rows."""
    tables = [pq.ParquetFile(file) for file in sorted(folder.glob("*.parquet"))]
    rows = sum(one.metadata.num_rows for one in tables)
    stored = sum(
        one.metadata.row_group(group).column(column).total_compressed_size
        for one in tables
        for group in range(one.metadata.num_row_groups)
        for column in range(one.metadata.num_columns)
    )
    return sum(one.read().nbytes for one in tables) / rows / 1e3, stored / rows / 1e3


def _cut(inputs: Inputs, until: int, since: int) -> Inputs:
    """Evidence of some days, counted from the first one."""
    day = F.unix_date(F.to_date("started_at")) - FIRST_DAY
    within = (day >= since) & (day < until)
    return Inputs(inputs.sessions.where(within), inputs.observations.where(within), inputs.packs)


def _copies(frame: DataFrame, packs: int) -> DataFrame:
    """So many packs, each a copy of a pattern under a name of its own."""
    numbers = frame.sparkSession.range(packs).select(
        F.col("id").alias("copy"), F.format_string("P%05d", F.col("id") % PATTERNS).alias("pattern")
    )
    named = frame.withColumnRenamed("pack_id", "pattern").join(
        F.broadcast(numbers), on="pattern", how="inner"
    )
    return named.withColumn("pack_id", F.format_string("P%06d", "copy")).select(*frame.columns)


def _same_as_in_one_run(spark: SparkSession, whole: Inputs, new: Inputs, states: DataFrame) -> None:
    """Going on from the stored state must give the bits of one run over all days."""
    in_one = pack_days(
        pack_inputs(whole.sessions, whole.observations, whole.packs, no_states(spark)), HealthParams()
    )
    goes_on = pack_days(pack_inputs(new.sessions, new.observations, new.packs, states), HealthParams())
    newest = in_one.join(
        goes_on.select("pack_id", "as_of_date"), on=["pack_id", "as_of_date"], how="left_semi"
    )
    shown = (c for c in in_one.columns if c != "state")
    text = F.to_json(F.struct(*shown)).alias("row")
    ours, theirs = goes_on.select(text), newest.select(text)
    apart = ours.exceptAll(theirs).count() + theirs.exceptAll(ours).count()
    require(apart == 0, f"{apart} days differ from those of one run")


def measured(spark: SparkSession, folder: Path, packs: int, days: int, rounds: int) -> Result:
    """Run all rounds."""
    lake = Lake(spark, settings_at(folder / "home"))
    updates = {
        f"after {history} days": prepared(lake, folder / f"{history}", packs, history + 1)
        for history in (days, SHORT_DAYS)
    }

    def side(update: Update) -> Callable[[], None]:
        return partial(product, lake, update.inputs, folder / "out", update.states)

    timed = interleaved({name: partial(side, update) for name, update in updates.items()}, rounds)
    long, short = timed.values()
    return Result(
        "daily_cost",
        "the health step on stored states and two days of evidence, to Parquet",
        "cells",
        tuple(
            Line.of(name, packs * CELLS, side_timed, short)
            for name, side_timed in zip(timed, (long, short), strict=True)
        ),
        AIM,
        f"{min(PATTERNS, packs)} packs on both histories: the same bits as in one run",
        (
            f"{packs} packs of {CELLS} cells; {rounds} rounds, interleaved, medians",
            *(
                f"state of a pack {name}: {memory_kb:.1f} kB in memory, {stored_kb:.1f} kB as zstd columns"
                for name, (memory_kb, stored_kb) in ((name, own.state_kb) for name, own in updates.items())
            ),
        ),
    )


def main() -> None:
    """Measure and print."""
    chosen = arguments(
        "Cost of a day's update of SOH and RUL by the length of history before it.",
        vehicles=(1_000, "packs of 96 cells"),
        days=(730, f"days of history, against {SHORT_DAYS}"),
        rounds=(5, "repetitions"),
    )
    with temporary_spark() as (spark, folder):
        if not chosen.cold:
            lake = Lake(spark, settings_at(folder / "warm" / "home"))
            small = prepared(lake, folder / "warm", 2, SHORT_DAYS)
            product(lake, small.inputs, folder / "warm" / "out", small.states)
        result = measured(spark, folder, chosen.vehicles, chosen.days, chosen.rounds)
    publish(result, chosen.json)


if __name__ == "__main__":
    main()
