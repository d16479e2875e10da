"""What the database holds: a catalog, and extents of rows as Parquet files; all of it on disk.

An extent comes into being by one rename, its tags within the file: after a killed process it is there with
its tags, or not at all.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import threading
import uuid
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from battery_lake.clock import utc_now
from battery_lake.errors import SettingsError
from battery_lake.local.kusto.errors import unknown
from battery_lake.local.kusto.values import schema

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from battery_lake.local.kusto.values import Columns

INGEST_BY: Final = "ingest-by:"
_META: Final = b"extent"
_CATALOG: Final = "catalog.json"
_FAILURES: Final = "failures.jsonl"
_LOCK: Final = "lock"


@dataclass(slots=True)
class StoredTable:
    """A table of the catalog; ``mappings`` by kind and name, ``policies`` by name."""

    columns: Columns
    folder: str = ""
    docstring: str = ""
    docstrings: dict[str, str] = field(default_factory=dict)
    mappings: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    policies: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class StoredView:
    """A materialized view of the catalog: the row with the greatest ``newest`` of every key."""

    source: str
    query: str
    newest: str
    keys: list[str]
    folder: str = ""
    docstring: str = ""
    policies: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class StoredFunction:
    """A function of the catalog."""

    parameters: str
    body: str
    folder: str = ""
    docstring: str = ""


@dataclass(frozen=True, slots=True)
class Extent:
    """Rows that came in together."""

    extent_id: str
    table: str
    tags: tuple[str, ...]
    created_at: dt.datetime
    row_count: int
    path: Path


class Store:
    """A database in a folder.

    Parameters
    ----------
    folder
        Made if missing; one store at a time.

    Raises
    ------
    SettingsError
        Another store uses the folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "extents").mkdir(parents=True, exist_ok=True)
        self._lock_file = _locked(folder)
        self.lock = threading.RLock()
        self.tables: dict[str, StoredTable] = {}
        self.views: dict[str, StoredView] = {}
        self.functions: dict[str, StoredFunction] = {}
        self._extents: dict[str, dict[str, Extent]] = {}
        self._read()

    def close(self) -> None:
        """Let another store have the folder."""
        self._lock_file.close()

    def table(self, name: str) -> StoredTable:
        """Return a table.

        Raises
        ------
        RefusalError
            There is none of that name.
        """
        if name not in self.tables:
            raise unknown("table", name)
        return self.tables[name]

    def extents(self, table: str) -> list[Extent]:
        """Return the extents of a table, oldest first."""
        with self.lock:
            return sorted(self._extents.get(table, {}).values(), key=lambda e: (e.created_at, e.extent_id))

    def has_tag(self, table: str, tag: str) -> bool:
        """Return whether an extent of a table bears a tag."""
        return any(tag in extent.tags for extent in self.extents(table))

    def append(
        self, table: str, rows: pa.Table, tags: Iterable[str] = (), if_not_exists: Iterable[str] = ()
    ) -> Extent | None:
        """Add rows as an extent.

        Parameters
        ----------
        table
            The table.
        rows
            In its form.
        tags
            Of the extent.
        if_not_exists
            Nothing is added where an extent was ingested by one of these already.

        Returns
        -------
        Extent or None
            None where nothing was added.
        """
        with self.lock:
            if any(self.has_tag(table, INGEST_BY + each) for each in if_not_exists):
                return None
            return self._write(table, rows, tuple(tags))

    def rows(self, table: str) -> pa.Table:
        """Return all rows of a table; a column that came later is null before."""
        target = schema(self.table(table).columns)
        parts = [_widened(pq.read_table(extent.path), target) for extent in self.extents(table)]
        return pa.concat_tables(parts) if parts else target.empty_table()

    def clear(self, table: str) -> None:
        """Drop all rows of a table."""
        with self.lock:
            for extent in self._extents.pop(table, {}).values():
                extent.path.unlink()

    def fail(self, told: dict[str, Any]) -> None:
        """Keep what could not be ingested, and why."""
        with self.lock, (self._folder / _FAILURES).open("a", encoding="utf-8") as file:
            file.write(json.dumps(told) + "\n")

    def failures(self) -> list[dict[str, Any]]:
        """Return what could not be ingested, oldest first; a line that a killed process tore is left out."""
        file = self._folder / _FAILURES
        found = []
        for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
        return found

    def save(self) -> None:
        """Write the catalog."""
        with self.lock:
            tree = {
                "tables": {name: asdict(each) for name, each in self.tables.items()},
                "views": {name: asdict(each) for name, each in self.views.items()},
                "functions": {name: asdict(each) for name, each in self.functions.items()},
            }
            draft = self._folder / f".{_CATALOG}.tmp"
            with draft.open("w", encoding="utf-8") as file:
                json.dump(tree, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._folder / _CATALOG)

    def _write(self, table: str, rows: pa.Table, tags: tuple[str, ...]) -> Extent:
        extent_id, created_at = str(uuid.uuid4()), utc_now()
        folder = self._folder / "extents" / table
        folder.mkdir(exist_ok=True)
        told = {"tags": tags, "created_at": created_at.isoformat()}
        draft, path = folder / f".{extent_id}.tmp", folder / f"{extent_id}.parquet"
        with draft.open("wb") as file:
            pq.write_table(rows.replace_schema_metadata({_META: json.dumps(told)}), file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        extent = Extent(extent_id, table, tags, created_at, rows.num_rows, path)
        self._extents.setdefault(table, {})[extent_id] = extent
        return extent

    def _read(self) -> None:
        catalog = self._folder / _CATALOG
        if catalog.exists():
            tree = json.loads(catalog.read_text(encoding="utf-8"))
            self.tables = {name: StoredTable(**each) for name, each in tree["tables"].items()}
            self.views = {name: StoredView(**each) for name, each in tree["views"].items()}
            self.functions = {name: StoredFunction(**each) for name, each in tree["functions"].items()}
        for draft in self._folder.glob("extents/*/.*.tmp"):
            draft.unlink()
        for path in self._folder.glob("extents/*/*.parquet"):
            extent = _extent(path)
            self._extents.setdefault(extent.table, {})[extent.extent_id] = extent


def _extent(path: Path) -> Extent:
    footer = pq.read_metadata(path)
    told = json.loads(footer.metadata[_META])
    created_at = dt.datetime.fromisoformat(told["created_at"])
    return Extent(path.stem, path.parent.name, tuple(told["tags"]), created_at, footer.num_rows, path)


def _widened(rows: pa.Table, target: pa.Schema) -> pa.Table:
    columns = [
        rows.column(each.name) if each.name in rows.column_names else pa.nulls(rows.num_rows, each.type)
        for each in target
    ]
    return pa.Table.from_arrays(columns, schema=target)


def _locked(folder: Path) -> Any:
    """An open file that no other process has locked."""
    import fcntl  # noqa: PLC0415 - there is none on Windows, where nothing else of the package needs it

    file = (folder / _LOCK).open("w", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as fault:
        file.close()
        raise SettingsError(
            f"The folder {folder} is in use",
            why="another stand-in runs on it",
            remedy="choose another folder",
        ) from fault
    return file
