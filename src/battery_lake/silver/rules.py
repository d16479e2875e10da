"""What the rules say of a message: why it is refused, which signals are blanked, what is flagged.

The rules themselves stand in ``expectations/silver.message.json``. Each is a condition on the facts of a
message (:mod:`battery_lake.silver.facts`); all of them are worked out in the pass that writes the message.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from pyspark.sql import functions as F

from battery_lake.silver.facts import Limits

if TYPE_CHECKING:
    from pyspark.sql import Column

    from battery_lake.silver.decode import Reading

Severity = Literal["critical", "warning", "info"]
MOST_RULES: Final = 62
"""Each rule has a bit of a whole number of its own."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition that a message may break.

    Parameters
    ----------
    code
        Machine-readable, for ever.
    meaning
        One sentence for the reader.
    severity
        ``critical`` refuses the message, ``warning`` blanks its signals or flags it, ``info`` is counted.
    broken
        SQL that is true where the rule is broken; never null.
    detail
        SQL of the text that says what was found.
    blanks
        Signals that are set to null where the rule is broken.
    items_between
        Columns of the least and the most that an item of a list may be; the list is kept, the items go.
    """

    code: str
    meaning: str
    severity: Severity
    broken: str
    detail: str
    blanks: tuple[str, ...] = ()
    items_between: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class RuleParams:
    """How bodies are read and what is asked of messages.

    Parameters
    ----------
    reading
        How bodies are read.
    rules
        In the order in which reasons and flags are listed.
    clock_skew_s
        How far a device's clock may run ahead. [s]
    limits
        What cells of each chemistry can show.
    """

    reading: Reading
    rules: tuple[Rule, ...]
    clock_skew_s: float = 300.0
    limits: Limits = field(default_factory=Limits)

    def of(self, *severities: Severity) -> tuple[Rule, ...]:
        """Return the rules of some severities."""
        return tuple(rule for rule in self.rules if rule.severity in severities)

    def bit(self, rule: Rule) -> int:
        """Return the bit that stands for a rule in the column ``broken``."""
        return 1 << self.rules.index(rule)


def broken(params: RuleParams) -> Column:
    """Return the rules that a message breaks, as the bits of a whole number."""
    bits = (f"if({rule.broken}, {params.bit(rule)}L, 0L)" for rule in params.rules)
    return F.expr(" + ".join(bits))


def breaks(params: RuleParams, *rules: Rule) -> str:
    """Return SQL that is true where a message breaks any of the rules."""
    return f"(broken & {sum(params.bit(rule) for rule in rules)}L) != 0"


def is_refused(params: RuleParams) -> Column:
    """Return whether a message breaks a rule that refuses."""
    return F.expr(breaks(params, *params.of("critical")))


def reasons(params: RuleParams) -> Column:
    """Return the array of code and detail of every rule that refuses a message."""
    listed = (
        F.when(
            F.expr(breaks(params, rule)),
            F.struct(F.lit(rule.code).alias("code"), F.expr(rule.detail).cast("string").alias("detail")),
        )
        for rule in params.of("critical")
    )
    return F.array_compact(F.array(*listed))


def blanked(params: RuleParams) -> dict[str, Column]:
    """Return the signals with impossible values taken out, and ``flags`` that say so.

    Of a list only the impossible items are set to null; it is rebuilt only where there is one.
    """
    warnings = params.of("warning")
    signals = {name for rule in warnings for name in rule.blanks}
    columns = {
        name: _kept(name, [rule for rule in warnings if name in rule.blanks], params) for name in signals
    }
    listed = ", ".join(f"if({breaks(params, rule)}, '{rule.code}', null)" for rule in warnings)
    flags = f"if({breaks(params, *warnings)}, array_compact(array({listed})), cast(array() AS array<string>))"
    return {**columns, "flags": F.expr(flags)}


def _kept(name: str, rules: list[Rule], params: RuleParams) -> Column:
    sql = name
    for rule in rules:
        instead = "null"
        if rule.items_between:
            low, high = rule.items_between
            instead = f"transform({sql}, x -> if(x >= {low} AND x <= {high}, x, null))"
        sql = f"if({breaks(params, rule)}, {instead}, {sql})"
    return F.expr(sql)


def counted(params: RuleParams) -> list[Column]:
    """Return how many messages break each rule, for an observation; named by code."""
    return [F.count_if(F.expr(breaks(params, rule))).alias(rule.code) for rule in params.rules]
