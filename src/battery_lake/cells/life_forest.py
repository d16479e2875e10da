"""A forest of extremely randomised trees that gives whole distributions, in plain NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from battery_lake.cells.arrays import Bools, Floats, Ints

LEAF_QUANTILES: Final = 6
"""A leaf remembers so many quantiles of the answers in it."""


@dataclass(frozen=True, slots=True)
class ForestParams:
    """How trees grow.

    Parameters
    ----------
    trees
        How many.
    min_leaf
        Rows that a leaf holds at least.
    group_share
        Share of the groups that a tree learns from; the others are asked to judge it. [1]
    max_depth
        Levels below the root at most.
    seed
        Of the random thresholds and groups.
    """

    trees: int = 200
    min_leaf: int = 3
    group_share: float = 0.8
    max_depth: int = 20
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Forest:
    """Trees, all nodes in one table; the first ``trees`` nodes are the roots.

    Parameters
    ----------
    feature
        Column that a node asks; -1 at a leaf. Shape ``(nodes,)``
    threshold
        Below it goes left. Shape ``(nodes,)``
    left
        Node on the left; the one on the right follows it. Shape ``(nodes,)``
    answers
        Quantiles of the answers in a leaf. Shape ``(nodes, quantiles)``
    learnt
        Whether a tree has seen a group. Shape ``(groups, trees)``
    """

    feature: Ints
    threshold: Floats
    left: Ints
    answers: Floats
    learnt: Bools


def grow(x: Floats, y: Floats, group: Ints, params: ForestParams = ForestParams()) -> Forest:
    """Grow all trees at once, level by level.

    Parameters
    ----------
    x
        Finite features. Shape ``(rows, features)``
    y
        Answers. Shape ``(rows,)``
    group
        Number of each row's group, from 0: rows of one cell are learnt together or not at all.
        Shape ``(rows,)``
    params
        How.

    References
    ----------
    Geurts et al., Machine Learning 63 (2006) 3, DOI 10.1007/s10994-006-6226-1 (the trees); Meinshausen,
    J. Machine Learning Research 7 (2006) 983 (quantiles from the leaves).
    """
    rng = np.random.default_rng(params.seed)
    groups = int(group.max()) + 1 if group.size else 0
    learnt = _shares(groups, params, rng)
    rows = [np.flatnonzero(learnt[group, tree]) for tree in range(params.trees)]
    row = np.concatenate(rows) if rows else np.zeros(0, dtype=np.int64)
    node = np.repeat(np.arange(params.trees), [r.size for r in rows])
    table = _Table(params.trees)
    for depth in range(params.max_depth + 1):
        if not row.size:
            break
        row, node = _level(
            x, y, row, node, table, params.min_leaf if depth < params.max_depth else y.size, rng
        )
    return Forest(
        np.concatenate(table.feature),
        np.concatenate(table.threshold),
        np.concatenate(table.left),
        np.concatenate(table.answers),
        learnt,
    )


def answers(forest: Forest, x: Floats) -> Floats:
    """Return each tree's answer, as quantiles of equal weight.

    Parameters
    ----------
    forest
        The trees.
    x
        Finite features. Shape ``(rows, features)``

    Returns
    -------
    Floats
        Shape ``(rows, trees, quantiles)``
    """
    trees = forest.learnt.shape[1]
    node = np.broadcast_to(np.arange(trees), (len(x), trees)).copy()
    row = np.arange(len(x))[:, None]
    while True:
        feature = forest.feature[node]
        inner = feature >= 0
        if not inner.any():
            return forest.answers[node]
        right = x[row, np.maximum(feature, 0)] >= forest.threshold[node]
        node = np.where(inner, forest.left[node] + right, node)


class _Table:
    """Nodes of finished levels, and the number of nodes so far."""

    def __init__(self, roots: int) -> None:
        self.feature: list[Ints] = []
        self.threshold: list[Floats] = []
        self.left: list[Ints] = []
        self.answers: list[Floats] = []
        self.nodes = roots


def _shares(groups: int, params: ForestParams, rng: np.random.Generator) -> Bools:
    """Draw the groups of each tree: the same number for all, every one where there is but one."""
    taken = max(1, round(params.group_share * groups))
    rank = rng.random((groups, params.trees)).argsort(axis=0).argsort(axis=0)
    return np.asarray(rank < taken)


def _level(
    x: Floats,
    y: Floats,
    row: Ints,
    node: Ints,
    table: _Table,
    min_leaf: int,
    rng: np.random.Generator,
) -> tuple[Ints, Ints]:
    """Split every node of a level or make it a leaf; hand on the rows of those that were split.

    ``node`` never falls along the rows, and no node of the level is without any.
    """
    start = np.flatnonzero(np.diff(node, prepend=-1))
    size = np.diff(start, append=row.size)
    feature, threshold = _best_split(x, y[row], row, start, size, min_leaf, rng)
    split = feature >= 0
    left = np.where(split, table.nodes + 2 * (np.cumsum(split) - 1), -1)
    found = np.full((size.size, LEAF_QUANTILES), np.nan)
    _fill_leaves(found, y[row], size, ~split)
    table.feature.append(feature)
    table.threshold.append(threshold)
    table.left.append(left)
    table.answers.append(found)
    table.nodes += 2 * int(split.sum())
    keep = np.repeat(split, size)
    place = np.repeat(np.arange(size.size), size)[keep]
    row = row[keep]
    child = left[place] + (x[row, feature[place]] >= threshold[place])
    order = np.argsort(child, kind="stable")
    return row[order], child[order]


def _best_split(
    x: Floats, y: Floats, row: Ints, start: Ints, size: Ints, min_leaf: int, rng: np.random.Generator
) -> tuple[Ints, Floats]:
    """Draw one threshold for each feature in each node, and keep the one that explains most."""
    total = np.add.reduceat(y, start)
    best = np.full(size.size, -np.inf)
    feature, threshold = np.full(size.size, -1), np.full(size.size, np.nan)
    for column in range(x.shape[1]):
        value = x[row, column]
        low, high = np.minimum.reduceat(value, start), np.maximum.reduceat(value, start)
        drawn = low + rng.random(size.size) * (high - low)
        below = value < np.repeat(drawn, size)
        count = np.add.reduceat(below.astype(np.int64), start)
        part = np.add.reduceat(np.where(below, y, 0.0), start)
        valid = (count >= min_leaf) & (size - count >= min_leaf)
        gain = np.where(
            valid,
            part**2 / np.maximum(count, 1) + (total - part) ** 2 / np.maximum(size - count, 1),
            -np.inf,
        )
        better = gain > best
        best, feature = np.where(better, gain, best), np.where(better, column, feature)
        threshold = np.where(better, drawn, threshold)
    return feature, threshold


def _fill_leaves(found: Floats, y: Floats, size: Ints, leaf: Bools) -> None:
    """Write the quantiles of the answers of each leaf, all leaves at once."""
    own = y[np.repeat(leaf, size)]
    ranked = own[np.lexsort([own, np.repeat(np.arange(leaf.sum()), size[leaf])])]
    share = (np.arange(LEAF_QUANTILES) + 0.5) / LEAF_QUANTILES
    at = np.clip(share * size[leaf, None] - 0.5, 0.0, size[leaf, None] - 1.0)
    low = at.astype(np.int64)
    high = np.minimum(low + 1, size[leaf, None] - 1)
    first = (np.cumsum(size[leaf]) - size[leaf])[:, None]
    found[leaf] = ranked[first + low] + (at - low) * (ranked[first + high] - ranked[first + low])
