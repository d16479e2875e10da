"""A made-up fleet as the report's frames: 20 packs of 96 cells over a year, and two laboratory cells."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from battery_lake.report.data import COLUMNS, Changes, ReportData, Totals, empty_frame
from battery_lake.report.load import load
from battery_lake.report.selection import Selection

from .small_lake import DAYS, cells, rows
from .small_lake import SINCE as SMALL_SINCE

NOW = dt.datetime(2026, 11, 2, 6, 30, tzinfo=dt.UTC)
FIRST = dt.date(2025, 11, 1)
LAST = dt.date(2026, 11, 1)
SINCE = dt.date(2026, 10, 1)
PACKS, MODULES, CELLS = 20, 12, 8


def _outlook(soh_pct, fade_pct_per_day, days):
    rul = np.clip((soh_pct - 80.0) / fade_pct_per_day, 0.0, None)
    width = np.clip(0.75 - np.asarray(days) / 700.0, 0.18, None)
    return rul * (1 - width), rul, rul * (1 + width)


def _series(cell_id, start_pct, fade, noise, rng):
    days = np.arange(4, 366, 4)
    true = start_pct - fade * days - 0.35 * np.sqrt(days / 30)
    std = 1.6 / np.sqrt(1 + days / 20) + 0.25
    soh = true + rng.normal(0.0, noise, days.size) * std
    p05, p50, p95 = _outlook(soh, fade, days)
    as_of = [FIRST + dt.timedelta(days=int(day)) for day in days]
    common = {"cell_id": cell_id, "as_of_date": as_of}
    health = pd.DataFrame({**common, "soh_pct": soh, "soh_std_pct": std})
    truth = pd.DataFrame({**common, "soh_pct": true})
    outlook = pd.DataFrame({
        **common,
        "rul_days_p05": p05,
        "rul_days_p50": p50,
        "rul_days_p95": p95,
        "censored": days < 60,
    })
    return health, truth, outlook


def _sessions(rng):
    rows, at = [], pd.Timestamp("2026-10-05T05:10Z")
    while at < pd.Timestamp("2026-11-01T23:00Z"):
        for kind, hours, charge in (
            ("drive", rng.uniform(0.4, 1.4), -rng.uniform(12, 35)),
            ("rest", rng.uniform(6.5, 9), 0.0),
            ("drive", rng.uniform(0.4, 1.2), -rng.uniform(12, 35)),
            ("rest", rng.uniform(1, 3), 0.0),
            ("charge", rng.uniform(2, 5), rng.uniform(30, 75)),
        ):
            end = at + pd.Timedelta(hours=hours)
            rows.append({
                "started_at": at,
                "ended_at": end,
                "kind": kind,
                "duration_s": hours * 3600,
                "charge_ah": charge,
                "energy_wh": charge * 352,
                "soc_start_pct": 60.0,
                "soc_end_pct": float(np.clip(60 + charge, 5, 98)),
                "temperature_mean_c": rng.uniform(8, 27),
                "distance_km": hours * 45 if kind == "drive" else 0.0,
                "gaps": int(rng.integers(0, 2)),
            })
            at = end
        at = at.normalize() + pd.Timedelta(days=1, hours=float(rng.uniform(4.5, 6.5)))
        rows.append({
            **rows[-1],
            "started_at": rows[-1]["ended_at"],
            "ended_at": at,
            "kind": "rest",
            "charge_ah": 0.0,
            "duration_s": 8 * 3600,
        })
    return pd.DataFrame(rows)


def _cells(pack_id, level, rng):
    index = np.arange(MODULES * CELLS)
    soh = level + rng.normal(0, 0.7, index.size)
    soh[41] = level - 4.1
    return pd.DataFrame({
        "cell_id": [f"{pack_id}/{i // CELLS + 1:02d}/{i % CELLS + 1:02d}" for i in index],
        "series_index": index,
        "soh_pct": soh,
        "soh_std_pct": rng.uniform(0.4, 0.9, index.size),
        "rul_days_p50": np.clip((soh - 80) / 0.02, 0, None),
        "censored": soh > 90,
    })


def _packs(rng):
    level = np.sort(rng.uniform(83.5, 96, PACKS))
    names = [f"PACK-{i + 1:04d}" for i in range(PACKS)]
    rul = np.clip((level - 4 - 80) / 0.02, 0, None)
    return pd.DataFrame({
        "pack_id": names,
        "model": ["Astra 64"] * 12 + ["Metro 50"] * 8,
        "chemistry": ["NMC"] * 12 + ["LFP"] * 8,
        "as_of_date": LAST,
        "soh_min_pct": level - 4.1,
        "soh_std_pct": rng.uniform(0.4, 0.9, PACKS),
        "soh_median_pct": level,
        "weakest_cell_id": [f"{name}/06/02" for name in names],
        "efc": rng.uniform(200, 700, PACKS),
        "rul_days_p05": rul * 0.7,
        "rul_days_p50": rul,
        "rul_days_p95": rul * 1.5,
        "censored": level > 92,
        "eol_soh_pct": 80.0,
        "warranty_until": dt.date(2027, 3, 1),
        "cohort_percentile_pct": np.linspace(2, 95, PACKS),
        "alerts": ["below_eol, uneven_cells", *[""] * (PACKS - 1)],
    })


def _fleet(rng):
    rows = []
    for model, chemistry, level in (("Astra 64", "NMC", 97.0), ("Metro 50", "LFP", 99.0)):
        for day in range(0, 366, 2):
            mid = level - 0.018 * day + rng.normal(0, 0.03)
            rows.append({
                "as_of_date": FIRST + dt.timedelta(days=day),
                "model": model,
                "chemistry": chemistry,
                "vehicles": 10,
                "soh_pct_p10": mid - 2 - day / 300,
                "soh_pct_p50": mid,
                "soh_pct_p90": mid + 1.6,
                "soh_min_pct": mid - 5 - day / 100,
            })
    return pd.DataFrame(rows)


def _histogram(rng):
    rows = []
    for model, chemistry, level in (("Astra 64", "NMC", 89), ("Metro 50", "LFP", 93)):
        counts = np.histogram(rng.normal(level, 2.4, 1000), bins=np.arange(78, 101))[0]
        rows += [
            {"model": model, "chemistry": chemistry, "soh_bin_pct": 78.0 + i, "cells": int(count)}
            for i, count in enumerate(counts)
            if count
        ]
    return pd.DataFrame(rows)


def _featured():
    rows = [
        (f"PACK-{pack:04d}/{cell}", f"PACK-{pack:04d}", role, "Astra 64", "NMC", 80.0)
        for pack in (1, 2)
        for cell, role in (("06/02", "weakest"), ("03/04", "median"))
    ]
    rows.append(("LAB-07/01/01", "LAB-07", "weakest", "18650 laboratory", "NCA", 80.0))
    return pd.DataFrame(rows, columns=list(COLUMNS["featured"]))


def _alerts():
    """Two open alerts, one that came since then, and one that went."""
    columns = ["severity", "pack_id", "cell_id", "code", "raised_at", "evidence"]
    seen = '{"as_of_date": "2026-10-30", "deviation_mv": -212.4, "rate_std_mv_per_day": 0.0312}'
    rows = [
        ("critical", "PACK-0001", "PACK-0001/06/02", "weak_cell", NOW - dt.timedelta(days=3), seen),
        (
            "warning",
            "PACK-0004",
            "PACK-0004",
            "plating_risk",
            NOW - dt.timedelta(days=90),
            '{"excess_ah": 4.5}',
        ),
    ]
    alerts = pd.DataFrame(rows, columns=columns)
    counts = alerts[["severity", "code"]].assign(alerts=1, packs=1)
    gone = NOW - dt.timedelta(days=2)
    came = alerts.assign(what=["raised", "cleared"], cleared_at=[pd.NaT, pd.Timestamp(gone)])
    return {
        "alerts": alerts.assign(model="Astra 64", chemistry="NMC", limit="200 mV off at once"),
        "alert_counts": counts,
        "alert_changes": came,
    }


def _changes(packs):
    """Of three packs: one fell below its end of life, one fell silent, one is new."""
    shown = packs.head(3)
    return shown[["pack_id", "model", "as_of_date", "eol_soh_pct"]].assign(
        before_date=[SINCE, SINCE, None],
        soh_before_pct=[81.5, 81.9, np.nan],
        soh_pct=[79.2, 81.7, 82.2],
        is_new=[False, False, True],
        is_below=[True, False, False],
        is_moved=[True, False, False],
        is_silent=[False, True, False],
        last_seen_at=NOW,
        reasons=["beyond_interval, new_window", None, "first_estimate"],
    )


def _cohorts(packs):
    level = packs["soh_median_pct"]
    return packs[[
        "pack_id", "model", "chemistry", "as_of_date", "soh_median_pct", "cohort_percentile_pct",
    ]].assign(
        sold="2025 H1", packs=20, soh_p10_pct=level.quantile(0.1), soh_p50_pct=level.median(),
        soh_p90_pct=level.quantile(0.9),
    ).head(10)  # fmt: skip


def _positions(rng):
    """Forty squares around a town, the first with most vehicles."""
    count = 40
    return pd.DataFrame({
        "latitude": 48.1 + rng.normal(0, 0.4, count),
        "longitude": 11.6 + rng.normal(0, 0.5, count),
        "cell_size_km": 5.0,
        "vehicles": [12, *[1] * (count - 1)],
        "below": [1, *[0] * (count - 1)],
        "soh_min_pct": rng.uniform(78, 95, count),
        "measured_at": NOW,
    })


def build(**changes):
    """Return the fleet's report; keywords replace whole fields."""
    rng = np.random.default_rng(20261102)
    featured, worst_packs = _featured(), _packs(rng)
    start = [89.0, 95.0, 91.0, 96.0, 100.0]
    fade = [0.02, 0.015, 0.021, 0.012, 0.062]
    parts = [
        _series(cell, s, f, 0.6, rng) for cell, s, f in zip(featured["cell_id"], start, fade, strict=True)
    ]
    cells = _cells("PACK-0001", 84.0, rng)
    worst_cells = cells.nsmallest(10, "soh_pct").assign(
        pack_id="PACK-0001",
        model="Astra 64",
        as_of_date=LAST,
        capacity_ah=lambda f: f["soh_pct"] * 1.8,
        resistance_mohm=1.31,
        efc=412.0,
        observations=88,
        rul_days_p05=lambda f: f["rul_days_p50"] * 0.7,
        rul_days_p95=lambda f: f["rul_days_p50"] * 1.4,
        eol_date_p50=dt.date(2027, 3, 1),
        eol_soh_pct=80.0,
    )
    fields = {
        "generated_at": NOW,
        "location": ".battery_lake/lake",
        "version": "0.1.0",
        "method_versions": ("kalman-1",),
        "totals": Totals(
            vehicles=20,
            packs=20,
            cells=1920,
            single_cells=2,
            cells_below_eol=1,
            cells_in_sight=711,
            soh_median_pct=90.4,
            soh_min_pct=79.9,
            messages_kept=1_482_113,
            messages_refused=2_071,
            flag_days=7,
            observed_pct=98.6,
            newest_date=LAST,
        ),
        "focus_pack_id": "PACK-0001",
        "worst_packs": worst_packs.head(10),
        "worst_cells": worst_cells,
        "featured": featured,
        "health": pd.concat(part[0] for part in parts),
        "truth": pd.concat([parts[0][1], parts[4][1]]),
        "outlook": pd.concat([parts[i][2] for i in (0, 2, 4)]),
        "pack_cells": cells,
        "soh_histogram": _histogram(rng),
        "fleet_daily": _fleet(rng),
        "batches": pd.DataFrame(
            [
                ("ingest", 40, 1_486_220, 1_486_100, 0, 120, 8.2, NOW),
                ("refine", 40, 1_486_100, 1_482_113, 2_071, 1_916, 14.0, NOW),
            ],
            columns=list(COLUMNS["batches"]),
        ),
        "refusals": pd.DataFrame(
            [("not_json", 1011, 3), ("clock_in_future", 640, 2), ("unknown_pack", 420, 1)],
            columns=list(COLUMNS["refusals"]),
        ),
        "flags": pd.DataFrame([("frozen_voltage", 311), ("soc_jump", 42)], columns=list(COLUMNS["flags"])),
        "data_gaps": empty_frame("data_gaps"),
        "sessions": _sessions(rng),
        "accuracy": pd.DataFrame(
            [("simulated fleet", 1920, 172_800, 0.62, 0.81, 91.2), ("laboratory", 2, 180, 0.9, 1.2, 88.3)],
            columns=list(COLUMNS["accuracy"]),
        ),
    }
    fields |= _alerts() | {
        "changes": Changes(since=SINCE, asked=SINCE, raised=1, cleared=1, moved=1, below=1, silent=1, new=1),
        "pack_changes": _changes(worst_packs),
        "cohorts": _cohorts(worst_packs),
        "positions": _positions(rng),
    }
    return ReportData(**{**fields, **changes})


def build_empty():
    """Return the report of a lake without a single row."""
    frames = {name: empty_frame(name) for name in COLUMNS}
    return ReportData(
        generated_at=NOW,
        location=".battery_lake/lake",
        version="0.1.0",
        method_versions=(),
        totals=Totals(),
        focus_pack_id=None,
        **frames,
    )


@pytest.fixture(scope="session")
def fleet_report():
    return build()


@pytest.fixture(scope="session")
def empty_report():
    return build_empty()


@pytest.fixture(scope="session")
def report_of():
    """Return the builder itself, for reports that differ in a field."""
    return build


@pytest.fixture(scope="session")
def read(spark, frame):
    """Read the small lake; a table without rows is an empty frame."""
    # From Arrow, so that the many actions of a report need no Python worker.
    full = {name: spark.createDataFrame(frame(name, found).toArrow()) for name, found in rows().items()}
    return lambda name: full[name] if name in full else frame(name, [])


@pytest.fixture(scope="session")
def small_report(read, spark):
    """Return what the report shows of the small lake, compared with a day, with all true values known."""
    known = [
        ("fleet", cell_id, day, soh_pct + 0.6) for cell_id, _, _, soh_pct in cells() for day in DAYS[:10]
    ]
    known += [("fleet", "A/01/01", dt.date(2020, 1, 1), 99.0)]
    truth = spark.createDataFrame(known, "set_name string, cell_id string, as_of_date date, soh_pct double")
    chosen = Selection(points=10, earlier_days=(DAYS[3], SMALL_SINCE))
    return load(read, generated_at=NOW, location="lake", truth=truth, selection=chosen)
