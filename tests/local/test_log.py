"""The log of a partition on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from battery_lake.errors import DataLossError
from battery_lake.local.eventhub.log import PartitionLog, Record, by_offset, by_sequence_number, by_time

if TYPE_CHECKING:
    from pathlib import Path


def everything(log: PartitionLog, limit: int = 1_000) -> list[Record]:
    found: list[Record] = []
    offset = 0
    while True:
        records, offset = log.read(offset, limit)
        if not records:
            return found
        found += records


def fill(log: PartitionLog, count: int, start_ms: int = 1_000, size: int = 50) -> None:
    for at in range(count):
        log.append([f"event {log.next_sequence_number}".encode().ljust(size)], start_ms + at)


BODIES = st.lists(st.binary(max_size=200), min_size=1, max_size=30)


@given(BODIES, st.integers(1, 40), st.integers(1, 500))
def test_a_reopened_log_gives_what_was_appended(
    tmp_path_factory: pytest.TempPathFactory, bodies: list[bytes], limit: int, segment_bytes: int
) -> None:
    folder = tmp_path_factory.mktemp("log")
    log = PartitionLog(folder, segment_bytes)
    for body in bodies:
        log.append([body], 5)
    log.close()
    again = PartitionLog(folder, segment_bytes)
    records = everything(again, limit)
    assert [record.body for record in records] == bodies
    assert [record.sequence_number for record in records] == list(range(len(bodies)))
    assert again.append([b"next"], 6) == len(bodies)
    again.close()


@given(BODIES, st.data())
def test_a_torn_end_is_cut_and_whole_records_stay(
    tmp_path_factory: pytest.TempPathFactory, bodies: list[bytes], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("log")
    log = PartitionLog(folder)
    log.append(bodies, 5)
    ends = [*[record.offset for record in everything(log)][1:], log.end_offset]
    log.close()
    (path,) = folder.glob("*.log")
    cut = data.draw(st.integers(0, path.stat().st_size))
    with path.open("r+b") as file:
        file.truncate(cut)
    again = PartitionLog(folder)
    whole = sum(end <= cut for end in ends)
    assert [record.body for record in everything(again)] == bodies[:whole]
    assert again.append([b"next"], 6) == whole
    assert everything(again)[-1].body == b"next"
    again.close()


def test_damage_before_the_last_segment_stops_with_a_reason(tmp_path: Path) -> None:
    log = PartitionLog(tmp_path, segment_bytes=200)
    fill(log, 20)
    log.close()
    first = min(tmp_path.glob("*.log"))
    damaged = bytearray(first.read_bytes())
    damaged[30] ^= 1
    first.write_bytes(damaged)
    with pytest.raises(DataLossError, match="damaged"):
        PartitionLog(tmp_path, segment_bytes=200)


@pytest.mark.parametrize("segment_bytes", [300, 1_000_000])
def test_seek_finds_the_first_record_that_reaches_a_value(tmp_path: Path, segment_bytes: int) -> None:
    log = PartitionLog(tmp_path, segment_bytes)
    for at in range(400):
        log.append([b"x" * (at % 7)], 1_000 + at // 3)
    records = everything(log)
    for column in (by_sequence_number, by_offset, by_time):
        for value in (-1, 0, 1, 130, 257, 1_000, 1_050, 1_133, 5_000, 9_000):
            expected = next((record.offset for record in records if column(record) >= value), log.end_offset)
            assert log.seek(column, value) == expected, (column, value)
    log.close()


def test_time_never_goes_back_within_a_partition(tmp_path: Path) -> None:
    log = PartitionLog(tmp_path)
    log.append([b"a"], 2_000)
    log.append([b"b"], 1_000)
    assert [record.enqueued_ms for record in everything(log)] == [2_000, 2_000]
    log.close()


def test_trimming_moves_the_beginning_and_survives_a_restart(tmp_path: Path) -> None:
    log = PartitionLog(tmp_path, segment_bytes=300)
    fill(log, 30)
    log.trim(log.offset_of(17))
    assert (log.begin, len(everything(log))) == (17, 13)
    files = len(list(tmp_path.glob("*.log")))
    log.close()
    again = PartitionLog(tmp_path, segment_bytes=300)
    assert (again.begin, again.next_sequence_number) == (17, 30)
    assert everything(again)[0].sequence_number == 17
    assert again.seek(by_sequence_number, 3) == again.begin_offset
    again.trim(again.end_offset)
    assert (again.begin, everything(again)) == (30, [])
    assert len(list(tmp_path.glob("*.log"))) < files
    assert again.append([b"after"], 9_000) == 30
    assert [record.sequence_number for record in everything(again)] == [30]
    again.close()


def test_clearing_starts_sequence_numbers_and_offsets_again(tmp_path: Path) -> None:
    log = PartitionLog(tmp_path, segment_bytes=300)
    fill(log, 30)
    log.clear()
    assert log.append([b"new"], 10) == 0
    assert [(record.sequence_number, record.offset) for record in everything(log)] == [(0, 0)]
    log.close()
