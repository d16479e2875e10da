"""What has to change in a twin: one JSON Patch, or nothing."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

Twin = dict[str, Any]
Operation = dict[str, Any]

SYSTEM: Final = frozenset({"$dtId", "$etag", "$metadata"})


def patch_of(
    wanted: Mapping[str, Any],
    model: str,
    twin: Twin,
    guard: str,
    dead_bands: Mapping[str, float],
) -> list[Operation]:
    """Return the operations that turn a twin into what is wanted, in one patch.

    ``add`` sets a property whether it was set or not; what is wanted empty is removed where it is set.
    Properties that are not among the wanted ones belong to somebody else and are left alone.

    Parameters
    ----------
    wanted
        Value by property; None: not set.
    model
        Interface that the twin should be of.
    twin
        As the service has it.
    guard
        Property that says how new the values are; it alone is a reason for a patch only where it is not set.
    dead_bands
        Change of a property that is no reason for a patch either. By property, in its unit; of an instant in
        seconds.

    Examples
    --------
    >>> patch_of({"a": 1.0, "b": None}, "m", {"b": 2, "$metadata": {"$model": "m"}}, "v", {})
    [{'op': 'add', 'path': '/a', 'value': 1.0}, {'op': 'remove', 'path': '/b'}]
    """
    operations: list[Operation] = []
    reasons = 0
    if twin["$metadata"]["$model"] != model:
        operations.append({"op": "replace", "path": "/$metadata/$model", "value": model})
        reasons += 1
    for name, value in wanted.items():
        if value is None and name not in twin:
            continue
        if value is None:
            operations.append({"op": "remove", "path": f"/{name}"})
        elif name not in twin or not _same(value, twin[name]):
            operations.append({"op": "add", "path": f"/{name}", "value": value})
        else:
            continue
        is_guard = name == guard and guard in twin
        reasons += not is_guard and not _is_small(value, twin.get(name), dead_bands.get(name, 0.0))
    return operations if reasons else []


def is_older(wanted: Mapping[str, Any], twin: Mapping[str, Any], order: tuple[str, ...]) -> bool:
    """Tell whether a twin holds something newer than what is wanted.

    Parameters
    ----------
    wanted, twin
        Values by property.
    order
        Properties that say how new the values are, the one that counts most first.
    """
    for name in order:
        mine, theirs = wanted.get(name), twin.get(name)
        if mine is None or theirs is None or mine == theirs:
            continue
        return bool(mine < theirs)
    return False


def body_of(wanted: Mapping[str, Any], model: str) -> Twin:
    """Return a new twin's body."""
    values = {name: value for name, value in wanted.items() if value is not None}
    return {"$metadata": {"$model": model}, **values}


def _same(mine: Any, theirs: Any) -> bool:
    """Whether two values are one: JSON tells true from 1, but not 1 from 1.0."""
    return isinstance(mine, bool) == isinstance(theirs, bool) and bool(mine == theirs)


def _is_small(mine: Any, theirs: Any, band: float) -> bool:
    if not band > 0:
        return False
    values = [_measure(value) for value in (mine, theirs)]
    numbers = [value for value in values if value is not None]
    return len(numbers) == 2 and abs(numbers[0] - numbers[1]) < band  # noqa: PLR2004 - both


def _measure(value: Any) -> float | None:
    """A number, or an instant in seconds; None: nothing that has a distance."""
    if isinstance(value, str):
        try:
            return dt.datetime.fromisoformat(value).timestamp()
        except ValueError:
            return None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
