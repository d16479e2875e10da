"""Days of some vehicles told anew, from silver to the fleet."""

import sys

from battery_lake.pipelines.registry import main

if __name__ == "__main__":
    main("backfill", sys.argv[1:])
