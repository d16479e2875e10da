"""Draw the pictures of docs/methods.md: estimates beside what was measured."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from drawings.laboratory import charge_window, early_life, lfp_charge, partial_charge
from drawings.look import save
from drawings.remaining_life import rul_families, rul_laboratories
from drawings.through_gold import gold_soh

if TYPE_CHECKING:
    from collections.abc import Callable

    import altair as alt

    Drawing = Callable[[Path, Path], alt.TopLevelMixin | None]

PICTURES: dict[str, Drawing] = {
    "gold_soh": gold_soh,
    "charge_window": charge_window,
    "partial_charge": partial_charge,
    "lfp_charge": lfp_charge,
    "rul_families": rul_families,
    "rul_laboratories": rul_laboratories,
    "early_life": early_life,
}
"""Each picture's name, which is its file's too, and what draws it."""


def main() -> None:
    """Draw, and say what was drawn."""
    parser = argparse.ArgumentParser(
        description="Pictures of the estimates beside what was measured, as SVG.",
        epilog="example: plots.py --data ../shared/data --out docs/plots --only early_life",
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with the cells that are judged")
    parser.add_argument("--train", type=Path, help="folder with the cells that are learnt from [as --data]")
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    parser.add_argument("--only", action="append", choices=PICTURES, help="only this; may be repeated")
    chosen = parser.parse_args()
    for folder in (chosen.data, chosen.train or chosen.data):
        if not folder.is_dir():
            parser.error(f"there is no folder {folder}")
    chosen.out.mkdir(parents=True, exist_ok=True)
    for name in chosen.only or PICTURES:
        picture = PICTURES[name](chosen.data, chosen.train or chosen.data)
        if picture is None:
            print(f"{name}: its data is not in {chosen.data}")
            continue
        file = chosen.out / f"{name}.svg"
        save(picture, file)
        print(f"{file}: {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
