"""The SDK's client for a hub: how it is built, and what it says of the hub's partitions."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from azure.eventhub import EventHubConsumerClient, TransportType
from azure.eventhub.exceptions import EventHubError

from battery_lake.sources.eventhubs.planning import PartitionState
from battery_lake.sources.eventhubs.retry import with_retries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from battery_lake.sources.eventhubs.options import EventHubsOptions

NO_RETRIES: Final = 0
"""The SDK's own retry goes on from the last event that it handed out, and may give others twice."""

AT_ONCE: Final = 16
"""So many partitions are asked for at the same time."""


def new_client(options: EventHubsOptions) -> EventHubConsumerClient:
    """Return a client; it connects when it is first used."""
    address = options.address
    more: dict[str, Any] = {
        "retry_total": NO_RETRIES,
        "transport_type": TransportType.AmqpOverWebsocket
        if options.transport == "websockets"
        else TransportType.Amqp,
        **({"http_proxy": _proxy(options.proxy)} if options.proxy else {}),
    }
    if address.connection_string:
        return EventHubConsumerClient.from_connection_string(
            address.connection_string, consumer_group=options.consumer_group, **more
        )
    return EventHubConsumerClient(
        fully_qualified_namespace=address.namespace,
        eventhub_name=address.hub,
        consumer_group=options.consumer_group,
        credential=_credential(options),
        **more,
    )


def partition_states(options: EventHubsOptions) -> dict[str, PartitionState]:
    """Ask for every partition of the hub.

    Raises
    ------
    RemoteError
        The service cannot be reached, or refuses.
    """
    with _open(options) as client:
        names = with_retries(options, "reading the hub's properties", client.get_partition_ids)
        # Every question is a connection of its own, which takes most of a second to open.
        with ThreadPoolExecutor(min(len(names), AT_ONCE)) as pool:
            return dict(zip(names, pool.map(lambda name: _state(options, client, name), names), strict=True))


def partition_state(options: EventHubsOptions, name: str) -> PartitionState:
    """Ask for one partition."""
    with _open(options) as client:
        return _state(options, client, name)


def _state(options: EventHubsOptions, client: EventHubConsumerClient, name: str) -> PartitionState:
    found = with_retries(
        options,
        f"reading the properties of partition {name}",
        lambda: client.get_partition_properties(name),
    )
    next_number = int(found["last_enqueued_sequence_number"]) + 1
    first_number = next_number if found["is_empty"] else int(found["beginning_sequence_number"])
    return PartitionState(
        first_number, next_number, str(found["last_enqueued_offset"]), found["last_enqueued_time_utc"]
    )


@contextlib.contextmanager
def _open(options: EventHubsOptions) -> Iterator[EventHubConsumerClient]:
    client = new_client(options)
    try:
        yield client
    finally:
        with contextlib.suppress(EventHubError, OSError):
            client.close()


def _credential(options: EventHubsOptions) -> Any:
    from azure.identity import DefaultAzureCredential, ManagedIdentityCredential  # noqa: PLC0415 - an import of a second, needed without a key only

    if options.credential == "managed_identity":
        return ManagedIdentityCredential(client_id=options.client_id)
    return DefaultAzureCredential()


def _proxy(text: str) -> dict[str, Any]:
    url = urlsplit(text)
    found = {
        "proxy_hostname": url.hostname,
        "proxy_port": url.port,
        "username": url.username,
        "password": url.password,
    }
    return {name: value for name, value in found.items() if value}
