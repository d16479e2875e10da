"""Bytes of a file become rows of a table, by one of its mappings."""

from __future__ import annotations

import gzip
import io
import json
import re
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from battery_lake.local.kusto.errors import RefusalError
from battery_lake.local.kusto.values import conform

if TYPE_CHECKING:
    from battery_lake.local.kusto.store import StoredTable

MAPPED_ONLY: Final = frozenset({"json", "multijson", "singlejson"})
"""Formats whose streams the service takes with a mapping only."""
_GZIP: Final = b"\x1f\x8b"
_PATH: Final = re.compile(r"\$(?:\.(\w+)|\['([^']+)'\])")
_KINDS: Final = {"parquet": "parquet", "json": "json", "multijson": "json", "singlejson": "json"}


def read(
    body: bytes, format_: str, table: StoredTable, mapping: str | None, inline: list[dict[str, Any]] | None
) -> pa.Table:
    """Return the rows of a file in the form of a table.

    Parameters
    ----------
    body
        The file; may be gzipped.
    format_
        parquet, json or multijson.
    table
        The table.
    mapping
        Name of one of its mappings; None: columns go by their names.
    inline
        A mapping that came with the file.

    Raises
    ------
    RefusalError
        The format or the mapping is unknown, or the file cannot be read.
    """
    kind = _KINDS.get(format_)
    if kind is None:
        raise RefusalError(f"the stand-in does not read the format '{format_}'", code="Stream_FormatUnknown")
    entries = inline
    if mapping is not None:
        entries = table.mappings.get(f"{kind}/{mapping}")
        if entries is None:
            raise RefusalError(
                f"Mapping reference wasn't found: '{mapping}' of kind {kind}",
                code="BadRequest_MappingReference",
            )
    paths = {name: name for name in table.columns} if entries is None else _paths(entries)
    plain = gzip.decompress(body) if body[:2] == _GZIP else body
    try:
        given = pq.read_table(io.BytesIO(plain)) if kind == "parquet" else _from_json(plain)
    except (pa.ArrowInvalid, ValueError) as fault:
        raise RefusalError(f"The file is no {format_}: {fault}", code="BadRequest_InvalidBlob") from fault
    return conform(given, table.columns, paths)


def _paths(entries: list[dict[str, Any]]) -> dict[str, str]:
    """Column of the table to column of the file."""
    paths = {}
    for entry in entries:
        lowered = {key.lower(): value for key, value in entry.items()}
        told = {key.lower(): value for key, value in (lowered.get("properties") or {}).items()}
        found = _PATH.fullmatch(str(told.get("path", "")))
        if found is None:
            raise RefusalError(f"the stand-in maps only paths of one name, not {told.get('path')!r}")
        paths[str(lowered["column"])] = found[1] or found[2]
    return paths


def _from_json(text: bytes) -> pa.Table:
    """Objects one after the other, with or without line ends between them, or one array of them."""
    decoder, said, place, objects = json.JSONDecoder(), text.decode("utf-8").strip(), 0, []
    while place < len(said):
        value, place = decoder.raw_decode(said, place)
        objects += value if isinstance(value, list) else [value]
        while place < len(said) and said[place] in " \r\n\t,":
            place += 1
    names = dict.fromkeys(name for each in objects for name in each)
    columns = {name: [each.get(name) for each in objects] for name in names}
    # What is nested goes into a dynamic column: as JSON, whatever shapes it has.
    flat = {
        name: [json.dumps(v) if isinstance(v, dict | list) else v for v in values]
        for name, values in columns.items()
    }
    return pa.table(flat)
