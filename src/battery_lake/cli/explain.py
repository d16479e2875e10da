"""The command that explains: why a cell's SOH is what it is, and why it moved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from battery_lake.cli.base import AsJson, app, options
from battery_lake.cli.packs import first_rows, pack_named
from battery_lake.errors import BatteryLakeError

if TYPE_CHECKING:
    from battery_lake.lake.access import Lake

SHOWN = 10
"""So many changes are shown, the newest first."""


@app.command(
    epilog="Examples: battery-lake explain P00017 | battery-lake explain P00017 03/07 |"
    " battery-lake explain P00017 P00017/03/07 --json"
)
def explain(
    context: typer.Context,
    pack: Annotated[str, typer.Argument(help="The pack.")],
    cell: Annotated[
        str, typer.Argument(help="A cell, P00017/03/07 or 03/07 say; else the pack's weakest.")
    ] = "",
    last: Annotated[int, typer.Option(min=1, max=1000, help="How many changes, the newest first.")] = SHOWN,
    json: AsJson = False,
) -> None:
    """Say why the SOH of a pack's cell is what it is, and why it moved."""
    from battery_lake.cli.show import as_json

    lake = options(context).lake()
    told: dict[str, Any] = {"pack": _pack(lake, pack), "cell": _cell(lake, pack, cell), "changes": []}
    if told["cell"] is not None:
        told["changes"] = _changes(lake, pack, told["cell"]["cell_id"], last)
    if json:
        as_json(told)
    else:
        _show(told)


def _pack(lake: Lake, pack: str) -> dict[str, Any]:
    """The pack's specification and its newest health."""
    from pyspark.sql import functions as F

    found = pack_named(lake, pack)
    specified = ("pack_id", "model", "chemistry", "cells_in_series", "rated_capacity_ah", "warranty_from")
    health = first_rows(lake, "gold.pack_health", F.col("pack_id") == pack, F.desc("as_of_date"))
    healthy = (
        "as_of_date", "soh_min_pct", "soh_median_pct", "soh_max_pct", "soce_pct", "weakest_cell_id",
        "cohort_percentile_pct", "alerts",
    )  # fmt: skip
    return {name: found[name] for name in specified} | {
        name: health[0][name] if health else None for name in healthy
    }


def _cell(lake: Lake, pack: str, cell: str) -> dict[str, Any] | None:
    """The wanted cell as it is now, else the weakest; None where no capacity was observed yet.

    Raises
    ------
    BatteryLakeError
        The pack has cells, but none of that name.
    """
    from pyspark.sql import functions as F

    mine = F.col("pack_id") == pack
    weakest = first_rows(lake, "gold.cell_current", mine, "soh_pct", "cell_id")
    if not cell or not weakest:
        return _now(weakest)
    whole = cell if cell.startswith(f"{pack}/") else f"{pack}/{cell}"
    found = first_rows(lake, "gold.cell_current", mine & (F.col("cell_id") == whole))
    if not found:
        raise BatteryLakeError(
            f"no cell of {pack} is named {cell}",
            why="gold.cell_current does not hold it: a wrong name, or nothing was observed of it yet",
            remedy=f"cells are named like {weakest[0]['cell_id']}",
        )
    return _now(found)


def _now(found: list[dict[str, Any]]) -> dict[str, Any] | None:
    names = (
        "cell_id", "as_of_date", "soh_pct", "soh_std_pct", "capacity_ah", "observations", "efc",
        "resistance_mohm", "soh_r_pct", "method_version",
    )  # fmt: skip
    return {name: found[0][name] for name in names} if found else None


def _changes(lake: Lake, pack: str, cell_id: str, last: int) -> list[dict[str, Any]]:
    """The cell's newest moves, with what every reason means."""
    from pyspark.sql import functions as F

    from battery_lake.gold.soh_change import REASONS

    is_mine = (F.col("pack_id") == pack) & (F.col("cell_id") == cell_id)
    rows = first_rows(lake, "gold.soh_change", is_mine, F.desc("as_of_date"), limit=last)
    return [row | {"because": [REASONS[code] for code in row["reasons"]]} for row in rows]


def _show(told: dict[str, Any]) -> None:
    """Print it for people."""
    from battery_lake.cli.show import as_table
    from battery_lake.gold.soh_change import HALF_INTERVAL_STD

    pack, cell, changes = told["pack"], told["cell"], told["changes"]
    name = " ".join(str(pack[part]) for part in ("pack_id", "model", "chemistry") if pack[part])
    if cell is None:
        typer.echo(f"{name}: no capacity has been observed yet, so no SOH is known")
        return
    if pack["as_of_date"] is not None:
        typer.echo(
            f"{name}, {pack['as_of_date']}: SOH {pack['soh_min_pct']:.1f} to {pack['soh_max_pct']:.1f} %,"
            f" median {pack['soh_median_pct']:.1f} %; weakest {pack['weakest_cell_id']}"
        )
    half = HALF_INTERVAL_STD * cell["soh_std_pct"]
    typer.echo(
        f"{cell['cell_id']}, {cell['as_of_date']}: SOH {cell['soh_pct']:.1f} ± {half:.1f} % (90 %), from"
        f" {cell['observations']} capacity observations, method {cell['method_version']}"
    )
    columns = (
        "as_of_date", "since_date", "soh_before_pct", "soh_pct", "change_pct", "observed_soh_pct",
        "expected_fade_pct", "reasons",
    )  # fmt: skip
    listed = [row | {"reasons": ", ".join(row["reasons"])} for row in changes]
    as_table("\nmoves, the newest first", columns, [[row[c] for c in columns] for row in listed])
    for code, why in {
        c: w for row in changes for c, w in zip(row["reasons"], row["because"], strict=True)
    }.items():
        typer.echo(f"  {code}: {why}")
    if changes and changes[0]["windows"]:
        _show_windows(changes[0])


def _show_windows(change: dict[str, Any]) -> None:
    """Print what moved the SOH last."""
    from battery_lake.cli.show import as_table

    columns = (
        "started_at", "method", "soc_start_pct", "soc_end_pct", "charge_ah", "capacity_ah", "capacity_std_ah",
        "temperature_mean_c", "method_version",
    )  # fmt: skip
    rows = [[window[c] for c in columns] for window in change["windows"]]
    as_table(f"\nwhat was observed up to {change['as_of_date']}", columns, rows)
