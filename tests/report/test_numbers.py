"""Numbers of the page against queries of gold, as a reader would check them: twenty, picked by lot."""

import datetime as dt
import random
import re
from html import unescape

import pytest

from battery_lake.report.html import page
from battery_lake.report.text import ABSENT, MINUS, NARROW_SPACE

from .small_lake import SINCE

PICKED, SEED = 20, 20261127

NEWEST = "SELECT max_by({name}, as_of_date) FROM {table} WHERE {key} = '{row}'"
COHORT = (
    "WITH sold AS (SELECT pack_id, concat(year(warranty_from), ceil(month(warranty_from) / 6)) AS half, model"
    " FROM reference_packs), now AS (SELECT pack_id, max_by(soh_median_pct, as_of_date) AS soh FROM"
    " gold_pack_health GROUP BY pack_id) SELECT {what} FROM now JOIN sold USING (pack_id) WHERE"
    " (half, model) = (SELECT (half, model) FROM sold WHERE pack_id = '{row}')"
)


def _pack(name):
    return NEWEST.format(name=name, table="gold_pack_health", key="pack_id", row="{row}")


def _cell(name):
    return f"SELECT {name} FROM gold_cell_current WHERE cell_id = '{{row}}'"


SINCE_AT = f"TIMESTAMP'{SINCE + dt.timedelta(days=1)} 00:00:00'"
SEVERAL = "pack_id NOT IN (SELECT pack_id FROM reference_packs WHERE cells_in_series = 1)"

TOTALS = {
    "packs with an estimate": f"SELECT count(DISTINCT pack_id) FROM gold_cell_current WHERE {SEVERAL}",
    "cells with an estimate": f"SELECT count(*) FROM gold_cell_current WHERE {SEVERAL}",
    "SOH of the weakest cell": f"SELECT min(soh_pct) FROM gold_cell_current WHERE {SEVERAL}",
    "cells with an end in sight": f"SELECT count(*) FROM gold_cell_current WHERE NOT censored AND {SEVERAL}",
    "messages kept": "SELECT count(*) FROM silver_telemetry",
    "alerts raised": f"SELECT count(*) FROM gold_alert WHERE raised_at >= {SINCE_AT}",
    "alerts cleared, raised before": "SELECT count(*) FROM gold_alert WHERE"
    f" cleared_at >= {SINCE_AT} AND raised_at < {SINCE_AT}",
    "packs with their first estimate": "SELECT count(*) FROM (SELECT min(as_of_date) AS first FROM"
    f" gold_pack_health GROUP BY pack_id) WHERE first > DATE'{SINCE}'",
    "packs whose SOH moved": "SELECT count(*) FROM (SELECT max_by(soh_min_pct, as_of_date) -"
    f" max_by(soh_min_pct, as_of_date) FILTER (WHERE as_of_date <= DATE'{SINCE}') AS move"
    " FROM gold_pack_health GROUP BY pack_id) WHERE abs(move) > 0.5",
}
"""By the words under a number."""

COLUMNS = {
    ("Weakest packs", "SOH of it [%]"): _pack("soh_min_pct"),
    ("Weakest packs", "SOH median [%]"): _pack("soh_median_pct"),
    ("Weakest packs", "EFC"): _pack("efc"),
    ("Weakest packs", "Like packs weaker [%]"): _pack("cohort_percentile_pct"),
    ("Weakest packs", "RUL median [d]"): _pack("rul_days_p50"),
    ("Weakest cells", "SOH [%]"): _cell("soh_pct"),
    ("Packs that changed", "SOH now [%]"): _pack("soh_min_pct"),
    (
        "Packs that changed",
        "SOH then [%]",
    ): "SELECT max_by(soh_min_pct, as_of_date) FROM gold_pack_health WHERE"
    f" pack_id = '{{row}}' AND as_of_date <= DATE'{SINCE}'",
    (
        "Open alerts, by",
        "Alerts",
    ): "SELECT count(*) FROM gold_alert WHERE code = '{row}' AND cleared_at IS NULL",
    ("Packs that this", "SOH median cell [%]"): _pack("soh_median_pct"),
    ("Packs that this", "Cohort: packs"): COHORT.format(what="nullif(count(*), 0)", row="{row}"),
    ("Packs that this", "Median [%]"): COHORT.format(what="percentile(soh, 0.5)", row="{row}"),
    ("Packs that this", "10 % lie below [%]"): COHORT.format(what="percentile(soh, 0.1)", row="{row}"),
}
"""By the beginning of the table's caption and the column's head; {row} is the row's name."""


def _shown(text):
    """Yield every number of the page that has a query: where it stands, what stands there, the query."""
    for value, label in re.findall(r"<div><dt>(.*?)</dt><dd>(.*?)(?:<small>.*?)?</dd></div>", text):
        named = [query for words, query in TOTALS.items() if value.startswith(words)]
        yield from ((value, label, query) for query in named)
    for caption, body in re.findall(r"<caption><span>(.*?)</span></caption>(.*?)</table>", text, re.DOTALL):
        heads = [unescape(head) for head in re.findall(r"<th scope=\"col\"[^>]*>(.*?)</th>", body)]
        for row in re.findall(r"<tr[^>]*>\s*(<th scope=\"row\">.*?)</tr>", body, re.DOTALL):
            name, *values = (
                re.sub(r"<.*?>", "", one) for one in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)
            )
            for head, value in zip(heads[1:], values, strict=True):
                named = [
                    q
                    for (begin, column), q in COLUMNS.items()
                    if column == head and caption.startswith(begin)
                ]
                yield from ((f"{caption}: {name}, {head}", value, query.format(row=name)) for query in named)


@pytest.fixture(scope="module")
def shown(small_report):
    return list(_shown(page(small_report)))


@pytest.fixture
def ask(read, spark):
    for name in (
        "gold.pack_health",
        "gold.cell_current",
        "gold.alert",
        "reference.packs",
        "silver.telemetry",
    ):
        read(name).createOrReplaceTempView(name.replace(".", "_"))
    return lambda query: spark.sql(query).collect()[0][0]


def test_every_kind_of_number_is_found_on_the_page(shown):
    assert {query for _, _, query in shown} >= set(TOTALS.values())
    heads = {place.rpartition(", ")[2] for place, _, _ in shown}
    assert heads >= {head for _, head in COLUMNS}


def test_twenty_numbers_picked_by_lot_are_those_of_gold(shown, ask):
    for place, told, query in random.Random(SEED).sample(sorted(shown), PICKED):
        found = ask(query)
        if found is None:
            assert told == ABSENT, place
            continue
        number = told.strip().replace(NARROW_SPACE, "").replace(MINUS, "-")
        digits = len(number.partition(".")[2])
        assert number == f"{float(found):.{digits}f}", (place, query)
