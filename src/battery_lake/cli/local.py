"""Commands for the stand-ins: Azure's services on this machine, for trying out and for tests."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Annotated

import typer

from battery_lake.cli.base import AsJson, app, options

if TYPE_CHECKING:
    from battery_lake.local.eventhub.standin import EventHubStandIn

STOPPED_BY = {signal.SIGINT, signal.SIGTERM}

local = typer.Typer(no_args_is_help=True, help="Stand-ins for Azure's services on this machine.")
app.add_typer(local, name="local")


@local.command(
    "up",
    epilog="Examples: battery-lake local up | battery-lake local up --port 0 --retention-hours 24 --json",
)
def up(
    context: typer.Context,
    hub: Annotated[str, typer.Option(help="Event Hub-compatible name.")] = "telemetry",
    partitions: Annotated[int, typer.Option(min=1, max=32, help="Partitions; may grow.")] = 4,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on loopback; 0: any.")] = 5699,
    retention_hours: Annotated[float | None, typer.Option(min=0, help="Drop events older than this.")] = None,
    key: Annotated[str | None, typer.Option(help="Check signatures with this key; else any will do.")] = None,
    tls: Annotated[
        bool, typer.Option("--tls", help="Answer TLS too, with a certificate of its own.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run an IoT Hub's built-in endpoint on loopback until Ctrl-C; what is sent stays under home."""
    from battery_lake.local.eventhub.hub import Retention
    from battery_lake.local.eventhub.standin import EventHubStandIn
    from battery_lake.log import configure

    chosen = options(context)
    configure(chosen.verbosity)
    settings, _ = chosen.settings()
    # Blocked before threads start, so that they inherit it and the wait below is the only taker.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPED_BY)
    with EventHubStandIn(
        settings.home / "local" / hub,
        hub=hub,
        partitions=partitions,
        port=port,
        key=key,
        retention=Retention(age_s=None if retention_hours is None else retention_hours * 3_600),
        tls=tls,
    ) as standin:
        typer.echo(_for_machines(standin, tls) if as_json else _for_people(standin, tls))
        signal.sigwait(STOPPED_BY)


def _for_machines(standin: EventHubStandIn, tls: bool) -> str:
    """Tell how to connect in one line of JSON."""
    told = {"connection_string": standin.connection_string, "endpoint_address": standin.endpoint_address}
    if tls:
        told["secure_connection_string"] = standin.secure_connection_string
        told["certificate"] = str(standin.certificate.resolve())
    return json.dumps(told)


def _for_people(standin: EventHubStandIn, tls: bool) -> str:
    """Tell what to type in another shell."""
    lines = [
        "the hub runs; in another shell:",
        "export BATTERY_LAKE_SOURCE__FORMAT=eventhubs",
        f"export BATTERY_LAKE_EVENTHUBS__CONNECTION_STRING={standin.connection_string!r}",
        "battery-lake simulate --vehicles 2 --days 30 --to eventhub && battery-lake ingest",
    ]
    if tls:
        lines.append(f"over TLS: custom_endpoint_address {standin.endpoint_address!r}, connection_verify")
        lines.append(f"{str(standin.certificate)!r} and the connection string without its last part")
    return "\n".join(lines)
