"""Whole histories to examples of lives: what was known of a pack at some moments, and how it went on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from battery_lake.cells.fade_curves import end_of_life
from battery_lake.cells.life_outlook import LifeHistory, OutlookParams, place_likelihood
from battery_lake.cells.life_points import add_day, joined, means
from battery_lake.cells.life_templates import templates_of
from battery_lake.cells.soh_filter import FilterParams
from battery_lake.cells.string_comparison import StringParams
from battery_lake.gold.arrow import floats, lists, numbers
from battery_lake.gold.cell_state import begun, followed
from battery_lake.gold.pack_evidence import Pack, packs_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pyspark.sql import DataFrame

    from battery_lake.cells.arrays import Floats, Ints

EXAMPLES: Final = (
    "pack_id string, chemistry string, eol_soh_pct double, efc_per_day double, now_days double,"
    " seen_days double, is_last boolean, soh_pct array<double>, life_days array<double>, places array<double>"
)
"""One row per pack and moment; of each cell SOH, age at its end and the likelihood of all places in life."""


@dataclass(frozen=True, slots=True)
class ExampleParams:
    """What examples are taken.

    Parameters
    ----------
    eol_soh_pct
        End of life of packs that have none of their own. [%]
    cells
        So many cells of a pack at most, evenly over its string.
    moments
        So many moments of a pack at most, beside its last day.
    first_days, every_days
        The first moment after the first evidence, and the time between two; it doubles where there would be
        too many. [d]
    filter, string, outlook
        The same as in scoring.
    """

    eol_soh_pct: float
    cells: int = 8
    moments: int = 8
    first_days: float = 30.0
    every_days: float = 182.0
    filter: FilterParams = field(default_factory=FilterParams)
    string: StringParams = field(default_factory=StringParams)
    outlook: OutlookParams = field(default_factory=OutlookParams)


def life_examples(inputs: DataFrame, params: ExampleParams) -> DataFrame:
    """One row per pack of known age and moment: see :data:`EXAMPLES`.

    Parameters
    ----------
    inputs
        What :func:`battery_lake.gold.cell_state.pack_inputs` gives of whole histories, without states.
    params
        What is taken.
    """
    return inputs.mapInArrow(lambda batches: _examples(batches, params), EXAMPLES)


def _examples(batches: Iterable[pa.RecordBatch], params: ExampleParams) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        table = pa.Table.from_batches([batch])
        widths = floats(table, "cells_in_series")
        for width in np.unique(widths):
            own = table.filter(pa.array(widths == width))
            packs = packs_of(own, int(width), params.eol_soh_pct, params.string)
            packs = [pack for pack in packs if pack.days.size and pack.kind.is_known]
            if packs:
                yield from _followed(packs, int(width), params)


def _followed(packs: list[Pack], width: int, params: ExampleParams) -> Iterator[pa.RecordBatch]:
    """Step all packs through their days together, and stop to look at the moments of each."""
    state = begun(packs, width, params.filter)
    points = joined([pack.points for pack in packs])
    chosen = np.unique(np.linspace(0, width - 1, min(width, params.cells)).round().astype(np.int64))
    moments = [moments_of(pack.days, params) for pack in packs]
    looks: list[list[dict[str, Any]]] = [[] for _ in packs]
    known: list[Floats] = []
    for k, day in enumerate(followed(packs, state, width, params.filter, params.string)):
        values = (day.soh_pct, day.variance_pct2, day.told.soh_pct)
        by_pack = [each.reshape(len(packs), width) for each in values]
        add_day(points, day.days, *by_pack)
        known.append(by_pack[2][:, chosen].copy())
        for place in (p for p, own in enumerate(moments) if k in own):
            point = means(points[np.array([place])])
            looks[place].append(_look(packs[place], k, point, known[-1][place], chosen, params))
    filtered = np.stack(known)
    for place, (pack, own) in enumerate(zip(packs, looks, strict=True)):
        yield from _rows(pack, own, _lives(pack, filtered[: pack.days.size, place])).to_batches()


def moments_of(days: Ints, params: ExampleParams) -> set[int]:
    """Return the numbers of the days with evidence that are looked at; the last one is among them.

    Parameters
    ----------
    days
        With evidence, rising, one at least. [d], shape ``(days,)``
    params
        When, and how many at most.
    """
    every, span = params.every_days, float(days[-1] - days[0]) - params.first_days
    while span / every + 1.0 > params.moments:
        every *= 2.0
    wanted = days[0] + params.first_days + every * np.arange(params.moments)
    found = np.searchsorted(days, wanted[wanted <= days[-1]])
    return {*found.tolist(), int(days.size) - 1}


def _look(
    pack: Pack,
    k: int,
    told: tuple[Floats, Floats, Floats],
    soh_pct: Floats,
    chosen: Ints,
    params: ExampleParams,
) -> dict[str, Any]:
    """What is known of a pack after its k-th day with evidence."""
    point_day, soh, variance = told
    new, day = pack.kind.new_day, pack.days[k]
    history = LifeHistory(
        point_day - new, soh[:, :, chosen], variance[:, :, chosen], np.array([float(day - new)])
    )
    templates = templates_of(pack.kind.chemistry, pack.kind.eol_soh_pct)
    return {
        "efc_per_day": float(pack.use.efc_per_day(pack.places[[k]], pack.rated_ah)[0]),
        "now_days": float(day - new),
        "seen_days": float(pack.days[-1] - day),
        "is_last": k == pack.days.size - 1,
        "soh_pct": soh_pct,
        "places": place_likelihood(templates, history, params.outlook)[0].reshape(-1),
    }


def _lives(pack: Pack, filtered_pct: Floats) -> Floats:
    """Age of each cell when its filtered SOH came to the end of life; NaN: it lives on. [d]."""
    age = (pack.days - pack.kind.new_day).astype(np.float64)
    return np.array([end_of_life(age, soh, pack.kind.eol_soh_pct) for soh in filtered_pct.T])


def _rows(pack: Pack, looks: list[dict[str, Any]], life_days: Floats) -> pa.Table:
    count = len(looks)
    return pa.table({
        "pack_id": pa.array([pack.pack_id] * count, pa.string()),
        "chemistry": pa.array([pack.kind.chemistry] * count, pa.string()),
        "eol_soh_pct": pa.array([pack.kind.eol_soh_pct] * count, pa.float64()),
        **{
            name: numbers(np.array([look[name] for look in looks]))
            for name in ("efc_per_day", "now_days", "seen_days")
        },
        "is_last": pa.array([look["is_last"] for look in looks], pa.bool_()),
        "soh_pct": lists(np.stack([look["soh_pct"] for look in looks])),
        "life_days": lists(np.tile(life_days, (count, 1))),
        "places": lists(np.stack([look["places"] for look in looks])),
    })
