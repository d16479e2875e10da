"""Rules of the whole pack: heat, standing signals, insulation, charging in the cold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from battery_lake.cells.alerts import CRITICAL, NONE, WARNING, listed
from battery_lake.cells.safety_alerts import (
    frozen_sensor,
    insulation,
    lasting_low,
    over_temperature,
    plating_risk,
)
from battery_lake.pipelines.alerts import safety_limits
from battery_lake.settings import Settings

LIMITS = safety_limits(Settings().alerts)
NMC = LIMITS["default"]
number = st.one_of(st.just(np.nan), st.floats(-1e3, 1e3))


def test_a_probe_far_too_hot_alarms_on_its_first_message():
    reading = np.full((1, 24), 30.0)
    reading[0, 5] = 80.0
    (alert,) = listed(over_temperature(reading, NMC))
    assert (alert.place, alert.severity) == ((0, 5), "critical")
    assert alert.evidence == {"temperature_c": 80.0, "above_others_k": 50.0}


@pytest.mark.parametrize(
    ("readings", "severity"),
    [
        ([30.0, 31.0, 54.0], WARNING),  # far above the others
        ([56.0, 56.0, 56.0], WARNING),
        ([40.0, 45.0, 50.0], NONE),
        ([np.nan, np.nan, 70.0], CRITICAL),
        ([np.nan, np.nan, np.nan], NONE),
        ([25.0, 70.0], CRITICAL),
    ],
)
def test_heat_by_limit_and_beside_the_other_probes(readings, severity):
    assert over_temperature(np.array([readings]), NMC).severity.max() == severity


def test_lfp_may_be_as_warm_as_its_makers_allow():
    assert over_temperature(np.array([[58.0]]), LIMITS["LFP"]).severity.max() == NONE
    assert over_temperature(np.array([[61.0]]), LIMITS["LFP"]).severity.max() == WARNING


def test_no_probe_no_alert():
    assert over_temperature(np.empty((3, 0)), NMC).severity.shape == (3, 0)


def test_frozen_signals_are_counted():
    found = frozen_sensor(np.array([0, 2, 10, 80]), np.array([100, 100, 100, 100]))
    assert found.severity.tolist() == [NONE, NONE, WARNING, CRITICAL]
    assert frozen_sensor(np.array([0]), np.array([0])).severity.tolist() == [NONE]


def insulated(kohm, every_s=30.0, limits=NMC):
    """A pack of 400 V, a message every so often."""
    values = np.asarray(kohm, dtype=float)
    found, first = insulation(every_s * np.arange(values.size), values, 400.0, limits)
    return int(found.severity[0]), first


@pytest.mark.parametrize(
    ("kohm", "severity"),
    [(5000.0, NONE), (200.0, NONE), (150.0, WARNING), (40.0, WARNING), (39.0, CRITICAL), (0.0, CRITICAL)],
)
def test_insulation_is_judged_by_voltage(kohm, severity):
    assert insulated(np.full(10, kohm)) == (severity, 0 if severity != NONE else -1)


def test_low_insulation_counts_once_it_has_lasted():
    kohm = np.full(12, 2000.0)
    kohm[[3, 6]] = 1.0
    assert insulated(kohm) == (NONE, -1)
    kohm[6:8] = 1.0
    assert insulated(kohm) == (NONE, -1)
    kohm[6:9] = 1.0
    assert insulated(kohm) == (CRITICAL, 6)
    # Three readings in two seconds are one disturbance.
    assert insulated(kohm, every_s=1.0) == (NONE, -1)


def test_unknown_insulation_is_no_alert():
    assert insulated(np.full(10, np.nan)) == (NONE, -1)
    assert insulated([]) == (NONE, -1)
    assert insulated([1.0, 1.0]) == (NONE, -1)


@given(
    st.lists(st.floats(0.0, 100.0), max_size=20),
    st.lists(st.floats(0.5, 100.0), min_size=20, max_size=20),
    st.integers(1, 4),
)
def test_what_lasts_is_the_highest_of_every_stretch(values, steps, readings):
    seconds, value = np.cumsum(steps)[: len(values)], np.array(values)
    expected = []
    for first in range(value.size):
        held = [
            last for last in range(first + readings - 1, value.size) if seconds[last] >= seconds[first] + 60.0
        ]
        expected.append(value[first : held[0] + 1].max() if held else np.nan)
    assert lasting_low(seconds, value, readings) == pytest.approx(np.array(expected), nan_ok=True)


def charge(amperes, coldest_c, minutes=60, limits=NMC):
    """A charge of a pack of 100 Ah, a message every 30 s."""
    seconds = np.arange(0.0, 60.0 * minutes, 30.0)
    current, coldest = np.full(seconds.size, amperes), np.full(seconds.size, coldest_c)
    return plating_risk(seconds, current, coldest, 100.0, limits)


@pytest.mark.parametrize(
    ("amperes", "coldest_c", "severity"),
    [
        (50.0, -5.0, CRITICAL),
        (15.0, -5.0, WARNING),
        (11.0, -5.0, NONE),
        (50.0, 14.0, NONE),
        (46.0, 12.0, WARNING),
        (90.0, 15.0, NONE),
        (-90.0, -5.0, NONE),
    ],
)
def test_charging_in_the_cold_is_a_risk(amperes, coldest_c, severity):
    assert charge(amperes, coldest_c).severity.tolist() == [severity]


@pytest.mark.parametrize(
    ("amperes", "coldest_c", "severity"),
    [(9.0, 0.0, NONE), (15.0, 0.0, WARNING), (5.0, -3.0, WARNING), (19.0, 5.0, NONE), (90.0, 10.0, NONE)],
)
def test_lfp_has_limits_of_its_own(amperes, coldest_c, severity):
    assert charge(amperes, coldest_c, limits=LIMITS["LFP"]).severity.tolist() == [severity]


def test_pulses_of_braking_are_no_charging_in_the_cold():
    seconds = np.arange(0.0, 3600.0, 10.0)
    current = np.where(np.arange(seconds.size) % 3 == 0, 150.0, -40.0)
    assert plating_risk(seconds, current, np.full(seconds.size, -5.0), 100.0, NMC).severity.tolist() == [NONE]


def test_a_gap_counts_no_charge():
    found = plating_risk(np.array([0.0, 7200.0]), np.array([50.0, 50.0]), np.array([-5.0, -5.0]), 100.0, NMC)
    assert found.evidence["excess_ah"].tolist() == [0.0]


@given(st.lists(st.tuples(number, number), max_size=8))
def test_any_charge_survives(rows):
    current, coldest = np.array(rows, dtype=float).reshape(-1, 2).T
    found = plating_risk(np.arange(current.size, dtype=float), current, coldest, 100.0, NMC)
    assert np.isfinite(found.evidence["excess_ah"]).all()
