"""Bytes and items a second, for each tenant and for each key: who may come in now, and what it cost him afterwards.

A request passes when every bucket that it is charged to has what it announces. It pays for its announced bytes at
once, and for the rest, items included, when it has been decoded; what was refused later gets everything back. Rates
may change at any time, the buckets follow at the next request. With N processes each takes its `share` of the rates.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from collector.limits.buckets import TokenBucket
from core import Clock, Rates

BURST_S = 5.0
"""A bucket holds what its rate gives in this time."""
REMEMBERED = 10_000
"""Buckets kept at most before full ones are forgotten."""
ITEM = 1.0


@dataclass(frozen=True, slots=True)
class Overrun:
    """Why not: whose rate (`tenant` or `key`), of what (`bytes` or `items`), and the seconds until it is there."""

    whose: str
    what: str
    rate: float
    wait_s: float


class Charge:
    """What one request has paid so far."""

    __slots__ = ("_bytes", "_items", "_owner", "_scopes")

    def __init__(self, owner: RateLimits, scopes: tuple[_Scope, ...], size: float) -> None:
        self._owner, self._scopes = owner, scopes
        self._bytes, self._items = size, 0.0

    def settle(self, size: float, items: float) -> None:
        """The real cost is known; the difference is charged or given back."""
        self._owner.spend(self._scopes, size - self._bytes, items - self._items)
        self._bytes, self._items = size, items

    def refund(self) -> None:
        """Gives back everything: the request was refused and will be sent again."""
        self.settle(0.0, 0.0)


@dataclass(slots=True)
class _Scope:
    whose: str
    bytes: TokenBucket | None
    items: TokenBucket | None


class RateLimits:
    """Buckets by tenant and key. Calls may come from many threads; each takes microseconds."""

    def __init__(self, clock: Clock, tenant_rates: Callable[[str], Rates], *, share: float = 1.0) -> None:
        if not 0 < share <= 1:
            raise ValueError(f"share must be above 0 and 1 at most, got {share}")
        self._clock, self._tenant_rates, self._share = clock, tenant_rates, share
        self._lock = threading.Lock()
        self._buckets: dict[tuple[str, str, str], TokenBucket] = {}  # by whose, name and what

    def admit(self, tenant: str, key: str, key_rates: Rates, announced: int) -> Charge | Overrun:
        """Takes the announced bytes, or tells the longest wait; then nothing has been taken."""
        rates = self._tenant_rates(tenant)
        now = self._clock.monotonic()
        with self._lock:
            scopes = [self._scope("tenant", tenant, rates, now)]
            if key:
                scopes.append(self._scope("key", key, key_rates, now))
            worst: Overrun | None = None
            for scope in scopes:
                for what, bucket, amount in (("bytes", scope.bytes, float(announced)), ("items", scope.items, ITEM)):
                    wait = bucket.wait_for(amount, now) if bucket else 0.0
                    if bucket and wait > (worst.wait_s if worst else 0.0):
                        worst = Overrun(scope.whose, what, bucket.rate, wait)
            if worst:
                return worst
            for scope in scopes:
                if scope.bytes:
                    scope.bytes.spend(announced, now)
        return Charge(self, tuple(scopes), announced)

    def spend(self, scopes: tuple[_Scope, ...], size: float, items: float) -> None:
        """Charges more, or gives back what is negative."""
        now = self._clock.monotonic()
        with self._lock:
            for scope in scopes:
                if scope.bytes and size:
                    scope.bytes.spend(size, now)
                if scope.items and items:
                    scope.items.spend(items, now)

    def _scope(self, whose: str, name: str, rates: Rates, now: float) -> _Scope:
        return _Scope(
            whose,
            self._bucket((whose, name, "bytes"), rates.bytes_per_s, now),
            self._bucket((whose, name, "items"), rates.items_per_s, now),
        )

    def _bucket(self, which: tuple[str, str, str], rate: float | None, now: float) -> TokenBucket | None:
        found = self._buckets.get(which)
        if not rate:
            if found:
                del self._buckets[which]
            return None
        rate *= self._share
        if found is None:
            if len(self._buckets) >= REMEMBERED:
                self._buckets = {one: bucket for one, bucket in self._buckets.items() if not bucket.full(now)}
            found = self._buckets[which] = TokenBucket(rate, rate * BURST_S, now)
        elif found.rate != rate:
            found.change(rate, rate * BURST_S, now)
        return found
