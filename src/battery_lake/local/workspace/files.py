"""Files: of the workspace and of volumes, in folders of this machine.

References
----------
Databricks REST API reference: Workspace (2.0), Files (2.0).
"""

from __future__ import annotations

import base64
import os
import shutil
from typing import TYPE_CHECKING, Any

from aiohttp import web

from battery_lake.local.workspace import wire as http
from battery_lake.local.workspace.errors import RefusalError, already, invalid, missing

if TYPE_CHECKING:
    from pathlib import Path


class Files:
    """Handlers of the addresses under ``/workspace`` and ``/fs``.

    Parameters
    ----------
    root
        Stands for the root: holds ``Workspace`` and ``Volumes``.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        (root / "Workspace").mkdir(parents=True, exist_ok=True)
        (root / "Volumes").mkdir(exist_ok=True)

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Tell aiohttp the addresses."""
        for method, path, handler in (
            ("POST", "/api/2.0/workspace/mkdirs", self.make_folder),
            ("POST", "/api/2.0/workspace/import", self.take),
            ("POST", "/api/2.0/workspace-files/import-file/{path:.+}", self.take_raw),
            ("GET", "/api/2.0/workspace/export", self.give),
            ("GET", "/api/2.0/workspace/get-status", self.status),
            ("GET", "/api/2.0/workspace/list", self.list),
            ("POST", "/api/2.0/workspace/delete", self.delete),
            ("PUT", "/api/2.0/fs/files/{path:.+}", self.put_file),
            ("GET", "/api/2.0/fs/files/{path:.+}", self.get_file),
            ("DELETE", "/api/2.0/fs/files/{path:.+}", self.delete_file),
            ("PUT", "/api/2.0/fs/directories/{path:.+}", self.put_directory),
        ):
            router.add_route(method, path, handler)

    # --- workspace -----------------------------------------------------------------------------------

    async def make_folder(self, request: web.Request) -> web.Response:
        """Make a folder and those above it."""
        sent = await http.body_of(request)
        place = self._of_workspace(http.needed(sent, "path"))
        if place.is_file():
            raise already(f"Path ({sent['path']}) is a file.")
        place.mkdir(parents=True, exist_ok=True)
        return http.answer()

    async def take(self, request: web.Request) -> web.Response:
        """Take a file: as a form, or base64 in JSON."""
        if request.content_type == "multipart/form-data":
            form = dict(await request.post())
            part = http.needed(form, "content")
            content = part.file.read() if isinstance(part, web.FileField) else str(part).encode()
        else:
            form = await http.body_of(request)
            try:
                content = base64.b64decode(http.needed(form, "content"), validate=True)
            except ValueError as fault:
                raise invalid("The content is not base64") from fault
        overwrite = str(form.get("overwrite", "false")).lower() == "true"
        self._written(http.needed(form, "path"), content, overwrite=overwrite)
        return http.answer()

    async def take_raw(self, request: web.Request) -> web.Response:
        """Take a file as it is."""
        overwrite = request.query.get("overwrite") == "true"
        self._written(f"/{request.match_info['path']}", await request.read(), overwrite=overwrite)
        return http.answer()

    def _written(self, path: str, content: bytes, *, overwrite: bool) -> None:
        place = self._of_workspace(path)
        if not place.parent.is_dir():
            raise missing(f"The parent folder ({os.path.dirname(path)}) does not exist.")  # noqa: PTH120
        if place.exists() and not overwrite:
            raise already(f"Path ({path}) already exists.")
        place.write_bytes(content)

    async def give(self, request: web.Request) -> web.Response:
        """Give a file: itself, or base64 in JSON."""
        place = self._there(http.needed(request.query, "path"))
        if place.is_dir():
            raise invalid("A folder cannot be exported")
        if request.query.get("direct_download") == "true":
            return web.Response(body=place.read_bytes(), content_type="application/octet-stream")
        return http.answer({"content": base64.b64encode(place.read_bytes()).decode(), "file_type": "file"})

    async def status(self, request: web.Request) -> web.Response:
        """Tell what a path is."""
        return http.answer(self._told(self._there(http.needed(request.query, "path"))))

    async def list(self, request: web.Request) -> web.Response:
        """List a folder."""
        place = self._there(http.needed(request.query, "path"))
        inside = sorted(place.iterdir()) if place.is_dir() else [place]
        return http.answer({"objects": [self._told(one) for one in inside]} if inside else {})

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a file or, if asked, a folder with all in it."""
        sent = await http.body_of(request)
        place = self._there(http.needed(sent, "path"))
        if place.is_dir() and any(place.iterdir()) and not sent.get("recursive"):
            raise RefusalError(400, "DIRECTORY_NOT_EMPTY", f"Folder ({sent['path']}) is not empty")
        if place.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink()
        return http.answer()

    def _there(self, path: str) -> Path:
        place = self._of_workspace(path)
        if not place.exists():
            raise missing(f"Path ({path}) doesn't exist.")
        return place

    def _told(self, place: Path) -> dict[str, Any]:
        known = place.stat()
        told: dict[str, Any] = {
            "path": f"/{place.relative_to(self._root / 'Workspace')}",
            "object_type": "DIRECTORY" if place.is_dir() else "FILE",
            "object_id": known.st_ino,
        }
        if place.is_file():
            told |= {"size": known.st_size, "modified_at": int(known.st_mtime * 1000)}
        return told

    def _of_workspace(self, path: str) -> Path:
        """Where a path of the workspace lies; with ``/Workspace`` before it, it is the same."""
        if not path.startswith("/"):
            raise invalid(f"Path ({path}) doesn't start with '/'")
        return self._within(f"Workspace/{path.removeprefix('/Workspace')}")

    def _within(self, path: str) -> Path:
        place = (self._root / os.path.normpath(f"/{path}").lstrip("/")).resolve()
        if not place.is_relative_to(self._root.resolve()):
            raise invalid("The path leaves the workspace")
        return self._root / place.relative_to(self._root.resolve())

    # --- volumes -------------------------------------------------------------------------------------

    async def put_file(self, request: web.Request) -> web.Response:
        """Write a file of a volume."""
        place = self._within(request.match_info["path"])
        if place.exists() and request.query.get("overwrite") == "false":
            raise RefusalError(409, "ALREADY_EXISTS", "The file being created already exists.")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(await request.read())
        return web.Response(status=204)

    async def get_file(self, request: web.Request) -> web.Response:
        """Read a file of a volume."""
        place = self._within(request.match_info["path"])
        if not place.is_file():
            raise RefusalError(404, "NOT_FOUND", "The file being accessed is not found.")
        return web.Response(body=place.read_bytes(), content_type="application/octet-stream")

    async def delete_file(self, request: web.Request) -> web.Response:
        """Delete a file of a volume."""
        place = self._within(request.match_info["path"])
        if not place.is_file():
            raise RefusalError(404, "NOT_FOUND", "The file being accessed is not found.")
        place.unlink()
        return web.Response(status=204)

    async def put_directory(self, request: web.Request) -> web.Response:
        """Make a folder of a volume."""
        self._within(request.match_info["path"]).mkdir(parents=True, exist_ok=True)
        return web.Response(status=204)
