"""The model as MLflow loads it: features of cells in, health and remaining life with intervals out.

MLflow runs this file when it loads the model, with the copy of ``battery_lake.cells`` that was stored beside
it: NumPy, and pandas at the border.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel

from battery_lake.cells.cell_outlook import CellFeatures, cell_outlooks
from battery_lake.cells.life_prior import from_dict

META = "registered_model_meta"
"""File in which MLflow keeps name and version of a model that came from a registry."""


class CellOutlook(PythonModel):
    """SOH and RUL of cells."""

    def load_context(self, context: Any) -> None:
        """Read the prior, and which version it is."""
        path = Path(context.artifacts["prior"])
        tree = json.loads(path.read_text(encoding="utf-8"))
        self.version = _version(path.parent.parent / META, tree["method"])
        self.prior = from_dict(tree["prior"], self.version)

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Answer for every row.

        Raises
        ------
        MlflowException
            A row cannot be answered; a server answers with 400 and this reason.
        """
        del context, params
        features = _features(model_input)
        faults = features.faults()
        if faults:
            raise MlflowException("; ".join(faults[:10]), error_code=INVALID_PARAMETER_VALUE)
        found = pd.DataFrame(cell_outlooks(features, self.prior), index=model_input.index)
        return found.assign(model_version=self.version)


def _features(rows: pd.DataFrame) -> CellFeatures:
    """Columns as arrays; what is null is NaN."""

    def numbers(name: str) -> np.ndarray:
        if name not in rows:
            return np.full(len(rows), np.nan)
        return rows[name].to_numpy(dtype=np.float64, na_value=np.nan)

    def points(name: str) -> list[np.ndarray]:
        return [np.array([] if one is None else one, dtype=np.float64).reshape(-1) for one in rows[name]]

    return CellFeatures(
        rows["chemistry"].astype(str).tolist(),
        numbers("eol_soh_pct"),
        numbers("age_days"),
        numbers("efc_per_day"),
        points("point_age_days"),
        points("point_soh_pct"),
        points("point_std_pct"),
    )


def _version(meta: Path, method: str) -> str:
    """Method, name and number, as in gold.cell_life; a model that is not registered has no number."""
    if not meta.is_file():
        return f"{method} unregistered"
    told = yaml.safe_load(meta.read_text(encoding="utf-8"))
    return f"{method} {told['model_name']}/{told['model_version']}"


set_model(CellOutlook())
