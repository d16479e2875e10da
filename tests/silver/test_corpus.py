"""Every kind of malformed payload is in quarantine with its code and its bytes; none stops the stream."""

import datetime as dt
import importlib.util
from pathlib import Path

from battery_lake.silver.quarantine import refused
from battery_lake.silver.telemetry import valid

_SPEC = importlib.util.spec_from_file_location("corpus", Path(__file__).with_name("corpus.py"))
corpus = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(corpus)
AT = dt.datetime(2026, 3, 1)  # noqa: DTZ001 - Spark hands over UTC without a zone


def test_the_corpus_has_over_sixty_kinds_and_every_code_that_refuses(params):
    assert len(corpus.CORPUS) >= 60
    codes = {code for _, _, code in corpus.CORPUS.values()}
    assert codes == {rule.code for rule in params.of("critical")}


def test_every_kind_is_in_quarantine_with_its_code_and_its_bytes(check, params):
    cases = [(body, columns) for body, columns, _ in corpus.CORPUS.values()]
    messages = check(cases)
    rows = {row.sequence_number: row for row in refused(messages, params, AT).collect()}
    found = {}
    for place, (name, (body, columns, code)) in enumerate(corpus.CORPUS.items()):
        row = rows.pop(columns.get("sequence_number", place), None)
        codes = [reason.code for reason in row.reasons] if row else []
        sent = body.encode() if isinstance(body, str) else body
        found[name] = (code in codes and bytes(row.body) == sent) or codes
    assert {name: outcome for name, outcome in found.items() if outcome is not True} == {}
    assert rows == {}
    assert valid(messages, params).isEmpty()


def test_the_message_that_they_were_made_from_is_valid(check, params):
    assert valid(check([corpus.TEXT]), params).count() == 1
