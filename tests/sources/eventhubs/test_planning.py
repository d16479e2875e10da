"""How far a batch goes: within the limits, in every partition, and never past what is lost in silence."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from battery_lake.errors import DataLossError
from battery_lake.sources.eventhubs.offsets import Offsets, Place, from_json
from battery_lake.sources.eventhubs.planning import PartitionState, end_of_batch, shares, up_to
from battery_lake.sources.eventhubs.source import ranges

AT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def state(first, following, offset=None):
    return PartitionState(first, following, str(following * 100) if offset is None else offset, AT)


def ended(start, states, max_events=None, max_bytes=None, *, strict=True):
    return end_of_batch(
        start, states, max_events=max_events, max_bytes=max_bytes, fail_on_data_loss=strict
    )  # fmt: skip


def at(**numbers):
    return Offsets("h", {name: Place(number) for name, number in numbers.items()})


BACKLOGS = st.dictionaries(st.sampled_from("0123456789"), st.integers(0, 10_000), min_size=1)


@given(BACKLOGS, st.integers(1, 20_000))
def test_shares_keep_the_limit_starve_no_partition_and_never_exceed_what_waits(backlog, limit):
    found = shares(backlog, limit)
    assert all(0 <= found[name] <= waiting for name, waiting in backlog.items())
    assert all(found[name] > 0 for name, waiting in backlog.items() if waiting)
    assert sum(found.values()) < limit + len(backlog)


@given(BACKLOGS, st.integers(50, 5_000))
def test_capped_batches_read_everything_once(backlog, limit):
    states = {name: state(7, 7 + waiting) for name, waiting in backlog.items()}
    reached, read = Offsets("h", {name: Place(7) for name in states}), dict.fromkeys(states, 7)
    while True:
        end = ended(reached, states, limit)
        batch = ranges(reached, end)
        if not batch:
            break
        for part in batch:
            assert part.start == read[part.partition]
            read[part.partition] = part.end
        reached = end
    assert read == {name: 7 + waiting for name, waiting in backlog.items()}


def test_without_limits_a_batch_goes_to_the_end_and_keeps_the_offset_of_it():
    end = ended(at(a=3), {"a": state(0, 10)})
    assert end.places["a"] == Place(10, offset="1000")


def test_bytes_are_counted_by_the_services_offsets():
    start = Offsets("h", {"a": Place(10, offset="1000")})
    assert ended(start, {"a": state(0, 110)}, max_bytes=5_000).places["a"].next_number == 60


def test_a_partition_that_joins_is_read_from_its_oldest_event_and_again_the_same():
    start = at(a=5)
    end = ended(start, {"a": state(0, 5), "b": state(20, 30)})
    (joined,) = ranges(start, end)
    assert (joined.partition, joined.start, joined.end) == ("b", 20, 30)
    again = from_json(end.as_json(), "h")
    assert ranges(start, again) == ranges(start, end)
    assert ranges(end, ended(again, {"a": state(0, 5), "b": state(25, 30)})) == []


def test_events_that_retention_removed_unread_are_an_error_with_partition_and_range_or_passed_over():
    with pytest.raises(DataLossError, match="partition a: events 5 to 7 are gone"):
        ended(at(a=5), {"a": state(8, 12)})
    assert ended(at(a=5), {"a": state(8, 12)}, strict=False).places["a"].next_number == 12


@pytest.mark.parametrize("strict", [True, False])
def test_a_hub_that_was_created_anew_stops_with_the_remedy(strict):
    with pytest.raises(DataLossError, match="new checkpoint"):
        ended(at(a=50), {"a": state(0, 3)}, strict=strict)


def test_offsets_of_another_hub_or_a_later_version_are_refused():
    stored = at(a=1).as_json()
    assert from_json(stored, "h") == at(a=1)
    with pytest.raises(DataLossError, match="another hub"):
        from_json(stored, "other")
    with pytest.raises(DataLossError, match="version"):
        from_json({**stored, "v": 2}, "h")


def test_a_run_that_is_to_end_does_not_read_what_came_after_its_start():
    then = {"0": state(0, 100, "900"), "1": state(0, 50)}
    now = {"0": state(0, 180, "1700"), "1": state(0, 50), "2": state(0, 7)}
    assert up_to(then, now) == {"0": state(0, 100, "900"), "1": state(0, 50)}


@given(BACKLOGS, st.integers(1, 5_000), st.integers(0, 900))
def test_capped_batches_come_to_the_target_and_stop_there(backlog, limit, more):
    then = {name: state(0, waiting) for name, waiting in backlog.items()}
    now = {name: state(0, waiting + more) for name, waiting in backlog.items()}
    place, batches = Offsets("hub", {}), 0
    while (end := ended(place, up_to(then, now), limit)) != place and batches <= 10_000:
        place, batches = end, batches + 1
    assert {name: at.next_number for name, at in place.places.items()} == backlog


def test_a_run_ends_although_retention_has_passed_its_target():
    then, now = {"0": state(0, 100)}, {"0": state(150, 200)}
    with pytest.raises(DataLossError):
        ended(at(**{"0": 40}), up_to(then, now))
    start = at(**{"0": 40})
    assert ended(start, up_to(then, now), strict=False).places["0"].next_number == 40


def test_a_hub_that_was_created_anew_is_seen_in_a_run_that_is_to_end():
    with pytest.raises(DataLossError, match="ends before the place"):
        ended(at(**{"0": 90}), up_to({"0": state(0, 100)}, {"0": state(0, 3)}))
