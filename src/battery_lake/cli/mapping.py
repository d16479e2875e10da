"""Commands about mappings: check one against samples, draft one from samples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from battery_lake.cli.base import AsJson, app, options

mapping = typer.Typer(no_args_is_help=True, help="How a maker's messages become canonical ones.")
app.add_typer(mapping, name="mapping")

Sample = Annotated[
    Path,
    typer.Argument(help="Messages as sent: .json, .jsonl, .csv (a row a message), .gz behind; or a body."),
]
MOST = 10_000
SHOWN = 3


@mapping.command(
    "check",
    epilog="Examples: battery-lake mapping check my.yml samples.jsonl --device V1 | ... check vss body.json",
)
def mapping_check(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="A mapping file, or the name of a shipped mapping.")],
    sample: Sample,
    device: Annotated[str, typer.Option(help="Device that the hub would name.")] = "device",
    properties: Annotated[
        list[str] | None, typer.Option("--property", metavar="KEY=VALUE", help="Application property.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Show what each sample message becomes, and why one is refused.

    Everything is checked but the pack and its assignment, which are reference data.
    """
    from battery_lake.cli.mapping_check import examine, printed
    from battery_lake.cli.show import as_json
    from battery_lake.errors import SettingsError
    from battery_lake.mapping.compile import compiled
    from battery_lake.mapping.samples import read_bodies

    pairs = [pair.partition("=") for pair in properties or ()]
    if any(not equals for _, equals, _ in pairs):
        raise SettingsError("a property has no value", remedy="write it as --property schema=vss")
    mappings = compiled((file,))
    bodies = read_bodies(sample, MOST)
    found = examine(
        options(context).lake(), mappings, bodies, device, {key: value for key, _, value in pairs}
    )
    if json:
        as_json(found)
    else:
        printed(found, SHOWN)
    if any(message["reasons"] for message in found):
        raise typer.Exit(3)


@mapping.command(
    "new",
    epilog="Examples: battery-lake mapping new my_bms samples.jsonl > my_bms.yml | ... new log drive.csv",
)
def mapping_new(
    name: Annotated[str, typer.Argument(help="Name of the mapping: lower case, digits, _.")],
    sample: Sample,
) -> None:
    """Draft a mapping file from sample messages, by names and ranges; every line is a guess to check."""
    import json as standard_json

    from battery_lake.errors import SampleError
    from battery_lake.mapping.draft import draft
    from battery_lake.mapping.samples import read_bodies

    messages = []
    for body in read_bodies(sample, 200):
        try:
            parsed = standard_json.loads(body)
        except ValueError as fault:
            raise SampleError(
                f"{sample} is not JSON", why=str(fault), remedy="give JSON, JSON lines or CSV"
            ) from fault
        messages += [
            item for item in (parsed if isinstance(parsed, list) else [parsed]) if isinstance(item, dict)
        ]
    typer.echo(draft(name, messages), nl=False)


@mapping.command("list", epilog="Examples: battery-lake mapping list | battery-lake mapping list --json")
def mapping_list(json: AsJson = False) -> None:
    """List the mappings that come with the package."""
    from battery_lake.cli.show import as_json, as_table
    from battery_lake.mapping.load import find, read, shipped_names

    rows = [(name, read(find(name))[0].description) for name in shipped_names()]
    if json:
        as_json([{"mapping": name, "description": text} for name, text in rows])
    else:
        as_table("", ("mapping", "description"), rows)
