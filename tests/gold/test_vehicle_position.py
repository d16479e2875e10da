import datetime as dt

from battery_lake.gold.vehicle_position import KM_A_DEGREE, square, vehicle_position

AT = dt.datetime(2026, 3, 1, 8, tzinfo=dt.UTC)


def test_a_vehicle_is_where_its_newest_message_with_a_position_says(spark):
    rows = [
        ("V1", AT, 48.1, 11.5), ("V1", AT + dt.timedelta(hours=1), 48.4, 11.9),
        ("V1", AT + dt.timedelta(hours=2), None, None), ("V2", AT, None, 11.0), (None, AT, 1.0, 1.0),
        ("V3", AT, -89.9, 179.99), ("V1", AT + dt.timedelta(hours=1), 48.4, 11.9),
    ]  # fmt: skip
    columns = "vehicle_id string, measured_at timestamp, latitude double, longitude double"
    said = spark.createDataFrame(rows, columns)
    told = {row.vehicle_id: row for row in vehicle_position(said, 5.0).collect()}
    assert set(told) == {"V1", "V3"}
    first = told["V1"]
    assert (first.measured_at.hour, first.cell_size_km) == (9, 5.0)
    assert abs(first.latitude - 48.4) <= 2.5 / KM_A_DEGREE + 1e-5
    assert (first.latitude, first.longitude) != (48.4, 11.9)
    assert told["V3"].latitude >= -90.0
    assert told["V3"].longitude <= 180.0


def test_all_places_of_a_square_give_the_same_middle(spark):
    places = [(48.40 + 0.001 * i, 11.90 + 0.001 * j) for i in range(60) for j in range(60)]
    frame = spark.createDataFrame(places, "latitude double, longitude double")
    middles = frame.select(*square(frame.latitude, frame.longitude, 10.0)).distinct().count()
    assert middles <= 4
