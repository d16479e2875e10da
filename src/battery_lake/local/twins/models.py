"""The models of an instance: uploading, listing, decommissioning, deleting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from battery_lake.local.twins import dtdl
from battery_lake.local.twins.errors import ServiceError, invalid_argument, invalid_patch, no_model
from battery_lake.local.twins.stamps import model_stamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from battery_lake.local.twins.dtdl import Interface
    from battery_lake.local.twins.store import Store

MAX_UPLOAD: Final = 250
MAX_MODEL_BYTES: Final = 1_048_576


class Models:
    """What twins may be.

    Parameters
    ----------
    store
        Keeps them.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._read: dict[str, Interface] = {}
        self.shapes: dict[str, Any] = {}
        """What models allow of twins, worked out once."""

    def find(self, model_id: str) -> Interface | None:
        """Return an interface, or None where it is not there."""
        if model_id not in self._read:
            found = self._store.model(model_id)
            if found is None:
                return None
            self._read[model_id] = dtdl.read(found[2])
        return self._read[model_id]

    def closure(self, model_id: str) -> list[Interface] | None:
        """Return an interface and all that it inherits from, or None where one of them is not there."""
        found = list(dtdl.ancestors(model_id, self.find))
        wanted = {model_id, *(base for interface in found for base in interface.extends)}
        return found if wanted <= {interface.id for interface in found} else None

    def is_of(self, model_id: str, wanted: str) -> bool:
        """Tell whether an interface is, or inherits from, another."""
        return model_id == wanted or any(base.id == wanted for base in dtdl.ancestors(model_id, self.find))

    def heirs(self, wanted: str) -> list[str]:
        """Return the interfaces that are, or inherit from, one."""
        return [name for name in self._store.model_ids() if self.is_of(name, wanted)]

    def is_decommissioned(self, model_id: str) -> bool:
        """Tell whether no twins may be made of a model any more."""
        found = self._store.model(model_id)
        return found is not None and found[1]

    def add(self, documents: object) -> list[dict[str, Any]]:
        """Add models, all or none.

        Raises
        ------
        ServiceError
            They are no valid DTDL, too many, or one is there already.
        """
        if not isinstance(documents, list) or not documents:
            raise invalid_argument(
                "Operation failed as models provided was empty or of a type that is not supported.. Check"
                " that your Model Array contains at least one item and it is of a supported type. See"
                " link(https://aka.ms/ADTv2Models) for details."
            )
        if len(documents) > MAX_UPLOAD:
            raise ServiceError(400, "LimitExceeded", f"More than {MAX_UPLOAD} models in one request.")
        interfaces = [dtdl.read(document) for document in documents]
        there = [interface.id for interface in interfaces if self.find(interface.id) is not None]
        if there:
            raise ServiceError(
                409,
                "ModelIdAlreadyExists",
                f"Some of the model ids already exist: {', '.join(there)}. Use Model_List API to view models"
                " that already exist. See the Swagger example (https://aka.ms/ModelListSwSmpl).",
            )
        dtdl.check(interfaces, self.find)
        for interface, document in zip(interfaces, documents, strict=True):
            self._store.add_model(interface.id, model_stamp(), document)
        return [self.describe(interface.id, with_definition=False) for interface in interfaces]

    def describe(self, model_id: str, *, with_definition: bool) -> dict[str, Any]:
        """Return what the service tells of a model.

        Raises
        ------
        ServiceError
            It is not there.
        """
        found = self._store.model(model_id)
        if found is None:
            raise no_model(model_id)
        uploaded, decommissioned, body = found
        told = {
            "id": model_id,
            "description": _by_language(body.get("description")),
            "displayName": _by_language(body.get("displayName")),
            "decommissioned": decommissioned,
            "uploadTime": uploaded,
        }
        return {**told, "model": body} if with_definition else told

    def dependencies(self, model_ids: Iterable[str]) -> list[str]:
        """Return models and all that they need: what they extend and what their components are.

        Raises
        ------
        ServiceError
            One is not there.
        """
        waiting, met = list(model_ids), dict[str, None]()
        missing = [model_id for model_id in waiting if self.find(model_id) is None]
        if missing:
            raise no_model(*missing)
        while waiting:
            interface = self.find(waiting.pop(0))
            if interface is not None and interface.id not in met:
                met[interface.id] = None
                waiting.extend(sorted(interface.needs))
        return list(met)

    def patch(self, model_id: str, document: object) -> None:
        """Decommission a model, or take that back.

        Raises
        ------
        ServiceError
            It is not there, the patch says something else, or models in use refer to it.
        """
        if self._store.model(model_id) is None:
            raise no_model(model_id)
        steps = document if isinstance(document, list) else [document]
        for step in steps:
            if not isinstance(step, dict) or (step.get("op"), step.get("path")) != (
                "replace",
                "/decommissioned",
            ):
                raise invalid_patch("Only /decommissioned of a model can be replaced.")
            if not isinstance(step.get("value"), bool):
                raise invalid_patch("The value of /decommissioned must be true or false.")
            users = [name for name in self._users(model_id) if not self.is_decommissioned(name)]
            if step["value"] and users:
                raise ServiceError(
                    409,
                    "ModelReferencesNotDecommissioned",
                    f"This model is currently being referenced by {', '.join(users)}. You must decommission"
                    " these references before decommissioning the Model.",
                )
            self._store.decommission(model_id, step["value"])

    def delete(self, model_id: str) -> None:
        """Delete a model; twins of it stay, and can no longer be changed.

        Raises
        ------
        ServiceError
            It is not there, or other models refer to it.
        """
        if self._store.model(model_id) is None:
            raise no_model(model_id)
        users = list(self._users(model_id))
        if users:
            raise ServiceError(
                409,
                "ModelReferencesNotDeleted",
                f"This model is currently being referenced by {', '.join(users)}. You must delete these"
                " references before deleting the Model.. To delete references, do Delete Model on Ids"
                " provided above.",
            )
        self._store.delete_model(model_id)
        self.forget()

    def forget(self) -> None:
        """Read the models anew when they are asked for: some have gone."""
        self._read.clear()
        self.shapes.clear()

    def _users(self, model_id: str) -> Iterator[str]:
        for name in self._store.model_ids():
            interface = self.find(name)
            if interface is not None and model_id in interface.needs:
                yield name


def _by_language(text: Any) -> dict[str, str]:
    return text if isinstance(text, dict) else {"en": text} if isinstance(text, str) else {}
