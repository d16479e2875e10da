"""Wanted twins to the service: what became of them, what waits, and when it has to stop."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.errors import RemoteError, SettingsError
from battery_lake.lake.scratch import kept
from battery_lake.pipelines.model import Counts
from battery_lake.sinks.failures import keep_rows, settle_rows, waiting
from battery_lake.sinks.twins.address import Address
from battery_lake.sinks.twins.spread import UNREACHABLE, Courier, delivered
from battery_lake.sinks.twins.wanted import Layout

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake
    from battery_lake.settings import Settings
    from battery_lake.sinks.twins.client import Graph
    from battery_lake.sinks.twins.deliver import Manner

SINK: Final = "twins"
SHOWN: Final = 20
"""Changes and refusals that are told one by one."""
SIGNS: Final = {"created": "+", "patched": "~", "related": ">"}


@dataclass(slots=True)
class Outcome:
    """What a delivery did: twins by what became of them, models added, and what waits for a check.

    ``changes`` and ``refused`` tell of the first of them what differed, and why.
    """

    twins: dict[str, int] = field(default_factory=dict)
    models: int = 0
    extra: int = 0
    unchecked: dict[str, int] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @property
    def changed(self) -> int:
        """Twins that differed."""
        return sum(count for name, count in self.twins.items() if name not in {"same", "older", "refused"})

    @property
    def counts(self) -> Counts:
        """The twins as rows: changed ones were kept, others said the same already."""
        rows, refused = sum(self.twins.values()), self.twins.get("refused", 0)
        return Counts(rows, self.changed, refused, rows - refused - self.changed)


def address_of(settings: Settings) -> Address:
    """Return where the instance is.

    Raises
    ------
    SettingsError
        No address is set.
    """
    chosen = settings.twins
    if not chosen.endpoint:
        raise SettingsError(
            "there is no Digital Twins instance to write to",
            why="twins.endpoint is empty",
            remedy="set it, or run `battery-lake local up` and set what it prints",
        )
    return Address(
        chosen.endpoint,
        chosen.credential,
        chosen.token.get_secret_value(),
        chosen.certificate,
        chosen.patience_s,
    )


def graph_of(settings: Settings, *, patience_s: float | None = None) -> Graph:
    """Return the instance.

    Parameters
    ----------
    settings
        Say where it is.
    patience_s
        So long it is waited for where it fails; None: as the settings say. [s]

    Raises
    ------
    SettingsError
        The address, the certificate or the credential cannot be used.
    """
    address = address_of(settings)
    from battery_lake.sinks.twins.client import Graph  # noqa: PLC0415 - a second of imports, an extra

    return Graph(address if patience_s is None else dataclasses.replace(address, patience_s=patience_s))


def layout_of(settings: Settings) -> Layout:
    """Return which twins there are, as set."""
    chosen = settings.twins
    return Layout(
        chosen.layout == "cells",
        chosen.weakest_cells,
        chosen.vehicle_model,
        chosen.pack_model,
        chosen.cell_model,
    )


def deliver(lake: Lake, rows: DataFrame, manner: Manner, outcome: Outcome) -> DataFrame:
    """Deliver wanted twins; what is refused waits, what waited and went through is forgotten.

    Parameters
    ----------
    lake
        The tables.
    rows
        From :mod:`battery_lake.sinks.twins.wanted`.
    manner
        How.
    outcome
        Told how many became what.

    Returns
    -------
    DataFrame
        What became of each, for :func:`tell`.

    Raises
    ------
    RemoteError
        The service does not answer, or lets nobody in.
    """
    courier = Courier(address_of(lake.settings), manner, lake.settings.twins.concurrency)
    found = kept(lake, f"twins.delivered{'.live' if manner.is_live else ''}", delivered(rows, courier))
    for row in found.groupBy("outcome").agg(F.count("*").alias("twins")).collect():
        outcome.twins[row.outcome] = row.twins
    if not manner.is_rehearsal:
        if outcome.twins.get("refused"):
            keep_rows(lake, SINK, found.where("outcome = 'refused'").select("item_key", "payload", "reason"))
        if not waiting(lake, SINK).isEmpty():
            settle_rows(lake, SINK, found.where(f"outcome NOT IN ('refused', '{UNREACHABLE}')"))
    if outcome.twins.pop(UNREACHABLE, 0):
        told = found.where(f"outcome = '{UNREACHABLE}'").limit(1).collect()[0]
        raise RemoteError("the twins could not be brought up to date", why=told.reason, remedy=told.payload)
    return found


def tell(found: DataFrame, outcome: Outcome) -> None:
    """Note the first changes and refusals one by one.

    Parameters
    ----------
    found
        From :func:`deliver`.
    outcome
        Takes them.
    """
    telling = found.where("outcome NOT IN ('same', 'older')").orderBy("item_key")
    for row in telling.where("outcome <> 'refused'").limit(SHOWN).collect():
        outcome.changes.append(f"{SIGNS[row.outcome]} {row.item_key} {row.reason}".rstrip())
    for row in telling.where("outcome = 'refused'").limit(SHOWN).collect():
        outcome.refused.append(f"{row.item_key}: {row.reason}")
