"""What a table contract is: plain frozen data, no Spark.

The Spark schema, the DDL, the documentation and every check of a frame are rendered from these.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Layer = Literal["bronze", "silver", "reference", "gold", "ops"]

MAX_CLUSTERING_COLUMNS = 4


@dataclass(frozen=True, slots=True)
class Column:
    """One column: name, Spark SQL type, meaning.

    Parameters
    ----------
    name
        Snake case; a numeric column ends in its unit (:mod:`battery_lake.units`).
    type
        A Spark SQL type string, ``array<double>`` say.
    comment
        One sentence for the reader of the table.
    nullable
        False for keys and what every row must have.
    personal
        True where the value says where a person was.
    """

    name: str
    type: str
    comment: str
    nullable: bool = True
    personal: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its grain, its columns, and how it is stored.

    Parameters
    ----------
    name
        ``layer.table``.
    grain
        What one row is, in one sentence.
    columns
        In the order of storage.
    key
        Columns that are never null and together unique.
    cluster_by
        Columns for liquid clustering, four at most.
    change_feed
        Whether Delta records row changes for the streams that follow.
    """

    name: str
    grain: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    cluster_by: tuple[str, ...] = ()
    change_feed: bool = False
    column_by_name: dict[str, Column] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.column_by_name.update({column.name: column for column in self.columns})
        if len(self.column_by_name) != len(self.columns):
            raise ValueError(f"{self.name}: a column is declared twice")
        unknown = [name for name in (*self.key, *self.cluster_by) if name not in self.column_by_name]
        if unknown:
            raise ValueError(f"{self.name}: key or clustering names no column: {unknown}")
        nullable = [name for name in self.key if self.column_by_name[name].nullable]
        if nullable:
            raise ValueError(f"{self.name}: key columns must be declared nullable=False: {nullable}")
        if len(self.cluster_by) > MAX_CLUSTERING_COLUMNS:
            raise ValueError(f"{self.name}: Delta clusters by {MAX_CLUSTERING_COLUMNS} columns at most")

    @property
    def layer(self) -> str:
        """The schema that the table lives in."""
        return self.name.split(".")[0]

    @property
    def short_name(self) -> str:
        """The table's name within its schema."""
        return self.name.split(".")[1]

    @property
    def column_names(self) -> tuple[str, ...]:
        """Column names in the order of storage."""
        return tuple(column.name for column in self.columns)

    @property
    def fields(self) -> str:
        """Names and types as Spark reads a schema: ``pack_id string, ...``."""
        return ", ".join(f"{column.name} {column.type}" for column in self.columns)


def key(name: str, type_: str, comment: str) -> Column:
    """Return a column that is part of a key: never null."""
    return Column(name, type_, comment, nullable=False)
