"""Models: what an uploaded DTDL interface says of twins, versions 2 and 3.

References
----------
Digital Twins Definition Language, versions 2 and 3 (opendigitaltwins-dtdl).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from battery_lake.local.twins.errors import invalid_models

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONTEXTS: Final = {"dtmi:dtdl:context;2": 2, "dtmi:dtdl:context;3": 3}
DTMI: Final = re.compile(
    r"dtmi:[A-Za-z](?:[A-Za-z0-9_]*[A-Za-z0-9])?(?::[A-Za-z_](?:[A-Za-z0-9_]*[A-Za-z0-9])?)*"
    r"(?:;[1-9][0-9]{0,8}(?:\.[1-9][0-9]{0,5})?)?"
)
NAME: Final = re.compile(r"[A-Za-z](?:[A-Za-z0-9_]*[A-Za-z0-9])?")
MAX_NAME: Final = {2: 64, 3: 512}
MAX_EXTENDS: Final = {2: 2, 3: 1024}
MAX_EXTENDS_DEPTH: Final = {2: 10, 3: 12}
MAX_SCHEMA_DEPTH: Final = {2: 5, 3: 8}
PRIMITIVES: Final = frozenset({
    "boolean", "date", "dateTime", "double", "duration", "float", "integer", "long", "string", "time",
})  # fmt: skip
CONTENT_KINDS: Final = ("Property", "Telemetry", "Component", "Relationship", "Command")


@dataclass(frozen=True, slots=True)
class Relationship:
    """A relationship that twins of an interface may have.

    Parameters
    ----------
    target
        Interface that targets must be of; None: any.
    properties
        Schema by name.
    """

    target: str | None
    properties: dict[str, Any]


@dataclass(slots=True)
class Interface:
    """One interface, without what it inherits.

    Parameters
    ----------
    id
        Its DTMI.
    version
        Of the language.
    extends
        The interfaces that it inherits from.
    properties, components, relationships
        Schema, interface and description by name.
    other
        Names of telemetry and commands.
    schemas
        Schemas that it defines for itself, by their DTMI.
    """

    id: str
    version: int
    extends: tuple[str, ...] = ()
    properties: dict[str, Any] = field(default_factory=dict)
    components: dict[str, str] = field(default_factory=dict)
    relationships: dict[str, Relationship] = field(default_factory=dict)
    other: set[str] = field(default_factory=set)
    schemas: dict[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> set[str]:
        """Names of its contents."""
        return {*self.properties, *self.components, *self.relationships, *self.other}

    @property
    def needs(self) -> set[str]:
        """The interfaces that must be there for this one: what it extends and what its components are."""
        return {*self.extends, *self.components.values()}


def read(document: object) -> Interface:
    """Read one interface, looking at nothing but itself.

    Parameters
    ----------
    document
        The uploaded JSON.

    Raises
    ------
    ServiceError
        It is not valid.
    """
    if not isinstance(document, dict):
        raise invalid_models("In source, top-level JSON element is not an object")
    version = _version(document)
    if "@id" not in document:
        raise invalid_models(
            "In source, top-level JSON element requires an identifer but none provided. Add an '@id' property"
            " whose value is a string that conforms to the DTMI syntax -- see"
            " https://github.com/Azure/digital-twin-model-identifier."
        )
    model_id = document["@id"]
    if not _is_dtmi(model_id) or ";" not in model_id:
        raise invalid_models(f"In source, identifier '{model_id}' does not conform to the DTMI syntax")
    if "Interface" not in _listed(document.get("@type")):
        raise invalid_models(f"{model_id} has @type that does not include 'Interface'")
    interface = Interface(model_id, version, tuple(map(_reference, _listed(document.get("extends")))))
    for schema in _listed(document.get("schemas")):
        interface.schemas[_reference(schema)] = schema
    for content in _listed(document.get("contents")):
        _add(interface, content)
    return interface


def check(interfaces: list[Interface], stored: Callable[[str], Interface | None]) -> None:
    """Check that interfaces fit together, and with those that are there already.

    Parameters
    ----------
    interfaces
        Uploaded together.
    stored
        Finds an interface that is there already.

    Raises
    ------
    ServiceError
        Something is missing, repeated or goes in a circle.
    """
    fresh = {interface.id: interface for interface in interfaces}
    if len(fresh) != len(interfaces):
        raise invalid_models("Two or more models have the same identifier")

    def find(model_id: str) -> Interface | None:
        return fresh.get(model_id) or stored(model_id)

    for interface in interfaces:
        missing = sorted(name for name in interface.needs if find(name) is None)
        if missing:
            raise invalid_models(
                "DtmiResolverAsync failed to resolve requisite references to element(s): "
                + " ".join(f"{name} (referenced in 1 place)" for name in missing)
            )
    for interface in interfaces:
        _check_inherited(interface, find)
        _check_components(interface, find)


def ancestors(model_id: str, find: Callable[[str], Interface | None]) -> Iterator[Interface]:
    """An interface and all that it inherits from, each once; what is missing is left out."""
    waiting, met = [model_id], set()
    while waiting:
        name = waiting.pop(0)
        interface = None if name in met else find(name)
        met.add(name)
        if interface is not None:
            yield interface
            waiting.extend(interface.extends)


def _version(document: dict[str, Any]) -> int:
    contexts = _listed(document.get("@context"))
    if not contexts:
        raise invalid_models(
            "In source, top-level JSON object has no @context specifier. Add a '@context' property whose"
            " value is a valid DTDL context specifier, such as 'dtmi:dtdl:context;2'."
        )
    found = [CONTEXTS[name] for name in contexts if name in CONTEXTS]
    if not found:
        raise invalid_models(f"@context specifier '{contexts[0]}' is not recognized")
    return found[0]


def _add(interface: Interface, content: object) -> None:
    """Take one element of the contents."""
    where = interface.id
    if not isinstance(content, dict):
        raise invalid_models(f"{where} has contents that are no objects")
    kinds = [kind for kind in CONTENT_KINDS if kind in _listed(content.get("@type"))]
    if len(kinds) != 1:
        raise invalid_models(f"{where} has contents whose @type is none, or several, of {CONTENT_KINDS}")
    name = content.get("name")
    if not isinstance(name, str) or not NAME.fullmatch(name) or len(name) > MAX_NAME[interface.version]:
        raise invalid_models(f"{where} has contents with the invalid name {name!r}")
    if name in interface.names:
        raise invalid_models(f"{where} has contents that use the name '{name}' more than once")
    match kinds[0]:
        case "Property":
            interface.properties[name] = _schema(interface, content, name)
        case "Component":
            interface.components[name] = _reference(content.get("schema"))
        case "Relationship":
            target = content.get("target")
            properties = {
                p["name"]: _schema(interface, p, p["name"]) for p in _listed(content.get("properties"))
            }
            interface.relationships[name] = Relationship(target, properties)
        case _:
            interface.other.add(name)


def _schema(interface: Interface, content: dict[str, Any], name: str) -> Any:
    """The schema of a property, checked and with its references put in."""
    if "schema" not in content:
        raise invalid_models(f"{interface.id} property '{name}' requires a value for property 'schema'")
    depth = MAX_SCHEMA_DEPTH[interface.version]
    schema = _expanded(interface, content["schema"], depth, f"{interface.id} property '{name}'")
    if interface.version == 2 and _holds_array(schema):  # noqa: PLR2004 - the language's version
        raise invalid_models(f"{interface.id} property '{name}' has a schema with an Array")
    return schema


def _expanded(interface: Interface, schema: Any, depth: int, where: str) -> Any:
    """A schema with every reference to one of the interface's own schemas put in."""
    if depth < 0:
        raise invalid_models(f"{where} has a schema that is nested too deeply")
    if isinstance(schema, str):
        if schema in PRIMITIVES:
            return schema
        if schema in interface.schemas:
            return _expanded(interface, interface.schemas[schema], depth, where)
        raise invalid_models(f"{where} has the unknown schema '{schema}'")
    kinds = _listed(schema.get("@type")) if isinstance(schema, dict) else []
    if "Enum" in kinds:
        values = [value.get("enumValue") for value in _listed(schema.get("enumValues"))]
        return {"@type": "Enum", "valueSchema": schema.get("valueSchema"), "values": values}
    if "Map" in kinds:
        value = schema.get("mapValue", {}).get("schema")
        return {"@type": "Map", "value": _expanded(interface, value, depth - 1, where)}
    if "Array" in kinds:
        return {
            "@type": "Array",
            "element": _expanded(interface, schema.get("elementSchema"), depth - 1, where),
        }
    if "Object" in kinds:
        fields = {
            part["name"]: _expanded(interface, part.get("schema"), depth - 1, where)
            for part in _listed(schema.get("fields"))
        }
        return {"@type": "Object", "fields": fields}
    raise invalid_models(f"{where} has a schema that is none of the language's")


def _holds_array(schema: Any) -> bool:
    if isinstance(schema, str):
        return False
    inner = [*schema.get("fields", {}).values(), *([schema["value"]] if "value" in schema else [])]
    return schema["@type"] == "Array" or any(map(_holds_array, inner))


def _check_inherited(interface: Interface, find: Callable[[str], Interface | None]) -> None:
    """No circles, not too deep, no older language on a newer one, no name twice."""
    if len(interface.extends) > MAX_EXTENDS[interface.version]:
        raise invalid_models(f"{interface.id} extends more than {MAX_EXTENDS[interface.version]} interfaces")
    level, depth = set(interface.extends), 0
    while level:
        depth += 1
        if interface.id in level or depth > MAX_EXTENDS_DEPTH[interface.version]:
            raise invalid_models(f"{interface.id} extends itself, or its chain of 'extends' is too long")
        level = {name for base in level for name in _known(find, base).extends}
    met: dict[str, str] = {}
    for base in ancestors(interface.id, lambda name: interface if name == interface.id else find(name)):
        if interface.version < base.version:
            raise invalid_models(f"{interface.id} extends {base.id}, which is of a newer version of DTDL")
        for name in base.names:
            if met.setdefault(name, base.id) != base.id:
                raise invalid_models(f"{interface.id} has, with what it extends, the name '{name}' twice")


def _check_components(interface: Interface, find: Callable[[str], Interface | None]) -> None:
    for name, model_id in interface.components.items():
        for inner in ancestors(model_id, find):
            if inner.components:
                raise invalid_models(f"{interface.id} component '{name}' is an interface with components")
            if interface.version < inner.version:
                raise invalid_models(f"{interface.id} component '{name}' is of a newer version of DTDL")


def _known(find: Callable[[str], Interface | None], model_id: str) -> Interface:
    found = find(model_id)
    if found is None:
        raise invalid_models(
            "DtmiResolverAsync failed to resolve requisite references to element(s):"
            f" {model_id} (referenced in 1 place)"
        )
    return found


def _reference(value: object) -> str:
    """The DTMI that a value is, or holds as its identifier."""
    found = value.get("@id") if isinstance(value, dict) else value
    if not isinstance(found, str) or not _is_dtmi(found):
        raise invalid_models(f"{found!r} does not conform to the DTMI syntax")
    return found


def _is_dtmi(value: object) -> bool:
    return isinstance(value, str) and DTMI.fullmatch(value) is not None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
