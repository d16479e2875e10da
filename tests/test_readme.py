"""The documents say what the code does: commands, paths, links, codes, parameters, the example."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
import typer
from typer.exceptions import TyperException

import battery_lake
from battery_lake.cli.app import app
from battery_lake.quality.row_rules import rule_params
from battery_lake.quality.suites import read_suite
from battery_lake.serving.markdown import anchor
from battery_lake.settings import Settings, load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyspark.sql import SparkSession

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```.*?^```", flags=re.DOTALL | re.MULTILINE)
REDIRECTIONS = {"|", ">", "&&", ";"}


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# --- commands ----------------------------------------------------------------------------------------


def shown(path: Path) -> Iterator[str]:
    """The command lines of the document's blocks."""
    for block in FENCE.findall(path.read_text(encoding="utf-8")):
        yield from (line for line in block.splitlines() if line.startswith("battery-lake "))


def mentioned(path: Path) -> Iterator[str]:
    """Commands within sentences: they may leave arguments out."""
    yield from re.findall(r"`(battery-lake [^`]+)`", FENCE.sub("", path.read_text(encoding="utf-8")))


def refusal(line: str) -> str:
    """Why the command line would not take it, or nothing; nothing is run."""
    words = shlex.split(line, comments=True)[1:]
    arguments = words[: next((i for i, word in enumerate(words) if word in REDIRECTIONS), len(words))]
    command: Any = typer.main.get_command(app)
    context: Any = None
    name = "battery-lake"
    while True:
        try:
            context = command.make_context(name, arguments, parent=context)
            if not hasattr(command, "resolve_command"):
                return ""
            rest = [*context._protected_args, *context.args]
            if not rest and command.invoke_without_command:
                return ""
            name, command, arguments = command.resolve_command(context, rest)
        except TyperException as fault:
            return fault.format_message()


def lines(find: Callable[[Path], Iterator[str]]) -> list[Any]:
    return [pytest.param(line, id=f"{named(path)}: {line}") for path in DOCUMENTS for line in find(path)]


@pytest.mark.parametrize("line", lines(shown))
def test_a_command_that_is_shown_would_be_taken(line: str) -> None:
    assert not refusal(line)


@pytest.mark.parametrize("line", lines(mentioned))
def test_a_command_that_is_mentioned_exists_with_its_options(line: str) -> None:
    assert refusal(line).startswith(("Missing argument", "Missing option")) or not refusal(line)


@pytest.mark.parametrize(
    "line", ["battery-lake nothing", "battery-lake tables --nothing", "battery-lake demo --vehicles many"]
)
def test_a_wrong_command_would_be_noticed(line: str) -> None:
    assert refusal(line)


def test_the_readme_shows_the_targets_that_the_makefile_has() -> None:
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", text_of("Makefile"), flags=re.MULTILINE))
    written = re.compile(r"(?:^|`)make ([a-z][a-z0-9-]*)", flags=re.MULTILINE)
    assert {target for path in DOCUMENTS for target in written.findall(path.read_text())} <= targets


# --- paths and links ---------------------------------------------------------------------------------


def test_every_place_of_the_where_is_table_exists() -> None:
    table = re.search(r"<!-- where-is -->(.*?)<!-- /where-is -->", text_of("README.md"), flags=re.DOTALL)
    assert table
    rows = [line for line in table.group(1).splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 10
    for row in rows:
        places = re.findall(r"`((?:src|docs|expectations)/[^`]+)`", row)
        assert places, row
        assert not [place for place in places if not (ROOT / place).exists()], row


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_every_source_file_that_a_document_names_exists(path: Path) -> None:
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    places = re.findall(r"`((?:src/|docs/|jobs/|requirements/)[^`\s<>*]+)`", text)
    modules = [
        f"src/battery_lake/{module}"
        for module in re.findall(r"`((?:cells|silver|gold|lake|pipelines|sources|cli)/[^`\s<>*]+\.py)`", text)
    ]
    assert not [place for place in (*places, *modules) if not (ROOT / place).exists()]


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        place, _, fragment = unquote(link).partition("#")
        target = path.parent / place if place else path
        if not target.exists() or (fragment and fragment not in headings(target)):
            broken.append(link)
    assert not broken


def headings(path: Path) -> set[str]:
    lines = FENCE.sub("", path.read_text(encoding="utf-8")).splitlines()
    return {anchor(line.lstrip("#").strip()) for line in lines if line.startswith("#")}


def test_every_decision_is_listed() -> None:
    index = text_of("docs/adr/README.md")
    files = {path.name for path in (ROOT / "docs" / "adr").glob("[0-9]*.md")}
    assert set(re.findall(r"\((\d{4}-[^)]+\.md)\)", index)) == files


def test_the_citation_has_the_version_of_the_package() -> None:
    assert f"\nversion: {battery_lake.__version__}\n" in text_of("CITATION.cff")


# --- what the code says ------------------------------------------------------------------------------


def codes(heading: str) -> dict[str, str]:
    """The codes of a table of silver-rules.md, and what stands beside them."""
    section = text_of("docs/silver-rules.md").split(f"## {heading}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", section, flags=re.MULTILINE))


def test_every_rule_is_explained_in_its_own_words() -> None:
    rules = rule_params(Settings())
    explained = {heading: codes(heading) for heading in ("Refused", "Blanked or flagged", "Counted")}
    assert explained["Refused"].pop("conflicting_duplicate")
    by_severity = (rules.of("critical"), rules.of("warning"), rules.of("info"))
    for found, expected in zip(explained.values(), by_severity, strict=True):
        assert found == {rule.code: rule.meaning for rule in expected}


def test_every_fault_of_a_look_back_is_explained_in_the_words_of_its_suite() -> None:
    suite = read_suite("silver.signal_fault")
    meant = {e.meta["code"]: e.meta["why"] for e in suite.expectations if "value_set" in e.kwargs}
    assert codes("Seen only beside what came before") == meant


def parameters() -> list[tuple[str, float]]:
    table = re.search(r"<!-- parameters -->(.*?)<!--", text_of("docs/methods.md"), flags=re.DOTALL)
    assert table
    return [(name, float(value)) for name, value in re.findall(r"`([\w.-]+)` \| ([\d.]+)", table.group(1))]


def value_of(name: str) -> Any:
    """The value of a setting, a constant, a field of a parameter class, or a default argument.

    A setting by chemistry is named with it, a point of a curve with its place too.
    """
    if name.startswith("settings."):
        section, key, *by = name.removeprefix("settings.").split(".")
        setting = getattr(getattr(Settings(), section), key)
        for place in by:
            setting = setting[place] if isinstance(setting, dict) else dict(setting)[float(place)]
        return setting
    layer, module, *rest = name.split(".")
    found = getattr(importlib.import_module(f"battery_lake.{layer}.{module}"), rest[0])
    if inspect.isfunction(found):
        return inspect.signature(found).parameters[rest[1]].default
    if not dataclasses.is_dataclass(found):
        return found
    return next(field.default for field in dataclasses.fields(found) if field.name == rest[1])


@pytest.mark.parametrize(("name", "value"), parameters())
def test_a_parameter_of_the_methods_has_the_value_that_is_written(name: str, value: float) -> None:
    assert value_of(name) == pytest.approx(value)


# --- the example -------------------------------------------------------------------------------------


def test_getting_started_shows_the_example_as_it_is() -> None:
    shown = text_of("docs/getting-started.md")
    for name in ("packs.csv", "pack_assignment.csv"):
        assert f"```csv\n{text_of(f'docs/example/{name}')}```" in shown
    first = text_of("docs/example/landing/2026-03-02.json").splitlines()[0]
    assert f"```json\n{first}\n```" in shown


def test_the_example_gives_what_getting_started_says(spark: SparkSession, tmp_path: Path) -> None:
    from battery_lake.lake.access import Lake
    from battery_lake.pipelines.reference import load_reference
    from battery_lake.pipelines.registry import run_job

    example = ROOT / "docs" / "example"
    settings, _ = load([f"home={tmp_path}", f"source.landing={example / 'landing'}"], environment={})
    lake = Lake(spark, settings)
    load_reference(lake, example)
    (ingested,) = run_job("ingest", lake)
    refined, *_ = run_job("refine", lake)
    assert ingested.counts.rows_in == 16
    assert (refined.counts.rows_kept, refined.counts.rows_refused) == (15, 1)
    (refused,) = lake.read("silver.quarantine").collect()
    assert [(reason.code, reason.detail) for reason in refused.reasons] == [("unknown_pack", "SC-0002")]

    run_job("health", lake)
    rows = lake.read("gold.cell_health").orderBy("cell_id").collect()
    told = [(r.cell_id, f"{r.capacity_ah:.2f}", f"{r.soh_pct:.1f}", f"{r.soh_std_pct:.1f}") for r in rows]
    table = re.findall(r"\| (SC-0001\S+) \| (\S+) \| (\S+) \| (\S+) \|", text_of("docs/getting-started.md"))
    assert told == table
    assert all(row.censored for row in lake.read("gold.cell_life").collect())
    (pack,) = lake.read("gold.pack_health").collect()
    assert pack.alerts == ["weak_cell"]


# --- bring your own ----------------------------------------------------------------------------------


def blocks(document: str, mark: str) -> str:
    """The code block behind a mark."""
    found = re.search(rf"<!-- {mark} -->\n```\w*\n(.*?)```", text_of(document), flags=re.DOTALL)
    assert found
    return found.group(1)


def test_bring_your_own_is_followed_to_the_letter(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from battery_lake.cli.app import main
    from battery_lake.lake.access import Lake

    page = "docs/mapping.md"
    fences = re.findall(r"^```(\w*)\n(.*?)^```", text_of(page), flags=re.DOTALL | re.MULTILINE)
    commands = [shlex.split(line) for kind, fence in fences if not kind for line in fence.splitlines()]
    assert [words[1] for words in commands if words[0] == "battery-lake"].count("mapping") == 2
    monkeypatch.setenv("BATTERY_LAKE_HOME", str(tmp_path))
    monkeypatch.chdir(ROOT)
    said = []
    for words in commands:
        monkeypatch.setattr("sys.argv", words)
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        said.append((words, code, capsys.readouterr().out))
    assert [code for _, code, _ in said] == [3 if "check" in words else 0 for words, _, _ in said]
    assert said[0][2] == blocks(page, "draft")
    head, tail = blocks(page, "check").split("...\n")
    assert said[1][2].startswith(head)
    assert said[1][2].endswith(tail)
    assert blocks(page, "city4") == text_of("docs/example/mapping/city4.yml")

    settings, _ = load([f"home={tmp_path}"], environment={})
    lake = Lake(spark, settings)
    assert (lake.read("silver.telemetry").count(), lake.read("silver.quarantine").count()) == (15, 0)
    cells = {row.cell_id: row.capacity_ah for row in lake.read("gold.cell_health").collect()}
    table = re.findall(r"\| (SC-0001\S+) \| (\S+) \|", text_of("docs/getting-started.md"))
    assert cells == pytest.approx({cell: float(capacity) for cell, capacity in table}, rel=0.02)
