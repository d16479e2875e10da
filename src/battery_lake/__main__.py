"""``python -m battery_lake`` is ``battery-lake``."""

from battery_lake.cli.app import main

main()
