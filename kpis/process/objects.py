"""A process as objects of one type see it: every object a case, every event a step in the case of each that it touches.

The cases are those of the stream `stream/type`, in the table `cases` like all others, so every answer about cases works
on them. The first question about a type makes it known: from then on new events reach its cases as they arrive, by the
same job. Flattening repeats events (convergence) and puts events together that have nothing to do with one another
(divergence; van der Aalst, Object-Centric Process Mining, 2019): both are counted here, step by step.

Spans are not looked at, and a stream by object has no end of its cases and no value, unless the streams' models have an
entry of its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core import SystemClock
from core.errors import NotFound
from kpis.process.cases import LIMITS, CaseJobs
from storage import ClickHouse, load_sql

_ROOM = "kpis.process"
EVENTS_AT_ONCE = 500_000


@dataclass(frozen=True)
class FlatStep:
    """What flattening does to one step.

    `events`: distinct ones. `occurrences`: steps in cases; more than events where an event touches several objects of
    the type, as `shared` of them do. `repeats`: occurrences in a case beyond the step's first. `unrelated`: how many
    of the repeats are about other things: distinct sets of objects of the other types that a case's occurrences touch,
    beyond the first set. What is left of the repeats is repetition. `diverging_cases`: cases with such occurrences.
    """

    step: str
    events: int
    occurrences: int
    shared: int
    repeats: int
    unrelated: int
    diverging_cases: int


@dataclass(frozen=True)
class Flattened:
    """`stream`: the name to ask the other answers with. `convergence`: occurrences beyond the distinct events."""

    stream: str
    object_type: str
    cases: int
    events: int
    occurrences: int
    steps: tuple[FlatStep, ...]

    @property
    def convergence(self) -> int:
        return self.occurrences - self.events

    @property
    def divergence(self) -> int:
        """Repeats that are no repetition, over all steps."""
        return sum(one.unrelated for one in self.steps)


def derived_stream(stream: str, object_type: str) -> str:
    """The name of a stream by object."""
    return f"{stream}/{object_type}"


def flatten(ch: ClickHouse, tenant: str, stream: str, object_type: str, *, jobs: CaseJobs | None = None) -> Flattened:
    """Makes the type's cases, or brings them up to date, and says what flattening did to the steps.

    Raises NotFound, naming the types there are, when no event touches an object of that type.
    """
    named = {"tenant": tenant, "stream": stream, "object_type": object_type}
    types = [row[0] for row in ch.query(load_sql(_ROOM, "object_types"), named).rows]
    if object_type not in types:
        have = f"the types are {', '.join(types)}" if types else "its events name no objects"
        raise NotFound(f"no event of the stream {stream!r} touches an object of the type {object_type!r}; {have}")
    if not ch.query(load_sql(_ROOM, "flattened_already"), named).scalar():
        _take_in(ch, named)
    kept, name = jobs or CaseJobs(ch, SystemClock()), derived_stream(stream, object_type)
    if not kept.refresh(tenant, name):
        kept.run_once(tenant, name)  # another run is under way, which may have begun before the type was known
    totals = ch.query(load_sql(_ROOM, "flatten_totals"), named, LIMITS).dicts()[0]
    steps = ch.query(load_sql(_ROOM, "flatten_steps"), named, LIMITS).dicts()
    return Flattened(
        name,
        object_type,
        totals["cases"],
        totals["events"],
        totals["occurrences"],
        tuple(FlatStep(**one) for one in steps),
    )


def _take_in(ch: ClickHouse, named: Mapping[str, Any]) -> None:
    """Makes the type known, then takes in what there is already: what arrives in between comes twice and counts once.

    A call that failed in between is made good by the next one, because only the end of it is noted as whole.
    """

    def note(whole: int) -> None:
        row = (named["tenant"], named["stream"], named["object_type"], whole)
        ch.insert_rows("flattened_streams", ("TenantId", "Stream", "ObjectType", "Whole"), [row])

    note(0)
    events = int(ch.query(load_sql(_ROOM, "flatten_totals"), named, LIMITS).dicts()[0]["events"])
    slices = max(1, -(-events // EVENTS_AT_ONCE))
    for number in range(slices):
        ch.command(load_sql(_ROOM, "flatten_past"), {**named, "slices": slices, "slice": number}, LIMITS)
    note(1)
