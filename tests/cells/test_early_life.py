import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from battery_lake.cells.early_life import (
    CENTRE,
    SCALE,
    EarlyLifeParams,
    fit,
    from_dict,
    life_features,
    life_interval,
)
from battery_lake.cells.metrics import Z90, coverage90, rmse

DATA = Path(__file__).parents[3] / "shared" / "data" / "severson"
RATED_AH = 1.1
CYCLES = np.arange(2, 101)

scaled = hnp.arrays(np.float64, (6, 6), elements=st.floats(-3, 3))


def curves(loss_ah=0.02, cycles=CYCLES):
    """Discharge curves that lose up to so much charge around the middle of the voltages."""
    grid = np.linspace(0.0, 1.0, 50)
    bump = np.exp(-0.5 * ((grid - 0.5) / 0.1) ** 2)
    unsteady_ah = np.where(cycles % 2, 0.0005, -0.0005)[:, None] * grid[None, :]
    return 1.06 * grid[None, :] + unsteady_ah - loss_ah * cycles[:, None] / 90.0 * bump[None, :]


def fleet(cells=40, noise=0.05, seed=1):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(cells, 6))
    return features_of(x), 10.0 ** (2.8 - 0.15 * x[:, 0] + 0.03 * x[:, 3] + rng.normal(0.0, noise, cells))


def features_of(x):
    return np.array(CENTRE) + np.array(SCALE) * x


def test_twice_the_loss_is_four_times_the_variance_and_twice_the_depth():
    one, two = (life_features(CYCLES, curves(loss), RATED_AH) for loss in (0.02, 0.04))
    np.testing.assert_allclose(two[:2] - one[:2], np.log10([4.0, 2.0]), atol=1e-9)
    np.testing.assert_allclose(two[2:5], one[2:5], atol=1e-6)


@given(st.permutations(range(CYCLES.size)))
def test_the_order_of_the_cycles_does_not_matter(order):
    table = curves()
    np.testing.assert_array_equal(
        life_features(CYCLES[list(order)], table[list(order)], RATED_AH),
        life_features(CYCLES, table, RATED_AH),
    )


@given(st.integers(2, 100), st.sampled_from([31.0, 0.0, 1.3, np.nan]))
def test_a_single_spurious_discharge_moves_the_features_little(cycle, capacity_ah):
    table = curves()
    table[cycle == CYCLES] = np.linspace(0.0, capacity_ah, 50)
    spoilt, clean = life_features(CYCLES, table, RATED_AH), life_features(CYCLES, curves(), RATED_AH)
    assert np.abs(spoilt - clean)[:3].max() < 0.05
    assert np.abs(spoilt - clean)[3:].max() < 0.001


def test_features_are_relative_to_the_rated_capacity():
    np.testing.assert_allclose(
        life_features(CYCLES, 3.0 * curves(), 3.0 * RATED_AH), life_features(CYCLES, curves(), RATED_AH)
    )


@pytest.mark.parametrize(
    ("cycles", "table"),
    [
        (CYCLES[:0], curves()[:0]),
        (CYCLES[:1], curves()[:1]),
        (CYCLES[:50], curves()[:50]),
        (CYCLES, np.full((99, 50), np.nan)),
        (CYCLES, curves(loss_ah=0.0)),
        (CYCLES, curves()[:, :0]),
    ],
    ids=["no cycle", "one cycle", "half the cycles", "all missing", "no loss", "no voltages"],
)
def test_what_does_not_give_the_features_gives_none(cycles, table):
    assert np.isnan(life_features(cycles, table, RATED_AH)).all()


def test_later_cycles_are_not_looked_at():
    longer = np.arange(2, 301)
    np.testing.assert_array_equal(
        life_features(longer, curves(cycles=longer), RATED_AH), life_features(CYCLES, curves(), RATED_AH)
    )


def test_lives_of_unseen_cells_are_found_and_their_intervals_hold():
    features, life = fleet(240)
    mean, std = fit(features[:60], life[:60]).predict(features[60:])
    truth = np.log10(life[60:])
    assert rmse(mean, truth) < 0.06
    assert 0.85 < coverage90(mean, std, truth) < 0.97


@given(scaled, st.permutations(range(6)))
def test_permuting_cells_permutes_results(x, order):
    model = fit(*fleet(8))
    order = list(order)
    mean, std = model.predict(features_of(x))
    mean_permuted, std_permuted = model.predict(features_of(x[order]))
    np.testing.assert_allclose(mean_permuted, mean[order], rtol=1e-12)
    np.testing.assert_allclose(std_permuted, std[order], rtol=1e-9)


@given(st.permutations(range(8)))
def test_the_order_of_the_training_cells_does_not_matter(order):
    features, life = fleet(8)
    order = list(order)
    one, other = fit(features, life), fit(features[order], life[order])
    np.testing.assert_allclose(other.predict(features), one.predict(features), rtol=1e-8)


def test_intervals_widen_with_scatter_with_distance_and_with_fewer_cells():
    quiet, loud = fit(*fleet(noise=0.02)), fit(*fleet(noise=0.12))
    near, far = features_of(np.zeros((1, 6))), features_of(np.full((1, 6), 6.0))
    assert loud.predict(near)[1] > 1.5 * quiet.predict(near)[1]
    assert quiet.predict(far)[1] > 1.5 * quiet.predict(near)[1]
    few = fit(*(part[:3] for part in fleet(noise=0.02)))
    assert few.predict(near)[1] > quiet.predict(near)[1]


def test_curves_that_repeat_worse_have_more_scatter():
    steady, shaky = curves(), curves()
    shaky[::3] *= 1.002
    one, other = (life_features(CYCLES, table, RATED_AH) for table in (steady, shaky))
    assert other[5] > one[5]


def two_batches():
    """Cells of two benches, whose lives at equal features are 0.1 apart in log10."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(40, 6))
    second = np.arange(40) % 2 == 1
    x[:, 5] = np.where(second, 1.5, -1.5) + rng.normal(0.0, 0.2, 40)
    log10_life = 2.8 - 0.15 * x[:, 0] - 0.1 * second + rng.normal(0.0, 0.03, 40)
    return features_of(x), 10.0**log10_life


def test_a_cell_leans_to_the_batch_whose_curves_repeat_as_well():
    model = fit(*two_batches())
    like_first, like_second = np.zeros((2, 1, 6)) + np.array([[[-1.5]], [[1.5]]]) * (np.arange(6) == 5)
    lean = model.predict(features_of(like_first))[0] - model.predict(features_of(like_second))[0]
    assert 0.02 < lean[0] < 0.1


def test_a_batch_like_no_other_widens_the_interval():
    model = fit(*two_batches())
    like_first = np.where(np.arange(6) == 5, -1.5, 0.0)[None, :]
    like_none = np.where(np.arange(6) == 5, 9.0, 0.0)[None, :]
    assert model.predict(features_of(like_none))[1] > model.predict(features_of(like_first))[1]


def test_a_wider_shift_between_batches_widens_the_interval():
    features, life = fleet()
    wide = fit(features, life, replace(EarlyLifeParams(), batch_std_log10=0.1))
    assert (wide.predict(features)[1] > fit(features, life).predict(features)[1]).all()


def test_without_training_cells_the_prior_is_wide():
    mean, std = fit(np.zeros((0, 6)), np.zeros(0)).predict(features_of(np.zeros((2, 6))))
    np.testing.assert_allclose(mean, 2.8)
    assert (std > 0.3).all()


def test_one_training_cell_draws_its_like_near_to_its_life():
    features, _ = fleet(1)
    mean, std = fit(features, np.array([1500.0])).predict(features)
    assert 10.0 ** mean[0] == pytest.approx(1500.0, rel=0.1)
    assert std[0] < 0.2


def test_a_cell_without_features_gets_the_prior():
    mean, std = fit(*fleet()).predict(np.full((1, 6), np.nan))
    assert mean[0] == 2.8
    assert std[0] > 0.3


def test_training_cells_without_features_or_life_are_left_out():
    features, life = fleet(10)
    spoilt = np.vstack([features, np.full(6, np.nan), features[:2]])
    model = fit(spoilt, np.concatenate([life, [500.0, np.nan, 0.0]]))
    np.testing.assert_array_equal(model.predict(features), fit(features, life).predict(features))


def test_nothing_to_predict_is_nothing_predicted():
    mean, std = fit(*fleet()).predict(np.zeros((0, 6)))
    assert mean.size == std.size == 0


@pytest.mark.parametrize("cells", [0, 1, 10])
def test_a_model_survives_json(cells):
    features, life = fleet(cells)
    model = fit(features, life)
    again = from_dict(json.loads(json.dumps(model.to_dict())))
    wanted = features_of(np.zeros((1, 6)))
    np.testing.assert_array_equal(again.predict(wanted), model.predict(wanted))


@given(st.floats(1, 4), st.floats(0.001, 1))
def test_an_interval_holds_the_median(mean, std):
    low, high = life_interval(np.array(mean), np.array(std), Z90)
    assert low < 10.0**mean < high


@pytest.mark.skipif(not DATA.is_dir(), reason="the Severson cells are not beside this checkout")
def test_lives_of_real_cells_that_were_not_learnt_from():
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(DATA / "train_curves.parquet").combine_chunks()
    cell_ids = np.array(table["cell_id"].to_pylist())
    cycles = table["cycle_number"].to_numpy().astype(np.int64)
    flat = table["discharged_ah"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    discharged_ah = flat.reshape(cycles.size, -1)
    lives = parquet.read_table(DATA / "train_cells.parquet", columns=["cell_id", "cycle_life"]).to_pydict()
    life_of = dict(zip(lives["cell_id"], lives["cycle_life"], strict=True))
    names = list(dict.fromkeys(cell_ids))
    features = np.array([
        life_features(cycles[cell_ids == name], discharged_ah[cell_ids == name], RATED_AH) for name in names
    ])
    life = np.array([life_of[name] for name in names], dtype=np.float64)
    every_fourth = np.arange(life.size) % 4 == 0
    mean, std = fit(features[~every_fourth], life[~every_fourth]).predict(features[every_fourth])
    truth = np.log10(life[every_fourth])
    assert rmse(mean, truth) < 0.08
    assert coverage90(mean, std, truth) > 0.7
