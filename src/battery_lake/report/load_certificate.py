"""Gold to the certificate of one pack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pyspark.sql import functions as F

from battery_lake.report.certificate import CertificateData

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping

    import pandas as pd
    from pyspark.sql import DataFrame

    Read = Callable[[str], DataFrame]

MOST_ALERTS: Final = 8
"""So many open alerts find room on the page, the newest first."""


def load_certificate(
    read: Read, pack: Mapping[str, Any], *, generated_at: dt.datetime, location: str, eol_soh_pct: float
) -> CertificateData:
    """Read what the certificate of a pack shows.

    Parameters
    ----------
    read
        Gives a table by its name.
    pack
        The pack's row of reference.packs.
    generated_at, location
        When it is made, and the lake's name.
    eol_soh_pct
        End of life of packs that name none. [%]
    """
    mine = F.col("pack_id") == pack["pack_id"]
    weakest = _first(read("gold.cell_current").where(mine).orderBy("soh_pct", "cell_id"))
    counted = (F.count("soh_pct").alias("n"), F.sum("observations").alias("seen"))
    cells = _first(read("gold.cell_current").where(mine).agg(*counted))
    observed = _first(
        read("gold.capacity_observation")
        .where(mine)
        .agg(F.min(F.to_date("ended_at")).alias("first"), F.max(F.to_date("ended_at")).alias("last"))
    )
    return CertificateData(
        pack=pack,
        health=_first(read("gold.pack_health").where(mine).orderBy(F.desc("as_of_date"))),
        weakest=weakest,
        counters=_first(read("gold.battery_passport").where(mine).orderBy(F.desc("as_of_date"))),
        cells=cells["n"],
        observations=cells["seen"] or 0,
        observed_from=observed["first"],
        observed_until=observed["last"],
        alerts=_alerts(read("gold.alert").where(mine & F.col("cleared_at").isNull())),
        history=_history(read, mine, weakest.get("cell_id")),
        eol_soh_pct=eol_soh_pct if pack["eol_soh_pct"] is None else pack["eol_soh_pct"],
        location=location,
        generated_at=generated_at,
    )


def _first(rows: DataFrame) -> dict[str, Any]:
    """The first row as a dict, empty where there is none."""
    found = rows.limit(1).collect()
    return found[0].asDict(recursive=True) if found else {}


def _alerts(alerts: DataFrame) -> list[dict[str, Any]]:
    shown = alerts.orderBy(F.desc("raised_at"), "code", "cell_id").limit(MOST_ALERTS)
    return [row.asDict() for row in shown.collect()]


def _history(read: Read, mine: Any, cell_id: str | None) -> pd.DataFrame:
    """Days of the weakest cell beside the pack's median."""
    cell = read("gold.cell_health").where(mine & (F.col("cell_id") == cell_id))
    median = read("gold.pack_health").where(mine).select("as_of_date", "soh_median_pct")
    days: pd.DataFrame = (
        cell
        .select("as_of_date", "soh_pct", "soh_std_pct")
        .join(median, on="as_of_date", how="left")
        .orderBy("as_of_date")
        .toArrow()
        .to_pandas()
    )
    return days
