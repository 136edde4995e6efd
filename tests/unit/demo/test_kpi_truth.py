"""The truth of the KPIs, counted while the simulation runs, equals a plain recount of the facts it told."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from statistics import median
from typing import Any

import pytest

from demo.incidents import MISSETTLED_PROMOTION_ID
from demo.model.facts import DAY, HOUR, SECOND, LogFact
from demo.model.retailer import Retailer
from tests.unit.demo.conftest import END, History, window


@pytest.fixture(scope="module")
def kpis(history: History) -> dict[str, Any]:
    """The truth at the end of the window."""
    truth: Any = history.retailer.truth()["kpis"]
    return dict(truth)


def nanos(value: object) -> int:
    """A time attribute in nanoseconds."""
    text = str(value)
    return int(text) if text.isdigit() else int(datetime.fromisoformat(text).timestamp()) * SECOND


def of(log: LogFact, name: str) -> str:
    """An attribute as text."""
    return str(log.attributes[f"retail.{name}"])


def units(log: LogFact) -> int:
    """The units of an event."""
    return int(of(log, "quantity"))


def amount(log: LogFact) -> Decimal:
    """The money of an event."""
    return Decimal(of(log, "amount"))


def lead(history: History, first: str, last: str, key: str = "case.id") -> dict[str, Any]:
    """Count, sum, median and open ones of the time between two events that share a key."""
    began = {of(e, key): e.at for e in history.events(f"retail.{first}") if f"retail.{key}" in e.attributes}
    ended = {of(e, key): e.at for e in history.events(f"retail.{last}") if f"retail.{key}" in e.attributes}
    return spread([ended[k] - began[k] for k in ended if k in began], len(began))


def spread(took: list[int], begun: int) -> dict[str, Any]:
    """The same of durations that are known, out of all that begun."""
    return {
        "count": len(took),
        "seconds_sum": round(sum(took) / SECOND, 6),
        "seconds_median": round(median(took) / SECOND, 6) if took else None,
        "open": begun - len(took),
    }


def test_fill_is_what_was_placed_shipped_and_cancelled(history: History, kpis: dict[str, Any]) -> None:
    failed = {of(e, "order.id") for e in history.events("retail.order.failed")}
    lines = {
        of(e, "order.line.id"): e for e in history.events("retail.order.line.placed") if of(e, "order.id") not in failed
    }
    shipped, customer, ours, short, times = (
        Counter[str](),
        Counter[str](),
        Counter[str](),
        Counter[str](),
        Counter[str](),
    )
    for event in history.events("retail.order.line.shipped"):
        shipped[of(event, "order.line.id")] += units(event)
        times[of(event, "order.line.id")] += 1
    for event in history.events("retail.order.line.cancelled"):
        (customer if of(event, "cancel.reason") == "customer" else ours)[of(event, "order.line.id")] += units(event)
    for event in history.events("retail.order.backordered"):
        short[of(event, "order.line.id")] += units(event)
    wanted = {ident: units(e) - customer[ident] for ident, e in lines.items()}
    left = {ident: wanted[ident] - shipped[ident] - ours[ident] for ident in lines}
    whole = [ident for ident in lines if 0 < wanted[ident] == shipped[ident]]
    assert kpis["fill"]["lines"] == {
        "placed": len(lines),
        "excluded": sum(n == 0 for n in wanted.values()),
        "wanted": sum(n > 0 for n in wanted.values()),
        "shipped": len(whole),
        "shipped_at_once": sum(times[ident] == 1 and not short[ident] for ident in whole),
        "open": sum(n > 0 for n in left.values()),
        "backordered": sum(n > 0 for n in short.values()),
    }
    assert kpis["fill"]["units"] == {
        "placed": sum(units(e) for e in lines.values()),
        "excluded": customer.total(),
        "wanted": sum(wanted.values()),
        "shipped": shipped.total(),
        "cancelled_by_us": ours.total(),
        "open": sum(left.values()),
        "backordered": short.total(),
    }
    price = {ident: amount(e) / units(e) for ident, e in lines.items()}
    for name, number in (("wanted", wanted), ("shipped", shipped), ("open", left), ("cancelled_by_us", ours)):
        assert Decimal(kpis["fill"]["value"][name]) == sum(price[ident] * number[ident] for ident in lines), name
    orders = defaultdict(list)
    for ident, event in lines.items():
        orders[of(event, "order.id")].append(ident)
    some = [idents for idents in orders.values() if any(wanted[ident] for ident in idents)]
    assert kpis["fill"]["orders"] == {
        "placed": len(history.events("retail.order.placed")),
        "failed": len(failed),
        "excluded": len(orders) - len(some),
        "wanted": len(some),
        "shipped": sum(all(shipped[i] == wanted[i] for i in idents) for idents in some),
        "open": sum(any(left[i] for i in idents) for idents in some),
    }
    assert 0 < kpis["fill"]["units"]["open"] < 500


def test_deliveries_are_on_time_by_the_instant(history: History, kpis: dict[str, Any]) -> None:
    sent = {of(e, "shipment.id"): units(e) for e in history.events("retail.order.shipped")}
    promise = {of(e, "order.id"): nanos(of(e, "promise.at")) for e in history.events("retail.order.placed")}
    wanted = {of(e, "order.id"): units(e) for e in history.events("retail.order.placed")}
    for event in history.events("retail.order.line.cancelled"):
        if of(event, "cancel.reason") == "customer":
            wanted[of(event, "order.id")] -= units(event)
    came, last, on_time = Counter[str](), dict[str, int](), 0
    for event in history.events("retail.order.delivered"):
        came[of(event, "order.id")] += sent[of(event, "shipment.id")]
        last[of(event, "order.id")] = event.at
        on_time += event.at <= nanos(of(event, "promise.at"))
    full = [order for order, number in came.items() if number == wanted[order]]
    assert kpis["delivery"] == {
        "promised_orders": len(promise),
        "shipments_delivered": len(history.events("retail.order.delivered")),
        "shipments_on_time": on_time,
        "orders_with_a_delivery": len(came),
        "orders_in_full": len(full),
        "orders_in_full_on_time": sum(last[order] <= promise[order] for order in full),
    }
    assert 0.8 < kpis["delivery"]["orders_in_full_on_time"] / len(full) < 1


@pytest.mark.parametrize(
    ("path", "first", "last", "key"),
    [
        ("refunds.received_to_issued", "return.received", "refund.issued", "return.id"),
        ("refunds.requested_to_issued", "return.requested", "refund.issued", "return.id"),
        ("refunds.return_requested_to_closed", "return.requested", "return.closed", "return.id"),
        ("replenishments", "replenishment.triggered", "replenishment.received", "replenishment.id"),
        ("purchase_orders.sent_to_received", "purchase_order.sent", "goods.received", "purchase_order.id"),
        ("purchase_orders.sent_to_acknowledged", "purchase_order.sent", "purchase_order.acknowledged", "case.id"),
        ("lead_times.customer_case", "customer_case.opened", "customer_case.resolved", "customer_case.id"),
        ("lead_times.warranty", "warranty.claimed", "warranty.resolved", "warranty.id"),
        ("lead_times.subscription", "subscription.change_requested", "subscription.changed", "subscription.id"),
        ("lead_times.account", "account.requested", "account.onboarded", "account.id"),
        ("lead_times.supplier", "supplier.requested", "supplier.onboarded", "supplier.id"),
        ("lead_times.item", "item.requested", "item.set_up", "sku"),
        ("lead_times.period", "period.ended", "period.closed", "period.id"),
    ],
)
def test_waits_lie_between_two_facts(
    history: History, kpis: dict[str, Any], path: str, first: str, last: str, key: str
) -> None:
    told: Any = kpis
    for name in path.split("."):
        told = told[name]
    assert told == lead(history, first, last, key)
    assert told["count"] > 0


def test_approvals_are_paired_by_their_id(history: History, kpis: dict[str, Any]) -> None:
    asked = {of(e, "approval.id"): e for e in history.events("retail.approval.requested")}
    answers = history.events("retail.approval.granted") + history.events("retail.approval.denied")
    assert len(asked) == len(history.events("retail.approval.requested"))
    for subject, told in kpis["approvals"].items():
        begun = [e for e in asked.values() if of(e, "approval.subject") == subject]
        took = [a.at - asked[of(a, "approval.id")].at for a in answers if of(a, "approval.subject") == subject]
        assert told == spread(took, len(begun)), subject
    assert sum(told["count"] for told in kpis["approvals"].values()) == len(answers)


def test_exceptions_are_paired_by_their_id(history: History, kpis: dict[str, Any]) -> None:
    raised = {of(e, "exception.id"): of(e, "exception.category") for e in history.events("retail.exception.raised")}
    ends = {of(e, "exception.id"): e for e in history.events("retail.exception.resolved")}
    assert len(raised) == len(history.events("retail.exception.raised"))
    assert set(ends) <= set(raised)
    assert len(ends) == len(history.events("retail.exception.resolved"))
    expected: dict[str, Counter[str]] = defaultdict(Counter)
    for ident, category in raised.items():
        expected[category]["raised"] += 1
        end = ends.get(ident)
        human = end is not None and of(end, "actor.type") == "human"
        expected[category]["open" if end is None else "human_resolved" if human else "auto_resolved"] += 1
    names = ("raised", "auto_resolved", "human_resolved", "open")
    assert kpis["exceptions"] == {c: {name: n[name] for name in names} for c, n in sorted(expected.items())}
    sums = {name: sum(entry[name] for entry in kpis["exceptions"].values()) for name in names}
    assert min(sums.values()) > 10
    assert sums["raised"] < 0.25 * len(history.events("retail.order.placed"))


def test_returns_promotions_purchases_and_invoices(history: History, kpis: dict[str, Any]) -> None:
    reasons = Counter(of(e, "return.reason") for e in history.events("retail.return.requested"))
    assert {reason: entry["returns"] for reason, entry in kpis["returns"].items()} == reasons
    returned = sum(units(e) for e in history.events("retail.return.requested"))
    assert sum(entry["units"] for entry in kpis["returns"].values()) == returned

    paid = {of(e, "promotion.id"): amount(e) for e in history.events("retail.promotion.settled")}
    claimed = dict.fromkeys(paid, Decimal(0))
    for event in history.events("retail.promotion.claimed"):
        if of(event, "promotion.id") in claimed:
            claimed[of(event, "promotion.id")] += amount(event)
    wrong = sorted(ident for ident in paid if paid[ident] != claimed[ident])
    assert kpis["promotions"]["mis_settled"] == wrong == [MISSETTLED_PROMOTION_ID]
    sums = {name: Decimal(kpis["promotions"][name]) for name in ("claimed", "paid")}
    assert sums == {"claimed": sum(claimed.values()), "paid": sum(paid.values())}
    assert kpis["promotions"]["settled"] == len(paid)

    goods = history.events("retail.goods.received")
    assert kpis["purchase_orders"]["received"] == len(goods)
    assert kpis["purchase_orders"]["on_time"] == sum(e.at <= nanos(of(e, "promise.at")) for e in goods)

    ids = {
        verb: {of(e, "invoice.id") for e in history.events(f"retail.supplier_invoice.{verb}")}
        for verb in ("received", "mismatched", "matched", "paid")
    }
    first_pass = ids["matched"] - ids["mismatched"]
    assert kpis["invoices"] == {
        **{verb: len(found) for verb, found in ids.items()},
        "first_pass_matched": len(first_pass),
        "paid_touchless": len(ids["paid"] & first_pass),
    }


def test_stock_and_prices(history: History, kpis: dict[str, Any]) -> None:
    counts = [(int(of(e, "stock.book")), int(of(e, "stock.level"))) for e in history.events("retail.stock.counted")]
    shown = [e.at - nanos(of(e, "changed.at")) for e in history.events("retail.stock.synchronised")]
    assert kpis["inventory"] == {
        "records_counted": len(counts),
        "records_matching": sum(book == found for book, found in counts),
        "units_booked": sum(book for book, _ in counts),
        "absolute_unit_error": sum(abs(found - book) for book, found in counts),
        "stock_outs": len(history.events("retail.stock.depleted")),
        "synchronised": len(shown),
        "synchronised_seconds_sum": round(sum(shown) / SECOND, 6),
        "synchronised_seconds_max": round(max(shown) / SECOND, 6),
    }
    assert max(shown) > 6 * HOUR  # the stand-still
    assert median(shown) < 5 * SECOND
    checks = history.events("retail.price.checked")
    wrong = [e for e in checks if amount(e) != Decimal(of(e, "price.expected"))]
    assert kpis["prices"] == {"checked": len(checks), "mismatched": len(wrong)}
    assert 5 < len(wrong) < 0.1 * len(checks)


def test_touches_and_reconciliations(history: History, kpis: dict[str, Any]) -> None:
    touches, cases = Counter[str](), defaultdict[str, set[str]](set)
    for log in history.logs:
        if log.name and "retail.case.id" in log.attributes and log.attributes.get("retail.actor.type") == "human":
            touches[of(log, "stream")] += 1
            cases[of(log, "stream")].add(of(log, "case.id"))
    assert kpis["touches"] == {s: {"touches": n, "cases_touched": len(cases[s])} for s, n in sorted(touches.items())}

    def took(events: Iterable[LogFact]) -> float:
        return round(sum(e.at - nanos(of(e, "step.start")) for e in events) / SECOND, 6)

    done = history.events("retail.reconciliation.performed")
    human = [e for e in done if of(e, "actor.type") == "human"]
    assert kpis["reconciliations"] == {
        "performed": len(done),
        "seconds_sum": took(done),
        "human": len(human),
        "human_seconds_sum": took(human),
        "with_difference": sum(amount(e) != 0 for e in done),
        "absolute_difference": str(sum((amount(e) for e in done), Decimal(0))),
    }
    assert human


def test_what_happens_after_the_window_is_not_counted() -> None:
    settings = window(2, orders_per_day=60.0, warm_up=2.0)
    retailer = Retailer(settings)
    for _ in retailer.facts_until(END):
        pass
    at_end = json.dumps(retailer.truth()["kpis"])
    later = list(retailer.facts_until(END + DAY))
    assert len(later) > 500
    assert json.dumps(retailer.truth()["kpis"]) == at_end
