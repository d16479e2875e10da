"""Commands for the battery passport: its dynamic data as files."""

from __future__ import annotations

from json import JSONDecodeError, loads
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from battery_lake.cli.base import AsJson, app, options

if TYPE_CHECKING:
    from collections.abc import Iterator

passport = typer.Typer(no_args_is_help=True, help="The battery passport's dynamic data.")
app.add_typer(passport, name="passport")


@passport.command(
    "export",
    epilog="Examples: battery-lake passport export P00017 | ... export --all --out passports |"
    " ... export --all --declared maker.json",
)
def export(
    context: typer.Context,
    pack: Annotated[str, typer.Argument(help="The pack.")] = "",
    every: Annotated[bool, typer.Option("--all", help="Every pack that has a passport.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder; else passports under home.")] = None,
    declared: Annotated[
        Path | None,
        typer.Option(help="JSON file of what only the maker knows: by model or *, then section and field."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Write packs' passports in the Battery Pass structure, and beside them sources and what is absent."""
    from battery_lake.cli.packs import pack_named
    from battery_lake.cli.show import as_json
    from battery_lake.errors import BatteryLakeError
    from battery_lake.pipelines.export_passports import export_passports

    if bool(pack) == every:
        raise typer.BadParameter("name a pack, or say --all")
    told_by_maker = _declared(declared) if declared else {}
    lake = options(context).lake()
    if pack:
        pack_named(lake, pack)
    folder = out or lake.settings.home / "passports"
    done = _told(export_passports(lake, folder, declared=told_by_maker, pack_id=pack))
    if not done["packs"]:
        raise BatteryLakeError(
            "there is no passport to write",
            why="gold.battery_passport holds none of the present method",
            remedy="battery-lake health",
        )
    if json:
        as_json(done | {"folder": folder})
    else:
        typer.echo(
            f"{done['packs']:,} passports stand in {folder}; {done['fields_min']} to {done['fields_max']} of"
            f" {done['fields']} fields are known, *.notes.json says why the others are not"
        )


def _told(written: Iterator[tuple[str, int, int]]) -> dict[str, Any]:
    """Count what is written while it is written."""
    packs, known, whole = 0, [10**9, 0], 0
    for _, fields, absent in written:
        packs, whole = packs + 1, fields + absent
        known = [min(known[0], fields), max(known[1], fields)]
    return {"packs": packs, "fields": whole, "fields_min": known[0] if packs else 0, "fields_max": known[1]}


def _declared(file: Path) -> dict[str, Any]:
    """Read what the maker declares.

    Raises
    ------
    SettingsError
        There is no such file, or it is no JSON object of objects.
    """
    from battery_lake.errors import SettingsError

    remedy = '{"MODEL or *": {"batteryTechicalProperties": {"ratedMaximumPower": 150}}}'
    try:
        found = loads(file.read_text(encoding="utf-8"))
    except OSError as fault:
        raise SettingsError(
            f"cannot read {file}", why=str(fault.strerror), remedy=f"write {remedy}"
        ) from fault
    except (JSONDecodeError, UnicodeDecodeError) as fault:
        raise SettingsError(f"{file} is no JSON", why=str(fault), remedy=f"write {remedy}") from fault
    if not _is_declaration(found):
        raise SettingsError(f"{file} has another form", remedy=f"write {remedy}")
    return dict(found)


def _is_declaration(found: Any) -> bool:
    return isinstance(found, dict) and all(
        isinstance(model, dict) and all(isinstance(section, dict) for section in model.values())
        for model in found.values()
    )
