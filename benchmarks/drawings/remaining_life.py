"""Ends of life told at 30, 50 and 70 % of life, beside the capacities that were known then and came later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import altair as alt
import numpy as np
from tasks import early_rul, fade

from battery_lake.cells.fleet_life import life_of_young
from battery_lake.cells.life_quantiles import remaining, shipped_model
from battery_lake.cells.life_snapshots import histories_until
from drawings.look import COLOUR, WIDTH, limit, named, rows, thinned

if TYPE_CHECKING:
    from pathlib import Path

    from tasks.fade import Cell

    from battery_lake.cells.arrays import Floats
    from drawings.look import Panel

SHARES: Final = (0.3, 0.5, 0.7)
LOW, QUARTER, MIDDLE, UPPER, HIGH = 0, 4, 9, 14, 18
"""Places of the quantiles 5, 25, 50, 75 and 95 % among the levels."""

NOW, WIDE, HALF, MEDIAN, TRUE_END = "known until here", "90 % interval", "50 % interval", "median", "true end"
NAMES: Final = {
    NOW: COLOUR["good"], WIDE: "#a9cbe4", HALF: "#3f8ac0", MEDIAN: COLOUR["ink"], TRUE_END: COLOUR["weak"],
}  # fmt: skip
MOST_POINTS: Final = 100
ROW: Final = 26
BEYOND: Final = 2.2
"""Intervals are drawn up to so many lives."""


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """What was told of a cell's end.

    Parameters
    ----------
    title
        The cell.
    age, soh_frac
        All its capacities. [cycles, 1], shape ``(points,)``
    life, eol_frac
        Its true end, and the capacity at it. [cycles, 1]
    label
        When it was told, a word each.
    now
        Ages then. [cycles], shape ``(moments,)``
    end
        Quantiles of the end. [cycles], shape ``(moments, levels)``
    """

    title: str
    age: Floats
    soh_frac: Floats
    life: float
    eol_frac: float
    label: list[str]
    now: Floats
    end: Floats


def rul_families(data: Path, train: Path) -> alt.VConcatChart | None:
    """Draw two cells of each family of ``fade_curves``: that of median life, and that of the shortest.

    Parameters
    ----------
    data, train
        Folders with ``fade_curves``: the cells that are judged, and those to learn from. Where they are the
        same, the fold of the judged cell is left out.
    """
    told = [one for family in fade.FAMILIES for one in _of_family(data, train, family)]
    return _picture(told)


def rul_laboratories(data: Path, train: Path) -> alt.VConcatChart | None:
    """Draw cells of two laboratories that the curves within the product do not hold.

    At the first capacities the end is told from the other cells of the kind; later from the product's curves
    alone.

    Parameters
    ----------
    data, train
        Folders with ``nasa_pcoe`` and ``calce_cs2``.
    """
    told = []
    for name in early_rul.FIRST:
        known = early_rul.lives_of(train, name)
        for cell_id, life in early_rul.lives_of(data, name).items():
            one = _of_laboratory(name, cell_id, life, {k: v for k, v in known.items() if k != cell_id})
            told += [one] if one else []
    return _picture(told)


def _of_family(data: Path, train: Path, family: str) -> list[Told]:
    judged = sorted(
        (c for c in fade.cells_of(data, family) if np.isfinite(c.life_efc)), key=lambda c: c.life_efc
    )
    if not judged:
        return []
    wanted = {judged[len(judged) // 2].cell_id: "median life", judged[0].cell_id: "shortest life"}
    found = {}
    for part, rest in fade.folds(judged, fade.cells_of(train, family)):
        chosen = [cell for cell in part if cell.cell_id in wanted]
        if chosen:
            model = fade.model_of(rest, "known")
            for cell in chosen:
                now = np.array(SHARES) * cell.life_efc
                history = histories_until(cell.age_efc, cell.soh_frac, now)
                end = now[:, None] + remaining(model, history, [cell.condition] * now.size)
                found[cell.cell_id] = _told(f"{cell.cell_id}, {wanted[cell.cell_id]}", cell, now, end)
    return [found[cell_id] for cell_id in wanted]


def _told(title: str, cell: Cell, now: Floats, end: Floats) -> Told:
    label = [f"{100 * share:.0f} %" for share in SHARES]
    return Told(title, cell.age_efc, cell.soh_frac, cell.life_efc, fade.EOL_FRAC, label, now, end)


def _of_laboratory(
    name: str, cell_id: str, life: early_rul.Life, known: dict[str, early_rul.Life]
) -> Told | None:
    age, soh_frac = life
    own_life, slope = early_rul.summary(name, life)
    if not np.isfinite(own_life):
        return None
    others = np.array([early_rul.summary(name, one) for one in known.values()]).reshape(-1, 2)
    first = float(early_rul.FIRST[name])
    young = life_of_young(others[:, 0], others[:, 1], np.array([slope]), np.array([first]))
    eol_frac = early_rul.EOL_AH[name] / early_rul.RATED_AH[name]
    later = np.array(SHARES) * own_life
    model = shipped_model(eol_frac)
    shipped = later[:, None] + remaining(model, histories_until(age, soh_frac, later), [""] * later.size)
    label = [f"first {early_rul.FIRST[name]}", *(f"{100 * share:.0f} %" for share in SHARES)]
    now, end = np.append(first, later), np.concatenate([young, shipped])
    return Told(cell_id, age, soh_frac, own_life, eol_frac, label, now, end)


def _picture(told: list[Told]) -> alt.VConcatChart | None:
    if not told:
        return None
    panels = [_panel(one) for one in told]
    pairs = [alt.hconcat(*panels[k : k + 2]) for k in range(0, len(panels), 2)]
    return alt.vconcat(*pairs, spacing=26)


def _panel(one: Told) -> alt.VConcatChart:
    """Capacity over life above, and below it the ends that were told, on the same axis."""
    longest = max(float(one.age[-1]), float(np.nanmax(one.end)))
    last = min(longest, BEYOND * one.life)
    scale = alt.Scale(domain=(0.0, last), nice=False)
    return alt.vconcat(_capacity(one, scale), _ends(one, scale, last), spacing=4)


def _capacity(one: Told, scale: alt.Scale) -> Panel:
    some = thinned(one.age.size, MOST_POINTS)
    points = alt.Chart(rows(x=one.age[some], y=100.0 * one.soh_frac[some])).mark_point(
        filled=True, size=8, color=COLOUR["soft"], opacity=1, strokeWidth=0, clip=True
    )
    points = points.encode(
        alt.X("x:Q", scale=scale, axis=alt.Axis(labels=False, ticks=False, title=None)),
        alt.Y("y:Q", title="SOH [%]", scale=alt.Scale(zero=False)),
    )
    level = 100.0 * one.eol_frac
    truth = alt.Chart(rows(x=[one.life])).mark_rule(strokeWidth=1.4, color=COLOUR["weak"]).encode(x="x:Q")
    chart: Panel = alt.layer(limit(level, f"end of life {level:.0f} %"), truth, points).properties(
        title=one.title, width=WIDTH, height=120
    )
    return chart


def _ends(one: Told, scale: alt.Scale, last: float) -> Panel:
    quantiles = np.minimum(one.end, last)
    names = {"low": LOW, "quarter": QUARTER, "middle": MIDDLE, "upper": UPPER, "high": HIGH}
    columns = {name: quantiles[:, place] for name, place in names.items()}
    # An interval may be cut at the edge; a median there would seem to lie there.
    columns["middle"] = np.where(one.end[:, MIDDLE] > last, np.nan, columns["middle"])
    told = alt.Chart(rows(label=one.label, now=one.now, **columns)).encode(
        y=alt.Y("label:N", sort=one.label, title="told at", axis=alt.Axis(grid=False))
    )
    x_title = "cycle"

    def x(name: str) -> alt.X:
        return alt.X(f"{name}:Q", scale=scale, title=x_title)

    chart: Panel = alt.layer(
        named(told.mark_bar(height=11).encode(x("low"), alt.X2("high")), NAMES, WIDE),
        named(told.mark_bar(height=11).encode(x("quarter"), alt.X2("upper")), NAMES, HALF),
        named(told.mark_tick(thickness=2, size=19).encode(x("middle")), NAMES, MEDIAN),
        named(told.mark_point(filled=True, size=34, opacity=1).encode(x("now")), NAMES, NOW),
        named(alt.Chart(rows(x=[one.life])).mark_rule(strokeWidth=1.4).encode(x("x")), NAMES, TRUE_END),
    ).properties(width=WIDTH, height=ROW * len(one.label))
    return chart
