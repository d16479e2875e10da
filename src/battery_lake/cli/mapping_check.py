"""What sample messages become under a mapping, before any stream reads it."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING, Any

import typer
from pyspark.sql import functions as F

from battery_lake.clock import utc_now
from battery_lake.mapping.targets import TARGETS
from battery_lake.quality.row_rules import rule_params
from battery_lake.silver.decode import decode
from battery_lake.silver.rules import blanked, reasons
from battery_lake.silver.telemetry import checked
from battery_lake.tables.bronze import TELEMETRY
from battery_lake.tables.reference import PACK_ASSIGNMENT

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake
    from battery_lake.mapping.compile import Compiled

OF_REFERENCE = ("unknown_pack", "not_assigned")
"""Rules that need reference data, which a sample has not."""


def examine(
    lake: Lake, mappings: tuple[Compiled, ...], bodies: list[bytes], device: str, properties: dict[str, str]
) -> list[dict[str, Any]]:
    """Return every sample message as silver would have it, or the reasons why it would be refused.

    Returns
    -------
    list
        Per message: ``body`` (its number), ``message_index``, ``reasons`` (code and detail), ``flags`` and
        the canonical signals as ``signals``.
    """
    row: dict[str, Any] = dict.fromkeys(TELEMETRY.column_names)
    now = utc_now().replace(tzinfo=None)
    row |= {"hub": "sample", "partition_id": "0", "enqueued_at": now, "device_id": device, "ingested_at": now}
    row["application_properties"] = properties
    rows = [{**row, "sequence_number": number, "body": body} for number, body in enumerate(bodies)]
    spark = lake.spark
    params = rule_params(lake.settings)
    reading = dataclasses.replace(params.reading, mappings=mappings)
    params = dataclasses.replace(params, reading=reading)
    bronze = spark.createDataFrame(rows, TELEMETRY.fields)
    messages = checked(
        bronze,
        _packs(decode(bronze, reading)),
        spark.createDataFrame([], PACK_ASSIGNMENT.fields),
        params,
    )
    found = (
        messages
        .withColumn("reasons", F.filter(reasons(params), lambda r: ~r["code"].isin(*OF_REFERENCE)))
        .withColumns(blanked(params))
        .select("sequence_number", "message_index", "reasons", "flags", *TARGETS)
        .orderBy("sequence_number", "message_index")
        .collect()
    )
    return [
        {
            "body": r.sequence_number,
            "message_index": r.message_index,
            "reasons": [{"code": reason.code, "detail": reason.detail} for reason in r.reasons],
            "flags": r.flags,
            "signals": {name: r[name] for name in TARGETS if r[name] is not None},
        }
        for r in found
    ]


def _packs(decoded: DataFrame) -> DataFrame:
    """What reference.packs would say of the packs in a sample: as many cells as any message tells of."""
    last = "array_max(transform(cell_voltages_v, (v, i) -> if(v IS NULL, 0, i + 1)))"
    number = "cell_number" if "cell_number" in decoded.columns else "0"
    cells = F.expr(f"nullif(max(greatest({last}, {number})), 0)").cast("int").alias("cells_in_series")
    return decoded.groupBy("pack_id").agg(cells, F.lit(None).cast("string").alias("chemistry"))


def printed(found: list[dict[str, Any]], shown: int) -> None:
    """Print the first messages whole, then what was refused and flagged, counted."""
    for message in found[:shown]:
        typer.echo(f"body {message['body']}, message {message['message_index']}")
        for reason in message["reasons"]:
            typer.echo(f"  refused: {reason['code']}: {reason['detail']}")
        for name, value in message["signals"].items():
            typer.echo(f"  {name:<20}{_short(value)}")
        if message["flags"]:
            typer.echo(f"  {'flags':<20}{', '.join(message['flags'])}")
    refused = [message for message in found if message["reasons"]]
    typer.echo(
        f"{len(found):,} messages: {len(found) - len(refused):,} would go in, {len(refused):,} refused"
    )
    for code, count in Counter(r["code"] for m in refused for r in m["reasons"]).most_common():
        example = next(r["detail"] for m in refused for r in m["reasons"] if r["code"] == code)
        typer.echo(f"  refused {count:,}: {code}, as {example}")
    for code, count in Counter(flag for m in found for flag in m["flags"]).most_common():
        typer.echo(f"  flagged {count:,}: {code}")


def _short(value: Any) -> str:
    if not isinstance(value, list):
        return str(value)
    known = [item for item in value if item is not None]
    if not known:
        return f"{len(value)} values, all empty"
    empty = f", {len(value) - len(known)} empty" if len(known) < len(value) else ""
    return f"{len(value)} values, {min(known):g} to {max(known):g}{empty}"
