"""Run the stand-in as a process of its own: `python -m battery_lake.local.eventhub --folder F`."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from battery_lake import log
from battery_lake.errors import BatteryLakeError
from battery_lake.local.eventhub.hub import Retention
from battery_lake.local.eventhub.standin import EventHubStandIn


def main() -> int:
    """Run until interrupted; the first line on standard output is the connection string."""
    parser = argparse.ArgumentParser(prog="python -m battery_lake.local.eventhub", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where the events are kept")
    parser.add_argument("--hub", default="telemetry")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--key", help="check signatures with this key")
    parser.add_argument("--retention-hours", type=float, help="drop events older than this")
    parser.add_argument("--verbosity", type=int, default=0)
    given = parser.parse_args()
    log.configure(given.verbosity)
    age_s = None if given.retention_hours is None else given.retention_hours * 3_600
    # Blocked before threads start, so that they inherit it and the wait below is the only taker.
    signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        with EventHubStandIn(
            given.folder,
            hub=given.hub,
            partitions=given.partitions,
            port=given.port,
            key=given.key,
            retention=Retention(age_s=age_s),
        ) as standin:
            sys.stdout.write(standin.connection_string + "\n")
            sys.stdout.flush()
            signal.sigwait(signals)
    except BatteryLakeError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
