"""A shop of eight weeks whose numbers can be counted by hand: each order is a tuple, its events follow from it.

Every day four orders come on the web and four in the store. From the roll-out on the web's are delivered ten hours
faster. Each order has two lines; of every fifth order the second line is cancelled by the shop.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from core import ManualClock
from kpis import KpiJobs, load_catalogue
from storage import ClickHouse
from tests.unit.kpis.events import Event, load_events

START = datetime(2026, 1, 5, tzinfo=UTC)
ROLLOUT = datetime(2026, 2, 2, tzinfo=UTC)
DAYS = 56
NOW = datetime(2026, 3, 5, 9, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
O2C = "order-to-cash"
COMPUTED = {
    "orders_placed",
    "order_cancellation_rate",
    "order_cycle_time",
    "first_time_fill_rate",
    "fill_rate",
    "touchless_rate",
}
"""Whose stored values are wanted; the views hold what all others need."""


@dataclass(frozen=True)
class Order:
    """One order."""

    id: str
    channel: str
    placed: datetime
    delivered: datetime
    short: bool
    cancelled: bool

    @property
    def seconds(self) -> float:
        """Its cycle time."""
        return (self.delivered - self.placed).total_seconds()

    def events(self) -> Iterator[Event]:
        """All that is told of it."""

        def told(name: str, at: datetime, key: str, quantity: float | None = None, **more: str) -> Event:
            given = {f"retail.{name.replace('_', '.')}": value for name, value in more.items()}
            return Event(O2C, self.id, f"retail.order.{name}", at, f"{self.id}-{key}", quantity, None, given)

        yield told("placed", self.placed, "p", 3, channel=self.channel)
        for line, units in (("1", 1), ("2", 2)):
            yield told("line.placed", self.placed, f"l{line}", units, order_line_id=line, channel=self.channel)
        if self.cancelled:
            yield told("cancelled", self.placed + HOUR, "c", cancel_reason="fraud")
            return
        yield told("line.shipped", self.placed + HOUR, "s1", 1, order_line_id="1")
        if self.short:
            yield told("line.cancelled", self.placed + HOUR, "x2", 2, order_line_id="2", cancel_reason="no-stock")
        else:
            yield told("line.shipped", self.placed + HOUR, "s2", 2, order_line_id="2")
        yield told("delivered", self.delivered, "d")


def orders(days: int = DAYS) -> list[Order]:
    """All orders."""
    found = []
    for day in range(days):
        for place in range(8):
            number = day * 8 + place
            channel = "web" if place % 2 == 0 else "store"
            placed = START + day * DAY + (8 + place) * HOUR
            hours = 40 + (number * 7) % 11 - (10 if channel == "web" and placed >= ROLLOUT else 0)
            cancelled = number % 16 == 3 and placed < ROLLOUT
            found.append(Order(f"O{number}", channel, placed, placed + hours * HOUR, number % 5 == 0, cancelled))
    return found


def fill(ch: ClickHouse, tenant: str) -> ManualClock:
    """Stores the orders and computes the KPIs; the clock stands at NOW."""
    clock = ManualClock(NOW)
    load_events(ch, tenant, [event for order in orders() for event in order.events()], clock.now())
    clock.advance(1)
    report = KpiJobs(ch, clock, load_catalogue().chosen(lambda one: one.id in COMPUTED), [tenant]).run_once()
    assert not report.failures
    return clock
