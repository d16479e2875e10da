"""One printable page about one pack, for its owner or a buyer: the figures, how sure they are, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pandas as pd
import vl_convert
from markupsafe import Markup

import battery_lake
from battery_lake.report import text, theme
from battery_lake.report.chart import band_mark, day_axis, line_mark, pct_axis, records, spec
from battery_lake.report.data import INTERVAL_SIGMAS
from battery_lake.report.html import environment, source, write

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping
    from pathlib import Path

CHART_WIDTH: Final = 660
CHART_HEIGHT: Final = 170
POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
S_PER_HOUR: Final = 3600.0


@dataclass(frozen=True, slots=True)
class CertificateData:
    """What the certificate of one pack shows; a row is empty where gold holds none.

    Parameters
    ----------
    pack
        Its row of reference.packs.
    health, weakest, counters
        Newest rows of gold.pack_health, of gold.cell_current for the weakest cell, of gold.battery_passport.
    cells, observations
        Cells with an estimate, and capacity observations of them all.
    observed_from, observed_until
        First and last day of the observations.
    alerts
        Open alerts: code, cell, severity, instant.
    history
        Days with ``as_of_date``, ``soh_pct``, ``soh_std_pct`` of the weakest cell and ``soh_median_pct``.
    eol_soh_pct
        Where this pack's life ends. [%]
    location, generated_at
        The lake, and when the page was made.
    """

    pack: Mapping[str, Any]
    health: Mapping[str, Any]
    weakest: Mapping[str, Any]
    counters: Mapping[str, Any]
    cells: int
    observations: int
    observed_from: dt.date | None
    observed_until: dt.date | None
    alerts: list[dict[str, Any]]
    history: pd.DataFrame
    eol_soh_pct: float
    location: str
    generated_at: dt.datetime


def render_certificate(data: CertificateData, path: Path) -> Path:
    """Write the certificate as one HTML file without scripts that asks no network for anything.

    Parameters
    ----------
    data
        What it shows.
    path
        The file to write, replaced as a whole or not at all.
    """
    return write(
        environment()
        .get_template("certificate.html.j2")
        .render(
            data=data,
            facts=facts(data),
            warranty=warranty(data),
            chart=Markup(history_svg(data)),  # noqa: S704 - drawn by vl_convert, which escapes text
            text=text,
            policy=POLICY,
            style=Markup(source("certificate.css")),  # noqa: S704 - our own file
            colours=Markup(theme.css_variables("light")),  # noqa: S704 - our own constants
            version=battery_lake.__version__,
        ),
        path,
    )


def warranty(data: CertificateData) -> tuple[str, str]:
    """Return how the pack stands to its warranty: a level (good, watch, bad) and a sentence.

    The promise is broken where the whole 90 % interval of the weakest cell lies below the promised SOH,
    kept where it lies above, and undecided between.
    """
    until, promised = warranty_until(data.pack), data.pack["warranty_soh_pct"]
    if until is None or promised is None:
        return "watch", "No warranty is known of this pack."
    limit = f"{text.number(promised)} % SOH until {until}"
    if data.pack["warranty_km"] is not None:
        limit += f" or {text.number(data.pack['warranty_km'])} km, whichever comes first"
    if data.generated_at.date() > until:
        return "watch", f"The warranty has ended: it promised {limit}."
    if not data.weakest:
        return "watch", f"The warranty promises {limit}; no SOH is known yet."
    half = INTERVAL_SIGMAS * data.weakest["soh_std_pct"]
    low, high = data.weakest["soh_pct"] - half, data.weakest["soh_pct"] + half
    if high < promised:
        return "bad", f"The warranty promises {limit}; the SOH lies below it, with its whole 90 % interval."
    if low < promised:
        return "watch", f"The warranty promises {limit}; the 90 % interval of the SOH holds that value."
    return "good", f"The warranty promises {limit}; the SOH lies above it, with its whole 90 % interval."


def warranty_until(pack: Mapping[str, Any]) -> dt.date | None:
    """Return the last day of a pack's warranty, None where it has none."""
    if pack["warranty_from"] is None or pack["warranty_years"] is None:
        return None
    months = round(12 * pack["warranty_years"])
    return (pd.Timestamp(pack["warranty_from"]) + pd.DateOffset(months=months)).date()


def facts(data: CertificateData) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the page's groups of facts: a title, and lines of a name and a value in words."""
    return [("Battery", _battery(data)), ("Condition", _condition(data)), ("Outlook", _outlook(data)),
            ("Use so far", _use(data)), ("Evidence", _evidence(data))]  # fmt: skip


def _battery(data: CertificateData) -> list[tuple[str, str]]:
    pack = data.pack
    return [
        ("model", pack["model"] or text.ABSENT),
        ("chemistry", pack["chemistry"]),
        ("cells in series", text.number(pack["cells_in_series"])),
        ("rated capacity", f"{text.number(pack['rated_capacity_ah'], 1)} Ah"),
        ("rated energy", _with_unit(pack["rated_energy_wh"], "kWh", 1, per=1000.0)),
    ]


def _condition(data: CertificateData) -> list[tuple[str, str]]:
    health, counters = data.health, data.counters
    return [
        ("median cell", _with_unit(health.get("soh_median_pct"), "% SOH", 1)),
        ("weakest cell", str(health.get("weakest_cell_id") or text.ABSENT)),
        ("certified energy left (SOCE)", _with_unit(counters.get("soce_pct"), "%", 1)),
        ("energy of a full charge", _with_unit(counters.get("remaining_energy_wh"), "kWh", 1, per=1000.0)),
        ("resistance since new", _with_unit(counters.get("resistance_increase_pct"), "%", 0, sign=True)),
        ("better than", _with_unit(health.get("cohort_percentile_pct"), "% of like, as old packs", 0)),
    ]


def _outlook(data: CertificateData) -> list[tuple[str, str]]:
    cell = data.health
    as_of, median, censored = (cell.get(name) for name in ("as_of_date", "rul_days_p50", "censored"))
    days = text.rul_interval(cell.get("rul_days_p05"), cell.get("rul_days_p95"), censored)
    return [
        ("life ends at", f"{text.number(data.eol_soh_pct)} % SOH of the weakest cell"),
        ("expected on", text.eol_date(as_of, median, censored)),
        ("remaining days, 90 % interval", days),
    ]


def _use(data: CertificateData) -> list[tuple[str, str]]:
    counters = data.counters
    ranges, events = counters.get("temperature_range_s") or {}, counters.get("negative_events") or {}
    full = (counters.get("soc_range_s") or {}).get("from_80_pct")
    return [
        ("equivalent full cycles", text.number(counters.get("efc"))),
        ("energy moved", _with_unit(counters.get("throughput_wh"), "MWh", 2, per=1e6)),
        ("time at 45 °C and above", _with_unit(ranges.get("from_45_c"), "h", 0, per=S_PER_HOUR)),
        ("time at 80 % charge and above", _with_unit(full, "h", 0, per=S_PER_HOUR)),
        ("deep discharges", text.number(events.get("deep_discharge"))),
    ]


def _evidence(data: CertificateData) -> list[tuple[str, str]]:
    versions, until = (data.weakest, data.counters, data.health), data.observed_until
    names = [
        str(row[name]) for row in versions for name in ("method_version", "model_version") if row.get(name)
    ]
    return [
        ("capacity observations", f"{text.number(data.observations)} of {text.number(data.cells)} cells"),
        ("observed", text.ABSENT if data.observed_from is None else f"{data.observed_from} to {until}"),
        ("newest health", text.date(data.health.get("as_of_date"))),
        ("methods", ", ".join(dict.fromkeys(names)) or text.ABSENT),
    ]  # fmt: skip


def _with_unit(value: Any, unit: str, digits: int, *, per: float = 1.0, sign: bool = False) -> str:
    if text.is_absent(value):
        return text.ABSENT
    plus = "+" if sign and value > 0 else ""
    return f"{plus}{text.number(value / per, digits)} {unit}"


def history_svg(data: CertificateData) -> str:
    """Return the SOH over time as SVG: the weakest cell with its interval, and the median cell."""
    rows = data.history
    if rows.empty:
        return ""
    half = INTERVAL_SIGMAS * rows["soh_std_pct"]
    rows = rows.assign(low_pct=rows["soh_pct"] - half, high_pct=rows["soh_pct"] + half)
    x = day_axis()
    layers: list[dict[str, Any]] = [
        {
            "mark": band_mark(len(rows)),
            "encoding": {"x": x, "y": pct_axis("low_pct", "SOH [%]"), "y2": {"field": "high_pct"}},
        },
        {
            "mark": line_mark("weakest", len(rows)),
            "encoding": {"x": x, "y": pct_axis("soh_pct", "SOH [%]")},
        },
        {
            "mark": line_mark("median", len(rows)),
            "encoding": {"x": x, "y": pct_axis("soh_median_pct", "SOH [%]")},
        },
    ]  # fmt: skip
    columns = ("as_of_date", "soh_pct", "low_pct", "high_pct", "soh_median_pct")
    whole = spec(layers, height=CHART_HEIGHT, rows=records(rows, columns)) | {"width": CHART_WIDTH}
    drawn: str = vl_convert.vegalite_to_svg(whole | {"config": theme.chart_config("light")})
    return drawn
