"""What the process page shows, read part by part, so that a slow part holds up no other; shared among browsers.

Each part is one question to the rooms below, asked when a browser wants it. Browsers that want the same at the same
time share one reading; the newest ones are kept, and a reading that took long is reused the longer, so that pages left
open on a large stream take no more than a part of the engine's time. It does not promise one point in time across
parts: each says its own.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from core import Clock
from dashboards.process_reads import (
    Bottleneck,
    CaseAtRisk,
    CaseFacets,
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
KEPT = 200
"""Readings kept at a time; each is a few hundred rows at most."""
REUSE_S = 2.0
REST = 4.0
"""A reading is reused for this many times as long as it took."""
FRESH_S = 1.0
"""Who wants it fresh gets what was begun in the last second: the parts of one page ask one after the other."""
GRACE_S = 0.4
"""So long a part waits for another one that it can do without."""


@dataclass(frozen=True)
class Frame:
    """What every part needs: the state, whose stream is the one chosen or else the first ('' when there is none)."""

    at: datetime
    state: ProcessState
    streams: Section[Sequence[StreamTile]]
    data_through: Section[datetime | None]

    @property
    def empty(self) -> bool:
        """Whether no stream has a case (and that is known)."""
        return not self.streams.value and not self.streams.problem and not self.state.stream

    @property
    def stream(self) -> StreamTile | None:
        """The stream that is shown; None when it has no cases, or that is not known."""
        return next((one for one in self.streams.value if one.name == self.state.stream), None)

    @property
    def watched(self) -> bool:
        """Whether it is known which of the stream's cases are open."""
        return self.stream is not None and self.stream.watched


def filters(state: ProcessState, now: datetime | None = None) -> CaseQuestion:
    """The filters of the page; with `now` also its period, which what is told of this moment leaves out."""
    return CaseQuestion(
        start=None if now is None else state.period.start(now),
        attributes=state.attributes,
        without=state.without,
        contains=state.contains,
        misses=state.misses,
        follows=state.follows,
        min_duration_s=state.min_duration,
        max_duration_s=state.max_duration,
        outcomes=state.outcomes,
    )


def selected(asked: CaseQuestion, state: ProcessState, *, but: str = "") -> CaseQuestion:
    """The question with the page's selections; `but` names one that does not count: `map` or `variant`."""
    if state.step and but != "map":
        if state.to:
            asked = replace(asked, follows=(*asked.follows, (state.step, state.to)))
        else:
            asked = replace(asked, contains=(*asked.contains, state.step))
    if but != "variant":
        asked = replace(asked, variant=state.variant)
    return replace(asked, waits=state.waits)


@dataclass
class _Kept:
    started: float
    task: asyncio.Task[Section[Any]]
    took: float = 0.0


class ProcessReadings:
    """Reads parts for tenants and states; belongs to one event loop."""

    def __init__(self, reads: ProcessReads, clock: Clock, *, limit_s: float = 20.0, grace_s: float = GRACE_S) -> None:
        self._reads, self._clock, self._limit_s, self._grace_s = reads, clock, limit_s, grace_s
        self._kept: OrderedDict[tuple[Hashable, ...], _Kept] = OrderedDict()

    async def frame(self, tenant: str, state: ProcessState, *, fresh: bool = False) -> Frame:
        """The streams, how far the data reach, and the state with its stream."""
        nobody: Sequence[StreamTile] = ()
        no_time: datetime | None = None
        streams, through = await asyncio.gather(
            self._read(("streams", tenant), lambda: self._reads.streams(tenant), nobody, fresh),
            self._read(("data through", tenant), lambda: self._reads.data_through(tenant), no_time, fresh),
        )
        found = state if state.stream or not streams.value else state.but(stream=streams.value[0].name)
        return Frame(self._clock.now(), found, streams, through)

    async def map(self, tenant: str, frame: Frame, *, fresh: bool = False) -> Section[ProcessMap | None]:
        """The map of the cases that filters, variant and place of waiting leave."""
        none: ProcessMap | None = None
        asked = selected(filters(frame.state, frame.at), frame.state, but="map")
        return await self._asked("process map", tenant, frame, self._reads_of("process_map"), none, fresh, asked)

    async def variants(self, tenant: str, frame: Frame, *, fresh: bool = False) -> Section[Variants | None]:
        """The variants of the cases that filters, map and place of waiting leave."""
        none: Variants | None = None
        asked = selected(filters(frame.state, frame.at), frame.state, but="variant")
        return await self._asked("variants", tenant, frame, self._reads_of("variants"), none, fresh, asked)

    async def map_variants(self, tenant: str, frame: Frame, *, fresh: bool = False) -> Section[Variants | None]:
        """The variants of the very cases that the map is of."""
        none: Variants | None = None
        asked = selected(filters(frame.state, frame.at), frame.state, but="map")
        return await self._asked("variants", tenant, frame, self._reads_of("variants"), none, fresh, asked)

    async def bottlenecks(self, tenant: str, frame: Frame, *, fresh: bool = False) -> Section[Sequence[Bottleneck]]:
        """Where work of the whole stream waits now."""
        none: Sequence[Bottleneck] = ()
        return await self._asked("bottlenecks", tenant, frame, self._reads_of("bottlenecks"), none, fresh)

    async def standing(
        self, tenant: str, frame: Frame, *, for_map: bool = False, fresh: bool = False
    ) -> Section[Mapping[str, int] | None]:
        """How many of the open cases that filters and selections leave stand where; None when nothing narrows.

        The place of waiting does not count, and `for_map` neither does what is selected on the map.
        """
        none: Mapping[str, int] | None = None
        asked = selected(filters(frame.state), frame.state.but(waits=""), but="map" if for_map else "")
        if asked == CaseQuestion():
            return Section(none)
        return await self._asked("standing cases", tenant, frame, self._reads_of("standing"), none, fresh, asked)

    async def risks(self, tenant: str, frame: Frame, *, fresh: bool = False) -> Section[Sequence[CaseAtRisk]]:
        """Open cases at risk, of those that filters and selections leave."""
        none: Sequence[CaseAtRisk] = ()
        asked = selected(filters(frame.state), frame.state)
        return await self._asked("cases at risk", tenant, frame, self._reads_of("risks"), none, fresh, asked)

    async def facets(self, tenant: str, frame: Frame, *, fresh: bool = False) -> Section[CaseFacets | None]:
        """What the cases that filters and selections leave can be filtered by."""
        none: CaseFacets | None = None
        asked = selected(filters(frame.state, frame.at), frame.state)
        return await self._asked("attributes", tenant, frame, self._reads_of("facets"), none, fresh, asked)

    async def case(self, tenant: str, frame: Frame, *, fresh: bool = False) -> Section[CaseTimeline | None]:
        """The chosen case; None when none is."""
        none: CaseTimeline | None = None
        if not frame.state.case:
            return Section(none)
        return await self._asked("case", tenant, frame, self._reads_of("timeline"), none, fresh, frame.state.case)

    async def soon(self, reading: asyncio.Task[Section[T]]) -> Section[T] | None:
        """What is there within a moment; None when it takes longer, and then the reading goes on for others."""
        try:
            return await asyncio.wait_for(asyncio.shield(reading), self._grace_s)
        except TimeoutError:
            return None

    def _reads_of(self, name: str) -> Callable[..., Any]:
        """Looked up when it is asked, so that reads which lack one cost that part alone."""
        return lambda *asked: getattr(self._reads, name)(*asked)

    async def _asked(
        self, name: str, tenant: str, frame: Frame, read: Callable[..., T], nothing: T, fresh: bool, *asked: Hashable
    ) -> Section[T]:
        stream = frame.state.stream
        if not stream:
            return Section(nothing)
        return await self._read((name, tenant, stream, *asked), lambda: read(tenant, stream, *asked), nothing, fresh)

    async def _read(self, key: tuple[Hashable, ...], read: Callable[[], T], nothing: T, fresh: bool) -> Section[T]:
        now = self._clock.monotonic()
        found = self._kept.get(key)
        if found is None or self._old(found, now, fresh):
            task: asyncio.Task[Section[Any]] = asyncio.get_running_loop().create_task(
                read_section(str(key[0]), read, nothing, self._limit_s)
            )
            found = _Kept(now, task)
            task.add_done_callback(partial(self._note, found))
            self._kept[key] = found
        self._kept.move_to_end(key)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        section: Section[T] = await asyncio.shield(found.task)
        return section

    @staticmethod
    def _old(kept: _Kept, now: float, fresh: bool) -> bool:
        if fresh:
            return now - kept.started > FRESH_S
        return kept.task.done() and now - kept.started > max(REUSE_S, kept.took * REST)

    def _note(self, kept: _Kept, _task: asyncio.Task[Section[Any]]) -> None:
        kept.took = self._clock.monotonic() - kept.started
