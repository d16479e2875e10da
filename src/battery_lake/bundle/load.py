"""A bundle as one of its targets has it: files joined, overrides laid over, variables and presets put in.

The order is that of the documentation of Databricks Asset Bundles, now Declarative Automation Bundles:
included files, the target's overrides, variables, the mode's presets, references between resources.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from battery_lake.bundle import presets, variables
from battery_lake.bundle.faults import Fault, Faults
from battery_lake.bundle.paths import rooted
from battery_lake.bundle.references import Filler, Reference, is_later
from battery_lake.bundle.tree import Map, Mark, Seq, at, mark_of, merge, plain, read
from battery_lake.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE: Final = "databricks.yml"
TARGET_KEYS: Final = (
    "bundle", "workspace", "artifacts", "resources", "sync", "permissions", "presets", "experimental",
)  # fmt: skip
"""What a target may say more, joined with what stands outside of targets."""

JOINED_BY: Final = {
    "tasks": "task_key", "job_clusters": "job_cluster_key", "environments": "environment_key",
    "parameters": "name",
}  # fmt: skip
"""Lists of a job whose items a target's overrides name by a key."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle as one target has it.

    Parameters
    ----------
    root
        Folder of databricks.yml.
    target
        The target's name.
    tree
        The whole configuration, resolved; its parts know their lines.
    raw
        The same as it is written, with all targets.
    """

    root: Path
    target: str
    tree: Map
    raw: Map

    @property
    def name(self) -> str:
        """The bundle's name."""
        return str(at(self.tree, ("bundle", "name")) or "")

    @property
    def mode(self) -> str:
        """``development``, ``production``, or empty."""
        return str(at(self.tree, ("bundle", "mode")) or "")

    @property
    def workspace(self) -> dict[str, Any]:
        """Host and paths in the workspace."""
        return dict(plain(self.tree["workspace"]))

    @property
    def variables(self) -> dict[str, Any]:
        """Value of every variable."""
        return {name: plain(entry.get("value")) for name, entry in self.tree.get("variables", {}).items()}

    @property
    def resources(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Resources by kind and key, as the REST API takes them.

        Files of tasks are named by their path in the workspace, below ``workspace["file_path"]``; wheels as
        they lie under the bundle's root (``./dist/*.whl``). What only a workspace knows is a
        :class:`~battery_lake.bundle.references.Reference`.
        """
        return dict(plain(self.tree.get("resources", {})))

    def where(self, *place: str | int) -> Mark:
        """Return file and line of a place: ``where("resources", "jobs", "health", "tasks", 0)``."""
        return mark_of(self.tree, place)


def resolve(
    root: Path,
    target: str,
    variables: Mapping[str, str] | None = None,
    *,
    user: str = "someone@example.com",
) -> Bundle:
    """Read a bundle and return it as a target has it.

    Parameters
    ----------
    root
        Folder of databricks.yml.
    target
        Name of the target; empty: the one that is the default.
    variables
        Values of variables that win over those in the files, as ``--var`` does.
    user
        Who deploys: ``${workspace.current_user.userName}``.

    Raises
    ------
    BundleError
        A file, a reference or a value cannot be used; file and line are named.
    """
    bundle, faults = resolve_all(root, target, variables or {}, user=user)
    if faults:
        raise faults[0].error()
    return bundle


def resolve_all(
    root: Path, target: str, given: Mapping[str, str], *, user: str = "someone@example.com"
) -> tuple[Bundle, list[Fault]]:
    """Read a bundle and return it with all that is wrong; see :func:`resolve`.

    Raises
    ------
    BundleError
        Files are missing or no YAML, or the target is not there: there is nothing to look at.
    """
    faults = Faults()
    root = root.absolute()
    raw = _joined(root, faults)
    tree = copy.deepcopy(raw)
    name, chosen = _target(tree, target)
    tree = _overridden(tree, chosen)
    bundle_section = _section(tree, "bundle")
    bundle_section.put("target", name, chosen.mark)
    if "mode" in chosen:
        bundle_section.put("mode", chosen["mode"], chosen.marks["mode"])
    variables.assign(tree, chosen, given, faults)
    presets.workspace(tree, user)
    tree = _filled(tree, frozenset({"var", "bundle", "workspace", "artifacts"}), faults)
    presets.apply(tree)
    rooted(tree, faults)
    tree = _filled(tree, frozenset({"resources"}), faults)
    return Bundle(root, name, _waiting(tree), raw), faults.found


def _joined(root: Path, faults: Faults) -> Map:
    if not (root / FILE).is_file():
        raise BundleError(f"there is no {FILE} in {root}", remedy="name the bundle's folder with --root")
    tree = read(root / FILE, root)
    patterns = tree.get("include") or Seq(tree.mark)
    for number, pattern in enumerate(patterns):
        mark = patterns.marks[number]
        files = sorted(path for path in root.glob(str(pattern).replace("**", "*")) if path.is_file())
        if not files:
            raise BundleError(f"{mark}: include {pattern} matches no file", remedy="mend the pattern")
        for path in files:
            included = read(path, root)
            if "include" in included:
                faults(included.marks["include"], "include stands in an included file", f"move it to {FILE}")
            _once(tree, included, faults)
            tree = merge(tree, included)
    return tree


def _once(tree: Map, included: Map, faults: Faults) -> None:
    """A resource or variable has one definition."""
    for kind, named in (included.get("resources") or {}).items():
        for key in set(named or {}) & set(at(tree, ("resources", kind)) or {}):
            first = mark_of(tree, ("resources", kind, key))
            faults(named.marks[key], f"{kind} {key} is defined twice, first in {first}", "keep one")
    for key in set(included.get("variables") or {}) & set(tree.get("variables") or {}):
        first = mark_of(tree, ("variables", key))
        faults(
            included["variables"].marks[key],
            f"variable {key} is declared twice, first in {first}",
            "keep one",
        )


def _target(tree: Map, target: str) -> tuple[str, Map]:
    targets = tree.get("targets") or Map(tree.mark)
    defaults = [name for name, entry in targets.items() if entry and entry.get("default") is True]
    name = target or (defaults[0] if defaults else next(iter(targets)) if len(targets) == 1 else "")
    if name not in targets:
        what = f"there is no target {name}" if name else "no target is the default"
        raise BundleError(
            f"{mark_of(tree, ('targets',))}: {what}", remedy=f"--target takes {', '.join(targets) or 'none'}"
        )
    return name, targets[name] if targets[name] is not None else Map(targets.marks[name])


def _overridden(tree: Map, chosen: Map) -> Map:
    result = Map(tree.mark)
    for key, value in tree.items():
        if key != "targets":
            result.put(key, value, tree.marks[key])
    for key in TARGET_KEYS:
        if chosen.get(key) is not None:
            joined = merge(result[key], chosen[key]) if result.get(key) is not None else chosen[key]
            result.put(key, joined, chosen.marks[key])
    if "run_as" in chosen:  # replaced as a whole
        result.put("run_as", chosen["run_as"], chosen.marks["run_as"])
    base = at(tree, ("resources", "jobs")) or {}
    for name in at(chosen, ("resources", "jobs")) or {}:
        job = result["resources"]["jobs"][name]
        for part, key in JOINED_BY.items():
            before = at(base.get(name), (part,))
            if isinstance(job, Map) and isinstance(before, Seq) and isinstance(job[part], Seq):
                job.put(part, _by_key(job[part], key, len(before)), job.marks[part])
    return result


def _by_key(items: Seq, key: str, own: int) -> Seq:
    """Lay the items after the first ``own`` over those with the same key."""
    joined = Seq(items.mark)
    for number, (item, mark) in enumerate(zip(items, items.marks, strict=True)):
        same = [
            n for n, other in enumerate(joined) if number >= own and at(other, (key,)) == at(item, (key,))
        ]
        if same:
            joined[same[0]] = merge(joined[same[0]], item)
        else:
            joined.add(item, mark)
    return joined


def _section(tree: Map, name: str) -> Map:
    if not isinstance(tree.get(name), Map):
        tree.put(name, Map(tree.mark), tree.mark)
    section: Map = tree[name]
    return section


def _filled(tree: Map, now: frozenset[str], faults: Faults) -> Map:
    filled: Map = Filler(tree, now, faults).fill(tree, tree.mark)
    return filled


def _waiting(tree: Any) -> Any:
    """Mark the texts that wait for a workspace."""
    if isinstance(tree, Map):
        for key, value in tree.items():
            tree[key] = _waiting(value)
    elif isinstance(tree, Seq):
        tree[:] = [_waiting(value) for value in tree]
    elif isinstance(tree, str) and is_later(tree):
        return Reference(tree)
    return tree
