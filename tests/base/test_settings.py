"""Settings: which layer wins, where a value came from, and how a wrong key or value is refused."""

import pytest

from battery_lake.errors import SettingsError
from battery_lake.settings import known_keys, load


def refused(*arguments, **given):
    with pytest.raises(SettingsError) as caught:
        load(arguments, **{"environment": {}, **given})
    return caught.value


@pytest.fixture
def toml(tmp_path):
    def write(text):
        file = tmp_path / "battery_lake.toml"
        file.write_text(text, encoding="utf-8")
        return file

    return write


def test_defaults_give_way_to_the_file_the_environment_and_the_arguments(toml):
    file = toml("[sessions]\ngap_s = 11\nwindow_s = 12\nrest_c_rate = 0.13\n")
    environment = {"BATTERY_LAKE_SESSIONS__WINDOW_S": "22", "BATTERY_LAKE_SESSIONS__REST_C_RATE": "0.23"}
    settings, origins = load(["sessions.rest_c_rate=0.33"], config=file, environment=environment)

    assert settings.sessions.gap_s == 11
    assert settings.sessions.window_s == 22
    assert settings.sessions.rest_c_rate == 0.33
    assert settings.spark.master == "local[2]"
    assert dict(origins) == {
        "sessions.gap_s": str(file),
        "sessions.window_s": "environment",
        "sessions.rest_c_rate": "argument",
    }


def test_the_file_of_the_working_folder_is_read_unless_another_is_named(toml, tmp_path, monkeypatch):
    toml('home = "here"')
    other = tmp_path / "other.toml"
    other.write_text('home = "there"', encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    assert str(load(environment={})[0].home) == "here"
    assert str(load(environment={"BATTERY_LAKE_CONFIG": str(other)})[0].home) == "there"


def test_landing_is_under_home_unless_it_is_set():
    settings, _ = load(["home=/data"], environment={})
    assert str(settings.landing) == "/data/landing"
    elsewhere, _ = load(["home=/data", "source.landing=/drop"], environment={})
    assert str(elsewhere.landing) == "/drop"


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [
        ("spark.mastr=local", "spark.master"),  # a key
        ("sparc.master=local", "spark.master"),  # a section
        ("session.gap_s=1", "sessions.gap_s"),
        ("healths.eol_soh_pct=1", "health.eol_soh_pct"),
        ("hom=x", "home"),
    ],
)
def test_a_misspelt_key_or_section_names_the_nearest_one(wrong, nearest):
    fault = refused(wrong)
    assert fault.what == f"{wrong.partition('=')[0]} in the arguments is no setting"
    assert fault.remedy == f"did you mean {nearest}?"


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [
        ("BATTERY_LAKE_SPARC__MASTER", "BATTERY_LAKE_SPARK__MASTER"),
        ("BATTERY_LAKE_SPARK_MASTER", "BATTERY_LAKE_SPARK__MASTER"),
        ("BATTERY_LAKE_SOURCE__LANDINGS", "BATTERY_LAKE_SOURCE__LANDING"),
    ],
)
def test_a_misspelt_variable_is_answered_as_a_variable(wrong, nearest):
    fault = refused(environment={wrong: "x"})
    assert fault.what == f"{wrong} in the environment is no setting"
    assert fault.remedy == f"did you mean {nearest}?"


def test_a_misspelt_section_of_the_file_is_refused(toml):
    file = toml("[refin]\nclock_skew_s = 1\n")
    fault = refused(config=file)
    assert fault.what == f"refin.clock_skew_s in {file} is no setting"
    assert fault.remedy == "did you mean refine.clock_skew_s?"


def test_a_key_like_no_other_is_sent_to_the_list_of_keys():
    assert refused("qqqq=1").remedy == "`battery-lake settings` lists every key"


def test_other_variables_of_the_package_are_no_settings():
    environment = {"BATTERY_LAKE_JARS": "/jars", "BATTERY_LAKE_MAVEN_URL": "x", "PATH": "/bin"}
    assert load(environment=environment)[1] == {}


@pytest.mark.parametrize(
    ("pair", "why"),
    [
        ("source.max_files_per_trigger=0", "Input should be greater than or equal to 1"),
        ("source.max_files_per_trigger=many", "Input should be a valid integer, unable to parse string"),
        ("refine.clock_skew_s=-1", "Input should be greater than 0"),
        ("sessions.gap_s=nan", "Input should be greater than 0"),
    ],
)
def test_a_bad_value_is_shown_with_its_reason_its_origin_and_what_the_key_means(pair, why):
    key, _, value = pair.partition("=")
    fault = refused(pair)
    assert fault.what == f"{key} = {value!r} cannot be used"
    assert fault.why.startswith(why)
    assert fault.why.endswith("(from argument)")
    assert fault.remedy == known_keys()[key]
    assert fault.exit_code == 2


def test_an_argument_without_a_value_a_missing_file_and_broken_toml_are_refused(toml, tmp_path):
    assert refused("spark.master").what == "spark.master is no key=value"
    assert "is not there" in refused(config=tmp_path / "absent.toml").what
    broken = refused(config=toml("spark = [\n"))
    assert "is not valid TOML" in broken.what
    assert broken.why


def test_every_key_says_what_it_means():
    assert [key for key, meaning in known_keys().items() if key != "home" and not meaning] == []
