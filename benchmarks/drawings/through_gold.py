"""Measured cells through the product: their recordings sent as messages, and what gold then says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import altair as alt
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from support.spark import settings_at, temporary_spark

from battery_lake.cells.metrics import Z90
from battery_lake.lake.access import Lake
from battery_lake.pipelines.reference import load_reference
from battery_lake.pipelines.registry import run_job
from battery_lake.simulate.replay import replay
from drawings.look import tracked

if TYPE_CHECKING:
    from pathlib import Path

    from battery_lake.cells.arrays import Floats
    from drawings.look import Panel

SETS: Final = ("nasa_pcoe", "calce_cs2")
LOW_PCT: Final = 50.0
"""Panels start here unless a cell went lower."""

JOBS: Final = ("ingest", "refine", "health")


def gold_soh(data: Path, train: Path) -> alt.ConcatChart | None:
    """Draw SOH of ``gold.cell_health`` beside the capacity of the day's last full discharge.

    Parameters
    ----------
    data
        Folder with ``nasa_pcoe`` and ``calce_cs2``; None is drawn where it holds neither.
    train
        Not used: nothing is learnt.
    """
    del train
    if not any((data / name).is_dir() for name in SETS):
        return None
    with temporary_spark() as (spark, folder):
        home = folder / "home"
        lake = Lake(spark, settings_at(home))
        reference, truth = home / "reference" / "replay", home / "truth" / "replay"
        replay(data, lake.settings.landing, reference, truth, sets=SETS)
        load_reference(lake, reference)
        for job in JOBS:
            run_job(job, lake)
        told = (
            lake.read("gold.cell_health").select("pack_id", "as_of_date", "soh_pct", "soh_std_pct").toArrow()
        )
        known = pa.concat_tables([pq.read_table(file) for file in sorted(truth.glob("*.parquet"))])
    packs = sorted(set(known["pack_id"].to_pylist()))
    panels = [_panel(pack_id, _of(told, pack_id), _of(known, pack_id)) for pack_id in packs]
    return alt.concat(*panels, columns=2)


def _of(table: pa.Table, pack_id: str) -> pa.Table:
    return table.filter(pc.equal(table["pack_id"], pack_id)).sort_by("as_of_date")


def _panel(pack_id: str, told: pa.Table, known: pa.Table) -> Panel:
    first = min(_days(told).min(), _days(known).min())
    soh_pct, half_pct = _numbers(told, "soh_pct"), Z90 * _numbers(told, "soh_std_pct")
    return tracked(
        pack_id,
        "days since the first discharge",
        (_days(known) - first, _numbers(known, "soh_pct")),
        (_days(told) - first, soh_pct, soh_pct - half_pct, soh_pct + half_pct),
        (0.0, 110.0) if known["soh_pct"].to_numpy().min() < LOW_PCT else (LOW_PCT, 110.0),
    )


def _days(table: pa.Table) -> Floats:
    days = table["as_of_date"].to_numpy().astype("datetime64[D]")
    return np.asarray(days.astype(np.int64), dtype=np.float64)


def _numbers(table: pa.Table, name: str) -> Floats:
    return np.asarray(table[name].to_numpy(), dtype=np.float64)
