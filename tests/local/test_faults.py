"""What goes wrong on purpose, and what the SDK makes of it."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest
from azure.eventhub import EventData, EventHubConsumerClient, EventHubProducerClient
from azure.eventhub.exceptions import AuthenticationError, ConnectionLostError

from battery_lake.errors import SettingsError, SetupError
from battery_lake.local.amqp import frames
from battery_lake.local.amqp.connection import Connection
from battery_lake.local.eventhub import Event, EventHubStandIn
from battery_lake.local.eventhub.hub import now_ms
from battery_lake.local.eventhub.tokens import reason_to_refuse, reason_to_refuse_jwt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Consume = Callable[..., Any]


OPENED = frames.AMQP_HEADER + frames.frame(frames.Open(container_id="x"))


def numbered(count: int, start: int = 0) -> list[Event]:
    return [Event(f"event {at}".encode()) for at in range(start, start + count)]


def has_error(text: str) -> Callable[[Any], bool]:
    return lambda received: any(text in str(error) for error in received.errors)


def all_of(count: int) -> Callable[[Any], bool]:
    return lambda received: set(received.sequence_numbers) >= set(range(count))


def test_after_dropped_connections_the_sdk_goes_on_without_loss(
    standin: EventHubStandIn, consume: Consume
) -> None:
    standin.append(0, numbered(2_000))
    standin.faults.drop_after(700)
    consumer = consume(standin.connection_string)
    consumer.wait_for(300)
    standin.faults.drop_connections()
    standin.append(0, numbered(500, 2_000))
    assert consumer.wait(all_of(2_500)).errors == []


def test_detached_links_are_attached_again(standin: EventHubStandIn, consume: Consume) -> None:
    standin.append(0, numbered(10))
    consumer = consume(standin.connection_string)
    consumer.wait_for(10)
    assert standin.faults.detach_links(description="upgrade") == 1
    standin.append(0, numbered(10, 10))
    consumer.wait(all_of(20))


def test_a_busy_service_is_asked_again(standin: EventHubStandIn, consume: Consume, producer: Any) -> None:
    standin.faults.refuse_links(1)
    producer.send_batch([EventData("a")], partition_id="0")
    standin.faults.refuse_links(1)
    assert consume(standin.connection_string).wait_for(1).errors == []


def test_busy_management_is_asked_again(standin: EventHubStandIn, administer: Any) -> None:
    standin.faults.refuse_requests(1)
    assert administer.get_partition_ids() == ["0", "1"]


def test_a_delay_slows_everything_and_loses_nothing(
    standin: EventHubStandIn, consume: Consume, administer: Any
) -> None:
    standin.faults.delay(0.05)
    standin.append(0, numbered(700))
    assert administer.get_partition_ids() == ["0", "1"]
    assert consume(standin.connection_string).wait_for(700).sequence_numbers == list(range(700))
    standin.faults.delay(0)


def test_expired_events_are_skipped(standin: EventHubStandIn, consume: Consume, administer: Any) -> None:
    standin.append(0, numbered(10))
    standin.faults.expire(0, keep=4)
    standin.faults.expire(1)
    told = administer.get_partition_properties("0")
    assert (told["beginning_sequence_number"], told["last_enqueued_sequence_number"]) == (6, 9)
    received = consume(standin.connection_string, starting_position=2).wait_for(4)
    assert received.sequence_numbers == [6, 7, 8, 9]
    standin.faults.expire(0)
    told = administer.get_partition_properties("0")
    assert (told["beginning_sequence_number"], told["is_empty"]) == (10, True)


def test_events_can_be_delivered_twice(standin: EventHubStandIn, consume: Consume) -> None:
    standin.append(0, numbered(10))
    consumer = consume(standin.connection_string)
    consumer.wait_for(10)
    assert standin.faults.redeliver(3) == 1
    assert consumer.wait_for(13).sequence_numbers == [*range(10), 7, 8, 9]


def test_a_hub_that_was_made_again_starts_at_zero_and_refuses_old_positions(
    standin: EventHubStandIn, consume: Consume, administer: Any
) -> None:
    standin.append(0, numbered(10))
    standin.faults.recreate_hub()
    standin.append(0, numbered(2))
    assert administer.get_partition_properties("0")["last_enqueued_sequence_number"] == 1
    assert consume(standin.connection_string, "fresh").wait_for(2).sequence_numbers == [0, 1]
    stale = consume(standin.connection_string, "stale", starting_position=9, retry_total=0)
    stale.wait(has_error("The last sequence number in the system is '1'"))
    offset = consume(standin.connection_string, "offset", starting_position="9999", retry_total=0)
    offset.wait(has_error("argument-error"))


def test_a_wrong_key_is_refused_with_401(tmp_path: Path) -> None:
    with EventHubStandIn(tmp_path, partitions=1, key="c2VjcmV0") as standin:
        with EventHubProducerClient.from_connection_string(standin.connection_string) as good:
            good.send_batch([EventData("a")])
        wrong = standin.connection_string.replace("c2VjcmV0", "d3Jvbmc")
        for client in (
            EventHubProducerClient.from_connection_string(wrong, retry_total=0),
            EventHubConsumerClient.from_connection_string(wrong, consumer_group="$Default", retry_total=0),
        ):
            with client, pytest.raises(AuthenticationError, match="Status code: 401"):
                client.get_partition_ids()


def jwt(claims: object) -> str:
    return f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b'=').decode()}."


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (jwt({"exp": 101}), ""),
        (jwt({"exp": 100}), "ExpiredToken"),
        (jwt({"exp": "soon"}), "MalformedToken"),
        (jwt({}), "MalformedToken"),
        (jwt([]), "MalformedToken"),
        ("no token", "MalformedToken"),
        ("a.b.c", "MalformedToken"),
    ],
)
def test_an_entra_token_is_judged_by_its_time(token: str, reason: str) -> None:
    assert (reason_to_refuse_jwt(token, 100) or "").startswith(reason)
    assert (reason_to_refuse_jwt(token, 100) is None) == (reason == "")


def test_an_expired_signature_is_refused_with_401(standin: EventHubStandIn) -> None:
    signature = "SharedAccessSignature sr=sb%3A%2F%2Flocalhost%2Ftelemetry&sig=abc&se=1000&skn=service"
    endpoint = standin.connection_string.split(";", maxsplit=1)[0]
    expired = f"{endpoint};SharedAccessSignature={signature};UseDevelopmentEmulator=true;EntityPath=telemetry"
    client = EventHubProducerClient.from_connection_string(expired, retry_total=0)
    with client, pytest.raises(AuthenticationError, match=r"expired|Expired"):
        client.get_partition_ids()


def test_refused_tokens_are_asked_for_again(standin: EventHubStandIn, consume: Consume) -> None:
    standin.append(0, numbered(3))
    standin.faults.refuse_tokens(2)
    consumer = consume(standin.connection_string)
    assert consumer.wait_for(3).sequence_numbers == [0, 1, 2]


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("nonsense", "InvalidToken"),
        ("SharedAccessSignature sr=a&sig=b", "MalformedToken"),
        ("SharedAccessSignature sr=a&sig=b&se=99", "ExpiredToken"),
        ("SharedAccessSignature sr=a&sig=b&se=101&skn=other", "InvalidSignature"),
        ("SharedAccessSignature sr=a&sig=b&se=101&skn=service", "InvalidSignature"),
    ],
)
def test_reasons_to_refuse_a_token(token: str, reason: str) -> None:
    assert (reason_to_refuse(token, "service", "key", 100) or "").startswith(reason)


def test_what_does_not_exist_is_not_found(tmp_path: Path, consume: Consume) -> None:
    with EventHubStandIn(tmp_path, partitions=1, consumer_groups=["lake"]) as standin:
        standin.append(0, numbered(1))
        assert consume(standin.connection_string, "lake").wait_for(1).errors == []
        missing = consume(standin.connection_string, "other", retry_total=0)
        missing.wait(has_error("amqp:not-found"))
        producer = EventHubProducerClient.from_connection_string(standin.connection_string, retry_total=0)
        with producer, pytest.raises(ConnectionLostError, match="partition '5' could not be found"):
            # The client refuses what the hub does not list; the link below it asks the service.
            producer._create_producer(partition_id="5").send(EventData("nowhere"))
        elsewhere = EventHubProducerClient.from_connection_string(
            standin.connection_string, eventhub_name="elsewhere", retry_total=0
        )
        with elsewhere, pytest.raises(AuthenticationError, match="404"):
            # As the service: the token for a hub that does not exist is what is answered first.
            elsewhere.get_partition_ids()


def test_a_higher_epoch_takes_the_partition(standin: EventHubStandIn, consume: Consume) -> None:
    standin.append(0, numbered(1))
    plain = consume(standin.connection_string)
    plain.wait_for(1)
    first = consume(standin.connection_string, owner_level=1)
    first.wait_for(1)
    plain.wait(has_error("stolen"))
    second = consume(standin.connection_string, owner_level=2)
    second.wait_for(1)
    first.wait(has_error("higher epoch of '2'"))
    first.wait(has_error("cannot be created"))
    assert second.received.errors == []


def test_the_sixth_receiver_of_a_partition_and_group_is_refused(
    standin: EventHubStandIn, consume: Consume
) -> None:
    standin.append(0, numbered(1))
    five = [consume(standin.connection_string) for _ in range(5)]
    for consumer in five:
        consumer.wait_for(1)
    sixth = consume(standin.connection_string, retry_total=0)
    sixth.wait(has_error("which is 5"))
    consume(standin.connection_string, "another").wait_for(1)
    five[0].close()
    sixth.wait_for(1)


def test_signs_of_life_keep_a_quiet_connection(standin: EventHubStandIn, consume: Consume) -> None:
    standin.append(0, numbered(1))
    consumer = consume(standin.connection_string, idle_timeout=0.8)
    consumer.wait_for(1)
    before = set(standin._service.connections)
    consumer._thread.join(2.0)
    assert before & set(standin._service.connections) == before
    standin.append(0, numbered(1, 1))
    assert consumer.wait_for(2).sequence_numbers == [0, 1]


async def _silent_peer() -> bytes:
    """Open a connection, say nothing more, return what the server says until it closes."""
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Connection(reader, writer, service=None, idle_timeout_ms=200).serve()  # type: ignore[arg-type]
        gone.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(OPENED)
    said = await reader.read()
    writer.close()
    await gone.wait()
    server.close()
    return said


def test_a_peer_that_falls_silent_is_let_go_with_a_reason() -> None:
    assert b"amqp:connection:forced" in asyncio.run(_silent_peer())


@pytest.mark.parametrize(
    "noise",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        frames.AMQP_HEADER + b"\x00\x00\x00\x04\x02\x00\x00\x00",
        frames.AMQP_HEADER + b"\x7f\x00\x00\x00\x02\x00\x00\x00",
        OPENED + b"\x00\x00\x00\x0a\x02\x00\x00\x00\xff\xff",
        OPENED + frames.frame(frames.Attach(handle=1)),
    ],
)
def test_noise_ends_its_own_connection_only(standin: EventHubStandIn, administer: Any, noise: bytes) -> None:
    with socket.create_connection(("127.0.0.1", standin.port)) as peer:
        peer.sendall(noise)
        while peer.recv(1_000):
            pass
    assert administer.get_partition_ids() == ["0", "1"]


def test_appending_from_several_threads_gives_every_event_a_number(
    standin: EventHubStandIn, consume: Consume
) -> None:
    consumer = consume(standin.connection_string)
    writers = [
        threading.Thread(target=lambda: [standin.append(0, numbered(5), now_ms()) for _ in range(40)])
        for _ in range(4)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert consumer.wait_for(800).sequence_numbers == list(range(800))


def test_a_folder_in_use_or_of_another_hub_is_refused(tmp_path: Path) -> None:
    with EventHubStandIn(tmp_path, partitions=2) as standin:
        with pytest.raises(SettingsError, match="cannot use"):
            EventHubStandIn(tmp_path, partitions=2)
        with pytest.raises(SetupError, match="cannot listen"):
            EventHubStandIn(tmp_path / "other", port=standin.port)
    for wrong in ({"hub": "elsewhere"}, {"partitions": 1}):
        with pytest.raises(SettingsError, match="cannot use"):
            EventHubStandIn(tmp_path, **wrong)  # type: ignore[arg-type]
    EventHubStandIn(tmp_path, partitions=2).close()
