"""Answers in the two forms of the service: version 1 for commands, version 2 for queries."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from battery_lake.clock import utc_now
from battery_lake.local.kusto.values import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from battery_lake.local.kusto.values import Columns


@dataclass(frozen=True, slots=True)
class Answer:
    """A table of an answer: its columns with their types, and its rows."""

    columns: Columns
    rows: Sequence[Sequence[Any]]


def version_1(answer: Answer) -> dict[str, Any]:
    """Return what ``/v1/rest/mgmt`` answers."""
    columns = [
        {"ColumnName": name, "DataType": SYSTEM[kind].removeprefix("System."), "ColumnType": kind}
        for name, kind in answer.columns.items()
    ]
    return {"Tables": [{"TableName": "Table_0", "Columns": columns, "Rows": [list(r) for r in answer.rows]}]}


def version_2(answer: Answer, request_id: str) -> list[dict[str, Any]]:
    """Return what ``/v2/rest/query`` answers: frames, none of them progressive."""
    properties = Answer({"TableId": "int", "Key": "string", "Value": "dynamic"}, [])
    return [
        {"FrameType": "DataSetHeader", "IsProgressive": False, "Version": "v2.0"},
        _data_table(0, "QueryProperties", "@ExtendedProperties", properties),
        _data_table(1, "PrimaryResult", "PrimaryResult", answer),
        _data_table(2, "QueryCompletionInformation", "QueryCompletionInformation", _completed(request_id)),
        {"FrameType": "DataSetCompletion", "HasErrors": False, "Cancelled": False},
    ]


def _data_table(number: int, kind: str, name: str, answer: Answer) -> dict[str, Any]:
    return {
        "FrameType": "DataTable",
        "TableId": number,
        "TableKind": kind,
        "TableName": name,
        "Columns": [{"ColumnName": column, "ColumnType": type_} for column, type_ in answer.columns.items()],
        "Rows": [list(row) for row in answer.rows],
    }


def _completed(request_id: str) -> Answer:
    columns = {
        "Timestamp": "datetime", "ClientRequestId": "string", "ActivityId": "string",
        "Level": "int", "LevelName": "string", "StatusCode": "int", "StatusCodeName": "string",
        "EventType": "int", "EventTypeName": "string", "Payload": "string",
    }  # fmt: skip
    now = f"{utc_now():%Y-%m-%dT%H:%M:%S.%f}0Z"
    payload = '{"Count":1,"Text":"Query completed successfully"}'
    row = [now, request_id, str(uuid.uuid4()), 4, "Info", 0, "S_OK (0)", 4, "QueryInfo", payload]
    return Answer(columns, [row])
