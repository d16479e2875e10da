"""What a training leaves behind: the prior of lives, and the priors without each pack."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from battery_lake.cells.life_prior import LifePrior, from_dict, shipped_prior
from battery_lake.errors import ModelError
from battery_lake.gold.life_state import MODEL

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT: Final = 1
FILE: Final = "prior.json"
SHIPPED: Final = "shipped"
"""Name of what comes with the product, where a version is asked for."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A prior that was fitted, and what it takes to judge it fairly.

    Parameters
    ----------
    prior
        Of all packs.
    folds
        Each fitted without some packs.
    fold_of
        Which one knows nothing of a pack; packs that are missing took no part in the training.
    """

    prior: LifePrior
    folds: tuple[LifePrior, ...] = ()
    fold_of: Mapping[str, int] | None = None

    def without(self, pack_id: str) -> LifePrior:
        """Return the prior that was fitted without a pack."""
        place = (self.fold_of or {}).get(pack_id)
        return self.prior if place is None else self.folds[place]

    def as_json(self) -> str:
        """Return it as text; the version is told by where it is registered."""
        return json.dumps(
            {
                "format": FORMAT,
                "method": MODEL,
                "prior": self.prior.as_dict(),
                "folds": [fold.as_dict() for fold in self.folds],
                "fold_of": dict(self.fold_of or {}),
            },
            indent=1,
        )


def shipped() -> Trained:
    """Return what comes with the product."""
    return Trained(shipped_prior())


def read_trained(text: str, version: str) -> Trained:
    """Read what :meth:`Trained.as_json` wrote.

    Parameters
    ----------
    text
        The file.
    version
        Under which it is registered.

    Raises
    ------
    ModelError
        It is of another format or method, or a number is out of range.
    """
    try:
        tree: dict[str, Any] = json.loads(text)
        kind = tree["format"], tree["method"]
        folds = tuple(from_dict(one) for one in tree["folds"])
        trained = Trained(from_dict(tree["prior"], version), folds, tree["fold_of"])
    except (KeyError, TypeError, ValueError) as fault:
        raise ModelError(
            f"model {version} cannot be read",
            why=f"{type(fault).__name__}: {fault}",
            remedy="train anew: battery-lake model train, or go back: battery-lake model rollback",
        ) from fault
    if kind != (FORMAT, MODEL):
        raise ModelError(
            f"model {version} was made for another method",
            why=f"it is of format {kind[0]} for {kind[1]}, this is format {FORMAT} for {MODEL}",
            remedy="train anew: battery-lake model train, or go back: battery-lake model rollback",
        )
    return trained
