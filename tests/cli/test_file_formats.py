"""The same messages in every form that Azure writes to storage give the same bronze."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from battery_lake.local.eventhub import Event, iot_annotations
from battery_lake.local.storage import captured, routed_avro, routed_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pyspark.sql import SparkSession

    Run = Callable[..., Any]
    Rows = Callable[..., list[dict[str, Any]]]

AT_MS = 1_768_003_200_250
CAPTURE = "cars/telemetry/{}/2026/01/10/00/05/00.avro"


def events() -> list[Event]:
    return [
        Event(
            b'{"pack_id": "P%d", "v": [3.870, 3.80], "e": "\xc3\xa9"}' % (n % 3),
            properties={"schema_version": "1"} if n % 2 else {},
            annotations=iot_annotations(f"V{n % 3}", enqueued_ms=AT_MS + 10 * n),
            content_type="application/json",
            content_encoding="utf-8",
            message_id=f"m-{n}" if n % 5 == 0 else None,
        )
        for n in range(40)
    ]


@pytest.fixture
def bronze(run: Run, rows: Rows, tmp_path: Path, spark: SparkSession) -> Callable[..., list[dict[str, Any]]]:
    del spark  # it only has to be there: the command takes the session that is active

    def ingested(kind: str, form: str, files: dict[str, bytes]) -> list[dict[str, Any]]:
        home = tmp_path / kind
        for name, content in files.items():
            file = home / "landing" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        flags = ("--set", f"home={home}", "--set", f"source.file_format={form}")
        outcome = run(*flags, "ingest")
        assert outcome.code == 0, outcome.err
        return sorted(rows(home, "bronze.telemetry"), key=lambda row: str(row["enqueued_at"]))

    return ingested


def test_every_form_gives_the_same_bronze(bronze: Callable[..., list[dict[str, Any]]]) -> None:
    sent = events()
    halves = (sent[:25], sent[25:])
    lines = bronze("lines", "json", {f"{i}.json": routed_json(half) for i, half in enumerate(halves)})
    routed = bronze("routed", "avro", {f"{i}.avro": routed_avro(half) for i, half in enumerate(halves)})
    capture = bronze(
        "capture",
        "avro",
        {CAPTURE.format(i): captured(half, 700, AT_MS) for i, half in enumerate(halves)},
    )
    places = {"partition_id", "sequence_number", "ingested_at"}
    contents = [
        [{name: value for name, value in row.items() if name not in places} for row in found]
        for found in (lines, routed, capture)
    ]
    assert len(lines) == len(sent)
    assert contents[0] == contents[1] == contents[2]
    assert [bytes(row["body"]) for row in lines] == [event.body for event in sent]
    assert {(row["partition_id"], row["sequence_number"]) for row in capture} == {
        (str(i), 700 + n) for i, half in enumerate(halves) for n in range(len(half))
    }


def test_broken_files_are_listed_and_stop_nothing(
    bronze: Callable[..., list[dict[str, Any]]], run: Run, rows: Rows, tmp_path: Path
) -> None:
    whole = routed_avro(events(), "null")
    files = {"a.avro": whole, "b.avro": whole[:-100], "c.avro": b"no Avro", "z.avro": whole}
    found = bronze("broken", "avro", files)
    assert run("--set", f"home={tmp_path / 'broken'}", "refine").code == 0
    assert len(found) == 2 * 40 + 2  # b is one block, cut
    listed = {
        row["partition_id"]: row["reasons"][0]
        for row in rows(tmp_path / "broken", "silver.quarantine")
        if row["reasons"][0]["code"] == "unreadable_file"
    }
    assert sorted(listed) == ["b.avro", "c.avro"]
    assert listed["b.avro"]["detail"].startswith("b.avro: 0 messages were read, then: ")
