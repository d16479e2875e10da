"""Unity Catalog: schemas, volumes, registered models with aliases, and grants on them.

References
----------
Databricks REST API reference: Schemas, Volumes, Registered models, Grants (Unity Catalog 2.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from battery_lake.clock import utc_now
from battery_lake.local.workspace import wire as http
from battery_lake.local.workspace.access import ME
from battery_lake.local.workspace.errors import RefusalError, invalid

if TYPE_CHECKING:
    from collections.abc import Collection

    from aiohttp import web

    from battery_lake.local.workspace.store import Document, Store

KEPT: Final = {
    "schemas": ("comment", "properties", "storage_root"),
    "volumes": ("comment", "volume_type", "storage_location"),
    "models": ("comment", "storage_location"),
}
"""Kinds by the last part of their address, with what is kept of what is sent."""

SINGULAR: Final = {"schemas": "SCHEMA", "volumes": "VOLUME", "models": "ROUTINE"}
SECURABLES: Final = {
    "catalog": "catalog", "schema": "schemas", "volume": "volumes", "function": "models", "table": "tables",
}  # fmt: skip
"""Types of securables by their name in addresses of grants; a registered model goes as a function."""

CHANGED: Final = ("comment", "owner", "properties")
PAGE: Final = 100


class Catalog:
    """Handlers of the addresses under ``/unity-catalog``.

    Parameters
    ----------
    store
        Keeps everything.
    catalogs
        Names of the catalogs that there are; None: any.
    """

    def __init__(self, store: Store, catalogs: Collection[str] | None) -> None:
        self._store, self._catalogs = store, catalogs

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Tell aiohttp the addresses."""
        root = "/api/2.1/unity-catalog"
        one, many = (
            f"{root}/{{kind:schemas|volumes|models}}/{{name}}",
            f"{root}/{{kind:schemas|volumes|models}}",
        )
        alias, grants = f"{root}/models/{{name}}/aliases/{{alias}}", f"{root}/permissions/{{type}}/{{name}}"
        for method, path, handler in (
            ("POST", many, self.create),
            ("GET", many, self.list),
            ("GET", one, self.get),
            ("PATCH", one, self.update),
            ("DELETE", one, self.delete),
            ("PUT", alias, self.set_alias),
            ("DELETE", alias, self.delete_alias),
            ("GET", grants, self.get_grants),
            ("PATCH", grants, self.change_grants),
        ):
            router.add_route(method, path, handler)

    async def create(self, request: web.Request) -> web.Response:
        """Create an object under what it belongs to."""
        kind, sent = request.match_info["kind"], await http.body_of(request)
        catalog, name = http.needed(sent, "catalog_name"), http.needed(sent, "name")
        if self._catalogs is not None and catalog not in self._catalogs:
            raise RefusalError(404, "CATALOG_DOES_NOT_EXIST", f"Catalog '{catalog}' does not exist.")
        above = catalog
        if kind != "schemas":
            above = f"{catalog}.{http.needed(sent, 'schema_name')}"
            if self._store.get("schemas", above) is None:
                raise RefusalError(404, "SCHEMA_DOES_NOT_EXIST", f"Schema '{above}' does not exist.")
        full = f"{above}.{name}"
        if self._store.get(kind, full) is not None:
            word = {"ROUTINE": "Registered model"}.get(SINGULAR[kind], SINGULAR[kind].capitalize())
            raise RefusalError(409, f"{SINGULAR[kind]}_ALREADY_EXISTS", f"{word} '{full}' already exists")
        at = int(utc_now().timestamp() * 1000)
        made = {
            "name": name, "catalog_name": catalog, "full_name": full, "owner": ME, "created_at": at,
            "created_by": ME, "updated_at": at, "updated_by": ME, "metastore_id": "1",
            **{key: sent[key] for key in KEPT[kind] if sent.get(key) is not None},
        }  # fmt: skip
        if kind != "schemas":
            made["schema_name"] = sent["schema_name"]
        if kind == "volumes":
            made["volume_id"] = str(self._store.number())
        self._store.put(kind, full, made)
        return http.answer(made)

    async def get(self, request: web.Request) -> web.Response:
        """Get an object."""
        return http.answer(self._found(request))

    async def list(self, request: web.Request) -> web.Response:
        """List the objects of a catalog or a schema."""
        wanted = {key: request.query[key] for key in ("catalog_name", "schema_name") if key in request.query}
        found = self._store.all(request.match_info["kind"])
        found = [one for one in found if all(one.get(key) == value for key, value in wanted.items())]
        name = {"models": "registered_models"}.get(request.match_info["kind"], request.match_info["kind"])
        return http.answer(http.page(request, name, found, PAGE, PAGE))

    async def update(self, request: web.Request) -> web.Response:
        """Change comment, owner or properties."""
        found, sent = self._found(request), await http.body_of(request)
        found |= {key: sent[key] for key in CHANGED if key in sent}
        found |= {"updated_at": int(utc_now().timestamp() * 1000)}
        self._store.put(request.match_info["kind"], found["full_name"], found)
        return http.answer(found)

    async def delete(self, request: web.Request) -> web.Response:
        """Delete an object; a schema only if nothing is in it, or by force."""
        found, kind = self._found(request), request.match_info["kind"]
        inside = f"{found['full_name']}."
        held = [
            (other, one["full_name"])
            for other in ("volumes", "models")
            for one in self._store.all(other)
            if kind == "schemas" and one["full_name"].startswith(inside)
        ]
        if held and request.query.get("force") != "true":
            raise RefusalError(400, "INVALID_STATE", f"Schema '{found['full_name']}' is not empty.")
        for other, name in [*held, (kind, found["full_name"])]:
            self._store.delete(other, name)
            self._store.delete("grants", f"{other}/{name}")
        return http.answer()

    def _found(self, request: web.Request) -> Document:
        kind, name = request.match_info.get("kind", "models"), request.match_info["name"]
        found = self._store.get(kind, name)
        if found is None:
            word = {"ROUTINE": "Registered model"}.get(SINGULAR[kind], SINGULAR[kind].capitalize())
            code = "RESOURCE_DOES_NOT_EXIST" if kind == "models" else f"{SINGULAR[kind]}_DOES_NOT_EXIST"
            raise RefusalError(404, code, f"{word} '{name}' does not exist.")
        return found

    # --- aliases -------------------------------------------------------------------------------------

    async def set_alias(self, request: web.Request) -> web.Response:
        """Let an alias name a version of a model."""
        found, sent = self._found(request), await http.body_of(request)
        alias = {"alias_name": request.match_info["alias"], "version_num": http.needed(sent, "version_num")}
        self._alias(found, request.match_info["alias"], alias)
        return http.answer(alias)

    async def delete_alias(self, request: web.Request) -> web.Response:
        """Take an alias away."""
        self._alias(self._found(request), request.match_info["alias"], None)
        return http.answer()

    def _alias(self, model: Document, name: str, alias: Document | None) -> None:
        others = [one for one in model.get("aliases", []) if one["alias_name"] != name]
        model["aliases"] = [*others, *([alias] if alias else [])]
        self._store.put("models", model["full_name"], model)

    # --- grants --------------------------------------------------------------------------------------

    async def get_grants(self, request: web.Request) -> web.Response:
        """Tell who holds which privileges."""
        held = self._grants(request)
        told = [
            {"principal": name, "privileges": sorted(those)} for name, those in sorted(held.items()) if those
        ]
        return http.answer({"privilege_assignments": told})

    async def change_grants(self, request: web.Request) -> web.Response:
        """Grant and revoke."""
        held, sent = self._grants(request), await http.body_of(request)
        for change in sent.get("changes") or ():
            principal = http.needed(change, "principal")
            words = {word.replace(" ", "_") for key in ("add", "remove") for word in change.get(key) or ()}
            if not all(word.isupper() for word in words):
                raise invalid(f"Privileges {sorted(words)} are not valid")
            mine = set(held.get(principal, ())) | {w.replace(" ", "_") for w in change.get("add") or ()}
            held[principal] = sorted(mine - {w.replace(" ", "_") for w in change.get("remove") or ()})
        self._store.put("grants", self._securable(request), held)
        return await self.get_grants(request)

    def _grants(self, request: web.Request) -> dict[str, Any]:
        return self._store.get("grants", self._securable(request)) or {}

    def _securable(self, request: web.Request) -> str:
        asked, name = request.match_info["type"].lower(), request.match_info["name"]
        kind = SECURABLES.get(asked)
        if kind is None:
            raise invalid(f"Securable type {asked.upper()} is not supported.")
        if kind in KEPT and self._store.get(kind, name) is None:
            raise RefusalError(
                404, f"{asked.upper()}_DOES_NOT_EXIST", f"{asked.capitalize()} '{name}' does not exist."
            )
        return f"{kind}/{name}"
