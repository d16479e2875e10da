"""What a registered model takes and gives, and a check that coerces nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from battery_lake.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow.models import ModelSignature

FEATURES: Final = {
    "chemistry": "string",
    "eol_soh_pct": "double",
    "age_days": "double",
    "efc_per_day": "double",
    "point_age_days": "array<double>",
    "point_soh_pct": "array<double>",
    "point_std_pct": "array<double>",
}
"""One row a cell. ``efc_per_day`` may be missing, all others must be there."""

OPTIONAL: Final = frozenset({"efc_per_day"})

ANSWER: Final = {
    "soh_pct": "double",
    "soh_p05_pct": "double",
    "soh_p95_pct": "double",
    "rul_days_p05": "double",
    "rul_days_p50": "double",
    "rul_days_p95": "double",
    "censored": "boolean",
    "model_version": "string",
}

EXAMPLE: Final[dict[str, Any]] = {
    "chemistry": "NMC",
    "eol_soh_pct": 80.0,
    "age_days": 1200.0,
    "efc_per_day": 0.2,
    "point_age_days": [300.0, 600.0, 900.0, 1200.0],
    "point_soh_pct": [97.2, 95.1, 94.0, 92.3],
    "point_std_pct": [0.6, 0.6, 0.6, 0.6],
}


def signature() -> ModelSignature:
    """Return the signature that models are registered with."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema
    from mlflow.types.schema import Array

    types: dict[str, DataType | Array] = {
        "string": DataType.string,
        "double": DataType.double,
        "boolean": DataType.boolean,
        "array<double>": Array(DataType.double),
    }
    return ModelSignature(
        inputs=Schema([
            ColSpec(types[kind], name, required=name not in OPTIONAL) for name, kind in FEATURES.items()
        ]),
        outputs=Schema([ColSpec(types[kind], name) for name, kind in ANSWER.items()]),
    )


def of_model(found: ModelSignature | None) -> dict[str, str]:
    """Return the inputs that a registered model declares, by name."""
    if found is None or found.inputs is None:
        return {}
    return {str(column.name): _words(column.type) for column in found.inputs.inputs}


def _words(kind: object) -> str:
    """A type of MLflow's in the words of :data:`FEATURES`."""
    return str(kind).lower().removeprefix("datatype.").replace("(", "<").replace(")", ">")


def check_model(found: ModelSignature | None, version: str) -> None:
    """Refuse a model that does not take what this program gives.

    Raises
    ------
    ModelError
        Names or types differ.
    """
    _refuse(f"model {version} does not take what it would be given", of_model(found), FEATURES, frozenset())


def check_frame(types: Mapping[str, str], name: str) -> None:
    """Refuse columns that differ from the signature: MLflow would turn text into numbers in silence.

    Parameters
    ----------
    types
        Type of each column, in the words of :data:`FEATURES`; other columns are let through.
    name
        What holds them.

    Raises
    ------
    ModelError
        A column is missing, or of another type.
    """
    own = {column: kind for column, kind in types.items() if column in FEATURES}
    _refuse(f"{name} does not fit the model", own, FEATURES, OPTIONAL)


def _refuse(what: str, found: Mapping[str, str], wanted: Mapping[str, str], optional: frozenset[str]) -> None:
    missing = [f"{column} is missing" for column in wanted if column not in found and column not in optional]
    extra = [f"{column} is not known" for column in found if column not in wanted]
    other = [
        f"{column} is {found[column]}, not {kind}"
        for column, kind in wanted.items()
        if found.get(column, kind) != kind
    ]
    if missing or extra or other:
        raise ModelError(
            what,
            why="; ".join((*missing, *extra, *other)),
            remedy="docs/models.md lists names and types of the features",
        )
