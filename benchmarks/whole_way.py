"""Landing files to gold: all six pipelines against a script by hand that does the job without guarantees."""

from __future__ import annotations

import itertools
import shutil
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
from support.by_hand import whole_way
from support.output import Line, Result, arguments, publish, size_note
from support.runs import interleaved, require
from support.spark import settings_at, temporary_spark

from battery_lake.cli.fleet_files import write_fleet
from battery_lake.lake.access import Lake
from battery_lake.pipelines.reference import load_reference
from battery_lake.pipelines.registry import JOBS, TO_GOLD
from battery_lake.settings import SourceSettings
from battery_lake.simulate.fleet import FleetSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pyspark.sql import SparkSession

AIM = 0.5
AGREE_PCT = 0.5
NEWEST = ("cell_id", "soh_pct", "rul_days_p50")


@dataclass(slots=True)
class Ways:
    """Both ways from the same landing files, each time to a new place."""

    spark: SparkSession
    fleet: Path
    folder: Path
    messages: int
    homes: Iterator[int] = field(default_factory=itertools.count)
    lake: Lake | None = None
    out: Path | None = None
    spent: dict[str, list[float]] = field(default_factory=dict)

    def product(self) -> Callable[[], None]:
        """Make a lake with reference data; then: all pipelines."""
        if self.lake is not None:
            shutil.rmtree(self.lake.settings.home)
        home = self.folder / f"lake-{next(self.homes)}"
        source = SourceSettings(landing=str(self.fleet / "landing"))
        lake = self.lake = Lake(self.spark, settings_at(home).model_copy(update={"source": source}))
        load_reference(lake, self.fleet / "reference" / "fleet")

        def run() -> None:
            for pipeline in (pipeline for job in TO_GOLD for pipeline in JOBS[job]):
                seconds = pipeline.run(lake).seconds
                self.spent.setdefault(pipeline.name, []).append(seconds)

        return run

    def by_hand(self) -> Callable[[], None]:
        """Make an empty folder; then: the script."""
        if self.out is not None:
            shutil.rmtree(self.out)
        out = self.out = self.folder / f"hand-{next(self.homes)}"
        out.mkdir(parents=True)
        return lambda: whole_way(self.fleet / "landing", self.fleet / "reference" / "fleet", out)

    def agreement(self) -> str:
        """Check that both ways say the same of every cell on its last day."""
        assert self.lake is not None
        assert self.out is not None
        rows = self.lake.read("gold.cell_current").select(*NEWEST).collect()
        ours = {row.cell_id: (row.soh_pct, row.rul_days_p50) for row in rows}
        table = pq.read_table(self.out / "cell_current.parquet", columns=list(NEWEST)).to_pylist()
        theirs = {row["cell_id"]: (row["soh_pct"], row["rul_days_p50"]) for row in table}
        require(ours.keys() == theirs.keys(), f"{len(ours)} cells in the lake, {len(theirs)} by hand")
        require(len(ours) > 0, "no cell has an estimate: give more --days")
        apart = np.abs(np.array([ours[cell] for cell in ours]) - np.array([theirs[cell] for cell in ours]))
        soh_pct, rul_days = np.median(apart, axis=0)
        require(soh_pct <= AGREE_PCT, f"SOH of the last day differs by {soh_pct:.2f} points in the median")
        kept = self.lake.read("silver.telemetry").count()
        require(kept == self.messages, f"silver holds {kept} of {self.messages} messages")
        return (
            f"{len(ours):,} cells, SOH of the last day differs by {soh_pct:.1g} points in the median,"
            f" {apart[:, 0].max():.1g} at most; RUL by {rul_days:.1g} days; silver holds every message"
        )


def fleet_at(spark: SparkSession, folder: Path, spec: FleetSpec) -> Ways:
    """Simulate a fleet and make its ways ready."""
    messages = write_fleet(settings_at(folder / "fleet"), spec, lambda _: None)
    return Ways(spark, folder / "fleet", folder, messages)


def warm_up(spark: SparkSession, folder: Path) -> None:
    """Run both ways once on a small fleet, untimed."""
    warm = fleet_at(spark, folder / "warm", FleetSpec(vehicles=1, days=30, seed=2))
    for way in (warm.product, warm.by_hand):
        way()()


def measured(spark: SparkSession, folder: Path, spec: FleetSpec, rounds: int) -> Result:
    """Run all rounds."""
    ways = fleet_at(spark, folder / "measured", spec)
    timed = interleaved({"battery-lake": ways.product, "by hand": ways.by_hand}, rounds)
    ours, theirs = timed["battery-lake"], timed["by hand"]
    spent = ", ".join(f"{name} {statistics.median(seconds):.1f}" for name, seconds in ways.spent.items())
    return Result(
        "whole_way",
        "landing files to gold, six pipelines in one process against DuckDB and NumPy without guarantees",
        "messages",
        (
            Line.of("battery-lake, six pipelines", ways.messages, ours, theirs),
            Line.of("by hand, DuckDB and NumPy", ways.messages, theirs, theirs),
        ),
        AIM,
        ways.agreement(),
        (
            size_note(spec, rounds, "Spark runs already, reference data is loaded"),
            f"seconds of the pipelines: {spent}",
        ),
    )


def main() -> None:
    """Measure and print."""
    chosen = arguments(
        "Landing files to gold, against a script by hand.",
        vehicles=(5, "vehicles to simulate"),
        days=(365, "days to simulate; a vehicle sends some 30 messages a day"),
        rounds=(2, "repetitions"),
    )
    with temporary_spark() as (spark, folder):
        if not chosen.cold:
            warm_up(spark, folder)
        result = measured(spark, folder, FleetSpec(vehicles=chosen.vehicles, days=chosen.days), chosen.rounds)
    publish(result, chosen.json)


if __name__ == "__main__":
    main()
