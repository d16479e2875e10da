"""`battery-lake doctor --source`: where the stream of the messages stands, and why it stands still."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import typer

from battery_lake.cli.doctor import Finding, Verdict, failed, render
from battery_lake.cli.show import as_json, as_table
from battery_lake.errors import BatteryLakeError, SetupError
from battery_lake.lake.access import Lake
from battery_lake.log import configure

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import SparkSession

    from battery_lake.cli.base import Options
    from battery_lake.settings import Settings
    from battery_lake.sources.eventhubs.diagnosis import PartitionReport


@dataclass(frozen=True)
class SourceReport:
    """What was found.

    Attributes
    ----------
    checkpoint
        Where the stream keeps its place.
    partitions
        Of the hub, or that the stream has met; none where messages come as files.
    findings
        One a check.
    """

    checkpoint: str
    partitions: list[PartitionReport]
    findings: list[Finding]


def checkpoint_address(settings: Settings) -> str:
    """Return where the stream of the messages keeps its place."""
    return Lake(cast("SparkSession", None), settings).checkpoint(
        settings.source.stream
    )  # an address: no session is asked


def doctor_source(chosen: Options, move_to: str, *, yes: bool, json: bool) -> None:
    """Look at the source, or rewrite the stream's place.

    Parameters
    ----------
    chosen
        What stands before the command.
    move_to
        The new place; empty: only look.
    yes, json
        Rewrite without asking; print for machines.

    Raises
    ------
    SetupError
        The packages for hubs are missing.
    typer.Exit
        A finding says that the stream cannot go on.
    """
    configure(max(-1, chosen.verbosity - 1))  # warnings of retries tell less than the findings
    if move_to:
        try:
            from battery_lake.cli.doctor_move import move_stream
        except ModuleNotFoundError as fault:
            raise without_sdk(fault) from fault
        settings, _ = chosen.settings()
        move_stream(chosen, checkpoint_address(settings), move_to, yes=yes, json=json)
        return
    report = examine_source(lambda: chosen.settings()[0])
    show(report, json=json)
    if any(finding.verdict is Verdict.FAIL for finding in report.findings):
        raise typer.Exit(1)


def examine_source(load_settings: Callable[[], Settings]) -> SourceReport:
    """Look at the source and at the checkpoint of the stream that reads it; nothing is changed.

    Parameters
    ----------
    load_settings
        Reads the settings as the other commands do; may raise.
    """
    try:
        settings = load_settings()
    except BatteryLakeError as fault:
        return SourceReport("", [], [failed("Settings", fault)])
    address = checkpoint_address(settings)
    kind: str = settings.source.format
    if kind == "files":
        from battery_lake.cli.doctor_landing import landing_findings

        return SourceReport(address, [], landing_findings(settings, address))
    if kind != "eventhubs":
        found = f"source.format={kind} is not looked into: only files and eventhubs are"
        return SourceReport(address, [], [Finding("Source", Verdict.WARN, found)])
    try:
        from battery_lake.cli.doctor_hub import examine_hub
    except ModuleNotFoundError as fault:
        return SourceReport(address, [], [failed("Packages", without_sdk(fault))])
    return SourceReport(address, *examine_hub(settings, address))


def without_sdk(fault: ModuleNotFoundError) -> SetupError:
    """Return the error for a package that the hub needs and that is not installed."""
    return SetupError("the hub cannot be read", why=str(fault), remedy="pip install 'battery-lake[azure]'")


def show(report: SourceReport, *, json: bool) -> None:
    """Print a report."""
    if json:
        as_json(report)
        return
    if report.partitions:
        as_table(f"checkpoint {report.checkpoint}", *_table(report.partitions))
        typer.echo()
    typer.echo(render(report.findings))


def _table(partitions: list[PartitionReport]) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    columns = ("partition", "stands at", "hub holds from", "to", "waiting", "lost", "standing")
    rows = [
        (
            report.partition,
            report.place,
            report.first_number,
            report.next_number,
            report.waiting,
            report.lost,
            str(report.standing),
        )
        for report in partitions
    ]
    return columns, rows
