"""Queries: conditions, joins and patterns; pages that lose nothing; text that stays text."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from battery_lake.local.twins.errors import ServiceError
from battery_lake.local.twins.query_parse import parse


@pytest.fixture
def ask(client, make):
    """Two packs of three cells; the second pack has no SOH of its own."""
    client.upsert_digital_twin(
        "p1", make.pack(soh_pct=91.0, state="parked", rul={"p50": 900.0}, alerts=["knee"])
    )
    client.upsert_digital_twin("p2", make.pack(serial="it's"))
    for pack in ("p1", "p2"):
        for number in (1, 2, 3):
            client.upsert_digital_twin(f"{pack}c{number}", make.cell(soh_pct=90.0 + number))
            body = {"$relationshipName": "hasCell", "$targetId": f"{pack}c{number}"}
            client.upsert_relationship(pack, f"{pack}r{number}", body)
    client.upsert_relationship("p1", "next", {"$relationshipName": "hasPart", "$targetId": "p2", "place": 7})
    return lambda text: list(client.query_twins(text))


CASES = [
    ("soh_pct > 91", ["p1c2", "p1c3", "p2c2", "p2c3"]),
    ("soh_pct >= 91 AND soh_pct <= 91", ["p1", "p1c1", "p2c1"]),
    ("soh_pct != 91 AND IS_OF_MODEL('dtmi:test:Cell;1')", ["p1c2", "p1c3", "p2c2", "p2c3"]),
    ("NOT soh_pct = 91 AND STARTSWITH($dtId, 'p2')", ["p2c2", "p2c3"]),
    ("IS_OF_MODEL('dtmi:test:Part;1') AND NOT IS_DEFINED(soh_pct)", ["p2"]),
    ("IS_OF_MODEL('dtmi:test:Part;1', exact)", []),
    ("IS_OF_MODEL('dtmi:test:Pack;1', exact)", ["p1", "p2"]),
    ("$dtId IN ['p2', 'p1c1', 'nobody']", ["p1c1", "p2"]),
    ("$dtId IN ['p1', 'p2'] AND $dtId NIN ['p1']", ["p2"]),
    ("serial = 'it\\'s'", ["p2"]),
    ("CONTAINS(serial, 's') OR ENDSWITH($dtId, 'c3')", ["p1c3", "p2", "p2c3"]),
    ("rul.p50 = 900", ["p1"]),
    ("ARRAY_CONTAINS(alerts, 'knee')", ["p1"]),
    ("IS_STRING(state) AND IS_OBJECT(rul) AND IS_NUMBER(soh_pct)", ["p1"]),
    ("soh_pct = '91'", []),
    ("$dtId = 'p1' OR ($dtId = 'p2' AND serial = 'x')", ["p1"]),
    ("$metadata.$model = 'dtmi:test:Pack;1'", ["p1", "p2"]),
]


@pytest.mark.parametrize(("condition", "ids"), CASES)
def test_conditions(ask, condition, ids):
    found = ask(f"SELECT * FROM digitaltwins WHERE {condition}")
    assert sorted(twin["$dtId"] for twin in found) == ids
    named = ask(f"SELECT COUNT() FROM DIGITALTWINS WHERE {condition}")
    assert named == [{"COUNT": len(ids)}]


def test_joins_and_projections(ask):
    rows = ask(
        "SELECT T.$dtId AS pack, C.soh_pct FROM DIGITALTWINS T JOIN C RELATED T.hasCell R"
        " WHERE T.$dtId = 'p1' AND C.soh_pct > 91 AND R.$relationshipName = 'hasCell'"
    )
    assert rows == [{"pack": "p1", "soh_pct": 92.0}, {"pack": "p1", "soh_pct": 93.0}]
    whole = ask("SELECT T, R FROM DIGITALTWINS T JOIN C RELATED T.hasPart R WHERE T.$dtId = 'p1'")
    assert [(row["T"]["$dtId"], row["R"]["place"]) for row in whole] == [("p1", 7)]
    far = "SELECT C.$dtId FROM DIGITALTWINS A JOIN B RELATED A.hasPart JOIN C RELATED B.hasCell"
    assert len(ask(f"{far} WHERE A.$dtId = 'p1'")) == 3


def test_patterns(ask):
    start = "SELECT B.$dtId FROM DIGITALTWINS MATCH"
    ids = lambda text: sorted(row["$dtId"] for row in ask(text))  # noqa: E731
    assert ids(f"{start} (A)-[R:hasPart]->(B) WHERE A.$dtId = 'p1' AND R.place = 7") == ["p2"]
    assert ids(f"{start} (A)<-[:hasCell]-(B) WHERE A.$dtId = 'p2c1'") == ["p2"]
    assert ids(f"{start} (A)-[:hasPart|hasCell*1..2]->(B) WHERE A.$dtId = 'p1'") == [
        "p1c1", "p1c2", "p1c3", "p2", "p2c1", "p2c2", "p2c3",
    ]  # fmt: skip
    assert ids(f"{start} (A)-[*2]->(B) WHERE A.$dtId = 'p1'") == ["p2c1", "p2c2", "p2c3"]
    assert ids(f"{start} (A)-[]-(B) WHERE A.$dtId = 'p2c1'") == ["p2"]


def test_relationships_can_be_asked_for(ask):
    found = ask("SELECT * FROM RELATIONSHIPS R WHERE R.$sourceId = 'p1' AND R.$relationshipName = 'hasPart'")
    assert [r["$relationshipId"] for r in found] == ["next"]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM DIGITALTWINS",
        "SELECT TOP(5) T.$dtId FROM DIGITALTWINS T",
        "SELECT T.$dtId, C.$dtId AS cell FROM DIGITALTWINS T JOIN C RELATED T.hasCell",
    ],
)
def test_pages_of_any_size_give_the_same_rows_once(standin, ask, text, size):
    queries, token, rows = standin._instance.queries, None, []
    while True:
        page, token = queries.page(text, token, size)
        assert len(page) <= size
        rows += page
        if token is None:
            break
    assert rows == ask(text)
    assert len(rows) == {"SELECT *": 8, "SELECT T": 5 if "TOP" in text else 6}[text[:8]]


@pytest.mark.usefixtures("ask")
def test_a_token_of_another_query_is_refused(standin):
    queries = standin._instance.queries
    _, token = queries.page("SELECT * FROM DIGITALTWINS", None, 1)
    with pytest.raises(ServiceError, match="continuation token is invalid"):
        queries.page("SELECT * FROM DIGITALTWINS T", token, 1)
    with pytest.raises(ServiceError, match="continuation token is invalid"):
        queries.page("SELECT * FROM DIGITALTWINS", "made up", 1)


NO_QUERIES = [
    "foo",
    "",
    "SELECT",
    "SELECT * FROM CARS",
    "SELECT * FROM DIGITALTWINS WHERE",
    "SELECT * FROM DIGITALTWINS ;",
    "SELECT * FROM DIGITALTWINS T JOIN C RELATED T.r",
    "SELECT B FROM DIGITALTWINS MATCH (A)-[:r]->(B)",
    "SELECT * FROM DIGITALTWINS WHERE 'a'",
    "SELECT * FROM DIGITALTWINS WHERE a = 'open",
    "DROP TABLE twins",
    "SELECT * FROM DIGITALTWINS WHERE a IN [b]",
    "SELECT * FROM DIGITALTWINS WHERE STARTSWITH(a)",
    "SELECT " + "a, " * 4000 + "b FROM DIGITALTWINS",
    "SELECT * FROM DIGITALTWINS WHERE a IN [" + "1," * 51 + "]",
    "SELECT * FROM DIGITALTWINS WHERE " + " OR ".join(["a = 1"] * 52),
]


@pytest.mark.parametrize("text", NO_QUERIES)
def test_what_is_no_query_is_refused(text):
    with pytest.raises(ServiceError) as told:
        parse(text)
    assert (told.value.status, told.value.code) == (400, "SqlQueryError")


@given(st.text(max_size=60))
def test_no_text_makes_the_parser_fall_over(text):
    for prefix in ("", "SELECT * FROM DIGITALTWINS WHERE ", "SELECT a FROM DIGITALTWINS MATCH "):
        with contextlib.suppress(ServiceError):
            parse(prefix + text)
