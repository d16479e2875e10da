"""Each rule with evidence that raises it, and beside it evidence that does not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from battery_lake.cells.ageing_alerts import knee, resistance_jump, sudden_fade
from battery_lake.cells.alerts import (
    CODES,
    CRITICAL,
    INFO,
    NONE,
    WARNING,
    cell_far_off,
    imbalance_growth,
    listed,
    self_discharge,
    weak_cell,
)
from battery_lake.cells.changes import bend, step_change
from battery_lake.cells.odd_cells import WIDTH, evidence_step, initial_evidence, initial_trend, trend_step
from battery_lake.cells.safety_alerts import frozen_sensor, insulation, over_temperature, plating_risk
from battery_lake.cells.sensor_alerts import Follow, lying_cell, lying_pack_voltage, lying_probe
from battery_lake.pipelines.alerts import safety_limits
from battery_lake.settings import Settings

DAYS = np.arange(40.0)
number = st.one_of(st.just(np.nan), st.floats(-1e3, 1e3))


def trend_of(values, std=0.0005, days=None, params=None):
    """Trend of one deviation a day."""
    trend = initial_trend(1)
    for day, value in zip(days if days is not None else range(len(values)), values, strict=True):
        more = () if params is None else (params,)
        trend = trend_step(trend, np.array([float(day)]), np.array([value]), np.array([std]), *more)
    return trend


def evidence_of(z):
    known = initial_evidence(1)
    for value in z:
        known = evidence_step(known, np.array([value]))
    return known


# Cells


def test_a_weak_cell_is_a_warning_until_it_is_known_to_be_steady():
    day = np.array([-0.03])
    early = weak_cell(evidence_of([-12.0] * 2), trend_of([-0.03] * 2), day)
    late = weak_cell(evidence_of([-12.0] * 30), trend_of([-0.03] * 30), day)
    assert (early.severity[0], late.severity[0]) == (WARNING, INFO)


def test_a_weak_cell_is_critical_where_it_lies_deep_or_soon_will():
    deep = weak_cell(evidence_of([-30.0] * 3), trend_of([-0.12] * 3), np.array([-0.12]))
    falling = -0.03 - 0.003 * np.arange(15)
    soon = weak_cell(evidence_of([-12.0] * 15), trend_of(falling), falling[-1:])
    assert (deep.severity[0], soon.severity[0]) == (CRITICAL, CRITICAL)


def test_an_alert_carries_its_numbers_and_leaves_out_what_is_not_known():
    found = weak_cell(evidence_of([-12.0] * 2), trend_of([-0.03] * 2), np.array([np.nan]))
    (alert,) = listed(found)
    assert (alert.code, alert.place, alert.severity) == ("weak_cell", (0,), "warning")
    assert alert.evidence["z"] == -12.0
    assert "deviation_mv" not in alert.evidence


def test_a_healthy_cell_has_no_alert():
    assert not listed(weak_cell(evidence_of([-2.0] * 9), trend_of([-0.004] * 9), np.array([-0.004])))


def test_a_cell_far_off_is_critical_at_once():
    voltage = np.full((2, 20), 3.8)
    voltage[1, 7] = 3.5
    (alert,) = listed(cell_far_off(voltage))
    assert (alert.place, alert.severity) == ((1, 7), "critical")
    assert alert.evidence == pytest.approx({"deviation_mv": -300.0, "voltage_v": 3.5})


def test_a_falling_cell_is_self_discharge_with_its_leak():
    found = self_discharge(trend_of(-0.001 * np.arange(25)), 1.0, 120.0)
    evidence = found.evidence
    assert found.severity[0] == WARNING
    assert abs(evidence["leak_ma"][0] - 5.0) < 1.645 * evidence["leak_std_ma"][0]


def test_a_fast_fall_is_critical():
    assert self_discharge(trend_of(-0.005 * np.arange(15)), 1.0, 120.0).severity[0] == CRITICAL


@pytest.mark.parametrize("values", [-0.03 + np.zeros(30), 0.001 * np.arange(30), -0.0001 * np.arange(30)])
def test_a_steady_rising_or_hardly_falling_cell_is_none(values):
    assert self_discharge(trend_of(values), 1.0, 120.0).severity[0] == NONE


def test_a_single_bad_day_is_no_self_discharge():
    assert self_discharge(trend_of([0.0] * 20 + [-0.05]), 1.0, 120.0).severity[0] == NONE


def test_a_pack_that_drifts_apart_is_told_and_a_wide_one_is_not():
    grows = 0.02 + 0.002 * np.arange(40)
    assert imbalance_growth(trend_of(grows, params=WIDTH)).severity[0] >= WARNING
    assert imbalance_growth(trend_of([0.08] * 40, params=WIDTH)).severity[0] == NONE


# Capacity and resistance over time


def fading(change, seed=0, std=0.4, cells=1):
    """State of health a day, with noise."""
    noise = np.random.default_rng(seed).standard_normal((DAYS.size, cells))
    return (100.0 - 0.02 * DAYS + change)[:, None] + std * noise


def severities(rule, change, std=0.4, seeds=20):
    return [int(rule(DAYS, fading(change, s, std), np.full((40, 1), std)).severity[0]) for s in range(seeds)]


def test_a_sudden_loss_of_capacity_is_told_and_its_size():
    loss = np.where(DAYS >= 35, -5.0, 0.0)
    assert severities(sudden_fade, loss) == [WARNING] * 20
    assert set(severities(sudden_fade, 2 * loss)) == {CRITICAL}
    found = sudden_fade(DAYS, fading(loss, 1), np.full((40, 1), 0.4)).evidence
    assert abs(found["loss_pct"][0] - 5.0) < 2 * found["loss_std_pct"][0]


@pytest.mark.parametrize("change", [np.zeros(40), -0.1 * DAYS, np.where(DAYS == 39, -9.0, 0.0)])
def test_steady_fade_or_a_single_bad_test_is_no_sudden_fade(change):
    assert severities(sudden_fade, change) == [NONE] * 20


def test_steps_hold_the_truth_within_their_interval():
    cells = 400
    found = step_change(
        DAYS, fading(np.where(DAYS >= 35, -5.0, 0.0), 5, cells=cells), np.full((40, cells), 0.4)
    )
    assert 0.85 <= np.mean(np.abs(found.step + 5.0) <= 1.645 * found.std) <= 0.96


def test_resistance_that_rises_at_once_is_told():
    rng = np.random.default_rng(0)
    ohm = 0.001 * (1 + 0.02 * rng.standard_normal((40, 3)))
    ohm[35:, 1] *= 1.5
    ohm[35:, 2] *= 3.0
    found = resistance_jump(DAYS, ohm, 0.02 * ohm)
    assert found.severity.tolist() == [NONE, WARNING, CRITICAL]
    assert found.evidence["rise_pct"][1] == pytest.approx(50.0, abs=8.0)


def test_resistance_that_creeps_is_no_jump():
    rng = np.random.default_rng(1)
    ohm = 0.001 * (1 + 0.01 * DAYS[:, None]) * (1 + 0.02 * rng.standard_normal((40, 50)))
    assert (resistance_jump(DAYS, ohm, 0.02 * ohm).severity == NONE).all()


def bent(seed, knee_day=200.0, cells=1, times=5.0):
    days = np.arange(0.0, 400.0, 8.0)
    loss = 0.01 * days + 0.01 * (times - 1.0) * np.maximum(days - knee_day, 0.0)
    noise = 0.3 * np.random.default_rng(seed).standard_normal((days.size, cells))
    return days, 100.0 - loss[:, None] + noise, np.full((days.size, cells), 0.3)


def test_a_knee_is_found_and_where_it_is():
    days, soh, std = bent(0, cells=100)
    found = knee(days, soh, std)
    assert np.mean(found.severity >= WARNING) >= 0.98
    # Neighbouring estimates count half, as the filter before makes them alike: wide on independent ones.
    inside = (found.evidence["knee_days_p05"] - 8 <= 200) & (found.evidence["knee_days_p95"] + 8 >= 200)
    assert np.mean(inside) >= 0.9


def test_straight_fade_has_no_knee():
    days, soh, std = bent(0, cells=200, times=1.0)
    assert (knee(days, soh, std).severity == NONE).all()


def test_fade_that_slows_down_has_no_knee():
    days, soh, std = bent(0, cells=20, times=-0.5)
    assert (knee(days, soh, std).severity == NONE).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 25), st.integers(1, 3), st.data())
def test_any_series_survives(days, cells, data):
    size = days * cells
    values = np.array(data.draw(st.lists(number, min_size=size, max_size=size)), dtype=float)
    values = values.reshape(days, cells)
    at, std = np.arange(days, dtype=float), np.ones((days, cells))
    for rule in (sudden_fade, resistance_jump, knee):
        assert rule(at, values, std).severity.shape == (cells,)


@given(st.permutations(range(4)))
def test_cells_may_come_in_any_order(order):
    turn = np.array(order)
    soh = fading(np.where(DAYS >= 35, -4.0, 0.0), 3, cells=4)
    std = np.full((40, 4), 0.4)
    assert step_change(DAYS, soh[:, turn], std).step == pytest.approx(step_change(DAYS, soh, std).step[turn])
    assert bend(DAYS, soh[:, turn], std).gain == pytest.approx(bend(DAYS, soh, std).gain[turn])


def test_every_rule_has_a_code_that_is_explained():
    limits = safety_limits(Settings().alerts)["default"]
    used = {
        weak_cell(initial_evidence(1), initial_trend(1), np.zeros(1)).code,
        self_discharge(initial_trend(1), 1.0, 1.0).code,
        imbalance_growth(initial_trend(1)).code,
        over_temperature(np.zeros((1, 1)), limits).code,
        frozen_sensor(np.zeros(1), np.ones(1)).code,
        insulation(np.zeros(1), np.ones(1), 400.0, limits)[0].code,
        plating_risk(np.zeros(1), np.ones(1), np.ones(1), 100.0, limits).code,
        lying_cell(Follow(np.ones(1), np.ones(1))).code,
        lying_probe(np.zeros(1)).code,
        lying_pack_voltage(np.zeros(1)).code,
        *(
            rule(DAYS, fading(0 * DAYS), np.ones((40, 1))).code
            for rule in (sudden_fade, knee, resistance_jump)
        ),
    }
    assert used == set(CODES)
