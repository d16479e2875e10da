"""Tables from their contracts: create, or add what is new; anything else is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException

from battery_lake.errors import ContractError
from battery_lake.lake.sql import quoted
from battery_lake.tables.registry import table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from battery_lake.lake.access import Lake
    from battery_lake.tables.model import Column, Table


def ddl(contract: Table, identifier: str) -> str:
    """Return the statement that creates a table: columns with comments, clustering, change feed."""
    columns = ",\n  ".join(_column(column) for column in contract.columns)
    clustering = f"\nCLUSTER BY ({', '.join(contract.cluster_by)})" if contract.cluster_by else ""
    properties = {
        "delta.enableChangeDataFeed": str(contract.change_feed).lower(),
        # Databricks turns deletion vectors on by default; many readers refuse them.
        "delta.enableDeletionVectors": "false",
        "delta.checkpointPolicy": "classic",
    }
    listed = ", ".join(f"'{name}' = '{value}'" for name, value in properties.items())
    return (
        f"CREATE TABLE IF NOT EXISTS {identifier} (\n  {columns}\n) USING delta{clustering}\n"
        f"COMMENT {quoted(contract.grain)}\nTBLPROPERTIES ({listed})"
    )


def ensure(lake: Lake, names: Iterable[str]) -> None:
    """Create the tables that are missing, and add the columns that a contract gained.

    Raises
    ------
    ContractError
        A stored column is not in the contract or has another type: that is no additive change.
    """
    for name in names:
        contract = table(name)
        stored = _stored(lake, name)
        if stored is None:
            if lake.settings.lake.catalog:
                lake.spark.sql(
                    f"CREATE SCHEMA IF NOT EXISTS `{lake.settings.lake.catalog}`.`{contract.layer}`"
                )
            _create(lake, contract)
            continue
        _migrate(lake, contract, stored)


def _create(lake: Lake, contract: Table) -> None:
    """Create a table; that another job did so at the same moment is no fault."""
    try:
        lake.spark.sql(ddl(contract, lake.identifier(contract.name)))
    except Exception:
        if not exists(lake, contract.name):
            raise


def exists(lake: Lake, name: str) -> bool:
    """Return whether the table has been created."""
    return _stored(lake, name) is not None


def _stored(lake: Lake, name: str) -> dict[str, str] | None:
    """The columns of a table with their types, from its log; None where it has not been created."""
    try:
        schema = lake.read(name).schema
    except AnalysisException:
        return None
    return {field.name: field.dataType.simpleString() for field in schema}


def _migrate(lake: Lake, contract: Table, stored: dict[str, str]) -> None:
    declared = {column.name: column.type for column in contract.columns}
    problems = [f"{name} is stored but not declared" for name in stored if name not in declared]
    problems += [
        f"{name} is stored as {kind}, declared as {declared[name]}"
        for name, kind in stored.items()
        if name in declared and declared[name] != kind
    ]
    added = [column for column in contract.columns if column.name not in stored]
    problems += [f"{column.name} is new and cannot be required" for column in added if not column.nullable]
    if problems:
        raise ContractError(
            f"the stored table {contract.name} does not fit its contract",
            why="; ".join(problems),
            remedy="only new nullable columns can be added in place: copy the table, or start a new home",
        )
    if added:
        listed = ", ".join(_column(column) for column in added)
        lake.spark.sql(f"ALTER TABLE {lake.identifier(contract.name)} ADD COLUMNS ({listed})")


def _column(column: Column) -> str:
    required = "" if column.nullable else " NOT NULL"
    return f"`{column.name}` {column.type}{required} COMMENT {quoted(column.comment)}"
