"""Run the notebooks on a lake and keep what they show: ``make notebooks``.

All of them run in one kernel, so that Spark starts once; each begins with an empty namespace.
"""

from __future__ import annotations

import argparse
import base64
import io
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from PIL import Image
from traitlets.config import Config

HERE: Final = Path(__file__).parent
METADATA: Final = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
CELL_S: Final = 1800
START_S: Final = 300
"""So long a cell, and the kernel's start, may take. [s]"""

COLOURS: Final = 64
"""Of a picture that is kept: charts have few, and a palette makes a file a tenth as large."""


def main() -> None:
    """Run all notebooks; write none if one of them fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, help="Home of the lake; else as the settings say.")
    parser.add_argument("--out", type=Path, default=HERE, help="Folder to write to; else over themselves.")
    wanted = parser.parse_args()
    if wanted.home is not None:
        os.environ["BATTERY_LAKE_HOME"] = str(wanted.home.absolute())
    books = {path.name: nbformat.read(path, as_version=4) for path in sorted(HERE.glob("*.ipynb"))}
    try:
        run(books)
    except CellExecutionError as fault:
        sys.exit(f"a cell failed:\n{fault.traceback}")
    wanted.out.mkdir(parents=True, exist_ok=True)
    for name, book in books.items():
        nbformat.write(book, wanted.out / name)
        sys.stdout.write(f"{wanted.out / name}\n")


def run(books: dict[str, Any]) -> None:
    """Fill the outputs of all cells."""
    cells = []
    for name, book in books.items():
        book.metadata = nbformat.from_dict(METADATA)
        cells += [nbformat.v4.new_code_cell("%reset -sf"), *book.cells]
        for place, cell in enumerate(book.cells):
            cell.id = f"{name[:2]}-{place:02}"
    whole = nbformat.v4.new_notebook(cells=cells, metadata=METADATA)
    with tempfile.TemporaryDirectory() as sockets:
        # Over sockets in a folder of our own, not ports: nobody else on the machine can talk to the kernel.
        own = Config(ConnectionFileMixin={"transport": "ipc", "ip": f"{sockets}/kernel"})
        folder = {"metadata": {"path": str(HERE)}}
        NotebookClient(
            whole, config=own, timeout=CELL_S, startup_timeout=START_S, record_timing=False, resources=folder
        ).execute()
    for book in books.values():
        tidy(book)


def tidy(book: Any) -> None:
    """Count the cells of a notebook from 1, as if it had run alone, and shrink its pictures."""
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    for count, cell in enumerate(code, start=1):
        cell.execution_count = count
        cell.metadata = nbformat.NotebookNode()
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = count
            if "image/png" in output.get("data", {}):
                output.data["image/png"] = small(output.data["image/png"])


def small(png: str) -> str:
    """Return a picture, in base 64, with few colours."""
    drawn = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    kept = io.BytesIO()
    few = drawn.quantize(COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    few.save(kept, "PNG", optimize=True)
    return base64.b64encode(kept.getvalue()).decode()


if __name__ == "__main__":
    main()
