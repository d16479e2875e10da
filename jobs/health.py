"""Silver to sessions, capacities, health, life and fleet."""

import sys

from battery_lake.pipelines.registry import main

if __name__ == "__main__":
    main("health", sys.argv[1:])
