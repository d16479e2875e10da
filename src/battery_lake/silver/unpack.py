"""Bodies that are no text as they come: zipped ones, and Avro; no more bytes are read than allowed."""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import io
import json
import zlib
from typing import TYPE_CHECKING, Any, Final

import fastavro
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

GZIP_ENCODINGS: Final = ("gzip", "x-gzip")
"""Content encodings of a zipped body, in lower case; devices spell them in any."""
_ANY_HEADER: Final = 47  # zlib: a gzip or a zlib header, the largest window
_CONTAINER: Final = b"Obj\x01"
_SINGLE_OBJECT: Final = b"\xc3\x01"
_FINGERPRINT_BYTES: Final = 10


class Unpacked:
    """Unpacks the bodies of Arrow batches.

    Parameters
    ----------
    schemas
        Avro schema as JSON, by the number of the mapping that reads it.
    max_bytes
        A body that unzips to more is not read. [B]
    """

    def __init__(self, schemas: dict[int, str], max_bytes: int) -> None:
        self._schemas = schemas
        self._max_bytes = max_bytes

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Replace ``content``, ``bomb`` and ``unzip_problem`` of every row."""
        parsed = {
            number: fastavro.parse_schema(json.loads(schema)) for number, schema in self._schemas.items()
        }
        for batch in batches:
            columns = dict(zip(batch.schema.names, batch.columns, strict=True))
            rows = zip(
                columns["content"].to_pylist(),
                columns["content_encoding"].to_pylist(),
                columns["mapping_number"].to_pylist(),
                strict=True,
            )
            found = [self._unpack(*row, parsed) for row in rows]
            columns["content"] = pa.array([content for content, _, _ in found], pa.binary())
            columns["bomb"] = pa.array([bomb for _, bomb, _ in found], pa.string())
            columns["unzip_problem"] = pa.array([problem for _, _, problem in found], pa.string())
            yield pa.RecordBatch.from_pydict(columns, schema=batch.schema)

    def _unpack(
        self, content: bytes | None, encoding: str | None, number: int | None, schemas: dict[int, Any]
    ) -> tuple[bytes | None, str | None, str | None]:
        if content is None:
            return None, None, None
        if encoding is not None and encoding.lower() in GZIP_ENCODINGS:
            try:
                content = unzipped(content, self._max_bytes)
            except OverflowError as fault:
                return None, str(fault), None
            except ValueError as fault:
                return None, None, str(fault)
        if number in schemas:
            content = json_of(content, schemas[number])
        return content, None, None


def unzipped(content: bytes, max_bytes: int) -> bytes:
    """Return what a gzip or zlib body holds.

    Parameters
    ----------
    content
        One or several gzip members, as gzip allows.
    max_bytes
        Not a byte more is unzipped. [B]

    Raises
    ------
    OverflowError
        It holds more.
    ValueError
        It is no gzip, is damaged or cut short.
    """
    parts: list[bytes] = []
    left = max_bytes + 1
    while content and left > 0:
        member = zlib.decompressobj(_ANY_HEADER)
        try:
            part = member.decompress(content, left)
        except zlib.error as fault:
            raise ValueError(f"no gzip: {fault}") from fault
        parts.append(part)
        left -= len(part)
        if left > 0 and not member.eof:
            raise ValueError("the gzip is cut short")
        content = member.unused_data
    if left <= 0:
        raise OverflowError(f"it unzips to more than {max_bytes} bytes")
    return b"".join(parts)


def json_of(content: bytes, schema: Any) -> bytes | None:
    """Return an Avro body as JSON; None where it does not fit the schema.

    Parameters
    ----------
    content
        A bare record, one in Avro's single-object encoding, or a container file with its own schema, which
        becomes a list of messages.
    schema
        The writer's, parsed.
    """
    try:
        stream = io.BytesIO(content)
        found: Any
        if content.startswith(_CONTAINER):
            found = list(fastavro.reader(stream))
        else:
            if content.startswith(_SINGLE_OBJECT):
                stream.seek(_FINGERPRINT_BYTES)
            found = fastavro.schemaless_reader(stream, schema, None)
            if stream.read(1):
                return None
        return json.dumps(found, default=_plain).encode()
    except Exception:  # noqa: BLE001 - on bytes that are no Avro the reader raises whatever it stumbles over
        return None


def _plain(value: Any) -> Any:
    """What JSON has no word for: times as text, bytes as base64, decimals as numbers."""
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, decimal.Decimal):
        return float(value)
    return str(value)
