"""The incidents planted in the simulated retailer, and their truth in a form machines read.

The plan is made before the simulation and steers it; the impact is counted by the simulation while it runs, so the
truth file says what really happened to which cases. The file is for judging the product from outside: no part of the
product reads it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

from demo.model.facts import DAY, HOUR, SECOND
from demo.model.world import (
    CARRIER,
    ERP,
    ORDERS,
    PAYMENT,
    PROMOTIONS,
    RETURNS,
    SUPPLIERS,
    WAREHOUSE,
    WEB_SHOP,
    Item,
    iso,
    mean_demand,
)
from metrics.conventions import edge


class IncidentKind(StrEnum):
    """What sort of trouble it is."""

    SLOW_API = "slow_api"
    FAILING_WEBHOOK = "failing_webhook"
    LATE_SUPPLIER = "late_supplier"
    OVERSELL = "oversell"
    REFUND_BACKLOG = "refund_backlog"
    MISSETTLED_PROMOTION = "missettled_promotion"


@dataclass(frozen=True)
class Incident:
    """One planted incident; `end` is when its cause is removed, which may lie after the back-fill.

    `numbers` are the plan's own parameters, named with their units.
    """

    kind: IncidentKind
    start: int
    end: int
    title: str
    expected: str
    services: tuple[str, ...] = ()
    edges: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    webhooks: tuple[str, ...] = ()
    suppliers: tuple[str, ...] = ()
    skus: tuple[str, ...] = ()
    promotions: tuple[str, ...] = ()
    deployment_version: str = ""
    numbers: dict[str, float] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Its name, stable over runs."""
        return self.kind.replace("_", "-")

    def covers(self, at: int) -> bool:
        """Whether its cause is at work at that time."""
        return self.start <= at < self.end


@dataclass
class Impact:
    """What an incident did, counted while it happened: the cases it hurt and the money in them (EUR)."""

    cases: dict[str, Decimal] = field(default_factory=dict)

    def add(self, case_id: str, value: Decimal) -> None:
        """A case is counted once, with the largest value named for it."""
        self.cases[case_id] = max(value, self.cases.get(case_id, Decimal(0)))

    @property
    def value(self) -> Decimal:
        """The money in all cases."""
        return sum(self.cases.values(), Decimal(0))


LATE_SUPPLIER_ID = "SUP-07"
SHORT_SPONSOR_ID = "SUP-02"
MISSETTLED_PROMOTION_ID = "PROMO-2007"
CARRIER_WEBHOOK = "carrier.tracking"
BROKEN_VERSION, FIXED_VERSION = "2.4.0", "2.4.1"
SETTLED_SHARE = 0.55
LINES_PER_ORDER = 1.75


def plan_incidents(start: int, end: int, items: Sequence[Item], orders_per_day: float) -> tuple[Incident, ...]:
    """The six incidents for a window (nanoseconds); windows shorter than 14 days get them squeezed."""
    days = (end - start) / DAY
    squeeze, recent = min(1.0, days / 14), min(1.0, days / 3)

    def before(days_before_end: float) -> int:
        return end - int(days_before_end * squeeze * DAY)

    slow_start = _slow_start(end, recent)
    arrivals = orders_per_day * LINES_PER_ORDER * mean_demand(slow_start, end) / (DAY / SECOND)
    oversell = before(6.2) // DAY * DAY + 9 * HOUR
    oversell = oversell if start < oversell < end - 12 * HOUR else before(6.2)
    promoted = tuple(item.sku for item in items if item.supplier == SHORT_SPONSOR_ID)[:3]
    return (
        Incident(
            IncidentKind.SLOW_API,
            slow_start,
            end + 6 * HOUR,
            "Slow warehouse API backs up fulfilment",
            "Calls from order management to the warehouse's POST /pick-tasks take 8 to 19 s instead of 0.35 s and "
            "time out at 30 s; the consumer of fulfilment.requests serves about 40 % of what arrives, so the "
            "queue grows all the time and orders stay allocated but not picked.",
            services=(ORDERS, WAREHOUSE),
            edges=(edge(ORDERS, WAREHOUSE),),
            queues=("fulfilment.requests",),
            steps=("retail.order.allocated",),
            operations=("POST /pick-tasks", "POST /reservations", "GET /availability"),
            numbers={"slow_factor": 5.0, "message_seconds": 1 / (0.4 * arrivals), "served_share": 0.4},
        ),
        Incident(
            IncidentKind.FAILING_WEBHOOK,
            end - int(30 * HOUR * recent),
            end - int(8 * HOUR * recent),
            "Carrier webhook fails after a deployment of order management",
            f"Order management {BROKEN_VERSION} answers 422 to 60 % of the deliveries of {CARRIER_WEBHOOK} until "
            f"{FIXED_VERSION} replaces it; deliveries are repeated with growing pauses, so parcels count as delivered "
            "late.",
            services=(ORDERS, CARRIER),
            edges=(edge(CARRIER, ORDERS),),
            steps=("retail.order.delivered",),
            operations=("POST /webhooks/carrier",),
            webhooks=(CARRIER_WEBHOOK,),
            deployment_version=BROKEN_VERSION,
            numbers={"failure_rate": 0.6},
        ),
        Incident(
            IncidentKind.LATE_SUPPLIER,
            before(10),
            before(4),
            f"Supplier {LATE_SUPPLIER_ID} delivers late",
            "Purchase orders sent to the supplier in this time arrive 2.5 to 4 days later than usual, which is after "
            "the time it promised; its goods run out meanwhile.",
            services=(SUPPLIERS, ERP),
            edges=(edge(ERP, SUPPLIERS),),
            steps=("retail.goods.received", "retail.replenishment.received"),
            suppliers=(LATE_SUPPLIER_ID,),
            skus=tuple(item.sku for item in items if item.supplier == LATE_SUPPLIER_ID),
            numbers={"late_days_min": 2.5, "late_days_max": 4.0},
        ),
        Incident(
            IncidentKind.OVERSELL,
            oversell,
            oversell + int(10 * HOUR * min(1.0, days / 5)),
            "Stock updates are delayed and the shop sells what is not there",
            "The web shop's consumer of stock.updates stands still; a count had just written three popular items down, "
            "demand for them is eight-fold, and the shop keeps selling its old level: lines are back-ordered, "
            "and about half of what is missing is cancelled later as out of stock.",
            services=(WAREHOUSE, WEB_SHOP, ORDERS),
            edges=(edge(WAREHOUSE, WEB_SHOP),),
            queues=("stock.updates",),
            steps=("retail.order.backordered",),
            skus=tuple(items[rank].sku for rank in (2, 4, 5)),
            numbers={"demand_factor": 8.0, "written_down_share": 0.85},
        ),
        Incident(
            IncidentKind.REFUND_BACKLOG,
            before(4),
            before(1.25),
            "Refunds wait for approval",
            "The refund desk works one hour a day instead of twelve, which is less than what arrives; refunds that "
            "need approval wait days instead of hours, and the backlog takes a day or two to clear afterwards.",
            services=(RETURNS, PAYMENT),
            queues=("refund.approvals",),
            steps=("retail.return.dispositioned", "retail.approval.requested"),
            numbers={"desk_hours": 1.0, "usual_desk_hours": 12.0},
        ),
        Incident(
            IncidentKind.MISSETTLED_PROMOTION,
            before(3.1),
            before(3.0),
            f"Promotion {MISSETTLED_PROMOTION_ID} is settled short",
            f"The sponsor's settlement pays {SETTLED_SHARE:.0%} of what was claimed, and the case is closed all the "
            "same.",
            services=(PROMOTIONS, ERP),
            edges=(edge(PROMOTIONS, ERP),),
            steps=("retail.promotion.settled",),
            suppliers=(SHORT_SPONSOR_ID,),
            skus=promoted,
            promotions=(MISSETTLED_PROMOTION_ID,),
            numbers={"settled_share": SETTLED_SHARE, "squeeze": squeeze},
        ),
    )


def _slow_start(end: int, squeeze: float) -> int:
    """Six hours before the end, up to fourteen when they hold a night: a quarter of a day's orders pass by."""
    hours = 6
    while hours < 14 and mean_demand(end - hours * HOUR, end) * hours / 24 < 0.25:
        hours += 1
    return end - int(hours * HOUR * squeeze)


def truth(
    incidents: Sequence[Incident],
    impacts: dict[str, Impact],
    start: int,
    end: int,
    seed: int,
    kpis: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The truth as plain data: the window, each incident with its times, what it touches and what it did, and `kpis`.

    `end` is null for an incident still at work at the end of the window.
    """
    entries = []
    for incident in incidents:
        impact = impacts.get(incident.id, Impact())
        entries.append(
            {
                "id": incident.id,
                "kind": incident.kind.value,
                "title": incident.title,
                "start": iso(incident.start),
                "end": iso(incident.end) if incident.end <= end else None,
                "expected": incident.expected,
                "services": incident.services,
                "edges": incident.edges,
                "queues": incident.queues,
                "steps": incident.steps,
                "operations": incident.operations,
                "webhooks": incident.webhooks,
                "suppliers": incident.suppliers,
                "skus": incident.skus,
                "promotions": incident.promotions,
                "deployment_version": incident.deployment_version or None,
                "numbers": {name: round(number, 3) for name, number in incident.numbers.items()},
                "impact": {
                    "cases": len(impact.cases),
                    "value": f"{impact.value:.2f}",
                    "currency": "EUR",
                    "case_ids": sorted(impact.cases),
                },
            }
        )
    window = {"version": 1, "seed": seed, "start": iso(start), "end": iso(end)}
    return {**window, "incidents": entries, "kpis": kpis or {}}


def write_truth(file: Path, content: dict[str, Any]) -> None:
    """Writes the truth; the folder is made when it is missing, a file there is replaced whole."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(file.name + ".new")
    draft.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    draft.replace(file)
