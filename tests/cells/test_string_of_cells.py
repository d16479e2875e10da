"""The whole way from samples to SOH, on a small string of known cells."""

import numpy as np
import pytest

from battery_lake.cells.anchors import rest_anchor
from battery_lake.cells.capacity import plausible, rest_to_rest
from battery_lake.cells.coulomb import charge_std_ah
from battery_lake.cells.ocv import shipped_curve
from battery_lake.cells.session_stats import Samples, summarise
from battery_lake.cells.sessions import REST, SessionParams, cut
from battery_lake.cells.soh_filter import FilterParams, combine_day, initial_state, reported_std, step

RATED_AH = 60.0
CAPACITY_AH = np.array([58.5, 57.0, 55.8, 51.0])
CURVE = shipped_curve("nmc_lgm50")
STEP_S = 10.0


def a_week_of_use(rng, noise_v=0.002):
    """Six days of an hour's drive, two hours' rest, a charge, and a rest overnight."""
    drive = -25.0 + rng.normal(0, 30, (360, 1)).ravel()
    charge = np.full(int(-drive.sum() / 30.0), 30.0)
    day = np.concatenate([drive, np.zeros(720), charge, np.zeros(1800)])
    current = np.concatenate([np.zeros(360), *[day] * 6])
    moved_ah = np.concatenate([[0.0], np.cumsum((current[1:] + current[:-1]) / 2 * STEP_S / 3600.0)])
    soc = 0.9 + moved_ah[:, None] / CAPACITY_AH
    volts = (
        np.interp(soc, CURVE.soc_frac, CURVE.ocv_v)
        + 0.001 * current[:, None]
        + rng.normal(0, noise_v, soc.shape)
    )
    n = current.size
    blank = np.full(n, np.nan)
    return Samples(
        np.zeros(n, dtype=np.int64), np.arange(n) * STEP_S, current, blank, blank, blank, blank, blank,
        volts, np.full(n, 3.0), np.full(n, RATED_AH),
    )  # fmt: skip


def observe(samples):
    """Capacities from every two rests that follow each other, and the day of each."""
    params = SessionParams()
    driving = np.zeros(samples.seconds.size, dtype=bool)
    starts, kind = cut(
        samples.seconds, samples.current_a, samples.pack_index, 0.02 * RATED_AH, driving, params
    )
    stats = summarise(samples, starts, kind, params)
    rests = np.flatnonzero((kind[stats.first] == REST) & (stats.duration_s > 1800.0))
    soc, std = rest_anchor(stats.end_cell_voltages_v[rests], stats.duration_s[rests, None], CURVE)
    charge = np.add.reduceat(stats.charge_ah, rests[:-1] + 1)[:, None]
    duration = np.diff(samples.seconds[stats.last[rests]])[:, None]
    spread = charge_std_ah(charge, duration, RATED_AH)
    capacity, variance = rest_to_rest(charge, spread, soc[:-1], std[:-1], soc[1:], std[1:])
    return *plausible(capacity, variance, np.full((len(charge), 1), RATED_AH)), samples.seconds[
        stats.last[rests[1:]]
    ]


def test_the_soh_of_every_cell_of_a_string_is_found_within_its_interval():
    capacity, variance, seconds = observe(a_week_of_use(np.random.default_rng(11)))
    params, state = FilterParams(), initial_state(4)
    days = np.floor(seconds / 86400.0)
    for day in np.unique(days):
        value, spread, count = combine_day(capacity[days == day], variance[days == day])
        state = step(
            state, np.full(4, day), value / RATED_AH * 100, spread * (100 / RATED_AH) ** 2, params, count
        )
    truth = CAPACITY_AH / RATED_AH * 100
    np.testing.assert_allclose(state.soh_pct, truth, atol=2.5)
    assert (np.abs(state.soh_pct - truth) <= 1.645 * reported_std(state, params)).all()
    assert np.argmin(state.soh_pct) == 3
    assert (state.observations >= 8).all()


def test_a_noisier_string_spreads_no_further_than_its_variance_says():
    capacity, variance, _ = observe(a_week_of_use(np.random.default_rng(12), noise_v=0.003))
    distance = (capacity - CAPACITY_AH) / np.sqrt(variance)
    assert np.isfinite(distance).mean() > 0.8
    assert np.nanmean(np.abs(distance) <= 1.645) > 0.85


def test_a_parked_string_gives_no_observation():
    rng = np.random.default_rng(13)
    parked = a_week_of_use(rng)
    n = parked.seconds.size
    blank = np.full(n, np.nan)
    blips_a = np.where(np.arange(n) % 2000 == 1000, 5.0, 0.0)
    still = Samples(
        parked.pack_index, parked.seconds, blips_a, blank, blank, blank, blank, blank,
        np.full((n, 4), 3.8), np.full(n, 3.0), np.full(n, RATED_AH),
    )  # fmt: skip
    capacity, _, _ = observe(still)
    assert np.isnan(capacity).all()


@pytest.mark.parametrize("cells", [0, 1, 96])
def test_strings_of_any_length_go_through(cells):
    samples = a_week_of_use(np.random.default_rng(14))
    volts = np.repeat(samples.cell_voltages_v[:, :1], cells, axis=1)
    n = samples.seconds.size
    blank = np.full(n, np.nan)
    block = Samples(
        samples.pack_index, samples.seconds, samples.current_a, blank, blank, blank, blank, blank, volts,
        np.full(n, 3.0), np.full(n, RATED_AH),
    )  # fmt: skip
    assert observe(block)[0].shape[1] == cells
