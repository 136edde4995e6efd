"""API latency, webhook failures and one trace, read from spans."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from core import InvalidInput, ManualClock
from metrics import ApiLatency, SpanEvent, SpanLink, WebhookFailures, api_latency, trace, webhook_failures
from storage import ClickHouse
from tests.unit.metrics_read_models.rows import Span, load_spans

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


def test_latency_counts_answers_exactly(clickhouse: ClickHouse, tenant: str, clock: ManualClock) -> None:
    """101 calls of 0 to 100 ms: the percentiles are the numbers themselves. What was sent twice counts once."""
    at = clock.now()
    spans = [Span(at, n + 1, ms=n, failed=n >= 96) for n in range(101)]
    load_spans(clickhouse, tenant, spans)
    load_spans(clickhouse, tenant, spans[90:])
    load_spans(clickhouse, tenant, [Span(at, 500, kind="Client"), Span(at + HOUR, 501), Span(at - SECOND, 502)])
    load_spans(clickhouse, f"{tenant}-other", [Span(at, 503)])
    assert api_latency(clickhouse, tenant, at, at + HOUR) == [
        ApiLatency("warehouse", "POST /orders", 101, 5, 5 / 101, 50.0, 95.0, 99.0)
    ]


def test_latency_is_by_system_and_operation(clickhouse: ClickHouse, tenant: str, clock: ManualClock) -> None:
    at = clock.now()
    load_spans(
        clickhouse,
        tenant,
        [Span(at, 1, name="b"), Span(at, 2, name="a"), Span(at, 3, system="erp", name="z"), Span(at, 4, name="a")],
    )
    found = [(one.system, one.operation, one.calls) for one in api_latency(clickhouse, tenant, at, at + HOUR)]
    assert found == [("erp", "z", 1), ("warehouse", "a", 2), ("warehouse", "b", 1)]


def test_webhooks_show_the_worst_first_with_the_last_error(
    clickhouse: ClickHouse, tenant: str, clock: ManualClock
) -> None:
    at = clock.now()

    def attempt(number: int, name: str, failed: bool = False, message: str = "", **more: str) -> Span:
        attributes = {"retail.webhook.name": name, "retail.edge": f"erp->{name}", **more}
        return Span(at + number * SECOND, number, kind="Client", failed=failed, message=message, attributes=attributes)

    spans = [
        attempt(1, "stock"),
        attempt(2, "stock"),
        attempt(3, "price", True, "certificate has expired"),
        attempt(4, "price", True, **{"http.response.status_code": "503"}),
        attempt(5, "price"),
        attempt(6, "order", True, "timed out"),
        Span(at, 7, kind="Client", failed=True, attributes={"retail.edge": "erp->x"}),
        Span(at, 8, kind="Server", failed=True, attributes={"retail.webhook.name": "stock"}),
    ]
    load_spans(clickhouse, tenant, spans)
    load_spans(clickhouse, tenant, spans)
    assert webhook_failures(clickhouse, tenant, at, at + HOUR) == [
        WebhookFailures("order", "erp->order", 1, 1, 1.0, at + 6 * SECOND, "timed out"),
        WebhookFailures("price", "erp->price", 3, 2, 2 / 3, at + 4 * SECOND, "HTTP 503"),
        WebhookFailures("stock", "erp->stock", 2, 0, 0.0, None, ""),
    ]
    assert webhook_failures(clickhouse, f"{tenant}-other", at, at + HOUR) == []


def test_a_trace_comes_whole_and_once(clickhouse: ClickHouse, tenant: str, clock: ManualClock) -> None:
    at = clock.now()
    number = 0xAB00 + int(tenant.rpartition("-")[2])
    spans = [
        Span(
            at + timedelta(microseconds=123),
            2,
            number,
            parent=1,
            kind="Client",
            ms=5,
            case="O1",
            attributes={"a": "b"},
            events=((at + SECOND, "retry", {"n": "1"}),),
            links=(("c" * 32, "d" * 16, "x=y", {"why": "queue"}),),
        ),
        Span(at, 1, number, ms=2_000, case="O2"),
        Span(at + SECOND, 3, number, parent=2, failed=True, message="no"),
    ]
    load_spans(clickhouse, tenant, spans)
    load_spans(clickhouse, tenant, spans[:1])
    load_spans(clickhouse, f"{tenant}-other", [Span(at, 9, number)])
    found = trace(clickhouse, tenant, f"{number:032X}")
    assert found is not None
    assert [span.span_id[-1] for span in found.spans] == ["1", "2", "3"]
    assert (found.start, found.end, found.duration_ms) == (at, at + 2 * SECOND, 2_000.0)
    assert found.cases == (("order-to-cash", "O1"), ("order-to-cash", "O2"))
    assert not found.truncated
    child = found.spans[1]
    assert (child.parent_span_id, child.kind, child.attributes) == (f"{1:016x}", "Client", {"a": "b"})
    assert child.start_ns == int(at.timestamp()) * 1_000_000_000 + 123_000
    assert child.events == (SpanEvent(at + SECOND, "retry", {"n": "1"}),)
    assert child.links == (SpanLink("c" * 32, "d" * 16, "x=y", {"why": "queue"}),)
    assert child.resource_attributes == {"service.name": "warehouse"}
    assert (found.spans[2].status, found.spans[2].status_message) == ("Error", "no")


def test_a_huge_trace_says_that_it_is_cut(clickhouse: ClickHouse, tenant: str, clock: ManualClock) -> None:
    number = 0xCD00 + int(tenant.rpartition("-")[2])
    load_spans(clickhouse, tenant, [Span(clock.now() + n * SECOND, n, number) for n in range(1, 6)])
    found = trace(clickhouse, tenant, f"{number:032x}", max_spans=3)
    assert found is not None
    assert (len(found.spans), found.truncated) == (3, True)


def test_a_trace_is_found_before_the_look_up_table_has_it(
    clickhouse: ClickHouse, tenant: str, clock: ManualClock
) -> None:
    """An insert writes the spans first; here the other rows are taken away again."""
    span = Span(clock.now(), 1)
    load_spans(clickhouse, tenant, [span])
    named = clickhouse.query("SELECT TraceId FROM otel_traces WHERE TenantId = {t:String}", {"t": tenant}).scalar()
    sql = "ALTER TABLE otel_traces_trace_id_ts DELETE WHERE TenantId = {t:String}"
    clickhouse.command(sql, {"t": tenant}, {"mutations_sync": 2})
    found = trace(clickhouse, tenant, named)
    assert found is not None
    assert len(found.spans) == 1


def test_an_unknown_trace_is_none(clickhouse: ClickHouse, tenant: str) -> None:
    assert trace(clickhouse, tenant, "f" * 32) is None


@pytest.mark.parametrize("wrong", ["", "abc", "g" * 32, "a" * 33, "' OR 1=1 --"])
def test_a_wrong_trace_id_is_refused(clickhouse: ClickHouse, tenant: str, wrong: str) -> None:
    with pytest.raises(InvalidInput, match="32 hexadecimal digits"):
        trace(clickhouse, tenant, wrong)


@pytest.mark.parametrize("read", [api_latency, webhook_failures])
def test_windows_are_checked(clickhouse: ClickHouse, tenant: str, clock: ManualClock, read: object) -> None:
    at = clock.now()
    with pytest.raises(InvalidInput, match="must end after it starts"):
        read(clickhouse, tenant, at, at)  # type: ignore[operator]
    with pytest.raises(InvalidInput, match="must carry its zone"):
        read(clickhouse, tenant, datetime(2026, 3, 1), at)  # type: ignore[operator]  # noqa: DTZ001
