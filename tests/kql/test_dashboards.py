"""Queries of dashboards and alert rules: Microsoft's language service takes every one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from battery_lake.serving import explorer_board, grafana
from battery_lake.serving.figures import PAGES
from battery_lake.serving.kpis import kql_query
from battery_lake.tables.kpis import ALL_KPIS, KPIS

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = "datetime(2026-03-02)"
PARAMETERS = "let _startTime = datetime(2026-01-01); let _endTime = datetime(2026-03-02); let _pack = '';\n"


def as_sent(query: str) -> str:
    """What Grafana sends: its variables have values."""
    return query.replace(grafana.FROM, NOW).replace(grafana.UNTIL, NOW).replace("${pack}", "P1")


def asked() -> dict[str, str]:
    figures = [figure for page in PAGES for figure in page.figures]
    found = {f"grafana {figure.name}": as_sent(grafana.kql_of(figure)) for figure in figures}
    found |= {f"explorer {f.name}": PARAMETERS + explorer_board.kql_of(f) for f in figures}
    found |= {f"rule {rule.uid}": rule.kql for rule in grafana.RULES}
    found |= {f"kpi {kpi.name}": kql_query(kpi) for kpi in ALL_KPIS}
    return found


@pytest.fixture(scope="module")
def found(judge: Callable[..., Any]) -> set[str]:
    """The names of what the language service blames, faults planted among the good ones."""
    spread = kql_query(KPIS["soh_spread"])
    planted = {
        "planted column": spread.replace("soh_spread_pct", "soh_range_pct"),
        "planted syntax": spread.replace("| summarize", "| sumarize"),
        "planted time": as_sent(grafana.kql_of(PAGES[0].figures[-3]).replace("as_of_date", "measured_on")),
    }
    return {finding["name"] for finding in judge(asked() | planted)}


def test_every_query_is_taken_and_every_planted_fault_is_found(found: set[str]) -> None:
    assert found == {"planted column", "planted syntax", "planted time"}


def test_a_figure_gives_the_columns_that_it_declares() -> None:
    """Infinity tells columns by their place alone."""
    for page in PAGES:
        for figure in page.figures:
            last = figure.kql.rsplit("project", 1)[-1] if "project" in figure.kql else "value"
            places = [last.find(name) for name, _ in figure.columns]
            assert -1 not in places, figure.name
            assert places == sorted(places), figure.name
