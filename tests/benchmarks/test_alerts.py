"""The alerts are measured by one command: planted faults, found or not, beside plain thresholds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "alerts.py"


def test_the_table_and_the_figures_are_of_every_ageing_code(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    ran = subprocess.run(
        [sys.executable, SCRIPT, "--of", "ageing", "--vehicles", "6", "--days", "200", "--json", file],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    figures = json.loads(file.read_text(encoding="utf-8"))
    by_name = {(figure["code"], figure["metric"]): figure for figure in figures}
    codes = {code for code, _ in by_name}
    assert codes == {"sudden_fade", "knee", "resistance_jump"}
    assert all(by_name[code, "planted"]["value"] == 1.0 for code in codes)
    # A jump by a half at least stands out of the noise of any seed.
    assert by_name["resistance_jump", "recall"]["value"] == 1.0
    assert all(code in ran.stdout for code in codes)
