"""The error family: three lines for the reader, an exit code, and a way through pickle."""

import pickle

import pytest

from battery_lake import errors
from battery_lake.errors import BatteryLakeError


def family():
    """Every error class of the package."""
    found = [BatteryLakeError]
    for kind in found:
        found.extend(kind.__subclasses__())
    return found


KINDS = family()


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_comes_whole_through_pickle(kind):
    fault = pickle.loads(pickle.dumps(kind("it failed", why="the cause", remedy="the cure")))
    assert type(fault) is kind
    assert (fault.what, fault.why, fault.remedy) == ("it failed", "the cause", "the cure")
    assert fault.args == ("it failed",)


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_lines_that_say_something_are_shown(kind):
    assert str(kind("it failed")) == "it failed"
    assert str(kind("it failed", why="so")) == "it failed\nwhy: so"
    assert str(kind("it failed", why="so", remedy="mend it")) == "it failed\nwhy: so\ndo:  mend it"


def test_exit_codes_tell_the_kinds_apart():
    codes = {kind.__name__: kind.exit_code for kind in KINDS}
    assert codes == {
        "BatteryLakeError": 1,
        "SettingsError": 2,
        "MappingError": 2,
        "SampleError": 2,
        "SuiteError": 2,
        "SetupError": 1,
        "ContractError": 1,
        "ReferenceDataError": 3,
        "DataLossError": 1,
        "RemoteError": 4,
        "BundleError": 3,
        "ModelError": 3,
        "QualityError": 5,
    }


def test_the_family_lives_in_one_module():
    assert {kind.__module__ for kind in KINDS} == {errors.__name__}
