"""From settings to the options of Spark's Kafka source."""

import pytest

from battery_lake.errors import SettingsError
from battery_lake.settings import load
from battery_lake.sources.kafka.options import reader_options

NAMESPACE = (
    "Endpoint=sb://cars.servicebus.windows.net/;SharedAccessKeyName=listen;SharedAccessKey=c2VjcmV0+/a=="
)
WHOLE = f"{NAMESPACE};EntityPath=telemetry"


def options(*, shaded=False, **given):
    settings, _ = load([f"kafka.{key}={value}" for key, value in given.items()], environment={})
    return reader_options(settings.kafka, shaded=shaded)


def test_an_event_hubs_namespace_asks_for_the_whole_connection_string_over_tls():
    found = options(connection_string=WHOLE)
    assert found == {
        "kafka.bootstrap.servers": "cars.servicebus.windows.net:9093",
        "subscribe": "telemetry",
        "includeHeaders": "true",
        "startingOffsets": "earliest",
        "maxOffsetsPerTrigger": "200000",
        "failOnDataLoss": "true",
        "kafka.security.protocol": "SASL_SSL",
        "kafka.sasl.mechanism": "PLAIN",
        "kafka.sasl.jaas.config": "org.apache.kafka.common.security.plain.PlainLoginModule required"
        f' username="$ConnectionString" password="{WHOLE}";',
        "kafka.metadata.max.age.ms": "180000",
        "kafka.connections.max.idle.ms": "180000",
    }


def test_a_namespaces_own_string_needs_the_topic_and_stays_as_it_is():
    found = options(connection_string=NAMESPACE, topic="telemetry")
    assert found["subscribe"] == "telemetry"
    assert f'password="{NAMESPACE}"' in found["kafka.sasl.jaas.config"]
    with pytest.raises(SettingsError, match=r"no hub[\s\S]*kafka\.topic"):
        options(connection_string=NAMESPACE)
    with pytest.raises(SettingsError, match=r"kafka\.topic name different hubs"):
        options(connection_string=WHOLE, topic="other")


def test_on_databricks_kafkas_classes_are_shaded():
    found = options(connection_string=WHOLE, shaded=True)
    assert found["kafka.sasl.jaas.config"].startswith(
        "kafkashaded.org.apache.kafka.common.security.plain.PlainLoginModule required"
    )


def test_microsofts_emulator_speaks_without_tls():
    text = "Endpoint=sb://localhost;SharedAccessKeyName=a;SharedAccessKey=b;UseDevelopmentEmulator=true;"
    found = options(connection_string=text, topic="eh1")
    assert found["kafka.bootstrap.servers"] == "localhost:9092"
    assert found["kafka.security.protocol"] == "SASL_PLAINTEXT"
    elsewhere = options(connection_string=text.replace("localhost", "localhost:19092"), topic="eh1")
    assert elsewhere["kafka.bootstrap.servers"] == "localhost:19092"


def test_a_service_credential_of_databricks_needs_no_secret():
    servers = "cars.servicebus.windows.net:9093"
    found = options(bootstrap_servers=servers, topic="telemetry", service_credential="cars-reader")
    assert found["databricks.serviceCredential"] == "cars-reader"
    assert not [name for name in found if "sasl" in name]


def test_any_kafka_with_what_its_client_needs_besides():
    given = '{"security.protocol": "SSL", "kafka.ssl.truststore.location": "trust.jks", "fetch.min.bytes": 1}'
    found = options(
        bootstrap_servers="a:1,b:2",
        topic="t",
        starting_position="latest",
        max_events_per_trigger=7,
        fail_on_data_loss=False,
        options=given,
    )
    assert found == {
        "kafka.bootstrap.servers": "a:1,b:2",
        "subscribe": "t",
        "includeHeaders": "true",
        "startingOffsets": "latest",
        "maxOffsetsPerTrigger": "7",
        "failOnDataLoss": "false",
        "kafka.security.protocol": "SSL",
        "kafka.ssl.truststore.location": "trust.jks",
        "kafka.fetch.min.bytes": "1",
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "which Kafka"),
        ({"bootstrap_servers": "a:1"}, "which Kafka"),
        ({"topic": "t"}, "which Kafka"),
        ({"connection_string": WHOLE, "bootstrap_servers": "a:1"}, "names brokers and login already"),
        ({"connection_string": WHOLE, "service_credential": "c"}, "names brokers and login already"),
        ({"connection_string": "HostName=h.azure-devices.net;SharedAccessKey=s3cr3t"}, "own connection"),
        ({"connection_string": "s3cr3t", "topic": "t"}, "cannot be read"),
        ({"bootstrap_servers": "a:1", "topic": "t", "options": "s3cr3t"}, "no JSON object"),
        ({"bootstrap_servers": "a:1", "topic": "t", "options": '["s3cr3t"]'}, "no JSON object"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words_without_a_secret(given, message):
    with pytest.raises(SettingsError, match=message) as caught:
        options(**given)
    said = f"{caught.value} {caught.value.why} {caught.value.remedy}"
    assert "s3cr3t" not in said
    assert "c2VjcmV0" not in said
    assert caught.value.remedy


def test_where_to_find_the_string_is_the_namespaces_page():
    with pytest.raises(SettingsError) as caught:
        options(connection_string="SharedAccessKey=x")
    assert "Event Hubs namespace > Settings > Shared access policies" in caught.value.remedy


def test_settings_show_no_secret():
    settings, _ = load([f"kafka.connection_string={WHOLE}", 'kafka.options={"a": "s3cr3t"}'], environment={})
    assert "c2VjcmV0" not in repr(settings)
    assert "s3cr3t" not in repr(settings)
