"""A stand-in for the read models of the process page: the same Monday morning, in which allocated orders do not move.

Look-alikes of the rows of `kpis.process`, for the browser and for component trees.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from core.errors import NotFound
from dashboards.process_reads import CaseQuestion, StreamTile
from tests.browser.standin import NOW, StandIn

ORDERS = "order-to-cash"
HOUR, DAY = 3600.0, 86_400.0


@dataclass(frozen=True)
class Spread:
    """Looks like kpis.process.process_map.Spread."""

    mean_s: float
    median_s: float
    p90_s: float
    p95_s: float
    sum_s: float


@dataclass(frozen=True)
class Transition:
    """Looks like kpis.process.process_map.Transition."""

    from_step: str
    to_step: str
    count: int
    cases: int
    gap: Spread
    waits: int
    waiting: Spread | None


@dataclass(frozen=True)
class StepNode:
    """Looks like kpis.process.process_map.StepNode."""

    step: str
    count: int
    cases: int
    starts: int
    ends: int
    timed: int
    working: Spread | None


@dataclass(frozen=True)
class ProcessMap:
    """Looks like kpis.process.process_map.ProcessMap."""

    stream: str
    cases: int
    events: int
    data_through: datetime | None
    steps: tuple[StepNode, ...]
    transitions: tuple[Transition, ...]


@dataclass(frozen=True)
class VariantShare:
    """Looks like kpis.process.variants.VariantShare."""

    id: int
    steps: tuple[str, ...]
    cases: int
    share: float
    median_s: float
    p90_s: float
    rework: bool
    outcomes: Mapping[str, int]


@dataclass(frozen=True)
class Variants:
    """Looks like kpis.process.variants.Variants."""

    cases: int
    total: int
    variants: tuple[VariantShare, ...]


@dataclass(frozen=True)
class AttributeFacet:
    """Looks like kpis.process.case_facets.AttributeFacet."""

    name: str
    cases: int
    values: int
    top: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class CaseFacets:
    """Looks like kpis.process.case_facets.CaseFacets."""

    cases: int
    attributes: tuple[AttributeFacet, ...]
    outcomes: Mapping[str, int]


@dataclass(frozen=True)
class Correlate:
    """Looks like kpis.process.bottlenecks.Correlate."""

    kind: str
    name: str
    measure: str
    now: float
    usual: float | None
    since: datetime | None
    text: str = ""


@dataclass(frozen=True)
class Bottleneck:
    """Looks like kpis.process.bottlenecks.Bottleneck."""

    stream: str = ORDERS
    step: str = "retail.order.allocated"
    owner_system: str = "warehouse"
    cases: int = 214
    value: Decimal = Decimal("38412.55")
    currency: str = "EUR"
    unpriced: int = 0
    median_wait_s: float = 14_900.0
    usual_wait_s: float | None = 5100.0
    usual_same_hour_s: float | None = 4200.0
    excess_wait_s: float = 10_700.0
    delayed_cases: int = 131
    delayed_value: Decimal = Decimal("24030.10")
    value_hours: Decimal = Decimal("158200")
    oldest_since: datetime = NOW - timedelta(hours=9.2)
    since: datetime | None = NOW - timedelta(hours=4)
    correlates: tuple[Correlate, ...] = ()
    action: str = "pause order-management->warehouse until the queue is down"
    action_target: str = "order-management->warehouse"
    basis: str = "Open cases after their last event, against the median gap of the last 28 days (n 4,120)."


@dataclass(frozen=True)
class CaseAtRisk:
    """Looks like kpis.process.risk.CaseAtRisk."""

    stream: str = ORDERS
    case_id: str = "ORD-20260302-000417"
    step: str = "retail.order.allocated"
    since: datetime = NOW - timedelta(hours=9)
    value: Decimal | None = Decimal("1240.50")
    currency: str = "EUR"
    promise_at: datetime | None = NOW + timedelta(hours=5)
    promise_basis: str = "paid within 2 days of the order"
    remaining_s: float | None = 31_000.0
    remaining_p90_s: float | None = 88_000.0
    p_late: float | None = 0.87
    overdue: bool = False
    reasons: tuple[str, ...] = ("waits 3.5× as long as usual after order allocated", "SKU is backordered")
    sample_size: int = 412
    basis: str = "orders that stood after the same step in the last 28 days"


@dataclass(frozen=True)
class TimelineStep:
    """Looks like kpis.process.timeline.TimelineStep."""

    step: str
    event_name: str
    start: datetime | None
    end: datetime
    waited_s: float | None
    worked_s: float | None
    unknown_s: float | None
    resource: str = ""
    system: str = "order-management"
    actor: str = "system"


@dataclass(frozen=True)
class TimelineSpan:
    """Looks like kpis.process.timeline.TimelineSpan."""

    trace_id: str
    span_id: str
    name: str
    kind: str
    system: str
    start: datetime
    duration_s: float
    error: bool = False
    status_message: str = ""


@dataclass(frozen=True)
class CaseTimeline:
    """Looks like kpis.process.timeline.CaseTimeline."""

    stream: str
    case_id: str
    first: datetime
    last: datetime
    outcome: str
    closed_at: datetime | None
    value: Decimal | None
    currency: str
    attributes: Mapping[str, str]
    duration_s: float
    waiting_s: float
    working_s: float
    unknown_s: float
    received_through: datetime
    steps: tuple[TimelineStep, ...]
    total_steps: int
    spans: tuple[TimelineSpan, ...]
    total_spans: int
    total_traces: int
    traces_read: int


def spread(median: float, count: int) -> Spread:
    """A lop-sided distribution around the median."""
    return Spread(median * 1.4, median, median * 2.6, median * 3.4, median * 1.4 * count)


def move(source: str, target: str, count: int, median: float, *, known: bool = True) -> Transition:
    """A move between two steps of orders; `known`: the start of the second is."""
    waits = count if known else 0
    waiting = spread(median, count) if known else None
    return Transition(
        f"retail.order.{source}", f"retail.order.{target}", count, max(1, count - count // 40),
        spread(median * 1.05, count), waits, waiting,
    )  # fmt: skip


def node(name: str, count: int, working: float | None, starts: int = 0, ends: int = 0) -> StepNode:
    """A step of orders."""
    timed = count if working is not None else 0
    return StepNode(
        f"retail.order.{name}", count, max(1, count - count // 40), starts, ends, timed,
        None if working is None else spread(working, count),
    )  # fmt: skip


MOVES = (
    move("placed", "validated", 4180, 12),
    move("validated", "fraud_checked", 4100, 40),
    move("validated", "cancelled", 61, 3 * HOUR, known=False),
    move("fraud_checked", "allocated", 3905, 95),
    move("fraud_checked", "backordered", 190, 240),
    move("fraud_checked", "cancelled", 12, 2 * HOUR, known=False),
    move("backordered", "allocated", 166, 2.2 * DAY),
    move("backordered", "cancelled", 21, 4 * DAY, known=False),
    move("allocated", "picked", 3780, 4.1 * HOUR),
    move("picked", "packed", 3710, 22 * 60),
    move("picked", "allocated", 44, 1.4 * HOUR),
    move("packed", "packed", 58, 9 * 60),
    move("packed", "shipped", 3690, 2.3 * HOUR),
    move("shipped", "delivered", 3300, 1.1 * DAY, known=False),
    move("shipped", "invoiced", 210, 1.0 * HOUR),
    move("delivered", "invoiced", 3204, 31 * 60),
    move("invoiced", "delivered", 180, 20 * HOUR, known=False),
    move("invoiced", "paid", 3120, 1.6 * DAY, known=False),
    move("delivered", "paid", 22, 2 * DAY, known=False),
)
NODES = (
    node("placed", 4200, None, starts=4190),
    node("validated", 4185, 2.1),
    node("fraud_checked", 4104, 8.4, ends=4),
    node("allocated", 4110, 3.2, ends=214),
    node("picked", 3790, 640, starts=3, ends=21),
    node("packed", 3760, 210),
    node("shipped", 3690, 45, starts=6, ends=188),
    node("delivered", 3480, None, ends=24),
    node("invoiced", 3420, 1.2),
    node("paid", 3140, None, ends=3140),
    node("backordered", 190, None),
    node("cancelled", 94, None, ends=94),
)
PLAIN = ("placed", "validated", "fraud_checked", "allocated", "picked", "packed", "shipped", "delivered", "invoiced",
         "paid")  # fmt: skip


def variant(number: int, cases: int, names: Sequence[str], days: float, **outcomes: int) -> VariantShare:
    """A variant of orders; without outcomes all of its cases are open."""
    ends = {f"retail.order.{name}": count for name, count in outcomes.items()} or {"": cases}
    steps = tuple(f"retail.order.{name}" for name in names)
    rework = len(set(names)) < len(names)
    return VariantShare(number, steps, cases, cases / 4200, days * DAY, days * 2 * DAY, rework, ends)


VARIANTS = Variants(
    4200,
    63,
    (
        variant(2**63 + 17, 2810, PLAIN, 3.1, paid=2810),
        variant(22, 214, PLAIN[:4], 0.4),
        variant(23, 180, (*PLAIN[:7], "invoiced", "delivered", "paid"), 3.6, paid=170, cancelled=10),
        variant(24, 154, (*PLAIN[:3], "backordered", *PLAIN[3:]), 5.8, paid=154),
        variant(25, 61, (*PLAIN[:2], "cancelled"), 0.2, cancelled=61),
        variant(26, 41, (*PLAIN[:5], "allocated", "picked", *PLAIN[5:]), 4.4, paid=41),
        variant(27, 12, (*PLAIN[:3], "cancelled"), 0.3, cancelled=12),
    ),
)

BOTTLENECKS = (
    Bottleneck(
        correlates=(
            Correlate("queue", "fulfilment.requests", "depth", 263, 14, NOW - timedelta(hours=4),
                      "fulfilment.requests holds 263, usual 14"),
            Correlate("api", "warehouse POST /pick-tasks", "p95_ms", 6210, 840, NOW - timedelta(hours=4),
                      "warehouse POST /pick-tasks takes 6.21 s (p95), usual 840 ms"),
        )
    ),
    Bottleneck(step="retail.order.shipped", owner_system="carrier", cases=188, value=Decimal("17204.10"), unpriced=3,
               median_wait_s=88_000, usual_wait_s=86_400, usual_same_hour_s=None, excess_wait_s=1600, delayed_cases=40,
               delayed_value=Decimal("3100"), value_hours=Decimal("421000"), oldest_since=NOW - timedelta(hours=70),
               since=None, action="", action_target=""),
    Bottleneck(step="retail.order.backordered", owner_system="erp", cases=19, value=Decimal("2941"), currency="USD",
               median_wait_s=2.1 * DAY, usual_wait_s=None, usual_same_hour_s=None, excess_wait_s=0, delayed_cases=0,
               delayed_value=Decimal(0), value_hours=Decimal(0), oldest_since=NOW - timedelta(days=6), since=None,
               action="expedite the purchase order", action_target=""),
)  # fmt: skip

RISKS = (
    CaseAtRisk(),
    CaseAtRisk(case_id="ORD-20260228-000093", since=NOW - timedelta(hours=31), value=Decimal("980.00"), overdue=True,
               promise_at=NOW - timedelta(hours=2), p_late=1.0, reasons=("its promise is over",)),
    CaseAtRisk(case_id="ORD-20260301-000311", step="retail.order.backordered", value=Decimal("310.20"), p_late=0.55,
               since=NOW - timedelta(hours=20), sample_size=12, reasons=("few orders like it were on time",)),
    CaseAtRisk(case_id="ORD-20260302-000502", value=None, currency="", p_late=None, promise_at=None, promise_basis="",
               remaining_s=None, remaining_p90_s=None, reasons=(), sample_size=0),
)  # fmt: skip

FACETS = CaseFacets(
    4200,
    (
        AttributeFacet("retail.channel", 4200, 3, (("web", 2610), ("store", 1100), ("marketplace", 490))),
        AttributeFacet("retail.location.id", 4110, 14, tuple((f"DC-{number}", 900 - number) for number in range(12))),
        AttributeFacet("retail.order.id", 4200, 4200, ()),
    ),
    {"retail.order.paid": 3140, "": 421, "retail.order.cancelled": 94},
)


def timeline(case_id: str = "ORD-20260302-000417") -> CaseTimeline:
    """An order that stands after its allocation, with a failed call to the warehouse."""
    first = NOW - timedelta(hours=11)

    def at(minutes: float) -> datetime:
        return first + timedelta(minutes=minutes)

    steps = (
        TimelineStep("retail.order.placed", "retail.order.placed", None, at(0), None, None, 0.0, system="web-shop",
                     actor="human"),
        TimelineStep("retail.order.validated", "retail.order.validated", at(1), at(2), 60.0, 60.0, None),
        TimelineStep("retail.order.fraud_checked", "retail.order.fraud_checked", at(40), at(70), 2280.0, 1800.0, None,
                     resource="fraud-desk", system="payment", actor="human"),
        TimelineStep("retail.order.allocated", "retail.order.allocated", None, at(120), None, None, 3000.0),
    )  # fmt: skip
    trace, other = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b700f067aa0ba902b7"
    spans = (
        TimelineSpan(trace, "a1", "POST /orders", "Server", "web-shop", at(0), 0.4),
        TimelineSpan(trace, "a2", "orders.placed publish", "Producer", "web-shop", at(0.01), 0.02),
        TimelineSpan(trace, "a3", "validate order", "Server", "order-management", at(1), 60.0),
        TimelineSpan(trace, "a4", "review", "Internal", "payment", at(40), 1800.0),
        TimelineSpan(other, "b1", "POST /pick-tasks", "Client", "order-management", at(125), 31.0, True,
                     "timeout after 30 s"),
        TimelineSpan(other, "b2", "POST /pick-tasks", "Server", "warehouse", at(125), 44.0),
        TimelineSpan(other, "b3", "POST /pick-tasks", "Client", "order-management", at(300), 31.0, True, ""),
    )  # fmt: skip
    return CaseTimeline(
        ORDERS, case_id, first, at(120), "", None, Decimal("1240.50"), "EUR",
        {"retail.order.id": case_id, "retail.channel": "web", "retail.location.id": "DC-2"},
        7200.0, 2340.0, 1860.0, 3000.0, NOW - timedelta(hours=9), steps, 4, spans, 7, 2, 2,
    )  # fmt: skip


@dataclass
class ProcessStandIn(StandIn):
    """Both pages' reads; `asked` are the questions that were put."""

    asked: list[tuple[str, object]] = field(default_factory=list)

    def streams(self, tenant: str) -> Sequence[StreamTile]:
        return (
            StreamTile(ORDERS, 4200, 421, NOW - timedelta(seconds=20), True),
            StreamTile("return-to-resolution", 640, 148, NOW - timedelta(minutes=3), True),
            StreamTile("bpic2012", 13_087, 13_087, datetime(2012, 3, 14, tzinfo=NOW.tzinfo), False),
        )

    def process_map(self, tenant: str, stream: str, question: CaseQuestion) -> ProcessMap:
        self.asked.append(("map", question))
        if stream != ORDERS or ("retail.channel", "nowhere") in question.attributes:
            return ProcessMap(stream, 0, 0, None, (), ())
        whole = ProcessMap(ORDERS, 4200, 37_163, NOW - timedelta(seconds=20), NODES, MOVES)
        if question.waits:
            return along(whole, 22)
        return whole if question.variant is None else along(whole, question.variant)

    def variants(self, tenant: str, stream: str, question: CaseQuestion) -> Variants:
        self.asked.append(("variants", question))
        if stream != ORDERS or ("retail.channel", "nowhere") in question.attributes:
            return Variants(0, 0, ())
        left = tuple(one for one in VARIANTS.variants if set(question.contains) <= set(one.steps))
        return dataclasses.replace(VARIANTS, variants=left)

    def bottlenecks(self, tenant: str, stream: str) -> Sequence[Bottleneck]:
        return BOTTLENECKS if stream == ORDERS else ()

    def standing(self, tenant: str, stream: str, question: CaseQuestion) -> Mapping[str, int]:
        self.asked.append(("standing", question))
        return {"retail.order.allocated": 81}

    def risks(self, tenant: str, stream: str, question: CaseQuestion) -> Sequence[CaseAtRisk]:
        self.asked.append(("risks", question))
        if ("retail.channel", "nowhere") in question.attributes:
            return ()
        found = RISKS if stream == ORDERS else ()
        return tuple(one for one in found if question.waits in ("", one.step))

    def facets(self, tenant: str, stream: str, question: CaseQuestion) -> CaseFacets:
        self.asked.append(("facets", question))
        if stream != ORDERS or ("retail.channel", "nowhere") in question.attributes:
            return CaseFacets(0, (), {})
        return FACETS

    def timeline(self, tenant: str, stream: str, case_id: str) -> CaseTimeline:
        if not case_id.startswith("ORD-"):
            raise NotFound(f"there is no case {case_id!r} in the stream {stream!r}")
        return timeline(case_id)


def along(whole: ProcessMap, number: int) -> ProcessMap:
    """The map of one variant's cases."""
    found = next((one for one in VARIANTS.variants if one.id == number), None)
    if found is None:
        return dataclasses.replace(whole, cases=0, events=0, data_through=None, steps=(), transitions=())
    pairs = set(zip(found.steps, found.steps[1:], strict=False))
    steps = tuple(
        dataclasses.replace(step, count=found.cases, cases=found.cases,
                            starts=found.cases * (step.step == found.steps[0]),
                            ends=found.cases * (step.step == found.steps[-1]))
        for step in whole.steps if step.step in found.steps
    )  # fmt: skip
    moves = tuple(
        dataclasses.replace(one, count=found.cases, cases=found.cases)
        for one in whole.transitions
        if (one.from_step, one.to_step) in pairs
    )
    return dataclasses.replace(
        whole, cases=found.cases, events=found.cases * len(found.steps), steps=steps, transitions=moves
    )


class NoStreams(ProcessStandIn):
    """A service that has never been sent anything."""

    def data_through(self, tenant: str) -> datetime | None:
        return None

    def streams(self, tenant: str) -> Sequence[StreamTile]:
        return ()
