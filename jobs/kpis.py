"""Packs and fleet as they are now, and messages by day: what key figures are made of."""

import sys

from battery_lake.pipelines.registry import main

if __name__ == "__main__":
    main("kpis", sys.argv[1:])
