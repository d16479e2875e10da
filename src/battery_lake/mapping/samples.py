"""Sample messages from a file: one body each, whatever form the file has."""

from __future__ import annotations

import csv
import gzip
import itertools
import json
from typing import TYPE_CHECKING, Any

from battery_lake.errors import SampleError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


def read_bodies(path: Path, limit: int) -> list[bytes]:
    """Return the bodies that a file of samples holds.

    Parameters
    ----------
    path
        ``.csv``: every row is an object with the header's names, empty values left out. ``.jsonl``, or
        ``.json`` with several lines that are JSON each: a body a line. Anything else: the file is one body.
        ``.gz`` behind ``.csv``, ``.json`` or ``.jsonl`` is unzipped first.
    limit
        At most so many.

    Raises
    ------
    SampleError
        The file cannot be read, or holds nothing.
    """
    name = path.name.removesuffix(".gz")
    try:
        content = path.read_bytes()
        if name != path.name and name.endswith((".csv", ".json", ".jsonl")):
            content = gzip.decompress(content)
    except (OSError, EOFError) as fault:
        raise SampleError(f"{path} cannot be read", why=str(fault)) from fault
    bodies = list(itertools.islice(_bodies(name, content), limit))
    if not bodies:
        raise SampleError(f"{path} holds no message", remedy="give a file with at least one")
    return bodies


def _bodies(name: str, content: bytes) -> Iterator[bytes]:
    if name.endswith(".csv"):
        rows = csv.DictReader(content.decode("utf-8-sig", "replace").splitlines())
        yield from (json.dumps(_typed(row)).encode() for row in rows)
        return
    lines = [line for line in content.splitlines() if line.strip()]
    if name.endswith(".jsonl") or (name.endswith(".json") and _each_is_json(lines)):
        yield from lines
    elif content:
        yield content


def _each_is_json(lines: Iterable[bytes]) -> bool:
    try:
        return all(isinstance(json.loads(line), dict | list) for line in lines)
    except ValueError:
        return False


def _typed(row: dict[str, Any]) -> dict[str, Any]:
    """A row of text as a program would send it: numbers as numbers, what is empty not at all."""
    return {key: _number(value) for key, value in row.items() if key and value}


def _number(text: str) -> float | int | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
