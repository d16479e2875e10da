from __future__ import annotations

import hashlib
import importlib.metadata
from typing import TYPE_CHECKING

import pytest

from battery_lake.cli import doctor
from battery_lake.cli.doctor import Finding, Verdict, examine, render
from battery_lake.errors import SettingsError
from battery_lake.jars import DELTA_JARS, Jar
from battery_lake.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

JAVA_17 = "echo 'openjdk version \"17.0.15\"' >&2"


@pytest.fixture
def findings(machine: Path, install: Callable[..., Path]) -> Callable[..., dict[str, Finding]]:
    """Examine a machine with Java 17 and no jars; findings by name."""
    install("java", JAVA_17)

    def run(*, fetch: bool = False) -> dict[str, Finding]:
        settings = Settings(home=machine / "lake")
        return {finding.name: finding for finding in examine(lambda: settings, fetch=fetch)}

    return run


def distribution(folder: Path, name: str, version: str) -> None:
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", "utf-8")


def test_a_machine_that_only_lacks_the_jars_gets_one_warning(
    findings: Callable[..., dict[str, Finding]],
) -> None:
    found = findings()
    assert list(found) == [
        "Python",
        "Spark",
        "Java",
        "Delta jars",
        "Memory",
        "Settings",
        "Home",
        "Disk",
    ]
    assert found["Delta jars"].verdict is Verdict.WARN
    assert "--fetch" in found["Delta jars"].remedy
    named = {name for name, finding in found.items() if finding.verdict is Verdict.FAIL}
    assert not named
    assert "17 of PATH" in found["Java"].found


def test_the_installed_delta_fits_the_pinned_jars() -> None:
    assert importlib.metadata.version("delta-spark") == DELTA_JARS[0].version


def test_nothing_is_made_on_the_machine_but_the_cache(
    machine: Path, findings: Callable[..., dict[str, Finding]]
) -> None:
    findings()
    assert sorted(path.name for path in machine.iterdir()) == ["a cache", "bin", "home"]


def test_jars_are_fetched_on_request(
    machine: Path, findings: Callable[..., dict[str, Finding]], monkeypatch: pytest.MonkeyPatch
) -> None:
    jar = Jar("org.demo", "small", "1.0", hashlib.sha256(b"small").hexdigest(), 5)
    monkeypatch.setattr("battery_lake.jars.DELTA_JARS", (jar,))
    monkeypatch.setattr(doctor, "DELTA_JARS", (jar,))
    stored = machine / "repository" / jar.repository_path
    stored.parent.mkdir(parents=True)
    stored.write_bytes(b"small")
    monkeypatch.setenv("BATTERY_LAKE_MAVEN_URL", (machine / "repository").as_uri())
    assert findings()["Delta jars"].verdict is Verdict.WARN
    assert findings(fetch=True)["Delta jars"].verdict is Verdict.OK
    assert findings()["Delta jars"].verdict is Verdict.OK


def test_a_given_folder_without_the_jars_fails(
    machine: Path, findings: Callable[..., dict[str, Finding]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BATTERY_LAKE_JARS", str(machine))
    finding = findings()["Delta jars"]
    assert finding.verdict is Verdict.FAIL
    assert DELTA_JARS[0].sha256 in finding.remedy


def test_databricks_connect_beside_pyspark_fails(
    machine: Path, findings: Callable[..., dict[str, Finding]], monkeypatch: pytest.MonkeyPatch
) -> None:
    distribution(machine / "site", "databricks-connect", "18.0.0")
    monkeypatch.syspath_prepend(machine / "site")
    finding = findings()["Spark"]
    assert finding.verdict is Verdict.FAIL
    assert "databricks-connect 18.0.0" in finding.found


@pytest.mark.parametrize(
    ("package", "version", "verdict"),
    [("pyspark", "3.5.1", Verdict.FAIL), ("delta-spark", "4.4.1", Verdict.WARN)],
)
def test_versions_that_do_not_fit_are_named(
    machine: Path,
    findings: Callable[..., dict[str, Finding]],
    monkeypatch: pytest.MonkeyPatch,
    package: str,
    version: str,
    verdict: Verdict,
) -> None:
    distribution(machine / "site", package, version)
    monkeypatch.syspath_prepend(machine / "site")
    finding = findings()["Spark"]
    assert finding.verdict is verdict
    assert f"{package} {version}" in finding.found


def test_on_databricks_neither_java_nor_jars_are_looked_at(
    findings: Callable[..., dict[str, Finding]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "18.2")
    found = findings()
    assert "Java" not in found
    assert "18.2" in found["Spark"].found


@pytest.mark.usefixtures("machine")
def test_wrong_settings_fail_with_their_own_remedy() -> None:
    def load_settings() -> Settings:
        raise SettingsError("Unknown key hoem.", remedy="did you mean home?")

    last = examine(load_settings)[-1]
    assert last == Finding("Settings", Verdict.FAIL, "Unknown key hoem.", "did you mean home?")


def test_a_home_that_takes_no_files_fails(machine: Path) -> None:
    (machine / "file").touch()
    found = {f.name: f for f in examine(lambda: Settings(home=machine / "file" / "lake"))}
    assert found["Home"].verdict is Verdict.FAIL
    assert "BATTERY_LAKE_HOME" in found["Home"].remedy


def test_remedies_stand_under_their_findings() -> None:
    text = render([Finding("Java", Verdict.OK, "17"), Finding("Delta jars", Verdict.WARN, "none", "fetch")])
    assert text.splitlines() == [
        "ok    Java        17",
        "warn  Delta jars  none",
        "                  do: fetch",
    ]
