"""Zipped and Avro bodies: what they hold, and that no more is read than allowed."""

import gzip
import io
import json
import zlib

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from battery_lake.silver.telemetry import valid
from battery_lake.silver.unpack import json_of, unzipped

SCHEMA = {
    "type": "record", "name": "Pack", "namespace": "maker",
    "fields": [
        {"name": "pack", "type": "string"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "n", "type": "long"},
        {"name": "cells", "type": {"type": "array", "items": "int"}},
        {"name": "soc", "type": ["null", "float"], "default": None},
    ],
}  # fmt: skip
PARSED = fastavro.parse_schema(SCHEMA)
ROW = {"pack": "P1", "at": 1768003200000, "n": 7, "cells": [3671, 3680, 3690], "soc": 55.5}


def bare(row=ROW):
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, PARSED, row)
    return stream.getvalue()


def container(rows):
    stream = io.BytesIO()
    fastavro.writer(stream, PARSED, rows)
    return stream.getvalue()


@given(st.binary(max_size=300), st.sampled_from([gzip.compress, zlib.compress]))
def test_what_was_zipped_comes_back(content, squeeze):
    assert unzipped(squeeze(content), 300) == content


def test_several_members_are_one_body():
    assert unzipped(gzip.compress(b"{}") + gzip.compress(b" "), 10) == b"{} "


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_not_a_byte_more_than_allowed_is_unzipped(size, most):
    zipped = gzip.compress(b"0" * size)
    if size <= most:
        assert len(unzipped(zipped, most)) == size
    else:
        with pytest.raises(OverflowError, match=f"more than {most} bytes"):
            unzipped(zipped, most)


def test_many_members_do_not_get_past_the_limit():
    with pytest.raises(OverflowError):
        unzipped(gzip.compress(b"0" * 100) * 50, 1000)


@given(st.binary(max_size=80).map(lambda content: b"{" + content))
def test_bytes_that_are_no_gzip_are_told(content):
    with pytest.raises(ValueError, match="gzip"):
        unzipped(content, 1000)


def test_a_gzip_that_is_cut_short_is_told():
    with pytest.raises(ValueError, match="cut short"):
        unzipped(gzip.compress(b"0123456789" * 50)[:-5], 1000)


@pytest.mark.parametrize("content", [bare(), b"\xc3\x01" + bytes(8) + bare()])
def test_an_avro_record_becomes_json(content):
    found = json.loads(json_of(content, PARSED))
    assert found == {**ROW, "at": "2026-01-10T00:00:00+00:00", "soc": 55.5}


def test_a_container_becomes_a_list_of_messages():
    assert [row["n"] for row in json.loads(json_of(container([ROW, {**ROW, "n": 8}]), PARSED))] == [7, 8]


@given(st.binary(max_size=60))
def test_bytes_that_are_no_avro_are_nothing_or_json(content):
    found = json_of(content, PARSED)
    assert found is None or isinstance(json.loads(found), dict | list)


def test_bytes_after_a_record_make_it_none():
    assert json_of(bare() + b"\x00", PARSED) is None


def test_a_zipped_message_is_read_as_a_plain_one(check, message, params):
    plain = message(sequence=1)
    zipped = [(gzip.compress(message(sequence=n).encode()), {"content_encoding": "gzip"}) for n in (2, 3)]
    rows = valid(check([plain, *zipped]), params).orderBy("sequence").collect()
    assert [row.sequence for row in rows] == [1, 2, 3]
    assert len({tuple(row.cell_voltages_v) for row in rows}) == 1


def test_avro_bodies_are_read_beside_json_ones(frame, tmp_path):
    import datetime as dt

    from battery_lake.mapping.compile import compiled
    from battery_lake.silver.decode import Reading, decode

    (tmp_path / "pack.avsc").write_text(json.dumps(SCHEMA), encoding="utf-8")
    (tmp_path / "maker.yml").write_text(
        "mapping: maker\napplies: {properties: {schema: maker}}\nbody: {kind: avro, avro_schema: pack.avsc}\n"
        "signals:\n  pack_id: {path: pack}\n  measured_at: {path: at}\n  sequence: {path: n}\n"
        "  cell_voltages_v: {path: cells, unit: mV}\n  soc_pct: {path: soc}\n",
        encoding="utf-8",
    )
    mappings = compiled((str(tmp_path / "maker.yml"), "canonical_v1"))
    taken = dt.datetime(2026, 1, 10, 0, 0, 2)  # noqa: DTZ001 - Spark hands over UTC without a zone
    sent = {"application_properties": {"schema": "maker"}}
    json_body = (
        b'{"schema_version": 1, "pack_id": "P2", "measured_at": "2026-01-10T00:00:00Z", "sequence": 9}'
    )
    bodies = [
        (bare(), sent),
        (container([ROW, {**ROW, "n": 8}]), sent),
        (gzip.compress(bare()), {**sent, "content_encoding": "gzip"}),
        (b"no Avro", sent),
        (json_body, {}),
        (gzip.compress(json_body), {"content_encoding": "gzip"}),
    ]
    rows = [
        {"hub": "h", "partition_id": "0", "sequence_number": n, "device_id": "V1", "enqueued_at": taken,
         "body": body, **more}
        for n, (body, more) in enumerate(bodies)
    ]  # fmt: skip
    found = decode(frame("bronze.telemetry", rows), Reading(mappings)).collect()
    read = sorted(
        (r.sequence_number, r.message_index, r.mapping, r.pack_id, r.sequence) for r in found if r.pack_id
    )
    assert read == [
        (0, 0, "maker", "P1", 7), (1, 0, "maker", "P1", 7), (1, 1, "maker", "P1", 8),
        (2, 0, "maker", "P1", 7),
        (4, 0, "canonical_v1", "P2", 9),
        (5, 0, "canonical_v1", "P2", 9),
    ]  # fmt: skip
    assert {tuple(r.cell_voltages_v) for r in found if r.pack_id == "P1"} == {(3.671, 3.68, 3.69)}
    assert [(r.sequence_number, r.is_object) for r in found if not r.pack_id] == [(3, False)]
    assert {r.measured_at for r in found if r.pack_id} == {dt.datetime(2026, 1, 10)}  # noqa: DTZ001
