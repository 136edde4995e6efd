"""The true business numbers of the simulated retailer, counted by the simulation itself while it runs.

Whoever makes something happen says so here in the words of the business, next to where it tells the fact. Nothing is
read back from the facts, and no part of the product is asked. What the facts leave out is left out here by the same
two rules: cases that began before the window, and what happened after its end. Times are nanoseconds; the result is
in seconds, units and EUR. `docs/demo.md` says what each number means.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import median
from typing import Any, Protocol

from demo.model.facts import SECOND


class Keeps(Protocol):
    """A case: whether its facts are kept, and its id."""

    id: str
    kept: bool


@dataclass(slots=True)
class _Line:
    order: str
    price: Decimal
    ordered: int
    shipped: int = 0
    shipments: int = 0
    customer: int = 0
    ours: int = 0
    backordered: int = 0

    @property
    def wanted(self) -> int:
        return self.ordered - self.customer

    @property
    def open(self) -> int:
        return self.wanted - self.shipped - self.ours


@dataclass(slots=True)
class _Order:
    promise: int
    failed: bool = False
    delivered: int = 0
    last_delivery: int = 0
    units: dict[str, int] = field(default_factory=dict)
    lines: list[_Line] = field(default_factory=list)


@dataclass(slots=True)
class _Wait:
    start: int
    group: str
    end: int | None = None
    by: str = ""


class KpiTruth:
    """Counts what lies in the window, from `start` up to and including `end`."""

    def __init__(self, start: int, end: int) -> None:
        self._start, self._end = start, end
        self._orders: dict[str, _Order] = {}
        self._lines: dict[str, _Line] = {}
        self._waits: dict[str, dict[str, _Wait]] = {}
        self._exceptions: dict[str, _Wait] = {}
        self._numbers: Counter[str] = Counter()
        self._returns: Counter[str] = Counter()
        self._returned_units: Counter[str] = Counter()
        self._touches: Counter[str] = Counter()
        self._touched: dict[str, set[str]] = {}
        self._claims: dict[str, Decimal] = {}
        self._settled: dict[str, Decimal] = {}
        self._matched_first: set[str] = set()
        self._mismatched: set[str] = set()
        self._difference = Decimal(0)

    def sees(self, at: int, case: Keeps | None = None) -> bool:
        """Whether a fact of that time, and of that case if it has one, is among those of the window."""
        return at <= self._end and (case.kept if case is not None else at >= self._start)

    # --- orders ---

    def placed(self, case: Keeps, at: int, promise: int, lines: Iterable[tuple[str, int, Decimal]]) -> None:
        """An order with its lines: id, units, price a unit. `promise` is as the customer was told, in whole seconds."""
        if self.sees(at, case):
            order = self._orders[case.id] = _Order(promise // SECOND * SECOND)
            for ident, units, price in lines:
                line = self._lines[ident] = _Line(case.id, price, units)
                order.lines.append(line)

    def failed(self, case: Keeps, at: int) -> None:
        """An order was not accepted at all."""
        if self.sees(at, case):
            self._orders[case.id].failed = True

    def backordered(self, case: Keeps, at: int, line: str, units: int) -> None:
        """Units wait for stock."""
        if self.sees(at, case):
            self._lines[line].backordered += units

    def shipped(self, case: Keeps, at: int, shipment: str, line: str, units: int) -> None:
        """Units of a line left."""
        if self.sees(at, case):
            this = self._lines[line]
            this.shipped += units
            this.shipments += 1
            sent = self._orders[case.id].units
            sent[shipment] = sent.get(shipment, 0) + units

    def cancelled(self, case: Keeps, at: int, line: str, units: int, *, by_customer: bool) -> None:
        """Units will not be sent."""
        if self.sees(at, case):
            if by_customer:
                self._lines[line].customer += units
            else:
                self._lines[line].ours += units

    def delivered(self, case: Keeps, at: int, shipment: str, promise: int) -> None:
        """A shipment is known to have arrived."""
        if self.sees(at, case):
            order = self._orders[case.id]
            order.delivered += order.units[shipment]
            order.last_delivery = max(order.last_delivery, at)
            self._numbers["shipments delivered"] += 1
            self._numbers["shipments on time"] += at <= promise // SECOND * SECOND

    # --- waits ---

    def began(self, kind: str, ident: str, at: int, case: Keeps | None = None, group: str = "") -> None:
        """Something that takes time began."""
        if self.sees(at, case):
            self._waits.setdefault(kind, {})[ident] = _Wait(at, group)

    def ended(self, kind: str, ident: str, at: int) -> None:
        """It ended; ignored when its beginning was not seen."""
        wait = self._waits.get(kind, {}).get(ident)
        if wait is not None and at <= self._end:
            wait.end = at

    def raised(self, case: Keeps, at: int, ident: str, category: str) -> None:
        """An exception stands in the way of a case."""
        if self.sees(at, case):
            self._exceptions[ident] = _Wait(at, category)

    def resolved(self, at: int, ident: str, by: str) -> None:
        """It is gone; `by` is the type of the actor."""
        wait = self._exceptions.get(ident)
        if wait is not None and at <= self._end:
            wait.end, wait.by = at, by

    # --- the rest ---

    def touched(self, case: Keeps, at: int, stream: str) -> None:
        """A person performed a step of a case."""
        if self.sees(at, case):
            self._touches[stream] += 1
            self._touched.setdefault(stream, set()).add(case.id)

    def returned(self, case: Keeps, at: int, reason: str, units: int) -> None:
        """A customer wants to send goods back."""
        if self.sees(at, case):
            self._returns[reason] += 1
            self._returned_units[reason] += units

    def claimed(self, case: Keeps, at: int, amount: Decimal) -> None:
        """Money was claimed for a promotion."""
        if self.sees(at, case):
            self._claims[case.id] = self._claims.get(case.id, Decimal(0)) + amount

    def settled(self, case: Keeps, at: int, amount: Decimal) -> None:
        """A promotion was settled."""
        if self.sees(at, case):
            self._settled[case.id] = amount

    def goods_received(self, case: Keeps, at: int, promise: int) -> None:
        """The goods of a purchase order came."""
        if self.sees(at, case):
            self._numbers["purchase orders received"] += 1
            self._numbers["purchase orders on time"] += at <= promise // SECOND * SECOND

    def invoice(self, case: Keeps, at: int, what: str, ident: str) -> None:
        """A supplier's invoice was `received`, `mismatched`, `matched` or `paid`."""
        if self.sees(at, case):
            self._numbers[f"invoices {what}"] += 1
            if what == "mismatched":
                self._mismatched.add(ident)
            elif what == "matched" and ident not in self._mismatched:
                self._matched_first.add(ident)
            elif what == "paid":
                self._numbers["invoices touchless"] += ident in self._matched_first

    def counted(self, at: int, book: int, found: int) -> None:
        """A stock record was counted."""
        if self.sees(at):
            self._numbers["records counted"] += 1
            self._numbers["records matching"] += book == found
            self._numbers["units booked"] += book
            self._numbers["units off"] += abs(found - book)

    def depleted(self, at: int) -> None:
        """A level reached zero."""
        if self.sees(at):
            self._numbers["stock-outs"] += 1

    def synchronised(self, at: int, changed: int) -> None:
        """Another system shows a level that changed at `changed`."""
        if self.sees(at):
            self._numbers["synchronisations"] += 1
            self._numbers["synchronisation ns"] += at - changed
            self._numbers["longest synchronisation ns"] = max(at - changed, self._numbers["longest synchronisation ns"])

    def price_checked(self, at: int, found: Decimal, expected: Decimal) -> None:
        """A price was looked at."""
        if self.sees(at):
            self._numbers["price checks"] += 1
            self._numbers["price mismatches"] += found != expected

    def reconciled(self, case: Keeps, at: int, began: int, difference: Decimal, *, human: bool) -> None:
        """A reconciliation was performed from `began` to `at`; times are told in whole seconds at its beginning."""
        if self.sees(at, case):
            self._numbers["reconciliations"] += 1
            self._numbers["reconciliation ns"] += at - began
            self._numbers["human reconciliations"] += human
            self._numbers["human reconciliation ns"] += (at - began) * human
            self._numbers["reconciliations with a difference"] += difference != 0
            self._difference += abs(difference)

    # --- the result ---

    def report(self) -> dict[str, Any]:
        """Everything counted so far, as plain data in a fixed order."""
        n = self._numbers
        return {
            "fill": self._fill(),
            "delivery": self._delivery(),
            "refunds": {
                "received_to_issued": self._lead("refund"),
                "requested_to_issued": self._lead("refund from request"),
                "return_requested_to_closed": self._lead("return"),
            },
            "returns": {
                reason: {"returns": self._returns[reason], "units": self._returned_units[reason]}
                for reason in sorted(self._returns)
            },
            "promotions": self._promotions(),
            "inventory": {
                "records_counted": n["records counted"],
                "records_matching": n["records matching"],
                "units_booked": n["units booked"],
                "absolute_unit_error": n["units off"],
                "stock_outs": n["stock-outs"],
                "synchronised": n["synchronisations"],
                "synchronised_seconds_sum": _seconds(n["synchronisation ns"]),
                "synchronised_seconds_max": _seconds(n["longest synchronisation ns"]),
            },
            "prices": {"checked": n["price checks"], "mismatched": n["price mismatches"]},
            "exceptions": self._by_category(),
            "purchase_orders": {
                "received": n["purchase orders received"],
                "on_time": n["purchase orders on time"],
                "sent_to_received": self._lead("purchase order"),
                "sent_to_acknowledged": self._lead("acknowledgement"),
            },
            "replenishments": self._lead("replenishment"),
            "invoices": {
                "received": n["invoices received"],
                "matched": n["invoices matched"],
                "first_pass_matched": len(self._matched_first),
                "mismatched": n["invoices mismatched"],
                "paid": n["invoices paid"],
                "paid_touchless": n["invoices touchless"],
            },
            "touches": {
                stream: {"touches": self._touches[stream], "cases_touched": len(self._touched[stream])}
                for stream in sorted(self._touches)
            },
            "approvals": {
                subject: self._lead("approval", subject)
                for subject in sorted({wait.group for wait in self._waits.get("approval", {}).values()})
            },
            "reconciliations": {
                "performed": n["reconciliations"],
                "seconds_sum": _seconds(n["reconciliation ns"]),
                "human": n["human reconciliations"],
                "human_seconds_sum": _seconds(n["human reconciliation ns"]),
                "with_difference": n["reconciliations with a difference"],
                "absolute_difference": _money(self._difference),
            },
            "lead_times": {
                kind.replace(" ", "_"): self._lead(kind)
                for kind in ("customer case", "warranty", "subscription", "account", "supplier", "item", "period")
            },
        }

    def _fill(self) -> dict[str, Any]:
        """Failed orders stand apart and are in none of the other numbers."""
        accepted = [order for order in self._orders.values() if not order.failed]
        lines = [line for order in accepted for line in order.lines]
        wanted = [line for line in lines if line.wanted]
        complete = [line for line in wanted if line.shipped == line.wanted]
        orders = [order for order in accepted if any(line.wanted for line in order.lines)]
        whole = [order for order in orders if all(line.shipped == line.wanted for line in order.lines)]
        return {
            "orders": {
                "placed": len(self._orders),
                "failed": len(self._orders) - len(accepted),
                "excluded": len(accepted) - len(orders),
                "wanted": len(orders),
                "shipped": len(whole),
                "open": sum(any(line.open for line in order.lines) for order in orders),
            },
            "lines": {
                "placed": len(lines),
                "excluded": len(lines) - len(wanted),
                "wanted": len(wanted),
                "shipped": len(complete),
                "shipped_at_once": sum(line.shipments == 1 and not line.backordered for line in complete),
                "open": sum(line.open > 0 for line in wanted),
                "backordered": sum(line.backordered > 0 for line in lines),
            },
            "units": {
                "placed": sum(line.ordered for line in lines),
                "excluded": sum(line.customer for line in lines),
                "wanted": sum(line.wanted for line in lines),
                "shipped": sum(line.shipped for line in lines),
                "cancelled_by_us": sum(line.ours for line in lines),
                "open": sum(line.open for line in lines),
                "backordered": sum(line.backordered for line in lines),
            },
            "value": {
                "placed": _money(sum((line.price * line.ordered for line in lines), Decimal(0))),
                "excluded": _money(sum((line.price * line.customer for line in lines), Decimal(0))),
                "wanted": _money(sum((line.price * line.wanted for line in lines), Decimal(0))),
                "shipped": _money(sum((line.price * line.shipped for line in lines), Decimal(0))),
                "cancelled_by_us": _money(sum((line.price * line.ours for line in lines), Decimal(0))),
                "open": _money(sum((line.price * line.open for line in lines), Decimal(0))),
            },
        }

    def _delivery(self) -> dict[str, Any]:
        some = [order for order in self._orders.values() if order.delivered]
        full = [order for order in some if order.delivered == sum(line.wanted for line in order.lines)]
        return {
            "promised_orders": len(self._orders),
            "shipments_delivered": self._numbers["shipments delivered"],
            "shipments_on_time": self._numbers["shipments on time"],
            "orders_with_a_delivery": len(some),
            "orders_in_full": len(full),
            "orders_in_full_on_time": sum(order.last_delivery <= order.promise for order in full),
        }

    def _promotions(self) -> dict[str, Any]:
        settled = self._settled
        wrong = sorted(ident for ident, paid in settled.items() if paid != self._claims.get(ident, Decimal(0)))
        return {
            "settled": len(settled),
            "mis_settled": wrong,
            "claimed": _money(sum((self._claims.get(ident, Decimal(0)) for ident in settled), Decimal(0))),
            "paid": _money(sum(settled.values(), Decimal(0))),
        }

    def _by_category(self) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for category in sorted({wait.group for wait in self._exceptions.values()}):
            waits = [wait for wait in self._exceptions.values() if wait.group == category]
            human = sum(wait.by == "human" for wait in waits)
            still = sum(wait.end is None for wait in waits)
            result[category] = {
                "raised": len(waits),
                "auto_resolved": len(waits) - human - still,
                "human_resolved": human,
                "open": still,
            }
        return result

    def _lead(self, kind: str, group: str | None = None) -> dict[str, Any]:
        waits = [wait for wait in self._waits.get(kind, {}).values() if group is None or wait.group == group]
        took = sorted(wait.end - wait.start for wait in waits if wait.end is not None)
        return {
            "count": len(took),
            "seconds_sum": _seconds(sum(took)),
            "seconds_median": _seconds(median(took)) if took else None,
            "open": len(waits) - len(took),
        }


def _seconds(nanoseconds: float) -> float:
    return round(nanoseconds / SECOND, 6)


def _money(amount: Decimal) -> str:
    return f"{amount:.2f}"
