"""A hub as the source: what stops the stream, in words, and what to do about it."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Final

from battery_lake.cli.doctor import Finding, Verdict, ago, failed
from battery_lake.clock import utc_now
from battery_lake.errors import BatteryLakeError, DataLossError
from battery_lake.sources.checkpoint import local_folder, read_progress
from battery_lake.sources.eventhubs.client import partition_states
from battery_lake.sources.eventhubs.diagnosis import Standing, in_order, judged, missing_of_batch
from battery_lake.sources.eventhubs.offsets import Offsets, from_json
from battery_lake.sources.eventhubs.options import EventHubsOptions, parse_options
from battery_lake.sources.eventhubs.positions import first_places
from battery_lake.sources.eventhubs.probe import Reason, refusals
from battery_lake.sources.eventhubs.stream import source_options

if TYPE_CHECKING:
    from battery_lake.settings import Settings
    from battery_lake.sources.checkpoint import Progress
    from battery_lake.sources.eventhubs.diagnosis import PartitionReport
    from battery_lake.sources.eventhubs.planning import PartitionState

PATIENCE_S: Final = 15.0
"""So long a service that does not answer is waited for: shorter than a run, somebody sits there. [s]"""

LONG_SILENCE: Final = dt.timedelta(days=1)
GO_ON: Final = "battery-lake ingest"
RECREATED: Final = (
    "bronze knows events by hub, partition and number, so new events under old numbers would be taken for"
    " known ones: give the new hub another name in bronze (source.hub), then move the checkpoint's folder"
    " away"
)
"""What helps where a hub has been created anew under its old name."""

_OWN_GROUP: Final = "give the lake a group of its own (eventhubs.consumer_group)"
_REFUSED: Final = {
    Reason.NO_GROUP: "make it, or mend eventhubs.consumer_group: Azure portal > your IoT Hub > Built-in"
    " endpoints > Consumer groups (Event Hubs: the hub > Entities > Consumer groups)",
    Reason.TOO_MANY: f"five readers a partition and consumer group are allowed: {_OWN_GROUP}, or end other"
    " readers; those of a run that was killed go after some minutes",
    Reason.EXCLUSIVE: "another reader (an Azure Function or an event processor, say) claims the partition for"
    f" itself: {_OWN_GROUP}",
    Reason.NOT_LET_IN: "check the key and that its policy may listen ('service' on IoT Hub)",
    Reason.OTHER: "check network and firewall (port 5671; eventhubs.transport=websockets uses 443)",
}


def hub_options(settings: Settings) -> EventHubsOptions:
    """Return the options of the hub, with less patience than a run has."""
    options = parse_options(source_options(settings.eventhubs))
    return dataclasses.replace(options, receive_timeout_s=min(PATIENCE_S, options.receive_timeout_s))


def examine_hub(settings: Settings, address: str) -> tuple[list[PartitionReport], list[Finding]]:
    """Check the hub, the consumer group and the stream's place.

    Parameters
    ----------
    settings
        The settings in force.
    address
        Where the stream keeps its place.
    """
    try:
        options = hub_options(settings)
    except BatteryLakeError as fault:
        return [], [failed("Settings", fault)]
    findings: list[Finding] = []
    states: dict[str, PartitionState] = {}
    try:
        states = partition_states(options)
    except BatteryLakeError as fault:
        findings.append(failed("Hub", fault))
    else:
        found = f"{options.address.hub} at {options.address.namespace}, {len(states)} partitions"
        findings += [Finding("Hub", Verdict.OK, found), *_group(options, sorted(states, key=in_order))]
    try:
        progress = read_progress(local_folder(address))
        start = _start(options, progress)
        if states:
            places = start.places if start else first_places(options, options.starting_position, states)
    except BatteryLakeError as fault:
        return [], [*findings, failed("Checkpoint", fault)]
    findings.append(_last_batch(options, progress, start))
    if not states:
        return [], findings
    reports = judged(places, states)
    findings += standings(reports, fail_on_data_loss=options.fail_on_data_loss)
    if progress and progress.open:
        end = from_json(progress.open.end, options.address.hub).places
        is_again = missing_of_batch(places, end, states)
        findings.append(_open_batch(progress, is_again, fail_on_data_loss=options.fail_on_data_loss))
    return reports, findings


def read_offsets(stored: dict[str, object], hub: str) -> Offsets:
    """Return what a checkpoint holds of this hub.

    Raises
    ------
    DataLossError
        It is of other messages.
    """
    if "v" not in stored:
        other = "files" if "logOffset" in stored else "another source"
        raise DataLossError(
            "the checkpoint belongs to another source",
            why=f"it was written reading {other}, the settings name a hub",
            remedy="mend source.format; or move the checkpoint's folder away, and a new one begins",
        )
    if stored.get("hub") != hub:
        raise DataLossError(
            "the checkpoint belongs to another hub",
            why=f"it was written reading {stored.get('hub')}, the settings name {hub}",
            remedy="mend eventhubs.connection_string, or eventhubs.hub; if the messages come from the new hub"
            " from now on: move the checkpoint's folder away, and a new one begins at"
            " eventhubs.starting_position; bronze keeps the hubs apart",
        )
    return from_json(stored, hub)


def standings(reports: list[PartitionReport], *, fail_on_data_loss: bool) -> list[Finding]:
    """Return the findings for where the stream stands, those first that stop it.

    Parameters
    ----------
    reports
        One a partition.
    fail_on_data_loss
        Whether events that are gone unread stop the stream.
    """
    by_standing = {kind: [r for r in reports if r.standing is kind] for kind in Standing}
    findings = []
    if found := by_standing[Standing.FELL_BACK]:
        text = "the hub was deleted and created anew: " + "; ".join(
            f"partition {r.partition} will give number {r.next_number} next, the stream stands at {r.place}"
            for r in found
        )
        findings.append(Finding("Numbers", Verdict.FAIL, text, RECREATED))
    if found := by_standing[Standing.GONE]:
        findings.append(_gone(found, fail_on_data_loss=fail_on_data_loss))
    if found := by_standing[Standing.ABSENT]:
        text = f"the hub has no partition {', '.join(r.partition for r in found)} any more"
        remedy = f"was the hub created anew, with fewer partitions? {RECREATED}"
        findings.append(Finding("Partitions", Verdict.WARN, text, remedy))
    if found := by_standing[Standing.NEW]:
        text = "; ".join(
            f"partition {r.partition} is new: it will be read from its oldest event, number {r.first_number}"
            for r in found
        )
        findings.append(Finding("Partitions", Verdict.OK, text))
    return [*findings, _waiting(reports)]


def _gone(found: list[PartitionReport], *, fail_on_data_loss: bool) -> Finding:
    text = "the hub's retention removed unread events: " + "; ".join(
        f"partition {r.partition}: {(r.place or 0)} to {(r.first_number or 0) - 1} ({r.lost:,} events)"
        for r in found
    )
    later = "and keep events longer, or run more often"
    if not fail_on_data_loss:
        remedy = f"{GO_ON} reads on behind them and writes the gap into ops.data_gap; {later}"
        return Finding("Lost events", Verdict.WARN, text, remedy)
    remedy = (
        "eventhubs.fail_on_data_loss=true stops the stream here; to go on behind them, the gap written into"
        " ops.data_gap: battery-lake --set eventhubs.fail_on_data_loss=false ingest, once; or choose a place:"
        f" battery-lake doctor --source --move-to ...; {later}"
    )
    return Finding("Lost events", Verdict.FAIL, text, remedy)


def _waiting(reports: list[PartitionReport]) -> Finding:
    waiting = sum(r.waiting for r in reports)
    taken = [r.last_taken_at for r in reports if r.last_taken_at and r.last_taken_at.year > 1]
    newest = f"the hub took its newest event {ago(max(taken))} ago" if taken else "the hub never took one"
    if waiting:
        count = sum(r.waiting > 0 for r in reports)
        return Finding("Waiting", Verdict.OK, f"{waiting:,} events in {count} partitions; {newest}", GO_ON)
    if taken and utc_now() - max(taken) < LONG_SILENCE:
        return Finding("Waiting", Verdict.OK, f"nothing: the stream is up to date; {newest}")
    remedy = (
        "do devices send? With routes in IoT Hub, messages come to the built-in endpoint only where a route,"
        " or the fallback route, leads there"
    )
    return Finding("Waiting", Verdict.WARN, f"nothing: {newest}", remedy)


def _group(options: EventHubsOptions, names: list[str]) -> list[Finding]:
    """Try every partition; one finding a reason."""
    refused = refusals(options, names)
    group = options.consumer_group
    if not refused:
        return [Finding("Consumer group", Verdict.OK, f"{group}: a receiver opens on every partition")]
    findings = []
    for reason in dict.fromkeys(refusal.reason for refusal in refused.values()):
        which = [name for name in names if name in refused and refused[name].reason is reason]
        where = "every partition" if which == names else f"partition {', '.join(which)}"
        found = f"{group}: {reason} on {where}: {refused[which[0]].text}"
        findings.append(Finding("Consumer group", Verdict.FAIL, found, _REFUSED[reason]))
    return findings


def _start(options: EventHubsOptions, progress: Progress | None) -> Offsets | None:
    if progress is None or progress.done is None:
        return None
    return read_offsets(progress.done.end, options.address.hub)


def _last_batch(options: EventHubsOptions, progress: Progress | None, start: Offsets | None) -> Finding:
    if progress is None or progress.done is None or start is None:
        found = f"none yet: the stream begins at eventhubs.starting_position={options.starting_position}"
        return Finding("Last batch", Verdict.OK, found)
    stands = ", ".join(
        f"{name}: {start.places[name].next_number}" for name in sorted(start.places, key=in_order)
    )
    when = f"committed {ago(progress.committed_at)} ago" if progress.committed_at else "committed"
    return Finding(
        "Last batch", Verdict.OK, f"{progress.done.number}, {when}; next events by partition: {stands}"
    )


def _open_batch(
    progress: Progress, missing: dict[str, tuple[int, int]], *, fail_on_data_loss: bool
) -> Finding:
    """What the next run will do with a batch that was planned and not committed."""
    assert progress.open is not None
    found = f"{progress.open.number} was planned {ago(progress.open.planned_at)} ago and is not committed"
    if missing and fail_on_data_loss:
        ranges = "; ".join(f"partition {name}: {low} to {high - 1}" for name, (low, high) in missing.items())
        return Finding(
            "Open batch",
            Verdict.FAIL,
            f"{found}; the next run reads it first, and cannot: the hub does not hold {ranges}",
            "battery-lake --set eventhubs.fail_on_data_loss=false ingest, once, reads what is left of it;"
            " battery-lake doctor --source --move-to ... gives it up",
        )
    found += ": a run is under way, or one was ended; the next run reads the same events again, bronze takes"
    return Finding("Open batch", Verdict.WARN, f"{found} each once", GO_ON)
