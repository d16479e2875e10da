"""The query language: reading a query."""

from __future__ import annotations

import re
from typing import Any, Final

from battery_lake.local.twins.query_text import (
    COMPARISONS,
    FUNCTIONS,
    MAX_IN,
    MAX_JOINS,
    MAX_LOGICAL,
    RESERVED,
    Call,
    Hop,
    Join,
    Literal,
    Query,
    Reference,
    Tokens,
)

MOST_HOPS: Final = 10
TWO_ARGUMENTS: Final = frozenset({"STARTSWITH", "ENDSWITH", "CONTAINS", "ARRAY_CONTAINS"})
_ESCAPED: Final = re.compile(r"\\(.)")


def parse(text: str) -> Query:
    """Read a query.

    Parameters
    ----------
    text
        ``SELECT ... FROM ...``

    Raises
    ------
    ServiceError
        It is not of the language, or of the part that is understood here.
    """
    tokens = Tokens(text)
    query = Query()
    tokens.expect("SELECT")
    _select(tokens, query)
    tokens.expect("FROM")
    query.collection = tokens.accept("DIGITALTWINS", "RELATIONSHIPS")
    if not query.collection:
        raise tokens.wrong("the collection must be DIGITALTWINS or RELATIONSHIPS")
    if tokens.accept("MATCH"):
        _match(tokens, query)
    else:
        if tokens.kind == "name" and tokens.next.upper() not in RESERVED:
            query.alias = tokens.take()
        query.joins = tuple(_joins(tokens))
    if tokens.accept("WHERE"):
        query.where = _Conditions(tokens).any_of()
    if tokens.next:
        raise tokens.wrong(f"mismatched input '{tokens.next}' expecting <EOF>")
    _check(tokens, query)
    return query


def ids_of(condition: Any, variable: str) -> list[str] | None:
    """Return the ids that a condition leaves for a variable's twin, or None where it leaves any.

    Parameters
    ----------
    condition
        Of the query.
    variable
        Empty where the collection has none.
    """
    wanted = (*([variable] if variable else ()), "$dtId")
    match condition:
        case Call("=", (Reference(path), Literal(value))) | Call("=", (Literal(value), Reference(path))):
            return [value] if path == wanted else None
        case Call("IN", (Reference(path), *values)) if path == wanted:
            return [value.value for value in values]
        case Call("AND", (left, right)):
            found = ids_of(left, variable)
            return ids_of(right, variable) if found is None else found
    return None


def model_of(condition: Any, variable: str) -> tuple[str, bool] | None:
    """Return the model that a condition demands of a variable's twin, and whether no heir will do."""
    match condition:
        case Call("IS_OF_MODEL", arguments):
            model, exact, owner = of_model(arguments)
            return (model, exact) if owner in {"", variable} else None
        case Call("AND", (left, right)):
            return model_of(left, variable) or model_of(right, variable)
    return None


def of_model(arguments: tuple[Any, ...]) -> tuple[str, bool, str]:
    """Return what IS_OF_MODEL asks: the model, whether no heir will do, and of which variable."""
    rest = list(arguments)
    owner = rest.pop(0).path[0] if isinstance(rest[0], Reference) and rest[0].path != ("exact",) else ""
    model = rest.pop(0).value
    return model, bool(rest), owner


def _select(tokens: Tokens, query: Query) -> None:
    if tokens.accept("TOP"):
        tokens.expect("(")
        query.top = tokens.number()
        tokens.expect(")")
    if tokens.accept("*"):
        return
    if tokens.accept("COUNT"):
        tokens.expect("(")
        tokens.expect(")")
        query.counts = True
        return
    columns = []
    while True:
        reference = _reference(tokens)
        name = tokens.name() if tokens.accept("AS") else reference.path[-1]
        columns.append((reference, name))
        if not tokens.accept(","):
            break
    query.columns = tuple(columns)


def _joins(tokens: Tokens) -> list[Join]:
    joins = []
    while tokens.accept("JOIN"):
        twin = tokens.name()
        tokens.expect("RELATED")
        source = tokens.name()
        tokens.expect(".")
        name = tokens.name()
        named = tokens.kind == "name" and tokens.next.upper() not in RESERVED
        joins.append(Join(twin, source, name, tokens.take() if named else ""))
    return joins


def _match(tokens: Tokens, query: Query) -> None:
    """``(a)-[r:name|other*1..3]->(b)``, as often as wanted."""
    query.alias = _twin(tokens)
    hops = []
    while backward := tokens.accept("<-", "-"):
        hops.append(_hop(tokens, from_right=backward == "<-"))
    query.hops = tuple(hops)


def _twin(tokens: Tokens) -> str:
    tokens.expect("(")
    name = tokens.name()
    tokens.expect(")")
    return name


def _hop(tokens: Tokens, *, from_right: bool) -> Hop:
    variable, names, least, most = "", [], 1, 1
    tokens.expect("[")
    if tokens.kind == "name":
        variable = tokens.take()
    if tokens.accept(":"):
        names = [tokens.name()]
        while tokens.accept("|"):
            names.append(tokens.name())
    if tokens.accept("*"):
        least, most = _times(tokens)
    tokens.expect("]")
    to_right = tokens.accept("->", "-") == "->"
    if variable and most > 1:
        raise tokens.wrong("a relationship of several hops cannot have a variable")
    either = from_right == to_right
    return Hop(variable, tuple(names), least, most, to_right or either, from_right or either, _twin(tokens))


def _times(tokens: Tokens) -> tuple[int, int]:
    """``3``, ``1..3`` or ``..3``; nothing is any number of hops."""
    least = tokens.number() if tokens.next.isdigit() else 1
    if tokens.accept(".."):
        return least, tokens.number()
    return least, least if least > 1 else MOST_HOPS


def _reference(tokens: Tokens) -> Reference:
    path = [tokens.name()]
    while tokens.accept("."):
        path.append(tokens.name())
    return Reference(tuple(path))


def _literal(tokens: Tokens) -> Literal | None:
    if tokens.kind == "string":
        return Literal(_ESCAPED.sub(r"\1", tokens.take()[1:-1]))
    if tokens.kind == "number":
        word = tokens.take()
        return Literal(float(word) if re.search(r"[.eE]", word) else int(word))
    word = tokens.accept("TRUE", "FALSE", "NULL")
    return Literal({"TRUE": True, "FALSE": False, "NULL": None}[word]) if word else None


class _Conditions:
    """Reads a condition; OR binds less than AND, AND less than NOT."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._logical = 0

    def any_of(self) -> Any:
        return self._chain("OR", lambda: self._chain("AND", self._negated))

    def _chain(self, word: str, part: Any) -> Any:
        left = part()
        while self._tokens.accept(word):
            self._logical += 1
            if self._logical > MAX_LOGICAL:
                raise self._tokens.wrong(f"more than {MAX_LOGICAL} AND / OR expressions")
            left = Call(word, (left, part()))
        return left

    def _negated(self) -> Any:
        if self._tokens.accept("NOT"):
            return Call("NOT", (self._negated(),))
        if self._tokens.accept("("):
            inner = self.any_of()
            self._tokens.expect(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Any:
        tokens, left = self._tokens, self._operand()
        if tokens.next in COMPARISONS:
            sign = tokens.take()
            return Call("!=" if sign == "<>" else sign, (left, self._operand()))
        if word := tokens.accept("IN", "NIN"):
            return Call(word, (left, *self._listed()))
        if tokens.accept("NOT"):
            tokens.expect("IN")
            return Call("NIN", (left, *self._listed()))
        if isinstance(left, Literal):
            raise tokens.wrong(f"mismatched input '{tokens.next or '<EOF>'}' expecting a comparison")
        return left

    def _listed(self) -> list[Literal]:
        tokens, values = self._tokens, []
        tokens.expect("[")
        while not tokens.accept("]"):
            value = _literal(tokens)
            if value is None:
                raise tokens.wrong("IN takes a list of literals")
            values.append(value)
            tokens.accept(",")
        if len(values) > MAX_IN:
            raise tokens.wrong(f"more than {MAX_IN} items in an IN clause")
        return values

    def _operand(self) -> Any:
        tokens = self._tokens
        literal = _literal(tokens)
        if literal is not None:
            return literal
        if tokens.next.upper() not in FUNCTIONS:
            return _reference(tokens)
        name = tokens.take().upper()
        tokens.expect("(")
        arguments = []
        while not tokens.accept(")"):
            arguments.append(_literal(tokens) or _reference(tokens))
            tokens.accept(",")
        texts = [a for a in arguments if isinstance(a, Literal) and isinstance(a.value, str)]
        if len(arguments) < (2 if name in TWO_ARGUMENTS else 1) or (
            name == "IS_OF_MODEL" and len(texts) != 1
        ):
            raise tokens.wrong(f"{name} has other arguments")
        return Call(name, tuple(arguments))


def _check(tokens: Tokens, query: Query) -> None:
    """What the grammar allows and the service does not."""
    if len(query.joins) > MAX_JOINS:
        raise tokens.wrong(f"more than {MAX_JOINS} JOINs")
    if query.joins and not query.alias:
        raise tokens.wrong("JOIN needs a name for the first collection")
    if (query.joins or query.hops) and not query.columns and not query.counts:
        raise tokens.wrong("SELECT * cannot be used with JOIN or MATCH: name what is selected")
    if query.collection == "RELATIONSHIPS" and (query.joins or query.hops):
        raise tokens.wrong("RELATIONSHIPS cannot be joined")
    twins = [query.alias, *(hop.twin for hop in query.hops)]
    if query.hops and all(ids_of(query.where, name) is None for name in twins):
        raise tokens.wrong("MATCH needs a condition on the $dtId of one of its twins")
