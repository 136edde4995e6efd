"""From rows in the real engine to a message at a real receiver, through the built-in rules and the real read models."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from alerts import open_alerts
from alerts.wiring import queue_consumers, tenants_with_data
from control import OutboundHttp
from core import ConfigurationError, ManualClock, load_settings
from kpis.process import ProcessModels, parse_streams
from storage import ClickHouse, StateDb
from tests.unit.alerts.conftest import SECRET
from tests.unit.control.local_http import LocalServer

EDGE = "order-management->warehouse"
KPI_COLUMNS = (
    "TenantId", "KpiId", "Version", "Basis", "Dimension", "DimensionValue", "Grain", "BucketStart", "Value",
    "Numerator", "Denominator", "SampleSize", "Excluded", "OpenCases", "DataThrough", "ComputedAt",
)  # fmt: skip


def set_rate(ch: ClickHouse, tenant: str, now: datetime, failed: int, calls: int) -> None:
    bucket = now.replace(minute=0, second=0, microsecond=0)
    shared = (tenant, "integration_failure_rate", 1, "", "edge", EDGE, "hour")
    rest = (bucket, failed / calls, float(failed), float(calls), calls, 0, 0, now, now)
    ch.insert_rows("kpi_values", KPI_COLUMNS, [(*shared, *rest)])


def set_depth(ch: ClickHouse, tenant: str, at: datetime, depth: float) -> None:
    attributes = {"messaging.system": "rabbitmq", "messaging.destination.name": "fulfilment.requests"}
    columns = ("TenantId", "ServiceName", "MetricName", "Attributes", "TimeUnix", "Value")
    rows = [
        (tenant, "order-management", "retail.queue.depth", attributes, at, depth),
        (tenant, "order-management", "retail.queue.oldest_age", attributes, at, depth * 10),
    ]
    ch.insert_rows("otel_metrics_gauge", columns, rows)


def order_waits(ch: ClickHouse, tenant: str, at: datetime, stream: str = "order-to-cash") -> None:
    columns = ("TenantId", "Stream", "CaseId", "Timestamp", "EventId", "Step", "EventName", "Amount", "Currency")
    base = (tenant, stream, "O-1")
    ch.insert_rows(
        "process_events",
        columns,
        [
            (*base, at, "e1", "retail.order.placed", "retail.order.placed", 250, "EUR"),
            (*base, at + timedelta(minutes=1), "e2", "retail.order.allocated", "retail.order.allocated", None, ""),
        ],
    )


def test_rows_become_a_message(
    clickhouse: ClickHouse, state: StateDb, clock: ManualClock, http: OutboundHttp, server: LocalServer, tenant: str
) -> None:
    settings = load_settings(alert_webhook_url=server.url, alert_webhook_secret=SECRET)
    service = open_alerts(
        settings, state, clickhouse, clock, http, streams=ProcessModels().streams, tenants=lambda: [tenant]
    )
    clock.advance(1_800)
    order_waits(clickhouse, tenant, clock.now() - timedelta(hours=4))
    for weeks in (1, 2):
        set_depth(clickhouse, tenant, clock.now() - timedelta(weeks=weeks), 10)
    columns = ("TenantId", "ServiceName", "SpanName", "SpanKind", "Timestamp", "TraceId", "SpanId", "SpanAttributes")
    consumed = {"messaging.destination.name": "fulfilment.requests"}
    row = (tenant, "warehouse", "process", "Consumer", clock.now(), "0" * 32, "0" * 16, consumed)
    clickhouse.insert_rows("otel_traces", columns, [row])
    set_rate(clickhouse, tenant, clock.now(), 60, 200)
    for _ in range(10):
        set_depth(clickhouse, tenant, clock.now(), 400)
        service.evaluate()
        clock.advance(15)
    assert [(view.rule, view.state) for view in service.active(tenant)] == [
        ("integration-failing", "firing"),
        ("queue-backing-up", "firing"),
    ]
    assert service.evaluate().decided == 0
    failing, deep = (request.json()["alerts"][0] for request in server.posts())
    assert failing["annotations"]["summary"].startswith(f"{EDGE}: 30.0 % of calls fail (60 of 200 calls")
    assert failing["annotations"]["impact"] == (
        "1 case worth 250.00 EUR waits at warehouse now, the oldest since 2026-03-02T05:31:00Z"
    )
    assert deep["annotations"]["summary"] == (
        "fulfilment.requests: 400 items wait, usual at this hour is 10; the oldest for 1 h 7 min"
    )
    assert deep["annotations"]["impact_system"] == "warehouse"
    assert tenant in tenants_with_data(clickhouse, clock)
    assert queue_consumers(clickhouse, tenant, clock.now()) == {"fulfilment.requests": "warehouse"}
    assert queue_consumers(clickhouse, "another-" + tenant, clock.now()) == {}


def test_the_impact_is_of_the_streams_in_force(
    clickhouse: ClickHouse, state: StateDb, clock: ManualClock, http: OutboundHttp, tenant: str
) -> None:
    """A stream that only the configuration knows; asked at every evaluation, because models are reloaded."""
    own = parse_streams('[repairs]\nowner = "warehouse"\nterminal = ["mended"]\n')
    asked: list[str] = []
    service = open_alerts(
        load_settings(), state, clickhouse, clock, http,
        streams=lambda: asked.append("once") or own, tenants=lambda: [tenant],  # type: ignore[func-returns-value]
    )  # fmt: skip
    clock.advance(1_800)
    order_waits(clickhouse, tenant, clock.now() - timedelta(hours=4), stream="repairs")
    set_rate(clickhouse, tenant, clock.now(), 60, 200)
    for _ in range(10):
        service.evaluate()
        clock.advance(15)
    (failing,) = service.active(tenant)
    assert failing.annotations["impact"].startswith("1 case worth 250.00 EUR waits at warehouse now")
    assert len(asked) >= 1


@pytest.mark.parametrize(
    ("before", "current", "state_then", "summary"),
    [
        ((60, 100), (2, 3), "firing", "60.2 % of calls fail (62 of 103 calls"),
        ((60, 100), (1, 40), None, ""),
        ((1, 10), (1, 5), None, ""),
        ((4, 12), (4, 12), "firing", "33.3 % of calls fail (8 of 24 calls"),
    ],
    ids=["an hour that has just begun", "one that speaks for itself", "too few in both", "a quiet edge"],
)
def test_a_thin_hour_is_judged_with_the_one_before(
    clickhouse: ClickHouse,
    state: StateDb,
    clock: ManualClock,
    http: OutboundHttp,
    tenant: str,
    before: tuple[int, int],
    current: tuple[int, int],
    state_then: str | None,
    summary: str,
) -> None:
    """Else a rule would be blind at the start of every hour, and on an edge with few calls."""
    service = open_alerts(load_settings(), state, clickhouse, clock, http, streams=dict, tenants=lambda: [tenant])
    clock.advance(300)
    set_rate(clickhouse, tenant, clock.now() - timedelta(hours=1), *before)
    set_rate(clickhouse, tenant, clock.now(), *current)
    for _ in range(6):
        service.evaluate()
        clock.advance(15)
    found = [(str(view.state), view.annotations["summary"]) for view in service.active(tenant)]
    assert [name for name, _ in found] == ([state_then] if state_then else [])
    assert all(summary in text for _, text in found)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"alert_webhook_url": "ftp://x"}, "an endpoint must be an http or https URL, got 'ftp://x'"),
        ({"alert_webhook_url": "http://x", "alert_webhook_secret": "plain"}, "alert_webhook_secret must start with"),
        ({"rules_file": "/nowhere.toml"}, "there is no rules file '/nowhere.toml'"),
    ],
)
def test_settings_that_cannot_be_used_stop_the_start(
    clickhouse: ClickHouse,
    state: StateDb,
    clock: ManualClock,
    http: OutboundHttp,
    overrides: dict[str, str],
    message: str,
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_alerts(load_settings(**overrides), state, clickhouse, clock, http, streams=dict)
    assert message in str(caught.value)
