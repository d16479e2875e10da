"""Gold's history to a challenger in the model registry."""

import sys

from battery_lake.pipelines.registry import main

if __name__ == "__main__":
    main("train", sys.argv[1:])
