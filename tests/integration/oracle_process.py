"""Processes and waiting work computed a second time, in plain Python, as docs/process.md defines them.

Case by case, from what the simulated retailer told (its steps carry their event's name, and its cases one currency) or
from the events of a stream as they are stored, one by one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from demo.model.facts import DAY, SECOND
from storage import ClickHouse
from tests.integration.oracle import Event, History, moment, percentile


@dataclass(frozen=True)
class Process:
    """The summary of a stream."""

    cases: int
    events: int
    activities: int
    rework: int
    durations: tuple[float, float, float]
    first: datetime
    last: datetime
    variants: Mapping[tuple[str, ...], int]
    edges: Mapping[tuple[str, str], tuple[int, float, float]]
    times: tuple[float, float, float, float, float] | None
    bottlenecks: Mapping[tuple[str, str], tuple[int, float]]


def process(told: History, stream: str, details: Sequence[str]) -> Process:
    """`details` are the events that are no steps."""
    return process_of(_steps(told.cases(stream), details))


EVENTS = """
SELECT CaseId, toUnixTimestamp64Nano(Timestamp), Seq, EventId, Step, toUnixTimestamp64Nano(StartTime)
FROM process_events FINAL
WHERE TenantId = {tenant:String} AND Stream = {stream:String}
"""


def stored(ch: ClickHouse, tenant: str, stream: str) -> list[list[Event]]:
    """The cases of a stream without details, from its events; the engine only hands them over."""
    cases: dict[str, list[Event]] = defaultdict(list)
    for case, at, seq, event_id, step, start in ch.query(EVENTS, {"tenant": tenant, "stream": stream}).rows:
        cases[case].append(Event(stream, case, at, seq, event_id, step, start, None, None, "", {}))
    return [sorted(events, key=lambda event: event.order) for events in cases.values()]


def process_of(cases: Sequence[Sequence[Event]]) -> Process:
    """Of cases, each in its order. Durations are median, mean and p90; edges count, mean and median; times cycle,
    working, waiting, unknown and touch; bottlenecks count and waiting."""
    gaps: dict[tuple[str, str], list[float]] = defaultdict(list)
    waits: dict[tuple[str, str], list[float]] = defaultdict(list)
    for events in cases:
        for one, two in pairwise(events):
            gap = max(two.begun - one.at, 0) / SECOND
            gaps[one.name, two.name].append(gap)
            if two.start is not None:
                waits[one.name, two.name].append(gap)
    lasted = [(max(e.at for e in events) - min(e.begun for e in events)) / SECOND for events in cases]
    every = [event for events in cases for event in events]
    started = any(event.start is not None for event in every)
    split = [_split(events) for events in cases] if started else []
    working, unknown, touch = (sum(part[index] for part in split) for index in range(3))
    return Process(
        len(cases),
        len(every),
        len({event.name for event in every}),
        sum(len({event.name for event in events}) < len(events) for events in cases),
        (percentile(lasted, 0.5), sum(lasted) / len(lasted), percentile(lasted, 0.9)),
        moment(min(event.begun for event in every)),
        moment(max(event.at for event in every)),
        Counter(tuple(event.name for event in events) for events in cases),
        {edge: (len(took), sum(took) / len(took), percentile(took, 0.5)) for edge, took in gaps.items()},
        (sum(lasted), working, sum(lasted) - working - unknown, unknown, touch) if started else None,
        {edge: (len(took), sum(took)) for edge, took in waits.items()} if started else {},
    )


def assert_tells(answer: Mapping[str, Any], expected: Process) -> None:
    """The printed summary has these numbers, all of them; sums of floats depend on their order in the last digits."""

    def near(value: Any) -> Any:
        return pytest.approx(value, rel=1e-9, abs=1e-6)

    counts = (answer["cases"], answer["events"], answer["activities"], answer["rework_cases"])
    assert counts == (expected.cases, expected.events, expected.activities, expected.rework)
    assert list(answer["case_duration_s"].values()) == near(list(expected.durations))
    assert (answer["first"], answer["data_through"]) == (expected.first.isoformat(), expected.last.isoformat())
    assert len(answer["variants"]) == len(expected.variants)
    assert {tuple(one["activities"]): one["count"] for one in answer["variants"]} == dict(expected.variants)
    edges = {(one["from"], one["to"]): (one["count"], one["mean_s"], one["median_s"]) for one in answer["edges"]}
    assert len(edges) == len(answer["edges"])
    assert edges == {edge: near(figures) for edge, figures in expected.edges.items()}
    times = answer.get("working_waiting")
    assert (times is None) == (expected.times is None)
    if times is not None:
        names = ("cycle_s", "working_s", "waiting_s", "unknown_s", "touch_s")
        assert tuple(times[name] for name in names) == near(expected.times)
        found = {(one["from"], one["to"]): (one["count"], one["waiting_s"]) for one in times["bottlenecks"]}
        assert found == {edge: near(figures) for edge, figures in expected.bottlenecks.items()}
        waits = [one["waiting_s"] for one in times["bottlenecks"]]
        assert waits == sorted(waits, reverse=True)


def _steps(cases: Mapping[str, list[Event]], details: Sequence[str], until: int | None = None) -> list[list[Event]]:
    """What is left of each case without details and, with `until`, without what came later."""
    kept = (
        [event for event in events if event.name not in details and (until is None or event.at <= until)]
        for events in cases.values()
    )
    return [events for events in kept if events]


def _split(events: Sequence[Event]) -> tuple[float, float, float]:
    """Working, unknown and touch time of a case: walked from its first start to its last end, piece by piece.

    The pieces lie between neighbouring times of the case. A piece inside a known interval is work. One outside leads to
    the next event: if that one's start is not known, nobody knows what the piece was.
    """
    times = sorted({time for event in events for time in (event.begun, event.at)})
    known = [(event.begun, event.at) for event in events if event.start is not None]
    working = unknown = 0
    for since, until in pairwise(times):
        if any(start <= since and until <= end for start, end in known):
            working += until - since
        else:
            following = min((event for event in events if event.begun >= until), key=lambda event: event.order)
            unknown += until - since if following.start is None else 0
    touch = sum(end - start for start, end in known)
    return working / SECOND, unknown / SECOND, touch / SECOND


@dataclass(frozen=True)
class Stream:
    """What docs/process.md says `models/*.yaml` holds."""

    terminal: Sequence[str]
    running: Sequence[str]
    value: Sequence[str]
    details: Sequence[str]


@dataclass(frozen=True)
class Waiting:
    """Open cases after a step."""

    cases: int
    value: Decimal
    oldest: datetime
    median: float
    usual: float | None
    unpriced: int


def waiting(told: History, now: int, streams: Mapping[str, Stream]) -> dict[tuple[str, str, str], Waiting]:
    """By stream, step and currency."""
    groups: dict[tuple[str, str, str], list[tuple[int, Decimal | None]]] = defaultdict(list)
    gaps: dict[tuple[str, str], list[float]] = defaultdict(list)
    for name, stream in streams.items():
        for events in _steps(told.cases(name), stream.details, until=now):
            for one, two in pairwise(events):
                if one.at >= now - 28 * DAY:
                    gaps[name, one.name].append(max(two.begun - one.at, 0) / SECOND)
            latest = max(events, key=lambda event: (event.at, event.seq))
            if any(event.name in stream.terminal for event in events) or latest.name in stream.running:
                continue
            named = [e.amount for e in events if e.name in stream.value and e.amount is not None]
            amounts = named or [e.amount for e in events if e.amount is not None]
            currency = max((e.currency for e in events if e.amount is not None), default="")
            groups[name, latest.name, currency].append((latest.at, max(amounts) if amounts else None))
    merged: dict[tuple[str, str, str], list[tuple[int, Decimal | None]]] = defaultdict(list)
    for (name, step, currency), stands in groups.items():
        others = [other for stream_name, other_step, other in groups if (stream_name, other_step) == (name, step)]
        merged[name, step, currency or max(others)].extend(stands)
    return {
        (name, step, currency): Waiting(
            len(stands),
            sum((value for _, value in stands if value is not None), Decimal(0)),
            moment(min(since for since, _ in stands)),
            percentile([(now - since) / SECOND for since, _ in stands], 0.5),
            percentile(gaps[name, step], 0.5) if gaps[name, step] else None,
            sum(value is None for _, value in stands),
        )
        for (name, step, currency), stands in merged.items()
    }
