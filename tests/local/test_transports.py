"""TLS and WebSockets: the SDK sends and receives through both, and what goes wrong goes wrong there too."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any

import pytest
from azure.eventhub import EventData, EventHubConsumerClient, EventHubProducerClient, TransportType
from azure.eventhub.exceptions import ConnectError, EventHubError

from battery_lake.local.amqp import frames
from battery_lake.local.eventhub import Event, EventHubStandIn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WAYS = ("tls", "websockets", "websockets over tls")
PATIENCE_S = 30.0
UPGRADE = (
    "GET /$servicebus/websocket/ HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{more}\r\n"
)


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EventHubStandIn]:
    """A hub that answers TLS too."""
    with EventHubStandIn(tmp_path_factory.mktemp("tls"), partitions=2, tls=True) as running:
        yield running


def settings(standin: EventHubStandIn, way: str) -> dict[str, Any]:
    """What a client needs for a way to connect."""
    secure = "tls" in way
    if "websockets" in way:
        pytest.importorskip("websocket", reason="the SDK's WebSockets need websocket-client")
        pytest.importorskip("wsproto", reason="the stand-in's WebSockets need wsproto")
    return {
        "conn_str": standin.secure_connection_string if secure else standin.connection_string,
        "custom_endpoint_address": standin.endpoint_address,
        "transport_type": TransportType.AmqpOverWebsocket if "websockets" in way else TransportType.Amqp,
        "retry_backoff_factor": 0.05,
        **({"connection_verify": str(standin.certificate)} if secure else {}),
    }


def sent(standin: EventHubStandIn, way: str, bodies: list[bytes], partition: str) -> None:
    """Send events."""
    with EventHubProducerClient.from_connection_string(**settings(standin, way)) as producer:
        producer.send_batch([EventData(body) for body in bodies], partition_id=partition)


def received(
    standin: EventHubStandIn, way: str, count: int, partition: str, meanwhile: Callable[[], Any] = int
) -> list[int]:
    """Receive until so many different events are there; do something after the first."""
    numbers: list[int] = []
    first, enough = threading.Event(), threading.Event()

    def on_event(_context: Any, event: Any) -> None:
        numbers.append(event.sequence_number)
        first.set()
        if len(set(numbers)) >= count:
            enough.set()

    client = EventHubConsumerClient.from_connection_string(
        **settings(standin, way), consumer_group="$Default", socket_timeout=0.2
    )
    with client:
        worker = threading.Thread(
            target=client.receive,
            args=(on_event,),
            kwargs={"partition_id": partition, "starting_position": "-1", "prefetch": 50},
        )
        worker.start()
        assert first.wait(PATIENCE_S)
        meanwhile()
        assert enough.wait(PATIENCE_S), numbers
    worker.join()
    return numbers


@pytest.mark.parametrize("way", WAYS)
def test_what_is_sent_is_received(standin: EventHubStandIn, way: str) -> None:
    before = standin._hub.logs[0].next_sequence_number
    sent(standin, way, [b"small", b"x" * 300_000], "0")
    total = before + 2
    assert sorted(set(received(standin, way, total, "0"))) == list(range(total))
    records, _ = standin._hub.logs[0].read(standin._hub.logs[0].offset_of(before), 2)
    assert [
        record.body.endswith(end) for record, end in zip(records, (b"small", b"x" * 300_000), strict=True)
    ]


@pytest.mark.parametrize("way", WAYS)
def test_a_cut_connection_is_made_again_without_loss(standin: EventHubStandIn, way: str) -> None:
    standin.append(1, [Event(b"before")] * 100)
    total = standin._hub.logs[1].next_sequence_number + 50

    def cut() -> None:
        assert standin.faults.drop_connections() >= 1
        standin.append(1, [Event(b"after")] * 50)

    assert set(received(standin, way, total, "1", cut)) >= set(range(total))


@pytest.mark.parametrize("way", WAYS)
def test_a_refused_link_is_told_as_anywhere(standin: EventHubStandIn, way: str) -> None:
    standin.faults.refuse_links(1)
    producer = EventHubProducerClient.from_connection_string(**settings(standin, way), retry_total=0)
    with producer, pytest.raises(EventHubError, match="server-busy"):
        producer.send_batch([EventData("no")], partition_id="0")


def test_a_certificate_that_is_not_trusted_ends_the_connection(standin: EventHubStandIn) -> None:
    given = settings(standin, "tls")
    del given["connection_verify"]
    producer = EventHubProducerClient.from_connection_string(**given, retry_total=0)
    with producer, pytest.raises(ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        producer.send_batch([EventData("no")], partition_id="0")
    sent(standin, "tls", [b"yes"], "0")


def test_the_certificate_passes_the_strictest_checks(standin: EventHubStandIn) -> None:
    context = ssl.create_default_context(cafile=standin.certificate)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    for name in ("localhost", "127.0.0.1"):
        with (
            socket.create_connection(("127.0.0.1", standin.port)) as plain,
            context.wrap_socket(plain, server_hostname=name) as peer,
        ):
            peer.sendall(frames.AMQP_HEADER)
            assert peer.recv(8) == frames.AMQP_HEADER
    assert [path.name for path in standin.certificate.parent.glob("tmp*")] == []


def test_without_tls_a_peer_that_speaks_it_is_told_that_this_is_amqp(tmp_path: Path) -> None:
    context = ssl.create_default_context()
    with EventHubStandIn(tmp_path, partitions=1) as plain_only:
        peer = socket.create_connection(("127.0.0.1", plain_only.port))
        with peer, pytest.raises(ssl.SSLError, match="WRONG_VERSION_NUMBER"):
            context.wrap_socket(peer, server_hostname="localhost")


async def _send_and_receive(given: dict[str, Any]) -> list[bytes]:
    """Send and receive with the asynchronous client."""
    from azure.eventhub.aio import EventHubConsumerClient as Consumer
    from azure.eventhub.aio import EventHubProducerClient as Producer

    async with Producer.from_connection_string(**given) as producer:
        await producer.send_batch([EventData(b"asynchronous")], partition_id="0")
    bodies: list[bytes] = []
    there = asyncio.Event()

    async def on_event(_context: Any, event: Any) -> None:
        bodies.append(b"".join(event.body))
        there.set()

    async with Consumer.from_connection_string(**given, consumer_group="$Default") as consumer:
        task = asyncio.create_task(consumer.receive(on_event, partition_id="0", starting_position="-1"))
        await asyncio.wait_for(there.wait(), PATIENCE_S)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return bodies


@pytest.mark.filterwarnings("ignore:ssl=None is deprecated:DeprecationWarning")  # the SDK asks aiohttp so
@pytest.mark.parametrize("way", WAYS)
def test_the_asynchronous_client_goes_every_way(tmp_path: Path, way: str) -> None:
    if "websockets" in way:
        pytest.importorskip("aiohttp", reason="the SDK's asynchronous WebSockets need aiohttp")
    with EventHubStandIn(tmp_path, partitions=1, tls=True) as fresh:
        assert asyncio.run(_send_and_receive(settings(fresh, way))) == [b"asynchronous"]


def websocket_peer(standin: EventHubStandIn, more: str) -> tuple[socket.socket, bytes]:
    """Ask for a WebSocket by hand; return the socket and the answer's head."""
    pytest.importorskip("wsproto", reason="the stand-in's WebSockets need wsproto")
    peer = socket.create_connection(("127.0.0.1", standin.port), timeout=PATIENCE_S)
    peer.sendall(UPGRADE.format(key=base64.b64encode(os.urandom(16)).decode(), more=more).encode())
    head = b""
    while b"\r\n\r\n" not in head and (byte := peer.recv(1)):
        head += byte
    return peer, head


def client_frame(code: int, data: bytes) -> bytes:
    """Encode a masked frame; a mask of zeros leaves the data readable."""
    return bytes((0x80 | code, 0x80 | len(data))) + bytes(4) + data


def test_a_peer_without_the_amqp_subprotocol_is_refused(standin: EventHubStandIn) -> None:
    peer, head = websocket_peer(standin, "")
    with peer:
        assert b" 400 " in head.splitlines()[0]


def test_pings_are_answered_and_frames_may_be_split_anywhere(standin: EventHubStandIn) -> None:
    peer, head = websocket_peer(standin, "Sec-WebSocket-Protocol: amqp\r\n")
    with peer:
        assert b" 101 " in head.splitlines()[0]
        peer.sendall(client_frame(0x9, b"there?"))
        assert peer.recv(100) == b"\x8a\x06there?"
        for byte in frames.AMQP_HEADER:
            peer.sendall(client_frame(0x2, bytes((byte,))))
        assert peer.recv(100) == b"\x82\x08" + frames.AMQP_HEADER


@pytest.mark.parametrize("noise", [client_frame(0x1, b"text"), b"\x82\x01x", client_frame(0x8, b"\x03\xe8")])
def test_noise_in_a_websocket_ends_that_one_only(standin: EventHubStandIn, noise: bytes) -> None:
    peer, _ = websocket_peer(standin, "Sec-WebSocket-Protocol: amqp\r\n")
    with peer:
        peer.sendall(noise)
        while peer.recv(1_000):
            pass
    sent(standin, "tls", [b"still there"], "0")
