"""Promotion to settlement: planned with a sponsor, priced, run, claimed, settled."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from demo.incidents import MISSETTLED_PROMOTION_ID, IncidentKind
from demo.model.facts import DAY, SECOND, AttributeDict, Kind
from demo.model.kernel import Process
from demo.model.recorder import Case
from demo.model.world import ERP, PROMOTIONS, SUPPLIERS, WEB_SHOP, Item, money
from metrics import conventions as c
from metrics.conventions import ActorType, Stream

if TYPE_CHECKING:
    from demo.model.retailer import Retailer

FUNDING = Decimal("0.20")  # of the price, a unit sold, paid by the sponsor


def calendar(shop: Retailer) -> Process:
    """A new promotion every day or two, with items of one supplier that are not promoted already."""
    while True:
        yield shop.rng.uniform(0.8, 1.8) * 86_400
        supplier = shop.rng.choice(sorted(shop.suppliers))
        items = [item for item in shop.items if item.supplier == supplier and item.sku not in shop.reserved_skus]
        if len(items) < 3:
            continue
        ident = f"PROMO-{shop.number('promotion', 2_001)}"
        if ident == MISSETTLED_PROMOTION_ID:
            ident = f"PROMO-{shop.number('promotion', 2_001)}"
        shop.kernel.spawn(promote(shop, ident, shop.rng.sample(items, 3), 1.0, None))


def planned(shop: Retailer) -> Process:
    """The promotion that will be settled short, timed so that its settlement falls into the incident."""
    incident = shop.planned(IncidentKind.MISSETTLED_PROMOTION)
    if incident is None:
        return
    squeeze = incident.numbers["squeeze"]
    items = [item for item in shop.items if item.sku in incident.skus]
    shop.reserved_skus.update(incident.skus)
    yield (incident.start - int(5.5 * squeeze * DAY) - shop.kernel.now) / SECOND
    yield from promote(shop, incident.promotions[0], items, squeeze, incident.start)


def promote(shop: Retailer, ident: str, items: list[Item], pace: float, settle_at: int | None) -> Process:
    """One promotion; `pace` scales its phases, `settle_at` fixes the time of its settlement."""
    rng, record, kernel = shop.rng, shop.recorder, shop.kernel
    supplier = items[0].supplier
    case = record.case(
        Stream.PROMOTION_TO_SETTLEMENT, ident, kernel.now, {c.PROMOTION_ID: ident, c.SUPPLIER_ID: supplier}
    )
    shop.reserved_skus.update(item.sku for item in items)
    desk = {c.ACTOR_TYPE: ActorType.HUMAN, c.RESOURCE: "promotion-desk"}
    record.event(case, PROMOTIONS, _step("set_up"), kernel.now, desk)
    yield rng.uniform(120, 900)
    approval = {c.APPROVAL_ID: shop.approval_id(), c.APPROVAL_SUBJECT: "promotion"}
    record.event(case, PROMOTIONS, "retail.approval.requested", kernel.now, approval)
    shop.kpis.began("approval", approval[c.APPROVAL_ID], kernel.now, case, "promotion")
    yield rng.uniform(2, 9) * 3_600 * pace
    record.event(case, PROMOTIONS, "retail.approval.granted", kernel.now, {**approval, **desk})
    shop.kpis.ended("approval", approval[c.APPROVAL_ID], kernel.now)
    yield rng.uniform(600, 7_200) * pace
    record.event(case, PROMOTIONS, _step("priced"), kernel.now)
    for item in items:
        kernel.spawn(_publish_price(shop, case, item, Decimal("0.85"), ident))
    yield rng.uniform(6, 14) * 3_600 * pace
    record.event(case, PROMOTIONS, _step("started"), kernel.now)
    shop.promoted.update({item.sku: ident for item in items})
    yield rng.uniform(2.0, 3.0) * 86_400 * pace
    for item in items:
        shop.promoted.pop(item.sku, None)
        kernel.spawn(_publish_price(shop, case, item, Decimal(1), ident))
    sold = {item: shop.sold.get((ident, item.sku), 0) for item in items}
    record.event(case, PROMOTIONS, _step("ended"), kernel.now, {c.QUANTITY: sum(sold.values())})
    shop.reserved_skus.difference_update(item.sku for item in items)
    yield rng.uniform(1, 5) * 3_600 * pace
    claimed = yield from _claim(shop, case, ident, sold)
    if settle_at is None:
        yield rng.uniform(12, 40) * 3_600
    else:
        yield max(60.0, (settle_at - kernel.now) / SECOND + 60)
    _settle(shop, case, ident, claimed)


def _claim(shop: Retailer, case: Case, ident: str, sold: dict[Item, int]) -> Process:
    """A claim for each item that sold; the process returns what was claimed in all."""
    record, kernel = shop.recorder, shop.kernel
    total = Decimal(0)
    for number, (item, units) in enumerate(sold.items(), 1):
        amount = ((item.price * FUNDING).quantize(Decimal("0.01")) * units).quantize(Decimal("0.01"))
        if not amount:
            continue
        total += amount
        claim = f"CLM-{ident.removeprefix('PROMO-')}-{number}"
        start, root = kernel.now, record.ref()
        end = shop.http.leaf(case, root, PROMOTIONS, ERP, "POST", "/claims", start + 2_000_000, _step("claimed"))
        record.span(
            case, PROMOTIONS, "claim funding", Kind.INTERNAL, start, end + 2_000_000, ref=root, step=_step("claimed")
        )
        yield (end - start) / SECOND
        about: AttributeDict = {
            c.CLAIM_ID: claim,
            c.QUANTITY: units,
            c.AMOUNT: money(amount),
            c.CURRENCY: "EUR",
            c.SKU: item.sku,
        }
        record.event(case, PROMOTIONS, _step("claimed"), kernel.now, about, root)
        shop.kpis.claimed(case, kernel.now, amount)
        yield shop.rng.uniform(30, 300)
    return total


def _settle(shop: Retailer, case: Case, ident: str, claimed: Decimal) -> None:
    record, now = shop.recorder, shop.kernel.now
    paid = claimed
    incident = shop.planned(IncidentKind.MISSETTLED_PROMOTION)
    if incident is not None and ident in incident.promotions:
        paid = (claimed * Decimal(str(incident.numbers["settled_share"]))).quantize(Decimal("0.01"))
        shop.hurt(IncidentKind.MISSETTLED_PROMOTION, ident, claimed - paid, kept=case.kept)
    root = record.ref()
    end = shop.http.leaf(case, root, ERP, SUPPLIERS, "POST", "/settlements", now + 2_000_000, _step("settled"))
    record.span(case, ERP, "settle promotion", Kind.INTERNAL, now, end + 2_000_000, ref=root, step=_step("settled"))
    record.event(case, ERP, _step("settled"), end + 2_000_000, {c.AMOUNT: money(paid), c.CURRENCY: "EUR"}, root)
    shop.kpis.settled(case, end + 2_000_000, paid)


def _publish_price(shop: Retailer, case: Case, item: Item, factor: Decimal, ident: str) -> Process:
    message = yield from shop.prices.pass_over(case, shop.recorder.ref(), _step("priced"))
    yield shop.rng.uniform(0.05, 0.3)
    about = {c.SKU: item.sku, c.AMOUNT: money(item.price * factor), c.CURRENCY: "EUR", c.PROMOTION_ID: ident}
    shop.recorder.loose_event(WEB_SHOP, "retail.price.changed", shop.kernel.now, about)
    shop.prices.done(message)


def _step(verb: str) -> str:
    return f"retail.promotion.{verb}"
