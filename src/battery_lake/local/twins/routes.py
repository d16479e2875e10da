"""Addresses: which operation a request asks for.

References
----------
Azure Digital Twins REST API, data plane, 2023-10-31.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from battery_lake.local.twins import jobs
from battery_lake.local.twins import wire as http
from battery_lake.local.twins.errors import ServiceError, invalid_argument

if TYPE_CHECKING:
    from aiohttp import web

    from battery_lake.local.twins.instance import Instance
    from battery_lake.local.twins.rates import Rates

PAGE: Final = 100
ROUTE: Final = "route"
MAX_ROUTES: Final = 6


class Routes:
    """Handlers of all addresses.

    Parameters
    ----------
    instance
        What is asked.
    rates
        What is refused.
    """

    def __init__(self, instance: Instance, rates: Rates) -> None:
        self._instance, self._rates = instance, rates
        self._models, self._graph, self._jobs = instance.models, instance.graph, instance.jobs
        self._store = instance.store

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Tell aiohttp the addresses."""
        twin = "/digitaltwins/{id}"
        related = f"{twin}/relationships/{{relationship}}"
        part = f"{twin}/components/{{component}}"
        for method, path, handler in (
            ("POST", "/models", self.add_models),
            ("GET", "/models", self.list_models),
            ("GET", "/models/{id}", self.get_model),
            ("PATCH", "/models/{id}", self.patch_model),
            ("DELETE", "/models/{id}", self.delete_model),
            ("GET", twin, self.get_twin),
            ("PUT", twin, self.put_twin),
            ("PATCH", twin, self.patch_twin),
            ("DELETE", twin, self.delete_twin),
            ("POST", f"{twin}/telemetry", self.send_telemetry),
            ("GET", part, self.get_component),
            ("PATCH", part, self.patch_component),
            ("POST", f"{part}/telemetry", self.send_telemetry),
            ("GET", f"{twin}/relationships", self.list_relationships),
            ("GET", f"{twin}/incomingrelationships", self.list_incoming),
            ("GET", related, self.get_relationship),
            ("PUT", related, self.put_relationship),
            ("PATCH", related, self.patch_relationship),
            ("DELETE", related, self.delete_relationship),
            ("POST", "/query", self.query),
            ("GET", "/eventroutes", self.list_routes),
            ("GET", "/eventroutes/{id}", self.get_route),
            ("PUT", "/eventroutes/{id}", self.put_route),
            ("DELETE", "/eventroutes/{id}", self.delete_route),
            ("GET", "/jobs/imports", self.list_imports),
            ("PUT", "/jobs/imports/{id}", self.put_import),
            ("GET", "/jobs/imports/{id}", self.get_import),
            ("DELETE", "/jobs/imports/{id}", self.delete_import),
            ("POST", "/jobs/imports/{id}/cancel", self.cancel_import),
            ("POST", "/jobs/deletions", self.delete_everything),
            ("GET", "/jobs/deletions", self.list_deletions),
            ("GET", "/jobs/deletions/{id}", self.get_deletion),
        ):
            router.add_route(method, path, handler)

    # --- models --------------------------------------------------------------------------------------

    async def add_models(self, request: web.Request) -> web.Response:
        """Add models, all or none."""
        self._rates.check("models")
        documents = await http.body_of(request, http.MAX_MODELS_BYTES)
        with self._store.change():
            return http.answer(self._models.add(documents), status=201)

    async def list_models(self, request: web.Request) -> web.Response:
        """List models, or those that others need."""
        self._rates.check("models")
        size, after = http.page_size(request, PAGE), http.place_of(request)
        wanted = request.query.getall("dependenciesFor", [])
        if wanted:
            names = list(enumerate(self._models.dependencies(wanted), start=1))[after : after + size + 1]
        else:
            names = self._store.models(after, size + 1)
        full = request.query.get("includeModelDefinition", "").lower() == "true"
        found = [(seq, self._models.describe(name, with_definition=full)) for seq, name in names]
        return http.page(request, found, size)

    async def get_model(self, request: web.Request) -> web.Response:
        """Get a model."""
        self._rates.check("models")
        full = request.query.get("includeModelDefinition", "").lower() == "true"
        return http.answer(self._models.describe(request.match_info["id"], with_definition=full))

    async def patch_model(self, request: web.Request) -> web.Response:
        """Decommission a model."""
        self._rates.check("models")
        document = await http.body_of(request)
        with self._store.change():
            self._models.patch(request.match_info["id"], document)
        return http.done()

    async def delete_model(self, request: web.Request) -> web.Response:
        """Delete a model."""
        self._rates.check("models")
        with self._store.change():
            self._models.delete(request.match_info["id"])
        return http.done()

    # --- twins ---------------------------------------------------------------------------------------

    async def get_twin(self, request: web.Request) -> web.Response:
        """Get a twin."""
        self._rates.check("read")
        found = self._graph.twin(request.match_info["id"])
        return http.answer(found, etag=found["$etag"])

    async def put_twin(self, request: web.Request) -> web.Response:
        """Add or replace a twin."""
        twin_id = request.match_info["id"]
        self._rates.check("create", twin_id)
        sent, only_new = await http.body_of(request), _only_new(request)
        with self._store.change():
            made = self._graph.put_twin(twin_id, sent, only_new=only_new)
        return http.answer(made, etag=made["$etag"])

    async def patch_twin(self, request: web.Request) -> web.Response:
        """Patch a twin."""
        return await self._patch(request, "")

    async def delete_twin(self, request: web.Request) -> web.Response:
        """Delete a twin."""
        twin_id = request.match_info["id"]
        self._rates.check("create", twin_id)
        with self._store.change():
            self._graph.delete_twin(twin_id, request.headers.get("If-Match"))
        return http.done()

    async def send_telemetry(self, request: web.Request) -> web.Response:
        """Take telemetry: it goes to the event routes only, so nothing is kept."""
        self._rates.check("patch", request.match_info["id"])
        if not request.headers.get("Message-Id"):
            raise invalid_argument("The message id is invalid.")
        await http.body_of(request)
        twin = self._graph.twin(request.match_info["id"])
        if "component" in request.match_info:
            self._graph.component(twin["$dtId"], request.match_info["component"])
        return http.done()

    async def get_component(self, request: web.Request) -> web.Response:
        """Get a component of a twin."""
        self._rates.check("read")
        found, etag = self._graph.component(request.match_info["id"], request.match_info["component"])
        return http.answer(found, etag=etag)

    async def patch_component(self, request: web.Request) -> web.Response:
        """Patch a component of a twin."""
        return await self._patch(request, request.match_info["component"])

    async def _patch(self, request: web.Request, component: str) -> web.Response:
        twin_id = request.match_info["id"]
        self._rates.check("patch", twin_id)
        document = await http.body_of(request)
        with self._store.change():
            etag = self._graph.patch_twin(twin_id, document, request.headers.get("If-Match"), component)
        return http.done(etag)

    # --- relationships -------------------------------------------------------------------------------

    async def list_relationships(self, request: web.Request) -> web.Response:
        """List the relationships of a twin."""
        self._rates.check("read")
        name = request.query.get("relationshipName")
        after = http.place_of(request)
        found = self._graph.outgoing(request.match_info["id"], name, after, PAGE + 1)
        return http.page(request, found, PAGE)

    async def list_incoming(self, request: web.Request) -> web.Response:
        """List the relationships that end at a twin."""
        self._rates.check("read")
        found = self._graph.incoming(request.match_info["id"], http.place_of(request), PAGE + 1)
        return http.page(request, found, PAGE)

    async def get_relationship(self, request: web.Request) -> web.Response:
        """Get a relationship."""
        self._rates.check("read")
        found = self._graph.relationship(*_ends(request))
        return http.answer(found, etag=found["$etag"])

    async def put_relationship(self, request: web.Request) -> web.Response:
        """Add or replace a relationship."""
        self._rates.check("create", request.match_info["id"])
        sent, only_new = await http.body_of(request), _only_new(request)
        with self._store.change():
            made = self._graph.put_relationship(*_ends(request), sent, only_new=only_new)
        return http.answer(made, etag=made["$etag"])

    async def patch_relationship(self, request: web.Request) -> web.Response:
        """Patch a relationship."""
        self._rates.check("patch", request.match_info["id"])
        document = await http.body_of(request)
        with self._store.change():
            etag = self._graph.patch_relationship(*_ends(request), document, request.headers.get("If-Match"))
        return http.done(etag)

    async def delete_relationship(self, request: web.Request) -> web.Response:
        """Delete a relationship."""
        self._rates.check("create", request.match_info["id"])
        with self._store.change():
            self._graph.delete_relationship(*_ends(request), request.headers.get("If-Match"))
        return http.done()

    # --- queries, event routes, jobs -----------------------------------------------------------------

    async def query(self, request: web.Request) -> web.Response:
        """Answer a page of a query."""
        self._rates.check("query")
        sent = await http.body_of(request)
        text, token = (sent.get(name) if isinstance(sent, dict) else None for name in QUERY)
        if not isinstance(text, str):
            raise invalid_argument("A query is needed.")
        size = http.page_size(request, self._instance.queries.page_items)
        items, following = self._instance.queries.page(text, token, size)
        response = http.answer({"value": items, "continuationToken": following})
        response.headers["query-charge"] = f"{2.5 + 0.1 * len(items):.1f}"
        return response

    async def list_routes(self, request: web.Request) -> web.Response:
        """List event routes."""
        self._rates.check("eventroutes")
        size = http.page_size(request, PAGE)
        return http.page(request, self._store.others(ROUTE, http.place_of(request), size + 1), size)

    async def get_route(self, request: web.Request) -> web.Response:
        """Get an event route."""
        self._rates.check("eventroutes")
        found = self._store.other(ROUTE, request.match_info["id"])
        if found is None:
            raise _no_route()
        return http.answer(found)

    async def put_route(self, request: web.Request) -> web.Response:
        """Add or replace an event route."""
        self._rates.check("eventroutes")
        sent, own = await http.body_of(request), request.match_info["id"]
        if not isinstance(sent, dict) or sent.get("endpointName") not in self._instance.endpoints:
            raise ServiceError(
                400,
                "EventRouteEndpointInvalid",
                "The endpoint provided does not exist or is not active. Check that your endpoint is"
                " provisioned correctly. See event route documentation (https://aka.ms/ADTv2Routes).",
            )
        others = [route["id"] for _, route in self._store.others(ROUTE)]
        if own not in others and len(others) == MAX_ROUTES:
            raise ServiceError(400, "LimitExceeded", f"There are {MAX_ROUTES} event routes already.")
        with self._store.change():
            self._store.put_other(ROUTE, own, {"id": own, **{name: sent.get(name) for name in ROUTE_PARTS}})
        return http.done()

    async def delete_route(self, request: web.Request) -> web.Response:
        """Delete an event route."""
        self._rates.check("eventroutes")
        if self._store.other(ROUTE, request.match_info["id"]) is None:
            raise _no_route()
        with self._store.change():
            self._store.delete_other(ROUTE, request.match_info["id"])
        return http.done()

    async def list_imports(self, request: web.Request) -> web.Response:
        """List import jobs."""
        return self._list_jobs(request, jobs.IMPORT)

    async def put_import(self, request: web.Request) -> web.Response:
        """Start an import job."""
        self._rates.check("jobs")
        started = self._jobs.start_import(request.match_info["id"], await http.body_of(request))
        return http.answer(started, status=201)

    async def get_import(self, request: web.Request) -> web.Response:
        """Get an import job."""
        return http.answer(self._jobs.job(request.match_info["id"]))

    async def delete_import(self, request: web.Request) -> web.Response:
        """Forget an import job."""
        self._jobs.delete(request.match_info["id"])
        return http.done()

    async def cancel_import(self, request: web.Request) -> web.Response:
        """Ask an import job to stop."""
        return http.answer(self._jobs.cancel(request.match_info["id"]))

    async def delete_everything(self, request: web.Request) -> web.Response:
        """Delete models, twins and relationships."""
        self._rates.check("jobs")
        own = request.headers.get("operation-id") or str(uuid.uuid4())
        with self._store.change():
            job = self._jobs.delete_everything(own)
        response = http.answer(job, status=202)
        response.headers["Operation-Location"] = f"/jobs/deletions/{own}"
        return response

    async def list_deletions(self, request: web.Request) -> web.Response:
        """List deletion jobs."""
        return self._list_jobs(request, jobs.DELETION)

    async def get_deletion(self, request: web.Request) -> web.Response:
        """Get a deletion job."""
        found = self._store.other(jobs.DELETION, request.match_info["id"])
        if found is None:
            raise ServiceError(404, "DeleteJobNotFound", "The delete job was not found.")
        return http.answer(found)

    def _list_jobs(self, request: web.Request, kind: str) -> web.Response:
        size = http.page_size(request, PAGE)
        return http.page(request, self._store.others(kind, http.place_of(request), size + 1), size)


QUERY: Final = ("query", "continuationToken")
ROUTE_PARTS: Final = ("endpointName", "filter")


def _ends(request: web.Request) -> tuple[str, str]:
    return request.match_info["id"], request.match_info["relationship"]


def _only_new(request: web.Request) -> bool:
    return request.headers.get("If-None-Match") == "*"


def _no_route() -> ServiceError:
    return ServiceError(
        404,
        "EventRouteNotFound",
        "There is no route available that matches the provided input. Check for all valid event routes by"
        " calling EventRoute_List. See Swagger example (https://aka.ms/RouteSwSmpl).",
    )
