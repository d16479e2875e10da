"""Ids of twins: from any key, without loss, in characters that the service takes."""

from __future__ import annotations

import hashlib
import re
from typing import Final

from battery_lake.sinks.twins.limits import MAX_ID

_KEPT: Final = re.compile(r"[A-Za-z0-9_-]")
_DIGEST: Final = 32


def twin_id(kind: str, key: str) -> str:
    """Return the id of a twin.

    Letters, digits, ``_`` and ``-`` stay, ``/`` becomes ``.``, and every other byte is written as ``=`` and
    two hexadecimal digits, so that different keys give different ids. What is too long ends in a digest.

    Parameters
    ----------
    kind
        ``pack`` say: keeps a vehicle and a pack of the same name apart.
    key
        The thing's own id.

    Examples
    --------
    >>> twin_id("cell", "P00017/03/07"), twin_id("vehicle", "O'Hara; DROP")
    ('cell-P00017.03.07', 'vehicle-O=27Hara=3B=20DROP')
    """
    return shortened(f"{kind}-{''.join(map(_escaped, key))}")


def relationship_id(name: str, target: str) -> str:
    """Return the id of a twin's relationship to another twin."""
    return shortened(f"{name}-{target}")


def shortened(text: str) -> str:
    """Return an id that is short enough, its end replaced by a digest where it is not."""
    if len(text) <= MAX_ID:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:_DIGEST]
    return f"{text[: MAX_ID - _DIGEST - 2]}=h{digest}"


def _escaped(character: str) -> str:
    if _KEPT.fullmatch(character):
        return character
    return "." if character == "/" else "".join(f"={byte:02X}" for byte in character.encode())
