"""How the landing folder is read: Auto Loader on Databricks, Spark's own file stream elsewhere."""

from __future__ import annotations

import pytest

from battery_lake.settings import load
from battery_lake.sources.files.landing import reader


@pytest.mark.parametrize(("kind", "content"), [("json", "text"), ("avro", "binaryFile")])
def test_databricks_reads_with_auto_loader_and_all_others_with_the_file_stream(kind, content):
    settings, _ = load([f"source.file_format={kind}", "source.max_files_per_trigger=7"], environment={})
    common = {"recursiveFileLookup": "true", "pathGlobFilter": f"*.{kind}"}
    assert reader(settings, content, auto_loader=False) == (content, {**common, "maxFilesPerTrigger": "7"})
    assert reader(settings, content, auto_loader=True) == (
        "cloudFiles",
        {**common, "cloudFiles.format": content, "cloudFiles.maxFilesPerTrigger": "7"},
    )
