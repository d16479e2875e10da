"""Runs of jobs on the stand-in workspace, by databricks-sdk: order, tries, conditions, ends."""

from __future__ import annotations

import datetime as dt
import io
import time
import zipfile

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import InvalidParameterValue, ResourceDoesNotExist, Unauthenticated
from databricks.sdk.service.jobs import JobSettings
from databricks.sdk.service.workspace import ImportFormat

from battery_lake.local.workspace import WorkspaceStandIn

LONGEST = dt.timedelta(seconds=60)
NOTE = "import pathlib, sys; pathlib.Path(sys.argv[1]).open('a').write(' '.join(sys.argv[2:]) + '\\n')"
FAIL = f"{NOTE}; raise ValueError('no such pack')"
ONCE = f"import pathlib, sys; seen = pathlib.Path(sys.argv[1]).exists()\n{NOTE}\nassert seen, 'not yet'"


@pytest.fixture(scope="module")
def standin(tmp_path_factory):
    with WorkspaceStandIn(tmp_path_factory.mktemp("workspace"), longest_pause_s=0.0) as running:
        yield running


@pytest.fixture(scope="module")
def client(standin):
    made = WorkspaceClient(host=standin.host, token="any")
    made.workspace.mkdirs("/Shared")
    for name, text in {
        "note": NOTE,
        "fail": FAIL,
        "once": ONCE,
        "sleep": "import time; time.sleep(60)",
    }.items():
        made.workspace.upload(f"/Shared/{name}.py", io.BytesIO(text.encode()), format=ImportFormat.RAW)
    return made


@pytest.fixture
def notes(tmp_path):
    return tmp_path / "notes"


def job(client, *tasks, **settings):
    made = JobSettings.from_dict({"name": "a job", "tasks": list(tasks), **settings})
    given = {key: getattr(made, key) for key in ("name", "tasks", *settings)}
    return client.jobs.create(**given).job_id


def task(key, does, *parameters, after=(), **more):
    return {
        "task_key": key,
        "spark_python_task": {
            "python_file": f"/Workspace/Shared/{does}.py",
            "parameters": [*map(str, parameters)],
        },
        "depends_on": [{"task_key": one} for one in after],
        **more,
    }


def ended(client, job_id, **given):
    run_id = client.jobs.run_now(job_id, **given).run_id
    until = time.monotonic() + LONGEST.total_seconds()
    while (run := client.jobs.get_run(run_id)).state.result_state is None:
        assert time.monotonic() < until
        time.sleep(0.05)
    return run


def results(run):
    return {one.task_key: one.state.result_state.value for one in run.tasks}


def test_tasks_run_after_those_that_they_depend_on_with_their_parameters_filled_in(client, notes):
    value = "{{task.name}} {{job.parameters.day}} {{not.known}}"
    number = job(
        client,
        task("last", "note", notes, value, after=["first"]),
        task("first", "note", notes, value),
        parameters=[{"name": "day", "default": "monday"}],
    )
    assert ended(client, number, job_parameters={"day": "sunday"}).state.result_state.value == "SUCCESS"
    assert notes.read_text().splitlines() == ["first sunday {{not.known}}", "last sunday {{not.known}}"]


def test_a_task_is_tried_again_and_the_last_try_counts(client, notes):
    run = ended(client, job(client, task("a", "once", notes, "tried", max_retries=2)))
    assert results(run) == {"a": "SUCCESS"}
    assert run.tasks[0].attempt_number == 1
    assert notes.read_text().splitlines() == ["tried"] * 2


def test_after_a_failure_tasks_run_or_not_as_their_condition_says(client, notes):
    number = job(
        client,
        task("broken", "fail", notes),
        task("needs", "note", notes, "needs", after=["broken"]),
        task("mends", "note", notes, "mends", after=["broken"], run_if="AT_LEAST_ONE_FAILED"),
        task("always", "note", notes, "always", after=["needs"], run_if="ALL_DONE"),
        task("only_bad", "note", notes, after=["mends"], run_if="ALL_FAILED"),
        task("follows", "note", notes, after=["only_bad"], run_if="ALL_DONE"),
    )
    run = ended(client, number)
    assert results(run) == {
        "broken": "FAILED", "needs": "UPSTREAM_FAILED", "mends": "SUCCESS", "always": "SUCCESS",
        "only_bad": "EXCLUDED", "follows": "EXCLUDED",
    }  # fmt: skip
    assert run.state.result_state.value == "SUCCESS_WITH_FAILURES"
    broken = next(one for one in run.tasks if one.task_key == "broken")
    output = client.jobs.get_run_output(broken.run_id)
    assert "ValueError: no such pack (exit code 1)" in output.error
    assert "Traceback" in output.error_trace


def test_a_task_that_takes_too_long_is_ended_and_so_is_a_run_that_is_cancelled(client):
    run = ended(client, job(client, task("slow", "sleep", timeout_seconds=1)))
    assert results(run) == {"slow": "TIMEDOUT"}
    started = client.jobs.run_now(job(client, task("slow", "sleep"), task("next", "sleep", after=["slow"])))
    time.sleep(0.3)
    client.jobs.cancel_run(started.run_id)
    assert results(started.result(timeout=LONGEST)) == {"slow": "CANCELED", "next": "CANCELED"}


def test_a_second_run_waits_or_is_skipped(client):
    for queue, second in (({"enabled": True}, "QUEUED"), ({"enabled": False}, "SKIPPED")):
        number = job(client, task("slow", "sleep"), queue=queue)
        first = client.jobs.run_now(number).run_id
        other = client.jobs.run_now(number).run_id
        assert client.jobs.get_run(other).state.life_cycle_state.value == second
        client.jobs.cancel_run(other)
        client.jobs.cancel_run(first)


def test_a_task_runs_another_job_and_ends_as_it_does(client, notes):
    inner = job(client, task("inner", "fail", notes, "inner"))
    outer = job(client, {"task_key": "outer", "run_job_task": {"job_id": inner}})
    assert results(ended(client, outer)) == {"outer": "FAILED"}
    assert [run.job_id for run in client.jobs.list_runs(limit=2)][:2] == [inner, outer]


def test_a_wheel_is_what_a_task_imports_and_a_missing_library_is_named(client, notes):
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("battery_lake/__init__.py", "said = 'of the wheel'")
        archive.writestr("thing-1.dist-info/METADATA", "Name: thing\nVersion: 1\n")
        entry = "[console_scripts]\nspeak = battery_lake.speech:main\n"
        archive.writestr("thing-1.dist-info/entry_points.txt", entry)
        speech = (
            "import sys, battery_lake, numpy\ndef main(): open(sys.argv[1], 'w').write(battery_lake.said)\n"
        )
        archive.writestr("battery_lake/speech.py", speech)
    path = "/Workspace/Shared/thing-1-py3-none-any.whl"
    wheel.seek(0)
    client.workspace.upload(path, wheel, format=ImportFormat.RAW)
    asked = {"package_name": "thing", "entry_point": "speak", "parameters": [str(notes)]}
    speaks = {"task_key": "a", "python_wheel_task": asked, "libraries": [{"whl": path}]}
    assert results(ended(client, job(client, speaks))) == {"a": "SUCCESS"}
    assert notes.read_text() == "of the wheel"
    lacks = speaks | {"libraries": [{"pypi": {"package": "no-such-package-at-all>=2"}}]}
    run = ended(client, job(client, lacks))
    assert "no-such-package-at-all>=2 is not installed" in run.tasks[0].state.state_message


@pytest.mark.parametrize(
    ("tasks", "told"),
    [
        ([task("a", "note", after=["b"])], "unknown task 'b'"),
        ([task("a", "note", after=["b"]), task("b", "note", after=["a"])], "cycle"),
        ([task("a", "note"), task("a", "note")], "not unique"),
        ([task("a", "note", environment_key="none")], "environment_key 'none'"),
    ],
)
def test_a_job_that_cannot_run_is_refused(client, tasks, told):
    with pytest.raises(InvalidParameterValue, match=told):
        job(client, *tasks)


def test_what_is_not_there_and_who_has_no_token_is_refused_as_the_service_does(client, standin):
    with pytest.raises(ResourceDoesNotExist):
        client.jobs.get(1)
    with pytest.raises(InvalidParameterValue, match="not defined on the job"):
        client.jobs.run_now(job(client, task("a", "note")), job_parameters={"x": "1"})
    with pytest.raises(Unauthenticated):
        WorkspaceClient(host=standin.host, username="a", password="b").current_user.me()


def test_a_later_stand_in_goes_on_with_what_is_kept_and_ends_what_was_broken_off(tmp_path):
    with WorkspaceStandIn(tmp_path) as first:
        client = WorkspaceClient(host=first.host, token="any")
        client.workspace.upload(
            "/sleep.py", io.BytesIO(b"import time; time.sleep(60)"), format=ImportFormat.RAW
        )
        asked = {"python_file": "/sleep.py"}
        number = job(client, {"task_key": "a", "spark_python_task": asked})
        run_id = client.jobs.run_now(number).run_id
    with WorkspaceStandIn(tmp_path) as second:
        client = WorkspaceClient(host=second.host, token="any")
        assert client.jobs.get(number).settings.name == "a job"
        assert client.jobs.get_run(run_id).state.result_state.value in {"CANCELED", "FAILED"}
        assert [one.job_id for one in client.jobs.list(name="A JOB")] == [number]
