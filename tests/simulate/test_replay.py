"""Replaying whole folders: what is written, and what is said when it cannot be."""

from __future__ import annotations

import csv
import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from battery_lake.errors import ReferenceDataError, SettingsError
from battery_lake.simulate.replay import replay

DATA = Path(__file__).parents[3] / "shared" / "data"
CLOCK = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def small_calce(folder: Path) -> None:
    """A cell of three full cycles a day apart, in the form of the CALCE set."""
    minutes = np.arange(120)
    discharging = minutes >= 60
    day = np.repeat(np.arange(3), 120)
    minute = np.tile(minutes, 3)
    current = np.tile(np.where(discharging, -1.1, 1.1), 3)
    counter = np.tile(np.where(discharging, 1.1 * (minutes - 59) / 60, 0.0), 3) * (1 - 0.01 * day)
    begins = np.datetime64("2010-08-16T00:00", "ms")
    offsets = (day * 1_440 + minute) * np.timedelta64(60_000, "ms")
    folder.mkdir(parents=True)
    table = pa.table({
        "cell_id": ["CS2_99"] * 360,
        "measured_at": pa.array(begins + offsets),
        "step_index": pa.array(np.tile(np.where(discharging, 7, 2), 3), pa.int16()),
        "current_a": pa.array(current, pa.float32()),
        "voltage_v": pa.array(np.tile(3.5 + 0.01 * minutes % 0.6, 3), pa.float32()),
        "discharge_counter_ah": pa.array(counter, pa.float32()),
        "source_file": [f"file_{index}" for index in day],
    })
    pq.write_table(table, folder / "CS2_99.parquet")


def landed(folder: Path) -> list[dict[str, Any]]:
    lines = [line for file in sorted(folder.glob("*.json")) for line in file.read_bytes().splitlines()]
    return [json.loads(line)["Body"] for line in lines]


def test_a_folder_becomes_messages_reference_and_truth(tmp_path: Path) -> None:
    small_calce(tmp_path / "data" / "calce_cs2")
    told: list[tuple[str, int]] = []
    summary = replay(
        tmp_path / "data",
        tmp_path / "landing",
        tmp_path / "reference",
        tmp_path / "truth",
        clock=CLOCK,
        progress=lambda pack_id, count: told.append((pack_id, count)),
    )
    bodies = landed(tmp_path / "landing")
    assert told == [("CS2_99", len(bodies))]
    assert (summary.packs, summary.messages, summary.truth_rows) == (1, len(bodies), 3)
    first = min(bodies, key=lambda body: body["sequence"])
    assert (first["vehicle_id"], first["measured_at"]) == ("LAB-CS2_99", "2026-01-01T00:00:00Z")
    assert "soc_pct" not in first
    assert "state" not in first
    with (tmp_path / "reference" / "packs.csv").open() as file:
        (pack,) = csv.DictReader(file)
    assert (pack["chemistry"], pack["rated_capacity_ah"], pack["eol_soh_pct"]) == ("LCO", "1.1", "70.0")
    with (tmp_path / "reference" / "pack_assignment.csv").open() as file:
        (assignment,) = csv.DictReader(file)
    assert assignment["vehicle_id"] == "LAB-CS2_99"
    assert dt.datetime.fromisoformat(assignment["valid_from"]) == CLOCK
    truth = pq.read_table(tmp_path / "truth" / "CS2_99.parquet").to_pylist()
    assert [row["as_of_date"].day for row in truth] == [1, 2, 3]
    assert [row["cell_id"] for row in truth] == ["CS2_99/01/01"] * 3
    np.testing.assert_allclose([row["soh_pct"] for row in truth], [100.0, 99.0, 98.0], atol=1e-4)
    assert {row["resistance_mohm"] for row in truth} == {None}


def test_replaying_again_changes_nothing(tmp_path: Path) -> None:
    small_calce(tmp_path / "data" / "calce_cs2")
    outputs = [tmp_path / name for name in ("landing", "reference", "truth")]
    first = replay(tmp_path / "data", *outputs)
    before = {file: file.read_bytes() for folder in outputs for file in folder.iterdir()}
    assert replay(tmp_path / "data", *outputs) == first
    assert {file: file.read_bytes() for folder in outputs for file in folder.iterdir()} == before


def test_nothing_to_replay_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(ReferenceDataError, match="nothing to replay") as caught:
        replay(tmp_path, tmp_path / "l", tmp_path / "r", tmp_path / "t")
    assert str(tmp_path) in caught.value.why
    assert not (tmp_path / "l").exists()


def test_an_unknown_set_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="severson") as caught:
        replay(tmp_path, tmp_path / "l", tmp_path / "r", tmp_path / "t", sets=("severson",))
    assert "nasa_pcoe" in caught.value.why


def test_a_file_of_another_form_is_named(tmp_path: Path) -> None:
    (tmp_path / "nasa_pcoe").mkdir()
    pq.write_table(pa.table({"cell_id": ["B0005"]}), tmp_path / "nasa_pcoe" / "B0005.parquet")
    with pytest.raises(ReferenceDataError, match=r"B0005\.parquet"):
        replay(tmp_path, tmp_path / "l", tmp_path / "r", tmp_path / "t")


@pytest.mark.skipif(not DATA.exists(), reason="the real data sets are not beside the repository")
def test_the_real_sets_replay_whole(tmp_path: Path) -> None:
    summary = replay(DATA, tmp_path / "landing", tmp_path / "reference", tmp_path / "truth")
    assert summary.packs == 7
    lines = sum(file.read_bytes().count(b"\n") for file in (tmp_path / "landing").glob("*.json"))
    assert lines == summary.messages
    assert {file.stem for file in (tmp_path / "truth").iterdir()} == {"B0005", "B0006", "CS2_35", "CS2_36"}
    with (tmp_path / "reference" / "packs.csv").open() as file:
        rated = {row["pack_id"]: float(row["rated_capacity_ah"]) for row in csv.DictReader(file)}
    assert [rated[f"PACK-EV{n}"] for n in (1, 2, 3)] == [114.0, 111.0, 116.0]
