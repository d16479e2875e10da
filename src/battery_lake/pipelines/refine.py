"""Bronze to silver: decode, check, keep each message once, quarantine the rest."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.bronze.telemetry import plausible_time
from battery_lake.clock import utc_now
from battery_lake.lake.changes import Span
from battery_lake.lake.observed import Observed
from battery_lake.lake.write import insert_missing
from battery_lake.pipelines.model import Counts, Pipeline, Progress, RunResult
from battery_lake.pipelines.put_together import put_together
from battery_lake.pipelines.settle import arrived, settle
from battery_lake.pipelines.stream import run_available
from battery_lake.quality.row_rules import rule_params
from battery_lake.silver.decode import is_packed, read_columns
from battery_lake.silver.quarantine import refused
from battery_lake.silver.rules import counted
from battery_lake.silver.telemetry import checked, first_of_key, kinds, valid
from battery_lake.tables.silver import TELEMETRY_PART

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake
    from battery_lake.silver.rules import RuleParams

HUB_RETENTION: Final = dt.timedelta(days=7)
"""A hub keeps messages for at most so long: what is older arrives by another way, and is rare."""


def refine_batch(lake: Lake, bronze: DataFrame, params: RuleParams | None = None) -> Counts:
    """Put every message of a batch into silver or into quarantine, once.

    The batch is parsed once in the usual case, and once more where something was refused, and where
    something was repeated, late or known already.
    """
    params = params or rule_params(lake.settings)
    window, has_packed = _expected(bronze, params)
    if not has_packed:
        params = dataclasses.replace(params, reading=dataclasses.replace(params.reading, unpacks=False))
    messages = checked(bronze, lake.read("reference.packs"), lake.read("reference.pack_assignment"), params)
    seen = Observed(
        messages,
        F.count(F.lit(1)).alias("rows"),
        F.count_if("refused").alias("refused"),
        F.max(plausible_time()).alias("newest"),
        *counted(params),
    )
    inserted = 0
    for kind in kinds(params):
        rows = first_of_key(valid(seen.frame, params, kind).where(window.holds("measured_at")), kind.key)
        inserted += insert_missing(lake, kind.table.name, rows, within=window.holds("t.measured_at"))
    row_count, refused_count = int(seen.values["rows"]), int(seen.values["refused"])
    if refused_count:
        insert_missing(lake, "silver.quarantine", refused(messages, params, utc_now()))
    valid_count = row_count - refused_count
    odd = _after_insert(lake, bronze, messages, params, all_new=inserted >= valid_count)
    return Counts(
        rows_in=row_count,
        rows_kept=valid_count - odd.rows_refused - odd.rows_duplicate,
        rows_refused=refused_count + odd.rows_refused,
        rows_duplicate=odd.rows_duplicate,
        newest_at=seen.values["newest"],
        broken={rule.code: count for rule in params.rules if (count := int(seen.values[rule.code]))},
    )


def _after_insert(
    lake: Lake, bronze: DataFrame, messages: DataFrame, params: RuleParams, *, all_new: bool
) -> Counts:
    """Settle what did not simply go in, and put parts together; what became of the former."""
    odd = Counts()
    for kind in kinds(params):
        has_parts = kind.table is TELEMETRY_PART
        if all_new and not has_parts:
            continue
        batch = arrived(lake, bronze, messages, params, kind)
        if not all_new:
            odd += settle(lake, batch)
        if has_parts:
            put_together(lake, batch)
    return odd


def _expected(bronze: DataFrame, params: RuleParams) -> tuple[Span, bool]:
    """The time of the messages by the hub's clock, and whether a body may be no text; none is read."""
    taken = plausible_time()
    packed = F.max(F.expr(is_packed(params.reading.mappings)))
    span = bronze.agg(
        F.min(taken).alias("low"), F.max(taken).alias("high"), packed.alias("has_packed")
    ).collect()[0]
    low = span.low or dt.datetime(2000, 1, 1)  # noqa: DTZ001  Spark hands over UTC without a zone
    high = span.high or low
    window = Span(low - HUB_RETENTION, high + dt.timedelta(seconds=params.clock_skew_s))
    return window, bool(span.has_packed)


def refine(lake: Lake, progress: Progress, params: RuleParams | None = None) -> RunResult:
    """Take what is new in bronze into silver, or into quarantine.

    Parameters
    ----------
    lake, progress
        The tables, and who is told of every batch.
    params
        How messages are read and judged; None: as the settings say.
    """
    # A faulty mapping stops the run here, before any batch.
    params = params or rule_params(lake.settings)

    def batch(inner: Lake, bronze: DataFrame, batch_id: int) -> Counts:
        del batch_id
        return refine_batch(inner, bronze, params)

    # Bronze only grows, but for what `forget` deletes: a version that rewrites files brings no message.
    source = lake.stream(
        "bronze.telemetry",
        maxBytesPerTrigger=lake.settings.refine.max_bytes_per_trigger,
        skipChangeCommits="true",
    )
    # Inside a batch Spark prunes no columns of the stream any more.
    return run_available(
        lake, "refine", source.select(*read_columns(params.reading.mappings)), batch, progress
    )


REFINE = Pipeline(
    "refine",
    reads=("bronze.telemetry", "reference.packs", "reference.pack_assignment"),
    writes=("silver.telemetry", "silver.quarantine", "silver.telemetry_part"),
    step=refine,
)
