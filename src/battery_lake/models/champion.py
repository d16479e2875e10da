"""Which model scoring goes by: the champion, asked for once a run; the last known one if need be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from battery_lake.errors import ModelError
from battery_lake.log import logger
from battery_lake.models.store import CHAMPION, Addresses, addresses, aliased, load_trained, opened
from battery_lake.models.trained import read_trained
from battery_lake.whole_file import write_whole

if TYPE_CHECKING:
    from battery_lake.cells.life_prior import LifePrior
    from battery_lake.settings import Settings

_log = logger("models")


def champion(settings: Settings) -> LifePrior | None:
    """Return the champion's prior; None: that of the product.

    The alias is turned into a version here, once: a run that promotes in between changes nothing for a run
    under way. A registry that does not answer, or has lost the model, is reported, and the copy of the last
    champion stands in. Where nothing was ever trained, nothing is asked.

    Parameters
    ----------
    settings
        Say where models are.

    Raises
    ------
    ModelError
        The champion does not fit this program.
    """
    where = addresses(settings)
    if where.is_file and not where.database.exists():
        return _missing(where, f"{where.database} is not there") if where.copy.exists() else None
    try:
        with opened(where) as client:
            version = aliased(client, where, CHAMPION)
            if version is None:
                where.copy.unlink(missing_ok=True)
                _log.info("no_champion", model=where.name)
                return None
            trained, text = load_trained(where, str(version.version))
    except ModelError:
        raise
    except Exception as fault:  # noqa: BLE001 - whatever the registry's fault is, scoring goes on and says so
        return _missing(where, str(fault))
    keep(where, trained.prior.version, text)
    _log.info("champion_resolved", model=trained.prior.version)
    return trained.prior


def keep(where: Addresses, version: str, text: str) -> None:
    """Keep a copy of the champion beside the store, whole or not at all."""
    write_whole(where.copy, json.dumps({"version": version, "trained": text}))


def _missing(where: Addresses, why: str) -> LifePrior | None:
    """The last champion that was seen here, with a warning; without one, the product's own."""
    reason = "; ".join(why.splitlines()[:2])
    if not where.copy.exists():
        _log.warning("registry_missing", registry=where.registry, why=reason, used="the product's own prior")
        return None
    kept = json.loads(where.copy.read_text(encoding="utf-8"))
    _log.warning("registry_missing", registry=where.registry, why=reason, used=kept["version"])
    return read_trained(kept["trained"], kept["version"]).prior
