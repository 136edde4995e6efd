"""Receiver processes that hang, die and are stopped at any moment: none is left, and a stop waits for none of them."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from api.supervisor import Receivers
from core import ConfigurationError, Settings, SystemClock
from storage import StateDb
from tests.unit.collector.support import eventually

STOPPED_WITHIN_S = 12.0


def children() -> list[psutil.Process]:
    """The receivers of this process."""
    found = []
    for child in psutil.Process().children():
        try:
            if "api.receiver" in child.cmdline():
                found.append(child)
        except psutil.Error:
            continue
    return found


def soon(act: Callable[[], object]) -> float:
    """How many seconds it took; fails when it takes too long."""
    thread, started = threading.Thread(target=act, daemon=True), time.monotonic()
    thread.start()
    thread.join(STOPPED_WITHIN_S)
    assert not thread.is_alive(), "a stop must not wait for a process that hangs"
    return time.monotonic() - started


@pytest.fixture
def receivers(settings: Settings, state: StateDb) -> Iterator[Receivers]:
    made = Receivers(settings, SystemClock(), 2)
    yield made
    for child in children():
        child.kill()
    made.stop()


def test_stopped_before_it_was_opened(receivers: Receivers) -> None:
    """They wait for their order, and end when none can come any more."""
    receivers.start()
    assert soon(receivers.stop) < 5
    assert children() == []


def test_a_receiver_that_hangs_at_its_restart_does_not_hold_up_a_stop(receivers: Receivers) -> None:
    """Nor the other one's restart."""
    receivers.start()
    receivers.open()
    first, second = children()
    first.kill()
    eventually(lambda: {one.pid for one in children()} - {first.pid, second.pid}, 30)
    (hanging,) = [one for one in children() if one.pid not in (first.pid, second.pid)]
    os.kill(hanging.pid, signal.SIGSTOP)
    second.kill()
    eventually(lambda: {one.pid for one in children()} - {first.pid, second.pid, hanging.pid}, 30)
    eventually(lambda: receivers.alive, 30)
    soon(receivers.stop)
    assert children() == []


def test_one_that_cannot_start_says_why(receivers: Receivers, settings: Settings, state: StateDb) -> None:
    """What it found out is told, and nobody is left."""
    (settings.data_dir / "wal" / "lanes").mkdir(parents=True)
    (settings.data_dir / "wal" / "lanes" / "01").mkdir()
    (settings.data_dir / "wal" / "lanes" / "01" / "00000001.v9.open").write_bytes(b"")
    receivers.start()
    with pytest.raises(ConfigurationError, match="version 9"):
        receivers.open()
    soon(receivers.stop)
    assert children() == []
