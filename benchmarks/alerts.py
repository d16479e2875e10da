"""How well the alerts find what was planted, and how soon.

``--of day``: simulated vehicles with faults go through the pipelines (:mod:`support.day_alerts`).

``--of ageing``, against plain thresholds: evidence is made up, with what fleets do to it: noise, errors that
all cells of a day share, outliers, days without evidence, a year's temperatures, and packs whose capacity and
resistance follow them in a way of their own. It goes through the rules that make ``gold.alert``, day by day.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
from support import day_alerts
from support.figures import Figure, show

from battery_lake.cells.ageing_alerts import AgeingParams
from battery_lake.cells.resistance import inverse_temperature
from battery_lake.gold.ageing_rules import CODES, Estimates, ageing_rules
from battery_lake.gold.alert_history import OPEN_FIELDS, History

if TYPE_CHECKING:
    from battery_lake.cells.arrays import Bools, Floats

CELLS: Final = 24
DAY_S: Final = 86_400
EVIDENCE_SHARE: Final = 0.5
"""Share of days with evidence. [1]"""

NOISE_PCT, SHARED_PCT, OUTLIERS, OUTLIER_PCT = 1.0, 0.4, 0.02, 5.0
NOISE_LOG, SHARED_LOG = 0.03, 0.01
FADE_PCT_PER_DAY: Final = 0.006
CAPACITY_PCT_PER_K, ACTIVATION_EV = 0.1, 0.04
"""Standard deviations, from pack to pack, of what temperature does. [%/K, eV]"""

PLAIN_FADE_PCT, PLAIN_RISE, PLAIN_BEFORE, PLAIN_DAYS = 5.0, 1.3, 30, 90
"""The plain rules: an estimate against the mean of 30 before; the slope of 90 days against that before."""


@dataclass(slots=True)
class Fleet:
    """What was planted and what was told: ``(pack, cell, code)`` to the day, from 0."""

    planted: dict[tuple[int, int, str], float] = field(default_factory=dict)
    own: dict[tuple[int, int, str], float] = field(default_factory=dict)
    plain: dict[tuple[int, int, str], float] = field(default_factory=dict)


def made_pack(rng: np.random.Generator, days: int, code: str | None) -> tuple[Estimates, int, float]:
    """Make a pack's evidence with a fault in one cell, or none; with the cell and the day it begins.

    Parameters
    ----------
    rng
        The pack's own generator.
    days
        For how long.
    code
        What is planted; None: nothing.
    """
    day = np.flatnonzero(rng.random(days) < EVIDENCE_SHARE).astype(np.float64)
    cell, begins = int(rng.integers(CELLS)), float(rng.uniform(0.4, 0.7) * days)
    after = np.maximum(day - begins, 0.0)
    celsius = 12.0 - 10.0 * np.cos(2.0 * np.pi * (day + rng.uniform(0, 365)) / 365.0)
    celsius += rng.normal(0.0, 2.5, day.size)
    shape = day.size, CELLS
    reported = rng.uniform(0.6, 1.4, shape)
    soh = rng.normal(95.0, 1.0, CELLS) - FADE_PCT_PER_DAY * day[:, None]
    soh = soh + NOISE_PCT * reported * rng.standard_normal(shape) + rng.normal(0.0, SHARED_PCT, (day.size, 1))
    soh += np.where(rng.random(shape) < OUTLIERS, rng.normal(0.0, OUTLIER_PCT, shape), 0.0)
    soh += (rng.normal(0.0, CAPACITY_PCT_PER_K) * (celsius - 25.0))[:, None]
    log_ohm = np.log(0.0015) + NOISE_LOG * rng.standard_normal(shape) + 0.0001 * day[:, None]
    log_ohm += rng.normal(0.0, SHARED_LOG, (day.size, 1))
    log_ohm += (rng.normal(0.0, ACTIVATION_EV) * inverse_temperature(celsius))[:, None]
    if code == "sudden_fade":
        soh[:, cell] -= np.where(after > 0.0, rng.uniform(5.0, 10.0), 0.0)
    elif code == "knee":
        soh[:, cell] -= rng.uniform(0.04, 0.12) * after
    elif code == "resistance_jump":
        log_ohm[:, cell] += np.where(after > 0.0, np.log(rng.uniform(1.4, 2.2)), 0.0)
    ohm = np.exp(log_ohm)
    made = Estimates(day, soh, NOISE_PCT * reported, ohm, NOISE_LOG * ohm, celsius, celsius)
    return made, cell, begins


def told_by_rules(known: Estimates) -> dict[tuple[int, str], float]:
    """Take a pack through its days: cell and code to the day on which it was raised first."""
    history = History(pa.nulls(1, pa.list_(pa.struct(list(OPEN_FIELDS)))))
    for place in range(known.day.size):
        for told in ageing_rules(known, place, history, AgeingParams()):
            history.take(told, known.today(place))
    found: dict[tuple[int, str], float] = {}
    for alert in history.alerts().to_pylist()[0]:
        key = alert["series_index"], alert["code"]
        day = alert["raised_at"].timestamp() / DAY_S
        found[key] = min(day, found.get(key, np.inf))
    return found


def told_plainly(known: Estimates) -> dict[tuple[int, str], float]:
    """Plain thresholds on the same columns: cell and code to the first day."""
    found: dict[tuple[int, str], float] = {}
    for place in range(PLAIN_BEFORE, known.day.size):
        own = slice(place - PLAIN_BEFORE, place)
        fades = known.soh_pct[place] < known.soh_pct[own].mean(axis=0) - PLAIN_FADE_PCT
        rises = known.ohm[place] > PLAIN_RISE * known.ohm[own].mean(axis=0)
        late = known.day[: place + 1] > known.day[place] - PLAIN_DAYS
        bends = np.zeros(CELLS, dtype=np.bool_)
        if late.sum() >= PLAIN_BEFORE // 2 and (~late).sum() >= PLAIN_BEFORE // 2:
            before, after = (_slope(known, rows) for rows in (~late, late))
            bends = (after > 2.0 * np.maximum(before, 0.0)) & (after > 10.0 / 365.0)
        for code, cells in (("sudden_fade", fades), ("resistance_jump", rises), ("knee", bends)):
            for cell in np.flatnonzero(cells).tolist():
                found.setdefault((cell, code), float(known.day[place]))
    return found


def _slope(known: Estimates, rows: Bools) -> Floats:
    """Loss of SOH a day of every cell, by a straight line through some days. [%/d]."""
    chosen = np.flatnonzero(rows)
    return -np.asarray(np.polyfit(known.day[chosen], known.soh_pct[chosen], 1)[0])


def measured(vehicles: int, days: int, seed: int) -> Fleet:
    """Make a fleet and take it through both kinds of rules.

    Parameters
    ----------
    vehicles, days
        How many, and for how long; every second has a fault, of each kind in turn.
    seed
        The same seed gives the same fleet.
    """
    fleet = Fleet()
    for pack in range(vehicles):
        code = CODES[pack // 2 % len(CODES)] if pack % 2 else None
        known, cell, begins = made_pack(np.random.default_rng([seed, pack]), days, code)
        if code:
            fleet.planted[pack, cell, code] = begins
        fleet.own |= {(pack, *key): day for key, day in told_by_rules(known).items()}
        fleet.plain |= {(pack, *key): day for key, day in told_plainly(known).items()}
    return fleet


def figures(fleet: Fleet) -> list[Figure]:
    """Return precision, recall, false alerts and days to raise, by code, the plain rule's beside it."""
    found = []
    for code in CODES:
        planted = {key: day for key, day in fleet.planted.items() if key[2] == code}
        sides = [_judged(planted, told, code) for told in (fleet.own, fleet.plain)]
        found += [Figure(0, code, name, sides[0][name], sides[1][name]) for name in sides[0]]
    return found


def _judged(
    planted: dict[tuple[int, int, str], float], told: dict[tuple[int, int, str], float], code: str
) -> dict[str, float]:
    """An alert before its fault begins is false, and the fault not found."""
    raised = {key: day for key, day in told.items() if key[2] == code}
    true = {key: raised[key] - day for key, day in planted.items() if raised.get(key, -1.0) >= day}
    return {
        "planted": float(len(planted)),
        "precision": len(true) / len(raised) if raised else float("nan"),
        "recall": len(true) / len(planted) if planted else float("nan"),
        "false_alerts": float(len(raised) - len(true)),
        "days_to_raise_p50": float(np.median(list(true.values()))) if true else float("nan"),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description="Precision, recall and days to raise of the alerts on planted faults.",
        epilog="example: alerts.py --of ageing --vehicles 60 --days 400",
    )
    parser.add_argument(
        "--of", choices=("ageing", "day"), default="ageing",
        help="ageing: fade, knee, resistance, beside a plain threshold; day: all others [ageing]",
    )  # fmt: skip
    parser.add_argument("--vehicles", type=int, help="packs, half of them with a fault [ageing 60, day 88]")
    parser.add_argument("--days", type=int, help="length of the history [ageing 400, day 60]")
    parser.add_argument("--seed", type=int, default=1, help="of the fleet [1]")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    chosen = parser.parse_args()
    if chosen.of == "ageing":
        vehicles, days = chosen.vehicles or 60, chosen.days or 400
        found = figures(measured(vehicles, days, chosen.seed))
        show(f"Ageing alerts, {vehicles} packs of {CELLS} cells, {days} days", found)
    else:
        vehicles, days = chosen.vehicles or 88, chosen.days or 60
        found = day_alerts.figures(day_alerts.measured(vehicles, days, chosen.seed))
        show(f"Alerts of days, {vehicles} packs of {day_alerts.CELLS} cells, {days} days", found)
    if chosen.json:
        rows = [{"code": f.set, "metric": f.metric, "value": f.value, "baseline": f.baseline} for f in found]
        chosen.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
