"""A random shop, and a plain second reading of some KPIs' definitions: what their words say, in Python, case by case.

Nothing of the product is used here but the shape of an event. A fact is (KPI, basis, time, state, numerator,
denominator); `buckets` adds facts up as a clerk would.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from zoneinfo import ZoneInfo

from tests.unit.kpis.events import Event, moment

O2C, RETURNS, P2P, PROMOTIONS = "order-to-cash", "return-to-resolution", "procure-to-pay", "promotion-to-settlement"
DETAILS = ("retail.order.line.placed", "retail.order.line.shipped")
START, SPAN = moment("2026-03-27T20:00"), 4 * 86_400
"""From the Friday before a clock goes forward to the Tuesday after, and into another month by local time."""
COUNTED, OPEN, OUT = "counted", "open", "out"
Fact = tuple[str, str, datetime, str, float, float]
Key = tuple[str, str, str, datetime]
KNOWN = ("EUR", "USD")

TIMES = ("median", "p90", "mean")
SUMS = {"sales_value": ("net", "gross", "credited"), "returns_requested": ("all", "damaged"), "margin_at_risk": ("",)}
MEASURED = ("order_cycle_time", "refund_turnaround", "return_cycle_time", "purchase_lead_time", "stockout_time")
LEVELS = ("order_backlog", "refund_backlog")
COMPUTED = (
    *("orders_placed", "on_time_delivery", "on_time_in_full", "perfect_order", "order_cancellation_rate"),
    *(
        "order_fallout_rate",
        "fill_rate",
        "first_time_fill_rate",
        "oversell_rate",
        "same_day_fill_rate",
        "stockout_rate",
    ),
    *("period_fill_rate", "return_rate", "sales_value", "returns_requested", "supplier_on_time", "supplier_fill_rate"),
    *("three_way_match_rate", "invoice_touchless_rate", "promotion_settlement_accuracy", "touchpoints_per_case"),
    *("touchless_rate", "rework_rate", "exceptions_needing_people", "exception_resolution_time", "margin_at_risk"),
    *("inventory_accuracy", "stockouts", "price_mismatch_rate"),
    *MEASURED,
    *LEVELS,
)


class Author:
    """Writes events of cases; no two of a case at the same time, for their order would be nobody's to say."""

    def __init__(self, random: Random) -> None:
        self.random, self.events = random, list[Event]()
        self._used: set[tuple[str, datetime]] = set()

    def maybe(self, share: float = 0.5) -> bool:
        return self.random.random() < share

    def time(self, case: str) -> datetime:
        while True:
            at = START + timedelta(seconds=self.random.randrange(SPAN))
            if (case, at) not in self._used:
                self._used.add((case, at))
                return at

    def tell(self, stream: str, case: str, name: str, quantity: float | None = None, **given: str | None) -> None:
        amount = given.pop("amount", None)
        said = {f"retail.{key.replace('_', '.')}": value for key, value in given.items() if value}
        at, number = self.time(case), f"e{len(self.events)}"
        self.events.append(Event(stream, case, f"retail.{name}", at, number, quantity, amount, said))

    def actor(self) -> str:
        return self.random.choice(["human", "system", "agent", "", ""])

    def promise(self) -> str:
        at = START + timedelta(seconds=self.random.randrange(SPAN))
        return at.isoformat() if self.maybe(0.7) else ""


def shop(random: Random) -> list[Event]:
    """The events of a small shop, in no order."""
    a = Author(random)
    pick = random.choice
    for case in (f"O{number}" for number in range(random.randint(2, 5))):
        if a.maybe(0.9):
            currency = pick(["EUR", "USD", "", "ZZZ"])
            amount = pick(["100", "100", None, "-5"])
            a.tell(O2C, case, "order.placed", 1, amount=amount, currency=currency, promise_at=a.promise())
        for number in range(random.randint(0, 3)):
            line = pick([f"L{number}", f"L{number}", f"L{number}", ""])
            for _ in range(pick([1, 1, 1, 2, 0])):
                units, price = pick([1, 2, 3, 3, 0, -1, None]), pick(["30", "30", None, "-3"])
                currency = pick(["EUR", "EUR", "", "ZZZ"])
                a.tell(O2C, case, "order.line.placed", units, amount=price, currency=currency, order_line_id=line)
            for _ in range(pick([0, 1, 1, 2])):
                units = pick([1, 2, 3, 3, None]) if a.maybe(0.95) else -1
                a.tell(O2C, case, "order.line.shipped", units, amount="10", currency="EUR", order_line_id=line)
            if a.maybe(0.3):
                why = pick(["customer", "Customer", "no-stock", ""])
                a.tell(O2C, case, "order.line.cancelled", pick([1, 2, None]), order_line_id=line, cancel_reason=why)
            if a.maybe(0.2):
                a.tell(O2C, case, "order.backordered", order_line_id=line)
        for parcel in range(random.randint(0, 2)):
            name = pick([f"S{parcel}", f"S{parcel}", ""])
            a.tell(O2C, case, "order.shipped", shipment_id=name, actor_type=a.actor())
            if a.maybe(0.7):
                a.tell(O2C, case, "order.delivered", shipment_id=pick([name, name, ""]), actor_type=a.actor())
        if a.maybe(0.2):
            why = pick(["customer", "fraud", "CUSTOMER", ""])
            a.tell(O2C, case, "order.cancelled", cancel_reason=why, actor_type=a.actor())
        if a.maybe(0.1):
            a.tell(O2C, case, "order.failed")
        if a.maybe(0.5):
            a.tell(O2C, case, "order.invoiced", amount=pick(["100", "90", None]), currency="EUR")
        for number in range(pick([0, 0, 1, 2])):
            amount, currency = pick(["-7", "0", "12", None]), pick(["EUR", "", "ZZZ"])
            told = {"exception_id": f"X{number}", "exception_category": "stock"}
            a.tell(O2C, case, "exception.raised", amount=amount, currency=currency, **told)
            if a.maybe(0.7):
                a.tell(O2C, case, "exception.resolved", actor_type=a.actor(), **told)
    for case in (f"R{number}" for number in range(random.randint(1, 4))):
        if a.maybe(0.8):
            why = pick(["damaged", "late", "other", ""])
            a.tell(RETURNS, case, "return.requested", pick([1, 2, None]), return_reason=why, actor_type=a.actor())
        if a.maybe(0.7):
            a.tell(RETURNS, case, "return.received", pick([1, 2, None]))
        for _ in range(pick([0, 1, 1, 2])):
            amount, currency = pick(["5", "20", None, "-1"]), pick(["EUR", "EUR", "", "ZZZ"])
            a.tell(RETURNS, case, "refund.issued", pick([None, None, 1, -1]), amount=amount, currency=currency)
        if a.maybe(0.5):
            a.tell(RETURNS, case, "return.closed", actor_type=a.actor())
    for case in (f"P{number}" for number in range(random.randint(1, 3))):
        if a.maybe(0.9):
            a.tell(
                P2P, case, "purchase_order.sent", pick([5, 5, 0, None]), promise_at=a.promise(), actor_type=a.actor()
            )
        if a.maybe(0.4):
            a.tell(P2P, case, "purchase_order.changed", pick([6, None]), promise_at=a.promise(), actor_type=a.actor())
        for _ in range(pick([0, 1, 1, 2])):
            a.tell(P2P, case, "goods.received", pick([2, 3, None]), actor_type=a.actor())
        if a.maybe(0.7):
            a.tell(P2P, case, "supplier_invoice.received", actor_type=a.actor())
            for _ in range(pick([0, 1, 1, 2])):
                a.tell(P2P, case, pick(["supplier_invoice.matched", "supplier_invoice.mismatched"]))
        if a.maybe(0.6):
            a.tell(P2P, case, "supplier_invoice.paid", actor_type=a.actor())
    for case in (f"M{number}" for number in range(random.randint(1, 3))):
        currency = pick(["EUR", "EUR", "", "ZZZ"])
        for _ in range(pick([0, 1, 1, 2])):
            a.tell(PROMOTIONS, case, "promotion.claimed", amount=pick(["50", "40", None, "-50"]), currency=currency)
        for _ in range(pick([0, 1, 1, 2])):
            a.tell(
                PROMOTIONS,
                case,
                "promotion.settled",
                amount=pick(["50", "50.01", "40.02", None, "-1"]),
                currency=currency,
            )
    for sku in ("A", "B"):
        record, where = f"{sku}@L", {"sku": sku if a.maybe(0.9) else "", "location_id": "L"}
        for _ in range(random.randint(0, 3)):
            level, book = pick(["5", "5", "0", "-1", "x", ""]), pick(["5", "5", "100", ""])
            a.tell("stock", record, "stock.counted", stock_level=level, stock_book=book, **where)
        for _ in range(random.randint(0, 3)):
            a.tell("stock", record, "stock.depleted", **where)
        for _ in range(random.randint(0, 2)):
            a.tell("stock", record, "stock.replenished", pick([3, None]), **where)
        for _ in range(random.randint(0, 2)):
            found, expected = pick(["9.99", "10.00", None, "-1"]), pick(["9.99", "9.995", ""])
            a.tell("price", record, "price.checked", amount=found, price_expected=expected, sku=sku, channel="web")
    return a.events


def facts(events: Iterable[Event], zone: str) -> Iterator[Fact]:
    """What each subject contributes to each KPI, of events told once each in their last wording."""
    cases: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for event in sorted(events, key=lambda one: one.at):
        cases[event.stream, event.case].append(event)
    for (stream, _), told in cases.items():
        if stream in ("stock", "price"):
            yield from _records(told)
            continue
        yield from _work(told)
        if stream == O2C:
            lines = list(_lines(told, zone))
            for line in lines:
                yield from line.facts
            yield from _orders(told, lines, zone)
            yield from _exceptions(told)
        yield from _movements(told)
        if stream == RETURNS:
            yield from _returns(told)
        if stream == P2P:
            yield from _purchases(told)
        if stream == PROMOTIONS:
            yield from _promotions(told)


def _named(told: Sequence[Event], *names: str) -> list[Event]:
    return [one for one in told if one.name.removeprefix("retail.") in names]


def _first(told: Sequence[Event], *names: str) -> datetime | None:
    return next((one.at for one in _named(told, *names)), None)


def _last(told: Sequence[Event], *names: str) -> datetime | None:
    return next((one.at for one in reversed(_named(told, *names))), None)


def _said(event: Event, key: str) -> str:
    return event.attributes.get(f"retail.{key}", "")


def _money(event: Event) -> float | None:
    return None if event.amount is None else float(event.amount)


def _human(event: Event) -> bool:
    return _said(event, "actor.type") == "human"


def _promises(told: Sequence[Event]) -> list[datetime]:
    return [datetime.fromisoformat(text) for text in (_said(one, "promise.at") for one in told) if text]


def _time(kpi: str, begin: datetime | None, end: datetime | None, open_: bool = False) -> Iterator[Fact]:
    """A time from a beginning to an end, in the bucket of the end."""
    if end is None:
        return
    for basis in TIMES:
        if begin is None or end < begin:
            yield kpi, basis, end, OUT, 0, 0
        else:
            yield kpi, basis, end, OPEN if open_ else COUNTED, (end - begin).total_seconds(), 1


def _decided(out: bool, open_: bool) -> str:
    return OUT if out else OPEN if open_ else COUNTED


class _Line:
    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.out = self.open = self.filled = False
        self.placed = datetime.max.replace(tzinfo=UTC)


def _lines(told: Sequence[Event], zone: str) -> Iterator[_Line]:
    names = ("order.line.placed", "order.line.shipped", "order.line.cancelled", "order.backordered")
    lines: dict[str, list[Event]] = defaultdict(list)
    for event in _named(told, *names):
        lines[_said(event, "order.line.id") or f"?{event.event_id}"].append(event)
    gone = _named(told, "order.cancelled", "order.failed")
    by_customer = bool(gone) and (
        gone[0].name == "retail.order.failed" or _said(gone[0], "cancel.reason").lower() == "customer"
    )
    for name, of_line in lines.items():
        placed = _named(of_line, "order.line.placed")
        if placed:
            yield _line(name, of_line, placed, bool(gone), by_customer, zone)


def _line(name: str, told: Sequence[Event], placed: Sequence[Event], gone: bool, by_customer: bool, zone: str) -> _Line:
    line, last = _Line(), placed[-1]
    line.placed = at = placed[0].at
    ordered = last.quantity or 0

    def units(some: Sequence[Event], most: float) -> float:
        if any(one.quantity is None for one in some):
            return most
        return min(sum(one.quantity or 0 for one in some), most)

    shipments = _named(told, "order.line.shipped")
    cancelled = _named(told, "order.line.cancelled")
    wished = [one for one in cancelled if _said(one, "cancel.reason").lower() == "customer"]
    shipped = units(shipments, ordered)
    first = units(shipments[:1], ordered)
    rest = max(ordered - shipped, 0)
    withdrawn = units(wished, rest)
    denied = units([one for one in cancelled if one not in wished], rest - withdrawn)
    undecided = rest - withdrawn - denied
    wanted = ordered - withdrawn - (undecided if by_customer else 0)
    bad = name.startswith("?") or ordered <= 0
    bad = bad or any((one.quantity or 0) < 0 for one in told if one not in placed)
    line.out = bad or wanted <= 0
    line.open = not line.out and not gone and undecided > 0
    line.filled = not line.out and not line.open and shipped >= wanted
    backordered = bool(_named(told, "order.backordered"))
    state = _decided(line.out, line.open)
    sent = min(shipped, wanted)
    money, currency = _money(last), _said(last, "currency")
    priced = money is not None and money >= 0 and currency in KNOWN

    def day(when: datetime) -> object:
        return when.astimezone(ZoneInfo(zone)).date()

    same = 0.0
    if shipments:
        same = shipped if day(shipments[-1].at) <= day(at) else first if day(shipments[0].at) <= day(at) else 0
    price = (money or 0) / ordered if ordered > 0 else 0
    at_once = line.filled and not backordered and first >= wanted
    line.facts = [
        ("fill_rate", "line", at, state, line.filled, 1),
        ("fill_rate", "unit", at, state, sent, wanted),
        ("fill_rate", "value", at, state if priced else OUT, sent * price, wanted * price),
        ("first_time_fill_rate", "line", at, state, at_once, 1),
        ("first_time_fill_rate", "unit", at, state, min(first, wanted), wanted),
        ("oversell_rate", "line", at, state, sent < wanted, 1),
        ("oversell_rate", "unit", at, state, wanted - sent, wanted),
        ("same_day_fill_rate", "line", at, _decided(line.out, False), same >= wanted, 1),
        ("same_day_fill_rate", "unit", at, _decided(line.out, False), min(same, wanted), wanted),
        ("stockout_rate", "line", at, _decided(bad, False), backordered, 1),
        ("stockout_rate", "unit", at, _decided(bad, False), ordered if backordered else 0, ordered),
    ]
    return line


def _orders(told: Sequence[Event], lines: Sequence[_Line], zone: str) -> Iterator[Fact]:
    if lines:
        at = min(line.placed for line in lines)
        state = _decided(all(line.out for line in lines), any(line.open for line in lines))
        yield "fill_rate", "order", at, state, all(line.out or line.filled for line in lines), 1
    placed = _named(told, "order.placed")
    if not placed:
        return
    at, amount, currency = placed[0].at, _money(placed[0]), _said(placed[0], "currency")
    cancelled, failed = _named(told, "order.cancelled"), _first(told, "order.failed")
    wished = bool(cancelled) and _said(cancelled[0], "cancel.reason").lower() == "customer"
    delivered = _last(told, "order.delivered")
    arrived = {_said(one, "shipment.id") for one in _named(told, "order.delivered")}
    parcels = {_said(one, "shipment.id") for one in _named(told, "order.shipped")} - {""}
    moving = "" not in arrived and bool(parcels - arrived)
    promises = _promises(told)
    promise = promises[0] if promises else None
    waits = any(line.open for line in lines) or moving
    in_full = any(line.filled for line in lines) and all(line.filled or line.out for line in lines)
    raised, resolved = _named(told, "exception.raised"), _named(told, "exception.resolved")
    by_people = any(map(_human, resolved))
    unresolved = len(raised) > len(resolved)

    yield "orders_placed", "", at, COUNTED, 1, 1
    out = failed is not None
    yield "order_cancellation_rate", "all", at, _decided(out, False), bool(cancelled), 1
    yield "order_cancellation_rate", "shop", at, _decided(out, False), bool(cancelled) and not wished, 1
    yield "order_cancellation_rate", "customer", at, _decided(out, False), wished, 1
    wrong = amount is None or amount < 0 or currency not in KNOWN
    worth = amount or 0
    yield "order_cancellation_rate", "value", at, _decided(out or wrong, False), worth if cancelled else 0, worth
    met = bool(raised) or failed is not None
    undecided = not met and delivered is None and not cancelled
    people = by_people or unresolved or failed is not None
    alone = bool(raised) and not by_people and not unresolved and failed is None
    for basis, counts in (("all", met), ("needing_people", people), ("auto_recovered", alone)):
        yield "order_fallout_rate", basis, at, _decided(False, undecided), counts, 1
    yield from _time("order_cycle_time", at, delivered, moving)

    def date(when: datetime) -> object:
        return when.astimezone(ZoneInfo(zone)).date()

    in_time = delivered is not None and promise is not None and delivered <= promise
    that_day = delivered is not None and promise is not None and date(delivered) <= date(promise)
    if delivered is not None:
        state = _decided(bool(cancelled) or promise is None, moving)
        yield "on_time_delivery", "instant", delivered, state, in_time, 1
        yield "on_time_delivery", "date", delivered, state, that_day, 1
    out = failed is not None or wished or promise is None
    state = _decided(out, not cancelled and (delivered is None or waits))
    kept = not cancelled
    if promise is not None:
        for basis, counts in (
            ("instant", kept and in_time and in_full),
            ("date", kept and that_day and in_full),
            ("on_time", kept and in_time),
            ("in_full", kept and in_full),
        ):
            yield "on_time_in_full", basis, promise, state, counts, 1
    invoiced = [money for one in _named(told, "order.invoiced") if (money := _money(one)) is not None]
    right = not invoiced or amount is None or abs(sum(invoiced) - amount) < 0.005
    yield "perfect_order", "", at, state, kept and in_time and in_full and not raised and right, 1
    ended = delivered if delivered is not None and not waits else None
    ended = failed or (cancelled[0].at if cancelled else ended)
    yield from _level("order_backlog", at, ended)


def _level(kpi: str, at: datetime | None, ended: datetime | None) -> Iterator[Fact]:
    """The state of a level is its beginning, the numerator its end in seconds since 1970 (or infinite)."""
    for basis, age in (("all", 0), ("over_1_day", 1), ("over_3_days", 3)):
        if at is not None and (ended is None or ended > at + timedelta(days=age)):
            yield kpi, basis, at + timedelta(days=age), "level", ended.timestamp() if ended else float("inf"), 0


def _exceptions(told: Sequence[Event]) -> Iterator[Fact]:
    for raised in _named(told, "exception.raised"):
        name = _said(raised, "exception.id")
        ends = [one for one in _named(told, "exception.resolved") if _said(one, "exception.id") == name]
        ends = [one for one in ends if one.at >= raised.at]
        amount = _money(raised)
        if amount:
            state = COUNTED if _said(raised, "currency") in KNOWN else OUT
            yield "margin_at_risk", "", raised.at, state, abs(amount), 1
        if ends:
            yield from _time("exception_resolution_time", raised.at, ends[0].at)
            known = bool(_said(ends[0], "actor.type"))
            yield "exceptions_needing_people", "", ends[0].at, COUNTED if known else OUT, _human(ends[0]), 1


def _movements(told: Sequence[Event]) -> Iterator[Fact]:
    moves: list[tuple[str, datetime, float | None, Event]] = []
    lines: dict[str, list[Event]] = defaultdict(list)
    for event in _named(told, "order.line.placed"):
        lines[_said(event, "order.line.id") or f"?{event.event_id}"].append(event)
    moves += [("ordered", some[0].at, some[-1].quantity, some[-1]) for some in lines.values()]
    moves += [("shipped", one.at, one.quantity, one) for one in _named(told, "order.line.shipped")]
    brought = [one.quantity for one in _named(told, "return.requested", "return.received") if one.quantity is not None]
    for place, one in enumerate(_named(told, "refund.issued")):
        units = one.quantity
        if units is None:
            units = 0 if place else max(brought, default=None)
        moves.append(("credited", one.at, units, one))
    firsts = {kind: min(at for k, at, _, _ in moves if k == kind) for kind in {kind for kind, *_ in moves}}
    for kind, at, units, event in moves:
        money, known = _money(event), _said(event, "currency") in KNOWN
        negative = (money or 0) < 0 or (units or 0) < 0
        state = COUNTED if money is not None and known and not negative else OUT
        worth = money or 0
        n, d = kind != "ordered", kind == "ordered"
        if kind != "credited":
            counted = COUNTED if units is not None and units > 0 else OUT
            yield "period_fill_rate", "unit", at, counted, n * (units or 0), d * (units or 0)
            yield "period_fill_rate", "value", at, state, n * worth, d * worth
        if kind == "shipped":
            continue
        yield "return_rate", "value", at, state, n * worth, d * worth
        empty = d and not units
        counted = OUT if units is None or units < 0 or empty else COUNTED
        yield "return_rate", "unit", at, counted, n * (units or 0), d * (units or 0)
        yield "return_rate", "line", at, OUT if (units or 0) < 0 or empty else COUNTED, n, d
        if at == firsts[kind]:
            yield "return_rate", "order", at, COUNTED, n, d
        yield "sales_value", "net", at, state, -worth if n else worth, 1
        yield "sales_value", "credited" if n else "gross", at, state, worth, 1


def _returns(told: Sequence[Event]) -> Iterator[Fact]:
    asked, came = _named(told, "return.requested"), _first(told, "return.received")
    issued, closed = _first(told, "refund.issued"), _first(told, "return.closed")
    if asked:
        why = _said(asked[0], "return.reason")
        yield "returns_requested", "all", asked[0].at, COUNTED, 1, 1
        yield "returns_requested", "damaged", asked[0].at, COUNTED, why == "damaged", 1
    yield from _time("return_cycle_time", asked[0].at if asked else None, closed)
    for basis in TIMES:
        if issued is not None:
            wait = max((issued - came).total_seconds(), 0) if came else 0
            yield "refund_turnaround", basis, issued, COUNTED if came else OUT, wait, 1
        elif came is not None and closed is None:
            yield "refund_turnaround", basis, came, OPEN, 0, 0
    yield from _level("refund_backlog", came, issued or closed)


def _purchases(told: Sequence[Event]) -> Iterator[Fact]:
    sent, goods = _first(told, "purchase_order.sent"), _named(told, "goods.received")
    promises = _promises(told)
    if goods:
        at, state = goods[-1].at, COUNTED if promises else OUT
        for basis, place in (("first_promise", 0), ("last_promise", -1)):
            yield "supplier_on_time", basis, at, state, bool(promises) and at <= promises[place], 1
        yield from _time("purchase_lead_time", sent, at)
    if sent is not None:
        said = [one.quantity for one in _named(told, "purchase_order.sent", "purchase_order.changed")]
        ordered = next((units for units in reversed(said) if units is not None), 0)
        received = sum(one.quantity or 0 for one in goods)
        yield "supplier_fill_rate", "", sent, _decided(ordered <= 0, not goods), min(received, ordered), ordered
    invoiced, paid = _first(told, "supplier_invoice.received"), _first(told, "supplier_invoice.paid")
    judged = _named(told, "supplier_invoice.matched", "supplier_invoice.mismatched")
    matched = _named(told, "supplier_invoice.matched")
    if invoiced is not None:
        yield "three_way_match_rate", "final", invoiced, _decided(False, not judged), bool(matched), 1
        first = bool(judged) and judged[0] in matched
        yield "three_way_match_rate", "first_pass", invoiced, _decided(False, not judged), first, 1
    if paid is not None:
        since = [one for one in told if invoiced is not None and one.at >= invoiced and _said(one, "actor.type")]
        yield "invoice_touchless_rate", "", paid, COUNTED if since else OUT, not any(map(_human, since)), 1


def _promotions(told: Sequence[Event]) -> Iterator[Fact]:
    claims, settlements = _named(told, "promotion.claimed"), _named(told, "promotion.settled")
    if not claims:
        return
    amounts = [money for one in claims if (money := _money(one)) is not None]
    paid = [money for one in settlements if (money := _money(one)) is not None]
    claimed, settled, at = sum(amounts), sum(paid), claims[-1].at
    out = not amounts or claimed <= 0
    right = round(abs(settled - claimed), 6) <= 0.01
    yield "promotion_settlement_accuracy", "count", at, _decided(out, not settlements), right, 1
    told_in = {_said(one, "currency") for one in (*claims, *settlements) if one.amount is not None}
    out = out or not told_in <= set(KNOWN) or settled < 0
    state = _decided(out, not settlements)
    yield "promotion_settlement_accuracy", "value", at, state, min(settled, claimed), claimed


def _work(told: Sequence[Event]) -> Iterator[Fact]:
    steps = [one for one in told if one.stream != O2C or one.name not in DETAILS]
    if not steps:
        return
    at, people = steps[-1].at, sum(map(_human, steps))
    state = COUNTED if any(_said(one, "actor.type") for one in steps) else OUT
    yield "touchpoints_per_case", "", at, state, people, 1
    yield "touchless_rate", "", at, state, not people, 1
    repeats = len(steps) - len({one.name for one in steps})
    yield "rework_rate", "case", at, COUNTED, repeats > 0, 1
    yield "rework_rate", "step", at, COUNTED, repeats, len(steps)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _records(told: Sequence[Event]) -> Iterator[Fact]:
    for one in _named(told, "stock.counted"):
        level, book = _number(_said(one, "stock.level")), _number(_said(one, "stock.book"))
        out = not _said(one, "sku") or level is None or level < 0 or book is None
        gap, book = abs((level or 0) - (book or 0)), book or 0
        for basis, share in (("exact", 0), ("class_a", 0.002), ("class_b", 0.01), ("class_c", 0.05)):
            yield "inventory_accuracy", basis, one.at, _decided(out, False), gap <= share * book, 1
        yield "inventory_accuracy", "unit", one.at, _decided(out, False), book - gap, book
    ends = [one.at for one in told if _units_there(one)]
    since: datetime | None = None
    for one in _named(told, "stock.depleted"):
        if since is None or any(since < at < one.at for at in ends):
            since = one.at
            item = any(_said(other, "sku") for other in told)
            yield "stockouts", "", since, COUNTED if item else OUT, 1, 1
            if end := min((at for at in ends if at > since), default=None):
                for fact in _time("stockout_time", since, end):
                    yield (*fact[:3], fact[3] if item else OUT, *fact[4:])
    for one in _named(told, "price.checked"):
        found, expected = Decimal(one.amount or "-1"), Decimal(_said(one, "price.expected") or "-1")
        state, gap = _decided(min(found, expected) < 0, False), abs(found - expected)
        yield "price_mismatch_rate", "check", one.at, state, gap > Decimal("0.005"), 1
        yield "price_mismatch_rate", "value", one.at, state, float(gap), float(expected)


def _units_there(event: Event) -> bool:
    if event.name == "retail.stock.replenished":
        return True
    return event.name == "retail.stock.counted" and (_number(_said(event, "stock.level")) or 0) > 0


def buckets(
    events: Iterable[Event], zone: str, now: datetime
) -> tuple[dict[Key, tuple[float | None, float, float, int, int, int]], Callable[[str, str, datetime], int]]:
    """Values by (KPI, basis, grain, beginning): (value, numerator, denominator, counted, left out, open); and how many
    subjects of a level stand at an instant."""
    found: dict[Key, list[Fact]] = defaultdict(list)
    levels: dict[tuple[str, str], list[Fact]] = defaultdict(list)
    for fact in facts(events, zone):
        kpi, basis, at, state, *_ = fact
        if state == "level":
            levels[kpi, basis].append(fact)
            continue
        for grain, start in starts(at, zone):
            found[kpi, basis, grain, start].append(fact)

    def standing(kpi: str, basis: str, at: datetime) -> int:
        return sum(one[2] < at and one[4] >= at.timestamp() for one in levels[kpi, basis])

    return {key: _bucket(key[0], key[1], some) for key, some in found.items()}, standing


def starts(at: datetime, zone: str) -> Iterator[tuple[str, datetime]]:
    """The local hour, day, week and month that an instant lies in."""
    local = at.astimezone(ZoneInfo(zone))
    yield (
        "hour",
        at.astimezone(UTC) - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond),
    )
    day = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    for grain, first in (
        ("day", day),
        ("week", day - timedelta(days=day.weekday())),
        ("month", day.replace(day=1)),
    ):
        yield grain, first.astimezone(UTC)


def _bucket(kpi: str, basis: str, some: Sequence[Fact]) -> tuple[float | None, float, float, int, int, int]:
    counted = [one for one in some if one[3] == COUNTED]
    numerator, denominator = sum(one[4] for one in counted), sum(one[5] for one in counted)
    value: float | None = None
    if (counted and basis in SUMS.get(kpi, ())) or (counted and kpi in ("orders_placed", "stockouts")):
        value = numerator
    elif counted and basis in ("median", "p90"):
        numbers, share = sorted(one[4] for one in counted), {"median": 0.5, "p90": 0.9}[basis]
        place = share * (len(numbers) - 1)
        low = int(place)
        high = min(low + 1, len(numbers) - 1)
        value = numbers[low] + (place - low) * (numbers[high] - numbers[low])
    elif denominator:
        value = numerator / denominator
    out, waits = (sum(one[3] == state for one in some) for state in (OUT, OPEN))
    return value, numerator, denominator, len(counted), out, waits
