"""Rates, shares and the state of the log, on the real servers under floods: who is refused, when, and who is not."""

from __future__ import annotations

import gzip
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import grpc
import httpx
import psutil
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from collector.limits import LimitStore
from collector.wal import State
from collector.wal.lanes import lane_folders
from collector.wal.replay import segment_files
from core import ManualClock, Rates, Settings
from storage import ClickHouse, StateDb
from tests.unit.collector.support import trace_request
from tests.unit.collector_limits.conftest import Make
from tests.unit.collector_limits.rig import JSON, Rig, eventually, head, read_all, status_of

BODY = trace_request(2).SerializeToString()
MIB = 1 << 20


def retry_delay(error: grpc.RpcError) -> float:
    info = RetryInfo()
    assert status_of(error).details[0].Unpack(info)
    return float(info.retry_delay.ToMilliseconds() / 1000)


def refusal(rig: Rig, tenant: str, body: bytes = BODY) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as found:
        rig.call(tenant, body)
    return found.value


# --- rates ---


def test_over_its_rate_a_tenant_is_told_when_to_come_again(make: Make) -> None:
    """On both transports; the others notice nothing."""
    rig = make(otlp_tenant_bytes_per_s=100)
    body = trace_request(20).SerializeToString()  # its debt
    assert rig.post("loud", body).status_code == 200
    again = rig.post("loud", body)
    assert again.status_code == 429
    owed = len(body) / 100
    assert owed < int(again.headers["retry-after"]) <= 1.5 * owed + 2
    assert b"100 bytes a second" in again.content
    error = refusal(rig, "loud", body)
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED  # type: ignore[attr-defined]
    assert owed - 5.5 < retry_delay(error) < 1.5 * owed + 1  # nothing is announced: the debt alone counts
    assert rig.post("quiet", BODY).status_code == 200
    assert rig.call("silent", BODY) == b""
    assert rig.refused("tenant_bytes", "loud") == 2
    assert rig.refused("tenant_bytes", "quiet") == 0


def test_a_refusal_comes_before_the_body(make: Make) -> None:
    """The caller who asks first is not told to go on; the other one is answered without its body."""
    rig = make(otlp_tenant_items_per_s=1)
    assert rig.post("loud", trace_request(50).SerializeToString()).status_code == 200
    with rig.connect() as connection:
        connection.sendall(head("loud", 2 * MIB, "expect: 100-continue"))
        assert connection.recv(4096).startswith(b"HTTP/1.1 429 ")
    with rig.connect() as connection:
        connection.sendall(head("loud", 2 * MIB))
        assert connection.recv(4096).startswith(b"HTTP/1.1 429 ")


@pytest.mark.parametrize("encoding", ["gzip", ""])
def test_what_counts_is_the_decompressed_size(make: Make, encoding: str) -> None:
    rig = make(otlp_tenant_bytes_per_s=10_000)
    body = trace_request(2_000).SerializeToString()
    packed = gzip.compress(body, 1) if encoding else body
    assert rig.post("shop", packed, content_encoding=encoding or "identity").status_code == 200
    wait = int(rig.post("shop", b"").headers.get("retry-after", 0))
    rig_wait = (len(body) - 50_000) / 10_000
    assert rig.refused("tenant_bytes", "shop") == 1
    assert wait >= rig_wait - 1


def test_rates_change_while_it_runs(make: Make, state: StateDb, clock: ManualClock) -> None:
    """Through the state database; the receivers read it again every few seconds."""
    rig = make(otlp_tenant_items_per_s=1)
    book, store = rig.collector.limits.book, LimitStore(state, clock)
    assert rig.post("shop", trace_request(100).SerializeToString()).status_code == 200
    assert rig.post("shop", BODY).status_code == 429
    store.set("shop", Rates(items_per_s=0), by="test")
    eventually(lambda: rig.post("shop", BODY).status_code == 200)
    assert book.rates("shop") == Rates(0, 0)
    assert rig.post("other", trace_request(100).SerializeToString()).status_code == 200
    assert rig.post("other", BODY).status_code == 429


def test_a_key_has_its_own_rate_and_signals(make: Make) -> None:
    rig = make()
    rig.key("till", "shop", rates=Rates(items_per_s=1), signals=frozenset({"traces"}))
    assert rig.post("till", trace_request(100).SerializeToString()).status_code == 200
    assert rig.post("till", BODY).status_code == 429
    assert rig.refused("key_items", "shop") == 1
    assert rig.post("shop", BODY).status_code == 200
    logs = ExportLogsServiceRequest()
    logs.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=1)
    rig.key("spans only", "shop", signals=frozenset({"traces"}))
    assert rig.post("spans only", logs.SerializeToString(), path="/v1/logs").status_code == 403
    assert rig.post("spans only", BODY).status_code == 200


def test_what_the_log_refused_is_not_charged(make: Make) -> None:
    """The same request again would else wait for a debt that nobody got anything for."""
    rig = make(otlp_tenant_items_per_s=20, wal_max_bytes=MIB)
    large = trace_request(20_000).SerializeToString()
    assert rig.post("shop", large).status_code == 503
    assert rig.post("shop", BODY).status_code == 200


# --- the log ---


def test_a_disk_that_is_nearly_full_is_known_before_the_body(make: Make) -> None:
    rig = make(wal_free_floor_bytes=1 << 60)
    with rig.connect() as connection:
        connection.sendall(head("shop", 2 * MIB, "expect: 100-continue"))
        answer = b"".join(iter(lambda: connection.recv(4096), b""))  # in as many pieces as it comes
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"are kept free" in answer
    error = refusal(rig, "shop")
    assert error.code() is grpc.StatusCode.UNAVAILABLE  # type: ignore[attr-defined]
    assert retry_delay(error) >= 5
    assert rig.refused("disk_full", "shop") == 2


def test_a_full_log_is_known_before_the_body_and_recovers_by_itself(make: Make) -> None:
    rig = make(wal_max_bytes=MIB, wal_segment_bytes=MIB // 4)
    body = trace_request(500).SerializeToString()
    eventually(lambda: rig.post("shop", body).status_code == 503)
    eventually(lambda: rig.post("shop", BODY).status_code == 503 and rig.refused("log_full", "shop") > 0)
    for lane in lane_folders(rig.settings.wal_dir):
        for file in segment_files(lane):
            if file.state is State.SEALED:
                file.path.unlink()
    eventually(lambda: rig.post("shop", BODY).status_code == 200)


# --- memory and threads ---


def test_a_flood_over_grpc_leaves_threads_for_others(make: Make) -> None:
    """A hundred calls whose message does not come; the flooder is refused, its neighbour is not, nor kept waiting."""
    rig = make(otlp_grpc_max_calls=16, otlp_fair_tenants=4)
    release = threading.Event()
    flood, quiet = rig.channel(), rig.channel()
    calls = [rig.hanging_call("loud", flood, release) for _ in range(100)]
    eventually(lambda: rig.gauge("requests_in_work") >= 10 and sum(call.done() for call in calls) >= 90)
    codes = {call.code() for call in calls if call.done()}
    assert codes == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert all(retry_delay(call) > 0 for call in calls if call.done())
    for _ in range(20):
        assert rig.call("quiet", BODY, quiet) == b""
    assert rig.refused("requests_share", "loud") >= 90
    release.set()
    eventually(lambda: all(call.done() for call in calls))
    assert rig.call("loud", BODY, quiet) == b""
    assert rig.gauge("requests_in_work") == 0


def test_a_message_over_grpc_that_does_not_come_is_not_waited_for(make: Make) -> None:
    """Until then it holds memory for the largest message, because nobody knows its size."""
    rig = make(otlp_body_timeout_s=1)
    call = rig.hanging_call("slow", rig.channel(), threading.Event())
    eventually(lambda: rig.gauge("reading_bytes") == rig.settings.otlp_max_request_bytes)
    assert call.exception(10) is not None
    assert call.code() is grpc.StatusCode.CANCELLED
    assert rig.refused("slow_body") == 1
    eventually(lambda: rig.gauge("requests_in_work") == 0 == rig.gauge("reading_bytes"))


def test_a_call_without_a_message_is_refused(make: Make) -> None:
    rig = make()
    call = rig.channel().stream_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
    with pytest.raises(grpc.RpcError) as found:
        call(iter(()), timeout=10, metadata=(("authorization", "Bearer shop"),))
    assert found.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_slow_clients_cost_their_own_tenant_only(make: Make) -> None:
    """Two hundred bodies that do not end: memory stays within its bound, the neighbour is served at once."""
    rig = make(otlp_memory_bytes=48 * MIB, otlp_max_request_bytes=4 * MIB, otlp_fair_tenants=4)
    process = psutil.Process()
    with ExitStack() as stack:
        for _ in range(200):
            connection = stack.enter_context(rig.connect())
            connection.sendall(head("slow", 2 * MIB) + b"x" * 1_000)
        eventually(lambda: rig.gauge("requests_in_work") + rig.refused("memory_share", "slow") >= 200)
        before = process.memory_info().rss
        reading = rig.collector.limits.http.pools.reading
        assert reading.in_use <= reading.capacity // 2 + reading.capacity // 8, (
            "more than its floor and the common half"
        )
        answers = [rig.post("quiet", trace_request(2_000).SerializeToString()).status_code for _ in range(10)]
        assert answers == [200] * 10
        eventually(lambda: rig.refused("memory_share", "slow") > 150)
        assert process.memory_info().rss - before < 64 * MIB
        assert rig.post("slow", b"").status_code == 200, "what needs no memory is not refused"
    eventually(lambda: rig.gauge("reading_bytes") == 0 == rig.gauge("requests_in_work"))


def test_a_neighbour_gets_through_a_flood(make: Make) -> None:
    """Twelve callers push without a pause; each of the other tenant's requests is answered with success."""
    rig = make(otlp_memory_bytes=12 * MIB, otlp_max_request_bytes=MIB, otlp_fair_tenants=2, otlp_max_requests=64)
    stop, body = threading.Event(), gzip.compress(trace_request(2_000).SerializeToString(), 1)
    seen = set[int]()

    def flood(_: int) -> None:
        with httpx.Client(timeout=20) as client:
            headers = {"content-type": "application/x-protobuf", "authorization": "Bearer loud"}
            while not stop.is_set():
                answer = client.post(
                    f"{rig.url}/v1/traces", content=body, headers=headers | {"content-encoding": "gzip"}
                )
                seen.add(answer.status_code)

    with ThreadPoolExecutor(12) as pool:
        running = [pool.submit(flood, number) for number in range(12)]
        eventually(lambda: 200 in seen)
        try:
            answers = [rig.post("quiet", BODY).status_code for _ in range(20)]
        finally:
            stop.set()
        for one in running:
            one.result(30)
    assert answers == [200] * 20
    assert seen <= {200, 429}


def test_a_bomb_reserves_what_it_may_become(make: Make) -> None:
    """Many at once are decompressed as memory allows, and none is stored."""
    rig = make(otlp_memory_bytes=24 * MIB, otlp_max_request_bytes=4 * MIB, otlp_fair_tenants=2)
    bomb = gzip.compress(bytes(64 * MIB), 9)
    before = psutil.Process().memory_info().rss
    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(lambda _: rig.post("shop", bomb, content_encoding="gzip").status_code, range(48)))
    assert found == {413}
    assert psutil.Process().memory_info().rss - before < 96 * MIB
    assert rig.gauge("working_bytes") == 0


# --- the tenant is the key's ---


def test_nothing_in_a_request_names_another_tenant(
    settings: Settings, state: StateDb, clickhouse: ClickHouse, tenant: str
) -> None:
    """Not a header, not metadata, not an attribute, not a field of ours in the bytes."""
    rig = Rig(settings, state, clickhouse)
    try:
        request = trace_request(1)
        for name in ("tenant", "tenant.id", "TenantId", "retail.tenant"):
            request.resource_spans[0].resource.attributes.add(key=name).value.string_value = "victim"
        number = (1 << 29) - 1
        forged = b"".join(
            _varint((number - back) << 3 | 2) + b"\x06victim" for back in range(4)
        )  # the fields that the writer appends are at the top of protobuf's range
        named = dict.fromkeys(("x_tenant", "x_scope_orgid", "tenantid", "x_tenant_id"), "victim")
        body, other = request.SerializeToString() + forged, trace_request(1).SerializeToString() + forged
        assert rig.post(tenant, body, **named).status_code == 200
        metadata = (("authorization", f"Bearer {tenant}"), ("x-tenant", "victim"), ("x-scope-orgid", "victim"))
        rig.channel().unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")(
            other, timeout=10, metadata=metadata
        )
        start = request.resource_spans[0].scope_spans[0].spans[0].start_time_unix_nano
        times = {"startTimeUnixNano": str(start), "endTimeUnixNano": str(start + 1)}
        span = {"traceId": "ab" * 16, "spanId": "cd" * 8, "name": "json", **times}
        document = {"tenant": "victim", "resourceSpans": [{"tenant": "victim", "scopeSpans": [{"spans": [span]}]}]}
        assert rig.post(tenant, json.dumps(document).encode(), content_type=JSON).status_code == 200
        assert rig.collector.flush()
        sql = "SELECT TenantId, count() FROM otel_traces WHERE TenantId IN ({own:String}, 'victim', '') GROUP BY 1"
        assert clickhouse.query(sql, {"own": tenant}).rows == [(tenant, 3)]
    finally:
        rig.close()


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


# --- web pages ---


def test_a_strangers_page_may_not_push(make: Make) -> None:
    rig = make()
    for headers in ({"origin": "https://evil.example"}, {"origin": "null"}, {"sec_fetch_site": "cross-site"}):
        answer = rig.post("shop", BODY, **headers)
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers
    assert rig.post("shop", BODY, origin=rig.url).status_code == 200
    asked = httpx.options(
        f"{rig.url}/v1/traces", headers={"origin": "https://evil.example", "access-control-request-method": "POST"}
    )
    assert asked.status_code == 403


def test_an_allowed_page_may_push_and_read_the_answer(make: Make) -> None:
    """Refusals too, so that it learns when to come again."""
    rig = make(otlp_cors_origins="https://shop.example, https://pos.example", otlp_tenant_items_per_s=1)
    origin = {"origin": "https://pos.example"}
    asked = httpx.options(
        f"{rig.url}/v1/traces",
        headers=origin
        | {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"},
    )
    assert asked.status_code == 204
    assert asked.headers["access-control-allow-origin"] == "https://pos.example"
    assert asked.headers["access-control-allow-headers"] == "authorization,content-type"
    for status in (200, 429):
        answer = rig.post("shop", trace_request(50).SerializeToString(), **origin)
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == "https://pos.example"
    with rig.connect() as connection:
        connection.sendall(head("", 0, "origin: https://other.example", "connection: close"))
        assert read_all(connection).startswith(b"HTTP/1.1 403 ")
