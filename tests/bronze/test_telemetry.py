"""Bronze rows: the envelope and the instant of the batch, in the form of the contract."""

import datetime as dt

from battery_lake.bronze.telemetry import telemetry
from battery_lake.lake.conform import schema_problems
from battery_lake.sources.files import lines
from battery_lake.tables.bronze import TELEMETRY


def test_an_envelope_becomes_a_row_of_the_contract(spark):
    rows = spark.createDataFrame(
        [("f.json", 3, '{"Body": {"a": 1}}')], "file string, line bigint, value string"
    )
    at = dt.datetime(2026, 1, 10, tzinfo=dt.UTC)
    made = telemetry(lines.envelope(rows, "north"), at)
    assert schema_problems(made, TELEMETRY) == []
    (row,) = made.collect()
    assert (row.hub, row.partition_id, row.sequence_number) == ("north", "f.json", 3)
    assert row.ingested_at == at.replace(tzinfo=None)
