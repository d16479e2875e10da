"""Who asks, who may do what, and cluster policies.

References
----------
Databricks REST API reference: Current user, Permissions, Cluster policies; RFC 8414 for the token endpoint.
"""

from __future__ import annotations

import base64
import json
import re
import uuid
from typing import TYPE_CHECKING, Any, Final

from battery_lake.local.workspace import wire as http
from battery_lake.local.workspace.errors import RefusalError, already, invalid, missing

if TYPE_CHECKING:
    from aiohttp import web

    from battery_lake.local.workspace.store import Document, Store

ME: Final = "someone@example.org"
"""Whose workspace it is."""

LIFE_S: Final = 3600
KINDS: Final = {
    "jobs": "job",
    "cluster-policies": "policy",
    "dashboards": "dashboard",
    "directories": "directory",
}
"""Kinds of objects that have permissions, and the kind of document that each is; a directory is a file's."""

PRINCIPALS: Final = ("user_name", "group_name", "service_principal_name")
POLICY: Final = "policy"


class Access:
    """Handlers of identity, permissions and policies.

    Parameters
    ----------
    store
        Keeps permissions and policies.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Tell aiohttp the addresses."""
        kept = "/api/2.0/permissions/{kind}/{id}"
        policies = "/api/2.0/policies/clusters"
        for method, path, handler in (
            ("GET", "/.well-known/databricks-config", self.configuration),
            ("GET", "/oidc/.well-known/oauth-authorization-server", self.endpoints),
            ("POST", "/oidc/v1/token", self.token),
            ("GET", "/api/2.0/preview/scim/v2/Me", self.me),
            ("GET", "/api/2.0/preview/scim/v2/ServicePrincipals", self.list_service_principals),
            ("POST", "/api/2.0/preview/scim/v2/ServicePrincipals", self.create_service_principal),
            ("POST", "/api/2.0/secrets/scopes/create", self.create_scope),
            ("POST", "/api/2.0/secrets/put", self.put_secret),
            ("GET", "/api/2.0/secrets/get", self.get_secret),
            ("GET", kept, self.get_permissions),
            ("PUT", kept, self.set_permissions),
            ("PATCH", kept, self.update_permissions),
            ("POST", f"{policies}/create", self.create_policy),
            ("POST", f"{policies}/edit", self.edit_policy),
            ("POST", f"{policies}/delete", self.delete_policy),
            ("GET", f"{policies}/get", self.get_policy),
            ("GET", f"{policies}/list", self.list_policies),
        ):
            router.add_route(method, path, handler)

    # --- who asks ------------------------------------------------------------------------------------

    async def configuration(self, request: web.Request) -> web.Response:
        """Tell what kind of host this is."""
        host = f"{request.scheme}://{request.host}"
        return http.answer({"oidc_endpoint": f"{host}/oidc", "workspace_id": "1", "cloud": "Azure"})

    async def endpoints(self, request: web.Request) -> web.Response:
        """Tell where tokens are to be had."""
        issuer = f"{request.scheme}://{request.host}/oidc"
        return http.answer({
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/v1/authorize",
            "token_endpoint": f"{issuer}/v1/token",
        })

    async def token(self, request: web.Request) -> web.Response:
        """Give a service principal a token."""
        form = await request.post()
        if form.get("grant_type") != "client_credentials" or "Authorization" not in request.headers:
            raise RefusalError(401, "invalid_client", "Client authentication failed")
        return http.answer({"access_token": "of-the-stand-in", "token_type": "Bearer", "expires_in": LIFE_S})

    async def me(self, _request: web.Request) -> web.Response:
        """Tell who asks."""
        return http.answer({
            "id": "1",
            "userName": ME,
            "displayName": "Someone",
            "active": True,
            "groups": [{"display": "admins", "value": "1", "type": "direct"}],
        })

    async def create_service_principal(self, request: web.Request) -> web.Response:
        """Add a service principal."""
        sent = await http.body_of(request)
        number = str(self._store.number())
        made = {"applicationId": str(uuid.uuid4()), "active": True, **sent, "id": number}
        self._store.put("principal", number, made)
        return http.answer(made)

    async def list_service_principals(self, request: web.Request) -> web.Response:
        """List service principals, by name if one is asked for."""
        wanted = re.fullmatch(r'displayName eq "?([^"]+)"?', request.query.get("filter", ""))
        found = self._store.all("principal")
        found = [one for one in found if wanted is None or one.get("displayName") == wanted[1]]
        first = int(request.query.get("startIndex", "1")) - 1
        rest = found[first:]
        body = {
            "totalResults": len(found),
            "startIndex": first + 1,
            "itemsPerPage": len(rest),
            "Resources": rest,
        }
        return http.answer(body)

    # --- secrets -------------------------------------------------------------------------------------

    async def create_scope(self, request: web.Request) -> web.Response:
        """Create a scope of secrets."""
        name = http.needed(await http.body_of(request), "scope")
        if self._store.get("scope", name) is not None:
            raise already(f"Scope {name} already exists!")
        self._store.put("scope", name, {"name": name})
        return http.answer()

    async def put_secret(self, request: web.Request) -> web.Response:
        """Keep a secret."""
        sent = await http.body_of(request)
        scope, key = http.needed(sent, "scope"), http.needed(sent, "key")
        if self._store.get("scope", scope) is None:
            raise missing(f"Scope {scope} does not exist!")
        given = sent.get("bytes_value") or base64.b64encode(sent.get("string_value", "").encode()).decode()
        self._store.put("secret", f"{scope}/{key}", {"key": key, "value": given})
        return http.answer()

    async def get_secret(self, request: web.Request) -> web.Response:
        """Tell a secret, base64."""
        scope, key = http.needed(request.query, "scope"), http.needed(request.query, "key")
        found = self._store.get("secret", f"{scope}/{key}")
        if found is None:
            raise missing(f"Failed to get secret {key} for scope {scope}.")
        return http.answer(found)

    # --- permissions ---------------------------------------------------------------------------------

    async def get_permissions(self, request: web.Request) -> web.Response:
        """Tell who may do what with an object."""
        return http.answer(self._told(*self._object(request)))

    async def set_permissions(self, request: web.Request) -> web.Response:
        """Replace an object's permissions."""
        kind, item = self._object(request)
        sent = await http.body_of(request)
        return self._set(kind, item, sent.get("access_control_list") or [])

    async def update_permissions(self, request: web.Request) -> web.Response:
        """Add to an object's permissions; of each principal, the last counts."""
        kind, item = self._object(request)
        sent = (await http.body_of(request)).get("access_control_list") or []
        entries = {_principal(one): one for one in [*self._given(kind, item), *sent]}
        return self._set(kind, item, list(entries.values()))

    def _set(self, kind: str, item: str, entries: list[Document]) -> web.Response:
        owners = [one for one in entries if one.get("permission_level") == "IS_OWNER"]
        if kind == "jobs" and len(owners) != 1:
            raise invalid("The job must have exactly one owner.")
        for one in entries:
            _principal(one)
        self._store.put("permissions", f"{kind}/{item}", {"entries": entries})
        return http.answer(self._told(kind, item))

    def _given(self, kind: str, item: str) -> list[Document]:
        found = self._store.get("permissions", f"{kind}/{item}")
        owner = [{"user_name": ME, "permission_level": "IS_OWNER" if kind == "jobs" else "CAN_MANAGE"}]
        return found["entries"] if found else owner

    def _told(self, kind: str, item: str) -> Document:
        """Permissions as the service shows them: what is inherited too."""
        shown = [
            {
                **{name: one[name] for name in PRINCIPALS if name in one},
                "all_permissions": [{"permission_level": one["permission_level"], "inherited": False}],
            }
            for one in self._given(kind, item)
        ]
        above = {"permission_level": "CAN_MANAGE", "inherited": True, "inherited_from_object": [f"/{kind}/"]}
        shown.append({"group_name": "admins", "all_permissions": [above]})
        told = {"jobs": "job", "cluster-policies": "cluster-policy", "directories": "directory"}
        return {
            "object_id": f"/{kind}/{item}",
            "object_type": told.get(kind, kind.removesuffix("s")),
            "access_control_list": shown,
        }

    def _object(self, request: web.Request) -> tuple[str, str]:
        kind, item = request.match_info["kind"], request.match_info["id"]
        if kind not in KINDS:
            raise invalid(f"{kind} is not a supported object type")
        if self._store.get(KINDS[kind], item) is None:
            raise missing(f"{kind} {item} does not exist.")
        return kind, item

    # --- policies ------------------------------------------------------------------------------------

    async def create_policy(self, request: web.Request) -> web.Response:
        """Create a cluster policy."""
        sent = await http.body_of(request)
        name = http.needed(sent, "name")
        if any(one["name"] == name for one in self._store.all(POLICY)):
            raise already(f"A policy with the name {name} already exists", "INVALID_PARAMETER_VALUE")
        item = f"{self._store.number():016X}"
        self._store.put(POLICY, item, {**_policy(sent), "policy_id": item, "creator_user_name": ME})
        return http.answer({"policy_id": item})

    async def edit_policy(self, request: web.Request) -> web.Response:
        """Replace a policy."""
        sent = await http.body_of(request)
        found = self._policy(sent)
        self._store.put(POLICY, found["policy_id"], {**_policy(sent), "policy_id": found["policy_id"]})
        return http.answer()

    async def delete_policy(self, request: web.Request) -> web.Response:
        """Delete a policy."""
        self._store.delete(POLICY, self._policy(await http.body_of(request))["policy_id"])
        return http.answer()

    async def get_policy(self, request: web.Request) -> web.Response:
        """Get a policy."""
        return http.answer(self._policy(request.query))

    async def list_policies(self, _request: web.Request) -> web.Response:
        """List all policies."""
        return http.answer({"policies": self._store.all(POLICY)})

    def _policy(self, values: Any) -> Document:
        item = http.needed(values, "policy_id")
        found = self._store.get(POLICY, item)
        if found is None:
            raise missing(f"Policy {item} does not exist.")
        return found


def _principal(entry: Document) -> str:
    """Whom a permission is for."""
    named = [f"{name}:{entry[name]}" for name in PRINCIPALS if entry.get(name)]
    if len(named) != 1 or not entry.get("permission_level"):
        raise invalid("An access control needs one principal and a permission_level")
    return named[0]


def _policy(sent: Document) -> Document:
    """A policy as it is kept."""
    try:
        json.loads(sent.get("definition") or "{}")
    except json.JSONDecodeError as fault:
        raise invalid(f"Policy definition is not valid JSON: {fault}") from fault
    return {
        key: sent[key]
        for key in ("name", "definition", "description", "max_clusters_per_user")
        if key in sent
    }
