"""Payloads as they should not be: over sixty kinds, each with the code that must be among its reasons."""

# ruff: noqa: DTZ001 - Spark hands over UTC without a zone

import datetime as dt
import gzip
import json
import zlib

GOOD = {
    "schema_version": 1, "pack_id": "P1", "measured_at": "2026-01-10T00:00:00Z", "sequence": 1,
    "state": "driving", "current_a": -12.5, "pack_voltage_v": 11.1, "soc_pct": 55.0,
    "cell_voltages_v": [3.7, 3.71, 3.69], "temperatures_c": [20.0, 21.5], "odometer_km": 1234.5,
    "latitude": 59.3, "longitude": 18.1,
}  # fmt: skip
TEXT = json.dumps(GOOD)


def but(**changes):
    """The good message with some fields changed; ``...`` leaves one out."""
    return json.dumps({k: v for k, v in {**GOOD, **changes}.items() if v is not ...})


def raw(name, token):
    """The good message with a field that no JSON library would write."""
    return json.dumps({**GOOD, name: "TOKEN"}).replace('"TOKEN"', token)


def zipped(content):
    return content, {"content_encoding": "gzip"}


DEEP = "[" * 5_000 + "]" * 5_000
UNDECODABLE = {
    "nothing": b"",
    "blanks": b"   \n\t ",
    "one null byte": b"\x00",
    "null bytes": b"\x00" * 200,
    "a word": b"hello",
    "a number": b"42",
    "a negative number": b"-1.5e3",
    "true": b"true",
    "null": b"null",
    "a string": b'"text"',
    "a string with an object in it": json.dumps(TEXT).encode(),
    "an empty list": b"[]",
    "a list of a number": b"[1]",
    "a list of null": b"[null]",
    "a list of a list": b"[[]]",
    "a list that does not end": b"[" + TEXT.encode(),
    "lists without end": b"[" * 2_000,
    "brackets five thousand deep": DEEP.encode(),
    "a byte order mark": b"\xef\xbb\xbf" + TEXT.encode(),
    "UTF-16": TEXT.encode("utf-16"),
    "UTF-32": TEXT.encode("utf-32"),
    "latin-1 before the object": b"\xe9" + TEXT.encode(),
    "bytes that are no text": bytes(range(128, 256)),
    "XML": b"<pack id='P1'/>",
    "CSV": b"P1,2026-01-10T00:00:00Z,1",
    "YAML": b"pack_id: P1\nsequence: 1",
    "base64 of the message": __import__("base64").b64encode(TEXT.encode()),
    "gzip that nobody declared": gzip.compress(TEXT.encode()),
    "CBOR": bytes.fromhex("a1677061636b5f6964625031"),
    "MessagePack": bytes.fromhex("81a77061636b5f6964a25031"),
    "Avro without a mapping": b"Obj\x01\x04\x14avro.codec\x08null",
    "a comment first": b"// message\n" + TEXT.encode(),
    "an HTTP answer": b"HTTP/1.1 200 OK\r\n\r\n" + TEXT.encode(),
}
WRONG_TYPE = {
    "an object cut short": TEXT[:-1],
    "cut short in a name": TEXT[:15],
    "cut short in a number": TEXT[: TEXT.index("-12.5") + 2],
    "an opening brace alone": "{",
    "a comma too many": TEXT[:-1] + ",}",
    "no comma": TEXT.replace(", ", " ", 1),
    "a name without quotes": TEXT.replace('"pack_id"', "pack_id"),
    "text for a number": but(current_a="twelve"),
    "text for the sequence": but(sequence="one"),
    "a fraction for the sequence": but(sequence=1.5),
    "a sequence beyond 64 bits": raw("sequence", "99999999999999999999"),
    "a list for a number": but(soc_pct=[55.0]),
    "an object for a number": but(soc_pct={"value": 55.0}),
    "a number for a list": but(cell_voltages_v=3.7),
    "text in the list of cells": but(cell_voltages_v=[3.7, "3.7V", 3.7]),
    "a list in the list of cells": but(cell_voltages_v=[[3.7], 3.7, 3.7]),
    "an object for the cells": but(cell_voltages_v={"1": 3.7}),
    "a boolean for a number": but(current_a=True),
    "no such day": but(measured_at="2026-02-30T00:00:00Z"),
    "no such hour": but(measured_at="2026-01-10T25:00:00Z"),
    "a time in words": but(measured_at="this morning"),
    "a German date": but(measured_at="10.01.2026 00:00"),
    "a hexadecimal number": raw("current_a", "0x1F"),
    "a number with a plus": raw("current_a", "+5"),
    "a number of two thousand digits": raw("current_a", "1" * 2_000),
    "a tab in a string": TEXT.replace("driving", "dri\x01ving"),
}
OTHERS = {
    "another schema version": (but(schema_version=2), "unknown_schema"),
    "no schema version": (but(schema_version=...), "unknown_schema"),
    "an empty object": ("{}", "unknown_schema"),
    "another maker's message": ('{"vin": "X", "soc": 5}', "unknown_schema"),
    "no pack": (but(pack_id=...), "missing_key"),
    "a pack of nothing": (but(pack_id=""), "missing_key"),
    "a pack of null": (but(pack_id=None), "missing_key"),
    "no time": (but(measured_at=...), "missing_key"),
    "no sequence": (but(sequence=None), "missing_key"),
    "1970": (but(measured_at="1970-01-01T00:00:07Z"), "clock"),
    "seconds since 1970 in another unit": (but(measured_at=1768003200000), "clock"),
    "next year": (but(measured_at="2027-01-10T00:00:00Z"), "clock"),
    "six minutes ahead": (but(measured_at="2026-01-10T00:06:02Z"), "clock"),
    "before the pack was in any vehicle": (but(measured_at="2025-06-01T00:00:00Z"), "clock"),
    "the year 9999": (but(measured_at="9999-12-31T23:59:59Z"), "clock"),
    "an unknown pack": (but(pack_id="P-unknown"), "unknown_pack"),
    "a pack id that is SQL": (but(pack_id="'; DROP TABLE packs; --"), "unknown_pack"),
    "a pack id with a null byte": (but(pack_id="P1\x00"), "unknown_pack"),
    "a pack id in other letters": (but(pack_id="p1"), "unknown_pack"),
    "another's pack": ((TEXT, {"device_id": "V2"}), "not_assigned"),
    "a stranger's device": ((TEXT, {"device_id": "intruder"}), "not_assigned"),
    "after the handover": (
        (but(measured_at="2026-02-02T00:00:00Z"), {"enqueued_at": dt.datetime(2026, 2, 2)}), "not_assigned"),
    "a cell too few": (but(cell_voltages_v=[3.7, 3.7]), "cell_count"),
    "a cell too many": (but(cell_voltages_v=[3.7] * 4), "cell_count"),
    "a thousand cells": (but(cell_voltages_v=[3.7] * 1_000), "cell_count"),
    "no device": ((TEXT, {"device_id": None}), "bad_envelope"),
    "no time of the hub": ((TEXT, {"enqueued_at": None}), "bad_envelope"),
    "a hub in the year 1": ((TEXT, {"enqueued_at": dt.datetime(1900, 1, 1)}), "bad_envelope"),
    "another character set": ((TEXT, {"content_encoding": "iso-8859-1"}), "unsupported_encoding"),
    "brotli": ((TEXT, {"content_encoding": "br"}), "unsupported_encoding"),
    "larger than a hub takes": (but(state="x" * 1_100_000), "oversize"),
    "a decompression bomb": (zipped(gzip.compress(b"0" * 20_000_000)), "decompression_bomb"),
    "a bomb in many pieces": (zipped(gzip.compress(b" " * 1_000_000) * 20), "decompression_bomb"),
    "gzip that is none": (zipped(TEXT.encode()), "bad_compression"),
    "gzip cut short": (zipped(gzip.compress(TEXT.encode())[:-9]), "bad_compression"),
    "gzip with a flipped bit": (zipped(bytes([*gzip.compress(TEXT.encode())[:-20], 255])), "bad_compression"),
    "raw deflate": (zipped(zlib.compress(TEXT.encode(), wbits=-15)), "bad_compression"),
    "gzip of no JSON": (zipped(gzip.compress(b"hello")), "undecodable"),
    "gzip of gzip": (zipped(gzip.compress(gzip.compress(TEXT.encode()))), "undecodable"),
    "gzip of nothing": (zipped(gzip.compress(b"")), "undecodable"),
    "the rest of a corrupt file": (("a.avro: 3 read", {"sequence_number": -1}), "unreadable_file"),
}  # fmt: skip

CORPUS = (
    {name: (body, {}, "undecodable") for name, body in UNDECODABLE.items()}
    | {name: (body, {}, "wrong_type") for name, body in WRONG_TYPE.items()}
    | {
        name: (*(given if isinstance(given, tuple) else (given, {})), code)
        for name, (given, code) in OTHERS.items()
    }
)
"""Name: body, columns of its row, and a code that must be among the reasons."""
