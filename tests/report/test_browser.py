"""The report in a real browser, where Chromium is installed.

Chromium opens the file headless and prints the page as it stands after drawing (``--dump-dom``). Charts are
SVG, so the marks of each are elements of that page. Messages of the console come on standard error with the
word CONSOLE. Everything that the browser asks its network stack for is in the net log, with the origin that
asked: what the browser wants for itself says "not an origin" there, and no name is resolved for it.
"""

import json
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
    "--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr",
    "--virtual-time-budget=20000", "--dump-dom",
)  # fmt: skip
SCHEMES = {"light": 1, "dark": 0}


class Marks(HTMLParser):
    """Counts the drawn marks inside each chart (not its axes or legends), and notes its scheme.

    Vega's SVG groups the elements of a layer in an element of class ``role-mark``.
    """

    VOID = frozenset({"meta", "link", "br", "hr", "img", "input"})

    def __init__(self):
        super().__init__()
        self.marks, self.schemes, self.chart, self.stack = {}, {}, None, []
        self.squares = None

    def handle_starttag(self, tag, attrs):
        if tag in self.VOID:
            return
        found = dict(attrs)
        if "data-chart" in found:
            self.chart = found["data-chart"]
            self.marks[self.chart], self.schemes[self.chart] = 0, found.get("data-scheme")
        self.squares = found.get("data-squares", self.squares)
        if tag in {"path", "text", "line"} and any(is_mark for _, is_mark in self.stack):
            self.marks[self.chart] += 1
        self.stack.append((tag, "role-mark" in (found.get("class") or "").split()))

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        if any(open_tag == tag for open_tag, _ in self.stack):
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
    events = json.loads(net_log.read_text(encoding="utf-8"))["events"]
    starts = [event["params"] for event in events if "initiator" in event.get("params", {})]
    asked = {start["url"] for start in starts if start["initiator"] != "not an origin"}
    return marks, console, {url for url in asked if not url.startswith(("file:", "data:"))}


def test_a_request_and_an_error_would_be_noticed(tmp_path):
    path = tmp_path / "bad.html"
    path.write_text('<img src="http://example.invalid/x.png"><script>missing()</script>', encoding="utf-8")
    _, console, asked = _open(path, tmp_path, "light")
    assert len(console) == 1
    assert asked == {"http://example.invalid/x.png"}


def test_the_policy_of_the_page_stops_what_would_be_slipped_in(fleet_report, tmp_path):
    path = render(fleet_report, tmp_path / "report.html")
    slipped_in = '<main>\n<img src="http://example.invalid/x.png"><script>document.title = "run"</script>'
    path.write_text(path.read_text(encoding="utf-8").replace("<main>\n", slipped_in, 1), encoding="utf-8")
    marks, console, asked = _open(path, tmp_path, "light")
    assert asked == set()
    assert len(console) == 2
    assert all("Content Security Policy" in line for line in console)
    assert len(marks.marks) == 13


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_chart_is_drawn_without_an_error_or_a_request(fleet_report, tmp_path, scheme):
    marks, console, asked = _open(render(fleet_report, tmp_path / "report.html"), tmp_path, scheme)
    assert console == []
    assert asked == set()
    assert len(marks.marks) == 13
    assert min(marks.marks.values()) >= 2, marks.marks
    assert marks.marks["cell_map"] == 2 * 96 + 1
    assert marks.squares == str(len(fleet_report.positions))
    assert set(marks.schemes.values()) == {scheme}


def test_the_report_of_an_empty_lake_opens_without_an_error(empty_report, tmp_path):
    marks, console, asked = _open(render(empty_report, tmp_path / "report.html"), tmp_path, "light")
    assert (console, asked, marks.schemes) == ([], set(), {})
