"""The seam between Spark and the service: rows of wanted twins in, what became of them out."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
from pyspark.sql import functions as F

from battery_lake.errors import RemoteError
from battery_lake.sinks.twins.deliver import Delivered, Delivery, Item, Manner, item_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pyspark.sql import DataFrame

    from battery_lake.sinks.twins.address import Address

UNREACHABLE: Final = "unreachable"
"""Outcome of the one row that says why delivery ended before its time."""
RESULT: Final = "item_key string, kind string, outcome string, reason string, payload string"
_NAMES: Final = ("item_key", "kind", "outcome", "reason", "payload")
_ROWS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Courier:
    """Delivers Arrow batches of wanted twins in a worker.

    Parameters
    ----------
    address
        The instance.
    manner
        How.
    concurrency
        Calls at the same time.
    """

    address: Address
    manner: Manner = field(default_factory=Manner)
    concurrency: int = 16

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Deliver batches, in the order in which they come."""
        from battery_lake.sinks.twins.client import Graph  # noqa: PLC0415 - the SDK is needed in the worker

        delivery = Delivery(Graph(self.address, self.concurrency), self.manner, self.concurrency)
        rows: list[tuple[str, ...]] = []
        try:
            for delivered in delivery.all(_items(batches)):
                rows.append(_row(delivered))
                if len(rows) == _ROWS:
                    yield _batch(rows)
                    rows = []
        except RemoteError as fault:
            rows.append(("", "", UNREACHABLE, f"{fault.what}: {fault.why}", fault.remedy))
        yield _batch(rows)


def delivered(twins: DataFrame, courier: Courier) -> DataFrame:
    """One row per wanted twin: what became of it.

    One task holds all of the instance's limits: a single process reaches them, and no second limiter has to
    be told of the first one's calls.

    Parameters
    ----------
    twins
        From :func:`battery_lake.sinks.twins.wanted.wanted`.
    courier
        Delivers them.
    """
    return in_turn(twins).mapInArrow(courier, RESULT)


def in_turn(twins: DataFrame) -> DataFrame:
    """Return twins in the order of delivery: what contains before what is contained, neighbours far apart.

    The service takes few changes a second of one twin and its relationships: cells of one module, side by
    side, would all be relationships of that module.
    """
    return twins.repartition(1).sortWithinPartitions("level", F.xxhash64("kind", "key"), "key")


def _items(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[int, Item]]:
    for batch in batches:
        for row in batch.to_pylist():
            yield row["level"], item_of(row)


def _row(result: Delivered) -> tuple[str, ...]:
    item = result.item
    payload = json.dumps(item.properties) if result.outcome == "refused" else ""
    return (f"{item.kind} {item.key}", item.kind, result.outcome, result.reason, payload)


def _batch(rows: list[tuple[str, ...]]) -> pa.RecordBatch:
    columns: list[Any] = [pa.array(values, pa.string()) for values in zip(*rows, strict=True)]
    return pa.RecordBatch.from_arrays(columns or [pa.array([], pa.string())] * len(_NAMES), names=_NAMES)
