"""A small lake as rows by table: three packs of four cells over a month, and one laboratory cell."""

import datetime as dt

NOW = dt.datetime(2026, 11, 2, tzinfo=dt.UTC)
DAYS = [dt.date(2026, 10, 1) + dt.timedelta(days=day) for day in range(30)]
SINCE = DAYS[10]
"""A day with newer evidence: B then lay above its end of life, and C had no estimate."""
FADE = {"B": 0.1}
LEVELS = {"A": 92.0, "B": 83.0, "C": 88.0}
AT = dt.datetime(2026, 10, 30, 8, tzinfo=dt.UTC)
ORIGIN = {"hub": "h", "partition_id": "0", "message_index": 0}


def cells():
    for pack_id, level in LEVELS.items():
        for index, offset in enumerate((0.0, -3.5, 0.5, 1.0)):
            yield f"{pack_id}/01/{index + 1:02d}", pack_id, index, level + offset
    yield "LAB/01/01", "LAB", 0, 61.0


def _health_rows():
    for cell_id, pack_id, index, soh_pct in cells():
        for day in DAYS:
            yield {
                "cell_id": cell_id, "as_of_date": day, "pack_id": pack_id, "series_index": index,
                "soh_pct": soh_pct, "soh_std_pct": 0.5, "method_version": "m-1",
            }  # fmt: skip


def _outlook(soh_pct):
    days = max(0.0, (soh_pct - 80) * 100)
    return {
        "rul_days_p05": 0.5 * days, "rul_days_p50": days, "rul_days_p95": 2 * days, "censored": soh_pct > 90,
        "eol_date_p50": dt.date(2027, 1, 1), "model_version": "r-1",
    }  # fmt: skip


def _gold():
    health = list(_health_rows())
    newest = [row for row in health if row["as_of_date"] == DAYS[-1]]
    lives = [
        {key: row[key] for key in ("cell_id", "as_of_date", "pack_id", "series_index")}
        | _outlook(row["soh_pct"])
        for row in health
    ]
    packs = [
        {"pack_id": pack_id, "as_of_date": day, "soh_min_pct": level - 3.5 + FADE.get(pack_id, 0.0) * left,
         "soh_median_pct": level, "weakest_cell_id": f"{pack_id}/01/02", "efc": 10.0 * (30 - left) + level,
         "alerts": ["uneven_cells", "below_eol"], "cohort_percentile_pct": float(ord(pack_id) - 64),
         "rul_days_p50": 350.0, "censored": False, "method_version": "m-1"}
        for pack_id, level in LEVELS.items() for left, day in enumerate(reversed(DAYS))
        if pack_id != "C" or left < 10
    ]  # fmt: skip
    sessions = [
        {"pack_id": pack_id, "started_at": AT - dt.timedelta(days=day), "kind": "charge", "charge_ah": 30.0,
         "ended_at": AT - dt.timedelta(days=day, hours=-2), "duration_s": 7200.0, "method_version": "s-1"}
        for pack_id in "AB" for day in range(40)
    ]  # fmt: skip
    fleet = [
        {"as_of_date": day, "model": model, "chemistry": "NMC", "vehicles": vehicles, "soh_pct_p50": 88.0,
         "observed_pct": observed}
        for day in DAYS for model, vehicles, observed in (("m", 3, 90.0), ("lab", 1, 50.0))
    ]  # fmt: skip
    return {
        "gold.cell_health": health, "gold.cell_life": lives, "gold.pack_health": packs,
        "gold.session": sessions, "gold.alert": _alerts(), "gold.soh_change": _moves(),
        "gold.vehicle_status": [
            {"vehicle_id": "vA", "pack_id": "A", "last_seen_at": AT},
            {"vehicle_id": "vB", "pack_id": "B", "last_seen_at": AT - dt.timedelta(days=12)},
        ],
        "gold.cell_current": [row | _outlook(row["soh_pct"]) for row in newest], "gold.fleet_daily": fleet,
    }  # fmt: skip


def _alerts():
    rows = [
        (
            "B",
            "B/01/02",
            "weak_cell",
            20,
            None,
            "critical",
            '{"as_of_date": "2026-10-29", "level_mv": -31.5}',
        ),
        ("B", "B", "over_temperature", 12, 13, "warning", '{"temperature_c": 58.0}'),
        ("A", "A", "plating_risk", 5, 25, "warning", '{"excess_ah": 0.75}'),
        ("A", "A/01/01", "self_discharge", 1, None, "info", '{"drop_mv": 6.25}'),
    ]

    def at(day):
        return None if day is None else dt.datetime(2026, 10, day, 6, tzinfo=dt.UTC)

    return [
        {"pack_id": pack_id, "cell_id": cell_id, "code": code, "raised_at": at(raised),
         "cleared_at": at(cleared), "severity": severity, "evidence": evidence}
        for pack_id, cell_id, code, raised, cleared, severity, evidence in rows
    ]  # fmt: skip


def _moves():
    rows = [("B/01/02", 1, DAYS[24], ["beyond_interval"]), ("B/01/01", 0, DAYS[27], ["expected_fade"])]
    return [
        {"cell_id": cell_id, "as_of_date": day, "pack_id": "B", "series_index": index, "change_pct": -0.7,
         "reasons": reasons, "method_version": "m-1"}
        for cell_id, index, day, reasons in rows
    ]  # fmt: skip


def _rest():
    pack = {"chemistry": "NMC", "rated_capacity_ah": 50.0}
    packs = [{"pack_id": pack_id, "model": "m", "cells_in_series": 4, **pack} for pack_id in "AB"]
    packs[0] |= {"warranty_from": dt.date(2022, 2, 1)}
    packs[1] |= {"eol_soh_pct": 81.0, "warranty_from": dt.date(2022, 5, 1), "warranty_years": 7.5}
    packs.append({"pack_id": "LAB", "model": "lab", "cells_in_series": 1, **pack})
    assignments = [
        {"pack_id": pack_id, "vehicle_id": f"v{pack_id}", "valid_from": AT, "valid_to": end}
        for pack_id, end in (("A", None), ("B", None), ("C", AT))
    ]
    telemetry = [
        {**ORIGIN, "pack_id": "A", "measured_at": AT - dt.timedelta(days=day), "sequence": day,
         "vehicle_id": "vA", "sequence_number": day, "flags": ["soc_jump"]}
        for day in range(10)
    ]  # fmt: skip
    quarantine = [
        {**ORIGIN, "sequence_number": number, "device_id": "vA", "refused_at": AT,
         "reasons": [{"code": code, "detail": ""} for code in codes]}
        for number, codes in enumerate((["not_json"], ["no_pack", "no_pack", "bad_clock"], ["no_pack"]))
    ]  # fmt: skip
    batch = {
        "pipeline": "refine",
        "generation": "g",
        "rows_in": 10,
        "rows_kept": 7,
        "rows_refused": 2,
        "rows_duplicate": 1,
    }
    batches = [
        batch | {"batch_id": number, "lag_s": float(number), "finished_at": AT + dt.timedelta(hours=number)}
        for number in range(3)
    ]
    return {
        "reference.packs": packs, "reference.pack_assignment": assignments, "silver.telemetry": telemetry,
        "silver.quarantine": quarantine, "ops.batch": batches,
    }  # fmt: skip


def rows():
    """Return the rows of every table that has some."""
    return _gold() | _rest()
