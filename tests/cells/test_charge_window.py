from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from battery_lake.cells.charge_window import WindowParams, charge_window

DATA = Path(__file__).parents[3] / "shared" / "data" / "nasa_pcoe"
RATED_AH = 2.0
PARAMS = WindowParams()
EDGES_V = np.linspace(PARAMS.low_v, PARAMS.high_v, PARAMS.parts + 1)


def charged_ah(volt):
    """Charge of a made-up cell up to a voltage: two plateaus."""
    return 0.6 * np.tanh((volt - 3.93) / 0.06) + 0.5 * np.tanh((volt - 4.08) / 0.05) + 0.8 * (volt - 3.5)


TRUE_PART = np.diff(charged_ah(EDGES_V)) / RATED_AH


def a_charge(every_s=10.0, current_a=1.5, above_v=3.7, offset_s=0.0):
    """Samples of a charge at constant current."""
    grid_v = np.linspace(3.5, 4.25, 20_001)
    start_ah = charged_ah(above_v)
    time = offset_s + np.arange(0.0, (charged_ah(4.2) - start_ah) / current_a * 3600.0, every_s)
    volt = np.interp(start_ah + time * current_a / 3600.0, charged_ah(grid_v), grid_v)
    return time, volt, np.full(time.size, current_a), 25.0 + time / 3000.0


def read(time, volt, amp, warm=None, rated_ah=RATED_AH):
    return charge_window(time, volt, amp, rated_ah, warm)


@pytest.mark.parametrize("every_s", [1.0, 10.0, 30.0])
@pytest.mark.parametrize("offset_s", [0.0, 4.0])
def test_the_charge_of_each_part_is_found_at_any_sampling(every_s, offset_s):
    time, volt, amp, _ = a_charge(every_s, offset_s=offset_s)
    found = read(time, np.round(volt, 3), np.round(amp, 2))
    assert found.part_frac == pytest.approx(TRUE_PART, abs=0.004)
    assert found.part_frac.sum() == pytest.approx(TRUE_PART.sum(), abs=0.002)
    assert found.c_rate == 0.75


def test_samples_outside_of_the_window_change_nothing_but_its_ends():
    time, volt, amp, _ = a_charge()
    inside = (volt >= PARAMS.low_v) & (volt <= PARAMS.high_v)
    whole, alone = read(time, volt, amp), read(time[inside], volt[inside], amp[inside])
    assert alone.part_frac == pytest.approx(whole.part_frac)
    assert alone.duration_s == whole.duration_s


def test_a_charge_that_starts_within_holds_nothing_below_its_start():
    found = read(*a_charge(above_v=3.93)[:3])
    below = EDGES_V[1:] < 3.92
    assert np.abs(found.part_frac[below]).max() < 0.003
    assert found.part_frac[4:] == pytest.approx(TRUE_PART[4:], abs=0.004)
    assert found.start_v == pytest.approx(3.93, abs=0.001)


@pytest.mark.parametrize(
    ("above_v", "until_v"), [(4.03, 4.2), (3.7, 4.05)], ids=["starts above the middle", "ends too early"]
)
def test_half_a_window_is_not_read(above_v, until_v):
    time, volt, amp, _ = a_charge(above_v=above_v)
    seen = volt < until_v
    assert np.isnan(read(time[seen], volt[seen], amp[seen]).part_frac).all()


def test_only_the_parts_that_a_gap_hid_are_unknown():
    time, volt, amp, _ = a_charge()
    seen = (volt < 3.96) | (volt > 3.99)
    found = read(time[seen], volt[seen], amp[seen]).part_frac
    hidden = (EDGES_V[:-1] < 3.992) & (EDGES_V[1:] > 3.958)
    assert np.isnan(found[hidden]).all()
    assert found[~hidden] == pytest.approx(TRUE_PART[~hidden], abs=0.004)


def test_an_interruption_without_current_counts_no_charge():
    time, volt, amp, _ = a_charge()
    pause = int(np.searchsorted(volt, 4.0))
    resting = np.arange(10.0, 600.0, 10.0)
    broken = read(
        np.concatenate([time[:pause], time[pause - 1] + resting, time[pause:] + 600.0]),
        np.concatenate([volt[:pause], np.full(resting.size, 3.97), volt[pause:]]),
        np.concatenate([amp[:pause], np.zeros(resting.size), amp[pause:]]),
    )
    assert broken.part_frac.sum() == pytest.approx(TRUE_PART.sum(), abs=0.005)


def test_temperature_at_the_start_and_its_rise():
    found = read(*a_charge())
    time, volt, _, warm = a_charge()
    inside = (volt >= PARAMS.low_v) & (volt <= PARAMS.high_v)
    assert found.start_c == pytest.approx(warm[inside][1])
    assert found.rise_c == pytest.approx(warm[inside][-2] - warm[inside][1])
    assert np.isnan(read(time, volt, np.full(time.size, 1.5)).start_c)


@pytest.mark.parametrize("rated_ah", [0.0, -1.0, np.nan])
def test_without_a_rated_capacity_nothing_is_read(rated_ah):
    assert np.isnan(read(*a_charge(), rated_ah=rated_ah).part_frac).all()


number = st.one_of(st.just(np.nan), st.floats(-1e6, 1e6), st.floats(3.7, 4.3))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(number, number, number, number), max_size=40))
def test_any_samples_survive(rows):
    columns = np.array(rows, dtype=float).reshape(-1, 4).T
    found = read(*columns)
    assert found.part_frac.shape == (PARAMS.parts,)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_rows_with_a_missing_value_count_as_not_there(data):
    columns = [column.copy() for column in a_charge(20.0)]
    lost = data.draw(st.sets(st.integers(0, columns[0].size - 1), max_size=10))
    for row in lost:
        columns[data.draw(st.integers(0, 2))][row] = np.nan
    kept = [row for row in range(columns[0].size) if row not in lost]
    np.testing.assert_array_equal(
        read(*columns).part_frac, read(*(column[kept] for column in a_charge(20.0))).part_frac
    )


def test_the_window_of_a_measured_cell_empties_as_it_ages():
    if not DATA.is_dir():
        pytest.skip("the NASA cells are not beside this checkout")
    parquet = pytest.importorskip("pyarrow.parquet")
    names = ["elapsed_s", "voltage_v", "current_a", "temperature_c"]
    total = []
    for cycle in (10, 60, 110, 160):
        rows = [("step", "==", "charge"), ("cycle_number", "==", cycle)]
        table = parquet.read_table(DATA / "B0005.parquet", columns=names, filters=rows)
        found = read(*(table[name].to_numpy().astype(float) for name in names))
        assert (found.part_frac >= 0.0).all()
        assert found.c_rate == pytest.approx(0.755, abs=0.01)
        assert 23.0 < found.start_c < 32.0
        total.append(found.part_frac.sum())
    assert total == sorted(total, reverse=True)
    assert 0.45 < total[0] < 0.6
    assert 0.2 < total[-1] < 0.35
