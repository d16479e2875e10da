"""Packages from npm: a missing Node or npm is said, what was fetched before is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from battery_lake.errors import SetupError
from battery_lake.local.npm import node, npm_package

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No program on the PATH and nothing fetched yet."""
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "battery_lake" / "npm"


def test_without_node_or_npm_it_says_what_to_install(bare: Path) -> None:
    assert not bare.exists()
    with pytest.raises(SetupError, match="install Node 20"):
        node()
    with pytest.raises(SetupError, match="no npm on the PATH"):
        npm_package("azurite", "1.2.3")


def test_what_was_fetched_is_found_without_npm(bare: Path) -> None:
    there = bare / "@scope_tool-1.2.3" / "node_modules" / "@scope" / "tool"
    there.mkdir(parents=True)
    assert npm_package("@scope/tool", "1.2.3") == there


def test_what_npm_says_is_told_and_nothing_half_fetched_is_left(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text("#!/bin/sh\necho 'E404 no such version' >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", str(npm.parent))
    with pytest.raises(SetupError, match="E404 no such version"):
        npm_package("azurite", "1.2.3")
    assert list(bare.iterdir()) == []
