"""Commands that make messages: recordings replayed, a fleet simulated; as files, or sent into a hub."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from battery_lake.cli.base import AsJson, app, options

if TYPE_CHECKING:
    from battery_lake.cli.show import ConsoleProgress
    from battery_lake.settings import Settings

To = Annotated[
    Literal["files", "eventhub"],
    typer.Option(help="files: into the landing folder; eventhub: into eventhubs.connection_string."),
]


@app.command(
    epilog="Examples: battery-lake replay ../data | battery-lake replay ../data --clock 2026-01-01T00:00:00Z"
)
def replay(
    context: typer.Context,
    data: Annotated[
        Path, typer.Argument(help="Folder with nasa_pcoe, calce_cs2, ev_cell_faults, or some of them.")
    ],
    clock: Annotated[str, typer.Option(help="Instant at which every recording begins; else its own.")] = "",
    as_sent: Annotated[
        bool,
        typer.Option("--as-sent", help="Only the three cars, their logs as sent: for ev_log_1, ev_log_23."),
    ] = False,
    to: To = "files",
    json: AsJson = False,
) -> None:
    """Turn recordings of real cells and vehicles into landing files and reference files."""
    from battery_lake.cli.show import ConsoleProgress, as_json
    from battery_lake.errors import SettingsError
    from battery_lake.simulate.replay import SETS
    from battery_lake.simulate.replay import replay as run

    chosen = options(context)
    settings, _ = chosen.settings()
    try:
        start = dt.datetime.fromisoformat(clock) if clock else None
    except ValueError as fault:
        raise SettingsError(
            f"--clock {clock} is no time", remedy="write it as 2026-01-01T00:00:00Z"
        ) from fault
    if start is not None and start.tzinfo is None:
        start = start.replace(tzinfo=dt.UTC)
    progress = ConsoleProgress(quiet=chosen.verbosity < 0)
    reference, truth = (settings.home / folder / "replay" for folder in ("reference", "truth"))
    summary = run(
        data, _folder(settings, to), reference, truth,
        clock=start, as_sent=as_sent, sets=("ev_cell_faults",) if as_sent else SETS,
        progress=lambda pack, count: progress.say(f"  {pack}: {count:,} messages"),
    )  # fmt: skip
    where = _delivered(settings, to, progress)
    if json:
        as_json(summary)
        return
    typer.echo(f"{summary.messages:,} messages of {summary.packs} packs stand in {where}")
    typer.echo(f"next: battery-lake reference load {settings.home / 'reference' / 'replay'}")


@app.command(
    epilog="Examples: battery-lake simulate | battery-lake simulate --vehicles 100 --days 30 --seed 7"
)
def simulate(
    context: typer.Context,
    vehicles: Annotated[int, typer.Option(min=1, help="Vehicles of the fleet.")] = 20,
    days: Annotated[int, typer.Option(min=1, help="Days that it drives.")] = 365,
    seed: Annotated[int, typer.Option(help="The same seed gives the same fleet.")] = 1,
    to: To = "files",
    json: AsJson = False,
) -> None:
    """Simulate a fleet: landing files, reference files, and the truth about every cell."""
    from battery_lake.cli.fleet_files import write_fleet
    from battery_lake.cli.show import ConsoleProgress, as_json
    from battery_lake.simulate.fleet import FleetSpec

    chosen = options(context)
    settings, _ = chosen.settings()
    progress = ConsoleProgress(quiet=chosen.verbosity < 0)
    source = settings.source.model_copy(update={"landing": str(_folder(settings, to))})
    spec = FleetSpec(vehicles=vehicles, days=days, seed=seed)
    messages = write_fleet(settings.model_copy(update={"source": source}), spec, progress.say)
    where = _delivered(settings, to, progress)
    if json:
        as_json({"messages": messages, "landing": where})
        return
    typer.echo(f"{messages:,} messages of {vehicles} vehicles stand in {where}")
    typer.echo(f"next: battery-lake reference load {settings.home / 'reference' / 'fleet'}")


def _folder(settings: Settings, to: str) -> Path:
    """Where the files are written: the landing folder, or one from which they are sent."""
    from battery_lake.errors import SettingsError

    if to == "files":
        return settings.landing
    if not settings.eventhubs.connection_string.get_secret_value():
        raise SettingsError(
            "no hub to send to", remedy="set eventhubs.connection_string; `battery-lake local up` prints one"
        )
    return settings.home / "outbox"


def _delivered(settings: Settings, to: str, progress: ConsoleProgress) -> str:
    """Send what is to be sent; where the messages are now."""
    if to == "files":
        return str(settings.landing)
    from azure.eventhub.exceptions import EventHubError

    from battery_lake.errors import RemoteError
    from battery_lake.simulate.send import send_landing

    text = settings.eventhubs.connection_string.get_secret_value()
    try:
        send_landing(settings.home / "outbox", text, progress.say)
    except EventHubError as fault:
        raise RemoteError(
            "the hub takes no messages",
            why=str(fault).split("\n", maxsplit=1)[0],
            remedy="is it running? then the same command again: silver takes what comes twice once",
        ) from fault
    return "the hub"
