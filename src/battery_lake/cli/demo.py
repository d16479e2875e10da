"""``battery-lake demo``: the whole way, from messages to the report, on recordings and a simulated fleet.

Each stage leaves a mark when it is done; run again, the demo goes on where it stopped and does nothing twice.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from battery_lake.cli.base import app, options
from battery_lake.errors import SettingsError, SetupError
from battery_lake.whole_file import write_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from battery_lake.cli.show import ConsoleProgress
    from battery_lake.lake.access import Lake
    from battery_lake.pipelines.model import RunResult
    from battery_lake.settings import Settings

MARKS = "demo"
REPLAYED = ("nasa_pcoe", "calce_cs2", "ev_cell_faults")


@dataclass(frozen=True, slots=True)
class DemoInput:
    """What the demo runs on; another input needs another home, or --clean."""

    vehicles: int
    days: int
    seed: int
    data: str
    source: str


@app.command(epilog="Examples: battery-lake demo --data ../data | battery-lake demo --no-sinks")
def demo(
    context: typer.Context,
    data: Annotated[
        Path | None, typer.Option(help="Folder with recordings of real cells and vehicles.")
    ] = None,
    vehicles: Annotated[int, typer.Option(min=1, help="Vehicles to simulate.")] = 20,
    days: Annotated[int, typer.Option(min=1, help="Days to simulate.")] = 365,
    seed: Annotated[int, typer.Option(help="The same seed gives the same fleet.")] = 1,
    source: Annotated[
        Literal["eventhub", "files"],
        typer.Option(help="eventhub: through a hub on this machine, as in production; files."),
    ] = "eventhub",
    clean: Annotated[
        bool, typer.Option(help="Throw away what an earlier demo left, and start anew.")
    ] = False,
    sinks: Annotated[
        bool, typer.Option(help="Fill Digital Twins and Data Explorer on this machine at the end.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary for machines.")] = False,
) -> None:
    """Run the whole way once: telemetry in, health and life of every cell out, and a report."""
    from battery_lake.cli.demo_sinks import demo_sinks, push
    from battery_lake.cli.demo_summary import print_summary, summary
    from battery_lake.cli.reporting import read_report_data, report_path
    from battery_lake.cli.show import ConsoleProgress
    from battery_lake.cli.show import as_json as print_json
    from battery_lake.lake.access import Lake
    from battery_lake.log import configure
    from battery_lake.report.html import days_of, render
    from battery_lake.report.selection import Selection
    from battery_lake.session import spark_session

    chosen = options(context)
    configure(chosen.verbosity)
    settings, _ = chosen.settings()
    progress = ConsoleProgress(quiet=chosen.verbosity < 0)
    found = data.absolute() if data is not None and _recordings(data) else None
    wanted = DemoInput(vehicles, days, seed, str(found or ""), source)
    _claim(settings, wanted, clean=clean)
    if found is None:
        progress.say(_no_recordings(data))
    with _source(settings, wanted, progress) as reading:
        progress.say("starting Spark")
        lake = Lake(spark_session(reading), reading)
        _reference(lake, progress)
        results = _pipelines(lake, progress)
    with demo_sinks(settings, progress.say, wanted=sinks) as leading:
        lake = Lake(lake.spark, leading)
        results += push(lake, progress)
        progress.say("report: reading gold, and the sinks")
        path = report_path(lake)
        told = read_report_data(lake, Selection(earlier_days=days_of(path)))
    if not path.exists() or any(result.counts.rows_in for result in results):
        render(told, path)
    outcome = summary(lake, told, results, path)
    progress.say("done")
    if as_json:
        print_json(outcome)
    else:
        print_summary(outcome)


def _recordings(data: Path) -> bool:
    return any((data / name).is_dir() for name in REPLAYED)


def _no_recordings(data: Path | None) -> str:
    where = f"{data} holds none of {', '.join(REPLAYED)}" if data else "no --data was given"
    hint = "docs/getting-started.md tells how to bring recordings"
    return f"{where}: the demo runs on the simulated fleet alone ({hint})"


def _claim(settings: Settings, wanted: DemoInput, *, clean: bool) -> None:
    """Make the home the demo's own, or refuse one that holds something else."""
    mark = settings.home / MARKS / "input.json"
    if clean and mark.exists():
        shutil.rmtree(settings.home)
    if mark.exists():
        held = json.loads(mark.read_text(encoding="utf-8"))
        if held != asdict(wanted):
            raise SettingsError(
                f"{settings.home} holds a demo of another input",
                why=f"it was made with {held}, now {asdict(wanted)} is asked for",
                remedy="add --clean to start anew, or choose another home: battery-lake --set home=DIR demo",
            )
        return
    if (settings.home / "lake").exists():
        raise SettingsError(
            f"{settings.home} holds a lake that no demo made",
            remedy="choose another home for the demo: battery-lake --set home=DIR demo",
        )
    _write_mark(mark, asdict(wanted))


def _write_mark(mark: Path, content: Any) -> None:
    write_whole(mark, json.dumps(content))


def _once(
    settings: Settings, name: str, progress: ConsoleProgress, work: Callable[[], Any], said: str = ""
) -> None:
    """Do a stage's work unless its mark says that it was done."""
    mark = settings.home / MARKS / f"{name}.json"
    if mark.exists():
        progress.say(f"{said or name}: done before")
        return
    progress.say(f"{said or name}:")
    _write_mark(mark, work())


@contextlib.contextmanager
def _source(settings: Settings, wanted: DemoInput, progress: ConsoleProgress) -> Iterator[Settings]:
    """Make the messages, and stand them where they are read from."""
    if wanted.source == "files":
        _inputs(settings, wanted, progress)
        yield settings
        return
    _require_sdk()
    from battery_lake.cli.demo_hub import demo_hub, fill, reading

    outbox = settings.home / "outbox"
    source = settings.source.model_copy(update={"landing": str(outbox)})
    _inputs(settings.model_copy(update={"source": source}), wanted, progress)
    with demo_hub(settings) as hub:
        _once(settings, "send", progress, lambda: {"messages": fill(hub, outbox, progress.say)})
        shutil.rmtree(outbox, ignore_errors=True)
        yield reading(settings, hub)


def _require_sdk() -> None:
    """Say what is missing before anything is made."""
    try:
        importlib.import_module("azure.eventhub")
    except ModuleNotFoundError as fault:
        raise SetupError(
            "the demo's hub cannot be read",
            why=str(fault),
            remedy="pip install 'battery-lake[azure]', or add --source files",
        ) from fault


def _inputs(settings: Settings, wanted: DemoInput, progress: ConsoleProgress) -> None:
    from battery_lake.cli.fleet_files import write_fleet
    from battery_lake.simulate.fleet import FleetSpec
    from battery_lake.simulate.replay import replay

    home = settings.home

    def replayed() -> Any:
        def tell(pack: str, count: int) -> None:
            progress.say(f"  {pack}: {count:,} messages")

        reference, truth = home / "reference" / "replay", home / "truth" / "replay"
        return asdict(replay(Path(wanted.data), settings.landing, reference, truth, progress=tell))

    def simulated() -> Any:
        spec = FleetSpec(vehicles=wanted.vehicles, days=wanted.days, seed=wanted.seed)
        return {"messages": write_fleet(settings, spec, progress.say)}

    if wanted.data:
        _once(settings, "replay", progress, replayed)
    _once(settings, "simulate", progress, simulated)


def _reference(lake: Lake, progress: ConsoleProgress) -> None:
    from battery_lake.pipelines.reference import load_reference

    for folder in sorted((lake.settings.home / "reference").iterdir()):
        content = b"".join(file.read_bytes() for file in sorted(folder.iterdir()))
        name = f"reference-{folder.name}-{hashlib.sha256(content).hexdigest()[:12]}"
        load = functools.partial(load_reference, lake, folder)
        _once(lake.settings, name, progress, load, said=f"packs and who carries them, {folder.name}")


def _pipelines(lake: Lake, progress: ConsoleProgress) -> list[RunResult]:
    from battery_lake.pipelines.registry import JOBS, TO_GOLD

    pipelines = [pipeline for job in TO_GOLD for pipeline in JOBS[job]]
    results = []
    for place, pipeline in enumerate(pipelines, start=1):
        progress.say(f"{pipeline.name} ({place} of {len(pipelines)})")
        results.append(pipeline.run(lake, progress))
    return results
