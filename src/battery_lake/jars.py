"""The jars that a local Spark needs: pinned, verified, fetched once. Two of Delta, four more for Kafka.

Looked for in BATTERY_LAKE_JARS, the user's cache and Maven's local store; then fetched from a
repository named in the environment or in Maven's settings, by Maven, or by the Ivy inside pyspark.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from battery_lake import maven
from battery_lake.errors import SetupError
from battery_lake.java import find_java, write_trust_store
from battery_lake.user_cache import user_cache_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_TOOL_TIMEOUT_S = 300
_REASON_CHARS = 300
# Maven and Ivy say much when they fail; such a line says why.
_TELLING = re.compile(r"error.|exception|not found|not find|unknown host|failed|refused", re.IGNORECASE)


@dataclass(frozen=True)
class Jar:
    """One pinned jar.

    Attributes
    ----------
    group, artifact, version
        Its Maven coordinates.
    sha256
        Checksum of its content, hexadecimal.
    size_bytes
        Its length. [bytes]
    """

    group: str
    artifact: str
    version: str
    sha256: str
    size_bytes: int

    @property
    def file_name(self) -> str:
        """Name of the file."""
        return f"{self.artifact}-{self.version}.jar"

    @property
    def repository_path(self) -> str:
        """Path below the root of a Maven repository."""
        return f"{self.group.replace('.', '/')}/{self.artifact}/{self.version}/{self.file_name}"


_DELTA_FOR_SPARK = {
    "4.1": ("75a9400986853c061f5109f012547de2545a5759e5e752e5ef633dabe16a4f10", 9_471_929),
    "4.2": ("27d4fd8b1f879535c573ed1c718177d6a27f24d3e626ba02e216369725721ead", 9_515_916),
}
"""Delta is built anew for every Spark; this project pins the first and tests with all of them."""


def _installed_series() -> str:
    """The Spark that is installed, where there is a Delta for it; else the one that is pinned."""
    pinned = next(iter(_DELTA_FOR_SPARK))
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        series = ".".join(importlib.metadata.version("pyspark").split(".")[:2])
        return series if series in _DELTA_FOR_SPARK else pinned
    return pinned


SPARK_SERIES = _installed_series()
"""The Spark that the jars are built for."""

# Delta's further dependencies are in pyspark already, in newer versions.
DELTA_JARS = (
    Jar("io.delta", f"delta-spark_{SPARK_SERIES}_2.13", "4.4.0", *_DELTA_FOR_SPARK[SPARK_SERIES]),
    Jar(
        "io.delta",
        "delta-storage",
        "4.4.0",
        "c46735481fa8e326b0957be02b4420cbcab4b325bb08009b7f2045a95133f1cc",
        113_863,
    ),
)

# 4.1.1 is the newest of 4.1 of which every part was published. What else they need is in pyspark.
KAFKA_JARS = (
    Jar(
        "org.apache.spark",
        "spark-sql-kafka-0-10_2.13",
        "4.1.1",
        "9c1ce986f548e6b1dcb0e2dfe2f253a0bc58f2232a32a0c9c6c674dd25a8570c",
        491_694,
    ),
    Jar(
        "org.apache.spark",
        "spark-token-provider-kafka-0-10_2.13",
        "4.1.1",
        "e510adc37b03d01d0a190d0dab472b5538e05eaa77454f7e9477156d7a6820ae",
        66_579,
    ),
    Jar(
        "org.apache.kafka",
        "kafka-clients",
        "3.9.1",
        "7568b998572d256f0b7bc0afdc1b7a2588b8b08415c62ce314c864a6851ae9d9",
        9_215_194,
    ),
    Jar(
        "org.apache.commons",
        "commons-pool2",
        "2.12.1",
        "5273c8bc8c0dca2211175c0d27efbd7228efae99689aac001a8e1ef8e872e9ef",
        152_289,
    ),
)


def delta_jars() -> tuple[Path, ...]:
    """Return the Delta jars on this machine, fetching those that are missing.

    Returns
    -------
    tuple of Path
        One verified file a jar, in the order of `DELTA_JARS`.

    Raises
    ------
    SetupError
        If a jar is missing from BATTERY_LAKE_JARS, or no way to fetch it works.
    """
    return tuple(present_jar(jar) or _fetch(jar) for jar in DELTA_JARS)


def kafka_jars() -> tuple[Path, ...]:
    """Return the jars that let Spark read Kafka, fetching those that are missing.

    Returns
    -------
    tuple of Path
        One verified file a jar, in the order of `KAFKA_JARS`.

    Raises
    ------
    SetupError
        If a jar is missing from BATTERY_LAKE_JARS, or no way to fetch it works.
    """
    return tuple(present_jar(jar) or _fetch(jar) for jar in KAFKA_JARS)


def present_jar(jar: Jar) -> Path | None:
    """Return a jar that is there without fetching: from BATTERY_LAKE_JARS or the user's cache.

    Parameters
    ----------
    jar
        The pinned jar.

    Returns
    -------
    Path or None
        The verified file.

    Raises
    ------
    SetupError
        If BATTERY_LAKE_JARS is set and does not hold the pinned jar.
    """
    folder = os.environ.get("BATTERY_LAKE_JARS")
    path = (Path(folder) if folder else user_cache_dir("jars")) / jar.file_name
    if is_intact(path, jar):
        return path.absolute()
    if folder:
        raise SetupError(
            f"BATTERY_LAKE_JARS does not hold the pinned {jar.file_name}.",
            why=f"{path} " + ("has another content than pinned" if path.exists() else "does not exist"),
            remedy=f"copy {jar.repository_path} of a Maven repository there, SHA-256 {jar.sha256}",
        )
    return None


def is_intact(path: Path, jar: Jar) -> bool:
    """Tell whether a file is the pinned jar, by its length and SHA-256.

    Parameters
    ----------
    path
        The file, which may be missing.
    jar
        The pinned jar.

    Returns
    -------
    bool
        True for the pinned content.
    """
    if not path.is_file() or path.stat().st_size != jar.size_bytes:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == jar.sha256


def _fetch(jar: Jar) -> Path:
    """Get a missing jar into the user's cache by the first way that works."""
    cache = user_cache_dir("jars")
    tried: list[str] = []
    # Renamed into place only when complete and verified, so that two processes may do this at once.
    with tempfile.TemporaryDirectory(dir=cache, prefix=".fetch-") as scratch:
        for name, get in _ways(jar):
            target = Path(scratch) / jar.file_name
            try:
                get(target)
            except (OSError, subprocess.SubprocessError, SetupError) as error:
                tried.append(f"{name}: {_reason(error)}")
                continue
            if is_intact(target, jar):
                return target.replace(cache / jar.file_name)
            tried.append(f"{name}: gave another file than the pinned one (SHA-256 differs); refused")
            target.unlink(missing_ok=True)
    raise SetupError(
        f"{jar.file_name} could not be fetched.",
        why="\n     ".join(tried),
        remedy="set BATTERY_LAKE_MAVEN_URL to a Maven repository that you can reach, or BATTERY_LAKE_JARS "
        f"to a folder with {' and '.join(each.file_name for each in _set_of(jar))}",
    )


def _set_of(jar: Jar) -> tuple[Jar, ...]:
    """What such a folder has to hold: Delta's, and Kafka's where it is one of them that is missing."""
    return (*DELTA_JARS, *KAFKA_JARS) if jar in KAFKA_JARS else DELTA_JARS


def _ways(jar: Jar) -> Iterator[tuple[str, Callable[[Path], None]]]:
    """Yield each way to get a jar, by name, in the order to try."""
    settings = maven.read_settings(maven.settings_files())
    stored = settings.local_repository / jar.repository_path
    if stored.is_file():
        yield f"Maven's local store {stored}", functools.partial(_copy, stored)
    named = [os.environ.get(name, "") for name in ("BATTERY_LAKE_MAVEN_URL", "DEFAULT_ARTIFACT_REPOSITORY")]
    for base in dict.fromkeys([*filter(None, named), *settings.mirrors]):
        url = f"{base.rstrip('/')}/{jar.repository_path}"
        yield f"repository {maven.without_login(base)}", functools.partial(_download, url, settings.proxy)
    if (program := shutil.which("mvn")) is not None:
        yield "mvn", functools.partial(_by_maven, program, jar)
    yield "Ivy of pyspark", functools.partial(_by_ivy, jar)


def _download(url: str, proxy: maven.Proxy | None, target: Path) -> None:
    """Fetch from a repository of the environment or of Maven's settings."""
    _tell(target.name, urllib.parse.urlsplit(url).hostname or url)
    maven.download(url, target, proxy)


def _copy(source: Path, target: Path) -> None:
    """Copy from Maven's local store."""
    shutil.copyfile(source, target)


def _by_maven(program: str, jar: Jar, target: Path) -> None:
    """Let Maven fetch, with its own settings."""
    _tell(jar.file_name, "Maven's repository")
    artifact = f"-Dartifact={jar.group}:{jar.artifact}:{jar.version}"
    _run([program, "-q", "-B", "dependency:copy", artifact, f"-DoutputDirectory={target.parent}"])


def _by_ivy(jar: Jar, target: Path) -> None:
    """Let the Ivy that pyspark brings fetch; it knows the public repository by itself."""
    spark = importlib.util.find_spec("pyspark")
    if spark is None or spark.origin is None:
        raise OSError("pyspark is not installed")
    java = find_java().executable
    _tell(jar.file_name, "Ivy's repository")
    store = target.parent / "trust.jks"
    trust = [f"-Djavax.net.ssl.trustStore={store}", "-Djavax.net.ssl.trustStoreType=JKS"]
    _run([
        str(java),
        "-Xmx256m",
        *(trust if write_trust_store(store) else []),
        *_java_proxy(),
        "-cp",
        str(Path(spark.origin).parent / "jars" / "*"),
        "org.apache.ivy.Main",
        "-warn",
        *("-cache", str(target.parent / "ivy")),
        *("-dependency", jar.group, jar.artifact, jar.version),
        *("-confs", "master"),
        *("-retrieve", str(target.parent / "[artifact]-[revision].[ext]")),
    ])


def _java_proxy() -> list[str]:
    """Put the environment's proxies in the words of Java."""
    options: list[str] = []
    for scheme, url in urllib.request.getproxies().items():
        parts = urllib.parse.urlsplit(url if "//" in url else f"//{url}")
        if scheme in {"http", "https"} and parts.hostname:
            options += [f"-D{scheme}.proxyHost={parts.hostname}", f"-D{scheme}.proxyPort={parts.port or 80}"]
        elif scheme == "no":
            hosts = (host.strip() for host in url.split(","))
            options.append("-Dhttp.nonProxyHosts=" + "|".join(f"*{h}" if h[:1] == "." else h for h in hosts))
    return options


def _run(command: list[str]) -> None:
    """Run a fetching program; its last words are the reason where it fails."""
    subprocess.run(command, capture_output=True, text=True, timeout=_TOOL_TIMEOUT_S, check=True)


def _reason(error: Exception) -> str:
    """Say in one line why a way did not work."""
    if isinstance(error, subprocess.CalledProcessError):
        lines = [line.strip(" \t:") for line in f"{error.stdout}\n{error.stderr}".splitlines()]
        telling = [line for line in lines if _TELLING.search(line)]
        return (telling or [f"ended with exit code {error.returncode}"])[-1][:_REASON_CHARS]
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _tell(what: str, source: str) -> None:
    """Say that a fetch begins: the only thing here that takes a while."""
    sys.stderr.write(f"battery-lake: fetching {what} from {source}\n")
