"""The quarantine's routes: what they answer, who may decide, and that tenants stay apart."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from core import Role
from tests.unit.api.service import NS, Api, spans
from tests.unit.api.test_routes import refused

YEAR_NS = 365 * 86_400 * 10**9


def push(api: Api, document: Any) -> dict[str, Any]:
    """Through the API's own port; the answer."""
    with api.client(api.shop.keys[Role.INGEST]) as client:
        answer = client.post("/v1/traces", json=document)
    assert answer.status_code == 200
    assert api.services.collector.flush()
    found: dict[str, Any] = answer.json()
    return found


def kept(api: Api, **params: Any) -> dict[str, Any]:
    found: dict[str, Any] = api.get("/api/v1/quarantine", status="kept", **params).json()
    return found


def test_from_the_door_to_the_table_by_way_of_the_quarantine(api: Api) -> None:
    """A back-fill that forgot to say so: told, listed, looked at, replayed; the ledger balances and the audit knows."""
    warned = push(api, spans(api.shop, at_ns=NS - 3 * YEAR_NS))["partialSuccess"]
    assert warned["rejectedSpans"] == "0"
    assert "2 of 2 spans are kept in quarantine" in warned["errorMessage"]
    body = kept(api, reason="too_old", signal="traces")
    (row,), (one,) = body["summary"], body["entries"]
    assert (row["entries"], row["items"], one["items"]) == (1, 2, 2)
    shown = api.get(f"/api/v1/quarantine/{one['id']}").json()
    assert shown["content"]["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"] == api.shop.trace_id
    path = f"/api/v1/quarantine/{one['id']}/replay"
    assert "accept_past_days" in refused(api.post(path, {}), 400)
    before = api.get("/api/v1/ledger").json()["signals"]["traces"]
    assert api.post(path, {"accept_window": False}).json()["changed"] is True
    assert api.post(path, {"accept_window": False}).json()["changed"] is False
    after = api.get("/api/v1/ledger").json()["signals"]["traces"]
    assert after == before | {"stored": before["stored"] + 2, "quarantined": before["quarantined"] - 2}
    assert kept(api)["entries"] == []
    (entry,) = [
        one for one in api.get("/api/v1/audit", Role.AUDITOR).json()["entries"] if one["action"] == "quarantine.replay"
    ]
    assert (entry["subject"], entry["details"]["items"]) == (one["id"], 2)


def test_many_at_once_and_given_up(api: Api) -> None:
    push(api, spans(api.shop, at_ns=NS + YEAR_NS))
    push(api, spans(api.shop, at_ns=NS - 4 * YEAR_NS))
    many = api.post("/api/v1/quarantine/replay", {"reason": "in_the_future", "accept_window": False}).json()
    assert (many["entries"], many["items"], many["refused"]) == (1, 2, {})
    (one,) = kept(api)["entries"]
    assert api.post(f"/api/v1/quarantine/{one['id']}/discard", {}).json()["status"] == "discarded"
    refused(api.post(f"/api/v1/quarantine/{one['id']}/replay", {"accept_window": False}), 409)


def test_who_may_and_whose(api: Api) -> None:
    push(api, spans(api.shop, at_ns=NS - 5 * YEAR_NS))
    (one,) = kept(api)["entries"]
    for path in (f"/{one['id']}/replay", f"/{one['id']}/discard", "/replay"):
        refused(api.post(f"/api/v1/quarantine{path}", {}, Role.OPERATOR), 403)
    with api.client(api.other.keys[Role.ADMIN]) as client:
        answers: list[httpx.Response] = [
            client.get(f"/api/v1/quarantine/{one['id']}"),
            client.post(f"/api/v1/quarantine/{one['id']}/replay", json={"accept_window": False}),
            client.post(f"/api/v1/quarantine/{one['id']}/discard"),
        ]
        assert [answer.status_code for answer in answers] == [404, 404, 404]
        body = client.get("/api/v1/quarantine").json()
        assert api.shop.mark not in json.dumps(body)
        assert body["entries"] == []
    api.post(f"/api/v1/quarantine/{one['id']}/discard", {})


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/1", {}),
        ("/a-b", {}),
        (f"/{'9' * 20}-1", {}),
        ("", {"start": "2026-01-01T00:00:00"}),
        ("", {"end": "9998-01-01T00:00:00Z"}),
    ],
)
def test_wrong_questions(api: Api, path: str, params: dict[str, str]) -> None:
    refused(api.get(f"/api/v1/quarantine{path}", **params), 400)


def test_cardinality_answers(api: Api) -> None:
    api.services.cardinality.run()
    assert api.get("/api/v1/cardinality").json() == {"findings": []}
