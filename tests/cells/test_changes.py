"""Steps and bends: all cells at once give what each gives alone, and what temperature explains is neither."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from battery_lake.cells.ageing_alerts import AgeingParams, knee, resistance_jump, sudden_fade
from battery_lake.cells.alerts import NONE, WARNING
from battery_lake.cells.changes import StepParams, bend, step_change
from battery_lake.cells.resistance import inverse_temperature

DAYS = np.arange(0.0, 240.0, 4.0)
CELLS = 12


def series(seed, std=0.5, cells=CELLS):
    noise = np.random.default_rng(seed).normal(0.0, std, (DAYS.size, cells))
    return 95.0 - 0.005 * DAYS[:, None] + noise, np.full((DAYS.size, cells), std)


def bent_and_straight(days, values, std, place):
    """Weighted squares of a line with a bend at a place, and of a straight one, by least squares."""
    found = []
    for extra in ([np.maximum(days - place, 0.0)], []):
        design = np.column_stack([np.ones(days.size), days, *extra]) / std[:, None]
        line, *_ = np.linalg.lstsq(design, values / std, rcond=None)
        rest = values / std - design @ line
        found.append((line, float(rest @ rest)))
    return found


@pytest.mark.parametrize("seed", range(3))
def test_a_bend_is_the_best_of_plain_least_squares(seed):
    values, std = series(seed)
    values[:, 3] -= 0.05 * np.maximum(DAYS - 120.0, 0.0)
    found = bend(DAYS, values, std)
    places = np.unique(np.quantile(DAYS[7:-7], np.linspace(0, 1, 25)))
    for cell in range(CELLS):
        fits = [bent_and_straight(DAYS, values[:, cell], std[:, cell], place)[0] for place in places]
        line, _ = min(fits, key=lambda fit: fit[1])
        assert found.before[cell] == pytest.approx(line[1], abs=1e-7)
        assert found.after[cell] == pytest.approx(line[1] + line[2], abs=1e-7)
    assert np.argmax(found.gain) == 3


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.floats(0.0, 0.6))
def test_a_cell_alone_gives_what_it_gives_beside_others(seed, missing):
    values, std = series(seed, cells=3)
    values[np.random.default_rng(seed).random(values.shape) < missing] = np.nan
    together = step_change(DAYS, values, std)
    for cell in range(3):
        alone = step_change(DAYS, values[:, [cell]], std[:, [cell]])
        for name in ("step", "std", "near", "before"):
            assert getattr(alone, name)[0] == pytest.approx(getattr(together, name)[cell], nan_ok=True)


def test_a_step_is_no_bend_and_a_bend_is_no_step():
    values, std = series(1)
    for end in range(35, DAYS.size):
        stepped, turned = values[:end].copy(), values[:end].copy()
        stepped[30:, 2] -= 8.0
        turned[:, 2] -= 0.1 * np.maximum(DAYS[:end] - DAYS[20], 0.0)
        assert (knee(DAYS[:end], stepped, std[:end]).severity == NONE).all()
        assert (sudden_fade(DAYS[:end], turned, std[:end]).severity == NONE).all()


def cold_from(place, kelvin=20.0):
    return np.where(np.arange(DAYS.size) >= place, 22.0 - kelvin, 22.0)


def test_a_cold_spell_is_no_fade_and_without_its_temperature_it_is():
    values, std = series(2)
    celsius = cold_from(50)
    colder = values - 0.5 * (22.0 - celsius)[:, None]
    for end in range(51, DAYS.size):
        own = slice(end)
        assert (
            sudden_fade(DAYS[own], colder[own], std[own], temperature_c=celsius[own]).severity == NONE
        ).all()
    assert (sudden_fade(DAYS[:55], colder[:55], std[:55]).severity >= WARNING).all()


def test_a_fade_is_told_in_steady_cold():
    values, std = series(3)
    values[50:, 4] -= 6.0
    found = sudden_fade(DAYS[:55], values[:55], std[:55], temperature_c=np.full(55, -5.0))
    assert np.flatnonzero(found.severity >= 0).tolist() == [4]


def test_autumn_is_no_knee():
    values, std = series(4)
    celsius = 22.0 - 0.15 * np.maximum(DAYS - 100.0, 0.0)
    colder = values - 0.3 * (22.0 - celsius)[:, None]
    assert (knee(DAYS, colder, std, temperature_c=celsius).severity == NONE).all()
    assert (knee(DAYS, colder, std).severity >= WARNING).mean() > 0.5


def test_a_cold_spell_is_no_jump_of_resistance():
    values, _ = series(5)
    celsius = cold_from(50)
    # The cells feel temperature by 0.25 eV, where 0.15 is believed.
    ohm = 0.0015 * np.exp(0.02 * (values - 95.0) + 0.1 * inverse_temperature(celsius)[:, None])
    std = 0.02 * ohm
    assert (resistance_jump(DAYS[:55], ohm[:55], std[:55], temperature_c=celsius[:55]).severity == NONE).all()
    warm = ohm.copy()
    warm[:50] *= 0.7
    assert (resistance_jump(DAYS[:55], warm[:55], std[:55]).severity >= WARNING).all()


def test_what_is_open_is_held_until_it_has_come_back_half_of_the_limit():
    values, std = series(6)
    values[30:, 1] -= 6.0
    raised = np.full(CELLS, np.nan)
    raised[1] = DAYS[32]
    for end in range(33, DAYS.size):
        found = sudden_fade(DAYS[:end], values[:end], std[:end], raised_days=raised)
        assert np.flatnonzero(found.severity >= 0).tolist() == [1]
    params = AgeingParams()
    for back, is_held in ((3.0, True), (6.0 - 0.2 * params.hold_frac * params.fade_pct, False)):
        mended = values.copy()
        mended[45:, 1] += back
        found = sudden_fade(DAYS[:55], mended[:55], std[:55], raised_days=raised)
        assert (found.severity[1] >= 0) == is_held


def test_one_or_two_outliers_are_no_step():
    values, std = series(7)
    values[-2:, 0] -= 30.0
    assert sudden_fade(DAYS, values, std).severity[0] == NONE
    assert StepParams().after > 2 * 2
