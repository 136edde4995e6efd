"""The whole application behind a real uvicorn, on the run's engine and a state database of its own.

What it holds: two tenants, each with a key for every role, telemetry that names its tenant in every text, a control
target on a workflow engine that verifies signatures, and an alert rule that their queues break.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from api.app import create_app
from api.composition import Stores, build, running
from api.keys import ApiKeys
from api.services import Services
from core import ManualClock, Role, load_settings
from storage import ClickHouse, migrate_state, open_state
from tests.browser.served import Server
from tests.unit.control.engine_stub import SECRET, EngineStub

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
NS = int(NOW.timestamp()) * 10**9
RULES = """
[[rules]]
id = "deep"
name = "Queue too deep"
kind = "queue_depth"
selector = { measure = "depth" }
comparison = ">="
threshold = 10
severity = "warning"
summary = "{destination} holds {value:number}"
"""
_NUMBERS = itertools.count(1)


@dataclass
class Shop:
    """A tenant: its name, its keys by role, and the id of its one trace."""

    tenant: str
    trace_id: str
    keys: dict[Role, str] = field(default_factory=dict)

    @property
    def mark(self) -> str:
        """In every text that belongs to it."""
        return f"mark-{self.tenant}"


@dataclass
class Api:
    """The running application."""

    services: Services
    clock: ManualClock
    url: str
    shop: Shop
    other: Shop
    engine: EngineStub

    def client(self, key: str = "", headers: Mapping[str, str] | None = None) -> httpx.Client:
        """A caller with this key."""
        allowed = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.Client(base_url=self.url, headers=allowed | dict(headers or {}), timeout=60, verify=False)

    def get(self, path: str, role: Role = Role.VIEWER, **params: Any) -> httpx.Response:
        """Asks as somebody of the shop."""
        with self.client(self.shop.keys[role]) as client:
            return client.get(path, params=params)

    def post(
        self, path: str, body: Any, role: Role = Role.ADMIN, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Sends JSON as somebody of the shop."""
        with self.client(self.shop.keys[role], headers) as client:
            return client.post(path, json=body)


@contextmanager
def serving(ch: ClickHouse, folder: Path, *, open_to_all: bool = False, **settings: Any) -> Iterator[Api]:
    """The application at work until the block ends; `open_to_all` leaves it without keys and data."""
    with ExitStack() as stack:
        engine = EngineStub()
        stack.callback(engine.server.stop)
        number = next(_NUMBERS)
        shop, other = (
            Shop(f"api-{number}-{name}", f"{number:016x}{digit * 16}") for name, digit in (("a", "a"), ("b", "b"))
        )
        (folder / "rules.toml").write_text(RULES)
        (folder / "control.toml").write_text("".join(_target(engine, one) for one in (shop, other)))
        configured = load_settings(
            data_dir=folder / "data", http_port=0, otlp_grpc_port=0, otlp_http_port=0, jobs_enabled=False,
            rules_file=folder / "rules.toml", control_file=folder / "control.toml", control_secret=SECRET,
            wal_segment_age_ms=20, **settings,
        )  # fmt: skip
        state = open_state(configured)
        stack.callback(state.close)
        migrate_state(state)
        clock = ManualClock(NOW)
        keys = ApiKeys(state, clock)
        if not open_to_all:
            for one in (shop, other):
                for role in Role:
                    one.keys[role] = keys.create(f"{role.value} of {one.mark}", [role], one.tenant)[0]
        services = build(Stores(configured, ch, state), clock)
        stack.enter_context(running(services))
        server = stack.enter_context(Server(create_app(services)))
        api = Api(services, clock, server.url, shop, other, engine)
        if not open_to_all:
            for one in (shop, other):
                _fill(api, one)
            services.alerts.evaluate()
        yield api


def _target(engine: EngineStub, shop: Shop) -> str:
    return (
        f'[[targets]]\nid = "edge-{shop.mark}"\nkind = "edge"\nname = "orders->{shop.mark}"\ntenant = "{shop.tenant}"\n'
        f'endpoint_url = "{engine.server.url}/commands"\nverify_url = "{engine.server.url}/edges/edge-{shop.mark}"\n'
    )


def attributes(**values: str) -> list[dict[str, Any]]:
    """As OTLP's JSON writes them; `__` stands for a dot."""
    return [{"key": key.replace("__", "."), "value": {"stringValue": value}} for key, value in values.items()]


def spans(shop: Shop, *, at_ns: int = NS - 60 * 10**9) -> dict[str, Any]:
    """A server span and a failed webhook delivery of the shop's trace."""
    mark = shop.mark
    common = {"traceId": shop.trace_id, "startTimeUnixNano": str(at_ns), "endTimeUnixNano": str(at_ns + 10**7)}
    server = {**common, "spanId": "a" * 16, "name": f"POST /{mark}", "kind": 2,
              "attributes": attributes(retail__stream=f"stream-{mark}", retail__case__id=f"case-{mark}")}  # fmt: skip
    hook = {**common, "spanId": "b" * 16, "parentSpanId": "a" * 16, "name": f"deliver {mark}", "kind": 3,
            "status": {"code": 2, "message": f"failed {mark}"},
            "attributes": attributes(retail__webhook__name=f"hook-{mark}", retail__edge=f"orders->{mark}")}  # fmt: skip
    resource = {"attributes": attributes(service__name=f"service-{mark}")}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [server, hook]}]}]}


def events(shop: Shop, stream: str = "") -> dict[str, Any]:
    """A case of two steps."""
    stream = stream or f"stream-{shop.mark}"
    case = attributes(retail__stream=stream, retail__case__id=f"case-{shop.mark}")
    records = [
        {"timeUnixNano": str(NS - (300 - 60 * index) * 10**9), "eventName": f"retail.order.{name}",
         "attributes": [*case, *attributes(retail__step=f"{name} {shop.mark}")]}
        for index, name in enumerate(("placed", "paid"))
    ]  # fmt: skip
    resource = {"attributes": attributes(service__name=f"service-{shop.mark}")}
    return {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": records}]}]}


def depths(shop: Shop) -> dict[str, Any]:
    """A queue of 25."""
    labels = attributes(messaging__system="rabbitmq", messaging__destination__name=f"queue-{shop.mark}")
    point = {"timeUnixNano": str(NS - 30 * 10**9), "asInt": "25", "attributes": labels}
    metric = {"name": "retail.queue.depth", "gauge": {"dataPoints": [point]}}
    resource = {"attributes": attributes(service__name=f"service-{shop.mark}")}
    return {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": [metric]}]}]}


def _fill(api: Api, shop: Shop) -> None:
    with api.client(shop.keys[Role.INGEST]) as client:
        for path, body in (("traces", spans(shop)), ("logs", events(shop)), ("metrics", depths(shop))):
            answer = client.post(f"/v1/{path}", json=body)
            assert answer.status_code == 200, answer.text
    assert api.services.collector.flush()
    columns = ["TenantId", "KpiId", "Version", "Basis", "Dimension", "DimensionValue", "Grain", "BucketStart", "Value",
               "Numerator", "Denominator", "SampleSize", "Excluded", "OpenCases", "DataThrough",
               "ComputedAt"]  # fmt: skip
    row = [shop.tenant, "integration_failure_rate", 1, "", "edge", f"orders->{shop.mark}", "day",
           NOW.replace(hour=0), 0.5, 1.0, 2.0, 2, 0, 0, NOW, NOW]  # fmt: skip
    api.services.ch.insert_rows("kpi_values", columns, [row])
    with api.client(shop.keys[Role.OPERATOR]) as client:
        body = {"target": f"edge-{shop.mark}", "action": "pause", "reason": f"because {shop.mark}"}
        answer = client.post("/api/v1/control/commands", json=body, headers={"Idempotency-Key": f"first {shop.mark}"})
        assert answer.status_code == 201, answer.text
