"""The screening that every receiver sends a request through: admission by the configured rules, at the clock's time.

It also bounds what a tenant may put into quarantine in a day. Beyond that bound the same items are rejected, with a
count and a reason: never dropped in silence. The bound is counted for each process, and begins with what the table
knows of the day; it is a guard of the disk, not an exact quota.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping

from collector.admission import Admitted, Encoding, admit
from collector.rules import DAY_NS, Rules
from core import Clock
from storage import Signal

HISTORY_HEADER = "opsintel-history"
"""Set to `true` by a caller that sends the past on purpose (a back-fill): the window of times is not applied."""


def midnight_ns(clock: Clock) -> int:
    """When the day began, in UTC."""
    return clock.time_ns() // DAY_NS * DAY_NS


class Budget:
    """Bytes of quarantine for each tenant and day. Thread-safe."""

    def __init__(self, limit: int, clock: Clock, spent: Mapping[str, int] | None = None) -> None:
        self._limit, self._clock, self._lock = limit, clock, threading.Lock()
        self._day, self._spent = midnight_ns(clock), Counter(spent or {})

    def spend(self, tenant: str, size: int) -> bool:
        """Takes the bytes, or nothing when they are more than is left."""
        with self._lock:
            today = midnight_ns(self._clock)
            if today > self._day:
                self._day, self._spent = today, Counter()
            if self._spent[tenant] + size > self._limit:
                return False
            self._spent[tenant] += size
            return True


class Screening:
    """Admits requests. Pure but for the clock and the budget."""

    def __init__(self, rules: Rules, clock: Clock, budget: Budget) -> None:
        self.rules, self._clock, self._budget = rules, clock, budget
        self._history = rules.without_window()

    def admit(self, signal: Signal, tenant: str, encoding: Encoding, body: bytes, *, history: bool = False) -> Admitted:
        """Checks a request of a tenant. Raises InvalidInput when it cannot be decoded."""
        rules, now = self._history if history else self.rules, self._clock.time_ns()
        admitted = admit(signal, encoding, body, rules, now)
        size = sum(len(kept.payload) for kept in admitted.quarantined)
        if size and not self._budget.spend(tenant, size):
            return admit(signal, encoding, body, rules, now, quarantine=False)
        return admitted
