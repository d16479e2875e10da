"""The simulated fleet as a whole."""

import dataclasses
import datetime as dt

import numpy as np
import pytest
from scipy.integrate import trapezoid

from battery_lake.errors import SettingsError
from battery_lake.simulate import fleet, sensors
from battery_lake.simulate.driving import DRIVE
from battery_lake.simulate.electrodes import aged_ocv
from battery_lake.simulate.fleet import (
    KNEE_VEHICLE,
    FleetSpec,
    draw_vehicle,
    references,
    simulate,
    simulate_vehicle,
)
from battery_lake.simulate.pack import hysteresis_share

SPEC = FleetSpec(vehicles=8, days=120, cells_in_series=24)


@pytest.fixture(scope="module")
def run():
    return list(simulate(SPEC))


def true_course(number: int):
    rng = np.random.default_rng([SPEC.seed, number, 1])
    return fleet._course(SPEC, number, draw_vehicle(SPEC, number), rng)


def test_the_same_seed_gives_the_same_messages_and_another_does_not(run):
    again, _ = simulate_vehicle(dataclasses.replace(SPEC, vehicles=3), 2)
    first, _ = run[1]
    assert np.array_equal(first.measured_at_s, again.measured_at_s)
    assert np.array_equal(first.cell_voltages_v, again.cell_voltages_v)
    other, _ = simulate_vehicle(dataclasses.replace(SPEC, seed=2), 2)
    assert len(other) != len(first) or not np.array_equal(other.current_a, first.current_a)


def test_a_vehicle_sends_some_dozen_messages_a_day(run):
    rates = [len(messages) / SPEC.days for messages, _ in run]
    assert min(rates) > 10.0
    assert max(rates) < 70.0
    assert np.mean(rates) == pytest.approx(36.0, abs=8.0)


def test_time_and_sequence_rise_and_losses_leave_gaps(run):
    for messages, _ in run:
        assert np.all(np.diff(messages.measured_at_s) > 0.0)
        assert np.all(np.diff(messages.sequence) > 0)
        assert 0.8 * messages.sequence[-1] < len(messages) < messages.sequence[-1]


def test_voltages_stay_within_the_limits(run):
    for number, (messages, _) in enumerate(run, start=1):
        design = draw_vehicle(SPEC, number).design
        assert messages.cell_voltages_v.min() > design.low_v
        assert messages.cell_voltages_v.max() < design.high_v + 0.03
        assert messages.pack_voltage_v == pytest.approx(messages.cell_voltages_v.sum(axis=1), abs=0.6)


def test_values_lie_on_the_sensors_grids(run):
    messages, _ = run[0]
    for values, steps_per_unit in (
        (messages.cell_voltages_v, 1000),
        (messages.current_a, 10),
        (messages.temperatures_c, 1),
        (messages.soc_pct, 2),
    ):
        assert values * steps_per_unit == pytest.approx(np.rint(values * steps_per_unit), abs=1e-6)


def test_charging_messages_hold_the_charge_that_the_cells_took():
    trace, aged = true_course(1)
    gain = sensors.draw_sensors(np.random.default_rng(1)).current_gain
    assert gain == pytest.approx(1.0, abs=0.02)
    for index in np.flatnonzero(trace.events.kind != DRIVE)[:-1]:
        at = np.flatnonzero(trace.line.event == index)
        current, at_s = trace.line.current_a[at], trace.line.at_s[at]
        charge_ah = np.sum(0.5 * (current[1:] + current[:-1]) * np.diff(at_s)) / 3600.0
        moved_ah = trace.events.start_depth_ah[index] - trace.events.end_depth_ah[index]
        assert charge_ah == pytest.approx(moved_ah, rel=1e-6)
        day = int(trace.line.at_s[at[0]] // 86400)
        soc = 1.0 - (trace.line.depth_ah[at][:, None] + aged.missing_ah[day]) / aged.capacity_ah[day]
        assert (soc[-1] - soc[0]) * aged.capacity_ah[day] == pytest.approx(np.full(24, charge_ah), rel=1e-6)


def test_the_sent_current_of_a_charge_integrates_to_within_one_percent(run):
    messages, _ = run[0]
    trace, _ = true_course(1)
    start_s = dt.datetime(2025, 1, 1, tzinfo=dt.UTC).timestamp()
    ratios = []
    for index in np.flatnonzero(trace.events.kind != DRIVE)[:-1]:
        first_s, last_s = trace.events.start_s[index], trace.events.end_s[index] + 10.0
        inside = (messages.measured_at_s >= start_s + first_s - 1) & (
            messages.measured_at_s <= start_s + last_s + 1
        )
        of_event = trace.line.event == index
        sent = np.count_nonzero(of_event & (trace.line.at_s <= last_s))
        planned_ah = trace.events.start_depth_ah[index] - trace.events.end_depth_ah[index]
        if inside.sum() == sent and planned_ah > 30.0:
            charge_ah = trapezoid(messages.current_a[inside], messages.measured_at_s[inside]) / 3600.0
            ratios.append(charge_ah / planned_ah)
    assert len(ratios) > 20
    assert np.array(ratios) == pytest.approx(np.ones(len(ratios)), abs=0.025)
    assert np.std(ratios) < 0.01


def test_a_long_rest_shows_the_curve_at_the_true_soc():
    trace, aged = true_course(2)
    line = trace.line
    before = np.diff(line.at_s, prepend=0.0)
    rested = (line.current_a == 0.0) & (before > 4.0 * 3600.0)
    day = (line.at_s[rested] // 86400).astype(int)
    soc = 1.0 - (line.depth_ah[rested, None] + aged.missing_ah[day]) / aged.capacity_ah[day]
    vehicle = draw_vehicle(SPEC, 2)
    ocv = aged_ocv(vehicle.design)(soc, aged.lithium_loss_frac[day])
    lag_v = vehicle.design.hysteresis_v * hysteresis_share(line, vehicle.rated_ah)[rested, None]
    assert rested.sum() > 50
    assert trace.cell_voltages_v[rested] == pytest.approx(ocv + lag_v, abs=1e-3)


def test_the_pack_soc_stays_between_empty_and_full():
    for number in range(1, 9):
        trace, _ = true_course(number)
        assert trace.soc_frac.min() > 0.0
        assert trace.soc_frac.max() <= 1.0


def test_charges_begin_and_end_as_in_the_field():
    start, end = [], []
    for number in range(1, 9):
        trace, _ = true_course(number)
        charge = trace.events.kind != DRIVE
        start.extend((1.0 - trace.events.start_depth_ah / trace.events.usable_ah)[charge])
        end.extend((1.0 - trace.events.end_depth_ah / trace.events.usable_ah)[charge])
    assert np.median(start) == pytest.approx(0.38, abs=0.08)
    assert np.median(end) == pytest.approx(0.96, abs=0.04)
    assert np.mean(np.array(end) < 0.9) > 0.2


def test_the_odometer_never_turns_back_and_the_bms_errs_little(run):
    for number, (messages, _) in enumerate(run, start=1):
        assert np.all(np.diff(messages.odometer_km) >= 0.0)
        trace, _ = true_course(number)
        true_pct = np.interp(messages.sequence, np.arange(1, len(trace.soc_frac) + 1), 100.0 * trace.soc_frac)
        assert np.sqrt(np.mean((messages.soc_pct - true_pct) ** 2)) < 8.0


def test_the_truth_fades_and_the_knee_pack_fades_most(run):
    lost = []
    for _, truth in run:
        assert truth.capacity_ah.shape == (SPEC.days, SPEC.cells_in_series)
        assert np.all(np.diff(truth.capacity_ah, axis=0) <= 0.0)
        assert np.all((truth.soh_pct > 55.0) & (truth.soh_pct < 105.0))
        lost.append(np.median(truth.soh_pct[0] - truth.soh_pct[-1]))
    assert int(np.argmax(lost)) + 1 == KNEE_VEHICLE


def test_the_reference_data_fit_the_messages(run):
    packs, assignments = references(SPEC)
    assert [pack.pack_id for pack in packs] == [messages.pack_id for messages, _ in run]
    for assignment, (messages, truth) in zip(assignments, run, strict=True):
        assert assignment.vehicle_id == messages.vehicle_id
        assert assignment.valid_from.timestamp() < messages.measured_at_s[0]
        assert truth.cell_ids[12] == f"{messages.pack_id}/02/01"
    assert {pack.chemistry for pack in references(FleetSpec(vehicles=40))[0]} == {"NMC", "LFP"}


@pytest.mark.parametrize(
    "wrong", [{"vehicles": 0}, {"days": -1}, {"lfp_share": 1.5}, {"lithium_share": -0.1}]
)
def test_a_number_out_of_range_is_refused(wrong):
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        FleetSpec(**wrong)


@pytest.mark.parametrize("cells", [1, 7, 200])
def test_any_form_of_pack_runs_for_a_single_day(cells):
    messages, truth = simulate_vehicle(FleetSpec(vehicles=1, days=1, cells_in_series=cells), 1)
    assert messages.cell_voltages_v.shape == (len(messages), cells)
    assert truth.capacity_ah.shape == (1, cells)
