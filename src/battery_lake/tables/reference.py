"""Reference data: the packs and the vehicles that carry them."""

from __future__ import annotations

from battery_lake.tables.model import Column, Table, key

PACKS = Table(
    name="reference.packs",
    grain="A pack and its specification.",
    columns=(
        key("pack_id", "string", "The pack."),
        Column("model", "string", "Model name of the pack or of the vehicle it is made for."),
        Column("chemistry", "string", "NMC, NCA, LCO, LMO or LFP.", nullable=False),
        Column("cells_in_series", "int", "Cells (or parallel groups) in series.", nullable=False),
        Column("cells_in_parallel", "int", "Cells in each parallel group."),
        Column(
            "cells_per_module", "int", "Cells in series per module: how series order is cut into modules."
        ),
        Column("rated_capacity_ah", "double", "Capacity of the new pack: 100 % SOH. [Ah]", nullable=False),
        Column("rated_energy_wh", "double", "Energy of the new pack. [Wh]"),
        Column("eol_soh_pct", "double", "SOH at which life ends; empty: 80. [%]"),
        Column(
            "ocv_curve",
            "string",
            "Name of a shipped OCV curve, or of a JSON file beside the reference files.",
        ),
        Column("ocv_soc_frac", "array<double>", "The OCV curve's states of charge, rising. [1]"),
        Column("ocv_v", "array<double>", "The OCV curve's voltages, of the new cell at equilibrium. [V]"),
        Column("cell_low_v", "double", "Voltage at which a full discharge ends; empty: the chemistry's. [V]"),
        Column("cell_high_v", "double", "Voltage at which a full charge ends; empty: the chemistry's. [V]"),
        Column("warranty_from", "date", "First day of the warranty."),
        Column("warranty_years", "double", "Length of the warranty. [a]"),
        Column("warranty_km", "double", "Distance that the warranty covers. [km]"),
        Column("warranty_soh_pct", "double", "SOH that the warranty promises. [%]"),
        Column(
            "new_resistance_mohm",
            "double",
            "10 s DC resistance of a new cell at 25 °C and 50 % SOC: 100 % soh_r_pct. [mΩ]",
        ),
    ),
    key=("pack_id",),
    change_feed=True,
)

PACK_ASSIGNMENT = Table(
    name="reference.pack_assignment",
    grain="A pack in a vehicle for a time.",
    columns=(
        key("pack_id", "string", "The pack."),
        key("vehicle_id", "string", "The vehicle, as the hub names its device."),
        key("valid_from", "timestamp", "First instant of the assignment, inclusive. UTC."),
        Column("valid_to", "timestamp", "End of the assignment, exclusive; empty: it lasts. UTC."),
    ),
    key=("pack_id", "vehicle_id", "valid_from"),
    change_feed=True,
)

TABLES = (PACKS, PACK_ASSIGNMENT)
