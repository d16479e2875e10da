"""Fade curves of whole lives, each reduced to a few numbers; where they come to their end of life."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import numpy as np

from battery_lake.cells.metrics import MAD_TO_STD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from battery_lake.cells.arrays import Floats

KNOTS: Final[Floats] = np.concatenate([
    [0.0, 0.01, 0.02, 0.04, 0.07],
    np.arange(0.10, 0.925, 0.05),
    [0.94, 0.97, 1.0],
])
"""A curve is kept at these shares of its span. [1]"""

REACH: Final = 1.2
"""A curve that ends above the end of life is carried on straight so many times its span at most."""

SHIPPED: Final = "fade_library.json"
POWERS: Final = (0.5, 0.7, 1.0, 1.4, 2.0, 3.0, 5.0)
STARTS_FRAC: Final = (0.92, 0.96, 1.0, 1.04, 1.08)
POWER_END_FRAC: Final = 0.7
POWER_SPAN_EFC: Final = 1000.0
POWER_NOISE_FRAC: Final = 0.001
TENTHOUSANDTHS: Final = 10_000
_TO_END: Final[Floats] = np.linspace(0.0, 1.0, 501)


@dataclass(frozen=True, slots=True, eq=False)
class FadeCurves:
    """Fade curves, each reduced to a few numbers.

    Parameters
    ----------
    span_efc
        Age of the last knot. [equivalent full cycles], shape ``(curves,)``
    level_frac
        Smoothed state of health at the :data:`KNOTS`. [1], shape ``(curves, knots)``
    dip_frac
        How far above the end of life the smooth curve is when the measured one first falls to it. [1],
        shape ``(curves,)``
    noise_frac
        Standard deviation of a measured point about the smooth curve. [1], shape ``(curves,)``
    condition
        Under what the cell was aged: chemistry, temperature, currents; empty: not known. Shape ``(curves,)``
    """

    span_efc: Floats
    level_frac: Floats
    dip_frac: Floats
    noise_frac: Floats
    condition: tuple[str, ...]


def end_of_life(age_efc: Floats, soh_frac: Floats, eol_frac: float) -> float:
    """Return the age at which a running median of five first falls to the end of life; NaN where never.

    Parameters
    ----------
    age_efc, soh_frac
        One cell's life. [equivalent full cycles, 1], shape ``(points,)``
    eol_frac
        State of health at which life ends. [1]
    """
    if not len(soh_frac):
        return float("nan")
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(soh_frac, 2, mode="edge"), 5)
    below = np.median(windows, axis=1) <= eol_frac
    return float(age_efc[np.argmax(below)]) if below.any() else float("nan")


def reduce_curves(
    ages_efc: Sequence[Floats], sohs_frac: Sequence[Floats], condition: Sequence[str], eol_frac: float
) -> FadeCurves:
    """Smooth measured lives and keep them at the knots.

    Parameters
    ----------
    ages_efc, sohs_frac
        Ages, rising, and states of health, finite, of each cell. [equivalent full cycles, 1]
    condition
        Of each cell.
    eol_frac
        End of life at which the dip is measured. [1]

    References
    ----------
    Cleveland, J. Am. Statist. Assoc. 74 (1979) 829, DOI 10.1080/01621459.1979.10481038 (local lines).
    """
    span = np.array([age[-1] for age in ages_efc], dtype=np.float64)
    level = np.array([_knots(age, soh) for age, soh in zip(ages_efc, sohs_frac, strict=True)])
    level = level.reshape(span.size, KNOTS.size)
    dip, noise = np.zeros(span.size), np.zeros(span.size)
    curves = FadeCurves(span, level, dip, noise, tuple(condition))
    for k, (age, soh) in enumerate(zip(ages_efc, sohs_frac, strict=True)):
        noise[k] = MAD_TO_STD * np.median(np.abs(soh - carried(curves, k, age)))
        life = end_of_life(age, soh, eol_frac)
        if np.isfinite(life):
            dip[k] = np.minimum.accumulate(carried(curves, k, _TO_END * life))[-1] - eol_frac
    return curves


def lives(curves: FadeCurves, eol_frac: float) -> Floats:
    """Return the ages at which the curves come to an end of life; NaN where that is out of reach.

    Parameters
    ----------
    curves
        The curves.
    eol_frac
        State of health at which life ends. [1]
    """
    found = np.full(curves.span_efc.size, np.nan)
    fine = np.linspace(0.0, REACH, 2401)
    for k, span in enumerate(curves.span_efc):
        below = carried(curves, k, fine * span) <= eol_frac + curves.dip_frac[k]
        if below.any() and not below[0]:
            found[k] = fine[np.argmax(below)] * span
    return found


def _knots(age: Floats, soh: Floats) -> Floats:
    """Local straight lines through a running median of five."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(soh, 2, mode="edge"), 5)
    value, span = np.median(windows, axis=1), age[-1]
    width = max(0.03 * span, 4.0 * span / max(len(age), 1))
    found = np.empty(KNOTS.size)
    for k, at in enumerate(KNOTS * span):
        weight = np.sqrt(np.maximum(1.0 - np.abs(age - at) / width, 0.0))
        if not weight.any():
            weight = 1.0 * (np.abs(age - at) == np.abs(age - at).min())
        design = np.stack([np.ones(age.size), (age - at) / width], axis=1)
        found[k] = np.linalg.lstsq(design * weight[:, None], value * weight, rcond=None)[0][0]
    return found


def power_curves() -> FadeCurves:
    """Return curves whose fade goes with a power of age, from slowing down to a sharp knee.

    They stand for kinds of cells that no laboratory's curves resemble.

    References
    ----------
    Attia et al., J. Electrochem. Soc. 169 (2022) 060517, DOI 10.1149/1945-7111/ac6d13 (shapes of fade).
    """
    shapes = [(power, start) for power in POWERS for start in STARTS_FRAC]
    level = np.array([start - (start - POWER_END_FRAC) * KNOTS**power for power, start in shapes])
    none = np.zeros(len(shapes))
    condition = tuple(f"power {power}" for power, _ in shapes)
    return FadeCurves(none + POWER_SPAN_EFC, level, none, none + POWER_NOISE_FRAC, condition)


def together(first: FadeCurves, second: FadeCurves) -> FadeCurves:
    """Return the curves of both.

    Parameters
    ----------
    first, second
        Curves.
    """
    return FadeCurves(
        np.concatenate([first.span_efc, second.span_efc]),
        np.concatenate([first.level_frac, second.level_frac]),
        np.concatenate([first.dip_frac, second.dip_frac]),
        np.concatenate([first.noise_frac, second.noise_frac]),
        first.condition + second.condition,
    )


def carried(curves: FadeCurves, k: int, age_efc: Floats) -> Floats:
    """Return the levels of a curve at any age, straight on beyond its span. [1].

    Parameters
    ----------
    curves, k
        The curves, and which of them.
    age_efc
        Ages, not negative. [equivalent full cycles]
    """
    span, level = curves.span_efc[k], curves.level_frac[k]
    slope = min((level[-1] - level[-3]) / (KNOTS[-1] - KNOTS[-3]), -0.02)
    share = age_efc / span
    inside = _monotone_cubic(KNOTS, level, np.minimum(share, 1.0))
    return np.asarray(inside + slope * np.maximum(share - 1.0, 0.0))


def _monotone_cubic(x: Floats, y: Floats, at: Floats) -> Floats:
    """Interpolate without overshoot (Fritsch and Butland, SIAM J. Sci. Stat. Comput. 5 (1984) 300)."""
    h, d = np.diff(x), np.diff(y) / np.diff(x)
    a, b = d[:-1], d[1:]
    w1, w2 = 2.0 * h[1:] + h[:-1], h[1:] + 2.0 * h[:-1]
    turning = a * b <= 0.0
    inner = np.where(
        turning, 0.0, (w1 + w2) / (w1 / np.where(turning, 1.0, a) + w2 / np.where(turning, 1.0, b))
    )
    m = np.concatenate([d[:1], inner, d[-1:]])
    k = np.clip(np.searchsorted(x, at, side="right") - 1, 0, h.size - 1)
    t, hk = (at - x[k]) / h[k], h[k]
    return np.asarray(
        y[k] * (1 + 2 * t) * (1 - t) ** 2
        + m[k] * hk * t * (1 - t) ** 2
        + y[k + 1] * t * t * (3 - 2 * t)
        + m[k + 1] * hk * t * t * (t - 1)
    )


def as_json(curves: FadeCurves, chemistry: Sequence[str], source: str) -> str:
    """Write curves as they are shipped: spans in cycles, levels, dips and noise in 1/10000.

    Parameters
    ----------
    curves
        The curves.
    chemistry
        Of each.
    source
        Who measured them, and under which licence.
    """
    rows = [
        {
            "chemistry": chemistry[k],
            "condition": curves.condition[k],
            "span_efc": round(float(curves.span_efc[k]), 1),
            "noise": round(float(curves.noise_frac[k]) * TENTHOUSANDTHS, 1),
            "dip": round(float(curves.dip_frac[k]) * TENTHOUSANDTHS),
            "level": np.rint(curves.level_frac[k] * TENTHOUSANDTHS).astype(int).tolist(),
        }
        for k in range(curves.span_efc.size)
    ]
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    return f'{{"source": {json.dumps(source)},\n"curves": [\n{lines}\n]}}\n'


@cache
def shipped_curves(chemistry: str = "", *, by_kind: bool = False) -> FadeCurves:
    """Return the curves that come with the product.

    Parameters
    ----------
    chemistry
        ``LFP``, ``NMC``, ``NCA``; empty, or another: all curves.
    by_kind
        Whether all cells of one laboratory and chemistry count as of one condition.
    """
    rows = json.loads(files("battery_lake.cells").joinpath(SHIPPED).read_text("utf-8"))["curves"]
    rows = [row for row in rows if chemistry in row["chemistry"].split("+")] or rows
    return FadeCurves(
        span_efc=np.array([row["span_efc"] for row in rows], dtype=np.float64),
        level_frac=np.array([row["level"] for row in rows], dtype=np.float64) / TENTHOUSANDTHS,
        dip_frac=np.array([row["dip"] for row in rows], dtype=np.float64) / TENTHOUSANDTHS,
        noise_frac=np.array([row["noise"] for row in rows], dtype=np.float64) / TENTHOUSANDTHS,
        condition=tuple(
            f"{row['condition'].split()[0]} {row['chemistry']}" if by_kind else row["condition"]
            for row in rows
        ),
    )
