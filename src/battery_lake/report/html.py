"""Writing the report: one file that asks no network for anything."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import vl_convert
from markupsafe import Markup

from battery_lake.report import text, theme
from battery_lake.report.charts import charts
from battery_lake.report.fleet import groups_left_out
from battery_lake.report.tables import tables

if TYPE_CHECKING:
    from battery_lake.report.data import ReportData


def render(data: ReportData, path: Path) -> Path:
    """Write the report as one self-contained HTML file.

    Vega stands in the file once and draws every chart. A content security policy forbids all requests, and
    every script but the two that the file itself names by hash: text that a device sent can never run.

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


def page(data: ReportData) -> str:
    """Return the report as HTML."""
    drawn = charts(data)
    specs = {chart.chart_id: chart.spec for part in drawn.values() for chart in part if chart.spec}
    vega, script = vega_bundle(), source("report.js")
    policy = (
        f"default-src 'none'; script-src {_hash(vega)} {_hash(script)}; style-src 'unsafe-inline';"
        " img-src data:; base-uri 'none'; form-action 'none'"
    )
    return environment().get_template("report.html.j2").render(
        data=data,
        totals=data.totals,
        charts=drawn,
        tables=tables(data),
        groups_left_out=groups_left_out(data),
        text=text,
        policy=policy,
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
