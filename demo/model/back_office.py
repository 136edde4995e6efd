"""The back office: new suppliers and items, price checks, nightly reconciliations, the close of weeks and months.

All chance comes from random streams of this file's own.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from demo.model.facts import DAY, HOUR, SECOND, AttributeDict
from demo.model.kernel import Process
from demo.model.recorder import Case
from demo.model.world import CHANNELS, ERP, WEB_SHOP, iso, money, weekday
from metrics import conventions as c
from metrics.conventions import ActorType, Stream

if TYPE_CHECKING:
    from demo.model.retailer import Retailer

SUPPLIERS_A_DAY, ITEMS_A_DAY = 0.8, 2.0
CHECKED_A_NIGHT, WRONG_PRICE = 24, 0.05
COMPANIES = ("DE", "AT")  # each closes its own books
BOOKS = ("bank", "marketplace", "goods-in-transit")
BOOKS_DIFFER = 0.3


def onboarding(shop: Retailer) -> Process:
    """New suppliers; the supplier is the case."""
    rng = shop.side("supplier onboarding")
    while True:
        yield rng.expovariate(SUPPLIERS_A_DAY / 86_400)
        ident = f"SUP-{shop.number('new supplier', 51)}"
        case = shop.recorder.case(Stream.MASTER_DATA, ident, shop.kernel.now, {c.SUPPLIER_ID: ident})
        shop.kernel.spawn(_set_up(shop, case, "supplier", "onboarded", rng.uniform(1.2, 6) * 86_400))


def new_items(shop: Retailer) -> Process:
    """New items; the SKU is the case. They are not sold within the simulation."""
    rng = shop.side("item set-up")
    suppliers = sorted(shop.suppliers)
    while True:
        yield rng.expovariate(ITEMS_A_DAY / 86_400)
        sku = f"SKU-{shop.number('new item', 20_001)}"
        ids = {c.SKU: sku, c.SUPPLIER_ID: rng.choice(suppliers)}
        case = shop.recorder.case(Stream.MASTER_DATA, sku, shop.kernel.now, ids)
        shop.kernel.spawn(_set_up(shop, case, "item", "set_up", rng.uniform(0.2, 3) * 86_400))


def _set_up(shop: Retailer, case: Case, kind: str, verb: str, seconds: float) -> Process:
    desk = {c.ACTOR_TYPE: ActorType.HUMAN, c.RESOURCE: "master-data-desk"}
    shop.recorder.event(case, ERP, f"retail.{kind}.requested", shop.kernel.now)
    shop.kpis.began(kind, case.id, shop.kernel.now, case)
    yield seconds
    shop.recorder.event(case, ERP, f"retail.{kind}.{verb}", shop.kernel.now, desk)
    shop.kpis.ended(kind, case.id, shop.kernel.now)


def price_checks(shop: Retailer) -> Process:
    """Every night the shop's prices of a few items are compared with those that were agreed."""
    rng = shop.side("price checks")
    while True:
        yield (DAY - (shop.kernel.now - 3 * HOUR) % DAY) / SECOND
        for item in rng.sample(shop.items, min(CHECKED_A_NIGHT, len(shop.items))):
            promoted = item.sku in shop.promoted
            expected = (item.price * Decimal("0.85")).quantize(Decimal("0.01")) if promoted else item.price
            found = expected
            if rng.random() < WRONG_PRICE:
                found = expected + rng.choice((Decimal("-0.50"), Decimal("0.40"), Decimal("1.00")))
            about: AttributeDict = {
                c.EVENT_ID: f"CHECK-{shop.number('price check', 1)}",
                c.SKU: item.sku,
                c.CHANNEL: rng.choice(CHANNELS)[0],
                c.AMOUNT: money(found),
                c.PRICE_EXPECTED: money(expected),
                c.CURRENCY: "EUR",
            }
            now = shop.kernel.now
            shop.recorder.loose_event(WEB_SHOP, "retail.price.checked", now, about)
            shop.kpis.price_checked(now, found, expected)
            yield rng.uniform(2, 20)


def closing(shop: Retailer) -> Process:
    """Weeks end on Sunday night, months on their last; their books are closed some days later."""
    rng = shop.side("closing")
    while True:
        yield (DAY - shop.kernel.now % DAY) / SECOND
        midnight = shop.kernel.now // DAY * DAY
        today, before = _date(midnight), _date(midnight - DAY)
        if weekday(midnight) == 0:
            year, week, _ = before.isocalendar()
            for company in COMPANIES:
                shop.kernel.spawn(_close(shop, f"{year}-W{week:02d}-{company}", rng.uniform(1.6, 4.5)))
        if today.day == 1:
            for company in COMPANIES:
                shop.kernel.spawn(_close(shop, f"{before:%Y-%m}-{company}", rng.uniform(3.0, 7.0)))


def _close(shop: Retailer, ident: str, days: float) -> Process:
    """Each night until the close some books are compared; the process is one period's."""
    rng, kernel, record = shop.side(f"period {ident}"), shop.kernel, shop.recorder
    case = record.case(Stream.RECORD_TO_REPORT, ident, kernel.now, {c.PERIOD_ID: ident})
    record.event(case, ERP, "retail.period.ended", kernel.now, {c.ACTOR_TYPE: ActorType.SYSTEM})
    shop.kpis.began("period", ident, kernel.now, case)
    closes = kernel.now + int(days * DAY)
    while kernel.now + DAY < closes:
        yield ((2 * HOUR - kernel.now) % DAY) / SECOND
        for book in BOOKS:
            differs = rng.random() < BOOKS_DIFFER
            difference = Decimal(rng.randint(50, 40_000)) / 100 if differs else Decimal(0)
            yield from _reconcile(shop, case, rng.uniform(40, 400), f"ledger-{book}", difference, human=False)
            if differs:  # a person finds out why, in the morning
                yield max(1.0, (8 * HOUR - kernel.now % DAY) / SECOND + rng.uniform(0, 1_800))
                left = difference if rng.random() < 0.2 else Decimal(0)
                yield from _reconcile(shop, case, rng.uniform(600, 5_400), "ledger-desk", left, human=True)
    yield max(60.0, (closes - kernel.now) / SECOND)
    desk = {c.ACTOR_TYPE: ActorType.HUMAN, c.RESOURCE: "ledger-desk"}
    record.event(case, ERP, "retail.period.closed", kernel.now, desk)
    shop.kpis.ended("period", ident, kernel.now)


def _reconcile(
    shop: Retailer, case: Case, seconds: float, resource: str, difference: Decimal, *, human: bool
) -> Process:
    began = shop.kernel.now // SECOND * SECOND
    yield seconds
    about: AttributeDict = {
        c.RECONCILIATION_ID: f"REC-{shop.number('reconciliation', 90_001)}",
        c.STEP_START: iso(began),
        c.ACTOR_TYPE: ActorType.HUMAN if human else ActorType.SYSTEM,
        c.RESOURCE: resource,
        c.AMOUNT: money(difference),
        c.CURRENCY: "EUR",
    }
    now = shop.kernel.now
    shop.recorder.event(case, ERP, "retail.reconciliation.performed", now, about)
    shop.kpis.reconciled(case, now, began, difference, human=human)


def _date(at: int) -> datetime:
    return datetime.fromtimestamp(at // SECOND, UTC)
