"""Replayed laboratory cells, on the real recordings."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from battery_lake.simulate.replay_lab import (
    NASA_STARTS_AT,
    REST_AFTER_CHARGE_S,
    REST_AFTER_DISCHARGE_S,
    REST_WHERE_A_STEP_IS_MISSING_S,
    LabRecording,
    calce_recording,
    nasa_recording,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

DATA = Path(__file__).parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.exists(), reason="the real data sets are not beside the repository")


@pytest.fixture(scope="module", params=["B0005", "B0006"])
def nasa(request: pytest.FixtureRequest) -> LabRecording:
    return nasa_recording(DATA / "nasa_pcoe" / f"{request.param}.parquet")


@pytest.fixture(scope="module", params=["CS2_35", "CS2_36"])
def calce(request: pytest.FixtureRequest) -> tuple[LabRecording, pa.Table]:
    path = DATA / "calce_cs2" / f"{request.param}.parquet"
    return calce_recording(path), pq.read_table(path)


def discharges(current_a: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    """Rows of each uninterrupted discharge."""
    flows = np.concatenate([[False], current_a < -0.05, [False]])
    edges = np.flatnonzero(flows[1:] != flows[:-1])
    return [np.arange(first, last) for first, last in zip(edges[::2], edges[1::2], strict=True)]


def nasa_table(steps: list[tuple[str, int, list[float], list[float]]]) -> pa.Table:
    """Steps (kind, number, currents, voltages) in the form of the NASA set, ten seconds a sample."""
    rows: list[dict[str, Any]] = [
        {
            "cell_id": "B0099",
            "step": kind,
            "cycle_number": number,
            "elapsed_s": 10.0 * index,
            "voltage_v": volt,
            "current_a": amps,
            "temperature_c": 24.0,
            "measured_capacity_ah": 1.9 if kind == "discharge" else None,
        }
        for kind, number, currents, volts in steps
        for index, (amps, volt) in enumerate(zip(currents, volts, strict=True))
    ]
    return pa.Table.from_pylist(rows)


def test_steps_alternate_on_one_clock_with_the_assumed_pauses(tmp_path: Path) -> None:
    steps = [
        ("charge", 1, [1.5, 1.5], [3.6, 4.2]),
        ("discharge", 1, [-2.0, -2.0, 0.0], [4.0, 2.6, 3.0]),
        ("charge", 2, [1.5, 1.5], [3.6, 4.2]),
    ]
    pq.write_table(nasa_table(steps), tmp_path / "B0099.parquet")
    recording = nasa_recording(tmp_path / "B0099.parquet")
    measured_at_s = recording.messages.measured_at_s
    assert measured_at_s[0] == NASA_STARTS_AT.timestamp()
    pauses = [10.0, REST_AFTER_CHARGE_S, 10.0, 10.0, REST_AFTER_DISCHARGE_S, 10.0]
    np.testing.assert_allclose(np.diff(measured_at_s), pauses)
    assert recording.ended_at_s.tolist() == [measured_at_s[3]]
    np.testing.assert_allclose(recording.capacity_ah, [1.9])


def test_spurious_rows_of_the_tester_are_left_out(tmp_path: Path) -> None:
    steps = [
        ("charge", 1, [0.0, -3.4, 1.5, 1.5], [8.39, 3.0, 3.6, 4.2]),
        ("discharge", 1, [-2.0, -2.0], [4.0, 2.6]),
        ("charge", 2, [0.0, 0.0, 0.0], [0.236, 4.985, 4.213]),
    ]
    pq.write_table(nasa_table(steps), tmp_path / "B0099.parquet")
    messages = nasa_recording(tmp_path / "B0099.parquet").messages
    np.testing.assert_allclose(messages.pack_voltage_v, [3.6, 4.2, 4.0, 2.6])
    assert messages.sequence.tolist() == [0, 1, 2, 3]


@needs_data
def test_thinned_nasa_discharges_count_to_the_measured_capacity(nasa: LabRecording) -> None:
    messages = nasa.messages
    runs = discharges(messages.current_a)
    assert len(runs) == len(nasa.capacity_ah) == 168
    counted = []
    for run in runs:
        # The laboratory's rule: down to the first sample under 2.7 V.
        below = np.flatnonzero(messages.pack_voltage_v[run] < 2.7)
        rows = np.arange(run[0] - 1, run[below[0]] + 1)
        counted.append(-np.trapezoid(messages.current_a[rows], messages.measured_at_s[rows]) / 3_600)
    np.testing.assert_allclose(counted, nasa.capacity_ah, rtol=0.0005)


@needs_data
def test_a_nasa_charge_puts_back_what_the_discharge_before_took_out(nasa: LabRecording) -> None:
    messages = nasa.messages
    step_s = np.diff(messages.measured_at_s)
    trapezoid_ah = step_s * (messages.current_a[1:] + messages.current_a[:-1]) / 7_200
    within_step = step_s < REST_AFTER_CHARGE_S / 2
    charge_ah = np.append(0.0, np.cumsum(np.where(within_step, trapezoid_ah, 0.0)))
    full = np.array([run[0] - 1 for run in discharges(messages.current_a)])
    unknown_step = np.array([
        step_s[first:last].max() > REST_WHERE_A_STEP_IS_MISSING_S / 2 for first, last in pairwise(full)
    ])
    balance_ah = np.diff(charge_ah[full])
    assert np.abs(balance_ah[~unknown_step]).max() < 0.06
    # After discharge 11 one is missing, after 30 a full cell is topped up, after 90 a charge is missing.
    assert (np.flatnonzero(unknown_step) + 1).tolist() == [11, 30, 90]
    assert balance_ah[unknown_step] == pytest.approx([1.75, 0.03, -1.61], abs=0.02)


@needs_data
def test_a_nasa_cell_stays_within_its_budget_of_messages(nasa: LabRecording) -> None:
    assert 30_000 < len(nasa.messages) < 40_000
    assert (np.diff(nasa.messages.measured_at_s) > 0).all()
    assert nasa.messages.soc_pct is None


@needs_data
def test_thinned_calce_discharges_count_to_the_testers_counter(calce: tuple[LabRecording, pa.Table]) -> None:
    recording, table = calce
    messages = recording.messages
    dense_s = table["measured_at"].to_numpy().astype("datetime64[ms]").astype(np.int64) / 1_000
    dense_a = table["current_a"].to_numpy()
    counter_ah = table["discharge_counter_ah"].to_numpy().astype(float)
    file = table["source_file"].to_numpy()
    whole = {dense_s[run[0]]: run for run in discharges(dense_a)}
    checked = 0
    for run in discharges(messages.current_a):
        rows = whole[messages.measured_at_s[run[0]]]
        if len(rows) < 20 or file[rows[0]] != file[rows[-1]]:
            continue
        counted = -np.trapezoid(messages.current_a[run], messages.measured_at_s[run]) / 3_600
        assert counted == pytest.approx(counter_ah[rows[-1]] - counter_ah[rows[0]], rel=0.005)
        checked += 1
    assert checked > 850


@needs_data
def test_calce_truth_falls_smoothly_and_leaves_out_broken_cycles(
    calce: tuple[LabRecording, pa.Table],
) -> None:
    recording, _ = calce
    capacity_ah = recording.capacity_ah
    assert 850 < len(capacity_ah) < 970
    assert capacity_ah[0] == pytest.approx(1.14, abs=0.01)
    assert capacity_ah[-1] < 0.35
    assert np.median(np.abs(np.diff(capacity_ah))) < 0.005
    assert (np.diff(recording.ended_at_s) > 0).all()


@needs_data
def test_a_calce_cell_keeps_its_own_clock_unless_another_is_given() -> None:
    path = DATA / "calce_cs2" / "CS2_35.parquet"
    own = calce_recording(path).messages.measured_at_s
    assert own[0] == dt.datetime(2010, 8, 16, 13, 44, 57, tzinfo=dt.UTC).timestamp()
    clock = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    moved = calce_recording(path, starts_at=clock).messages.measured_at_s
    assert moved[0] == clock.timestamp()
    np.testing.assert_allclose(np.diff(moved), np.diff(own))
    assert (np.diff(own) >= 0).all()
    assert 60_000 < len(own) < 95_000
