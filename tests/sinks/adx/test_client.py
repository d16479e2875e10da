"""A busy, a broken and a refusing service; and what must never be sent."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from battery_lake.clock import monotonic_s
from battery_lake.errors import RemoteError, SettingsError
from battery_lake.sinks.adx.client import ExplorerClient, judge
from battery_lake.sinks.retry import RefusedError

from .conftest import all_commands

if TYPE_CHECKING:
    from battery_lake.local.faults import Kind
    from battery_lake.local.kusto import KustoStandIn


@pytest.mark.parametrize("status", [401, 403])
def test_who_has_no_login_or_no_role_is_told_so_and_nothing_counts_as_refused(
    plain: KustoStandIn, status: int
) -> None:
    plain.throttle(1000, status=status)
    with (
        ExplorerClient(plain.address, plain.database) as client,
        pytest.raises(RemoteError, match="does not let this in"),
    ):
        client.stream("sample", ["{}"], "lake")


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_service_is_asked_again(plain: KustoStandIn, status: int) -> None:
    plain.throttle(3, status=status)
    with ExplorerClient(plain.address, plain.database) as client:
        assert client.manage(".show version")[0]["ServiceType"] == "Engine"


def test_an_answer_that_is_lost_on_the_way_is_asked_for_again(plain: KustoStandIn) -> None:
    command = ".create-merge table sample (name: string)"
    plain.lose_answers(2)
    with ExplorerClient(plain.address, plain.database) as client:
        assert client.manage(command)[0]["EntityName"] == "sample"
        plain.lose_answers(2)
        assert client.query("sample | count") == [{"Count": 0}]


@pytest.mark.parametrize("kind", ["throttle", "unavailable", "error", "cut", "lost", "half"])
def test_whatever_happens_to_an_answer_it_is_asked_for_again(plain: KustoStandIn, kind: Kind) -> None:
    with ExplorerClient(plain.address, plain.database) as client:
        plain.faults.put(kind, 2)
        assert len(client.manage(".create-merge table sample (name: string)")) == 1
        plain.faults.put(kind, 2)
        assert client.query("sample | count") == [{"Count": 0}]
        plain.faults.put(kind, 2)
        with pytest.raises(RefusedError, match=r"[Ss]treaming"):
            client.stream("sample", ["{}"], "lake")
    assert plain.faults.met == 6


def test_a_stream_whose_answer_is_lost_is_there_twice_and_seen_once(plain: KustoStandIn) -> None:
    with ExplorerClient(plain.address, plain.database) as client:
        for command in all_commands():
            client.manage(command)
        plain.lose_answers(1)
        line = '{"vehicle_id": "V1", "lake_version": 1, "lake_deleted": false}'
        client.stream("vehicle_status_change", [line], "lake")
        assert client.query("vehicle_status_change | count") == [{"Count": 2}]
        assert client.query("vehicle_status | count") == [{"Count": 1}]


@pytest.mark.parametrize("status", [429, 503])
def test_the_service_says_how_long_to_wait(plain: KustoStandIn, status: int) -> None:
    plain.throttle(1, status=status, retry_after_s=0.7)
    began_s = monotonic_s()
    with ExplorerClient(plain.address, plain.database) as client:
        client.manage(".show version")
    assert monotonic_s() - began_s >= 0.7


def test_patience_ends(plain: KustoStandIn) -> None:
    plain.throttle(1000)
    with (
        ExplorerClient(plain.address, plain.database, patience_s=0.5) as client,
        pytest.raises(RemoteError, match="429: throttled"),
    ):
        client.manage(".show version")


def test_a_refusal_is_not_asked_again(plain: KustoStandIn) -> None:
    began_s = monotonic_s()
    with (
        ExplorerClient(plain.address, plain.database) as client,
        pytest.raises(RefusedError, match=r"400: .*Failed to resolve table"),
    ):
        client.query("nothing")
    assert monotonic_s() - began_s < 5.0


def test_nobody_at_the_address_is_a_fault_that_may_pass() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with (
            ExplorerClient(address, "battery", patience_s=0.3) as client,
            pytest.raises(RemoteError, match="KustoNetworkError"),
        ):
            client.manage(".show version")


@pytest.mark.parametrize(
    "cluster", ["http://name.kusto.windows.net", "name.kusto.windows.net", "", "ftp://x"]
)
def test_no_token_travels_without_tls(cluster: str) -> None:
    with pytest.raises(SettingsError, match="a login needs TLS"):
        ExplorerClient(cluster, "battery")


def test_a_fault_of_our_own_is_none_of_the_service() -> None:
    assert judge(ValueError("ours")) is None
