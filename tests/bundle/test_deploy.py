"""Every target created on a stand-in workspace by databricks-sdk: read back, done again, drifted, mended."""

from __future__ import annotations

from pathlib import Path

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.catalog import PermissionsChange, Privilege
from databricks.sdk.service.jobs import JobSettings

from battery_lake.bundle.check import targets
from battery_lake.bundle.deploy import Deployment, differences
from battery_lake.bundle.described import page
from battery_lake.bundle.load import resolve
from battery_lake.local.workspace import WorkspaceStandIn

ROOT = Path(__file__).parents[2]


def deployment(standin, target, folder):
    """A deployment that knows nothing but what stands in the workspace."""
    wheel = folder / "battery_lake-0-py3-none-any.whl"
    wheel.touch()
    client = WorkspaceClient(host=standin.host, token="any")
    standin.prepare()
    return Deployment(client, resolve(ROOT, target, user=client.current_user.me().user_name), wheel)


def done(steps):
    return {f"{step.kind}.{step.key}": step.action for step in steps if step.action != "none"}


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What each target would do, did the first time and the second, and what then stood there."""
    found = {}
    for target in targets(ROOT):
        folder = tmp_path_factory.mktemp(target)
        with WorkspaceStandIn(folder / "workspace") as standin:
            planned = deployment(standin, target, folder).plan()
            first = deployment(standin, target, folder).deploy()
            again = deployment(standin, target, folder)
            found[target] = (planned, first, again.deploy(), again.read_back())
    return found


@pytest.mark.parametrize("target", targets(ROOT))
def test_the_first_time_makes_every_resource_and_the_second_changes_nothing(told, target):
    planned, first, second, there = told[target]
    resources = resolve(ROOT, target).resources
    asked = {f"{kind}.{key}" for kind, those in resources.items() for key in those}
    assert set(done(first)) == {*asked, "cluster_policies.cluster_policy"} == set(there)
    assert set(done(first).values()) == {"create"}
    assert done(planned) == done(first)
    assert done(second) == {}


def test_what_is_read_back_is_the_documented_table(told):
    rendered = page({target: there for target, (*_, there) in told.items()})
    assert rendered == (ROOT / "docs" / "bundle.md").read_text(encoding="utf-8")


def test_production_runs_as_its_service_principal_and_starts_by_itself(told):
    jobs = {name: tree for name, tree in told["prod"][-1].items() if name.startswith("jobs.")}
    assert {len(tree["run_as"]["service_principal_name"]) for tree in jobs.values()} == {36}
    assert jobs["jobs.health"]["schedule"]["pause_status"] == "UNPAUSED"


def test_what_somebody_changed_by_hand_is_shown_and_put_right(tmp_path):
    with WorkspaceStandIn(tmp_path / "workspace") as standin:
        made = deployment(standin, "dev", tmp_path)
        made.deploy()
        client = WorkspaceClient(host=standin.host, token="any")
        number = int(made.known["jobs.quality"])
        client.jobs.update(number, new_settings=JobSettings.from_dict({"timeout_seconds": 1}))
        taken = PermissionsChange(principal="battery_analysts", remove=[Privilege.SELECT])
        client.grants.update("SCHEMA", made.known["schemas.gold"], changes=[taken])
        client.jobs.delete(int(made.known["jobs.refine"]))
        steps = deployment(standin, "dev", tmp_path).plan()
        assert done(steps) == {
            "jobs.quality": "change", "schemas.gold": "change", "jobs.refine": "create",
        }  # fmt: skip
        assert ["timeout_seconds: 1, wanted 7200"] in [list(step.differences) for step in steps]
        assert done(deployment(standin, "dev", tmp_path).deploy()) == done(steps)
        assert done(deployment(standin, "dev", tmp_path).plan()) == {}
        assert client.jobs.get(number).settings.timeout_seconds == 7200


def test_a_job_that_left_the_bundle_is_removed(tmp_path):
    with WorkspaceStandIn(tmp_path / "workspace") as standin:
        made = deployment(standin, "dev", tmp_path)
        made.deploy()
        client = WorkspaceClient(host=standin.host, token="any")
        before = {job.job_id for job in client.jobs.list()}
        smaller = deployment(standin, "dev", tmp_path)
        del smaller._bundle.tree["resources"]["jobs"]["maintain"]
        assert done(smaller.deploy()) == {"jobs.maintain": "remove"}
        assert before - {job.job_id for job in client.jobs.list()} == {int(made.known["jobs.maintain"])}


@pytest.mark.parametrize(
    ("wanted", "there", "found"),
    [
        ({"a": 1}, {"a": 1, "format": "MULTI_TASK", "tags": {}}, []),
        ({"a": 1}, {"a": 1, "max_concurrent_runs": 4}, ["max_concurrent_runs: 4, wanted None"]),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, ["a[0].b: 2, wanted 1"]),
        ({"a": [1]}, {"a": [1, 2]}, ["a: [1, 2], wanted [1]"]),
    ],
)
def test_a_difference_is_what_nobody_asked_for_and_no_default(wanted, there, found):
    assert list(differences(wanted, there)) == found
