from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("elsewhere")


def test_a_misspelt_setting_ends_with_2_and_names_the_nearest(run: Callable[..., Any]) -> None:
    outcome = run("--set", "spark.mastre=local[4]", "settings")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (
        "error: spark.mastre in the arguments is no setting\ndo:  did you mean spark.master?\n"
    )


def test_a_value_out_of_range_ends_with_2_and_says_what_why_and_what_to_do(run: Callable[..., Any]) -> None:
    outcome = run("--set", "spark.shuffle_partitions=0", "settings")
    assert outcome.code == 2
    what, why, remedy = outcome.err.splitlines()
    assert what == "error: spark.shuffle_partitions = '0' cannot be used"
    assert why.startswith("why: ")
    assert "(from argument)" in why
    assert remedy.startswith("do:  ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("demo", "--vehicles", "0"),
        ("demo", "--nonsense"),
        ("nonsense",),
        ("reference", "load"),
        ("--set", "no-equals-sign", "settings"),
        ("--config", "absent.toml", "settings"),
        ("replay", ".", "--clock", "yesterday"),
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2_without_a_trace(arguments: tuple[str, ...], run: Callable[..., Any]) -> None:
    outcome = run(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err
    assert "Traceback" not in outcome.err


def test_an_unknown_table_ends_with_1_and_names_the_nearest(run: Callable[..., Any]) -> None:
    outcome = run("tables", "gold.sesion")
    assert (outcome.code, outcome.out) == (1, "")
    assert "did you mean gold.session?" in outcome.err
    assert "Traceback" not in outcome.err


def test_a_fault_that_nobody_foresaw_is_one_line_and_the_way_to_its_trace(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    outcome = run("--set", f"home={tmp_path}/file", "simulate", "--vehicles", "1", "--days", "1")
    assert (outcome.code, outcome.out) == (1, "")
    what, remedy = outcome.err.splitlines()[-2:]
    assert what.startswith("error: NotADirectoryError: ")
    assert remedy == "do:  --debug shows the whole trace"


@pytest.mark.parametrize(("options", "is_shown"), [((), False), (("--debug",), True)])
def test_only_debug_shows_the_trace(options: tuple[str, ...], is_shown: bool) -> None:
    command = [sys.executable, "-m", "battery_lake", *options, "--set", "spark.mastre=x", "settings"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert ("Traceback" in done.stderr) is is_shown
    assert "did you mean spark.master?" in done.stderr


def test_a_doctor_who_finds_something_wrong_ends_with_1(run: Callable[..., Any]) -> None:
    outcome = run("--set", "spark.mastre=x", "doctor")
    assert "fail  Settings" in outcome.out
    assert outcome.code == 1
