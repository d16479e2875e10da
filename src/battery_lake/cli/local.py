"""Commands for the stand-ins: Azure's services on this machine, for trying out and for tests."""

from __future__ import annotations

import threading
from typing import Annotated

import typer

from battery_lake.cli.base import app, options

local = typer.Typer(no_args_is_help=True, help="Stand-ins for Azure's services on this machine.")
app.add_typer(local, name="local")


@local.command(
    "up", epilog="Examples: battery-lake local up | battery-lake local up --port 5699 --partitions 8"
)
def up(
    context: typer.Context,
    hub: Annotated[str, typer.Option(help="Event Hub-compatible name.")] = "telemetry",
    partitions: Annotated[int, typer.Option(min=1, max=32, help="Partitions; may grow.")] = 4,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on loopback; 0: any.")] = 5699,
) -> None:
    """Run an IoT Hub's built-in endpoint on loopback until Ctrl-C; what is sent stays under home."""
    from battery_lake.local.eventhub.standin import EventHubStandIn

    settings, _ = options(context).settings()
    with EventHubStandIn(settings.home / "local" / hub, hub=hub, partitions=partitions, port=port) as standin:
        typer.echo("the hub runs; in another shell:")
        typer.echo("export BATTERY_LAKE_SOURCE__FORMAT=eventhubs")
        typer.echo(f"export BATTERY_LAKE_EVENTHUBS__CONNECTION_STRING={standin.connection_string!r}")
        typer.echo("battery-lake simulate --vehicles 2 --days 30 --to eventhub && battery-lake ingest")
        threading.Event().wait()
