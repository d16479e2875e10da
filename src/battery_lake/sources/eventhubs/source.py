"""The ``eventhubs`` format: batch and stream, on Spark's Python data source API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyspark.sql.datasource import DataSource, DataSourceReader, DataSourceStreamReader, InputPartition

from battery_lake.errors import DataLossError
from battery_lake.sources.eventhubs.client import partition_states
from battery_lake.sources.eventhubs.limits import SupportsTriggerAvailableNow, default_limit, in_force
from battery_lake.sources.eventhubs.offsets import Offsets, Place, from_json
from battery_lake.sources.eventhubs.options import EventHubsOptions, parse_options
from battery_lake.sources.eventhubs.planning import end_of_batch, up_to
from battery_lake.sources.eventhubs.positions import first_places
from battery_lake.sources.eventhubs.receiver import received
from battery_lake.sources.eventhubs.rows import SCHEMA, record_batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    from pyspark.sql.types import StructType

    from battery_lake.sources.eventhubs.planning import PartitionState


@dataclass(frozen=True)
class EventRange(InputPartition):
    """Events ``start`` up to, not with, ``end`` of one partition."""

    partition: str
    start: int
    end: int


class EventHubsSource(DataSource):
    """IoT Hub's built-in endpoint, or any Event Hubs, over AMQP.

    Examples
    --------
    >>> spark.dataSource.register(EventHubsSource)  # doctest: +SKIP
    >>> spark.readStream.format("eventhubs").option("connectionString", text).load()  # doctest: +SKIP
    """

    @classmethod
    def name(cls) -> str:
        """Return the format's name."""
        return "eventhubs"

    def schema(self) -> str:
        """Return the columns: the envelope of every source, and the service's offset."""
        return SCHEMA

    def reader(self, schema: StructType) -> EventHubsReader:
        """Return a reader of everything that is there now."""
        del schema
        return EventHubsReader(parse_options(self.options))

    def streamReader(self, schema: StructType) -> EventHubsStreamReader:  # noqa: N802 - Spark's name
        """Return a reader that goes on."""
        del schema
        return EventHubsStreamReader(parse_options(self.options))


class EventHubsReader(DataSourceReader):
    """What is in the hub now, from the starting position on; without one, from the oldest event."""

    def __init__(self, options: EventHubsOptions) -> None:
        self.options = options

    def partitions(self) -> Sequence[InputPartition]:
        """Return one range a partition that holds events."""
        states = partition_states(self.options)
        position = (
            "earliest" if self.options.starting_position == "latest" else self.options.starting_position
        )
        start = Offsets(self.options.address.hub, first_places(self.options, position, states))
        end = end_of_batch(start, states, max_events=None, max_bytes=None, fail_on_data_loss=False)
        return ranges(start, end)

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a range."""
        return rows_of(self.options, partition)


class EventHubsStreamReader(DataSourceStreamReader, SupportsTriggerAvailableNow):  # type: ignore[misc]
    """The hub as a stream. Every batch is a range of sequence numbers, so it can be read again.

    Spark 4.1 has no read limits in this interface: the limits are kept here, from the place that the last
    planned batch has reached. It tells that place even after a restart, by asking for an empty batch first.
    """

    def __init__(self, options: EventHubsOptions) -> None:
        self.options = options
        self._reached: Offsets | None = None
        self._target: dict[str, PartitionState] | None = None
        self._seen: dict[str, PartitionState] = {}

    def initialOffset(self) -> dict[str, Any]:  # noqa: N802
        """Return the start of the first batch: before anything.

        Spark keeps no start of a first batch, but asks anew when that has to run again. So the ends of the
        ranges say where they begin, and the starting position is looked up only when the batch is planned.
        """
        return Offsets(self.options.address.hub, {}).as_json()

    def latestOffset(self, start: dict[str, Any] | None = None, limit: Any = None) -> dict[str, Any]:  # noqa: N802
        """Return how far the next batch goes."""
        max_events, max_bytes = in_force(limit, self.options.max_events, self.options.max_bytes)
        self._seen = partition_states(self.options)
        end = end_of_batch(
            self._read(start) if start and start["p"] else self._begin(),
            self._seen if self._target is None else up_to(self._target, self._seen),
            max_events=max_events,
            max_bytes=max_bytes,
            fail_on_data_loss=self.options.fail_on_data_loss,
        )
        return end.as_json()

    def getDefaultReadLimit(self) -> Any:  # noqa: N802
        """Return the limit that the options set (from Spark 4.2 on)."""
        return default_limit(self.options.max_events, self.options.max_bytes)

    def prepareForTriggerAvailableNow(self) -> None:  # noqa: N802
        """Note what is there now: the run ends there (from Spark 4.2 on)."""
        self._target = partition_states(self.options)

    def reportLatestOffset(self) -> dict[str, Any] | None:  # noqa: N802
        """Return how far the hub reached when it was last asked (from Spark 4.2 on)."""
        places = {name: Place(state.next_number) for name, state in self._seen.items()}
        return Offsets(self.options.address.hub, places).as_json() if places else None

    def partitions(self, start: dict[str, Any], end: dict[str, Any]) -> Sequence[InputPartition]:
        """Return the ranges of a batch; the same for the same offsets, whenever it is asked."""
        self._reached = self._read(end)
        return ranges(self._read(start), self._reached)

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a range."""
        return rows_of(self.options, partition)

    def _begin(self) -> Offsets:
        """The place that the last planned batch has reached; at first, the starting position."""
        if self._reached is None:
            states = partition_states(self.options)
            places = first_places(self.options, self.options.starting_position, states)
            self._reached = Offsets(self.options.address.hub, places)
        return self._reached

    def _read(self, stored: dict[str, Any]) -> Offsets:
        return from_json(stored, self.options.address.hub)


def ranges(start: Offsets, end: Offsets) -> list[InputPartition]:
    """Return what lies between two offsets.

    Raises
    ------
    DataLossError
        The end does not say where a partition begins that the start does not know.
    """
    found: list[InputPartition] = []
    for name, place in end.places.items():
        known = start.places.get(name)
        begin = known.next_number if known else place.first_number
        if begin is None:
            raise DataLossError(
                f"partition {name}: the checkpoint does not say where its first batch began",
                why="an early version planned it and was stopped before it was read",
                remedy="start with a new checkpoint; bronze takes what it lacks",
            )
        if begin < place.next_number:
            found.append(EventRange(name, begin, place.next_number))
    return found


def rows_of(options: EventHubsOptions, partition: InputPartition) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a range as Arrow batches."""
    assert isinstance(partition, EventRange)
    for chunk in received(options, partition.partition, partition.start, partition.end):
        yield record_batch(options.address.hub, partition.partition, chunk)
