"""What is wrong with a bundle: where, what, and what to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from battery_lake.errors import BundleError

if TYPE_CHECKING:
    from battery_lake.bundle.tree import Mark


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong, where, and what to do; ``rule`` names the check that found it."""

    mark: Mark
    what: str
    remedy: str
    rule: str = "reference"

    def error(self) -> BundleError:
        """Return it as an error."""
        return BundleError(f"{self.mark}: {self.what}", remedy=self.remedy)


@dataclass(slots=True)
class Faults:
    """Collects what is found while a bundle is resolved, each thing once."""

    found: list[Fault] = field(default_factory=list)

    def __call__(self, mark: Mark, what: str, remedy: str) -> None:
        """Add a fault unless it is there."""
        fault = Fault(mark, what, remedy)
        if fault not in self.found:
            self.found.append(fault)
