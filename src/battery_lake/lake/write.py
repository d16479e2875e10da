"""Writers that converge: the same rows written again, in any order, give the same table."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from battery_lake.errors import ContractError
from battery_lake.lake.conform import NULL_KEY, conform
from battery_lake.tables.registry import table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake
    from battery_lake.tables.model import Table

DELETED = "_deleted"
"""Column of a merge's source that is true for keys that must go."""


def insert_missing(lake: Lake, name: str, rows: DataFrame, *, within: str = "true") -> int:
    """Insert the rows whose key the table lacks; one pass, nothing is rewritten.

    Parameters
    ----------
    lake, name
        The table.
    rows
        At most one row a key.
    within
        SQL condition on the target ``t`` that holds for every key of ``rows``: lets Delta skip files.

    Returns
    -------
    int
        Rows inserted.

    Raises
    ------
    ContractError
        The rows do not fit the contract.
    """
    contract = table(name)
    statement = f"""
        MERGE INTO {lake.identifier(name)} AS t USING {{rows}} AS s
        ON {_same_key(contract)} AND {within}
        WHEN NOT MATCHED THEN INSERT *"""
    return _merged(lake, statement, conform(rows, contract), contract)["num_inserted_rows"]


def upsert(lake: Lake, name: str, rows: DataFrame, *, within: str = "true", only_if: str = "true") -> int:
    """Insert or update by key; a row that says the same already is left alone.

    Parameters
    ----------
    lake, name
        The table.
    rows
        At most one row a key. With a boolean column ``_deleted``, true removes the key's row.
    within
        SQL condition on the target ``t`` that holds for every key of ``rows``.
    only_if
        SQL condition on target ``t`` and source ``s`` for an update, ``s.at >= t.at`` say.

    Returns
    -------
    int
        Rows inserted, updated or deleted.

    Raises
    ------
    ContractError
        The rows do not fit the contract.
    """
    contract = table(name)
    has_deletes = DELETED in rows.columns
    source = (
        conform(rows.where(f"NOT {DELETED}").drop(DELETED), contract)
        if has_deletes
        else conform(rows, contract)
    )
    deletes = insert_if = ""
    if has_deletes:
        doomed = rows.where(DELETED).select(*contract.key, DELETED)
        source = source.unionByName(doomed, allowMissingColumns=True)
        deletes, insert_if = f"WHEN MATCHED AND s.{DELETED} THEN DELETE", f"AND s.{DELETED} IS NULL"
    statement = f"""
        MERGE INTO {lake.identifier(name)} AS t USING {{rows}} AS s
        ON {_same_key(contract)} AND {within}
        {deletes}
        WHEN MATCHED AND {_differs(contract)} AND ({only_if}) THEN UPDATE SET {_assignments(contract)}
        WHEN NOT MATCHED {insert_if} THEN INSERT ({_listed(contract)}) VALUES ({_listed(contract, "s.")})"""
    return _merged(lake, statement, source, contract)["num_affected_rows"]


def replacing(fresh: DataFrame, stored: DataFrame, key: Sequence[str]) -> DataFrame:
    """Return what :func:`upsert` needs to put rows in the place of stored ones, gone keys too.

    Parameters
    ----------
    fresh
        The rows; read twice.
    stored
        What they replace; holds the key at least.
    key
        Columns of the table's key.
    """
    keys = list(key)
    gone = stored.join(fresh.select(*keys), on=keys, how="left_anti").select(
        *keys, F.lit(True).alias(DELETED)
    )
    return fresh.withColumn(DELETED, F.lit(False)).unionByName(gone, allowMissingColumns=True)


def delete(lake: Lake, name: str, keys: DataFrame) -> int:
    """Delete the rows whose key is listed; returns how many went."""
    contract = table(name)
    statement = f"""
        MERGE INTO {lake.identifier(name)} AS t USING {{rows}} AS s
        ON {_same_key(contract)} WHEN MATCHED THEN DELETE"""
    return _merged(lake, statement, keys.select(*contract.key).distinct(), contract)["num_affected_rows"]


def append_once(lake: Lake, name: str, rows: DataFrame, *, writer: str, number: int) -> None:
    """Append rows unless this writer has appended under this number, or a higher one, before.

    Delta keeps a writer's last number in the table's own log: no look at the rows is needed, so this is
    much cheaper than a MERGE.

    Raises
    ------
    ContractError
        The rows do not fit the contract.
    """
    contract = table(name)
    frame = conform(rows, contract).write.format("delta").mode("append")
    frame = frame.option("txnAppId", writer).option("txnVersion", number)
    with contract_faults(contract):
        lake.save(name, frame)


def _merged(lake: Lake, statement: str, rows: DataFrame, contract: Table) -> dict[str, int]:
    """Run a MERGE; what it says that it did."""
    with contract_faults(contract):
        return lake.spark.sql(statement, rows=rows).collect()[0].asDict()


@contextmanager
def contract_faults(contract: Table) -> Iterator[None]:
    """Turn what the write itself finds, a null in a required column, into a ContractError.

    Raises
    ------
    ContractError
        A required column is null.
    """
    try:
        yield
    except Exception as fault:  # Spark's own or py4j's: what counts is the text that conform() gave it
        text = str(fault)
        if NULL_KEY not in text and "NOT_NULL_CONSTRAINT" not in text:
            raise
        found = re.search(rf"{re.escape(NULL_KEY)} (\w+\.\w+\.\w+)", text)
        raise ContractError(
            f"rows for {contract.name} were refused",
            why=f"null in {found[1] if found else contract.name}",
            remedy="the transform must fill it",
        ) from fault


def _same_key(contract: Table) -> str:
    return " AND ".join(f"t.`{name}` = s.`{name}`" for name in contract.key)


def _values(contract: Table) -> list[str]:
    return [column.name for column in contract.columns if column.name not in contract.key]


def _differs(contract: Table) -> str:
    same = []
    for name in _values(contract) or contract.key:
        # SQL compares no maps; their entries in order it does.
        is_map = contract.column_by_name[name].type.startswith("map")
        shape = "sort_array(map_entries({0}.`{1}`))" if is_map else "{0}.`{1}`"
        same.append(f"{shape.format('t', name)} <=> {shape.format('s', name)}")
    return f"NOT ({' AND '.join(same)})"


def _assignments(contract: Table) -> str:
    return ", ".join(f"t.`{name}` = s.`{name}`" for name in _values(contract))


def _listed(contract: Table, prefix: str = "") -> str:
    return ", ".join(f"{prefix}`{name}`" for name in contract.column_names)
