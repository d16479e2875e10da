"""Bronze to silver: refine against plain ``from_json`` and a Delta write of the same messages."""

from __future__ import annotations

import dataclasses
import itertools
import shutil
from functools import partial
from typing import TYPE_CHECKING

from pyspark.sql import functions as F
from support.output import Line, Result, arguments, publish, size_note
from support.runs import Timed, interleaved, require
from support.spark import fork, settings_at, temporary_spark

from battery_lake.cli.fleet_files import write_fleet
from battery_lake.lake.access import Lake
from battery_lake.lake.create import ensure
from battery_lake.mapping.compile import CANONICAL, compiled
from battery_lake.pipelines.ingest import INGEST
from battery_lake.pipelines.model import Silent
from battery_lake.pipelines.reference import load_reference
from battery_lake.pipelines.refine import REFINE, refine
from battery_lake.quality.row_rules import rule_params
from battery_lake.simulate.fleet import FleetSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

AIM = 0.6
START = ("bronze", "reference")
KEY = ("pack_id", "measured_at", "sequence")
CONTENT = (*KEY, "current_a", "soc_pct", "cell_voltages_v")


def prepared(spark: SparkSession, home: Path, spec: FleetSpec) -> Lake:
    """Make a lake with a simulated fleet in bronze."""
    lake = Lake(spark, settings_at(home))
    write_fleet(lake.settings, spec, lambda _: None)
    load_reference(lake, home / "reference" / "fleet")
    INGEST.run(lake)
    return lake


def spoilt(lake: Lake, home: Path) -> tuple[Lake, int]:
    """Make a lake in which silver must refuse 1 % of the messages, for three reasons; how many those are."""
    other = fork(lake, home, ("reference",))
    ensure(other, ("bronze.telemetry",))
    text = F.col("body").cast("string")
    # A third of 1 % for each reason.
    drawn = F.pmod(F.xxhash64("partition_id", "sequence_number"), F.lit(300))
    body = (
        F
        .when(drawn == 0, F.substring(text, 1, 200))
        .when(drawn == 1, F.replace(text, F.lit('"pack_id":"'), F.lit('"pack_id":"X')))
        .when(drawn == 2, F.replace(text, F.lit('"schema_version":1'), F.lit('"schema_version":7')))
        .otherwise(text)
    )
    rows = lake.read("bronze.telemetry").withColumn("body", body.cast("binary"))
    rows.write.format("delta").mode("append").save(other.path("bronze.telemetry"))
    return other, rows.where(drawn < 3).count()


def parsed(bronze: DataFrame) -> DataFrame:
    """What anyone writes first: the body's fields, nothing checked."""
    message = F.from_json(F.col("body").cast("string"), compiled((CANONICAL,))[0].schema).alias("m")
    return bronze.select("device_id", "enqueued_at", message).select("device_id", "enqueued_at", "m.*")


def plain_batch(lake: Lake) -> None:
    """Write the parsed messages in one batch."""
    parsed(lake.read("bronze.telemetry")).write.format("delta").mode("append").save(plain_path(lake))


def plain_stream(lake: Lake) -> None:
    """Write the parsed messages as a stream that ends, as refine does, with batches of the same size."""
    source = lake.stream("bronze.telemetry", maxBytesPerTrigger=lake.settings.refine.max_bytes_per_trigger)
    query = (
        parsed(source)
        .writeStream.format("delta")
        .option("checkpointLocation", lake.checkpoint("plain"))
        .trigger(availableNow=True)
        .start(plain_path(lake))
    )
    query.awaitTermination()


def without_rules(lake: Lake) -> None:
    """Refine with one rule that only counts: what is left is parse, duplicates and write."""
    params = rule_params(lake.settings)
    refine(lake, Silent(), dataclasses.replace(params, rules=params.of("info")[:1]))


def plain_path(lake: Lake) -> str:
    """Return where the plain ways write."""
    return f"{lake.settings.home}/plain"


def create_plain(lake: Lake) -> None:
    """Create the plain ways' table, as refine's tables stand before it runs."""
    empty = parsed(lake.read("bronze.telemetry")).limit(0)
    empty.write.format("delta").save(plain_path(lake))


class Rounds:
    """The ways on one bronze, each time in a lake that holds no silver yet."""

    def __init__(self, lake: Lake, folder: Path) -> None:
        self.lake = lake
        self.homes: Iterator[Path] = (folder / str(number) for number in itertools.count())
        self.last: dict[str, Lake] = {}

    def run(self, rounds: int, *, refuses: bool) -> dict[str, Timed]:
        """Run all of them so many times; without rules only where none refuses."""
        ways: dict[str, Callable[[Lake], object]] = {
            "refine": REFINE.run, "plain stream": plain_stream, "plain batch": plain_batch
        }  # fmt: skip
        if not refuses:
            ways["refine without rules"] = without_rules
        return interleaved({name: partial(self._ready, name, way) for name, way in ways.items()}, rounds)

    def _ready(self, name: str, way: Callable[[Lake], object]) -> Callable[[], None]:
        if name in self.last:
            shutil.rmtree(self.last[name].settings.home)
        lake = self.last[name] = fork(self.lake, next(self.homes), START)
        ensure(lake, (*REFINE.writes, "ops.batch"))
        create_plain(lake)

        def run() -> None:
            way(lake)

        return run

    def agreement(self, refused: int) -> str:
        """Check that all ways hold the same messages, apart from those that had to be refused."""
        refined = self.last["refine"]
        silver, quarantine = (refined.read(name) for name in ("silver.telemetry", "silver.quarantine"))
        counted = silver.count(), quarantine.count(), self.lake.read("bronze.telemetry").count()
        require(counted[0] + counted[1] == counted[2], f"silver, quarantine and bronze hold {counted}")
        require(counted[1] == refused, f"{counted[1]} messages are in quarantine, not {refused}")
        batch = refined.read("ops.batch").agg(F.sum("rows_in"), F.sum("rows_kept")).collect()[0]
        require(tuple(batch) == (counted[2], counted[0]), f"ops.batch tells {tuple(batch)} of {counted}")
        for name in ("plain stream", "plain batch"):
            plain = refined.spark.read.format("delta").load(plain_path(self.last[name]))
            require(plain.count() == counted[2], f"{name} holds {plain.count()} messages of {counted[2]}")
            valid = plain.join(silver.select(*KEY), on=list(KEY), how="left_semi")
            require(content(valid) == content(silver), f"{name} and refine hold different content")
        return f"{counted[0]:,} messages with equal content, {counted[1]:,} in quarantine"


def content(rows: DataFrame) -> tuple[int, int]:
    """Return the number of rows and a sum over hashes of what they say, whatever their order."""
    hashed = F.sum(F.xxhash64(*CONTENT).cast("decimal(38,0)"))
    row = rows.agg(F.count(F.lit(1)).alias("rows"), hashed.alias("hash")).collect()[0]
    return int(row.rows), int(row.hash or 0)


def lines(timed: dict[str, Timed], messages: int, suffix: str) -> list[Line]:
    """Return the table's lines of one bronze."""
    baseline = timed["plain stream"]
    return [Line.of(f"{name}, {suffix}", messages, known, baseline) for name, known in timed.items()]


def warm_up(spark: SparkSession, folder: Path) -> None:
    """Run everything once on a small fleet, untimed."""
    small = prepared(spark, folder / "small", FleetSpec(vehicles=1, days=60, seed=2))
    for lake, name in ((small, "warm"), (spoilt(small, folder / "small-bad")[0], "warm-bad")):
        Rounds(lake, folder / name).run(1, refuses=name == "warm-bad")


def measured(spark: SparkSession, folder: Path, spec: FleetSpec, rounds: int) -> Result:
    """Run all rounds, on clean messages and on those with 1 % to refuse."""
    clean = prepared(spark, folder / "clean", spec)
    bad, refused = spoilt(clean, folder / "bad")
    messages = clean.read("bronze.telemetry").count()
    table: list[Line] = []
    checked = []
    for lake, suffix, expected in ((clean, "none refused", 0), (bad, "1 % refused", refused)):
        ways = Rounds(lake, folder / suffix.replace(" ", "-"))
        timed = ways.run(rounds, refuses=expected > 0)
        table += lines(timed, messages, suffix)
        checked.append(f"{suffix}: {ways.agreement(expected)}")
    return Result(
        "bronze_to_silver",
        "refine against from_json and a Delta write of the same bronze; ratios against the plain stream",
        "messages", tuple(table), AIM, "; ".join(checked),
        (size_note(spec, rounds, "tables created beforehand"),),
    )  # fmt: skip


def main() -> None:
    """Measure and print."""
    chosen = arguments(
        "Bronze to silver against plain from_json.",
        vehicles=(10, "vehicles to simulate"),
        days=(365, "days to simulate; a vehicle sends some 30 messages a day"),
        rounds=(3, "repetitions"),
    )
    with temporary_spark() as (spark, folder):
        if not chosen.cold:
            warm_up(spark, folder)
        result = measured(spark, folder, FleetSpec(vehicles=chosen.vehicles, days=chosen.days), chosen.rounds)
    publish(result, chosen.json)


if __name__ == "__main__":
    main()
