import dataclasses
from operator import attrgetter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from battery_lake.cells.first_step import PULSE_GROWTH_FRAC, VOLTAGE_STD_V, as_pulse
from battery_lake.cells.session_stats import Samples, SessionStats, summarise
from battery_lake.cells.sessions import CHARGE, DRIVE, REST, SessionParams, cut
from battery_lake.cells.string_comparison import StringSums

PARAMS = SessionParams()
FIELDS = [
    *(f.name for f in dataclasses.fields(SessionStats) if f.name != "string"),
    *(f"string.{f.name}" for f in dataclasses.fields(StringSums)),
]


def samples(current_a, cells=2, step_s=10.0, **columns):
    n = len(current_a)
    known = {
        "pack_index": np.zeros(n, dtype=np.int64),
        "seconds": np.arange(n) * step_s,
        "pack_voltage_v": np.full(n, 7.5),
        "soc_pct": np.full(n, 50.0),
        "temperature_mean_c": np.full(n, 20.0),
        "temperature_max_c": np.full(n, 21.0),
        "odometer_km": np.full(n, 1000.0),
        "cell_voltages_v": np.full((n, cells), 3.75),
        "low_v": np.full(n, 3.0),
        "rated_ah": np.full(n, 50.0),
    }
    known |= {name: np.asarray(values, dtype=np.float64) for name, values in columns.items()}
    return Samples(current_a=np.asarray(current_a, dtype=np.float64), **known)


def take(block, rows):
    return Samples(**{f.name: getattr(block, f.name)[rows] for f in dataclasses.fields(Samples)})


def run(block, params=PARAMS):
    driving = np.zeros(block.seconds.size, dtype=bool)
    starts, kind = cut(block.seconds, block.current_a, block.pack_index, 1.0, driving, params)
    return summarise(block, starts, kind, params)


def one(block, kind):
    """Summarise the block as one session of a kind, whatever its currents."""
    n = block.seconds.size
    return summarise(block, np.arange(n) == 0, np.full(n, kind, dtype=np.int8), PARAMS)


@st.composite
def blocks(draw):
    n = draw(st.integers(1, 40))
    pick = lambda values: np.array(draw(st.lists(st.sampled_from(values), min_size=n, max_size=n)))  # noqa: E731
    cells = draw(st.integers(0, 3))
    seconds = np.cumsum(pick([1.0, 10.0, 60.0, 1000.0]))
    volts = np.array(
        draw(st.lists(st.sampled_from([2.9, 3.5, 4.1, np.nan]), min_size=n * cells, max_size=n * cells))
    )
    return samples(
        pick([0.0, 40.0, -40.0, np.nan]),
        pack_voltage_v=pick([370.0, np.nan]),
        soc_pct=pick([10.0, 90.0, np.nan]),
        odometer_km=pick([0.0, 10.0, 12.0, np.nan]),
        cell_voltages_v=volts.reshape(n, cells),
        seconds=seconds,
    )


def test_a_charge_is_summed_up_as_by_hand():
    stats = one(
        samples(
            [36.0, 36.0, 72.0, 0.0],
            step_s=100.0,
            soc_pct=[np.nan, 20.0, 25.0, np.nan],
            temperature_mean_c=[20.0, np.nan, 23.0, 26.0],
            temperature_max_c=[21.0, 30.0, np.nan, 27.0],
            cell_voltages_v=[[3.5, 3.6], [3.6, np.nan], [3.8, 3.7], [3.7, 3.65]],
            pack_voltage_v=[7.0, 7.0, np.nan, 7.0],
        ),
        CHARGE,
    )
    assert (stats.first[0], stats.last[0], stats.samples[0], stats.duration_s[0]) == (0, 3, 4, 300.0)
    assert stats.charge_ah[0] == pytest.approx(1.0 + 1.5 + 1.0)
    assert stats.throughput_ah[0] == pytest.approx(3.5)
    assert stats.energy_wh[0] == pytest.approx((252 + (252 + 540) / 2 + 270) * 100 / 3600)
    assert (stats.soc_start_pct[0], stats.soc_end_pct[0]) == (20.0, 25.0)
    assert (stats.temperature_mean_c[0], stats.temperature_max_c[0]) == (23.0, 30.0)
    assert (stats.start_current_a[0], stats.end_current_a[0], stats.current_max_a[0]) == (36.0, 0.0, 72.0)
    assert stats.start_cell_voltages_v.tolist() == [[3.5, 3.6]]
    assert stats.end_cell_voltages_v.tolist() == [[3.7, 3.65]]
    assert stats.min_cell_voltages_v.tolist() == [[3.5, 3.6]]
    assert stats.max_cell_voltages_v.tolist() == [[3.8, 3.7]]
    assert np.isnan(stats.low_limit_charge_ah[0])


def test_the_charge_until_a_cell_is_empty_leaves_out_what_came_after():
    volts = [[3.5, 3.4], [3.4, 3.2], [3.3, 3.0], [3.2, 2.8]]
    block = samples([-36.0] * 4, step_s=100.0, cell_voltages_v=volts)
    assert one(block, DRIVE).low_limit_charge_ah[0] == pytest.approx(2.0)
    assert np.isnan(one(block, CHARGE).low_limit_charge_ah[0])


def test_a_broken_sense_wire_does_not_look_like_an_empty_cell():
    block = samples([-36.0] * 3, step_s=100.0, cell_voltages_v=[[3.5, 3.4], [3.4, 0.003], [3.3, 3.3]])
    assert np.isnan(one(block, DRIVE).low_limit_charge_ah[0])


@pytest.mark.parametrize(
    ("odometer", "distance"),
    [
        ([0.0, 100.0, 103.0, np.nan], 3.0),
        ([103.0, 0.0, 0.0, 100.0], np.nan),
        ([0.0, np.nan, 0.0, np.nan], np.nan),
        ([5.0, 0.0, 0.0, 0.0], 0.0),
    ],
)
def test_distance_trusts_neither_zeros_nor_an_odometer_that_runs_back(odometer, distance):
    assert one(samples([-36.0] * 4, odometer_km=odometer), DRIVE).distance_km[0] == pytest.approx(
        distance, nan_ok=True
    )


def test_the_interval_between_two_sessions_belongs_to_the_later_one():
    current = np.concatenate([np.full(20, 36.0), np.full(20, -36.0)])
    stats = run(samples(current))
    assert stats.charge_ah.sum() == pytest.approx(np.trapezoid(current, dx=10.0) / 3600.0)
    assert stats.first.size == 2


def test_a_gap_between_sessions_counts_for_none_and_a_sparse_interval_counts_with_a_warning():
    stats = run(samples([50.0] * 4, seconds=[0.0, 360.0, 2000.0, 2360.0]))
    np.testing.assert_allclose(stats.charge_ah, [5.0, 5.0])
    assert stats.gaps.tolist() == [1, 1]
    assert stats.gap_s.tolist() == [360.0, 360.0]


def test_what_was_not_measured_is_absent_and_not_zero():
    n = np.full(3, np.nan)
    stats = one(
        samples(
            n, cells=0, pack_voltage_v=n, soc_pct=n, temperature_mean_c=n, temperature_max_c=n, odometer_km=n
        ),
        REST,
    )
    absent = (
        "charge_ah throughput_ah energy_wh sampling_ah2 soc_start_pct soc_end_pct current_max_a distance_km"
    )
    for name in [*absent.split(), "temperature_mean_c", "temperature_max_c"]:
        assert np.isnan(getattr(stats, name)[0]), name
    assert stats.min_cell_voltages_v.shape == (1, 0)
    assert stats.samples[0] == 3


def test_minutes_without_current_leave_the_charge_uncertain():
    seen = one(samples([36.0] * 4, step_s=100.0), CHARGE)
    blind = one(samples([36.0, np.nan, np.nan, 36.0], step_s=100.0), CHARGE)
    assert seen.sampling_ah2[0] == 0.0
    assert blind.sampling_ah2[0] == pytest.approx(1.0)


VOLTS = [[3.50, 3.60], [3.50, 3.60], [3.56, np.nan], [3.57, 3.65], [3.57, 3.65]]


def test_a_session_tells_of_the_step_from_rest_that_it_begins_with():
    stats = one(
        samples(
            [0.0, 0.1, 30.1, 60.0, 60.0],
            cell_voltages_v=VOLTS,
            temperature_mean_c=[18.0, 19.0, np.nan, 20.0, 20.0],
            soc_pct=[40.0, 41.0, 42.0, 43.0, 43.0],
        ),
        CHARGE,
    )
    assert (stats.step_a[0], stats.step_s[0]) == (pytest.approx(30.0), 10.0)
    assert (stats.step_temperature_c[0], stats.step_soc_pct[0]) == (19.0, 42.0)
    assert stats.step_resistance_mohm[0, 0] == pytest.approx(2.0)
    noise_mohm, gain_mohm = 1e3 * VOLTAGE_STD_V / 30.0, 0.0035 * 2.0
    assert stats.step_variance_mohm2[0, 0] == pytest.approx(2 * noise_mohm**2 + gain_mohm**2)
    assert np.isnan(stats.step_resistance_mohm[0, 1])


@pytest.mark.parametrize(
    ("current", "seconds"),
    [
        ([30.0, 60.0, 60.0], [0.0, 10.0, 20.0]),
        ([0.0, 3.0, 60.0], [0.0, 10.0, 20.0]),
        ([0.0, 60.0, 60.0], [0.0, 21.0, 30.0]),
        ([np.nan, 60.0, 60.0], [0.0, 10.0, 20.0]),
        ([0.0, 0.1, -0.1], [0.0, 10.0, 20.0]),
        ([np.nan, np.nan, np.nan], [0.0, 10.0, 20.0]),
    ],
    ids=["no rest", "a ramp", "samples too far apart", "rest is not known", "rest throughout", "no current"],
)
def test_without_a_step_from_rest_nothing_is_told_of_it(current, seconds):
    stats = one(samples(current, seconds=seconds), CHARGE)
    for name in (f for f in FIELDS if f.startswith("step_")):
        assert np.isnan(getattr(stats, name)).all(), name


def test_a_step_leads_from_one_session_to_none():
    current = np.concatenate([np.full(20, 36.0), np.full(20, -36.0)])
    assert np.isnan(run(samples(current)).step_a).all()


@pytest.mark.parametrize("step_s", [1.0, 5.0, 10.0, 20.0])
def test_a_step_anywhere_between_two_samples_is_carried_to_a_pulse_of_ten_seconds(step_s):
    ages_s = step_s * (np.arange(100_000) + 0.5) / 100_000
    seen = np.mean(1.0 + PULSE_GROWTH_FRAC * np.log10(ages_s / 10.0))
    ohm, variance = as_pulse(np.array([seen]), np.array([1.0]), np.array([step_s]))
    assert ohm[0] == pytest.approx(1.0, rel=1e-4)
    assert variance[0] == pytest.approx(1.0 / seen**2, rel=1e-4)
    assert np.isnan(as_pulse(np.array([seen]), np.array([1.0]), np.array([np.nan]))[0])


def test_no_sample_at_all_survives():
    empty = run(samples([], cells=4))
    assert all(len(attrgetter(name)(empty)) == 0 for name in FIELDS)


def test_the_energy_falls_back_on_the_sum_of_the_cells():
    known = one(samples([36.0] * 3), CHARGE)
    summed = one(samples([36.0] * 3, pack_voltage_v=np.full(3, np.nan)), CHARGE)
    assert summed.energy_wh == pytest.approx(known.energy_wh)


@settings(max_examples=60)
@given(blocks(), st.data())
def test_a_series_cut_at_a_gap_gives_the_same_statistics_bit_by_bit(block, data):
    whole = run(block)
    breaks = [0, *(np.flatnonzero(np.diff(block.seconds) > PARAMS.gap_s) + 1).tolist()]
    at = data.draw(st.sampled_from(breaks))
    parts = [run(take(block, rows)) for rows in (slice(0, at), slice(at, None))]
    for name in FIELDS:
        joined = np.concatenate([attrgetter(name)(p) for p in parts])
        if name in {"first", "last"}:
            joined[parts[0].first.size :] += at
        np.testing.assert_array_equal(joined, attrgetter(name)(whole), err_msg=name)


@settings(max_examples=60)
@given(blocks(), st.randoms())
def test_permuting_the_cells_permutes_their_voltages_and_nothing_else(block, random):
    order = list(range(block.cell_voltages_v.shape[1]))
    random.shuffle(order)
    mixed = run(dataclasses.replace(block, cell_voltages_v=block.cell_voltages_v[:, order]))
    plain = run(block)
    for name in FIELDS:
        values = attrgetter(name)(plain)
        by_cell = values.ndim > 1 and name not in {"string.count", "string.c_rate"}
        expected = values[..., order] if by_cell else values
        np.testing.assert_allclose(attrgetter(name)(mixed), expected, err_msg=name, rtol=1e-12, atol=1e-12)


@settings(max_examples=60)
@given(blocks(), st.sampled_from([2.0, 4.0, 8.0]))
def test_scaling_the_current_scales_charge_and_energy(block, factor):
    plain, scaled = run(block), run(dataclasses.replace(block, current_a=block.current_a * factor))
    for name in ("charge_ah", "throughput_ah", "energy_wh", "low_limit_charge_ah"):
        np.testing.assert_allclose(
            getattr(scaled, name), getattr(plain, name) * factor, err_msg=name, atol=1e-12
        )
