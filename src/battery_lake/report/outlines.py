"""Outlines of countries as lines: fine near the places that are shown, coarse elsewhere.

References
----------
Natural Earth, 1:50m admin 0 countries; Bostock, the TopoJSON format specification.
"""

from __future__ import annotations

import functools
import json
from importlib import resources
from typing import Final

import numpy as np

NEAR_DEG: Final = 6.0
"""So far around the places lines are fine. [degrees]"""

COARSE: Final = 10
"""Elsewhere one point of so many is kept. [1]"""

DIGITS: Final = 2
"""Of degrees: about a kilometre. [1]"""

Line = list[list[float]]


def outlines(latitudes: list[float], longitudes: list[float]) -> list[Line]:
    """Return borders and coasts of the whole world as lines of latitude and longitude. [degrees].

    Parameters
    ----------
    latitudes, longitudes
        The places that are shown. [degrees]
    """
    low = np.array([min(longitudes), min(latitudes)]) - NEAR_DEG
    high = np.array([max(longitudes), max(latitudes)]) + NEAR_DEG
    lines = []
    for arc in _arcs():
        is_near = bool((arc.max(axis=0) >= low).all() and (arc.min(axis=0) <= high).all())
        kept = arc if is_near or len(arc) <= COARSE else arc[[*range(0, len(arc) - 1, COARSE), -1]]
        lines.append(np.round(kept[:, ::-1], DIGITS).tolist())
    return lines


@functools.cache
def _arcs() -> tuple[np.ndarray, ...]:
    """Every border and coast once: longitude and latitude. [degrees], shape ``(points, 2)``."""
    text = resources.files("battery_lake.report").joinpath("vendor/outlines.json").read_text(encoding="utf-8")
    topology = json.loads(text)
    scale, shift = (np.array(topology["transform"][name]) for name in ("scale", "translate"))
    return tuple(np.cumsum(np.array(arc), axis=0) * scale + shift for arc in topology["arcs"])
