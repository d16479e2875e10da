"""Key figures as the page docs/kpis.md."""

from __future__ import annotations

from typing import Final

from battery_lake.serving.kpis import sql_expression
from battery_lake.tables.kpis import ALL_KPIS

_HEAD: Final = """# Key figures

Rendered from `src/battery_lake/tables/kpis.py` by `battery-lake dashboards`; a test compares. Change that,
not this page.

```
battery-lake kpis
battery-lake kpis --json
```

brings `gold.pack_now`, `gold.fleet_now` and `gold.message_daily` up to date and prints every key figure of
the fleet. As a job of its own it is `jobs/kpis.py`, after `health`; it looks at the packs that changed
alone.

A key figure is one aggregate of a column of gold, or a share of two sums. That is said alike in the SQL of
Spark and DuckDB, in KQL (`kql/kpis/`, functions `kpis()`, `pack_now_kpis()`, ...), in DAX ([Power
BI](powerbi.md)), and in the metric views of Unity Catalog (`dashboards/metric_views.sql`). What needs more, a
quantile over packs say, is computed in gold, so that no two tools can differ.

```
python -m pytest -s tests/serving/test_kpis.py -k parity
```

prints what plain Python, Spark and DuckDB find on the same lake; they agree to 1e-9. KQL is bound by
Microsoft's language service, not run. DAX cannot be run offline: it stays with SUM, AVERAGE, MIN, MAX,
DIVIDE and CALCULATE, and every column is looked up in the model.

- Null counts nowhere. In KQL a sum of nothing is 0, in SQL it is null.
- "Recent" ends with a pack's own newest session or health, not with today: a run of tomorrow without new
  messages alters nothing.
- *Days since last message* compares with the pack that was seen last, for the same reason. The alert of
  Grafana compares with the clock.
- RUL and SOH quantiles of the fleet leave out packs of which nothing is known; a mean RUL takes lower
  bounds as they are.
- *Time at SOC > 90 %* and *time above 45 °C* take a session's mean, so a short peak within a long session
  is not seen.

| key figure | name | unit | told for | from | SQL | meaning |
|---|---|---|---|---|---|---|
"""


def page() -> str:
    """Return the whole page."""
    rows = [
        f"| {kpi.title} | `{kpi.name}` | {kpi.unit or '1'} | {kpi.grain} | `{kpi.table.name}` |"
        f" `{sql_expression(kpi)}` | {kpi.description} |"
        for kpi in ALL_KPIS
    ]
    return _HEAD + "\n".join(rows) + "\n"
