"""The SDK sends: batches, keys, partitions, large messages, annotations."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from azure.eventhub import EventData
from azure.eventhub.amqp import AmqpAnnotatedMessage
from azure.eventhub.exceptions import EventDataSendError, EventHubError

from battery_lake.local.eventhub.events import deliver, sections

if TYPE_CHECKING:
    from collections.abc import Callable

    from battery_lake.local.eventhub import EventHubStandIn

    Consume = Callable[..., Any]


def counts(standin: EventHubStandIn) -> list[int]:
    return [log.next_sequence_number for log in standin._hub.logs]


def test_batches_go_to_the_partition_or_key_they_name(
    standin: EventHubStandIn, producer: Any, consume: Consume
) -> None:
    batch = producer.create_batch(partition_id="1")
    for at in range(30):
        batch.add(EventData(f"event {at}"))
    producer.send_batch(batch)
    assert counts(standin) == [0, 30]
    for _ in range(3):
        producer.send_batch([EventData("keyed")], partition_key="pack-7")
    keyed = standin._hub.partition_for("pack-7")
    before = [0, 30]
    assert counts(standin) == [before[at] + 3 * (at == keyed) for at in range(2)]
    received = consume(standin.connection_string, partition_id=str(keyed)).wait_for(counts(standin)[keyed])
    assert [event.partition_key for event in received.events[-3:]] == [b"pack-7"] * 3


def test_batches_without_key_take_turns(standin: EventHubStandIn, producer: Any) -> None:
    for _ in range(4):
        producer.send_batch([EventData("a"), EventData("b")])
    assert counts(standin) == [4, 4]


def test_a_single_message_keeps_what_the_sender_set(
    standin: EventHubStandIn, producer: Any, consume: Consume
) -> None:
    message = AmqpAnnotatedMessage(
        data_body=b"body",
        annotations={b"iothub-connection-device-id": "dev-1", b"x-opt-sequence-number": 99},
        application_properties={"n": 1, "f": 2.5, "t": "text"},
        properties={"content_type": "application/json", "message_id": "m", "subject": "s"},
        header={"durable": True, "priority": 3},
    )
    producer.send_event(message, partition_id="0")
    (event,) = consume(standin.connection_string).wait_for(1).events
    assert event.system_properties[b"x-opt-sequence-number"] == 0
    assert event.system_properties[b"iothub-connection-device-id"] == b"dev-1"
    assert event.system_properties[b"subject"] == b"s"
    assert event.properties == {b"n": 1, b"f": 2.5, b"t": b"text"}
    assert event.raw_amqp_message.header.priority == 3
    log = standin._hub.logs[0]
    (record,), _ = log.read(0, 1)
    codes = [code for code, _, _ in sections(deliver(record))]
    assert codes == sorted(codes)


@pytest.mark.parametrize("tracked", [False, True])
def test_a_senders_delivery_annotations_come_out_beside_the_services_own(
    standin: EventHubStandIn, producer: Any, consume: Consume, tracked: bool
) -> None:
    message = AmqpAnnotatedMessage(
        data_body=b"body", header={"priority": 3}, delivery_annotations={"name": "value"}
    )
    producer.send_event(message, partition_id="0")
    received = consume(standin.connection_string, track_last_enqueued_event_properties=tracked).wait_for(1)
    told = received.events[0].raw_amqp_message.delivery_annotations
    assert told.pop(b"name") == b"value"
    assert told.get(b"last_enqueued_sequence_number") == (0 if tracked else None)


def test_delivery_annotations_beyond_64_kb_are_refused(standin: EventHubStandIn, producer: Any) -> None:
    message = AmqpAnnotatedMessage(data_body=b"body", delivery_annotations={"name": "v" * 70_000})
    with pytest.raises(EventHubError, match="MessageSizeExceeded"):
        producer.send_event(message, partition_id="0")
    assert counts(standin) == [0, 0]


def test_large_messages_in_several_frames_arrive(
    standin: EventHubStandIn, producer: Any, consume: Consume
) -> None:
    producer.send_event(EventData(b"z" * 200_000), partition_id="0")
    producer.send_event(EventData(b"z" * 1_000_000), partition_id="0")
    producer.send_batch([EventData(b"y" * 500_000), EventData(b"after")], partition_id="0")
    received = consume(standin.connection_string).wait_for(4)
    assert [len(body) for body in received.bodies] == [200_000, 1_000_000, 500_000, 5]


def test_many_sends_go_on_beyond_the_first_credit(standin: EventHubStandIn, producer: Any) -> None:
    standin_log = standin._hub.logs[0]
    sender = producer._create_producer(partition_id="0")
    for at in range(1_200):
        sender.send(EventData(f"{at}"))
    sender.close()
    assert standin_log.next_sequence_number == 1_200


def test_a_batch_is_refused_when_larger_than_the_link_allows(producer: Any) -> None:
    batch = producer.create_batch(partition_id="0")
    assert batch.max_size_in_bytes == 1024 * 1024
    with pytest.raises(ValueError, match="size limit"):
        batch.add(EventData(b"x" * 1024 * 1024))


def test_a_rejected_send_tells_the_condition_and_stores_nothing(
    standin: EventHubStandIn, producer: Any
) -> None:
    standin.faults.reject_sends(1)
    with pytest.raises(EventDataSendError, match="server-busy"):
        producer.send_event(EventData("no"), partition_id="0")
    producer.send_event(EventData("yes"), partition_id="0")
    assert counts(standin) == [1, 0]


async def _send_async(connection_string: str) -> None:
    from azure.eventhub.aio import EventHubProducerClient

    async with EventHubProducerClient.from_connection_string(connection_string) as producer:
        assert await producer.get_partition_ids() == ["0", "1"]
        await producer.send_batch([EventData(b"q" * 100_000) for _ in range(5)], partition_id="1")


def test_the_asynchronous_client_sends(standin: EventHubStandIn) -> None:
    asyncio.run(_send_async(standin.connection_string))
    assert counts(standin) == [0, 5]
