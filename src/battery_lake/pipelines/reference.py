"""Reference files to reference tables: packs, their OCV curves, and the vehicles that carry them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.cells.ocv import LIMITS_V, OcvCurve, default_curve, shipped_curve, shipped_names
from battery_lake.errors import ReferenceDataError
from battery_lake.lake.create import ensure
from battery_lake.lake.write import upsert
from battery_lake.tables.reference import PACK_ASSIGNMENT, PACKS

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import Column, DataFrame

    from battery_lake.lake.access import Lake
    from battery_lake.tables.model import Table

CURVE_COLUMNS: Final = ("ocv_soc_frac", "ocv_v")
MAX_LISTED: Final = 5


def load_reference(lake: Lake, folder: Path) -> dict[str, int]:
    """Load the packs and pack_assignment files of a folder; rows with a known key are replaced.

    Parameters
    ----------
    lake
        The tables.
    folder
        Holds ``packs.csv`` or ``packs.parquet``, and ``pack_assignment`` likewise.

    Returns
    -------
    dict
        Table to the number of rows that were new or changed.

    Raises
    ------
    ReferenceDataError
        A file is missing, lacks a column, has one too many, or holds values that cannot be.
    """
    ensure(lake, ("reference.packs", "reference.pack_assignment"))
    packs = _typed(_read(lake, folder, PACKS), PACKS)
    assignments = _typed(_read(lake, folder, PACK_ASSIGNMENT), PACK_ASSIGNMENT)
    _refuse(packs, _pack_faults(), PACKS)
    _refuse(
        assignments,
        {"valid_to is not after valid_from": F.col("valid_to") <= F.col("valid_from")},
        PACK_ASSIGNMENT,
    )
    return {
        "reference.packs": upsert(lake, "reference.packs", _with_curves(lake, packs, folder)),
        "reference.pack_assignment": upsert(lake, "reference.pack_assignment", assignments),
    }


def _read(lake: Lake, folder: Path, contract: Table) -> DataFrame:
    """The file of a table, as text or as typed columns."""
    for suffix in ("csv", "parquet"):
        file = folder.absolute() / f"{contract.short_name}.{suffix}"
        if not file.exists():
            continue
        frame = (
            lake.spark.read.csv(str(file), header=True)
            if suffix == "csv"
            else lake.spark.read.parquet(str(file))
        )
        known = [name for name in contract.column_names if name not in CURVE_COLUMNS]
        missing = [c.name for c in contract.columns if not c.nullable and c.name not in frame.columns]
        extra = [name for name in frame.columns if name not in known]
        if missing or extra:
            raise ReferenceDataError(
                f"{file.name} does not have the columns of {contract.name}",
                why=f"missing: {missing or 'none'}; unknown: {extra or 'none'}",
                remedy=f"its columns are {', '.join(known)}; unknown values are left empty",
            )
        return frame
    raise ReferenceDataError(
        f"{folder} holds no {contract.short_name}.csv and no {contract.short_name}.parquet",
        remedy="`battery-lake tables reference.packs` shows the columns; see docs/getting-started.md",
    )


def _typed(frame: DataFrame, contract: Table) -> DataFrame:
    """Every column of the contract that a file can hold, cast; a value that cannot be cast is refused."""
    casts: dict[str, Column] = {}
    bad: dict[str, Column] = {}
    for column in contract.columns:
        if column.name in CURVE_COLUMNS:
            continue
        if column.name not in frame.columns:
            casts[column.name] = F.lit(None).cast(column.type)
            continue
        text = F.nullif(F.trim(F.col(column.name).cast("string")), F.lit(""))
        casts[column.name] = text.try_cast(column.type)
        bad[f"{column.name} is no {column.type}"] = text.isNotNull() & casts[column.name].isNull()
        if not column.nullable:
            bad[f"{column.name} is empty"] = text.isNull()
    key_text = F.concat_ws(" / ", *(F.col(name).cast("string") for name in contract.key))
    _refuse(frame, bad, contract, key_text)
    typed = frame.select(*(expression.alias(name) for name, expression in casts.items()))
    _refuse_repeated(typed, contract)
    return typed


def _pack_faults() -> dict[str, Column]:
    chemistries = ", ".join(f"'{name}'" for name in LIMITS_V)
    return {
        f"chemistry is none of {', '.join(LIMITS_V)}": F.expr(f"chemistry NOT IN ({chemistries})"),
        "cells_in_series is not 1 to 1000": F.expr("cells_in_series NOT BETWEEN 1 AND 1000"),
        "cells_per_module is below 1": F.expr("cells_per_module < 1"),
        "rated_capacity_ah is not above 0": F.expr("NOT rated_capacity_ah > 0"),
        "eol_soh_pct is not 1 to 100": F.expr("eol_soh_pct NOT BETWEEN 1 AND 100"),
        "new_resistance_mohm is not above 0": F.expr("NOT new_resistance_mohm > 0"),
        "cell_low_v is not below cell_high_v": F.expr("cell_low_v >= cell_high_v"),
    }


def _refuse(frame: DataFrame, faults: dict[str, Column], contract: Table, key: Column | None = None) -> None:
    """Refuse the file where any row has a fault."""
    found = F.concat_ws("; ", *(F.when(broken, F.lit(text)) for text, broken in faults.items()))
    name = F.concat_ws(" / ", *contract.key) if key is None else key
    rows = (
        frame
        .select(name.alias("name"), found.alias("found"))
        .where("found != ''")
        .limit(MAX_LISTED)
        .collect()
    )
    if rows:
        raise ReferenceDataError(
            f"the file for {contract.name} was refused",
            why="; ".join(f"{row.name or '(no key)'}: {row.found}" for row in rows),
            remedy="mend these rows (the first ones are named) and load again; nothing was changed",
        )


def _refuse_repeated(typed: DataFrame, contract: Table) -> None:
    repeated = typed.groupBy(*contract.key).count().where("count > 1").limit(MAX_LISTED).collect()
    if repeated:
        raise ReferenceDataError(
            f"the file for {contract.name} names a key twice",
            why="; ".join(" / ".join(str(row[name]) for name in contract.key) for row in repeated),
            remedy="keep one row of each key and load again; nothing was changed",
        )


def _with_curves(lake: Lake, packs: DataFrame, folder: Path) -> DataFrame:
    """The packs with the arrays of their OCV curve; as many curves as models, not as packs."""
    wanted = packs.select("ocv_curve", "chemistry").distinct().collect()
    rows = []
    for row in wanted:
        curve = _curve(row.ocv_curve, row.chemistry, folder)
        rows.append((row.ocv_curve, row.chemistry, curve.soc_frac.tolist(), curve.ocv_v.tolist()))
    schema = "ocv_curve string, chemistry string, ocv_soc_frac array<double>, ocv_v array<double>"
    curves = lake.spark.createDataFrame(rows, schema)
    same = packs["ocv_curve"].eqNullSafe(curves["ocv_curve"]) & (packs["chemistry"] == curves["chemistry"])
    return packs.join(F.broadcast(curves), on=same, how="left").select(
        *(packs[name] if name not in CURVE_COLUMNS else curves[name] for name in PACKS.column_names)
    )


def _curve(name: str | None, chemistry: str, folder: Path) -> OcvCurve:
    if name is None:
        return shipped_curve(default_curve(chemistry))
    if name in shipped_names():
        return shipped_curve(name)
    file = folder / (name if name.endswith(".json") else f"{name}.json")
    if not file.is_file():
        raise ReferenceDataError(
            f"the OCV curve {name} is not there",
            why=f"no shipped curve has that name and {file} does not exist",
            remedy=f"shipped curves: {', '.join(shipped_names())}; or put the JSON file beside packs",
        )
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return OcvCurve(content["soc_frac"], content["ocv_v"])
    except (ValueError, KeyError, TypeError) as fault:
        raise ReferenceDataError(
            f"{file} is no OCV curve",
            why=repr(fault),
            remedy='{"soc_frac": [...], "ocv_v": [...]} is what it holds',
        ) from fault
