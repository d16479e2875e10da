"""``battery-lake adx``: what the database lacks, making it, pushing into it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from azure.kusto.data import KustoClient, KustoConnectionStringBuilder

from battery_lake.local.kusto import KustoStandIn
from battery_lake.serving.kql import rendered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pyspark.sql import SparkSession


@pytest.fixture
def adx(run: Callable[..., Any], tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Run a command with a database that is empty at first."""
    with KustoStandIn(tmp_path / "kusto", queued=False) as standin:
        given = {"home": tmp_path / "home", "adx.cluster": standin.address, "adx.checked_only": "false"}
        flags = [flag for pair in given.items() for flag in ("--set", f"{pair[0]}={pair[1]}")]
        yield lambda *arguments: run(*flags, "adx", *arguments)


def test_plan_apply_and_plan_again(adx: Callable[..., Any]) -> None:
    before = adx("plan", "--json")
    assert before.code == 0, before.err
    assert {change["action"] for change in before.json} == {"create"}
    applied = adx("apply", "--json")
    assert applied.code == 0, applied.err
    assert applied.json["changes"] == before.json
    assert adx("plan").out == "the database is as the contracts say\n"


def test_push_streams_what_there_is(spark: SparkSession, adx: Callable[..., Any]) -> None:
    del spark  # it only has to be there: the command takes the session that is active
    assert adx("apply").code == 0
    pushed = adx("push", "--table", "vehicle_status", "--json")
    assert pushed.code == 0, pushed.err
    assert pushed.json == {"vehicle_status": {"rows": 0, "refused": 0}}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("push", "--since", "yesterday"), "is no day"),
        (("push", "--anew", "--refused"), "do not go together"),
    ],
)
def test_a_wrong_option_is_said_before_anything_is_sent(
    adx: Callable[..., Any], arguments: tuple[str, ...], said: str
) -> None:
    outcome = adx(*arguments)
    assert outcome.code == 2
    assert said in outcome.err


def test_without_an_address_it_says_what_to_set(run: Callable[..., Any], tmp_path: Path) -> None:
    outcome = run("--set", f"home={tmp_path}", "adx", "plan")
    assert outcome.code == 2
    assert "set adx.cluster" in outcome.err


def test_render_writes_what_the_contracts_give(run: Callable[..., Any], tmp_path: Path) -> None:
    folder = tmp_path / "kql"
    readers = "aadgroup=riders@example.org"
    outcome = run("--set", f"adx.position_readers={readers}", "adx", "render", "--folder", folder)
    assert outcome.code == 0, outcome.err
    found = {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in folder.rglob("*.kql")}
    assert found == rendered(readers)


def test_local_up_starts_it_beside_the_hub(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "battery_lake", "--set", f"home={tmp_path}", "local", "up", "--json"]
    with subprocess.Popen(
        [*command, "--port", "0", "--explorer-port", "0"], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            told = json.loads(process.stdout.readline())
            kcsb = KustoConnectionStringBuilder.with_no_authentication(told["explorer_cluster"])
            with KustoClient(kcsb) as client:
                answer = client.execute_mgmt(told["explorer_database"], ".show version")
                assert answer.primary_results[0][0]["ServiceType"] == "Engine"
        finally:
            process.terminate()
        assert process.wait(30) == 0
