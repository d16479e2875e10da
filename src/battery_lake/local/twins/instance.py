"""One instance of the service: everything behind its address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from battery_lake.local.twins.graph import Graph
from battery_lake.local.twins.jobs import Jobs
from battery_lake.local.twins.models import Models
from battery_lake.local.twins.query_run import Queries
from battery_lake.local.twins.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path


class Instance:
    """Models, twins, relationships, queries, routes and jobs of one folder.

    Parameters
    ----------
    folder
        Where they are kept.
    endpoints
        Names of the endpoints that event routes may lead to; nothing is sent there.
    sign
        Opens the address of a blob, as the identity of an instance does; None: addresses are open.
    """

    def __init__(
        self, folder: Path, endpoints: Collection[str] = (), sign: Callable[[str], str] | None = None
    ) -> None:
        self.store = Store(folder)
        self.models = Models(self.store)
        self.graph = Graph(self.store, self.models)
        self.queries = Queries(self.store, self.models)
        self.jobs = Jobs(self.store, self.models, self.graph, sign)
        self.endpoints = frozenset(endpoints)

    def close(self) -> None:
        """Close the file."""
        self.store.close()
