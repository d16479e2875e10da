"""From tables of the lake to Data Explorer: what it shows is what gold holds, whatever happens between."""

from __future__ import annotations

import dataclasses
import datetime as dt
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from battery_lake.clock import utc_now
from battery_lake.errors import DataLossError, RemoteError, SettingsError
from battery_lake.lake.create import ensure
from battery_lake.lake.versions import identity
from battery_lake.lake.write import append_once, upsert
from battery_lake.pipelines.push_adx import (
    Push,
    explorer,
    push,
    push_anew,
    push_days,
    push_refused,
    pushed_tables,
)
from battery_lake.pipelines.registry import PIPELINES
from battery_lake.serving.explorer import PUSHED
from battery_lake.serving.kql import MAPPING
from battery_lake.sinks.adx.progress import Progress, State
from battery_lake.sinks.failures import waiting

from .conftest import all_commands

if TYPE_CHECKING:
    from battery_lake.lake.access import Lake
    from battery_lake.local.kusto import KustoStandIn
    from battery_lake.sinks.adx.client import ExplorerClient

ALERT, SESSION, STATUS = (PUSHED[f"gold.{name}"] for name in ("alert", "session", "vehicle_status"))
TELEMETRY = PUSHED["silver.telemetry"]
DAY = dt.datetime(2026, 3, 1)  # noqa: DTZ001 - Spark's instants are UTC without a zone
NUMBERS = count()
Frame = "Callable[[str, list[dict[str, Any]]], DataFrame]"


def alert(cell: int, severity: str = "info", day: int = 0) -> dict[str, Any]:
    return {
        "pack_id": "P1", "cell_id": f"P1/01/{cell:02d}", "code": "knee", "severity": severity,
        "raised_at": DAY + dt.timedelta(days=day, hours=cell), "evidence": '{"soh_pct": 81.5}',
    }  # fmt: skip


def add(lake: Lake, frame: Frame, name: str, *rows: dict[str, Any]) -> None:
    """Append rows that are new: far cheaper than a MERGE."""
    append_once(lake, name, frame(name, list(rows)), writer="test", number=next(NUMBERS))


@pytest.fixture
def pushing(lake: Lake, standin: KustoStandIn, client: ExplorerClient) -> Lake:
    """A lake whose settings name the stand-in; its tables there are empty."""
    adx = lake.settings.adx.model_copy(
        update={"cluster": standin.address, "checked_only": False, "patience_s": 20.0}
    )
    settings = lake.settings.model_copy(update={"adx": adx})
    for pushed in (ALERT, SESSION, STATUS):
        client.manage(f".clear table {pushed.landing} data")
    made = dataclasses.replace(lake, settings=settings)
    ensure(made, ("gold.alert", "gold.session", "gold.vehicle_status"))
    return made


def comparable(value: Any) -> Any:
    """Instants in UTC, days as their first instant."""
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=None)
    if isinstance(value, dt.date):
        return dt.datetime.combine(value, dt.time())  # as Spark's, without a zone
    return value


def by_key(rows: list[dict[str, Any]], name: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    key = PUSHED[name].contract.key
    plain = [{column: comparable(value) for column, value in row.items()} for row in rows]
    found = {tuple(row[column] for column in key): row for row in plain}
    assert len(found) == len(rows), "a key is there twice"
    return found


def assert_same(lake: Lake, client: ExplorerClient, name: str) -> None:
    gold = [row.asDict(recursive=True) for row in lake.read(name).collect()]
    assert by_key(client.query(PUSHED[name].name), name) == by_key(gold, name)


def misread(client: ExplorerClient, landing: str, kind: str, column: str, of: str) -> None:
    """Let a table's mapping fill a column from another that is none of its type."""
    entry = f'[{{"Column": "{column}", "Properties": {{"Path": "$.{of}"}}}}]'
    client.manage(f'.create-or-alter table {landing} ingestion {kind} mapping "{MAPPING}" ```{entry}```')


def mend(client: ExplorerClient, *landings: str) -> None:
    for command in all_commands():
        if command.startswith(tuple(f".create-or-alter table {name} ingestion" for name in landings)):
            client.manage(command)


def landed(client: ExplorerClient, name: str) -> int:
    return int(client.query(f"{PUSHED[name].landing} | count")[0]["Count"])


def test_inserts_updates_and_deletions_arrive_and_a_second_push_sends_nothing(
    pushing: Lake, client: ExplorerClient, frame: Frame
) -> None:
    add(pushing, frame, "gold.alert", *(alert(i) for i in range(10)))
    assert push(pushing, client, ALERT).rows_in == 10
    upsert(pushing, "gold.alert", frame("gold.alert", [alert(i, "critical") for i in range(8, 12)]))
    gone = "cell_id <= 'P1/01/02' OR cell_id = 'P1/01/11'"
    pushing.spark.sql(f"DELETE FROM {pushing.identifier('gold.alert')} WHERE {gone}")
    counts = push(pushing, client, ALERT)
    assert counts.rows_in == 4 + 3, "the newest change of every key, deletions too"
    assert_same(pushing, client, "gold.alert")
    assert client.query("alert | count") == [{"Count": 8}]
    before = landed(client, "gold.alert")
    assert push(pushing, client, ALERT).rows_in == 0
    assert landed(client, "gold.alert") == before


def test_the_job_pushes_what_the_settings_name_with_arrays_instants_and_streams_as_they_are(
    pushing: Lake, client: ExplorerClient, frame: Frame
) -> None:
    sessions = [
        {"pack_id": "P1", "started_at": DAY, "ended_at": DAY, "kind": "charge", "samples": 3,
         "start_cell_voltages_v": [3.5, None, 3.6], "charge_ah": 1.25, "method_version": "1"},
        {"pack_id": 'P"2', "started_at": DAY + dt.timedelta(microseconds=1), "ended_at": DAY, "kind": "rest",
         "samples": 0, "method_version": "1"},
    ]  # fmt: skip
    vehicles = [
        {"vehicle_id": f"V{i}", "soc_pct": 10.0 * i, "alerts": ["knee"], "last_seen_at": DAY}
        for i in range(3)
    ]
    add(pushing, frame, "gold.session", *sessions)
    add(pushing, frame, "gold.vehicle_status", *vehicles)
    add(pushing, frame, "gold.alert", alert(1))
    adx = pushing.settings.adx.model_copy(update={"tables": "session, vehicle_status"})
    narrow = dataclasses.replace(pushing, settings=pushing.settings.model_copy(update={"adx": adx}))
    result = PIPELINES["push_adx"].run(narrow)
    assert (result.batches, result.counts.rows_kept) == (2, 2 + 3)
    assert_same(pushing, client, "gold.session")
    assert_same(pushing, client, "gold.vehicle_status")
    assert client.manage(f".show table {STATUS.landing} extents")[0]["Tags"] == "", "streams bear no tags"
    assert landed(client, "gold.alert") == 0


def test_a_run_that_ends_before_it_remembers_sends_nothing_twice(
    pushing: Lake, client: ExplorerClient, frame: Frame, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(pushing, frame, "gold.alert", *(alert(i) for i in range(5)))

    def killed(_self: Progress, _state: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(Progress, "remember", killed)
        with pytest.raises(KeyboardInterrupt):
            push(pushing, client, ALERT)
    assert landed(client, "gold.alert") == 5
    add(pushing, frame, "gold.alert", alert(5))
    assert push(pushing, client, ALERT).rows_in == 5 + 1
    assert landed(client, "gold.alert") == 5 + 1
    assert_same(pushing, client, "gold.alert")


def test_what_is_not_checked_or_has_failed_waits_whichever_way_it_is_pushed(
    pushing: Lake, client: ExplorerClient, frame: Frame
) -> None:
    adx = pushing.settings.adx.model_copy(update={"checked_only": True})
    strict = dataclasses.replace(pushing, settings=pushing.settings.model_copy(update={"adx": adx}))
    ever = (dt.date(2026, 1, 1), dt.date(2027, 1, 1))

    def verdict(first: int, last: int, *, passed: bool) -> None:
        row = {
            "table_name": "gold.alert", "rule_code": "key", "batch_id": f"{first}-{last}", "passed": passed,
            "from_version": first, "to_version": last, "severity": "critical",
        }  # fmt: skip
        add(pushing, frame, "gold.data_quality", row)

    ensure(pushing, ("gold.data_quality",))
    add(pushing, frame, "gold.alert", alert(1))
    assert push_days(strict, client, ALERT, *ever).rows_in == 0
    verdict(0, 1, passed=True)
    assert push(strict, client, ALERT).rows_in == 1
    add(pushing, frame, "gold.alert", alert(2))
    verdict(2, 2, passed=False)
    assert push(strict, client, ALERT).rows_in == 0
    assert push_days(strict, client, ALERT, *ever).rows_in == 1
    assert [row["cell_id"] for row in client.query("alert")] == ["P1/01/01"]


def test_a_table_that_was_made_anew_is_not_mixed_with_the_old_one_and_a_killed_anew_is_finished(
    pushing: Lake, client: ExplorerClient, frame: Frame, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(pushing, frame, "gold.alert", *(alert(i) for i in range(3)))
    push(pushing, client, ALERT)
    pushes = Push(pushing, client, ALERT).pushes
    assert pushes.state() == State(identity(pushing, "gold.alert"), 1)
    pushes.remember(State("identity of the table before", 900))
    days = (dt.date(2026, 3, 1), dt.date(2026, 3, 2))
    for send in (push, push_refused, lambda *one: push_days(*one, *days)):
        with pytest.raises(DataLossError, match="made anew"):
            send(pushing, client, ALERT)
    assert landed(client, "gold.alert") == 3

    def killed(_self: Progress) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(Progress, "forget", killed)
        with pytest.raises(KeyboardInterrupt):
            push_anew(pushing, client, ALERT)
    assert landed(client, "gold.alert") == 0
    assert push(pushing, client, ALERT).rows_in == 3, "a push that comes after it goes on"
    assert landed(client, "gold.alert") == 3
    assert_same(pushing, client, "gold.alert")
    accounts = pushing.read("ops.batch").where("pipeline = 'push_adx:gold.alert'").collect()
    assert [(row.batch_id, row.rows_in) for row in accounts] == [(1, 3), (1, 3)], "both pushes are told of"


def test_days_are_pushed_once_more_and_seen_once(pushing: Lake, client: ExplorerClient, frame: Frame) -> None:
    add(pushing, frame, "gold.alert", *(alert(i, day=i) for i in range(6)))
    push(pushing, client, ALERT)
    client.manage(f".clear table {ALERT.landing} data")
    days = (dt.date(2026, 3, 3), dt.date(2026, 3, 5))
    for _ in range(2):
        assert push_days(pushing, client, ALERT, *days).rows_in == 2
    assert {row["cell_id"] for row in client.query("alert")} == {"P1/01/02", "P1/01/03"}
    state = Push(pushing, client, ALERT).pushes.state()
    assert state is not None
    assert state.version == 1, "how far the changes went is not touched"
    with pytest.raises(SettingsError, match="no day"):
        push_days(pushing, client, STATUS, *days)


def test_days_that_the_view_compares_with_nothing_any_more_are_not_pushed_again(
    pushing: Lake, client: ExplorerClient
) -> None:
    today = utc_now().date()
    first = today - dt.timedelta(days=TELEMETRY.lookback_days - 1)
    ensure(pushing, ("silver.telemetry",))
    with pytest.raises(SettingsError, match=rf"seen twice\n.*--since {first}"):
        push_days(pushing, client, TELEMETRY, first - dt.timedelta(days=1), today)
    assert push_days(pushing, client, TELEMETRY, first, today).rows_in == 0


def test_files_and_streams_that_are_refused_are_kept_with_their_reason_and_sent_when_mended(
    pushing: Lake, client: ExplorerClient, frame: Frame
) -> None:
    add(pushing, frame, "gold.alert", *(alert(i) for i in range(4)))
    vehicles = [{"vehicle_id": f"V{i}\n|", "soc_pct": 1.0 * i, "last_seen_at": DAY} for i in range(3)]
    add(pushing, frame, "gold.vehicle_status", *vehicles)
    misread(client, ALERT.landing, "parquet", "raised_at", "code")
    misread(client, STATUS.landing, "json", "last_seen_at", "vehicle_id")
    try:
        counts = [push(pushing, client, each) for each in (ALERT, STATUS)]
        again = push_refused(pushing, client, STATUS)
    finally:
        mend(client, ALERT.landing, STATUS.landing)
    assert [(each.rows_kept, each.rows_refused) for each in [*counts, again]] == [(0, 4), (0, 3), (0, 3)]
    kept = {row.item_key.split("/")[0]: row for row in waiting(pushing, "adx").collect()}
    assert "raised_at" in kept[ALERT.landing].reason
    assert "last_seen_at" in kept[STATUS.landing].reason
    assert (kept[ALERT.landing].tries, kept[STATUS.landing].tries) == (1, 2)
    assert landed(client, "gold.alert") + landed(client, "gold.vehicle_status") == 0
    # What is newer than what was refused stays so.
    upsert(pushing, "gold.vehicle_status", frame("gold.vehicle_status", [{**vehicles[0], "soc_pct": 99.0}]))
    push(pushing, client, STATUS)
    assert push_refused(pushing, client, ALERT).rows_kept == 4
    assert push_refused(pushing, client, STATUS).rows_kept == 3
    assert waiting(pushing, "adx").count() == 0
    assert_same(pushing, client, "gold.alert")
    assert_same(pushing, client, "gold.vehicle_status")
    assert push_refused(pushing, client, STATUS).rows_in == 0


def test_a_wrong_name_and_a_missing_address_are_said(pushing: Lake, lake: Lake) -> None:
    with pytest.raises(SettingsError, match="did you mean cell_health"):
        pushed_tables(pushing, ("cell_helth",))
    with pytest.raises(SettingsError, match="no Data Explorer is set"):
        explorer(lake.settings)
    gone = pushing.settings.adx.model_copy(update={"cluster": "http://127.0.0.1:9"})
    away = dataclasses.replace(pushing, settings=pushing.settings.model_copy(update={"adx": gone}))
    with explorer(away.settings) as client:
        client._patience_s = 0.2
        with pytest.raises(RemoteError):
            client.tags(ALERT.landing, "any")
