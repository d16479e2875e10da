"""Twins and relationships: what the service does to them, and when it refuses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import orjson

from battery_lake.local.twins import patch as json_patch
from battery_lake.local.twins import twin as twins
from battery_lake.local.twins.errors import (
    ServiceError,
    already_there,
    invalid_argument,
    invalid_relationship,
    no_relationship,
    no_target,
    no_twin,
    other_etag,
    too_large,
)
from battery_lake.local.twins.stamps import etag
from battery_lake.local.twins.values import faults

if TYPE_CHECKING:
    from battery_lake.local.twins.dtdl import Relationship
    from battery_lake.local.twins.models import Models
    from battery_lake.local.twins.store import Store

ID: Final = re.compile(r"[A-Za-z0-9\-.+%_#*?!(),=@$':]{1,128}")
"""Ids that are taken: those of IoT Hub's devices."""
SYSTEM: Final = ("$relationshipId", "$etag", "$sourceId", "$relationshipName", "$targetId")

Document = dict[str, Any]


class Graph:
    """Twins and how they are related.

    Parameters
    ----------
    store
        Keeps them.
    models
        Say what they may be.
    """

    def __init__(self, store: Store, models: Models) -> None:
        self._store, self._models = store, models

    def twin(self, twin_id: str) -> Document:
        """Return a twin.

        Raises
        ------
        ServiceError
            There is none of that id.
        """
        found = self._store.twin(_checked_id(twin_id, "digital twin"))
        if found is None:
            raise no_twin(twin_id)
        return found

    def put_twin(self, twin_id: str, sent: object, *, only_new: bool = False) -> Document:
        """Add or replace a twin.

        Raises
        ------
        ServiceError
            Its model does not allow it, or it is there though it should be new.
        """
        _checked_id(twin_id, "digital twin")
        if only_new and self._store.has_twin(twin_id):
            raise already_there("twin", twin_id)
        body = twins.made(self._models, twin_id, sent)
        self._store.put_twin(twin_id, body["$metadata"]["$model"], body)
        return body

    def patch_twin(self, twin_id: str, document: object, if_match: str | None, component: str = "") -> str:
        """Patch a twin, or one of its components; return its new ETag.

        Raises
        ------
        ServiceError
            It is not there, has another ETag, or the patch does not fit.
        """
        body = self.twin(twin_id)
        _check_etag(body, if_match)
        steps = json_patch.read(document, [component] if component else ())
        body = twins.patched(self._models, body, steps)
        self._store.put_twin(twin_id, body["$metadata"]["$model"], body)
        return str(body["$etag"])

    def delete_twin(self, twin_id: str, if_match: str | None) -> None:
        """Delete a twin.

        Raises
        ------
        ServiceError
            It is not there, has another ETag, or is still related to others.
        """
        body = self.twin(twin_id)
        _check_etag(body, if_match)
        related = [*self._store.relationships(source=twin_id, limit=1)]
        related += [*self._store.relationships(target=twin_id, limit=1)]
        if related:
            raise ServiceError(
                400,
                "RelationshipsNotDeleted",
                f"The digital twin {twin_id} contains relationships. Please delete all incoming and outgoing"
                " relationships before deleting the twin.",
            )
        self._store.delete_twin(twin_id)

    def relationship(self, twin_id: str, relationship_id: str) -> Document:
        """Return a relationship.

        Raises
        ------
        ServiceError
            Twin or relationship is not there.
        """
        self._existing(twin_id)
        found = self._store.relationship(twin_id, _checked_id(relationship_id, "relationship"))
        if found is None:
            raise no_relationship(twin_id, relationship_id)
        return found

    def put_relationship(
        self, twin_id: str, relationship_id: str, sent: object, *, only_new: bool = False
    ) -> Document:
        """Add or replace a relationship; ids in the body give way to those of the address.

        Raises
        ------
        ServiceError
            An end is not there, the model does not allow it, or it is there though it should be new.
        """
        source = self.twin(twin_id)
        _checked_id(relationship_id, "relationship")
        name, target_id = self._ends(sent)
        if only_new and self._store.relationship(twin_id, relationship_id) is not None:
            raise already_there("relationship", relationship_id)
        target = self._store.twin(target_id)
        if target is None:
            raise no_target()
        assert isinstance(sent, dict)
        properties = {key: value for key, value in sent.items() if key not in SYSTEM}
        self._check_relationship(source, target, name, properties)
        body = _relationship(twin_id, relationship_id, name, target_id, properties)
        self._store.put_relationship(body)
        return body

    def patch_relationship(
        self, twin_id: str, relationship_id: str, document: object, if_match: str | None
    ) -> str:
        """Patch a relationship's properties; return its new ETag.

        Raises
        ------
        ServiceError
            It is not there, has another ETag, or the patch does not fit.
        """
        body = self.relationship(twin_id, relationship_id)
        _check_etag(body, if_match)
        steps = json_patch.read(document)
        properties = {key: value for key, value in body.items() if key not in SYSTEM}
        properties = json_patch.apply(steps, properties, by_segment=True)
        source, target = self.twin(twin_id), self.twin(body["$targetId"])
        self._check_relationship(source, target, body["$relationshipName"], properties)
        body = _relationship(
            twin_id, relationship_id, body["$relationshipName"], body["$targetId"], properties
        )
        self._store.put_relationship(body)
        return str(body["$etag"])

    def delete_relationship(self, twin_id: str, relationship_id: str, if_match: str | None) -> None:
        """Delete a relationship.

        Raises
        ------
        ServiceError
            It is not there, or has another ETag.
        """
        _check_etag(self.relationship(twin_id, relationship_id), if_match)
        self._store.delete_relationship(twin_id, relationship_id)

    def outgoing(self, twin_id: str, name: str | None, after: int, limit: int) -> list[tuple[int, Document]]:
        """Return the next relationships of a twin, with their places.

        Raises
        ------
        ServiceError
            The twin is not there.
        """
        self._existing(twin_id)
        named = {} if name is None else {"name": name}
        return list(self._store.relationships(after, limit=limit, source=twin_id, **named))

    def incoming(self, twin_id: str, after: int, limit: int) -> list[tuple[int, Document]]:
        """Return the next relationships that end at a twin, with their places.

        Raises
        ------
        ServiceError
            The twin is not there.
        """
        self._existing(twin_id)
        found = self._store.relationships(after, limit=limit, target=twin_id)
        return [(seq, _incoming(body)) for seq, body in found]

    def component(self, twin_id: str, name: str) -> tuple[Document, str]:
        """Return a component, and the twin's ETag.

        Raises
        ------
        ServiceError
            Twin or component is not there.
        """
        body = self.twin(twin_id)
        return twins.component(body, name), body["$etag"]

    def _existing(self, twin_id: str) -> None:
        if not self._store.has_twin(_checked_id(twin_id, "digital twin")):
            raise no_twin(twin_id)

    def _ends(self, sent: object) -> tuple[str, str]:
        """Name and target of a relationship that was sent."""
        found = [sent.get(name) if isinstance(sent, dict) else None for name in SYSTEM[3:]]
        if not all(isinstance(value, str) and value for value in found):
            raise invalid_argument("Could not deserialize relationship create body.")
        return str(found[0]), str(found[1])

    def _check_relationship(
        self, source: Document, target: Document, name: str, properties: Document
    ) -> None:
        if source["$dtId"] == target["$dtId"]:
            raise ServiceError(
                400, "OperationNotAllowed", "The relationship cannot connect to the same digital twin."
            )
        allowed = self._allowed(source["$metadata"]["$model"]).get(name)
        if allowed is None:
            raise invalid_relationship(f"{name} does not appear on the DTDL for {source['$dtId']}.")
        target_model = target["$metadata"]["$model"]
        if allowed.target is not None and not self._models.is_of(target_model, allowed.target):
            raise ServiceError(
                400,
                "InvalidRelationship",
                f"{name} leads to twins of {allowed.target}; the target is of {target_model}.",
            )
        found: list[str] = []
        for key, value in properties.items():
            if key not in allowed.properties:
                found.append(f"{key} does not appear on the DTDL for {name}.")
            else:
                found.extend(faults(value, allowed.properties[key], key, name))
        if found:
            raise invalid_relationship(*found)
        if len(orjson.dumps(properties)) > twins.MAX_TWIN_BYTES:
            raise too_large("relationship", twins.MAX_TWIN_BYTES)

    def _allowed(self, model_id: str) -> dict[str, Relationship]:
        found = self._models.closure(model_id)
        if found is None:
            raise invalid_relationship(f"{model_id} or one of its dependencies does not exist.")
        return {name: rel for interface in found for name, rel in interface.relationships.items()}


def _relationship(
    source: str, relationship_id: str, name: str, target: str, properties: Document
) -> Document:
    ends = zip(SYSTEM, (relationship_id, etag(), source, name, target), strict=True)
    return {**dict(ends), **properties}


def _incoming(body: Document) -> Document:
    source, relationship_id = body["$sourceId"], body["$relationshipId"]
    link = f"/digitaltwins/{quote(source, safe='')}/relationships/{quote(relationship_id, safe='')}"
    return {
        "$relationshipId": relationship_id,
        "$sourceId": source,
        "$relationshipName": body["$relationshipName"],
        "$relationshipLink": link,
    }


def _check_etag(body: Document, if_match: str | None) -> None:
    if if_match not in {None, "*", body["$etag"]}:
        raise other_etag(str(if_match))


def _checked_id(value: str, kind: str) -> str:
    if not ID.fullmatch(value):
        raise invalid_argument(f"The {kind} id is invalid: 1 to 128 letters, digits and -.+%_#*?!(),=@$':")
    return value
