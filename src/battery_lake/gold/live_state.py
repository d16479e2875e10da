"""Messages to the state of every vehicle at this moment; no table: it goes to the twins as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.gold.vehicle_position import square

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SAID: Final = ("state", "soc_pct", "pack_voltage_v", "current_a")


def live_state(messages: DataFrame, cell_size_km: float) -> DataFrame:
    """One row per vehicle in the messages: what its newest message says, and where it was last.

    Parameters
    ----------
    messages
        Of silver.telemetry, in any order, any of them twice.
    cell_size_km
        Size of the squares of which positions tell. [km]

    Returns
    -------
    DataFrame
        vehicle_id, state, soc_pct [%], pack_voltage_v [V], current_a [A], temperature_min_c and
        temperature_max_c [°C], latitude and longitude [degrees], cell_size_km [km], last_seen_at [UTC].
        What the newest message leaves open is null, a position where no message has one.
    """
    age = F.struct("measured_at", "sequence", "pack_id")
    newest = F.max_by(F.struct(*SAID, "temperatures_c", "measured_at"), age).alias("m")
    has_place = F.col("latitude").isNotNull() & F.col("longitude").isNotNull()
    place = F.max_by(F.when(has_place, F.struct("latitude", "longitude")), F.when(has_place, age)).alias("p")
    latitude, longitude = square(F.col("p.latitude"), F.col("p.longitude"), cell_size_km)
    return (
        messages
        .groupBy("vehicle_id")
        .agg(newest, place)
        .select(
            "vehicle_id",
            *(F.col(f"m.{name}") for name in SAID),
            F.array_min("m.temperatures_c").alias("temperature_min_c"),
            F.array_max("m.temperatures_c").alias("temperature_max_c"),
            latitude.alias("latitude"),
            longitude.alias("longitude"),
            F.when(F.col("p.latitude").isNotNull(), F.lit(cell_size_km)).alias("cell_size_km"),
            F.col("m.measured_at").alias("last_seen_at"),
        )
    )
