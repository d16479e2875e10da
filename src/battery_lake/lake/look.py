"""Tables for those who only look: in the form of their contracts, and left as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from battery_lake.lake.create import exists
from battery_lake.tables.registry import table

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake


def looking_at(lake: Lake) -> Callable[[str], DataFrame]:
    """Return what gives a table by its name, and creates or changes none: a reader may lack the right to.

    Parameters
    ----------
    lake
        Where the tables are.

    Returns
    -------
    callable
        Of a name; a table that was not created yet is empty, a column that it has not gained yet is null.
    """

    def read(name: str) -> DataFrame:
        contract = table(name)
        if not exists(lake, name):
            return lake.spark.createDataFrame([], contract.fields)
        stored = lake.read(name)
        has = set(stored.columns)
        return stored.select(
            *(
                F.col(column.name) if column.name in has else F.lit(None).cast(column.type).alias(column.name)
                for column in contract.columns
            )
        )

    return read
