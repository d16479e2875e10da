"""MLflow's tracking and registry: a server, Unity Catalog, or SQLite in a folder."""

from __future__ import annotations

import contextlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from battery_lake.errors import ModelError, RemoteError, SetupError
from battery_lake.models.trained import FILE, Trained, read_trained

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

    from battery_lake.settings import Settings

DATABASE: Final = "mlflow.db"
COPY: Final = "champion.json"
CHAMPION, CHALLENGER = "champion", "challenger"
QUIET: Final = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
"""Nothing is told to anyone outside, unless the environment says otherwise."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where models are.

    Parameters
    ----------
    tracking, registry
        Addresses in MLflow's terms.
    folder
        Holds the SQLite store, where that is used, and the champion's copy.
    name
        Of the registered model.
    """

    tracking: str
    registry: str
    folder: Path
    name: str

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.folder / DATABASE

    @property
    def is_file(self) -> bool:
        """Whether the registry is the SQLite file."""
        return self.registry == f"sqlite:///{self.database}"

    @property
    def copy(self) -> Path:
        """The copy of the last champion."""
        return self.folder / COPY


def addresses(settings: Settings) -> Addresses:
    """Return where models are, by the settings."""
    chosen = settings.models
    folder = Path(chosen.folder or settings.home / "mlflow").absolute()
    tracking = chosen.tracking or f"sqlite:///{folder / DATABASE}"
    return Addresses(tracking, chosen.registry or tracking, folder, chosen.name)


def environment(where: Addresses) -> dict[str, str]:
    """Return the variables that a process of MLflow's own needs to find the same store."""
    return {
        **{name: os.environ.get(name, value) for name, value in QUIET.items()},
        "MLFLOW_TRACKING_URI": where.tracking,
        "MLFLOW_REGISTRY_URI": where.registry,
    }


@contextlib.contextmanager
def opened(where: Addresses) -> Iterator[MlflowClient]:
    """Point MLflow to the store; what it raises becomes an error of ours.

    Raises
    ------
    SetupError
        MLflow is not installed.
    RemoteError
        The store does not answer, or refused.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import mlflow
        from mlflow.exceptions import MlflowException
    except ImportError as fault:
        raise SetupError(
            "models need MLflow", why=str(fault), remedy="install battery-lake with the extra ml"
        ) from fault
    # Its own reports of every step belong to nobody's result.
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if where.is_file:
        where.folder.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(where.tracking)
    mlflow.set_registry_uri(where.registry)
    try:
        yield mlflow.MlflowClient(where.tracking, where.registry)
    except MlflowException as fault:
        raise RemoteError(
            f"MLflow at {where.registry} refused",
            why=f"{fault.error_code}: {str(fault).splitlines()[0]}",
            remedy="check models.tracking, models.registry and models.name: battery-lake settings",
        ) from fault


def aliased(client: MlflowClient, where: Addresses, alias: str) -> ModelVersion | None:
    """Return the version that an alias points to; None where the model has no such alias.

    Raises
    ------
    MlflowException
        There is no such model, or the registry does not answer.
    """
    versions: dict[str, str] = client.get_registered_model(where.name).aliases
    return client.get_model_version(where.name, versions[alias]) if alias in versions else None


def version_of(client: MlflowClient, where: Addresses, number: str) -> ModelVersion:
    """Return a version by its number.

    Raises
    ------
    ModelError
        There is none.
    """
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version(where.name, number)
    except MlflowException as fault:
        raise ModelError(
            f"{where.name} has no version {number}", remedy="battery-lake model list shows those there are"
        ) from fault


def load_trained(where: Addresses, number: str) -> tuple[Trained, str]:
    """Return a registered version and its file, checked against what this program gives a model.

    Raises
    ------
    ModelError
        It takes other features, or cannot be read.
    """
    import mlflow

    from battery_lake.models.signature import check_model

    uri, version = f"models:/{where.name}/{number}", f"{where.name}/{number}"
    check_model(mlflow.models.get_model_info(uri).signature, version)
    text = mlflow.artifacts.load_text(f"{uri}/artifacts/{FILE}")
    return read_trained(text, version), text
