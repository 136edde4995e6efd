"""CloudEvents through the whole collector: real sockets, a real log, the real engine, the product's own catalogue."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from collector.admission import Admitted, Encoding, admit
from collector.cloudevents import CloudEventsDoor
from collector.cloudevents.binding import MAX_EVENTS
from collector.cloudevents.door import MAX_TOLD
from collector.ledger import LedgerEntry
from core import ManualClock, Settings, TooLarge
from metrics import CatalogueRules, load_event_catalogue
from storage import ClickHouse, Signal, StateDb
from tests.unit.collector.test_collector import Service

STRUCTURED, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
RULES = CatalogueRules(load_event_catalogue())
PATH = "/v1/events"


def event(number: int = 1, **changes: Any) -> dict[str, Any]:
    """An order that is placed."""
    data = {"order_id": f"ORD-{number}", "quantity": 2, "amount": "19.90", "currency": "EUR"}
    return {
        "specversion": "1.0", "id": f"e-{number}", "source": "/shop/web", "type": "retail.order.placed",
        "subject": f"ORD-{number}", "time": "2026-03-02T08:00:00Z", "data": data,
    } | changes  # fmt: skip


@pytest.fixture
def service(settings: Settings, clickhouse: ClickHouse, state: StateDb, tenant: str) -> Iterator[Service]:
    running = Service(settings, clickhouse, state, tenant, event_rules=RULES)
    yield running
    running.close()


def post(service: Service, body: Any, kind: str = BATCH, **headers: str) -> tuple[int, Any]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    status, answer, response = service.post(raw, kind, PATH, **headers)
    assert response.headers["content-type"] == ("application/json" if status == 200 else "application/problem+json")
    return status, json.loads(answer)


def steps(ch: ClickHouse, tenant: str) -> list[tuple[Any, ...]]:
    statement = """SELECT CaseId, Step, System, EventId, Amount, Quantity, toString(Timestamp), lower(TraceId)
        FROM process_events FINAL WHERE TenantId = {tenant:String} ORDER BY CaseId, Timestamp"""
    return [tuple(row) for row in ch.query(statement, {"tenant": tenant}).rows]


def test_the_same_bytes_sent_again_are_a_duplicate(service: Service, clickhouse: ClickHouse, tenant: str) -> None:
    """Whenever they come: what a sender repeats after an unknown outcome must become the same bytes in the log."""
    for _ in range(2):
        assert post(service, [event(1), event(2)])[0] == 200
    assert service.collector.flush()
    assert service.collector.ledger.totals(tenant)["logs"] == LedgerEntry(stored=2, duplicates=2)
    rows = clickhouse.query("SELECT count() FROM otel_logs WHERE TenantId = {t:String}", {"t": tenant}).scalar()
    assert rows == 2


def test_every_mode_becomes_a_step_of_its_case(service: Service, clickhouse: ClickHouse, tenant: str) -> None:
    """Structured, batched, binary, compressed: the same row."""
    trace = f"00-{'ab' * 16}-{'cd' * 8}-01"
    assert post(service, event(1, traceparent=trace), STRUCTURED) == (200, {"accepted": 1, "rejected": []})
    assert post(service, [event(2, traceparent=trace)]) == (200, {"accepted": 1, "rejected": []})
    third = event(3)
    headers = {f"ce_{name}": third[name] for name in ("specversion", "id", "source", "type", "subject", "time")}
    body = json.dumps(third["data"]).encode()
    assert post(service, body, "application/json", ce_traceparent=trace, **headers)[0] == 200
    packed = gzip.compress(json.dumps(event(4, traceparent=trace)).encode())
    assert post(service, packed, f"{STRUCTURED}; charset=utf-8", content_encoding="gzip")[0] == 200
    assert service.collector.flush()
    assert steps(clickhouse, tenant) == [
        (f"ORD-{number}", "retail.order.placed", "/shop/web", f"/shop/web e-{number}", Decimal("19.9"), 2.0,
         "2026-03-02 08:00:00.000000000", "ab" * 16)
        for number in (1, 2, 3, 4)
    ]  # fmt: skip


def test_a_repeated_event_is_one_step(service: Service, clickhouse: ClickHouse, tenant: str) -> None:
    """Acknowledged twice, there once; another source's event of the same id is another event."""
    for body in ([event(1), event(2)], [event(2), event(1)], [event(1, source="/shop/app")]):
        assert post(service, body)[0] == 200
        assert service.collector.flush()
    found = sorted((row[0], row[3]) for row in steps(clickhouse, tenant))
    assert found == [("ORD-1", "/shop/app e-1"), ("ORD-1", "/shop/web e-1"), ("ORD-2", "/shop/web e-2")]


def test_a_bad_event_never_hurts_its_neighbours(service: Service, clickhouse: ClickHouse, tenant: str) -> None:
    """Each is named with its place, its id and the reason; the others are stored, and counts are exact."""
    bad = [event(2, source=None), 7, event(4, data={}), event(5, type="retail.order.plced")]
    status, answer = post(service, [event(1), *bad, event(6, time=None)])
    assert (status, answer["accepted"]) == (200, 2)
    assert [(one["index"], one["id"]) for one in answer["rejected"]] == [(1, "e-2"), (2, ""), (3, "e-4"), (4, "e-5")]
    reasons = [one["reason"] for one in answer["rejected"]]
    assert reasons[0] == "required attribute 'source' is missing"
    assert reasons[1] == "an event must be a JSON object, got a number"
    assert "'retail.order.id'" in reasons[2]
    assert "did you mean 'retail.order.placed'" in reasons[3]
    assert [one["index"] for one in answer["warnings"]] == [5]
    assert service.collector.flush()
    assert [row[0] for row in steps(clickhouse, tenant)] == ["ORD-1", "ORD-6"]
    assert service.collector.ledger.totals(tenant)["logs"] == LedgerEntry(stored=2)
    assert service.registry.get_sample_value("opsintel_collector_rejected_items_total", {"signal": "logs"}) == 4


def test_nothing_acceptable_is_an_error(service: Service) -> None:
    status, answer = post(service, [event(1, id=""), event(2, data={})])
    assert (status, answer["status"], answer["title"]) == (400, 400, "Bad Request")
    assert answer["detail"] == "none of the 2 events can be used"
    assert [one["index"] for one in answer["rejected"]] == [0, 1]
    status, answer = post(service, event(1, data={}), STRUCTURED)
    assert status == 400
    assert "retail.order.id" in answer["detail"]


def test_an_empty_batch_is_well(service: Service) -> None:
    assert post(service, []) == (200, {"accepted": 0, "rejected": []})


def test_foreign_types_are_log_records(service: Service, clickhouse: ClickHouse, tenant: str) -> None:
    """Stored whole, no step of a case."""
    assert post(service, event(1, type="com.carrier.scanned", data={"at": {"hub": "H1"}}), STRUCTURED)[0] == 200
    assert service.collector.flush()
    statement = """SELECT EventName, Body, LogAttributes['data.at.hub'], LogAttributes['cloudevents.event_subject']
        FROM otel_logs WHERE TenantId = {tenant:String}"""
    rows = [tuple(row) for row in clickhouse.query(statement, {"tenant": tenant}).rows]
    assert rows == [("com.carrier.scanned", '{"at":{"hub":"H1"}}', "H1", "ORD-1")]
    assert steps(clickhouse, tenant) == []


@pytest.mark.parametrize(
    ("status", "body", "kind", "headers"),
    [
        (400, b"{", STRUCTURED, {}),
        (400, b"{}", BATCH, {}),
        (400, b"\xff", BATCH, {"content_encoding": "gzip"}),
        (415, b"{}", "application/json", {}),
        (415, b"<e/>", "application/cloudevents+xml", {}),
        (415, b"[]", BATCH, {"content_encoding": "br"}),
        (401, b"[]", BATCH, {"authorization": "Bearer wrong"}),
        (403, b"[]", BATCH, {"authorization": "Bearer viewer"}),
        (413, gzip.compress(bytes(17 << 20), mtime=0), BATCH, {"content_encoding": "gzip"}),
    ],
    ids=lambda value: str(value)[:40],
)
def test_errors_are_problem_documents(
    status: int, body: bytes, kind: str, headers: dict[str, str], service: Service
) -> None:
    found, answer = post(service, body, kind, **headers)
    assert (found, answer["status"]) == (status, status)
    assert answer["detail"]


def test_the_handshake_of_webhooks(service: Service) -> None:
    """Consent names the origin; without a key there is none."""
    asked = {"WebHook-Request-Origin": "events.example.com", "WebHook-Request-Rate": "120"}
    status, body, response = service.post(b"", STRUCTURED, PATH, "OPTIONS", **asked)
    assert (status, body) == (200, b"")
    assert response.headers["webhook-allowed-origin"] == "events.example.com"
    assert response.headers["webhook-allowed-rate"] == "*"
    assert "POST" in response.headers["allow"]
    refused = service.post(b"", STRUCTURED, PATH, "OPTIONS", authorization="Bearer wrong", **asked)
    assert refused[0] == 401
    assert "webhook-allowed-origin" not in refused[2].headers


def test_other_methods(service: Service) -> None:
    status, _, response = service.post(b"", STRUCTURED, PATH, "PUT")
    assert (status, response.headers["allow"]) == (405, "POST")


def test_what_admission_refuses_is_named(clock: ManualClock) -> None:
    """Also what every OTLP request is refused for gets its index."""

    def strict(signal: Signal, encoding: Encoding, body: bytes) -> Admitted:
        if b"e-2" not in body:
            return admit(signal, encoding, body)
        left = 1 if b"e-1" in body else 0
        return Admitted(body, left, 1, "too old")

    door = CloudEventsDoor(RULES, clock, 1 << 20)
    taken = door.take({"content-type": BATCH}, json.dumps([event(1), event(2)]).encode(), strict)
    assert json.loads(taken.answer.body) == {
        "accepted": 1, "rejected": [{"index": 1, "id": "e-2", "reason": "too old"}],
    }  # fmt: skip
    assert (taken.admitted.items, taken.admitted.rejected) == (1, 1)


def test_large_and_wrong_batches_stay_cheap(clock: ManualClock) -> None:
    """Every rejected event is named, suggestions and warnings end; a longer batch is refused whole."""
    door = CloudEventsDoor(RULES, clock, 1 << 24)
    wrong = [event(number, type=f"retail.order.plced{number}") for number in range(MAX_EVENTS)]
    taken = door.take({"content-type": BATCH}, json.dumps(wrong).encode(), admit)
    rejected = json.loads(taken.answer.body)["rejected"]
    assert len(rejected) == MAX_EVENTS
    assert sum("did you mean" in one["reason"] for one in rejected) == MAX_TOLD
    told = json.loads(
        door.take(
            {"content-type": BATCH}, json.dumps([event(number, time=None) for number in range(150)]).encode(), admit
        ).answer.body
    )
    assert (told["accepted"], len(told["warnings"]), told["more_warnings"]) == (150, MAX_TOLD, 50)
    with pytest.raises(TooLarge, match=f"has {MAX_EVENTS + 1} events, {MAX_EVENTS} are allowed"):
        door.take({"content-type": BATCH}, b"[" + b"0," * MAX_EVENTS + b"0]", admit)


def test_a_reason_is_short(clock: ManualClock) -> None:
    door = CloudEventsDoor(RULES, clock, 1 << 24)
    data = event()["data"] | {"amount": "x" * 100_000}
    taken = door.take({"content-type": STRUCTURED}, json.dumps(event(data=data)).encode(), admit)
    assert taken.answer.status == 400
    assert len(taken.answer.body) < 5000
