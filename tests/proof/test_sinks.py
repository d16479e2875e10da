"""Kill -9 of what pushes, and a storm of faults: twins equal gold, Data Explorer holds gold exactly once."""

from __future__ import annotations

import datetime as dt
import math
import os
import random
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from deltalake import DeltaTable

from battery_lake.errors import SetupError
from battery_lake.lake.access import Lake
from battery_lake.local.kusto import KustoStandIn
from battery_lake.local.twins import DigitalTwinsStandIn
from battery_lake.pipelines.registry import PIPELINES
from battery_lake.serving.explorer import PUSHED
from battery_lake.serving.kql import commands, scripts
from battery_lake.settings import load
from battery_lake.sinks.adx.client import ExplorerClient
from battery_lake.sinks.twins import ontology
from battery_lake.sinks.twins.client import Address, Graph
from battery_lake.sinks.twins.ids import twin_id
from battery_lake.tables.registry import table

from .made_gold import CELLS_A_MODULE, Fleet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pyspark.sql import SparkSession

SEED = int(os.environ.get("BATTERY_LAKE_PROOF_SEED", str(random.SystemRandom().randrange(1_000_000))))
KILLS = int(os.environ.get("BATTERY_LAKE_PROOF_KILLS", "50"))
TABLES = ("gold.cell_current", "gold.pack_health", "gold.alert", "gold.vehicle_status")
"""What is pushed to Data Explorer."""
WEAKEST = 8
STORM_FRAC = 0.05
STALL_S = 32.0
"""Longer than a client of Digital Twins waits for an answer."""


@dataclass(frozen=True)
class Size:
    """How many packs, cells of each and kills, and the share of packs that a day changes."""

    packs: int
    cells: int
    kills: int
    share_frac: float


SMALL = Size(3, 24, 2, 0.7)
PACKS = int(os.environ.get("BATTERY_LAKE_PROOF_PACKS", "2000"))
FULL = Size(PACKS, 96, KILLS, min(20 / PACKS, SMALL.share_frac))
SMALL_WORK_S = 6.0
"""About as long as a push of the small fleet takes after its first request."""
START_FRAC = 0.2
"""Share of kills that count from a push's start, and may come before its first request."""
LIVES_A_STALL, LIVES_A_DAY = 10, 8


@dataclass
class Sinks:
    """A lake, the two sinks that it is pushed to, and what pushes."""

    fleet: Fleet
    twins: DigitalTwinsStandIn
    explorer: KustoStandIn
    push: dict[str, Any]
    """A command for each sink."""
    settings: list[str]
    """What both have set."""
    graph: Graph = field(init=False)

    def __post_init__(self) -> None:
        certificate = str(self.twins.certificate)
        self.graph = Graph(Address(self.twins.endpoint, token=self.twins.token, certificate=certificate))

    def storm(self, share_frac: float) -> None:
        """Let a share of all requests of both services go wrong."""
        for faults in (self.twins.faults, self.explorer.faults):
            faults.storm(share_frac, SEED)

    def asked(self, name: str) -> int:
        """How many requests a sink has had."""
        return {"twins": self.twins, "adx": self.explorer}[name].faults.asked

    def stall(self) -> threading.Thread:
        """Let what is asked for in a moment from now hang longer than a client waits."""

        def wait() -> None:
            before = self.twins.faults.asked
            while self.twins.faults.asked == before:
                time.sleep(0.05)
            self.twins.faults.delay_s = STALL_S
            time.sleep(2.0)
            self.twins.faults.delay_s = 0.0

        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
        return thread


@pytest.fixture
def sinks(
    spark: SparkSession, tmp_path: Path, new_command: Callable[..., Any], size: Size
) -> Iterator[Sinks]:
    try:
        explorer = KustoStandIn(tmp_path / "explorer")
    except SetupError as fault:
        pytest.skip(f"needs Node and npm for Azurite: {fault}")
    assert explorer.azurite is not None
    blobs = explorer.azurite
    with explorer, DigitalTwinsStandIn(tmp_path / "twins", sign=blobs.signed) as twins:
        settings = {
            "twins.container": blobs.container("twins"),
            "twins.endpoint": twins.endpoint, "twins.token": twins.token, "twins.layout": "cells",
            "twins.certificate": twins.certificate, "twins.checked_only": "false",
            "twins.weakest_cells": WEAKEST, "adx.cluster": explorer.address, "adx.checked_only": "false",
            "adx.tables": ",".join(name.partition(".")[2] for name in TABLES),
        }  # fmt: skip
        listed = [f"{name}={value}" for name, value in settings.items()]
        flags = [part for each in listed for part in ("--set", each)]
        push = {"twins": new_command(*flags, "twins", "sync"), "adx": new_command(*flags, "adx", "push")}
        push["adx"].home = push["twins"].home
        listed.append(f"home={push['twins'].home}")
        lake = Lake(spark, load(listed, environment={})[0])
        with ExplorerClient(explorer.address, explorer.database) as client:
            for text in scripts().values():
                for command in commands(text):
                    client.manage(command)
        yield Sinks(Fleet(lake, size.packs, size.cells), twins, explorer, push, listed)


@pytest.mark.parametrize(
    "size",
    [SMALL, pytest.param(FULL, marks=[pytest.mark.proof, pytest.mark.timeout(6 * 3600)])],
    ids=["small", "full"],
)
def test_what_is_killed_and_stormed_ends_with_both_sinks_equal_to_gold(
    sinks: Sinks, tell: Callable[[str], None], size: Size
) -> None:
    tell(f"\nseed {SEED}; {size.packs} packs of {size.cells} cells")
    sinks.fleet.make()
    work_s = dict.fromkeys(sinks.push, SMALL_WORK_S)
    if size is FULL:
        load_command = replace(sinks.push["twins"], arguments=(*sinks.push["twins"].arguments[:-1], "load"))
        tell(f"twins load: {load_command.run():.0f} s")
        loaded = twins_of(sinks)
        tell(f"first pushes: {runs(sinks)} s")
        assert twins_of(sinks) == loaded, "what was loaded is not sent again: not one ETag differs"
        sinks.fleet.change(1, size.share_frac)
        pushed = runs(sinks)
        tell(f"pushes of a day's changes: {pushed} s")
        work_s = {name: seconds - sinks.push[name].since_s for name, seconds in pushed.items()}
    sinks.storm(STORM_FRAC)
    disturb(sinks, size, work_s, tell)
    before = finish(sinks, size, number=1_000)
    sinks.storm(0.0)
    assert met(sinks) > 0, "the storm met nobody"
    problems = [*twin_differences(sinks, before), *explorer_differences(sinks)]
    assert problems == [], f"seed {SEED}"
    assert finish(sinks, size) == before, "another push sends nothing: not one ETag differs"
    tell(f"{len(before)} twins and {len(TABLES)} tables of Data Explorer equal gold")


def runs(sinks: Sinks) -> dict[str, float]:
    """Let both push to the end; how long each took."""
    return {name: round(life(sinks, name) or 0.0, 1) for name in sinks.push}


def life(
    sinks: Sinks, name: str, kill_after_s: float = math.inf, *, from_start: bool = False
) -> float | None:
    """Let one push, at most so long after its first request, or after its start; None: it was killed."""
    before = sinks.asked(name)
    return sinks.push[name].run(kill_after_s, since=lambda: from_start or sinks.asked(name) > before)


def disturb(sinks: Sinks, size: Size, work_s: dict[str, float], tell: Callable[[str], None]) -> None:
    """Kill both pushes at random moments of their work, while gold goes on and some answers never come."""
    draw, number, lives, began = random.Random(SEED), 1, 0, time.monotonic()
    kills, is_pending = dict.fromkeys(sinks.push, 0), dict.fromkeys(sinks.push, size is SMALL)
    while sum(kills.values()) < size.kills:
        name = min(kills, key=lambda each: kills[each])
        if not is_pending[name] or (size is FULL and lives % LIVES_A_DAY == 0):
            number += 1
            sinks.fleet.change(number, size.share_frac)
            is_pending = dict.fromkeys(sinks.push, True)
        lives += 1
        assert lives < 4 * size.kills, f"seed {SEED}: {kills} only"
        from_start = draw.random() < START_FRAC
        is_stalled = size is FULL and name == "twins" and not from_start and lives % LIVES_A_STALL < 2
        stalled = [sinks.stall()] * is_stalled
        within_s = work_s[name] + from_start * sinks.push[name].since_s + is_stalled * STALL_S
        lived_s = life(sinks, name, draw.random() * within_s, from_start=from_start)
        for thread in stalled:
            thread.join()
        was_killed = lived_s is None
        if lived_s is not None and not from_start and not is_stalled:
            # What is left of a day takes less time than a whole one, and a machine is not always as busy.
            work_s[name] = (work_s[name] + lived_s - sinks.push[name].since_s) / 2
        kills[name] += was_killed
        is_pending[name] = was_killed
        if lives % 5 == 0 or sum(kills.values()) == size.kills:
            tell(f"seed {SEED}: {kills} killed in {lives} lives, {number} days, {met(sinks)} requests"
                 f" went wrong, {time.monotonic() - began:.0f} s")  # fmt: skip


def finish(sinks: Sinks, size: Size, number: int | None = None) -> dict[str, dict[str, Any]]:
    """Let both push what is left, in the small version without other processes; the twins there are."""
    if size is FULL:
        runs(sinks)
        return twins_of(sinks)
    settings = load(sinks.settings, environment={})[0]
    lake = Lake(sinks.fleet.lake.spark, settings)
    if number is not None:
        PIPELINES["push_twins"].run(lake)
        sinks.fleet.change(number, size.share_frac)
    for name in ("push_twins", "push_adx"):
        PIPELINES[name].run(lake)
    return twins_of(sinks)


def met(sinks: Sinks) -> int:
    """How many requests met a fault."""
    return sinks.twins.faults.met + sinks.explorer.faults.met


def gold(sinks: Sinks, name: str) -> list[dict[str, Any]]:
    """A table's rows, past Spark."""
    files = DeltaTable(sinks.fleet.lake.path(name)).file_uris()
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        # Files that a MERGE wrote may have Delta's own columns too.
        listed = ", ".join(f'"{column}"' for column in table(name).column_names)
        found = connection.sql(f"SELECT {listed} FROM read_parquet($1)", params=[files])
        rows: list[dict[str, Any]] = found.to_arrow_table().to_pylist()
    return rows


def twins_of(sinks: Sinks) -> dict[str, dict[str, Any]]:
    return {twin["$dtId"]: twin for twin in sinks.graph.query("SELECT * FROM DIGITALTWINS")}


def twin_differences(sinks: Sinks, twins: dict[str, dict[str, Any]]) -> list[str]:
    """Every property of every vehicle, pack and cell against its row of gold, and how many there are."""
    rows = {name: gold(sinks, name) for name in ("reference.packs", *TABLES)}
    newest: dict[str, dict[str, Any]] = {}
    for row in sorted(rows["gold.pack_health"], key=lambda row: row["as_of_date"]):
        newest[row["pack_id"]] = row
    of = {
        "vehicle": (ontology.VEHICLE_STATUS, "vehicle_id", rows["gold.vehicle_status"]),
        "reference": (ontology.PACK_REFERENCE, "pack_id", rows["reference.packs"]),
        "pack": (ontology.PACK_HEALTH, "pack_id", list(newest.values())),
        "cell": (ontology.CELL_CURRENT, "cell_id", rows["gold.cell_current"]),
    }
    found, checked = [], 0
    for kind, (source, key, wanted) in of.items():
        for row in wanted:
            twin = twins.get(twin_id(kind.replace("reference", "pack"), row[key]), {})
            for name in source.columns:
                checked += 1
                if twin.get(name) != told(row[name]):
                    found.append(f"{kind} {row[key]} {name}: {twin.get(name)!r}, gold {row[name]!r}")
    weakest = weakest_cells(rows["gold.cell_current"])
    found += [
        f"weakest cells of {pack}: {twins[twin_id('pack', pack)].get('weakest_cells')}, gold {cells}"
        for pack, cells in weakest.items()
        if twins[twin_id("pack", pack)].get("weakest_cells") != cells
    ]
    fleet = sinks.fleet
    a_pack = 6 + -(-fleet.cells // CELLS_A_MODULE) + fleet.cells
    related = next(iter(sinks.graph.query("SELECT COUNT() FROM RELATIONSHIPS")))["COUNT"]
    if (len(twins), related) != (a_pack * fleet.packs, 2 * (a_pack - 1) * fleet.packs):
        found.append(f"{len(twins)} twins and {related} relationships, a pack should have {a_pack}")
    assert checked > fleet.packs * fleet.cells * len(ontology.CELL_CURRENT.columns)
    return found[:20]


def weakest_cells(cells: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Worked out once more, in Python."""
    of_pack: dict[str, list[tuple[float, str, dict[str, Any]]]] = {}
    for cell in cells:
        if told(cell["soh_pct"]) is not None:
            _, module, place = cell["cell_id"].split("/")
            values = {name: told(cell[name]) for name in ontology.WEAKEST_COLUMNS}
            entry = {name: value for name, value in values.items() if value is not None}
            of_pack.setdefault(cell["pack_id"], []).append((cell["soh_pct"], f"m{module}_c{place}", entry))
    return {
        pack: {place: entry for _, place, entry in sorted(found, key=lambda each: each[:2])[:WEAKEST]}
        for pack, found in of_pack.items()
    }


def told(value: Any) -> Any:
    """A value as a twin has it: days and instants as text, nothing for what is no number."""
    if isinstance(value, dt.datetime):
        return f"{value:%Y-%m-%dT%H:%M:%S.%f}Z"
    if isinstance(value, dt.date):
        return value.isoformat()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def explorer_differences(sinks: Sinks) -> list[str]:
    """What the functions show against gold, key by key; and no change twice where files are queued."""
    found = []
    with ExplorerClient(sinks.explorer.address, sinks.explorer.database) as client:
        for name in TABLES:
            pushed = PUSHED[name]
            # JSON has no word for what is no number: a stream brings nothing for it.
            not_a_number = None if pushed.streaming else "NaN"
            shown = [comparable(row, not_a_number) for row in client.query(pushed.name)]
            held = [comparable(row, not_a_number) for row in gold(sinks, name)]
            wanted = {tuple(row[key] for key in pushed.contract.key): row for row in held}
            there = {tuple(row[key] for key in pushed.contract.key): row for row in shown}
            if len(shown) != len(held):
                found.append(f"{name}: {len(shown)} rows, gold has {len(held)}")
            found += [f"{name} {key}: {there.get(key)}, gold {row}" for key, row in wanted.items()
                      if there.get(key) != row][:5]  # fmt: skip
            landed = sinks.explorer.store.rows(pushed.landing)
            once = landed.group_by([*pushed.contract.key, "lake_version"]).aggregate([])
            if not pushed.streaming and once.num_rows != landed.num_rows:
                found.append(f"{name}: {landed.num_rows - once.num_rows} changes are there twice")
    return found


def comparable(row: dict[str, Any], not_a_number: str | None) -> dict[str, Any]:
    """Instants in UTC, days as their first instant, what is no number as told."""

    def plain(value: Any) -> Any:
        if isinstance(value, dt.datetime):
            return value.replace(tzinfo=None)
        if isinstance(value, dt.date):
            return dt.datetime.combine(value, dt.time())
        return not_a_number if isinstance(value, float) and math.isnan(value) else value

    return {name: plain(value) for name, value in row.items()}
