"""Key figures, declared once: what SQL, DAX, KQL and metric views are rendered from.

A key figure is one aggregate of a column of gold, or a share of two sums: so little that every language says
it alike. What needs more than that, a quantile over packs say, is computed in gold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from battery_lake.tables.gold import FLEET_NOW, MESSAGE_DAILY, PACK_NOW

if TYPE_CHECKING:
    from battery_lake.tables.model import Table

Aggregate = Literal["sum", "average", "min", "max", "share", "range"]
Unit = Literal["packs", "%", "pp", "d", "EFC", "km", "mV", "", "messages"]

WHOLE: Final = (("model", "all"), ("chemistry", "all"))
"""The row of gold.fleet_now that stands for every pack."""


@dataclass(frozen=True, slots=True)
class Kpi:
    """A key figure.

    Parameters
    ----------
    name
        Snake case; the same in every language.
    title
        For people.
    table
        The table of gold that it is computed from.
    aggregate
        ``sum``, ``average``, ``min`` or ``max`` of the column; ``share``: its sum over that of ``over``, in
        percent; ``range``: its highest value less its lowest. Null counts nowhere.
    column
        The column.
    unit
        Of the result.
    decimals
        How many people want to see.
    description
        One or two sentences: what it says, and what it does not.
    over
        The other column of a share.
    where
        Column and value: only rows with it count.
    """

    name: str
    title: str
    table: Table
    aggregate: Aggregate
    column: str
    unit: Unit
    decimals: int
    description: str
    over: str = ""
    where: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        named = [self.column, *([self.over] if self.over else []), *(name for name, _ in self.where)]
        unknown = [name for name in named if name not in self.table.column_by_name]
        if unknown:
            raise ValueError(f"{self.name}: {self.table.name} has no {unknown}")
        if bool(self.over) != (self.aggregate == "share"):
            raise ValueError(f"{self.name}: a share, and nothing else, is over another column")

    @property
    def grain(self) -> str:
        """What it may be told for: parts of the table that it comes from."""
        return GRAINS[self.table.name]


GRAINS: Final = {
    PACK_NOW.name: "pack, vehicle, model, chemistry, fleet",
    FLEET_NOW.name: "fleet",
    MESSAGE_DAILY.name: "day, all days",
}
"""Table to what its key figures may be told for."""


def _pack(
    name: str, title: str, aggregate: Aggregate, column: str, unit: Unit, decimals: int, description: str,
    over: str = "",
) -> Kpi:  # fmt: skip
    return Kpi(name, title, PACK_NOW, aggregate, column, unit, decimals, description, over)


def _fleet(name: str, title: str, column: str, unit: Unit, decimals: int, description: str) -> Kpi:
    return Kpi(name, title, FLEET_NOW, "average", column, unit, decimals, description, where=WHOLE)


def _messages(name: str, title: str, column: str, description: str) -> Kpi:
    return Kpi(name, title, MESSAGE_DAILY, "sum", column, "messages", 0, description)


_ENDS = "The cell of a pack that ends first counts; where no end is in sight the number is a lower bound."

ALL_KPIS: Final = (
    _pack("packs", "Packs", "sum", "packs", "packs", 0, "Packs that have sent messages."),
    _pack("packs_below_eol", "Packs below EOL", "sum", "below_eol", "packs", 0,
          "Packs whose weakest cell has an SOH below the pack's end of life."),
    _pack("packs_ending_in_year", "Packs predicted EOL in 12 months", "sum", "ends_in_year", "packs", 0,
          "Packs whose life ends within 365 days by the median of the outlook."),
    _fleet("soh_median", "Median SOH", "soh_pct_p50", "%", 1,
           "SOH of the median cell, of the median pack of the whole fleet."),
    _fleet("soh_p10", "P10 SOH", "soh_pct_p10", "%", 1,
           "SOH of the median cell: a tenth of the whole fleet's packs lie lower."),
    _pack("soh_weakest_cell", "Weakest-cell SOH", "min", "soh_min_pct", "%", 1,
          "SOH of the weakest cell of all."),
    _pack("soh_spread", "SOH spread", "average", "soh_spread_pct", "pp", 1,
          "SOH of a pack's best cell less that of its weakest, mean over packs."),
    _pack("soh_loss_per_year", "SOH loss per year", "average", "yearly_loss_pct", "pp", 2,
          "What a pack's median cell loses in a year at its fade now, mean over packs."),
    _pack("rul_days_p50", "RUL (days)", "average", "rul_days_p50", "d", 0,
          f"Median RUL, mean over packs. {_ENDS}"),
    _pack("rul_days_p05", "Pessimistic RUL (days)", "average", "rul_days_p05", "d", 0,
          f"Pessimistic RUL, mean over packs. {_ENDS}"),
    _pack("rul_efc_p50", "RUL (EFC)", "average", "rul_efc_p50", "EFC", 0,
          f"Median RUL in equivalent full cycles, mean over packs. {_ENDS}"),
    _pack("rul_efc_p05", "Pessimistic RUL (EFC)", "average", "rul_efc_p05", "EFC", 0,
          f"Pessimistic RUL in equivalent full cycles, mean over packs. {_ENDS}"),
    _pack("rul_km_p50", "RUL (km)", "average", "rul_km_p50", "km", 0,
          f"Median RUL in distance, mean over packs. {_ENDS}"),
    _pack("rul_km_p05", "Pessimistic RUL (km)", "average", "rul_km_p05", "km", 0,
          f"Pessimistic RUL in distance, mean over packs. {_ENDS}"),
    _pack("warranty_exposure", "Warranty exposure", "sum", "warranty_exposed", "packs", 0,
          "Packs whose pessimistic RUL ends before their warranty does; packs without a known warranty, or"
          " with no end in sight, are not among them."),
    _fleet("imbalance_p95", "Imbalance p95", "imbalance_mv_p95", "mV", 1,
           "Highest less lowest cell voltage at rest: a twentieth of the whole fleet's packs lie higher."),
    _pack("interval_width", "Interval width", "average", "soh_interval_pct", "pp", 1,
          "Width of the 90 % interval of the weakest cell's SOH, mean over packs."),
    _pack("observations_30_days", "Observations in 30 days", "sum", "recent_observations", "", 0,
          "Capacity observations of each pack's last 30 days: the evidence behind the SOH."),
    _pack("days_since_last_message", "Days since last message", "range", "last_seen_days", "d", 1,
          "How far the longest silent pack is behind the one that was seen last; of one pack it is nothing."),
    Kpi("quarantine_rate", "Quarantine rate", MESSAGE_DAILY, "share", "rows_refused", "%", 2,
        "Messages that were refused, of all that were looked at.", over="rows_in"),
    _messages("messages", "Messages", "rows_in", "Messages that were looked at."),
    _pack("fast_charge_share", "Fast-charge share", "share", "recent_fast_charges", "%", 1,
          "Charges of 90 days with a mean current above half the rated capacity an hour, of all.",
          "recent_charges"),
    _pack("hot_share", "Time above 45 °C", "share", "recent_hot_s", "%", 2,
          "Time of 90 days in sessions with a mean of 45 °C or more, of all time in sessions.", "recent_s"),
    _pack("full_share", "Time at SOC > 90 %", "share", "recent_full_s", "%", 1,
          "Time of 90 days in sessions with a mean SOC above 90 %, of all time in sessions.", "recent_s"),
    _pack("charge_efficiency", "Charge efficiency", "average", "round_trip_efficiency_pct", "%", 1,
          "Energy out over energy in, less what is stored, since the first message; mean over packs."),
    _pack("cohort_percentile", "Cohort percentile", "average", "cohort_percentile_pct", "%", 0,
          "Share of like, as old packs with a lower median SOH: is this pack's ageing normal? Mean over"
          " packs; meant for one."),
)  # fmt: skip

KPIS: Final[dict[str, Kpi]] = {kpi.name: kpi for kpi in ALL_KPIS}
"""Key figure by name, in the order in which they are told."""


def tables_of_kpis() -> list[Table]:
    """Return the tables that key figures are computed from, each once."""
    return list({kpi.table.name: kpi.table for kpi in ALL_KPIS}.values())
