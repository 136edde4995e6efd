"""Order to cash: visitors, customers, checkout, allocation. `fulfilment` takes an accepted order to its money."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from demo.incidents import IncidentKind
from demo.model import exceptions, fulfilment
from demo.model.facts import DAY, SECOND, AttributeDict, Kind, Ref
from demo.model.kernel import Latch, Process
from demo.model.recorder import Case
from demo.model.world import (
    CHANNELS,
    ORDERS,
    PAYMENT,
    PEAK_DEMAND,
    STORES,
    WAREHOUSE,
    WEB_SHOP,
    Item,
    demand,
    iso,
    money,
)
from metrics import conventions as c
from metrics.conventions import ActorType, CancelReason, ExceptionCategory, Stream

if TYPE_CHECKING:
    from demo.model.retailer import Retailer

DECLINED, REVIEWED, REVIEW_DENIED, CANCELLED_BY_CUSTOMER = 0.015, 0.02, 0.1, 0.04
MILLI = 1_000_000


@dataclass(eq=False)
class Line:
    """A line of an order; what is neither shipped nor cancelled is open."""

    id: str
    item: Item
    ordered: int
    price: Decimal
    promotion: str
    shipped: int = 0
    cancelled: int = 0

    @property
    def open(self) -> int:
        """Units still to be decided."""
        return self.ordered - self.shipped - self.cancelled

    def facts(self, units: int) -> AttributeDict:
        """What an event about `units` of this line carries."""
        facts: AttributeDict = {
            c.ORDER_LINE_ID: self.id,
            c.SKU: self.item.sku,
            c.QUANTITY: units,
            c.AMOUNT: money(self.price * units),
            c.CURRENCY: "EUR",
        }
        return facts | ({c.PROMOTION_ID: self.promotion} if self.promotion else {})


@dataclass(eq=False)
class Order:
    """An order under way. `parts` counts what is not finished: shipments and back-orders.

    Once goods are `in_hand` of the warehouse's people the customer can no longer cancel.
    """

    id: str
    case: Case
    lines: list[Line]
    placed: int
    promise: int
    trace: Ref
    parts: Latch
    cancel_at: int | None = None
    cancelled: bool = False
    in_hand: bool = False
    wants: list[object] = field(default_factory=list)
    troubles: dict[str, ExceptionCategory] = field(default_factory=dict)  # open exceptions
    over: bool = False

    @property
    def value(self) -> Decimal:
        """The value of everything ordered."""
        return sum((line.price * line.ordered for line in self.lines), Decimal(0))

    @property
    def shipped_value(self) -> Decimal:
        """The value of everything shipped."""
        return sum((line.price * line.shipped for line in self.lines), Decimal(0))


def customers(shop: Retailer) -> Process:
    """Orders arrive at random, more at busy hours and on busy days."""
    settings, rng = shop.settings, shop.arrivals
    peak = PEAK_DEMAND * (settings.peak_factor if settings.peak_day is not None else 1.0)
    while True:
        yield rng.expovariate(settings.orders_per_day / (DAY / SECOND) * peak)
        now = shop.kernel.now
        wanted = demand(now) * (settings.peak_factor if shop.is_peak_day(now) else 1.0)
        if rng.random() * peak < wanted:
            shop.kernel.spawn(order(shop))


def visitors(shop: Retailer) -> Process:
    """People who look at goods: about four page views an order, half of which ask for the level at the warehouse."""
    rng, http = shop.rng, shop.http
    while True:
        yield rng.expovariate(4 * shop.settings.orders_per_day / (DAY / SECOND) * PEAK_DEMAND)
        now = shop.kernel.now
        if rng.random() * PEAK_DEMAND > demand(now):
            continue
        root = shop.recorder.ref()
        end = now + int(http.seconds(WEB_SHOP, "/products/{sku}", now) * SECOND)
        if rng.random() < 0.5:
            end = max(end, http.leaf(None, root, WEB_SHOP, WAREHOUSE, "GET", "/availability", now + 8 * MILLI) + MILLI)
        http.serve(None, WEB_SHOP, "GET", "/products/{sku}", now, end, root, 500 if rng.random() < 0.001 else 200)


def _basket(shop: Retailer) -> list[tuple[Item, int]]:
    rng = shop.arrivals
    basket = []
    for item in shop.stock.choose(rng.choices((1, 2, 3, 4), (0.5, 0.28, 0.15, 0.07))[0]):
        units = rng.choices((1, 2, 3), (0.74, 0.19, 0.07))[0]
        waits = rng.random() < 0.4
        if shop.stock.shown[item.sku] >= units or (waits and shop.stock.expects(item.sku)):
            basket.append((item, units))
    return basket


def order(shop: Retailer) -> Process:
    """One order from the checkout until it is handed to fulfilment."""
    rng, record = shop.rng, shop.recorder
    basket = _basket(shop)
    if not basket:
        return
    placed = shop.kernel.now
    order_id = f"ORD-{shop.number('order', 1_000_001)}"
    case = record.case(Stream.ORDER_TO_CASH, order_id, placed, {c.ORDER_ID: order_id})
    lines = []
    for position, (item, units) in enumerate(basket, 1):
        promotion = shop.promoted.get(item.sku, "")
        price = (item.price * Decimal("0.85")).quantize(Decimal("0.01")) if promotion else item.price
        lines.append(Line(f"{order_id}-{position}", item, units, price, promotion))
        if promotion:
            shop.sold[promotion, item.sku] = shop.sold.get((promotion, item.sku), 0) + units
    promise = placed + int(rng.choice((2, 3, 3, 4)) * DAY)
    this = Order(order_id, case, lines, placed, promise, record.ref(), Latch(shop.kernel, 1))
    if rng.random() < CANCELLED_BY_CUSTOMER:
        this.cancel_at = placed + int(rng.uniform(300, 3 * 3_600) * SECOND)

    outcome, ended = _checkout(shop, this)
    yield (ended - placed) / SECOND
    if outcome == "declined":
        return
    if outcome == "review":
        approved = yield from _review(shop, this)
        if not approved:
            fulfilment.cancel(shop, this, CancelReason.FRAUD)
            return
    exceptions.at_acceptance(shop, this)
    _allocate(shop, this, shop.kernel.now)


def _checkout(shop: Retailer, this: Order) -> tuple[str, int]:
    """Tells the trace and the events of the checkout; returns its outcome and when it ended."""
    rng, record, http, case = shop.rng, shop.recorder, shop.http, this.case
    channel = rng.choices([name for name, _ in CHANNELS], [share for _, share in CHANNELS])[0]
    about: AttributeDict = {
        c.CHANNEL: channel,
        c.CUSTOMER_ID: f"CUST-{rng.randrange(10_000, 60_000)}",
        c.QUANTITY: sum(line.ordered for line in this.lines),
        c.AMOUNT: money(this.value),
        c.CURRENCY: "EUR",
        c.PROMISE_AT: iso(this.promise),
    }
    if channel == "store":
        about[c.LOCATION_ID] = rng.choice(STORES)
    call = http.open(case, this.trace, WEB_SHOP, ORDERS, "POST", "/orders", this.placed + 15 * MILLI, _step("placed"))
    at = call.received + 6 * MILLI
    record.event(case, ORDERS, _step("placed"), at, about, call.server)
    shop.kpis.placed(case, at, this.promise, [(line.id, line.ordered, line.price) for line in this.lines])
    for line in this.lines:
        at += MILLI
        promise = {c.PROMISE_AT: iso(this.promise)}
        record.event(case, ORDERS, _step("line.placed"), at, {**line.facts(line.ordered), **promise}, call.server)
    at += int(http.seconds(ORDERS, "/orders", at) * SECOND)
    record.event(case, ORDERS, _step("validated"), at, {c.ACTOR_TYPE: ActorType.SYSTEM}, call.server)
    soft_declined = shop.troubled.random() < exceptions.SOFT_DECLINED

    at = http.leaf(
        case, call.server, ORDERS, PAYMENT, "POST", "/authorisations", at + 2 * MILLI, _step("fraud_checked")
    )
    draw = rng.random()
    if draw < DECLINED:
        price = {c.AMOUNT: money(this.value), c.CURRENCY: "EUR"}
        why = {c.EXCEPTION_CATEGORY: ExceptionCategory.PAYMENT_DECLINED, **price}
        exceptions.raise_in(shop, case, ORDERS, at, ExceptionCategory.PAYMENT_DECLINED, price)
        record.event(case, ORDERS, _step("failed"), at + MILLI, why, call.server)
        shop.kpis.failed(case, at + MILLI)
        outcome, status = "declined", 402
    elif draw < DECLINED + REVIEWED:
        outcome, status = "review", 202
    else:
        outcome, status = "accepted", 201
        checked = at + int(rng.uniform(0.03, 0.25) * SECOND)
        if soft_declined:  # the provider's second answer was a yes
            ident = exceptions.trouble(shop, this, ExceptionCategory.PAYMENT_DECLINED, at, money_in_it=True)
            exceptions.overcome(shop, this, ident, at + 20 * MILLI, ActorType.SYSTEM)
        record.span(
            case, PAYMENT, "score order", Kind.INTERNAL, at, checked, parent=call.server, step=_step("fraud_checked")
        )
        actor = {c.ACTOR_TYPE: ActorType.AGENT if rng.random() < 0.2 else ActorType.SYSTEM}
        record.event(case, PAYMENT, _step("fraud_checked"), checked, actor, call.server)
        at = http.leaf(case, call.server, ORDERS, WAREHOUSE, "POST", "/reservations", checked, _step("allocated"))
    # A declined payment is a business outcome: the call between the systems succeeded.
    ended = http.close(call, at + 2 * MILLI, 200 if outcome == "declined" else status)
    http.serve(case, WEB_SHOP, "POST", "/checkout", this.placed, ended + 6 * MILLI, this.trace, status)
    return outcome, ended + 6 * MILLI


def _review(shop: Retailer, this: Order) -> Process:
    """A person looks at a suspicious order; the process returns whether it may go on."""
    record, case = shop.recorder, this.case
    about: Mapping[str, str | int | float] = {
        c.APPROVAL_ID: shop.approval_id(),
        c.APPROVAL_SUBJECT: "fraud_review",
        c.AMOUNT: money(this.value),
        c.CURRENCY: "EUR",
    }
    suspicion = exceptions.trouble(shop, this, ExceptionCategory.FRAUD_SUSPECTED, shop.kernel.now, money_in_it=True)
    record.event(case, PAYMENT, "retail.approval.requested", shop.kernel.now, about)
    shop.kpis.began("approval", str(about[c.APPROVAL_ID]), shop.kernel.now, case, "fraud_review")
    yield shop.rng.uniform(900, 9_000)
    granted = shop.rng.random() >= REVIEW_DENIED
    who = {c.ACTOR_TYPE: ActorType.HUMAN, c.RESOURCE: f"fraud-desk-{shop.rng.randint(1, 3)}"}
    name = "retail.approval.granted" if granted else "retail.approval.denied"
    record.event(case, PAYMENT, name, shop.kernel.now, {**about, **who})
    shop.kpis.ended("approval", str(about[c.APPROVAL_ID]), shop.kernel.now)
    exceptions.overcome(shop, this, suspicion, shop.kernel.now, ActorType.HUMAN)
    yield 0.5
    record.event(case, PAYMENT, _step("fraud_checked"), shop.kernel.now, who)
    yield 0.5
    return granted


def _allocate(shop: Retailer, this: Order, now: int) -> None:
    """Sets stock aside, owes what is missing, and starts the processes of both."""
    record = shop.recorder
    ready: list[tuple[Line, int]] = []
    missing: list[tuple[Line, int]] = []
    for line in this.lines:
        given = shop.stock.reserve(line.item.sku, line.ordered, this.id, now)
        if given:
            ready.append((line, given))
        if given < line.ordered:
            missing.append((line, line.ordered - given))
    if ready:
        units = sum(units for _, units in ready)
        record.event(
            this.case, ORDERS, _step("allocated"), now, {c.QUANTITY: units, c.LOCATION_ID: "DC-01"}, this.trace
        )
        this.parts.more()
        shop.kernel.spawn(fulfilment.shipment(shop, this, ready))
    for line, units in missing:
        oversell = shop.incident(IncidentKind.OVERSELL, this.placed)
        if oversell and line.item.sku in oversell.skus:
            hurt = sum((li.price * n for li, n in missing if li.item.sku in oversell.skus), Decimal(0))
            shop.hurt(IncidentKind.OVERSELL, this.id, hurt, kept=this.case.kept)
        this.parts.more()
        shop.kernel.spawn(fulfilment.backorder(shop, this, line, units))
    shop.stock.publish([line.item.sku for line in this.lines], this.trace)
    for line in this.lines:
        shop.stock.reorder(line.item.sku)
    shop.kernel.spawn(fulfilment.settle(shop, this))
    this.parts.done()


def _step(verb: str) -> str:
    return f"retail.order.{verb}"
