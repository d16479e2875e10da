"""How each kind of resource is found, made and changed in a workspace, through ``databricks-sdk``."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Protocol

from databricks.sdk.errors import NotFound
from databricks.sdk.service.catalog import PermissionsChange, Privilege, VolumeType
from databricks.sdk.service.dashboards import Dashboard
from databricks.sdk.service.iam import AccessControlRequest
from databricks.sdk.service.jobs import JobSettings

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.compute import Policy

Tree = dict[str, Any]
PRINCIPALS = ("group_name", "user_name", "service_principal_name")


class Kind(Protocol):
    """A kind of resource. What is wanted and what is there have the form of the REST API."""

    def find(self, item: str) -> Tree | None:
        """Return what is there; None: nothing."""

    def make(self, wanted: Tree) -> str:
        """Make it; its identity."""

    def change(self, item: str, wanted: Tree) -> None:
        """Make it as wanted."""

    def remove(self, item: str) -> None:
        """Take it away."""


class Access:
    """Who may do what with an object of the workspace: an owner or maker, and those that are named.

    Parameters
    ----------
    client
        The workspace.
    kind
        As the addresses of permissions name it: ``jobs`` or ``dashboards``.
    """

    def __init__(self, client: WorkspaceClient, kind: str) -> None:
        self._client, self._kind, self._me = client, kind, client.current_user.me().user_name

    def told(self, item: str) -> list[Tree]:
        """Return the permissions that are the object's own, without those of who deploys it."""
        held = self._client.permissions.get(self._kind, item)
        entries = [
            {name: value for name in PRINCIPALS if (value := getattr(one, name))}
            | {"permission_level": own.permission_level.value}
            for one in held.access_control_list or ()
            for own in one.all_permissions or ()
            if own.permission_level and not own.inherited and one.user_name != self._me
        ]
        return sorted(entries, key=str)

    def allow(self, item: str, wanted: Tree) -> None:
        """Replace the permissions; who deploys keeps the object."""
        level = "IS_OWNER" if self._kind == "jobs" else "CAN_MANAGE"
        own = {"user_name": self._me, "permission_level": level}
        listed = [AccessControlRequest.from_dict(one) for one in (own, *wanted.get("permissions", ()))]
        self._client.permissions.set(self._kind, item, access_control_list=listed)


class Jobs:
    """Jobs, with who may do what with them."""

    def __init__(self, client: WorkspaceClient) -> None:
        self._client, self._access = client, Access(client, "jobs")

    def find(self, item: str) -> Tree | None:
        """Return settings and permissions of a job."""
        try:
            found = self._client.jobs.get(int(item))
        except NotFound:
            return None
        told: Tree = found.settings.as_dict() if found.settings else {}
        return told | {"permissions": self._access.told(item)}

    def make(self, wanted: Tree) -> str:
        """Create a job; its number."""
        settings = JobSettings.from_dict(_without_access(wanted))
        given = {f.name: getattr(settings, f.name) for f in dataclasses.fields(settings)}
        item = str(self._client.jobs.create(**{name: value for name, value in given.items() if value}).job_id)
        self._access.allow(item, wanted)
        return item

    def change(self, item: str, wanted: Tree) -> None:
        """Replace a job's settings and permissions."""
        self._client.jobs.reset(int(item), JobSettings.from_dict(_without_access(wanted)))
        self._access.allow(item, wanted)

    def remove(self, item: str) -> None:
        """Delete a job."""
        self._client.jobs.delete(int(item))


class Dashboards:
    """AI/BI dashboards, published, with who may do what with them.

    Parameters
    ----------
    client
        The workspace.
    folder
        Where they lie in the workspace.
    """

    def __init__(self, client: WorkspaceClient, folder: str) -> None:
        self._client, self._folder, self._access = client, folder, Access(client, "dashboards")

    def find(self, item: str) -> Tree | None:
        """Return a dashboard as it is published."""
        try:
            found, shown = self._client.lakeview.get(item), self._client.lakeview.get_published(item)
        except NotFound:
            return None
        return {
            "display_name": found.display_name,
            "serialized_dashboard": found.serialized_dashboard,
            "warehouse_id": shown.warehouse_id,
            "embed_credentials": shown.embed_credentials,
            "permissions": self._access.told(item),
        }

    def make(self, wanted: Tree) -> str:
        """Create and publish a dashboard."""
        self._client.workspace.mkdirs(self._folder)
        draft = self._draft(wanted)
        draft.parent_path = self._folder
        made = self._client.lakeview.create(draft, dataset_catalog=wanted.get("dataset_catalog"))
        item = str(made.dashboard_id)
        self._publish(item, wanted)
        return item

    def change(self, item: str, wanted: Tree) -> None:
        """Replace a dashboard and publish it again."""
        catalog = wanted.get("dataset_catalog")
        self._client.lakeview.update(item, self._draft(wanted), dataset_catalog=catalog)
        self._publish(item, wanted)

    def remove(self, item: str) -> None:
        """Move a dashboard to the trash."""
        self._client.lakeview.trash(item)

    def _draft(self, wanted: Tree) -> Dashboard:
        return Dashboard.from_dict({
            key: wanted[key] for key in wanted if key in Dashboard.__dataclass_fields__
        })

    def _publish(self, item: str, wanted: Tree) -> None:
        self._client.lakeview.publish(
            item, warehouse_id=wanted["warehouse_id"], embed_credentials=wanted.get("embed_credentials", True)
        )
        self._access.allow(item, wanted)


class Securables:
    """Schemas, volumes or registered models, with what is granted on them.

    Parameters
    ----------
    client
        The workspace.
    kind
        ``schemas``, ``volumes`` or ``registered_models``.
    """

    def __init__(self, client: WorkspaceClient, kind: str) -> None:
        self._client, self._kind = client, kind
        self._type = {"schemas": "SCHEMA", "volumes": "VOLUME", "registered_models": "FUNCTION"}[kind]
        self._api: Any = getattr(client, kind)

    def find(self, item: str) -> Tree | None:
        """Return an object and its grants."""
        try:
            found = self._api.read(item) if self._kind == "volumes" else self._api.get(item)
        except NotFound:
            return None
        told: Tree = found.as_dict()
        told["grants"] = self._grants(item)
        return told

    def make(self, wanted: Tree) -> str:
        """Create an object; its full name."""
        given = {key: value for key, value in wanted.items() if key != "grants"}
        if self._kind == "volumes":
            given["volume_type"] = VolumeType(given.get("volume_type", "MANAGED"))
        item = str(self._api.create(**given).full_name)
        self._grant(item, wanted)
        return item

    def change(self, item: str, wanted: Tree) -> None:
        """Change the comment and the grants; the rest of an object cannot change."""
        self._api.update(item, comment=wanted.get("comment"))
        self._grant(item, wanted)

    def remove(self, item: str) -> None:
        """Delete an object; what is not empty stays, and the service says so."""
        self._api.delete(item)

    def _grants(self, item: str) -> list[Tree]:
        held = self._client.grants.get(self._type, item).privilege_assignments or ()
        told = [
            {"principal": str(one.principal), "privileges": sorted(p.value for p in one.privileges or ())}
            for one in held
        ]
        return sorted(told, key=lambda one: str(one["principal"]))

    def _grant(self, item: str, wanted: Tree) -> None:
        """Grant what is wanted and revoke what is not."""
        held = {one["principal"]: set(one["privileges"]) for one in self._grants(item)}
        asked = {one["principal"]: set(one["privileges"]) for one in wanted.get("grants", [])}
        changes = []
        for principal in {*held, *asked}:
            more = asked.get(principal, set()) - held.get(principal, set())
            less = held.get(principal, set()) - asked.get(principal, set())
            if more or less:
                add, remove = ([Privilege(word) for word in sorted(words)] for words in (more, less))
                changes.append(PermissionsChange(principal=principal, add=add, remove=remove))
        if changes:
            self._client.grants.update(self._type, item, changes=changes)


class Policies:
    """Cluster policies, found by name."""

    def __init__(self, client: WorkspaceClient) -> None:
        self._client = client

    def find(self, item: str) -> Tree | None:
        """Return a policy."""
        try:
            return dict(self._client.cluster_policies.get(item).as_dict())
        except NotFound:
            return None

    def named(self, name: str) -> str | None:
        """Return the identity of a policy."""
        listed: list[Policy] = list(self._client.cluster_policies.list())
        return next((one.policy_id for one in listed if one.name == name), None)

    def make(self, wanted: Tree) -> str:
        """Create a policy."""
        return str(self._client.cluster_policies.create(**wanted).policy_id)

    def change(self, item: str, wanted: Tree) -> None:
        """Replace a policy."""
        self._client.cluster_policies.edit(item, **wanted)

    def remove(self, item: str) -> None:
        """Delete a policy."""
        self._client.cluster_policies.delete(item)


def _without_access(wanted: Tree) -> Tree:
    return {key: value for key, value in wanted.items() if key != "permissions"}
