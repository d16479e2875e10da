"""The documentation site builds without a warning, shows every page, and asks no other host for anything."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
CONFIG = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]


def pages(entries: list[dict[str, Any]]) -> Iterator[str]:
    for entry in entries:
        for found in entry.values():
            if isinstance(found, str):
                yield found
            else:
                yield from pages(found)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built from a copy: the build writes beside its settings."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(ROOT / "zensical.toml", folder)
    shutil.copytree(ROOT / "docs", folder / "docs")
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No issues found" in done.stdout + done.stderr
    return folder / "site"


def test_every_page_is_in_the_navigation_and_every_entry_is_a_page(site: Path) -> None:
    listed = list(pages(CONFIG["nav"]))
    written = [path.name for path in (ROOT / "docs").glob("*.md")]
    assert sorted(listed) == sorted([*written, "adr/README.md"])
    missing = [
        name
        for name in listed
        if not (site / Path(name.replace("README", "index"))).with_suffix(".html").exists()
    ]
    assert not missing


def test_no_page_asks_another_host_for_anything(site: Path) -> None:
    asked = re.compile(
        r"""<(?:script|img|iframe|source)[^>]*\ssrc=["']?(?:https?:)?//|<link[^>]*\shref=["']?(?:https?:)?//"""
        r"""|url\(["']?(?:https?:)?//|class=["']?mermaid"""
    )
    found = [
        path.name
        for kind in ("*.html", "*.css")
        for path in site.rglob(kind)
        if asked.search(path.read_text(encoding="utf-8"))
    ]
    assert not found
