"""A table may leave up to the version before the first that is not known to be good."""

import datetime as dt

from battery_lake.quality.gate import released_until

AT = dt.datetime(2026, 3, 2)  # noqa: DTZ001 - Spark takes UTC without a zone

CASES = {
    "nothing": ([], -1),
    "whole": ([(0, 3, True), (4, 9, True)], 9),
    "gap": ([(0, 3, True), (5, 9, True)], 3),
    "late_start": ([(1, 9, True)], -1),
    "failed": ([(0, 3, True), (4, 6, False), (7, 9, True)], 3),
    "mended": ([(0, 3, True), (4, 6, False), (7, 9, True), (0, 9, True)], 9),
    "nested": ([(0, 9, True), (2, 3, True), (10, 11, True)], 11),
    "anew": ([(0, 9, True, "another"), (0, 1, True)], 1),
    "before_identities_were_kept": ([(0, 3, True, None), (4, 6, True)], 6),
}


def test_versions_leave_up_to_the_first_gap(frame):
    rows = [
        {
            "table_name": name, "rule_code": "r", "batch_id": f"{first} to {last}", "from_version": first,
            "to_version": last, "table_id": table_id[0] if table_id else "this", "passed": passed,
            "severity": "critical", "checked_at": AT,
        }
        for name, (ranges, _) in CASES.items()
        for first, last, passed, *table_id in ranges
    ]  # fmt: skip
    found = frame("gold.data_quality", rows)
    assert {name: released_until(found, name, "this") for name in CASES} == {
        n: until for n, (_, until) in CASES.items()
    }
