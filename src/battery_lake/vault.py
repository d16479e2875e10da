"""Secrets that a setting only names: ``secret:scope/key`` stands for a secret of the workspace."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

from battery_lake.errors import RemoteError, SettingsError, SetupError

if TYPE_CHECKING:
    from pydantic import SecretStr

PREFIX: Final = "secret:"
"""How a setting begins that names a secret."""


def secret_text(setting: SecretStr) -> str:
    """Return a secret setting's text; one that names a secret of the workspace is fetched.

    Parameters
    ----------
    setting
        The text itself, or ``secret:scope/key``. The scope may be backed by Key Vault.

    Raises
    ------
    SettingsError
        It names no scope and key.
    SetupError
        databricks-sdk is not there; Databricks' runtimes have it.
    RemoteError
        The workspace does not give it.
    """
    text = setting.get_secret_value()
    if not text.startswith(PREFIX):
        return text
    scope, slash, key = text.removeprefix(PREFIX).partition("/")
    if not (scope and slash and key):
        raise SettingsError(f"{text} names no secret", remedy="write secret:scope/key")
    try:
        from databricks.sdk import WorkspaceClient  # noqa: PLC0415 - an extra, heavy
        from databricks.sdk.errors.base import DatabricksError  # noqa: PLC0415
    except ModuleNotFoundError as fault:
        raise SetupError(
            "secrets of a workspace cannot be read",
            why=str(fault),
            remedy="pip install 'battery-lake[bundle]'",
        ) from fault
    try:
        found = WorkspaceClient().secrets.get_secret(scope, key)
    except (DatabricksError, ValueError, OSError) as fault:
        raise RemoteError(
            f"the workspace does not give {text}",
            why=str(fault).splitlines()[0],
            remedy="the scope is there, and who runs the job has READ on it: docs/deploy.md",
        ) from fault
    return base64.b64decode(found.value or "").decode()
