from __future__ import annotations

import base64

from battery_lake.notebook.picture import frame_of, picture
from battery_lake.report.chart import Chart, spec
from battery_lake.report.table import Head, Table

BAR = {
    "mark": "bar",
    "encoding": {
        "x": {"field": "cell", "type": "nominal"},
        "y": {"field": "soh_pct", "type": "quantitative"},
    },
}
DRAWN = Chart("bars", "Cells", "Two cells.", spec([BAR], height=80, rows=[{"cell": "a", "soh_pct": 91.0}]))


def test_a_notebook_gets_the_drawing_and_the_words() -> None:
    shown, about = picture(DRAWN)._repr_mimebundle_(include=None, exclude=None)
    assert base64.b64decode(shown["image/png"]).startswith(b"\x89PNG")
    assert shown["text/plain"] == about["image/png"]["alt"] == "Two cells."


def test_where_there_is_nothing_to_draw_it_says_why() -> None:
    shown, _ = picture(Chart("bars", "Cells", absent="No cell yet."))._repr_mimebundle_()
    assert shown == {"text/plain": "Cells: No cell yet."}


def test_a_table_becomes_a_frame_of_its_texts() -> None:
    table = Table("Cells", (Head("Cell"), Head("SOH [%]", numeric=True)), [["a", "91.0"]], "none")
    assert frame_of(table).to_dict("list") == {"Cell": ["a"], "SOH [%]": ["91.0"]}
