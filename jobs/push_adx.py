"""What is new in gold and has been checked, to Data Explorer."""

import sys

from battery_lake.pipelines.registry import main

if __name__ == "__main__":
    main("push_adx", sys.argv[1:])
