from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from battery_lake import session
from battery_lake.errors import SetupError
from battery_lake.session import local_conf, spark_session
from battery_lake.settings import Settings, load

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import SparkSession

ROUND_TRIP = """
import sys
from battery_lake.session import spark_session
from battery_lake.settings import load

settings, _ = load(["home=" + sys.argv[1], "spark.master=local[1]", *sys.argv[2:]], environment={})
spark = spark_session(settings)
path = str(settings.home / "t")
spark.range(100).selectExpr("id", "timestamp_seconds(id) t").write.format("delta").save(path)
kept = spark.read.format("delta").load(path).mapInArrow(lambda batches: batches, "id long, t timestamp")
print(spark.sparkContext._jvm.System.getProperty("java.version"))
print(kept.orderBy("id").first().t.isoformat(), kept.count())
"""


def run_script(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", ROUND_TRIP, home, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=home.parent,
        env={**os.environ, **environment},
    )


def test_a_lake_in_utc_without_any_java_on_the_machine_and_without_noise(tmp_path: Path) -> None:
    unfit = tmp_path / "bin" / "java"
    unfit.parent.mkdir()
    unfit.write_text("#!/bin/sh\necho 'openjdk version \"25\"' >&2\n", "utf-8")
    unfit.chmod(0o755)
    path = f"{unfit.parent}{os.pathsep}{os.environ['PATH']}"
    done = run_script(tmp_path / "a lake", PATH=path, JAVA_HOME="", TZ="America/New_York")
    assert done.stderr == ""
    java, result = done.stdout.splitlines()
    assert java.startswith("21.")
    assert result == "1970-01-01T00:00:00 100"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a lake", "bin"]


def test_a_java_process_that_does_not_start_is_a_setup_error_with_its_remedy(tmp_path: Path) -> None:
    done = run_script(tmp_path / "lake", "spark.driver_memory=1k")
    assert done.returncode == 1
    assert "Spark's Java process ended while starting." in done.stderr
    assert "heap 1k" in done.stderr
    assert "do:  battery-lake doctor" in done.stderr


def test_everything_spark_writes_stays_under_home_and_it_listens_on_loopback_only(tmp_path: Path) -> None:
    conf = local_conf(Settings(home=tmp_path / "home"), [Path("/a.jar"), Path("/b.jar")])
    assert conf["spark.jars"] == "/a.jar,/b.jar"
    for key in ("spark.local.dir", "spark.sql.warehouse.dir"):
        assert Path(conf[key]).is_relative_to(tmp_path / "home" / "tmp")
    assert {conf["spark.driver.host"], conf["spark.driver.bindAddress"]} == {"127.0.0.1"}


def test_the_settings_reach_spark(tmp_path: Path) -> None:
    settings, _ = load(
        [f"home={tmp_path}", "spark.master=local[7]", "spark.driver_memory=3g", "spark.shuffle_partitions=9"],
        environment={},
    )
    conf = local_conf(settings, [])
    assert conf["spark.master"] == "local[7]"
    assert conf["spark.driver.memory"] == "3g"
    assert conf["spark.sql.shuffle.partitions"] == "9"


def test_without_pyspark_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "pyspark"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(SetupError, match=r"battery-lake\[local\]"):
        spark_session(Settings(home=tmp_path))


def test_on_databricks_the_runtimes_session_is_taken_as_it_is(
    spark: SparkSession, machine: Path, install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    install("java", "exit 1")
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "18.2")
    before = spark.conf.get("spark.sql.shuffle.partitions")
    given = spark_session(Settings(home=machine / "never made"))
    assert given.sparkContext is spark.sparkContext
    assert given.conf.get("spark.sql.shuffle.partitions") == before
    assert not (machine / "never made").exists()


def test_a_second_call_gives_the_same_session_and_leaves_the_environment_alone(
    spark: SparkSession, tmp_path: Path
) -> None:
    before = dict(os.environ)
    assert spark_session(Settings(home=tmp_path)).sparkContext is spark.sparkContext
    assert dict(os.environ) == before


def test_a_home_that_cannot_be_made_is_a_setup_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SetupError, match="cannot be written"):
        session._start(Settings(home=tmp_path / "file" / "lake"))
