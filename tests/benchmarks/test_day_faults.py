"""Planted faults: each begins on its day, by its cause; and what is told of them is counted right."""

import datetime as dt
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from battery_lake.simulate.fleet import FleetSpec, draw_vehicle, simulate_vehicle

BEGINS, DAYS = 5.0, 12
SIGNALS = ("cell_voltages_v", "temperatures_c", "pack_voltage_v", "insulation_kohm")


@pytest.fixture(scope="module")
def support():
    """The modules of the benchmark, which is no package of the product."""
    folder = str(Path(__file__).parents[2] / "benchmarks")
    sys.path.insert(0, folder)
    from support import day_alerts, day_faults

    yield day_alerts, day_faults
    sys.path.remove(folder)


@pytest.fixture(scope="module")
def vehicle(support):
    day_alerts, _ = support
    spec = FleetSpec(1, DAYS, 1, day_alerts.START, 12, 12, reporting=day_alerts.REPORTING)
    midnight_s = dt.datetime.combine(spec.start, dt.time(), tzinfo=dt.UTC).timestamp()
    return draw_vehicle(spec, 2), simulate_vehicle(spec, 2)[0], midnight_s


def test_every_cause_changes_something_and_nothing_before_its_day(support, vehicle):
    _, day_faults = support
    for number, (cause, (plant, _)) in enumerate(day_faults.CAUSES.items()):
        known, messages, midnight_s = vehicle
        rng = np.random.default_rng(number)
        patient = day_faults.Patient(known, messages, rng, BEGINS, midnight_s)
        plant(patient)
        before = patient.day < BEGINS
        changed = [
            name
            for name in SIGNALS
            if not np.array_equal(getattr(messages, name), getattr(patient.messages, name))
        ]
        assert changed, cause
        for name in set(changed) - {"insulation_kohm"}:  # coolant creeps from the first day on
            same = getattr(messages, name)[before] == getattr(patient.messages, name)[before]
            assert same.all(), (cause, name)


def test_lithium_plates_in_the_cold_and_not_when_it_is_warm(support, vehicle):
    _, day_faults = support
    known, messages, midnight_s = vehicle
    days = []
    for kelvin in (-40.0, 20.0):
        patient = day_faults.Patient(known, messages, np.random.default_rng(0), BEGINS, midnight_s)
        patient.messages = day_faults.replace(messages, temperatures_c=messages.temperatures_c + kelvin)
        days.append(day_faults.plated_day(patient))
    assert days[0] < DAYS
    assert math.isinf(days[1])


def test_an_alert_is_true_of_its_cell_from_its_day_on_and_what_lies_beside_counts_not(support):
    day_alerts, _ = support
    fleet = day_alerts.Fleet(
        causes={("A", 3, "weak_cell"): "x", ("B", None, "insulation"): "y", ("C", 1, "weak_cell"): "x"},
        planted={("A", 3, "weak_cell"): 5.0, ("B", None, "insulation"): 5.0, ("C", 1, "weak_cell"): 5.0},
        told={
            ("A", 3, "weak_cell"): 7.0,
            ("A", 4, "weak_cell"): 7.0,  # another cell
            ("B", None, "insulation"): 4.0,  # too early
            ("D", 2, "weak_cell"): 1.0,  # a wire's
        },
        beside={("D", "weak_cell")},
    )
    by_name = {(figure.set, figure.metric): figure.value for figure in day_alerts.figures(fleet)}
    weak = {metric: value for (code, metric), value in by_name.items() if code == "weak_cell"}
    assert weak == {
        "planted": 2.0, "precision": 0.5, "recall": 0.5, "false_alerts": 1.0, "days_to_raise_p50": 2.0,
    }  # fmt: skip
    assert (by_name["insulation", "recall"], by_name["insulation", "false_alerts"]) == (0.0, 1.0)
    assert math.isnan(by_name["over_temperature", "precision"])
