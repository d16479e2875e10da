"""Text files that are there whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_whole(file: Path, text: str) -> None:
    """Write a file, or replace it; killed in between, what was there stays. Folders above it are made.

    Parameters
    ----------
    file
        The file; its draft stands beside it, hidden, and the next write takes its place.
    text
        What it holds.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.tmp")
    draft.write_text(text, encoding="utf-8")
    draft.replace(file)
