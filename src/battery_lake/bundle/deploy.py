"""A bundle's resources in a workspace: what is missing made, what differs changed, what has gone removed.

For a workspace on this machine, and to prove what a bundle comes to; ``databricks bundle deploy`` is the tool
for a real one. What was made is remembered in a file beside the bundle's files in the workspace.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from databricks.sdk.errors import NotFound
from databricks.sdk.service.workspace import ImportFormat

from battery_lake.bundle.objects import Dashboards, Jobs, Policies, Securables
from battery_lake.bundle.references import Reference
from battery_lake.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from databricks.sdk import WorkspaceClient

    from battery_lake.bundle.load import Bundle
    from battery_lake.bundle.objects import Kind
    from battery_lake.bundle.references import Later

Tree = dict[str, Any]

ORDER: Final = ("cluster_policies", "schemas", "volumes", "registered_models", "jobs", "dashboards")
"""Kinds that are deployed, each after those that it needs."""

STATE: Final = "battery_lake.json"
POLICY: Final = "bundles/cluster_policy.json"
WHEEL: Final = "./dist/*.whl"
FILLED_IN: Final[Tree] = {
    "format": "MULTI_TASK", "max_concurrent_runs": 1, "timeout_seconds": 0, "run_if": "ALL_SUCCESS",
    "volume_type": "MANAGED",
}  # fmt: skip
"""What the service says where nothing was said."""

OF_THE_SERVICE: Final = frozenset({
    "policy_id", "creator_user_name", "created_at", "created_by", "updated_at", "updated_by", "owner",
    "full_name", "metastore_id", "volume_id", "browse_only", "aliases", "id", "storage_location",
})  # fmt: skip
"""What only the service says of an object."""

NOT_TOLD: Final = frozenset({"dataset_catalog"})
"""What the service takes but does not tell again: it cannot be compared."""

OF_THE_BUNDLE: Final = frozenset({"permissions", "grants", "lifecycle", "file_path"})
"""What a bundle says of a resource that is no part of its object."""


@dataclass(frozen=True, slots=True)
class Step:
    """What is done to a resource.

    Parameters
    ----------
    kind, key
        Which one.
    action
        ``create``, ``change``, ``remove`` or ``none``.
    differences
        Of a change: where what is there is not what is wanted.
    """

    kind: str
    key: str
    action: str
    differences: tuple[str, ...] = ()


class Deployment:
    """A target of a bundle in a workspace.

    Parameters
    ----------
    client
        The workspace.
    bundle
        Resolved for the client's user.
    wheel
        The built wheel that tasks install.
    """

    def __init__(self, client: WorkspaceClient, bundle: Bundle, wheel: Path) -> None:
        self._client, self._bundle, self._wheel = client, bundle, wheel
        self._policies = Policies(client)
        self._kinds: dict[str, Kind] = {"cluster_policies": self._policies, "jobs": Jobs(client)}
        self._kinds["dashboards"] = Dashboards(client, bundle.workspace["resource_path"])
        for kind in ("schemas", "volumes", "registered_models"):
            self._kinds[kind] = Securables(client, kind)
        self._state_file = f"{bundle.workspace['state_path']}/{STATE}"
        self.known: dict[str, str] = self._remembered()
        """Identity in the workspace by ``kind.key``."""

    def plan(self) -> list[Step]:
        """Return what would be done, and do nothing."""
        return list(self._steps(apply=False))

    def deploy(self) -> list[Step]:
        """Upload files and wheel, and do what is to be done; a second time changes nothing.

        Raises
        ------
        BundleError
            A resource is of a kind that is not deployed here, or refers to what is not there.
        """
        self._upload()
        try:
            return list(self._steps(apply=True))
        finally:  # what was made is known, also where a later resource failed
            self._remember()

    def read_back(self) -> dict[str, Tree]:
        """Return what is there, as the workspace tells it: by ``kind.key``."""
        found = {name: self._kinds[name.partition(".")[0]].find(item) for name, item in self.known.items()}
        return {name: tree for name, tree in found.items() if tree is not None}

    def _steps(self, *, apply: bool) -> Iterator[Step]:
        wanted = self._wanted()
        for name, tree in wanted.items():
            kind, _, key = name.partition(".")
            filled = self._filled(tree) if apply or self._can_fill(tree) else tree
            item = self.known.get(name) or self._adopted(kind, filled)
            there = self._kinds[kind].find(item) if item else None
            if item is None or there is None:
                if apply:
                    self.known[name] = self._kinds[kind].make(filled)
                yield Step(kind, key, "create")
                continue
            self.known[name] = item
            found = tuple(differences(filled, there))
            if found and apply:
                self._kinds[kind].change(item, filled)
            yield Step(kind, key, "change" if found else "none", found)
        for name in [name for name in self.known if name not in wanted]:
            kind, _, key = name.partition(".")
            if apply:
                self._kinds[kind].remove(self.known.pop(name))
            yield Step(kind, key, "remove")

    def _adopted(self, kind: str, tree: Tree) -> str | None:
        """What was there before the first deployment, for kinds whose names are their own."""
        if kind == "cluster_policies":
            return self._policies.named(tree["name"])
        return None if kind in {"jobs", "dashboards"} else ".".join(
            tree[part] for part in ("catalog_name", "schema_name", "name") if part in tree
        )  # fmt: skip

    def _wanted(self) -> dict[str, Tree]:
        """What is to be there, by ``kind.key``, each after what it refers to."""
        resources = self._bundle.resources
        unknown = [kind for kind, those in resources.items() if those and kind not in ORDER]
        if unknown:
            raise BundleError(
                f"{unknown[0]} are not deployed from here",
                remedy="use `databricks bundle deploy`: here are jobs, schemas, volumes and models",
            )
        found: dict[str, Tree] = {}
        policy = self._bundle.root / POLICY
        if policy.is_file():
            tree = json.loads(policy.read_text(encoding="utf-8"))
            tree["definition"] = json.dumps(tree["definition"], sort_keys=True)
            found["cluster_policies.cluster_policy"] = tree
        for kind in ORDER[1:]:
            trees = {
                f"{kind}.{key}": self._plain(kind, tree) for key, tree in resources.get(kind, {}).items()
            }
            found |= _after_what_it_needs(trees)
        return found

    def _plain(self, kind: str, tree: Tree) -> Tree:
        """A resource as it is compared: permissions and grants in order, no key of the bundle's own."""
        told = {key: value for key, value in tree.items() if key not in OF_THE_BUNDLE}
        if kind == "dashboards":
            told["serialized_dashboard"] = (self._bundle.root / tree["file_path"]).read_text(encoding="utf-8")
        if kind in {"jobs", "dashboards"}:
            entries = (
                {key: value for key, value in one.items() if key != "level"}
                | {"permission_level": one["level"]}
                for one in tree.get("permissions", [])
            )
            told["permissions"] = sorted(entries, key=str)
        else:
            grants = (
                {"principal": one["principal"], "privileges": sorted(one["privileges"])}
                for one in tree.get("grants", [])
            )
            told["grants"] = sorted(grants, key=str)
        return told

    # --- references ----------------------------------------------------------------------------------

    def _filled(self, tree: Any) -> Any:
        """A tree with everything in it that only the workspace knows."""
        if isinstance(tree, dict):
            return {key: self._filled(value) for key, value in tree.items()}
        if isinstance(tree, list):
            return [self._filled(value) for value in tree]
        if isinstance(tree, Reference):
            return tree.filled(self._found)
        return f"{self._artifacts()}/{self._wheel.name}" if tree == WHEEL else tree

    def _can_fill(self, tree: Tree) -> bool:
        return all(map(self._is_there, _needs(tree)))

    def _is_there(self, later: Later) -> bool:
        """Whether what a plan has to look up is there: a first deployment makes the policy itself."""
        if later.source == "resources":
            return f"{later.kind}.{later.name}" in self.known
        return later.kind != "cluster_policy" or self._policies.named(later.name) is not None

    def _found(self, later: Later) -> Any:
        """What a reference stands for."""
        if later.source == "resources" and later.field == "id":
            item = self.known[f"{later.kind}.{later.name}"]
            return int(item) if later.kind == "jobs" else item
        if later.source == "lookup" and later.kind == "cluster_policy":
            found: str | None = self._policies.named(later.name)
        elif later.source == "lookup" and later.kind == "warehouse":
            found = next((one.id for one in self._client.warehouses.list() if one.name == later.name), None)
        elif later.source == "lookup" and later.kind == "service_principal":
            listed = self._client.service_principals.list(filter=f'displayName eq "{later.name}"')
            found = next((one.application_id for one in listed), None)
        else:
            found = None
        if found is None:
            raise BundleError(
                f"there is no {later.kind} {later.name}", remedy="create it first: docs/deploy.md"
            )
        return found

    # --- files ---------------------------------------------------------------------------------------

    def _artifacts(self) -> str:
        return f"{self._bundle.workspace['artifact_path']}/.internal"

    def _upload(self) -> None:
        """The wheel, and the files that tasks read."""
        root = self._bundle.root
        self._put(f"{self._artifacts()}/{self._wheel.name}", self._wheel.read_bytes())
        for folder in self._bundle.tree.get("sync", {}).get("paths", ()):
            for file in sorted((root / folder).rglob("*")):
                if file.is_file() and "__pycache__" not in file.parts:
                    place = f"{self._bundle.workspace['file_path']}/{file.relative_to(root).as_posix()}"
                    self._put(place, file.read_bytes())

    def _put(self, path: str, content: bytes) -> None:
        self._client.workspace.mkdirs(path.rpartition("/")[0])
        self._client.workspace.upload(path, io.BytesIO(content), format=ImportFormat.RAW, overwrite=True)

    def _remembered(self) -> dict[str, str]:
        try:
            with self._client.workspace.download(self._state_file) as file:
                return dict(json.load(file))
        except NotFound:
            return {}

    def _remember(self) -> None:
        self._put(self._state_file, json.dumps(self.known, indent=2).encode())


def differences(wanted: Any, there: Any, place: str = "") -> Iterator[str]:
    """Tell where what is there is not what is wanted; what the service fills in by itself is none.

    Parameters
    ----------
    wanted, there
        In the form of the REST API.
    place
        Where in the whole these stand.
    """
    if isinstance(wanted, dict) and isinstance(there, dict):
        for key in dict.fromkeys((*wanted, *there)):
            if key in NOT_TOLD:
                continue
            if key not in wanted and (
                not there[key] or FILLED_IN.get(key) == there[key] or key in OF_THE_SERVICE
            ):
                continue
            yield from differences(wanted.get(key), there.get(key), f"{place}.{key}" if place else key)
    elif isinstance(wanted, list) and isinstance(there, list) and len(wanted) == len(there):
        for number, (mine, other) in enumerate(zip(wanted, there, strict=True)):
            yield from differences(mine, other, f"{place}[{number}]")
    elif wanted != there and (wanted or there):
        yield f"{place}: {there!r}, wanted {wanted!r}"


def _needs(tree: Any) -> Iterator[Later]:
    """What in a tree only a workspace knows."""
    if isinstance(tree, dict | list):
        for value in tree.values() if isinstance(tree, dict) else tree:
            yield from _needs(value)
    elif isinstance(tree, Reference):
        yield from tree.laters


def _after_what_it_needs(trees: dict[str, Tree]) -> dict[str, Tree]:
    """The same, each after those of the same kind that it refers to."""
    left, done = dict(trees), dict[str, Tree]()
    while left:
        ready = [
            name
            for name, tree in left.items()
            if not {f"{one.kind}.{one.name}" for one in _needs(tree) if one.source == "resources"} & set(left)
        ]
        if not ready:
            raise BundleError(f"{', '.join(left)} refer to each other", remedy="cut the circle")
        done |= {name: left.pop(name) for name in ready}
    return done
