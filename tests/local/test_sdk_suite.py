"""The SDK's own live tests, unchanged, against the stand-in: they are the yardstick of its faithfulness."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import pytest

pytestmark = [pytest.mark.proof, pytest.mark.timeout(3_600)]

HARNESS = Path(__file__).with_name("sdk_suite")
UNPACKED = "BATTERY_LAKE_SDK_TESTS"
"""Environment variable: where the SDK's source distribution is unpacked."""
NEEDED = ("aiohttp", "cryptography", "websocket", "wsproto", "xdist")
FOLDERS = ("livetest", "pyamqp_tests/synctests", "pyamqp_tests/asynctests")
"""What talks to the service; the other folders are unit tests and load generators."""
WORKERS = 16
"""The tests mostly sleep."""
FEWEST = 200
SHARE_FRAC = 0.95


def suite(folder: Path) -> Path:
    """Find the tests of the installed version's source distribution, or fetch it as pip is set up to."""
    if given := os.environ.get(UNPACKED):
        return next(path for path in (Path(given) / "tests", Path(given)) if (path / "livetest").is_dir())
    version = importlib.metadata.version("azure-eventhub")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    command += ["--no-binary", "azure-eventhub", f"azure-eventhub=={version}"]
    fetched = subprocess.run(command, capture_output=True, text=True, check=False)
    if fetched.returncode:
        last = fetched.stderr.strip().splitlines()[-1:]
        pytest.skip(f"no source distribution of azure-eventhub {version} to be had ({last}); set {UNPACKED}")
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data")
    return next(folder.glob("*/tests"))


def run(tests: Path, report: Path) -> str:
    """Run the suite in a process of its own; return the end of what it prints."""
    command = [sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", ".", "-q", "--tb", "short"]
    command += ["-p", "azure_on_loopback", "-p", "no:cacheprovider", "-p", "no:randomly"]
    command += ["-n", str(WORKERS), "--dist", "worksteal", "--junitxml", str(report), *FOLDERS]
    paths = [str(HARNESS), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    done = subprocess.run(
        [*command, "-p", "xdist"], cwd=tests, env=environment, capture_output=True, text=True, check=False
    )
    return done.stdout[-20_000:] + done.stderr[-2_000:]


def outcomes(report: Path) -> dict[str, str]:
    """Read how each test ended: passed, failed or skipped."""
    found: dict[str, str] = {}
    for case in ET.parse(report).iter("testcase"):
        kinds = {child.tag for child in case}
        outcome = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        name = f"{case.get('classname')}.{case.get('name')}"
        if found.get(name) != "failed":  # an error at the end of a test comes as a second entry
            found[name] = outcome
    return found


def test_the_sdks_own_live_tests_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"the suite needs {', '.join(missing)}: see docs/stand-in-eventhub.md")
    report = tmp_path / "report.xml"
    printed = run(suite(tmp_path), report)
    assert report.exists(), printed
    found = outcomes(report)
    counts = Counter(found.values())
    failed = sorted(name for name, outcome in found.items() if outcome == "failed")
    left_out: dict[str, list[str]] = json.loads((HARNESS / "left_out.json").read_text())
    with capsys.disabled():
        sys.stdout.write(f"\n{counts['passed']} passed, {counts['failed']} failed of the SDK's live tests\n")
        sys.stdout.writelines(f"failed: {name}\n" for name in failed)
        sys.stdout.writelines(
            f"left out: {name}: {why}\n" for why, names in left_out.items() for name in names
        )
    skipped = {name for name, outcome in found.items() if outcome == "skipped"}
    named = {name for names in left_out.values() for name in names}
    unnamed = {name for name in skipped if name.rpartition(".")[2].partition("[")[0] not in named}
    assert not unnamed, "what is left out is named in left_out.json"
    assert counts["passed"] >= FEWEST, printed
    assert counts["passed"] >= SHARE_FRAC * (counts["passed"] + counts["failed"]), printed
