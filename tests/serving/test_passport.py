"""A passport has the published structure, says what it knows and why it does not know the rest."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from battery_lake.errors import SettingsError
from battery_lake.gold.battery_passport import EVENTS, SOC_NAMES, TEMPERATURE_NAMES
from battery_lake.serving.passport import ONLY_MAKER, checked, passport
from battery_lake.serving.passport_fields import CONDITION, NAMES, TECHNICAL, Known

SCHEMA = (
    Path(__file__).parents[3] / "shared/schemas/battery_passport/performance_and_durability-1.2.1.schema.json"
)
PACK = {
    "pack_id": "P1", "model": "Avon 53", "cells_in_series": 96, "rated_capacity_ah": 150.0,
    "rated_energy_wh": 53_000.0, "eol_soh_pct": 80.0, "cell_low_v": 3.0, "cell_high_v": 4.2,
    "new_resistance_mohm": 1.5,
}  # fmt: skip
COUNTERS = {
    "as_of_date": dt.date(2026, 1, 31), "soce_pct": 92.0, "remaining_capacity_ah": 138.0,
    "remaining_energy_wh": 48_760.0, "efc": 57.9, "throughput_ah": 17_370.0, "throughput_wh": 6_200_000.0,
    "resistance_increase_pct": 25.0, "round_trip_efficiency_pct": 94.0, "last_soc_pct": 61.0,
    "temperature_range_s": dict.fromkeys(TEMPERATURE_NAMES, 600.0),
    "soc_range_s": dict.fromkeys(SOC_NAMES, 600.0), "negative_events": dict.fromkeys(EVENTS, 120),
}  # fmt: skip
MAKER = {TECHNICAL: {"ratedMaximumPower": 150.0, "roundtripEfficiency": 96.0}}


def published() -> dict[str, Any]:
    if not SCHEMA.exists():
        pytest.skip("the published schema is not beside the project")
    return json.loads(SCHEMA.read_text(encoding="utf-16"))


def faults(document: dict[str, Any], absent: dict[str, str]) -> list[str]:
    """What the published schema finds, but for fields that the notes name as absent."""
    schema = published()
    for entity in schema["components"]["schemas"].values():
        entity["required"] = [name for name in entity.get("required", []) if name not in absent]
        if not entity["required"]:
            del entity["required"]
    return [fault.message for fault in jsonschema.Draft4Validator(schema).iter_errors(document)]


def test_a_passport_is_valid_but_for_what_its_notes_name_as_absent() -> None:
    for known, maker in ((COUNTERS, MAKER), (COUNTERS, {}), (only_just_begun(), {})):
        told = passport(Known(PACK, known), maker)
        assert faults(told.document, told.absent) == []
        assert faults(told.document, {}) != []
        assert set(told.sources) | set(told.absent) == {name for names in NAMES.values() for name in names}
        assert all(told.absent.values())


def only_just_begun() -> dict[str, Any]:
    """Counters of a pack of which nothing is estimated yet."""
    kept = ("as_of_date", "temperature_range_s", "soc_range_s", "negative_events")
    return {name: value if name in kept else None for name, value in COUNTERS.items()}


def test_the_fields_are_those_of_the_published_schema() -> None:
    entities = published()["components"]["schemas"]
    assert set(entities["BatteryTechnicalPropertiesEntity"]["properties"]) == set(NAMES[TECHNICAL])
    assert set(entities["BatteryConditionEntity"]["properties"]) == set(NAMES[CONDITION])


def test_values_are_golds_in_the_models_units() -> None:
    told = passport(Known(PACK, COUNTERS), MAKER).document
    condition, technical = told[CONDITION], told[TECHNICAL]
    at = "2026-01-31T00:00:00Z"
    assert condition["energyThroughput"] == {"energyThroughputValue": 6200.0, "lastUpdate": at}
    assert condition["remainingEnergy"]["remainingEnergyValue"] == 48.76
    assert condition["numberOfFullCycles"]["numberOfFullCyclesValue"] == 57
    assert condition["capacityFade"]["capacityFadeValue"] == pytest.approx(8.0)
    assert condition["temperatureInformation"]["timeExtremeLowTempCharging"] == 2.0
    assert condition["internalResistanceIncrease"][0]["internalResistanceIncreaseValue"] == 25.0
    # A quarter more resistance leaves four fifths of the power at the same voltages.
    assert technical["powerFade"] == pytest.approx(20.0)
    assert technical["roundTripEfficiencyFade"] == pytest.approx(100 * (1 - 94 / 96))
    assert technical["initialInternalResistance"][0]["ohmicResistance"] == pytest.approx(0.144)
    assert technical["maximumVoltage"] == pytest.approx(403.2)


def test_what_only_the_maker_knows_is_absent_until_it_is_declared() -> None:
    silent, spoken = passport(Known(PACK, COUNTERS), {}), passport(Known(PACK, COUNTERS), MAKER)
    assert silent.absent["ratedMaximumPower"] == ONLY_MAKER
    assert "ratedMaximumPower" not in silent.document[TECHNICAL]
    assert spoken.document[TECHNICAL]["ratedMaximumPower"] == 150.0
    assert spoken.sources["ratedMaximumPower"] == "declared by the maker"


def test_a_declaration_of_something_else_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(SettingsError, match="did you mean ratedMaximumPower"):
        checked({"*": {TECHNICAL: {"ratedMaxPower": 1.0}}})
    with pytest.raises(SettingsError, match=f"did you mean {TECHNICAL}"):
        checked({"Avon 53": {"batteryTechnicalProperties": {}}})
