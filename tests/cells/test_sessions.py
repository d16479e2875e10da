import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from battery_lake.cells.sessions import CHARGE, DRIVE, REST, SessionParams, cut

PARAMS = SessionParams()


def label(current_a, step_s=10.0, **given_):
    current_a = np.asarray(current_a, dtype=float)
    n = current_a.size
    seconds = given_.get("seconds", np.arange(n) * step_s)
    pack = given_.get("pack", np.zeros(n, dtype=int))
    driving = given_.get("driving", np.zeros(n, dtype=bool))
    return cut(np.asarray(seconds, dtype=float), current_a, pack, given_.get("rest_a", 1.0), driving, PARAMS)


@st.composite
def series(draw, most=60):
    n = draw(st.integers(1, most))
    steps = draw(
        st.lists(st.sampled_from([0.0, 1.0, 10.0, 30.0, 60.0, 61.0, 300.0, 1000.0]), min_size=n, max_size=n)
    )
    current = draw(st.lists(st.sampled_from([0.0, 0.0, 0.5, 20.0, -20.0, np.nan]), min_size=n, max_size=n))
    driving = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    return np.cumsum(steps), np.array(current), np.array(driving)


def test_recuperation_stays_in_its_drive_and_charging_does_not():
    current = np.concatenate([
        np.zeros(30),
        np.tile([-40, -30, 25, -10], 10),
        np.zeros(30),
        np.full(30, 50.0),
    ])
    starts, kind = label(current)
    assert [kind[i] for i in np.flatnonzero(starts)] == [REST, DRIVE, REST, CHARGE]


def test_recuperation_at_the_very_end_of_a_drive_makes_no_charge():
    starts, kind = label(np.concatenate([np.full(10, -40.0), np.full(5, 25.0), np.zeros(40)]))
    assert [kind[i] for i in np.flatnonzero(starts)] == [DRIVE, REST]


def test_a_short_stop_does_not_end_a_drive_but_a_long_one_does():
    short = label(np.concatenate([np.full(10, -40.0), np.zeros(11), np.full(10, -40.0)]))[0]
    long = label(np.concatenate([np.full(10, -40.0), np.zeros(30), np.full(10, -40.0)]))[0]
    assert (short.sum(), long.sum()) == (1, 3)


def test_a_silence_longer_than_a_gap_starts_a_session_and_one_as_long_does_not():
    seconds = 1.7e9 + 0.1 + np.array([0.0, 900.0, 1800.000001])
    assert label(np.zeros(3), seconds=seconds)[0].tolist() == [True, False, True]


def test_packs_never_share_a_session_or_a_window():
    starts, kind = label([-40.0, 0.0], seconds=[0.0, 0.0], pack=np.array([4, 9]))
    assert starts.tolist() == [True, True]
    assert kind.tolist() == [DRIVE, REST]


def test_a_pack_that_says_it_drives_while_current_goes_in_drives():
    assert label([20.0, 20.0], driving=np.array([True, False]))[1].tolist() == [DRIVE, DRIVE]
    assert label([0.0, 0.0], driving=np.array([True, True]))[1].tolist() == [REST, REST]


def test_a_missing_current_takes_the_kind_of_its_neighbours():
    assert label([50.0, np.nan, 50.0])[1].tolist() == [CHARGE] * 3
    assert label([np.nan])[1].tolist() == [REST]


def test_each_pack_has_its_own_threshold():
    starts, kind = label([2.0, 2.0], seconds=[0.0, 0.0], pack=np.array([0, 1]), rest_a=np.array([1.0, 4.0]))
    assert kind.tolist() == [CHARGE, REST]
    assert starts.all()


def test_no_sample_at_all_survives():
    starts, kind = label([])
    assert (starts.size, kind.size) == (0, 0)


@given(series(), series(), series(), st.floats(0, 1e9))
def test_samples_far_away_change_no_label(before, middle, after, offset):
    seconds, current, driving = middle
    alone = label(current, seconds=seconds, driving=driving)
    far = 2_000.0
    parts = [before[0], before[0][-1] + far + seconds, before[0][-1] + 2 * far + seconds[-1] + after[0]]
    all_starts, all_kinds = label(
        np.concatenate([before[1], current, after[1]]),
        seconds=np.rint(offset) + np.concatenate(parts),
        driving=np.concatenate([before[2], driving, after[2]]),
    )
    own = slice(before[0].size, before[0].size + seconds.size)
    np.testing.assert_array_equal(all_kinds[own], alone[1])
    np.testing.assert_array_equal(all_starts[own], alone[0])


@given(series(), series())
def test_other_packs_change_no_label(one, other):
    packs = np.repeat([0, 1], [one[0].size, other[0].size])
    together = label(
        np.concatenate([one[1], other[1]]),
        seconds=np.concatenate([one[0], other[0]]),
        pack=packs,
        driving=np.concatenate([one[2], other[2]]),
    )
    for pack, (seconds, current, driving) in enumerate((one, other)):
        alone = label(current, seconds=seconds, driving=driving)
        np.testing.assert_array_equal(together[0][packs == pack], alone[0])
        np.testing.assert_array_equal(together[1][packs == pack], alone[1])


@given(series(), st.data())
def test_a_series_cut_at_the_start_of_a_session_gives_the_same_sessions(whole, data):
    seconds, current, driving = whole
    starts, kind = label(current, seconds=seconds, driving=driving)
    at = data.draw(st.sampled_from(np.flatnonzero(starts).tolist()))
    parts = [
        label(current[s], seconds=seconds[s], driving=driving[s]) for s in (slice(0, at), slice(at, None))
    ]
    np.testing.assert_array_equal(np.concatenate([p[1] for p in parts]), kind)
    np.testing.assert_array_equal(np.concatenate([p[0] for p in parts]), starts)
