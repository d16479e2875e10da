"""From tables of the lake to Data Explorer: what it shows is what gold holds, whatever happens between."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from battery_lake.errors import DataLossError, RemoteError, SettingsError
from battery_lake.lake.create import ensure
from battery_lake.lake.versions import identity
from battery_lake.lake.write import upsert
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
from battery_lake.sinks.adx.progress import Progress, State
from battery_lake.sinks.failures import waiting

from .conftest import all_commands

if TYPE_CHECKING:
    from battery_lake.lake.access import Lake
    from battery_lake.local.kusto import KustoStandIn
    from battery_lake.sinks.adx.client import ExplorerClient

ALERT, SESSION, STATUS = (PUSHED[f"gold.{name}"] for name in ("alert", "session", "vehicle_status"))
DAY = dt.datetime(2026, 3, 1)  # noqa: DTZ001 - Spark's instants are UTC without a zone
Frame = "Callable[[str, list[dict[str, Any]]], DataFrame]"


def alert(cell: int, severity: str = "info", day: int = 0) -> dict[str, Any]:
    return {
        "pack_id": "P1", "cell_id": f"P1/01/{cell:02d}", "code": "knee", "severity": severity,
        "raised_at": DAY + dt.timedelta(days=day, hours=cell), "evidence": '{"soh_pct": 81.5}',
    }  # fmt: skip


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


def landed(client: ExplorerClient, name: str) -> int:
    return int(client.query(f"{PUSHED[name].landing} | count")[0]["Count"])


def test_inserts_updates_and_deletions_arrive_and_a_second_push_sends_nothing(
    pushing: Lake, client: ExplorerClient, frame: Frame
) -> None:
    upsert(pushing, "gold.alert", frame("gold.alert", [alert(i) for i in range(10)]))
    assert push(pushing, client, ALERT).rows_in == 10
    assert_same(pushing, client, "gold.alert")
    upsert(pushing, "gold.alert", frame("gold.alert", [alert(i, "critical") for i in range(8, 12)]))
    upsert(pushing, "gold.alert", frame("gold.alert", [alert(11, "warning")]))
    pushing.spark.sql(f"DELETE FROM {pushing.identifier('gold.alert')} WHERE cell_id <= 'P1/01/02'")
    counts = push(pushing, client, ALERT)
    assert counts.rows_in == 4 + 3, "the newest change of every key, deletions too"
    assert_same(pushing, client, "gold.alert")
    assert client.query("alert | count") == [{"Count": 9}]
    before = landed(client, "gold.alert")
    assert push(pushing, client, ALERT).rows_in == 0
    assert landed(client, "gold.alert") == before


def test_arrays_instants_and_nothing_arrive_as_they_are(
    pushing: Lake, client: ExplorerClient, frame: Frame
) -> None:
    rows = [
        {"pack_id": "P1", "started_at": DAY, "ended_at": DAY, "kind": "charge", "samples": 3,
         "start_cell_voltages_v": [3.5, None, 3.6], "charge_ah": 1.25, "method_version": "1"},
        {"pack_id": 'P"2', "started_at": DAY + dt.timedelta(microseconds=1), "ended_at": DAY, "kind": "rest",
         "samples": 0, "method_version": "1"},
    ]  # fmt: skip
    upsert(pushing, "gold.session", frame("gold.session", rows))
    push(pushing, client, SESSION)
    assert_same(pushing, client, "gold.session")


def test_vehicle_status_goes_as_a_stream(pushing: Lake, client: ExplorerClient, frame: Frame) -> None:
    rows = [
        {"vehicle_id": f"V{i}", "soc_pct": 10.0 * i, "alerts": ["knee"], "last_seen_at": DAY}
        for i in range(3)
    ]
    upsert(pushing, "gold.vehicle_status", frame("gold.vehicle_status", rows))
    assert push(pushing, client, STATUS).rows_in == 3
    assert_same(pushing, client, "gold.vehicle_status")
    assert client.manage(f".show table {STATUS.landing} extents")[0]["Tags"] == ""


def test_a_run_that_ends_before_it_remembers_sends_nothing_twice(
    pushing: Lake, client: ExplorerClient, frame: Frame, monkeypatch: pytest.MonkeyPatch
) -> None:
    upsert(pushing, "gold.alert", frame("gold.alert", [alert(i) for i in range(5)]))

    def killed(_self: Progress, _state: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(Progress, "remember", killed)
        with pytest.raises(KeyboardInterrupt):
            push(pushing, client, ALERT)
    assert landed(client, "gold.alert") == 5
    upsert(pushing, "gold.alert", frame("gold.alert", [alert(0, "critical"), alert(5)]))
    assert push(pushing, client, ALERT).rows_in == 5 + 2
    assert landed(client, "gold.alert") == 5 + 2
    assert_same(pushing, client, "gold.alert")


def test_what_is_not_checked_or_has_failed_waits(pushing: Lake, client: ExplorerClient, frame: Frame) -> None:
    adx = pushing.settings.adx.model_copy(update={"checked_only": True})
    strict = dataclasses.replace(pushing, settings=pushing.settings.model_copy(update={"adx": adx}))
    upsert(pushing, "gold.alert", frame("gold.alert", [alert(1)]))
    ensure(pushing, ("gold.data_quality",))
    assert push(strict, client, ALERT).rows_in == 0

    def verdicts(*told: tuple[int, int, bool]) -> None:
        rows = [
            {"table_name": "gold.alert", "rule_code": "key", "batch_id": f"{first}-{last}", "passed": passed,
             "from_version": first, "to_version": last, "severity": "critical"}
            for first, last, passed in told
        ]  # fmt: skip
        upsert(pushing, "gold.data_quality", frame("gold.data_quality", rows))

    verdicts((0, 1, True))
    assert push(strict, client, ALERT).rows_in == 1
    upsert(pushing, "gold.alert", frame("gold.alert", [alert(2)]))
    verdicts((2, 2, False))
    assert push(strict, client, ALERT).rows_in == 0
    assert [row["cell_id"] for row in client.query("alert")] == ["P1/01/01"]


def test_a_table_that_was_made_anew_is_not_mixed_with_the_old_one(
    pushing: Lake, client: ExplorerClient, frame: Frame
) -> None:
    upsert(pushing, "gold.alert", frame("gold.alert", [alert(i) for i in range(3)]))
    push(pushing, client, ALERT)
    pushes = Push(pushing, client, ALERT).pushes
    assert pushes.state() == State(identity(pushing, "gold.alert"), 1)
    pushes.remember(State("identity of the table before", 900))
    with pytest.raises(DataLossError, match="made anew"):
        push(pushing, client, ALERT)
    assert landed(client, "gold.alert") == 3
    assert push_anew(pushing, client, ALERT).rows_in == 3
    assert landed(client, "gold.alert") == 3
    assert_same(pushing, client, "gold.alert")


def test_days_are_pushed_once_more_and_seen_once(pushing: Lake, client: ExplorerClient, frame: Frame) -> None:
    upsert(pushing, "gold.alert", frame("gold.alert", [alert(i, day=i) for i in range(6)]))
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


def test_what_the_service_refuses_is_kept_with_its_reason_and_sent_when_mended(
    pushing: Lake, client: ExplorerClient, frame: Frame
) -> None:
    upsert(pushing, "gold.alert", frame("gold.alert", [alert(i) for i in range(4)]))
    client.manage('.create-or-alter table alert_change ingestion parquet mapping "lake" ```'
                  '[{"Column": "raised_at", "Properties": {"Path": "$.code"}}]```')  # fmt: skip
    try:
        counts = push(pushing, client, ALERT)
    finally:
        for command in all_commands():
            if command.startswith(".create-or-alter table alert_change ingestion"):
                client.manage(command)
    assert (counts.rows_in, counts.rows_kept, counts.rows_refused) == (4, 0, 4)
    [kept] = waiting(pushing, "adx").collect()
    assert "raised_at" in kept.reason
    assert landed(client, "gold.alert") == 0
    upsert(pushing, "gold.alert", frame("gold.alert", [alert(0, "critical")]))
    push(pushing, client, ALERT)
    assert push_refused(pushing, client, ALERT).rows_kept == 4
    assert waiting(pushing, "adx").count() == 0
    assert_same(pushing, client, "gold.alert")


def test_the_job_pushes_what_the_settings_name(pushing: Lake, client: ExplorerClient, frame: Frame) -> None:
    upsert(pushing, "gold.alert", frame("gold.alert", [alert(1)]))
    adx = pushing.settings.adx.model_copy(update={"tables": "alert, vehicle_status"})
    narrow = dataclasses.replace(pushing, settings=pushing.settings.model_copy(update={"adx": adx}))
    result = PIPELINES["push_adx"].run(narrow)
    assert (result.batches, result.counts.rows_kept) == (2, 1)
    assert_same(pushing, client, "gold.alert")


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
