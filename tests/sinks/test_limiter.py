"""The limiter holds its rate for any number of threads, and stands still when told to."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from battery_lake.sinks.limiter import HEADROOM_FRAC, Limiter, burst_for


class Time:
    """A clock that only moves when somebody sleeps."""

    def __init__(self):
        self.at_s = 100.0

    def now_s(self):
        return self.at_s

    def sleep(self, seconds):
        self.at_s += seconds


def limiter(time, per_second, burst=1):
    return Limiter(per_second, burst=burst, now_s=time.now_s, sleep=time.sleep)


@given(st.floats(1.0, 2000.0), st.lists(st.floats(0.0, 0.5), min_size=2, max_size=60), st.integers(1, 5))
def test_no_second_holds_more_calls_than_allowed(per_second, idle_s, burst):
    time = Time()
    bucket = limiter(time, per_second, burst)
    went = []
    for seconds in idle_s:
        time.at_s += seconds
        bucket.take()
        went.append(time.at_s)
    for first in went:
        within = sum(first <= at < first + 1.0 - 1e-9 for at in went)
        assert within <= per_second * HEADROOM_FRAC + burst + 1e-6


def test_calls_without_a_pause_go_at_95_percent_of_the_limit():
    time = Time()
    bucket = limiter(time, 200.0)
    for _ in range(191):
        bucket.take()
    assert time.at_s - 100.0 == pytest.approx(1.0)


def test_a_request_that_counts_for_many_delays_the_next():
    time = Time()
    bucket = limiter(time, 10.0 / HEADROOM_FRAC)
    bucket.take(5)
    bucket.take()
    assert time.at_s == pytest.approx(100.5)


def test_holding_delays_everybody():
    time = Time()
    bucket = limiter(time, 10.0)
    bucket.hold(7.0)
    bucket.take()
    assert time.at_s == pytest.approx(107.0)


def test_threads_share_the_rate():
    bucket = Limiter(400.0)
    from battery_lake.clock import monotonic_s

    began_s = monotonic_s()
    threads = [threading.Thread(target=lambda: [bucket.take() for _ in range(20)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert monotonic_s() - began_s >= 159 / (400.0 * HEADROOM_FRAC)


@pytest.mark.parametrize("per_second", [1000.0, 500.0])
def test_no_second_holds_more_than_the_limit_though_all_threads_are_late_after_a_silence(per_second):
    time, threads = Time(), 16
    bucket = limiter(time, per_second, burst_for(per_second, threads))
    time.at_s += 10.0
    until_s, calls = time.at_s + 1.0, threads
    while time.at_s < until_s:
        bucket.take()
        calls += time.at_s < until_s
    assert per_second * HEADROOM_FRAC < calls <= per_second


def test_turns_that_the_machine_lets_pass_are_caught_up():
    time = Time()
    bucket = limiter(time, 1000.0, burst_for(1000.0, threads=16))
    for number in range(951):
        time.at_s += 0.03 * (number % 95 == 47)
        bucket.take()
    assert time.at_s - 100.0 == pytest.approx(1.0, abs=0.001)
