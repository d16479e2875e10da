"""A vehicle forgotten: as if it had never sent anything, also after more messages of the others."""

import copy

import pyarrow.dataset as ds
import pytest

from battery_lake.lake.create import exists
from battery_lake.pipelines.forget import NO_VEHICLE, Whose, condition, digest, forget
from battery_lake.pipelines.model import Silent
from battery_lake.pipelines.reference import load_reference
from battery_lake.pipelines.registry import TO_GOLD
from battery_lake.serving.purge import purges
from battery_lake.tables.registry import TABLES

pytestmark = pytest.mark.timeout(2400)  # three lakes from their first message

JOBS = (*TO_GOLD, "kpis")
MOVED_AT = "2026-03-03T02:00:00Z"
PLACES = ("hub", "partition_id", "sequence_number")
COUNTED = {"gold.message_daily", "gold.data_quality"}
"""Counts of messages and of checks: they name no vehicle, and stay."""
COMPARED = [
    name for name in TABLES if name.split(".")[0] in {"silver", "gold", "reference"} and name not in COUNTED
]

OF_PACKS = ("silver.telemetry", "gold.session", "gold.cell_health", "gold.cell_current", "gold.pack_health")


class Stops:
    """Breaks a run off after so many steps, each of which is committed."""

    def __init__(self, steps):
        self.left = steps

    def batch(self, pipeline, _batch_id, _rows):
        self.left -= 1
        if not self.left:
            raise InterruptedError(pipeline)


def lines_of(made_pack, landing_line):
    """V1 carries A, and C for its first day; V2 carries B; V3 carries C from its second day on."""
    a, b, c = (
        made_pack(name, vehicle, capacities).day()
        for name, vehicle, capacities in (
            ("A", "V1", (48.0, 44.5)), ("B", "V2", (46.0, 45.0)), ("C", "V1", (49.0, 47.5)),
        )
    )  # fmt: skip
    first = {"A": copy.copy(a.messages), "B": copy.copy(b.messages), "C": copy.copy(c.messages)}
    c.vehicle_id = "V3"
    later = {pack.pack_id: pack.day().messages[len(first[pack.pack_id]) :] for pack in (a, b, c)}
    last = {pack.pack_id: pack.day().messages[-len(later[pack.pack_id]) :] for pack in (b, c)}
    c.vehicle_id = "V1"  # as the reference data begins
    told = [
        first["A"] + later["A"] + first["C"],  # what V1 sent
        first["B"] + later["B"] + later["C"],
        last["B"] + last["C"],
    ]
    return (a, b, c), [[landing_line(message) for message in messages] for messages in told]


@pytest.fixture(scope="module")
def lakes(made_lake, made_pack, landing_line, tmp_path_factory):
    """A lake that V1 has been forgotten in, and one that never heard of it; the day after, in both."""
    packs, (of_v1, others, day_after) = lines_of(made_pack, landing_line)
    lake = made_lake(tmp_path_factory.mktemp("forget"), packs)
    reference = tmp_path_factory.mktemp("reference")
    for name in ("packs.csv", "line.json"):
        source = lake.lake.settings.home.parent / "reference" / name
        (reference / name).write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    rows = [
        "pack_id,vehicle_id,valid_from,valid_to",
        f"C,V3,{MOVED_AT},",
        "B,V2,2020-01-01T00:00:00Z,",
        f"C,V1,2020-01-01T00:00:00Z,{MOVED_AT}",
        "A,V1,2020-01-01T00:00:00Z,",
    ]
    (reference / "pack_assignment.csv").write_text("\n".join(rows), encoding="utf-8")
    load_reference(lake.lake, reference)
    lake.deliver(of_v1, ())
    lake.deliver(others, JOBS)

    (reference / "pack_assignment.csv").write_text("\n".join(rows[:3]), encoding="utf-8")
    packs_csv = (reference / "packs.csv").read_text(encoding="utf-8").splitlines()
    without = [line for line in packs_csv if not line.startswith("A,")]
    (reference / "packs.csv").write_text("\n".join(without), encoding="utf-8")
    folder = tmp_path_factory.mktemp("never")
    never = made_lake(folder, packs[1:2])
    load_reference(never.lake, reference)
    never.files = 1
    never.deliver(others, ())
    never.deliver(day_after, JOBS)
    return lake, never, day_after


def held(lake, vehicle="V1", packs=("A",)):
    """Rows by table that still name a vehicle or a pack."""
    whose = Whose(vehicle, packs)
    found = {}
    for name, contract in TABLES.items():
        where = condition(contract, whose)
        count = lake.lake.read(name).where(where).count() if where and exists(lake.lake, name) else 0
        if count:
            found[name] = count
    return found


def test_a_forgotten_vehicle_is_gone_and_the_other_is_as_it_was(
    made_lake, made_pack, landing_line, tmp_path, spark
):
    packs = [made_pack("A", "V1", (48.0, 44.5)).day(), made_pack("B", "V2", (46.0, 45.0)).day()]
    lake = made_lake(tmp_path, packs)
    lake.deliver([landing_line(message) for pack in packs for message in pack.messages])
    kept = {name: [row for row in lake.rows(name) if row["pack_id"] == "B"] for name in OF_PACKS}
    assert all(kept.values())
    assert set(held(lake)) >= set(OF_PACKS)
    forget(lake.lake, "V1", Silent(), is_rehearsal=False)
    assert not held(lake)
    assert {name: lake.rows(name) for name in OF_PACKS} == kept
    physically_gone(lake, spark)


@pytest.mark.proof
def test_a_forgotten_vehicle_leaves_the_lake_as_if_it_had_never_been(lakes, spark):
    lake, never, day_after = lakes
    would = forget(lake.lake, "V1", Silent(), is_rehearsal=True)
    assert (would.whose.own, would.whose.shared) == (("A",), ("C",))
    assert held(lake, packs=("A", "C")) == would.rows | {"reference.packs": 2}
    versions = lake.versions()
    assert forget(lake.lake, "V1", Silent(), is_rehearsal=True).rows == would.rows
    assert lake.versions() == versions

    for steps in (2, 22):  # bronze and silver have gone; C is being told anew
        with pytest.raises(InterruptedError):
            forget(lake.lake, "V1", Stops(steps), is_rehearsal=False)
    told = forget(lake.lake, "V1", Silent(), is_rehearsal=False)
    assert (told.whose.own, told.whose.shared) == (("A",), ("C",))
    assert not held(lake)

    again = lake.versions()
    assert not forget(lake.lake, "V1", Silent(), is_rehearsal=False).rows
    assert lake.versions() == again

    (silver,) = lake.lake.read("ops.batch").where("pipeline = 'forget:silver.telemetry'").collect()
    assert (silver.generation, silver.rows_in) == (digest("V1"), would.rows["silver.telemetry"])

    results = lake.deliver(day_after, JOBS)
    assert results["refine"].counts.rows_in == results["refine"].counts.rows_kept == len(day_after)
    assert not held(lake)
    for name in (name for name in COMPARED if exists(never.lake, name)):
        without = set(PLACES) & set(TABLES[name].column_names)
        assert lake.rows(name, *without) == never.rows(name, *without), name

    physically_gone(lake, spark)


def physically_gone(lake, spark):
    """Once the retention has passed, no data file names the vehicle or its pack."""
    check = "spark.databricks.delta.retentionDurationCheck.enabled"
    spark.conf.set(check, "false")
    try:
        for name in (name for name in TABLES if exists(lake.lake, name)):
            spark.sql(f"VACUUM {lake.lake.identifier(name)} RETAIN 0 HOURS")
    finally:
        spark.conf.unset(check)
    for name, contract in TABLES.items():
        columns = sorted({"pack_id", "vehicle_id", "device_id"} & set(contract.column_names))
        files = [
            str(file)
            for file in (lake.lake.settings.home / "lake" / name.replace(".", "/")).rglob("*.parquet")
            if "_delta_log" not in file.parts
        ]
        if files and columns:
            rows = ds.dataset(files).to_table(columns=columns).to_pylist()
            assert not {"A", "V1"} & {value for row in rows for value in row.values()}, name
    assert not (lake.lake.settings.home / "checkpoints" / "scratch" / "forget.days").exists()


@pytest.mark.parametrize("name", TABLES)
def test_every_table_says_how_it_names_a_vehicle_or_that_it_does_not(name):
    assert bool(condition(TABLES[name], Whose("V1", ("A",), ("C",)))) == (name not in NO_VEHICLE)
    named = {"pack_id", "vehicle_id", "device_id", "item_key"} & set(TABLES[name].column_names)
    assert bool(named) == (name not in NO_VEHICLE)


def test_purges_name_the_vehicle_or_a_pack_that_it_alone_carried():
    names = ("session", "cell_health", "fleet_daily", "telemetry")
    told = purges("battery", names, 'V"1', ["A"])
    of = " records in database battery with (noregrets='true') <| where "
    assert f'.purge table session_change{of}vehicle_id == "V\\"1"' in told
    assert f'.purge materialized-view cell_health_latest{of}pack_id in ("A")' in told
    assert told[-1] == f'.purge table rest_voltage{of}pack_id in ("A")'
    assert len(told) == 7
    assert not any("pack_id" in command for command in purges("battery", names, "V1", []))
