"""Logs and clock: one line an event on stderr, nothing on stdout; UTC only."""

import datetime as dt
import json

import pytest
import structlog

from battery_lake import clock
from battery_lake.log import configure, logger


@pytest.fixture(autouse=True)
def own_configuration():
    yield
    structlog.reset_defaults()


def test_events_go_to_stderr_with_their_component_and_numbers_as_fields(capsys):
    configure(1)
    logger("ingest").info("batch_committed", rows=7)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "batch_committed" in shown.err
    assert "component=ingest" in shown.err
    assert "rows=7" in shown.err


def test_verbosity_decides_what_is_shown(capsys):
    shown = []
    for verbosity in (-1, 0, 1, 2):
        configure(verbosity)
        log = logger("x")
        log.error("e")
        log.warning("w")
        log.info("i")
        log.debug("d")
        shown.append(len(capsys.readouterr().err.splitlines()))
    assert shown == [1, 2, 3, 4]


def test_on_databricks_a_line_is_json(capsys, monkeypatch):
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "18.0")
    configure(1)
    logger("refine").info("rows_refused", rows=2)
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["component"], line["rows"], line["level"]) == (
        "rows_refused",
        "refine",
        2,
        "info",
    )


def test_the_time_is_aware_and_the_clock_never_goes_back():
    assert clock.utc_now().tzinfo is dt.UTC
    assert clock.monotonic_s() <= clock.monotonic_s()
