"""Replayed vehicles: everything they sent, errors included."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from battery_lake.simulate.replay_vehicle import capacity_from_soc_ah, vehicle_recording

DATA = Path(__file__).parents[3] / "shared" / "data" / "ev_cell_faults"
needs_data = pytest.mark.skipif(not DATA.exists(), reason="the real data sets are not beside the repository")


def vehicle_file(folder: Path, seconds: list[int], status: list[int | None], speed_kmh: list[float]) -> Path:
    rows = len(seconds)
    table = pa.table({
        "vehicle_id": ["EV9"] * rows,
        "measured_at": pa.array(
            np.datetime64("2021-05-05T09:10:00", "ms") + np.array(seconds) * np.timedelta64(1_000, "ms")
        ),
        "charge_status": pa.array(status, pa.int8()),
        "speed_kmh": pa.array(speed_kmh, pa.float32()),
        "odometer_km": [0.0] * rows,
        "pack_voltage_v": pa.array([7.4] * rows, pa.float32()),
        "current_a": pa.array([-1.0] * rows, pa.float32()),
        "soc_pct": pa.array([50.0] * rows, pa.float32()),
        "cell_voltages_v": pa.array([[3.7, 66.5]] * rows, pa.list_(pa.float32())),
        "temperatures_c": pa.array([[25.0, None]] * rows, pa.list_(pa.float32())),
    })
    pq.write_table(table, folder / "EV9.parquet")
    return folder / "EV9.parquet"


def test_the_state_follows_from_status_and_speed_and_is_absent_where_not_sent(tmp_path: Path) -> None:
    path = vehicle_file(tmp_path, [0, 10, 20, 30, 40], [1, 3, 3, 4, None], [0.0, 30.0, 0.0, 0.0, 0.0])
    state = vehicle_recording(path).messages.state
    assert state is not None
    assert state.tolist() == ["charging", "driving", "parked", "parked", None]


def test_a_change_of_state_is_sent_before_the_interval_is_over(tmp_path: Path) -> None:
    seconds = list(range(30))
    speed_kmh = [0.0] * 4 + [20.0] * 26
    messages = vehicle_recording(vehicle_file(tmp_path, seconds, [3] * 30, speed_kmh)).messages
    assert (messages.measured_at_s - messages.measured_at_s[0]).tolist() == [0.0, 4.0, 14.0, 24.0]
    assert messages.sequence.tolist() == [0, 1, 2, 3]


def test_what_was_sent_wrong_is_sent_wrong_again(tmp_path: Path) -> None:
    messages = vehicle_recording(vehicle_file(tmp_path, [0, 10], [3, 3], [0.0, 0.0])).messages
    assert messages.cell_voltages_v is not None
    assert messages.temperatures_c is not None
    assert messages.odometer_km is not None
    np.testing.assert_allclose(messages.cell_voltages_v, [[3.7, 66.5]] * 2, atol=1e-5)
    np.testing.assert_array_equal(messages.temperatures_c, [[25.0, np.nan]] * 2)
    assert messages.odometer_km.tolist() == [0.0, 0.0]


@given(st.floats(20.0, 300.0), st.floats(-80.0, 80.0).filter(lambda amps: abs(amps) > 5), st.integers(5, 90))
def test_the_capacity_behind_a_soc_is_found_again(capacity_ah: float, amps: float, change_pct: int) -> None:
    hours = capacity_ah * change_pct / 100 / abs(amps)
    time_s = np.linspace(0, 3_600 * hours, max(2, int(3_600 * hours / 90) + 2))
    soc_pct = 50 + np.sign(amps) * np.linspace(-change_pct / 2, change_pct / 2, len(time_s))
    found = capacity_from_soc_ah(time_s, np.full(len(time_s), amps), soc_pct)
    assert found == pytest.approx(capacity_ah)


def test_a_capacity_is_not_read_across_a_gap() -> None:
    time_s = np.array([0.0, 30.0, 3_600.0, 3_630.0])
    assert np.isnan(capacity_from_soc_ah(time_s, np.zeros(4), np.array([20.0, 21.0, 79.0, 80.0])))


@needs_data
@pytest.mark.parametrize(
    ("name", "cells", "probes", "rows"),
    [("EV1", 96, 24, 6_676), ("EV2", 88, 19, 14_080), ("EV3", 87, 23, 49_118)],
)
def test_a_real_vehicle_keeps_its_quirks(name: str, cells: int, probes: int, rows: int) -> None:
    messages = vehicle_recording(DATA / f"{name}.parquet").messages
    assert messages.pack_id == f"PACK-{name}"
    assert messages.cell_voltages_v is not None
    assert messages.temperatures_c is not None
    assert messages.odometer_km is not None
    assert messages.cell_voltages_v.shape == (rows, cells)
    assert messages.temperatures_c.shape == (rows, probes)
    assert (np.diff(messages.measured_at_s) > 0).all()
    impossible = ((messages.cell_voltages_v < 1) | (messages.cell_voltages_v > 5)).any(axis=1).sum()
    assert (impossible > 0) == (name in {"EV1", "EV2"})
    assert ((messages.odometer_km == 0).sum() > 0) == (name == "EV3")
    assert np.isnan(messages.temperatures_c).any() == (name == "EV3")


@needs_data
def test_a_vehicle_can_be_moved_to_another_clock() -> None:
    clock = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    moved = vehicle_recording(DATA / "EV2.parquet", starts_at=clock).messages.measured_at_s
    own = vehicle_recording(DATA / "EV2.parquet").messages.measured_at_s
    np.testing.assert_allclose(moved - moved[0], own - own[0])
    assert moved[0] == clock.timestamp()
