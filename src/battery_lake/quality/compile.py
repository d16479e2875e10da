"""Row-level expectations to Spark SQL, with the meaning that Great Expectations gives them on Spark.

A null passes everything but the expectation that there is none, as everywhere in Great Expectations; NaN is
larger than every number, as everywhere in Spark.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from battery_lake.errors import SuiteError
from battery_lake.quality.suites import PARAMETER
from battery_lake.silver.rules import MOST_RULES, Rule, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from battery_lake.quality.suites import Expectation, Suite


def rules_of(suite: Suite, parameters: Mapping[str, float]) -> tuple[Rule, ...]:
    """Compile every expectation of a suite.

    Parameters
    ----------
    suite
        With row-level expectations only.
    parameters
        Values of the settings that it names.

    Raises
    ------
    SuiteError
        An expectation is not row-level, has an argument that is not understood, or names no parameter.
    """
    if len(suite.expectations) > MOST_RULES:
        raise SuiteError(
            f"{suite.name} has too many rules", why=f"{len(suite.expectations)}, at most {MOST_RULES}"
        )
    rules = tuple(rule_of(expectation, parameters) for expectation in suite.expectations)
    twice = {rule.code for rule in rules if sum(other.code == rule.code for other in rules) > 1}
    if twice:
        raise SuiteError(f"{suite.name} has two rules with the code {twice.pop()}")
    return rules


def rule_of(expectation: Expectation, parameters: Mapping[str, float]) -> Rule:
    """Compile one expectation."""
    meta = expectation.meta
    items = meta.get("items_between")
    severity: Severity = expectation.severity  # type: ignore[assignment]  # checked when it was read
    return Rule(
        code=meta["code"],
        meaning=meta["why"],
        severity=severity,
        broken=unexpected(expectation, parameters),
        detail=meta.get("detail", quoted(expectation.kwargs["column"])),
        blanks=tuple(meta.get("blanks", ())),
        items_between=(items[0], items[1]) if items else None,
    )


def unexpected(expectation: Expectation, parameters: Mapping[str, float]) -> str:
    """Return SQL that is true for a row that breaks the expectation; never null.

    Raises
    ------
    SuiteError
        The expectation cannot be worked out row by row.
    """
    kwargs = {name: _resolved(value, parameters, expectation) for name, value in expectation.kwargs.items()}
    compiler = _COMPILERS.get(expectation.type)
    if compiler is None:
        raise _refused(expectation, f"row by row there are {', '.join(_COMPILERS)}")
    column = quoted(kwargs.pop("column"))
    condition = kwargs.pop("row_condition", None)
    if kwargs.pop("condition_parser", "spark") != "spark":
        raise _refused(expectation, "row conditions are Spark SQL: condition_parser is spark")
    try:
        broken = compiler(column, **kwargs)
    except TypeError as fault:
        raise _refused(expectation, str(fault)) from fault
    return f"(coalesce({condition}, false) AND {broken})" if condition else broken


def quoted(name: str) -> str:
    """Return a column's name as SQL reads it."""
    return f"`{name}`"


def value(given: Any) -> str:
    """Return a value as SQL writes it."""
    if isinstance(given, bool):
        return str(given).lower()
    if isinstance(given, int):
        return str(given)
    if isinstance(given, float):
        return f"{given!r}D" if math.isfinite(given) else f"double('{given}')"
    return "'" + str(given).replace("\\", "\\\\").replace("'", "\\'") + "'"


def _between(
    column: str, *, min_value: Any = None, max_value: Any = None, strict_min: bool = False,
    strict_max: bool = False,
) -> str:  # fmt: skip
    parts = []
    if min_value is not None:
        parts.append(f"{column} {'>' if strict_min else '>='} {value(min_value)}")
    if max_value is not None:
        parts.append(f"{column} {'<' if strict_max else '<='} {value(max_value)}")
    if not parts:
        raise TypeError("between needs min_value or max_value")
    return f"({column} IS NOT NULL AND NOT ({' AND '.join(parts)}))"


def _null(column: str) -> str:
    return f"({column} IS NOT NULL)"


def _not_null(column: str) -> str:
    return f"({column} IS NULL)"


def _in_set(column: str, *, value_set: list[Any]) -> str:
    return f"({column} IS NOT NULL AND NOT ({column} IN ({', '.join(map(value, value_set))})))"


def _not_in_set(column: str, *, value_set: list[Any]) -> str:
    return f"({column} IS NOT NULL AND {column} IN ({', '.join(map(value, value_set))}))"


def _regex(column: str, *, regex: str) -> str:
    return f"({column} IS NOT NULL AND NOT ({column} RLIKE {value(regex)}))"


_COMPILERS: Final[dict[str, Callable[..., str]]] = {
    "expect_column_values_to_be_between": _between,
    "expect_column_values_to_be_null": _null,
    "expect_column_values_to_not_be_null": _not_null,
    "expect_column_values_to_be_in_set": _in_set,
    "expect_column_values_to_not_be_in_set": _not_in_set,
    "expect_column_values_to_match_regex": _regex,
}
"""The row-level expectations that are understood."""


def _resolved(given: Any, parameters: Mapping[str, float], expectation: Expectation) -> Any:
    if not (isinstance(given, dict) and PARAMETER in given):
        return given
    name = given[PARAMETER]
    if name not in parameters:
        raise _refused(expectation, f"there is no parameter {name}, only {', '.join(parameters)}")
    return parameters[name]


def _refused(expectation: Expectation, why: str) -> SuiteError:
    code = expectation.meta.get("code", "")
    return SuiteError(f"{expectation.type} ({code}) cannot be a rule", why=why, remedy="mend the suite")
