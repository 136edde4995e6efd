"""The quarantine from the door to the table: kept once, counted, and the caller is told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from collector.ledger import LedgerEntry
from core import Settings, load_settings
from storage import ClickHouse, StateDb
from tests.unit.collector.support import trace_request
from tests.unit.collector.test_collector import Service, spans_of

YEAR_NS = 365 * 86_400 * 10**9


@pytest.fixture
def service(settings: Settings, clickhouse: ClickHouse, state: StateDb, tenant: str) -> Iterator[Service]:
    running = Service(settings, clickhouse, state, tenant)
    yield running
    running.close()


def rows_of(ch: ClickHouse, tenant: str, columns: str) -> list[tuple[Any, ...]]:
    sql = f"SELECT {columns} FROM quarantine FINAL WHERE TenantId = {{tenant:String}} ORDER BY Reason"  # a constant
    return ch.query(sql, {"tenant": tenant}).rows


def partly_old(spans: int = 4) -> ExportTraceServiceRequest:
    """The first span is of three years ago, the second ends before it starts, the third has no trace id."""
    request = trace_request(spans)
    old, backwards, nameless = request.resource_spans[0].scope_spans[0].spans[:3]
    old.start_time_unix_nano -= 3 * YEAR_NS
    backwards.end_time_unix_nano = backwards.start_time_unix_nano - 1
    nameless.trace_id = b""
    return request


def test_kept_counted_and_told(service: Service, clickhouse: ClickHouse, tenant: str) -> None:
    """By both transports: the good span is stored, what may be right is kept, what never will be is rejected."""
    one, two = (partly_old().SerializeToString() for _ in range(2))
    for answer in (service.call(one), service.post(two)[1]):
        partial = ExportTraceServiceResponse.FromString(answer).partial_success
        assert partial.rejected_spans == 1
        assert "2 of 4 spans are kept in quarantine" in partial.error_message
        assert "accept_past_days" in partial.error_message
    assert service.collector.flush()
    assert spans_of(clickhouse, tenant) == ["span 3"] * 2
    assert service.collector.ledger.totals(tenant)["traces"] == LedgerEntry(stored=2, quarantined=4)
    assert rows_of(clickhouse, tenant, "Reason, ServiceName, Items, Status") == [
        ("end_before_start", "web-shop", 1, "kept"), ("end_before_start", "web-shop", 1, "kept"),
        ("too_old", "web-shop", 1, "kept"), ("too_old", "web-shop", 1, "kept"),
    ]  # fmt: skip
    metric = "opsintel_collector_quarantined_items_total"
    assert service.registry.get_sample_value(metric, {"reason": "too_old"}) == 2


def long_ago() -> bytes:
    """One span of 1970."""
    request = trace_request(1)
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.start_time_unix_nano, span.end_time_unix_nano = 1_000 * 10**9, 1_001 * 10**9
    return request.SerializeToString()


def test_a_back_fill_says_so(service: Service, clickhouse: ClickHouse, tenant: str) -> None:
    """With the header the past is welcome; without it, it is kept aside."""
    one, two, three = (long_ago() for _ in range(3))
    assert service.post(one, opsintel_history="true")[:2] == (200, b"")
    assert service.call(two, **{"opsintel-history": "true"}) == b""
    assert service.post(three)[1] != b""
    assert service.collector.flush()
    assert service.collector.ledger.totals(tenant)["traces"] == LedgerEntry(stored=2, quarantined=1)


def test_a_full_quarantine_rejects(settings: Settings, clickhouse: ClickHouse, state: StateDb, tenant: str) -> None:
    """Never dropped in silence: the same items are rejected with their count; the bound survives a restart."""
    small = load_settings(**settings.model_dump() | {"quarantine_max_bytes_per_day": 300})
    service = Service(small, clickhouse, state, tenant)
    first = ExportTraceServiceResponse.FromString(service.call(partly_old().SerializeToString())).partial_success
    assert first.rejected_spans == 1
    for _ in range(2):
        body = partly_old().SerializeToString()
        partial = ExportTraceServiceResponse.FromString(service.call(body)).partial_success
        assert partial.rejected_spans == 3
        assert "full for today" in partial.error_message
        assert service.collector.flush()
        service.close()
        service = Service(small, clickhouse, state, tenant)
    service.close()
    assert service.collector.ledger.totals(tenant)["traces"] == LedgerEntry(stored=3, quarantined=2)
    assert len(rows_of(clickhouse, tenant, "Reason")) == 2


def test_nested_values_survive_in_quarantine(service: Service, clickhouse: ClickHouse, tenant: str) -> None:
    """What is kept is as it was sent: a list is a list."""
    request = trace_request(1)
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.start_time_unix_nano = span.end_time_unix_nano = time.time_ns() + YEAR_NS
    span.attributes.add(key="list").value.array_value.values.add(int_value=7)
    service.call(request.SerializeToString())
    assert service.collector.flush()
    ((text,),) = rows_of(clickhouse, tenant, "hex(Payload)")
    assert ExportTraceServiceRequest.FromString(bytes.fromhex(text)) == request
