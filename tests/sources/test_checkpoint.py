"""The checkpoint of a stream: read as Spark wrote it, and led on by a step that reads nothing."""

import datetime as dt
import json

import pytest

from battery_lake.errors import DataLossError, SettingsError
from battery_lake.sources.checkpoint import add_step, keep_copy, local_folder, read_progress

NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)


@pytest.fixture
def checkpoint(tmp_path):
    """Write plans, each with its number as offset, and commits."""

    def build(plans, commits):
        folder = tmp_path / "ingest"
        for name in ("offsets", "commits"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "metadata").write_text('{"id":"x"}')
        for number in plans:
            facts = {"batchWatermarkMs": 0, "batchTimestampMs": 1_767_268_800_000, "conf": {"a": "b"}}
            (folder / "offsets" / str(number)).write_text(f'v1\n{json.dumps(facts)}\n{{"n": {number}}}')
        for number in commits:
            (folder / "commits" / str(number)).write_text('v1\n{"nextBatchWatermarkMs":0}')
        return folder

    return build


@pytest.mark.parametrize(
    ("plans", "commits", "done", "planned"),
    [
        ([0], [], None, 0),
        ([0], [0], 0, None),
        ([0, 1], [0], 0, 1),
        ([8, 9, 10], [8, 9, 10], 10, None),
        ([9, 10], [9], 9, 10),
    ],
)
def test_what_is_done_and_what_is_open(checkpoint, plans, commits, done, planned):
    progress = read_progress(checkpoint(plans, commits))
    assert (progress.done and progress.done.number) == done
    assert (progress.open and progress.open.number) == planned
    assert (progress.committed_at is None) == (not commits)
    assert (progress.open or progress.done).planned_at == NOON


def test_no_plan_is_no_progress(checkpoint, tmp_path):
    assert read_progress(tmp_path / "nowhere") is None
    assert read_progress(checkpoint([], [])) is None


@pytest.mark.parametrize(
    ("plans", "commits", "why"),
    [([], [0], "offsets are not"), ([0], [1], "commits go to 1"), ([5], [5], "offsets/4")],
)
def test_a_checkpoint_that_is_not_whole_is_an_error(checkpoint, plans, commits, why):
    with pytest.raises(DataLossError, match=why):
        read_progress(checkpoint(plans, commits))


@pytest.mark.parametrize("text", ["v2\n{}\n{}", "v1\n{}", "v1\n{}\nnone", "v1\n{}\n{}\n{}", ""])
def test_a_plan_of_another_form_is_an_error(checkpoint, text):
    folder = checkpoint([0], [0])
    (folder / "offsets" / "0").write_text(text)
    with pytest.raises(DataLossError, match="offsets/0"):
        read_progress(folder)


@pytest.mark.parametrize(("plans", "commits"), [([3, 4], [3, 4]), ([3, 4], [3])])
def test_a_step_is_a_batch_that_is_done_and_ends_where_the_next_begins(checkpoint, plans, commits):
    folder = checkpoint(plans, commits)
    assert add_step(read_progress(folder), {"n": 99}, NOON + dt.timedelta(hours=1)) == 5
    progress = read_progress(folder)
    assert (progress.done.number, progress.done.end, progress.open) == (5, {"n": 99}, None)
    assert progress.done.planned_at == NOON + dt.timedelta(hours=1)
    assert (folder / "commits" / "4").exists()
    assert '"conf":{"a":"b"}' in (folder / "offsets" / "5").read_text()


def test_a_first_batch_that_is_open_can_be_given_up(checkpoint):
    folder = checkpoint([0], [])
    (folder / "commits").rmdir()
    assert add_step(read_progress(folder), {"n": 7}, NOON) == 1
    assert read_progress(folder).done.end == {"n": 7}


def test_a_step_that_comes_too_late_is_refused(checkpoint):
    folder = checkpoint([0], [0])
    progress = read_progress(folder)
    checkpoint([1], [])
    with pytest.raises(DataLossError, match="not rewritten") as fault:
        add_step(progress, {"n": 7}, NOON)
    assert "running" in fault.value.why
    assert read_progress(folder).open.end == {"n": 1}


def test_the_copy_holds_all_of_the_checkpoint(checkpoint):
    folder = checkpoint([0], [0])
    copy = keep_copy(folder, NOON)
    assert copy.name == "ingest.before-20260101T120000000000Z"
    assert {p.relative_to(copy) for p in copy.rglob("*")} == {
        p.relative_to(folder) for p in folder.rglob("*")
    }


@pytest.mark.parametrize(
    ("address", "remedy"),
    [
        ("dbfs:/lake/checkpoints/ingest", "--set lake.checkpoints=/dbfs/lake/checkpoints"),
        ("dbfs:/Volumes/a/b/c/ingest", "--set lake.checkpoints=/Volumes/a/b/c"),
        ("abfss://c@a.dfs.core.windows.net/ingest", "mounted"),
    ],
)
def test_an_address_is_refused_with_what_to_do(address, remedy):
    with pytest.raises(SettingsError) as fault:
        local_folder(address)
    assert remedy in fault.value.remedy


def test_a_path_is_a_path():
    assert str(local_folder("/Volumes/a/b/c/ingest")) == "/Volumes/a/b/c/ingest"
