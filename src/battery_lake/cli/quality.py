"""The command that validates tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from battery_lake.cli.base import AsJson, app, options

if TYPE_CHECKING:
    from battery_lake.pipelines.quality import Validated


@app.command(
    epilog="Examples: battery-lake quality | battery-lake quality --table gold.cell_health --whole |"
    " ... --set quality.fail_on=warning quality"
)
def quality(
    context: typer.Context,
    table: Annotated[list[str] | None, typer.Option(help="Only this table; may be repeated.")] = None,
    whole: Annotated[bool, typer.Option("--whole", help="Check all rows, not only new ones.")] = False,
    json: AsJson = False,
) -> None:
    """Validate what is new in every table; ends with 5 where a critical expectation failed."""
    from battery_lake.cli.show import ConsoleProgress, as_json
    from battery_lake.errors import QualityError, SettingsError
    from battery_lake.log import configure
    from battery_lake.pipelines.quality import CHECKED, held_back, validate

    chosen = options(context)
    configure(chosen.verbosity)
    unknown = [name for name in table or () if name not in CHECKED]
    if unknown:
        raise SettingsError(f"{unknown[0]} has no suite", remedy=f"there are {', '.join(CHECKED)}")
    lake = chosen.lake()
    progress = ConsoleProgress(quiet=chosen.verbosity < 0)
    found = validate(lake, progress, tuple(table or ()), whole=whole)
    held = held_back(lake)
    if json:
        as_json({"checked": found.checked, "docs": found.docs, "held": held})
    else:
        _print(found, held)
    if found.failed(lake.settings.quality.fail_on):
        raise typer.Exit(QualityError.exit_code)


def _print(found: Validated, held: list[tuple[str, int, int]]) -> None:
    from battery_lake.cli.show import as_table

    if not found.checked:
        typer.echo("nothing is new since the last run")
    rows: list[tuple[Any, ...]] = [
        (
            c.suite,
            c.rows,
            len(c.findings),
            *(_failed(found, c.suite, s) for s in ("critical", "warning", "info")),
        )
        for c in found.checked
    ]
    as_table("", ("suite", "rows", "expectations", "critical", "warning", "info"), rows)
    for checked, finding in found.failed("info"):
        told = finding.observed or f"{finding.failed:,} of {finding.checked:,} rows"
        typer.echo(f"{finding.severity}: {checked.table} {finding.code}: {told}. {finding.why}")
    for name, first, last in held:
        typer.echo(f"held back from the sinks: {name}, versions {first} to {last}")
    typer.echo(f"open {found.docs}")


def _failed(found: Validated, suite: str, severity: str) -> int:
    failed = found.failed("info")
    return sum(checked.suite == suite and finding.severity == severity for checked, finding in failed)
