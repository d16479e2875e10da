"""Faults that pass are waited out, faults that last are told apart, and patience ends."""

import pytest

from battery_lake.errors import RemoteError
from battery_lake.sinks.limiter import Limiter
from battery_lake.sinks.retry import Fault, RefusedError, with_retries


class ThrottledError(Exception):
    pass


class BrokenError(Exception):
    pass


class WrongError(Exception):
    pass


def judge(raised):
    if isinstance(raised, ThrottledError):
        return Fault("429", passes=True, wait_s=3.0)
    if isinstance(raised, BrokenError):
        return Fault("503", passes=True)
    return Fault("400 no such property", passes=False) if isinstance(raised, WrongError) else None


class Service:
    """Raises what is left of its faults, then answers."""

    def __init__(self, *faults):
        self.faults = list(faults)
        self.calls = 0

    def __call__(self):
        self.calls += 1
        if self.faults:
            raise self.faults.pop(0)
        return "answer"


@pytest.fixture
def slept():
    return []


@pytest.fixture
def ask(slept):
    limiter = Limiter(1e9, sleep=slept.append)
    return lambda service, **more: with_retries(service, judge, limiter, sleep=slept.append, **more)


def test_a_broken_service_is_asked_again_with_growing_pauses(ask, slept):
    assert ask(Service(*[BrokenError()] * 4)) == "answer"
    pauses = [seconds for seconds in slept if seconds > 0.01]
    assert len(pauses) == 4
    assert all(0.1 * 2**n <= seconds <= 0.2 * 2**n for n, seconds in enumerate(pauses))


def test_a_throttling_service_holds_everybody_for_the_time_it_asks_for(ask, slept):
    assert ask(Service(ThrottledError())) == "answer"
    assert [seconds for seconds in slept if seconds > 0.01] == [pytest.approx(3.0, abs=0.1)]


def test_a_refusal_is_not_repeated(ask):
    service = Service(WrongError())
    with pytest.raises(RefusedError, match="no such property"):
        ask(service)
    assert service.calls == 1


def test_patience_ends_with_what_the_service_said(ask):
    with pytest.raises(RemoteError, match="did not answer") as told:
        ask(Service(*[ThrottledError()] * 9), patience_s=1.0)
    assert "429" in told.value.why


def test_what_is_no_fault_of_the_service_is_raised_as_it_is(ask):
    with pytest.raises(KeyError):
        ask(Service(KeyError("ours")))
