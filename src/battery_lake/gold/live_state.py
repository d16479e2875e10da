"""Messages to the state of every vehicle at this moment; no table: it goes to the twins as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

KM_A_DEGREE: Final = 111.32
"""Of latitude, and of longitude at the equator. [km]"""
LEAST_COSINE: Final = 0.01
"""Beyond 89.4 degrees a square has no width that counts."""
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
    latitude = _middle(F.col("p.latitude"), F.lit(cell_size_km / KM_A_DEGREE), 90.0)
    width = F.lit(cell_size_km / KM_A_DEGREE) / F.greatest(F.cos(F.radians(latitude)), F.lit(LEAST_COSINE))
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
            _middle(F.col("p.longitude"), width, 180.0).alias("longitude"),
            F.when(F.col("p.latitude").isNotNull(), F.lit(cell_size_km)).alias("cell_size_km"),
            F.col("m.measured_at").alias("last_seen_at"),
        )
    )


def _middle(degrees: Column, step: Column, limit: float) -> Column:
    """The middle of the grid's cell; at the edge of the map the edge."""
    middle = F.round((F.floor(degrees / step) + 0.5) * step, 5)
    return F.greatest(F.lit(-limit), F.least(middle, F.lit(limit)))
