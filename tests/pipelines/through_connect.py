"""The pipelines through a Spark Connect server that this process starts: home, landing, reference."""

import os
import sys
import time
from pathlib import Path

from pyspark.sql import SparkSession

from battery_lake.jars import delta_jars
from battery_lake.java import find_java
from battery_lake.lake.access import Lake
from battery_lake.pipelines.reference import load_reference
from battery_lake.pipelines.registry import TO_GOLD, run_job
from battery_lake.session import local_conf
from battery_lake.settings import load

home, landing, reference = sys.argv[1:]
os.environ |= {
    "JAVA_HOME": str(find_java().home),
    "PYSPARK_PYTHON": sys.executable,  # the server starts Python for every stream, not the one on the PATH
    "SPARK_LOCAL_IP": "127.0.0.1",
    "TZ": "UTC",
}
time.tzset()
given = [
    f"home={home}", f"source.landing={landing}", "spark.shuffle_partitions=1",
    "spark.java_options=-XX:TieredStopAtLevel=1",
]  # fmt: skip
settings, _ = load(given, environment={})
builder = SparkSession.builder.remote(settings.spark.master)
for key, value in local_conf(settings, delta_jars()).items():
    if key != "spark.master":
        builder = builder.config(key, value)
spark = builder.getOrCreate()
assert type(spark).__module__ == "pyspark.sql.connect.session"
lake = Lake(spark, settings)
load_reference(lake, Path(reference))
for job in TO_GOLD:
    for result in run_job(job, lake):
        sys.stdout.write(
            f"{result.pipeline} {result.batches} {result.counts.rows_in} {result.counts.rows_kept}\n"
        )
