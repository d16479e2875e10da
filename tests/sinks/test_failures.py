"""What was refused waits with its reason, counts its tries, and goes when it is delivered."""

import pytest

from battery_lake.lake.create import ensure
from battery_lake.sinks.failures import Failure, keep, settle, waiting


@pytest.fixture
def ready(lake):
    ensure(lake, ["ops.delivery_failure"])
    return lake


def test_refusals_are_kept_counted_and_settled(ready):
    assert keep(ready, "twins", []) == 0
    assert keep(ready, "twins", [Failure("a", "{}", "first"), Failure("b", "{}", "other")]) == 2
    keep(ready, "adx", [Failure("a", "[]", "not ours")])
    keep(ready, "twins", [Failure("a", '{"n": 2}', "second")])
    rows = {row.item_key: row for row in waiting(ready, "twins").collect()}
    assert {key: (row.tries, row.reason) for key, row in rows.items()} == {
        "a": (2, "second"),
        "b": (1, "other"),
    }
    assert rows["a"].payload == '{"n": 2}'
    assert settle(ready, "twins", ["a", "never there"]) == 1
    assert [row.item_key for row in waiting(ready, "twins").collect()] == ["b"]
    assert waiting(ready, "adx").count() == 1
