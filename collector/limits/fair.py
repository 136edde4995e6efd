"""A capacity (bytes in memory, requests in work) that tenants share fairly, and wait for in turn.

The rule. Half of the capacity is *reserved*, in equal floors for as many tenants as are expected at once; the other
half is *common*.

1. Up to its floor a tenant always gets what it asks for, whatever the others do.
2. Beyond it, a tenant may hold at most its share of the common half: the half divided, by weight, among the tenants
   that hold something or asked within the last seconds. One alone may take all of the common half. When others come, it
   keeps what it holds and gets nothing more until it is below its new, smaller share.
3. A tenant that holds nothing may always have one request of any size, as soon as the common half has room for it.
4. Who waits is served the smallest holding (by weight) first, and within a tenant in order. Who waits for room in the
   common half is not overtaken by those who need it too.

So a tenant that stays within its floor is never refused because of another's flood, and memory is bounded by the
capacity, without taking anything away from anybody. Tenants beyond the expected number have no floor while that many
others hold something; rules 2 to 4 are theirs as well. It bounds what is asked for, not what the caller then does.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, InvalidStateError

from core import Clock

ACTIVE_S = 10.0
"""A tenant counts when the common half is divided for this long after it asked."""


class Ticket:
    """A part of the capacity that was given, or is waited for: then `future` is set and is done when it is given."""

    __slots__ = ("amount", "future", "given", "tenant")

    def __init__(self, tenant: str, amount: int) -> None:
        self.tenant, self.amount, self.given = tenant, amount, False
        self.future: Future[None] | None = None


class _Tenant:
    __slots__ = ("asked_at", "floor", "held", "waiting", "weight")

    def __init__(self) -> None:
        self.held, self.floor, self.weight, self.asked_at = 0, 0, 1.0, float("-inf")
        self.waiting: deque[Ticket] = deque()

    @property
    def excess(self) -> int:
        return max(0, self.held - self.floor)


class FairBudget:
    """`tenants`: how many have a floor at once. Safe for many threads; nothing here blocks."""

    def __init__(
        self, capacity: int, clock: Clock, *, tenants: int, weight_of: Callable[[str], float] = lambda tenant: 1.0
    ) -> None:
        if capacity < 2 * tenants or tenants < 1:
            raise ValueError(f"a capacity of {capacity} is too small for {tenants} tenants")
        self.capacity, self._clock, self._weight_of = capacity, clock, weight_of
        self._floor = capacity // 2 // tenants
        self._reserved = self._floor * tenants
        self.common = capacity - self._reserved
        self._known: dict[str, _Tenant] = {}
        self._lock = threading.Lock()

    # --- asking ---

    def ask(self, tenant: str, amount: int) -> Ticket:
        """A ticket that is given at once or has a future. Raises ValueError beyond what can ever be given."""
        ticket = Ticket(tenant, amount)
        with self._lock:
            mine = self._enter(tenant, amount)
            queues = mine.waiting or not self._fits(mine, amount)
            if amount and (queues or (self._needs_common(mine, amount) and self._queued())):
                ticket.future = Future()
                mine.waiting.append(ticket)
            else:
                self._give(mine, ticket)
        return ticket

    def ask_now(self, tenant: str, amount: int = 1) -> Ticket | None:
        """Like `ask`, but None instead of a wait."""
        ticket = Ticket(tenant, amount)
        with self._lock:
            mine = self._enter(tenant, amount)
            if amount and (mine.waiting or not self._fits(mine, amount)):
                self._forget_idle()
                return None
            self._give(mine, ticket)
        return ticket

    def shrink(self, ticket: Ticket, amount: int) -> None:
        """Gives back all but `amount` of a given ticket."""
        with self._lock:
            if not ticket.given or amount >= ticket.amount:
                return
            self._known[ticket.tenant].held -= ticket.amount - amount
            ticket.amount = amount
            woken = self._serve()
        _wake(woken)

    def release(self, ticket: Ticket) -> None:
        """Gives it back, or stops waiting for it; twice is once."""
        with self._lock:
            mine = self._known.get(ticket.tenant)
            if mine is None:
                return
            if ticket.given:
                ticket.given = False
                mine.held -= ticket.amount
            elif ticket in mine.waiting:
                mine.waiting.remove(ticket)
            else:
                return
            if not mine.held and not mine.waiting:
                mine.floor = 0
            woken = self._serve()
            self._forget_idle()
        _wake(woken)

    # --- telling ---

    @property
    def in_use(self) -> int:
        """What is given out."""
        with self._lock:
            return sum(one.held for one in self._known.values())

    @property
    def waiting(self) -> int:
        """How many tickets are waited for."""
        with self._lock:
            return sum(len(one.waiting) for one in self._known.values())

    def over_share(self, tenant: str, amount: int) -> bool:
        """Whether the tenant's own holdings, and not the others', are why `amount` more is not given."""
        with self._lock:
            mine = self._known.get(tenant)
            return mine is not None and not self._within_share(mine, amount)

    def share(self, tenant: str) -> int:
        """What the tenant may hold now, floor included."""
        with self._lock:
            mine = self._known.get(tenant) or _Tenant()
            return mine.floor + int(self._common_share(mine))

    # --- with the lock held ---

    def _enter(self, tenant: str, amount: int) -> _Tenant:
        if not 0 <= amount <= self.common:
            raise ValueError(f"an amount must be 0 to {self.common}, got {amount}")
        mine = self._known.get(tenant)
        if mine is None:
            mine = self._known[tenant] = _Tenant()
        mine.asked_at = self._clock.monotonic()
        if not mine.held and not mine.waiting:
            mine.weight = max(0.01, self._weight_of(tenant))
            mine.floor = 0
            taken = sum(one.floor for one in self._known.values())
            mine.floor = self._floor if taken + self._floor <= self._reserved else 0
        return mine

    def _needs_common(self, mine: _Tenant, amount: int) -> bool:
        return mine.held + amount > mine.floor

    def _queued(self) -> bool:
        """Whether somebody waits for room in the common half, and is not kept back by his own share."""
        waiting = ((one, one.waiting[0].amount) for one in self._known.values() if one.waiting)
        return any(self._needs_common(one, amount) and self._within_share(one, amount) for one, amount in waiting)

    def _common_share(self, mine: _Tenant) -> float:
        since = self._clock.monotonic() - ACTIVE_S
        active = sum(
            one.weight for one in self._known.values()
            if one is not mine and (one.held or one.waiting or one.asked_at >= since)
        )  # fmt: skip
        return self.common * mine.weight / (active + mine.weight)

    def _within_share(self, mine: _Tenant, amount: int) -> bool:
        return not mine.held or mine.held + amount - mine.floor <= self._common_share(mine)

    def _room(self, mine: _Tenant, amount: int) -> bool:
        others = sum(one.excess for one in self._known.values() if one is not mine)
        return others + mine.held + amount - mine.floor <= self.common

    def _fits(self, mine: _Tenant, amount: int) -> bool:
        if not self._needs_common(mine, amount):
            return True
        return self._within_share(mine, amount) and self._room(mine, amount)

    def _give(self, mine: _Tenant, ticket: Ticket) -> None:
        mine.held += ticket.amount
        ticket.given = True

    def _serve(self) -> list[Ticket]:
        """Gives to those who wait what they can have now."""
        given = list[Ticket]()
        again = True
        while again:
            again, blocked = False, False
            for one in sorted((one for one in self._known.values() if one.waiting), key=_by_holding):
                ticket = one.waiting[0]
                if self._needs_common(one, ticket.amount):
                    if blocked or not self._within_share(one, ticket.amount):
                        continue
                    if not self._room(one, ticket.amount):
                        blocked = True
                        continue
                one.waiting.popleft()
                self._give(one, ticket)
                given.append(ticket)
                again = True
                break
        return given

    def _forget_idle(self) -> None:
        if len(self._known) > 64:
            since = self._clock.monotonic() - ACTIVE_S
            idle = [name for name, one in self._known.items() if not (one.held or one.waiting or one.asked_at >= since)]
            for name in idle:
                del self._known[name]


def _by_holding(one: _Tenant) -> float:
    return one.held / one.weight


def _wake(given: Iterable[Ticket]) -> None:
    for ticket in given:
        assert ticket.future is not None
        with contextlib.suppress(InvalidStateError):  # whoever waited has just given up; he releases the ticket
            ticket.future.set_result(None)
