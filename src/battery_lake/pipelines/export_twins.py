"""The graph to a file: for the first load by an import job, and to look at."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from battery_lake.pipelines.push_twins import whole_graph
from battery_lake.sinks.twins.bulk import head, relationship_lines, section, twin_lines
from battery_lake.sinks.twins.plan import models

if TYPE_CHECKING:
    from typing import BinaryIO

    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake


def export_graph(lake: Lake, file: Path) -> None:
    """Write models, twins and relationships as lines for an import job.

    Parameters
    ----------
    lake
        The tables.
    file
        Where to.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    twins = whole_graph(lake)
    draft = file.with_name(f".{file.name}.tmp")
    with draft.open("wb") as target:
        for line in head(models(lake.settings.twins.models)):
            target.write(f"{line}\n".encode())
        for name, lines in (("Twins", twin_lines(twins)), ("Relationships", relationship_lines(twins))):
            target.write(f"{section(name)}\n".encode())
            _append(lake, f"twins.export.{name}", lines, target)
    draft.replace(file)


def _append(lake: Lake, name: str, lines: DataFrame, target: BinaryIO) -> None:
    """Let Spark write the lines side by side, then put the parts behind each other."""
    folder = Path(lake.checkpoint("scratch")) / name
    lines.write.mode("overwrite").text(str(folder))
    for part in sorted(folder.glob("part-*")):
        with part.open("rb") as source:
            shutil.copyfileobj(source, target)
    shutil.rmtree(folder)
