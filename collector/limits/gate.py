"""The gate that every pushed request passes, before its body is read: pressure, rates, requests in work, memory.

    enter      known from the headers alone: may this tenant, with this key, have this now? Raises, cheaply.
    room       memory for the body as announced (for the largest, where nothing is announced); may wait a moment
    received   the body is here: what was held too much goes back
    work       memory for what is decompressed and decoded, until it is on disk; may wait a moment
    decoded    the real cost: rates are charged the difference
    close      everything held goes back, and the charge too when the request was refused after all

Nothing that has passed is dropped. What is refused gets 429 / RESOURCE_EXHAUSTED when the tenant itself is the cause,
503 / UNAVAILABLE when it is not, with the time after which it may succeed. Two pools of memory, so that a body that
waits for the second never keeps those from going on that hold it already.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from collector.limits.counts import LimitCounts
from collector.limits.fair import FairBudget, Ticket
from collector.limits.pressure import Blocked
from collector.limits.rates import Charge, Overrun, RateLimits
from core import OpsintelError, Principal, RateLimited, Retryable, Unavailable

WAIT_S = 2.0
"""How long a request waits for memory before it is refused."""
BUSY_RETRY_S = 1.0


@dataclass(frozen=True)
class Pools:
    """`requests`: their number in work; `reading`, `working`: bytes of bodies on their way, and of decoded ones."""

    requests: FairBudget
    reading: FairBudget
    working: FairBudget


class Gate:
    """One for each transport; pools, rates and pressure may be shared. `max_bytes`: the largest request."""

    def __init__(
        self,
        pools: Pools,
        rates: RateLimits,
        pressure: Callable[[], Blocked | None],
        counts: LimitCounts,
        *,
        max_bytes: int,
        wait_s: float = WAIT_S,
    ) -> None:
        self.pools, self.rates, self.counts = pools, rates, counts
        self.max_bytes, self.wait_s = max_bytes, wait_s
        self._pressure = pressure

    def enter(self, principal: Principal, announced: int | None) -> Visit:
        """Raises RateLimited or Unavailable. `announced`: the size of the body, None where the caller does not say."""
        blocked = self._pressure()
        if blocked:
            self.counts.refused(blocked.reason, principal.tenant)
            raise blocked.error()
        tenant = principal.tenant
        slot = self.pools.requests.ask_now(tenant)
        if slot is None:
            raise self.busy(self.pools.requests, tenant, 1, "requests")
        charge = self.rates.admit(tenant, principal.key, principal.rates, announced or 0)
        if isinstance(charge, Overrun):
            self.pools.requests.release(slot)
            self.counts.refused(f"{charge.whose}_{charge.what}", tenant)
            raise RateLimited(
                f"the {charge.whose} is over its rate of {charge.rate:g} {charge.what} a second",
                hint="send less, or ask an operator for more",
                retry_after_s=charge.wait_s,
            )
        return Visit(self, tenant, slot, charge, announced)

    def busy(self, pool: FairBudget, tenant: str, amount: int, what: str) -> Retryable:
        """The refusal of what a pool did not give, counted."""
        if pool.over_share(tenant, amount):
            self.counts.refused(f"{what}_share", tenant)
            return RateLimited(
                f"the tenant has its share of the {what} in work already",
                hint="send fewer requests at once",
                retry_after_s=BUSY_RETRY_S,
            )
        self.counts.refused(f"{what}_full", tenant)
        return Unavailable(f"the collector has no room for more {what} now", retry_after_s=BUSY_RETRY_S)


class Visit:
    """One request inside. A context manager.

    Leaving it because the caller went away, or with an error after which he comes again, gives back what was charged.
    """

    def __init__(self, gate: Gate, tenant: str, slot: Ticket, charge: Charge, announced: int | None) -> None:
        self._gate, self.tenant, self._charge = gate, tenant, charge
        self._held: list[tuple[FairBudget, Ticket]] = [(gate.pools.requests, slot)]
        self._announced, self._size = announced, announced or 0
        self._reading: Ticket | None = None

    def __enter__(self) -> Visit:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Retryable) or (error is not None and not isinstance(error, OpsintelError)):
            self._charge.refund()
        self.close()

    # --- memory, for those who wait on an event loop and those who wait in a thread ---

    async def room(self) -> None:
        """Memory for the body. Raises RateLimited or Unavailable after a wait."""
        await self._wait(self.reserve_room(), self._gate.pools.reading)

    async def work(self, amount: int) -> None:
        """Memory for what is made of the body. Raises RateLimited or Unavailable after a wait."""
        await self._wait(self._reserve(self._gate.pools.working, amount), self._gate.pools.working)

    def room_blocking(self) -> None:
        """`room`, for a thread."""
        self._wait_blocking(self.reserve_room(), self._gate.pools.reading)

    def work_blocking(self, amount: int) -> None:
        """`work`, for a thread."""
        self._wait_blocking(self._reserve(self._gate.pools.working, amount), self._gate.pools.working)

    def reserve_room(self) -> Ticket:
        """Asks for the body's memory without waiting for it."""
        size = self._gate.max_bytes if self._announced is None else self._announced
        self._reading = self._reserve(self._gate.pools.reading, size)
        return self._reading

    def received(self, size: int) -> None:
        """The body is here and has this many bytes."""
        self._size = size
        if self._reading:
            self._gate.pools.reading.shrink(self._reading, size)

    def decoded(self, size: int, items: int) -> None:
        """What it really was; `size` in bytes before compression, or as it goes to the log if that is more."""
        self._charge.settle(max(size, self._size), items)
        pools = self._gate.pools
        for pool, ticket in self._held:
            if pool is pools.working:
                pool.shrink(ticket, size)
            elif pool is pools.reading:
                pool.release(ticket)

    def close(self) -> None:
        """Gives everything back; twice is once."""
        held, self._held = self._held, []
        for pool, ticket in reversed(held):
            pool.release(ticket)

    # --- inside ---

    def _reserve(self, pool: FairBudget, amount: int) -> Ticket:
        ticket = pool.ask(self.tenant, min(amount, pool.common))
        self._held.append((pool, ticket))
        return ticket

    async def _wait(self, ticket: Ticket, pool: FairBudget) -> None:
        if ticket.future is None:
            return
        try:
            async with asyncio.timeout(self._gate.wait_s):
                await asyncio.wrap_future(ticket.future)
        except TimeoutError:
            raise self._gate.busy(pool, self.tenant, ticket.amount, "memory") from None

    def _wait_blocking(self, ticket: Ticket, pool: FairBudget) -> None:
        if ticket.future is None:
            return
        try:
            ticket.future.result(self._gate.wait_s)
        except concurrent.futures.TimeoutError:
            raise self._gate.busy(pool, self.tenant, ticket.amount, "memory") from None
