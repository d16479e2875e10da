import datetime as dt

from battery_lake.lake.create import ensure
from battery_lake.lake.write import upsert
from battery_lake.pipelines.positions import POSITIONS

AT = dt.datetime(2026, 3, 1, 8, tzinfo=dt.UTC)


def message(sequence, hours, latitude, **more):
    return {
        "pack_id": "P1", "measured_at": AT + dt.timedelta(hours=hours), "sequence": sequence, "hub": "h",
        "partition_id": "0", "sequence_number": sequence, "message_index": 0, "vehicle_id": "V1", "flags": [],
        "latitude": latitude, "longitude": 11.0, **more,
    }  # fmt: skip


def test_a_position_follows_the_newest_message_whatever_comes_late(lake, frame):
    ensure(lake, ("silver.telemetry", "gold.vehicle_position"))

    def told(*messages):
        upsert(lake, "silver.telemetry", frame("silver.telemetry", list(messages)))
        counts = POSITIONS.run(lake).counts
        rows = lake.read("gold.vehicle_position").collect()
        return counts.rows_in, [(row.vehicle_id, row.measured_at.hour, round(row.latitude)) for row in rows]

    assert told(message(1, 0, 40.0), message(2, 1, 45.0)) == (1, [("V1", 9, 45)])
    assert told(message(3, -2, 10.0)) == (0, [("V1", 9, 45)])
    assert told(message(4, 2, 50.0), message(5, 3, None)) == (1, [("V1", 10, 50)])
    assert POSITIONS.run(lake).counts.rows_in == 0
