"""How good the estimates are, on measured cells and on fleets with known truth, each beside its baseline."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from support.figures import markdown, show, write

if TYPE_CHECKING:
    from types import ModuleType

    from support.figures import Figure

TASKS = {
    1: "partial_charge",
    2: "early_rul",
    3: "fade",
    4: "lfp",
    5: "early_life",
    6: "resistance",
    7: "odd_cells",
    8: "fleet",
}
"""Module of each task, by its number: it has a ``TITLE`` and ``figures(data, train)``."""


PARTS = {8: ("fleet_life_time",)}
"""Further modules of a task, of the same form."""

MAIN = {
    1: ("rmse_pp", "coverage90", "half_width_pp"),
    2: ("relative_error",),
    3: ("within20_50_90", "crps"),
    4: ("rmse_pp", "coverage90"),
    5: ("rmse_cycles", "mape_percent", "coverage90"),
    6: ("spearman",),
    7: ("found", "days_to_name", "false_cells"),
    8: ("rmse_pp", "coverage90", "deviation_correlation", "top3_weakest", "pinball_over_life"),
}
"""What each task's aims are about: the metrics of the short table."""


def module_of(number: int) -> ModuleType:
    """Import a task's module."""
    return importlib.import_module(f"tasks.{TASKS[number]}")


def modules_of(number: int) -> list[ModuleType]:
    """Import a task's module and its further parts."""
    return [module_of(number), *(importlib.import_module(f"tasks.{part}") for part in PARTS.get(number, ()))]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description="Accuracy of SOH, RUL, resistance and alerts; value | baseline.",
        epilog="example: accuracy.py --data ../shared/data --task 3 --task 5 --json figures.json",
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with the cells that are judged")
    parser.add_argument("--train", type=Path, help="folder with the cells that are learnt from [as --data]")
    parser.add_argument("--task", type=int, action="append", choices=TASKS, help="only this; may be repeated")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--markdown", type=Path, help="also write the short table of docs/methods.md here")
    chosen = parser.parse_args()
    for folder in (chosen.data, chosen.train or chosen.data):
        if not folder.is_dir():
            parser.error(f"there is no folder {folder}")
    found: list[Figure] = []
    for number in sorted(set(chosen.task or TASKS)):
        for part in modules_of(number):
            figures = part.figures(chosen.data, chosen.train or chosen.data)
            if figures:
                show(f"{number}. {part.TITLE}", figures)
            else:
                print(f"\n{number}. {part.TITLE}: its data is not in {chosen.data}")
            found += figures
        if chosen.json:
            write(chosen.json, found)
    if chosen.markdown:
        chosen.markdown.write_text("\n".join(markdown(found, MAIN)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
