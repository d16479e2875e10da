import pytest

from battery_lake.errors import MappingError
from battery_lake.mapping import load
from battery_lake.mapping.compile import compile_mapping, compiled

HEAD = "mapping: made\nsignals:\n  pack_id: {path: p}\n  measured_at: {path: t}\n  sequence: {path: n}\n"

FAULTS = {
    "no YAML": ("mapping: [", 1, "no YAML"),
    "a tab": ("mapping: x\n\tsignals: y", 2, "no YAML"),
    "nothing": ("", 1, "no keys and values"),
    "a list": ("- a", 1, "no keys and values"),
    "no name": ("signals: {}", 1, "mapping: field required"),
    "a name with a blank": (HEAD.replace("made", "my car"), 1, "pattern"),
    "an unknown key": (HEAD + "  current_a: {path: i, unti: A}\n", 6, "unti: no such key"),
    "a key twice": (HEAD + "  current_a: {path: i}\n  current_a: {path: j}\n", 7, "stands twice"),
    "an unknown signal": (HEAD + "  amps: {path: i}\n", 6, "no such signal"),
    "a signal missing": (HEAD.replace("  sequence: {path: n}\n", ""), 2, "sequence must be there"),
    "a wrong unit": (HEAD + "  current_a:\n    path: i\n    unit: V\n", 6, "V is no unit of A"),
    "a unit that is none": (HEAD + "  current_a: {path: i, unit: Amperes/}\n", 6, "no unit that pint knows"),
    "a unit for a name": (HEAD.replace("path: p", "path: p, unit: V"), 3, "no unit, scale or offset"),
    "text for a number": (HEAD + "  current_a: {path: i, scale: ten}\n", 6, "valid number"),
    "a sign for a voltage": (
        HEAD + "  pack_voltage_v: {path: u, sign: discharge_positive}\n",
        6,
        "has a sign",
    ),
    "no source": (HEAD + "  current_a: {unit: A}\n", 6, "not none"),
    "two sources": (HEAD + "  current_a: {path: i, constant: 1}\n", 6, "path and constant"),
    "an empty step": (HEAD + "  current_a: {path: a..b}\n", 6, "no step of a path"),
    "a value and an object": (HEAD + "  current_a: {path: p.i}\n", 6, "inside what another path reads"),
    "two types": (HEAD + "  current_a: {path: p}\n", 6, "two different types"),
    "case alone": (HEAD + "  current_a: {path: P}\n", 6, "differ in case alone"),
    "a list for a number": (HEAD + "  current_a: {path: 'i[*]'}\n", 6, "is a list, the signal is none"),
    "fields without count": (HEAD + "  cell_voltages_v: {fields: 'V_{n}'}\n", 6, "go together"),
    "fields without n": (HEAD + "  cell_voltages_v: {fields: 'V', count: 3}\n", 6, "must hold"),
    "fields for a number": (HEAD + "  current_a: {fields: [a]}\n", 6, "only a list"),
    "a state that is none": (HEAD + "  state: {path: s, enum: {1: sleeping}}\n", 6, "sleeping is none of"),
    "a case without a test": (HEAD + "  state: {cases: [{path: s, gives: parked}]}\n", 6, "a case needs"),
    "a bad format": (HEAD.replace("path: t", "path: t, format: julian"), 4, "neither iso"),
    "a bad zone": (HEAD.replace("path: t", "path: t, format: yyyy, zone: Mars/Base"), 4, "no time zone"),
    "a zone for an epoch": (
        HEAD.replace("path: t", "path: t, format: epoch_s, zone: Asia/Seoul"),
        4,
        "a zone",
    ),
    "an envelope without messages": (HEAD.replace("{path: p}", "{envelope: p}"), 1, "there is none"),
    "a bad pattern": (HEAD + "applies:\n  device: 'V['\n", 7, "no regular expression"),
    "a schema for JSON": (HEAD + "body: {avro_schema: '{}'}\n", 6, "the body is no Avro"),
    "no Avro schema": (HEAD + 'body: {kind: avro, avro_schema: \'{"type": "x"}\'}\n', 6, "no Avro schema"),
    "an Avro schema that is not there": (
        HEAD + "body: {kind: avro, avro_schema: a.avsc}\n",
        6,
        "no Avro schema",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_faulty_mapping_is_refused_with_line_and_reason(name, tmp_path):
    text, line, why = FAULTS[name]
    path = tmp_path / "my.yml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(MappingError) as fault:
        compile_mapping(*load.read(path))
    assert fault.value.what.startswith(f"{path}:{line}:")
    assert why in fault.value.why
    assert fault.value.remedy


def test_a_misspelt_key_is_told_with_the_right_one(tmp_path):
    path = tmp_path / "my.yml"
    path.write_text(HEAD + "  current_a: {path: i, invlid: [1]}\n", encoding="utf-8")
    with pytest.raises(MappingError) as fault:
        load.read(path)
    assert fault.value.remedy == "did you mean invalid?"


def test_words_that_yaml_takes_for_something_else_stay_words(tmp_path):
    path = tmp_path / "my.yml"
    path.write_text(
        HEAD + "  state: {path: s, enum: {on: driving, no: parked, 12:30: charging, 2026-01-01: parked}}\n",
        encoding="utf-8",
    )
    mapping, _ = load.read(path)
    assert list(mapping.signals["state"].enum) == ["on", "no", "12:30", "2026-01-01"]


@pytest.mark.parametrize(
    ("names", "why"),
    [
        ((), "no mapping is in use"),
        (("vvs",), "there is no mapping vvs"),
        (("nowhere/my.yml",), "is not there"),
    ],
)
def test_a_mapping_that_cannot_be_found_is_told(names, why):
    with pytest.raises(MappingError, match=why):
        compiled(names)


def test_two_mappings_of_one_name_are_refused(tmp_path):
    path = tmp_path / "vss.yml"
    path.write_text(load.find("vss").read_text("utf-8"), encoding="utf-8")
    with pytest.raises(MappingError, match="two mappings are named vss"):
        compiled(("vss", str(path)))


@pytest.mark.parametrize("name", load.shipped_names())
def test_every_shipped_mapping_compiles_and_says_what_it_is_for(name):
    mapping, source = load.read(load.find(name))
    assert mapping.mapping == name
    assert len(mapping.description) > 40
    compile_mapping(mapping, source)
