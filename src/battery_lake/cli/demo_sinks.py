"""The demo's way out: Digital Twins and Data Explorer on this machine, filled from the demo's gold."""

from __future__ import annotations

import contextlib
import importlib
from typing import TYPE_CHECKING

from pydantic import SecretStr

from battery_lake.cli.local import explorer_on, twins_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from battery_lake.lake.access import Lake
    from battery_lake.pipelines.model import Progress, RunResult
    from battery_lake.settings import Settings

SDKS = ("azure.digitaltwins.core", "azure.kusto.data", "azure.kusto.ingest")


@contextlib.contextmanager
def demo_sinks(settings: Settings, say: Callable[[str], None], *, wanted: bool) -> Iterator[Settings]:
    """Run both and yield settings that lead there; to nowhere if not wanted, or where an SDK is missing.

    Whatever instance the settings name, the demo does not write to it.

    Parameters
    ----------
    settings
        Of the demo; what the sinks hold stays under home.
    say
        Told what runs, and what is missing.
    wanted
        Whether to run them at all.
    """
    if not wanted:
        yield _led(settings, {"endpoint": ""}, {"cluster": ""})
        return
    missing = next((name for name in SDKS if not _is_there(name)), None)
    if missing is not None:
        say(f"sinks: left out, {missing} is missing (pip install 'battery-lake[azure]')")
        yield _led(settings, {"endpoint": ""}, {"cluster": ""})
        return
    say("sinks: Digital Twins and Data Explorer on this machine")
    with contextlib.ExitStack() as running:
        explorer = running.enter_context(explorer_on(settings, 0))
        graph = running.enter_context(twins_on(settings, 0, explorer))
        # A check of the whole demo takes longer than the demo: what leaves here is what was just made.
        twins = {
            "endpoint": graph.endpoint,
            "token": SecretStr(graph.token),
            "certificate": str(graph.certificate.resolve()),
            "checked_only": False,
        }
        # A few tables show it; the one that comes as a stream needs no Node.
        tables = "vehicle_status" if explorer.azurite is None else "cell_current,pack_health,vehicle_status"
        adx: dict[str, object] = {
            "cluster": explorer.address,
            "database": explorer.database,
            "tables": tables,
            "checked_only": False,
        }
        yield _led(settings, twins, adx)


def push(lake: Lake, progress: Progress) -> list[RunResult]:
    """Bring gold to the sinks that are set.

    Parameters
    ----------
    lake
        The tables.
    progress
        Told of every step.
    """
    if not lake.settings.twins.endpoint:
        return []
    from battery_lake.pipelines.push_adx import PUSH_ADX, explorer
    from battery_lake.pipelines.push_twins import PUSH_TWINS
    from battery_lake.serving.kql import commands, scripts

    with explorer(lake.settings) as client:
        for text in scripts().values():
            for command in commands(text):
                client.manage(command)
    return [pipeline.run(lake, progress) for pipeline in (PUSH_TWINS, PUSH_ADX)]


def _is_there(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        return False
    return True


def _led(settings: Settings, twins: dict[str, object], adx: dict[str, object]) -> Settings:
    return settings.model_copy(
        update={
            "twins": settings.twins.model_copy(update={"positions": False, "layout": "packs", **twins}),
            "adx": settings.adx.model_copy(update=adx),
        }
    )
