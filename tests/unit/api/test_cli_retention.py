"""`opsintel retention` as people type it, on a running service and beside one."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli import app
from core import Role
from tests.unit.api.service import NOW, Api


def opsintel(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["retention", *arguments])


def through(api: Api, role: Role = Role.ADMIN) -> tuple[str, ...]:
    return "--url", api.url, "--token", api.shop.keys[role]


def test_show_set_run_and_reset_through_a_running_service(api: Api) -> None:
    at = NOW - timedelta(days=20)
    api.services.ch.insert_rows("otel_logs", ["TenantId", "Timestamp", "ReceivedAt"], [(api.shop.tenant, at, at)])
    assert "30 days" in opsintel("show", *through(api)).output
    told = opsintel("set", "logs", "7d", *through(api)).output
    assert told.splitlines() == [
        "the next run drops 1 partition with 1 row, the oldest of 2026-02-10",
        "logs of the key's tenant: kept for 7 days",
    ]
    dry = opsintel("run", "--dry-run", *through(api)).output
    assert "otel_logs" in dry
    assert dry.splitlines()[-1].startswith("1 partition, 1 row and ")
    assert json.loads(opsintel("run", "--json", *through(api)).output)["rows"] == 1
    assert opsintel("run", *through(api)).output.startswith("0 partitions")
    assert opsintel("reset", "logs", *through(api)).output == "logs: 30 days now\n"
    shown = json.loads(opsintel("show", "--json", *through(api)).output)
    assert {one["dataset"]: one["source"] for one in shown["datasets"]}["logs"] == "built-in"


def test_a_policy_of_everybody_is_set_beside_a_running_service(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSINTEL_DATA_DIR", str(api.services.settings.data_dir))
    assert opsintel("set", "metrics", "45", "--tenant", "*").output == "metrics of everybody: kept for 45 days\n"
    found = api.get("/api/v1/retention").json()["datasets"]
    assert {one["dataset"]: (one["days"], one["source"]) for one in found}["metrics"] == (45, "*")
    assert opsintel("reset", "metrics", "--tenant", "*").output == "metrics: 90 days now\n"
    assert api.services.audit.entries("default", 1)[0].details["tenant"] == "*"


@pytest.mark.parametrize("days", ["soon", "-3", "0", "1.5", "٣"])
def test_what_is_no_number_of_days_is_refused(api: Api, days: str) -> None:
    result = opsintel("set", "traces", *through(api), "--", days)
    assert result.exit_code != 0
    shown = api.get("/api/v1/retention").json()["datasets"]
    assert {one["dataset"]: one["days"] for one in shown}["traces"] == 30
