"""From the settings to the options of Spark's Kafka source."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from battery_lake.errors import SettingsError
from battery_lake.sources.address import parse_connection_string
from battery_lake.vault import secret_text

if TYPE_CHECKING:
    from battery_lake.settings import KafkaSettings

WHERE: Final = (
    "Azure portal > your Event Hubs namespace > Settings > Shared access policies > a policy with Listen >"
    " 'Connection string'"
)
PORT, EMULATOR_PORT = 9093, 9092
_EMULATOR: Final = "usedevelopmentemulator=true"
_IDLE_MS: Final = "180000"
"""Azure closes connections that were silent for 240 s."""


def reader_options(settings: KafkaSettings, *, shaded: bool = False) -> dict[str, str]:
    """Return the options that read the settings' topic.

    Parameters
    ----------
    settings
        The settings of Kafka.
    shaded
        Whether Kafka's own classes stand in ``kafkashaded``, as on Databricks.

    Raises
    ------
    SettingsError
        It is not clear which brokers, which topic or which login; or an option is none.

    References
    ----------
    Apache Spark, "Structured Streaming + Kafka Integration Guide".
    Microsoft, "Recommended configurations for Apache Kafka clients" (Event Hubs).
    """
    servers, topic, login = _address(settings, "kafkashaded." if shaded else "")
    return {
        "kafka.bootstrap.servers": servers,
        "subscribe": topic,
        "includeHeaders": "true",
        "startingOffsets": settings.starting_position,
        "maxOffsetsPerTrigger": str(settings.max_events_per_trigger),
        "failOnDataLoss": str(settings.fail_on_data_loss).lower(),
        **login,
        **_further(settings),
    }


def _address(settings: KafkaSettings, package: str) -> tuple[str, str, dict[str, str]]:
    """The brokers, the topic, and what lets one in."""
    text = secret_text(settings.connection_string).strip()
    if text and (settings.bootstrap_servers or settings.service_credential):
        raise SettingsError(
            "kafka.connection_string names brokers and login already",
            why="kafka.bootstrap_servers or kafka.service_credential is set too",
            remedy="set one or the other",
        )
    if text:
        return _event_hubs(text, settings.topic, package)
    if not settings.bootstrap_servers or not settings.topic:
        raise SettingsError(
            "it is not said which Kafka to read",
            why="kafka.connection_string is empty, and so is kafka.bootstrap_servers or kafka.topic",
            remedy=f"for Event Hubs set kafka.connection_string ({WHERE}); for any other Kafka set"
            " kafka.bootstrap_servers and kafka.topic",
        )
    credential = settings.service_credential
    login = {"databricks.serviceCredential": credential} if credential else {}
    return settings.bootstrap_servers, settings.topic, login


def _event_hubs(text: str, topic: str, package: str) -> tuple[str, str, dict[str, str]]:
    """An Event Hubs namespace: its Kafka asks for the connection string as the password."""
    hub = parse_connection_string(text, topic, named="kafka.topic", where=WHERE)
    is_emulator = _EMULATOR in text.lower().replace(" ", "")  # Microsoft's own, on loopback, without TLS
    password = text.replace("\\", r"\\").replace('"', r"\"")
    has_port = ":" in hub.namespace
    port = EMULATOR_PORT if is_emulator else PORT
    return (
        hub.namespace if has_port else f"{hub.namespace}:{port}",
        hub.hub,
        {
            "kafka.security.protocol": "SASL_PLAINTEXT" if is_emulator else "SASL_SSL",
            "kafka.sasl.mechanism": "PLAIN",
            "kafka.sasl.jaas.config": f"{package}org.apache.kafka.common.security.plain.PlainLoginModule"
            f' required username="$ConnectionString" password="{password}";',
            "kafka.metadata.max.age.ms": _IDLE_MS,
            "kafka.connections.max.idle.ms": _IDLE_MS,
        },
    )


def _further(settings: KafkaSettings) -> dict[str, str]:
    """The client's options that the settings name by themselves."""
    try:
        given = json.loads(secret_text(settings.options))
    except json.JSONDecodeError:
        given = None
    if not isinstance(given, dict):
        raise SettingsError(
            "kafka.options cannot be read",
            why="it is no JSON object",
            remedy='write it as {"security.protocol": "SSL", "ssl.truststore.location": "..."}',
        )
    return {f"kafka.{str(name).removeprefix('kafka.')}": str(value) for name, value in given.items()}
