"""The rules of silver, judged by Great Expectations itself."""

import json

import pytest
from pyspark.sql import functions as F

from battery_lake.quality.compile import unexpected
from battery_lake.quality.row_rules import parameters
from battery_lake.quality.suites import folder, read_suite
from battery_lake.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore")


def test_the_rules_of_silver_mean_what_great_expectations_means(judged, check, message):
    """Every rule of the suite, on messages that break most of them."""
    bodies = [
        message(), "no JSON", "[]", message(sequence="x"), message(schema_version=9), message(pack_id=...),
        message(measured_at="1999-01-01T00:00:00Z"), message(measured_at="2027-01-01T00:00:00Z"),
        message(pack_id="P9"), message(cell_voltages_v=[1.0]), message(cell_voltages_v=[0.1, 3.7, 9.0]),
        message(cell_voltages_v=[float("nan")] * 3), message(temperatures_c=[-40.0, 215.0]),
        message(current_a=1e9), message(soc_pct=101), message(soc_pct=None), message(odometer_km=0),
        message(pack_voltage_v=-1), message(pack_voltage_v=12.5), message(latitude=99),
        message(insulation_kohm=-1),
        message(cell_voltages_v=None), message(state="flying"), message(current_a=float("inf")),
        (message(), {"device_id": None}), (message(), {"content_encoding": "br"}),
        (message(), {"device_id": "V2"}),
        (b"\x1f\x8b", {"content_encoding": "gzip"}), message(state="x" * 1_100_000),
    ]  # fmt: skip
    frame = check(bodies)
    given_parameters = parameters(Settings())
    tree = json.loads((folder() / "silver.message.json").read_text("utf-8"))
    suite = read_suite("silver.message")
    asked = [F.expr(unexpected(expectation, given_parameters)) for expectation in suite.expectations]
    counted = [F.count_if(broken).alias(f"c{number}") for number, broken in enumerate(asked)]
    mine = list(frame.agg(*counted).collect()[0])
    theirs = judged(frame, tree, given_parameters)
    codes = [expectation.meta["code"] for expectation in suite.expectations]
    assert dict(zip(codes, mine, strict=True)) == theirs
    unseen = {code for code, count in zip(codes, mine, strict=True) if not count}
    assert unseen <= {"unreadable_file", "decompression_bomb", "cell_extremes", "late"}
