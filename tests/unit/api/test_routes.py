"""Every route's answer: shape, values, and what it says to a wrong question."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from core import Role
from tests.unit.api.service import NOW, Api


def refused(answer: httpx.Response, status: int) -> str:
    """The detail of a problem document with this status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert set(body) - {"hint"} == {"type", "title", "status", "detail"}
    assert body["status"] == status
    return str(body["detail"])


def test_the_ledger_has_the_published_keys_and_balances(api: Api) -> None:
    signals = api.get("/api/v1/ledger").json()["signals"]
    assert set(signals) == {"traces", "logs", "metrics"}
    for entry in signals.values():
        assert set(entry) == {"received", "stored", "quarantined", "pending", "duplicates"}
        assert entry["received"] == sum(entry[key] for key in ("stored", "quarantined", "pending", "duplicates"))
    assert {name: entry["stored"] for name, entry in signals.items()} == {"traces": 2, "logs": 2, "metrics": 1}


def test_a_trace_is_found_whole(api: Api) -> None:
    found = api.get(f"/api/v1/traces/{api.shop.trace_id}").json()
    assert found["trace_id"] == api.shop.trace_id
    assert {span["span_id"]: span["parent_span_id"] for span in found["spans"]} == {"a" * 16: "", "b" * 16: "a" * 16}
    hook = next(span for span in found["spans"] if span["parent_span_id"])
    assert hook["attributes"]["retail.webhook.name"] == f"hook-{api.shop.mark}"
    assert (hook["status"], hook["status_message"]) == ("Error", f"failed {api.shop.mark}")
    assert f"case-{api.shop.mark}" in str(found)


def test_a_trace_id_may_be_in_upper_case(api: Api) -> None:
    upper = api.get(f"/api/v1/traces/{api.shop.trace_id.upper()}")
    assert upper.json() == api.get(f"/api/v1/traces/{api.shop.trace_id}").json()


@pytest.mark.parametrize("trace_id", ["abc", "g" * 32, "a" * 31, "a" * 33, "%00" * 32, "' OR 1=1 --", "٣" * 32])
def test_a_trace_id_that_is_none_is_refused(api: Api, trace_id: str) -> None:
    refused(api.get(f"/api/v1/traces/{trace_id}"), 400)


def test_a_trace_that_is_not_there_is_not_found(api: Api) -> None:
    assert "f" * 32 in refused(api.get(f"/api/v1/traces/{'f' * 32}"), 404)


def test_every_kpi_comes_with_its_definition_and_what_stands_behind_the_value(api: Api) -> None:
    body = api.get("/api/v1/kpis").json()
    assert {one["id"] for one in body["definitions"]} == {one.id for one in api.services.definitions.usual.catalogue}
    (value,) = body["values"]
    assert (value["kpi_id"], value["value"], value["sample_size"]) == ("integration_failure_rate", 0.5, 2)
    assert value["dimension_value"] == f"orders->{api.shop.mark}"
    assert value["data_through"] == "2026-03-02T09:00:00+00:00"
    assert {"version", "excluded", "open_cases", "basis", "computed_at", "numerator", "denominator"} <= set(value)


def series(api: Api, kpi: str = "integration_failure_rate", **params: Any) -> httpx.Response:
    return api.get(f"/api/v1/kpis/{kpi}/series", **params)


def test_a_series_has_the_buckets_of_the_window(api: Api) -> None:
    edge = {"dimension_value": f"orders->{api.shop.mark}"}
    (value,) = series(api, **edge).json()["values"]
    assert value["bucket_start"] == "2026-03-02T00:00:00+00:00"
    window = {"start": "2026-03-01T23:30:00-01:00", "end": "2026-03-03T00:00:00Z"}
    assert series(api, **edge, **window).json()["values"] == []  # the start is half past midnight in UTC
    window["start"] = "2026-03-01T22:30:00-01:00"
    assert series(api, **edge, **window).json()["values"] == [value]


@pytest.mark.parametrize("side", ["start", "end"])
def test_a_time_without_a_zone_is_refused(api: Api, side: str) -> None:
    assert side in refused(series(api, **{side: "2026-03-01T00:00:00"}), 400)


@pytest.mark.parametrize(
    "params",
    [{"start": "yesterday"}, {"grain": "minute"}, {"end": "2026-13-01T00:00:00Z"},
     {"start": "9999-12-31T23:59:59-12:00"}, {"end": "0001-01-01T00:00:00+12:00"}, {"end": "0001-01-05T00:00:00Z"},
     {"start": "1800-01-01T00:00:00Z", "end": "1801-01-01T00:00:00Z"}],
)  # fmt: skip
def test_a_wrong_window_is_the_callers_mistake(api: Api, params: dict[str, str]) -> None:
    answer = series(api, **params)
    assert answer.status_code in (200, 400, 413), answer.text
    if answer.status_code != 200:
        refused(answer, answer.status_code)
    else:
        assert answer.json()["values"] == []


def test_an_unknown_kpi_is_not_found(api: Api) -> None:
    assert "nope" in refused(series(api, "nope"), 404)


def test_queues_show_their_newest_depth(api: Api) -> None:
    (queue,) = api.get("/api/v1/queues").json()["queues"]
    assert (queue["destination"], queue["depth"]) == (f"queue-{api.shop.mark}", 25)
    assert queue["at"] == "2026-03-02T08:59:30+00:00"


@pytest.mark.parametrize("hours", ["0", "-1", "nan", "inf", "1e300", "2209", "x", ""])
@pytest.mark.parametrize("route", ["queues", "integrations"])
def test_hours_must_be_a_number_of_hours(api: Api, route: str, hours: str) -> None:
    assert "hours" in refused(api.get(f"/api/v1/{route}", hours=hours), 400)


def test_integrations_show_latency_and_failures(api: Api) -> None:
    body = api.get("/api/v1/integrations").json()
    (call,), (hook,) = body["apis"], body["webhooks"]
    assert (call["operation"], call["calls"], call["errors"], call["p50_ms"]) == (f"POST /{api.shop.mark}", 1, 0, 10.0)
    assert (hook["webhook"], hook["attempts"], hook["failures"]) == (f"hook-{api.shop.mark}", 1, 1)
    assert (body["start"], body["end"]) == ("2026-03-02T08:00:00+00:00", "2026-03-02T09:00:00+00:00")


def test_a_process_is_summed_up(api: Api) -> None:
    stream = f"stream-{api.shop.mark}"
    assert api.get("/api/v1/processes").json() == {"streams": [stream]}
    body = api.get(f"/api/v1/processes/{stream}/summary").json()
    assert (body["cases"], body["events"]) == (1, 2)
    assert body["variants"] == [{"activities": [f"{step} {api.shop.mark}" for step in ("placed", "paid")], "count": 1}]
    assert body["edges"][0]["mean_s"] == 60


def test_a_stream_without_events_is_not_found(api: Api) -> None:
    assert "nope" in refused(api.get("/api/v1/processes/nope/summary"), 404)


def test_waiting_answers(api: Api) -> None:
    assert api.get("/api/v1/processes/waiting").json() == {"waiting": []}


def test_an_alert_names_rule_labels_value_and_since(api: Api) -> None:
    (alert,) = api.get("/api/v1/alerts").json()["alerts"]
    assert (alert["rule"], alert["state"], alert["value"], alert["threshold"]) == ("deep", "firing", 25, 10)
    assert f"queue-{api.shop.mark}" in alert["labels"].values()
    assert alert["since"].startswith("2026-03-02T09:00:00")


# --- control ---


def order(api: Api, key: str | None, role: Role = Role.OPERATOR, **changes: Any) -> httpx.Response:
    body = {"target": f"edge-{api.shop.mark}", "action": "pause", "reason": "backlog"} | changes
    return api.post("/api/v1/control/commands", body, role, {} if key is None else {"Idempotency-Key": key})


def test_a_command_is_sent_verified_and_in_the_audit_chain(api: Api) -> None:
    done = order(api, "resume-1", action="resume", reason="caught up")
    assert done.status_code == 201
    assert (done.json()["state"], done.json()["action"]) == ("verified", "resume")
    assert api.engine.states[f"edge-{api.shop.mark}"] == "running"
    newest = api.get("/api/v1/control/commands", limit=1).json()["commands"]
    assert newest == [done.json()]
    entries = api.get("/api/v1/audit", Role.AUDITOR).json()["entries"]
    assert entries[0]["action"] == "control.verified"
    assert entries[0]["previous_hash"] == entries[1]["hash"]


def test_the_same_key_is_the_same_command(api: Api) -> None:
    first, again = order(api, "same"), order(api, "same")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["id"] == again.json()["id"]
    refused(order(api, "same", reason="another"), 409)


def test_a_command_needs_an_idempotency_key(api: Api) -> None:
    before = len(api.get("/api/v1/control/commands").json()["commands"])
    assert "idempotency-key" in refused(order(api, None), 400).lower()
    refused(order(api, ""), 400)
    refused(order(api, "k" * 201), 400)
    assert len(api.get("/api/v1/control/commands").json()["commands"]) == before


@pytest.mark.parametrize(
    ("changes", "status"),
    [({"action": "destroy"}, 400), ({"reason": ""}, 400), ({"reason": "  "}, 400), ({"reason": "x" * 1001}, 400),
     ({"target": "nope"}, 404), ({"target": None}, 400), ({"target": ["a"]}, 400)],
)  # fmt: skip
def test_a_wrong_command_is_refused(api: Api, changes: dict[str, Any], status: int) -> None:
    refused(order(api, f"wrong {changes}"[:150], **changes), status)


def test_the_other_tenants_target_is_not_there(api: Api) -> None:
    refused(order(api, "theirs", target=f"edge-{api.other.mark}"), 404)
    assert [one["id"] for one in api.get("/api/v1/control/targets").json()["targets"]] == [f"edge-{api.shop.mark}"]


def test_targets_do_not_show_where_their_engine_is(api: Api) -> None:
    """An address inside the network is nothing that every viewer has to know."""
    assert api.engine.server.url not in api.get("/api/v1/control/targets").text


def test_the_audit_chain_is_for_auditors(api: Api) -> None:
    for role in (Role.VIEWER, Role.OPERATOR, Role.INGEST, Role.APPROVER):
        refused(api.get("/api/v1/audit", role), 403)


@pytest.mark.parametrize("limit", ["0", "1001", "x", "-1"])
@pytest.mark.parametrize("path", ["/api/v1/audit", "/api/v1/control/commands"])
def test_limits_are_limited(api: Api, path: str, limit: str) -> None:
    refused(api.get(path, Role.ADMIN, limit=limit), 400)


# --- health ---


def test_health_and_readiness_need_no_key(api: Api) -> None:
    with api.client() as client:
        assert client.get("/healthz").text == "ok"
        assert client.get("/readyz").json() == {"ready": True, "reasons": []}


def test_metrics_are_prometheus_text(api: Api) -> None:
    answer = api.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "# TYPE " in answer.text
    assert api.shop.mark not in answer.text


def test_unknown_paths_add_no_label_to_the_metrics(api: Api) -> None:
    api.get("/api/v1/made-up-by-a-stranger")
    assert "made-up-by-a-stranger" not in api.get("/metrics").text


def test_the_clock_of_the_answers_is_the_services_own(api: Api) -> None:
    assert api.get("/api/v1/integrations", hours=0.5).json()["end"] == NOW.isoformat()
