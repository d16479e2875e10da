"""Running a stream: what stops it is said in words, and what was not committed comes again."""

# ruff: noqa: DTZ001 - Spark hands over UTC without a zone

from pathlib import Path

import pytest
from pyspark.sql import functions as F

from battery_lake.errors import BatteryLakeError, ContractError, DataLossError
from battery_lake.lake.create import ensure
from battery_lake.lake.write import insert_missing
from battery_lake.pipelines.model import Counts, Silent
from battery_lake.pipelines.stream import run_available

ROW = {"hub": "h", "partition_id": "f", "sequence_number": 0, "ingested_at": None}


@pytest.fixture(scope="module")
def source_lake(spark, frame, tmp_path_factory):
    import datetime as dt

    from battery_lake.lake.access import Lake
    from battery_lake.settings import load

    settings, _ = load([f"home={tmp_path_factory.mktemp('stream')}"], environment={})
    lake = Lake(spark, settings)
    ensure(lake, ["bronze.telemetry", "ops.batch"])
    row = ROW | {"ingested_at": dt.datetime(2026, 1, 1)}
    insert_missing(lake, "bronze.telemetry", frame("bronze.telemetry", [row]))
    return lake


@pytest.fixture
def run(source_lake, request):
    """Run a batch function over the one row, under a checkpoint of the test's own."""
    pipeline = request.node.name.replace("[", "_").replace("]", "")

    def run_(batch, progress=None):
        source = source_lake.stream("bronze.telemetry")
        return run_available(source_lake, pipeline, source, batch, progress or Silent())

    return run_


def raising(fault):
    def batch(_lake, _frame, _batch_id):
        raise fault

    return batch


def test_an_exception_surfaces_with_its_first_line(run, request):
    with pytest.raises(BatteryLakeError) as caught:
        run(raising(ValueError("\nthe sensor is upside down\nsecond line")))
    assert type(caught.value) is BatteryLakeError
    assert caught.value.what == f"{request.node.name} stopped"
    assert caught.value.why == "ValueError: the sensor is upside down"
    assert "goes on from the last committed batch" in caught.value.remedy


def test_a_fault_within_spark_surfaces_with_its_cause(run):
    def batch(lake, frame, _batch_id):
        broken = F.expr("CAST(raise_error('the cell exploded') AS string)")
        new = frame.withColumn("sequence_number", F.col("sequence_number") + 1000)
        insert_missing(lake, "bronze.telemetry", new.withColumn("device_id", broken))
        return Counts()

    with pytest.raises(BatteryLakeError) as caught:
        run(batch)
    assert "the cell exploded" in caught.value.why


def test_a_null_that_a_batch_would_write_surfaces_as_a_broken_contract(run):
    def batch(lake, frame, _batch_id):
        nulls = F.when(F.col("sequence_number") > 7, F.lit("h"))  # null for the one row there is
        insert_missing(lake, "bronze.telemetry", frame.withColumn("hub", nulls))
        return Counts()

    with pytest.raises(ContractError) as caught:
        run(batch)
    assert caught.value.why == "null in bronze.telemetry.hub"


@pytest.mark.parametrize("kind", [ContractError, DataLossError])
def test_an_error_of_our_own_surfaces_as_itself(run, kind):
    fault = kind("rows were refused", why="null", remedy="fill it")
    with pytest.raises(kind) as caught:
        run(raising(fault))
    assert caught.value is fault


def test_counts_that_do_not_add_up_stop_the_stream_and_are_not_recorded(run, request, source_lake):
    def wrong(_lake, frame, _batch_id):
        return Counts(rows_in=frame.count(), rows_kept=3, rows_refused=2, rows_duplicate=1)

    with pytest.raises(DataLossError) as caught:
        run(wrong)
    assert caught.value.what == f"{request.node.name} batch 0 does not add up"
    assert caught.value.why == "1 rows came, 3 kept + 2 refused + 1 duplicate = 6"
    assert source_lake.read("ops.batch").where(f"pipeline = '{request.node.name}'").isEmpty()


def test_a_batch_that_failed_comes_again_with_its_number_and_is_recorded_once(run, request, source_lake):
    told = []

    class Told:
        def batch(self, pipeline, batch_id, rows):
            told.append((pipeline, batch_id, rows))

    def right(_lake, frame, _batch_id):
        count = frame.count()
        return Counts(rows_in=count, rows_kept=count)

    with pytest.raises(BatteryLakeError):
        run(raising(RuntimeError("power cut")), Told())
    assert told == []
    result = run(right, Told())
    assert (result.batches, result.counts) == (1, Counts(rows_in=1, rows_kept=1))
    assert told == [(request.node.name, 0, 1)]
    (row,) = source_lake.read("ops.batch").where(f"pipeline = '{request.node.name}'").collect()
    assert (row.batch_id, row.generation) == (0, source_lake.generation(request.node.name))
    assert (row.rows_in, row.rows_kept, row.rows_refused, row.rows_duplicate) == (1, 1, 0, 0)
    assert run(right).batches == 0


def test_a_first_batch_whose_plan_was_half_written_is_planned_anew(run, source_lake, request):
    folder = Path(source_lake.checkpoint(request.node.name))
    (folder / "offsets").mkdir(parents=True)
    (folder / "offsets" / ".0.5f0a.tmp").write_text("v1", encoding="utf-8")
    (folder / "offsets" / "..0.5f0a.tmp.crc").write_bytes(b"crc")
    assert run(lambda *_: Counts(rows_in=1, rows_kept=1)).batches == 1
    assert run(lambda *_: Counts()).batches == 0
