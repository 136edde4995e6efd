"""Writes down what happens as facts and hands them out in time order.

Only what belongs to the window is kept: a case that began before the window's start leaves no facts at all, so that no
half case is ever pushed; so does anything without a case before that start. The recorder decides nothing about the
business; it adds the attributes every fact of a case carries.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from demo.model.facts import AttributeDict, Attributes, Fact, GaugeFact, Kind, LogFact, Ref, SpanFact
from metrics import conventions as c
from metrics.conventions import ActorType


@dataclass(slots=True)
class Case:
    """A workflow instance: its stream, id, whether it is recorded, and the business ids its spans carry."""

    stream: str
    id: str
    kept: bool
    ids: dict[str, str] = field(default_factory=dict)
    seq: int = 0


NOWHERE = Ref(0, 0)


class Recorder:
    """Collects facts; `version_of(service, at)` tells which version of a service ran.

    `touched(case, at, stream)` is called for every step that a person performed.
    """

    def __init__(
        self,
        rng: random.Random,
        start: int,
        version_of: Callable[[str, int], str],
        touched: Callable[[Case, int, str], None],
    ) -> None:
        self._rng = rng
        self._start = start
        self._version_of = version_of
        self._touched = touched
        self._ready: list[tuple[int, int, Fact]] = []
        self._count = 0

    def case(self, stream: str, case_id: str, at: int, ids: dict[str, str] | None = None) -> Case:
        """A case that begins now."""
        return Case(str(stream), case_id, at >= self._start, ids or {})

    def ref(self, parent: Ref = NOWHERE) -> Ref:
        """Ids for a new span: in the parent's trace, or in a new one."""
        return Ref(parent.trace_id or self._rng.getrandbits(128) | 1, self._rng.getrandbits(64) | 1)

    def span(
        self,
        case: Case | None,
        service: str,
        name: str,
        kind: Kind,
        start: int,
        end: int,
        *,
        ref: Ref | None = None,
        parent: Ref = NOWHERE,
        step: str = "",
        attributes: Attributes | None = None,
        error: str = "",
        links: tuple[Ref, ...] = (),
    ) -> Ref:
        """Writes down a span that ends at `end` and returns where it is."""
        ref = ref or self.ref(parent)
        if case.kept if case is not None else start >= self._start:
            full: AttributeDict = {}
            if case is not None:
                full = {c.STREAM: case.stream, c.CASE_ID: case.id, **case.ids}
                if step:
                    full[c.STEP] = step
            if attributes:
                full.update(attributes)
            version = self._version_of(service, end)
            self._keep(
                SpanFact(
                    end,
                    start,
                    service,
                    version,
                    name,
                    kind,
                    ref.trace_id,
                    ref.span_id,
                    parent.span_id,
                    full,
                    error,
                    links,
                )
            )
        return ref

    def event(
        self, case: Case, service: str, name: str, at: int, attributes: Attributes | None = None, ref: Ref = NOWHERE
    ) -> None:
        """Writes down a business event of a case."""
        case.seq += 1
        if attributes and attributes.get(c.ACTOR_TYPE) == ActorType.HUMAN:
            self._touched(case, at, case.stream)
        if case.kept:
            full = {
                c.STREAM: case.stream,
                c.CASE_ID: case.id,
                c.SEQ: case.seq,
                c.EVENT_ID: f"{case.id}:{case.seq}",
                **case.ids,
                **(attributes or {}),
            }
            self._keep(LogFact(at, service, self._version_of(service, at), name, name, ref.trace_id, ref.span_id, full))

    def loose_event(self, service: str, name: str, at: int, attributes: Attributes) -> None:
        """Writes down a business event that belongs to no case."""
        if at >= self._start:
            self._keep(LogFact(at, service, self._version_of(service, at), name, name, 0, 0, attributes))

    def line(
        self,
        service: str,
        body: str,
        at: int,
        attributes: Attributes,
        *,
        case: Case | None = None,
        ref: Ref = NOWHERE,
        severe: bool = False,
    ) -> None:
        """Writes down an ordinary log line."""
        if case.kept if case is not None else at >= self._start:
            version = self._version_of(service, at)
            self._keep(LogFact(at, service, version, "", body, ref.trace_id, ref.span_id, attributes, severe))

    def gauge(self, service: str, name: str, unit: str, value: float, at: int, attributes: Attributes) -> None:
        """Writes down a point of a gauge."""
        if at >= self._start:
            self._keep(GaugeFact(at, service, self._version_of(service, at), name, unit, value, attributes))

    def until(self, at: int) -> Iterator[Fact]:
        """Hands out, once and in time order, all facts that are complete at `at`."""
        ready = self._ready
        while ready and ready[0][0] <= at:
            yield heapq.heappop(ready)[2]

    def _keep(self, fact: Fact) -> None:
        self._count += 1
        heapq.heappush(self._ready, (fact.at, self._count, fact))
