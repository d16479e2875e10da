"""All tables by name."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

from battery_lake.errors import ContractError
from battery_lake.tables import bronze, gold, ops, reference, silver

if TYPE_CHECKING:
    from battery_lake.tables.model import Table

TABLES: Final[dict[str, Table]] = {
    table.name: table for layer in (bronze, silver, reference, gold, ops) for table in layer.TABLES
}
"""Every table of the lakehouse, in the order of the flow."""


def table(name: str) -> Table:
    """Return the contract of a table.

    Raises
    ------
    ContractError
        No table has that name; the error names the nearest one.
    """
    if name in TABLES:
        return TABLES[name]
    near = difflib.get_close_matches(name, TABLES, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else "`battery-lake tables` lists all of them"
    raise ContractError(f"no table is named {name}", remedy=hint)
