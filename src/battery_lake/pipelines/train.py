"""History in gold to a challenger in the model registry; tables are read at versions that are logged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.errors import ModelError
from battery_lake.gold.cell_state import SESSION_COLUMNS, pack_inputs
from battery_lake.gold.life_example import ExampleParams, life_examples
from battery_lake.lake.create import ensure
from battery_lake.lake.versions import latest_version
from battery_lake.log import logger
from battery_lake.models.examples import read_examples
from battery_lake.models.training import train

if TYPE_CHECKING:
    from battery_lake.lake.access import Lake
    from battery_lake.models.examples import Examples

READS: Final = ("gold.session", "gold.capacity_observation", "reference.packs")
_log = logger("train")


def examples_of(lake: Lake) -> tuple[Examples, dict[str, int]]:
    """Return examples of lives, and the versions of the tables that they come from.

    At most ``models.most_packs`` packs, always the same ones of a fleet, with a few cells and moments each:
    what comes to the driver does not grow with the fleet.

    Parameters
    ----------
    lake
        The tables.
    """
    ensure(lake, (*READS, "gold.cell_state"))
    versions = {name: latest_version(lake, name) for name in READS}
    sessions, observations, packs = (lake.read_at(name, version) for name, version in versions.items())
    known = packs.where("warranty_from IS NOT NULL")
    some = known.orderBy(F.xxhash64("pack_id"), "pack_id").limit(lake.settings.models.most_packs)
    use = sessions.select(*SESSION_COLUMNS)
    nothing = lake.read("gold.cell_state").where("false")
    inputs = pack_inputs(use, observations.drop("method_version"), some, nothing)
    params = ExampleParams(eol_soh_pct=lake.settings.health.eol_soh_pct)
    return read_examples(life_examples(inputs, params).toArrow()), versions


def train_challenger(lake: Lake) -> None:
    """Train; a fleet that is too young is reported, and nothing is registered."""
    examples, versions = examples_of(lake)
    try:
        made = train(lake.settings, examples, versions)
    except ModelError as fault:
        _log.warning("not_trained", why=str(fault))
    else:
        _log.info("trained", model=made.model, version=made.version, run_id=made.run_id)
