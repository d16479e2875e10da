"""How cells lay on a day: against a hand-made pack; what is not told is absent, and nothing raises."""

import datetime as dt

import numpy as np
import pytest

from battery_lake.cells.alerts import AlertParams
from battery_lake.cells.deviation import DeviationParams
from battery_lake.gold.alert import alert
from battery_lake.gold.alert_state import alert_inputs, alert_state, pack_alerts
from battery_lake.gold.cell_deviation import CellDeviationParams, cell_deviation
from battery_lake.lake.conform import schema_problems
from battery_lake.pipelines.alerts import safety_limits
from battery_lake.settings import Settings
from battery_lake.tables.registry import table

START = dt.datetime(2026, 3, 2, 8)  # noqa: DTZ001 - Spark takes UTC without a zone
CELLS = 12
PARAMS = CellDeviationParams(safety_limits(Settings().alerts))


def pack(pack_id, chemistry="NMC", rated_ah=150.0, cells=CELLS):
    return {"pack_id": pack_id, "chemistry": chemistry, "cells_in_series": cells,
            "rated_capacity_ah": rated_ah}  # fmt: skip


def messages(pack_id, count, voltage, **signals):
    """Messages a minute apart; a cell and its opposite differ, so that the pack has a spread."""
    return [
        {"pack_id": pack_id, "measured_at": START + dt.timedelta(minutes=n), "sequence": n,
         "cell_voltages_v": voltage, "current_a": 0.0, "temperatures_c": [20.0], **signals}
        for n in range(count)
    ]  # fmt: skip


def level(volts, **cells):
    values = np.full(CELLS, volts)
    for name, off in cells.items():
        values[int(name[1:])] += off
    return values.tolist()


@pytest.fixture(scope="module")
def days(frame):
    """One row a case, all made at once."""
    packs = [
        pack("LOW"), pack("SMALL", rated_ah=30.0), pack("TINY", rated_ah=3.0), pack("LFP", "LFP"),
        pack("PLATEAU", "LFP"), pack("FEW"), pack("ONE", cells=1), pack("BAD"), pack("FROZEN"), pack("TWO"),
    ]  # fmt: skip
    bad = [
        {"cell_voltages_v": None, "temperatures_c": None, "current_a": None},
        {"cell_voltages_v": [], "temperatures_c": [], "current_a": float("nan")},
        {"cell_voltages_v": [3.7] * 5, "temperatures_c": [None, float("nan")], "current_a": 0.0},
        {"cell_voltages_v": [None] * CELLS, "temperatures_c": [None], "current_a": -1.0},
    ]
    telemetry = [
        *messages("LOW", 12, level(3.9, c5=-0.03)),
        *messages("SMALL", 6, level(3.9), current_a=0.9),
        *[m | {"sequence": 100 + m["sequence"]} for m in messages("SMALL", 6, level(3.9), current_a=-1.1)],
        *messages("TINY", 12, level(3.9), current_a=0.4),
        *messages("LFP", 12, level(3.22, c5=-0.01)),
        *messages("PLATEAU", 12, level(3.30, c5=-0.01)),
        *messages("FEW", 9, level(3.9)),
        *messages("ONE", 12, [3.9]),
        *[messages("BAD", 8, None)[n] | bad[n % 4] for n in range(8)],
        *messages("FROZEN", 12, level(3.9)),
        *messages("TWO", 12, level(3.9, c2=-0.3, c9=0.25), temperatures_c=[56.0, 20.0, 21.0]),
    ]
    key = {"pack_id": "FROZEN", "measured_at": START}
    faults = [
        {**key, "sequence": 0, "code": "voltages_frozen"}, {**key, "sequence": 0, "code": "soc_frozen"},
        {**key, "sequence": 1, "code": "soc_frozen"}, {**key, "sequence": 2, "code": "soc_jump"},
    ]  # fmt: skip
    made = cell_deviation(
        frame("silver.telemetry", telemetry),
        frame("silver.signal_fault", faults),
        frame("reference.packs", packs),
        PARAMS,
    )
    assert schema_problems(made, table("gold.cell_deviation")) == []
    return {row.pack_id: row for row in made.collect()}


def test_a_cell_that_lies_low_differs_by_as_much_from_its_neighbours(days):
    row = days["LOW"]
    assert row.deviation_mv == pytest.approx([0.0] * 5 + [-30.0] + [0.0] * 6, abs=1e-9)
    assert row.band_deviation_mv == row.deviation_mv
    # Healthy neighbours are alike to the bit: the least spread; half a step of the sensor, as of 3 messages.
    assert row.spread_mv == pytest.approx(1.5)
    least = 0.5 * np.sqrt(1.0 + np.pi / 8) / np.sqrt(3.0)
    assert row.deviation_std_mv == pytest.approx([least] * CELLS)
    assert (row.messages, row.quiet_messages, row.far_off) == (12, 12, [])
    assert (row.temperature_max_c, row.hot_severity, row.plating_severity) == (20.0, None, None)
    assert (row.plating_excess_ah, row.plating_coldest_c, row.frozen_messages) == (0.0, None, 0)


def test_what_is_quiet_follows_the_size_of_the_pack(days):
    assert PARAMS.of("NMC", 150.0).quiet_a == pytest.approx(DeviationParams().quiet_a)
    assert (days["SMALL"].messages, days["SMALL"].quiet_messages) == (12, 6)
    assert days["TINY"].quiet_messages == 12


def test_trends_of_lfp_are_read_off_its_plateau(days):
    assert days["LFP"].band_deviation_mv[5] == pytest.approx(-10.0)
    assert days["LFP"].width_mv is not None
    assert days["PLATEAU"].deviation_mv[5] == pytest.approx(-10.0)
    assert days["PLATEAU"].band_deviation_mv == [None] * CELLS
    assert days["PLATEAU"].width_mv is None


def test_what_is_not_told_is_absent(days):
    assert days["FEW"].deviation_mv == [None] * CELLS
    assert days["ONE"].deviation_mv == [None]
    row = days["BAD"]
    assert (row.messages, row.quiet_messages, row.far_off) == (8, 0, None)
    assert (row.temperature_max_c, row.plating_excess_ah, row.spread_mv) == (None, None, None)


def test_frozen_messages_count_once_whatever_stood_still(days):
    assert (days["FROZEN"].frozen_messages, days["FROZEN"].frozen_first_at) == (2, START)


def test_every_cell_that_is_far_off_is_told_of_and_the_hottest_probe(days):
    row = days["TWO"]
    far = {
        cell.series_index: (round(cell.deviation_mv), cell.messages, cell.first_at) for cell in row.far_off
    }
    assert far == {2: (-300, 12, START), 9: (250, 12, START)}
    assert (row.hot_severity, row.hot_probe, row.hot_messages) == ("warning", 0, 12)
    assert (row.hot_temperature_c, row.hot_above_others_c) == (56.0, 35.0)


def test_nothing_gives_no_rows_in_the_form_of_the_contracts(frame):
    packs = frame("reference.packs", [])
    inputs = alert_inputs(frame("gold.cell_deviation", []), packs, frame("gold.alert_state", []))
    stepped = pack_alerts(inputs, AlertParams())
    for name, made in (("gold.alert", alert(stepped, packs)), ("gold.alert_state", alert_state(stepped))):
        assert schema_problems(made, table(name)) == []
        assert made.collect() == []
