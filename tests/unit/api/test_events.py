"""CloudEvents on the API's port: the same door, behind the API's guard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from core import Role
from storage import ClickHouse
from tests.unit.api.service import Api, serving

EVENT: dict[str, Any] = {
    "specversion": "1.0", "id": "e-1", "source": "/shop", "type": "retail.order.validated", "subject": "ORD-1",
    "time": "2026-03-02T08:00:00Z", "data": {"order_id": "ORD-1"},
}  # fmt: skip
HEADERS = {"content-type": "application/cloudevents+json"}


@pytest.fixture(scope="module")
def api(clickhouse: ClickHouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with serving(clickhouse, tmp_path_factory.mktemp("events")) as found:
        yield found


@pytest.mark.parametrize("path", ["/api/v1/events", "/v1/events"])
def test_an_event_belongs_to_the_tenant_of_its_key(api: Api, path: str) -> None:
    event = EVENT | {"id": path}
    answer = api.post(path, event, Role.INGEST, HEADERS)
    assert (answer.status_code, answer.json()) == (200, {"accepted": 1, "rejected": []})
    assert api.services.collector.flush()
    statement = "SELECT TenantId FROM process_events FINAL WHERE EventId = {id:String}"
    assert api.services.ch.query(statement, {"id": f"/shop {path}"}).rows == [(api.shop.tenant,)]


@pytest.mark.parametrize(
    ("status", "role", "body", "headers"),
    [
        (400, Role.INGEST, EVENT | {"data": {}}, HEADERS),
        (403, Role.VIEWER, EVENT, HEADERS),
        (415, Role.INGEST, EVENT, {}),
    ],
    ids=str,
)
def test_errors_are_problem_documents(api: Api, status: int, role: Role, body: Any, headers: dict[str, str]) -> None:
    answer = api.post("/api/v1/events", body, role, headers)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["status"] == status
    assert answer.json()["detail"]


def test_without_a_key(api: Api) -> None:
    with api.client() as client:
        answer = client.post("/api/v1/events", json=EVENT, headers=HEADERS)
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")


def test_the_handshake_of_webhooks(api: Api) -> None:
    with api.client(api.shop.keys[Role.INGEST]) as client:
        answer = client.options("/api/v1/events", headers={"WebHook-Request-Origin": "events.example.com"})
    assert answer.headers["webhook-allowed-origin"] == "events.example.com"
