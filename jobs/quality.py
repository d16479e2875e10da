"""Validation of what is new in every table; fails where a critical expectation does."""

import sys

from battery_lake.pipelines.registry import main

if __name__ == "__main__":
    main("quality", sys.argv[1:])
