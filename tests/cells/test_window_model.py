import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from battery_lake.cells.charge_window import charge_window
from battery_lake.cells.metrics import coverage90, rmse
from battery_lake.cells.window_model import ModelParams, WindowModel, fit, predict, shifted

DATA = Path(__file__).parents[3] / "shared" / "data" / "nasa_pcoe"
EDGES_V = np.linspace(3.85, 4.15, 13)
PARAMS = ModelParams()


def windows(soh, shift_v=0.0, size=1.0, noise=0.0005, seed=0):
    """Charges of made-up cells: aged ones have more resistance and less below the knee."""
    volt = EDGES_V[None, :] - shift_v - 0.25 * (1.0 - soh[:, None])
    total = 0.22 * np.tanh((volt - 3.93) / 0.06) + 0.1 * np.tanh((volt - 4.05) / 0.08) + 0.2 * volt
    part = size * soh[:, None] * np.diff(total, axis=1)
    return part + np.random.default_rng(seed).normal(0, noise, part.shape)


def family(cells, seed=0, charges=40, shift_std_v=0.01, noise=0.0005):
    """Charges, capacities and names of cells that differ in resistance and size."""
    rng = np.random.default_rng(seed)
    part, truth, name = [], [], []
    for number in range(cells):
        soh, size = np.linspace(1.0, 0.65, charges), np.exp(rng.normal(0, 0.02))
        part.append(windows(soh, rng.normal(0, shift_std_v), size, noise, seed + number))
        truth.append(size * soh)
        name.append(np.full(charges, f"cell {number}"))
    return np.concatenate(part), np.concatenate(truth), np.concatenate(name)


def learn(part, truth, name, rest_s=None, params=PARAMS):
    return fit(part, np.full(truth.size, 0.75), truth, name, rest_s, params)


@pytest.fixture(scope="module")
def model():
    return learn(*family(3))


def test_cells_that_were_not_learnt_from_are_estimated_within_their_intervals(model):
    part, truth, _ = family(12, seed=100)
    found = predict(model, part)
    assert rmse(found.capacity_frac, truth) < 0.012
    assert 0.8 < coverage90(found.capacity_frac, found.std_frac, truth) <= 1.0
    assert found.std_frac.mean() < 0.02


def test_one_cell_is_enough_since_its_copies_show_how_others_differ():
    part, truth, _ = family(12, seed=200)
    one = family(1, seed=3)
    copies = predict(learn(*one), part)
    plain = predict(learn(*one, params=replace(PARAMS, shift_v_per_c=0.0, scale_frac=0.0)), part)
    assert rmse(copies.capacity_frac, truth) < 0.8 * rmse(plain.capacity_frac, truth)


def test_outside_of_what_was_learnt_from_the_interval_widens(model):
    known = predict(model, windows(np.array([0.8])))
    other = predict(model, windows(np.array([0.8]), shift_v=0.08))
    faded = predict(model, windows(np.array([0.35])))
    assert other.std_frac[0] > 2.0 * known.std_frac[0]
    assert faded.std_frac[0] > 2.0 * known.std_frac[0]


def test_the_interval_widens_with_noise_in_the_training():
    part, truth, name = family(3)
    noisy = truth + np.random.default_rng(1).normal(0, 0.02, truth.size)
    assert learn(part, noisy, name).within_frac > 2.0 * learn(part, truth, name).within_frac
    wide, narrow = predict(learn(part, noisy, name), part), predict(learn(part, truth, name), part)
    assert wide.std_frac.mean() > narrow.std_frac.mean()


def test_the_variance_between_cells_is_learnt_from_cells_that_disagree():
    part, truth, name = family(4, shift_std_v=0.0)
    apart = truth + 0.04 * np.array([1.0, -1.0, 1.0, -1.0]).repeat(40)
    assert learn(part, apart, name).between_frac > 2.0 * learn(part, truth, name).between_frac


def test_more_charges_of_a_cell_do_not_shrink_what_they_share(model):
    few = predict(model, windows(np.full(2, 0.8)))
    many = predict(model, windows(np.full(200, 0.8)))
    assert many.shared_std_frac.mean() == pytest.approx(few.shared_std_frac.mean(), rel=0.1)
    assert (many.shared_std_frac > model.between_frac).all()
    assert many.std_frac == pytest.approx(np.hypot(many.shared_std_frac, many.single_std_frac))


def test_charges_after_a_long_rest_are_corrected():
    part, truth, name = family(3)
    rest_s = np.where(np.arange(truth.size) % 8 == 0, 40_000.0, 200.0)
    part[rest_s > 3600.0] = part[rest_s > 3600.0] * 1.03
    model = learn(part, truth, name, rest_s)
    fresh = windows(np.linspace(0.95, 0.7, 20)) * 1.03
    error = [np.abs(predict(model, fresh, r).capacity_frac - np.linspace(0.95, 0.7, 20)).mean()
             for r in (None, np.full(20, 40_000.0), np.full(20, np.nan))]  # fmt: skip
    assert model.rest_frac > 0.0
    assert error[1] < error[0]
    assert error[2] == error[0]


def test_without_a_training_cell_the_answer_is_wide():
    none = fit(np.zeros((0, 12)), np.zeros(0), np.zeros(0), np.zeros(0))
    found = predict(none, windows(np.array([0.9, 0.7])))
    assert none.cells == 0
    assert found.std_frac.tolist() == [PARAMS.prior_std_frac] * 2
    blank = learn(np.full((5, 12), np.nan), np.ones(5), np.arange(5))
    assert blank.cells == 0


def test_an_unreadable_charge_is_unknown_and_spoils_no_other(model):
    part = windows(np.array([0.9, 0.8, 0.7]))
    whole = predict(model, part)
    part[1, 3] = np.nan
    found = predict(model, part)
    assert np.isnan(found.capacity_frac).tolist() == [False, True, False]
    assert np.isnan(found.std_frac).tolist() == [False, True, False]
    assert found.capacity_frac[[0, 2]] == pytest.approx(whole.capacity_frac[[0, 2]])


def test_unknown_rows_are_not_learnt_from():
    part, truth, name = family(2)
    spoilt_part, spoilt_truth = part.copy(), truth.copy()
    spoilt_part[5, 0], spoilt_truth[50] = np.nan, np.nan
    rows = np.delete(np.arange(truth.size), [5, 50])
    left, right = learn(spoilt_part, spoilt_truth, name), learn(part[rows], truth[rows], name[rows])
    assert left.to_dict() == right.to_dict()


def test_parts_that_cannot_be_joined_are_refused():
    with pytest.raises(ValueError, match="7 parts cannot be joined into 6 groups"):
        learn(np.ones((4, 7)), np.ones(4), np.arange(4))


@pytest.mark.parametrize("cells", [0, 3])
def test_a_model_survives_json(cells):
    part, truth, name = family(max(cells, 1))
    model = learn(part[: cells * 40], truth[: cells * 40], name[: cells * 40])
    stored = WindowModel.from_dict(json.loads(json.dumps(model.to_dict())))
    np.testing.assert_array_equal(predict(stored, part).capacity_frac, predict(model, part).capacity_frac)
    np.testing.assert_array_equal(predict(stored, part).std_frac, predict(model, part).std_frac)


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(8)))
def test_permuting_charges_permutes_the_estimates(order):
    part = windows(np.linspace(1.0, 0.7, 8))
    model = learn(*family(2, charges=10))
    left, right = predict(model, part[list(order)]), predict(model, part)
    assert left.capacity_frac == pytest.approx(right.capacity_frac[list(order)])
    assert left.std_frac == pytest.approx(right.std_frac[list(order)])


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 12).flatmap(
        lambda n: st.tuples(
            st.lists(st.one_of(st.just(np.nan), st.floats(-1, 1)), min_size=12 * n, max_size=12 * n),
            st.lists(st.one_of(st.just(np.nan), st.floats(0, 1.5)), min_size=n, max_size=n),
            st.lists(st.integers(0, 2), min_size=n, max_size=n),
        )
    )
)
def test_any_training_survives(drawn):
    part, truth, name = (np.array(values, dtype=float) for values in drawn)
    model = learn(part.reshape(-1, 12), truth, name)
    found = predict(model, windows(np.array([0.8])))
    assert np.isfinite(found.capacity_frac).all()
    assert (found.std_frac > 0.0).all()


@settings(max_examples=50, deadline=None)
@given(st.floats(-0.1, 0.1))
def test_a_shift_moves_the_charges_along_the_voltage(shift_v):
    ramp = np.linspace(0.02, 0.04, 12)[None, :]
    assert shifted(ramp, np.zeros(1), 0.3)[0] == pytest.approx(ramp[0])
    flat = np.full((1, 12), 0.03)
    assert shifted(flat, np.array([shift_v]), 0.3)[0] == pytest.approx(flat[0])
    assert shifted(ramp, np.array([0.025]), 0.3)[0, 1:] == pytest.approx(ramp[0, :-1])


def test_one_measured_cell_is_estimated_from_another():
    if not DATA.is_dir():
        pytest.skip("the NASA cells are not beside this checkout")
    parquet = pytest.importorskip("pyarrow.parquet")
    # Between two long rests charges and discharges are surely in step: charge n + 2, then discharge n.
    part, truth = {}, {}
    for cell in ("B0005", "B0006"):
        rows = [("cycle_number", ">", 54), ("cycle_number", "<", 76)]
        table = parquet.read_table(DATA / f"{cell}.parquet", filters=rows).to_pydict()
        column = {n: np.array(v, dtype=float) for n, v in table.items() if n not in {"cell_id", "step"}}
        charge = np.array(table["step"]) == "charge"
        part[cell], truth[cell] = [], []
        for number in range(57, 76):
            c, d = (
                charge & (column["cycle_number"] == number),
                ~charge & (column["cycle_number"] == number - 2),
            )
            found = charge_window(*(column[n][c] for n in ("elapsed_s", "voltage_v", "current_a")), 2.0)
            part[cell].append(found.part_frac)
            truth[cell].append(column["measured_capacity_ah"][d][0] / 2.0)
    model = learn(np.array(part["B0005"]), np.array(truth["B0005"]), np.full(19, "B0005"))
    found = predict(model, np.array(part["B0006"]))
    assert rmse(found.capacity_frac, truth["B0006"]) < 0.025
    assert coverage90(found.capacity_frac, found.std_frac, truth["B0006"]) > 0.8
