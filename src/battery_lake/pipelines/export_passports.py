"""Passports to files: a pack's dynamic data, and beside it where each value comes from and what is absent."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from pyspark.sql import functions as F

from battery_lake.gold.battery_passport import METHOD
from battery_lake.lake.look import looking_at
from battery_lake.serving.passport import checked, passport
from battery_lake.serving.passport_fields import Known
from battery_lake.whole_file import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pyspark.sql import DataFrame, Row

    from battery_lake.lake.access import Lake

PAGE: Final = 5_000
"""So many packs are held in memory at once."""

ANY_MODEL: Final = "*"
NAME_BYTES: Final = 200
"""A longer name of a file is refused by file systems."""


def export_passports(
    lake: Lake, folder: Path, *, declared: Mapping[str, Any], pack_id: str = "", page: int = PAGE
) -> Iterator[tuple[str, int, int]]:
    """Write the newest passport of one pack or of all, two files each.

    Parameters
    ----------
    lake
        The tables.
    folder
        Where to; made if it is not there. ``PACK.json`` is in the data model's structure and nothing else;
        ``PACK.notes.json`` holds day, method, sources and what is absent, with the reason.
    declared
        What the maker declares, by model or ``*``, then by section.
    pack_id
        The one pack; else all that have a passport.
    page
        Packs in memory at once.

    Yields
    ------
    tuple of str, int, int
        Each pack, how many fields it has, and how many are absent.

    Raises
    ------
    SettingsError
        A declared field is not the data model's.
    """
    checked(declared)
    newest = _newest(lake, pack_id)
    last = ""
    while rows := newest.where(F.col("pack_id") > last).orderBy("pack_id").limit(page).collect():
        for row in rows:
            yield _written(row, folder, declared)
        last = rows[-1]["pack_id"]


def _newest(lake: Lake, pack_id: str) -> DataFrame:
    """The newest counters of each pack beside its specification."""
    read = looking_at(lake)
    counters = read("gold.battery_passport").where(F.col("method_version") == METHOD)
    if pack_id:
        counters = counters.where(F.col("pack_id") == pack_id)
    names = [F.col(name) for name in counters.columns if name != "pack_id"]
    newest = counters.groupBy("pack_id").agg(F.max_by(F.struct(*names), "as_of_date").alias("counters"))
    packs = read("reference.packs")
    return newest.join(packs.select("pack_id", F.struct("*").alias("pack")), on="pack_id", how="inner")


def _written(row: Row, folder: Path, declared: Mapping[str, Any]) -> tuple[str, int, int]:
    """Write one pack's two files, each whole or not at all."""
    pack, counters = row["pack"].asDict(), row["counters"].asDict(recursive=True)
    told = passport(Known(pack, counters), declared.get(pack["model"], declared.get(ANY_MODEL, {})))
    notes = {
        "pack_id": row["pack_id"],
        "as_of_date": str(counters["as_of_date"]),
        "method_version": counters["method_version"],
        "sources": told.sources,
        "absent": told.absent,
    }
    name = file_name(row["pack_id"])
    write_whole(folder / f"{name}.json", _json(told.document))
    write_whole(folder / f"{name}.notes.json", _json(notes))
    return row["pack_id"], len(told.sources), len(told.absent)


def file_name(pack_id: str) -> str:
    """Return a name of a file that no pack's name can lead elsewhere.

    Examples
    --------
    >>> file_name("P00017"), file_name("../etc/x"), file_name("..")
    ('P00017', '..%2Fetc%2Fx', '%2E%2E')
    """
    name = quote(pack_id, safe=" ()+,=@")
    name = name.replace(".", "%2E") if not name.strip(".") else name
    return name if len(name) <= NAME_BYTES else f"{name[: NAME_BYTES - 17]}-{_short(pack_id)}"


def _short(text: str) -> str:
    """Sixteen digits that tell two long names apart."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _json(content: Any) -> str:
    return json.dumps(content, indent=2, allow_nan=False) + "\n"
