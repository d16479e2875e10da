"""The fields of the Battery Pass data model, and what telemetry and reference data know of each.

References
----------
Battery Pass Consortium, data model Performance and Durability 1.2.1: names, structure and units.
It gives remainingCapacity in kWh but defines it as it does the rated capacity, in Ah: Ah it is here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

TECHNICAL: Final = "batteryTechicalProperties"
"""The model's own spelling."""

CONDITION: Final = "batteryCondition"
WH_PER_KWH: Final = 1000.0
MOHM_PER_OHM: Final = 1000.0
S_PER_MIN: Final = 60.0
MIDDLE_SOC_PCT: Final = 50.0
"""Where gold normalises resistance to. [%]"""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known of a pack, None where nothing is.

    Parameters
    ----------
    pack
        Its row of reference.packs.
    counters
        Its newest row of gold.battery_passport.
    """

    pack: Row
    counters: Row

    @property
    def updated_at(self) -> str:
        """The day of the counters as an instant."""
        return f"{self.counters['as_of_date']}T00:00:00Z"

    def value(self, name: str) -> float | None:
        """Return a number of gold.battery_passport."""
        found = self.counters[name]
        return None if found is None else float(found)


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the model that can be known without the maker.

    Parameters
    ----------
    section, name
        Where it stands.
    told
        Its value, or None where that cannot be known.
    source
        What it is made of.
    missing
        Why it is absent where ``told`` returns None.
    """

    section: str
    name: str
    told: Callable[[Known, Mapping[str, Any]], Any]
    source: str
    missing: str


def _of_pack(name: str, per: float = 1.0) -> Callable[[Known, Mapping[str, Any]], Any]:
    """A number of reference.packs."""

    def told(known: Known, _: Mapping[str, Any]) -> float | None:
        value = known.pack[name]
        return None if value is None else float(value) / per

    return told


def _empty(column: str) -> str:
    return f"reference.packs.{column} is empty"


def _unknown(column: str) -> str:
    return f"gold.battery_passport.{column} is not known yet"


def _dated(name: str, value: Callable[[Known], float | None]) -> Callable[[Known, Mapping[str, Any]], Any]:
    """A value with the day on which it was told."""

    def told(known: Known, _: Mapping[str, Any]) -> dict[str, Any] | None:
        found = value(known)
        return None if found is None else {f"{name}Value": found, "lastUpdate": known.updated_at}

    return told


def _counted(name: str, column: str, per: float = 1.0) -> Field:
    return Field(
        CONDITION,
        name,
        _dated(name, lambda known: None if (v := known.value(column)) is None else v / per),
        f"gold.battery_passport.{column}",
        _unknown(column),
    )


def _capacity_fade_pct(known: Known) -> float | None:
    left_ah = known.value("remaining_capacity_ah")
    return None if left_ah is None else 100 * (1 - left_ah / float(known.pack["rated_capacity_ah"]))


def _pack_resistance(known: Known, _: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    cell_mohm = known.pack["new_resistance_mohm"]
    if cell_mohm is None:
        return None
    whole_ohm = float(cell_mohm) * int(known.pack["cells_in_series"]) / MOHM_PER_OHM
    return [{"ohmicResistance": whole_ohm, "batteryComponent": "pack"}]


def _resistance_increase(known: Known, _: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    value = known.value("resistance_increase_pct")
    if value is None:
        return None
    return [
        {
            "internalResistanceIncreaseValue": value,
            "lastUpdate": known.updated_at,
            "batteryComponent": "pack",
        }
    ]


def _power_left_pct(known: Known) -> float | None:
    """Power at unchanged limits of voltage over that when new: it goes with 1/R. [%]."""
    increase_pct = known.value("resistance_increase_pct")
    return None if increase_pct is None else 100 / (1 + increase_pct / 100)


def _power(known: Known, _: Mapping[str, Any]) -> dict[str, Any] | None:
    left_pct = _power_left_pct(known)
    if left_pct is None:
        return None
    value = {"atSoC": MIDDLE_SOC_PCT, "powerCapabilityAt": left_pct, "rPCLastUpdated": known.updated_at}
    return {"remainingPowerCapabilityValue": value, "lastUpdate": known.updated_at}


def _power_fade_pct(known: Known, _: Mapping[str, Any]) -> float | None:
    left_pct = _power_left_pct(known)
    return None if left_pct is None else 100 - left_pct


def _efficiency_fade_pct(known: Known, technical: Mapping[str, Any]) -> float | None:
    new_pct, now_pct = technical.get("roundtripEfficiency"), known.value("round_trip_efficiency_pct")
    return None if new_pct is None or now_pct is None else 100 * (1 - now_pct / float(new_pct))


def _voltage(column: str) -> Callable[[Known, Mapping[str, Any]], Any]:
    def told(known: Known, _: Mapping[str, Any]) -> float | None:
        cell_v = known.pack[column]
        return None if cell_v is None else float(cell_v) * int(known.pack["cells_in_series"])

    return told


def _nominal_v(known: Known, _: Mapping[str, Any]) -> float | None:
    energy_wh = known.pack["rated_energy_wh"]
    return None if energy_wh is None else float(energy_wh) / float(known.pack["rated_capacity_ah"])


def _temperature(known: Known, _: Mapping[str, Any]) -> dict[str, Any]:
    ranges, events = known.counters["temperature_range_s"], known.counters["negative_events"]
    return {
        "timeExtremeHighTemp": ranges["from_45_c"] / S_PER_MIN,
        "timeExtremeLowTemp": ranges["below_0_c"] / S_PER_MIN,
        "timeExtremeHighTempCharging": events["charging_from_45_c_s"] / S_PER_MIN,
        "timeExtremeLowTempCharging": events["charging_below_0_c_s"] / S_PER_MIN,
        "lastUpdate": known.updated_at,
    }


def _events(known: Known, _: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = known.counters["negative_events"]
    texts = {
        "deep_discharge": "{:.0f} deep discharges",
        "extreme_temperature_s": "{:.0f} s in extreme temperatures",
        "charging_in_extreme_temperature_s": "{:.0f} s of charging in extreme temperatures",
    }
    return [
        {"negativeEvent": text.format(found[name]), "lastUpdate": known.updated_at}
        for name, text in texts.items()
        if found.get(name)
    ]


def _cycles(known: Known) -> float | None:
    efc = known.value("efc")
    return None if efc is None else int(efc)


_NO_RATED_ENERGY: Final = _empty("rated_energy_wh")
_NO_RESISTANCE: Final = "no resistance of this pack is known yet"
_BY_RESISTANCE: Final = (
    "gold.battery_passport.resistance_increase_pct: at the same limits of voltage power goes with 1/R; at"
    " 25 °C and 50 % SOC, a share of the new pack's"
)

FIELDS: Final = (
    Field(
        TECHNICAL, "ratedEnergy", _of_pack("rated_energy_wh", WH_PER_KWH),
        "reference.packs.rated_energy_wh", _NO_RATED_ENERGY,
    ),
    Field(
        TECHNICAL, "ratedCapacity", _of_pack("rated_capacity_ah"), "reference.packs.rated_capacity_ah",
        _empty("rated_capacity_ah"),
    ),
    Field(TECHNICAL, "nominalVoltage", _nominal_v, "rated energy over rated capacity", _NO_RATED_ENERGY),
    Field(
        TECHNICAL, "minimumVoltage", _voltage("cell_low_v"),
        "reference.packs.cell_low_v times cells in series", _empty("cell_low_v"),
    ),
    Field(
        TECHNICAL, "maximumVoltage", _voltage("cell_high_v"),
        "reference.packs.cell_high_v times cells in series", _empty("cell_high_v"),
    ),
    Field(
        TECHNICAL, "initialInternalResistance", _pack_resistance,
        "reference.packs.new_resistance_mohm times cells in series", _empty("new_resistance_mohm"),
    ),
    Field(
        TECHNICAL, "capacityThresholdForExhaustion", _of_pack("eol_soh_pct"), "reference.packs.eol_soh_pct",
        _empty("eol_soh_pct"),
    ),
    Field(
        TECHNICAL, "roundTripEfficiencyFade", _efficiency_fade_pct,
        "1 less gold.battery_passport.round_trip_efficiency_pct over the declared roundtripEfficiency",
        "needs the declared roundtripEfficiency, and a few cycles",
    ),
    Field(TECHNICAL, "powerFade", _power_fade_pct, _BY_RESISTANCE, _NO_RESISTANCE),
    _counted("energyThroughput", "throughput_wh", WH_PER_KWH),
    _counted("capacityThroughput", "throughput_ah"),
    Field(
        CONDITION, "numberOfFullCycles", _dated("numberOfFullCycles", _cycles),
        "gold.battery_passport.efc, whole ones", _unknown("efc"),
    ),
    _counted("stateOfCertifiedEnergy", "soce_pct"),
    Field(
        CONDITION, "capacityFade", _dated("capacityFade", _capacity_fade_pct),
        "1 less gold.battery_passport.remaining_capacity_ah over rated capacity",
        _unknown("remaining_capacity_ah"),
    ),
    _counted("remainingEnergy", "remaining_energy_wh", WH_PER_KWH),
    _counted("remainingCapacity", "remaining_capacity_ah"),
    Field(
        CONDITION, "negativeEvents", _events, "gold.battery_passport.negative_events",
        _unknown("negative_events"),
    ),
    Field(
        CONDITION, "temperatureInformation", _temperature,
        "gold.battery_passport.temperature_range_s and negative_events", _unknown("temperature_range_s"),
    ),
    Field(CONDITION, "remainingPowerCapability", _power, _BY_RESISTANCE, _NO_RESISTANCE),
    Field(
        CONDITION, "internalResistanceIncrease", _resistance_increase,
        "gold.battery_passport.resistance_increase_pct: the median cell stands for the string",
        _NO_RESISTANCE,
    ),
    _counted("remainingRoundTripEnergyEfficiency", "round_trip_efficiency_pct"),
    _counted("stateOfCharge", "last_soc_pct"),
)  # fmt: skip
"""What can be known without the maker."""

NAMES: Final[dict[str, tuple[str, ...]]] = {
    TECHNICAL: (
        "originalPowerCapability", "ratedMaximumPower", "powerCapabilityRatio", "ratedEnergy",
        "expectedNumberOfCycles", "initialSelfDischarge", "roundtripEfficiency", "ratedCapacity",
        "initialInternalResistance", "expectedLifetime", "cRate", "nominalVoltage", "minimumVoltage",
        "maximumVoltage", "capacityThresholdForExhaustion", "lifetimeReferenceTest", "cRateLifeCycleTest",
        "temperatureRangeIdleState", "roundTripEfficiencyat50PerCentCycleLife", "roundTripEfficiencyFade",
        "powerFade",
    ),
    CONDITION: (
        "energyThroughput", "capacityThroughput", "numberOfFullCycles", "stateOfCertifiedEnergy",
        "capacityFade", "remainingEnergy", "remainingCapacity", "negativeEvents", "temperatureInformation",
        "remainingPowerCapability", "evolutionOfSelfDischarge", "currentSelfDischargingRate",
        "internalResistanceIncrease", "remainingRoundTripEnergyEfficiency", "stateOfCharge",
    ),
}  # fmt: skip
"""The model's fields by section."""

_SELF_DISCHARGE: Final = (
    "telemetry shows which cell discharges itself faster than the others (gold.alert), not how fast all do:"
    " that needs weeks of rest in reference conditions"
)
UNKNOWABLE: Final = {
    "evolutionOfSelfDischarge": _SELF_DISCHARGE,
    "currentSelfDischargingRate": _SELF_DISCHARGE,
}
"""Why fields of the condition cannot be told from telemetry."""
