"""The champion outside of the lake: a folder to build a container from, and MLflow's own server."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from battery_lake.errors import ModelError
from battery_lake.models.store import CHAMPION, addresses, aliased, environment, opened, version_of

if TYPE_CHECKING:
    from battery_lake.settings import Settings

MODEL_FOLDER: Final = "model_dir"
"""MLflow's name for the model in a container context."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A container context.

    Parameters
    ----------
    folder
        Holds the Dockerfile and the model.
    model
        Name and number.
    """

    folder: str
    model: str


def chosen(settings: Settings, number: str = "") -> str:
    """Return the name and number of the champion, or of another version.

    Parameters
    ----------
    settings
        Say where models are.
    number
        The other version; empty: the champion.

    Raises
    ------
    ModelError
        There is none.
    """
    where = addresses(settings)
    with opened(where) as client:
        found = version_of(client, where, number) if number else aliased(client, where, CHAMPION)
    if found is None:
        raise ModelError(
            "there is no champion", remedy="battery-lake model promote, or name a version: --version 1"
        )
    return f"{where.name}/{found.version}"


def export(settings: Settings, folder: Path, number: str = "") -> Exported:
    """Write a container context, as ``mlflow models generate-dockerfile`` does.

    Parameters
    ----------
    settings
        Say where models are.
    folder
        New, or empty.
    number
        A version; empty: the champion.

    Raises
    ------
    ModelError
        The folder holds something, or there is no such version.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ModelError(f"{folder} is not empty", remedy="name a new folder")
    model, where = chosen(settings, number), addresses(settings)
    with opened(where):
        from mlflow.models.flavor_backend_registry import get_flavor_backend

        uri = f"models:/{model}"
        backend: Any = get_flavor_backend(  # type: ignore[no-untyped-call]
            uri, docker_build=True, env_manager="local"
        )
        backend.generate_dockerfile(uri, str(folder))
    return Exported(str(folder), model)


def serve_command(model: str, host: str, port: int) -> list[str]:
    """Return the command of MLflow's own scoring server.

    Parameters
    ----------
    model
        An address of MLflow's, or a folder.
    host, port
        Where it listens.
    """
    return [
        sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", model, "--env-manager", "local",
        "--host", host, "--port", str(port),
    ]  # fmt: skip


def serve_environment() -> dict[str, str]:
    """Return this process's environment, in which MLflow finds the server that is installed beside Python.

    MLflow starts ``uvicorn`` by its name; who runs a virtual environment's Python by its path has none in
    ``PATH``.
    """
    beside = str(Path(sys.executable).parent)
    return os.environ | {"PATH": os.pathsep.join([beside, os.environ.get("PATH", os.defpath)])}


def serve(settings: Settings, host: str, port: int, number: str = "") -> int:
    """Serve the champion, or another version, until the server ends; its exit code.

    Parameters
    ----------
    settings
        Say where models are.
    host, port
        Where it listens.
    number
        A version; empty: the champion.
    """
    model = chosen(settings, number)
    own = serve_environment() | environment(addresses(settings))
    return subprocess.run(serve_command(f"models:/{model}", host, port), env=own, check=False).returncode
