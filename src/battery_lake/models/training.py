"""Fit the prior of lives to a fleet's history, judge it on packs left out, and register it."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import asdict, dataclass
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

import battery_lake
from battery_lake.cells.life_prior import OTHERS, shipped_prior
from battery_lake.cells.life_prior_fit import FitParams, fit_folds, fit_prior, fold_of
from battery_lake.cells.life_scores import Comparison, PackScores, compare
from battery_lake.errors import ModelError
from battery_lake.models import plots
from battery_lake.models.signature import EXAMPLE, signature
from battery_lake.models.store import CHALLENGER, addresses, opened
from battery_lake.models.trained import FILE, Trained

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow import MlflowClient

    from battery_lake.cells.life_prior import LifePrior
    from battery_lake.models.examples import Examples
    from battery_lake.models.store import Addresses
    from battery_lake.settings import Settings

LEAST_PACKS: Final = 2
PINNED: Final = ("mlflow", "numpy", "pandas", "pyyaml")


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A prior that was fitted, beside what it came from.

    Parameters
    ----------
    trained
        The prior, and those without each pack.
    scores, shipped_scores
        On packs left out; of the prior that comes with the product on the same.
    comparison
        The fitted one less the shipped one.
    packs, cells, ended
        What was learnt from: packs, their cells, and those whose life had ended.
    """

    trained: Trained
    scores: PackScores
    shipped_scores: PackScores
    comparison: Comparison
    packs: int
    cells: int
    ended: int


@dataclass(frozen=True, slots=True)
class Registered:
    """A training that is in the registry.

    Parameters
    ----------
    model, version, run_id
        Where to find it.
    metrics
        As they were logged.
    """

    model: str
    version: str
    run_id: str
    metrics: dict[str, float]


def fit(examples: Examples, params: FitParams) -> Fitted:
    """Fit, and judge on packs that were left out.

    Parameters
    ----------
    examples
        Of the fleet's history.
    params
        How much the shipped prior is worth.

    Raises
    ------
    ModelError
        There are too few packs to leave one out, or none was seen after its first moment.
    """
    evidence, judged = examples.evidence(), examples.judged()
    if len(examples.packs) < LEAST_PACKS or not judged.pack.size:
        raise ModelError(
            "there is too little history to train on",
            why=f"{len(examples.packs)} packs of known age, {judged.pack.size} outlooks that can be judged",
            remedy="wait for months of evidence of two packs; reference.packs must have warranty_from",
        )
    start = shipped_prior()
    folds = tuple(fit_folds(evidence, start, params))
    numbers = np.unique(evidence.pack)
    fold = fold_of(numbers, numbers)
    places = {examples.packs[k]: k_fold for k, k_fold in zip(numbers.tolist(), fold.tolist(), strict=True)}
    trained = Trained(fit_prior(evidence, start, params), folds, places)
    scores, before = judged.scores(trained.without), judged.scores(lambda _: start)
    return Fitted(
        trained,
        scores,
        before,
        compare(scores, before),
        len(examples.packs),
        int(examples.is_last.sum()),
        examples.ended,
    )


def train(settings: Settings, examples: Examples, versions: Mapping[str, int]) -> Registered:
    """Fit, judge, and register as challenger.

    Parameters
    ----------
    settings
        Say where to.
    examples
        Of the fleet's history.
    versions
        Version of every table that they were read from.

    Raises
    ------
    ModelError
        There is too little history.
    """
    params = FitParams()
    fitted, where = fit(examples, params), addresses(settings)
    with opened(where) as client:
        return _registered(client, where, settings.models.experiment, fitted, params, versions)


def metrics_of(fitted: Fitted) -> dict[str, float]:
    """Return the figures to log; what is not known is left out."""
    found: dict[str, float] = {
        "packs": fitted.packs,
        "cells": fitted.cells,
        "cells_ended": fitted.ended,
        "loss_days_change_low": fitted.comparison.loss_days.low,
        "loss_days_change_high": fitted.comparison.loss_days.high,
    }
    for name, scores in (("", fitted.scores), ("shipped_", fitted.shipped_scores)):
        found[f"{name}loss_days"] = scores.mean_loss_days
        found[f"{name}coverage_frac"] = scores.coverage
        found[f"{name}calibration_error"] = scores.calibration_error
    for chemistry, kind in fitted.trained.prior.kinds.items():
        of = chemistry or "others"
        found[f"fade_pct_per_day_{of}"] = kind.fade_pct_per_day
        found[f"use_power_{of}"] = kind.use_power
        found[f"life_std_{of}"] = kind.life_std
    return {name: value for name, value in found.items() if value == value}  # noqa: PLR0124 - not NaN


def _registered(
    client: MlflowClient,
    where: Addresses,
    experiment: str,
    fitted: Fitted,
    params: FitParams,
    versions: Mapping[str, int],
) -> Registered:
    import mlflow

    metrics = metrics_of(fitted)
    with (
        tempfile.TemporaryDirectory() as name,
        mlflow.start_run(experiment_id=_experiment(client, where, experiment)) as run,
    ):
        folder = Path(name)
        mlflow.log_params(asdict(params) | {f"delta_version {table}": n for table, n in versions.items()})
        mlflow.log_metrics(metrics)
        mlflow.set_tags({
            "battery_lake": battery_lake.__version__,
            "delta_versions": json.dumps(dict(versions)),
        })
        for file, picture in _pictures(fitted).items():
            (folder / file).write_bytes(picture)
            mlflow.log_artifact(str(folder / file), "plots")
        version = _log_model(folder, fitted.trained, where.name)
        client.set_registered_model_alias(where.name, CHALLENGER, version)
    return Registered(where.name, version, run.info.run_id, metrics)


def _experiment(client: MlflowClient, where: Addresses, name: str) -> str:
    """Id of the experiment, made where it is missing; with SQLite its files lie beside the store."""
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    files = str(where.folder / "artifacts") if where.is_file else None
    return str(client.create_experiment(name, artifact_location=files))


def _log_model(folder: Path, trained: Trained, name: str) -> str:
    """Log the model with all that it needs, and register it; the version."""
    import mlflow
    import pandas as pd

    (folder / FILE).write_text(trained.as_json(), encoding="utf-8")
    logged = mlflow.pyfunc.log_model(
        name="rul",
        python_model=str(Path(__file__).with_name("served.py")),
        artifacts={"prior": str(folder / FILE)},
        code_paths=[str(_code(folder / "battery_lake"))],
        signature=signature(),
        input_example=pd.DataFrame([EXAMPLE]),
        pip_requirements=[f"{package}=={installed(package)}" for package in PINNED],
        registered_model_name=name,
    )
    return str(logged.registered_model_version)


def _code(folder: Path) -> Path:
    """Copy the science, and nothing else, so that a container needs no wheel of ours."""
    source = Path(battery_lake.__file__).parent
    folder.mkdir()
    shutil.copy(source / "__init__.py", folder)
    shutil.copytree(source / "cells", folder / "cells", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def _pictures(fitted: Fitted) -> dict[str, bytes]:
    ways = {"trained, packs left out": fitted.scores, "shipped": fitted.shipped_scores}
    priors: dict[str, LifePrior] = {"trained": fitted.trained.prior, "shipped": shipped_prior()}
    chemistries = [name for name in fitted.trained.prior.kinds if name != OTHERS]
    return {
        "calibration.png": plots.calibration(ways),
        "usual_life.png": plots.usual_life(priors, chemistries),
    }
