"""For every suite of a table: a row that is as it should be, and what breaks each expectation."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

T0: Final = dt.datetime(2026, 3, 2, 8)  # noqa: DTZ001  Spark takes UTC without a zone here
DAY: Final = T0.date()
FAR: Final = dt.datetime(2199, 1, 1)  # noqa: DTZ001
NEVER_SET: Final = dt.datetime(1970, 1, 2)  # noqa: DTZ001
LATER: Final = T0 + dt.timedelta(hours=1)
ORIGIN: Final = {"hub": "h", "partition_id": "0", "sequence_number": 1}
MESSAGE: Final = {
    "pack_id": "P1", "measured_at": T0, "sequence": 1, "vehicle_id": "V1", "current_a": 1.0,
    "pack_voltage_v": 7.4, "soc_pct": 50.0, "cell_voltages_v": [3.7, 3.7], "temperatures_c": [20.0],
    "odometer_km": 1.0, "flags": [], "enqueued_at": T0, **ORIGIN, "message_index": 0,
}  # fmt: skip
LIFE: Final = {
    "rul_days_p05": 1.0, "rul_days_p50": 2.0, "rul_days_p95": 3.0, "rul_efc_p05": 1.0, "rul_efc_p95": 3.0,
    "rul_km_p05": 1.0, "rul_km_p95": 3.0,
}  # fmt: skip
CELL: Final = {
    "cell_id": "P1/1/1", "as_of_date": DAY, "pack_id": "P1", "series_index": 0, "capacity_ah": 50.0,
    "soh_pct": 95.0, "soh_std_pct": 1.0, "efc": 10.0, "method_version": "1",
}  # fmt: skip
TREND: Final = {"level_v": [0.0, 0.0], "level_variance": [1.0, 1.0], "rate_variance": [1.0, 1.0]}
AS_IT_SHOULD_BE: Final[dict[str, dict[str, Any]]] = {
    "bronze.telemetry": {**ORIGIN, "body": b"{}", "device_id": "V1", "enqueued_at": T0, "ingested_at": LATER},
    "silver.telemetry": MESSAGE,
    "silver.telemetry_part": {**MESSAGE, "cell_number": 1},
    "silver.quarantine": {
        **ORIGIN, "message_index": 0, "body": b"{", "reasons": [{"code": "undecodable", "detail": "{"}],
        "refused_at": T0,
    },
    "silver.signal_fault": {"pack_id": "P1", "measured_at": T0, "sequence": 1, "code": "other"},
    "ops.batch": {
        "pipeline": "refine", "generation": "g", "batch_id": 1, "rows_in": 100, "rows_kept": 99,
        "rows_refused": 1, "rows_duplicate": 0, "seconds": 1.0,
    },
    "gold.session": {
        "pack_id": "P1", "started_at": T0, "ended_at": LATER, "kind": "charge", "samples": 9,
        "charge_ah": 5.0, "throughput_ah": 5.0, "soc_start_pct": 20.0, "soc_end_pct": 30.0,
        "distance_km": 0.0, "method_version": "1",
    },
    "gold.capacity_observation": {
        "pack_id": "P1", "started_at": T0, "method": "rest_to_rest", "capacity_ah": [50.0, None],
        "variance_ah2": [1.0, None], "soc_start_pct": 20.0, "soc_end_pct": 80.0, "method_version": "1",
    },
    "gold.cell_state": {
        "pack_id": "P1", "as_of_at": T0, "soh_pct": [95.0], "soh_variance": [1.0], "method_version": "1",
    },
    "gold.cell_health": CELL,
    "gold.cell_life": {
        "cell_id": "P1/1/1", "as_of_date": DAY, "pack_id": "P1", "series_index": 0, **LIFE,
    },
    "gold.cell_current": CELL | LIFE,
    "gold.pack_health": {
        "pack_id": "P1", "as_of_date": DAY, "soh_min_pct": 90.0, "soh_median_pct": 95.0, "soh_max_pct": 96.0,
        "rul_days_p05": 1.0, "rul_days_p95": 3.0, "throughput_ah": 10.0, "alerts": [], "method_version": "1",
    },
    "gold.soh_change": {
        "cell_id": "P1/1/1", "as_of_date": DAY, "pack_id": "P1", "series_index": 0, "change_pct": -0.6,
        "since_date": DAY - dt.timedelta(days=9), "reasons": ["new_window"], "method_version": "1",
    },
    "gold.cell_deviation": {
        "pack_id": "P1", "as_of_date": DAY, "deviation_mv": [0.0, None], "deviation_std_mv": [0.5, None],
        "spread_mv": 1.5, "width_mv": 4.0, "messages": 20, "hot_severity": "warning",
        "plating_severity": "critical", "plating_excess_ah": 0.0, "frozen_messages": 0, "method_version": "1",
    },
    "gold.alert_state": {
        "pack_id": "P1", "as_of_at": T0, "cell_evidence": {"low": [0.0, 20.0]}, "cell_trend": TREND,
        "width_trend": TREND, "method_version": "1",
    },
    "gold.day_estimate": {
        "pack_id": "P1", "as_of_date": DAY, "day_soh_pct": [95.0, None], "day_soh_std_pct": [1.0, None],
        "day_resistance_mohm": [1.5, None], "day_resistance_std_mohm": [0.1, None], "method_version": "1",
    },
    "gold.ageing_state": {"pack_id": "P1", "as_of_at": T0, "open_alerts": [], "method_version": "1"},
    "gold.alert": {
        "pack_id": "P1", "cell_id": "P1/1/1", "code": "c", "raised_at": T0, "severity": "info",
        "cleared_at": LATER,
    },
    "gold.vehicle_status": {
        "vehicle_id": "V1", "pack_id": "P1", "soc_pct": 50.0, "soh_min_pct": 90.0, "last_seen_at": T0,
    },
    "gold.vehicle_position": {"vehicle_id": "V1", "latitude": 1.0, "longitude": 2.0, "cell_size_km": 5.0},
    "gold.fleet_daily": {
        "as_of_date": DAY, "model": "M", "chemistry": "NMC", "vehicles": 1, "soh_pct_p10": 90.0,
        "soh_pct_p50": 95.0, "soh_pct_p90": 97.0, "soh_min_pct": 90.0, "observed_pct": 99.0,
    },
    "gold.battery_passport": {
        "pack_id": "P1", "as_of_date": DAY, "soce_pct": 95.0, "remaining_capacity_ah": 50.0,
        "throughput_ah": 1.0, "round_trip_efficiency_pct": 95.0, "method_version": "1",
    },
    "gold.pack_now": {
        "pack_id": "P1", "model": "M", "chemistry": "NMC", "packs": 1, "soh_min_pct": 90.0,
        "soh_interval_pct": 3.0, "recent_observations": 4, "recent_charges": 9, "recent_fast_charges": 2,
        "recent_s": 900.0, "recent_hot_s": 0.0, "recent_full_s": 90.0, "rul_days_p05": 1.0,
        "rul_days_p50": 2.0, "method_version": "1",
    },
    "gold.fleet_now": {
        "model": "all", "chemistry": "all", "packs": 1, "soh_pct_p10": 90.0, "soh_pct_p50": 95.0,
        "soh_pct_p90": 97.0,
    },
    "gold.message_daily": {
        "as_of_date": DAY, "rows_in": 10, "rows_kept": 7, "rows_refused": 2, "rows_duplicate": 1,
    },
}  # fmt: skip
"""Table to a row that meets everything."""

SAYS_LITTLE: Final = {
    "current_a": None, "soc_pct": None, "cell_voltages_v": None, "flags": ["soc_range"],
}  # fmt: skip
SAME: Final[dict[str, Any]] = {}
BROKEN: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "bronze.telemetry": {
        "key_repeated": SAME,
        "body_missing": {"body": None},
        "device_missing": {"device_id": None},
        "time_missing": {"enqueued_at": None},
        "hub_clock": {"enqueued_at": FAR},
    },
    "silver.telemetry": {
        "key_repeated": SAME,
        "clock": {"measured_at": NEVER_SET},
        "clock_ahead": {"measured_at": LATER},
        "cell_voltage_low": {"cell_voltages_v": [3.7, 0.0]},
        "cell_voltage_high": {"cell_voltages_v": [3.7, 65.535]},
        "temperature_low": {"temperatures_c": [-40.0]},
        "insulation_range": {"insulation_kohm": -1.0},
        "temperature_high": {"temperatures_c": [215.0]},
        "current_range": {"current_a": -6553.5},
        "soc_range": {"soc_pct": 101.0},
        "odometer_range": {"odometer_km": -1.0},
        "current_incomplete": {"current_a": None},
        "soc_incomplete": {"soc_pct": None},
        "cells_incomplete": SAYS_LITTLE,
        "flagged_rate": {"flags": ["soc_range"]},
    },
    "silver.telemetry_part": {"key_repeated": SAME, "cell_number": {"cell_number": 0}},
    "silver.quarantine": {
        "key_repeated": SAME,
        "reason_missing": {"reasons": []},
        "body_missing": {"body": None},
        "conflicting_rate": {"body": None, "reasons": [{"code": "conflicting_duplicate", "detail": ""}]},
    },
    "silver.signal_fault": {
        "key_repeated": SAME,
        "cell_voltage_jump": {"code": "cell_voltage_jump"},
        "soc_jump": {"code": "soc_jump"},
        "odometer_backwards": {"code": "odometer_backwards"},
        "voltages_frozen": {"code": "voltages_frozen"},
        "soc_frozen": {"code": "soc_frozen"},
    },
    "ops.batch": {
        "key_repeated": SAME,
        "unaccounted": {"rows_kept": 98},
        "refused_rate": {"rows_in": 10, "rows_kept": 0, "rows_refused": 10},
        "duplicate_rate": {"rows_kept": 0, "rows_refused": 10, "rows_duplicate": 90},
        "batch_long": {"seconds": 9999.0},
    },
    "gold.session": {
        "key_repeated": SAME,
        "ends_before_start": {"ended_at": NEVER_SET},
        "kind_unknown": {"kind": "flight"},
        "no_samples": {"samples": 0},
        "charge_beyond_throughput": {"charge_ah": -5.1},
        "soc_range": {"soc_start_pct": -1.0},
        "soc_end_range": {"soc_end_pct": 101.0},
        "odometer_backwards": {"distance_km": -0.1},
        "endless": {"ended_at": FAR},
        "resistance_not_positive": {"step_resistance_mohm": [1.0, 0.0]},
    },
    "gold.capacity_observation": {
        "key_repeated": SAME,
        "method_unknown": {"method": "guess"},
        "capacity_not_positive": {"capacity_ah": [50.0, 0.0], "variance_ah2": [1.0, 1.0]},
        "capacity_large": {"capacity_ah": [9999.0, None]},
        "variance_not_positive": {"variance_ah2": [0.0, None]},
        "soc_range": {"soc_start_pct": -1.0},
        "soc_end_range": {"soc_end_pct": 101.0},
    },
    "gold.cell_state": {
        "key_repeated": SAME,
        "soh_range": {"soh_pct": [-1.0]},
        "soh_high": {"soh_pct": [float("nan")]},
        "variance_negative": {"soh_variance": [-1.0]},
    },
    "gold.cell_health": {
        "key_repeated": SAME,
        "soh_range": {"soh_pct": float("nan")},
        "soh_unusual": {"soh_pct": 39.0},
        "deviation_negative": {"soh_std_pct": -1.0},
        "capacity_negative": {"capacity_ah": -1.0},
        "cycles_negative": {"efc": -1.0},
        "cells_missing": {"series_index": 99, "pack_id": "P2"},
        "future": {"as_of_date": FAR.date()},
        "soh_incomplete": {"soh_pct": None},
        "resistance_not_positive": {"resistance_mohm": 0.0},
    },
    "gold.cell_life": {
        "key_repeated": SAME,
        "rul_negative": {"rul_days_p05": -1.0},
        "quantiles_crossed": {"rul_days_p05": 2.5},
        "quantiles_crossed_high": {"rul_days_p95": 1.5},
        "efc_quantiles_crossed": {"rul_efc_p05": 4.0},
        "km_quantiles_crossed": {"rul_km_p05": 4.0},
    },
    "gold.cell_current": {
        "key_repeated": SAME,
        "soh_range": {"soh_pct": 151.0},
        "rul_negative": {"rul_days_p05": -1.0},
        "quantiles_crossed": {"rul_days_p05": 2.5},
        "quantiles_crossed_high": {"rul_days_p95": 1.5},
    },
    "gold.pack_health": {
        "key_repeated": SAME,
        "soh_range": {"soh_min_pct": -1.0},
        "cells_out_of_order": {"soh_min_pct": 95.5},
        "cells_out_of_order_high": {"soh_max_pct": 94.0},
        "quantiles_crossed": {"rul_days_p05": 4.0},
        "throughput_negative": {"throughput_ah": -1.0},
    },
    "gold.soh_change": {
        "key_repeated": SAME,
        "move_small": {"change_pct": 0.5},
        "reason_missing": {"reasons": []},
        "before_not_before": {"since_date": DAY},
        "no_window_stands": {"reasons": ["no_window_stands"]},
    },
    "gold.cell_deviation": {
        "key_repeated": SAME,
        "no_messages": {"messages": 0, "frozen_messages": None},
        "deviation_low": {"deviation_mv": [-6000.0, 0.0]},
        "deviation_high": {"deviation_mv": [6000.0, 0.0]},
        "std_negative": {"deviation_std_mv": [-0.1, 0.5]},
        "spread_not_positive": {"spread_mv": 0.0},
        "width_negative": {"width_mv": -1.0},
        "severity_unknown": {"hot_severity": "dire"},
        "plating_severity_unknown": {"plating_severity": "dire"},
        "excess_negative": {"plating_excess_ah": -0.1},
        "frozen_beyond_messages": {"frozen_messages": 21},
    },
    "gold.alert_state": {
        "key_repeated": SAME,
        "evidence_negative": {"cell_evidence": {"low": [-1.0, 0.0]}},
        "variance_negative": {"cell_trend": TREND | {"level_variance": [-1.0, 1.0]}},
        "rate_variance_negative": {"cell_trend": TREND | {"rate_variance": [-1.0, 1.0]}},
        "width_variance_negative": {"width_trend": TREND | {"level_variance": [-1.0]}},
        "cells_differ": {"cell_evidence": {"low": [0.0]}},
    },
    "gold.day_estimate": {
        "key_repeated": SAME,
        "nothing_told": {"day_soh_pct": None, "day_resistance_mohm": None},
        "soh_low": {"day_soh_pct": [-1.0, None]},
        "soh_high": {"day_soh_pct": [201.0, None]},
        "soh_std_not_positive": {"day_soh_std_pct": [0.0, None]},
        "resistance_not_positive": {"day_resistance_mohm": [0.0, None]},
        "resistance_std_not_positive": {"day_resistance_std_mohm": [0.0, None]},
    },
    "gold.ageing_state": {
        "key_repeated": SAME,
        "open_before_raised": {
            "open_alerts": [
                {"series_index": 0, "code": "knee", "raised_at": LATER, "severity": "info", "evidence": "{}"}
            ]
        },
    },
    "gold.alert": {
        "key_repeated": SAME,
        "severity_unknown": {"severity": "dire"},
        "cleared_before_raised": {"cleared_at": NEVER_SET},
    },
    "gold.vehicle_status": {
        "key_repeated": SAME,
        "soc_range": {"soc_pct": 101.0},
        "soh_range": {"soh_min_pct": -1.0},
        "future": {"last_seen_at": FAR},
        "pack_missing": {"pack_id": None},
    },
    "gold.vehicle_position": {
        "key_repeated": SAME,
        "latitude_range": {"latitude": 91.0},
        "longitude_range": {"longitude": -181.0},
        "position_exact": {"cell_size_km": 0.0},
    },
    "gold.fleet_daily": {
        "key_repeated": SAME,
        "no_vehicles": {"vehicles": 0},
        "quantiles_crossed": {"soh_pct_p10": 96.0},
        "quantiles_crossed_high": {"soh_pct_p90": 94.0},
        "soh_range": {"soh_min_pct": -1.0},
        "observed_range": {"observed_pct": 101.0},
        "future": {"as_of_date": FAR.date()},
    },
    "gold.battery_passport": {
        "key_repeated": SAME,
        "soce_range": {"soce_pct": 151.0},
        "capacity_negative": {"remaining_capacity_ah": -1.0},
        "throughput_negative": {"throughput_ah": -1.0},
        "efficiency_range": {"round_trip_efficiency_pct": 101.0},
    },
    "gold.pack_now": {
        "key_repeated": SAME,
        "not_one": {"packs": 2},
        "soh_range": {"soh_min_pct": -1.0},
        "interval_negative": {"soh_interval_pct": -1.0},
        "fast_beyond_charges": {"recent_fast_charges": 10},
        "full_beyond_time": {"recent_full_s": 901.0},
        "hot_beyond_time": {"recent_hot_s": 901.0},
        "quantiles_crossed": {"rul_days_p05": 3.0},
    },
    "gold.fleet_now": {
        "key_repeated": SAME,
        "no_packs": {"packs": 0},
        "quantiles_crossed": {"soh_pct_p10": 96.0},
        "quantiles_crossed_high": {"soh_pct_p90": 94.0},
    },
    "gold.message_daily": {
        "key_repeated": SAME,
        "unbalanced": {"rows_in": 11},
        "future": {"as_of_date": FAR.date()},
    },
}
"""Suite to code to what has to change in the row that is as it should be."""

NOT_IN_DEMO: Final = (
    "silver.telemetry_part", "silver.quarantine", "silver.signal_fault", "gold.alert",
    "gold.vehicle_position", "gold.battery_passport", "gold.pack_now", "gold.fleet_now",
    "gold.message_daily",
)  # fmt: skip
"""Suites of tables that a lake without faults leaves empty."""

OFTEN: Final = ("cells_incomplete", "soh_incomplete", "duplicate_rate", "conflicting_rate")
"""Codes that need many such rows: they allow for some."""
