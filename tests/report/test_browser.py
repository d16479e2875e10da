"""The report in a real browser, where Chromium is installed.

Chromium opens the file headless and prints the page as it stands after drawing (``--dump-dom``). Charts are
SVG, so the marks of each are elements of that page. Messages of the console come on standard error with the
word CONSOLE; everything that the browser asks its network stack for is in the net log.
"""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from battery_lake.report.html import render

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--enable-logging=stderr", "--virtual-time-budget=20000", "--dump-dom",
)  # fmt: skip
SCHEMES = {"light": 1, "dark": 0}


class Marks(HTMLParser):
    """Counts the drawn marks (not axes or legends) inside each chart, and the charts' schemes."""

    VOID = frozenset({"meta", "link", "br", "hr", "img", "input"})

    def __init__(self):
        super().__init__()
        self.marks, self.schemes, self.chart, self.stack = {}, {}, None, []

    def handle_starttag(self, tag, attrs):
        if tag in self.VOID:
            return
        found = dict(attrs)
        classes = found.get("class") or ""
        if "data-chart" in found:
            self.chart = found["data-chart"]
            self.marks[self.chart], self.schemes[self.chart] = 0, found.get("data-scheme")
        inside = any(drawn for _, drawn in self.stack)
        self.marks[self.chart or "none"] = self.marks.get(self.chart or "none", 0) + (
            inside and tag in {"path", "text"}
        )
        self.stack.append((tag, re.search(r"\blayer_\d+\w*_(marks|pathgroup)\b", classes) is not None))

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID and any(open_tag == tag for open_tag, _ in self.stack):
            while self.stack.pop()[0] != tag:
                pass


def _open(path, folder, scheme):
    net_log = folder / "net.json"
    done = subprocess.run(
        [CHROMIUM, *FLAGS, f"--user-data-dir={folder / 'profile'}", f"--log-net-log={net_log}",
         f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}", path.as_uri()],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    marks = Marks()
    marks.feed(done.stdout)
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    asked = {
        event["params"]["url"]
        for event in json.loads(net_log.read_text(encoding="utf-8"))["events"]
        if "url" in event.get("params", {})
    }
    return marks, console, {url for url in asked if not url.startswith(("file:", "data:"))}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_chart_is_drawn_without_an_error_or_a_request(fleet_report, tmp_path, scheme):
    marks, console, asked = _open(render(fleet_report, tmp_path / "report.html"), tmp_path, scheme)
    assert console == []
    assert asked == set()
    drawn = {chart: count for chart, count in marks.marks.items() if chart != "none"}
    assert len(drawn) == 12
    assert min(drawn.values()) >= 2, drawn
    assert drawn["cell_map"] >= 2 * 96
    assert set(marks.schemes.values()) == {scheme}


def test_the_report_of_an_empty_lake_opens_without_an_error(empty_report, tmp_path):
    marks, console, asked = _open(render(empty_report, tmp_path / "report.html"), tmp_path, "light")
    assert (console, asked, marks.schemes) == ([], set(), {})
