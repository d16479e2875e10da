"""OPTIMIZE, VACUUM and ANALYZE of every table."""

import sys

from battery_lake.pipelines.registry import main

if __name__ == "__main__":
    main("maintain", sys.argv[1:])
