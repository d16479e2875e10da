"""How far a table has been pushed, and what is on its way: files that outlive a killed run.

Rows are written down once, in files with fixed names. A run that ends between sending and remembering finds
the same files again, sends them under the same tags, and the service takes none of them twice.
"""

from __future__ import annotations

import json
import shutil
import uuid
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_COMPLETE: Final = "complete"
_STATE: Final = "state.json"
_REFUSED: Final = "refused"
_STAGED: Final = "staged"


@dataclass(frozen=True, slots=True)
class State:
    """How far a table has been pushed.

    Parameters
    ----------
    table_id
        Identity of the table: another one has versions of its own.
    version
        The last version that was pushed.
    """

    table_id: str
    version: int


@dataclass(frozen=True, slots=True)
class Staged:
    """Rows on their way.

    Parameters
    ----------
    folder
        Where they are.
    label
        Names them within their table; the same for the same rows.
    """

    folder: Path
    label: str

    @property
    def files(self) -> list[Path]:
        """The files, in an order that stays."""
        return sorted(self.folder.glob("*.parquet"))

    def drop(self) -> None:
        """Forget them."""
        shutil.rmtree(self.folder, ignore_errors=True)


class Progress:
    """What is remembered of a table.

    Parameters
    ----------
    folder
        Where.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def state(self) -> State | None:
        """Return how far the table has been pushed; None: not at all."""
        file = self._folder / _STATE
        return State(**json.loads(file.read_text(encoding="utf-8"))) if file.exists() else None

    def remember(self, state: State) -> None:
        """Set how far the table has been pushed."""
        self._folder.mkdir(parents=True, exist_ok=True)
        draft = self._folder / f".{uuid.uuid4().hex}.tmp"
        draft.write_text(json.dumps(asdict(state)), encoding="utf-8")
        draft.replace(self._folder / _STATE)

    def forget(self) -> None:
        """Begin anew: nothing has been pushed, nothing is on its way."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def waiting(self, table_id: str) -> list[Staged]:
        """Return what a run before left, complete; what it did not finish to write is dropped.

        That was not sent: sending begins when all is written. Rows of a table that was there before are
        dropped too.

        Parameters
        ----------
        table_id
            Identity of the table.
        """
        found = []
        for folder in sorted((self._folder / _STAGED).glob("*")):
            staged, marker = Staged(folder, folder.name), folder / _COMPLETE
            if marker.exists() and marker.read_text(encoding="utf-8") == table_id:
                found.append(staged)
            else:
                staged.drop()
        return found

    def stage(self, label: str, table_id: str, write: Callable[[str], None]) -> Staged:
        """Write rows down.

        Parameters
        ----------
        label
            Names them.
        table_id
            Identity of the table that they are of.
        write
            Writes Parquet into the folder that it is given.
        """
        folder = self._folder / _STAGED / label
        write(str(folder))
        draft = folder / f"{_COMPLETE}.tmp"
        draft.write_text(table_id, encoding="utf-8")
        draft.replace(folder / _COMPLETE)
        return Staged(folder, label)

    def refuse(self, file: Path, tag: str) -> Path:
        """Set a file aside that the service refuses; return where it is now."""
        folder = self._folder / _REFUSED
        folder.mkdir(parents=True, exist_ok=True)
        return file.rename(folder / f"{tag}.parquet")

    def refused(self) -> list[Path]:
        """Return the files that were set aside; each is named by its tag."""
        return sorted((self._folder / _REFUSED).glob("*.parquet"))
