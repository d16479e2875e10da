"""Cells of the NASA battery data set: capacity by full discharge, and the filter over a whole life."""

from pathlib import Path

import numpy as np
import pytest

from battery_lake.cells.capacity import full_discharge, plausible
from battery_lake.cells.metrics import coverage90, mae
from battery_lake.cells.session_stats import Samples, summarise
from battery_lake.cells.sessions import SessionParams, cut
from battery_lake.cells.soh_filter import FilterParams, combine_day, initial_state, reported_std, step

DATA = Path(__file__).parents[3] / "shared" / "data" / "nasa_pcoe"
RATED_AH = 2.0
LOW_V = 2.7
BETWEEN_STEPS_S = 3000.0  # the files hold no wall clock; this puts the life into about 40 days, as it was

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the NASA cells are not beside this checkout")


@pytest.fixture(scope="module", params=["B0005", "B0006"])
def life(request):
    """End of each session, its statistics, and the tester's own capacity of that discharge."""
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(DATA / f"{request.param}.parquet").to_pydict()
    column = {
        name: np.array(table[name], dtype=np.float64) for name in table if name not in {"cell_id", "step"}
    }
    part = 2 * column["cycle_number"] + (np.array(table["step"]) == "discharge")
    order = np.lexsort([column["elapsed_s"], part])
    column, part = {name: values[order] for name, values in column.items()}, part[order]
    n = part.size
    new = np.diff(part, prepend=-1.0) != 0
    lengths = np.append(column["elapsed_s"][np.flatnonzero(new)[1:] - 1], 0.0) + BETWEEN_STEPS_S
    begins = np.concatenate([[0.0], np.cumsum(lengths[:-1])])
    blank, same = np.full(n, np.nan), np.zeros(n, dtype=np.int64)
    samples = Samples(
        same, begins[np.cumsum(new) - 1] + column["elapsed_s"], column["current_a"], blank, blank,
        column["temperature_c"], column["temperature_c"], blank, column["voltage_v"][:, None],
        np.full(n, LOW_V), np.full(n, RATED_AH),
    )  # fmt: skip
    params = SessionParams()
    starts, kind = cut(
        samples.seconds, samples.current_a, same, params.rest_c_rate * RATED_AH, same > 0, params
    )
    stats = summarise(samples, starts, kind, params)
    return samples.seconds[stats.last], stats, column["measured_capacity_ah"][stats.first]


def test_the_charge_to_the_low_limit_is_the_capacity_that_the_tester_measured(life):
    _, stats, measured_ah = life
    emptied = np.isfinite(stats.low_limit_charge_ah)
    assert emptied.sum() == 168
    assert np.abs(stats.low_limit_charge_ah - measured_ah)[emptied].max() < 0.001


def test_the_filter_follows_a_cell_through_thirty_percent_of_fade(life):
    ended_s, stats, measured_ah = life
    sessions = ended_s.size
    capacity, variance = plausible(
        *full_discharge(
            stats.low_limit_charge_ah,
            stats.min_cell_voltages_v,
            np.full(sessions, LOW_V),
            np.ones((sessions, 1)),
        ),
        np.full((sessions, 1), RATED_AH),
    )
    params, state = FilterParams(), initial_state(1)
    soh, std, truth = [], [], []
    days = np.floor(ended_s / 86400.0)
    for day in np.unique(days[np.isfinite(capacity[:, 0])]):
        value, spread, count = combine_day(capacity[days == day], variance[days == day])
        state = step(
            state, np.array([day]), value / RATED_AH * 100, spread * (100 / RATED_AH) ** 2, params, count
        )
        soh.append(state.soh_pct[0])
        std.append(reported_std(state, params)[0])
        truth.append(measured_ah[(days == day) & np.isfinite(capacity[:, 0])][-1] / RATED_AH * 100)
    assert state.observations[0] == 168
    assert mae(soh, truth) < 1.5
    assert coverage90(soh, std, truth) > 0.65
