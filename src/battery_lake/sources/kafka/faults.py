"""What stopped a stream of Kafka, in words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from battery_lake.errors import BatteryLakeError, DataLossError, RemoteError

if TYPE_CHECKING:
    from battery_lake.settings import KafkaSettings

_LOST: Final = re.compile(r"may have been (?:lost|missed)")
_REASON: Final = re.compile(r"Reason: ([^\n]+)")
_SAID: Final = r"org\.apache\.kafka\.\S*?{}\w*Exception: ([^\n]*?)(?: SQLSTATE|\n|$)"
_REFUSED: Final = re.compile(_SAID.format("(?:Authentication|Authorization)"))
_UNKNOWN: Final = re.compile(_SAID.format("UnknownTopicOrPartition"))
_SILENT: Final = re.compile(_SAID.format("(?:Timeout|Config|Kafka|Disconnect)"))


def explained(fault: BatteryLakeError, settings: KafkaSettings) -> BatteryLakeError:
    """Return what a stream's failure means, or the failure itself where that is not known.

    Parameters
    ----------
    fault
        As the pipeline raised it; its cause is Spark's own.
    settings
        The settings of Kafka.
    """
    text = str(fault.__cause__ or "")
    if found := _LOST.search(text):
        reason = _REASON.search(text, found.end())
        return DataLossError(
            "records were removed from Kafka before they were read",
            why=reason[1] if reason else "retention removed them, or the topic was deleted and created anew",
            remedy="read more often or keep them longer; kafka.fail_on_data_loss=false goes on without them",
        )
    if found := _REFUSED.search(text):
        return RemoteError(
            "Kafka refuses the login",
            why=found[1],
            remedy="check kafka.connection_string: its policy must allow Listen, and its key may be renewed",
        )
    if found := _UNKNOWN.search(text):
        return RemoteError("Kafka has no such topic", why=found[1], remedy="check kafka.topic")
    if found := _SILENT.search(text):
        return RemoteError(
            "Kafka does not answer",
            why=f"{found[1]} ({_where(settings)})",
            remedy="check the address, and that its port (9093 for Event Hubs) can be reached from here",
        )
    return fault


def _where(settings: KafkaSettings) -> str:
    """The address as the settings give it, without a secret."""
    endpoint = re.search(r"Endpoint=([^;]+)", settings.connection_string.get_secret_value(), re.IGNORECASE)
    return endpoint[1] if endpoint else settings.bootstrap_servers
