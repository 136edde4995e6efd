"""The same settings give the same facts, and whatever the seed, the retailer's books are in order."""

from __future__ import annotations

from collections import Counter, defaultdict
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import demo
from demo.model.facts import DAY, Kind, LogFact, SpanFact
from demo.model.retailer import Retailer
from demo.model.world import SERVICES, hour_of_day, weekday
from metrics.events import validate_event
from tests.unit.demo.conftest import END, History, sort, tell, window

SMALL = {"orders_per_day": 60.0, "warm_up": 2.0}
few = settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a smaller seed is not a simpler one
)


def test_the_same_settings_give_the_same_facts_in_whatever_steps_they_are_asked_for() -> None:
    whole = tell(window(1, **SMALL))
    stepped, retailer = [], Retailer(window(1, **SMALL))
    for at in range(END - DAY, END + 1, DAY // 37):
        stepped.extend(retailer.facts_until(at))
    stepped.extend(retailer.facts_until(END))
    assert whole == stepped
    assert tell(window(1, **SMALL, seed=1)) != whole


@few
@given(st.integers(0, 2**32))
def test_books_are_in_order_for_any_seed(seed: int) -> None:
    retailer = Retailer(window(4, **SMALL, seed=seed))
    check_books(sort(retailer, retailer.facts_until(END)))


def test_books_are_in_order_with_incidents_at_full_volume(history: History) -> None:
    check_books(history)


def check_books(history: History) -> None:
    """Nothing is shipped or refunded beyond what there is, every id is used once, and time runs forward."""
    ordered: dict[object, int] = {}
    decided: Counter[object] = Counter()
    for event in history.events("retail.order.line.placed"):
        ordered[event.attributes["retail.order.line.id"]] = int(event.attributes["retail.quantity"])
    for name in ("retail.order.line.shipped", "retail.order.line.cancelled"):
        for event in history.events(name):
            decided[event.attributes["retail.order.line.id"]] += int(event.attributes["retail.quantity"])
    assert all(decided[line] <= ordered[line] for line in decided)

    paid: dict[object, Decimal] = {}
    for event in history.events("retail.order.paid"):
        assert event.attributes["retail.order.id"] not in paid
        paid[event.attributes["retail.order.id"]] = Decimal(str(event.attributes["retail.amount"]))
    for event in history.events("retail.refund.issued"):
        order = event.attributes["retail.order.id"]
        if order in paid:
            assert Decimal(str(event.attributes["retail.amount"])) <= paid[order]
    levels = [log.attributes["retail.stock.level"] for log in history.logs if "retail.stock.level" in log.attributes]
    assert min(int(level) for level in levels) >= 0

    check_cases(history.logs)
    check_traces(history.spans)
    start = history.retailer.settings.start
    for facts in (history.spans, history.logs, history.gauges):
        assert all(a.at <= b.at for a, b in pairwise(facts))
        assert all(start <= fact.at <= END for fact in facts)


BEFORE = [
    ("retail.order.placed", "retail.order.validated"),
    ("retail.order.validated", "retail.order.fraud_checked"),
    ("retail.order.fraud_checked", "retail.order.allocated"),
    ("retail.order.allocated", "retail.order.picked"),
    ("retail.order.picked", "retail.order.packed"),
    ("retail.order.packed", "retail.order.shipped"),
    ("retail.order.shipped", "retail.order.delivered"),
    ("retail.order.delivered", "retail.order.paid"),
    ("retail.order.invoiced", "retail.order.paid"),
    ("retail.purchase_order.sent", "retail.purchase_order.acknowledged"),
    ("retail.purchase_order.acknowledged", "retail.goods.received"),
    ("retail.goods.received", "retail.supplier_invoice.received"),
    ("retail.supplier_invoice.matched", "retail.supplier_invoice.paid"),
    ("retail.return.requested", "retail.return.authorised"),
    ("retail.return.authorised", "retail.return.received"),
    ("retail.return.received", "retail.return.inspected"),
    ("retail.return.dispositioned", "retail.refund.approved"),
    ("retail.refund.approved", "retail.refund.issued"),
    ("retail.refund.settled", "retail.return.closed"),
    ("retail.replenishment.triggered", "retail.replenishment.ordered"),
    ("retail.replenishment.ordered", "retail.replenishment.received"),
    ("retail.promotion.started", "retail.promotion.ended"),
    ("retail.promotion.claimed", "retail.promotion.settled"),
]
FIRST = {
    "order-to-cash": "retail.order.placed",
    "procure-to-pay": ("retail.purchase_order.sent", "retail.approval.requested"),
    "return-to-resolution": "retail.return.requested",
    "forecast-to-replenish": "retail.replenishment.triggered",
    "promotion-to-settlement": "retail.promotion.set_up",
    "customer-lifecycle": (
        "retail.customer_case.opened",
        "retail.warranty.claimed",
        "retail.subscription.change_requested",
        "retail.account.requested",
    ),
    "master-data": ("retail.supplier.requested", "retail.item.requested"),
    "record-to-report": "retail.period.ended",
}
LAST = {
    "order-to-cash": {"retail.order.paid", "retail.order.cancelled", "retail.order.failed"},
    "procure-to-pay": {"retail.supplier_invoice.paid"},
    "return-to-resolution": {"retail.return.closed"},
    "forecast-to-replenish": {"retail.replenishment.received"},
    "promotion-to-settlement": {"retail.promotion.settled"},
    "customer-lifecycle": {
        "retail.customer_case.resolved",
        "retail.warranty.resolved",
        "retail.subscription.changed",
        "retail.account.onboarded",
    },
    "master-data": {"retail.supplier.onboarded", "retail.item.set_up"},
    "record-to-report": {"retail.period.closed"},
}


def check_cases(logs: list[LogFact]) -> None:
    """Cases begin with their first event, causes come before effects, nothing follows the end, numbers run on."""
    cases: dict[tuple[object, object], list[LogFact]] = defaultdict(list)
    for log in logs:
        if log.name and "retail.case.id" in log.attributes:
            cases[log.attributes["retail.stream"], log.attributes["retail.case.id"]].append(log)
    for (stream, case), events in cases.items():
        assert events[0].name in FIRST[str(stream)], case
        assert [event.attributes["retail.seq"] for event in events] == list(range(1, len(events) + 1)), case
        for event in events[:-1]:
            assert event.name not in LAST[str(stream)], (case, event.name)
        first = {event.name: event.at for event in reversed(events)}
        for cause, effect in BEFORE:
            if effect in first:
                assert first.get(cause, END) <= first[effect], (case, cause, effect)


def check_traces(spans: list[SpanFact]) -> None:
    """Span ids are unique, times run forward, and a server's span lies within its client's."""
    by_id = {(span.trace_id, span.span_id): span for span in spans}
    assert len(by_id) == len(spans)
    for span in spans:
        assert span.start <= span.at
        assert span.service in SERVICES
        if span.kind is Kind.SERVER and span.parent_id:
            client = by_id.get((span.trace_id, span.parent_id))
            if client is not None:
                assert client.kind is Kind.CLIENT
                assert client.start <= span.start
                assert span.at <= client.at
                assert client.attributes["retail.edge"] == f"{client.service}->{span.service}"


def test_every_event_conforms_to_the_catalogue(history: History) -> None:
    wrong = [
        (log.name, problems)
        for log in history.logs
        if log.name and (problems := validate_event(log.name, log.attributes))
    ]
    assert wrong == []


def test_spans_carry_only_known_retail_names(history: History) -> None:
    keys = {key for span in history.spans for key in span.attributes}
    problems = validate_event("retail.order.picked", dict.fromkeys(keys, ""))
    assert [p.attribute for p in problems if p.kind == "unknown_attribute"] == []


def test_all_streams_services_and_actors_take_part(history: History) -> None:
    assert {log.attributes["retail.stream"] for log in history.logs if "retail.stream" in log.attributes} == set(FIRST)
    assert {span.service for span in history.spans} == set(SERVICES)
    actors = {log.attributes.get("retail.actor.type") for log in history.logs}
    assert actors >= {"human", "system", "agent"}
    assert {span.kind for span in history.spans} == set(Kind)
    assert sum(1 for span in history.spans if span.links) > 1_000


def test_ordinary_failures_are_rare_but_there_and_a_declined_payment_is_none(history: History) -> None:
    calls: dict[object, list[bool]] = defaultdict(list)
    for span in history.spans:
        if span.kind is Kind.CLIENT:
            calls[span.attributes["retail.edge"]].append(bool(span.error))
    rates = {edge: sum(failed) / len(failed) for edge, failed in calls.items() if len(failed) > 2_000}
    assert 0.002 < rates["order-management->payment"] < 0.010
    assert rates["web-shop->order-management"] < 0.005
    assert {edge for edge, rate in rates.items() if rate > 0.012} == {
        "order-management->warehouse",
        "carrier->order-management",
    }
    assert history.events("retail.order.failed")


def test_public_names() -> None:
    assert sorted(demo.__all__) == demo.__all__
    assert all(hasattr(demo, name) for name in demo.__all__)


def test_fill_rates_differ_by_basis(history: History) -> None:
    """Partial shipments and cancellations make line, unit and order rates different numbers below 1."""
    lines: dict[object, list[int]] = {}
    order_of: dict[object, object] = {}
    for event in history.events("retail.order.line.placed"):
        lines[event.attributes["retail.order.line.id"]] = [int(event.attributes["retail.quantity"]), 0, 0]
        order_of[event.attributes["retail.order.line.id"]] = event.attributes["retail.order.id"]
    for position, name in ((1, "retail.order.line.shipped"), (2, "retail.order.line.cancelled")):
        for event in history.events(name):
            line = lines[event.attributes["retail.order.line.id"]]
            line[position] += int(event.attributes["retail.quantity"])
    decided = {key: line for key, line in lines.items() if line[0] == line[1] + line[2]}
    line_rate = sum(line[0] == line[1] for line in decided.values()) / len(decided)
    unit_rate = sum(line[1] for line in decided.values()) / sum(line[0] for line in decided.values())
    short = {order_of[key] for key, line in decided.items() if line[1] < line[0]}
    order_rate = 1 - len(short) / len({order_of[key] for key in decided})
    assert len({line_rate, unit_rate, order_rate}) == 3
    assert 0.9 < order_rate < line_rate < 1


def test_orders_follow_the_hours_and_the_weekdays(history: History) -> None:
    placed = [event.at for event in history.events("retail.order.placed")]
    by_hour = Counter(hour_of_day(at) for at in placed)
    assert sum(by_hour[h] for h in (18, 19, 20)) > 3 * sum(by_hour[h] for h in (1, 2, 3))
    by_day = Counter(weekday(at) for at in placed)  # two of each weekday in 14 days
    assert by_day[5] + by_day[6] > 1.1 * (by_day[1] + by_day[2])


def test_a_sale_multiplies_a_days_orders() -> None:
    plain = sort(*_with(window(3, **SMALL)))
    sale = sort(*_with(window(3, **SMALL, peak_day=1)))

    def on_the_day(history: History) -> int:
        start = history.retailer.settings.start + DAY
        return sum(start <= event.at < start + DAY for event in history.events("retail.order.placed"))

    assert on_the_day(sale) > 1.7 * on_the_day(plain)


def _with(settings_: object) -> tuple[Retailer, list[object]]:
    retailer = Retailer(settings_)  # type: ignore[arg-type]
    return retailer, list(retailer.facts_until(END))


@pytest.mark.parametrize("days", [0.5, 1, 3])
def test_short_windows_have_all_incidents_inside(days: float) -> None:
    retailer = Retailer(window(days, **SMALL))
    for incident in retailer.incidents:
        assert retailer.settings.start <= incident.start < retailer.settings.end
        assert incident.start < incident.end


def test_a_paused_edge_holds_work_and_its_queue_runs_empty() -> None:
    retailer = Retailer(window(1, **SMALL))
    before = sort(retailer, retailer.facts_until(END))
    assert [s for s in before.spans if s.name == "send fulfilment.requests"]
    retailer.pause("order-management->warehouse", True)
    settled = sort(retailer, retailer.facts_until(END + DAY))
    sent = [s for s in settled.spans if s.name == "send fulfilment.requests" and s.start > END]
    assert sent == []
    assert settled.events("retail.order.allocated")
    depth = {name: depth for _, name, _, depth, _ in retailer.depths()}
    assert depth["fulfilment.requests"] == 0
    held = retailer.gate("order-management->warehouse").held
    assert held > 20
    retailer.pause("order-management->warehouse", False)
    after = sort(retailer, retailer.facts_until(END + DAY + DAY // 12))
    assert len([s for s in after.spans if s.name == "send fulfilment.requests"]) >= held
