"""Examples of lives as arrays: what fits a prior, and what judges one."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from battery_lake.cells.life_outlook import OutlookParams, Usual, outlook_of_places
from battery_lake.cells.life_prior_fit import LifeEvidence
from battery_lake.cells.life_scores import PackScores, pack_scores
from battery_lake.cells.life_templates import LOG_RATIOS

if TYPE_CHECKING:
    from collections.abc import Callable

    from battery_lake.cells.arrays import Bools, Floats, Ints
    from battery_lake.cells.life_prior import LifePrior


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Cells at moments of their packs' histories, one row each.

    Parameters
    ----------
    packs
        Ids of all packs, sorted.
    pack
        Number of the row's pack among them.
    chemistry, eol_soh_pct, efc_per_day, now_days
        Of the pack at the moment. [%, 1/d, d]
    seen_days
        How long the record goes on. [d]
    is_last
        True at the last moment of each pack.
    soh_pct
        By the filter. [%]
    life_days
        Age of the cell at its end; NaN: it lives on. [d]
    places
        Likelihood of the places in life. Shape ``(rows, places)``
    """

    packs: tuple[str, ...]
    pack: Ints
    chemistry: np.ndarray
    eol_soh_pct: Floats
    efc_per_day: Floats
    now_days: Floats
    seen_days: Floats
    is_last: Bools
    soh_pct: Floats
    life_days: Floats
    places: Floats

    @property
    def ended(self) -> int:
        """Cells whose life has ended."""
        return int(np.isfinite(self.life_days[self.is_last]).sum())

    def evidence(self) -> LifeEvidence:
        """Return what the last moments tell of every life."""
        last = self.is_last
        return LifeEvidence(
            self.pack[last], self.chemistry[last], self.eol_soh_pct[last], self.efc_per_day[last],
            self.now_days[last], self.life_days[last], self.places[last],
        )  # fmt: skip

    def judged(self) -> Examples:
        """Return the rows that can be judged: alive at the moment, and seen afterwards."""
        alive = (self.soh_pct > self.eol_soh_pct) & ~(self.life_days <= self.now_days)
        rows = np.asarray(alive & (self.seen_days > 0.0))
        return Examples(self.packs, *(getattr(self, f.name)[rows] for f in fields(self)[1:]))

    def scores(self, prior_of: Callable[[str], LifePrior]) -> PackScores:
        """Judge a prior, or one for each pack, on the rows.

        Parameters
        ----------
        prior_of
            The prior to use for a pack, by its id.
        """
        usual = self._usual(prior_of)
        quantiles = np.empty((self.pack.size, 3))
        for eol in np.unique(self.eol_soh_pct):
            own = self.eol_soh_pct == eol
            *told, _ = outlook_of_places(
                self.places[own][:, None, :], self.now_days[own], self.soh_pct[own][:, None], float(eol),
                Usual(usual.log_days[own], usual.std[own], usual.length_share), OutlookParams().horizon_days,
            )  # fmt: skip
            quantiles[own] = np.concatenate(told, axis=1)
        _, number = np.unique(self.pack, return_inverse=True)
        return pack_scores(number, quantiles, self.life_days - self.now_days, self.seen_days)

    def _usual(self, prior_of: Callable[[str], LifePrior]) -> Usual:
        """The usual life of every row by its pack's prior."""
        log_days, std, share = np.empty(self.pack.size), np.empty(self.pack.size), 0.0
        for pack in np.unique(self.pack):
            own = np.flatnonzero(self.pack == pack)
            first = own[0]
            told = prior_of(self.packs[pack]).usual(
                str(self.chemistry[first]), float(self.eol_soh_pct[first]), self.efc_per_day[own]
            )
            log_days[own], std[own], share = told.log_days, told.std, told.length_share
        return Usual(log_days, std, share)


def read_examples(table: pa.Table) -> Examples:
    """Return examples from rows of :data:`battery_lake.gold.life_example.EXAMPLES`, in an order of their own.

    Parameters
    ----------
    table
        One row per pack and moment.
    """
    ordered = table.sort_by([("pack_id", "ascending"), ("now_days", "ascending")])
    count = pc.list_value_length(ordered.column("soh_pct")).to_numpy()
    ids, pack = np.unique(ordered.column("pack_id").to_numpy(zero_copy_only=False), return_inverse=True)

    def repeated(name: str) -> np.ndarray:
        values: np.ndarray = ordered.column(name).to_numpy(zero_copy_only=False)
        return np.repeat(values, count)

    def flat(name: str) -> Floats:
        values = pc.list_flatten(ordered.column(name)).to_numpy(zero_copy_only=False)
        return np.asarray(values, dtype=np.float64)

    return Examples(
        packs=tuple(ids.tolist()),
        pack=np.repeat(pack.astype(np.int64), count),
        chemistry=repeated("chemistry"),
        eol_soh_pct=repeated("eol_soh_pct").astype(np.float64),
        efc_per_day=repeated("efc_per_day").astype(np.float64),
        now_days=repeated("now_days").astype(np.float64),
        seen_days=repeated("seen_days").astype(np.float64),
        is_last=repeated("is_last").astype(bool),
        soh_pct=flat("soh_pct"),
        life_days=flat("life_days"),
        places=flat("places").reshape(-1, LOG_RATIOS.size),
    )
