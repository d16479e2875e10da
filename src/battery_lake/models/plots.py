"""Pictures of a training: is it calibrated, and what does it take a usual life to be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from battery_lake.cells.life_scores import LEVELS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from battery_lake.cells.life_prior import LifePrior
    from battery_lake.cells.life_scores import PackScores

EOL_PCT: Final = 80.0
YEAR_DAYS: Final = 365.25
USES: Final = np.geomspace(0.03, 0.6, 25)


def calibration(ways: Mapping[str, PackScores]) -> bytes:
    """Draw how often life ended before each quantile; a diagonal is best. PNG.

    Parameters
    ----------
    ways
        Scores by name.
    """
    rows = [
        {"way": way, "level": float(level), "share": float(below / decided)}
        for way, scores in ways.items()
        for level, below, decided in zip(
            LEVELS, scores.below.sum(axis=0), scores.decided.sum(axis=0), strict=True
        )
        if decided
    ]
    x = {"field": "level", "type": "quantitative", "title": "level of the quantile"}
    y = {"field": "share", "type": "quantitative", "title": "share of lives that ended before"}
    diagonal = {
        "data": {"values": [{"level": 0, "share": 0}, {"level": 1, "share": 1}]},
        "mark": {"type": "line", "strokeDash": [4, 4], "color": "grey"},
        "encoding": {"x": x, "y": y},
    }
    points = {
        "data": {"values": rows},
        "mark": {"type": "line", "point": True},
        "encoding": {"x": x, "y": y, "color": {"field": "way", "type": "nominal", "title": None}},
    }
    return _png({"layer": [diagonal, points], "title": "Calibration"})


def usual_life(priors: Mapping[str, LifePrior], chemistries: Sequence[str]) -> bytes:
    """Draw the usual life until 80 % over use, and where two thirds of the lives lie. PNG.

    Parameters
    ----------
    priors
        By name.
    chemistries
        One line each.
    """
    rows = []
    for name, prior in priors.items():
        for chemistry in chemistries:
            usual = prior.usual(chemistry, EOL_PCT, USES)
            lives = (np.exp(usual.log_days + k * usual.std) / YEAR_DAYS for k in (-1.0, 0.0, 1.0))
            rows += [
                {"line": f"{chemistry} {name}", "use": use, "low": low, "life": life, "high": high}
                for use, low, life, high in zip(USES.tolist(), *(one.tolist() for one in lives), strict=True)
            ]
    x = {
        "field": "use", "type": "quantitative", "scale": {"type": "log"},
        "title": "equivalent full cycles a day",
    }  # fmt: skip
    color = {"field": "line", "type": "nominal", "title": None}
    y = {"field": "life", "type": "quantitative", "title": "years until 80 % SOH"}
    band = {
        "mark": {"type": "area", "opacity": 0.15},
        "encoding": {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}, "color": color},
    }
    line = {"mark": "line", "encoding": {"x": x, "y": y, "color": color}}
    return _png({"data": {"values": rows}, "layer": [band, line], "title": "Usual life"})


def _png(spec: dict[str, Any]) -> bytes:
    import vl_convert

    whole = {"$schema": "https://vega.github.io/schema/vega-lite/v5.json", "width": 420, "height": 300} | spec
    png: bytes = vl_convert.vegalite_to_png(whole, scale=1.5)
    return png
