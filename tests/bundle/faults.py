"""Faults that people make in bundles: each a change of one text in a copy of the real one."""

# ruff: noqa: E501 - a fault a line reads like a table

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PARTS = ("databricks.yml", "bundles", "dashboards", "jobs", "pyproject.toml")
"""What of the repository a bundle is made of."""


@dataclass(frozen=True)
class Seeded:
    """A fault: ``old`` in ``file`` becomes ``new``, the first time that it stands there."""

    name: str
    file: str
    old: str
    new: str
    where: str = ""
    """File in which it shows, if that is another one."""

    @property
    def shown_in(self) -> str:
        return self.where or self.file

    def plant(self, folder: Path) -> None:
        """Put the fault into a copy of the bundle."""
        path = folder / self.file
        text = path.read_text(encoding="utf-8")
        assert self.old in text, f"{self.name}: {self.file} no longer holds {self.old!r}"
        path.write_text(text.replace(self.old, self.new, 1), encoding="utf-8")


def copy_bundle(folder: Path) -> Path:
    """Copy the real bundle into a folder."""
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, folder / part)
    return folder


MAIN, COMPUTE, HEALTH = "databricks.yml", "bundles/compute.yml", "bundles/health.yml"
INGEST, REFINE, PUSH = "bundles/ingest.yml", "bundles/refine.yml", "bundles/push.yml"
TRAIN, BACKFILL, SCHEMAS, VOLUMES = (f"bundles/{n}.yml" for n in ("train", "backfill", "schemas", "volumes"))
MODELS, MAINTAIN, QUALITY = (f"bundles/{n}.yml" for n in ("models", "maintain", "quality"))
PERMISSIONS, CONFIG, POLICY = (
    "bundles/permissions.yml",
    "bundles/config/prod.toml",
    "bundles/cluster_policy.json",
)
CAPACITY = "        - task_key: capacity\n          depends_on:\n            - task_key: sessions\n"
PLAIN = "--eventhubs.connection_string=Endpoint=sb://x/;SharedAccessKey=abc"
BACKLOG = "metric: STREAMING_BACKLOG_SECONDS"
DURATION = "metric: RUN_DURATION_SECONDS"
DASHBOARDS, BOARD = "bundles/dashboards.yml", "dashboards/battery_lake.lvdash.json"

FAULTS = (
    # what a YAML parser sees
    Seeded("tab as indent", HEALTH, "      tasks:\n", "\t  tasks:\n"),
    Seeded("a key stands twice", PUSH, "      timeout_seconds: 7200\n", "      timeout_seconds: 7200\n" * 2),
    Seeded("an open quote", MAIN, 'cli_version: ">= 0.281.0"', 'cli_version: ">= 0.281.0'),
    Seeded("an open bracket", SCHEMAS, "      name: silver\n", "      name: [silver\n"),
    # fields and values of the API
    Seeded("a misspelt field of a task", HEALTH, "          depends_on:", "          depend_on:"),
    Seeded("a misspelt field of a job", REFINE, "max_concurrent_runs", "max_concurent_runs"),
    Seeded("a misspelt field of a cluster", COMPUTE, "num_workers", "num_worker"),
    Seeded("a misspelt field of a schema", SCHEMAS, "comment:", "coment:"),
    Seeded("a misspelt kind of resource", VOLUMES, "  volumes:", "  volume:"),
    Seeded("a number in quotes", HEALTH, "timeout_seconds: 21600", 'timeout_seconds: "21600"'),
    Seeded("a text that is a number", COMPUTE, 'environment_version: "4"', "environment_version: 4"),
    Seeded("a truth that is a text", REFINE, "enabled: true", "enabled: yes"),
    Seeded("a metric that is none", HEALTH, DURATION, "metric: RUN_DURATION"),
    Seeded("an operator that is none", HEALTH, "op: GREATER_THAN", "op: GREATER"),
    Seeded("a condition that is none", REFINE, "condition: ANY_UPDATED", "condition: ANY"),
    Seeded("a privilege that is none", SCHEMAS, "- USE_SCHEMA", "- USE SCHEMAS"),
    Seeded("a permission that is none", PERMISSIONS, "level: CAN_VIEW", "level: CAN_READ_IT"),
    Seeded("a task that is a mapping", PUSH, "        - task_key: push_adx", "          task_key: push_adx"),
    Seeded("a schedule without a time zone", MAINTAIN, "        timezone_id: UTC\n", ""),
    Seeded("a mode that is none", MAIN, "    mode: production\n    workspace:\n      root_path: /Workspace/battery_lake/"
           "${bundle.target}\n    run_as:\n      service_principal_name: ${var.service_principal}\n    presets:\n"
           "      trigger_pause_status: UNPAUSED", "    mode: prod\n    presets:\n      trigger_pause_status: UNPAUSED"),
    Seeded("a section that is none", MAIN, "artifacts:", "artefacts:"),
    # references
    Seeded("a variable that is not declared", REFINE, "${var.notifications}", "${var.notification}"),
    Seeded("a variable without a value", MAIN, "      hub: battery-prod\n", ""),
    Seeded("a target's variable that is not declared", MAIN, "      hub: battery-prod", "      hubs: battery-prod"),
    Seeded("a complex variable without its type", COMPUTE, "    type: complex\n    default:\n      - --task", "    default:\n      - --task"),
    Seeded("a list within a text", HEALTH, "name: battery_lake health", "name: battery_lake ${var.settings}"),
    Seeded("variables in a circle", MAIN, "    default: battery\n", "    default: ${var.adx_database}\n", COMPUTE),
    Seeded("a reference in the wrong brackets", COMPUTE, "policy_id: ${var.policy}", "policy_id: ${{var.policy}}"),
    Seeded("a job that is not there", HEALTH, "${resources.jobs.push.id}", "${resources.jobs.pushes.id}"),
    Seeded("a schema that is not there", VOLUMES, "${resources.schemas.bronze.name}", "${resources.schemas.bronz.name}"),
    Seeded("the name of a job as its id", HEALTH, "${resources.jobs.push.id}", "${resources.jobs.push.name}"),
    Seeded("an id of one workspace", HEALTH, "${resources.jobs.quality.id}", "123456789"),
    Seeded("an include that matches nothing", MAIN, "bundles/*.yml", "bundle/*.yml"),
    Seeded("a job that is defined twice", PUSH, "    push:\n", "    health:\n"),
    # keys within a job
    Seeded("waiting for no task", HEALTH, "            - task_key: sessions", "            - task_key: session"),
    Seeded("an environment that is not there", HEALTH, "environment_key: default", "environment_key: defaults"),
    Seeded("a cluster that is not there", INGEST, "job_cluster_key: small", "job_cluster_key: big"),
    Seeded("a task key twice", PUSH, "task_key: push_twins", "task_key: push_adx"),
    Seeded("tasks in a circle", HEALTH, "        - task_key: sessions\n", "        - task_key: sessions\n          depends_on:\n            - task_key: fleet\n"),
    Seeded("a job that starts itself", HEALTH, "${resources.jobs.push.id}", "${resources.jobs.health.id}"),
    Seeded("a task without compute", PUSH, "          environment_key: default\n", ""),
    Seeded("serverless compute with libraries", PUSH, "          environment_key: default\n", "          environment_key: default\n          libraries: ${var.small_libraries}\n"),
    Seeded("a parameter that the job has not", COMPUTE, "{{job.parameters.vehicles}}", "{{job.parameters.vehicle}}"),
    Seeded("a value of a run that is none", COMPUTE, "--task={{task.name}}", "--task={{task.key}}"),
    Seeded("a parameter that nobody takes", BACKFILL, "        - name: from", "        - name: since\n          default: x\n        - name: from"),
    # when and on what
    Seeded("cron of five fields", MAIN, "default: 0 0 3 * * ?", "default: 0 3 * * *", HEALTH),
    Seeded("cron with two days", MAIN, "default: 0 30 1 * * ?", "default: 0 30 1 * * *", MAINTAIN),
    Seeded("cron with an hour too late", MAIN, "default: 0 0 5 ? * SUN", "default: 0 0 25 ? * SUN", TRAIN),
    Seeded("cron with a day that is none", MAIN, "default: 0 0 5 ? * SUN", "default: 0 0 5 ? * SON", TRAIN),
    Seeded("a time zone that is none", HEALTH, "timezone_id: UTC", "timezone_id: Europe/Stuttgart"),
    Seeded("serverless compute without an end", INGEST, "          job_cluster_key: small\n          libraries: ${var.small_libraries}", "          environment_key: default"),
    Seeded("a schedule beside continuous", INGEST, "      continuous:", "      schedule:\n        quartz_cron_expression: 0 0 * * * ?\n        timezone_id: UTC\n      continuous:"),
    Seeded("a trigger that is too fast", REFINE, "min_time_between_triggers_seconds: 900", "min_time_between_triggers_seconds: 5"),
    Seeded("a trigger on no table", REFINE, "bronze.telemetry", "bronze.telemetries"),
    Seeded("environment variables", COMPUTE, "          azure_attributes:", "          spark_env_vars:\n            A: b\n          azure_attributes:"),
    Seeded("jars", COMPUTE, "          azure_attributes:", "          spark_conf:\n            spark.jars: /a.jar\n          azure_attributes:"),
    Seeded("another access mode", COMPUTE, "USER_ISOLATION", "NONE"),
    Seeded("no cluster policy", COMPUTE, "          policy_id: ${var.policy}\n", ""),
    Seeded("a machine that the policy refuses", MAIN, "node_type: Standard_D8ads_v5", "node_type: Standard_E64ads_v5", COMPUTE),
    Seeded("a cluster of its own", INGEST, "      job_clusters: ${var.small}", "      job_clusters:\n        - job_cluster_key: small\n          new_cluster:\n            spark_version: 18.x-scala2.13"),
    Seeded("an old environment", COMPUTE, 'environment_version: "4"', 'environment_version: "1"'),
    # programs and their parameters
    Seeded("a file that is not there", PUSH, "push_twins.py", "push_twin.py"),
    Seeded("a file that is not sent", MAIN, "    - jobs\n", "", REFINE),
    Seeded("a setting that is none", COMPUTE, "--adx.cluster=", "--adx.clusters="),
    Seeded("a setting with a wrong value", COMPUTE, "--source.every_s=30", "--source.every_s=often"),
    Seeded("a source that is none", COMPUTE, "--source.format=eventhubs", "--source.format=eventhub"),
    Seeded("a settings file that is not there", COMPUTE, "/${bundle.target}.toml", "/${bundle.target}.yml"),
    Seeded("a settings file with a key that is none", CONFIG, "[quality]", "[quality]\nfail_at = 3\n"),
    Seeded("a settings file that is no TOML", CONFIG, "[quality]", "[quality"),
    Seeded("a secret in plain text", COMPUTE, "--eventhubs.connection_string=secret:${var.secret_scope}/hub-connection-string", PLAIN),
    Seeded("a task that its job has not", REFINE, "task_key: signal_faults\n          depends_on", "task_key: signal_fault\n          depends_on"),
    Seeded("no wheel", COMPUTE, "            - ../dist/*.whl\n", ""),
    Seeded("a wheel from elsewhere", COMPUTE, "- whl: ../dist/*.whl", "- whl: dist/*.whl"),
    Seeded("a wheel of one name", MAIN, "    dynamic_version: true\n", ""),
    Seeded("a requirement without a version", COMPUTE, "- azure-identity>=1.19", "- azure-identity"),
    # the order of the flow
    Seeded("a task too early", HEALTH, CAPACITY, "        - task_key: capacity\n"),
    Seeded("a task too late", PUSH, "        - task_key: push_twins\n", "        - task_key: push_twins\n          depends_on:\n            - task_key: push_adx\n"),
    Seeded("a pipeline that nobody runs", HEALTH, "task_key: soh_changes", "task_key: fleets"),
    # left alone at night
    Seeded("no time-out of a job", HEALTH, "      timeout_seconds: 21600\n", ""),
    Seeded("no time-out of a task", REFINE, "          timeout_seconds: 3600\n", ""),
    Seeded("a task longer than its job", HEALTH, "          timeout_seconds: 7200", "          timeout_seconds: 72000"),
    Seeded("retries at once", HEALTH, "          min_retry_interval_millis: 60000\n", ""),
    Seeded("two runs at once", HEALTH, "max_concurrent_runs: 1", "max_concurrent_runs: 2"),
    Seeded("no queue", HEALTH, "        enabled: true", "        enabled: false"),
    Seeded("a warning too late", HEALTH, "value: 10800", "value: 108000"),
    Seeded("a backlog of a job that ends", HEALTH, DURATION, BACKLOG),
    Seeded("nobody is told", QUALITY, "      email_notifications: ${var.notifications}\n", ""),
    Seeded("a bill without tags", QUALITY, "      tags: ${var.tags}\n", ""),
    # production
    Seeded("production as whoever deploys", MAIN, "    run_as:\n      service_principal_name: ${var.service_principal}\n    presets:\n      trigger_pause_status: UNPAUSED", "    presets:\n      trigger_pause_status: UNPAUSED"),
    Seeded("production as a person", MAIN, "    run_as:\n      service_principal_name: ${var.service_principal}\n    presets:\n      trigger_pause_status: UNPAUSED", "    run_as:\n      user_name: ann@example.com\n    presets:\n      trigger_pause_status: UNPAUSED"),
    Seeded("nobody manages", PERMISSIONS, "level: CAN_MANAGE", "level: CAN_RUN"),
    Seeded("everybody manages", PERMISSIONS, "group_name: battery_engineers", "group_name: users"),
    Seeded("a shared folder", MAIN, "      root_path: /Workspace/battery_lake/${bundle.target}\n    run_as:\n      service_principal_name: ${var.service_principal}\n    presets:\n      trigger_pause_status: UNPAUSED", "      root_path: /Workspace/Shared/${bundle.target}\n    run_as:\n      service_principal_name: ${var.service_principal}\n    presets:\n      trigger_pause_status: UNPAUSED"),
    # the catalog
    Seeded("a schema that the lake has not", SCHEMAS, "      name: gold\n", "      name: golden\n"),
    Seeded("a catalog of its own", SCHEMAS, "catalog_name: ${var.catalog}", "catalog_name: main"),
    Seeded("a volume that is not there", COMPUTE, "/ops/checkpoints", "/ops/checkpoint"),
    Seeded("silver for analysts", SCHEMAS, "      comment: Messages as they came.\n      grants:\n        - principal: battery_engineers", "      comment: Messages as they came.\n      grants:\n        - principal: battery_analysts"),
    Seeded("everything for engineers", SCHEMAS, "            - SELECT", "            - ALL_PRIVILEGES"),
    Seeded("a schema open to everybody", SCHEMAS, "principal: battery_engineers", "principal: account users"),
    # what must outlive a task
    Seeded("a home on the machine", COMPUTE, "--home=/Volumes/${var.catalog}/ops/home", "--home=/tmp/battery_lake"),
    Seeded("no home", COMPUTE, "      - --home=/Volumes/${var.catalog}/ops/home\n", "", HEALTH),
    Seeded("checkpoints on the machine", COMPUTE, "--lake.checkpoints=/Volumes/", "--lake.checkpoints=/local_disk0/"),
    Seeded("the champion's copy on the machine", COMPUTE, "--models.folder=/Volumes/${var.catalog}/ops/home/mlflow", "--models.folder=mlflow"),
    Seeded("trainings in a file", CONFIG, 'tracking = "databricks"', 'tracking = "sqlite:///mlflow.db"'),
    Seeded("no registry", CONFIG, 'registry = "databricks-uc"\n', "", BACKFILL),
    Seeded("a model that the bundle does not make", COMPUTE, "gold.${resources.registered_models.rul.name}", "gold.battery_rul"),
    # dashboards
    Seeded("a dashboard's file that is not there", DASHBOARDS, "battery_lake.lvdash.json", "battery.lvdash.json"),
    Seeded("a dashboard that is no JSON", BOARD, '"pages": [', '"pages": [,'),
    Seeded("a column that was renamed", BOARD, "SUM(below_eol)", "SUM(is_below_eol)"),
    Seeded("a column of another table", BOARD, "AVG(yearly_loss_pct)", "AVG(capacity_ah)"),
    Seeded("a column in a condition", BOARD, "WHERE cleared_at IS NULL", "WHERE closed_at IS NULL"),
    Seeded("a column in an order", BOARD, "ORDER BY raised_at DESC", "ORDER BY raised DESC"),
    Seeded("a column in a group's condition", BOARD, "HAVING SUM(recent_charges)", "HAVING SUM(charge_count)"),
    Seeded("a table that was renamed", BOARD, "FROM gold.fleet_daily", "FROM gold.fleet_by_day"),
    Seeded("a table of another catalog", BOARD, "FROM gold.fleet_daily", "FROM battery_dev.gold.fleet_daily"),
    Seeded("SQL that is none", BOARD, "FROM gold.message_daily ORDER BY as_of_date", "FROM ORDER BY as_of_date"),
    Seeded("a figure of a column that its query has not", BOARD, "AS share_pct FROM", "AS share FROM"),
    Seeded("a figure of a dataset that is not there", BOARD, '"datasetName": "b908bf3c"', '"datasetName": "b908bf3d"'),
    Seeded("a figure that shows what it does not ask for", BOARD, '"fieldName": "refused_pct"', '"fieldName": "refused"'),
    Seeded("a model without a schema", MODELS, "      schema_name: ${resources.schemas.gold.name}\n", ""),
)  # fmt: skip
"""Over ninety faults; most came from issues of people who met them after deploying."""
