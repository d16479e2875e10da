"""Gold of a fleet without the run that computes it: every column filled, as its contract says."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from pyspark.sql import functions as F

from battery_lake.lake.create import ensure
from battery_lake.lake.write import append_once, upsert
from battery_lake.tables.registry import table

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from battery_lake.lake.access import Lake

DAY: Final = dt.date(2026, 1, 1)
CELLS_A_MODULE: Final = 12
TABLES: Final = (
    "reference.packs", "gold.pack_health", "gold.cell_current", "gold.vehicle_status", "gold.alert",
)  # fmt: skip
_NUMBERS = count()


@dataclass(frozen=True)
class Fleet:
    """A fleet whose gold changes round by round, in some packs each time.

    Parameters
    ----------
    lake
        Where its tables are.
    packs, cells
        How many packs, and cells in each.
    """

    lake: Lake
    packs: int
    cells: int

    def make(self) -> None:
        """Write the tables as they are at first."""
        ensure(self.lake, TABLES)
        packs = self._packs(0, 1.0)
        for name, rows in self._rows(packs, 0).items():
            self._add(name, rows)
        self._add("reference.packs", _filled("reference.packs", packs, 0, pack_id=F.col("pack_id")))

    def change(self, number: int, share_frac: float) -> None:
        """Let a day pass for some packs: new health, other cells, vehicles elsewhere, alerts come and go."""
        rows = self._rows(self._packs(number, share_frac), number)
        for name in ("gold.pack_health", "gold.alert"):
            self._add(name, rows[name])
        for name in ("gold.cell_current", "gold.vehicle_status"):
            upsert(self.lake, name, rows[name])
        gone = f"pmod(xxhash64(pack_id, code, {number}), 5) = 0"
        self.lake.spark.sql(f"DELETE FROM {self.lake.identifier('gold.alert')} WHERE {gone}")

    def _packs(self, number: int, share_frac: float) -> DataFrame:
        packs = self.lake.spark.range(self.packs).select(F.format_string("P%05d", "id").alias("pack_id"))
        drawn = F.pmod(F.xxhash64("pack_id", F.lit(number)), F.lit(10_000)) < share_frac * 10_000
        return packs.where(drawn)

    def _rows(self, packs: DataFrame, number: int) -> dict[str, DataFrame]:
        """Rows of some packs in a round."""
        day = F.lit(DAY + dt.timedelta(days=number))
        place = F.col("place")
        cell_id = F.format_string(
            "%s/%02d/%02d", "pack_id", (place / CELLS_A_MODULE).cast("int") + 1, place % CELLS_A_MODULE + 1
        )
        cells = packs.crossJoin(self.lake.spark.range(self.cells).withColumnRenamed("id", "place"))
        vehicle_id = F.concat(F.lit("V"), F.substring("pack_id", 2, 5))
        pack = {"pack_id": F.col("pack_id")}
        seen = F.timestamp_micros(
            F.lit((20_454 + number) * 86_400_000_000) + F.pmod(F.hash("pack_id"), F.lit(86_400_000_000))
        )
        return {
            "gold.pack_health": _filled("gold.pack_health", packs, number, **pack, as_of_date=day),
            "gold.cell_current": _filled(
                "gold.cell_current", cells, number, **pack,
                cell_id=cell_id, series_index=place.cast("int"), as_of_date=day,
            ),
            "gold.vehicle_status": _filled(
                "gold.vehicle_status", packs, number, **pack, vehicle_id=vehicle_id, last_seen_at=seen
            ),
            "gold.alert": _filled("gold.alert", packs, number, **pack, raised_at=seen),
        }  # fmt: skip

    def _add(self, name: str, rows: DataFrame) -> None:
        append_once(self.lake, name, rows.coalesce(1), writer="made", number=next(_NUMBERS))


def _filled(name: str, rows: DataFrame, number: int, **given: Column) -> DataFrame:
    """Fill every column of a table: as given, or with what its type and the dice say."""
    contract = table(name)
    keyed = rows.withColumns(given) if given else rows
    seeds = [F.col(each) for each in given]
    columns = []
    for column in contract.columns:
        dice = F.xxhash64(*seeds, F.lit(column.name), F.lit(number))
        value = F.col(column.name) if column.name in given else _drawn(column.type, column.name, dice)
        if column.nullable and column.name not in given:
            value = F.when(F.pmod(dice, F.lit(11)) != 0, value)
        columns.append(value.cast(column.type).alias(column.name))
    return keyed.select(*columns)


def _drawn(type_: str, name: str, dice: Column) -> Column:
    """A value of a type; texts are full of what queries are made of."""
    some = F.pmod(dice, F.lit(1_000_000))
    text = F.concat(F.lit(f"{name} '\"|; {{}} üñ漢 "), F.hex(dice))
    made: dict[str, Any] = {
        "double": F.when(some % 97 == 0, F.lit(float("nan"))).otherwise(some / 1000.0),
        "string": text,
        "boolean": some % 2 == 0,
        "int": some,
        "bigint": some,
        "date": F.date_add(F.lit(DAY), (some % 4_000).cast("int")),
        "timestamp": F.timestamp_micros(F.lit(1_767_225_600_000_000) + some * 1_000_003),
        "array<string>": F.when(some % 3 == 0, F.array().cast("array<string>")).otherwise(F.array(text)),
    }
    return made.get(type_, F.lit(None))
