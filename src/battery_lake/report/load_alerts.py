"""The report's frames of alerts: those that are open, and those that came and went since a day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.cells.alerts import SEVERITIES
from battery_lake.report.alert_words import limit
from battery_lake.report.data import empty_frame
from battery_lake.report.load_cells import to_pandas

if TYPE_CHECKING:
    import datetime as dt

    import pandas as pd
    from pyspark.sql import Column, DataFrame

    from battery_lake.sections import AlertSettings

ALERTS: Final = 30
"""Most alerts that are listed with their evidence."""

CHANGED: Final = 20
"""Most alerts that are listed as raised or cleared."""

COUNTS: Final = 40


def worst_first() -> Column:
    """Return what orders alerts by severity, the worst first."""
    return F.array_position(F.lit(list(SEVERITIES)), F.col("severity")).desc()


def alert_counts(table: DataFrame) -> pd.DataFrame:
    """Return how many alerts of gold.alert are open, by severity and code."""
    by_code = (
        table
        .where("cleared_at IS NULL")
        .groupBy("severity", "code")
        .agg(F.count("code").alias("alerts"), F.countDistinct("pack_id").alias("packs"))
        .orderBy(worst_first(), F.desc("alerts"), "code")
    )
    return to_pandas(by_code.limit(COUNTS), "alert_counts")


def open_alerts(table: DataFrame, packs: DataFrame, settings: AlertSettings) -> pd.DataFrame:
    """Return the worst open alerts of gold.alert with their evidence, and what raises each.

    Parameters
    ----------
    table
        gold.alert.
    packs
        Packs with model and chemistry.
    settings
        Limits by chemistry.
    """
    known = packs.select("pack_id", "model", "chemistry")
    rows = (
        table
        .where("cleared_at IS NULL")
        .orderBy(worst_first(), F.desc("raised_at"), "cell_id", "code")
        .limit(ALERTS)
        .join(known, on="pack_id", how="left")
        .withColumn("limit", F.lit(None).cast("string"))
        .orderBy(worst_first(), F.desc("raised_at"), "cell_id", "code")
    )
    found = to_pandas(rows, "alerts")
    pairs = zip(found["code"], found["chemistry"], strict=True)
    return found.assign(limit=[limit(str(code), chemistry, settings) for code, chemistry in pairs])


def alert_changes(table: DataFrame, since_at: dt.datetime | None) -> tuple[dict[str, int], pd.DataFrame]:
    """Return how many alerts were raised and cleared since an instant, and the worst of them.

    Parameters
    ----------
    table
        gold.alert.
    since_at
        The end of the day that is compared with; None: nothing is.
    """
    if since_at is None:
        return {"raised": 0, "cleared": 0}, empty_frame("alert_changes")
    raised, cleared = F.col("raised_at") >= F.lit(since_at), F.col("cleared_at") >= F.lit(since_at)
    rows = table.where(raised | cleared).withColumn(
        "what",
        F
        .when(raised & F.col("cleared_at").isNotNull(), "raised and cleared")
        .when(raised, "raised")
        .otherwise("cleared"),
    )
    counted = rows.agg(
        F.count(F.when(raised, 1)).alias("raised"), F.count(F.when(~raised, 1)).alias("cleared")
    ).collect()[0]
    # What is open comes first: what has gone calls for nobody.
    ordered = rows.orderBy(
        F.col("cleared_at").isNotNull(),
        worst_first(),
        F.greatest("raised_at", "cleared_at").desc(),
        "cell_id",
    )
    return counted.asDict(), to_pandas(ordered.limit(CHANGED), "alert_changes")
