"""What stands in the landing folder, byte for byte."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from battery_lake.simulate.columns import PackMessages
from battery_lake.simulate.messages import DECIMALS, message_lines, write_landing

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SINGLE = [name for name in DECIMALS if name not in {"cell_voltages_v", "temperatures_c"}]
OPTIONAL = [
    "soc_pct", "cell_voltages_v", "temperatures_c", "insulation_kohm", "odometer_km", "latitude", "longitude",
]  # fmt: skip


def pack(rows: int, *, vehicle_id: str = "V1", **columns: Any) -> PackMessages:
    """A pack's messages, ten seconds apart, columns given replaced."""
    given_columns: dict[str, Any] = {
        "vehicle_id": vehicle_id,
        "pack_id": "P1",
        "measured_at_s": 1_767_254_410.0 + 10.0 * np.arange(rows),
        "sequence": np.arange(rows),
        "current_a": np.full(rows, 48.2),
        "pack_voltage_v": np.full(rows, 371.9),
    }
    return PackMessages(**(given_columns | columns))


def parsed(messages: PackMessages) -> list[dict[str, Any]]:
    """The messages' JSON lines, refusing what strict JSON has no word for."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    return [json.loads(line, parse_constant=refuse) for line in message_lines(messages)]


@st.composite
def packs(draw: st.DrawFn) -> PackMessages:
    """Any messages: float32 or float64, absent values, absent columns."""
    rows, cells, probes = draw(st.integers(0, 6)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
    shapes = dict.fromkeys(SINGLE, (rows,)) | {
        "cell_voltages_v": (rows, cells),
        "temperatures_c": (rows, probes),
    }
    value = st.one_of(st.floats(-500, 500, width=32), st.just(float("nan")))

    def column(shape: tuple[int, ...]) -> NDArray[np.floating[Any]]:
        size = int(np.prod(shape))
        values = draw(st.lists(value, min_size=size, max_size=size))
        return np.array(values, dtype=draw(st.sampled_from([np.float32, np.float64]))).reshape(shape)

    columns: dict[str, Any] = {name: column(shape) for name, shape in shapes.items()}
    columns |= dict.fromkeys(draw(st.sets(st.sampled_from(OPTIONAL))))
    states = st.sampled_from(["driving", "charging", "parked", None])
    columns["state"] = draw(
        st.none() | st.lists(states, min_size=rows, max_size=rows).map(lambda s: np.array(s, dtype=object))
    )
    return pack(rows, vehicle_id=draw(st.text(min_size=1, max_size=8)), **columns)


@given(packs())
def test_a_line_gives_back_what_was_put_in_to_the_resolution_of_the_sensors(messages: PackMessages) -> None:
    lines = parsed(messages)
    assert len(lines) == len(messages)
    for row, line in enumerate(lines):
        body = line["Body"]
        assert line["SystemProperties"]["connectionDeviceId"] == body["vehicle_id"] == messages.vehicle_id
        for name, decimals in DECIMALS.items():
            column = getattr(messages, name)
            if column is None or (column.ndim == 1 and np.isnan(column[row])):
                assert name not in body
                continue
            sent = np.array(body[name], dtype=float)  # null becomes NaN
            np.testing.assert_allclose(sent, column[row], atol=0.51 * 10.0**-decimals, rtol=0)
        said = None if messages.state is None else messages.state[row]
        assert body.get("state") == said


@given(st.floats(0, 500, width=32), st.sampled_from(sorted(DECIMALS)))
def test_no_number_has_more_digits_than_its_sensor(value: float, name: str) -> None:
    column = np.full((1, 2) if name in {"cell_voltages_v", "temperatures_c"} else 1, value, dtype=np.float32)
    numbers = np.atleast_1d(parsed(pack(1, **{name: column}))[0]["Body"][name]).tolist()
    assert all(len(repr(number).partition(".")[2]) <= DECIMALS[name] for number in numbers if number >= 1e-3)


def test_a_line_has_the_form_of_storage_routing() -> None:
    line = next(message_lines(pack(1, measured_at_s=np.array([1_767_254_410.0]))))
    assert line.endswith(b"}\n")
    assert line.startswith(b'{"EnqueuedTimeUtc":"2026-01-01T08:00:12.0000000Z","Properties":{')
    envelope = json.loads(line)
    assert list(envelope) == ["EnqueuedTimeUtc", "Properties", "SystemProperties", "Body"]
    system = envelope["SystemProperties"]
    assert system["enqueuedTime"] == envelope["EnqueuedTimeUtc"]
    assert (system["contentType"], system["contentEncoding"]) == ("application/json", "utf-8")
    assert json.loads(system["connectionAuthMethod"])["scope"] == "device"
    assert envelope["Body"] == {
        "schema_version": 1,
        "vehicle_id": "V1",
        "pack_id": "P1",
        "measured_at": "2026-01-01T08:00:10Z",
        "sequence": 0,
        "current_a": 48.2,
        "pack_voltage_v": 371.9,
    }


def test_fractions_of_a_second_are_kept_to_the_millisecond() -> None:
    (line,) = parsed(pack(1, measured_at_s=np.array([1_767_254_410.0625])))
    assert line["Body"]["measured_at"] == "2026-01-01T08:00:10.062Z"
    assert line["EnqueuedTimeUtc"] == "2026-01-01T08:00:12.0620000Z"


def test_an_absent_reading_in_a_list_is_null_and_keeps_its_place() -> None:
    messages = pack(1, temperatures_c=np.array([[24.0, np.nan, 25.5]]))
    assert parsed(messages)[0]["Body"]["temperatures_c"] == [24.0, None, 25.5]
    assert b"NaN" not in next(message_lines(messages))


def test_a_current_that_rounds_to_nothing_has_no_sign() -> None:
    assert b'"current_a":0.0,' in next(message_lines(pack(1, current_a=np.array([-0.0004]))))


def test_files_hold_all_messages_once_and_as_many_lines_as_asked(tmp_path: Path) -> None:
    pieces = [pack(7), pack(6, vehicle_id="V2", pack_id="P2")]
    assert write_landing(tmp_path, pieces, messages_per_file=5) == 13
    files = list(tmp_path.glob("*.json"))
    counts = sorted(len(file.read_bytes().splitlines()) for file in files)
    assert counts == [3, 5, 5]
    keys = [
        (body["pack_id"], body["sequence"])
        for file in files
        for body in (json.loads(line)["Body"] for line in file.read_bytes().splitlines())
    ]
    assert sorted(keys) == [("P1", n) for n in range(7)] + [("P2", n) for n in range(6)]


def test_a_second_run_leaves_the_files_as_they_are(tmp_path: Path) -> None:
    write_landing(tmp_path, [pack(12)], messages_per_file=5)
    before = {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in tmp_path.iterdir()}
    assert write_landing(tmp_path, [pack(12)], messages_per_file=5) == 12
    assert {f.name: (f.read_bytes(), f.stat().st_mtime_ns) for f in tmp_path.iterdir()} == before


def test_a_run_that_was_killed_is_completed_and_a_reader_never_saw_half_a_file(tmp_path: Path) -> None:
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    write_landing(whole, [pack(12)], messages_per_file=5)
    expected = {file.name: file.read_bytes() for file in whole.iterdir()}
    first, second, third = sorted(expected)

    def killed() -> Any:
        yield pack(5)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_landing(torn, killed(), messages_per_file=5)
    # As a kill within a write leaves it: some bytes under the name that readers pass over.
    (torn / f".{second}.partial").write_bytes(expected[second][:100])
    assert [file.name for file in torn.glob("[!.]*.json")] == [first]
    assert (torn / first).read_bytes() == expected[first]
    write_landing(torn, [pack(12)], messages_per_file=5)
    assert {file.name: file.read_bytes() for file in torn.iterdir()} == expected
    assert (torn / third).exists()


def test_other_content_never_takes_the_place_of_a_file_that_stands(tmp_path: Path) -> None:
    write_landing(tmp_path, [pack(3)])
    write_landing(tmp_path, [pack(3, current_a=np.full(3, -1.0))])
    assert len(list(tmp_path.glob("*.json"))) == 2
