"""Return to resolution: from the customer's wish to the money on the customer's account."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from demo.incidents import IncidentKind
from demo.model.facts import DAY, HOUR, SECOND, AttributeDict, Kind
from demo.model.kernel import Process
from demo.model.recorder import Case
from demo.model.world import ERP, ORDERS, PAYMENT, RETURNS, WEB_SHOP, hour_of_day, iso, money
from metrics import conventions as c
from metrics.conventions import ActorType, Stream, edge

if TYPE_CHECKING:
    from demo.model.retailer import Retailer

APPROVED_ABOVE = Decimal(15)
REASONS = ("wrong_size", "not_as_described", "damaged", "changed_mind", "late")


def resolve(shop: Retailer, order_id: str, sku: str, units: int, value: Decimal) -> Process:
    """One return of `units` worth `value`, which the order has paid."""
    rng, record, kernel, http = shop.rng, shop.recorder, shop.kernel, shop.http
    ident = f"RET-{shop.number('return', 60_001)}"
    case = record.case(Stream.RETURN_TO_RESOLUTION, ident, kernel.now, {c.RETURN_ID: ident, c.ORDER_ID: order_id})
    price = {c.AMOUNT: money(value), c.CURRENCY: "EUR"}
    goods: AttributeDict = {c.SKU: sku, c.QUANTITY: units}
    start = kernel.now
    root = record.ref()
    call = http.open(case, root, WEB_SHOP, RETURNS, "POST", "/returns", start + 5_000_000, _step("requested"))
    looked = http.leaf(case, call.server, RETURNS, ORDERS, "GET", "/orders/{id}", call.received, _step("requested"))
    end = http.close(call, looked + 20_000_000, 201)
    http.serve(case, WEB_SHOP, "POST", "/account/returns", start, end + 4_000_000, root, 201)
    yield (end - start) / SECOND
    reason = rng.choice(REASONS)
    record.event(
        case, RETURNS, _step("requested"), kernel.now, {c.RETURN_REASON: reason, **goods, **price}, call.server
    )
    shop.kpis.returned(case, kernel.now, reason, units)
    shop.kpis.began("return", ident, kernel.now, case)
    shop.kpis.began("refund from request", ident, kernel.now, case)
    actor = rng.choices((ActorType.SYSTEM, ActorType.AGENT, ActorType.HUMAN), (0.5, 0.25, 0.25))[0]
    yield rng.uniform(300, 9_000) if actor is ActorType.HUMAN else rng.uniform(1, 20)
    record.event(case, RETURNS, _step("authorised"), kernel.now, {c.ACTOR_TYPE: actor})

    yield rng.uniform(0.8, 2.5) * 86_400
    if not 7 <= hour_of_day(kernel.now) < 19:
        yield ((7 * HOUR - kernel.now) % DAY) / SECOND + rng.uniform(0, 7_200)
    record.event(case, RETURNS, _step("received"), kernel.now, {c.LOCATION_ID: "DC-01", **goods})
    shop.kpis.began("refund", ident, kernel.now, case)
    yield rng.uniform(0.4, 4) * 3_600
    began = kernel.now
    yield rng.uniform(3, 12) * 60
    who = {c.ACTOR_TYPE: ActorType.HUMAN, c.RESOURCE: f"returns-bench-{rng.randint(1, 5)}"}
    ref = record.span(
        case, RETURNS, "inspect return", Kind.INTERNAL, began, kernel.now, step=_step("inspected"), attributes=who
    )
    record.event(case, RETURNS, _step("inspected"), kernel.now, {**who, c.STEP_START: iso(began)}, ref)
    yield rng.uniform(10, 120)
    kept = reason != "damaged" and rng.random() < 0.85
    what: AttributeDict = {c.DISPOSITION: "restock" if kept else "scrap", **goods}
    record.event(case, RETURNS, _step("dispositioned"), kernel.now, what)
    if kept:
        shop.stock.give_back(sku, units)
        shop.stock.publish([sku])
    yield 20.0
    yield from _refund(shop, case, order_id, price, value)


def _refund(shop: Retailer, case: Case, order_id: str, price: dict[str, str], value: Decimal) -> Process:
    rng, record, kernel, http = shop.rng, shop.recorder, shop.kernel, shop.http
    refund = {c.REFUND_ID: case.id.replace("RET", "RFD"), **price}
    approver = {c.ACTOR_TYPE: ActorType.SYSTEM.value}
    if value > APPROVED_ABOVE:
        approval = shop.approval_id()
        about = {c.APPROVAL_ID: approval, c.APPROVAL_SUBJECT: "refund", **price}
        record.event(case, RETURNS, "retail.approval.requested", kernel.now, about)
        shop.kpis.began("approval", approval, kernel.now, case, "refund")
        if shop.incident(IncidentKind.REFUND_BACKLOG, kernel.now):
            shop.hurt(IncidentKind.REFUND_BACKLOG, case.id, value, kept=case.kept)
        began = yield from shop.refund_approvals.wait()
        yield rng.uniform(8, 18) * 60
        shop.refund_approvals.station.leave()
        approver = {c.ACTOR_TYPE: ActorType.HUMAN.value, c.RESOURCE: "refund-desk"}
        started = {c.STEP_START: iso(began)}
        record.event(case, RETURNS, "retail.approval.granted", kernel.now, {**about, **approver, **started})
        shop.kpis.ended("approval", approval, kernel.now)
        yield 1.0
    record.event(case, RETURNS, "retail.refund.approved", kernel.now, {**refund, **approver})
    yield rng.uniform(5, 300)

    yield shop.gate(edge(RETURNS, PAYMENT))
    start = kernel.now
    root = record.ref()
    step = "retail.refund.issued"
    paid = http.leaf(case, root, RETURNS, PAYMENT, "POST", "/refunds", start + 3_000_000, step)
    noted = http.leaf(case, root, RETURNS, ERP, "POST", "/credit-notes", paid + 2_000_000, step)
    record.span(case, RETURNS, "issue refund", Kind.INTERNAL, start, noted + 2_000_000, ref=root, step=step)
    yield (paid - start) / SECOND
    record.event(case, RETURNS, step, kernel.now, refund, root)
    for wait in ("refund", "refund from request"):
        shop.kpis.ended(wait, case.id, kernel.now)
    yield rng.uniform(6, 30) * 3_600
    record.event(case, PAYMENT, "retail.refund.settled", kernel.now, refund)
    yield rng.uniform(1, 30)
    record.event(case, RETURNS, _step("closed"), kernel.now)
    shop.kpis.ended("return", case.id, kernel.now)


def _step(verb: str) -> str:
    return f"retail.return.{verb}"
