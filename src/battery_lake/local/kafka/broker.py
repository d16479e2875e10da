"""A real Kafka broker on loopback: one Java process, gone when it is closed."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Final

from battery_lake.clock import monotonic_s
from battery_lake.closing import Closing
from battery_lake.errors import SetupError
from battery_lake.java import find_java
from battery_lake.user_cache import user_cache_dir

VERSION: Final = "4.1.2"
_HOST: Final = "127.0.0.1"
_FETCH_TIMEOUT_S, _START_TIMEOUT_S, _STOP_TIMEOUT_S = 300, 60, 10
_CONNECTION_STRING: Final = (
    "Endpoint=sb://{address};SharedAccessKeyName=local;SharedAccessKey={key};UseDevelopmentEmulator=true"
)
_POM: Final = f"""<project>
  <modelVersion>4.0.0</modelVersion><groupId>local</groupId><artifactId>broker</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version>
  </dependency></dependencies>
</project>
"""


def broker_jars() -> Path:
    """Return the folder of the broker's jars, fetching them with Maven, by its own settings, if missing.

    Raises
    ------
    SetupError
        They are not there and Maven is not, or it fails.
    """
    cache = user_cache_dir("kafka")
    folder = cache / VERSION
    if folder.is_dir():
        return folder
    program = shutil.which("mvn")
    if program is None:
        raise SetupError("No Kafka broker on this machine.", why="Maven, which fetches it, is not installed")
    # Under its final name only when complete: another process may fetch too.
    with tempfile.TemporaryDirectory(dir=cache, prefix=".fetch-") as scratch:
        (Path(scratch) / "pom.xml").write_text(_POM, encoding="utf-8")
        command = [program, "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={scratch}/jars"]
        try:
            subprocess.run(
                command, cwd=scratch, capture_output=True, text=True, timeout=_FETCH_TIMEOUT_S, check=True
            )
        except subprocess.SubprocessError as fault:
            raise SetupError("The Kafka broker could not be fetched.", why=f"mvn: {fault}") from fault
        with contextlib.suppress(OSError):  # the other process was first
            (Path(scratch) / "jars").rename(folder)
    return folder


class KafkaBroker(Closing):
    """One broker that is its own controller.

    Topics come into being when they are first asked for.

    Parameters
    ----------
    folder
        Where it keeps everything.
    partitions
        Of every topic.

    Raises
    ------
    SetupError
        The broker's jars or Java cannot be had, or it does not start.
    """

    def __init__(self, folder: Path, *, partitions: int = 2) -> None:
        self._folder = folder
        plain, login, controller = _free_ports(3)
        self.servers = f"{_HOST}:{plain}"
        """``host:port`` for whoever needs no login."""
        self.connection_string = _CONNECTION_STRING.format(
            address=f"{_HOST}:{login}", key=secrets.token_hex()
        )
        """What a second listener asks for as the password, as an Event Hubs namespace does."""
        folder.mkdir(parents=True)
        properties = folder / "server.properties"
        ports = (plain, login, controller)
        properties.write_text(_properties(folder, ports, partitions, self.connection_string), "utf-8")
        java = str(find_java().executable)
        self._command = [java, "-Xms128m", "-Xmx384m", "-cp", f"{broker_jars()}/*"]
        self._process = self._start(properties, plain)

    def _start(self, properties: Path, port: int) -> subprocess.Popen[bytes]:
        # a name that begins with a dash would be read as an option
        cluster = "A" + urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]
        with (self._folder / "broker.log").open("wb") as log:
            subprocess.run(
                [*self._command, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(properties)],
                stdout=log,
                stderr=log,
                check=True,
                timeout=_START_TIMEOUT_S,
            )
            process = subprocess.Popen(
                [*self._command, "kafka.Kafka", str(properties)], stdout=log, stderr=log
            )
        until = monotonic_s() + _START_TIMEOUT_S
        while not _is_open(port):
            if process.poll() is not None or monotonic_s() > until:
                process.kill()
                said = (self._folder / "broker.log").read_text("utf-8", errors="replace")[-300:]
                raise SetupError("The Kafka broker does not start.", why=said)
            time.sleep(0.1)
        return process

    def close(self) -> None:
        """End the process; what it kept stays in the folder."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _properties(folder: Path, ports: tuple[int, int, int], partitions: int, password: str) -> str:
    """The broker's settings."""
    plain, login, controller = ports
    listeners = f"PLAIN://{_HOST}:{plain},LOGIN://{_HOST}:{login}"
    module = "org.apache.kafka.common.security.plain.PlainLoginModule"
    login_config = f'{module} required user_$ConnectionString="{password}";'
    lines = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{_HOST}:{controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"{listeners},CONTROLLER://{_HOST}:{controller}",
        "advertised.listeners": listeners,
        "inter.broker.listener.name": "PLAIN",
        "listener.security.protocol.map": "PLAIN:PLAINTEXT,LOGIN:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
        "listener.name.login.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.login.plain.sasl.jaas.config": login_config,
        "log.dirs": folder / "log",
        "num.partitions": partitions,
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "group.initial.rebalance.delay.ms": 0,
    }
    return "".join(f"{name}={value}\n" for name, value in lines.items())


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((_HOST, 0))
        return [each.getsockname()[1] for each in sockets]


def _is_open(port: int) -> bool:
    try:
        socket.create_connection((_HOST, port), timeout=1).close()
    except OSError:
        return False
    return True
