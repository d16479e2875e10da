"""Bad data planted in each layer is found, once, and does not leave the lake."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from battery_lake.errors import QualityError
from battery_lake.lake.create import ensure
from battery_lake.lake.versions import identity, latest_version, rows_between
from battery_lake.pipelines.model import Silent
from battery_lake.pipelines.quality import QUALITY, held_back, validate
from battery_lake.quality.gate import released, released_until

_SPEC = importlib.util.spec_from_file_location(
    "planted", Path(__file__).parents[1] / "quality" / "planted.py"
)
planted = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(planted)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake

pytestmark = pytest.mark.filterwarnings("ignore")

PLANTED = {
    "bronze.telemetry": "key_repeated",
    "silver.telemetry": "soc_range",
    "silver.quarantine": "reason_missing",
    "ops.batch": "unaccounted",
    "gold.session": "ends_before_start",
    "gold.cell_life": "quantiles_crossed",
}
"""A table of each layer, and what is wrong with what is planted there."""


@pytest.fixture
def plant(lake: Lake, frame: Callable[..., DataFrame]) -> Callable[..., None]:
    """Append a row to a table, past everything that would refuse it."""

    def appended(name: str, *changes: dict[str, Any]) -> None:
        ensure(lake, (name,))
        rows = [planted.AS_IT_SHOULD_BE[name] | change for change in changes]
        lake.save(name, frame(name, rows).write.format("delta").mode("append"))

    return appended


def found(outcome: Any) -> dict[str, tuple[int, set[str]]]:
    return {c.suite: (c.rows, {f.code for f in c.findings if not f.passed}) for c in outcome.checked}


def test_what_is_planted_in_each_layer_is_found_in_the_new_rows_only(lake: Lake, plant: Any) -> None:
    for name in PLANTED:
        plant(name, {})
    assert found(validate(lake, Silent())) == {
        **{name: (1, set()) for name in PLANTED},
        "ops.batch.fresh": (1, {"silence"}),
    }
    for name, code in PLANTED.items():
        other = {"sequence_number": 2, "pack_id": "P2", "cell_id": "P2/1/1", "batch_id": 2}
        own = {key: value for key, value in other.items() if key in planted.AS_IT_SHOULD_BE[name]}
        bad = own | planted.BROKEN[name][code]
        plant(name, planted.BROKEN[name][code] if code == "key_repeated" else bad)
    names = tuple(PLANTED)
    with pytest.raises(QualityError, match=r"6 expectations failed") as fault:
        QUALITY.run(lake)
    assert fault.value.exit_code == 5
    assert "ops.batch: unaccounted, 1 of 1" in str(fault.value)
    assert {name for name, _, _ in held_back(lake)} == set(PLANTED)
    assert found(validate(lake, Silent(), names)) == {"ops.batch.fresh": (2, {"silence"})}
    rows = lake.read("gold.data_quality").where("NOT passed AND severity = 'critical'").collect()
    assert {(r.table_name, r.rule_code, r.failed) for r in rows} == {
        (name, code, 2 if code == "key_repeated" else 1) for name, code in PLANTED.items()
    }


def test_a_batch_that_failed_stays_until_the_whole_table_passes(lake: Lake, plant: Any) -> None:
    name = "gold.cell_life"
    cell = {"cell_id": "P2/1/1"}

    def leaving() -> set[str]:
        last = latest_version(lake, name)
        changed = rows_between(lake, name, 0, last)
        quality = lake.read("gold.data_quality")
        of_table = name, identity(lake, name)
        return {row.cell_id for row in released(changed, quality, *of_table).collect()}

    plant(name, cell | {"rul_days_p05": -1.0})
    validate(lake, Silent(), (name,))
    plant(name, {})
    assert leaving() == set()  # what has failed waits, and what has not been checked
    assert [table for table, _, _ in held_back(lake)] == [name]
    validate(lake, Silent(), (name,))
    assert leaving() == {"P1/1/1"}
    lake.spark.sql(f"UPDATE {lake.identifier(name)} SET rul_days_p05 = 1 WHERE cell_id = 'P2/1/1'")
    validate(lake, Silent(), (name,))
    assert leaving() == {"P1/1/1", "P2/1/1"}  # as it was written anew
    validate(lake, Silent(), (name,), whole=True)
    assert held_back(lake) == []


def test_versions_that_only_took_rows_away_may_leave_and_a_table_made_anew_is_checked_anew(
    lake: Lake, plant: Any
) -> None:
    name = "gold.cell_life"

    def until() -> int:
        return released_until(lake.read("gold.data_quality"), name, identity(lake, name))

    plant(name, {}, {"cell_id": "P2/1/1"})
    validate(lake, Silent(), (name,))
    lake.spark.sql(f"DELETE FROM {lake.identifier(name)} WHERE cell_id = 'P2/1/1'")
    assert validate(lake, Silent(), (name,)).checked == ()
    assert until() == latest_version(lake, name) == 2
    plant(name, {"rul_days_p05": -1.0, "cell_id": "P3/1/1"})
    validate(lake, Silent(), (name,))
    assert held_back(lake) == [(name, 3, 3)]

    shutil.rmtree(lake.path(name))
    plant(name, {})
    assert (until(), held_back(lake)) == (-1, [])
    assert found(validate(lake, Silent(), (name,))) == {name: (1, set())}
    assert until() == latest_version(lake, name) == 1


def test_rules_that_messages_broke_stand_beside_what_tables_broke(lake: Lake, plant: Any) -> None:
    plant("ops.batch", {"broken": {"clock": 1, "soc_range": 3}})
    validate(lake, Silent(), ("ops.batch",))
    rows = lake.read("gold.data_quality").where("table_name = 'silver.message'").collect()
    assert {(r.rule_code, r.severity, r.checked, r.failed, r.batch_id) for r in rows} == {
        ("clock", "critical", 100, 1, "refine g 1"),
        ("soc_range", "warning", 100, 3, "refine g 1"),
    }
