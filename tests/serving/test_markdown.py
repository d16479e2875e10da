"""The page of the tables says what the contracts say, and is current."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from battery_lake.pipelines.registry import PIPELINES
from battery_lake.serving.markdown import NOTHING, RENDER_COMMAND, anchor, lineage, table_section, tables_page
from battery_lake.tables.model import Column, Table, key
from battery_lake.tables.registry import TABLES

PAGE = Path(__file__).parents[2] / "docs" / "tables.md"


@dataclass(frozen=True)
class Step:
    name: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]


CONTRACT = Table(
    name="gold.thing",
    grain="A thing on a day.",
    columns=(
        key("thing_id", "string", "The thing."),
        Column("charge_ah", "double", "Charge moved. [Ah]"),
        Column("wear_efc", "double", "Wear."),
        Column("fade_pct_per_day", "double", "Loss a day. [%/d]"),
        Column("latitude", "double", "Degrees north | rounded.", personal=True),
    ),
    key=("thing_id",),
    cluster_by=("thing_id",),
    change_feed=True,
)


def test_the_page_in_docs_is_current() -> None:
    expected = tables_page(TABLES.values(), PIPELINES.values())
    assert PAGE.read_text(encoding="utf-8") == expected, f"make it anew: {RENDER_COMMAND}"


def test_a_section_tells_key_storage_writer_and_readers() -> None:
    steps = (Step("make", (), ("gold.thing",)), Step("use", ("gold.thing",), ()))
    section = table_section(CONTRACT, steps)
    assert section[0] == "## gold.thing"
    assert "- key: `thing_id`" in section
    assert "- clustered by: `thing_id`; row changes are recorded" in section
    assert "- filled by: `make`" in section
    assert "- read by pipelines: `use`" in section


def test_a_column_shows_its_unit_whether_it_may_be_null_and_whether_it_is_personal() -> None:
    rows = table_section(CONTRACT, ())[-5:]
    assert rows == [
        "| `thing_id` | `string` |  | no | The thing. |",
        "| `charge_ah` | `double` | Ah | yes | Charge moved. |",
        "| `wear_efc` | `double` | equivalent full cycles | yes | Wear. |",
        "| `fade_pct_per_day` | `double` | %/d | yes | Loss a day. |",
        "| `latitude` | `double` |  | yes | Degrees north \\| rounded. **Personal data.** |",
    ]


def test_a_table_that_nothing_fills_says_so() -> None:
    assert f"- filled by: {NOTHING}" in table_section(CONTRACT, ())


def test_the_lineage_draws_every_arrow_and_starts_at_the_landing_files() -> None:
    drawn = lineage((
        Step("ingest", (), ("bronze.a",)),
        Step("refine", ("bronze.a",), ("silver.a", "silver.b")),
    ))
    assert drawn == [
        "```mermaid",
        "flowchart LR",
        '  landing[/"landing files"/]',
        '  t_bronze_a["bronze.a"]',
        '  t_silver_a["silver.a"]',
        '  t_silver_b["silver.b"]',
        '  p_ingest(["ingest"])',
        "  landing --> p_ingest",
        "  p_ingest --> t_bronze_a",
        '  p_refine(["refine"])',
        "  t_bronze_a --> p_refine",
        "  p_refine --> t_silver_a",
        "  p_refine --> t_silver_b",
        "```",
    ]


def test_every_table_is_listed_once_with_a_link_to_its_section() -> None:
    page = tables_page(TABLES.values(), ())
    for name in TABLES:
        assert page.count(f"| [{name}](#{anchor(name)}) |") == 1
        assert page.count(f"\n## {name}\n") == 1
