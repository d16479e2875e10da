"""How places lie to what a hub holds, and what a move costs; no hub is needed."""

import datetime as dt

import pytest
from azure.eventhub.exceptions import AuthenticationError, ConnectionLostError, EventHubError
from hypothesis import given
from hypothesis import strategies as st

from battery_lake.errors import SettingsError
from battery_lake.sources.eventhubs.diagnosis import Standing, judged, missing_of_batch, moved
from battery_lake.sources.eventhubs.offsets import Place
from battery_lake.sources.eventhubs.planning import PartitionState
from battery_lake.sources.eventhubs.probe import Reason, why_refused

NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
numbers = st.integers(0, 1000)


def holds(first, following):
    return PartitionState(first, following, "0", NOON)


@pytest.mark.parametrize(
    ("place", "state", "standing", "waiting", "lost"),
    [
        (Place(20), holds(0, 20), Standing.UP_TO_DATE, 0, 0),
        (Place(20), holds(20, 20), Standing.UP_TO_DATE, 0, 0),
        (Place(20), holds(0, 25), Standing.WAITING, 5, 0),
        (Place(20), holds(20, 25), Standing.WAITING, 5, 0),
        (Place(20), holds(60, 70), Standing.GONE, 10, 40),
        (Place(20), holds(70, 70), Standing.GONE, 0, 50),
        (Place(20), holds(0, 5), Standing.FELL_BACK, 0, 0),
        (None, holds(3, 10), Standing.NEW, 7, 0),
        (Place(20), None, Standing.ABSENT, 0, 0),
    ],
)
def test_every_way_a_place_can_lie(place, state, standing, waiting, lost):
    (report,) = judged({"0": place} if place else {}, {"0": state} if state else {})
    assert (report.standing, report.waiting, report.lost) == (standing, waiting, lost)


def test_partitions_come_in_the_order_of_their_numbers():
    states = {str(number): holds(0, 1) for number in (10, 2, 1)}
    assert [report.partition for report in judged({"11": Place(0)}, states)] == ["1", "2", "10", "11"]


def test_a_planned_batch_lacks_what_the_hub_dropped_since():
    start = {"0": Place(20), "1": Place(5), "2": Place(9)}
    end = {"0": Place(50), "1": Place(8), "2": Place(9), "3": Place(4, first_number=1)}
    states = {"0": holds(30, 70), "1": holds(5, 70), "2": holds(60, 70), "3": holds(9, 9)}
    assert missing_of_batch(start, end, states) == {"0": (20, 30), "3": (1, 4)}
    assert missing_of_batch(start, end, {**states, "1": holds(0, 6)})["1"] == (5, 8)
    assert "1" in missing_of_batch(start, end, {name: states[name] for name in ("0", "2", "3")})


def test_a_move_says_what_is_lost_what_is_skipped_and_what_comes_again():
    start = {"0": Place(20, "77"), "1": Place(50), "9": Place(3)}
    states = {"0": holds(60, 70), "1": holds(40, 70), "2": holds(5, 8)}
    places, moves = moved(start, {"0": Place(65), "1": Place(45)}, states)
    assert {name: place.next_number for name, place in places.items()} == {"0": 65, "1": 45, "2": 5, "9": 3}
    told = [(m.partition, m.before, m.after, m.lost, m.skipped, m.again) for m in moves]
    assert told == [("0", 20, 65, 40, 5, 0), ("1", 50, 45, 0, 0, 5), ("2", 5, 5, 0, 0, 0)]


def test_a_partition_that_is_not_named_stays_even_where_its_events_are_gone():
    places, moves = moved({"0": Place(20)}, {"1": Place(3)}, {"0": holds(60, 70), "1": holds(0, 9)})
    assert places["0"] == Place(20)
    assert moves[0].lost == 0


@pytest.mark.parametrize("number", [59, 71])
def test_a_move_to_where_nothing_can_be_read_is_refused(number):
    with pytest.raises(SettingsError, match=f"from event {number} on") as fault:
        moved({}, {"0": Place(number)}, {"0": holds(60, 70)})
    assert "60 to 70" in fault.value.remedy


def test_a_move_of_a_partition_that_is_not_there_is_refused():
    with pytest.raises(SettingsError, match="no partition 7"):
        moved({}, {"7": Place(1)}, {"0": holds(0, 1)})


@given(first=numbers, held=numbers, place=numbers, share=st.floats(0, 1))
def test_every_event_before_the_new_place_is_accounted_for(first, held, place, share):
    state = holds(first, first + held)
    after = first + round(share * held)
    _, (move,) = moved({"0": Place(place)}, {"0": Place(after)}, {"0": state})
    assert min(move.lost, move.skipped, move.again) >= 0
    assert move.after == move.before + move.lost + move.skipped - move.again
    (report,) = judged({"0": Place(after)}, {"0": state})
    assert report.standing in {Standing.UP_TO_DATE, Standing.WAITING}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (ConnectionLostError("The group is not there.\nError condition: amqp:not-found"), Reason.NO_GROUP),
        (EventHubError("Exceeded.\nError condition: amqp:resource-limit-exceeded"), Reason.TOO_MANY),
        (EventHubError("A higher epoch exists.\nError condition: amqp:link:stolen"), Reason.EXCLUSIVE),
        (AuthenticationError("CBS Token authentication failed."), Reason.NOT_LET_IN),
        (OSError("timed out"), Reason.OTHER),
    ],
)
def test_what_a_refused_receiver_means(fault, reason):
    assert why_refused(fault).reason is reason


def test_a_refusal_holds_no_key():
    assert "topsecret" not in why_refused(EventHubError("SharedAccessKey=topsecret;x was refused")).text
