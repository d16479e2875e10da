"""`battery-lake doctor --source --move-to`: rewriting the stream's place, the old one kept."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from battery_lake.bronze.data_gap import REASON
from battery_lake.cli.doctor_hub import RECREATED, hub_options, read_offsets
from battery_lake.cli.show import as_json, as_table
from battery_lake.clock import utc_now
from battery_lake.errors import DataLossError, SettingsError
from battery_lake.lake.create import ensure, exists
from battery_lake.lake.sql import quoted
from battery_lake.lake.write import insert_missing
from battery_lake.sources.checkpoint import add_step, keep_copy, local_folder, read_progress
from battery_lake.sources.eventhubs.client import partition_states
from battery_lake.sources.eventhubs.diagnosis import Standing, judged, missing_of_batch, moved
from battery_lake.sources.eventhubs.offsets import Offsets, Place, from_json
from battery_lake.sources.eventhubs.options import parse_options
from battery_lake.sources.eventhubs.positions import first_places
from battery_lake.sources.eventhubs.stream import source_options
from battery_lake.tables.ops import DATA_GAP

if TYPE_CHECKING:
    from pathlib import Path

    from battery_lake.cli.base import Options
    from battery_lake.lake.access import Lake
    from battery_lake.settings import Settings
    from battery_lake.sources.checkpoint import Progress
    from battery_lake.sources.eventhubs.diagnosis import Move
    from battery_lake.sources.eventhubs.options import Position
    from battery_lake.sources.eventhubs.planning import PartitionState


@dataclass(frozen=True)
class PlannedMove:
    """A move that is possible, and what it does.

    Attributes
    ----------
    progress
        How far the stream is.
    end
        The new place.
    moves
        What it does, one a partition.
    """

    progress: Progress
    end: Offsets
    moves: list[Move]


def move_stream(chosen: Options, address: str, to: str, *, yes: bool, json: bool) -> None:
    """Rewrite the stream's place, after asking.

    Parameters
    ----------
    chosen
        What stands before the command.
    address
        Where the stream keeps its place.
    to
        ``earliest``, ``latest``, a time, or numbers by partition.
    yes, json
        Do not ask; print for machines.
    """
    settings, _ = chosen.settings()
    planned = plan_move(settings, address, to)
    if not json:
        _print_moves(planned)
    given_up = planned.progress.open
    if not given_up and all(move.before == move.after for move in planned.moves):
        as_json({"kept": None, "moves": planned.moves}) if json else typer.echo(
            "the stream stands there already"
        )
        return
    _confirm(yes=yes)
    if any(move.lost for move in planned.moves):
        write_gaps(chosen.lake(), planned)
    kept = carry_out(planned)
    if json:
        as_json({"kept": kept, "given_up": given_up and given_up.number, "moves": planned.moves})
    else:
        typer.echo(_way_back(planned, kept))


def plan_move(settings: Settings, address: str, to: str) -> PlannedMove:
    """Return what a move would do.

    Raises
    ------
    SettingsError
        There is nothing to move, or not to there.
    DataLossError
        Moving would lose events without saying so, or cross a batch that only has to be run again.
    """
    if settings.source.format != "eventhubs":
        raise SettingsError(
            "only the place in a hub can be moved", why=f"source.format is {settings.source.format}"
        )
    options = hub_options(settings)
    progress = read_progress(local_folder(address))
    if progress is None:
        raise SettingsError(
            "the stream has no place yet",
            remedy="set eventhubs.starting_position: the first run begins there",
        )
    position = _position(settings, to)
    states = partition_states(options)
    hub = options.address.hub
    start = (
        read_offsets(progress.done.end, hub)
        if progress.done
        else Offsets(hub, first_places(options, options.starting_position, states))
    )
    if any(report.standing is Standing.FELL_BACK for report in judged(start.places, states)):
        raise DataLossError(
            "the place is not rewritten: the hub was created anew",
            why="its numbers fell back",
            remedy=RECREATED,
        )
    _refuse_open_batch(progress, start, states, fail_on_data_loss=options.fail_on_data_loss)
    if isinstance(position, dict):
        wanted = {name: Place(number) for name, number in position.items()}
    else:
        wanted = first_places(options, position, states)
    places, moves = moved(start.places, wanted, states)
    return PlannedMove(progress, Offsets(hub, places), moves)


def carry_out(planned: PlannedMove) -> Path:
    """Keep a copy of the checkpoint, write the new place, return the copy."""
    now = utc_now()
    kept = keep_copy(planned.progress.folder, now)
    add_step(planned.progress, planned.end.as_json(), now)
    return kept


def write_gaps(lake: Lake, planned: PlannedMove) -> None:
    """Write down the events that are gone: the source meets them no more, so it will not."""
    ensure(lake, ("ops.data_gap",))
    now = utc_now().replace(tzinfo=None)  # Spark's timestamps are UTC without a zone here
    rows = []
    for move in planned.moves:
        until = move.before + move.lost
        begin = _first_missing(lake, planned.end.hub, move.partition, move.before, until)
        if begin < until:
            rows.append((planned.end.hub, move.partition, begin, until, REASON, now))
    if rows:
        insert_missing(lake, "ops.data_gap", lake.spark.createDataFrame(rows, DATA_GAP.fields))


def _first_missing(lake: Lake, hub: str, partition: str, begin: int, until: int) -> int:
    """The open batch may have come as far as bronze, all of it or nothing, before its run was ended."""
    if not exists(lake, "bronze.telemetry"):
        return begin
    within = (
        f"hub = {quoted(hub)} AND partition_id = {quoted(partition)}"
        f" AND sequence_number >= {begin} AND sequence_number < {until}"
    )
    newest: Any = lake.read("bronze.telemetry").where(within).selectExpr("max(sequence_number) AS n").first()
    return begin if newest.n is None else int(newest.n) + 1


def _position(settings: Settings, to: str) -> Position:
    try:
        return parse_options({**source_options(settings.eventhubs), "startingPosition": to}).starting_position
    except SettingsError as fault:
        raise SettingsError(f"--move-to {to!r} is no position", remedy=fault.remedy) from None


def _refuse_open_batch(
    progress: Progress, start: Offsets, states: dict[str, PartitionState], *, fail_on_data_loss: bool
) -> None:
    """A batch that was planned is run, unless it cannot be any more."""
    if progress.open is None:
        return
    end = from_json(progress.open.end, start.hub)
    if fail_on_data_loss and missing_of_batch(start.places, end.places, states):
        return
    raise DataLossError(
        f"batch {progress.open.number} is planned and not committed",
        why="a run is under way, or was ended; the batch can still be read",
        remedy="battery-lake ingest first: it ends that batch; then move",
    )


def _confirm(*, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise SettingsError(
            "nothing was rewritten",
            why="there is no terminal to ask on",
            remedy="--yes rewrites without asking",
        )
    if not typer.confirm("Rewrite the place? No run of ingest may be under way.", err=True):
        typer.echo("nothing was rewritten", err=True)
        raise typer.Exit(1)


def _print_moves(planned: PlannedMove) -> None:
    columns = ("partition", "stands at", "moves to", "gone, unread", "skipped", "come again")
    rows = [(m.partition, m.before, m.after, m.lost, m.skipped, m.again) for m in planned.moves]
    as_table("", columns, rows)
    if planned.progress.open:
        typer.echo(f"batch {planned.progress.open.number}, which cannot be read any more, is given up")
    if any(move.skipped for move in planned.moves):
        typer.echo("skipped events are in the hub and will not be read")
    if any(move.again for move in planned.moves):
        typer.echo("of the events that come again bronze takes those that it lacks")
    if any(move.lost for move in planned.moves):
        typer.echo("events that are gone are written into ops.data_gap")


def _way_back(planned: PlannedMove, kept: Path) -> str:
    folder = planned.progress.folder
    old = json.dumps({move.partition: move.before for move in planned.moves})
    return (
        f"rewritten; the old checkpoint is kept: {kept}\n"
        f"next:  battery-lake ingest\n"
        f"back, before the next ingest:  mv {folder} {folder}.moved && mv {kept} {folder}\n"
        f"back, after it:  battery-lake doctor --source --move-to '{old}'"
    )
