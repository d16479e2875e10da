"""Messages with one key: the choice depends on the messages alone, never on the order of arrival."""

# ruff: noqa: DTZ001 - Spark hands over UTC without a zone

import datetime as dt
import itertools

import pytest

from battery_lake.silver.duplicates import CONFLICT, DUPLICATE, KEPT, copies, verdicts
from battery_lake.silver.telemetry import CONTENT, first_of_key
from battery_lake.tables.silver import TELEMETRY

AT = dt.datetime(2026, 1, 10)


def row(place, enqueued_s=0, current_a=1.0, sequence=1, **more):
    return {
        "pack_id": "P1", "measured_at": AT, "sequence": sequence, "vehicle_id": "V1", "current_a": current_a,
        "flags": [], "enqueued_at": AT + dt.timedelta(seconds=enqueued_s), "hub": "h", "partition_id": "f",
        "sequence_number": place, "message_index": 0, **more,
    }  # fmt: skip


@pytest.fixture(scope="session")
def judge(frame):
    def run(arrived, stored=()):
        came, there = (frame(TELEMETRY.name, list(rows)) for rows in (arrived, stored))
        found = verdicts(copies(came), there).collect()
        return {(r.sequence_number, r.is_stored): r.verdict for r in found}

    return run


def test_the_copy_that_the_hub_took_first_is_kept(judge):
    first, same, other = row(5, 1), row(1, 2), row(2, 3, current_a=9.0)
    expected = {(5, False): KEPT, (1, False): DUPLICATE, (2, False): CONFLICT}
    for order in itertools.permutations([first, same, other]):
        assert judge(order) == expected


def test_what_is_stored_gives_way_to_an_earlier_message(judge):
    assert judge([row(1, 0)], [row(2, 5, current_a=2.0)]) == {(1, False): KEPT, (2, True): CONFLICT}
    assert judge([row(1, 9)], [row(2, 5, current_a=2.0)]) == {(1, False): CONFLICT, (2, True): KEPT}


def test_a_copy_taken_at_the_same_instant_does_not_replace_what_is_stored(judge):
    assert judge([row(1)], [row(2)]) == {(1, False): DUPLICATE, (2, True): KEPT}


def test_a_batch_that_runs_again_finds_its_own_rows_and_counts_them_once(judge):
    assert judge([row(1)], [row(1)]) == {(1, True): KEPT}


def test_other_keys_in_store_have_no_say(judge):
    assert judge([row(1)], [row(2, sequence=2)]) == {(1, False): KEPT}


def test_first_of_key_makes_the_same_choice(frame):
    rows = [row(3, 2), row(2, 1, current_a=2.0), row(1, 1, current_a=2.0), row(4, sequence=2)]
    for order in (rows, rows[::-1]):
        kept = first_of_key(frame(TELEMETRY.name, order)).collect()
        assert {r.sequence_number for r in kept} == {1, 4}


def test_flags_and_place_are_no_content_and_every_signal_is():
    assert set(CONTENT) == {
        "vehicle_id", "state", "current_a", "pack_voltage_v", "soc_pct", "cell_voltages_v",
        "cell_voltage_min_v", "cell_voltage_max_v", "temperatures_c", "insulation_kohm",
        "odometer_km", "latitude", "longitude",
    }  # fmt: skip
