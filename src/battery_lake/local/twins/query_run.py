"""The query language: answers, page by page."""

from __future__ import annotations

import base64
import binascii
import hashlib
import operator
from typing import TYPE_CHECKING, Any, Final

import orjson

from battery_lake.local.twins.errors import ServiceError
from battery_lake.local.twins.query_parse import ids_of, model_of, of_model, parse
from battery_lake.local.twins.query_text import Call, Literal, Query, Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from battery_lake.local.twins.models import Models
    from battery_lake.local.twins.query_text import Hop
    from battery_lake.local.twins.store import Store

PAGE: Final = 1_000
MISSING: Final = object()
ORDERED: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip

COMPARED: Final = frozenset({*ORDERED, "=", "!=", "IN", "NIN"})
TEXT: Final[dict[str, Callable[[str, str], bool]]] = {
    "STARTSWITH": str.startswith, "ENDSWITH": str.endswith, "CONTAINS": str.__contains__,
}  # fmt: skip
KINDS: Final = {
    "IS_STRING": {"string"}, "IS_NUMBER": {"number"}, "IS_BOOL": {"bool"}, "IS_NULL": {"null"},
    "IS_OBJECT": {"object"}, "IS_PRIMITIVE": {"string", "number", "bool", "null"},
}  # fmt: skip
LOGICAL: Final[dict[str, Callable[[list[Any]], Any]]] = {
    "AND": lambda values: all(value is True for value in values),
    "OR": lambda values: any(value is True for value in values),
    "NOT": lambda values: not values[0] if isinstance(values[0], bool) else MISSING,
}

Row = dict[str, Any]


class Queries:
    """Answers queries.

    Parameters
    ----------
    store
        What is asked.
    models
        Tell which model inherits from which.
    """

    page_items: Final = PAGE

    def __init__(self, store: Store, models: Models) -> None:
        self._store, self._models = store, models

    def page(self, text: str, token: str | None, limit: int = PAGE) -> tuple[list[Any], str | None]:
        """Answer one page.

        Parameters
        ----------
        text
            The query.
        token
            Where the page before ended; None: from the beginning.
        limit
            Items on a page at most.

        Returns
        -------
        tuple
            The items, and where the next page begins; None after the last.

        Raises
        ------
        ServiceError
            The query is none, or the token is of another.
        """
        query = parse(text)
        begin, skip, given = _opened(token, text)
        if query.counts:
            return [{"COUNT": sum(1 for _ in self._rows(query, 0))}], None
        items: list[Any] = []
        left = PAGE * PAGE if query.top is None else query.top - given
        limit = max(1, min(limit, PAGE))
        place, within = begin, skip
        for seq, row in self._rows(query, begin):
            if seq == begin and skip > 0:
                skip -= 1
                continue
            if len(items) == min(limit, left):
                more = left > len(items)
                return items, _sealed(text, place, within, given + len(items)) if more else None
            items.append(_selected(query, row))
            place, within = seq, within + 1 if seq == place else 1
        return items, None

    def _rows(self, query: Query, begin: int) -> Iterator[tuple[int, Row]]:
        """Every row that meets the condition, with the place of its first document."""
        for seq, document in self._first(query, max(begin - 1, 0)):
            rows: Iterator[Row] = iter([{query.alias: document}])
            for join in query.joins:
                rows = self._joined(rows, join.source, join.twin, join.name, join.relationship)
            for number, hop in enumerate(query.hops):
                before = query.alias if number == 0 else query.hops[number - 1].twin
                rows = self._hopped(rows, before, hop)
            for row in rows:
                if query.where is None or self._holds(query.where, row) is True:
                    yield seq, row

    def _first(self, query: Query, after: int) -> Iterator[tuple[int, Any]]:
        """The documents of the first collection, no more of them than the condition needs."""
        if query.collection == "RELATIONSHIPS":
            return self._store.relationships(after)
        demanded = model_of(query.where, query.alias)
        models = None
        if demanded is not None:
            model, exact = demanded
            models = [model] if exact else self._models.heirs(model)
        return self._store.twins(after, ids=ids_of(query.where, query.alias), models=models)

    def _joined(
        self, rows: Iterator[Row], source: str, twin: str, name: str, relationship: str
    ) -> Iterator[Row]:
        for row in rows:
            for _, found in self._store.relationships(source=row[source]["$dtId"], name=name):
                target = self._store.twin(found["$targetId"])
                yield {**row, twin: target, **({relationship: found} if relationship else {})}

    def _hopped(self, rows: Iterator[Row], before: str, hop: Hop) -> Iterator[Row]:
        for row in rows:
            for found, twin_id in self._reached(row[before]["$dtId"], hop):
                named = {hop.relationship: found} if hop.relationship else {}
                yield {**row, hop.twin: self._store.twin(twin_id), **named}

    def _reached(self, twin_id: str, hop: Hop) -> Iterator[tuple[Any, str]]:
        """The twins that a hop leads to, each once, with the last relationship on the way."""
        level: dict[str, Any] = {twin_id: None}
        met = {twin_id}
        for depth in range(1, hop.most + 1):
            steps = (step for source in level for step in self._steps(source, hop))
            following = {target: found for found, target in steps if target not in met}
            if depth >= hop.least:
                yield from ((found, target) for target, found in following.items())
            met |= following.keys()
            level = following

    def _steps(self, twin_id: str, hop: Hop) -> Iterator[tuple[Any, str]]:
        directions = []
        if hop.forward:
            directions.append((self._store.relationships(source=twin_id), "$targetId"))
        if hop.backward:
            directions.append((self._store.relationships(target=twin_id), "$sourceId"))
        for relationships, end in directions:
            for _, found in relationships:
                if not hop.names or found["$relationshipName"] in hop.names:
                    yield found, found[end]

    def _holds(self, condition: Any, row: Row) -> Any:
        """Whether a condition holds: true, false, or neither where a property is not set."""
        if isinstance(condition, Literal):
            return condition.value
        if isinstance(condition, Reference):
            return _value(condition, row)
        name, arguments = condition.name, condition.arguments
        if name == "IS_OF_MODEL":
            return self._is_of_model(condition, row)
        values = [self._holds(argument, row) for argument in arguments]
        if name in LOGICAL:
            return LOGICAL[name](values)
        return _compared(name, values) if name in COMPARED else _tested(name, values)

    def _is_of_model(self, condition: Call, row: Row) -> bool:
        model, exact, owner = of_model(condition.arguments)
        twin = row.get(owner) or next(iter(row.values()))
        own = twin["$metadata"]["$model"]
        return own == model if exact else self._models.is_of(own, model)


def _value(reference: Reference, row: Row) -> Any:
    """What a reference leads to; MISSING where it leads to nothing."""
    path = reference.path
    found: Any = row.get(path[0], MISSING) if path[0] in row else row.get("", MISSING)
    for part in path[1:] if path[0] in row else path:
        if not isinstance(found, dict) or part not in found:
            return MISSING
        found = found[part]
    return found


def _selected(query: Query, row: Row) -> Any:
    if not query.columns:
        return row[query.alias]
    found = {name: _value(reference, row) for reference, name in query.columns}
    return {name: value for name, value in found.items() if value is not MISSING}


def _compared(name: str, values: list[Any]) -> Any:
    """A comparison; what is not set, or of another type, compares with nothing."""
    left, right = values[0], values[1:]
    if left is MISSING or MISSING in right:
        return MISSING
    if name in ORDERED:
        sortable = _kind(left) == _kind(right[0]) and _kind(left) in {"string", "number"}
        return sortable and ORDERED[name](left, right[0])
    found = any(_same(left, value) for value in right)
    return found if name in {"=", "IN"} else not found


def _same(left: Any, right: Any) -> bool:
    return _kind(left) == _kind(right) and bool(left == right)


def _kind(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else "bool"
    kinds = {int: "number", float: "number", str: "string", dict: "object", list: "array"}
    return kinds.get(type(value), "")


def _tested(name: str, values: list[Any]) -> Any:
    """A function of the language."""
    first = values[0]
    if name == "IS_DEFINED":
        return first is not MISSING
    if first is MISSING:
        return MISSING
    if name in TEXT:
        is_text = all(isinstance(value, str) for value in values)
        return TEXT[name](first, values[1]) if is_text else MISSING
    if name == "ARRAY_CONTAINS":
        return isinstance(first, list) and values[1] in first
    return _kind(first) in KINDS[name]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _sealed(text: str, place: int, within: int, given: int) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([_digest(text), place, within, given])).decode()


def _opened(token: str | None, text: str) -> tuple[int, int, int]:
    if not token:
        return 0, 0, 0
    try:
        digest, place, within, given = orjson.loads(base64.urlsafe_b64decode(token))
    except (ValueError, TypeError, binascii.Error):
        digest, place, within, given = "", 0, 0, 0
    if digest != _digest(text):
        raise ServiceError(400, "BadRequest", "The continuation token is invalid.")
    return place, within, given
