"""One twin's document: made from what was sent, patched, and checked against its model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import orjson

from battery_lake.local.twins import patch as json_patch
from battery_lake.local.twins.errors import (
    ServiceError,
    invalid_argument,
    invalid_patch,
    invalid_twin,
    no_component,
    too_large,
)
from battery_lake.local.twins.stamps import etag, twin_stamp
from battery_lake.local.twins.values import PATTERNS, faults

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from battery_lake.local.twins.models import Models
    from battery_lake.local.twins.patch import Step

MAX_TWIN_BYTES: Final = 32_768
SYSTEM: Final = ("$dtId", "$etag", "$metadata")

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """What a model, with all that it inherits, allows of a twin.

    Parameters
    ----------
    properties
        Schema by name.
    components
        Schema by name, by component.
    """

    properties: dict[str, Any]
    components: dict[str, dict[str, Any]]


def shape_of(models: Models, model_id: str) -> Shape:
    """Return what a model allows.

    Raises
    ------
    ServiceError
        It, or one that it needs, is not there.
    """
    if model_id in models.shapes:
        return cast("Shape", models.shapes[model_id])
    found = models.closure(model_id)
    components: dict[str, dict[str, Any]] = {}
    for interface in found or ():
        for name, component in interface.components.items():
            inner = models.closure(component)
            if inner is None:
                raise _no_model(model_id)
            components[name] = {n: s for part in inner for n, s in part.properties.items()}
    if found is None:
        raise _no_model(model_id)
    shape = Shape({n: s for part in found for n, s in part.properties.items()}, components)
    models.shapes[model_id] = shape
    return shape


def made(models: Models, twin_id: str, sent: object) -> Document:
    """Make a twin of what was sent.

    Raises
    ------
    ServiceError
        It is no twin, or not what its model allows.
    """
    if not isinstance(sent, dict):
        raise invalid_argument("Payload is invalid.")
    metadata = sent.get("$metadata")
    model_id = metadata.get("$model") if isinstance(metadata, dict) else None
    if not isinstance(model_id, str):
        raise invalid_twin("Twin must have a model: $metadata.$model is missing.")
    if models.is_decommissioned(model_id):
        raise ServiceError(
            400, "ModelDecommissioned", f"The model {model_id} is decommissioned: no twins can be made of it."
        )
    shape, now = shape_of(models, model_id), twin_stamp()
    content = {name: value for name, value in sent.items() if name not in SYSTEM}
    _check(content, shape)
    assert isinstance(metadata, dict)
    return _finished(twin_id, model_id, content, shape, _stamped(content, shape, metadata, now))


def patched(models: Models, twin: Document, steps: Sequence[Step]) -> Document:
    """Return a twin after a patch.

    Raises
    ------
    ServiceError
        The patch cannot be applied, or what comes of it is not what the model allows.
    """
    model_id = twin["$metadata"]["$model"]
    touched: set[tuple[str, ...]] = set()
    sources: dict[tuple[str, ...], str] = {}
    real = []
    for step in steps:
        if step.path == ("$metadata", "$model"):
            model_id = step.value
        elif "$metadata" in step.path:
            sources[_owner_of(step)] = _source_time(step)
        elif step.path[0] in SYSTEM:
            raise invalid_patch(f"{step.pointer} is read-only.")
        else:
            real.append(step)
            touched.add(step.path[:2])
    if model_id != twin["$metadata"]["$model"] and models.is_decommissioned(model_id):
        raise ServiceError(400, "ModelDecommissioned", f"The model {model_id} is decommissioned.")
    shape = shape_of(models, model_id)
    content = {name: _bare(value) for name, value in twin.items() if name not in SYSTEM}
    content = json_patch.apply(real, content)
    _check(content, shape)
    stamps = _restamped(twin, content, shape, touched, sources)
    return _finished(twin["$dtId"], model_id, content, shape, stamps)


def component(twin: Document, name: str) -> Document:
    """Return a component of a twin.

    Raises
    ------
    ServiceError
        It has none of that name.
    """
    found = twin.get(name)
    if name in SYSTEM or not isinstance(found, dict) or "$metadata" not in found:
        raise no_component(twin["$dtId"], name)
    return found


def _no_model(model_id: str) -> ServiceError:
    return invalid_twin(f"{model_id} or one of its dependencies does not exist.")


def _bare(value: Any) -> Any:
    """A component without its metadata; anything else as it is."""
    if isinstance(value, dict) and "$metadata" in value:
        return {key: inner for key, inner in value.items() if key != "$metadata"}
    return value


def _check(content: Document, shape: Shape) -> None:
    found = list(_faults(content, shape))
    if found:
        raise invalid_twin(*found)
    size = len(orjson.dumps(content))
    if size > MAX_TWIN_BYTES:
        raise too_large("twin", MAX_TWIN_BYTES)


def _faults(content: Document, shape: Shape) -> Iterator[str]:
    for name, value in content.items():
        if name in shape.components:
            yield from _component_faults(name, value, shape.components[name])
        elif name not in shape.properties:
            yield f"{name} does not appear on the DTDL for Twin."
        else:
            yield from faults(value, shape.properties[name], name, "Twin")
    for name in shape.components:
        if name not in content:
            yield f"Component {name} is missing on Twin."


def _component_faults(name: str, value: Any, properties: dict[str, Any]) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"Expected value of type object for {name} on Twin."
        return
    for key, inner in value.items():
        if key == "$metadata":
            continue
        if key not in properties:
            yield f"{key} does not appear on the DTDL for {name}."
        else:
            yield from faults(inner, properties[key], key, name)


def _paths(content: Document, shape: Shape) -> Iterator[tuple[str, ...]]:
    """Every property that is set, a component's behind its name."""
    for name, value in content.items():
        if name in shape.components:
            yield from ((name, key) for key in value if key != "$metadata")
        else:
            yield (name,)


def _stamped(
    content: Document, shape: Shape, sent: Document, now: str
) -> dict[tuple[str, ...], dict[str, str]]:
    """When each property was written, and when its value was true where the sender says so."""
    stamps = {}
    for path in _paths(content, shape):
        told = sent if len(path) == 1 else content[path[0]].get("$metadata", {})
        mine = told.get(path[-1]) if isinstance(told, dict) else None
        stamps[path] = {"lastUpdateTime": now}
        if isinstance(mine, dict) and "sourceTime" in mine:
            stamps[path]["sourceTime"] = _checked_time(mine["sourceTime"], path[-1])
    return stamps


def _restamped(
    twin: Document,
    content: Document,
    shape: Shape,
    touched: set[tuple[str, ...]],
    sources: dict[tuple[str, ...], str],
) -> dict[tuple[str, ...], dict[str, str]]:
    """The same after a patch: what was touched is new."""
    now, stamps = twin_stamp(), {}
    for path in _paths(content, shape):
        holder = twin["$metadata"] if len(path) == 1 else twin.get(path[0], {}).get("$metadata", {})
        old = holder.get(path[-1], {"lastUpdateTime": now})
        hit = path in touched or path[:1] in touched or any(part[: len(path)] == path for part in touched)
        stamps[path] = {"lastUpdateTime": now} if hit else dict(old)
        if path in sources:
            stamps[path]["sourceTime"] = sources[path]
    return stamps


def _owner_of(step: Step) -> tuple[str, ...]:
    """The property whose metadata a step sets: /$metadata/p/sourceTime or /c/$metadata/p/sourceTime."""
    parts = tuple(part for part in step.path if part != "$metadata")
    if parts[-1] != "sourceTime" or step.path.count("$metadata") != 1 or len(parts) not in {2, 3}:
        raise invalid_patch(f"{step.pointer} is read-only.")
    return parts[:-1]


def _source_time(step: Step) -> str:
    return _checked_time(step.value, step.path[-2])


def _checked_time(value: object, name: str) -> str:
    if not isinstance(value, str) or not PATTERNS["dateTime"].fullmatch(value):
        raise invalid_twin(f"Expected value of type dateTime for sourceTime of {name}.")
    return value


def _finished(
    twin_id: str,
    model_id: str,
    content: Document,
    shape: Shape,
    stamps: dict[tuple[str, ...], dict[str, str]],
) -> Document:
    """The whole document, in the service's order."""
    now = max((stamp["lastUpdateTime"] for stamp in stamps.values()), default=twin_stamp())
    body: Document = {"$dtId": twin_id, "$etag": etag()}
    metadata: Document = {"$model": model_id, "$lastUpdateTime": now}
    for name, value in content.items():
        if name in shape.components:
            mine = {path[1]: stamp for path, stamp in stamps.items() if path[0] == name and len(path) > 1}
            inner = {key: item for key, item in value.items() if key != "$metadata"}
            body[name] = {**inner, "$metadata": {"$lastUpdateTime": now, **mine}}
        else:
            body[name] = value
            metadata[name] = stamps[name,]
    body["$metadata"] = metadata
    return body
