import doctest
import importlib
import pkgutil

import pytest

import battery_lake.cells

MODULES = [m.name for m in pkgutil.iter_modules(battery_lake.cells.__path__, "battery_lake.cells.")]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_the_docstrings_are_true(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
