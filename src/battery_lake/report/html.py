"""Writing the report: one file that asks no network for anything."""

from __future__ import annotations

import base64
import datetime as dt
import functools
import hashlib
import json
import os
import re
import tempfile
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import jinja2
import vl_convert
from markupsafe import Markup

from battery_lake.report import text, theme
from battery_lake.report.charts import charts
from battery_lake.report.data import SILENT_DAYS
from battery_lake.report.fleet import groups_left_out
from battery_lake.report.fleet_map import map_data, map_words
from battery_lake.report.tables import tables

if TYPE_CHECKING:
    from battery_lake.report.data import ReportData

HEAD: Final = 4000
"""So many characters hold the days of :func:`days_of`."""

DAY: Final = re.compile(r'<meta name="battery-lake-(?:evidence|since)" content="(\d{4}-\d\d-\d\d)">')


def render(data: ReportData, path: Path) -> Path:
    """Write the report as one self-contained HTML file.

    Vega stands in the file once and draws every chart. A content security policy forbids all requests, and
    every script but those that the file itself names by hash: text that a device sent can never run.

    Parameters
    ----------
    data
        What the report shows.
    path
        The file to write; folders above it are made. It is replaced as a whole or not at all.

    Returns
    -------
    pathlib.Path
        The file.

    References
    ----------
    W3C, Content Security Policy Level 3.
    """
    return write(page(data), path)


def write(page_text: str, path: Path) -> Path:
    """Write a page, replaced as a whole or not at all; folders above it are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(page_text)
        # mkstemp gives a private file; a report is for others to read.
        Path(scratch).chmod(0o644)
        Path(scratch).replace(path)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise
    return path


def days_of(path: Path) -> tuple[dt.date, ...]:
    """Return the days that a report at this place tells of: its newest evidence, and what it compared with.

    So a report that is made anew without newer evidence still tells what the one before it told. Where no
    report of ours stands, or one without evidence, there are none.
    """
    if not path.is_file():
        return ()
    with path.open(encoding="utf-8", errors="replace") as file:
        head = file.read(HEAD)
    return tuple(dt.date.fromisoformat(day) for day in DAY.findall(head))


def page(data: ReportData) -> str:
    """Return the report as HTML."""
    drawn = charts(data)
    specs = {chart.chart_id: chart.spec for part in drawn.values() for chart in part if chart.spec}
    vega, script = vega_bundle(), source("report.js")
    has_map = len(data.positions) > 0
    leaflet, map_script = (leaflet_bundle(), source("map.js")) if has_map else ("", "")
    allowed = " ".join(_hash(one) for one in (vega, script, leaflet, map_script) if one)
    policy = (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline';"
        " img-src data:; base-uri 'none'; form-action 'none'"
    )
    return environment().get_template("report.html.j2").render(
        data=data,
        totals=data.totals,
        changes=data.changes,
        silent_days=SILENT_DAYS,
        charts=drawn,
        tables=tables(data),
        groups_left_out=groups_left_out(data),
        text=text,
        policy=policy,
        map_words=map_words(data) if has_map else "",
        map_data=_json(map_data(data)) if has_map else "",
        leaflet=Markup(leaflet),  # noqa: S704 - Leaflet's own file
        map_script=Markup(map_script),  # noqa: S704 - our own file
        map_style=Markup(leaflet_style() if has_map else ""),  # noqa: S704 - Leaflet's own file
        style=Markup(source("report.css")),  # noqa: S704 - our own file
        light=Markup(theme.css_variables("light")),  # noqa: S704 - our own constants
        dark=Markup(theme.css_variables("dark")),  # noqa: S704 - our own constants
        vega=Markup(vega),  # noqa: S704 - the bundle of vl-convert
        script=Markup(script),  # noqa: S704 - our own file
        specs=_json(specs),
        themes=_json({scheme: theme.chart_config(scheme) for scheme in theme.PALETTES}),
    )  # fmt: skip


@functools.cache
def vega_bundle() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script that defines ``vegaEmbed``."""
    # The script must be able to stand in a classic script element; strict mode keeps its meaning as a module.
    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return f'(() => {{"use strict";\n{bundle}\n}})();'


@functools.cache
def leaflet_bundle() -> str:
    """Return Leaflet as a script that defines ``L``, under its licence and that of the outlines."""
    terms = "\n".join(f"/*\n{_vendored(f'{name}.LICENSE')}*/" for name in ("leaflet", "outlines"))
    # Without the comment that names its source map: a browser would ask for that file.
    return terms + re.sub(r"//# sourceMappingURL=.*", "", _vendored("leaflet.js"))


@functools.cache
def leaflet_style() -> str:
    """Return Leaflet's style sheet without the pictures, which nothing here shows."""
    return re.sub(r"[^;{}]*url\([^)]*\)[^;}]*;", "", _vendored("leaflet.css"))


def _vendored(name: str) -> str:
    return resources.files("battery_lake.report").joinpath(f"vendor/{name}").read_text(encoding="utf-8")


@functools.cache
def environment() -> jinja2.Environment:
    """Return the template environment: everything is escaped, an unknown name is an error."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("battery_lake.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def source(name: str) -> str:
    """Return a file of the templates as it is."""
    loader = environment().loader
    assert loader is not None
    return loader.get_source(environment(), name)[0]


def _hash(script: str) -> str:
    """Return the source expression that allows exactly this inline script."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _json(value: Any) -> Markup:
    """Return JSON that cannot end the script element it stands in."""
    dumped = json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    return Markup(dumped.replace("<", "\\u003c"))  # noqa: S704 - no < is left in it
