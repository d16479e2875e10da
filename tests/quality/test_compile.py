"""Expectations compiled to SQL mean what Great Expectations means by them."""

import json
import math

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F

from battery_lake.errors import SuiteError
from battery_lake.quality.compile import rules_of, unexpected
from battery_lake.quality.row_rules import rule_params
from battery_lake.quality.suites import Expectation, Suite, folder
from battery_lake.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore")

NUMBERS = st.one_of(
    st.none(), st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, 2.0, 3.0]), st.floats(-5, 5)
)
WORDS = st.one_of(
    st.none(), st.sampled_from(["", "utf-8", "UTF-8", "gzip", "x", "it's"]), st.text(max_size=3)
)
ROWS = st.lists(st.tuples(NUMBERS, WORDS, st.one_of(st.none(), st.booleans())), min_size=1, max_size=40)
ASKED = [
    ("expect_column_values_to_be_between", {"column": "number", "min_value": 0, "max_value": 2}),
    ("expect_column_values_to_be_between", {"column": "number", "max_value": 1.5}),
    ("expect_column_values_to_be_between", {"column": "number", "min_value": 0, "strict_min": True}),
    ("expect_column_values_to_be_between",
     {"column": "number", "min_value": -1, "max_value": 2, "strict_max": True}),
    ("expect_column_values_to_be_null", {"column": "word"}),
    ("expect_column_values_to_not_be_null", {"column": "number"}),
    ("expect_column_values_to_not_be_null", {"column": "word"}),
    ("expect_column_values_to_be_in_set", {"column": "word", "value_set": ["utf-8", "it's"]}),
    ("expect_column_values_to_be_in_set", {"column": "flag", "value_set": [True]}),
    ("expect_column_values_to_not_be_in_set", {"column": "word", "value_set": ["gzip", ""]}),
    ("expect_column_values_to_match_regex", {"column": "word", "regex": "^(utf|gz)"}),
    ("expect_column_values_to_be_between",
     {"column": "number", "min_value": 0, "row_condition": "flag = true", "condition_parser": "spark"}),
]  # fmt: skip


def ours(frame, expectations, given_parameters):
    counted = [
        F.count_if(F.expr(unexpected(e, given_parameters))).alias(f"c{n}") for n, e in enumerate(expectations)
    ]
    return list(frame.agg(*counted).collect()[0])


@settings(
    max_examples=6, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(ROWS)
def test_row_rules_count_what_great_expectations_counts(spark, judged, rows):
    numbers, words, flags = zip(*rows, strict=True)
    table = pa.table({
        "number": pa.array(numbers, pa.float64(), from_pandas=False),
        "word": pa.array(words, pa.string()),
        "flag": pa.array(flags, pa.bool_()),
    })
    frame = spark.createDataFrame(table)
    tree = {
        "name": "oracle",
        "expectations": [
            {"type": type_, "kwargs": kwargs, "meta": {"code": str(number)}}
            for number, (type_, kwargs) in enumerate(ASKED)
        ],
    }
    expectations = [Expectation(type_, dict(kwargs), "critical", {}) for type_, kwargs in ASKED]
    theirs = judged(frame, tree)
    assert ours(frame, expectations, {}) == [theirs[str(number)] for number in range(len(ASKED))]


def test_the_suite_is_as_great_expectations_writes_it():
    from great_expectations.core.expectation_suite import ExpectationSuite

    tree = json.loads((folder() / "silver.message.json").read_text("utf-8"))
    written = ExpectationSuite(**tree).to_json_dict()
    for mine, theirs in zip(tree["expectations"], written["expectations"], strict=True):
        assert {key: theirs[key] for key in mine} == mine


BAD = {
    "an aggregate": ("expect_column_mean_to_be_between", {"column": "x"}, "row by row there are"),
    "an unknown argument": ("expect_column_values_to_be_null", {"column": "x", "mostly": 0.9}, "mostly"),
    "no limit": ("expect_column_values_to_be_between", {"column": "x"}, "needs min_value or max_value"),
    "an unknown parameter": (
        "expect_column_values_to_be_between", {"column": "x", "max_value": {"$PARAMETER": "y"}},
        "no parameter y"),
    "pandas conditions": (
        "expect_column_values_to_be_null",
        {"column": "x", "row_condition": "a", "condition_parser": "pandas"}, "condition_parser is spark"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_row_rule_is_refused_before_any_stream_starts(name):
    type_, kwargs, why = BAD[name]
    suite = Suite("s", (Expectation(type_, kwargs, "critical", {"code": "c", "why": "w"}),))
    with pytest.raises(SuiteError) as fault:
        rules_of(suite, {"clock_skew_s": 1.0})
    assert why in fault.value.why


def test_two_rules_of_one_code_are_refused():
    one = Expectation(
        "expect_column_values_to_be_null", {"column": "x"}, "critical", {"code": "c", "why": "w"}
    )
    with pytest.raises(SuiteError, match="two rules with the code c"):
        rules_of(Suite("s", (one, one)), {})


def test_every_signal_that_a_rule_blanks_is_one():
    from battery_lake.mapping.targets import TARGETS

    assert {name for rule in rule_params(Settings()).rules for name in rule.blanks} <= set(TARGETS)
