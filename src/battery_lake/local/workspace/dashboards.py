"""AI/BI dashboards, and the warehouses that they ask.

References
----------
Databricks REST API reference: Lakeview, SQL warehouses.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any, Final

from battery_lake.clock import utc_now
from battery_lake.local.workspace import wire as http
from battery_lake.local.workspace.errors import RefusalError, invalid

if TYPE_CHECKING:
    from aiohttp import web

    from battery_lake.local.workspace.store import Document, Store

DASHBOARD: Final = "dashboard"
WAREHOUSE: Final = "warehouse"
KEPT: Final = ("display_name", "serialized_dashboard", "warehouse_id", "parent_path")


class Dashboards:
    """Handlers of the addresses under ``/lakeview``, and of the list of warehouses.

    Parameters
    ----------
    store
        Keeps them.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Tell aiohttp the addresses."""
        many = "/api/2.0/lakeview/dashboards"
        one = f"{many}/{{id}}"
        for method, path, handler in (
            ("POST", many, self.create),
            ("GET", one, self.get),
            ("PATCH", one, self.update),
            ("DELETE", one, self.trash),
            ("POST", f"{one}/published", self.publish),
            ("GET", f"{one}/published", self.get_published),
            ("GET", "/api/2.0/sql/warehouses", self.list_warehouses),
        ):
            router.add_route(method, path, handler)

    async def create(self, request: web.Request) -> web.Response:
        """Create a draft."""
        sent = await http.body_of(request)
        http.needed(sent, "display_name")
        item = uuid.uuid4().hex
        made = {"dashboard_id": item, "create_time": utc_now().isoformat(), "lifecycle_state": "ACTIVE"}
        return self._kept(made, sent)

    async def get(self, request: web.Request) -> web.Response:
        """Get a draft."""
        return http.answer(self._found(request, "draft"))

    async def update(self, request: web.Request) -> web.Response:
        """Change a draft."""
        return self._kept(self._found(request, "draft"), await http.body_of(request))

    async def trash(self, request: web.Request) -> web.Response:
        """Move a dashboard to the trash."""
        self._found(request, "draft")
        self._store.delete(DASHBOARD, request.match_info["id"])
        self._store.delete("published", request.match_info["id"])
        return http.answer()

    async def publish(self, request: web.Request) -> web.Response:
        """Publish the draft as it is."""
        draft, sent = self._found(request, "draft"), await http.body_of(request)
        shown: dict[str, Any] = {
            "display_name": draft["display_name"],
            "warehouse_id": sent.get("warehouse_id") or draft.get("warehouse_id", ""),
            "embed_credentials": sent.get("embed_credentials", True),
            "revision_create_time": utc_now().isoformat(),
        }
        self._store.put("published", draft["dashboard_id"], shown)
        return http.answer(shown)

    async def get_published(self, request: web.Request) -> web.Response:
        """Get what is published."""
        return http.answer(self._found(request, "published"))

    async def list_warehouses(self, _request: web.Request) -> web.Response:
        """List warehouses."""
        return http.answer({"warehouses": self._store.all(WAREHOUSE)})

    def _found(self, request: web.Request, what: str) -> Document:
        kind, item = DASHBOARD if what == "draft" else what, request.match_info["id"]
        found = self._store.get(kind, item)
        if found is None:
            raise RefusalError(404, "RESOURCE_DOES_NOT_EXIST", f"Unable to find {what} dashboard [{item}]")
        return found

    def _kept(self, dashboard: Document, sent: Document) -> web.Response:
        try:
            json.loads(sent.get("serialized_dashboard") or "{}")
        except json.JSONDecodeError as fault:
            raise invalid(f"Failed to parse serialized dashboard: {fault}") from fault
        dashboard |= {key: sent[key] for key in KEPT if key in sent}
        dashboard["update_time"] = utc_now().isoformat()
        self._store.put(DASHBOARD, dashboard["dashboard_id"], dashboard)
        return http.answer(dashboard)
