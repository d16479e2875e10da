"""What standard access mode and serverless compute refuse, and compute that is said twice."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from battery_lake.bundle.checks.look import line, maps, resources
from battery_lake.bundle.faults import Fault
from battery_lake.bundle.tree import Map, Mark, at, mark_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from battery_lake.bundle.load import Bundle

PLACE: Final = "bundles/compute.yml"
POLICY: Final = "bundles/cluster_policy.json"
STANDARD: Final = ("USER_ISOLATION", "DATA_SECURITY_MODE_STANDARD")
REFUSED: Final = {
    "spark_env_vars": "put what it says into bundles/config, and secrets behind secret:scope/key",
    "init_scripts": "put what it installs under libraries",
    "instance_pool_id": "an id belongs to one workspace: name node_type_id",
    "ssh_public_keys": "take it out",
    "docker_image": "standard access mode runs no containers of one's own",
}
"""What clusters of this bundle do not have, and what to do instead."""

JARS: Final = ("spark.jars", "spark.driver.extra", "spark.executor.extra", "spark.yarn")
OLDEST: Final = 4
"""Environment versions before this one have no Python 3.12."""


def clusters(bundle: Bundle) -> Iterator[Fault]:
    """Clusters of jobs: one place, a policy, standard access mode, nothing that it refuses."""
    for name, job in resources(bundle, "jobs"):
        for item in (*maps(job, "job_clusters"), *maps(job, "tasks")):
            cluster = item.get("new_cluster")
            if not isinstance(cluster, Map):
                continue
            if cluster.mark.file != PLACE:
                yield _fault(
                    line(item, "new_cluster"),
                    f"{name} has a cluster of its own",
                    f"refer to a variable of {PLACE}",
                )
            yield from _cluster(cluster)
        for task in maps(job, "tasks"):
            if "existing_cluster_id" in task:
                yield _fault(
                    line(task, "existing_cluster_id"), "an id belongs to one workspace", "use job_cluster_key"
                )
            for library in maps(task, "libraries"):
                for kind in set(library) & {"jar", "maven", "egg"}:
                    yield _fault(
                        line(library, kind), f"standard access mode takes no {kind} by itself", "take it out"
                    )


def _cluster(cluster: Map) -> Iterator[Fault]:
    for key in REFUSED:
        if key in cluster:
            yield _fault(line(cluster, key), f"{key} has no place on standard compute", REFUSED[key])
    conf = cluster.get("spark_conf")
    for key, mark in conf.marks.items() if isinstance(conf, Map) else ():
        if key.startswith(JARS):
            yield _fault(mark, f"{key}: standard access mode refuses it", "the lake needs no jars there")
    mode = cluster.get("data_security_mode")
    if mode not in STANDARD:
        yield _fault(line(cluster, "data_security_mode"), f"access mode is {mode}", f"set {STANDARD[0]}")
    if "policy_id" not in cluster:
        yield _fault(cluster.mark, "the cluster has no policy", "add policy_id: ${var.policy}")
    if "autoscale" in cluster and "num_workers" in cluster:
        yield _fault(line(cluster, "autoscale"), "autoscale and num_workers", "keep one")
    for key in {"product", "stage"} - set(cluster.get("custom_tags") or ()):
        yield _fault(
            line(cluster, "custom_tags"), f"the cluster's bill has no {key}", f"add {key}: to custom_tags"
        )


def policy(bundle: Bundle) -> Iterator[Fault]:
    """Clusters are what the cluster policy allows: a deployment would refuse others."""
    path = bundle.root / POLICY
    if not path.is_file():
        yield _fault(Mark(POLICY, 1), f"{POLICY} is not there", "the cluster policy is made from it")
        return
    try:
        rules = json.loads(path.read_text(encoding="utf-8"))["definition"]
    except (json.JSONDecodeError, KeyError, TypeError) as fault:
        yield _fault(Mark(POLICY, getattr(fault, "lineno", 1)), f"no policy: {fault}", "mend the line")
        return
    for _, job in resources(bundle, "jobs"):
        for item in maps(job, "job_clusters"):
            for path_, rule in rules.items():
                yield from _ruled(item.get("new_cluster"), str(path_), rule)


def _ruled(cluster: Any, path: str, rule: dict[str, Any]) -> Iterator[Fault]:
    if not isinstance(cluster, Map) or path == "cluster_type":
        return
    place = tuple(path.split("."))
    value, mark = at(cluster, place), mark_of(cluster, place)
    allowed = rule.get("values", [rule.get("value")])
    if rule.get("type") == "range":
        inside = isinstance(value, int) and rule.get("minValue", 0) <= value <= rule.get("maxValue", value)
        allowed = [f"{rule.get('minValue')} to {rule.get('maxValue')}"]
    else:
        inside = value in allowed
    if not inside:
        what = f"{path} is {value}, which the cluster policy refuses"
        yield _fault(mark, what, f"{POLICY} allows {', '.join(map(str, allowed))}")


def environments(bundle: Bundle) -> Iterator[Fault]:
    """Serverless environments: one place, a version with Python 3.12, the wheel in it."""
    for name, job in resources(bundle, "jobs"):
        for environment in maps(job, "environments"):
            spec = environment.get("spec")
            if environment.mark.file != PLACE:
                yield _fault(
                    environment.mark,
                    f"{name} has an environment of its own",
                    f"refer to a variable of {PLACE}",
                )
            if not isinstance(spec, Map):
                yield _fault(
                    environment.mark,
                    "the environment has no spec",
                    "add environment_version: and dependencies:",
                )
                continue
            if "client" in spec:
                yield _fault(line(spec, "client"), "client is the old name", "write environment_version")
            version = str(spec.get("environment_version", ""))
            if not version.isdigit() or int(version) < OLDEST:
                mark = line(spec, "environment_version")
                yield _fault(
                    mark, f"environment_version is {version or 'missing'}", f'write "{OLDEST}" or more'
                )


def _fault(mark: Mark, what: str, remedy: str) -> Fault:
    return Fault(mark, what, remedy, "compute")
