"""One SQLite file in which a stand-in keeps what it has answered for: it survives the end of the process."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from battery_lake.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path


def opened(folder: Path, name: str, tables: str) -> sqlite3.Connection:
    """Open the file for this process alone, for any of its threads; make what is missing.

    Parameters
    ----------
    folder
        Holds the file; made if it is not there.
    name
        Of the file.
    tables
        SQL that makes the tables.

    Raises
    ------
    SettingsError
        Another process uses the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Not only the thread that opens it uses it.
    connection = sqlite3.connect(folder / name, isolation_level=None, check_same_thread=False, timeout=1.0)
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(tables)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("COMMIT")
    except sqlite3.OperationalError as fault:
        connection.close()
        raise SettingsError(
            f"the stand-in's folder {folder} cannot be used",
            why=str(fault),
            remedy="stop the other process that uses it, or choose another folder",
        ) from fault
    return connection
