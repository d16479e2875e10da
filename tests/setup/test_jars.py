from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from battery_lake import jars
from battery_lake.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Repository

CONTENT = {"first": b"the first jar" * 50, "second": b"the second jar" * 50}
# Answers what finding a Java asks; what follows it is what Ivy does.
FAKE_JAVA = '[ "$1" = -version ] && { echo \'openjdk version "17.0.15"\' >&2; exit; }\n'


pytestmark = pytest.mark.usefixtures("machine", "pinned")


@pytest.fixture
def pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pin two small jars in place of Delta's."""
    pins = tuple(
        jars.Jar("org.demo", name, "1.0", hashlib.sha256(body).hexdigest(), len(body))
        for name, body in CONTENT.items()
    )
    monkeypatch.setattr(jars, "DELTA_JARS", pins)


def fill(repository: Repository) -> None:
    repository.files = {f"/{jar.repository_path}": CONTENT[jar.artifact] for jar in jars.DELTA_JARS}


def test_jars_come_from_the_named_repository_once_and_then_from_the_cache(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(repository)
    monkeypatch.setenv("BATTERY_LAKE_MAVEN_URL", f"{repository.url}/")
    paths = jars.delta_jars()
    assert [path.read_bytes() for path in paths] == list(CONTENT.values())
    assert "fetching first-1.0.jar from 127.0.0.1" in capsys.readouterr().err
    repository.failures = [500] * 99
    assert jars.delta_jars() == paths
    assert len(repository.asked) == 2
    assert not capsys.readouterr().err


def test_another_content_than_pinned_is_refused(
    machine: Path, repository: Repository, install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(repository)
    path = f"/{jars.DELTA_JARS[0].repository_path}"
    repository.files[path] = bytes(len(repository.files[path]))
    monkeypatch.setenv("BATTERY_LAKE_MAVEN_URL", repository.url)
    install("java", f"{FAKE_JAVA}exit 1")
    with pytest.raises(SetupError, match="SHA-256 differs"):
        jars.delta_jars()
    assert list((machine / "a cache" / "battery_lake" / "jars").iterdir()) == []


def test_the_error_names_every_way_that_was_tried(
    repository: Repository, install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BATTERY_LAKE_MAVEN_URL", repository.url.replace("//", "//user:secret@"))
    install("mvn", "echo '[ERROR] no route to host'; exit 1")
    install("java", f"{FAKE_JAVA}echo ':: first: not found'; echo ':::::::'; exit 1")
    with pytest.raises(SetupError) as caught:
        jars.delta_jars()
    assert "mvn: [ERROR] no route to host" in caught.value.why
    assert "Ivy of pyspark: first: not found" in caught.value.why
    assert f"repository {repository.url}: HTTP Error 404" in caught.value.why
    assert "secret" not in caught.value.why
    assert "BATTERY_LAKE_JARS" in caught.value.remedy


def test_a_mirror_of_mavens_settings_is_used(machine: Path, repository: Repository) -> None:
    fill(repository)
    folder = machine / "home" / ".m2"
    folder.mkdir()
    (folder / "settings.xml").write_text(
        f"<settings><mirrors><mirror><mirrorOf>*</mirrorOf><url>{repository.url}</url></mirror></mirrors></settings>",
        "utf-8",
    )
    assert [path.read_bytes() for path in jars.delta_jars()] == list(CONTENT.values())


def test_mavens_local_store_is_used_before_any_repository(
    machine: Path, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BATTERY_LAKE_MAVEN_URL", repository.url)
    for jar in jars.DELTA_JARS:
        stored = machine / "home" / ".m2" / "repository" / jar.repository_path
        stored.parent.mkdir(parents=True)
        stored.write_bytes(CONTENT[jar.artifact])
    assert [path.read_bytes() for path in jars.delta_jars()] == list(CONTENT.values())
    assert repository.asked == []


def test_ivy_is_the_last_way_and_goes_through_the_proxy_of_the_environment(
    machine: Path, install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, body in CONTENT.items():
        (machine / name).write_bytes(body)
    monkeypatch.setenv("https_proxy", "http://proxy.test:3128")
    monkeypatch.setenv("no_proxy", "localhost,.corp.test")
    # Stands for Ivy: notes its arguments, and puts the file of -dependency where -retrieve says.
    install(
        "java",
        f"""{FAKE_JAVA}
echo "$@" > '{machine}/arguments'
while [ $# -gt 0 ]; do
  case $1 in -dependency) name=$3 ;; -retrieve) out=${{2%/*}} ;; esac
  shift
done
while IFS= read -r line; do printf '%s' "$line"; done < '{machine}'/$name > "$out/$name-1.0.jar"
printf '%s' "$line" >> "$out/$name-1.0.jar"
""",
    )
    assert [path.read_bytes() for path in jars.delta_jars()] == list(CONTENT.values())
    arguments = (machine / "arguments").read_text("utf-8")
    assert "-Dhttps.proxyHost=proxy.test -Dhttps.proxyPort=3128" in arguments
    assert "-Dhttp.nonProxyHosts=localhost|*.corp.test" in arguments
    assert "-dependency org.demo second 1.0" in arguments


def test_a_damaged_file_in_the_cache_is_fetched_anew(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(repository)
    monkeypatch.setenv("BATTERY_LAKE_MAVEN_URL", repository.url)
    first, _ = jars.delta_jars()
    first.write_bytes(b"cut off")
    assert jars.delta_jars()[0].read_bytes() == CONTENT["first"]


def test_two_processes_may_fetch_at_once(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(repository)
    monkeypatch.setenv("BATTERY_LAKE_MAVEN_URL", repository.url)
    with ThreadPoolExecutor(6) as pool:
        results = [future.result() for future in [pool.submit(jars.delta_jars) for _ in range(6)]]
    assert len(set(results)) == 1
    assert [path.read_bytes() for path in results[0]] == list(CONTENT.values())


def test_a_given_folder_is_the_only_place_looked_at(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = machine / "given"
    folder.mkdir()
    monkeypatch.setenv("BATTERY_LAKE_JARS", str(folder))
    with pytest.raises(SetupError, match="does not exist"):
        jars.delta_jars()
    for jar in jars.DELTA_JARS:
        (folder / jar.file_name).write_bytes(CONTENT[jar.artifact])
    assert [path.parent for path in jars.delta_jars()] == [folder, folder]
    (folder / jars.DELTA_JARS[1].file_name).write_bytes(b"other")
    with pytest.raises(SetupError, match="another content"):
        jars.delta_jars()


def test_kafkas_jars_are_fetched_when_asked_for_and_named_when_they_cannot_be_had(
    repository: Repository, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jars, "KAFKA_JARS", jars.DELTA_JARS)
    monkeypatch.setattr(jars, "DELTA_JARS", ())
    repository.files = {f"/{jar.repository_path}": CONTENT[jar.artifact] for jar in jars.KAFKA_JARS}
    monkeypatch.setenv("BATTERY_LAKE_MAVEN_URL", repository.url)
    assert jars.delta_jars() == ()
    assert repository.asked == []
    assert [path.read_bytes() for path in jars.kafka_jars()] == list(CONTENT.values())
    folder = machine / "given"
    folder.mkdir()
    monkeypatch.setenv("BATTERY_LAKE_JARS", str(folder))
    with pytest.raises(SetupError, match=r"first-1\.0\.jar"):
        jars.kafka_jars()
