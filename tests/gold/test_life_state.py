"""Observations to the outlook of every cell: the same alone, in company, in one run and in parts."""

# ruff: noqa: DTZ001 - Spark hands over UTC without a zone

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from chispa import assert_df_equality

from battery_lake.cells.life_outlook import OutlookParams
from battery_lake.cells.life_points import MOST_POINTS, no_points
from battery_lake.gold.cell_life import cell_life
from battery_lake.gold.cell_state import STATE, HealthParams, cell_state, pack_days, pack_inputs
from battery_lake.gold.life_state import LINE, MODEL, LifeKind, Lives, Outlook, read_points
from battery_lake.gold.pack_use import USE_FIELDS, pack_use

PARAMS = OutlookParams()
NEW_DAY = 18_000
KINDS = (
    LifeKind("NMC", 80.0, NEW_DAY),
    LifeKind("LFP", 70.0, NEW_DAY + 100.0),
    LifeKind("NMC", 80.0, float("nan")),
    LifeKind("NMC", 80.0, NEW_DAY + 300.0),
)
WIDTH = 3


def evidence(seed, days):
    """SOH of the cells of a pack on some days."""
    rng = np.random.default_rng(seed)
    soh = rng.normal(91.0, 2.0, (days, WIDTH))
    soh[rng.random(soh.shape) < 0.2] = np.nan
    return soh, rng.uniform(0.5, 4.0, soh.shape)


def follow(kinds, parts, days, soh, variance):
    """Take all packs through their k-th day together."""
    lives = Lives(kinds, parts, days)
    for k in range(max(len(own) for own in days)):
        today = np.array([own[k] if k < len(own) else np.nan for own in days], dtype=np.float64)
        value, spread = (
            np.concatenate([own[k] if k < len(own) else np.full(WIDTH, np.nan) for own in values])
            for values in (soh, variance)
        )
        lives.take(today, value, spread, np.where(np.isnan(value), 91.0, value), PARAMS)
    return lives


def given_packs():
    rng = np.random.default_rng(1)
    days = [np.cumsum(rng.integers(1, 60, n)) + NEW_DAY + 400 for n in (40, 25, 12, 1)]
    told = [evidence(k, len(own)) for k, own in enumerate(days)]
    return days, [soh for soh, _ in told], [variance for _, variance in told]


def arrays(outlook):
    return [getattr(outlook, name) for name in Outlook.__dataclass_fields__]


def test_packs_together_and_in_parts_give_the_bits_of_each_alone():
    days, soh, variance = given_packs()
    none = [no_points(1, WIDTH)] * 4
    together = follow(KINDS, none, days, soh, variance)
    for place, kind in enumerate(KINDS):
        own = [[values[place]] for values in (days, soh, variance)]
        alone = follow([kind], none[:1], *own)
        for one, other in zip(arrays(together.outlook(place)), arrays(alone.outlook(0)), strict=True):
            np.testing.assert_array_equal(one, other)
        for cut in range(1, len(days[place]), 5):
            begun = follow([kind], none[:1], *([values[0][: cut + 1]] for values in own))
            stored = pa.table(begun.stored(0)).slice(cut, 1)
            rest = follow([kind], [read_points(stored, WIDTH)], *([values[0][cut:]] for values in own))
            for one, other in zip(arrays(rest.outlook(0)), arrays(alone.outlook(0)), strict=True):
                np.testing.assert_array_equal(one, other[cut:])
            assert (
                pa
                .table(rest.stored(0))
                .slice(len(days[place]) - cut - 1, 1)
                .equals(pa.table(alone.stored(0)).slice(len(days[place]) - 1, 1))
            )


def test_the_stored_history_is_bounded_and_stands_in_the_last_row_only():
    days, soh, variance = given_packs()
    stored = pa.table(follow(KINDS[:1], [no_points(1, WIDTH)], days[:1], soh[:1], variance[:1]).stored(0))
    rows = stored.to_pylist()
    assert all(value is None for row in rows[:-1] for value in row.values())
    assert 0 < len(rows[-1]["points_days"]) <= MOST_POINTS
    assert len(rows[-1]["points_weight"]) == len(rows[-1]["points_days"]) * WIDTH


def test_a_pack_of_unknown_age_gets_no_answer_from_curves():
    days, soh, variance = given_packs()
    lives = follow(KINDS[2:3], [no_points(1, WIDTH)], days[2:3], soh[2:3], variance[2:3])
    assert np.isnan(lives.outlook(0).p50_days).all()


def test_use_of_lately_goes_on_from_the_state():
    rng = np.random.default_rng(3)
    day = np.cumsum(rng.integers(1, 9, 30)) + NEW_DAY
    moved, driven = rng.uniform(0.0, 90.0, (2, 30))
    whole = pack_use(day, moved, driven, None)
    assert set(whole.before(5)) == set(USE_FIELDS)
    for cut in (0, 1, 12, 29):
        rest = pack_use(day[cut:], moved[cut:], driven[cut:], whole.before(cut))
        places = np.arange(30 - cut)
        for name, column in rest.columns(places, 50.0).items():
            assert column.equals(whole.columns(places + cut, 50.0)[name])
        assert rest.before(29 - cut) == whole.before(29)


def at(number, hours=0):
    return dt.datetime(2026, 3, 2) + dt.timedelta(days=number, hours=hours)


def rows_of(numbers, pack_id="P"):
    sessions = [
        {"pack_id": pack_id, "started_at": at(n, 1), "throughput_ah": 20.0 + n % 7, "distance_km": 30.0}
        for n in numbers
    ]
    observations = [
        {"pack_id": pack_id, "started_at": at(n, 3), "method": "rest_to_rest",
         "capacity_ah": [46.0 - 0.003 * n, 44.0 + 0.1 * (n % 5)], "variance_ah2": [0.4, 0.5]}
        for n in numbers
    ]  # fmt: skip
    return sessions, observations


def made(frame, numbers, packs, states=()):
    sessions, observations = [], []
    for pack in packs:
        some = rows_of(numbers, pack["pack_id"])
        sessions, observations = sessions + some[0], observations + some[1]
    known = frame("reference.packs", packs)
    inputs = pack_inputs(
        frame("gold.session", sessions), frame("gold.capacity_observation", observations), known,
        frame("gold.cell_state", list(states)),
    )  # fmt: skip
    return pack_days(inputs, HealthParams()), known


PACK = {"pack_id": "P", "chemistry": "NMC", "cells_in_series": 2, "rated_capacity_ah": 50.0}
AGED = PACK | {"warranty_from": dt.date(2023, 3, 2)}


def test_going_on_from_a_stored_state_gives_the_rows_and_the_state_of_one_run(frame):
    numbers = list(range(0, 600, 9))
    whole, known = made(frame, numbers, [AGED])
    begun, _ = made(frame, numbers[:50], [AGED])
    (state,) = [row.asDict(recursive=True) for row in cell_state(begun).collect()]
    assert state["method_version"] == STATE
    resumed, _ = made(frame, numbers[49:], [AGED], [state])
    newest = cell_life(whole, known).where(f"as_of_date >= DATE'{at(numbers[49]):%Y-%m-%d}'")
    assert newest.count() == 2 * (len(numbers) - 49)
    assert_df_equality(cell_life(resumed, known), newest, ignore_row_order=True, ignore_nullable=True)
    assert_df_equality(cell_state(resumed), cell_state(whole), ignore_nullable=True)


def test_a_known_age_asks_the_curves_and_an_unknown_one_the_line(frame):
    later = PACK | {"pack_id": "R", "warranty_from": dt.date(2026, 6, 1)}
    days, known = made(frame, range(0, 60, 6), [AGED, PACK | {"pack_id": "Q"}, later])
    rows = cell_life(days, known).collect()
    assert {(row.pack_id, row.model_version) for row in rows} == {("P", MODEL), ("Q", LINE), ("R", LINE)}
    for row in rows:
        assert 0.0 <= row.rul_days_p05 <= row.rul_days_p50 <= row.rul_days_p95
        assert (row.eol_date_p50 is None) == row.censored
        assert row.rul_km_p50 == pytest.approx(row.rul_days_p50 * row.rul_km_p95 / row.rul_days_p95)


def test_the_end_of_life_of_the_pack_counts(frame):
    packs = [AGED | {"pack_id": name, "eol_soh_pct": eol} for name, eol in (("P", 70.0), ("Q", 89.0))]
    days, known = made(frame, range(0, 60, 6), packs)
    rows = {(row.cell_id, row.as_of_date): row for row in cell_life(days, known).collect()}
    last = max(day for _, day in rows)
    assert rows["P/01/02", last].rul_days_p50 > 100.0
    assert rows["Q/01/02", last].rul_days_p95 == 0.0
