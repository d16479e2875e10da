"""The common form of simulated and replayed telemetry."""

import numpy as np
import pytest

from battery_lake.errors import ContractError
from battery_lake.simulate.columns import PackMessages


def test_columns_of_unequal_length_are_refused():
    two = np.zeros(2)
    with pytest.raises(ContractError, match="soc_pct has 3 rows"):
        PackMessages("V00001", "P00001", two, two.astype(np.int64), two, two, soc_pct=np.zeros(3))


def test_absent_columns_are_fine():
    two = np.zeros(2)
    assert len(PackMessages("V00001", "P00001", two, two.astype(np.int64), two, two)) == 2
