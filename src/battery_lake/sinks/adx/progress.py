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
    from collections.abc import Callable, Sequence
    from pathlib import Path

LINES: Final = ".jsonl"
"""Ending of a file with lines of a stream."""
_COMPLETE: Final = "complete"
_STATE: Final = "state.json"
_REFUSED: Final = "refused"
_STAGED: Final = "staged"
_NOTHING: Final = -1


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


EMPTYING: Final = State("", _NOTHING)
"""The table is being emptied in Data Explorer: what was pushed before counts no more."""


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
        """Begin anew: nothing has been pushed, nothing is on its way, nothing was refused."""
        for each in self._folder.glob("*"):
            if each.is_dir():
                shutil.rmtree(each, ignore_errors=True)
            elif each.name != _STATE:
                each.unlink()
        # The state goes last: killed before, the next run still knows that the table is being emptied.
        (self._folder / _STATE).unlink(missing_ok=True)

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
        return file.rename(self._aside() / f"{tag}.parquet")

    def refuse_lines(self, lines: Sequence[str], tag: str) -> None:
        """Set lines of a stream aside that the service refuses."""
        draft = self._aside() / f"{tag}.tmp"
        draft.write_text("\n".join(lines), encoding="utf-8")
        draft.replace(self._aside() / f"{tag}{LINES}")

    def refused(self) -> dict[str, Path]:
        """Return the files that were set aside, by tag: Parquet, or lines of a stream."""
        found = [f for kind in ("*.parquet", f"*{LINES}") for f in (self._folder / _REFUSED).glob(kind)]
        return {file.stem: file for file in sorted(found)}

    def _aside(self) -> Path:
        folder = self._folder / _REFUSED
        folder.mkdir(parents=True, exist_ok=True)
        return folder
