"""Fixtures of the alerts room's tests: scripted telemetry, a real receiver, and services that start and restart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from alerts import AlertService, RetryPolicy, Rule, Sources, WebhookNotifier
from alerts.rules import parse_rules
from control import OutboundHttp, Signer
from core import ManualClock, StoreUnavailable
from kpis import KpiValue, WaitingStep
from metrics import QueueDepth
from storage import StateDb
from tests.unit.control.local_http import LocalServer, Received

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
RULES = """
[[rules]]
id = "failing"
name = "Integration failing"
kind = "kpi"
selector = { kpi_id = "integration_failure_rate", grain = "hour", dimension = "edge" }
comparison = ">"
threshold = 0.05
for_s = 60
keep_firing_for_s = 120
min_sample_size = 20
severity = "critical"
summary = "{edge} fails {value:percent}"

[[rules]]
id = "deep"
name = "Queue too deep"
kind = "queue_depth"
selector = { measure = "depth" }
comparison = ">="
threshold = 100
severity = "warning"
summary = "{destination} holds {value:number}"
"""


@dataclass
class Telemetry:
    """What the read models would answer; a test sets it."""

    clock: ManualClock
    rates: dict[str, tuple[float, int]] = field(default_factory=dict)  # edge -> rate, calls
    depths: dict[str, float] = field(default_factory=dict)  # destination -> depth
    waiting: list[WaitingStep] = field(default_factory=list)
    consumers: dict[str, str] = field(default_factory=dict)
    down: bool = False
    kpi_reads: int = 0

    def latest_values(self, tenant: str, grain: str) -> list[KpiValue]:
        self.kpi_reads += 1
        if self.down:
            raise StoreUnavailable("the engine is away")
        bucket = self.clock.now().replace(minute=0, second=0, microsecond=0)
        return [kpi(edge, rate, calls, bucket) for edge, (rate, calls) in self.rates.items()]

    def queue_depths(self, tenant: str, now: datetime, window: timedelta) -> list[QueueDepth]:
        if self.down:
            raise StoreUnavailable("the engine is away")
        return [QueueDepth("rabbitmq", name, depth, 60.0, now, 10.0, ()) for name, depth in self.depths.items()]

    def waits(self, system: str, cases: int, value: str) -> None:
        since = self.clock.now() - timedelta(hours=2)
        step = WaitingStep("order-to-cash", "allocated", system, cases, Decimal(value), "EUR", since, 60.0, 30.0)
        self.waiting.append(step)


def kpi(edge: str, rate: float, calls: int, bucket: datetime) -> KpiValue:
    failed = rate * calls
    return KpiValue(
        "integration_failure_rate", 1, "ratio", "", "down", "edge" if edge else "", edge, "hour", bucket, rate, failed,
        float(calls), calls, 0, 0, bucket, bucket,
    )  # fmt: skip


class World:
    """One tenant's telemetry, a receiver, and as many services on the same state as a test starts."""

    def __init__(self, state: StateDb, clock: ManualClock, http: OutboundHttp, server: LocalServer) -> None:
        self.state = state
        self.clock = clock
        self.http = http
        self.server = server
        self.telemetry = Telemetry(clock)
        self.tenants = ["default"]
        self.retry = RetryPolicy(first_s=5, most_s=60, attempts=5)
        self.service = self.start()

    def sources(self) -> Sources[Telemetry]:
        return Sources(
            self.telemetry,
            lambda t, tenant, grain: t.latest_values(tenant, grain),
            lambda t, tenant, now, window: t.queue_depths(tenant, now, window),
            lambda t, tenant, now: t.waiting,
            lambda t, tenant, now: t.consumers,
        )

    def start(self, rules: str = RULES, *, url: str | None = None) -> AlertService:
        """A new service, as a new process would make it."""
        signer = Signer(SECRET, setting="alert_webhook_secret")
        notifier = WebhookNotifier(url or self.server.url + "/hook", self.http, self.clock, signer)
        made: tuple[Rule, ...] = parse_rules(rules, "test")
        self.service = AlertService(
            self.state,
            self.clock,
            made,
            self.sources(),
            lambda: self.tenants,
            notifier,
            retry=self.retry,
            external_url="http://opsintel.example",
        )
        return self.service

    def run(self, seconds: float, every: float = 15) -> None:
        """Ticks now and then every so often, until so much time has passed."""
        self.service.evaluate()
        passed = 0.0
        while passed < seconds:
            self.clock.advance(every)
            passed += every
            self.service.evaluate()

    def states(self, tenant: str = "default") -> dict[str, str]:
        """State by edge or destination."""
        return {
            view.labels.get("edge") or view.labels["destination"]: view.state.value
            for view in self.service.active(tenant)
        }

    def told(self) -> list[tuple[str, str]]:
        """(status, edge or destination) of every message the receiver took, doubles dropped by webhook-id."""
        unique = {request.headers["webhook-id"]: request for request in self.server.posts()}
        return [self.gist(request) for request in unique.values()]

    @staticmethod
    def gist(request: Received) -> tuple[str, str]:
        (alert,) = request.json()["alerts"]
        return alert["status"], alert["labels"].get("edge") or alert["labels"]["destination"]


@pytest.fixture
def server() -> Iterator[LocalServer]:
    running = LocalServer()
    yield running
    running.stop()


@pytest.fixture
def http() -> Iterator[OutboundHttp]:
    client = OutboundHttp(timeout_s=0.5)
    yield client
    client.close()


@pytest.fixture
def world(state: StateDb, clock: ManualClock, http: OutboundHttp, server: LocalServer) -> World:
    return World(state, clock, http, server)
