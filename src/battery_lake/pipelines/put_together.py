"""Messages that carry one cell each, put together to messages of the whole pack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from battery_lake.lake.write import upsert
from battery_lake.silver.telemetry import KEY
from battery_lake.silver.telemetry_part import whole

if TYPE_CHECKING:
    from battery_lake.lake.access import Lake
    from battery_lake.pipelines.settle import Arrived


def put_together(lake: Lake, parts: Arrived) -> None:
    """Make the whole messages of which a batch brought parts, from all parts that there are by now.

    A part that comes later changes the whole message; any order of arrival ends in the same.
    """
    span = parts.span
    if span is None:
        return
    keys = parts.copies.select(*KEY).distinct()
    stored = lake.read(parts.kind.table.name).where(span.holds("measured_at"))
    rows = whole(stored.join(keys, on=list(KEY), how="left_semi"), lake.read("reference.packs"))
    upsert(lake, "silver.telemetry", rows, within=span.holds("t.measured_at"))
