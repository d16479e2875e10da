"""Units: every number of every table says what it is measured in."""

from hypothesis import given, settings
from hypothesis import strategies as st

from battery_lake.tables.registry import TABLES
from battery_lake.units import QUANTILES, UNITS, unit_of

NUMERIC = ("tinyint", "smallint", "int", "bigint", "float", "double", "decimal")

# Numbers without a unit: counts, places and counters; degrees have their own well-known names, and the
# states of the filters are named for what they hold (their comments hold the unit).
UNITLESS = {
    "alerts", "apart_messages", "apart_probe", "attempts", "batch_id", "below_eol", "broken",
    "cell_number", "cells_in_parallel", "cells_in_series", "checked", "ends_in_year", "fade_pct_per_day",
    "fade_variance", "failed", "from_sequence_number", "from_version", "frozen_messages", "gaps",
    "hot_messages", "hot_probe", "insulation_readings", "latitude", "longitude", "message_index",
    "messages", "negative_events", "new_observations", "observations", "packs", "points_loss",
    "points_weight", "quiet_messages", "recent_charges", "recent_fast_charges", "recent_observations",
    "resistance_activation_ev", "resistance_activation_variance_ev2", "resistance_covariance_ev",
    "resistance_first_per_ev", "resistance_log_ohm", "resistance_log_variance", "resistance_observations",
    "resistance_settled_log_ohm", "resistance_usual_per_ev", "rows_duplicate", "rows_in", "rows_kept",
    "rows_refused", "samples", "seconds", "sequence", "sequence_number", "series_index",
    "soh_fade_covariance", "soh_variance", "string_bins", "string_c_rate2", "string_c_rate_apart",
    "string_c_rates", "string_samples",
    "string_sum_c_rate2", "string_sum_c_rate_apart", "string_sum_c_rates", "string_sum_samples",
    "to_sequence_number", "to_version", "tries", "vehicles",
    "warranty_exposed",
}  # fmt: skip
PER_MODULE = {"cells_per_module"}


def numeric_columns():
    for table in TABLES.values():
        for column in table.columns:
            element = column.type.removeprefix("array<").removeprefix("map<string,").removesuffix(">")
            if element.startswith(NUMERIC):
                yield table.name, column


def test_every_numeric_column_has_a_unit_or_is_known_to_need_none():
    without = {
        f"{name}.{column.name}"
        for name, column in numeric_columns()
        if unit_of(column.name) is None and column.name not in UNITLESS | PER_MODULE
    }
    assert without == set()


def test_every_comment_of_a_measured_column_names_the_unit_that_its_suffix_stands_for():
    contradicting = {
        f"{name}.{column.name}: {column.comment}"
        for name, column in numeric_columns()
        if unit_of(column.name) not in {None, UNITS["_efc"]}
        and f"[{unit_of(column.name)}]" not in column.comment
    }
    assert contradicting == set()


@settings(deadline=None)
@given(
    st.sampled_from(sorted(UNITS)),
    st.sampled_from(["", *QUANTILES]),
    st.from_regex(r"[a-z]+", fullmatch=True),
)
def test_a_suffix_is_read_behind_any_stem_and_before_any_quantile(suffix, quantile, stem):
    assert unit_of(f"{stem}{suffix}{quantile}") == UNITS[suffix]


@settings(deadline=None)
@given(
    st.from_regex(r"[a-z]+(_(id|at|date|index|version))?", fullmatch=True).filter(lambda name: name != "efc")
)
def test_names_without_a_suffix_have_no_unit(name):
    assert unit_of(name) is None


def test_the_longest_suffix_counts():
    assert unit_of("variance_ah2") == "Ah²"
    assert unit_of("imbalance_mv") == "mV"
    assert unit_of("efc") == UNITS["_efc"]
    assert unit_of("rul_efc_p05") == UNITS["_efc"]
