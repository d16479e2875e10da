from __future__ import annotations

import csv
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pyspark.sql import SparkSession

LATE = "P00002"
"""The pack that reference data does not know at first."""


@dataclass
class Story:
    """What each command said, in the order in which they ran."""

    home: Path
    messages: int
    before: list[dict[str, Any]]
    """silver.quarantine before the pack was known."""
    said: dict[str, Any]


@pytest.fixture(scope="module")
def story(
    run: Callable[..., Any],
    spark: SparkSession,
    tmp_path_factory: pytest.TempPathFactory,
    rows: Callable[..., Any],
) -> Story:
    """A pack's messages come before its reference data does; then it is made known and replayed."""
    del spark
    home = tmp_path_factory.mktemp("quarantine") / "home"

    def ran(*arguments: object) -> Any:
        outcome = run("--set", f"home={home}", *arguments, "--json")
        assert outcome.code == 0, outcome.err
        return outcome.json

    messages = ran("simulate", "--vehicles", "2", "--days", "2")["messages"]
    whole, part = home / "reference" / "fleet", home / "reference" / "part"
    shutil.copytree(whole, part)
    _without(part / "packs.csv", LATE)
    ran("reference", "load", part)
    said = {"ingest": ran("ingest"), "refine": ran("refine"), "list": ran("quarantine", "list")}
    before = rows(home, "silver.quarantine")
    said["too early"] = ran("quarantine", "replay", "--reason", "unknown_pack")
    ran("reference", "load", whole)
    said["other reason"] = ran("quarantine", "replay", "--reason", "clock")
    said["replay"] = ran("quarantine", "replay", "--reason", "unknown_pack")
    said["again"] = ran("quarantine", "replay")
    said["health"] = ran("health")
    return Story(home, messages, before, said)


def _without(file: Path, pack: str) -> None:
    with file.open(encoding="utf-8", newline="") as read:
        kept = [row for row in csv.reader(read) if row[0] != pack]
    with file.open("w", encoding="utf-8", newline="") as written:
        csv.writer(written, lineterminator="\n").writerows(kept)


def test_messages_of_an_unknown_pack_are_listed_with_their_reason(story: Story) -> None:
    assert len(story.before) > 0
    assert {reason["code"] for row in story.before for reason in row["reasons"]} == {"unknown_pack"}
    (listed,) = story.said["list"]
    assert (listed["code"], listed["example"]) == ("unknown_pack", LATE)
    assert listed["messages"] == len(story.before)
    refined = story.said["refine"][0]["counts"]
    assert refined["rows_in"] == story.messages
    assert refined["rows_refused"] == len(story.before)
    assert refined["rows_kept"] == story.messages - len(story.before)


def test_a_replay_moves_nothing_before_the_pack_is_known_or_for_another_reason(story: Story) -> None:
    assert story.said["too early"]["rows_in"] == len(story.before)
    assert story.said["too early"]["rows_kept"] == 0
    assert story.said["other reason"]["rows_in"] == 0


def test_a_replay_after_the_pack_is_known_moves_each_message_to_silver_once(
    story: Story, rows: Callable[..., list[dict[str, Any]]]
) -> None:
    assert story.said["replay"]["rows_kept"] == len(story.before)
    assert story.said["again"]["rows_in"] == 0
    silver = rows(story.home, "silver.telemetry")
    assert len(silver) == story.messages
    assert len({(row["pack_id"], row["measured_at"], row["sequence"]) for row in silver}) == story.messages
    origin = ("partition_id", "sequence_number", "message_index")
    moved = {tuple(row[name] for name in origin) for row in silver if row["pack_id"] == LATE}
    assert moved == {tuple(row[name] for name in origin) for row in story.before}
    assert not rows(story.home, "silver.quarantine")


def test_gold_then_knows_the_pack(story: Story, rows: Callable[..., list[dict[str, Any]]]) -> None:
    for name in ("gold.session", "gold.vehicle_status"):
        assert {row["pack_id"] for row in rows(story.home, name)} == {"P00001", LATE}
