"""Commands on the Databricks bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from battery_lake.cli.base import AsJson, app

bundle = typer.Typer(no_args_is_help=True, help="The Databricks bundle: databricks.yml and bundles/.")
app.add_typer(bundle, name="bundle")

Root = Annotated[Path, typer.Option(help="Folder of databricks.yml.")]
Variables = Annotated[
    list[str] | None,
    typer.Option("--var", metavar="NAME=VALUE", help="Value of a variable; may be repeated."),
]


@bundle.command(
    "check", epilog="Examples: battery-lake bundle check | battery-lake bundle check --target prod --json"
)
def bundle_check(
    target: Annotated[list[str] | None, typer.Option(help="Only this target; may be repeated.")] = None,
    root: Root = Path(),
    var: Variables = None,
    json: AsJson = False,
) -> None:
    """Look for faults without a workspace; ends with 3 where there are some."""
    from dataclasses import asdict

    from battery_lake.bundle.check import check, targets
    from battery_lake.cli.show import as_json
    from battery_lake.errors import BundleError, SettingsError

    given = dict(pair.partition("=")[::2] for pair in var or ())
    known = targets(root)
    unknown = [name for name in target or () if name not in known]
    if unknown:
        raise SettingsError(f"there is no target {unknown[0]}", remedy=f"there are {', '.join(known)}")
    found = {name: check(root, name, given) for name in target or known}
    if json:
        as_json({name: [asdict(finding) for finding in findings] for name, findings in found.items()})
    for name, findings in () if json else found.items():
        typer.echo(f"{name}: {len(findings) or 'no'} fault{'' if len(findings) == 1 else 's'}")
        for finding in findings:
            typer.echo(f"  {finding.place}: {finding.what}\n    do: {finding.remedy}")
    if any(found.values()):
        raise typer.Exit(BundleError.exit_code)
