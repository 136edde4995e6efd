"""One poller at work: a thread that waits until it is due, polls, hands the points over, and keeps its own health.

Each source has a thread of its own, so one that hangs delays nobody. A thread that hangs in a library cannot be ended
from outside; it is left behind at a stop, and what it brings afterwards is thrown away.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from collector.pollers.encode import Health, encode
from collector.pollers.environment import Environment
from collector.pollers.health import PollerMetrics
from collector.pollers.models import AnyPoller
from collector.pollers.readings import Deadline, Polled, PollFailed, QueueReading, Reason, Source
from collector.pollers.sources import server_of
from collector.pollers.state import Event, Outcome, Phase, PollerState, step
from core.clock import Clock
from core.errors import OpsintelError
from core.logs import get_logger
from storage import Signal

log = get_logger("pollers")

Submit = Callable[[Signal, str, bytes, int], Future[Any]]
"""`Collector.submit`: the future is done when the points are durable; it, or the call, raises core.Unavailable."""

HANGS_AFTER = 2.0
"""A poll that has run for this many times its time-out counts as hanging."""
FIRST_WITHIN_S = 2.0
"""First polls are spread over this many seconds, or over the interval where that is shorter."""
STORE_S = 10.0
"""How long the log may take to make the points durable."""


@dataclass(frozen=True)
class PollerStatus:
    """How a poller stands, for people. `queues` is what its last successful poll brought."""

    name: str
    kind: str
    tenant: str
    phase: Phase
    hangs: bool
    failures: int
    last_success: datetime | None
    reason: str
    message: str
    queues: int


class PollerRunner:
    """A poller and its thread. `start` once, `stop` and then `join`."""

    def __init__(
        self,
        poller: AnyPoller,
        source: Source,
        submit: Submit,
        clock: Clock,
        metrics: PollerMetrics,
        environment: Environment,
        luck: random.Random,
    ) -> None:
        self.poller = poller
        self._source, self._submit, self._clock = source, submit, clock
        self._metrics, self._environment, self._luck = metrics, environment, luck
        self._labels = (poller.name, poller.kind)
        self._server = server_of(poller)
        first = luck.uniform(0, min(FIRST_WITHIN_S, poller.interval_s))
        self._state = PollerState(due=clock.monotonic() + first)
        self._began: float | None = None
        self._failed: Counter[str] = Counter()
        self._queues = 0
        self._since = clock.time_ns()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"poller-{poller.name}", daemon=True)
        metrics.watch(*self._labels, self.up)

    # --- life ---

    def start(self) -> None:
        """Begins to poll."""
        self._thread.start()

    def stop(self) -> None:
        """Asks it to end; returns at once."""
        self._stop.set()

    def join(self, seconds: float) -> bool:
        """Waits for its end; False when it hangs."""
        if self._thread.ident is None:
            self._source.close()
            return True
        self._thread.join(max(0.0, seconds))
        return not self._thread.is_alive()

    def _work(self) -> None:
        try:
            while not self._stop.wait(max(0.0, self._state.due - self._clock.monotonic())):
                self.run_once()
        finally:
            now = self._clock.now()
            self._state = step(self._state, Outcome(Event.STOPPED, now, self._clock.monotonic()), self.poller.pace, 0.5)
            self._source.close()

    # --- one poll ---

    def run_once(self) -> PollerState:
        """Polls now, hands over what came, and returns where the poller stands then. Raises nothing."""
        now, at_ns = self._clock.now(), self._clock.time_ns()
        began = self._began = self._clock.monotonic()
        polled, problem = self._poll(now)
        duration = self._clock.monotonic() - began
        if self._stop.is_set():
            self._began = None
            return self._state
        if polled is not None:
            problem = self._store(polled, duration, at_ns)
        self._settle(polled, problem, duration)
        if polled is None:
            # That it fails is worth knowing; that this could not be stored as well changes nothing.
            self._store(None, duration, at_ns)
        return self._state

    def _poll(self, now: datetime) -> tuple[Polled | None, PollFailed | None]:
        try:
            polled = self._source.poll(now, Deadline(self._clock, self.poller.timeout_s))
            return Polled(unique(polled.readings), polled.problems), None
        except PollFailed as problem:
            return None, problem
        except Exception as problem:  # the rim: a mistake in one poller must not end it, nor pass unseen
            text = self._environment.redact(repr(problem))
            log.error("a poll failed unexpectedly", poller=self.poller.name, error=text)
            return None, PollFailed(Reason.INTERNAL, f"an unexpected {type(problem).__name__}", hint="see the log")

    def _store(self, polled: Polled | None, duration: float, at_ns: int) -> PollFailed | None:
        success = self._clock.now() if polled is not None else self._state.last_success
        health = Health(
            *self._labels,
            server=self._server,
            up=polled is not None,
            duration_s=duration,
            started_ns=self._since,
            last_success_s=success.timestamp() if success else None,
            failures=dict(self._failed),
        )
        payload, items = encode(polled.readings if polled else (), health, at_ns)
        try:
            self._submit(Signal.METRICS, self.poller.tenant, payload, items).result(STORE_S)
        except OpsintelError as problem:
            return PollFailed(Reason.STORE, f"the points were not stored: {problem.message}")
        except FutureTimeout:
            return PollFailed(Reason.STORE, f"the log did not take the points within {STORE_S:g} s")
        return None

    def _settle(self, polled: Polled | None, problem: PollFailed | None, duration: float) -> None:
        before, now, monotonic = self._state, self._clock.now(), self._clock.monotonic()
        self._metrics.duration.labels(*self._labels).observe(duration)
        if problem is None:
            outcome = Outcome(Event.SUCCEEDED, now, monotonic)
        else:
            text = self._environment.redact(str(problem))
            outcome = Outcome(Event.FAILED, now, monotonic, problem.reason, text, problem.retry_after_s)
            self._failed[problem.reason.value] += 1
            self._metrics.failures.labels(*self._labels, problem.reason.value).inc()
        self._state, self._began = step(before, outcome, self.poller.pace, self._luck.random()), None
        if polled is not None and problem is None:
            self._queues = len(polled.readings)
            self._metrics.queues.labels(*self._labels).set(self._queues)
            self._metrics.last_success.labels(*self._labels).set(now.timestamp())
            self._metrics.problems.labels(*self._labels).inc(len(polled.problems))
            for text in polled.problems[:5]:
                log.debug("a queue could not be read", poller=self.poller.name, problem=self._environment.redact(text))
        self._tell(before, self._state)

    def _tell(self, before: PollerState, after: PollerState) -> None:
        """Changes are logged, not every failure of a long outage."""
        if after.phase is Phase.FAILING and (before.phase, before.reason) != (after.phase, after.reason):
            log.warning("a poller fails", poller=self.poller.name, reason=after.reason, error=after.message)
        elif after.phase is Phase.HEALTHY and before.phase is Phase.FAILING:
            log.info("a poller works again", poller=self.poller.name, failures=before.failures)

    # --- how it stands ---

    def up(self) -> bool | None:
        """Whether its polls succeed; None before the first one has ended."""
        if self._hangs():
            return False
        return None if self._state.phase is Phase.NEW else self._state.phase is Phase.HEALTHY

    def _hangs(self) -> bool:
        began = self._began
        return began is not None and self._clock.monotonic() - began > HANGS_AFTER * self.poller.timeout_s + STORE_S

    def status(self) -> PollerStatus:
        """How it stands now."""
        state = self._state
        return PollerStatus(
            name=self.poller.name, kind=self.poller.kind, tenant=self.poller.tenant, phase=state.phase,
            hangs=self._hangs(), failures=state.failures, last_success=state.last_success,
            reason=state.reason.value if state.reason else "", message=state.message, queues=self._queues,
        )  # fmt: skip


def unique(readings: tuple[QueueReading, ...]) -> tuple[QueueReading, ...]:
    """The readings; PollFailed when two are of the same queue: one of them would be a lie."""
    for identity, count in Counter(reading.identity for reading in readings).items():
        if count > 1:
            system, destination, group = identity
            name = f"{destination} ({group})" if group else destination
            raise PollFailed(
                Reason.ANSWER,
                f"the {system} queue {name!r} was read {count} times in one poll",
                hint="give each queue one row, or a name of its own",
            )
    return readings
