"""Every benchmark runs, finds that its sides agree, and says by how much they differ in speed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SMALLEST = {
    "bronze_to_silver": ("--vehicles", "1", "--days", "20"),
    "daily_cost": ("--vehicles", "2", "--days", "70"),
    "health_step": ("--vehicles", "1", "--days", "5", "--textbook-cells", "96"),
    "hub_source": ("--messages", "2000"),
    "hub_to_twin": ("--vehicles", "4", "--per-second", "4"),
    "kafka_source": ("--messages", "2000"),
    "twins_rate": ("--twins", "100"),
    "whole_way": ("--vehicles", "1", "--days", "20"),
}
SLOW = {"bronze_to_silver", "daily_cost", "hub_to_twin", "whole_way"}
"""Minutes each, however small what they run on."""


def test_no_benchmark_is_left_out() -> None:
    # These have no sides to compare in speed: test_accuracy.py, test_alerts.py and test_plots.py run them,
    # tests/bundle/test_faults.py goes through the table of bundle_faults; aged_fleet makes a lake for models.
    others = {"accuracy", "aged_fleet", "alerts", "bundle_faults", "plots"}
    assert {file.stem for file in BENCHMARKS.glob("*.py")} == {*SMALLEST, *others}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.proof] if name in SLOW else []) for name in SMALLEST],
)
def test_a_benchmark_runs_and_its_sides_agree(name: str, tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    command = [sys.executable, BENCHMARKS / f"{name}.py", *SMALLEST[name]]
    ran = subprocess.run(
        [*command, "--rounds", "1", "--cold", "--json", file],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    if "skipped." in ran.stdout:
        pytest.skip(ran.stdout)
    result = json.loads(file.read_text(encoding="utf-8"))
    assert result["name"] == name
    assert result["checked"]
    assert all(line["ratio"] > 0 and line["cpu_ratio"] > 0 for line in result["lines"])
    assert "aim" in ran.stdout


def test_a_disagreement_is_loud(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from support.runs import DisagreementError, require

    with pytest.raises(DisagreementError, match="silver holds 3"):
        require(False, "silver holds 3 of 4 messages")
