"""A stand-in for the read models: a believable Monday morning, as look-alikes of the rows the rooms below return.

It stands in for `Reads` and `Actions` alone; Dash, FastAPI, uvicorn and the browser around it are the real ones.
"""

from __future__ import annotations

import dataclasses
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from core import Principal
from dashboards import ActionOutcome, AlertTile, ControlTile, KpiReading, KpiTile, TargetState, Windows

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TODAY = datetime(2026, 3, 2, tzinfo=UTC)


@dataclass(frozen=True)
class Value:
    """Looks like kpis.KpiValue."""

    kpi_id: str = "fill_rate"
    version: int = 1
    unit: str = "ratio"
    basis: str = "line"
    direction: str = "up"
    dimension: str = ""
    dimension_value: str = ""
    grain: str = "day"
    bucket_start: datetime = TODAY
    value: float | None = 0.964
    numerator: float = 964.0
    denominator: float = 1000.0
    sample_size: int = 1000
    excluded: int = 12
    open_cases: int = 31
    data_through: datetime = NOW - timedelta(seconds=20)
    computed_at: datetime = NOW - timedelta(seconds=40)


@dataclass(frozen=True)
class Waiting:
    """Looks like kpis.WaitingStep."""

    stream: str
    step: str
    owner_system: str
    cases: int
    value: Decimal
    currency: str
    oldest_since: datetime
    median_wait_s: float
    usual_wait_s: float | None


@dataclass(frozen=True)
class Queue:
    """Looks like metrics.QueueDepth."""

    system: str
    destination: str
    depth: float
    oldest_age_s: float | None
    at: datetime
    usual_depth: float | None
    series: tuple[tuple[datetime, float], ...]
    consumer_group: str = ""


@dataclass(frozen=True)
class Latency:
    """Looks like metrics.ApiLatency."""

    system: str
    operation: str
    calls: int
    errors: int
    error_rate: float
    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True)
class Webhook:
    """Looks like metrics.WebhookFailures."""

    webhook: str
    edge: str
    attempts: int
    failures: int
    failure_rate: float
    last_failure_at: datetime | None
    last_error: str


def reading(label: str, values: Sequence[float | None], **fields: object) -> KpiReading:
    """A reading whose daily values end today."""
    days = len(values)
    made = tuple(
        dataclasses.replace(
            Value(),
            value=value,
            bucket_start=TODAY - timedelta(days=days - 1 - index),
            basis=label,
            **fields,  # type: ignore[arg-type]
        )
        for index, value in enumerate(values)
    )
    return KpiReading(label, made[-1], made)


def wave(base: float, swing: float, count: int = 14, tilt: float = 0.0) -> list[float | None]:
    """Something that goes up and down over the week."""
    return [base + swing * math.sin(index * 1.7) + tilt * index for index in range(count)]


def queue(destination: str, system: str, depths: Sequence[float], usual: float | None, oldest: float | None) -> Queue:
    """A queue read every five minutes until now."""
    series = tuple(
        (NOW - timedelta(minutes=5 * (len(depths) - 1 - index)), depth) for index, depth in enumerate(depths)
    )
    return Queue("rabbitmq", destination, depths[-1], oldest, series[-1][0], usual, series)


@dataclass
class StandIn:
    """Reads and Actions in one; `tenant`s other than the default see nothing. `gate` holds actions back until set."""

    windows: Windows = field(default_factory=Windows)
    through: datetime | None = NOW - timedelta(seconds=20)
    calls: list[tuple[str, str, str, str, str]] = field(default_factory=list)
    states: dict[str, TargetState] = field(default_factory=dict)
    gate: threading.Event = field(default_factory=threading.Event)
    seen: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate.set()

    def data_through(self, tenant: str) -> datetime | None:
        self.seen.append(tenant)
        return self.through

    def kpis(self, tenant: str) -> Sequence[KpiTile]:
        fill = wave(0.968, 0.008)
        fill[-2:] = [0.951, 0.934]
        failure = {"kpi_id": "integration_failure_rate", "direction": "down", "dimension": "edge"}
        refund = {"kpi_id": "refund_turnaround", "unit": "seconds", "direction": "down"}
        return (
            KpiTile(
                "fill_rate",
                "Fill rate",
                "Share of the order lines placed in the bucket that were shipped in full, of those already decided.",
                (
                    reading("by line", fill),
                    reading("unit", wave(0.972, 0.006)),
                    reading("order", wave(0.903, 0.01), sample_size=412),
                    reading("value", wave(0.961, 0.007)),
                ),
                target=0.97,
                owner="Order management",
            ),
            KpiTile(
                "refund_turnaround",
                "Refund turnaround",
                "Median time from goods received back to the refund issued, by the day of the refund.",
                (
                    reading(
                        "median", wave(172_000, 9000, tilt=2100), sample_size=23, excluded=0, open_cases=148, **refund
                    ),
                    reading("p90", wave(402_000, 9000), sample_size=23, excluded=0, open_cases=148, **refund),
                ),
                target=172_800,
                owner="Returns",
            ),
            KpiTile(
                "integration_failure_rate",
                "Integration failure rate",
                "Share of calls and messages between systems that ended in an error.",
                (
                    reading("all edges", [0.0051, 0.0049, 0.0052, 0.005, 0.0048, 0.0051, 0.0112],
                            sample_size=48_211, excluded=0, open_cases=0, **failure),
                    reading("carrier → order-management", [0.004, 0.283], sample_size=1204, **failure),
                    reading("order-management → warehouse", [0.006, 0.031], sample_size=8120, **failure),
                    reading("web-shop → payment", [0.004, 0.004], sample_size=6041, **failure),
                ),
                target=0.01,
                owner="Integration",
            ),
        )  # fmt: skip

    def all_kpis(self, tenant: str, grain: str) -> Sequence[KpiTile]:
        return self.kpis(tenant)

    def waiting(self, tenant: str) -> Sequence[Waiting]:
        def row(
            stream: str, step: str, owner: str, cases: int, value: str, hours: float, median: float, usual: float | None
        ) -> Waiting:
            return Waiting(
                stream, step, owner, cases, Decimal(value), "EUR", NOW - timedelta(hours=hours), median, usual
            )

        return (
            row("order-to-cash", "retail.order.allocated", "warehouse", 214, "38412.55", 9.2, 14_900, 4200),
            row("procure-to-pay", "retail.purchase_order.sent", "supplier-portal", 17, "21940.00", 121, 260e3, 172_800),
            row("order-to-cash", "retail.order.shipped", "carrier", 188, "17204.10", 70, 88_000, 86_400),
            row("return-to-resolution", "retail.return.inspected", "returns-desk", 148, "9120.40", 203, 301e3, 96e3),
            row("promotion-to-settlement", "retail.promotion.claimed", "promotions", 6, "4210.00", 402, 800_000, None),
            row("forecast-to-replenish", "retail.replenishment.triggered", "erp", 31, "0", 26, 21_000, 22_000),
        )  # fmt: skip

    def queues(self, tenant: str) -> Sequence[Queue]:
        grown = [12 + 4 * math.sin(index) + max(0, index - 44) * 9 for index in range(72)]
        return (
            queue("warehouse.pick-requests", "warehouse", grown, 14, 2520),
            queue("orders.placed", "order-management", [6 + 3 * math.sin(index * 0.7) for index in range(72)], 6, 21),
            queue("carrier.labels", "carrier", [11 + 6 * math.sin(index * 0.3) for index in range(72)], 7, 64),
            queue("refunds.to-issue", "payment", [140 + index * 0.2 for index in range(72)], 92, 93_000),
            queue("stock.updates", "erp", [0 for _ in range(72)], 0, None),
        )

    def latency(self, tenant: str) -> Sequence[Latency]:
        return (
            Latency("warehouse", "POST /pick-requests", 812, 66, 66 / 812, 1840, 6210, 9120),
            Latency("order-management", "POST /orders", 640, 2, 2 / 640, 142, 391, 820),
            Latency("payment", "POST /authorisations", 655, 4, 4 / 655, 210, 512, 1204),
            Latency("erp", "GET /stock/{sku}", 4120, 9, 9 / 4120, 38, 96, 203),
            Latency("carrier", "POST /labels", 402, 1, 1 / 402, 330, 812, 1390),
            Latency("returns-desk", "POST /returns", 41, 0, 0.0, 88, 160, 171),
            Latency("supplier-portal", "POST /purchase-orders", 12, 0, 0.0, 410, 920, 931),
        )

    def webhooks(self, tenant: str) -> Sequence[Webhook]:
        return (
            Webhook("carrier.tracking", "carrier->order-management", 1204, 341, 341 / 1204,
                    NOW - timedelta(minutes=2), "410 Gone after deploy 2026.9.1"),
            Webhook("payment.captured", "payment->order-management", 655, 1, 1 / 655,
                    NOW - timedelta(hours=7), "timeout after 5 s"),
            Webhook("supplier.acknowledged", "supplier-portal->erp", 44, 0, 0.0, None, ""),
        )  # fmt: skip

    def alerts(self, tenant: str) -> Sequence[AlertTile]:
        return (
            AlertTile("queue_depth", "Queue above its limit", "warning", "firing", "warehouse.pick-requests",
                      "263 pick requests wait; 214 orders worth € 38 k stand behind.", NOW - timedelta(minutes=47)),
            AlertTile("edge_failures", "Integration fails", "critical", "firing", "carrier->order-management",
                      "28.3 % of calls failed in the last hour; usual is 0.4 %.", NOW - timedelta(hours=2, minutes=5)),
            AlertTile("queue_depth", "Queue above its limit", "warning", "pending", "refunds.to-issue",
                      "154 refunds wait.", NOW - timedelta(minutes=3)),
        )  # fmt: skip

    def control_targets(self, tenant: str) -> Sequence[ControlTile]:
        def tile(target: str, state: TargetState, **known: object) -> ControlTile:
            return ControlTile(target, target, "edge", self.states.get(target, state), **known)  # type: ignore[arg-type]

        return (
            tile("order-management->warehouse", TargetState.RUNNING),
            tile("carrier->order-management", TargetState.PAUSED, changed_at=NOW - timedelta(minutes=31),
                 changed_by="local", reason="410 on every callback since the 08:30 deploy"),
            tile("supplier-portal->erp", TargetState.CHANGING, changed_at=NOW - timedelta(seconds=4),
                 changed_by="local", reason="stock count"),
            tile("payment->order-management", TargetState.UNKNOWN),
        )  # fmt: skip

    def pause(self, principal: Principal, target_id: str, reason: str, idempotency_key: str) -> ActionOutcome:
        return self._act("pause", principal, target_id, reason, idempotency_key, TargetState.PAUSED)

    def resume(self, principal: Principal, target_id: str, reason: str, idempotency_key: str) -> ActionOutcome:
        return self._act("resume", principal, target_id, reason, idempotency_key, TargetState.RUNNING)

    def _act(
        self, action: str, principal: Principal, target: str, reason: str, key: str, after: TargetState
    ) -> ActionOutcome:
        if not self.gate.wait(60):
            raise AssertionError("the gate stayed shut")
        self.calls.append((action, principal.name, target, reason, key))
        self.states[target] = after
        return ActionOutcome(True, True, f"{target} is {after.value}.", "cmd-1")


class Empty(StandIn):
    """A service that has never been sent anything."""

    def data_through(self, tenant: str) -> datetime | None:
        return None

    def _none(self, tenant: str) -> tuple[()]:
        return ()

    kpis = waiting = queues = latency = webhooks = alerts = control_targets = _none  # type: ignore[assignment]
