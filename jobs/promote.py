"""The challenger to champion, if it is better."""

import sys

from battery_lake.pipelines.registry import main

if __name__ == "__main__":
    main("promote", sys.argv[1:])
