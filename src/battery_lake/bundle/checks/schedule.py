"""When jobs start: Quartz expressions, time zones, and triggers that a kind of compute refuses."""

from __future__ import annotations

import re
import zoneinfo
from typing import TYPE_CHECKING, Final

from battery_lake.bundle.checks.look import line, maps, number, resources
from battery_lake.bundle.faults import Fault
from battery_lake.bundle.tree import Map, Mark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from battery_lake.bundle.load import Bundle

MONTHS: Final = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()  # noqa: SIM905
DAYS: Final = "SUN MON TUE WED THU FRI SAT".split()  # noqa: SIM905
FIELDS: Final = (
    ("seconds", 0, 59, ()), ("minutes", 0, 59, ()), ("hours", 0, 23, ()), ("day of month", 1, 31, ()),
    ("month", 1, 12, MONTHS), ("day of week", 1, 7, DAYS), ("year", 1970, 2099, ()),
)  # fmt: skip
"""Fields of a Quartz expression with their range."""

LEAST_S: Final = 60
"""Least seconds that a trigger on tables may wait."""


def triggers(bundle: Bundle) -> Iterator[Fault]:
    """Schedules and triggers of every job."""
    for name, job in resources(bundle, "jobs"):
        ways = [way for way in ("schedule", "continuous", "trigger") if way in job]
        if len(ways) > 1:
            yield _fault(line(job, ways[1]), f"{name} has {' and '.join(ways)}", "keep one way to start it")
        if isinstance(job.get("schedule"), Map):
            yield from _schedule(job["schedule"])
        if isinstance(job.get("trigger"), Map):
            yield from _trigger(job["trigger"])
        if "continuous" in job:
            yield from _continuous(name, job)


def _schedule(schedule: Map) -> Iterator[Fault]:
    expression = str(schedule.get("quartz_cron_expression", ""))
    why = quartz_fault(expression)
    if why:
        mark = line(schedule, "quartz_cron_expression")
        yield _fault(mark, f"{expression!r} is no Quartz expression: {why}", "write 0 0 3 * * ?, say")
    zone = str(schedule.get("timezone_id", "UTC"))
    if zone not in zoneinfo.available_timezones():
        yield _fault(
            line(schedule, "timezone_id"), f"there is no time zone {zone}", "write UTC, or Europe/Paris, say"
        )


def quartz_fault(expression: str) -> str:
    """Return what is wrong with a Quartz expression, nothing if it is right.

    References
    ----------
    Quartz Scheduler 2.3, Cron Trigger Tutorial: six or seven fields, a question mark in one of the days.
    """
    words = expression.upper().split()
    if len(words) not in {6, 7}:
        return f"{len(words)} fields, not 6 or 7; the first is for seconds"
    if (words[3] == "?") == (words[5] == "?"):
        return "one of day of month and day of week is ?, the other is not"
    for word, (name, least, most, spelt) in zip(words, FIELDS, strict=False):
        if word in {"*", "?"}:
            if word == "?" and not name.startswith("day"):
                return f"{name} cannot be ?"
            continue
        for part in word.split(","):
            if not _part(part, name, (least, most), list(spelt)):
                return f"{name} cannot be {part}"
    return ""


def _part(part: str, name: str, limits: tuple[int, int], spelt: list[str]) -> bool:
    if name == "day of month" and re.fullmatch(r"L(-\d{1,2})?W?|([1-9]|[12]\d|3[01])W", part):
        return True
    if name == "day of week" and re.fullmatch(r"L|([1-7]|[A-Z]{3})(L|#[1-5])", part):
        return part[:3] in spelt or not part[:3].isalpha() or part == "L"
    span, _, step = part.partition("/")
    if step and not (step.isdigit() and int(step) > 0):
        return False
    ends = span.split("-")
    if len(ends) > 2 or (span == "*" and not step):  # noqa: PLR2004 - a span has two ends
        return False
    return all(end == "*" or _within(end, limits, spelt) for end in ends)


def _within(word: str, limits: tuple[int, int], spelt: list[str]) -> bool:
    return word in spelt or (word.isdigit() and limits[0] <= int(word) <= limits[1])


def _trigger(trigger: Map) -> Iterator[Fault]:
    ways = [key for key in ("table_update", "file_arrival", "periodic", "model") if key in trigger]
    if len(ways) != 1:
        yield _fault(
            trigger.mark,
            f"a trigger has one cause, this one {len(ways)}",
            "table_update or file_arrival, say",
        )
    update = trigger.get("table_update")
    for key in ("min_time_between_triggers_seconds", "wait_after_last_change_seconds"):
        if isinstance(update, Map) and key in update and number(update, key) < LEAST_S:
            yield _fault(line(update, key), f"{key} is {update[key]}", f"at least {LEAST_S}")


def _continuous(name: str, job: Map) -> Iterator[Fault]:
    """What a job that never ends cannot have, by the documentation of continuous jobs."""
    for task in maps(job, "tasks"):
        if "environment_key" in task:
            what = f"{name} is continuous, and serverless compute only takes what is there and ends"
            yield _fault(line(task, "environment_key"), what, "give it a schedule, or classic compute")
        for key in ("max_retries", "depends_on", "timeout_seconds"):
            if task.get(key):
                yield _fault(
                    line(task, key), f"{name} is continuous: {key} has no place there", "take it out"
                )
    if job.get("timeout_seconds"):
        yield _fault(
            line(job, "timeout_seconds"), f"{name} is continuous and never done", "take the time-out out"
        )
    if number(job, "max_concurrent_runs", 1) > 1:
        yield _fault(
            line(job, "max_concurrent_runs"), f"{name} is continuous and would run twice", "set it to 1"
        )


def _fault(mark: Mark, what: str, remedy: str) -> Fault:
    return Fault(mark, what, remedy, "schedule")
