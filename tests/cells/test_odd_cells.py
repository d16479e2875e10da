"""What days add up to, and packs with simulated faults."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from battery_lake.cells.alerts import AlertParams, imbalance_growth, self_discharge, weak_cell
from battery_lake.cells.deviation import DeviationParams, day_deviation
from battery_lake.cells.metrics import coverage90
from battery_lake.cells.ocv import shipped_curve
from battery_lake.cells.odd_cells import (
    WIDTH,
    Evidence,
    SequentialParams,
    TrendParams,
    evidence_step,
    initial_evidence,
    initial_trend,
    log_likelihood_ratio,
    predicted,
    trend_step,
    z_score,
)

CARS = Path(__file__).parents[3] / "shared" / "data" / "ev_cell_faults"
PARAMS = DeviationParams()
CURVE = shipped_curve("nmc_lgm50")
SLOPE_V = 0.95
reading = st.one_of(st.just(np.nan), st.floats(-1.0, 70.0))


@given(st.floats(-50, 50), st.floats(0, 20))
def test_the_further_off_the_more_a_day_says(z, further):
    one, other = log_likelihood_ratio(np.array([z, z + further]))
    assert other >= one - 1e-12
    assert abs(one) < 25


def test_a_healthy_extreme_is_never_named_and_an_odd_cell_within_days():
    known = initial_evidence(3)
    chance = np.random.default_rng(3)
    for day in range(400):
        known = evidence_step(known, np.array([-4.5, -8.5, -12.0]) + chance.standard_t(4, 3))
        if day == 4:
            assert known.named[1:].all()
    assert known.named.tolist() == [False, True, True]


def test_one_wild_day_names_nobody_who_was_healthy():
    assert not evidence_step(initial_evidence(1), np.array([-9.0])).named[0]


def test_a_mended_cell_is_forgiven():
    known = initial_evidence(1)
    for _ in range(30):
        known = evidence_step(known, np.array([-12.0]))
    days = 0
    while known.named[0]:
        known = evidence_step(known, np.array([-1.0]))
        days += 1
    assert 2 <= days <= 10


def test_a_day_that_does_not_tell_keeps_everything():
    known = evidence_step(initial_evidence(2), np.array([-9.0, -1.0]))
    same = evidence_step(known, np.full(2, np.nan))
    for f in fields(Evidence):
        np.testing.assert_array_equal(getattr(same, f.name), getattr(known, f.name))
    trend = trend_step(initial_trend(2), np.zeros(2), np.array([-0.01, 0.0]), np.full(2, 0.001))
    later = trend_step(trend, np.ones(2), np.full(2, np.nan), np.full(2, 0.001))
    assert later.level_v.tolist() == trend.level_v.tolist()
    assert later.updated_days.tolist() == [0.0, 0.0]


@given(st.permutations(range(5)), st.integers(0, 2**32 - 1))
def test_cells_stand_side_by_side_in_any_order(order, seed):
    chance = np.random.default_rng(seed)
    z = -8 + 4 * chance.standard_normal((6, 5))
    v = 0.01 * chance.standard_normal((6, 5))
    turn = np.array(order)
    one, other = initial_evidence(5), initial_evidence(5)
    trend, turned = initial_trend(5), initial_trend(5)
    for day in range(6):
        one, other = evidence_step(one, z[day]), evidence_step(other, z[day][turn])
        days = np.full(5, float(day))
        trend = trend_step(trend, days, v[day], np.full(5, 0.001))
        turned = trend_step(turned, days, v[day][turn], np.full(5, 0.001))
    assert one.low[turn].tolist() == other.low.tolist()
    assert trend.rate_v_per_day[turn].tolist() == turned.rate_v_per_day.tolist()


@given(st.floats(-0.05, 0.05), st.floats(0.0001, 0.01), st.floats(1.0, 10.0))
def test_a_noisier_day_leaves_more_uncertainty(value, std, worse):
    level = [
        trend_step(initial_trend(1), np.zeros(1), np.array([value]), np.array([s])).level_variance[0]
        for s in (std, std * worse)
    ]
    assert level[1] >= level[0]


def test_intervals_of_rate_and_of_the_next_day_hold_the_truth():
    chance = np.random.default_rng(11)
    cells, params = 400, TrendParams()
    level = 0.01 * chance.standard_normal(cells)
    rate = 0.0004 * chance.standard_normal(cells)
    trend, inside = initial_trend(cells), []
    for day in range(40):
        std = chance.uniform(0.0002, 0.002, cells)
        noise = np.sqrt(std**2 + params.day_std_v**2 + (params.day_std_frac * level) ** 2)
        if day > 5:
            guess, variance = predicted(trend, np.full(cells, float(day)))
            inside.append(coverage90(guess, np.sqrt(variance), level))
        trend = trend_step(
            trend, np.full(cells, float(day)), level + noise * chance.standard_normal(cells), std
        )
        wander = np.hypot(params.wander_v_per_sqrt_day, params.wander_frac_per_sqrt_day * level)
        level = level + rate + wander * chance.standard_normal(cells)
        rate = rate + params.bend_v_per_day15 * chance.standard_normal(cells)
    assert 0.85 <= np.mean(inside) <= 0.95
    assert 0.85 <= coverage90(trend.rate_v_per_day, np.sqrt(trend.rate_variance), rate) <= 0.95


# Packs with simulated faults


@dataclass(frozen=True)
class Story:
    """A pack and what happens to it; all in points of charge unless said otherwise."""

    fault: str = ""
    size: float = 1.0
    cells: int = 96
    days: int = 20
    rows: int = 40
    noise_v: float = 0.002
    module: float = 0.5
    balancing: bool = False
    late_share: float = 0.1
    swing: tuple[float, float] = (35.0, 75.0)


def told(story, seed):
    """The odd cell, and each day's voltages and currents at rest."""
    chance = np.random.default_rng(seed)
    n = story.cells
    charge = np.clip(0.3 * chance.standard_t(6, n), -1.3, 1.3)
    charge += np.repeat(story.module * chance.standard_normal(-(-n // 8)), 8)[:n]
    capacity = 1 + 0.005 * chance.standard_normal(n)
    resistance = 0.001 * (1 + 0.05 * chance.standard_normal(n))
    leak = np.abs(0.0005 * chance.standard_normal(n))
    odd = int(chance.integers(n))
    charge[odd] -= 4.5 * story.size * (story.fault == "weak")
    leak[odd] += 0.12 * story.size * (story.fault == "short")
    for day in range(story.days):
        if story.fault == "resistance" and day == 5:
            resistance[odd] *= 2
        top = chance.uniform(85, 99)
        soc = chance.uniform(chance.uniform(*story.swing), top, story.rows)
        current = chance.uniform(-4.9, 4.9, story.rows)
        own = np.clip(top + charge - (top - soc)[:, None] / capacity, 0, 100) / 100
        voltage = np.interp(own, CURVE.soc_frac, CURVE.ocv_v) + current[:, None] * resistance
        late = (chance.random((story.rows, 1)) < story.late_share) & (chance.random((story.rows, n)) < 0.3)
        voltage += late * resistance * chance.normal(0, 60, (story.rows, n))
        voltage += story.noise_v * chance.standard_normal(voltage.shape)
        yield odd, np.round(voltage, 3), current
        charge = charge - leak
        if story.balancing:  # passive: the highest are bled towards the lowest
            charge = charge - 0.3 * np.clip(charge - np.quantile(charge, 0.2), 0, 0.05)


def followed(story, seed):
    """Which cells are called weak and self-discharging, and when the odd one first was, either way."""
    evidence, trend, width = initial_evidence(story.cells), initial_trend(story.cells), initial_trend(1)
    weak, falling, first, grows = set(), set(), None, False
    for day, (odd, voltage, current) in enumerate(told(story, seed)):
        lay = day_deviation(voltage, current)
        evidence = evidence_step(evidence, z_score(lay.deviation_v, lay.std_v, lay.spread_v))
        now = np.full(story.cells, float(day))
        trend = trend_step(trend, now, lay.band_deviation_v, lay.band_std_v)
        width = trend_step(
            width, now[:1], np.array([lay.imbalance_v]), np.array([lay.imbalance_std_v]), WIDTH
        )
        weak |= set(np.flatnonzero(weak_cell(evidence, trend, lay.deviation_v).severity >= 0).tolist())
        falling |= set(np.flatnonzero(self_discharge(trend, SLOPE_V, 150.0).severity >= 0).tolist())
        grows |= bool(imbalance_growth(width).severity[0] >= 0)
        if first is None and odd in weak | falling:
            first = day + 1
    return odd, weak, falling, first, grows


HEALTHY = {
    "plain": Story(),
    "few messages": Story(rows=11),
    "noisy BMS": Story(noise_v=0.006),
    "cells not sampled at once": Story(late_share=0.6),
    "strong modules": Story(module=2.0),
    "short string": Story(cells=12),
    "top balancing": Story(balancing=True, days=40),
    "one state of charge": Story(swing=(80.0, 84.0)),
    "wide use of charge": Story(swing=(8.0, 80.0)),
    "a step in resistance, seen at rest": Story(fault="resistance"),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_no_cell_of_a_healthy_pack_is_ever_named(name):
    for seed in range(12):
        _, weak, falling, _, grows = followed(HEALTHY[name], seed)
        assert (weak, falling, grows) == (set(), set(), False), seed


FAULTS = {
    "a weak cell": (Story(fault="weak"), 0.9, 5),
    "a very weak cell": (Story(fault="weak", size=2.0), 1.0, 2),
    "a weak cell, few messages": (Story(fault="weak", rows=11, size=1.3), 0.85, 6),
    "a weak cell, short string": (Story(fault="weak", cells=24, size=1.5), 0.9, 4),
    "a slow short": (Story(fault="short", days=30), 1.0, 15),
    "a slow short under balancing": (Story(fault="short", days=30, balancing=True), 1.0, 15),
    "a slow short, noisy BMS": (Story(fault="short", days=40, noise_v=0.006), 1.0, 25),
}


@pytest.mark.parametrize("name", FAULTS)
def test_simulated_faults_are_named_and_no_other_cell(name):
    story, recall, days = FAULTS[name]
    found, when, others = 0, [], 0
    for seed in range(20):
        odd, weak, falling, first, _ = followed(story, seed)
        found += first is not None
        when.append(first or np.inf)
        others += len((weak | falling) - {odd})
        if story.fault == "weak":
            assert not falling, "a stable weak cell does not fall"
    assert found >= recall * 20
    assert np.median(when) <= days
    assert others == 0


def test_the_rate_of_a_slow_short_is_right_within_its_interval():
    inside = []
    for seed in range(20):
        story = Story(fault="short", days=30)
        trend = initial_trend(story.cells)
        days = list(told(story, seed))
        odd = days[0][0]
        for day, (_, voltage, current) in enumerate(days):
            lay = day_deviation(voltage, current)
            trend = trend_step(trend, np.full(story.cells, float(day)), lay.band_deviation_v, lay.band_std_v)
        evidence = self_discharge(trend, SLOPE_V, 150.0).evidence
        true_ma = 0.0012 * 150.0 / 24.0 * 1000.0
        inside.append(abs(evidence["leak_ma"][odd] - true_ma) <= 1.645 * evidence["leak_std_ma"][odd])
    assert np.mean(inside) >= 0.85


# Real cars


def car(name):
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = ["measured_at", "current_a", "cell_voltages_v"]
    table = parquet.read_table(CARS / f"{name}.parquet", columns=columns).sort_by("measured_at")
    lists = table.column("cell_voltages_v").combine_chunks()
    voltage = np.asarray(lists.flatten().to_numpy(zero_copy_only=False), dtype=float).reshape(len(lists), -1)
    voltage[(voltage < 0.5) | (voltage > 5.0)] = np.nan
    day = table.column("measured_at").to_numpy().astype("datetime64[D]").astype(int)
    return day, table.column("current_a").to_numpy().astype(float), voltage


@pytest.mark.skipif(not CARS.is_dir(), reason="the cars are not beside this checkout")
@pytest.mark.parametrize(("name", "odd", "growing"), [("EV2", [81], [81]), ("EV3", [1, 80], [])])
def test_the_odd_cells_of_real_cars_are_named_within_two_days(name, odd, growing):
    day, current, voltage = car(name)
    cells = voltage.shape[1]
    evidence, trend, falling, count, last = initial_evidence(cells), initial_trend(cells), set(), 0, None
    for today in np.unique(day):
        lay = day_deviation(voltage[day == today], current[day == today])
        evidence = evidence_step(evidence, z_score(lay.deviation_v, lay.std_v, lay.spread_v))
        trend = trend_step(trend, np.full(cells, float(today)), lay.band_deviation_v, lay.band_std_v)
        falling |= set(np.flatnonzero(self_discharge(trend, SLOPE_V, 150.0).severity >= 0).tolist())
        count += np.isfinite(lay.deviation_v).any()
        if count >= 2:
            assert np.flatnonzero(evidence.named).tolist() == odd
            last = weak_cell(evidence, trend, lay.deviation_v)
    assert sorted(falling) == growing
    severities = {int(last.severity[cell]) for cell in odd}
    assert severities == ({1} if growing else {0})


def test_a_named_cell_that_falls_fast_is_critical():
    evidence, trend = initial_evidence(1), initial_trend(1)
    for day in range(20):
        value = np.array([-0.03 - 0.003 * day])
        evidence = evidence_step(evidence, np.array([-12.0]))
        trend = trend_step(trend, np.array([float(day)]), value, np.array([0.0005]))
    assert weak_cell(evidence, trend, value, AlertParams()).severity.tolist() == [2]


def test_the_test_is_set_between_healthy_and_odd():
    params = SequentialParams()
    middle = np.array([(params.healthy_z + params.odd_z) / 2])
    assert log_likelihood_ratio(middle)[0] == pytest.approx(0.0, abs=1e-12)
