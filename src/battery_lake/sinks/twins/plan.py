"""Models of the instance against the ontology: what is missing, and what has changed as it should not."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from battery_lake.errors import SettingsError
from battery_lake.sinks.twins import ontology

if TYPE_CHECKING:
    from battery_lake.sinks.twins.client import Graph

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """What has to be done to the models.

    Parameters
    ----------
    missing
        To be added, what is extended before what extends it.
    conflicting
        Identifiers of models that the instance has with another content.
    """

    missing: list[Document]
    conflicting: list[str]


def models(folder: str) -> list[Document]:
    """Return the ontology's interfaces and those of a folder, what is extended first.

    Raises
    ------
    SettingsError
        A file of the folder cannot be read.
    """
    found = ontology.interfaces()
    for path in sorted(Path(folder).glob("*.json")) if folder else ():
        try:
            read = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as fault:
            raise SettingsError(
                f"the interface {path} cannot be read", why=str(fault), remedy="mend it, or set twins.models"
            ) from fault
        found += read if isinstance(read, list) else [read]
    return found


def model_plan(wanted: list[Document], there: dict[str, Document]) -> ModelPlan:
    """Compare the models that are wanted with those that the instance has."""
    missing = [model for model in wanted if model["@id"] not in there]
    conflicting = [m["@id"] for m in wanted if m["@id"] in there and there[m["@id"]] != m]
    return ModelPlan(missing, conflicting)


def missing_models(folder: str, graph: Graph) -> list[Document]:
    """Return the models that an instance lacks, what is extended first.

    Raises
    ------
    SettingsError
        A model has changed under the version that the instance has, or a file cannot be read.
    """
    plan = model_plan(models(folder), graph.models())
    _refuse_conflicts(plan)
    return plan.missing


def apply_models(graph: Graph, plan: ModelPlan) -> None:
    """Add the missing models.

    Raises
    ------
    SettingsError
        A model has changed under the version that the instance has.
    """
    _refuse_conflicts(plan)
    if plan.missing:
        graph.add_models(plan.missing)


def _refuse_conflicts(plan: ModelPlan) -> None:
    if plan.conflicting:
        raise SettingsError(
            "models have changed without a new version",
            why=", ".join(plan.conflicting),
            remedy="a published interface stays as it is: give the changed one the next version",
        )
