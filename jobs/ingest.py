"""Landing files to bronze."""

import sys

from battery_lake.pipelines.registry import main

if __name__ == "__main__":
    main("ingest", sys.argv[1:])
