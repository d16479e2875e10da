"""Remaining life as a distribution: a library of fade curves and a forest together, with tested intervals."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from battery_lake.cells.fade_curves import power_curves, shipped_curves, together
from battery_lake.cells.fade_history import END, MIN_MARGIN_FRAC, features
from battery_lake.cells.fade_library import (
    LOG_RATIOS,
    LibraryParams,
    build,
    density,
    histogram,
    smoothed,
)
from battery_lake.cells.life_forest import Forest, ForestParams, answers, grow
from battery_lake.cells.life_snapshots import drawn_lives, take_snapshots

if TYPE_CHECKING:
    from collections.abc import Sequence

    from battery_lake.cells.arrays import Bools, Floats, Ints
    from battery_lake.cells.fade_curves import FadeCurves
    from battery_lake.cells.fade_history import History
    from battery_lake.cells.fade_library import Library
    from battery_lake.cells.life_snapshots import Snapshots

LEVELS: Final[Floats] = np.arange(1, 20) / 20.0
"""Levels of the quantiles that are reported: 5 % to 95 %. [1]"""

NORMAL_QUANTILES: Final[Floats] = np.array([
    -1.6449, -1.2816, -1.0364, -0.8416, -0.6745, -0.5244, -0.3853, -0.2533, -0.1257, 0.0,
    0.1257, 0.2533, 0.3853, 0.5244, 0.6745, 0.8416, 1.0364, 1.2816, 1.6449,
])  # fmt: skip
"""Normal quantiles at the :data:`LEVELS`. [1]"""

MISFITS_FRAC: Final = (0.0015, 0.003, 0.006)
"""Misfits of the library among which the training cells choose. [1]"""

SHIPPED_STRETCH_STD: Final = 1.5
"""Lives in vehicles differ from the laboratories' by more than theirs among each other. [1]"""

SHIPPED_TREES: Final = 100
SHIPPED_STRIDE: Final = 3
MIN_CURVES: Final = 8
"""Fewer curves grow no forest and measure no interval."""

STAGES: Final = 3
SHRINK_CELLS: Final = 10.0
MIN_FREEDOM: Final = 2
MIN_CONDITIONS: Final = 2
PULL_LIMITS: Final = (0.02, 4.0)
SPREAD_LIMITS: Final = (0.4, 6.0)
_MIDDLE: Final = 9


@dataclass(frozen=True, slots=True, eq=False)
class Mode:
    """What serves cells of known conditions, or of unknown ones.

    Parameters
    ----------
    params
        The library's.
    timed
        Whether the trees are told ages, which only compare within one family and unit.
    forest
        Trees; None: too few curves.
    spread
        Factor on the distance from the median, early, midway and late in life. [1], shape ``(stages,)``
    """

    params: LibraryParams
    timed: bool
    forest: Forest | None
    spread: Floats


@dataclass(frozen=True, slots=True, eq=False)
class LifeModel:
    """Everything that is learnt of lives.

    Parameters
    ----------
    library
        Curves.
    eol_frac
        State of health at which life ends. [1]
    known, unknown
        For cells of a condition that the library holds, and for others.
    """

    library: Library
    eol_frac: float
    known: Mode
    unknown: Mode


@dataclass(frozen=True, slots=True)
class LifeParams:
    """How a model is learnt.

    Parameters
    ----------
    known, unknown
        The library's parameters for cells of known conditions and of others.
    forest
        How trees grow.
    modes
        Which of ``known`` and ``unknown`` get a forest and measured intervals: others keep the defaults.
    """

    known: LibraryParams = field(default_factory=LibraryParams)
    unknown: LibraryParams = field(default_factory=LibraryParams)
    forest: ForestParams = field(default_factory=ForestParams)
    modes: tuple[str, ...] = ("known", "unknown")


def learn(
    curves: FadeCurves, snapshots: Snapshots, eol_frac: float, params: LifeParams = LifeParams()
) -> LifeModel:
    """Learn from lives: choose the library's misfit, grow the forests, measure how far answers are off.

    All is measured on cells left out: a curve never answers for its own cell (known conditions), nor for any
    of its condition (unknown ones), and trees answer only for those that they have not seen.

    Parameters
    ----------
    curves
        Reduced curves.
    snapshots
        The same lives on the way; ``curve`` counts the curves of :func:`build`, which come to their end.
    eol_frac
        State of health at which life ends. [1]
    params
        How.

    References
    ----------
    Papadopoulos et al., ECML (2002), DOI 10.1007/3-540-36755-1_29 (intervals scaled by held-out errors).
    """
    library = build(curves, eol_frac)
    modes = {}
    for name, start in (("known", params.known), ("unknown", params.unknown)):
        mode = Mode(start, name == "known", None, np.ones(STAGES))
        if name in params.modes and library.life_efc.size >= MIN_CURVES and snapshots.curve.size:
            mode = _learn(library, snapshots, eol_frac, mode, params.forest)
        modes[name] = mode
    return LifeModel(library, eol_frac, modes["known"], modes["unknown"])


@cache
def shipped_model(eol_frac: float = 0.8, *, in_cycles: bool = True) -> LifeModel:
    """Return the model that comes with the product, for cells like none that it has seen.

    Its intervals are measured by leaving out all cells of one laboratory and chemistry together; powers of
    age stand for kinds that are like none of them. It takes some seconds, once.

    Parameters
    ----------
    eol_frac
        State of health at which life ends. [1]
    in_cycles
        Whether ages will be equivalent full cycles, as the curves' are; in days, lives of other cells say
        nothing but by the shape of their fade.
    """
    curves = together(shipped_curves(by_kind=True), power_curves())
    start = LibraryParams(stretch_std=SHIPPED_STRETCH_STD if in_cycles else float("inf"))
    params = LifeParams(unknown=start, forest=ForestParams(trees=SHIPPED_TREES), modes=("unknown",))
    snapshots = take_snapshots(*drawn_lives(curves), curves, eol_frac)
    return learn(curves, snapshots.every(SHIPPED_STRIDE), eol_frac, params)


def remaining(model: LifeModel, history: History, condition: Sequence[str]) -> Floats:
    """Return quantiles of remaining life at the :data:`LEVELS`, in the unit of the ages.

    Parameters
    ----------
    model
        What was learnt.
    history
        What is known of each cell now.
    condition
        Under what each cell is aged; one that the library does not hold, or empty: not known.

    Returns
    -------
    Floats
        Never falling along a row; 0 where life has ended, NaN where nothing is known. Shape
        ``(cells, levels)``
    """
    found = np.full((history.now_efc.size, LEVELS.size), np.nan)
    alive = np.isfinite(history.now_efc) & np.isfinite(history.level_frac).all(axis=1)
    held = set(model.library.condition) - {""}
    known = np.array([one in held for one in condition], dtype=bool)
    for mode, chosen in ((model.known, alive & known), (model.unknown, alive & ~known)):
        if not chosen.any():
            continue
        part = history[chosen]
        own = [one for one, yes in zip(condition, chosen, strict=True) if yes]
        log_ratio = _log_quantiles(model.library, part, own, mode, model.eol_frac)
        log_ratio = _blurred(_spread(log_ratio, mode.spread), part, model.eol_frac)
        found[chosen] = np.exp(log_ratio) * part.now_efc[:, None]
    return found


def _learn(
    library: Library,
    snapshots: Snapshots,
    eol_frac: float,
    mode: Mode,
    forest: ForestParams,
) -> Mode:
    """Learn one mode: that of known conditions leaves out cells, the other one whole conditions."""
    by_condition = not mode.timed
    labels = [one or f"\0{k}" for k, one in enumerate(library.condition)]
    groups = np.unique(labels, return_inverse=True)[1] if by_condition else np.arange(len(labels))
    own = groups[snapshots.curve]
    left_out = own[:, None] == groups
    names = [library.condition[k] for k in snapshots.curve]
    if by_condition:
        names = [""] * len(names)
        if groups.max() == 0:
            return mode
    chosen = _choose(library, snapshots, names, mode.params, left_out)
    x = _columns(library, snapshots.history, names, eol_frac, left_out, with_time=mode.timed)
    judge = grow(x, snapshots.log_ratio, own, replace(forest, trees=forest.trees // 2))
    tried = replace(mode, params=chosen, forest=judge)
    quantiles = _log_quantiles(
        library, snapshots.history, names, tried, eol_frac, left_out, ~judge.learnt[own]
    )
    # The trees that answer later have seen all cells; those that judged them had not.
    final = grow(x, snapshots.log_ratio, own, replace(forest, group_share=1.0))
    return replace(tried, forest=final, spread=_measured(quantiles, snapshots))


def _choose(
    library: Library, snapshots: Snapshots, names: list[str], params: LibraryParams, left_out: Bools
) -> LibraryParams:
    """Take the misfit under which the lives left out were most likely."""
    some = np.arange(snapshots.curve.size) % 3 == 0
    step = LOG_RATIOS[1] - LOG_RATIOS[0]
    place = np.clip(np.round((snapshots.log_ratio[some] - LOG_RATIOS[0]) / step), 0, LOG_RATIOS.size - 1)
    own = [name for name, yes in zip(names, some, strict=True) if yes]
    best, chosen = -np.inf, params
    for misfit in MISFITS_FRAC:
        tried = replace(params, misfit_frac=misfit)
        found = density(library, snapshots.history[some], own, tried, left_out[some])
        # A little of anything, so that no single life decides.
        score = float(np.log(found[np.arange(place.size), place.astype(np.int64)] + 1e-4).mean())
        if score > best:
            best, chosen = score, tried
    return chosen


def _columns(
    library: Library,
    history: History,
    names: Sequence[str],
    eol_frac: float,
    left_out: Bools | None,
    *,
    with_time: bool,
) -> Floats:
    """Features of a history; with time: also age, and age over what lives of the condition last."""
    plain = features(history, eol_frac)
    if not with_time:
        return plain
    usable = np.ones((len(names), library.life_efc.size)) if left_out is None else 1.0 * ~left_out
    same = usable * np.array([[name == other for other in library.condition] for name in names])
    log_life = np.log(library.life_efc)
    all_mean = usable @ log_life / np.maximum(usable.sum(axis=1), 1.0)
    pull = _pull(log_life, library.condition)
    mean = (same @ log_life + pull * all_mean) / (same.sum(axis=1) + pull)
    log_now = np.log(history.now_efc)
    return np.column_stack([plain, log_now, mean - log_now])


def _pull(log_life: Floats, condition: Sequence[str]) -> float:
    """Variance within conditions over that between them: so many cells the mean of all weighs as."""
    _, place, count = np.unique(condition, return_inverse=True, return_counts=True)
    mean = np.bincount(place, log_life) / count
    freedom = log_life.size - count.size
    if freedom < MIN_FREEDOM or count.size < MIN_CONDITIONS:
        return 1.0
    within = float(((log_life - mean[place]) ** 2).sum()) / freedom
    between = max(float(mean.var(ddof=1)) - within * float((1.0 / count).mean()), 1e-6)
    return float(np.clip(within / between, *PULL_LIMITS))


def _log_quantiles(
    library: Library,
    history: History,
    names: Sequence[str],
    mode: Mode,
    eol_frac: float,
    left_out: Bools | None = None,
    trees: Bools | None = None,
) -> Floats:
    """Quantiles of the logarithm of remaining life over age: the means of the library's and the forest's."""
    if not library.life_efc.size:
        # Nothing is known but that now is any moment of a life: its share is uniform, the ratio logistic.
        return np.broadcast_to(np.log(LEVELS / (1.0 - LEVELS)), (history.now_efc.size, LEVELS.size)).copy()
    found = _quantiles(density(library, history, names, mode.params, left_out))
    if mode.forest is None:
        return found
    x = _columns(library, history, names, eol_frac, left_out, with_time=mode.timed)
    each = answers(mode.forest, x)
    use = np.ones(each.shape[:2]) if trees is None else trees + 1e-9
    weight = np.asarray(np.broadcast_to(use[:, :, None], each.shape), dtype=np.float64)
    flat = histogram(each.reshape(len(x), -1), weight.reshape(len(x), -1))
    return 0.5 * (found + _quantiles(smoothed(flat)))


def _quantiles(share: Floats) -> Floats:
    """Quantiles of histograms over the grid."""
    total = np.cumsum(share, axis=1) - 0.5 * share
    return np.array([np.interp(LEVELS, row, LOG_RATIOS) for row in total]).reshape(len(share), LEVELS.size)


def _stage(log_ratio: Floats) -> Floats:
    """Share of life that is over by the median. [1]."""
    return np.asarray(1.0 / (1.0 + np.exp(log_ratio[:, _MIDDLE])))


def _measured(quantiles: Floats, snapshots: Snapshots) -> Floats:
    """Factors on the spread with which 90 % of the truths were held, in each stage of life."""
    middle = quantiles[:, _MIDDLE]
    error = snapshots.log_ratio - middle
    reach = np.where(error > 0.0, quantiles[:, -1] - middle, middle - quantiles[:, 0])
    score = np.abs(error) / np.maximum(reach, 1e-3)
    stage = np.minimum((_stage(quantiles) * STAGES).astype(np.int64), STAGES - 1)
    overall = np.log(_upper(score, snapshots.curve))
    found = np.empty(STAGES)
    for k in range(STAGES):
        here = stage == k
        cells = np.unique(snapshots.curve[here]).size
        own = np.log(_upper(score[here], snapshots.curve[here])) if cells else overall
        found[k] = (cells * own + SHRINK_CELLS * overall) / (cells + SHRINK_CELLS)
    return np.clip(np.exp(found), *SPREAD_LIMITS)


def _upper(score: Floats, curve: Ints) -> float:
    """The 90 % quantile of scores, every cell of the same weight, a little higher where cells are few."""
    count = np.bincount(curve)
    weight = 1.0 / count[curve]
    order = np.argsort(score)
    share = np.cumsum(weight[order]) / weight.sum()
    cells = (count > 0).sum()
    at = np.searchsorted(share, min(0.9 * (1.0 + 1.0 / cells), 1.0) - 1e-9)
    return float(max(score[order[min(at, score.size - 1)]], 1e-3))


def _spread(log_ratio: Floats, spread: Floats) -> Floats:
    """Widen or narrow each row about its median by the factor of its stage."""
    middle = log_ratio[:, _MIDDLE : _MIDDLE + 1]
    factor = np.interp(_stage(log_ratio), (np.arange(STAGES) + 0.5) / STAGES, spread)
    return np.asarray(middle + (log_ratio - middle) * factor[:, None])


def _blurred(log_ratio: Floats, history: History, eol_frac: float) -> Floats:
    """Widen by what an uncertain level of now means for remaining life: in proportion to the margin."""
    margin = np.maximum(history.level_frac @ END - eol_frac, MIN_MARGIN_FRAC)
    std = np.minimum(history.level_std_frac / margin, 2.0)
    middle = log_ratio[:, _MIDDLE : _MIDDLE + 1]
    away = log_ratio - middle
    normal = std[:, None] * NORMAL_QUANTILES
    return np.asarray(middle + np.sign(LEVELS - 0.5) * np.sqrt(away * away + normal * normal))
