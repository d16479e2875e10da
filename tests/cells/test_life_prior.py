"""The prior of lives: fitted to lives that ended and lives that go on, and judged fairly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from battery_lake.cells.cell_outlook import CellFeatures, cell_outlooks
from battery_lake.cells.life_outlook import (
    LifeHistory,
    OutlookParams,
    outlook_days,
    outlook_of_places,
    place_likelihood,
)
from battery_lake.cells.life_prior import KindPrior, LifePrior, from_dict, shipped_prior
from battery_lake.cells.life_prior_fit import LifeEvidence, fit_folds, fit_prior, log_lives
from battery_lake.cells.life_scores import compare, pack_scores
from battery_lake.cells.life_templates import LOG_RATIOS, templates_of

RNG = np.random.default_rng(4)


def lives(packs, share_ended):
    """Lives of known law; of those that go on, half is over, and nothing but that is known."""
    use = RNG.lognormal(np.log(0.15), 0.5, packs)
    life = np.exp(np.log(20.0 / 0.005) - 0.8 * np.log(use / 0.15) + 0.3 * RNG.standard_normal(packs))
    ended = RNG.random(packs) < share_ended
    now = np.where(ended, life, 0.5 * life)
    # A history that tells the place in life to a tenth.
    places = -0.5 * ((log_lives(now) - np.log(life)[:, None]) / 0.1) ** 2
    return LifeEvidence(
        np.arange(packs), np.full(packs, "NMC", dtype=object), np.full(packs, 80.0), use, now,
        np.where(ended, life, np.nan), places,
    )  # fmt: skip


@pytest.mark.parametrize("share_ended", [1.0, 0.3, 0.0])
def test_the_law_of_lives_is_found_whether_they_have_ended_or_go_on(share_ended):
    found = fit_prior(lives(400, share_ended), shipped_prior()).kinds["NMC"]
    assert found.fade_pct_per_day == pytest.approx(0.005, rel=0.08)
    assert found.use_power == pytest.approx(0.8, abs=0.12)
    assert found.life_std == pytest.approx(0.3, abs=0.06)


def test_histories_that_tell_nothing_leave_the_start_as_it_was():
    told = lives(30, 0.0)
    silent = LifeEvidence(
        told.pack, told.chemistry, told.eol_soh_pct, told.efc_per_day, np.full(30, 100.0), told.life_days,
        np.zeros((30, LOG_RATIOS.size)),
    )  # fmt: skip
    found, start = fit_prior(silent, shipped_prior()).kinds["NMC"], shipped_prior().kinds[""]
    assert found.fade_pct_per_day == pytest.approx(start.fade_pct_per_day, rel=0.15)
    assert found.life_std == pytest.approx(start.life_std, rel=0.15)


def test_a_pack_left_out_plays_no_part_in_its_own_fold():
    told = lives(12, 0.5)
    far = told.life_days.copy()
    far[3] = 1e5
    moved = LifeEvidence(
        told.pack, told.chemistry, told.eol_soh_pct, told.efc_per_day, told.now_days, far, told.places
    )
    before, after = fit_folds(told, shipped_prior()), fit_folds(moved, shipped_prior())
    assert [k for k in range(12) if before[k] == after[k]] == [3]


def test_quantiles_from_places_are_those_of_the_whole_outlook():
    history = LifeHistory(
        np.array([[300.0, 600.0]]), np.array([[[97.0, 96.0], [95.0, 92.0]]]), np.full((1, 2, 2), 0.25),
        np.array([600.0]),
    )  # fmt: skip
    templates, soh, params = templates_of("NMC", 80.0), np.array([[95.0, 92.0]]), OutlookParams()
    usual = LifePrior({"": KindPrior(0.004, 0.5, 0.4, 9)}).usual("NMC", 80.0, np.array([0.3]))
    whole = outlook_days(templates, history, soh, 80.0, params, usual)
    places = place_likelihood(templates, history, params)
    parts = outlook_of_places(places, history.now_days, soh, 80.0, usual, params.horizon_days)
    for one, other in zip(whole[:3], parts[:3], strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-3)


def test_the_shipped_prior_is_what_the_parameters_say():
    history = LifeHistory(
        np.array([[300.0]]), np.full((1, 1, 1), 96.0), np.full((1, 1, 1), 0.25), np.array([300.0])
    )
    args = templates_of("LFP", 80.0), history, np.array([[96.0]]), 80.0, OutlookParams()
    for one, other in zip(
        outlook_days(*args),
        outlook_days(*args, shipped_prior().usual("LFP", 80.0, np.array([0.4]))),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def test_more_use_means_a_shorter_life_and_the_prior_survives_its_text():
    prior = LifePrior({"": KindPrior(0.005, 0.7, 0.4, 3)}, "m/1")
    usual = prior.usual("NCA", 80.0, np.array([0.1, 0.4, np.nan]))
    assert usual.log_days[0] > usual.log_days[2] > usual.log_days[1]
    assert from_dict(prior.as_dict(), "m/1") == prior
    with pytest.raises(ValueError, match="out of range"):
        from_dict({"": {"fade_pct_per_day": 0.0, "use_power": 0.0, "life_std": 1.0}})


@given(st.integers(0, 1000))
def test_the_truth_s_own_quantiles_lose_no_more_than_shifted_ones_however_early_the_record_ends(seed):
    rng = np.random.default_rng(seed)
    left = rng.lognormal(6.0, 0.5, 4000)
    seen = rng.uniform(100.0, 2000.0, left.size)
    right = np.tile(np.exp(6.0 + 0.5 * np.array([-1.645, 0.0, 1.645])), (left.size, 1))
    pack = np.arange(left.size) % 20
    best = pack_scores(pack, right, left, seen)
    for factor in (0.7, 1.4):
        assert best.mean_loss_days < pack_scores(pack, factor * right, left, seen).mean_loss_days
    assert best.calibration_error < 0.03
    worse = compare(pack_scores(pack, 1.4 * right, left, seen), best)
    assert worse.loss_days.low > 0.0


def test_cells_are_answered_alone_as_in_company_and_faults_are_named():
    def features(rows):
        columns = zip(*rows, strict=True)
        chemistry, eol, age, efc, *points = columns
        return CellFeatures(
            chemistry,
            np.array(eol),
            np.array(age),
            np.array(efc),
            *([np.array(p) for p in c] for c in points),
        )

    rows = [
        ("NMC", 80.0, 1200.0, 0.2, [300.0, 1200.0], [97.0, 92.0], [0.5, 0.5]),
        ("LFP", 70.0, 400.0, np.nan, [400.0], [98.0], [1.0]),
        ("NMC", 80.0, 2400.0, 0.2, [300.0, 900.0, 2400.0], [97.0, 90.0, 79.0], [0.5, 0.1, 0.1]),
    ]
    assert features(rows).faults() == []
    together = cell_outlooks(features(rows), shipped_prior())
    for k, row in enumerate(rows):
        alone = cell_outlooks(features([row]), shipped_prior())
        assert {name: values[k] for name, values in together.items()} == {n: v[0] for n, v in alone.items()}
    assert together["rul_days_p50"][2] == 0.0
    broken = [(*rows[0][:4], [1200.0, 300.0], *rows[0][5:]), ("NMC", 120.0, *rows[0][2:])]
    assert features(broken).faults() == [
        "cell 0: point_age_days must rise from 0 on", "cell 1: eol_soh_pct must lie between 0 and 100",
    ]  # fmt: skip
