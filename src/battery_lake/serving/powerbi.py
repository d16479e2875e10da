"""The Power BI project: a semantic model and a report on it, as the files of a PBIP folder."""

from __future__ import annotations

import json
from typing import Any, Final

from battery_lake.serving import powerbi_model, powerbi_report
from battery_lake.serving.powerbi_names import stable_id

NAME: Final = "BatteryFleet"
_ROOT: Final = "https://developer.microsoft.com/json-schemas/fabric"


def rendered() -> dict[str, str]:
    """Return every file by its path below ``powerbi``."""
    model, report = f"{NAME}.SemanticModel", f"{NAME}.Report"
    found = {
        f"{NAME}.pbip": _json({
            "$schema": f"{_ROOT}/pbip/pbipProperties/1.0.0/schema.json", "version": "1.0",
            "artifacts": [{"report": {"path": report}}], "settings": {"enableAutoRecovery": True},
        }),
        f"{model}/definition.pbism": _json({
            "$schema": f"{_ROOT}/item/semanticModel/definitionProperties/1.0.0/schema.json",
            "version": "4.2", "settings": {},
        }),
        f"{report}/definition.pbir": _json({
            "$schema": f"{_ROOT}/item/report/definitionProperties/2.0.0/schema.json",
            "version": "4.0", "datasetReference": {"byPath": {"path": f"../{model}"}},
        }),
        f"{model}/.platform": _platform("SemanticModel"),
        f"{report}/.platform": _platform("Report"),
    }  # fmt: skip
    found |= {f"{model}/definition/{name}": text for name, text in powerbi_model.rendered().items()}
    return found | {f"{report}/definition/{name}": text for name, text in powerbi_report.rendered().items()}


def _platform(kind: str) -> str:
    return _json({
        "$schema": f"{_ROOT}/gitIntegration/platformProperties/2.0.0/schema.json",
        "metadata": {"type": kind, "displayName": NAME},
        "config": {"version": "2.0", "logicalId": stable_id("item", kind)},
    })


def _json(tree: dict[str, Any]) -> str:
    return json.dumps(tree, indent=2, ensure_ascii=False) + "\n"
