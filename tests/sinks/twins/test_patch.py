"""A patch turns a twin into what is wanted, holds nothing else, and is not sent for nothing."""

from hypothesis import given
from hypothesis import strategies as st

from battery_lake.local.twins.patch import apply, read
from battery_lake.sinks.twins.ids import relationship_id, shortened, twin_id
from battery_lake.sinks.twins.limits import MAX_ID
from battery_lake.sinks.twins.patch import body_of, is_older, patch_of

NAMES = st.sampled_from(["a", "b", "c", "d", "v"])
VALUES = st.one_of(
    st.integers(-5, 5), st.floats(-5, 5), st.booleans(), st.text(max_size=3), st.lists(st.text(max_size=2))
)
ORDER = ("at", "v")


def twin(**properties):
    return {"$dtId": "t", "$etag": "e", "$metadata": {"$model": "m"}, **properties}


@given(st.dictionaries(NAMES, st.none() | VALUES), st.dictionaries(NAMES, VALUES))
def test_a_patched_twin_is_what_is_wanted_and_needs_no_second_patch(wanted, there):
    operations = patch_of(wanted, "m", twin(**there), "v", {})
    after = apply(read(operations), twin(**there))
    if operations:
        assert {n: after[n] for n in wanted if wanted[n] is not None} == {
            n: v for n, v in wanted.items() if v is not None
        }
        assert not [n for n, v in wanted.items() if v is None and n in after]
    assert patch_of(wanted, "m", after, "v", {}) == []
    assert {n: v for n, v in after.items() if n not in wanted} == {
        n: v for n, v in twin(**there).items() if n not in wanted
    }


def test_the_guard_alone_is_no_reason_and_goes_with_another():
    assert patch_of({"a": 1.0, "v": 2}, "m", twin(a=1.0, v=1), "v", {}) == []
    assert len(patch_of({"a": 1.0, "v": 2}, "m", twin(a=1.0), "v", {})) == 1
    paths = [o["path"] for o in patch_of({"a": 2.0, "v": 2}, "m", twin(a=1.0, v=1), "v", {})]
    assert paths == ["/a", "/v"]


def test_a_change_within_its_dead_band_goes_only_with_a_greater_one():
    bands = {"soc_pct": 0.5}
    assert patch_of({"soc_pct": 50.4, "b": 1}, "m", twin(soc_pct=50.0, b=1), "v", bands) == []
    assert len(patch_of({"soc_pct": 50.4, "b": 2}, "m", twin(soc_pct=50.0, b=1), "v", bands)) == 2
    assert len(patch_of({"soc_pct": 50.5}, "m", twin(soc_pct=50.0), "v", bands)) == 1
    assert len(patch_of({"soc_pct": None}, "m", twin(soc_pct=50.0), "v", bands)) == 1
    assert len(patch_of({"soc_pct": 0.1}, "m", twin(), "v", bands)) == 1


def test_an_instant_is_apart_from_another_by_seconds():
    seen, bands = twin(at="2026-03-02T06:00:00.000000Z", b=1), {"at": 60.0, "b": 5.0}
    assert patch_of({"at": "2026-03-02T06:00:59.000000Z"}, "m", seen, "", bands) == []
    assert len(patch_of({"at": "2026-03-02T06:01:00.000000Z"}, "m", seen, "", bands)) == 1
    assert len(patch_of({"at": "2026-03-02T06:00:01.000000Z", "b": 9}, "m", seen, "", bands)) == 2
    assert len(patch_of({"b": "x"}, "m", seen, "", bands)) == 1


def test_true_is_not_one():
    assert patch_of({"a": True}, "m", twin(a=1), "v", {}) != []
    assert patch_of({"a": 1.0}, "m", twin(a=1), "v", {}) == []


def test_a_new_model_is_a_reason():
    assert patch_of({}, "m2", twin(), "v", {}) == [
        {"op": "replace", "path": "/$metadata/$model", "value": "m2"}
    ]


def test_what_is_newer_is_told_by_the_first_that_differs():
    assert is_older({"at": "2026-01-01", "v": 9}, {"at": "2026-01-02", "v": 1}, ORDER)
    assert not is_older({"at": "2026-01-03", "v": 0}, {"at": "2026-01-02", "v": 1}, ORDER)
    assert is_older({"at": "2026-01-02", "v": 0}, {"at": "2026-01-02", "v": 1}, ORDER)
    assert not is_older({"at": "2026-01-02", "v": 1}, {"at": "2026-01-02", "v": 1}, ORDER)
    assert not is_older({"at": None, "v": 1}, {}, ORDER)


def test_a_new_twin_has_what_is_set():
    assert body_of({"a": 1, "b": None}, "m") == {"$metadata": {"$model": "m"}, "a": 1}


@given(st.text(max_size=300), st.text(max_size=300))
def test_ids_are_of_the_services_alphabet_and_different_keys_keep_different_ids(one, other):
    ids = [twin_id("pack", one), twin_id("pack", other)]
    assert all(len(i) <= MAX_ID and i.isascii() and not set(i) - ALPHABET for i in ids)
    assert (ids[0] == ids[1]) == (one == other)
    assert len(relationship_id("hasPart", ids[0])) <= MAX_ID


ALPHABET = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=")


def test_kinds_do_not_meet_and_long_ids_end_in_a_digest():
    assert twin_id("vehicle", "A") != twin_id("pack", "A")
    assert twin_id("cell", "P1/03/07") == "cell-P1.03.07"
    long = shortened("x" * 10_000)
    assert len(long) == MAX_ID
    assert "=h" in long
