"""How many seeded faults of a bundle each checker finds: YAML, a JSON schema, `battery-lake bundle check`.

The faults are those of tests/bundle/faults.py, each in a copy of the real bundle. The JSON schema is made
from databricks-sdk's dataclasses and takes a text with ``${`` anywhere, as an editor with the bundle's
schema does. None of them needs a workspace.
"""

from __future__ import annotations

import argparse
import dataclasses
import enum
import json
import sys
import tempfile
import types
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from databricks.sdk.service import catalog, jobs
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from battery_lake.bundle.check import check
from battery_lake.yaml_text import TextLoader

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.bundle.faults import FAULTS, copy_bundle  # noqa: E402 - the tests' own table

TARGET = "prod"
LATER = {"type": "string", "pattern": r"\$\{.*\}"}


def by_yaml(folder: Path) -> bool:
    """Whether a YAML parser refuses a file."""
    try:
        for path in files(folder):
            yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError:
        return True
    return False


def by_schema(folder: Path) -> bool:
    """Whether a file is no YAML or breaks the JSON schema."""
    if by_yaml(folder):
        return True
    trees = [yaml.load(path.read_text(encoding="utf-8"), TextLoader) or {} for path in files(folder)]
    validator = Draft202012Validator(bundle_schema())
    return any(next(validator.iter_errors(tree), None) is not None for tree in trees)


def by_check(folder: Path) -> bool:
    """Whether our own check has something to say."""
    return bool(check(folder, TARGET))


def files(folder: Path) -> list[Path]:
    """The YAML files of a bundle."""
    return [folder / "databricks.yml", *sorted((folder / "bundles").glob("*.yml"))]


def bundle_schema() -> dict[str, Any]:
    """Return the JSON schema of a bundle's files."""
    any_map = {"type": "object"}
    grants = {"type": "array", "items": schema(catalog.PrivilegeAssignment)}
    created = {"type": "object", "additionalProperties": False}
    text = {"type": "string"}
    named = {"catalog_name": text, "name": text, "comment": text, "grants": grants}
    in_schema = named | {"schema_name": text, "volume_type": text, "storage_location": text}
    needed = ["catalog_name", "schema_name", "name"]
    resource = {
        "jobs": schema(jobs.JobSettings),
        "schemas": created | {"properties": named, "required": ["catalog_name", "name"]},
        "volumes": created | {"properties": in_schema, "required": needed},
        "registered_models": created | {"properties": in_schema, "required": needed},
        "dashboards": any_map,
    }
    kinds = {kind: {"type": "object", "additionalProperties": one} for kind, one in resource.items()}
    levels = {"level": {"enum": ["CAN_MANAGE", "CAN_VIEW", "CAN_RUN"]}}
    target = {"type": "object", "properties": {"mode": {"enum": ["development", "production"]}}}
    top = {
        "bundle": any_map,
        "include": {"type": "array"},
        "artifacts": any_map,
        "sync": any_map,
        "variables": any_map,
        "targets": {"type": "object", "additionalProperties": target},
        "resources": created | {"properties": kinds},
        "permissions": {"type": "array", "items": {"type": "object", "properties": levels}},
        "workspace": any_map,
        "run_as": any_map,
        "presets": any_map,
        "experimental": any_map,
    }
    return {"type": "object", "properties": top, "additionalProperties": False}


def schema(hint: Any) -> dict[str, Any]:
    """Return the JSON schema of a type of databricks-sdk."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        return schema(next(part for part in arguments if part is not type(None)))
    if origin is list:
        return {"anyOf": [{"type": "array", "items": schema(arguments[0])}, LATER]}
    if origin is dict:
        return {"anyOf": [{"type": "object", "additionalProperties": schema(arguments[1])}, LATER]}
    if dataclasses.is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        needed = [
            f.name
            for f in dataclasses.fields(hint)
            if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        ]
        whole = {
            "type": "object",
            "properties": {name: schema(inner) for name, inner in hints.items() if name != "for_each_task"},
            "required": needed,
            "additionalProperties": False,
        }
        return {"anyOf": [whole, LATER]}
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return {"anyOf": [{"enum": [member.value for member in hint]}, LATER]}
    simple = {int: "integer", float: "number", bool: "boolean", str: "string"}.get(hint)
    return {"anyOf": [{"type": simple}, LATER]} if simple else {}


CHECKERS: dict[str, Callable[[Path], bool]] = {
    "YAML": by_yaml,
    "JSON schema": by_schema,
    "bundle check": by_check,
}


def main() -> None:
    """Plant every fault, ask every checker, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, help="write the result to this file")
    parser.add_argument("--verbose", action="store_true", help="name what each checker misses")
    chosen = parser.parse_args()
    missed: dict[str, list[str]] = {name: [] for name in CHECKERS}
    alarms = {name: finds(ROOT) for name, finds in CHECKERS.items()}
    for fault in FAULTS:
        with tempfile.TemporaryDirectory() as scratch:
            folder = copy_bundle(Path(scratch) / "bundle")
            fault.plant(folder)
            for name, finds in CHECKERS.items():
                if not finds(folder):
                    missed[name].append(fault.name)
    print(f"{len(FAULTS)} faults, each in a copy of the bundle, target {TARGET}\n")
    print(f"{'checker':14}{'found':>7}{'share':>8}  alarm on the real one")
    for name, names in missed.items():
        found = len(FAULTS) - len(names)
        print(f"{name:14}{found:7}{found / len(FAULTS):8.0%}  {'yes' if alarms[name] else 'none'}")
        if chosen.verbose:
            print(*(f"    {word}" for word in names), sep="\n")
    if chosen.json:
        chosen.json.write_text(json.dumps({"faults": len(FAULTS), "missed": missed, "alarms": alarms}))
    if alarms["bundle check"] or len(missed["bundle check"]) > len(FAULTS) // 20:
        sys.exit("bundle check missed more than 5 %, or had something to say about the real bundle")


if __name__ == "__main__":
    main()
