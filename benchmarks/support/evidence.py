"""Sessions and capacity observations of made-up packs, straight from NumPy: evidence for the health step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from battery_lake.cells.string_comparison import string_sums
from battery_lake.gold.arrow import lists
from battery_lake.gold.session import STEP_ARRAYS
from battery_lake.gold.string_state import session_columns

if TYPE_CHECKING:
    from pathlib import Path

    from battery_lake.cells.arrays import Floats, Ints

DAY_US = 86_400_000_000
HOUR_US = 3_600_000_000
FIRST_DAY = 20_089  # 2025-01-01
AGE_DAYS = 731
RATED_AH = 150.0
CELLS = 96
CELLS_PER_MODULE = 12
SESSIONS_A_DAY = 3
BLIND_FRAC = 0.02
TEST_EVERY = 40
CHARGE_TURN = 2
CHARGE_SAMPLES = 30
CURVE_SOC_FRAC = np.linspace(0.0, 1.0, 41)
CURVE_V = 3.3 + 0.9 * CURVE_SOC_FRAC + 0.03 * np.sin(9.0 * CURVE_SOC_FRAC)


@dataclass(frozen=True, slots=True)
class Evidence:
    """The files of one set of packs.

    Parameters
    ----------
    sessions, observations, packs
        Parquet files with those columns of gold.session, gold.capacity_observation and reference.packs that
        the health step reads.
    """

    sessions: Path
    observations: Path
    packs: Path


def write_evidence(folder: Path, packs: int, days: int, seed: int = 1, *, strings: bool = False) -> Evidence:
    """Make packs of 96 cells, two years old, that lose 2 to 6 % of SOH a year, with three sessions a day.

    Every day has an observation with 1 % noise, every fourth a second one, and every fortieth a full
    discharge that tells of a tenth of the cells only; 2 % of all values are missing.

    Parameters
    ----------
    folder
        Where to.
    packs, days
        How many packs, and how many days with evidence each has.
    seed
        The same seed gives the same files.
    strings
        Whether charges tell how the cells of a string differ, and packs have a curve to compare them by.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = Evidence(*(folder / f"{name}.parquet" for name in ("sessions", "observations", "packs")))
    rng = np.random.default_rng(seed)
    ids = [f"P{number:05d}" for number in range(packs)]
    _write(files.packs, [_reference(ids, with_curve=strings)])
    _write(files.sessions, [_sessions(rng, name, days, strings=strings) for name in ids])
    _write(files.observations, [_observations(rng, name, days) for name in ids])
    return files


def _write(file: Path, tables: list[pa.Table]) -> None:
    # Small row groups: Spark's tasks share the file.
    pq.write_table(pa.concat_tables(tables), file, row_group_size=2_000)


def _reference(ids: list[str], *, with_curve: bool) -> pa.Table:
    count = len(ids)
    soc_frac, volts = (
        pa.array([values.tolist() if with_curve else None] * count, pa.list_(pa.float64()))
        for values in (CURVE_SOC_FRAC, CURVE_V)
    )
    return pa.table({
        "pack_id": ids,
        "chemistry": ["NMC"] * count,
        "cells_in_series": pa.array([CELLS] * count, pa.int32()),
        "cells_per_module": pa.array([CELLS_PER_MODULE] * count, pa.int32()),
        "rated_capacity_ah": [RATED_AH] * count,
        "eol_soh_pct": pa.nulls(count, pa.float64()),
        "new_resistance_mohm": pa.nulls(count, pa.float64()),
        "ocv_soc_frac": soc_frac,
        "ocv_v": volts,
        "warranty_from": pa.array([FIRST_DAY - AGE_DAYS] * count, pa.int32()).cast(pa.date32()),
    })


def _sessions(rng: np.random.Generator, pack_id: str, days: int, *, strings: bool) -> pa.Table:
    count = days * SESSIONS_A_DAY
    day, turn = np.divmod(np.arange(count), SESSIONS_A_DAY)
    return pa.table({
        "pack_id": [pack_id] * count,
        "started_at": _instants(day, 6 * turn + 1),
        "throughput_ah": rng.uniform(5.0, 60.0, count),
        "distance_km": np.where(turn == 1, rng.uniform(5.0, 80.0, count), 0.0),
        # No steps: the textbook side follows no resistance either.
        **{name: pa.nulls(count, pa.float64()) for name in ("step_s", "step_temperature_c", "step_soc_pct")},
        **{name: pa.nulls(count, pa.list_(pa.float64())) for name in STEP_ARRAYS},
        # Nor are the cells compared there.
        **(
            _compared(rng, days)
            if strings
            else {name: pa.nulls(count, type_) for name, type_ in STRING_TYPES.items()}
        ),
    })


def _compared(rng: np.random.Generator, days: int) -> dict[str, pa.Array]:
    """Sums of every day's charge from 30 to 80 % SOC, its cells a few millivolts apart."""
    soc_frac = np.tile(np.linspace(0.3, 0.8, CHARGE_SAMPLES), days)
    apart_v = 0.003 * rng.standard_normal(CELLS) + 0.001 * rng.standard_normal((soc_frac.size, CELLS))
    volts = np.interp(soc_frac, CURVE_SOC_FRAC, CURVE_V)[:, None] + apart_v
    session = SESSIONS_A_DAY * np.repeat(np.arange(days), CHARGE_SAMPLES) + CHARGE_TURN
    rates = np.full(soc_frac.size, 0.1)
    return session_columns(string_sums(soc_frac, rates, volts, session, SESSIONS_A_DAY * days))


STRING_TYPES = {
    "string_bins": pa.list_(pa.int32()),
    "string_samples": pa.list_(pa.int32()),
    "string_c_rates": pa.list_(pa.float64()),
    "string_c_rate2": pa.float64(),
    "string_apart_v": pa.list_(pa.float32()),
    "string_c_rate_apart": pa.list_(pa.float32()),
    "string_apart_v2": pa.list_(pa.float32()),
}


def _observations(rng: np.random.Generator, pack_id: str, days: int) -> pa.Table:
    every = np.arange(days)
    tests = every[TEST_EVERY - 1 :: TEST_EVERY]
    day = np.concatenate([every, every[::4], tests])
    hour = np.repeat([1, 7, 13], [days, every[::4].size, tests.size])
    is_test = hour == 13
    std_ah = np.where(is_test, 0.004, 0.01)[:, None] * RATED_AH
    capacity_ah = _truth(rng, day) + std_ah * rng.standard_normal((day.size, CELLS))
    capacity_ah[rng.random(capacity_ah.shape) < BLIND_FRAC] = np.nan
    capacity_ah[is_test[:, None] & (rng.random(capacity_ah.shape) > 0.1)] = np.nan
    variance_ah2 = np.where(np.isnan(capacity_ah), np.nan, std_ah**2)
    return pa.table({
        "pack_id": [pack_id] * day.size,
        "started_at": _instants(day, hour),
        "method": np.where(is_test, "full_discharge", "rest_to_rest"),
        "capacity_ah": lists(capacity_ah),
        "variance_ah2": lists(variance_ah2),
    })


def _truth(rng: np.random.Generator, day: Ints) -> Floats:
    """True capacities on some days. [Ah], shape ``(days, cells)``."""
    new_ah = RATED_AH * rng.normal(0.97, 0.01, CELLS)
    fade_frac_a_day = rng.uniform(0.02, 0.06) / 365.0 * rng.normal(1.0, 0.15, CELLS)
    return np.asarray(new_ah * (1.0 - day[:, None] * fade_frac_a_day))


def _instants(day: Ints, hour: Ints) -> pa.Array:
    return pa.array((FIRST_DAY + day) * DAY_US + hour * HOUR_US, pa.timestamp("us", tz="UTC"))
