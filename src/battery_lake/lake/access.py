"""Where a table is, and how it is read.

A table is a Delta folder under ``home`` or a name in Unity Catalog: an address, nothing else differs.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from battery_lake.tables.registry import table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, DataFrameWriter, SparkSession

    from battery_lake.settings import Settings


@dataclass(frozen=True, slots=True)
class Lake:
    """The tables, through one Spark session.

    Parameters
    ----------
    spark
        The session; inside a micro-batch, the batch's own.
    settings
        Says where the tables are.
    """

    spark: SparkSession
    settings: Settings

    def path(self, name: str) -> str:
        """Return the folder of a table that is not in a catalog."""
        contract = table(name)
        return str(Path(self.settings.home).absolute() / "lake" / contract.layer / contract.short_name)

    def identifier(self, name: str) -> str:
        """Return how SQL names the table."""
        contract = table(name)
        if self.settings.lake.catalog:
            return f"`{self.settings.lake.catalog}`.`{contract.layer}`.`{contract.short_name}`"
        return f"delta.`{self.path(name)}`"

    def schema(self, name: str) -> str:
        """Return how SQL names the schema of a table in a catalog."""
        return f"`{self.settings.lake.catalog}`.`{table(name).layer}`"

    def read(self, name: str) -> DataFrame:
        """Return the table as it is now."""
        return self.spark.read.table(self.identifier(name))

    def read_at(self, name: str, version: int) -> DataFrame:
        """Return the table as a version left it."""
        reader = self.spark.read.format("delta").option("versionAsOf", version)
        if self.settings.lake.catalog:
            return reader.table(self.identifier(name))
        return reader.load(self.path(name))

    def save(self, name: str, writer: DataFrameWriter) -> None:
        """Let a writer write to the table."""
        if self.settings.lake.catalog:
            writer.saveAsTable(self.identifier(name))
        else:
            writer.save(self.path(name))

    def stream(self, name: str, **options: str) -> DataFrame:
        """Return the table's rows, or its changes, as a stream."""
        reader = self.spark.readStream.format("delta").options(**options)
        if self.settings.lake.catalog:
            return reader.table(self.identifier(name))
        return reader.load(self.path(name))

    def changed(self, name: str, first: int, last: int) -> DataFrame:
        """Return the table's changes from one version to another, both included."""
        reader = self.spark.read.format("delta").options(
            readChangeFeed="true", startingVersion=str(first), endingVersion=str(last)
        )
        if self.settings.lake.catalog:
            return reader.table(self.identifier(name))
        return reader.load(self.path(name))

    def checkpoint(self, pipeline: str) -> str:
        """Return the folder in which a pipeline's stream keeps its place."""
        root = self.settings.lake.checkpoints or str(Path(self.settings.home).absolute() / "checkpoints")
        return f"{root}/{pipeline}"

    def generation(self, pipeline: str) -> str:
        """Return the identity of a pipeline's checkpoint: a new checkpoint counts batches from 0 again."""
        folder = Path(self.checkpoint(pipeline))
        marker = folder / "battery_lake.json"
        if not marker.exists():
            folder.mkdir(parents=True, exist_ok=True)
            draft = folder / f".{uuid.uuid4().hex}.tmp"
            draft.write_text(json.dumps({"generation": uuid.uuid4().hex[:12]}), encoding="utf-8")
            draft.replace(marker)
        return str(json.loads(marker.read_text(encoding="utf-8"))["generation"])
