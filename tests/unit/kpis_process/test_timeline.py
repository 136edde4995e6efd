"""One case's time line: its steps with waits, its spans, what was cut, and nobody else's data."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from core import SystemClock
from core.errors import NotFound
from kpis.process.case_streams import case_streams
from kpis.process.cases import CaseJobs
from kpis.process.streams import ValueStream
from kpis.process.timeline import case_timeline
from storage import ClickHouse

Insert = Callable[..., None]
DAY_ONE = datetime(2026, 3, 1, tzinfo=UTC)
STREAMS = {"s": ValueStream("s", "erp", ("end",), value=("a",))}
SEGMENTS = itertools.count(70_000)
SPANS = ("TenantId", "Stream", "CaseId", "Timestamp", "TraceId", "SpanId", "SpanName", "SpanKind", "ServiceName",
         "Duration", "StatusCode", "StatusMessage", "ReceivedAt", "SegmentId")  # fmt: skip


def at(seconds: float) -> datetime:
    return DAY_ONE + timedelta(seconds=seconds)


@pytest.fixture
def span(clickhouse: ClickHouse, tenant: str) -> Callable[..., None]:
    """Stores a span of this test's tenant; `case` may be another's or ''."""

    def run(
        trace: str, name: str, start: float, length: float, *, case: str = "one", stream: str = "s", failed: str = "",
        tenant: str = tenant,
    ) -> None:  # fmt: skip
        row = (
            tenant, stream if case else "", case, at(start), trace, f"{name}-{start}", name, "Server", "warehouse",
            int(length * 1e9), "Error" if failed else "Ok", failed, DAY_ONE, next(SEGMENTS),
        )  # fmt: skip
        clickhouse.insert_rows("otel_traces", SPANS, [row])

    return run


@pytest.fixture
def build(clickhouse: ClickHouse, tenant: str) -> Callable[[], None]:
    return lambda: (CaseJobs(clickhouse, SystemClock(), lambda: STREAMS).run_once(tenant), None)[1]


def test_steps_have_their_waits_work_and_unknown_time(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, build: Callable[[], None]
) -> None:
    """a done at 10 s (start unknown); b from 40 to 100 s; c from 90 to 130 s, overlapping; d done at 200 s."""
    insert([event("one", "a", 10, amount="99.50"), event("one", "b", 100, 40), event("one", "c", 130, 90),
            event("one", "d", 200), event("two", "a", 5)])  # fmt: skip
    build()
    found = case_timeline(clickhouse, tenant, "s", "one")
    assert [one.step for one in found.steps] == ["a", "b", "c", "d"]
    assert [one.start for one in found.steps] == [None, at(40), at(90), None]
    assert [one.end for one in found.steps] == [at(10), at(100), at(130), at(200)]
    assert [one.waited_s for one in found.steps] == [None, 30.0, 0.0, None]
    assert [one.worked_s for one in found.steps] == [None, 60.0, 30.0, None]
    assert [one.unknown_s for one in found.steps] == [0.0, None, None, 70.0]
    assert (found.waiting_s, found.working_s, found.unknown_s, found.duration_s) == (30.0, 90.0, 70.0, 190.0)
    assert (found.first, found.last, found.outcome, found.closed_at) == (at(10), at(200), "", None)
    assert (found.value, found.currency, found.total_steps) == (Decimal("99.5000"), "EUR", 4)
    assert (found.spans, found.total_spans, found.total_traces) == ((), 0, 0)


def test_a_closed_case_says_by_what_and_when(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, build: Callable[[], None]
) -> None:
    insert([event("one", "a", 10), event("one", "end", 60)])
    build()
    found = case_timeline(clickhouse, tenant, "s", "one")
    assert (found.outcome, found.closed_at) == ("end", at(60))


def test_spans_are_those_of_the_cases_traces_in_order_of_time(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, build: Callable[[], None], span: Any
) -> None:
    insert([event("one", "a", 10)])
    build()
    span("t1", "call", 10, 2.5)
    span("t1", "inner", 11, 0.5, case="", failed="no stock")
    span("t1", "other case", 11.5, 0.5, case="two")
    span("t1", "same id, other stream", 11.6, 0.5, stream="r")
    span("t2", "unrelated", 12, 1, case="two")
    span("t3", "earlier", 3, 1)
    span("t3", "foreign", 4, 1, tenant=f"{tenant}-other")
    found = case_timeline(clickhouse, tenant, "s", "one")
    assert [(one.trace_id, one.name) for one in found.spans] == [("t3", "earlier"), ("t1", "call"), ("t1", "inner")]
    assert (found.total_spans, found.total_traces, found.traces_read) == (3, 2, 2)
    inner = found.spans[2]
    assert (inner.start, inner.duration_s, inner.error, inner.status_message) == (at(11), 0.5, True, "no stock")
    assert (inner.system, inner.kind, found.spans[1].error) == ("warehouse", "Server", False)


def test_a_span_that_was_sent_twice_is_there_once(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, build: Callable[[], None], span: Any
) -> None:
    insert([event("one", "a", 10)])
    build()
    span("t1", "call", 10, 2)
    span("t1", "call", 10, 2)
    assert case_timeline(clickhouse, tenant, "s", "one").total_spans == 1


def test_what_is_too_much_is_cut_and_counted(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, build: Callable[[], None], span: Any
) -> None:
    """The newest steps and traces, and the failed and the longest spans, stay."""
    insert([event("one", f"step {number}", number) for number in range(1, 31)])
    build()
    for number in range(1, 7):
        span("t1", f"span {number}", number, number, failed="x" if number == 2 else "")
    for number in range(3):
        span(f"old{number}", "old", 0.1 * number, 0.1)
    found = case_timeline(clickhouse, tenant, "s", "one", max_steps=3, max_traces=1, max_spans=3)
    assert [one.step for one in found.steps] == ["step 28", "step 29", "step 30"]
    assert (found.total_steps, found.total_traces, found.traces_read, found.total_spans) == (30, 4, 1, 6)
    assert [one.name for one in found.spans] == ["span 2", "span 5", "span 6"]


@pytest.mark.parametrize(("stream", "case"), [("s", "nope"), ("r", "one"), ("s", "one' OR '1'='1")])
def test_a_case_that_is_not_there(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, build: Callable[[], None], stream: str, case: str
) -> None:
    insert([event("one", "a", 10)])
    build()
    with pytest.raises(NotFound, match="there is no case"):
        case_timeline(clickhouse, tenant, stream, case)


def test_another_tenants_case_is_not_there(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, build: Callable[[], None]
) -> None:
    insert([event("one", "a", 10)])
    build()
    with pytest.raises(NotFound):
        case_timeline(clickhouse, f"{tenant}-other", "s", "one")


def test_streams_say_how_many_cases_are_open_and_whether_that_is_known(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, build: Callable[[], None]
) -> None:
    insert([event("one", "a", 10), event("two", "a", 10), event("two", "end", 60)])
    insert([event("x", "a", 30)], stream="elsewhere")
    build()
    found = {one.stream: one for one in case_streams(clickhouse, tenant, STREAMS)}
    assert (found["s"].cases, found["s"].open_cases, found["s"].watched, found["s"].data_through) == (
        2,
        1,
        True,
        at(60),
    )
    assert (found["elsewhere"].open_cases, found["elsewhere"].watched) == (1, False)
    assert case_streams(clickhouse, f"{tenant}-none") == ()
