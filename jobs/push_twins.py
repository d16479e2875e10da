"""Gold's changes to Azure Digital Twins."""

import sys

from battery_lake.pipelines.registry import main

if __name__ == "__main__":
    main("push_twins", sys.argv[1:])
