"""How simulated cells age."""

import numpy as np
import pytest

from battery_lake.simulate.ageing import CellTraits, age, draw_cells

DAYS = 365


def even_cells(cells: int = 4) -> CellTraits:
    ones = np.ones(cells)
    return CellTraits(ones, ones, 0.0 * ones, np.array([1.0, 1.0, 0.8, 2.0]), 0.0 * ones)


def aged(traits: CellTraits, **changes):
    given = {
        "rated_ah": 150.0,
        "temperature_c": np.full(DAYS, 25.0),
        "efc": np.linspace(0.0, 120.0, DAYS),
        "age_years": 1.0,
        "lithium_share": 0.25,
        "knee_day": None,
    }
    return age(traits, **(given | changes))


def test_capacity_never_rises_and_a_fast_fader_ends_lower():
    capacity = aged(even_cells()).capacity_ah
    assert np.all(np.diff(capacity, axis=0) < 0.0)
    assert capacity[-1, 3] < capacity[-1, 0] < capacity[-1, 2]


def test_heat_use_and_age_take_capacity():
    usual = aged(even_cells()).capacity_ah[-1, 0]
    assert aged(even_cells(), temperature_c=np.full(DAYS, 35.0)).capacity_ah[-1, 0] < usual
    assert aged(even_cells(), efc=np.linspace(0.0, 300.0, DAYS)).capacity_ah[-1, 0] < usual
    assert aged(even_cells(), age_years=4.0).capacity_ah[-1, 0] < usual


def test_a_taxi_of_156000_km_in_three_years_is_near_the_field_studys_mean():
    efc = 156_000 * 0.155 / 53.0
    result = aged(even_cells(), efc=np.full(2, efc), age_years=3.2, temperature_c=np.full(2, 18.0))
    assert 100.0 * result.capacity_ah[0, 0] / 150.0 == pytest.approx(89.0, abs=2.0)


def test_after_the_knee_the_fade_is_several_times_as_fast():
    fade = -np.diff(aged(even_cells(), knee_day=200.0).capacity_ah[:, 0])
    assert fade[250] > 3.0 * fade[150]


def test_resistance_and_loss_of_lithium_follow_the_fade():
    result = aged(even_cells())
    left = result.capacity_ah[-1] / 150.0
    assert result.resistance_factor[-1] == pytest.approx(1.0 + 1.5 * (1.0 - left))
    assert np.all(result.lithium_loss_frac[-1] < 1.0 - left)
    assert np.all(aged(even_cells(), lithium_share=0.0).lithium_loss_frac == 0.0)


def test_the_pack_is_empty_when_its_first_cell_is():
    cells = even_cells()
    result = aged(cells)
    assert result.usable_ah[-1] == pytest.approx(result.capacity_ah[-1, 3])


def test_cells_spread_as_specified():
    traits = draw_cells(np.random.default_rng(1), 5000, leaky=True)
    assert traits.capacity_frac.mean() == pytest.approx(1.01, abs=0.001)
    assert traits.capacity_frac.std() == pytest.approx(0.008, rel=0.05)
    assert traits.resistance_frac.std() == pytest.approx(0.05, rel=0.05)
    assert np.log(np.median(traits.fade_factor)) == pytest.approx(0.0, abs=0.7)
    assert np.std(np.log(traits.fade_factor)) == pytest.approx(0.08, abs=0.01)
    assert traits.imbalance_frac.min() == 0.0
    assert np.count_nonzero(traits.leak_frac_per_day) == 1


def test_some_packs_have_weak_cells():
    packs = [draw_cells(np.random.default_rng(seed), 96, leaky=False).fade_factor for seed in range(60)]
    weak = [factor.max() / np.median(factor) > 1.3 for factor in packs]
    assert 10 <= sum(weak) <= 35
