import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from battery_lake.cells.fade_curves import (
    KNOTS,
    FadeCurves,
    as_json,
    end_of_life,
    lives,
    power_curves,
    reduce_curves,
    shipped_curves,
)
from battery_lake.cells.fade_history import AGES, BINS, END, FEATURES, features, history_of
from battery_lake.cells.fade_library import LOG_RATIOS, LibraryParams, build, density
from battery_lake.cells.fleet_life import early_slope, life_of_young
from battery_lake.cells.life_forest import ForestParams, answers, grow
from battery_lake.cells.life_quantiles import LEVELS, LifeParams, learn, remaining, shipped_model
from battery_lake.cells.life_snapshots import drawn_lives, histories_until, take_snapshots

DATA = Path(__file__).parents[3] / "shared" / "data" / "fade_curves" / "capacity.parquet"
EOL = 0.8
MIDDLE = 9
SMALL = LifeParams(forest=ForestParams(trees=40))


def made_lives(count, seed=0, noise=0.001):
    """Lives between 300 and 900 cycles with a knee, every condition a little different."""
    rng = np.random.default_rng(seed)
    ages, sohs, conditions = [], [], []
    for k in range(count):
        life = 500.0 * np.exp(0.35 * (k % 3 - 1) + rng.normal(0.0, 0.1))
        age = np.arange(0.0, 1.08 * life, 5.0)
        fade = 0.6 * (age / life) + 0.4 * (age / life) ** rng.uniform(4.0, 6.0)
        ages.append(age)
        sohs.append(1.0 - (1.0 - EOL) * fade + rng.normal(0.0, noise, age.size))
        conditions.append(f"condition {k % 3}")
    return ages, sohs, conditions


def learnt(count=18, params=SMALL):
    ages, sohs, conditions = made_lives(count)
    curves = reduce_curves(ages, sohs, conditions, EOL)
    return learn(curves, take_snapshots(ages, sohs, curves, EOL), EOL, params)


@pytest.fixture(scope="module")
def model():
    return learnt()


def judged(seed=1, count=12, noise=0.001):
    """Histories of unseen lives at five moments, and what was left."""
    ages, sohs, conditions = made_lives(count, seed, noise)
    histories, left, names = [], [], []
    for age, soh, condition in zip(ages, sohs, conditions, strict=True):
        life = end_of_life(age, soh, EOL)
        moments = life * np.array([0.2, 0.4, 0.6, 0.8, 0.9])
        histories.append(histories_until(age, soh, moments))
        left.append(life - histories[-1].now_efc)
        names += [condition] * moments.size
    return histories, np.concatenate(left), names


def asked(model, histories, names):
    each = len(names) // len(histories)
    parts = [remaining(model, h, names[k * each : (k + 1) * each]) for k, h in enumerate(histories)]
    return np.concatenate(parts)


@pytest.mark.parametrize("known", [True, False])
def test_unseen_lives_are_foretold_and_the_intervals_hold_most_of_them(model, known):
    histories, left, names = judged()
    found = asked(model, histories, names if known else [""] * len(names))
    error = np.abs(found[:, MIDDLE] - left) / left
    assert np.median(error) < (0.1 if known else 0.2)
    assert np.mean((found[:, 0] <= left) & (left <= found[:, -1])) > 0.8


def test_a_known_condition_makes_early_answers_sharper(model):
    histories, _, names = judged()
    early = slice(None, None, 5)
    known = asked(model, histories, names)[early]
    unknown = asked(model, histories, ["elsewhere"] * len(names))[early]
    assert np.median(np.log(known[:, -1] / known[:, 0])) < np.median(np.log(unknown[:, -1] / unknown[:, 0]))


def test_intervals_widen_with_the_variance_of_the_history(model):
    age = np.arange(0.0, 300.0, 5.0)[None]
    soh = 1.0 - 0.0003 * age
    widths = []
    for variance in (None, np.full(age.shape, 0.005**2), np.full(age.shape, 0.02**2)):
        found = remaining(model, history_of(age, soh, variance), [""])
        widths.append(np.log(found[0, -1] / found[0, 0]))
    assert widths[0] < widths[1] < widths[2]


def test_the_unit_of_age_does_not_matter_where_the_library_is_told_so():
    free = LifeParams(unknown=LibraryParams(stretch_std=np.inf), forest=SMALL.forest, modes=("unknown",))
    model = learnt(params=free)
    age = np.arange(0.0, 300.0, 5.0)[None]
    soh = 1.0 - 0.0003 * age
    cycles, days = (remaining(model, history_of(k * age, soh), [""]) for k in (1.0, 7.0))
    np.testing.assert_allclose(days, 7.0 * cycles, rtol=1e-6)


def test_nothing_is_said_of_cells_of_which_nothing_is_known(model):
    age = np.array([[np.nan] * 6, [5.0] + [np.nan] * 5, [0.0, 10.0, 20.0, 30.0, 40.0, 50.0]])
    found = remaining(model, history_of(age, np.where(np.isnan(age), np.nan, 0.95)), [""] * 3)
    assert np.isnan(found[:2]).all()
    assert np.isfinite(found[2]).all()


@pytest.mark.parametrize("curves", [0, 1, 2])
def test_few_or_no_curves_give_wide_answers(curves):
    few = learnt(curves)
    histories, left, names = judged(count=2)
    found = asked(few, histories, names)
    assert np.isfinite(found).all()
    assert (np.diff(found, axis=1) >= 0.0).all()
    if not curves:
        assert (found[:, -1] / found[:, 0] > 100.0).all()
        assert np.mean((found[:, 0] <= left) & (left <= found[:, -1])) >= 0.9


def test_a_life_that_has_ended_has_little_left(model):
    age = np.arange(0.0, 500.0, 5.0)[None]
    found = remaining(model, history_of(age, 1.0 - 0.00041 * age), [""])
    assert found[0, MIDDLE] < 0.05 * 500


point = st.one_of(st.just(np.nan), st.floats(0.0, 1.2))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(point, min_size=12, max_size=12), min_size=1, max_size=5), st.randoms())
def test_cells_do_not_notice_each_other_and_quantiles_never_fall(model, rows, random):
    soh = np.array(rows)
    age = np.broadcast_to(np.arange(12.0) * 30.0, soh.shape)
    order = list(range(len(rows)))
    random.shuffle(order)
    found = remaining(model, history_of(age, soh), [""] * len(rows))
    mixed = remaining(model, history_of(age[order], soh[order]), [""] * len(rows))
    np.testing.assert_allclose(mixed, found[order], rtol=1e-6, atol=1e-9)
    known = np.isfinite(found).all(axis=1)
    assert (np.diff(found[known], axis=1) >= -1e-9).all()
    assert (found[known] >= 0.0).all()


@settings(max_examples=30, deadline=None)
@given(st.lists(point, min_size=0, max_size=30))
def test_any_history_can_be_reduced(values):
    soh = np.array([values])
    history = history_of(np.arange(float(soh.size))[None] * 3.0, soh)
    assert history.level_frac.shape == (1, BINS)
    known = np.isfinite(history.now_efc[0])
    assert features(history, EOL).shape == (1, FEATURES)
    assert np.isfinite(history.level_frac).all() == known
    if known:
        assert np.nanmin(values) - 1e-9 <= history.level_frac.min()
        assert history.level_frac.max() <= np.nanmax(values) + 1e-9


def test_a_single_outlier_hardly_moves_the_level_of_now():
    age = np.arange(0.0, 400.0, 2.0)[None]
    soh = 1.0 - 0.0002 * age
    spoilt = soh.copy()
    spoilt[0, -10] = 0.3
    clean, dirty = history_of(age, soh), history_of(age, spoilt)
    assert abs(END @ clean.level_frac[0] - END @ dirty.level_frac[0]) < 0.001


def test_later_points_play_no_part():
    ages, sohs, _ = made_lives(1)
    whole = histories_until(ages[0], sohs[0], np.array([200.0]))
    cut = ages[0] <= 200.0
    alone = history_of(ages[0][cut][None], sohs[0][cut][None])
    np.testing.assert_array_equal(whole.level_frac, alone.level_frac)


def test_a_reduced_curve_keeps_its_end_of_life():
    ages, sohs, conditions = made_lives(6)
    curves = reduce_curves(ages, sohs, conditions, EOL)
    truth = [end_of_life(age, soh, EOL) for age, soh in zip(ages, sohs, strict=True)]
    np.testing.assert_allclose(lives(curves, EOL), truth, rtol=0.01)
    far = FadeCurves(curves.span_efc, curves.level_frac, curves.dip_frac, curves.noise_frac, curves.condition)
    assert np.isnan(lives(far, 0.2)).all()


def test_a_curve_recognises_itself():
    ages, sohs, conditions = made_lives(5, noise=0.0)
    library = build(reduce_curves(ages, sohs, conditions, EOL), EOL)
    for k in range(5):
        moment = 0.5 * library.life_efc[k]
        history = histories_until(ages[k], sohs[k], np.array([moment]))
        share = density(library, history, [""], LibraryParams(misfit_frac=0.0015))[0]
        truth = np.log(library.life_efc[k] / history.now_efc[0] - 1.0)
        assert share.sum() == pytest.approx(1.0)
        assert abs(LOG_RATIOS[np.argmax(share)] - truth) < 0.1


def test_a_curve_left_out_plays_no_part():
    ages, sohs, conditions = made_lives(6)
    curves = reduce_curves(ages, sohs, conditions, EOL)
    library = build(curves, EOL)
    history = histories_until(ages[0], sohs[0], np.array([200.0]))
    out = np.array([[True, False, False, False, False, False]])
    rest = FadeCurves(
        curves.span_efc[1:],
        curves.level_frac[1:],
        curves.dip_frac[1:],
        curves.noise_frac[1:],
        curves.condition[1:],
    )
    np.testing.assert_allclose(
        density(library, history, conditions[:1], LibraryParams(), out),
        density(build(rest, EOL), history, conditions[:1], LibraryParams()),
        atol=1e-9,
    )


def test_a_forest_learns_a_curve_and_says_what_it_has_seen():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(600, 4))
    y = np.sin(x[:, 0]) + 0.5 * x[:, 1]
    forest = grow(x, y, np.repeat(np.arange(60), 10), ForestParams(trees=60))
    asked_x = rng.normal(size=(200, 4))
    found = answers(forest, asked_x).mean(axis=(1, 2))
    assert np.corrcoef(found, np.sin(asked_x[:, 0]) + 0.5 * asked_x[:, 1])[0, 1] > 0.9
    assert (forest.learnt.sum(axis=0) == 48).all()
    assert np.isfinite(answers(forest, x)).all()


def test_shapes_differ_in_share_of_life_from_cell_to_cell():
    ages, sohs, conditions = made_lives(6)
    curves = reduce_curves(ages, sohs, conditions, EOL)
    snapshots = take_snapshots(ages, sohs, curves, EOL)
    share = 1.0 / (1.0 + np.exp(snapshots.log_ratio))
    assert np.unique(share.round(2)).size > 60
    assert share.max() < 1.0


def test_curves_survive_being_written_and_are_shipped_with_their_source():
    ages, sohs, conditions = made_lives(3)
    curves = reduce_curves(ages, sohs, conditions, EOL)
    rows = json.loads(as_json(curves, ["NMC"] * 3, "made up"))
    assert rows["source"] == "made up"
    np.testing.assert_allclose([row["level"] for row in rows["curves"]], 1e4 * curves.level_frac, atol=0.51)
    shipped, iron = shipped_curves(), shipped_curves("LFP")
    assert shipped.level_frac.shape[1] == KNOTS.size
    assert 0 < iron.span_efc.size < shipped.span_efc.size
    assert shipped_curves("unheard of").span_efc.size == shipped.span_efc.size
    assert np.isfinite(lives(shipped, 0.8)).mean() > 0.8


def test_the_shipped_model_answers_for_vehicles_in_days():
    model = shipped_model(0.75, in_cycles=False)
    age = np.linspace(0.0, 2000.0, 40)[None]
    slow, fast = (
        remaining(model, history_of(age, 1.0 - fade * age / 2000.0, np.full(age.shape, 0.01**2)), [""])[0]
        for fade in (0.08, 0.16)
    )
    assert (np.diff(slow) > 0.0).all()
    assert fast[MIDDLE] < slow[MIDDLE]
    assert 500.0 < slow[MIDDLE] < 10_000.0


def test_a_fade_like_none_of_the_laboratories_is_covered_by_powers_of_age():
    curves = power_curves()
    library = build(curves, EOL)
    assert library.life_efc.size == curves.span_efc.size
    age = np.arange(0.0, 300.0, 5.0)[None]
    share = density(library, history_of(age, 1.0 - 0.0004 * age), [""], LibraryParams(stretch_std=np.inf))[0]
    assert np.exp(LOG_RATIOS[np.argmax(share)]) * 295.0 == pytest.approx(205.0, rel=0.15)


def test_lives_can_be_drawn_from_reduced_curves():
    ages, sohs, conditions = made_lives(4, noise=0.003)
    curves = reduce_curves(ages, sohs, conditions, EOL)
    drawn_ages, drawn = drawn_lives(curves)
    for k in range(4):
        assert np.abs(np.interp(ages[k], drawn_ages[k], drawn[k]) - sohs[k]).mean() < 0.006
    np.testing.assert_array_equal(drawn_lives(curves)[1][0], drawn[0])


def test_a_young_cell_lives_as_long_as_the_others_but_for_its_early_slope():
    known = np.array([600.0, 640.0, 660.0])
    slopes = np.array([2e-4, 2e-4, 2e-4])
    same, faster, unknown = life_of_young(known, slopes, np.array([2e-4, 6e-4, np.nan]), np.full(3, 50.0))
    assert same[MIDDLE] == pytest.approx(np.exp(np.log(known).mean()))
    assert faster[MIDDLE] < same[MIDDLE]
    np.testing.assert_allclose(unknown, same)
    assert np.log(faster[-1] / faster[0]) > np.log(same[-1] / same[0])


@given(st.lists(st.floats(20, 1e4), min_size=0, max_size=6), st.floats(-1e-3, 1e-3))
def test_few_lives_give_wide_answers_and_none_still_wider(values, slope):
    now = np.array([10.0])
    found = life_of_young(np.array(values), np.full(len(values), slope), np.array([slope]), now)[0]
    assert (np.diff(found) >= 0.0).all()
    assert (found >= now).all()
    assert found[-1] / found[MIDDLE] > (1.3 if values else 9.0)


def test_early_slope_is_fade_per_cycle():
    age = np.arange(1.0, 65.0)[None]
    assert early_slope(age, 1.0 - 1e-3 * age)[0] == pytest.approx(1e-3, rel=0.05)


@pytest.mark.skipif(not DATA.is_file(), reason="the fade curves are not beside this checkout")
def test_measured_cells_are_foretold_from_others_of_their_condition():
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(DATA, filters=[("family", "=", "XJTU")]).to_pydict()
    ids = np.array(table["cell_id"], dtype=object)
    soh = np.array(table["capacity_ah"]) / np.array(table["rated_ah"])
    names = sorted(set(ids))
    own = [soh[ids == name] for name in names]
    ages = [np.arange(1.0, s.size + 1.0) for s in own]
    conditions = [table["condition"][int(np.flatnonzero(ids == name)[0])] for name in names]
    test = [k for k, name in enumerate(names) if name.startswith(("XJTU_2C", "XJTU_R2.5"))][::3]
    rest = [k for k in range(len(names)) if k not in test]
    parts = ([ages[k] for k in rest], [own[k] for k in rest])
    curves = reduce_curves(*parts, [conditions[k] for k in rest], 0.81)
    params = LifeParams(forest=SMALL.forest, modes=("known",))
    model = learn(curves, take_snapshots(*parts, curves, 0.81), 0.81, params)
    inside, error = [], []
    for k in test:
        life = end_of_life(ages[k], own[k], 0.81)
        history = histories_until(ages[k], own[k], life * np.array([0.3, 0.5, 0.7]))
        found, left = remaining(model, history, [conditions[k]] * 3), life - history.now_efc
        inside += list((found[:, 0] <= left) & (left <= found[:, -1]))
        error += list(np.abs(found[:, MIDDLE] / left - 1.0))
    assert np.mean(inside) > 0.8
    assert np.median(error) < 0.2


def test_ages_of_bins_lie_between_new_and_now():
    assert (AGES > 0.0).all()
    assert (AGES < 1.0).all()
    assert LEVELS[MIDDLE] == 0.5
