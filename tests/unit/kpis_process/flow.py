"""Cases for the tests of how work flows: events with resource, system and actor, and one case of 50,000 events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from core import SystemClock
from kpis.process.cases import CaseJobs
from kpis.process.filters import CaseFilter
from kpis.process.streams import parse_streams
from storage import ClickHouse

DAY_ONE = datetime(2026, 3, 1, tzinfo=UTC)
NOTHING = CaseFilter(case_ids=["nobody"])
RICH = CaseFilter(
    start=DAY_ONE, end=DAY_ONE + timedelta(days=9), contains=["a"], misses=["z"], follows=[("a", "b")],
    attributes={"k": [""]}, excluded={"k": ["v"]}, min_duration_s=1, max_duration_s=1e9, min_events=2,
    outcomes=["done", "open"], case_ids=["huge"],
)  # fmt: skip
"""Says every kind of thing about cases, and lets the huge one through."""
HUGE = 50_000
COLUMNS = (
    "TenantId", "Stream", "CaseId", "Timestamp", "Seq", "EventId", "Step", "EventName", "StartTime", "Resource",
    "System", "ActorType", "Amount", "Currency", "ReceivedAt", "SegmentId",
)  # fmt: skip
STREAMS = parse_streams('[s]\nowner = "erp"\nterminal = ["done"]\nvalue = []\n')


@dataclass(frozen=True)
class Did:
    """An event; `at` and `start` are seconds after 2026-03-01T00:00:00Z."""

    case: str
    step: str
    at: float
    start: float | None = None
    resource: str = ""
    system: str = ""
    actor: str = ""
    amount: str | None = None
    currency: str = "EUR"

    @property
    def began(self) -> float:
        """The start, where it is known."""
        return self.at if self.start is None else self.start


def when(seconds: float) -> datetime:
    """A moment of the tests' first day."""
    return DAY_ONE + timedelta(seconds=seconds)


def load(ch: ClickHouse, tenant: str, events: Iterable[Did], stream: str = "s") -> None:
    """Stores the events, numbered in the order given, and makes the cases."""
    rows = [_row(tenant, stream, place, event) for place, event in enumerate(events, 1)]
    ch.insert_rows("process_events", COLUMNS, rows)
    make_cases(ch, tenant, stream)


def make_cases(ch: ClickHouse, tenant: str, stream: str = "s") -> None:
    """Takes what was inserted into the cases."""
    CaseJobs(ch, SystemClock(), lambda: STREAMS).run_once(tenant, stream)


def load_huge(ch: ClickHouse, tenant: str) -> None:
    """One case whose event n is at second n, by fives a a b c b, done by r1 r2 - r1 r1; odd ones began 0.5 s before."""
    ch.command(
        """INSERT INTO process_events (TenantId, Stream, CaseId, Timestamp, Seq, EventId, Step, EventName, StartTime,
            Resource, System, ActorType, ReceivedAt, SegmentId)
        SELECT {tenant:String}, 's', 'huge', Moment, number, toString(number),
            ['a', 'a', 'b', 'c', 'b'][number % 5 + 1], 'e',
            if(number % 2 = 1, Moment - toIntervalMillisecond(500), NULL),
            ['r1', 'r2', '', 'r1', 'r1'][number % 5 + 1], ['x', 'y'][number % 2 + 1],
            ['human', 'system', 'agent', '', 'system'][number % 5 + 1], Moment, 1
        FROM
        (
            SELECT number, toDateTime64('2026-03-01', 9, 'UTC') + toIntervalSecond(number) AS Moment
            FROM numbers({events:UInt32})
        )""",
        {"tenant": tenant, "events": HUGE},
    )
    make_cases(ch, tenant)


def in_cases(events: Sequence[Did]) -> list[list[Did]]:
    """The events by case, each case in the order that the definitions say."""
    found: dict[str, list[tuple[float, float, int]]] = {}
    for place, event in enumerate(events):
        found.setdefault(event.case, []).append((event.began, event.at, place))
    return [[events[place] for *_, place in sorted(own)] for own in found.values()]


def percentile(values: Iterable[float], level: float) -> float:
    """Linear interpolation between neighbours."""
    ordered = sorted(values)
    place = level * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def spread(values: Sequence[float]) -> tuple[float, ...]:
    """Mean, median, p90, p95 and sum."""
    return (sum(values) / len(values), *(percentile(values, level) for level in (0.5, 0.9, 0.95)), sum(values))


def _row(tenant: str, stream: str, place: int, event: Did) -> tuple[Any, ...]:
    return (
        tenant, stream, event.case, when(event.at), place, f"e{place}", event.step, event.step,
        None if event.start is None else when(event.start), event.resource, event.system, event.actor,
        None if event.amount is None else Decimal(event.amount), event.currency if event.amount else "", DAY_ONE, 1,
    )  # fmt: skip
