"""The report's charts and tables in the form that a notebook shows and keeps."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pandas as pd
import vl_convert

from battery_lake.report import theme
from battery_lake.report.certificate import facts

if TYPE_CHECKING:
    from battery_lake.report.certificate import CertificateData
    from battery_lake.report.chart import Chart
    from battery_lake.report.table import Table

WIDTH: Final = 640
"""Of a chart, in the notebook. [px]"""

SCALE: Final = 1.5
"""Pixels of the picture a pixel of the notebook: sharp on most screens, and small in a repository. [1]"""


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing and what it says.

    Parameters
    ----------
    png
        The drawing; empty where there is nothing to draw.
    says
        The same in words and numbers.
    """

    png: bytes
    says: str

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, str], dict[str, Any]]:
        """What a notebook shows: the drawing, and the words for those who cannot see it."""
        if not self.png:
            return {"text/plain": self.says}, {}
        shown = {"image/png": base64.b64encode(self.png).decode(), "text/plain": self.says}
        return shown, {"image/png": {"alt": self.says}}


def picture(chart: Chart) -> Picture:
    """Draw a chart of the report.

    Parameters
    ----------
    chart
        With the width of its container, as the report has it.
    """
    if chart.spec is None:
        return Picture(b"", f"{chart.title}: {chart.absent}")
    whole = chart.spec | {
        "width": WIDTH,
        "title": {"text": chart.title, "anchor": "start"},
        "config": theme.chart_config("light") | {"background": "white"},
    }
    return Picture(vl_convert.vegalite_to_png(whole, scale=SCALE), chart.alt)


def frame_of(table: Table) -> pd.DataFrame:
    """Return a table of the report as a frame of texts."""
    return pd.DataFrame(table.rows, columns=pd.Index([head.label for head in table.heads]))


def frame_of_facts(data: CertificateData) -> pd.DataFrame:
    """Return what a certificate says as a frame of texts."""
    lines = [(group, *line) for group, lines in facts(data) for line in lines]
    return pd.DataFrame(lines, columns=pd.Index(["group", "what", "value"]))
