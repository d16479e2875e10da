from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from battery_lake.pipelines.registry import JOBS, TO_GOLD
from battery_lake.tables.registry import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


FIRST_STEP = f"ingest (1 of {sum(len(JOBS[job]) for job in TO_GOLD)})"
SMALL = ("demo", "--vehicles", "2", "--days", "10", "--no-sinks")
GOLD = (
    "session", "capacity_observation", "cell_state", "cell_health", "cell_life", "cell_current",
    "soh_change", "pack_health", "battery_passport", "vehicle_status", "fleet_daily",
)  # fmt: skip


def versions(home: Path) -> dict[str, list[str]]:
    """The commits of every table."""
    return {
        name: sorted(
            file.name for file in (home / "lake" / name.replace(".", "/") / "_delta_log").glob("*.json")
        )
        for name in TABLES
    }


@contextlib.contextmanager
def started(home: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command in a process of its own, which is gone at the end whatever happens."""
    command = [sys.executable, "-m", "battery_lake", "--set", f"home={home}", *arguments]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def interrupted_at(text: str, process: subprocess.Popen[str]) -> tuple[int, str]:
    """Ctrl-C, which reaches the whole group, once the process says a text; its exit code and last words.

    The words end only when every process that could still speak is gone, Java's too.
    """
    assert process.stderr is not None
    for line in process.stderr:
        if text in line:
            os.killpg(process.pid, signal.SIGINT)
            break
    _, said = process.communicate(timeout=120)
    return process.returncode, said


def test_the_result_is_on_stdout_and_the_progress_on_stderr(demo_home: Any) -> None:
    assert demo_home.first.json["packs"] == 2
    assert FIRST_STEP in demo_home.first.err
    assert "done" in demo_home.first.err
    assert "ingest (" not in demo_home.first.out


def test_the_demo_ends_with_twins_and_explorer_filled_and_the_report_shows_them(
    run: Callable[..., Any], demo_home: Any, rows: Callable[..., list[dict[str, Any]]], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(demo_home.path, home)
    (home / "reports" / "report.html").unlink()
    outcome = run("--set", f"home={home}", *SMALL[:-1], "--json")
    assert outcome.code == 0, outcome.err
    cell = r"\s*<td[^>]*>([^<]*)</td>"
    held = re.findall(
        rf'<th scope="row">(Digital Twins|Data Explorer)</th>{cell}{cell}',
        (home / "reports" / "report.html").read_text(encoding="utf-8"),
    )
    told = {what: number for _, what, number in held}
    assert told["TractionBatteryPack twins"] == str(
        len({r["pack_id"] for r in rows(home, "gold.pack_health")})
    )
    assert told["vehicle_status"] == str(len(rows(home, "gold.vehicle_status")))


def test_the_summary_is_what_the_tables_hold(
    demo_home: Any, rows: Callable[..., list[dict[str, Any]]]
) -> None:
    told, home = demo_home.first.json, demo_home.path
    assert all(rows(home, f"gold.{name}") for name in GOLD)
    assert told["messages"]["kept"] == len(rows(home, "silver.telemetry"))
    assert told["messages"]["refused"] == len(rows(home, "silver.quarantine"))
    assert told["cells"] == len(rows(home, "gold.cell_current"))
    assert told["rows_this_run"]["ingest"] == len(rows(home, "bronze.telemetry"))
    weakest = min(rows(home, "gold.pack_health"), key=lambda row: row["soh_min_pct"] or 1e9)
    assert weakest["pack_id"] in {row["pack_id"] for row in told["worst_packs"]}
    assert Path(told["report"]).is_file()


def test_a_second_demo_does_nothing_again(run: Callable[..., Any], demo_home: Any) -> None:
    before = versions(demo_home.path)
    outcome = run("--set", f"home={demo_home.path}", *SMALL, "--json")
    assert outcome.code == 0, outcome.err
    assert set(outcome.json["rows_this_run"].values()) == {0}
    assert "simulate: done before" in outcome.err
    assert versions(demo_home.path) == before
    same = ("messages", "packs", "cells", "worst_packs", "worst_cells", "accuracy")
    assert {name: outcome.json[name] for name in same} == {name: demo_home.first.json[name] for name in same}


def test_people_get_tables_and_quiet_says_nothing_else(run: Callable[..., Any], demo_home: Any) -> None:
    outcome = run("--quiet", "--set", f"home={demo_home.path}", *SMALL)
    assert (outcome.code, outcome.err) == (0, "")
    for text in ("worst packs", "worst cells", "P00001/", "report.html", "battery-lake status"):
        assert text in outcome.out


def test_a_home_of_another_input_is_refused_and_kept(run: Callable[..., Any], demo_home: Any) -> None:
    before = versions(demo_home.path)
    outcome = run("--set", f"home={demo_home.path}", "demo", "--vehicles", "3", "--days", "10")
    assert (outcome.code, outcome.out) == (2, "")
    assert "holds a demo of another input" in outcome.err
    assert "--clean" in outcome.err
    assert versions(demo_home.path) == before


def test_a_lake_that_no_demo_made_is_refused_and_kept_even_with_clean(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    precious = tmp_path / "home" / "lake" / "silver" / "precious"
    precious.mkdir(parents=True)
    for options in ((), ("--clean",)):
        outcome = run("--set", f"home={tmp_path / 'home'}", *SMALL, *options)
        assert (outcome.code, outcome.out) == (2, "")
        assert "holds a lake that no demo made" in outcome.err
    assert precious.is_dir()
    assert not (tmp_path / "home" / "landing").exists()


def test_clean_throws_an_earlier_demo_away_and_ctrl_c_ends_with_130(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for folder in ("demo", "lake", "landing"):
        (home / folder).mkdir(parents=True)
    (home / "demo" / "input.json").write_text(json.dumps({"vehicles": 1}), encoding="utf-8")
    (home / "landing" / "old.json").touch()
    with started(home, "demo", "--clean", "--vehicles", "500", "--days", "2000") as process:
        code, said = interrupted_at("simulate:", process)
    assert code == 130
    assert "run the same command again and it goes on" in said
    assert "Traceback" not in said
    assert not (home / "landing" / "old.json").exists()
    assert not (home / "lake").exists()
    assert json.loads((home / "demo" / "input.json").read_text(encoding="utf-8"))["vehicles"] == 500


def test_ctrl_c_while_spark_works_ends_with_130_and_leaves_no_process(tmp_path: Path) -> None:
    with started(tmp_path / "home", *SMALL) as process:
        code, said = interrupted_at(FIRST_STEP, process)
        assert code == 130, said
        assert "interrupted" in said
        assert "Traceback" not in said
