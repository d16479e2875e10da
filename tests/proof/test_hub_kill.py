"""Kill -9 of the ingesting process and faults of the hub: bronze has every message exactly once."""

from __future__ import annotations

import os
import random
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from deltalake import DeltaTable

from battery_lake.local.eventhub import Event, EventHubStandIn, iot_annotations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PARTITIONS = 4
AT_MS = 1_767_225_600_000
SEED = int(os.environ.get("BATTERY_LAKE_PROOF_SEED", str(random.SystemRandom().randrange(1_000_000))))


@dataclass(frozen=True)
class Size:
    """How many messages, kills and faults, and the messages of one batch."""

    messages: int
    kills: int
    faults: int
    batch: int


SMALL = Size(6_000, 1, 2, 3_000)
FULL = Size(1_000_000, 100, 100, 10_000)


def event(partition: int, number: int) -> Event:
    """The message of a place: its content follows from the place."""
    return Event(
        b'{"partition": %d, "number": %d}' % (partition, number),
        properties={"schema_version": "1"},
        annotations=iot_annotations(f"V{number % 50}", enqueued_ms=AT_MS + number),
        content_type="application/json",
        content_encoding="utf-8",
    )


EXPECTED = f"""
    decode(body) = format('{{{{"partition": {{}}, "number": {{}}}}}}', partition_id, sequence_number)
    AND device_id = 'V' || sequence_number % 50 AND epoch_ms(enqueued_at) = {AT_MS} + sequence_number
    AND hub = 'telemetry' AND content_type = 'application/json' AND content_encoding = 'utf-8'
    AND system_properties['iothub-connection-device-id'] = device_id
    AND application_properties['schema_version'] = '1'"""


@dataclass
class Disturbed:
    """A hub that is fed little by little and disturbed while it is read."""

    hub: EventHubStandIn
    draw: random.Random
    sent: list[int] = field(default_factory=lambda: [0] * PARTITIONS)
    faults: dict[str, int] = field(default_factory=dict)

    def feed(self, count: int) -> None:
        """Append messages, to a partition as the dice fall."""
        while count:
            partition, some = self.draw.randrange(PARTITIONS), min(count, self.draw.randint(1, 700))
            first = self.sent[partition]
            self.hub.append(partition, [event(partition, first + n) for n in range(some)])
            self.sent[partition] += some
            count -= some

    def disturb(self) -> None:
        """Let one thing go wrong, if anybody is reading."""
        faults = self.hub.faults
        choices: dict[str, Callable[[], Any]] = {
            "connections dropped": faults.drop_connections,
            "links detached": faults.detach_links,
            "links detached, server busy": lambda: faults.detach_links("com.microsoft:server-busy"),
            "links detached, timeout": lambda: faults.detach_links("com.microsoft:timeout"),
            "delivered twice": lambda: faults.redeliver(self.draw.randint(1, 500)),
            "connection dropped in the middle": lambda: faults.drop_after(self.draw.randint(1, 2_000)),
            "links refused": lambda: faults.refuse_links(self.draw.randint(1, 3)),
            "requests refused": lambda: faults.refuse_requests(self.draw.randint(1, 3)),
            "slow": self._slow,
        }
        if faults.redeliver(0):  # as many readers as there are now
            name = self.draw.choice(list(choices))
            choices[name]()
            self.faults[name] = self.faults.get(name, 0) + 1

    def _slow(self) -> None:
        self.hub.faults.delay(0.05)
        time.sleep(0.5)
        self.hub.faults.delay(0)

    @property
    def injected(self) -> int:
        return sum(self.faults.values())

    def during(self, seconds: float, feeds: int, faults: int, stop: threading.Event) -> None:
        """Spread feeding and faults over some seconds, and stop before if nobody reads any more."""
        until = time.monotonic() + seconds
        portion = -(-feeds // 5)
        while not stop.wait(self.draw.uniform(0.1, 0.6)) and time.monotonic() < until:
            some = min(portion, feeds)
            self.feed(some)
            feeds -= some
            if faults:
                before = self.injected
                self.disturb()
                faults -= self.injected - before
        self.feed(feeds)


@pytest.fixture
def disturbed(tmp_path: Path) -> Iterator[Disturbed]:
    with EventHubStandIn(tmp_path / "hub", partitions=PARTITIONS) as hub:
        yield Disturbed(hub, random.Random(SEED))


@pytest.mark.parametrize(
    "size",
    [SMALL, pytest.param(FULL, marks=[pytest.mark.proof, pytest.mark.timeout(3 * 3600)])],
    ids=["small", "full"],
)
def test_every_message_is_in_bronze_exactly_once(
    disturbed: Disturbed, new_command: Callable[..., Any], tell: Callable[[str], None], size: Size
) -> None:
    settings = {
        "source.format": "eventhubs",
        "eventhubs.connection_string": disturbed.hub.connection_string,
        "eventhubs.max_events_per_trigger": size.batch,
    }
    flags = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    ingest = new_command(*flags, "ingest")
    left = size.messages - size.messages // (size.kills + 1)
    disturbed.feed(size.messages - left)
    undisturbed_s = ingest.run()
    kills, lives = 0, 0
    while kills < size.kills or disturbed.injected < size.faults:
        feeds = left // (max(size.kills - kills, 1) + 1)
        left -= feeds
        lives += 1
        assert lives <= 3 * (size.kills + size.faults), f"seed {SEED}: {kills} kills, {disturbed.faults}"
        moment_s = disturbed.draw.uniform(0.1, 1.1 * undisturbed_s)
        stop = threading.Event()
        rate = -(-(size.faults - disturbed.injected) // max(size.kills - kills, 1))
        mischief = threading.Thread(target=disturbed.during, args=(moment_s, feeds, rate + 1, stop))
        mischief.start()
        try:
            kills += ingest.run(kill_after_s=moment_s if kills < size.kills else float("inf")) is None
        finally:
            stop.set()
            mischief.join()
        if lives % 10 == 0 and size is FULL:
            tell(f"{lives} runs, {kills} killed, {disturbed.injected} faults, {sum(disturbed.sent)} sent")
    disturbed.feed(left)
    ingest.run()
    tell(f"seed {SEED}: {lives + 2} runs, {kills} killed; faults {disturbed.faults}")
    assert sum(disturbed.sent) == size.messages
    assert bronze(ingest.home) == [
        (str(partition), count, count, 0, count - 1, count) for partition, count in enumerate(disturbed.sent)
    ], f"seed {SEED}"
    assert batches(ingest.home) == size.messages, f"seed {SEED}"


def bronze(home: Path) -> list[tuple[Any, ...]]:
    """A partition's messages: how many, how many places, from where to where, how many are as sent."""
    files = DeltaTable(str(home / "lake" / "bronze" / "telemetry")).file_uris()
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return connection.execute(
            "SELECT partition_id, count(*), count(DISTINCT sequence_number), min(sequence_number),"
            f" max(sequence_number), count_if({EXPECTED}) FROM read_parquet($1) GROUP BY 1 ORDER BY 1",
            [files],
        ).fetchall()


def batches(home: Path) -> int:
    """How many messages the batches counted."""
    files = DeltaTable(str(home / "lake" / "ops" / "batch")).file_uris()
    with duckdb.connect() as connection:
        query = "SELECT sum(rows_in) FROM read_parquet($1) WHERE pipeline = 'ingest'"
        row = connection.execute(query, [files]).fetchone()
    assert row is not None
    return int(row[0])
