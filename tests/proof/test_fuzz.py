"""Mutated payloads through the stream to silver: each is kept, refused or a duplicate; nothing stops it."""

import datetime as dt
import gzip
import json
import random
import subprocess
import sys

import pytest
from pyspark.sql import functions as F

from battery_lake.lake.access import Lake
from battery_lake.lake.create import ensure
from battery_lake.lake.write import upsert
from battery_lake.pipelines.refine import REFINE
from battery_lake.settings import load

CHUNK = 50_000
START = dt.datetime(2026, 1, 10)  # noqa: DTZ001 - Spark hands over UTC without a zone
TOKENS = [
    b"null", b"true", b"NaN", b"-Infinity", b"1e999", b"-0", b"99999999999999999999", b'""', b"[]", b"{}",
    b'"\\ud800"', b'"\\u0000"', b"\xff", b"\xc3", b"\x00", b"9223372036854775807", b"0.1e-400", b"[[[[",
    b'"2026-02-30T00:00:00Z"', b'"9999-12-31T23:59:59.999999Z"', b"-62135596801", b"1.7976931348623157e308",
]  # fmt: skip


def message(number: int) -> bytes:
    fields = {
        "schema_version": 1, "pack_id": "P1", "sequence": number, "state": "driving", "current_a": -12.5,
        "measured_at": f"{START + dt.timedelta(seconds=number):%Y-%m-%dT%H:%M:%SZ}", "pack_voltage_v": 11.1,
        "soc_pct": 55.0, "cell_voltages_v": [3.7, 3.71, 3.69], "temperatures_c": [20.0, 21.5],
        "odometer_km": 1234.5, "latitude": 59.3, "longitude": 18.1,
    }  # fmt: skip
    return json.dumps(fields).encode()


def mutated(draw: random.Random, number: int) -> tuple[bytes, str]:
    """A body with up to four wounds, and its encoding."""
    body = bytearray(message(number))
    if draw.random() < 0.1:
        body = bytearray(b"[" + body + b"," + message(number) + b"]")
    for _ in range(draw.choice((0, 1, 1, 1, 2, 4))):
        wound(draw, body)
    if draw.random() < 0.1:
        packed = bytearray(gzip.compress(bytes(body), 1))
        if draw.random() < 0.5:
            wound(draw, packed)
        return bytes(packed), "gzip"
    return bytes(body), draw.choice(("utf-8", "utf-8", "utf-8", "UTF8", "", "x"))


def wound(draw: random.Random, body: bytearray) -> None:
    at = draw.randrange(len(body) + 1)
    end = min(len(body), at + draw.choice((1, 1, 2, 8, 40)))
    kind = draw.randrange(6)
    if kind == 0 and at < len(body):
        body[at] ^= 1 << draw.randrange(8)
    elif kind == 1:
        del body[at:end]
    elif kind == 2:
        body[at:at] = draw.randbytes(draw.choice((1, 2, 8)))
    elif kind == 3:
        body[at:end] = draw.choice(TOKENS)
    elif kind == 4:
        body[at:at] = body[at:end]
    else:
        del body[at:]


@pytest.fixture
def lake(spark, frame, tmp_path):
    settings, _ = load([f"home={tmp_path}"], environment={})
    made = Lake(spark, settings)
    ensure(
        made,
        ("bronze.telemetry", "reference.packs", "reference.pack_assignment", *REFINE.writes, "ops.batch"),
    )
    upsert(made, "reference.packs", frame("reference.packs", [
        {"pack_id": "P1", "chemistry": "NMC", "cells_in_series": 3, "rated_capacity_ah": 50.0}]))  # fmt: skip
    upsert(made, "reference.pack_assignment", frame("reference.pack_assignment", [
        {"pack_id": "P1", "vehicle_id": "V1", "valid_from": dt.datetime(2025, 1, 1)}]))  # fmt: skip  # noqa: DTZ001
    return made


@pytest.mark.parametrize(
    "count", [3_000, pytest.param(1_000_000, marks=[pytest.mark.proof, pytest.mark.timeout(7200)])]
)
def test_mutated_payloads_are_each_kept_refused_or_a_duplicate(lake, frame, count):
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")  # noqa: T201
    draw = random.Random(seed)
    for first in range(0, count, CHUNK):
        rows = []
        for number in range(first, min(first + CHUNK, count)):
            body, encoding = mutated(draw, number)
            taken = START + dt.timedelta(seconds=number + 2)
            rows.append({
                "hub": "h", "partition_id": "0", "sequence_number": number, "device_id": "V1", "body": body,
                "enqueued_at": taken, "content_encoding": encoding or None, "ingested_at": taken,
            })  # fmt: skip
        frame("bronze.telemetry", rows).write.format("delta").mode("append").save(
            lake.path("bronze.telemetry")
        )
        REFINE.run(lake)
    origin = ("hub", "partition_id", "sequence_number")
    told = lake.read("ops.batch").agg(
        *(F.sum(f"rows_{name}").alias(name) for name in ("in", "kept", "refused", "duplicate"))
    ).collect()[0]  # fmt: skip
    silver, quarantine = (lake.read(f"silver.{name}") for name in ("telemetry", "quarantine"))
    # A later copy that contradicts is refused; an earlier one that loses to it is refused as well.
    assert told["in"] == told["kept"] + told["refused"] + told["duplicate"]
    assert told["in"] >= count
    assert silver.count() == told["kept"]
    assert quarantine.count() == told["refused"]
    traced = silver.select(*origin).unionByName(quarantine.select(*origin)).distinct().count()
    assert count - traced <= told["duplicate"]
    assert min(told["kept"], told["refused"]) > count / 10


HARNESS = """
import sys
import atheris
with atheris.instrument_imports(include=["battery_lake.silver.unpack"]):
    from battery_lake.silver.unpack import json_of, unzipped
import fastavro, json
SCHEMA = fastavro.parse_schema({"type": "record", "name": "P", "fields": [
    {"name": "pack", "type": "string"},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "cells", "type": {"type": "array", "items": "int"}},
    {"name": "soc", "type": ["null", "double"]}]})
def one(data):
    try:
        content = unzipped(data, 10_000)
        assert len(content) <= 10_000
    except (ValueError, OverflowError):
        pass
    found = json_of(data, SCHEMA)
    assert found is None or isinstance(json.loads(found), (dict, list))
atheris.Setup(sys.argv, one)
atheris.Fuzz()
"""


@pytest.mark.parametrize(
    "runs", [2_000, pytest.param(1_000_000, marks=[pytest.mark.proof, pytest.mark.timeout(3600)])]
)
def test_no_bytes_break_the_unpacking(runs, tmp_path):
    """Coverage-guided: unzipping and Avro, the part of the decoder that is Python."""
    pytest.importorskip("atheris")
    script = tmp_path / "harness.py"
    script.write_text(HARNESS, encoding="utf-8")
    command = [sys.executable, script, f"-runs={runs}", "-max_len=400", "-rss_limit_mb=2000", "-timeout=20"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert f"Done {runs}" in done.stderr
