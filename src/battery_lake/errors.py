"""One error family: what happened, why, and what to do about it.

The text is the user interface: the command line prints the three lines and nothing else.
"""

from __future__ import annotations

from typing import Any


class BatteryLakeError(Exception):
    """Base of every error that battery_lake raises on purpose.

    Parameters
    ----------
    what
        One sentence: what could not be done.
    why
        The cause, with the offending value where there is one.
    remedy
        What the reader can do now.
    """

    exit_code = 1

    def __init__(self, what: str, *, why: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.remedy = remedy

    def __str__(self) -> str:
        lines = [self.what]
        if self.why:
            lines.append(f"why: {self.why}")
        if self.remedy:
            lines.append(f"do:  {self.remedy}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[Any, ...]:
        # Spark workers pickle exceptions; keyword-only arguments would be lost without this.
        return (_rebuild, (type(self), self.what, self.why, self.remedy))


def _rebuild(kind: type[BatteryLakeError], what: str, why: str, remedy: str) -> BatteryLakeError:
    return kind(what, why=why, remedy=remedy)


class SettingsError(BatteryLakeError):
    """A setting is unknown, misspelt or out of range."""

    exit_code = 2


class MappingError(BatteryLakeError):
    """A mapping file, or the choice of mapping files, was refused."""

    exit_code = 2


class SampleError(BatteryLakeError):
    """A file of sample messages cannot be read."""

    exit_code = 2


class SuiteError(BatteryLakeError):
    """A suite cannot be read, or asks something that cannot be answered."""

    exit_code = 2


class SetupError(BatteryLakeError):
    """Java, jars, Python or the machine are not as needed."""


class ContractError(BatteryLakeError):
    """A frame or a stored table does not have the form that its contract declares."""


class ReferenceDataError(BatteryLakeError):
    """A reference file (packs, assignments, OCV curves) was refused."""

    exit_code = 3


class DataLossError(BatteryLakeError):
    """Counts do not add up, or the source no longer has what was not read yet."""


class BundleError(BatteryLakeError):
    """A file of the Databricks bundle cannot be used."""

    exit_code = 3


class ModelError(BatteryLakeError):
    """A model is not there, cannot be read, or does not fit what it is asked."""

    exit_code = 3


class QualityError(BatteryLakeError):
    """Expectations failed that must hold before anything leaves the lake."""

    exit_code = 5


class RemoteError(BatteryLakeError):
    """A remote service is unavailable or refused."""

    exit_code = 4
