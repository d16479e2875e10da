"""One spelling of properties and instants, whatever way they came."""

# ruff: noqa: DTZ001 - an instant without a zone is one of the forms

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from battery_lake.sources.envelope import microseconds, milliseconds, properties

AT_MS = 1_768_003_201_250


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (AT_MS, AT_MS),
        (str(AT_MS), AT_MS),
        (b"2026-01-10T00:00:01.25Z", AT_MS),
        ("2026-01-10T00:00:01.2500000Z", AT_MS),
        ("2026-01-10 00:00:01.25", AT_MS),
        ("2026-01-10T02:00:01.250+02:00", AT_MS),
        ("1/10/2026 12:00:01 AM", AT_MS - 250),
        ("12/31/2026 11:59:59 PM", 1_798_761_599_000),
        ("13/1/2026 1:00:00 AM", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_an_instant_is_read_in_every_form_in_use(value, expected):
    assert milliseconds(value) == expected


@given(st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2199, 1, 1)))
def test_the_forms_of_an_instant_agree(at):
    at = at.replace(microsecond=0)
    american = f"{at.month}/{at.day}/{at.year} {at:%I:%M:%S %p}"
    assert milliseconds(american) == milliseconds(at.isoformat()) == milliseconds(at.isoformat() + "Z")


def test_names_of_the_routing_become_those_of_the_endpoint_and_the_first_of_a_name_counts():
    given_pairs = [
        ("connectionDeviceId", "V1"),
        (b"iothub-connection-device-id", b"V2"),
        ("enqueuedTime", "2026-01-10T00:00:01.25Z"),
        ("x-opt-offset", "8"),
        ("x-opt-partition-key", "V1"),
        ("own", True),
        ("count", 3),
    ]
    assert properties(given_pairs) == {
        "iothub-connection-device-id": "V1",
        "iothub-enqueuedtime": str(AT_MS),
        "x-opt-partition-key": "V1",
        "own": "true",
        "count": "3",
    }


def test_an_instant_that_spark_does_not_know_is_none():
    assert microseconds(AT_MS) == 1000 * AT_MS
    assert [microseconds(at) for at in (None, 10**15, -(10**15), 2**63)] == [None] * 4
