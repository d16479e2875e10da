import dataclasses
import json
import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from battery_lake.errors import ContractError
from battery_lake.report.data import COLUMNS, ReportData, empty_frame, frame_names
from battery_lake.report.html import page, render

LIMIT_BYTES = 3_000_000


class Outline(HTMLParser):
    """Headings, images' names, tables and captions, and whatever would load something."""

    def __init__(self):
        super().__init__()
        self.headings, self.loads, self.unnamed, self.tags, self.ids = [], [], [], [], []
        self.targets = set()

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append(tag)
        if found.get("href", "").startswith("#"):
            self.targets.add(found["href"][1:])
        if "id" in found:
            self.ids.append(found["id"])
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        for name in ("src", "href", "srcset", "data", "poster"):
            if name in found and not found[name].startswith(("#", "data:")):
                self.loads.append((tag, found[name]))
        if found.get("role") in {"img", "region"} and not found.get("aria-label"):
            self.unnamed.append(tag)


@pytest.fixture(scope="module")
def whole(fleet_report):
    return page(fleet_report)


@pytest.fixture(scope="module")
def outline(whole):
    parser = Outline()
    parser.feed(whole)
    return parser


def test_the_file_is_one_and_small(fleet_report, tmp_path):
    path = render(fleet_report, tmp_path / "new" / "report.html")
    assert path.stat().st_size < LIMIT_BYTES
    assert [entry.name for entry in path.parent.iterdir()] == ["report.html"]


def test_a_failed_write_leaves_the_old_report(fleet_report, tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old", encoding="utf-8")
    broken = dataclasses.replace(fleet_report, worst_packs=fleet_report.worst_packs.assign(soh_min_pct="x"))
    with pytest.raises(TypeError):
        render(broken, path)
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_loaded_and_nothing_may_be(whole, outline):
    assert outline.loads == []
    assert "default-src &#39;none&#39;" in whole
    assert "unsafe-eval" not in whole.split("</head>")[0]
    assert re.search(r"script-src[^;]*unsafe", whole.split("</head>")[0]) is None


def test_vega_stands_in_the_file_once(whole):
    assert whole.count("window.vegaEmbed = vegaEmbed") + whole.count("window.vegaEmbed=") == 1


def test_headings_descend_one_level_at_a_time(outline):
    assert outline.headings[0] == 1
    assert outline.headings.count(1) == 1
    assert all(
        below - above <= 1 for above, below in zip(outline.headings, outline.headings[1:], strict=False)
    )


def test_tables_have_captions_images_have_names_and_ids_are_unique(outline):
    assert outline.tags.count("table") == outline.tags.count("caption") == 13
    assert outline.unnamed == []
    assert len(set(outline.ids)) == len(outline.ids)


def test_every_link_within_the_page_has_a_target(outline):
    assert {"pack-1", "changes", "map"} < outline.targets <= set(outline.ids)


def test_what_a_device_sent_is_shown_and_never_run(report_of):
    evil = "</script><script>alert(1)</script>"
    refusals = pd.DataFrame([(evil, 1, 1)], columns=list(COLUMNS["refusals"]))
    histogram = pd.DataFrame([(evil, "NMC", 90.0, 5)], columns=list(COLUMNS["soh_histogram"]))
    text = page(report_of(refusals=refusals, soh_histogram=histogram, focus_pack_id=evil))
    assert evil not in text
    assert text.count("<script") == 7
    assert "&lt;/script&gt;" in text


def test_the_specifications_can_be_read_back(whole):
    specs = json.loads(re.search(r'id="chart-specs">(.*?)</script>', whole)[1])
    themes = json.loads(re.search(r'id="chart-themes">(.*?)</script>', whole)[1])
    assert set(specs) == set(re.findall(r'data-chart="(\w+)"', whole))
    assert set(themes) == {"light", "dark"}


def test_an_empty_lake_says_what_is_missing(empty_report):
    text = page(empty_report)
    assert "This lake holds no health estimate yet" in text
    parser = Outline()
    parser.feed(text)
    assert "table" not in parser.tags
    assert text.count('class="absent"') >= 10


def test_the_numbers_of_the_tables_are_those_of_the_frames(whole, fleet_report):
    worst = fleet_report.worst_packs.iloc[0]
    (packs,) = re.findall(r"<span>Weakest packs, .*?</table>", whole, re.DOTALL)
    row = re.search(r">PACK-0001</a></th>.*?</tr>", packs, re.DOTALL)[0]
    assert f">{worst['soh_min_pct']:.1f}<" in row
    assert "ends in warranty" in row


def test_a_frame_without_a_column_is_refused(report_of):
    with pytest.raises(ContractError, match="health lacks"):
        report_of(health=empty_frame("health").drop(columns="soh_pct"))


def test_every_frame_is_declared():
    assert set(frame_names()) == set(COLUMNS)
    assert {field.name for field in dataclasses.fields(ReportData)} > set(COLUMNS)
