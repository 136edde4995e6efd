"""The retailer's fixed furniture: systems, goods, suppliers, places, latencies and the shape of a week.

All of it is data or pure functions of a seed. Nobody in it has a name: customers and workplaces are ids.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from demo.model.facts import DAY, HOUR, SECOND

WEB_SHOP = "web-shop"
ORDERS = "order-management"
ERP = "erp"
WAREHOUSE = "warehouse"
PAYMENT = "payment"
CARRIER = "carrier"
SUPPLIERS = "supplier-portal"
RETURNS = "returns-desk"
PROMOTIONS = "promotions"
SERVICES = (WEB_SHOP, ORDERS, ERP, WAREHOUSE, PAYMENT, CARRIER, SUPPLIERS, RETURNS, PROMOTIONS)

VERSIONS = {
    WEB_SHOP: "5.12.3",
    ORDERS: "2.3.7",
    ERP: "2025.4",
    WAREHOUSE: "3.8.0",
    PAYMENT: "1.44.2",
    CARRIER: "9.0.1",
    SUPPLIERS: "1.9.5",
    RETURNS: "0.31.0",
    PROMOTIONS: "4.2.2",
}

DISTRIBUTION_CENTRE = "DC-01"
STORES = tuple(f"STORE-{number}" for number in range(101, 113))
CHANNELS = (("web", 0.55), ("app", 0.27), ("marketplace", 0.12), ("store", 0.06))

# Median seconds an operation takes on the server, and the sigma of its log-normal spread.
LATENCIES: dict[tuple[str, str], tuple[float, float]] = {
    (WEB_SHOP, "/products/{sku}"): (0.045, 0.45),
    (ORDERS, "/orders"): (0.110, 0.40),
    (ORDERS, "/orders/{id}"): (0.035, 0.40),
    (ORDERS, "/webhooks/carrier"): (0.040, 0.40),
    (ORDERS, "/webhooks/payment"): (0.040, 0.40),
    (PAYMENT, "/authorisations"): (0.320, 0.50),
    (PAYMENT, "/refunds"): (0.410, 0.50),
    (WAREHOUSE, "/availability"): (0.028, 0.40),
    (WAREHOUSE, "/reservations"): (0.090, 0.45),
    (WAREHOUSE, "/pick-tasks"): (0.350, 0.45),
    (CARRIER, "/shipments"): (0.600, 0.50),
    (ERP, "/invoices"): (0.450, 0.55),
    (ERP, "/credit-notes"): (0.400, 0.55),
    (ERP, "/claims"): (0.500, 0.55),
    (ERP, "/webhooks/acknowledgements"): (0.150, 0.45),
    (ERP, "/supplier-invoices"): (0.380, 0.50),
    (RETURNS, "/returns"): (0.120, 0.45),
    (SUPPLIERS, "/purchase-orders"): (0.750, 0.60),
    (SUPPLIERS, "/settlements"): (0.700, 0.60),
}

# Relative demand by hour of day and by weekday from Monday, each averaging about 1.
_NIGHT_AND_MORNING = (0.38, 0.28, 0.24, 0.24, 0.28, 0.42, 0.63, 0.85, 1.02, 1.15, 1.20, 1.20)
_AFTERNOON_AND_EVENING = (1.28, 1.22, 1.12, 1.12, 1.18, 1.34, 1.56, 1.78, 1.80, 1.55, 1.06, 0.65)
_HOURS = _NIGHT_AND_MORNING + _AFTERNOON_AND_EVENING
_WEEKDAYS = (0.95, 0.90, 0.92, 0.97, 1.05, 1.15, 1.12)
PEAK_DEMAND = max(_HOURS) * max(_WEEKDAYS)


def hour_of_day(at: int) -> int:
    """The hour, 0 to 23, in UTC."""
    return at // HOUR % 24


def weekday(at: int) -> int:
    """0 for Monday to 6 for Sunday, in UTC; the Unix epoch was a Thursday."""
    return (at // DAY + 3) % 7


def demand(at: int) -> float:
    """Relative demand at that time; 1 is the average."""
    return _HOURS[hour_of_day(at)] * _WEEKDAYS[weekday(at)]


def mean_demand(start: int, end: int) -> float:
    """Average relative demand between two times, sampled every quarter of an hour."""
    step = HOUR // 4
    samples = [demand(at) for at in range(start, max(end, start + 1), step)]
    return sum(samples) / len(samples)


def during(first_hour: int, last_hour: int, inside: int, outside: int) -> _Shift:
    """Workers by the hour of day: `inside` from the first hour to before the last one, `outside` otherwise."""
    return _Shift(first_hour, last_hour, inside, outside)


@dataclass(frozen=True)
class _Shift:
    first_hour: int
    last_hour: int
    inside: int
    outside: int

    def __call__(self, at: int) -> int:
        return self.inside if self.first_hour <= hour_of_day(at) < self.last_hour else self.outside


def iso(at: int) -> str:
    """ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(at // SECOND, UTC).isoformat().replace("+00:00", "Z")


def money(amount: Decimal) -> str:
    """An amount as decimal text with two places."""
    return str(amount.quantize(Decimal("0.01")))


@dataclass(frozen=True)
class Item:
    """Goods: id, supplier, price in EUR, share of demand, usual units sold a day."""

    sku: str
    supplier: str
    price: Decimal
    weight: float
    daily: float


@dataclass(frozen=True)
class Supplier:
    """A supplier and its usual lead time in days."""

    id: str
    lead_days: float


def build_suppliers(rng: random.Random, count: int = 10) -> tuple[Supplier, ...]:
    """The suppliers, `SUP-01` and so on."""
    return tuple(Supplier(f"SUP-{n:02d}", round(rng.uniform(1.2, 2.8), 2)) for n in range(1, count + 1))


def build_items(
    rng: random.Random, suppliers: tuple[Supplier, ...], units_a_day: float, count: int = 90
) -> tuple[Item, ...]:
    """The goods; demand falls off by rank, dear goods sell less."""
    weights = [1 / (rank + 6) ** 0.85 for rank in range(count)]
    total = sum(weights)
    items = []
    for rank, weight in enumerate(weights):
        price = Decimal(round(rng.lognormvariate(3.2, 0.75))).max(Decimal(4)).min(Decimal(249)) - Decimal("0.10")
        share = weight / total
        supplier = suppliers[rank % len(suppliers)].id
        items.append(Item(f"SKU-{10_001 + rank * 7}", supplier, price, share, share * units_a_day))
    return tuple(items)
