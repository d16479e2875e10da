"""Made-up packs whose capacity is known, as landing files; lakes that take them in; what lakes hold."""

import dataclasses
import datetime as dt
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from deltalake import DeltaTable

from battery_lake.lake.access import Lake
from battery_lake.pipelines.reference import load_reference
from battery_lake.pipelines.registry import TO_GOLD, run_job
from battery_lake.settings import load

SOC, OCV = np.array([0.0, 0.3, 0.7, 1.0]), np.array([3.0, 3.4, 3.9, 4.2])
RATED_AH, STEP_S, LEAD_S, AMPERE, RESISTANCE_OHM = 50.0, 120, 10, 20.0, 0.002
MORNING = dt.datetime(2026, 3, 2, 6, tzinfo=dt.UTC)


@dataclasses.dataclass
class MadePack:
    """A pack driven by hand: every phase adds samples; charge is exact under the trapezoidal rule.

    Parameters
    ----------
    capacity_ah
        Capacity of each cell. [Ah]
    soc
        State of charge of each cell at the start. [1]
    wakes
        Whether a sample at rest precedes the first one with current by ``LEAD_S``.
    """

    pack_id: str
    vehicle_id: str
    capacity_ah: tuple
    soc: float = 0.9
    at: dt.datetime = MORNING
    model: str = "M1"
    wakes: bool = False

    def __post_init__(self):
        self.cells = np.full(len(self.capacity_ah), self.soc)
        self.current_a, self.sequence, self.odometer_km, self.messages = 0.0, 0, 1000.0, []

    def phase(self, state, hours, current_a=0.0):
        intervals = [STEP_S] * round(hours * 3600 / STEP_S)
        if self.wakes and current_a and not self.current_a:
            self.sample("parked", STEP_S - LEAD_S, 0.0)
            intervals[0] = LEAD_S
        for seconds in intervals:
            self.sample(state, seconds, current_a)
        return self

    def sample(self, state, seconds, current_a):
        self.at += dt.timedelta(seconds=seconds)
        moved_ah = 0.5 * (self.current_a + current_a) * seconds / 3600
        self.cells = self.cells + moved_ah / np.array(self.capacity_ah)
        self.current_a = current_a
        self.odometer_km += seconds / STEP_S if state == "driving" else 0.0
        self.sequence += 1
        self.messages.append(self.message(state))

    def message(self, state):
        volts = np.interp(self.cells, SOC, OCV) + RESISTANCE_OHM * self.current_a
        return {
            "schema_version": 1,
            "pack_id": self.pack_id,
            "vehicle_id": self.vehicle_id,
            "measured_at": f"{self.at:%Y-%m-%dT%H:%M:%SZ}",
            "sequence": self.sequence,
            "state": state,
            "current_a": self.current_a,
            "soc_pct": round(100 * float(self.cells.mean()), 3),
            "cell_voltages_v": [round(float(v), 6) for v in volts],
            "temperatures_c": [20.0, 21.0],
            "odometer_km": self.odometer_km,
        }

    def day(self):
        """A day with evidence: rest, drive, rest, charge, rest; then a night in silence."""
        self.phase("parked", 0.5).phase("driving", 1, -AMPERE).phase("parked", 0.5)
        self.phase("charging", 1, AMPERE).phase("parked", 0.5)
        return self.silence(20.5)

    def silence(self, hours):
        self.at += dt.timedelta(hours=hours)
        self.current_a = 0.0
        return self


def line(message, *, delay_s=2.0, device=None):
    """The landing line of a message, taken by the hub a little later."""
    taken = dt.datetime.fromisoformat(message["measured_at"]) + dt.timedelta(seconds=delay_s)
    system = {"connectionDeviceId": device or message["vehicle_id"], "contentEncoding": "utf-8"}
    return json.dumps({"EnqueuedTimeUtc": taken.isoformat(), "SystemProperties": system, "Body": message})


@dataclasses.dataclass
class MadeLake:
    """A lake with reference data, that takes deliveries of lines."""

    lake: Lake
    files: int = 0

    def deliver(self, lines, jobs=TO_GOLD):
        self.files += 1
        landing = self.lake.settings.landing
        landing.mkdir(parents=True, exist_ok=True)
        (landing / f"{self.files:03d}.json").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return self.run(jobs)

    def run(self, jobs=TO_GOLD):
        return {result.pipeline: result for job in jobs for result in run_job(job, self.lake)}

    def rows(self, name, *without):
        """All rows of a table, in the order of its key, as dictionaries."""
        frame = self.lake.read(name).drop(*without)
        return sorted((row.asDict(recursive=True) for row in frame.collect()), key=repr)

    def versions(self):
        root = Path(self.lake.settings.home) / "lake"
        return {
            str(log.parent.relative_to(root)): DeltaTable(log.parent).version()
            for log in root.rglob("_delta_log")
        }

    def changed_since(self, name, before):
        """Rows that the change feed tells of after the versions of before."""
        first = before[name.replace(".", "/")] + 1
        if DeltaTable(self.lake.path(name)).version() < first:
            return []
        reader = self.lake.spark.read.format("delta").option("readChangeFeed", "true")
        return reader.option("startingVersion", first).load(self.lake.path(name)).collect()

    def copy(self, folder):
        """The same lake, moved; what happens to it does not reach the first."""
        home = folder / "copy"
        shutil.copytree(self.lake.settings.home, home)
        settings = self.lake.settings.model_copy(update={"home": home})
        return MadeLake(Lake(self.lake.spark, settings), self.files)


@pytest.fixture(scope="session")
def made_pack():
    return MadePack


@pytest.fixture(scope="session")
def landing_line():
    return line


@pytest.fixture(scope="session")
def made_lake(spark):
    """Build a lake whose reference data names some packs, each in its vehicle since ever."""

    def build(folder, packs, *pairs):
        settings, _ = load([f"home={folder / 'home'}", *pairs], environment={})
        lake = Lake(spark, settings)
        reference = folder / "reference"
        reference.mkdir()
        (reference / "line.json").write_text(
            json.dumps({"soc_frac": SOC.tolist(), "ocv_v": OCV.tolist()}), encoding="utf-8"
        )
        rows = [f"{p.pack_id},{p.model},NMC,{len(p.capacity_ah)},2,{RATED_AH},line" for p in packs]
        head = "pack_id,model,chemistry,cells_in_series,cells_per_module,rated_capacity_ah,ocv_curve"
        (reference / "packs.csv").write_text("\n".join([head, *rows]), encoding="utf-8")
        carried = [f"{p.pack_id},{p.vehicle_id},2020-01-01T00:00:00Z," for p in packs]
        head = "pack_id,vehicle_id,valid_from,valid_to"
        (reference / "pack_assignment.csv").write_text("\n".join([head, *carried]), encoding="utf-8")
        load_reference(lake, reference)
        return MadeLake(lake)

    return build
