"""The one door to a table: a frame is held against the contract before it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from battery_lake.errors import ContractError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from battery_lake.tables.model import Table

NULL_KEY = "battery_lake: null in"
"""How the text of the check that runs with the write begins."""


def conform(frame: DataFrame, contract: Table) -> DataFrame:
    """Return the frame's columns in the contract's order, or say everything that is wrong.

    Columns that must not be null are checked while the frame is written, in the same pass.

    Raises
    ------
    ContractError
        Columns are missing, unknown or of the wrong type; where that is so, null keys are counted and
        named in the same error.
    """
    problems = schema_problems(frame, contract)
    if problems:
        raise ContractError(
            f"a frame for {contract.name} does not fit its contract",
            why="; ".join([*problems, *null_key_problems(frame, contract)]),
            remedy=f"`battery-lake tables {contract.name}` shows the contract",
        )
    return frame.select(
        *(
            F.col(column.name)
            if column.nullable
            else F.coalesce(
                F.col(column.name),
                F.raise_error(F.lit(f"{NULL_KEY} {contract.name}.{column.name}")).cast(column.type),
            ).alias(column.name)
            for column in contract.columns
        )
    )


def schema_problems(frame: DataFrame, contract: Table) -> list[str]:
    """Return what is wrong with a frame's columns, in words."""
    found = {field.name: field.dataType.simpleString() for field in frame.schema}
    declared = {column.name: column.type for column in contract.columns}
    return [
        *(f"{name} is missing" for name in declared if name not in found),
        *(f"{name} is not in the contract" for name in found if name not in declared),
        *(
            f"{name} is {found[name]}, not {kind}"
            for name, kind in declared.items()
            if name in found and found[name] != kind
        ),
    ]


def null_key_problems(frame: DataFrame, contract: Table) -> list[str]:
    """Return which required columns hold nulls, and how many; counts the frame."""
    required = [c.name for c in contract.columns if not c.nullable and c.name in frame.columns]
    if not required or frame.isStreaming:
        return []
    counts = frame.agg(*(F.count_if(F.col(name).isNull()).alias(name) for name in required)).collect()[0]
    return [f"{name} is null in {counts[name]} rows" for name in required if counts[name]]
