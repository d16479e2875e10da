"""All checks of a bundle, offline: what a deployment, or the first run after it, would refuse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from battery_lake.bundle.checks import (
    care,
    catalog,
    compute,
    dashboards,
    places,
    programs,
    schedule,
    schema,
    wiring,
)
from battery_lake.bundle.load import FILE, resolve_all
from battery_lake.bundle.tree import read
from battery_lake.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from battery_lake.bundle.faults import Fault
    from battery_lake.bundle.load import Bundle

CHECKS: Final[tuple[Callable[[Bundle], Iterator[Fault]], ...]] = (
    schema.bundle_keys, schema.fields, wiring.keys, wiring.circles, wiring.references, wiring.dynamic,
    schedule.triggers, compute.clusters,
    compute.policy, compute.environments, care.care, care.production, catalog.names,
    catalog.grants, programs.files, programs.parameters, programs.wheel, programs.lineage, programs.config,
    dashboards.columns, places.places,
)  # fmt: skip
"""Every check; each knows one kind of fault."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault of a target, ready to be printed."""

    target: str
    rule: str
    place: str
    what: str
    remedy: str


def targets(root: Path) -> list[str]:
    """Return the targets that databricks.yml has.

    Raises
    ------
    BundleError
        There is no such file, or it is no YAML.
    """
    if not (root / FILE).is_file():
        raise BundleError(f"there is no {FILE} in {root}", remedy="name the bundle's folder with --root")
    return list(read(root / FILE, root).get("targets") or ())


def check(root: Path, target: str, variables: Mapping[str, str] | None = None) -> list[Finding]:
    """Return all that is wrong with a target of a bundle.

    Parameters
    ----------
    root
        Folder of databricks.yml.
    target
        The target's name.
    variables
        Values of variables, as ``--var`` gives them.
    """
    try:
        bundle, faults = resolve_all(root, target, variables or {})
    except BundleError as fault:
        place, _, what = fault.what.partition(": ")
        return [Finding(target, "yaml", place, what or fault.what, fault.remedy)]
    for one in CHECKS:
        faults += one(bundle)
    ordered = sorted(dict.fromkeys(faults), key=lambda f: (f.mark.file, f.mark.line, f.what))
    return [Finding(target, f.rule, str(f.mark), f.what, f.remedy) for f in ordered]
