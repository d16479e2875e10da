"""The whole way by hand: one process, DuckDB and NumPy, no guarantees; the science is the product's own.

Nothing is checked but the range of voltages: a repeated, late or unknown message, a crash, a second run are
nobody's concern here.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from battery_lake.cells.ocv import shipped_curve
from battery_lake.cells.session_stats import Samples
from battery_lake.cells.sessions import KINDS
from battery_lake.gold.arrow import floats, lists, matrix, numbers
from support.by_hand_cells import Pack, pack_cells, pack_observations, pack_sessions

if TYPE_CHECKING:
    from pathlib import Path

    from support.by_hand_cells import CellDays, Observations, Sessions

EPOCH = dt.date(1970, 1, 1)
BODY = (
    "STRUCT(schema_version INTEGER, pack_id VARCHAR, measured_at TIMESTAMP, sequence BIGINT, state VARCHAR,"
    " current_a DOUBLE, pack_voltage_v DOUBLE, soc_pct DOUBLE, cell_voltages_v DOUBLE[],"
    " temperatures_c DOUBLE[], odometer_km DOUBLE, latitude DOUBLE, longitude DOUBLE)"
)
TELEMETRY = """
    CREATE TABLE telemetry AS
    SELECT SystemProperties.connectionDeviceId AS vehicle_id, EnqueuedTimeUtc AS enqueued_at, unnest(Body)
    FROM read_json('{landing}/*.json', format = 'newline_delimited',
        columns = {{EnqueuedTimeUtc: 'TIMESTAMP',
            SystemProperties: 'STRUCT(connectionDeviceId VARCHAR)', Body: '{body}'}})
    WHERE list_min(Body.cell_voltages_v) >= 0.5 AND list_max(Body.cell_voltages_v) <= 5.0
    ORDER BY Body.pack_id, Body.measured_at, Body.sequence"""
SAMPLES = """
    SELECT epoch_us(measured_at) / 1e6 AS seconds, coalesce(state = 'driving', false) AS is_driving,
        vehicle_id, current_a, pack_voltage_v, soc_pct, odometer_km,
        list_avg(temperatures_c) AS temperature_mean_c,
        list_max(temperatures_c) AS temperature_max_c, cell_voltages_v
    FROM telemetry WHERE pack_id = ? ORDER BY measured_at, sequence"""
SAMPLED = (
    "seconds", "current_a", "pack_voltage_v", "soc_pct", "temperature_mean_c", "temperature_max_c",
    "odometer_km",
)  # fmt: skip
SCALARS = (
    "duration_s", "charge_ah", "throughput_ah", "energy_wh", "sampling_ah2", "soc_start_pct", "soc_end_pct",
    "temperature_mean_c", "temperature_max_c", "distance_km", "gap_s", "start_current_a", "end_current_a",
    "current_mean_a", "current_max_a", "low_limit_charge_ah", "step_a", "step_s", "step_temperature_c",
    "step_soc_pct",
)  # fmt: skip
ARRAYS = (
    "start_cell_voltages_v", "end_cell_voltages_v", "min_cell_voltages_v", "max_cell_voltages_v",
    "step_resistance_mohm", "step_variance_mohm2",
)  # fmt: skip
AGGREGATES = {
    "cell_current": """
        SELECT * EXCLUDE place FROM (
            SELECT *, row_number() OVER (PARTITION BY cell_id ORDER BY as_of_date DESC) AS place
            FROM cell_day)
        WHERE place = 1""",
    "pack_health": """
        SELECT c.*, c.soh_max_pct - c.soh_min_pct AS soh_spread_pct, i.imbalance_mv,
            list_filter([CASE WHEN soh_min_pct < coalesce(p.eol_soh_pct, 80) THEN 'end_of_life' END,
                CASE WHEN soh_median_pct - soh_min_pct > 5 THEN 'weak_cell' END],
                lambda x: x IS NOT NULL) AS alerts
        FROM (SELECT pack_id, as_of_date, min(soh_pct) AS soh_min_pct, median(soh_pct) AS soh_median_pct,
                max(soh_pct) AS soh_max_pct, arg_min(cell_id, (soh_pct, cell_id)) AS weakest_cell_id,
                max(efc) AS efc, min(rul_days_p05) AS rul_days_p05, min(rul_days_p50) AS rul_days_p50,
                min(rul_days_p95) AS rul_days_p95, arg_min(censored, rul_days_p50) AS censored
            FROM cell_day GROUP BY ALL) AS c
        JOIN packs AS p USING (pack_id)
        LEFT JOIN (SELECT pack_id, started_at::DATE AS as_of_date,
                arg_max(1000 * (list_max(end_cell_voltages_v) - list_min(end_cell_voltages_v)), started_at)
                    AS imbalance_mv
            FROM session WHERE kind = 'rest' GROUP BY ALL) AS i USING (pack_id, as_of_date)""",
    "vehicle_status": """
        SELECT s.*, h.* EXCLUDE pack_id
        FROM (SELECT vehicle_id, arg_max(pack_id, ended_at) AS pack_id, arg_max(kind, ended_at) AS state,
                arg_max(soc_end_pct, ended_at) AS soc_pct, max(ended_at) AS last_seen_at
            FROM session GROUP BY ALL) AS s
        LEFT JOIN (SELECT pack_id, arg_max(soh_min_pct, as_of_date) AS soh_min_pct,
                arg_max(soh_median_pct, as_of_date) AS soh_median_pct,
                arg_max(rul_days_p50, as_of_date) AS rul_days_p50, arg_max(alerts, as_of_date) AS alerts
            FROM pack_health GROUP BY ALL) AS h USING (pack_id)""",
    "fleet_daily": """
        SELECT d.as_of_date, p.model, p.chemistry, count(*) AS vehicles,
            quantile_cont(h.soh_median_pct, [0.1, 0.5, 0.9]) AS soh_pct, min(h.soh_min_pct) AS soh_min_pct,
            quantile_cont(h.rul_days_p50, [0.1, 0.5]) AS rul_days, count_if(len(h.alerts) > 0) AS alerts
        FROM (SELECT DISTINCT as_of_date, model, chemistry FROM pack_health JOIN packs USING (pack_id)) AS d
        JOIN packs AS p USING (model, chemistry)
        ASOF JOIN pack_health AS h ON p.pack_id = h.pack_id AND d.as_of_date >= h.as_of_date
        WHERE d.as_of_date - h.as_of_date <= 30
        GROUP BY ALL""",
}


def whole_way(landing: Path, reference: Path, out: Path) -> None:
    """Take landing files to gold, as Parquet: telemetry, sessions, observations, cells, aggregates.

    Parameters
    ----------
    landing
        Folder of landing files.
    reference
        Folder with packs.csv.
    out
        Folder for the Parquet files; must be there.
    """
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        db.execute(TELEMETRY.format(landing=landing, body=BODY))
        db.execute(f"COPY telemetry TO '{out}/telemetry.parquet' (COMPRESSION zstd)")
        db.execute(
            "CREATE TABLE packs AS SELECT * REPLACE (eol_soh_pct::DOUBLE AS eol_soh_pct)"
            f" FROM read_csv('{reference}/packs.csv')"
        )
        made: dict[str, list[pa.Table]] = {"session": [], "capacity_observation": [], "cell_day": []}
        for row in db.sql("SELECT * FROM packs ORDER BY pack_id").to_arrow_table().to_pylist():
            for name, table in _one_pack(db, row).items():
                made[name].append(table)
        for name, tables in made.items():
            whole = pa.concat_tables(tables)
            db.register(name, whole)
            pq.write_table(whole, out / f"{name}.parquet", compression="zstd")
        for name, query in AGGREGATES.items():
            db.execute(f"CREATE TABLE {name} AS {query}")
            db.execute(f"COPY {name} TO '{out}/{name}.parquet' (COMPRESSION zstd)")


def _one_pack(db: duckdb.DuckDBPyConnection, row: dict[str, Any]) -> dict[str, pa.Table]:
    pack = Pack(
        row["pack_id"], row["chemistry"], row["rated_capacity_ah"], row["cell_low_v"], row["cell_high_v"],
        float("nan") if row["eol_soh_pct"] is None else float(row["eol_soh_pct"]),
        float("nan") if row["warranty_from"] is None else float((row["warranty_from"] - EPOCH).days),
        shipped_curve(row["ocv_curve"]),
    )  # fmt: skip
    table = db.sql(SAMPLES, params=[pack.pack_id]).to_arrow_table()
    count = table.num_rows
    if count == 0:
        return {}
    samples = Samples(
        pack_index=np.zeros(count, dtype=np.int64),
        cell_voltages_v=matrix(table, "cell_voltages_v", row["cells_in_series"]),
        low_v=np.full(count, pack.low_v),
        rated_ah=np.full(count, pack.rated_ah),
        **{name: floats(table, name) for name in SAMPLED},
    )
    sessions = pack_sessions(samples, floats(table, "is_driving") == 1.0, pack)
    observed = pack_observations(sessions, pack)
    made = {
        "session": _session_table(sessions, pack.pack_id, table.column("vehicle_id")[0].as_py()),
        "capacity_observation": _observation_table(sessions, observed, pack.pack_id),
    }
    days = pack_cells(sessions, observed, pack)
    return made if days is None else {**made, "cell_day": _cell_table(days, pack, row["cells_per_module"])}


def _instants(seconds: np.ndarray) -> pa.Array:
    return pa.array(np.round(seconds * 1e6).astype(np.int64), pa.timestamp("us"))


def _session_table(sessions: Sessions, pack_id: str, vehicle_id: str) -> pa.Table:
    count, stats = len(sessions.kind), sessions.stats
    return pa.table({
        "pack_id": [pack_id] * count,
        "vehicle_id": [vehicle_id] * count,
        "started_at": _instants(sessions.start_s),
        "ended_at": _instants(sessions.end_s),
        "kind": [KINDS[code] for code in sessions.kind],
        "samples": stats.samples,
        "gaps": stats.gaps,
        **{name: numbers(getattr(stats, name)) for name in SCALARS},
        **{name: lists(getattr(stats, name)) for name in ARRAYS},
    })


def _observation_table(sessions: Sessions, observed: Observations, pack_id: str) -> pa.Table:
    return pa.table({
        "pack_id": [pack_id] * len(observed.session),
        "started_at": _instants(sessions.start_s[observed.session]),
        "method": np.where(observed.is_test, "full_discharge", "rest_to_rest").tolist(),
        "capacity_ah": lists(observed.capacity_ah),
        "variance_ah2": lists(observed.variance_ah2),
    })


def _cell_table(days: CellDays, pack: Pack, per_module: int) -> pa.Table:
    """Health and life, one row a cell that a day told of."""
    place, cell = np.nonzero(days.told)
    names = [
        f"{pack.pack_id}/{i // per_module + 1:02d}/{i % per_module + 1:02d}"
        for i in range(days.told.shape[1])
    ]
    left_days = [left[days.told] for left in days.rul_days]
    rul = dict(zip(("p05", "p50", "p95"), left_days, strict=True))
    return pa.table({
        "cell_id": pa.array(np.array(names)[cell].tolist(), pa.string()),
        "pack_id": pa.array([pack.pack_id] * len(cell), pa.string()),
        "series_index": pa.array(cell, pa.int32()),
        "as_of_date": pa.array(days.day[place].astype("datetime64[D]"), pa.date32()),
        "soh_pct": days.soh_pct[days.told],
        "soh_std_pct": days.soh_std_pct[days.told],
        "capacity_ah": days.soh_pct[days.told] * pack.rated_ah / 100.0,
        "efc": days.efc[place],
        "observations": days.observations[days.told],
        "censored": days.censored[days.told],
        **{f"rul_days_{q}": left for q, left in rul.items()},
        **{f"rul_efc_{q}": left * days.efc_per_day[place] for q, left in rul.items()},
        **{f"rul_km_{q}": left * days.km_per_day[place] for q, left in rul.items()},
    })
