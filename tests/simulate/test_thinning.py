"""Thinned recordings hold the charge of the whole."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from battery_lake.simulate.thinning import SendOnChange, at_intervals, send_on_change

RULE = SendOnChange(voltage_v=0.01, current_a=0.04, interval_s=120.0, below_v=2.75, near_full_v=4.195)


@given(st.lists(st.tuples(st.sampled_from([0.0, 1.5, -2.0]), st.integers(1, 30)), min_size=1, max_size=8))
def test_steps_of_current_keep_their_charge_exactly(steps: list[tuple[float, int]]) -> None:
    current_a = np.repeat([amps for amps, _ in steps], [count for _, count in steps])
    time_s = 10.0 * np.arange(len(current_a))
    voltage_v = 3.7 + 0.05 * current_a
    sent = send_on_change(np.zeros(len(current_a), np.int64), time_s, voltage_v, current_a, RULE)
    whole, thinned = np.trapezoid(current_a, time_s), np.trapezoid(current_a[sent], time_s[sent])
    np.testing.assert_allclose(thinned, whole, atol=1e-6)


@given(st.integers(2, 400), st.floats(1.0, 60.0), st.integers(0, 2**32 - 1))
def test_nothing_sent_is_further_off_than_the_rule_allows(rows: int, step_s: float, seed: int) -> None:
    noise = np.random.default_rng(seed)
    time_s = step_s * np.arange(rows)
    voltage_v = 3.5 + np.cumsum(noise.normal(0, 0.003, rows))
    current_a = np.cumsum(noise.normal(0, 0.01, rows))
    sent = send_on_change(np.zeros(rows, np.int64), time_s, voltage_v, current_a, RULE)
    held = np.maximum.accumulate(np.where(sent, np.arange(rows), 0))  # the last sample sent at each instant
    assert sent[0]
    assert sent[-1]
    assert np.abs(voltage_v - voltage_v[held]).max() < RULE.voltage_v
    assert np.abs(current_a - current_a[held]).max() < RULE.current_a
    assert (time_s - time_s[held]).max() < RULE.interval_s


def test_a_flat_rest_sends_its_ends_and_a_sign_of_life() -> None:
    time_s = 10.0 * np.arange(100)
    flat = np.full(100, 3.6)
    sent = send_on_change(np.zeros(100, np.int64), time_s, flat, np.zeros(100), RULE)
    assert np.flatnonzero(sent).tolist() == [0, 12, 24, 36, 48, 60, 72, 84, 96, 99]


def test_every_run_keeps_its_first_and_last_sample() -> None:
    run = np.repeat([0, 1, 2], 5)
    sent = send_on_change(run, np.arange(15.0), np.full(15, 3.6), np.zeros(15), RULE)
    assert np.flatnonzero(sent).tolist() == [0, 4, 5, 9, 10, 14]


def test_the_end_of_a_discharge_keeps_every_sample() -> None:
    voltage_v = np.array([2.752, 2.7501, 2.7499, 2.7498, 2.7497, 2.7496])
    sent = send_on_change(np.zeros(6, np.int64), np.arange(6.0), voltage_v, np.full(6, -2.0), RULE)
    assert sent.tolist() == [True, False, True, True, True, True]


def test_both_samples_around_the_first_rise_to_full_are_kept() -> None:
    voltage_v = np.array([4.190, 4.191, 4.194, 4.196, 4.194, 4.196, 4.196])
    sent = send_on_change(np.zeros(7, np.int64), np.arange(7.0), voltage_v, np.full(7, 1.5), RULE)
    assert np.flatnonzero(sent).tolist() == [0, 2, 3, 6]


def test_an_interval_is_kept_and_a_change_is_sent_at_once() -> None:
    changed = np.zeros(30, bool)
    changed[[0, 7]] = True
    assert np.flatnonzero(at_intervals(np.arange(30.0), changed, 10.0)).tolist() == [0, 7, 17, 27]


def test_an_empty_recording_sends_nothing() -> None:
    none = np.array([])
    assert send_on_change(none.astype(np.int64), none, none, none, RULE).tolist() == []
