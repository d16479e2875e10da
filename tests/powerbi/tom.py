"""Microsoft's own reader of TMDL, through its modelling server."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from battery_lake.local.npm import node, npm_package

PACKAGE = ("@microsoft/powerbi-modeling-mcp", "0.5.0-beta.13")
START = {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "tests", "version": "1"}}


class RefusalError(Exception):
    """What the reader says of a folder that it does not take."""


class Tom:
    """The server, spoken to over its standard streams."""

    def __init__(self) -> None:
        program = npm_package(*PACKAGE) / "index.js"
        self.process = subprocess.Popen(
            [node(), str(program), "--start"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        self.number = 0
        self._ask("initialize", START)
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized", "params": {}})

    def _send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def _ask(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        self.number += 1
        self._send({"jsonrpc": "2.0", "id": self.number, "method": method, "params": parameters})
        assert self.process.stdout
        for line in self.process.stdout:
            answer = json.loads(line) if line.startswith("{") else {}
            if answer.get("id") == self.number:
                return answer
        raise RefusalError("the server has ended")

    def _call(self, tool: str, **request: Any) -> str:
        answer = self._ask("tools/call", {"name": tool, "arguments": {"request": request}})
        result = answer.get("result", {})
        text = "".join(part.get("text", "") for part in result.get("content", ()))
        if result.get("isError") or "error" in answer or '"success":false' in text.replace(" ", ""):
            raise RefusalError(text or str(answer.get("error")))
        return text

    def load(self, folder: Path) -> dict[str, Any]:
        """Return the model of a definition folder as the reader has it."""
        self._call("connection_operations", operation="ConnectFolder", folderPath=str(folder))
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch) / "model.bim"
            self._call("database_operations", operation="ExportToBimFile", bimFilePath=str(file))
            found: dict[str, Any] = json.loads(file.read_text("utf-8-sig"))
        return found

    def close(self) -> None:
        """End the server."""
        self.process.terminate()
        self.process.wait(20)
