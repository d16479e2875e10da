"""Fill a lake with whole lives of a simulated fleet, as gold holds them: years that no demo can wait for.

Run ``PYTHONPATH=benchmarks python -m aged_fleet HOME 60``, then ``battery-lake --set home=HOME model train``.
"""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from battery_lake.lake.access import Lake
from battery_lake.lake.create import ensure
from battery_lake.lake.write import upsert
from battery_lake.pipelines.health import HEALTH
from battery_lake.pipelines.reference import load_reference
from battery_lake.session import spark_session
from battery_lake.settings import load
from battery_lake.simulate.fleet import FleetSpec, references
from battery_lake.simulate.lives import LivesSpec, seen_lives
from battery_lake.simulate.reference import write_reference
from battery_lake.tables.registry import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from battery_lake.simulate.lives import SeenLife

YEARS: Final = 12
CELLS: Final = 8
HOUR: Final = dt.timedelta(hours=1)


def fill(home: Path, packs: int) -> Lake:
    """Write reference data, sessions and capacities of packs, and run the health step on them.

    There is no telemetry behind: the job ``health`` as a whole would find no evidence and take them away.

    Parameters
    ----------
    home
        The lake's home.
    packs
        How many.
    """
    fleet = FleetSpec(
        vehicles=packs, days=YEARS * 365, start=dt.date(2012, 1, 1), cells_in_series=CELLS,
        cells_per_module=CELLS, lfp_share=0.5, seed=7,
    )  # fmt: skip
    settings, _ = load([f"home={home}"])
    lake = Lake(spark_session(settings), settings)
    write_reference(home / "reference", *references(fleet))
    load_reference(lake, home / "reference")
    ensure(lake, ("gold.session", "gold.capacity_observation"))
    lives = list(seen_lives(LivesSpec(fleet, evidence_share=0.04)))
    _write(lake, "gold.session", (row for life in lives for row in sessions(life)))
    _write(lake, "gold.capacity_observation", (row for life in lives for row in observations(life)))
    HEALTH.run(lake)
    return lake


def sessions(life: SeenLife) -> Iterator[dict[str, Any]]:
    """Use of a pack since it was seen before, as rows of gold.session."""
    for at, ah, km in zip(life.at, life.throughput_ah, life.distance_km, strict=True):
        yield {
            "pack_id": life.reference.pack_id, "started_at": at, "ended_at": at + HOUR, "kind": "drive",
            "samples": 60, "throughput_ah": float(ah), "distance_km": float(km), "method_version": "lives",
        }  # fmt: skip


def observations(life: SeenLife) -> Iterator[dict[str, Any]]:
    """What was observed of a pack, as rows of gold.capacity_observation."""
    for at, capacity, variance in zip(life.at, life.capacity_ah, life.variance_ah2, strict=True):
        yield {
            "pack_id": life.reference.pack_id, "started_at": at, "method": "rest_to_rest",
            "ended_at": at + HOUR, "capacity_ah": capacity.tolist(), "variance_ah2": variance.tolist(),
            "method_version": "lives",
        }  # fmt: skip


def _write(lake: Lake, name: str, rows: Iterator[dict[str, Any]]) -> None:
    contract = table(name)
    empty = dict.fromkeys(contract.column_names)
    upsert(lake, name, lake.spark.createDataFrame([{**empty, **row} for row in rows], contract.fields))


if __name__ == "__main__":
    fill(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 60)
