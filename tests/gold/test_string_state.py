"""Sums of sessions go into columns and come back day by day; the state goes on where it stopped."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from battery_lake.cells.ocv import shipped_curve
from battery_lake.cells.string_comparison import StringParams, StringSums, string_sums
from battery_lake.gold.string_state import COLUMNS, StringDays, curves_of, read_strings, session_columns

CELLS, DAYS = 8, 6
CURVE, PARAMS = shipped_curve("lfp_a123"), StringParams()


def sums(days: int = DAYS) -> StringSums:
    """A charge a day; none on the third."""
    rng = np.random.default_rng(5)
    day = np.repeat(np.arange(days), 60)
    soc = rng.uniform(0.15, 0.85, day.size)
    own = soc[:, None] * (1.0 + 0.01 * np.sin(np.arange(CELLS)))
    volts = np.interp(own, CURVE.soc_frac, CURVE.ocv_v) + rng.normal(0.0, 0.001, own.shape)
    kept = day != 2
    return string_sums(soc[kept], np.full(kept.sum(), 0.2), volts[kept], day[kept], days)


def as_days(columns: dict[str, pa.Array], per_day: list[list[int]]) -> pa.Array:
    """Lists of sessions as the pipeline collects them, one a day."""
    rows = pa.table(columns).to_pylist()
    fields = [pa.field(name, columns[name].type) for name in COLUMNS]
    told = [[rows[k] for k in day if rows[k]["string_bins"] is not None] or None for day in per_day]
    return pa.array(told, pa.list_(pa.struct(fields)))


def test_sums_come_back_from_their_columns_day_by_day() -> None:
    made = sums()
    columns = session_columns(made)
    assert columns["string_bins"].to_pylist()[2] is None
    back = read_strings(as_days(columns, [[0, 1], [], [2], [3, 4, 5]]), CELLS)
    np.testing.assert_allclose(back.count, [made.count[:2].sum(0), *np.zeros((2, 16)), made.count[3:].sum(0)])
    np.testing.assert_allclose(back.volts[3], made.volts[3:].sum(0), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(back.volts2[0], made.volts2[:2].sum(0), rtol=1e-5)
    np.testing.assert_allclose(back.c_rate2[3], made.c_rate2[3:].sum())


def test_sessions_of_another_string_length_do_not_count() -> None:
    assert read_strings(as_days(session_columns(sums()), [[0, 1, 3]]), CELLS + 1).count.sum() == 0.0


def told(days: slice, start: dict | None = None) -> StringDays:
    made, day = sums(), np.arange(DAYS)[days]
    own = StringSums(*(getattr(made, name)[days] for name in StringSums.__slots__))
    return StringDays(20_000 + day, own, np.arange(len(day)), start, CURVE, PARAMS)


def test_going_on_from_the_state_gives_the_same_bits_as_one_run() -> None:
    whole = told(slice(0, DAYS))
    for cut in range(1, DAYS):
        first = told(slice(0, cut))
        # The state is as before the last day, which is read again.
        rest = told(slice(cut - 1, DAYS), first.before_last)
        np.testing.assert_array_equal(rest.relative, whole.relative[cut - 1 :])
        np.testing.assert_array_equal(rest.std, whole.std[cut - 1 :])
        np.testing.assert_equal(rest.before_last, whole.before_last)


def test_packs_of_one_model_share_their_curve_and_one_without_has_none() -> None:
    soc, volts = CURVE.soc_frac.tolist(), CURVE.ocv_v.tolist()
    table = pa.table({
        "ocv_soc_frac": pa.array([soc, None, soc], pa.list_(pa.float64())),
        "ocv_v": pa.array([volts, None, volts], pa.list_(pa.float64())),
    })
    first, none, last = curves_of(table)
    assert first is last
    assert none is None
