"""Messages to gold.vehicle_position: the middle of the square in which each vehicle was last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.tables.gold import VEHICLE_POSITION

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

KM_A_DEGREE: Final = 111.32
"""Of latitude, and of longitude at the equator. [km]"""
LEAST_COSINE: Final = 0.01
"""Beyond 89.4 degrees a square has no width that counts."""


def vehicle_position(messages: DataFrame, cell_size_km: float) -> DataFrame:
    """One row per vehicle that tells where it is: the square of its newest such message.

    Parameters
    ----------
    messages
        Of silver.telemetry, in any order, any of them twice.
    cell_size_km
        Size of the squares. [km]
    """
    latitude, longitude = square(F.col("latitude"), F.col("longitude"), cell_size_km)
    # Of two messages of one instant the one further to the north-east: the same whatever comes first.
    newest = F.max(F.struct("measured_at", latitude.alias("latitude"), longitude.alias("longitude")))
    return (
        messages
        .where("vehicle_id IS NOT NULL AND latitude IS NOT NULL AND longitude IS NOT NULL")
        .groupBy("vehicle_id")
        .agg(newest.alias("p"))
        .select("vehicle_id", "p.*", F.lit(float(cell_size_km)).alias("cell_size_km"))
        .select(*VEHICLE_POSITION.column_names)
    )


def square(latitude: Column, longitude: Column, cell_size_km: float) -> tuple[Column, Column]:
    """Return latitude and longitude of the middle of the square that a position lies in. [degrees].

    Parameters
    ----------
    latitude, longitude
        The position. [degrees]
    cell_size_km
        Size of the square. [km]
    """
    step = F.lit(cell_size_km / KM_A_DEGREE)
    middle = _middle(latitude, step, 90.0)
    width = step / F.greatest(F.cos(F.radians(middle)), F.lit(LEAST_COSINE))
    return middle, _middle(longitude, width, 180.0)


def _middle(degrees: Column, step: Column, limit: float) -> Column:
    """The middle of the grid's cell; at the edge of the map the edge."""
    middle = F.round((F.floor(degrees / step) + 0.5) * step, 5)
    return F.greatest(F.lit(-limit), F.least(middle, F.lit(limit)))
