"""Insulation of simulated packs: sound ones stay sound whatever the weather, leaks end low."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from battery_lake.simulate.fleet import DAMP_VEHICLE, FleetSpec, simulate_vehicle
from battery_lake.simulate.insulation import (
    HIGHEST_KOHM,
    Leak,
    draw_damp,
    draw_leak,
    monitored_kohm,
    true_kohm,
)

DAYS = 60
AT_S = np.arange(0.0, DAYS * 86_400.0, 3_600.0)


@given(st.integers(0, 10_000))
def test_damp_alone_never_takes_a_sound_pack_near_the_limit(seed):
    damp = draw_damp(np.random.default_rng(seed), DAYS)
    assert (1000.0 * true_kohm(AT_S, damp, 400.0, None) / 400.0 > 2_000.0).all()


def test_a_leak_creeps_to_its_own_resistance():
    sound = np.ones(DAYS)
    leak = Leak(half_day=30.0, creep_days=2.0, last_ohm_per_v=100.0)
    told = true_kohm(AT_S, sound, 400.0, leak)
    assert (np.diff(told) <= 0.0).all()
    assert told[0] == pytest.approx(6_000.0, rel=0.01)
    assert told[-1] == pytest.approx(40.0, rel=0.02)
    assert 20.0 <= draw_leak(np.random.default_rng(1), 30.0).last_ohm_per_v <= 250.0


def test_a_monitor_saturates_and_errs_for_one_message_only_when_contactors_close():
    rng = np.random.default_rng(0)
    state = np.array(([*["driving"] * 20, *["parked"] * 10]) * 50, dtype=object)
    told = monitored_kohm(rng, np.full(state.size, 3_000.0), state).reshape(50, 30)
    assert (told[:, 1:] > 2_400.0).all()
    assert 0.1 < np.mean(told[:, 0] < 2_000.0) < 0.6
    assert monitored_kohm(rng, np.full(state.size, 1e6), state).max() == HIGHEST_KOHM


def test_one_vehicle_of_twenty_has_a_leak_and_nothing_else_of_the_fleet_changes():
    spec = FleetSpec(vehicles=20, days=40, cells_in_series=12)
    lowest = {}
    for number in (DAMP_VEHICLE, DAMP_VEHICLE + 1):
        told = simulate_vehicle(spec, number)[0].insulation_kohm
        lowest[number] = 1000.0 * np.median(told[-50:]) / (12 * 4.2)
    assert lowest[DAMP_VEHICLE] < 500.0 < lowest[DAMP_VEHICLE + 1]
