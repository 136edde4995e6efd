"""Each planted incident can be seen in the facts themselves, in its window and not outside; the truth agrees."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from statistics import mean, median

from demo.incidents import IncidentKind, write_truth
from demo.model.facts import DAY, HOUR, SECOND, Kind
from demo.model.retailer import Retailer
from tests.unit.demo.conftest import END, History, tell, window


def nanos(text: object) -> int:
    """Nanoseconds of an ISO time."""
    return int(datetime.fromisoformat(str(text)).timestamp()) * SECOND


def test_the_warehouse_api_is_slow_and_its_queue_grows_until_the_end(history: History) -> None:
    slow = history.incident(IncidentKind.SLOW_API)
    calls = [s for s in history.spans if s.kind is Kind.SERVER and s.name == "POST /pick-tasks"]
    usual = [(s.at - s.start) / SECOND for s in calls if s.start < slow.start]
    during = [(s.at - s.start) / SECOND for s in calls if s.start >= slow.start]
    assert median(during) > 8 > 2 > median(usual)
    depths = [
        (g.at, g.value)
        for g in history.gauges
        if g.name == "retail.queue.depth" and g.attributes["messaging.destination.name"] == "fulfilment.requests"
    ]
    before = [depth for at, depth in depths if at < slow.start]
    assert mean(before) < 1
    assert max(before) < 20
    assert depths[-1][1] > 40
    half = (slow.start + END) // 2
    assert depths[-1][1] > 1.4 * max(depth for at, depth in depths if at < half)
    failed = [
        bool(s.error)
        for s in history.spans
        if s.kind is Kind.CLIENT and s.name == "POST /pick-tasks" and s.start >= slow.start
    ]
    assert mean(failed) > 0.3
    assert history.impact(IncidentKind.SLOW_API)["cases"] > 40


def test_the_carrier_webhook_fails_under_the_new_version_alone(history: History) -> None:
    broken = history.incident(IncidentKind.FAILING_WEBHOOK)
    attempts = [s for s in history.spans if s.attributes.get("retail.webhook.name") == "carrier.tracking"]
    by_version: dict[object, list[bool]] = {}
    for attempt in attempts:
        by_version.setdefault(attempt.attributes["retail.deployment.version"], []).append(bool(attempt.error))
    assert set(by_version) == {"2.3.7", "2.4.0", "2.4.1"}
    assert 0.5 < mean(by_version["2.4.0"]) < 0.7
    assert mean(by_version["2.3.7"]) < 0.02
    assert all(broken.covers(s.start) == (s.attributes["retail.deployment.version"] == "2.4.0") for s in attempts)
    others = [s for s in history.spans if s.attributes.get("retail.webhook.name") == "payment.settled"]
    assert mean(bool(s.error) for s in others) < 0.03


def test_the_late_supplier_is_late_and_the_others_are_not(history: History) -> None:
    late = history.incident(IncidentKind.LATE_SUPPLIER)
    sent = {e.attributes["retail.purchase_order.id"]: e for e in history.events("retail.purchase_order.sent")}
    delays: dict[bool, list[float]] = {True: [], False: []}
    for received in history.events("retail.goods.received"):
        order = sent[received.attributes["retail.purchase_order.id"]]
        planted = order.attributes["retail.supplier.id"] in late.suppliers and late.covers(order.at)
        delays[planted].append((received.at - nanos(order.attributes["retail.promise.at"])) / DAY)
    assert len(delays[True]) >= 3
    assert min(delays[True]) > 1.0
    assert mean(delays[False]) < 0.3


def test_the_shop_oversells_while_stock_updates_stand_still(history: History) -> None:
    oversell = history.incident(IncidentKind.OVERSELL)
    short = [e for e in history.events("retail.order.backordered") if e.attributes["retail.sku"] in oversell.skus]
    inside = [e for e in short if oversell.covers(e.at)]
    hours = (oversell.end - oversell.start) / HOUR
    rate = len(inside) / hours
    usual = (len(short) - len(inside)) / (14 * 24 - hours)
    assert rate > 10 * usual
    assert len(inside) > 20
    depth = {
        g.at: g.value
        for g in history.gauges
        if g.name == "retail.queue.depth" and g.attributes["messaging.destination.name"] == "stock.updates"
    }
    assert max(value for at, value in depth.items() if oversell.covers(at)) > 100
    assert max(value for at, value in depth.items() if at < oversell.start) < 20
    assert history.impact(IncidentKind.OVERSELL)["cases"] > 20


def test_refunds_wait_during_the_backlog(history: History) -> None:
    backlog = history.incident(IncidentKind.REFUND_BACKLOG)
    received = {e.attributes["retail.return.id"]: e.at for e in history.events("retail.return.received")}
    waits: dict[bool, list[float]] = {True: [], False: []}
    for refund in history.events("retail.refund.issued"):
        came = received[refund.attributes["retail.return.id"]]
        inside = backlog.covers(came)
        if inside or came < backlog.start - DAY:
            waits[inside].append((refund.at - came) / HOUR)
    assert median(waits[True]) > 1.7 * median(waits[False])
    assert history.impact(IncidentKind.REFUND_BACKLOG)["cases"] > 20


def test_one_promotion_is_settled_short_and_no_other(history: History) -> None:
    claimed: dict[object, Decimal] = {}
    for claim in history.events("retail.promotion.claimed"):
        promotion = claim.attributes["retail.promotion.id"]
        claimed[promotion] = claimed.get(promotion, Decimal(0)) + Decimal(str(claim.attributes["retail.amount"]))
    settled = {
        e.attributes["retail.promotion.id"]: Decimal(str(e.attributes["retail.amount"]))
        for e in history.events("retail.promotion.settled")
    }
    short = {promotion for promotion, amount in settled.items() if amount != claimed[promotion]}
    assert short == set(history.incident(IncidentKind.MISSETTLED_PROMOTION).promotions)
    [promotion] = short
    difference = claimed[promotion] - settled[promotion]
    assert Decimal(history.impact(IncidentKind.MISSETTLED_PROMOTION)["value"]) == difference
    assert difference > 100
    assert len(settled) > 3


def test_the_truth_names_hurt_cases_that_are_in_the_facts(history: History, tmp_path: Path) -> None:
    file = tmp_path / "new" / "truth.json"
    write_truth(file, history.retailer.truth())
    truth = json.loads(file.read_text("utf-8"))
    known = {log.attributes.get("retail.case.id") for log in history.logs}
    assert [i["kind"] for i in truth["incidents"]] == [kind.value for kind in IncidentKind]
    for incident in truth["incidents"]:
        assert incident["impact"]["cases"] == len(incident["impact"]["case_ids"]) > 0
        assert set(incident["impact"]["case_ids"]) <= known
        assert nanos(incident["start"]) < END
    ends = {incident["id"]: incident["end"] for incident in truth["incidents"]}
    assert [name for name, end in ends.items() if end is None] == ["slow-api"]
    assert list(tmp_path.joinpath("new").iterdir()) == [file]


def test_without_incidents_nothing_is_planted() -> None:
    settings = window(2, orders_per_day=60.0, warm_up=2.0, incidents=False)
    retailer = Retailer(settings)
    assert retailer.incidents == ()
    assert {fact.version for fact in tell(settings) if fact.service == "order-management"} == {"2.3.7"}
    assert retailer.truth()["incidents"] == []
