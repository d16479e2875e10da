"""Microsoft's own language service looks at KQL."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from battery_lake.errors import SetupError
from battery_lake.local.npm import node, npm_package
from battery_lake.serving.explorer import tables, views
from battery_lake.serving.kql import name_of, scripts

if TYPE_CHECKING:
    from collections.abc import Callable

SCRIPT = Path(__file__).with_name("language_service.mjs")
PACKAGE = ("@kusto/language-service-next", "12.4.1")

Schema = dict[str, dict[str, dict[str, str]]]
Finding = dict[str, str | int]


def declared() -> Schema:
    """Tables and views as the contracts have them."""
    return {"tables": tables(), "views": views()}


@pytest.fixture(scope="session")
def judge() -> Callable[..., list[Finding]]:
    """What the language service finds in our scripts, in others beside them, and with another schema."""
    try:
        command = [node(), str(SCRIPT), str(npm_package(*PACKAGE))]
    except SetupError as fault:
        pytest.skip(f"needs Node and npm: {fault}")

    def ask(texts: dict[str, str] | None = None, schema: Schema | None = None) -> list[Finding]:
        known = schema or declared()
        asked = {**scripts(), **(texts or {})}
        request = {
            "schema": {
                kind: {
                    name: ", ".join(f"{name_of(column)}: {type_}" for column, type_ in columns.items())
                    for name, columns in named.items()
                }
                for kind, named in known.items()
            },
            "scripts": [{"name": name, "text": text} for name, text in asked.items()],
        }
        done = subprocess.run(
            command, input=json.dumps(request), capture_output=True, text=True, check=True, timeout=600
        )
        found: list[Finding] = json.loads(done.stdout)
        return found

    return ask
