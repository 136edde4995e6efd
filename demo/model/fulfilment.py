"""The second half of order to cash: hand-over to the warehouse, picking, packing, shipping, invoice, delivery, money.

An order may leave in several shipments; what is missing is back-ordered and sent later or cancelled. Every unit of a
line is shipped once or cancelled once, never both.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from demo.incidents import CARRIER_WEBHOOK, IncidentKind
from demo.model import exceptions, lifecycle, returns, webhooks
from demo.model.facts import DAY, HOUR, SECOND, AttributeDict, Kind
from demo.model.http import TIMEOUT
from demo.model.kernel import Latch, Process
from demo.model.queues import Message
from demo.model.recorder import NOWHERE
from demo.model.stock import Owed
from demo.model.world import CARRIER, DISTRIBUTION_CENTRE, ERP, ORDERS, PAYMENT, WAREHOUSE, iso, money
from metrics import conventions as c
from metrics.conventions import ActorType, CancelReason, ExceptionCategory, edge

if TYPE_CHECKING:
    from demo.model.orders import Line, Order
    from demo.model.retailer import Retailer

SHORT_PICK, RETURNED = 0.025, 0.12


def shipment(shop: Retailer, this: Order, parts: list[tuple[Line, int]]) -> Process:
    """Takes reserved units from the hand-over until the customer has them."""
    rng, record, kernel = shop.rng, shop.recorder, shop.kernel
    handed = Latch(kernel, len(parts))
    for _ in parts:
        kernel.spawn(_hand_over(shop, this, handed))
    yield handed
    yield rng.uniform(5, 40) * 60  # pick tasks are released in waves
    yield from shop.pick_tasks.wait()
    wanted = this.cancel_at is None or kernel.now < this.cancel_at or this.in_hand
    if this.cancelled or not wanted:
        shop.pick_tasks.station.leave()
        for line, units in parts:
            shop.stock.give_back(line.item.sku, units)
        if not this.cancelled:
            cancel(shop, this, CancelReason.CUSTOMER)
        this.parts.done()
        return
    this.in_hand = True

    ident = f"SHP-{shop.number('shipment', 500_001)}"
    where = {c.SHIPMENT_ID: ident, c.LOCATION_ID: DISTRIBUTION_CENTRE}
    began = kernel.now
    yield 60 * rng.uniform(3, 8) + 90 * (len(parts) - 1)
    parts = _short_picks(shop, this, parts)
    who = {c.ACTOR_TYPE: ActorType.HUMAN, c.RESOURCE: f"picker-{rng.randint(1, 14):02d}"}
    units = sum(units for _, units in parts)
    ref = record.span(
        this.case,
        WAREHOUSE,
        "pick",
        Kind.INTERNAL,
        began,
        kernel.now,
        parent=this.trace,
        step=_step("picked"),
        attributes=who,
    )
    shop.pick_tasks.station.leave()
    if not parts:
        this.parts.done()
        return
    started = {c.STEP_START: iso(began)}
    record.event(this.case, WAREHOUSE, _step("picked"), kernel.now, {**where, **who, **started, c.QUANTITY: units}, ref)

    began = kernel.now
    yield 60 * rng.uniform(2, 5)
    who = {c.ACTOR_TYPE: ActorType.HUMAN, c.RESOURCE: f"packing-{rng.randint(1, 6)}"}
    started = {c.STEP_START: iso(began)}
    ref = record.span(
        this.case,
        WAREHOUSE,
        "pack",
        Kind.INTERNAL,
        began,
        kernel.now,
        parent=this.trace,
        step=_step("packed"),
        attributes=who,
    )
    record.event(this.case, WAREHOUSE, _step("packed"), kernel.now, {**where, **who, **started}, ref)

    yield rng.uniform(0.3, 2.0) * 3_600
    yield shop.gate(edge(WAREHOUSE, CARRIER))
    ref = record.ref()
    start = kernel.now
    end = shop.http.leaf(this.case, ref, WAREHOUSE, CARRIER, "POST", "/shipments", start + 3_000_000, _step("shipped"))
    record.span(
        this.case,
        WAREHOUSE,
        "hand to carrier",
        Kind.INTERNAL,
        start,
        end + 2_000_000,
        ref=ref,
        step=_step("shipped"),
        attributes={c.SHIPMENT_ID: ident},
        links=(this.trace,),
    )
    yield (end - start) / SECOND
    value = Decimal(0)
    for line, count in parts:
        line.shipped += count
        value += line.price * count
        record.event(this.case, WAREHOUSE, _step("line.shipped"), kernel.now, {**line.facts(count), **where}, ref)
        shop.kpis.shipped(this.case, kernel.now, ident, line.id, count)
        yield 0.001
    total: AttributeDict = {c.QUANTITY: units, c.AMOUNT: money(value), c.CURRENCY: "EUR"}
    record.event(this.case, WAREHOUSE, _step("shipped"), kernel.now, {**where, **total}, ref)
    kernel.spawn(_invoice(shop, this, value))
    yield from _deliver(shop, this, ident)
    this.parts.done()


def backorder(shop: Retailer, this: Order, line: Line, units: int) -> Process:
    """Waits for units that were not there; ships them when they come, cancels them when patience ends."""
    rng, kernel = shop.rng, shop.kernel
    impatient = shop.incident(IncidentKind.OVERSELL, this.placed) is not None and rng.random() < 0.55
    patience = rng.uniform(0.8, 1.6) if impatient else rng.uniform(2.0, 6.0)
    owed = shop.stock.owe(line.item.sku, units, patience * DAY / SECOND)
    this.wants.append(owed)
    yield 0.01
    shortage = exceptions.trouble(shop, this, ExceptionCategory.STOCK_SHORTAGE, kernel.now)
    yield 0.01
    about = {**line.facts(units), c.PROMISE_AT: iso(kernel.now + int(2.5 * DAY))}
    shop.recorder.event(this.case, ORDERS, _step("backordered"), kernel.now, about, this.trace)
    shop.kpis.backordered(this.case, kernel.now, line.id, units)
    yield owed
    if this.cancelled:
        if owed.filled:
            shop.stock.give_back(line.item.sku, units)
    elif owed.filled:
        by_hand = shop.troubled.random() < 0.15
        exceptions.overcome(shop, this, shortage, kernel.now, ActorType.HUMAN if by_hand else ActorType.SYSTEM)
        given: AttributeDict = {c.QUANTITY: units, c.LOCATION_ID: DISTRIBUTION_CENTRE}
        shop.recorder.event(this.case, ORDERS, _step("allocated"), kernel.now, given, this.trace)
        this.parts.more()
        kernel.spawn(shipment(shop, this, [(line, units)]))
    else:
        line.cancelled += units
        if any(other.shipped or other.open for other in this.lines):  # else the order ends with it unresolved
            exceptions.overcome(shop, this, shortage, kernel.now, ActorType.HUMAN)
        shop.kpis.cancelled(this.case, kernel.now, line.id, units, by_customer=False)
        why = {c.CANCEL_REASON: CancelReason.OUT_OF_STOCK}
        shop.recorder.event(this.case, ORDERS, _step("line.cancelled"), kernel.now, {**line.facts(units), **why})
    this.parts.done()


def cancel(shop: Retailer, this: Order, reason: CancelReason) -> None:
    """Cancels everything of the order that is open, and the order with it."""
    now = shop.kernel.now
    this.cancelled = True
    by_customer = reason is CancelReason.CUSTOMER
    if reason is not CancelReason.OUT_OF_STOCK:
        now = exceptions.overcome_all(shop, this, now, ActorType.SYSTEM if by_customer else ActorType.HUMAN)
    this.over = True
    for line in this.lines:
        if line.open:
            about = {**line.facts(line.open), c.CANCEL_REASON: reason}
            shop.kpis.cancelled(this.case, now, line.id, line.open, by_customer=by_customer)
            line.cancelled += line.open
            shop.recorder.event(this.case, ORDERS, _step("line.cancelled"), now, about)
            now += 1_000_000
    about = {c.CANCEL_REASON: reason, c.AMOUNT: money(this.value), c.CURRENCY: "EUR"}
    shop.recorder.event(this.case, ORDERS, _step("cancelled"), now, about)
    for owed in this.wants:
        assert isinstance(owed, Owed)
        owed.finish()


def settle(shop: Retailer, this: Order) -> Process:
    """When nothing is under way any more, the order is paid, or cancelled if nothing was shipped at all."""
    rng = shop.rng
    yield this.parts
    if this.cancelled:
        return
    if not this.shipped_value:
        cancel(shop, this, CancelReason.OUT_OF_STOCK)
        return
    yield rng.uniform(5, 20) * 3_600
    ref = yield from webhooks.deliver(
        shop, this.case, "payment.settled", PAYMENT, ORDERS, "/webhooks/payment", _step("paid")
    )
    amount = {c.AMOUNT: money(this.shipped_value), c.CURRENCY: "EUR"}
    this.over = True
    shop.recorder.event(this.case, ORDERS, _step("paid"), shop.kernel.now, amount, ref)
    if rng.random() < RETURNED:
        line = rng.choice([line for line in this.lines if line.shipped])
        units = rng.randint(1, line.shipped)
        shop.kernel.spawn(
            returns.resolve(shop, this.id, line.item.sku, units, line.price * units), rng.uniform(0.3, 2.5) * 86_400
        )


def _hand_over(shop: Retailer, this: Order, handed: Latch) -> Process:
    """One message to the connector that creates the pick task at the warehouse."""
    step = _step("picked")
    if shop.incident(IncidentKind.SLOW_API, shop.kernel.now):
        shop.hurt(IncidentKind.SLOW_API, this.id, this.value, kept=this.case.kept)
    message = yield from shop.fulfilment.pass_over(this.case, this.trace, step)
    slow = shop.incident(IncidentKind.SLOW_API, shop.kernel.now)
    if slow:
        yield from _struggle(shop, message, slow.numbers["message_seconds"])
    else:
        start = shop.kernel.now
        end = shop.http.leaf(
            this.case, message.consumer, ORDERS, WAREHOUSE, "POST", "/pick-tasks", start + 1_000_000, step
        )
        yield (end - start) / SECOND
    shop.fulfilment.done(message)
    handed.done()


def _struggle(shop: Retailer, message: Message, seconds: float) -> Process:
    """The same call while the warehouse is slow: time-outs, growing pauses, at last an answer; about `seconds`."""
    rng, kernel, http = shop.rng, shop.kernel, shop.http
    give_up = kernel.now + int(seconds * rng.uniform(0.5, 1.5) * SECOND)
    pause, resend = 10.0, 0

    def attempt() -> tuple[int, int]:
        call = http.open(
            message.case,
            message.consumer,
            ORDERS,
            WAREHOUSE,
            "POST",
            "/pick-tasks",
            kernel.now + 1_000_000,
            message.step,
        )
        if kernel.now + int((TIMEOUT + pause) * SECOND) < give_up:
            return http.close(call, call.received + int(TIMEOUT * SECOND), 0, "timeout", resend), 0
        return http.close(call, call.received + int(rng.uniform(8, 19) * SECOND), 201, "", resend), 201

    while True:
        end, status = attempt()
        yield (end - kernel.now) / SECOND
        if status:
            return
        yield pause * rng.uniform(0.8, 1.2)
        pause, resend = min(pause * 1.6, 240.0), resend + 1


def _short_picks(shop: Retailer, this: Order, parts: list[tuple[Line, int]]) -> list[tuple[Line, int]]:
    """Now and then the shelf holds less than booked; what is missing is back-ordered."""
    found = []
    for line, units in parts:
        missing = shop.rng.randint(1, units) if shop.rng.random() < SHORT_PICK else 0
        if missing:
            about: AttributeDict = {c.SKU: line.item.sku, c.LOCATION_ID: DISTRIBUTION_CENTRE, c.QUANTITY: -missing}
            shop.recorder.loose_event(WAREHOUSE, "retail.stock.adjusted", shop.kernel.now, about)
            this.parts.more()
            shop.kernel.spawn(backorder(shop, this, line, missing), 1.0)
        if units > missing:
            found.append((line, units - missing))
    return found


def _invoice(shop: Retailer, this: Order, value: Decimal) -> Process:
    ident = f"INV-{shop.number('invoice', 700_001)}"
    message = yield from shop.invoices.pass_over(this.case, NOWHERE, _step("invoiced"))
    yield shop.http.seconds(ERP, "/invoices", shop.kernel.now)
    about = {c.INVOICE_ID: ident, c.AMOUNT: money(value), c.CURRENCY: "EUR"}
    shop.recorder.event(this.case, ERP, _step("invoiced"), shop.kernel.now, about, message.consumer)
    shop.invoices.done(message)


def _deliver(shop: Retailer, this: Order, ident: str) -> Process:
    """The carrier's part; the retailer knows of it by the carrier's webhook alone."""
    rng = shop.rng
    route, about = "/webhooks/carrier", {c.SHIPMENT_ID: ident}
    yield rng.uniform(2, 6) * 3_600
    step = _step("delivered")
    shop.kernel.spawn(webhooks.deliver(shop, this.case, CARRIER_WEBHOOK, CARRIER, ORDERS, route, step, about))
    yield rng.uniform(12, 44) * 3_600
    left = shop.kernel.now
    ref = yield from webhooks.deliver(shop, this.case, CARRIER_WEBHOOK, CARRIER, ORDERS, route, step, about)
    if shop.kernel.now - left > HOUR // 60:
        shop.hurt(IncidentKind.FAILING_WEBHOOK, this.id, this.value, kept=this.case.kept)
    promise = {c.PROMISE_AT: iso(this.promise)}
    shop.recorder.event(this.case, ORDERS, step, shop.kernel.now, {**about, **promise}, ref)
    shop.kpis.delivered(this.case, shop.kernel.now, ident, this.promise)
    late = shop.kernel.now > this.promise
    if late:
        exceptions.at_late_delivery(shop, this)
    lifecycle.after_delivery(shop, this, late=late)


def _step(verb: str) -> str:
    return f"retail.order.{verb}"
