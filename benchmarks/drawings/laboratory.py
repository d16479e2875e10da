"""Trained models beside the truth: SOH from parts of charges, and life from the first hundred cycles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import altair as alt
import numpy as np
from tasks import lfp
from tasks.early_life import SEEDS, Cells, predictions
from tasks.partial_charge import RATED_AH, family_of, taught

from battery_lake.cells.charge_window import WindowParams
from battery_lake.cells.early_life import life_interval
from battery_lake.cells.metrics import Z90
from battery_lake.cells.window_model import fit, predict
from drawings.look import COLOUR, HEIGHT, WIDTH, rows, tracked

if TYPE_CHECKING:
    from pathlib import Path

    from tasks.partial_charge import Life

    from battery_lake.cells.arrays import Ints
    from drawings.look import Panel

SHARES: Final = {"first charges": 0.0, "after 25 %": 0.25, "50 %": 0.5, "75 %": 0.75, "last charges": 1.0}
"""Which charges of a life are drawn, by what they are called."""

NEAR: Final = 2
"""Curves are medians over so many charges on either side."""

AGES: Final = ("#56b4e9", "#0b63a5", "#0b6e4f", "#c98a00", "#b8480a")
"""From young to old; shades that also differ in lightness."""

SOH_AXIS: Final = {"nasa_pcoe": (40.0, 105.0), "calce_cs2": (0.0, 110.0)}
"""Ends of the axis of each family. [%]"""

LFP_AXIS: Final = (55.0, 105.0)
"""Ends of the axis of the LFP cells. [%]"""

DASHES: Final = ([1, 0], [7, 2], [4, 3], [2, 2], [1, 0])
LIFE_AXIS: Final = (300, 400, 600, 800, 1200, 1600, 2400)


def partial_charge(data: Path, train: Path) -> alt.ConcatChart | None:
    """Draw SOH of every charge from its part between 3.85 and 4.15 V, learnt from the other cells.

    Parameters
    ----------
    data, train
        Folders with ``nasa_pcoe`` and ``calce_cs2``: the cells that are judged, and those to learn from.
    """
    panels = []
    for family in RATED_AH:
        learnt = family_of(train / family)
        panels += [
            _judged(family, cell_id, life, learnt) for cell_id, life in family_of(data / family).items()
        ]
    return alt.concat(*panels, columns=2) if panels else None


def _others(cell_id: str, learnt: dict[str, Life]) -> str:
    others = [name for name in learnt if name != cell_id]
    return others[0] if len(others) == 1 else f"{len(others)} cells"


def _judged(family: str, cell_id: str, life: Life, learnt: dict[str, Life]) -> Panel:
    found = predict(fit(*taught(cell_id, learnt)), life.part_frac, life.rest_s)
    number = np.arange(1.0, life.c_rate.size + 1.0)
    told, known = np.isfinite(found.capacity_frac), np.isfinite(life.capacity_frac)
    soh_pct, half_pct = 100.0 * found.capacity_frac[told], 100.0 * Z90 * found.std_frac[told]
    return tracked(
        f"{cell_id}, learnt from {_others(cell_id, learnt)}",
        "charge",
        (number[known], 100.0 * life.capacity_frac[known]),
        (number[told], soh_pct, soh_pct - half_pct, soh_pct + half_pct),
        SOH_AXIS[family],
    )


def lfp_charge(data: Path, train: Path) -> alt.ConcatChart | None:
    """Draw SOH of LFP cells from the part of each charge between 3.34 and 3.42 V.

    Parameters
    ----------
    data, train
        Folders with ``lfp_essl1``: the cells that are judged, and those to learn from.
    """
    panels = []
    for cell_id, one in lfp.judge(data, train).items():
        half_pct = Z90 * one.std
        estimate = one.age, one.soh, one.soh - half_pct, one.soh + half_pct
        panels.append(tracked(cell_id, "cycle", (one.age, one.truth), estimate, LFP_AXIS))
    return alt.concat(*panels, columns=2) if panels else None


def charge_window(data: Path, train: Path) -> alt.ConcatChart | None:
    """Draw charge by voltage, dQ/dV, within the window, of charges along the lives of two cells.

    Parameters
    ----------
    data
        Folder with ``nasa_pcoe`` and ``calce_cs2``; of each the first cell is drawn.
    train
        Not used: nothing is learnt.
    """
    del train
    panels = []
    for family in RATED_AH:
        cells = family_of(data / family)
        if cells:
            cell_id = min(cells)
            panels.append(_window(cell_id, cells[cell_id]))
    return alt.concat(*panels, columns=2) if panels else None


def _window(cell_id: str, life: Life) -> alt.Chart:
    params = WindowParams()
    edges_v = np.linspace(params.low_v, params.high_v, params.parts + 1)
    middle_v, step_v = 0.5 * (edges_v[1:] + edges_v[:-1]), edges_v[1] - edges_v[0]
    whole: Ints = np.flatnonzero(np.isfinite(life.part_frac).all(axis=1) & np.isfinite(life.capacity_frac))
    voltage, slope, label, soh = [], [], [], []
    for name, share in SHARES.items():
        place = round(share * (whole.size - 1))
        near = whole[max(place - NEAR, 0) : place + NEAR + 1]
        soh.append(f"{100.0 * np.median(life.capacity_frac[near]):.0f}")
        voltage.append(middle_v)
        slope.append(np.median(life.part_frac[near], axis=0) / step_v)
        label += [name] * middle_v.size
    ages = list(SHARES)
    data = rows(v=np.concatenate(voltage), slope=np.concatenate(slope), age=label)
    legend = alt.Legend(title=None, symbolSize=300, symbolStrokeWidth=2)
    chart: alt.Chart = (
        alt
        .Chart(data)
        .mark_line(point=alt.OverlayMarkDef(size=14), strokeWidth=1.8)
        .encode(
            alt.X("v:Q", title="voltage while charging [V]", scale=alt.Scale(zero=False, nice=False)),
            alt.Y("slope:Q", title="dQ/dV over rated [1/V]"),
            alt.Color(
                "age",
                type="nominal",
                sort=ages,
                scale=alt.Scale(domain=ages, range=list(AGES)),
                legend=legend,
            ),
            alt.StrokeDash(
                "age", type="nominal", sort=ages, scale=alt.Scale(domain=ages, range=list(DASHES))
            ),
        )
        .properties(title=f"{cell_id}: SOH {', '.join(soh)} %", width=WIDTH, height=HEIGHT + 30)
    )
    return chart


def early_life(data: Path, train: Path) -> Panel | None:
    """Draw the cycle life that is told from cycles 2 to 100 over the true one, on logarithmic axes.

    Parameters
    ----------
    data, train
        Folders with ``severson``: the cells that are judged, and those that are learnt from.
    """
    judged, known = Cells(data / "severson"), Cells(train / "severson")
    if not judged.ids:
        return None
    (mean, std), _ = predictions(judged, known, SEEDS[0])
    low, high = life_interval(mean, std, Z90)
    middle = 10.0**mean
    held = np.where((low <= judged.life) & (judged.life <= high), HELD, MISSED)
    ends = (0.9 * min(low.min(), judged.life.min()), 1.1 * max(high.max(), judged.life.max()))
    scale = alt.Scale(type="log", domain=ends, nice=False)
    axis = alt.Axis(values=list(LIFE_AXIS), format="d", tickCount=len(LIFE_AXIS))
    kinds = [HELD, MISSED]
    colour = alt.Scale(domain=kinds, range=[COLOUR["accent"], COLOUR["weak"]])
    shape = alt.Shape("held:N", title=None, scale=alt.Scale(domain=kinds, range=["circle", "diamond"]))
    base = alt.Chart(rows(true=judged.life, low=low, told=middle, high=high, held=held)).encode(
        alt.X("true:Q", title="true cycle life", scale=scale, axis=axis),
        alt.Color("held:N", title=None, scale=colour, legend=alt.Legend(symbolOpacity=1)),
    )
    y = alt.Y("told:Q", title="cycle life told from cycles 2 to 100", scale=scale, axis=axis)
    equal = alt.Chart(rows(true=list(ends), told=list(ends))).mark_line(style="limit").encode(x="true:Q", y=y)
    bars = base.mark_rule(opacity=0.55, strokeWidth=1.4).encode(
        alt.Y("low:Q", scale=scale, axis=axis), alt.Y2("high")
    )
    chart: Panel = alt.layer(
        equal, bars, base.mark_point(filled=True, size=38, opacity=1).encode(y, shape)
    ).properties(width=420, height=360)
    return chart


HELD: Final = "life within the 90 % interval"
MISSED: Final = "life outside of it"
