"""The same battery in the words of several makers: silver and gold say the same of it."""

import json
from pathlib import Path

import pytest

BATTERY = "Vehicle.Powertrain.TractionBattery"
MAPPINGS = "refine.mappings=gbt32960,vss,single_cell_logger,canonical_v1"
WORDS = ("canonical", "gbt32960", "vss", "extremes", "single_cell_logger")


def gbt(message):
    at = message["measured_at"].replace("T", " ").rstrip("Z")
    hour = int(at[11:13]) + 8  # the platform's clock shows Shanghai's time
    at = f"{at[:8]}{int(at[8:10]) + hour // 24:02d} {hour % 24:02d}{at[13:]}"
    record = {
        "time": at,
        "serial": message["sequence"],
        "vehicle": {
            "chargeState": 1 if message["state"] == "charging" else 3,
            "speed": 500 if message["state"] == "driving" else 0,
            "mileage": round(message["odometer_km"] * 10),
            "current": round((1000 - message["current_a"]) * 10),
            "soc": round(message["soc_pct"]),
            "insulation": 65535 if message["sequence"] % 2 else 2500,
        },
        "cells": {"voltages": [round(v * 1000) for v in message["cell_voltages_v"]]},
        "probes": {"temperatures": [round(t) + 40 for t in message["temperatures_c"]]},
    }
    return {"packCode": message["pack_id"], "records": [record]}


def vss(message):
    return {
        "timestamp": message["measured_at"],
        f"{BATTERY}.Id": message["pack_id"],
        f"{BATTERY}.Charging.IsCharging": message["state"] == "charging",
        "Vehicle.Speed": 50.0 if message["state"] == "driving" else 0.0,
        f"{BATTERY}.CurrentCurrent": message["current_a"],
        f"{BATTERY}.StateOfCharge.Current": message["soc_pct"],
        f"{BATTERY}.CellVoltage.CellVoltages": message["cell_voltages_v"],
        f"{BATTERY}.Temperature.CellTemperature": message["temperatures_c"],
        "Vehicle.TraveledDistance": message["odometer_km"],
    }


def extremes(message):
    """A BMS that tells its lowest and highest cell only."""
    body = vss(message)
    cells = body.pop(f"{BATTERY}.CellVoltage.CellVoltages")
    return body | {f"{BATTERY}.CellVoltage.Min": min(cells), f"{BATTERY}.CellVoltage.Max": max(cells)}


def logger(message):
    return {
        "Cell_ID": message["pack_id"],
        "Date_Time": message["measured_at"].replace("T", " ").rstrip("Z"),
        "Data_Point": message["sequence"],
        "Current(A)": message["current_a"],
        "Voltage(V)": message["cell_voltages_v"][0],
        "Temperature(C)": message["temperatures_c"][0],
    }


SPEAK = {"canonical": dict, "gbt32960": gbt, "vss": vss, "extremes": extremes, "single_cell_logger": logger}


@pytest.fixture(scope="module")
def spoken(made_lake, made_pack, landing_line, tmp_path_factory):
    """Five packs that live the same two days, each told in other words, through to gold."""
    packs = {
        words: made_pack(
            f"P-{words}", f"V-{words}", (50.0, 45.0) if words != "single_cell_logger" else (50.0,)
        )
        for words in WORDS
    }
    lines = []
    for words, pack in packs.items():
        pack.day().day()
        for message in pack.messages:
            line = json.loads(landing_line(message))
            line["Body"] = SPEAK[words](message)
            line["Properties"] = {"schema": "vss" if words == "extremes" else words}
            lines.append(json.dumps(line))
    made = made_lake(tmp_path_factory.mktemp("lake"), list(packs.values()), MAPPINGS)
    return made, made.deliver(lines), len(lines)


def of(rows, words):
    return [row for row in rows if row["pack_id"] == f"P-{words}"]


def test_every_message_is_kept_by_the_mapping_that_is_for_it(spoken):
    made, results, count = spoken
    assert results["refine"].counts.rows_kept == count
    rows = made.rows("silver.telemetry")
    mappings = {words: {row["mapping"] for row in of(rows, words)} for words in WORDS}
    assert mappings == {
        "canonical": {"canonical_v1"}, "gbt32960": {"gbt32960"}, "vss": {"vss"}, "extremes": {"vss"},
        "single_cell_logger": {"single_cell_logger"},
    }  # fmt: skip


def test_silver_says_the_same_in_canonical_and_vss_words(spoken):
    rows = spoken[0].rows("silver.telemetry")
    names = (
        "measured_at",
        "state",
        "current_a",
        "soc_pct",
        "cell_voltages_v",
        "temperatures_c",
        "odometer_km",
    )
    canonical, other = ([tuple(row[n] for n in names) for row in of(rows, w)] for w in ("canonical", "vss"))
    assert canonical == other


def test_the_steps_of_gbt_cost_no_more_than_their_half(spoken):
    rows = spoken[0].rows("silver.telemetry")
    for mine, theirs in zip(of(rows, "canonical"), of(rows, "gbt32960"), strict=True):
        assert mine["measured_at"] == theirs["measured_at"]
        assert mine["current_a"] == pytest.approx(theirs["current_a"], abs=0.05)
        assert mine["cell_voltages_v"] == pytest.approx(theirs["cell_voltages_v"], abs=0.0005001)
    assert {row["insulation_kohm"] for row in of(rows, "gbt32960")} == {None, 2500.0}


def test_the_capacity_of_every_cell_is_found_in_any_words(spoken):
    rows = spoken[0].rows("gold.capacity_observation")
    found = {words: [row["capacity_ah"] for row in of(rows, words)] for words in WORDS}
    assert found["canonical"]
    assert found["vss"] == found["canonical"]
    assert len(found["gbt32960"]) == len(found["canonical"])
    for mine, theirs in zip(found["canonical"], found["gbt32960"], strict=True):
        assert mine == pytest.approx(theirs, rel=0.01)
    assert all(row == pytest.approx([50.0], rel=0.02) for row in found["single_cell_logger"])


def test_a_pack_that_tells_only_extremes_has_sessions_and_no_cells(spoken):
    made, *_ = spoken
    sessions = {words: of(made.rows("gold.session"), words) for words in ("canonical", "extremes")}
    summary = {
        words: [(r["started_at"], r["kind"], r["charge_ah"], r["soc_end_pct"]) for r in rows]
        for words, rows in sessions.items()
    }
    assert summary["extremes"] == summary["canonical"]
    silver = of(made.rows("silver.telemetry"), "extremes")
    assert all(row["cell_voltage_min_v"] <= row["cell_voltage_max_v"] for row in silver)
    assert all("no_cell_voltages" in row["flags"] for row in silver)
    assert of(made.rows("gold.capacity_observation"), "extremes") == []
    assert of(made.rows("gold.cell_current"), "extremes") == []


def filled(values):
    return [float("nan") if value is None else value for value in values]


DATA = Path(__file__).parents[3] / "shared" / "data" / "ev_cell_faults"


@pytest.mark.skipif(not DATA.is_dir(), reason="the recordings of three cars are not beside the repository")
def test_the_three_cars_logs_as_sent_say_what_their_cleaned_recordings_say(made_lake, tmp_path):
    """The first 1,500 rows of each, against the recordings that were made from them by others."""
    import pyarrow.parquet as pq

    from battery_lake.pipelines.reference import load_reference
    from battery_lake.simulate.replay import replay

    made = made_lake(tmp_path, [], "refine.mappings=ev_log_1,ev_log_23")
    landing = made.lake.settings.landing
    replay(
        DATA.parent, landing, tmp_path / "cars", tmp_path / "truth", sets=("ev_cell_faults",), as_sent=True
    )
    load_reference(made.lake, tmp_path / "cars")
    counts = made.run(("ingest", "refine"))["refine"].counts
    assert (counts.rows_in, counts.rows_kept + counts.rows_refused + counts.rows_duplicate) == (4500, 4500)
    silver = made.rows("silver.telemetry")
    for car in ("EV1", "EV2", "EV3"):
        told = pq.read_table(DATA / f"{car}.parquet").slice(0, 1500).to_pylist()
        by_time = {row["measured_at"]: row for row in told}
        mine = [row for row in silver if row["vehicle_id"] == car]
        assert len(mine) == len(by_time)
        for row in mine:
            other = by_time[row["measured_at"]]
            assert row["current_a"] == pytest.approx(other["current_a"], rel=1e-6)
            assert row["pack_voltage_v"] == pytest.approx(other["pack_voltage_v"], rel=1e-6)
            cells = [v if 0.5 <= v <= 5 else None for v in other["cell_voltages_v"]]
            probes = [None if t is None or t < -39.5 else t for t in other["temperatures_c"]]
            assert filled(row["cell_voltages_v"]) == pytest.approx(filled(cells), rel=1e-6, nan_ok=True)
            assert filled(row["temperatures_c"]) == pytest.approx(filled(probes), rel=1e-6, nan_ok=True)
