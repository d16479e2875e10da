"""A real broker on loopback, records sent to it with Spark, and lakes that read it."""

import pytest
from py4j.java_gateway import JavaMember

from battery_lake.errors import SetupError
from battery_lake.jars import kafka_jars
from battery_lake.lake.access import Lake
from battery_lake.local.kafka import KafkaBroker, record
from battery_lake.settings import load

RECORDS_TO_DELETE = "org.apache.kafka.clients.admin.RecordsToDelete"
RECORD = (
    "topic string, partition int, key binary, value binary, headers array<struct<key: string, value: binary>>"
)


@pytest.fixture(scope="session")
def broker(spark, tmp_path_factory):
    del spark  # its Java is found first, and it holds Kafka's jars
    try:
        kafka_jars()
        broker = KafkaBroker(tmp_path_factory.mktemp("kafka") / "broker")
    except SetupError as fault:
        pytest.skip(str(fault))
    with broker:
        yield broker


@pytest.fixture
def topic(request):
    """A topic of the test's own."""
    return "".join(sign if sign.isalnum() else "-" for sign in request.node.name)[:80]


@pytest.fixture
def send(spark, broker, topic):
    """Send events as Event Hubs shows them, or records as they are, in order."""

    def write(partition, given):
        rows = []
        for each in given:
            key, value, headers = each if isinstance(each, tuple) else record(each)
            rows.append((topic, partition, key, value, headers))
        frame = spark.createDataFrame(rows, RECORD).coalesce(1)
        options = {"kafka.bootstrap.servers": broker.servers, "includeHeaders": "true"}
        frame.write.format("kafka").options(**options).save()

    return write


@pytest.fixture
def lake_on(spark, tmp_path, broker, topic):
    """Build a lake that reads the topic."""

    def build(home="home", **more):
        given = {
            "home": tmp_path / home,
            "source.format": "kafka",
            "kafka.bootstrap_servers": broker.servers,
            "kafka.topic": topic,
            **more,
        }
        settings, _ = load([f"{key}={value}" for key, value in given.items()], environment={})
        return Lake(spark, settings)

    return build


@pytest.fixture
def delete_before(spark, broker, topic):
    """Let a partition forget what is older than an offset, as retention does."""

    def delete(partition, offset):
        java = spark.sparkContext._jvm
        kafka = java.org.apache.kafka
        properties = java.java.util.Properties()
        properties.put("bootstrap.servers", broker.servers)
        admin = kafka.clients.admin.AdminClient.create(properties)
        try:
            where = java.java.util.HashMap()
            # A static method and one of an object share this name: py4j has to be told which.
            until = JavaMember(
                "beforeOffset", None, f"z:{RECORDS_TO_DELETE}", spark.sparkContext._gateway._gateway_client
            )(offset)
            where.put(kafka.common.TopicPartition(topic, partition), until)
            admin.deleteRecords(where).all().get()
        finally:
            admin.close()

    return delete
