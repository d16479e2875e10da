"""Messages that carry one cell each, put together to messages of the whole pack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from battery_lake.lake.changes import overall
from battery_lake.lake.write import upsert
from battery_lake.silver.telemetry import KEY, Kind, kinds, valid
from battery_lake.silver.telemetry_part import whole
from battery_lake.tables.silver import TELEMETRY_PART

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake
    from battery_lake.silver.rules import RuleParams


def put_together(lake: Lake, messages: DataFrame, params: RuleParams) -> None:
    """Make the whole messages of which a batch brought parts, from all parts that there are by now.

    A part that comes later changes the whole message; any order of arrival ends in the same.
    """
    part = next((kind for kind in kinds(params) if kind.table is TELEMETRY_PART), None)
    if part is None:
        return
    keys = _keys(messages, params, part)
    span = overall(keys.selectExpr("measured_at AS low", "measured_at AS high"))
    if span is None:
        return
    stored = lake.read(TELEMETRY_PART.name).where(span.holds("measured_at"))
    rows = whole(stored.join(keys, on=list(KEY), how="left_semi"), lake.read("reference.packs"))
    upsert(lake, "silver.telemetry", rows, within=span.holds("t.measured_at"))


def _keys(messages: DataFrame, params: RuleParams, part: Kind) -> DataFrame:
    return valid(messages, params, part).select(*KEY).distinct()
