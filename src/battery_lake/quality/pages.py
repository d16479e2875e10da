"""Pages over Data Docs that need no network: what failed last, and the way to each page.

Great Expectations builds its own pages so that a browser loads style, tables and a logo with an identity in
its address from other hosts; without a network its index stays empty.
"""

from __future__ import annotations

import html
import json
import os
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SITE: Final = "data_docs/local_site"
_LOGO: Final = re.compile(r'https://great-expectations-web-assets[^"\']*')
_STYLE: Final = (
    "<style>body{font-family:sans-serif;max-width:80rem;margin:1rem auto;padding:0 1rem}"
    "table{border-collapse:collapse}td,th{border:1px solid #bbb;padding:.25rem .5rem;text-align:left;"
    "vertical-align:top}.critical{background:#f8d0d0}.warning{background:#fbeec0}</style>"
)


def local_only(site: Path) -> None:
    """Take the logo of every page from the site itself: the one from outside tells who looks at what."""
    logo = site / "static" / "images" / "logo-long.png"
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        mended = _LOGO.sub(os.path.relpath(logo, page.parent), text)
        if mended != text:
            page.write_text(mended.replace("<head>", f"<head>{_STYLE}", 1), encoding="utf-8")


def overview(files: Path, page: Path) -> Path:
    """Write a page with the newest run of every suite, what failed in it, and links to Data Docs.

    Parameters
    ----------
    files
        Folder in which Great Expectations keeps ``validations`` and Data Docs.
    page
        The page to write; it is returned.
    """
    rows = "".join(_row(outcome, link) for outcome, link in _newest(files, page.parent))
    columns = "<tr><th>suite</th><th>run</th><th>met</th><th>not met</th></tr>"
    told = "The newest run of every suite. Earlier ones are in Data Docs, all of them in gold.data_quality."
    head = f'<meta charset="utf-8"><title>Data quality</title>{_STYLE}'
    body = f"<h1>Data quality</h1><p>{told}</p><table>{columns}{rows}</table>"
    whole = f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>\n'
    page.write_text(whole, encoding="utf-8")
    return page


def _newest(files: Path, start: Path) -> Iterator[tuple[dict[str, Any], str]]:
    """The newest outcome of every suite, with the address of its page."""
    newest: dict[str, Path] = {}
    for stored in sorted((files / "validations").rglob("*.json"), key=lambda path: path.parent.name):
        newest[stored.stem] = stored
    for stored in sorted(newest.values()):
        shown = files / SITE / stored.relative_to(files).with_suffix(".html")
        yield json.loads(stored.read_text(encoding="utf-8")), os.path.relpath(shown, start)


def _row(outcome: dict[str, Any], link: str) -> str:
    failed = [result for result in outcome["results"] if not result["success"]]
    told = "".join(_failure(result) for result in failed)
    met = f"{len(outcome['results']) - len(failed)} of {len(outcome['results'])}"
    at = outcome["meta"]["run_id"]["run_time"][:19].replace("T", " ")
    name = f'<a href="{html.escape(link)}">{html.escape(outcome["suite_name"])}</a>'
    return f"<tr><td>{name}</td><td>{at}</td><td>{met}</td><td>{told}</td></tr>"


def _failure(result: dict[str, Any]) -> str:
    config, facts = result["expectation_config"], result["result"]
    found = (
        f"{facts['unexpected_count']} of {facts['element_count']} rows"
        if "unexpected_count" in facts
        else f"{facts.get('observed_value')}"
    )
    severity = html.escape(config["severity"])
    text = f"{severity} {config['meta']['code']}: {found}. {config['meta']['why']}"
    return f'<div class="{severity}">{html.escape(text)}</div>'
