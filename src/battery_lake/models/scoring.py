"""A file of cells' features through a registered version: types are checked, nothing is coerced."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.json as pj
import pyarrow.parquet as pq

from battery_lake.errors import ModelError
from battery_lake.models.signature import check_frame
from battery_lake.models.store import addresses, opened

if TYPE_CHECKING:
    from pathlib import Path

    from battery_lake.settings import Settings


def read_features(file: Path) -> pa.Table:
    """Read features of cells, and check their names and types.

    Parameters
    ----------
    file
        ``.parquet``, or ``.json``, ``.jsonl`` with one object a line.

    Raises
    ------
    ModelError
        It cannot be read, or does not fit the signature.
    """
    try:
        table = pq.read_table(file) if file.suffix == ".parquet" else pj.read_json(file)
    except (OSError, pa.ArrowInvalid) as fault:
        raise ModelError(
            f"{file} cannot be read", why=str(fault), remedy="give .parquet, or one JSON object a line"
        ) from fault
    check_frame({field.name: _words(field.type) for field in table.schema}, str(file))
    return table


def score(settings: Settings, model: str, features: pa.Table) -> pa.Table:
    """Return the features' other columns with the answers beside them.

    Parameters
    ----------
    settings
        Say where models are.
    model
        Name and number.
    features
        By :func:`read_features`.

    Raises
    ------
    RemoteError
        A row cannot be answered; it says which, and why.
    """
    import mlflow

    with opened(addresses(settings)):
        loaded = mlflow.pyfunc.load_model(f"models:/{model}")
        answers = loaded.predict(features.to_pandas())
    return pa.Table.from_pandas(answers, preserve_index=False)


def _words(kind: pa.DataType) -> str:
    """A type of Arrow's in the words of the signature."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"array<{_words(kind.value_type)}>"
    return str(kind).replace("large_string", "string")
