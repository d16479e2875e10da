"""Bronze to silver and quarantine."""

import sys

from battery_lake.pipelines.registry import main

if __name__ == "__main__":
    main("refine", sys.argv[1:])
