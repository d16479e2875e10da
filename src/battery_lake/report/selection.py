"""What the report shows of a lake of any size: which packs, and how much of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import datetime as dt


@dataclass(frozen=True, slots=True)
class Selection:
    """What the report shows of a lake of any size.

    Parameters
    ----------
    pack_ids
        Packs whose cells' histories are drawn, the first also cell by cell and session by session; empty:
        the weakest ones.
    earlier_days
        Days whose evidence an earlier report showed: the newest that has newer evidence is compared with.
    packs, cells
        Rows of the tables of weakest packs and cells.
    histories, single_histories
        Packs of several cells, and of one, whose histories are drawn where ``pack_ids`` is empty.
    points
        Most points of a line over time.
    session_days
        Newest days whose sessions are drawn. [d]
    flag_days
        Newest days of telemetry in which flags are counted. [d]
    """

    pack_ids: tuple[str, ...] = ()
    earlier_days: tuple[dt.date, ...] = ()
    packs: int = 10
    cells: int = 20
    histories: int = 3
    single_histories: int = 3
    points: int = 200
    session_days: int = 28
    flag_days: int = 7


WEAKEST: Final = Selection()
"""The weakest packs, in the default sizes."""
