"""Commands for the stand-ins: Azure's services on this machine, for trying out and for tests."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Annotated

import typer

from battery_lake.cli.base import AsJson, app, options

if TYPE_CHECKING:
    from battery_lake.local.eventhub.standin import EventHubStandIn
    from battery_lake.local.kusto import KustoStandIn
    from battery_lake.local.twins import DigitalTwinsStandIn
    from battery_lake.settings import Settings

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
    explorer: Annotated[bool, typer.Option(help="Run Data Explorer too; Node lets it take files.")] = True,
    explorer_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Its port on loopback; 0: any.")
    ] = 5701,
    twins: Annotated[bool, typer.Option(help="Run Digital Twins too.")] = True,
    twins_port: Annotated[int, typer.Option(min=0, max=65535, help="Its port on loopback; 0: any.")] = 5702,
    as_json: AsJson = False,
) -> None:
    """Run stand-ins for an IoT Hub's endpoint, Data Explorer and Digital Twins on loopback until Ctrl-C.

    What they are given stays under home.
    """
    from contextlib import ExitStack

    from battery_lake.local.eventhub.hub import Retention
    from battery_lake.local.eventhub.standin import EventHubStandIn
    from battery_lake.log import configure

    chosen = options(context)
    configure(chosen.verbosity)
    settings, _ = chosen.settings()
    # Blocked before threads start, so that they inherit it and the wait below is the only taker.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPED_BY)
    with ExitStack() as running:
        standin = running.enter_context(
            EventHubStandIn(
                settings.home / "local" / hub,
                hub=hub,
                partitions=partitions,
                port=port,
                key=key,
                retention=Retention(age_s=None if retention_hours is None else retention_hours * 3_600),
                tls=tls,
            )
        )
        kusto = running.enter_context(explorer_on(settings, explorer_port)) if explorer else None
        graph = running.enter_context(twins_on(settings, twins_port, kusto)) if twins else None
        tell = _for_machines if as_json else _for_people
        typer.echo(tell(standin, tls, kusto, graph))
        signal.sigwait(STOPPED_BY)


def explorer_on(settings: Settings, port: int) -> KustoStandIn:
    """Start Data Explorer; where Azurite cannot be had it takes streams only, and says so."""
    from battery_lake.errors import SetupError
    from battery_lake.local.kusto import KustoStandIn
    from battery_lake.local.kusto.azurite import program

    folder = settings.home / "local" / "explorer"
    try:
        program()
    except SetupError as fault:
        typer.echo(f"Data Explorer takes no files here: {fault}", err=True)
        return KustoStandIn(folder, database=settings.adx.database, port=port, queued=False)
    return KustoStandIn(folder, database=settings.adx.database, port=port)


def twins_on(settings: Settings, port: int, kusto: KustoStandIn | None) -> DigitalTwinsStandIn:
    """Start Digital Twins; where there are blobs beside it, its import jobs read and write them."""
    from battery_lake.local.twins import DigitalTwinsStandIn

    blobs = kusto.azurite if kusto is not None else None
    sign = blobs.signed if blobs is not None else None
    return DigitalTwinsStandIn(settings.home / "local" / "twins", port=port, sign=sign)


def _container(kusto: KustoStandIn | None) -> str:
    """The address of a container for import jobs; empty where there are no blobs."""
    return kusto.azurite.container("twins") if kusto is not None and kusto.azurite is not None else ""


def _for_machines(
    standin: EventHubStandIn, tls: bool, kusto: KustoStandIn | None, graph: DigitalTwinsStandIn | None
) -> str:
    """Tell how to connect in one line of JSON."""
    told = {"connection_string": standin.connection_string, "endpoint_address": standin.endpoint_address}
    if tls:
        told["secure_connection_string"] = standin.secure_connection_string
        told["certificate"] = str(standin.certificate.resolve())
    if kusto is not None:
        told |= {"explorer_cluster": kusto.address, "explorer_database": kusto.database}
    if graph is not None:
        told |= {"twins_endpoint": graph.endpoint, "twins_token": graph.token}
        told["twins_certificate"] = str(graph.certificate.resolve())
        told["twins_container"] = _container(kusto)
    return json.dumps(told)


def _for_people(
    standin: EventHubStandIn, tls: bool, kusto: KustoStandIn | None, graph: DigitalTwinsStandIn | None
) -> str:
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
    if kusto is not None:
        lines += [
            "Data Explorer runs too; in another shell:",
            f"export BATTERY_LAKE_ADX__CLUSTER={kusto.address!r}",
            "battery-lake adx apply && battery-lake quality && battery-lake adx push",
        ]
    if graph is not None:
        lines += [
            "Digital Twins runs too; in another shell:",
            f"export BATTERY_LAKE_TWINS__ENDPOINT={graph.endpoint!r}",
            f"export BATTERY_LAKE_TWINS__TOKEN={graph.token!r}",
            f"export BATTERY_LAKE_TWINS__CERTIFICATE={str(graph.certificate.resolve())!r}",
            f"export BATTERY_LAKE_TWINS__CONTAINER={_container(kusto)!r}",
            "battery-lake quality && battery-lake twins apply && battery-lake twins sync",
        ]
    return "\n".join(lines)
