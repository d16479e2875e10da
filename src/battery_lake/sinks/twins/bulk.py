"""The graph as lines for a bulk import: the first load of a large fleet.

References
----------
Microsoft, Azure Digital Twins, "Import models, twins, and relationships in bulk with the Import Jobs API".
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from battery_lake.sinks.twins.deliver import HAS_PART, IS_CONTAINED_IN, Item, item_of
from battery_lake.sinks.twins.ids import relationship_id, twin_id
from battery_lake.sinks.twins.patch import body_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pyspark.sql import DataFrame

FILE_VERSION: Final = "1.0.0"
LINE: Final = "line string"
Document = dict[str, Any]


def head(models: Iterable[Document]) -> Iterator[str]:
    """Yield the lines that stand before the twins."""
    about = {"fileVersion": FILE_VERSION, "author": "battery_lake", "organization": "battery_lake"}
    for line in ({"Section": "Header"}, about, {"Section": "Models"}, *models):
        yield json.dumps(line, ensure_ascii=False)


def section(name: str) -> str:
    """Return the line that begins a section."""
    return json.dumps({"Section": name})


def twin_lines(twins: DataFrame) -> DataFrame:
    """One row per twin: its line.

    Parameters
    ----------
    twins
        From :func:`battery_lake.sinks.twins.wanted.wanted`.
    """
    return twins.mapInArrow(_twins, LINE)


def relationship_lines(twins: DataFrame) -> DataFrame:
    """Two rows per twin and what it is contained in: a line for either direction."""
    return twins.mapInArrow(_relationships, LINE)


def _twins(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for items in _items(batches):
        yield _batch({"$dtId": item.id, **body_of(item.properties, item.model)} for item in items)


def _relationships(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for items in _items(batches):
        yield _batch(line for item in items for pair in item.parents for line in _ends(item, twin_id(*pair)))


def _ends(item: Item, parent: str) -> Iterator[Document]:
    for source, name, target in ((parent, HAS_PART, item.id), (item.id, IS_CONTAINED_IN, parent)):
        yield {
            "$sourceId": source,
            "$relationshipId": relationship_id(name, target),
            "$targetId": target,
            "$relationshipName": name,
        }


def _items(batches: Iterable[pa.RecordBatch]) -> Iterator[list[Item]]:
    for batch in batches:
        yield [item_of(row) for row in batch.to_pylist()]


def _batch(lines: Iterable[Document]) -> pa.RecordBatch:
    texts = [json.dumps(line, ensure_ascii=False) for line in lines]
    return pa.RecordBatch.from_arrays([pa.array(texts, pa.string())], names=["line"])
