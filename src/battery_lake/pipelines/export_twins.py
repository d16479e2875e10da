"""The graph to a file: for the first load by an import job, and to look at."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import Observation
from pyspark.sql import functions as F

from battery_lake.pipelines.push_twins import FOLLOWED, whole_graph
from battery_lake.pipelines.twin_marks import places
from battery_lake.sinks.twins.bulk import head, relationship_lines, section, twin_lines
from battery_lake.sinks.twins.plan import models

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, BinaryIO

    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake
    from battery_lake.pipelines.twin_marks import Place


def export_graph(lake: Lake, file: Path) -> None:
    """Write models, twins and relationships as lines for an import job.

    Parameters
    ----------
    lake
        The tables.
    file
        Where to.
    """
    write_graph(lake, file, models(lake.settings.twins.models), places(lake, FOLLOWED))


def write_graph(
    lake: Lake, file: Path, interfaces: Iterable[dict[str, Any]], stand: Mapping[str, Place]
) -> tuple[int, int]:
    """Write twins and relationships, and these interfaces before them, as lines for an import job.

    Parameters
    ----------
    lake
        The tables.
    file
        Where to.
    interfaces
        Those that the instance lacks.
    stand
        Where the tables that are followed stand.

    Returns
    -------
    tuple[int, int]
        How many twins, and how many relationships.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    twins = whole_graph(lake, stand)
    counts = []
    draft = file.with_name(f".{file.name}.tmp")
    with draft.open("wb") as target:
        for line in head(interfaces):
            target.write(f"{line}\n".encode())
        for name, lines in (("Twins", twin_lines(twins)), ("Relationships", relationship_lines(twins))):
            target.write(f"{section(name)}\n".encode())
            counts.append(_append(lake, f"twins.export.{name}", lines, target))
    draft.replace(file)
    return counts[0], counts[1]


def _append(lake: Lake, name: str, lines: DataFrame, target: BinaryIO) -> int:
    """Let Spark write the lines side by side, then put the parts behind each other; return how many."""
    seen = Observation()
    lines = lines.observe(seen, F.count(F.lit(1)).alias("lines"))
    folder = Path(lake.checkpoint("scratch")) / name
    lines.write.mode("overwrite").text(str(folder))
    for part in sorted(folder.glob("part-*")):
        with part.open("rb") as source:
            shutil.copyfileobj(source, target)
    shutil.rmtree(folder)
    return int(seen.get["lines"])
