"""What was foretold of lives, against what a simulation or a laboratory knows of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from pyspark.sql import functions as F

from battery_lake.cells.life_scores import PackScores, pack_scores
from battery_lake.models.plots import calibration
from battery_lake.notebook.picture import Picture
from battery_lake.report.load_cells import described_packs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pyspark.sql import DataFrame

MOST_PACKS: Final = 100
"""So many packs are judged, the first by name."""

TOLD: Final = ("rul_days_p05", "rul_days_p50", "rul_days_p95")


def outlooks(read: Callable[[str], DataFrame], truth: DataFrame, *, eol_soh_pct: float) -> pd.DataFrame:
    """Return the first outlook of each month of cells that then lived, also by the estimate, and how it came.

    Parameters
    ----------
    read
        Gives a table of the lake by its name.
    truth
        True SOH: columns set_name, cell_id, as_of_date, soh_pct [%].
    eol_soh_pct
        End of life of packs that name none. [%]

    Returns
    -------
    pandas.DataFrame
        Columns set_name, pack_id, cell_id, as_of_date, the quantiles of the RUL, ``left_days`` that truly
        remained (NaN: the cell outlives the record) and ``seen_days`` to the end of the record. [d]
    """
    packs = described_packs(read("reference.packs"), eol_soh_pct).select("pack_id", "eol_soh_pct")
    chosen = packs.orderBy("pack_id").limit(MOST_PACKS)
    told = (
        read("gold.cell_life")
        .where("rul_days_p50 IS NOT NULL")
        .join(chosen, on="pack_id", how="left_semi")
        .groupBy("pack_id", "cell_id", F.trunc("as_of_date", "month").alias("month"))
        .agg(F.min_by(F.struct("as_of_date", *TOLD), "as_of_date").alias("first"))
        .select("pack_id", "cell_id", "first.*")
    )
    cells = read("gold.cell_current").select("pack_id", "cell_id").join(chosen, on="pack_id")
    ended = F.when(F.col("soh_pct") < F.col("eol_soh_pct"), F.col("as_of_date"))
    lives = (
        truth
        .join(cells.drop("pack_id"), on="cell_id")
        .groupBy("set_name", "cell_id")
        .agg(F.min(ended).alias("ended_on"), F.max("as_of_date").alias("seen_until"))
    )
    judged = told.join(lives, on="cell_id").select(
        "set_name", "pack_id", "cell_id", "as_of_date", *TOLD,
        F.datediff("ended_on", "as_of_date").cast("double").alias("left_days"),
        F.datediff("seen_until", "as_of_date").cast("double").alias("seen_days"),
    )  # fmt: skip
    # Alive in truth and by the estimate, as where models are judged.
    alive = "seen_days > 0 AND rul_days_p95 > 0 AND (left_days IS NULL OR left_days > 0)"
    rows: pd.DataFrame = (
        judged.where(alive).orderBy("set_name", "cell_id", "as_of_date").toArrow().to_pandas()
    )
    return rows


def scores(rows: pd.DataFrame) -> dict[str, PackScores]:
    """Judge the outlooks of each set of cells by what came after.

    Parameters
    ----------
    rows
        By :func:`outlooks`.
    """
    return {
        str(name): pack_scores(
            np.unique(own["pack_id"], return_inverse=True)[1],
            own[list(TOLD)].to_numpy(dtype=np.float64),
            own["left_days"].to_numpy(dtype=np.float64),
            own["seen_days"].to_numpy(dtype=np.float64),
        )
        for name, own in rows.groupby("set_name")
    }


def figures(rows: pd.DataFrame, judged: Mapping[str, PackScores]) -> pd.DataFrame:
    """Return the scores of each set as a table.

    Parameters
    ----------
    rows
        By :func:`outlooks`.
    judged
        By :func:`scores`.
    """
    table = []
    for name, found in judged.items():
        own = rows[rows["set_name"] == name]
        table.append({
            "set": name,
            "packs": own["pack_id"].nunique(),
            "outlooks": len(own),
            "cells that ended": own.loc[own["left_days"].notna(), "cell_id"].nunique(),
            "intervals that can be judged": int(found.judged.sum()),
            "of these hold the end [%]": round(100.0 * found.coverage, 1),
            "loss [d]": round(found.mean_loss_days, 1),
        })
    return pd.DataFrame(table)


def calibration_picture(judged: Mapping[str, PackScores]) -> Picture:
    """Draw how often lives ended before each quantile; the diagonal is right.

    Parameters
    ----------
    judged
        By :func:`scores`.
    """
    known = {name: found for name, found in judged.items() if found.decided.any()}
    if not known:
        return Picture(b"", "Calibration: no life ended within the record, so nothing can be judged.")
    errors = (f"{name} {found.calibration_error:.2f}" for name, found in known.items())
    says = f"Mean distance from the diagonal: {', '.join(errors)}."
    return Picture(calibration(known), says)
