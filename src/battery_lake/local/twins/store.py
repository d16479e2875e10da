"""What the stand-in keeps: one SQLite file; an answered request survives the end of the process."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import orjson

from battery_lake.local.sqlite_file import opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE: Final = "twins.sqlite"
TABLES: Final = """
    CREATE TABLE IF NOT EXISTS models (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, uploaded TEXT NOT NULL,
        decommissioned INTEGER NOT NULL DEFAULT 0, body BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS twins (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, model TEXT NOT NULL,
        body BLOB NOT NULL);
    CREATE INDEX IF NOT EXISTS twins_model ON twins (model, seq);
    CREATE TABLE IF NOT EXISTS relationships (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL,
        target TEXT NOT NULL, body BLOB NOT NULL, UNIQUE (source, id));
    CREATE INDEX IF NOT EXISTS relationships_target ON relationships (target);
    CREATE TABLE IF NOT EXISTS others (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, id TEXT NOT NULL, body BLOB NOT NULL,
        UNIQUE (kind, id));
"""

Document = dict[str, Any]


class Store:
    """Documents by key, in the order in which they came.

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
        self._db = opened(folder, FILE, TABLES)

    @contextmanager
    def change(self) -> Iterator[None]:
        """Do all of a request's writes, or none."""
        self._db.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    # --- models --------------------------------------------------------------------------------------

    def model(self, model_id: str) -> tuple[str, bool, Document] | None:
        """Return upload time, whether it is decommissioned, and the definition."""
        row = self._db.execute(
            "SELECT uploaded, decommissioned, body FROM models WHERE id = ?", (model_id,)
        ).fetchone()
        return None if row is None else (row[0], bool(row[1]), orjson.loads(row[2]))

    def models(self, after: int, limit: int) -> list[tuple[int, str]]:
        """Return place and id of the next models."""
        return self._db.execute(
            "SELECT seq, id FROM models WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit)
        ).fetchall()

    def model_ids(self) -> list[str]:
        """Return the ids of all models."""
        return [row[0] for row in self._db.execute("SELECT id FROM models ORDER BY seq")]

    def add_model(self, model_id: str, uploaded: str, body: Document) -> None:
        """Add a model."""
        self._db.execute(
            "INSERT INTO models (id, uploaded, body) VALUES (?, ?, ?)",
            (model_id, uploaded, orjson.dumps(body)),
        )

    def decommission(self, model_id: str, decommissioned: bool) -> None:
        """Mark a model."""
        self._db.execute("UPDATE models SET decommissioned = ? WHERE id = ?", (decommissioned, model_id))

    def delete_model(self, model_id: str) -> None:
        """Delete a model."""
        self._db.execute("DELETE FROM models WHERE id = ?", (model_id,))

    # --- twins ---------------------------------------------------------------------------------------

    def twin(self, twin_id: str) -> Document | None:
        """Return a twin."""
        row = self._db.execute("SELECT body FROM twins WHERE id = ?", (twin_id,)).fetchone()
        return None if row is None else orjson.loads(row[0])

    def has_twin(self, twin_id: str) -> bool:
        """Tell whether there is such a twin."""
        return self._db.execute("SELECT 1 FROM twins WHERE id = ?", (twin_id,)).fetchone() is not None

    def twins(
        self, after: int = 0, *, ids: list[str] | None = None, models: list[str] | None = None
    ) -> Iterator[tuple[int, Document]]:
        """Go through twins in their order.

        Parameters
        ----------
        after
            Place after which to begin.
        ids, models
            Only these; None: all.
        """
        where, values = ["seq > ?"], [after, *(ids or ()), *(models or ())]
        for column, chosen in (("id", ids), ("model", models)):
            if chosen is not None:
                where.append(f"{column} IN ({', '.join('?' * len(chosen))})")
        cursor = self._db.execute(
            f"SELECT seq, body FROM twins WHERE {' AND '.join(where)} ORDER BY seq", values
        )
        for seq, body in cursor:
            yield seq, orjson.loads(body)

    def put_twin(self, twin_id: str, model: str, body: Document) -> None:
        """Add or replace a twin."""
        self._db.execute(
            "INSERT INTO twins (id, model, body) VALUES (?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET model = excluded.model, body = excluded.body",
            (twin_id, model, orjson.dumps(body)),
        )

    def delete_twin(self, twin_id: str) -> None:
        """Delete a twin."""
        self._db.execute("DELETE FROM twins WHERE id = ?", (twin_id,))

    # --- relationships -------------------------------------------------------------------------------

    def relationship(self, source: str, relationship_id: str) -> Document | None:
        """Return a relationship."""
        row = self._db.execute(
            "SELECT body FROM relationships WHERE source = ? AND id = ?", (source, relationship_id)
        ).fetchone()
        return None if row is None else orjson.loads(row[0])

    def relationships(
        self, after: int = 0, *, limit: int = -1, **where: str
    ) -> Iterator[tuple[int, Document]]:
        """Go through relationships in their order.

        Parameters
        ----------
        after
            Place after which to begin.
        limit
            So many at most; -1: all.
        **where
            Values of ``source``, ``target`` or ``name``.
        """
        conditions = "".join(f" AND {column} = ?" for column in where)
        cursor = self._db.execute(
            f"SELECT seq, body FROM relationships WHERE seq > ?{conditions} ORDER BY seq LIMIT ?",
            (after, *where.values(), limit),
        )
        for seq, body in cursor:
            yield seq, orjson.loads(body)

    def put_relationship(self, body: Document) -> None:
        """Add or replace a relationship."""
        names = ("$sourceId", "$relationshipId", "$relationshipName", "$targetId")
        self._db.execute(
            "INSERT INTO relationships (source, id, name, target, body) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (source, id) DO UPDATE SET"
            " name = excluded.name, target = excluded.target, body = excluded.body",
            (*(body[name] for name in names), orjson.dumps(body)),
        )

    def delete_relationship(self, source: str, relationship_id: str) -> None:
        """Delete a relationship."""
        self._db.execute("DELETE FROM relationships WHERE source = ? AND id = ?", (source, relationship_id))

    # --- routes and jobs -----------------------------------------------------------------------------

    def other(self, kind: str, item_id: str) -> Document | None:
        """Return a route or a job."""
        row = self._db.execute(
            "SELECT body FROM others WHERE kind = ? AND id = ?", (kind, item_id)
        ).fetchone()
        return None if row is None else orjson.loads(row[0])

    def others(self, kind: str, after: int = 0, limit: int = -1) -> list[tuple[int, Document]]:
        """Return the next routes or jobs, with their places."""
        rows = self._db.execute(
            "SELECT seq, body FROM others WHERE kind = ? AND seq > ? ORDER BY seq LIMIT ?",
            (kind, after, limit),
        )
        return [(seq, orjson.loads(body)) for seq, body in rows]

    def put_other(self, kind: str, item_id: str, body: Document) -> None:
        """Add or replace a route or a job."""
        self._db.execute(
            "INSERT INTO others (kind, id, body) VALUES (?, ?, ?)"
            " ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
            (kind, item_id, orjson.dumps(body)),
        )

    def delete_other(self, kind: str, item_id: str) -> None:
        """Delete a route or a job."""
        self._db.execute("DELETE FROM others WHERE kind = ? AND id = ?", (kind, item_id))

    def clear(self) -> None:
        """Delete relationships, twins and models."""
        for name in ("relationships", "twins", "models"):
            self._db.execute(f"DELETE FROM {name}")
