"""The twins' commands: interfaces to files, and the stand-in that `local up` runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ONTOLOGY = Path(__file__).parents[2] / "ontology"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "battery_lake", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_interfaces_are_written_as_they_are_committed(tmp_path: Path) -> None:
    ended = run("twins", "export", "--models", "--to", str(tmp_path))
    assert (ended.returncode, ended.stderr) == (0, "")
    written = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert written == {path.name: path.read_text() for path in ONTOLOGY.glob("*.json")}


def test_an_address_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    for command in ("plan", "apply", "sync"):
        ended = run("--set", f"home={tmp_path / 'home'}", "twins", command)
        assert ended.returncode == 2
        assert "twins.endpoint is empty" in ended.stderr
        assert not (tmp_path / "home").exists()


def test_local_up_runs_an_instance_that_keeps_what_it_is_given(tmp_path: Path) -> None:
    from battery_lake.sinks.twins.client import Address, Graph

    for found in ([], ["dtmi:t:A;1"]):
        command = [sys.executable, "-m", "battery_lake", "--set", f"home={tmp_path}", "local", "up", "--json"]
        command += ["--port", "0", "--no-explorer", "--twins-port", "0"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            told = json.loads(process.stdout.readline())
            address = Address(
                told["twins_endpoint"], token=told["twins_token"], certificate=told["twins_certificate"]
            )
            graph = Graph(address)
            assert list(graph.models()) == found
            if not found:
                model = {"@id": "dtmi:t:A;1", "@type": "Interface", "@context": "dtmi:dtdl:context;3"}
                graph.add_models([model])
        finally:
            process.kill()
            process.communicate()
