"""Alerts over days: raised, held, cleared; a day that does not tell changes nothing."""

import json

import numpy as np
import pyarrow as pa
import pytest

from battery_lake.cells.alerts import AlertParams, Finding
from battery_lake.gold.alert_days import FarOff, Lying, PackDay, slopes_v
from battery_lake.gold.alert_history import OPEN_FIELDS, History
from battery_lake.gold.alert_rules import Told, nothing_known, rules, step
from battery_lake.gold.alert_state import TREND_DAYS
from battery_lake.gold.day_safety import DAY_US

CELLS = 12
NUMBERS = (
    "spread_mv", "width_mv", "width_std_mv", "messages", "temperature_max_c", "hot_probe",
    "hot_temperature_c", "hot_above_others_c", "hot_messages", "plating_excess_ah", "plating_excess_pct",
    "plating_coldest_c", "plating_current_max_a", "insulation_low_kohm", "insulation_low_ohm_per_v",
    "insulation_readings", "probe_apart_c", "apart_probe", "apart_messages", "string_gap_pct",
    "frozen_messages",
)  # fmt: skip


def pack_day(day, deviation_mv=None):
    """A day of one pack at rest; without deviations it tells nothing."""
    nothing = np.full((1, CELLS), np.nan)
    deviation = nothing if deviation_mv is None else np.array([deviation_mv], dtype=np.float64)
    std = np.where(np.isfinite(deviation), 0.3, np.nan)
    told = np.isfinite(deviation).any()
    numbers = {name: np.array([np.nan]) for name in NUMBERS}
    numbers |= {"spread_mv": np.array([1.5 if told else np.nan]), "messages": np.array([20.0])}
    return PackDay(
        has_day=np.array([True]),
        day=np.array([float(day)]),
        start_us=np.array([day * DAY_US]),
        cells={"deviation_mv": deviation, "deviation_std_mv": std, "band_deviation_mv": deviation,
               "band_std_mv": std},
        numbers=numbers,
        severities=dict.fromkeys(
            ("hot_severity", "plating_severity", "insulation_severity"), np.array([-1], dtype=np.int8)
        ),
        instants_us=dict.fromkeys(("hot_first_at", "insulation_first_at", "frozen_first_at"), np.array([0])),
        far_off=FarOff(nothing, nothing, nothing, np.zeros((1, CELLS), dtype=np.int64), np.array([False])),
        lying=Lying(nothing, nothing, np.array([False])),
    )  # fmt: skip


def nothing_open(packs=1):
    return History(pa.nulls(packs, pa.list_(pa.struct(list(OPEN_FIELDS)))))


def alerts_of(days):
    """The alerts of one pack through its days, and what each rule may hold."""
    known, history = nothing_known(1, CELLS), nothing_open()
    for day in days:
        known = step(known, day)
        params = AlertParams(trend_days=TREND_DAYS)
        for told in rules(known, day, np.array([0.9]), np.array([150.0]), params):
            history.take(told, day)
    (alerts,) = history.alerts().to_pylist()
    return alerts


def days_since_1970(alert, name):
    return None if alert[name] is None else (alert[name].timestamp()) / 86400


def leaking(day, rate_mv=0.4, noise_mv=1.5):
    chance = np.random.default_rng(day)
    deviation = chance.normal(0.0, noise_mv, CELLS)
    deviation[4] -= rate_mv * day
    return deviation


def test_a_leak_is_one_alert_however_its_trend_wavers():
    # The noise of a day, 1.5 mV, is many times what its messages say: the trend wavers.
    alerts = [
        a for a in alerts_of(pack_day(day, leaking(day)) for day in range(90)) if a["series_index"] == 4
    ]
    (leak,) = [alert for alert in alerts if alert["code"] == "self_discharge"]
    assert TREND_DAYS - 1 <= days_since_1970(leak, "raised_at") <= 40
    assert leak["cleared_at"] is None
    evidence = json.loads(leak["evidence"])
    # 0.4 mV a day over a slope of 0.9 V is 0.044 % of 150 Ah a day: 2.8 mA
    assert abs(evidence["leak_ma"] - 2.78) < 1.645 * evidence["leak_std_ma"]


def test_healthy_cells_have_none():
    assert alerts_of(pack_day(day, leaking(day, rate_mv=0.0)) for day in range(120)) == []


def test_days_without_a_rest_leave_a_weak_cell_as_it_was():
    low = np.where(np.arange(CELLS) == 7, -30.0, 0.0)
    told = [pack_day(day, low) for day in range(3)]
    (before,) = alerts_of(told)
    assert (before["code"], before["series_index"], before["cleared_at"]) == ("weak_cell", 7, None)
    assert json.loads(before["evidence"])["as_of_date"] == "1970-01-03"
    assert alerts_of([*told, pack_day(3), pack_day(4)]) == [before]


def test_a_mended_cell_is_cleared_at_the_start_of_a_day_within_days():
    low = np.where(np.arange(CELLS) == 7, -30.0, 0.0)
    alerts = alerts_of([pack_day(day, low if day < 5 else 0.0 * low) for day in range(20)])
    (weak,) = [alert for alert in alerts if alert["code"] == "weak_cell"]
    assert 5 <= days_since_1970(weak, "cleared_at") <= 12


def told(severity, tells=True, raises=True, since_us=0):
    shape = (1, 1)
    finding = Finding(
        "plating_risk", np.full(shape, severity, dtype=np.int8), {"share_pct": np.full(shape, 2.0)}
    )
    return Told(finding, np.full(shape, tells), np.full(shape, raises), np.full(shape, since_us))


@pytest.mark.parametrize(
    ("course", "spans"),
    [
        # what a day says of severity, whether it tells, whether it is enough to raise
        ([(1, True, True), (-1, True, False)], [(0, 1)]),
        ([(1, True, False), (1, True, False)], []),
        ([(1, True, True), (1, True, False), (-1, True, False)], [(0, 2)]),
        ([(1, True, True), (-1, False, False), (1, True, True)], [(0, None)]),
        ([(1, True, True), (-1, True, False), (2, True, True)], [(0, 1), (2, None)]),
    ],
)
def test_an_alert_lasts_from_raising_to_clearing(course, spans):
    history = nothing_open()
    for day, (severity, tells, raises) in enumerate(course):
        history.take(told(severity, tells, raises, day * DAY_US), pack_day(day))
    (alerts,) = history.alerts().to_pylist()
    found = [(days_since_1970(alert, "raised_at"), days_since_1970(alert, "cleared_at")) for alert in alerts]
    assert sorted(found, key=repr) == sorted(spans, key=repr)
    assert all(alert["series_index"] is None for alert in alerts)


def test_going_on_from_what_was_open_gives_what_one_run_gives():
    whole = nothing_open()
    for day in range(2):
        whole.keep(np.array([day == 1]))
        whole.take(told(1 + day, since_us=day * DAY_US), pack_day(day))
    later = History(whole.open_before())
    later.take(told(2, since_us=DAY_US), pack_day(1))
    assert later.alerts() == whole.alerts()
    (row,) = whole.open_before().to_pylist()[0]
    assert (row["severity"], json.loads(row["evidence"])["as_of_date"]) == ("warning", "1970-01-01")


def test_a_leak_is_told_by_the_slope_of_the_packs_own_curve():
    packs = pa.table({
        "chemistry": ["NMC", "LFP", "NMC", "NMC"],
        "ocv_soc_frac": [[0.0, 1.0], [0.0, 0.2, 0.4, 1.0], None, [0.0, 1.0]],
        "ocv_v": [[3.0, 4.2], [2.8, 3.18, 3.26, 3.3], None, [2.0, 3.0]],
    })
    slopes = slopes_v(packs)
    assert slopes[:2].tolist() == pytest.approx([1.2, 0.4])
    assert np.isnan(slopes[2:]).all()


def test_a_probe_that_lies_stays_so_until_hours_of_rest_show_otherwise():
    found = ({"probe_apart_c": -9.0, "apart_probe": 3.0}, {"string_gap_pct": 0.2}, {"probe_apart_c": 1.0})
    days = []
    for number, told in enumerate(found):
        day = pack_day(number)
        day.numbers.update({name: np.array([value]) for name, value in told.items()})
        days.append(day)
    (still,) = alerts_of(days[:2])
    assert (still["code"], still["series_index"], still["cleared_at"]) == ("lying_probe", None, None)
    assert json.loads(still["evidence"])["probe"] == 4.0
    (cleared,) = alerts_of(days)
    assert days_since_1970(cleared, "cleared_at") == 2
