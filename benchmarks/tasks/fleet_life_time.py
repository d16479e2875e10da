"""Task 8, second part: remaining life of simulated cells whose end is known, without telemetry."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from support.figures import Figure, show

from battery_lake.cells.fade_curves import FadeCurves, shipped_curves
from battery_lake.cells.fade_history import history_of
from battery_lake.cells.life_outlook import LifeHistory, OutlookParams, outlook_days
from battery_lake.cells.life_points import add_day, means, no_points
from battery_lake.cells.life_quantiles import remaining, shipped_model
from battery_lake.cells.life_templates import curve_shapes, templates_from, templates_of
from battery_lake.cells.rul import RulParams, remaining_days
from battery_lake.cells.soh_filter import FilterParams, FilterState, initial_state, step
from battery_lake.simulate import ageing, driving, pack
from battery_lake.simulate.fleet import KNEE_AT_FRAC, KNEE_VEHICLE, ODD_EVERY, FleetSpec, draw_vehicle

if TYPE_CHECKING:
    from battery_lake.cells.arrays import Bools, Floats
    from battery_lake.cells.life_templates import Templates

NUMBER: Final = 8
TITLE: Final = "Remaining life of simulated cells until their end, the filtered line as baseline"
VEHICLES: Final = 100
CELLS: Final = 8
MONTHS_24_DAYS: Final = 730
YEARS_AHEAD: Final = 40
EVIDENCE_SHARE: Final = 0.3
OBSERVATION_STD_PCT: Final = 2.2
BIAS_STD_PCT: Final = 0.5
MOMENTS: Final = {"1 month": 30, "3 months": 91, "6 months": 182, "12 months": 365, "24 months": 729}
LATE_SHARE: Final = 1.0 / 3.0
EOL_PCT: Final = 80.0
NEW_STD_PCT: Final = 2.0
TOLERANCE: Final = 0.2
SEED: Final = 8
LEVELS: Final = np.array([0.05, 0.5, 0.95])
PARAMS: Final = OutlookParams()
EPOCH_DAY: Final = 20_000
SHARES: Final = {"first": (0.1, 0.2, 0.3), "second": (0.4, 0.5, 0.6), "last": (0.7, 0.8, 0.9)}
LEFT_OUT_CELLS: Final = 6
LEFT_OUT_POINTS: Final = 12
LEFT_OUT_NOISE_PCT: Final = 0.8


@dataclass(frozen=True, slots=True, eq=False)
class Life:
    """A pack of simulated cells; days count from the first one of telemetry.

    Parameters
    ----------
    chemistry
        Of the pack.
    age_days
        On the first day. [d]
    end_days
        Day on which each cell comes to its end of life. [d], shape ``(cells,)``
    day
        Those with evidence. [d], shape ``(days,)``
    soh_pct, variance_pct2
        Observed. [%, %²], shape ``(days, cells)``
    """

    chemistry: str
    age_days: float
    end_days: Floats
    day: Floats
    soh_pct: Floats
    variance_pct2: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Quantiles of remaining life by each way at a moment, and the truth, the horizon at most.

    Parameters
    ----------
    left_days, life_days
        Remaining and whole life. [d], shape ``(cells,)``
    by
        Of each way. [d], shape ``(cells, levels)``
    """

    left_days: Floats
    life_days: Floats
    by: dict[str, Floats]


def figures(data: Path, train: Path) -> list[Figure]:
    """Measure remaining life at five moments, late in life, and on measured shapes left out.

    Parameters
    ----------
    data, train
        Not used: the truth is the simulation's own, the shapes come with the product.
    """
    del data, train
    lives = [simulated_life(number) for number in range(1, VEHICLES + 1)]
    at = {name: _joined([_answers(life, day) for life in lives]) for name, day in MOMENTS.items()}
    found = [figure for name, answers in at.items() for figure in _figures(f"RUL after {name}", answers)]
    every = _joined(list(at.values()))
    late = every.left_days < LATE_SHARE * every.life_days
    found += _figures("RUL in the last third of life", _chosen(every, np.asarray(late)))
    for third, answers in _left_out().items():
        found += _figures(f"RUL measured shapes left out, {third} third", answers)
    return found


def simulated_life(number: int) -> Life:
    """Age a vehicle's cells until all are at their end; observe them for 24 months as the product does.

    An observation has the error of a window between two rests, a bias of its pack and of its cell.

    Parameters
    ----------
    number
        The vehicle, from 1.
    """
    spec = FleetSpec(VEHICLES, MONTHS_24_DAYS, seed=SEED, lfp_share=0.5, cells_in_series=CELLS)
    vehicle, days = draw_vehicle(spec, number), int(YEARS_AHEAD * ageing.YEAR_DAYS)
    rng = np.random.default_rng([SEED, number, 2])
    climate = pack.draw_climate(rng, days, 1)
    efc_per_km = vehicle.habits.consumption_ah_per_km / vehicle.rated_ah
    driven_km = vehicle.odometer_km + np.cumsum(driving.daily_km(rng, vehicle.habits, days))
    aged = ageing.age(
        ageing.draw_cells(rng, CELLS, leaky=False),
        rated_ah=vehicle.rated_ah,
        temperature_c=pack.pack_day_c(climate),
        efc=efc_per_km * driven_km,
        age_years=vehicle.age_years,
        lithium_share=spec.lithium_share,
        knee_day=KNEE_AT_FRAC * MONTHS_24_DAYS if number % ODD_EVERY == KNEE_VEHICLE else None,
    )
    soh = 100.0 * aged.capacity_ah / vehicle.rated_ah
    below = soh <= EOL_PCT
    end = np.where(below.any(axis=0), below.argmax(axis=0), days).astype(np.float64)
    day = np.flatnonzero(rng.random(MONTHS_24_DAYS) < EVIDENCE_SHARE)
    std = OBSERVATION_STD_PCT * rng.lognormal(0.0, 0.3, day.size)[:, None]
    bias = rng.normal(0.0, BIAS_STD_PCT) + rng.normal(0.0, BIAS_STD_PCT, CELLS)
    observed = soh[day] + bias + std * rng.standard_normal((day.size, CELLS))
    age_days = vehicle.age_years * ageing.YEAR_DAYS
    variance = np.broadcast_to(std**2, observed.shape)
    return Life(vehicle.design.chemistry, age_days, end, day.astype(np.float64), observed, variance)


def _answers(life: Life, until: int) -> Answers:
    """What each way says after so many days."""
    some = life.day <= until
    points, state = no_points(1, CELLS), initial_state(CELLS, FilterParams(), life.age_days)
    for day, soh, variance in zip(life.day[some], life.soh_pct[some], life.variance_pct2[some], strict=True):
        state = step(state, np.full(CELLS, day), soh, variance, FilterParams())
        add_day(points, np.array([day + EPOCH_DAY]), soh[None], variance[None], state.soh_pct[None])
    now = float(life.day[some][-1])
    point_day, soh, variance = means(points)
    history = LifeHistory(
        point_day - EPOCH_DAY + life.age_days, soh, variance, np.array([now + life.age_days])
    )
    templates = templates_of(life.chemistry, EOL_PCT)
    *rul, _ = outlook_days(templates, history, state.soh_pct[None], EOL_PCT, PARAMS)
    # A new cell had 100 %: the baselines know it too.
    age = np.concatenate([[0.0], life.day[some] + life.age_days])
    observed = np.concatenate([np.full((1, CELLS), 100.0), life.soh_pct[some]])
    std = np.sqrt(np.concatenate([np.full((1, CELLS), NEW_STD_PCT**2), life.variance_pct2[some]]))
    left = life.end_days - now
    answers = Answers(
        np.minimum(left, PARAMS.horizon_days),
        life.end_days + life.age_days,
        {
            "library": np.stack([days[0] for days in rul], axis=1),
            **_baselines(state, now + life.age_days, age, observed, std),
            "whole_model": _whole_model(history),
        },
    )
    return _chosen(answers, np.asarray(left > 0.0))


def _baselines(
    state: FilterState, now: float, age: Floats, observed: Floats, std: Floats
) -> dict[str, Floats]:
    """The filtered line, the last value held, a straight line and an exponential through all."""
    line = remaining_days(state, np.full(state.soh_pct.shape, EOL_PCT), RulParams())[:3]
    found = {"line": np.stack(line, axis=1), "held": np.full((CELLS, 3), PARAMS.horizon_days)}
    for name, ends in (
        ("straight", (observed, EOL_PCT)),
        ("exponential", (np.log(observed), np.log(EOL_PCT))),
    ):
        left = [_crossing(age - now, ends[0][:, cell], std[:, cell], ends[1]) for cell in range(CELLS)]
        found[name] = np.repeat(np.array(left)[:, None], LEVELS.size, axis=1)
    return found


def _whole_model(history: LifeHistory) -> Floats:
    """All shipped curves and a forest on the same points, a new cell at 100 %, and two on the way to them."""
    way = np.array([0.0, 1.0, 2.0]) / 3.0
    age = np.concatenate([way * history.age_days[0, 0], history.age_days[0]])
    lost = np.concatenate([way[:, None] * (100.0 - history.soh_pct[0, :1]), 100.0 - history.soh_pct[0]])
    variance = np.concatenate([np.full((way.size, CELLS), NEW_STD_PCT**2), history.variance_pct2[0]])
    past = history_of(np.tile(age, (CELLS, 1)), 1.0 - 0.01 * lost.T, 1e-4 * variance.T)
    model = shipped_model(0.01 * EOL_PCT, in_cycles=False)
    return np.minimum(remaining(model, past, [""] * CELLS)[:, [0, 9, 18]], PARAMS.horizon_days)


def _crossing(day: Floats, value: Floats, std: Floats, end: float) -> float:
    """When a straight line comes to the end, the horizon at most. [d]."""
    slope, level = np.polyfit(day, value, 1, w=1.0 / std)
    return float(np.clip((level - end) / max(-slope, 1e-9), 0.0, PARAMS.horizon_days))


def _left_out() -> dict[str, Answers]:
    """Measured curves stretched to lives in vehicles, told by the curves of all other conditions."""
    rng = np.random.default_rng(SEED)
    parts: dict[str, list[Answers]] = {third: [] for third in SHARES}
    for chemistry in ("LFP", "NMC", "NCA"):
        curves = shipped_curves(chemistry)
        for condition in sorted(set(curves.condition)):
            own = np.array([one == condition for one in curves.condition])
            templates = templates_from(_some(curves, ~own), EOL_PCT)
            for shape in curve_shapes(_some(curves, own), EOL_PCT)[:LEFT_OUT_CELLS]:
                life_days = (100.0 - EOL_PCT) / PARAMS.fade_pct_per_day * float(rng.lognormal(0.0, 0.5))
                for third, shares in SHARES.items():
                    parts[third] += [_on_the_way(rng, templates, shape, s, life_days) for s in shares]
    return {third: _joined(answers) for third, answers in parts.items()}


def _on_the_way(
    rng: np.random.Generator, templates: Templates, shape: Floats, share: float, life_days: float
) -> Answers:
    """What the library and the line say of a cell at a share of its life, seen for half of its age."""
    at = np.linspace(0.5 * share, share, LEFT_OUT_POINTS)
    true = np.interp(at, np.linspace(0.0, 1.0, shape.size), shape)
    observed = true + rng.normal(0.0, BIAS_STD_PCT) + rng.normal(0.0, LEFT_OUT_NOISE_PCT, at.size)
    variance = np.full((1, at.size, 1), LEFT_OUT_NOISE_PCT**2)
    state = initial_state(1, FilterParams(), at[0] * life_days)
    for day, soh in zip(at * life_days, observed, strict=True):
        state = step(state, np.array([day]), np.array([soh]), variance[0, 0], FilterParams())
    now = share * life_days
    history = LifeHistory(at[None] * life_days, observed[None, :, None], variance, np.array([now]))
    *rul, _ = outlook_days(templates, history, state.soh_pct[None], EOL_PCT, PARAMS)
    line = remaining_days(state, np.array([EOL_PCT]), RulParams())[:3]
    return Answers(
        np.minimum(np.array([life_days - now]), PARAMS.horizon_days),
        np.array([life_days]),
        {"library": np.stack([days[0] for days in rul], axis=1), "line": np.stack(line, axis=1)},
    )


def _some(curves: FadeCurves, chosen: Bools) -> FadeCurves:
    return FadeCurves(
        curves.span_efc[chosen],
        curves.level_frac[chosen],
        curves.dip_frac[chosen],
        curves.noise_frac[chosen],
        tuple(one for one, yes in zip(curves.condition, chosen, strict=True) if yes),
    )


def _joined(parts: list[Answers]) -> Answers:
    return Answers(
        np.concatenate([one.left_days for one in parts]),
        np.concatenate([one.life_days for one in parts]),
        {way: np.concatenate([one.by[way] for one in parts]) for way in parts[0].by},
    )


def _chosen(answers: Answers, rows: Bools) -> Answers:
    by = {way: quantiles[rows] for way, quantiles in answers.by.items()}
    return Answers(answers.left_days[rows], answers.life_days[rows], by)


def _figures(name: str, answers: Answers) -> list[Figure]:
    """Sharpness and coverage beside the filtered line, the other ways as metrics of their own."""
    ours, line = answers.by["library"], answers.by["line"]
    left, life = answers.left_days, answers.life_days
    found = [
        Figure(NUMBER, name, "pinball_over_life", _pinball(ours, left, life), _pinball(line, left, life)),
        Figure(NUMBER, name, "coverage90", _covered(ours, left), _covered(line, left)),
        Figure(NUMBER, name, "width90_over_life", _width(ours, life), _width(line, life)),
        Figure(NUMBER, name, "within20_pct", _within(ours, left), _within(line, left)),
    ]
    others = [way for way in answers.by if way not in {"library", "line"}]
    return found + [
        Figure(NUMBER, name, f"pinball_{way}", _pinball(answers.by[way], left, life)) for way in others
    ]


def _pinball(quantiles: Floats, left: Floats, life: Floats) -> float:
    """Mean over the levels of twice the pinball loss, over life: a coarse ranked probability score."""
    error = left[:, None] - quantiles
    loss = np.maximum(LEVELS * error, (LEVELS - 1.0) * error).mean(axis=1)
    return float((2.0 * loss / life).mean())


def _covered(quantiles: Floats, left: Floats) -> float:
    return float(((quantiles[:, 0] <= left) & (left <= quantiles[:, -1])).mean())


def _width(quantiles: Floats, life: Floats) -> float:
    return float(((quantiles[:, -1] - quantiles[:, 0]) / life).mean())


def _within(quantiles: Floats, left: Floats) -> float:
    return float(100.0 * (np.abs(quantiles[:, 1] - left) <= TOLERANCE * left).mean())


if __name__ == "__main__":
    show(TITLE, figures(Path(), Path()))
