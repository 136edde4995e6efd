"""Forecast to replenish and procure to pay: a low level becomes a proposal, a purchase order, a delivery, a payment."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from demo.incidents import IncidentKind
from demo.model import exceptions, webhooks
from demo.model.facts import DAY, HOUR, MINUTE, SECOND, AttributeDict, Kind
from demo.model.kernel import Process
from demo.model.recorder import Case
from demo.model.world import DISTRIBUTION_CENTRE, ERP, SUPPLIERS, WAREHOUSE, Item, hour_of_day, iso, money
from metrics import conventions as c
from metrics.conventions import ActorType, ExceptionCategory, Stream, edge

if TYPE_CHECKING:
    from demo.model.retailer import Retailer

APPROVED_ABOVE, CHANGED, MISMATCHED = Decimal(2_500), 0.05, 0.07
PO = "retail.purchase_order"


def replenish(shop: Retailer, item: Item, units: int, level: int) -> Process:
    """One replenishment and the purchase order it becomes, until the goods are on the shelf."""
    rng, record, kernel = shop.rng, shop.recorder, shop.kernel
    now = kernel.now
    proposal, order = f"REP-{shop.number('replenishment', 40_001)}", f"PO-{shop.number('purchase', 30_001)}"
    ids = {c.SKU: item.sku, c.SUPPLIER_ID: item.supplier}
    need = record.case(Stream.FORECAST_TO_REPLENISH, proposal, now, {c.REPLENISHMENT_ID: proposal, **ids})
    buy = record.case(Stream.PROCURE_TO_PAY, order, now, {c.PURCHASE_ORDER_ID: order, c.SUPPLIER_ID: item.supplier})
    cost = (item.price * Decimal("0.58")).quantize(Decimal("0.01")) * units
    price = {c.AMOUNT: money(cost), c.CURRENCY: "EUR"}
    ref = record.span(need, ERP, "plan replenishment", Kind.INTERNAL, now, now + int(rng.uniform(0.4, 3) * SECOND))
    about: AttributeDict = {c.QUANTITY: units, c.STOCK_LEVEL: level, c.LOCATION_ID: DISTRIBUTION_CENTRE}
    record.event(need, ERP, "retail.replenishment.triggered", now, about, ref)
    shop.kpis.began("replenishment", proposal, now, need)
    yield rng.uniform(60, 1_800)
    if cost > APPROVED_ABOVE:
        yield from _approve(shop, buy, price)

    yield shop.gate(edge(ERP, SUPPLIERS))
    now = kernel.now
    root = record.ref()
    end = shop.http.leaf(buy, root, ERP, SUPPLIERS, "POST", "/purchase-orders", now + 4_000_000, f"{PO}.sent")
    record.span(
        buy, ERP, "send purchase order", Kind.INTERNAL, now, end + 3_000_000, ref=root, step=f"{PO}.sent", links=(ref,)
    )
    yield (end - now) / SECOND
    sent = kernel.now
    lead = shop.suppliers[item.supplier].lead_days
    promised = sent + int((lead + 0.5) * DAY)
    promise = {c.PROMISE_AT: iso(promised)}
    record.event(buy, ERP, f"{PO}.sent", sent, {c.SKU: item.sku, c.QUANTITY: units, **price, **promise}, root)
    for wait in ("purchase order", "acknowledgement"):
        shop.kpis.began(wait, order, sent, buy)
    linked: AttributeDict = {c.PURCHASE_ORDER_ID: order, c.QUANTITY: units, **price, **promise}
    record.event(need, ERP, "retail.replenishment.ordered", sent + 1_000_000, linked, root)
    arrival = sent + int(lead * DAY * rng.lognormvariate(0, 0.1))
    late = shop.incident(IncidentKind.LATE_SUPPLIER, sent)
    if late and item.supplier in late.suppliers:
        arrival += int(rng.uniform(late.numbers["late_days_min"], late.numbers["late_days_max"]) * DAY)
        shop.hurt(IncidentKind.LATE_SUPPLIER, order, cost, kept=buy.kept)

    yield rng.uniform(0.3, 6) * 3_600
    got = yield from webhooks.deliver(
        shop,
        buy,
        "supplier.acknowledgement",
        SUPPLIERS,
        ERP,
        "/webhooks/acknowledgements",
        f"{PO}.acknowledged",
    )
    record.event(buy, ERP, f"{PO}.acknowledged", kernel.now, promise, got)
    shop.kpis.ended("acknowledgement", order, kernel.now)
    if rng.random() < CHANGED:
        yield rng.uniform(1, 8) * 3_600
        record.event(buy, ERP, f"{PO}.changed", kernel.now, {**promise, c.ACTOR_TYPE: ActorType.HUMAN})
    yield max(60.0, (arrival - kernel.now) / SECOND)
    if not 6 <= hour_of_day(kernel.now) < 18:
        yield ((6 * HOUR - kernel.now) % DAY) / SECOND + rng.uniform(0, 7_200)

    began = kernel.now
    yield rng.uniform(20, 70) * 60
    place: AttributeDict = {c.LOCATION_ID: DISTRIBUTION_CENTRE, c.QUANTITY: units}
    who = {c.ACTOR_TYPE: ActorType.HUMAN, c.RESOURCE: f"dock-{rng.randint(1, 4)}", c.STEP_START: iso(began)}
    ref = record.span(
        buy, WAREHOUSE, "receive goods", Kind.INTERNAL, began, kernel.now, step="retail.goods.received", attributes=who
    )
    record.event(buy, WAREHOUSE, "retail.goods.received", kernel.now, {c.SKU: item.sku, **place, **promise, **who}, ref)
    shop.kpis.goods_received(buy, kernel.now, promised)
    shop.kpis.ended("purchase order", order, kernel.now)
    shop.stock.receive(item.sku, units)
    level_now: AttributeDict = {c.SKU: item.sku, c.STOCK_LEVEL: shop.stock.real[item.sku], c.PURCHASE_ORDER_ID: order}
    record.loose_event(WAREHOUSE, "retail.stock.replenished", kernel.now, {**place, **level_now})
    done: AttributeDict = {c.PURCHASE_ORDER_ID: order, **place, **promise}
    record.event(need, ERP, "retail.replenishment.received", kernel.now + 2_000_000, done, ref)
    shop.kpis.ended("replenishment", proposal, kernel.now + 2_000_000)
    kernel.spawn(_pay(shop, buy, price))


def _approve(shop: Retailer, case: Case, price: dict[str, str]) -> Process:
    ident = shop.approval_id()
    about = {c.APPROVAL_ID: ident, c.APPROVAL_SUBJECT: "purchase_order", **price}
    shop.recorder.event(case, ERP, "retail.approval.requested", shop.kernel.now, about)
    shop.kpis.began("approval", ident, shop.kernel.now, case, "purchase_order")
    began = yield from shop.purchase_approvals.wait()
    yield shop.rng.uniform(3, 15) * 60
    shop.purchase_approvals.station.leave()
    who = {c.ACTOR_TYPE: ActorType.HUMAN, c.RESOURCE: "purchasing-desk", c.STEP_START: iso(began)}
    shop.recorder.event(case, ERP, "retail.approval.granted", shop.kernel.now, {**about, **who})
    shop.kpis.ended("approval", ident, shop.kernel.now)
    yield 30.0


def _pay(shop: Retailer, case: Case, price: dict[str, str]) -> Process:
    """From the supplier's invoice to its payment; now and then it does not match."""
    rng, record, kernel = shop.rng, shop.recorder, shop.kernel
    invoice = "retail.supplier_invoice"
    yield rng.uniform(4, 24) * 3_600
    ident = f"SINV-{shop.number('supplier invoice', 80_001)}"
    about = {c.INVOICE_ID: ident, **price, c.ACTOR_TYPE: ActorType.SYSTEM}
    start = kernel.now
    root = record.ref()
    end = shop.http.leaf(
        case, root, SUPPLIERS, ERP, "POST", "/supplier-invoices", start + 2_000_000, f"{invoice}.received"
    )
    record.span(
        case, SUPPLIERS, "send invoice", Kind.INTERNAL, start, end + 2_000_000, ref=root, step=f"{invoice}.received"
    )
    yield (end - start) / SECOND
    record.event(case, ERP, f"{invoice}.received", kernel.now, about, root)
    shop.kpis.invoice(case, kernel.now, "received", ident)
    yield rng.uniform(1, 60) * 60
    if rng.random() < MISMATCHED:
        category = rng.choice((ExceptionCategory.PRICE_MISMATCH, ExceptionCategory.QUANTITY_MISMATCH))
        record.event(case, ERP, f"{invoice}.mismatched", kernel.now, {**about, c.EXCEPTION_CATEGORY: category})
        shop.kpis.invoice(case, kernel.now, "mismatched", ident)
        trouble = exceptions.raise_in(shop, case, ERP, kernel.now + 1_000_000, category, price)
        yield rng.uniform(6, 40) * 3_600
        exceptions.resolve_in(shop, case, ERP, kernel.now, trouble, category, ActorType.HUMAN, "accounts-payable")
        yield MINUTE / SECOND
    record.event(case, ERP, f"{invoice}.matched", kernel.now, about)
    shop.kpis.invoice(case, kernel.now, "matched", ident)
    yield rng.uniform(1.5, 4) * 86_400
    record.event(case, ERP, f"{invoice}.paid", kernel.now, about)
    shop.kpis.invoice(case, kernel.now, "paid", ident)
