"""A poller at work: what it stores, what it counts, how it fails, hangs and stops."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from collector.pollers import names
from collector.pollers.environment import Environment
from collector.pollers.health import PollerMetrics
from collector.pollers.readings import Deadline, Polled, PollFailed, QueueReading, Reason
from collector.pollers.runner import HANGS_AFTER, STORE_S, PollerRunner
from collector.pollers.service import Pollers
from collector.pollers.state import Phase
from core import ConfigurationError, ManualClock, Settings, SystemClock, Unavailable
from tests.unit.collector.support import eventually
from tests.unit.collector_pollers.support import Log, Told, poller, runner

ORDERS = QueueReading("redis", "orders", 5.0, 12.0)
LABELS = {"poller": "cache", "kind": "redis"}


def test_a_success(clock: ManualClock) -> None:
    """Points of the queue and of the poller, in one request of the poller's tenant, at the time of the poll."""
    log, registry = Log(), CollectorRegistry()
    one = runner(Told(Polled((ORDERS,), ("refunds: odd",))), log, clock, registry, tenant="shop")
    assert one.up() is None
    assert one.run_once().phase is Phase.HEALTHY
    tenant, request, items = log.requests[0]
    assert (tenant, items) == ("shop", 5)
    where = {names.SYSTEM: "redis", names.DESTINATION: "orders"}
    assert log.points(names.DEPTH) == [(where, 5.0)]
    assert log.points(names.OLDEST_AGE) == [(where, 12.0)]
    assert log.points(names.CONSUMERS) == []
    assert log.points(names.UP) == [({names.POLLER: "cache", names.KIND: "redis"}, 1.0)]
    assert log.points(names.LAST_SUCCESS)[0][1] == clock.now().timestamp()
    metric = request.resource_metrics[0].scope_metrics[0].metrics[0]
    assert metric.gauge.data_points[0].time_unix_nano == clock.time_ns()
    assert registry.get_sample_value("opsintel_poller_up", LABELS) == 1
    assert registry.get_sample_value("opsintel_poller_queues", LABELS) == 1
    assert registry.get_sample_value("opsintel_poller_queue_problems_total", LABELS) == 1
    assert (
        registry.get_sample_value("opsintel_poller_last_success_timestamp_seconds", LABELS) == clock.now().timestamp()
    )


def test_a_failure_stores_no_queue(clock: ManualClock) -> None:
    """The failure itself is told, with its reason; the last success stays what it was."""
    log, registry = Log(), CollectorRegistry()
    one = runner(Told(Polled((ORDERS,)), PollFailed(Reason.TIMEOUT, "late")), log, clock, registry)
    one.run_once()
    success = clock.now().timestamp()
    clock.advance(60)
    assert one.run_once().phase is Phase.FAILING
    assert log.points(names.DEPTH) == []
    assert log.points(names.UP)[0][1] == 0.0
    assert log.points(names.LAST_SUCCESS)[0][1] == success
    assert [(who[names.REASON], count) for who, count in log.points(names.FAILURES)] == [("timeout", 1.0)]
    assert registry.get_sample_value("opsintel_poller_up", LABELS) == 0
    assert registry.get_sample_value("opsintel_poller_failures_total", {**LABELS, "reason": "timeout"}) == 1
    status = one.status()
    assert (status.phase, status.reason, status.message, status.queues) == (Phase.FAILING, "timeout", "late", 1)


def test_a_queue_that_vanishes_stops_reporting(clock: ManualClock) -> None:
    log = Log()
    one = runner(Told(Polled((ORDERS,)), Polled(())), log, clock)
    one.run_once()
    assert one.run_once().phase is Phase.HEALTHY
    assert log.points(names.DEPTH) == []


@pytest.mark.parametrize("late", [False, True], ids=["refused at once", "refused later"])
def test_a_log_that_refuses(clock: ManualClock, late: bool) -> None:
    """What was not stored did not succeed."""
    log = Log()

    def submit(*_: Any) -> Future[Any]:
        if not late:
            raise Unavailable("the log is full")
        future: Future[Any] = Future()
        future.set_exception(Unavailable("the log is full"))
        return future

    log.submit = submit  # type: ignore[method-assign]
    one = runner(Told(Polled((ORDERS,))), log, clock)
    state = one.run_once()
    assert (state.phase, state.reason, state.last_success) == (Phase.FAILING, Reason.STORE, None)
    assert "the log is full" in state.message


def test_a_mistake_in_a_source_is_told_and_survived(clock: ManualClock) -> None:
    one = runner(Told(KeyError("x"), Polled((ORDERS,))), Log(), clock)
    assert one.run_once().reason is Reason.INTERNAL
    assert one.run_once().phase is Phase.HEALTHY


def test_two_readings_of_one_queue_are_a_lie(clock: ManualClock) -> None:
    other = QueueReading("redis", "orders", 1.0)
    state = runner(Told(Polled((ORDERS, other))), Log(), clock).run_once()
    assert state.reason is Reason.ANSWER
    assert "'orders' was read 2 times" in state.message
    groups = (QueueReading("redis", "orders", 1.0, group="a"), QueueReading("redis", "orders", 2.0, group="b"))
    assert runner(Told(Polled(groups)), Log(), clock).run_once().phase is Phase.HEALTHY


def test_secrets_do_not_leave(clock: ManualClock) -> None:
    environment = Environment({"P": "pa/ss word", "U": "postgresql://u:s3%23cret@h/d"})
    environment.secret("P", "cache", "password_env")
    environment.url("U", "cache", "url_env")
    told = Told(PollFailed(Reason.ANSWER, "pa/ss word, pa%2Fss%20word, s3%23cret and s3#cret"))
    state = runner(told, Log(), clock, environment=environment).run_once()
    assert state.message == "***, ***, *** and ***"


def test_a_poll_that_hangs_is_down(clock: ManualClock) -> None:
    """It does not end, so it cannot say so itself; the gauge does."""
    registry, inside, leave = CollectorRegistry(), threading.Event(), threading.Event()

    def hang(*_: Any) -> Polled:
        inside.set()
        leave.wait(20)
        return Polled(())

    one = runner(Told(Polled(()), hang), Log(), clock, registry, timeout_s=5)
    one.run_once()
    thread = threading.Thread(target=one.run_once)
    thread.start()
    assert inside.wait(20)
    assert registry.get_sample_value("opsintel_poller_up", LABELS) == 1
    clock.advance(HANGS_AFTER * 5 + STORE_S + 1)
    assert registry.get_sample_value("opsintel_poller_up", LABELS) == 0
    assert one.status().hangs
    leave.set()
    thread.join(20)
    assert registry.get_sample_value("opsintel_poller_up", LABELS) == 1


def waits_of(pollers: Pollers, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that each thread is waited for, as they come."""
    granted: list[float] = []

    def watch(thread: threading.Thread) -> None:
        join = thread.join

        def joined(seconds: float) -> None:
            began = time.monotonic()
            join(seconds)
            granted.append(min(seconds, time.monotonic() - began))

        monkeypatch.setattr(thread, "join", joined)

    for one in pollers._runners:
        watch(one._thread)
    return granted


def test_one_that_hangs_delays_nobody_and_a_stop_takes_two_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other goes on; what the hanging one brings after the stop is thrown away."""
    leave, metrics, log, clock = threading.Event(), PollerMetrics(CollectorRegistry()), Log(), SystemClock()

    def hang(_now: object, _deadline: Deadline) -> Polled:
        leave.wait(30)
        return Polled((QueueReading("redis", "late", 1.0),))

    class Hurried:
        """No luck at all: first polls are due at once, and the jitter takes what it can."""

        def uniform(self, low: float, high: float) -> float:
            return low

        def random(self) -> float:
            return 0.0

    def make(name: str, source: Told) -> PollerRunner:
        config = poller(name=name, interval_s=1, jitter=0.5)
        return PollerRunner(config, source, log.submit, clock, metrics, Environment({}), Hurried())  # type: ignore[arg-type]

    stuck, good = Told(hang), Told(Polled((ORDERS,)))
    pollers = Pollers.__new__(Pollers)
    pollers._runners = (make("stuck", stuck), make("good", good))
    pollers.start()
    eventually(lambda: good.polls >= 3)
    assert stuck.polls == 1
    waited = waits_of(pollers, monkeypatch)
    assert pollers.stop() is False
    assert 0 < sum(waited) <= 2, "what it grants them altogether; what a busy machine adds is not the product's"
    assert not leave.is_set()
    assert good.closed.is_set()
    assert pollers.status()[1].phase is Phase.STOPPED
    stored = len(log.requests)
    leave.set()
    assert stuck.closed.wait(20)
    assert len(log.requests) == stored


def test_without_a_file_there_are_none(settings: Settings, clock: ManualClock) -> None:
    pollers = Pollers(settings, Log().submit, clock, CollectorRegistry(), environ={})
    pollers.start()
    assert pollers.status() == []
    assert pollers.stop() is True


def test_a_variable_that_is_not_set_stops_the_start(settings: Settings, clock: ManualClock, tmp_path: Path) -> None:
    file = tmp_path / "pollers.toml"
    file.write_text(
        '[[poller]]\nname = "a"\nkind = "redis"\nlists = ["x"]\npassword_env = "NO_SUCH_VARIABLE"\n'
        '[[poller]]\nname = "b"\nenabled = false\nkind = "sql"\nurl_env = "NOT_THIS_EITHER"\nquery = "SELECT 1"\n'
    )
    chosen = settings.model_copy(update={"pollers_file": file})
    with pytest.raises(ConfigurationError, match=r"poller 'a': password_env names .*NO_SUCH_VARIABLE.*not set"):
        Pollers(chosen, Log().submit, clock, CollectorRegistry(), environ={})
    pollers = Pollers(chosen, Log().submit, clock, CollectorRegistry(), environ={"NO_SUCH_VARIABLE": "x"})
    assert [one.name for one in pollers.status()] == ["a"]
    assert pollers.stop() is True
