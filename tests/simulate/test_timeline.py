"""Where samples lie and what charge passes between them."""

import numpy as np
import pytest

from battery_lake.simulate.charging import Charge
from battery_lake.simulate.driving import AC_CHARGE, DAY_S, DC_CHARGE, DRIVE, Events
from battery_lake.simulate.timeline import PARKED, Reporting, timeline

USABLE_AH = 150.0


def three_events() -> Events:
    """A drive, a fast charge and a slow charge until nearly full."""
    fast, slow = Charge(150.0, 0.6, USABLE_AH), Charge(30.0, 0.9, USABLE_AH)
    return Events(
        start_s=np.array([28800.0, 36000.0, 64800.0]),
        end_s=np.array([32400.0, 36000.0 + fast.duration_s(0.4, 0.8), 64800.0 + slow.duration_s(0.8, 0.99)]),
        kind=np.array([DRIVE, DC_CHARGE, AC_CHARGE]),
        start_depth_ah=np.array([60.0, 90.0, 30.0]),
        end_depth_ah=np.array([90.0, 30.0, 1.5]),
        current_a=np.array([0.0, 150.0, 30.0]),
        knee_frac=np.array([1.0, 0.6, 0.9]),
        usable_ah=np.full(3, USABLE_AH),
        distance_km=np.array([60.0, 0.0, 0.0]),
    )


@pytest.fixture
def line():
    return timeline(three_events(), Reporting(), DAY_S, np.random.default_rng(1))


def test_each_event_moves_the_planned_charge(line):
    for index, (start, end) in enumerate([(60.0, 90.0), (90.0, 30.0), (30.0, 1.5)]):
        of_event = line.event == index
        assert line.depth_ah[of_event][0] == pytest.approx(start)
        assert line.depth_ah[of_event][-1] == pytest.approx(end)


def test_the_trapezoid_rule_over_the_samples_gives_the_charge(line):
    moved = 0.5 * (line.current_a[1:] + line.current_a[:-1]) * np.diff(line.at_s) / 3600.0
    assert -np.diff(line.depth_ah) == pytest.approx(moved)


def test_a_charge_runs_at_the_chargers_current_and_then_tapers(line):
    current = line.current_a[(line.event == 1) & (line.state == DC_CHARGE)]
    assert current[0] == pytest.approx(150.0, rel=0.01)
    assert np.all(np.diff(current) <= 1e-9)
    assert current[-1] == pytest.approx(150.0 * (1 - 0.94 * 0.5), rel=0.03)


def test_a_sample_without_current_opens_a_charge_and_rest_follows_it(line):
    charge = line.event == 2
    assert line.state[charge][0] == PARKED
    assert line.current_a[charge][0] == 0.0
    end_s = three_events().end_s[2]
    rest = line.at_s[charge & (line.at_s > end_s + 1.0)] - end_s
    assert rest[:4] == pytest.approx([10.0, 70.0, 610.0, 2410.0])
    assert np.all(line.current_a[charge & (line.at_s > end_s + 1.0)] == 0.0)


def test_samples_are_in_order_and_apart(line):
    assert np.diff(line.at_s).min() >= 5.0
    assert line.at_s[-1] < DAY_S


def test_driving_discharges_with_some_recuperation():
    drives = [
        timeline(three_events(), Reporting(60.0), DAY_S, np.random.default_rng(seed)) for seed in range(5)
    ]
    current = np.concatenate([line.current_a[line.state == DRIVE] for line in drives])
    assert current.mean() < -20.0
    assert 0.01 < (current > 0.0).mean() < 0.15
