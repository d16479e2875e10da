"""What the pipelines of alerts share: where packs go on, and what of theirs is put in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from battery_lake.gold.alert import alert
from battery_lake.lake.reach import ANEW, reach
from battery_lake.lake.scratch import kept
from battery_lake.lake.write import replacing, upsert
from battery_lake.tables.gold import ALERT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake
    from battery_lake.lake.reach import Reach
    from battery_lake.tables.model import Table


def touched_days(lake: Lake, changed: DataFrame, at: str, scratch: str) -> tuple[DataFrame, Reach | None]:
    """Return the packs' days that changes touch, and between which these lie; None: there are none.

    Parameters
    ----------
    lake
        The tables.
    changed
        Rows with ``pack_id``.
    at
        Column of their time.
    scratch
        Name under which the days are kept.
    """
    days = changed.select("pack_id", F.to_date(at).alias("as_of_date")).distinct()
    touched = kept(lake, scratch, days)
    ends = F.min("as_of_date").alias("from_at"), F.max("as_of_date").alias("to_at")
    return touched, reach(touched.groupBy("pack_id").agg(*ends))


def write_days(lake: Lake, contract: Table, fresh: DataFrame, touched: DataFrame, span: Reach) -> None:
    """Put the days that were told again in the place of the stored ones; days that have gone, go.

    Parameters
    ----------
    lake
        The tables.
    contract
        A table of packs' days.
    fresh
        The touched days, told again.
    touched
        ``pack_id`` and ``as_of_date`` of the days.
    span
        Between which they lie.
    """
    key = contract.key
    stored = lake.read(contract.name).where(span.days("as_of_date")).select(*key)
    rows = replacing(fresh, stored.join(touched, on=list(key), how="left_semi"), key)
    upsert(lake, contract.name, rows, within=span.days("as_of_date", "t."))


def plan(touched: DataFrame, fresh: DataFrame, states: DataFrame, method: str) -> DataFrame:
    """One row per touched pack: ``from_at``, where it goes on; ``ANEW``: from its first day.

    A pack without a state has no day before the touched ones, and goes on from those. One that is touched
    before its state, or whose state is of a day that has gone, starts anew. A day without a row elsewhere
    does not matter.

    Parameters
    ----------
    touched, fresh
        The days that changed, and those of them that are there.
    states
        ``pack_id``, ``as_of_at`` and ``method_version`` of what is known of packs.
    method
        Version of the method that can go on from its states.
    """
    key = ["pack_id", "as_of_date"]
    gone = touched.join(fresh.select(*key), on=key, how="left_anti").withColumn("is_gone", F.lit(True))
    first = touched.groupBy("pack_id").agg(F.min("as_of_date").cast("timestamp").alias("low"))
    known = states.select(
        "pack_id", "as_of_at", F.to_date("as_of_at").alias("as_of_date"), "method_version"
    ).join(gone, on=key, how="left")
    is_usable = (
        (F.col("method_version") == method) & F.isnull("is_gone") & (F.col("low") >= F.col("as_of_at"))
    )
    from_at = (
        F.when(F.isnull("as_of_at"), F.col("low")).when(is_usable, F.col("as_of_at")).otherwise(F.expr(ANEW))
    )
    return first.join(known, on="pack_id", how="left").select("pack_id", from_at.alias("from_at"))


def starts(plan_: DataFrame) -> Reach:
    """Return from where on rows of the planned packs are read.

    Parameters
    ----------
    plan_
        What :func:`plan` gives, of one pack at least.
    """
    found = reach(plan_)
    assert found is not None
    return found


def planned(rows: DataFrame, plan_: DataFrame, condition: str) -> DataFrame:
    """Return the planned packs' rows that meet a condition on where they go on.

    Parameters
    ----------
    rows
        Rows with ``pack_id``.
    plan_
        What :func:`plan` gives.
    condition
        SQL condition on the row and on ``from_at``.
    """
    starts = F.broadcast(plan_.select("pack_id", "from_at"))
    return rows.join(starts, on="pack_id", how="inner").where(condition).drop("from_at")


def write_alerts(lake: Lake, stepped: DataFrame, plan_: DataFrame, since: Reach, codes: Sequence[str]) -> int:
    """Write the planned packs' alerts of these codes; alerts of other codes are another pipeline's.

    Parameters
    ----------
    lake
        The tables.
    stepped
        One row per planned pack with its ``alerts``.
    plan_
        What :func:`plan` gives.
    since
        What :func:`starts` gives.
    codes
        The codes that the pipeline raises.

    Returns
    -------
    int
        Alerts that changed.
    """
    # What was cleared before a pack goes on stays as it is.
    reached = f"(cleared_at IS NULL OR {since.instants('cleared_at')})"
    own = lake.read(ALERT.name).where(reached).where(F.col("code").isin(*codes))
    stored = planned(own, plan_, "cleared_at IS NULL OR cleared_at >= from_at")
    rows = replacing(alert(stepped, lake.read("reference.packs")), stored.select(*ALERT.key), ALERT.key)
    return upsert(lake, ALERT.name, rows)


def write_states(lake: Lake, contract: Table, fresh: DataFrame, plan_: DataFrame) -> None:
    """Write the planned packs' states; of a pack without a day nothing is known any more.

    Parameters
    ----------
    lake
        The tables.
    contract
        A table of states, one row a pack.
    fresh
        The states.
    plan_
        What :func:`plan` gives.
    """
    own = lake.read(contract.name).join(F.broadcast(plan_), on="pack_id", how="left_semi")
    upsert(lake, contract.name, replacing(fresh, own.select(*contract.key), contract.key))
