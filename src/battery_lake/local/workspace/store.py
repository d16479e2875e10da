"""Documents by kind and id, in one SQLite file."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

import orjson

from battery_lake.local.sqlite_file import opened

if TYPE_CHECKING:
    from pathlib import Path

FILE: Final = "workspace.sqlite"
TABLES: Final = """
    CREATE TABLE IF NOT EXISTS documents (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, id TEXT NOT NULL, body BLOB NOT NULL,
        UNIQUE (kind, id));
    CREATE TABLE IF NOT EXISTS numbers (last INTEGER NOT NULL);
    INSERT INTO numbers SELECT 1000 WHERE NOT EXISTS (SELECT 1 FROM numbers);
"""

Document = dict[str, Any]


class Store:
    """Documents in the order in which they came; for several threads.

    Parameters
    ----------
    folder
        Holds the file.

    Raises
    ------
    SettingsError
        Another process uses the folder.
    """

    def __init__(self, folder: Path) -> None:
        self._lock = threading.RLock()
        self._db = opened(folder, FILE, TABLES)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def number(self) -> int:
        """Return a number that no job, run or object has had."""
        with self._lock:
            return int(self._db.execute("UPDATE numbers SET last = last + 1 RETURNING last").fetchone()[0])

    def get(self, kind: str, item: str) -> Document | None:
        """Return a document."""
        with self._lock:
            row = self._db.execute(
                "SELECT body FROM documents WHERE kind = ? AND id = ?", (kind, item)
            ).fetchone()
        return None if row is None else orjson.loads(row[0])

    def put(self, kind: str, item: str, body: Document) -> None:
        """Add or replace a document."""
        with self._lock:
            self._db.execute(
                "INSERT INTO documents (kind, id, body) VALUES (?, ?, ?)"
                " ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
                (kind, item, orjson.dumps(body)),
            )

    def delete(self, kind: str, item: str) -> bool:
        """Delete a document; tell whether it was there."""
        with self._lock:
            return (
                self._db.execute("DELETE FROM documents WHERE kind = ? AND id = ?", (kind, item)).rowcount > 0
            )

    def all(self, kind: str) -> list[Document]:
        """Return all documents of a kind."""
        with self._lock:
            rows = self._db.execute(
                "SELECT body FROM documents WHERE kind = ? ORDER BY seq", (kind,)
            ).fetchall()
        return [orjson.loads(row[0]) for row in rows]
