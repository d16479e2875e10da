"""Commands, queries and streams through the real SDK; nothing but Python is needed."""

from __future__ import annotations

import datetime as dt
import io
import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from azure.kusto.data.data_format import DataFormat
from azure.kusto.data.exceptions import KustoApiError, KustoThrottlingError
from azure.kusto.ingest import IngestionProperties
from hypothesis import given
from hypothesis import strategies as st

from battery_lake.errors import SettingsError, SetupError
from battery_lake.local.kusto import KustoStandIn
from battery_lake.local.kusto.query import newest_rows
from battery_lake.local.kusto.store import StoredView
from battery_lake.serving.explorer import PUSHED, tables, typed, views
from battery_lake.serving.kql import commands, scripts

from .conftest import MAPPING, TABLE, Cluster

if TYPE_CHECKING:
    from pathlib import Path

STREAMING = ".alter table sample policy streamingingestion enable"


def stream(cluster: Cluster, objects: list[dict[str, Any]], table: str = "sample", **more: Any) -> None:
    given = {"data_format": DataFormat.MULTIJSON, "ingestion_mapping_reference": "lake", **more}
    body = io.BytesIO("\n".join(map(json.dumps, objects)).encode())
    cluster.streaming.ingest_from_stream(body, IngestionProperties("battery", table, **given))


def structure(cluster: Cluster) -> dict[str, Any]:
    told = json.loads(cluster.manage(".show database schema as json")[0]["DatabaseSchema"])
    found: dict[str, Any] = told["Databases"]["battery"]
    return found


def typed_columns(entity: dict[str, Any]) -> dict[str, str]:
    return {column["Name"]: column["CslType"] for column in entity["OrderedColumns"]}


def test_our_scripts_make_the_database_and_make_it_again_unchanged(cluster: Cluster) -> None:
    for _ in range(2):
        for text in scripts().values():
            for command in commands(text):
                cluster.manage(command)
        made = structure(cluster)
        assert {name: typed_columns(each) for name, each in made["Tables"].items()} == tables()
        assert {name: typed_columns(each) for name, each in made["MaterializedViews"].items()} == views()
        assert {pushed.name for pushed in PUSHED.values()} <= set(made["Functions"])
    assert cluster.count("cell_health") == 0
    [policy] = cluster.manage(".show table rest_voltage policy update")
    assert "rest_voltage_of_telemetry()" in policy["Policy"]


def test_a_table_gains_columns_and_keeps_its_rows(cluster: Cluster) -> None:
    for command in (TABLE, STREAMING, MAPPING.format(kind="json")):
        cluster.manage(command)
    stream(cluster, [{"name": "a"}])
    cluster.manage(".create-merge table sample (name: string, extra: real)")
    assert cluster.query("sample | project name, extra") == [{"name": "a", "extra": None}]
    with pytest.raises(KustoApiError, match="is string, not long"):
        cluster.manage(".create-merge table sample (name: long)")


def test_a_stream_is_there_at_once_and_a_second_time_if_it_comes_twice(cluster: Cluster) -> None:
    for command in (TABLE, STREAMING, MAPPING.format(kind="json")):
        cluster.manage(command)
    for _ in range(2):
        stream(cluster, [{"name": 'a "b" | take 0', "v": [1.5, {"x": None}]}, {"name": "ü"}])
    assert cluster.count() == 4
    assert cluster.query("sample | where name == 'ü' | count") == [{"Count": 2}]
    assert cluster.query("sample | order by name asc | take 1 | project name, volts") == [
        {"name": 'a "b" | take 0', "volts": [1.5, {"x": None}]}
    ]


def test_a_stream_needs_the_policy_a_mapping_and_a_size_that_the_service_takes(cluster: Cluster) -> None:
    cluster.manage(TABLE)
    with pytest.raises(KustoApiError, match="policy is not enabled"):
        stream(cluster, [{"name": "a"}])
    cluster.manage(STREAMING)
    with pytest.raises(KustoApiError, match="Mapping reference"):
        stream(cluster, [{"name": "a"}])
    with pytest.raises(KustoApiError, match="mappingName is needed"):
        stream(cluster, [{"name": "a"}], ingestion_mapping_reference=None)
    cluster.manage(MAPPING.format(kind="json"))
    import random

    large = "".join(random.Random(1).choices("0123456789abcdefghijklmnopqrstuvwxyz", k=9_000_000))
    with pytest.raises(KustoApiError, match="larger than 4 MB"):
        stream(cluster, [{"name": large}])
    assert cluster.count() == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nothing | count", "Failed to resolve table"),
        ("sample | project missing", "Failed to resolve scalar expression named 'missing'"),
        ("sample | summarize count() by name", "does not run 'summarize'"),
        ("sample | where name startswith 'a'", "runs only"),
        ("sample | take lots", "take needs a number"),
    ],
)
def test_what_is_not_run_here_is_refused_and_never_answered_wrong(
    cluster: Cluster, text: str, message: str
) -> None:
    cluster.manage(TABLE)
    with pytest.raises(KustoApiError, match=message):
        cluster.query(text)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (".drop table sample", "does not know the command"),
        (".create-merge table t (a: uuid)", "no type"),
        (
            ".create-or-alter materialized-view v on table sample { sample | summarize count() by name }",
            "keeps only",
        ),
        (".alter table sample policy ingestionbatching ```{```", "no JSON"),
        (".alter table missing policy caching hot = 1d", "named 'missing'"),
        ('.create-or-alter table sample ingestion json mapping "m" ```[{"Column": "x"}]```', "named 'x'"),
        (".create-or-alter function sample() { sample }", "name of a table"),
        (".show nonsense", "does not know"),
    ],
)
def test_a_command_that_cannot_be_carried_out_is_refused(
    cluster: Cluster, command: str, message: str
) -> None:
    cluster.manage(TABLE)
    with pytest.raises(KustoApiError, match=message) as raised:
        cluster.manage(command)
    assert raised.value.get_api_error().permanent


def test_another_database_is_not_there(cluster: Cluster) -> None:
    with pytest.raises(KustoApiError, match="database"):
        cluster.client.execute_mgmt("other", ".show tables")


def test_a_busy_service_says_so_in_the_two_ways_that_the_sdk_tells_apart(cluster: Cluster) -> None:
    cluster.standin.throttle(1)
    with pytest.raises(KustoThrottlingError):
        cluster.manage(".show version")
    cluster.standin.throttle(1, status=503, retry_after_s=2.0)
    with pytest.raises(KustoApiError) as raised:
        cluster.manage(".show version")
    assert not raised.value.get_api_error().permanent
    assert raised.value.http_response.headers["Retry-After"] == "2.0"
    assert cluster.manage(".show version")[0]["ServiceType"] == "Engine"


def test_clearing_a_table_leaves_its_form(cluster: Cluster) -> None:
    for command in (TABLE, STREAMING, MAPPING.format(kind="json")):
        cluster.manage(command)
    stream(cluster, [{"name": "a"}])
    cluster.manage(".clear table sample data")
    assert cluster.count() == 0
    assert cluster.manage(".show table sample extents") == []


def test_a_later_stand_in_on_the_folder_goes_on_with_everything(tmp_path: Path) -> None:
    folder = tmp_path / "kusto"
    first = Cluster(folder, queued=False)
    for command in (TABLE, STREAMING, MAPPING.format(kind="json")):
        first.manage(command)
    stream(first, [{"name": "a"}])
    with pytest.raises(SettingsError, match="in use"):
        KustoStandIn(folder, queued=False)
    first.close()
    (folder / "extents" / "sample" / ".torn.tmp").write_bytes(b"half of an extent")
    second = Cluster(folder, queued=False)
    stream(second, [{"name": "b"}])
    assert {row["name"] for row in second.query("sample")} == {"a", "b"}
    second.close()


def test_a_port_that_is_taken_is_said(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=str(cluster.standin.port)):
        KustoStandIn(tmp_path / "second", port=cluster.standin.port, queued=False)


CHANGES = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 3), st.integers(0, 9)), min_size=1, max_size=30
)


@given(CHANGES, st.randoms(use_true_random=False))
def test_a_view_shows_the_newest_change_of_every_key_in_whatever_order_they_came(
    changes: list[tuple[str, int, int]], random: Any
) -> None:
    rows = [
        {"pack_id": pack, "day": day, "lake_version": version, "payload": f"{pack}{day}{version}"}
        for pack, day, version in changes
    ]
    columns = {"pack_id": "string", "payload": "string", "day": "int", "lake_version": "long"}
    view = StoredView("t", "", "lake_version", ["pack_id", "day"])

    def shown(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
        table, named = newest_rows((pa.Table.from_pylist(given).select(list(columns)), columns), view)
        assert list(named) == ["pack_id", "day", "lake_version", "payload"]
        found: list[dict[str, Any]] = table.to_pylist()
        return sorted(found, key=lambda row: (row["pack_id"], row["day"]))

    expected = {
        (row["pack_id"], row["day"]): row for row in sorted(rows, key=lambda row: row["lake_version"])
    }
    arrived = random.sample(rows, len(rows)) + rows[:3]
    assert shown(arrived) == [expected[key] for key in sorted(expected)]


def test_instants_dates_and_texts_become_what_the_contracts_say(cluster: Cluster) -> None:
    pushed = PUSHED["gold.vehicle_status"]
    for text in scripts().values():
        for command in commands(text):
            cluster.manage(command)
    row = {
        "vehicle_id": "V1", "soc_pct": 55.5, "alerts": ["knee"],
        "last_seen_at": "2026-01-02T03:04:05.678900Z",
        "lake_version": 3, "lake_deleted": False,
    }  # fmt: skip
    stream(cluster, [row, row, {**row, "lake_version": 2, "soc_pct": 1.0}], table=pushed.landing)
    [shown] = cluster.query(pushed.name)
    assert set(shown) == set(typed(pushed.columns))
    assert shown["last_seen_at"] == dt.datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=dt.UTC)
    assert (shown["soc_pct"], shown["alerts"]) == (55.5, ["knee"])
    stream(cluster, [{**row, "lake_version": 4, "lake_deleted": True}], table=pushed.landing)
    assert cluster.count(pushed.name) == 0
