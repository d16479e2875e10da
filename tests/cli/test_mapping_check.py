"""What ``mapping check`` tells of sample messages before any stream reads them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def _message(number: int, **fields: Any) -> str:
    body = {
        "schema_version": 1, "vehicle_id": "V1", "pack_id": "P1", "measured_at": "2026-03-02T08:00:00Z",
        "sequence": number, "state": "parked", "current_a": 0.0, "pack_voltage_v": 7.4, "soc_pct": 50.0,
        "cell_voltages_v": [3.7, 3.7], "temperatures_c": [20.0],
    }  # fmt: skip
    return json.dumps(body | fields)


def test_every_sample_says_why_it_is_refused_or_flagged(run: Callable[..., Any], elsewhere: Path) -> None:
    sample = elsewhere / "sample.jsonl"
    lines = [
        _message(1),
        _message(2, pack_id=None),
        _message(3, cell_voltages_v=[3.7, 5.7]),  # out of range
        _message(4, cell_voltages_v=[3.7]),  # another message tells of two cells
        _message(5, pack_voltage_v=9.9),  # not the sum of the cells
    ]
    sample.write_text("\n".join(lines))
    outcome = run("--set", f"home={elsewhere}", "mapping", "check", "canonical_v1", sample, "--json")
    assert outcome.code == 3, outcome.err
    told = [({r["code"] for r in m["reasons"]}, set(m["flags"])) for m in outcome.json]
    assert told == [
        (set(), set()),
        ({"missing_key"}, set()),
        (set(), {"cell_voltage_range"}),
        ({"cell_count"}, set()),
        (set(), {"string_voltage"}),
    ]
