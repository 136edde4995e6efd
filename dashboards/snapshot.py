"""One reading of everything a page shows, taken in parallel, each section by itself.

A section that cannot be read carries the reason and leaves the others alone. Browsers that ask at the same time share
one reading, and a reading is reused for `reuse_s` seconds, so that open pages do not multiply the load on the store.
It does not promise one point in time across sections: they are read within the same second or so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from core import Clock, OpsintelError, get_logger
from dashboards.reads import (
    AlertTile,
    ApiLatency,
    ControlTile,
    KpiTile,
    QueueDepth,
    Reads,
    WaitingStep,
    WebhookFailures,
)

T = TypeVar("T")
LOG = get_logger("dashboards.snapshot")


@dataclass(frozen=True)
class Section(Generic[T]):
    """What was read, or why it was not (`problem` is a sentence for people, empty when all is well)."""

    value: T
    problem: str = ""


@dataclass(frozen=True)
class Snapshot:
    """Everything the overview shows, and when it was read."""

    at: datetime
    data_through: Section[datetime | None]
    kpis: Section[Sequence[KpiTile]]
    waiting: Section[Sequence[WaitingStep]]
    queues: Section[Sequence[QueueDepth]]
    latency: Section[Sequence[ApiLatency]]
    webhooks: Section[Sequence[WebhookFailures]]
    alerts: Section[Sequence[AlertTile]]
    targets: Section[Sequence[ControlTile]]

    @property
    def empty(self) -> bool:
        """Whether nothing was ever taken in (and that is known)."""
        return self.data_through.value is None and not self.data_through.problem


class Snapshots:
    """Takes snapshots for tenants; belongs to one event loop."""

    def __init__(self, reads: Reads, clock: Clock, *, reuse_s: float = 2.0, limit_s: float = 10.0) -> None:
        self._reads = reads
        self._clock = clock
        self._reuse_s = reuse_s
        self._limit_s = limit_s
        self._latest: dict[str, tuple[float, asyncio.Task[Snapshot]]] = {}

    async def take(self, tenant: str, *, fresh: bool = False) -> Snapshot:
        """The tenant's snapshot; `fresh` skips one that was begun earlier (after an action)."""
        started, task = self._latest.get(tenant, (0.0, None))
        now = self._clock.monotonic()
        reusable = task is not None and (not task.done() or now - started < self._reuse_s)
        if fresh or task is None or not reusable:
            task = asyncio.get_running_loop().create_task(self._read(tenant))
            self._latest[tenant] = (now, task)
        return await asyncio.shield(task)

    async def _read(self, tenant: str) -> Snapshot:
        reads = self._reads
        async with asyncio.TaskGroup() as group:
            through = group.create_task(self._section("data through", lambda: reads.data_through(tenant), None))
            kpis = group.create_task(self._rows("KPIs", lambda: reads.kpis(tenant)))
            waiting = group.create_task(self._rows("waiting work", lambda: reads.waiting(tenant)))
            queues = group.create_task(self._rows("queues", lambda: reads.queues(tenant)))
            latency = group.create_task(self._rows("API latency", lambda: reads.latency(tenant)))
            webhooks = group.create_task(self._rows("webhooks", lambda: reads.webhooks(tenant)))
            alerts = group.create_task(self._rows("alerts", lambda: reads.alerts(tenant)))
            targets = group.create_task(self._rows("edges", lambda: reads.control_targets(tenant)))
        return Snapshot(
            self._clock.now(),
            through.result(),
            kpis.result(),
            waiting.result(),
            queues.result(),
            latency.result(),
            webhooks.result(),
            alerts.result(),
            targets.result(),
        )

    async def _rows(self, name: str, read: Callable[[], Sequence[T]]) -> Section[Sequence[T]]:
        nothing: Sequence[T] = ()
        return await self._section(name, read, nothing)

    async def _section(self, name: str, read: Callable[[], T], nothing: T) -> Section[T]:
        return await read_section(name, read, nothing, self._limit_s)


async def read_section(name: str, read: Callable[[], T], nothing: T, limit_s: float) -> Section[T]:
    """Reads in a thread of its own; whatever goes wrong becomes the section's problem, with `nothing` as its value."""
    try:
        return Section(await asyncio.wait_for(asyncio.to_thread(read), limit_s))
    except TimeoutError:
        LOG.warning("a section took too long to read", section=name, limit_s=limit_s)
        return Section(nothing, f"This took longer than {limit_s:g} s to read.")
    except OpsintelError as problem:
        LOG.warning("a section could not be read", section=name, error=str(problem))
        return Section(nothing, f"This could not be read: {problem.message}.")
    except Exception:  # the rim: a defect in one read must not blank the page
        LOG.exception("a section failed", section=name)
        return Section(nothing, "This could not be read; the service's log has the details.")
