"""Retention over HTTP: who sees, who changes, what is told before and after, and what the audit chain keeps."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from api import retention
from core import Role
from tests.unit.api.service import NOW, Api
from tests.unit.api.test_routes import refused


@pytest.fixture
def back(api: Api) -> Iterator[None]:
    """Takes policies back afterwards: the application serves the whole module."""
    yield
    for dataset in ("traces", "logs"):
        with api.client(api.shop.keys[Role.ADMIN]) as client:
            client.delete(f"/api/v1/retention/{dataset}")


def put(api: Api, body: Any, role: Role = Role.ADMIN, **params: Any) -> Any:
    with api.client(api.shop.keys[role]) as client:
        return client.put("/api/v1/retention", json=body, params=params)


def dataset(answer: Any, name: str = "traces") -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in answer.json()["datasets"] if one["dataset"] == name)
    return found


def old_span(api: Api, days: int) -> None:
    at = NOW - timedelta(days=days)
    columns = ["TenantId", "Timestamp", "ReceivedAt"]
    api.services.ch.insert_rows("otel_traces", columns, [(api.shop.tenant, at, at)])


def test_what_is_in_force_stands_beside_what_is_there(api: Api) -> None:
    found = dataset(api.get("/api/v1/retention"))
    assert (found["days"], found["source"], found["overdue_partitions"]) == (30, "built-in", 0)
    assert found["rows"] == 2
    assert found["oldest"] == "2026-03-02T08:59:00+00:00"
    assert found["bytes_on_disk"] > 0
    assert found["next_drop"] == "2026-04-02T00:00:00+00:00"
    assert dataset(api.get("/api/v1/retention"), "metrics")["rows"] == 1
    assert api.other.tenant not in api.get("/api/v1/retention").text


@pytest.mark.usefixtures("back")
def test_a_change_tells_what_it_costs_and_is_audited(api: Api) -> None:
    old_span(api, 10)
    tried = put(api, {"dataset": "traces", "days": 7}, dry_run=True)
    assert [one["partition"] for one in tried.json()["next_run_drops"]] == ["2026-02-20"]
    assert dataset(tried)["source"] == "built-in"
    changed = put(api, {"dataset": "traces", "days": 7})
    assert (dataset(changed)["days"], dataset(changed)["source"]) == (7, api.shop.tenant)
    assert dataset(changed)["changed_by"] == f"admin of {api.shop.mark}"
    assert dataset(changed)["overdue_partitions"] == 1
    dry = api.post("/api/v1/retention/run?dry_run=true", {}).json()
    assert (dry["dry_run"], dry["rows"]) == (True, 1)
    assert dataset(api.get("/api/v1/retention"))["rows"] == 3
    done = api.post("/api/v1/retention/run", {}).json()
    assert (done["rows"], done["failed"], done["partitions"][0]["table"]) == (1, [], "otel_traces")
    found = api.get("/api/v1/retention")
    assert dataset(found)["rows"] == 2
    assert found.json()["drops"][0]["partition"] == "2026-02-20"
    entries = api.get("/api/v1/audit", Role.AUDITOR).json()["entries"]
    assert [one["action"] for one in entries[:2]] == ["retention.dropped", "retention.set"]
    assert entries[1]["details"] == {"before": 30, "days": 7, "source_before": "built-in"}
    assert api.services.audit.verify().ok


@pytest.mark.usefixtures("back")
def test_for_ever_and_back(api: Api) -> None:
    assert dataset(put(api, {"dataset": "logs", "days": None}), "logs")["days"] is None
    assert dataset(put(api, {"dataset": "logs", "days": 5}), "logs")["days"] == 5
    with api.client(api.shop.keys[Role.ADMIN]) as client:
        assert dataset(client.delete("/api/v1/retention/logs"), "logs")["source"] == "built-in"


def test_the_job_covers_every_tenant_and_names_itself(api: Api) -> None:
    old_span(api, 40)
    report = retention.run(api.services)
    assert api.shop.tenant in {one.partition.tenant for one in report.dropped}
    entry = api.get("/api/v1/audit", Role.AUDITOR).json()["entries"][0]
    assert (entry["actor"], entry["action"], entry["subject"]) == ("retention job", "retention.dropped", "traces")


@pytest.mark.parametrize(
    "body",
    [
        {"dataset": "traces", "days": 0},
        {"dataset": "traces", "days": -1},
        {"dataset": "traces", "days": 36_501},
        {"dataset": "traces", "days": "7"},
        {"dataset": "traces", "days": 7.5},
        {"dataset": "traces", "days": True},
        {"dataset": "traces"},
        {"dataset": "everything", "days": 7},
        {"dataset": "traces", "days": 7, "tenant": "somebody"},
    ],
)
def test_absurd_wishes_are_refused(api: Api, body: Any) -> None:
    refused(put(api, body), 400)
    assert dataset(api.get("/api/v1/retention"))["source"] == "built-in"


def test_only_an_administrator_changes(api: Api) -> None:
    for role in (Role.VIEWER, Role.OPERATOR, Role.INGEST, Role.AUDITOR, Role.APPROVER):
        refused(put(api, {"dataset": "traces", "days": 7}, role), 403)
        refused(api.post("/api/v1/retention/run", {}, role), 403)
    refused(api.get("/api/v1/retention", Role.INGEST), 403)


def test_the_ledger_by_hour(api: Api) -> None:
    api.services.balance.check()
    body = api.get("/api/v1/ledger/hours", hours=2).json()
    (hour,) = body["hours"]
    assert hour["hour"] == "2026-03-02T09:00:00+00:00"
    assert hour["signals"]["traces"] == {"stored": 2, "quarantined": 0, "duplicates": 0, "settled": 2}
    assert body["pending"] == {"traces": 0, "logs": 0, "metrics": 0}
    assert body["balance"]["balanced"] is True
    refused(api.get("/api/v1/ledger/hours", hours=0), 400)


def test_the_ledger_is_on_the_metrics(api: Api) -> None:
    lines = api.get("/metrics").text.splitlines()
    assert any(line.startswith('opsintel_ledger_items{outcome="stored",signal="traces"} 4') for line in lines)
    assert any(line.startswith("opsintel_ledger_unbalanced_segments") for line in lines)
