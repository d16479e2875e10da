"""Settings: one typed object; defaults < battery_lake.toml < environment < job parameters.

A key that no section has, a misspelt section too, is an error that names the nearest right key.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import Field, SecretStr, ValidationError

from battery_lake.errors import SettingsError
from battery_lake.sections import (
    AdxSettings,
    AlertSettings,
    ByChemistry,
    MaintenanceSettings,
    ModelSettings,
    Positive,
    Section,
    TwinsSettings,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FILE_NAME: Final = "battery_lake.toml"
ENV_PREFIX: Final = "BATTERY_LAKE_"
OUTSIDE_SETTINGS: Final = frozenset({"BATTERY_LAKE_JARS", "BATTERY_LAKE_MAVEN_URL", "BATTERY_LAKE_CONFIG"})
"""Variables that are read before there are settings, or say where they are."""


class LakeSettings(Section):
    """Where the tables are."""

    catalog: str = Field("", description="Unity Catalog name; empty: Delta folders under home.")
    checkpoints: str = Field("", description="Folder of stream checkpoints; empty: under home.")


class SourceSettings(Section):
    """Where messages come from."""

    format: Literal["files", "eventhubs", "kafka"] = Field("files", description="files, eventhubs or kafka.")
    landing: str = Field("", description="Folder of routing or Capture files; empty: landing under home.")
    hub: str = Field(
        "", description="Name of the source in bronze; empty: landing, or the hub's or topic's own."
    )
    file_format: Literal["json", "avro"] = Field(
        "json", description="json: routing in JSON; avro: routing in Avro, Event Hubs Capture."
    )
    max_files_per_trigger: int = Field(64, ge=1, description="Landing files in one batch.")
    every_s: float = Field(
        0.0, ge=0, description="Between two batches of a run that never ends; 0: end with what is there. [s]"
    )

    @property
    def stream(self) -> str:
        """Name of the stream that fills bronze: every way of reading keeps a place of its own."""
        return f"ingest-{self.file_format if self.format == 'files' else self.format}"


class EventHubsSettings(Section):
    """IoT Hub's built-in endpoint, or any Event Hubs."""

    connection_string: SecretStr = Field(
        SecretStr(""), description="Of the built-in endpoint, with EntityPath; empty: a credential is used."
    )
    namespace: str = Field("", description="Host of the namespace, where there is no connection string.")
    hub: str = Field("", description="Event Hub-compatible name, where the connection string has none.")
    credential: str = Field("default", description="default or managed_identity, :client id behind it.")
    consumer_group: str = Field("$Default", description="A group of the lake's own is better.")
    starting_position: str = Field("earliest", description="Where a new checkpoint begins.")
    max_events_per_trigger: int = Field(200_000, ge=1, description="Events in one batch.")
    max_bytes_per_trigger: str = Field("512m", description="Bytes in one batch, about.")
    receive_timeout_s: int = Field(60, ge=1, description="So long a silent service is waited for. [s]")
    prefetch: int = Field(1000, ge=1, description="Events that the service may send ahead.")
    fail_on_data_loss: bool = Field(True, description="Stop where retention removed unread events.")
    transport: Literal["amqp", "websockets"] = Field("amqp", description="amqp or websockets (port 443).")
    proxy: SecretStr = Field(SecretStr(""), description="http://user:password@host:port of a proxy.")


class KafkaSettings(Section):
    """Kafka: that of an Event Hubs namespace, or any other."""

    connection_string: SecretStr = Field(
        SecretStr(""), description="Of an Event Hubs namespace or one of its hubs; Standard tier and up."
    )
    bootstrap_servers: str = Field("", description="host:port, of any other Kafka; commas between several.")
    topic: str = Field("", description="The topic: an event hub, where the connection string names none.")
    service_credential: str = Field("", description="A service credential of Unity Catalog, on Databricks.")
    starting_position: Literal["earliest", "latest"] = Field(
        "earliest", description="Where a new checkpoint begins."
    )
    max_events_per_trigger: int = Field(200_000, ge=1, description="Records in one batch.")
    fail_on_data_loss: bool = Field(True, description="Stop where retention removed unread records.")
    options: SecretStr = Field(
        SecretStr("{}"), description="More options of Kafka's client, as a JSON object; may hold secrets."
    )


class RefineSettings(Section):
    """Bronze to silver."""

    mappings: str = Field(
        "canonical_v1",
        description="Mappings in the order they are tried: shipped names or .yml files, commas.",
    )
    max_bytes_per_trigger: str = Field("256m", description="Bronze bytes in one batch, about.")
    clock_skew_s: Positive = Field(300.0, description="How far a device's clock may run ahead. [s]")

    max_body_bytes: int = Field(1_048_576, ge=1, description="A larger body is refused. [B]")
    max_unzipped_bytes: int = Field(
        16_777_216, ge=1, description="A body that unzips to more is refused. [B]"
    )

    @property
    def mapping_names(self) -> tuple[str, ...]:
        """The mappings one by one."""
        return tuple(name.strip() for name in self.mappings.split(",") if name.strip())


class LimitSettings(Section):
    """What no battery can show, healthy or ill: by chemistry, ``default`` for the others."""

    cell_voltage_min_v: ByChemistry = Field({"default": 0.5}, description="Lowest cell voltage. [V]")
    cell_voltage_max_v: ByChemistry = Field(
        {"default": 5.0, "LFP": 4.5}, description="Highest cell voltage. [V]"
    )
    temperature_min_c: ByChemistry = Field({"default": -39.5}, description="Lowest probe reading. [°C]")
    temperature_max_c: ByChemistry = Field({"default": 150.0}, description="Highest probe reading. [°C]")
    current_max_a: ByChemistry = Field({"default": 5000.0}, description="Highest current, either way. [A]")
    string_gap_v: ByChemistry = Field(
        {"default": 0.1}, description="Mean cell voltage against the pack's share, at most. [V]"
    )
    cell_voltage_jump_v: ByChemistry = Field(
        {"default": 1.0}, description="Step of a cell voltage within a minute, at most. [V]"
    )
    soc_jump_pct: ByChemistry = Field({"default": 10.0}, description="Step of the SOC at once, at most. [%]")


class SessionSettings(Section):
    """Cutting telemetry into drives, charges and rests."""

    window_s: Positive = Field(60.0, description="Half width of the window that tells a sample's kind. [s]")
    gap_s: Positive = Field(1800.0, description="A longer silence ends a session. [s]")
    rest_c_rate: Positive = Field(
        0.02, description="Below this share of rated capacity per hour: at rest. [1/h]"
    )


class HealthSettings(Section):
    """Estimating capacity, health and life."""

    min_rest_s: Positive = Field(1200.0, description="Rest before a voltage counts as relaxed. [s]")
    max_anchor_gap_s: Positive = Field(
        86400.0, description="Longest time between a rest and the session. [s]"
    )
    min_soc_change_frac: Positive = Field(0.15, description="Narrowest SOC window that gives a capacity. [1]")
    eol_soh_pct: Positive = Field(80.0, description="End of life where a pack's own is empty. [%]")
    spread_alert_pct: Positive = Field(5.0, description="SOH spread within a pack that raises an alert. [%]")


class QualitySettings(Section):
    """The scheduled validation of tables."""

    fail_on: Literal["critical", "warning", "info"] = Field(
        "critical", description="The least severity of a failed expectation that makes the run fail."
    )
    max_refused_pct: Positive = Field(5.0, description="Messages refused in a batch, at most. [%]")
    max_flagged_pct: Positive = Field(20.0, description="Messages flagged, at most. [%]")
    max_silence_s: Positive = Field(86400.0, description="Longest time without any message. [s]")


class SparkSettings(Section):
    """The local Spark session; Databricks brings its own."""

    master: str = Field("local[2]", description="Spark master of the local session.")
    driver_memory: str = Field("1536m", description="Heap of the local session.")
    java_options: str = Field("", description="More options for the local session's Java.")
    shuffle_partitions: int = Field(4, ge=1, description="Shuffle partitions of the local session.")


class Settings(Section):
    """Everything that can be set."""

    home: Path = Field(Path(".battery_lake"), description="Root of everything local.")
    lake: LakeSettings = LakeSettings()
    source: SourceSettings = SourceSettings()
    eventhubs: EventHubsSettings = EventHubsSettings()
    kafka: KafkaSettings = KafkaSettings()
    refine: RefineSettings = RefineSettings()
    limits: LimitSettings = LimitSettings()
    sessions: SessionSettings = SessionSettings()
    health: HealthSettings = HealthSettings()
    alerts: AlertSettings = AlertSettings()
    quality: QualitySettings = QualitySettings()
    twins: TwinsSettings = TwinsSettings()
    adx: AdxSettings = AdxSettings()
    models: ModelSettings = ModelSettings()
    maintenance: MaintenanceSettings = MaintenanceSettings()
    spark: SparkSettings = SparkSettings()

    @property
    def landing(self) -> Path:
        """The landing folder."""
        return Path(self.source.landing) if self.source.landing else self.home / "landing"


class Origins(dict[str, str]):
    """Dotted key to where its value came from; a key that is missing has its default."""


def known_keys() -> dict[str, str]:
    """Return every dotted key with its description."""
    keys: dict[str, str] = {}
    for name, field in Settings.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, Section):
            keys.update({f"{name}.{key}": f.description or "" for key, f in section.model_fields.items()})
        else:
            keys[name] = field.description or ""
    return keys


def load(
    arguments: Iterable[str] = (),
    *,
    config: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> tuple[Settings, Origins]:
    """Read the settings and say where each value came from.

    Parameters
    ----------
    arguments
        ``key=value`` pairs, dotted keys: they win over everything.
    config
        The TOML file; None: BATTERY_LAKE_CONFIG, else ``battery_lake.toml`` here if there is one.
    environment
        Variables; ``BATTERY_LAKE_HOME``, ``BATTERY_LAKE_SPARK__MASTER``. None: the process's own.

    Raises
    ------
    SettingsError
        A key is unknown, the file cannot be read, or a value is out of range.
    """
    environ = os.environ if environment is None else environment
    layers: list[tuple[str, dict[str, Any]]] = [
        (origin, values)
        for origin, values in (
            _from_file(
                config or (Path(environ["BATTERY_LAKE_CONFIG"]) if "BATTERY_LAKE_CONFIG" in environ else None)
            ),
            ("environment", _from_environment(environ)),
            ("argument", _from_arguments(arguments)),
        )
    ]
    merged: dict[str, Any] = {}
    origins = Origins()
    for origin, values in layers:
        for key, value in values.items():
            merged[key] = value
            origins[key] = origin
    return _validated(merged, origins), origins


def _from_file(path: Path | None) -> tuple[str, dict[str, Any]]:
    explicit = path is not None
    file = path or Path(FILE_NAME)
    if not file.is_file():
        if explicit:
            raise SettingsError(
                f"the settings file {file} is not there", remedy="check --config or BATTERY_LAKE_CONFIG"
            )
        return FILE_NAME, {}
    try:
        tree = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise SettingsError(
            f"{file} is not valid TOML", why=str(fault), remedy="mend the line it names"
        ) from fault
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            flat.update({f"{name}.{key}": inner for key, inner in value.items()})
        else:
            flat[name] = value
    _refuse_unknown(flat, str(file))
    return str(file), flat


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    values = {
        name.removeprefix(ENV_PREFIX).lower().replace("__", "."): value
        for name, value in environ.items()
        if name.startswith(ENV_PREFIX) and name not in OUTSIDE_SETTINGS
    }
    _refuse_unknown(values, "the environment", lambda key: ENV_PREFIX + key.upper().replace(".", "__"))
    return values


def _from_arguments(arguments: Iterable[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for argument in arguments:
        key, equals, value = argument.removeprefix("--").partition("=")
        if not equals:
            raise SettingsError(
                f"{argument} is no key=value", remedy="write it as spark.master=local[4], say"
            )
        values[key] = value
    _refuse_unknown(values, "the arguments")
    return values


def _refuse_unknown(values: Mapping[str, Any], where: str, spell: Any = str) -> None:
    known = known_keys()
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.4)
            remedy = f"did you mean {spell(near[0])}?" if near else "`battery-lake settings` lists every key"
            raise SettingsError(f"{spell(key)} in {where} is no setting", remedy=remedy)


def _validated(merged: Mapping[str, Any], origins: Origins) -> Settings:
    tree: dict[str, Any] = {}
    for key, value in merged.items():
        section, dot, name = key.partition(".")
        if dot:
            tree.setdefault(section, {})[name] = value
        else:
            tree[section] = value
    try:
        return Settings.model_validate(tree)
    except ValidationError as fault:
        first = fault.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise SettingsError(
            f"{key} = {first['input']!r} cannot be used",
            why=f"{first['msg']} (from {origins.get(key, 'default')})",
            remedy=known_keys().get(key, "see `battery-lake settings`"),
        ) from fault
