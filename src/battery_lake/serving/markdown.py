"""The page that describes every table, rendered from the contracts.

The lineage comes in as data: whatever has a name and the tables that it reads and writes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Protocol

from battery_lake.units import unit_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from battery_lake.tables.model import Column, Table

RENDER_COMMAND: Final = "battery-lake tables --markdown > docs/tables.md"
"""How the page is made anew."""

WRITTEN_OTHERWISE: Final = {
    "reference.packs": "the command `battery-lake reference load`",
    "reference.pack_assignment": "the command `battery-lake reference load`",
    "ops.batch": "every pipeline, at the end of each batch",
    "ops.delivery_failure": "every push to a sink, for what the sink refuses",
}
"""Tables that belong to no single pipeline, and what fills them."""

NOTHING: Final = "nothing yet: the contract is declared, no pipeline fills the table"

_UNIT: Final = re.compile(r" \[([^\]]+)\]$")


class Arrow(Protocol):
    """One arrow of the flow; a pipeline is one."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def reads(self) -> tuple[str, ...]:
        """Tables it reads; none: it reads landing files."""

    @property
    def writes(self) -> tuple[str, ...]:
        """Tables it writes."""


def tables_page(tables: Iterable[Table], arrows: Iterable[Arrow]) -> str:
    """Return the whole page: lineage, list of tables, and a section a table.

    Parameters
    ----------
    tables
        Contracts, in the order of the page.
    arrows
        Pipelines, upstream first.
    """
    listed, flow = list(tables), list(arrows)
    index = [f"| [{t.name}](#{anchor(t.name)}) | {_sentence(t.grain)} | {_writer(t, flow)} |" for t in listed]
    head = [
        "# Tables",
        "",
        f"Rendered from `src/battery_lake/tables/` by `{RENDER_COMMAND}`; a test compares. Change the",
        "contract, not this page.",
        "",
        "Types are Spark SQL's. Times are UTC. An array holds one entry a cell in series order, or one a",
        "probe. A column that may not be null is refused at the write where it is.",
        "",
        "## Lineage",
        "",
        *lineage(flow),
        "",
        "## List",
        "",
        "| table | one row is | filled by |",
        "|---|---|---|",
        *index,
    ]
    sections = [line for contract in listed for line in ("", *table_section(contract, flow))]
    return "\n".join([*head, *sections]) + "\n"


def table_section(contract: Table, arrows: Sequence[Arrow]) -> list[str]:
    """Return the lines of one table: grain, key, storage, who writes and reads it, its columns.

    Parameters
    ----------
    contract
        The table.
    arrows
        Pipelines, upstream first.
    """
    readers = ", ".join(f"`{arrow.name}`" for arrow in arrows if contract.name in arrow.reads)
    feed = "; row changes are recorded" if contract.change_feed else ""
    return [
        f"## {contract.name}",
        "",
        contract.grain,
        "",
        f"- key: {_codes(contract.key)}",
        f"- clustered by: {_codes(contract.cluster_by) or 'nothing'}{feed}",
        f"- filled by: {_writer(contract, arrows)}",
        f"- read by pipelines: {readers or 'none'}",
        "",
        "| column | type | unit | null | meaning |",
        "|---|---|---|---|---|",
        *(_row(column) for column in contract.columns),
    ]


def lineage(arrows: Iterable[Arrow]) -> list[str]:
    """Return the lines of a Mermaid flow chart, fenced: tables as boxes, pipelines as rounded ones.

    Parameters
    ----------
    arrows
        Pipelines, upstream first.
    """
    flow = list(arrows)
    names = dict.fromkeys(name for arrow in flow for name in (*arrow.reads, *arrow.writes))
    lines = ["```mermaid", "flowchart LR"]
    if any(not arrow.reads for arrow in flow):
        lines.append('  landing[/"landing files"/]')
    lines += [f'  {_node(name)}["{name}"]' for name in names]
    for arrow in flow:
        lines.append(f'  p_{arrow.name}(["{arrow.name}"])')
        lines += [f"  {source} --> p_{arrow.name}" for source in map(_node, arrow.reads)]
        if not arrow.reads:
            lines.append(f"  landing --> p_{arrow.name}")
        lines += [f"  p_{arrow.name} --> {target}" for target in map(_node, arrow.writes)]
    return [*lines, "```"]


def anchor(heading: str) -> str:
    """Return the fragment by which GitHub and most renderers link to a heading.

    Examples
    --------
    >>> anchor("gold.cell_health")
    'goldcell_health'
    """
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _row(column: Column) -> str:
    """One column as a table row; the unit comes from the comment, else from the name."""
    found = _UNIT.search(column.comment)
    unit = found.group(1) if found else unit_of(column.name) or ""
    meaning = _UNIT.sub("", column.comment).replace("|", "\\|")
    personal = " **Personal data.**" if column.personal else ""
    null = "yes" if column.nullable else "no"
    return f"| `{column.name}` | `{column.type}` | {unit} | {null} | {meaning}{personal} |"


def _writer(contract: Table, arrows: Sequence[Arrow]) -> str:
    """What fills the table."""
    writers = [f"`{arrow.name}`" for arrow in arrows if contract.name in arrow.writes]
    return ", ".join(writers) or WRITTEN_OTHERWISE.get(contract.name, NOTHING)


def _codes(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _sentence(grain: str) -> str:
    """A grain within a table: no full stop."""
    return grain.removesuffix(".")


def _node(name: str) -> str:
    """A name that Mermaid takes as an identifier."""
    return "t_" + name.replace(".", "_")
