"""The page about one pack: its figures are gold's, its verdict follows the interval, and it runs nothing."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from battery_lake.report.certificate import (
    CertificateData,
    history_svg,
    render_certificate,
    warranty,
    warranty_until,
)
from battery_lake.report.theme import PALETTES

if TYPE_CHECKING:
    from pathlib import Path

NOW = dt.datetime(2026, 11, 2, 6, 30, tzinfo=dt.UTC)
PACK: dict[str, Any] = {
    "pack_id": "P00017", "model": "Avon 53", "chemistry": "NMC", "cells_in_series": 96,
    "rated_capacity_ah": 150.0, "rated_energy_wh": 53_000.0, "warranty_from": dt.date(2024, 2, 29),
    "warranty_years": 8.0, "warranty_km": 160_000.0, "warranty_soh_pct": 70.0,
}  # fmt: skip
EMPTY = CertificateData(
    pack=PACK, health={}, weakest={}, counters={}, cells=0, observations=0, observed_from=None,
    observed_until=None, alerts=[], history=pd.DataFrame(), eol_soh_pct=80.0, location="here",
    generated_at=NOW,
)  # fmt: skip


def known(soh_pct: float = 91.24, **pack: Any) -> CertificateData:
    days = [dt.date(2026, 1, 1) + dt.timedelta(days=10 * n) for n in range(20)]
    return replace(
        EMPTY,
        pack=PACK | pack,
        weakest={"soh_pct": soh_pct, "soh_std_pct": 1.0, "method_version": "kalman-3", "model_version": "m"},
        health={
            "as_of_date": dt.date(2026, 10, 31), "soh_median_pct": 94.0, "weakest_cell_id": "P00017/03/07",
            "cohort_percentile_pct": 40.0, "rul_days_p05": 900.0, "rul_days_p50": 1500.0,
            "rul_days_p95": 2600.0, "censored": False,
        },
        counters={"efc": 412.3, "throughput_wh": 43_700_000.0, "resistance_increase_pct": 12.0},
        cells=96, observations=4_711, observed_from=days[0], observed_until=days[-1],
        alerts=[{"code": "weak_cell", "severity": "warning", "cell_id": "P00017/03/07", "raised_at": NOW}],
        history=pd.DataFrame({
            "as_of_date": days, "soh_pct": 91.0, "soh_std_pct": 1.0, "soh_median_pct": 94.0,
        }),
    )  # fmt: skip


class Page(HTMLParser):
    """What a page would run or fetch, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts, self.addresses, self.text = 0, [], []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script" or any(name.startswith("on") for name, _ in attrs)
        self.addresses += [value for name, value in attrs if name in {"src", "href", "action"}]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(data: CertificateData, folder: Path) -> tuple[Page, str]:
    page = Page()
    page.feed(render_certificate(data, folder / "certificate.html").read_text(encoding="utf-8"))
    return page, " ".join(" ".join(page.text).split())


def test_the_page_says_what_gold_says_and_runs_and_fetches_nothing(tmp_path: Path) -> None:
    page, words = read(known(), tmp_path)
    for told in (
        "91.2 %", "89.6 to 92.9 %", "P00017/03/07", "94.0 % SOH", "2030-12-09", "900 to 2 600", "412",
        "43.70 MWh", "+12 %", "4 711 of 96 cells", "weak cell (warning)", "kalman-3, m",
    ):  # fmt: skip
        assert told in words
    assert page.scripts == 0
    assert page.addresses == []


def test_a_pack_of_which_nothing_is_known_has_a_page_that_says_so(tmp_path: Path) -> None:
    _, words = read(EMPTY, tmp_path)
    assert "not known yet" in words
    assert "no SOH is known yet" in words
    assert "Open alerts None." in words


def test_text_from_outside_is_shown_and_never_part_of_the_page(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>\"' onload=x"
    page, words = read(known(pack_id=hostile, model=hostile), tmp_path)
    assert page.scripts == 0
    assert hostile in words


@pytest.mark.parametrize(
    ("soh_pct", "level", "says"),
    [(72.0, "good", "above"), (71.0, "watch", "holds that value"), (68.0, "bad", "below")],
)
def test_the_warranty_is_judged_by_the_whole_interval(soh_pct: float, level: str, says: str) -> None:
    told = warranty(known(soh_pct))
    assert told[0] == level
    assert says in told[1]
    assert "70 % SOH until 2032-02-29 or 160\u202f000 km" in told[1]


def test_a_warranty_that_ended_or_is_not_known_promises_nothing() -> None:
    assert "has ended" in warranty(known(60.0, warranty_years=2.0))[1]
    assert warranty(known(60.0, warranty_from=None)) == ("watch", "No warranty is known of this pack.")


def test_years_of_warranty_end_on_the_same_day_of_the_month_where_there_is_one() -> None:
    assert warranty_until(PACK | {"warranty_years": 3.0}) == dt.date(2027, 2, 28)
    assert warranty_until(PACK | {"warranty_years": 0.5}) == dt.date(2024, 8, 29)


def test_the_chart_draws_in_the_colours_of_the_page(tmp_path: Path) -> None:
    read(known(), tmp_path)
    drawn = (tmp_path / "certificate.html").read_text(encoding="utf-8")
    assert "<svg" in drawn
    assert PALETTES["light"]["weak"] in drawn.split("<svg")[1]


def test_a_history_of_one_day_is_drawn_as_points_and_a_bar() -> None:
    long, short = known(), known()
    short = replace(short, history=short.history.head(1))
    marks = ("mark-area", "mark-line", "mark-symbol")
    assert [mark in history_svg(long) for mark in marks] == [True, True, False]
    assert [mark in history_svg(short) for mark in marks] == [False, False, True]
