import datetime as dt

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from battery_lake.report import text
from battery_lake.report.data import INTERVAL_SIGMAS

PACK = pd.Series(
    {
        "soh_min_pct": 85.0, "eol_soh_pct": 80.0, "as_of_date": dt.date(2026, 11, 1), "rul_days_p05": 500.0,
        "rul_days_p50": 700.0, "censored": False, "warranty_until": None,
    },
    dtype="object",
)  # fmt: skip


def test_what_is_missing_reads_as_a_dash():
    missing = (None, float("nan"), pd.NaT, pd.NA)
    assert {text.number(value) for value in missing} == {text.ABSENT}
    assert {text.date(value) for value in missing} == {text.ABSENT}
    assert text.soh_interval(80.0, None) == text.rul_median(None, None) == text.span(1, None) == text.ABSENT


def test_thousands_are_grouped_without_a_comma_that_could_be_a_decimal_sign():
    assert text.number(1482113).split(text.NARROW_SPACE) == ["1", "482", "113"]


def test_a_negative_number_carries_a_minus_and_no_hyphen():
    assert text.number(-12.5, 1) == f"{text.MINUS}12.5"


@given(st.floats(0, 120), st.floats(0, 20))
def test_the_interval_is_the_90_percent_interval_of_a_normal(soh_pct, std_pct):
    low, high = (
        float(part.replace(text.MINUS, "-")) for part in text.soh_interval(soh_pct, std_pct).split(" to ")
    )
    assert low == pytest.approx(soh_pct - INTERVAL_SIGMAS * std_pct, abs=0.051)
    assert high == pytest.approx(soh_pct + INTERVAL_SIGMAS * std_pct, abs=0.051)


def test_a_censored_outlook_is_a_lower_bound_and_has_no_date():
    assert text.rul_median(900.0, True) == "not in sight"
    assert text.rul_interval(400.0, 9000.0, True) == "at least 400"
    assert text.eol_date(dt.date(2026, 1, 1), 900.0, True) == "not in sight"


def test_the_end_of_life_is_the_day_of_the_estimate_and_the_remaining_days():
    assert text.eol_date(dt.date(2026, 1, 1), 31.4, False) == "2026-02-01"


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, ("good", "in order")),
        ({"soh_min_pct": 79.9}, ("bad", "below end of life")),
        ({"rul_days_p50": None}, ("watch", "no outlook yet")),
        ({"rul_days_p05": 364.0}, ("watch", "may end in a year")),
        ({"rul_days_p05": 364.0, "censored": True}, ("good", "in order")),
        ({"warranty_until": dt.date(2029, 1, 1)}, ("bad", "ends in warranty")),
        ({"warranty_until": dt.date(2027, 1, 1)}, ("good", "in order")),
    ],
)
def test_the_verdict_follows_from_health_outlook_and_warranty(changes, verdict):
    assert text.pack_status(pd.Series({**PACK, **changes}, dtype="object")) == verdict
