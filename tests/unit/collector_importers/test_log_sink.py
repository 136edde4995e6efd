"""The sink into the log: a full log is waited out, not for ever, and nothing else is."""

from __future__ import annotations

import pytest

from collector.importers import log_sink
from core import ManualClock
from core.errors import InvalidInput, Unavailable
from storage import Signal


class Log:
    """Refuses so many times, then takes."""

    def __init__(self, refusals: int, error: Exception) -> None:
        self.refusals, self.error = refusals, error
        self.taken: list[tuple[Signal, str, bytes, int]] = []

    def append(self, signal: Signal, tenant: str, payload: bytes, items: int) -> str:
        if self.refusals:
            self.refusals -= 1
            raise self.error
        self.taken.append((signal, tenant, payload, items))
        return "a position"


def test_full_log_is_waited_out(clock: ManualClock) -> None:
    log = Log(3, Unavailable("the log is full", retry_after_s=2))
    started = clock.monotonic()
    assert log_sink(log.append, "t", clock=clock, sleep=clock.advance)(b"x", 7) is None
    assert log.taken == [(Signal.LOGS, "t", b"x", 7)]
    assert clock.monotonic() - started == 6


def test_not_for_ever(clock: ManualClock) -> None:
    log = Log(1_000, Unavailable("the log is full", retry_after_s=0))
    started = clock.monotonic()
    with pytest.raises(Unavailable, match="the log is full"):
        log_sink(log.append, "t", clock=clock, give_up_after_s=5, sleep=clock.advance)(b"x", 7)
    assert 4 < clock.monotonic() - started <= 5


def test_other_errors_are_final(clock: ManualClock) -> None:
    log = Log(1, InvalidInput("no"))
    with pytest.raises(InvalidInput):
        log_sink(log.append, "t", clock=clock, sleep=clock.advance)(b"x", 7)
    assert not log.taken
