"""What the sinks hold, as they themselves say: for the report, and to see at a glance that a push arrived."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from battery_lake.errors import BatteryLakeError
from battery_lake.pipelines.push_adx import pushed_tables
from battery_lake.pipelines.twin_delivery import graph_of
from battery_lake.sinks.retry import RefusedError
from battery_lake.sinks.twins import ontology

if TYPE_CHECKING:
    from collections.abc import Iterator

    from battery_lake.lake.access import Lake
    from battery_lake.serving.explorer import Pushed
    from battery_lake.sinks.twins.client import Graph

PATIENCE_S: Final = 10.0
"""A report does not wait for a service that is away. [s]"""
MOST_LOOKS: Final = 40
TWINS: Final = {"Product": ontology.SEEN, "TractionBatteryPack": "as_of_date", "BatteryCell": "as_of_date"}
"""Kinds of twins that are counted, and what says how new each is."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a sink holds of one thing.

    Parameters
    ----------
    sink
        Its name.
    what
        A kind of twin, or a table.
    number
        Of twins or rows; None: the sink did not say.
    newest
        Newest day or instant among them; the reason, where the sink did not say.
    """

    sink: str
    what: str
    number: int | None
    newest: str


def sinks_held(lake: Lake) -> list[Held]:
    """Ask the sinks that are set what they hold; one that does not answer is told as such.

    Parameters
    ----------
    lake
        Its settings say where the sinks are.
    """
    settings = lake.settings
    found: list[Held] = []
    for is_set, sink, ask in (
        (settings.twins.endpoint, "Digital Twins", _twins),
        (settings.adx.cluster, "Data Explorer", _explorer),
    ):
        try:
            found += [dataclasses.replace(held, sink=sink) for held in ask(lake)] if is_set else []
        except BatteryLakeError as fault:
            found.append(Held(sink, "not reached", None, fault.why or fault.what))
    return found


def _twins(lake: Lake) -> Iterator[Held]:
    graph = graph_of(lake.settings, patience_s=PATIENCE_S)
    there = graph.models()
    for name, at in TWINS.items():
        model = ontology.entity(name).model
        if model in there:
            of_kind = f"FROM DIGITALTWINS T WHERE IS_OF_MODEL(T, '{model}')"
            number = int(next(iter(graph.query(f"SELECT COUNT() {of_kind}")))["COUNT"])
            yield Held("", f"{name} twins", number, _newest(graph, of_kind, at))


def _newest(graph: Graph, of_kind: str, at: str) -> str:
    """The greatest value of a property: the language has no maximum, so one that is greater is asked for."""
    newest = ""
    for _ in range(MOST_LOOKS):
        rows = list(graph.query(f"SELECT TOP(1) T.{at} {of_kind} AND T.{at} > '{newest}'"))
        if not rows:
            break
        newest = str(rows[0][at])
    return newest


def _explorer(lake: Lake) -> Iterator[Held]:
    from battery_lake.sinks.adx.client import ExplorerClient  # noqa: PLC0415 - a second of imports, an extra

    adx = lake.settings.adx
    with ExplorerClient(adx.cluster, adx.database, adx.credential, patience_s=PATIENCE_S) as client:
        for pushed in pushed_tables(lake):
            try:
                number = client.query(f"{pushed.name} | count")[0]["Count"]
                dated = [c.name for c in pushed.columns if c.type in {"date", "timestamp"}]
                newest = client.query(_newest_row(pushed, dated[0])) if dated else []
            except RefusedError as fault:
                yield Held("", pushed.name, None, str(fault))
                continue
            yield Held("", pushed.name, int(number), _first(newest))


def _newest_row(pushed: Pushed, at: str) -> str:
    return f"{pushed.name} | sort by {at} desc | take 1 | project {at}"


def _first(rows: list[dict[str, Any]]) -> str:
    """The one value of the one row; a day without its midnight."""
    text = str(next(iter(rows[0].values()))) if rows else ""
    return text.replace("T", " ").replace("+00:00", "").removesuffix(" 00:00:00")
