"""Commands that write pages: the fleet's report, and one pack's certificate."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from battery_lake.cli.base import AsJson, app, options

reports = typer.Typer(invoke_without_command=True)
app.add_typer(
    reports,
    name="report",
    epilog="Examples: battery-lake report | battery-lake report --out fleet.html |"
    " battery-lake report --since 2026-01-31 |"
    " battery-lake report certificate P00017",
)


@reports.callback()
def report(
    context: typer.Context,
    out: Annotated[Path | None, typer.Option(help="The file; else reports/report.html under home.")] = None,
    since: Annotated[
        dt.datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="Tell what changed since the end of that day; else since the report that stands there.",
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Write the self-contained HTML report of what gold holds; or a page about one pack."""
    if context.invoked_subcommand is not None:
        return
    from battery_lake.cli.reporting import write_report

    _say("report", write_report(options(context).lake(), out, since.date() if since else None), json=json)


@reports.command(
    "certificate",
    epilog="Examples: battery-lake report certificate P00017 | ... certificate P00017 --out buyer.html",
)
def certificate(
    context: typer.Context,
    pack: Annotated[str, typer.Argument(help="The pack.")],
    out: Annotated[
        Path | None, typer.Option(help="The file; else certificates/PACK.html under home.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Write one printable page about a pack: SOH with interval, evidence, outlook, use, warranty."""
    from battery_lake.cli.reporting import write_certificate

    _say("certificate", write_certificate(options(context).lake(), pack, out), json=json)


def _say(what: str, written: Path, *, json: bool) -> None:
    from battery_lake.cli.show import as_json

    if json:
        as_json({what: written})
    else:
        typer.echo(str(written))
