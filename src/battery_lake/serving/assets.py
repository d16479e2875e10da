"""Every file that dashboards are opened with, by its path below the repository."""

from __future__ import annotations

from battery_lake.serving import explorer_board, grafana, kpi_page, lakeview, powerbi


def rendered(catalog: str = lakeview.CATALOG) -> dict[str, str]:
    """Return the text of every file; the same contracts give the same bytes.

    Parameters
    ----------
    catalog
        Of the metric views.
    """
    parts = {
        "docs": {"kpis.md": kpi_page.page()},
        "dashboards": lakeview.rendered(catalog) | explorer_board.rendered(),
        "grafana": grafana.rendered(),
        "powerbi": powerbi.rendered(),
    }
    return {f"{folder}/{name}": text for folder, files in parts.items() for name, text in files.items()}
