"""One reading of everything the process page shows in one state, each section by itself, shared among browsers.

Like `dashboards.snapshot`, but for many questions: the newest ones are kept, and a reading that took long is reused the
longer, so that pages left open on a large stream take no more than a part of the engine's time.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TypeVar

from core import Clock
from dashboards.process_reads import (
    Bottleneck,
    CaseAtRisk,
    CaseQuestion,
    CaseTimeline,
    ProcessMap,
    ProcessReads,
    StreamTile,
    Variants,
)
from dashboards.snapshot import Section, read_section
from dashboards.url_state import ProcessState

T = TypeVar("T")
KEPT = 32
"""Readings kept at a time; each is a few hundred rows at most."""
REUSE_S = 2.0
REST = 4.0
"""A reading is reused for this many times as long as it took."""


@dataclass(frozen=True)
class ProcessSnapshot:
    """What was read for `state`, whose stream is the one chosen or else the first; '' when there is none."""

    at: datetime
    state: ProcessState
    streams: Section[Sequence[StreamTile]]
    data_through: Section[datetime | None]
    map: Section[ProcessMap | None]
    variants: Section[Variants | None]
    bottlenecks: Section[Sequence[Bottleneck]]
    risks: Section[Sequence[CaseAtRisk]]
    case: Section[CaseTimeline | None]

    @property
    def empty(self) -> bool:
        """Whether no stream has a case (and that is known)."""
        return not self.streams.value and not self.streams.problem and not self.state.stream

    @property
    def stream(self) -> StreamTile | None:
        """The stream that is shown; None when it has no cases, or that is not known."""
        return next((one for one in self.streams.value if one.name == self.state.stream), None)


@dataclass
class _Kept:
    started: float
    task: asyncio.Task[ProcessSnapshot]
    took: float = 0.0


class ProcessSnapshots:
    """Takes snapshots for tenants and states; belongs to one event loop."""

    def __init__(self, reads: ProcessReads, clock: Clock, *, limit_s: float = 20.0) -> None:
        self._reads, self._clock, self._limit_s = reads, clock, limit_s
        self._kept: OrderedDict[tuple[str, ProcessState], _Kept] = OrderedDict()

    async def take(self, tenant: str, state: ProcessState, *, fresh: bool = False) -> ProcessSnapshot:
        """The tenant's snapshot in this state; `fresh` skips one that was begun earlier."""
        now = self._clock.monotonic()
        found = self._kept.get((tenant, state))
        if found is None or fresh or (found.task.done() and now - found.started > max(REUSE_S, found.took * REST)):
            found = _Kept(now, asyncio.get_running_loop().create_task(self._read(tenant, state)))
            found.task.add_done_callback(partial(self._note, found))
            self._kept[tenant, state] = found
        self._kept.move_to_end((tenant, state))
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return await asyncio.shield(found.task)

    def _note(self, kept: _Kept, _task: asyncio.Task[ProcessSnapshot]) -> None:
        kept.took = self._clock.monotonic() - kept.started

    async def _read(self, tenant: str, wanted: ProcessState) -> ProcessSnapshot:
        reads, now = self._reads, self._clock.now()
        none: Sequence[StreamTile] = ()
        streams = await self._section("streams", lambda: reads.streams(tenant), none)
        state = wanted if wanted.stream or not streams.value else wanted.but(stream=streams.value[0].name)
        stream = state.stream
        question = CaseQuestion(state.period.start(now), state.variant)
        everything = CaseQuestion(question.start)
        no_map: ProcessMap | None = None
        no_variants: Variants | None = None
        no_case: CaseTimeline | None = None
        no_bottlenecks: Sequence[Bottleneck] = ()
        no_risks: Sequence[CaseAtRisk] = ()
        no_time: datetime | None = None

        def known(read: Callable[[], T], nothing: T) -> Callable[[], T]:
            return read if stream else lambda: nothing

        async with asyncio.TaskGroup() as group:
            through = group.create_task(self._section("data through", lambda: reads.data_through(tenant), no_time))
            shown = group.create_task(
                self._section("process map", known(lambda: reads.process_map(tenant, stream, question), no_map), no_map)
            )
            variants = group.create_task(
                self._section(
                    "variants", known(lambda: reads.variants(tenant, stream, everything), no_variants), no_variants
                )
            )
            bottlenecks = group.create_task(
                self._section(
                    "bottlenecks", known(lambda: reads.bottlenecks(tenant, stream), no_bottlenecks), no_bottlenecks
                )
            )
            risks = group.create_task(
                self._section("cases at risk", known(lambda: reads.risks(tenant, stream), no_risks), no_risks)
            )
            case = group.create_task(
                self._section(
                    "case",
                    (lambda: reads.timeline(tenant, stream, state.case)) if stream and state.case else lambda: no_case,
                    no_case,
                )
            )
        return ProcessSnapshot(
            now,
            state,
            streams,
            through.result(),
            shown.result(),
            variants.result(),
            bottlenecks.result(),
            risks.result(),
            case.result(),
        )

    async def _section(self, name: str, read: Callable[[], T], nothing: T) -> Section[T]:
        return await read_section(name, read, nothing, self._limit_s)
