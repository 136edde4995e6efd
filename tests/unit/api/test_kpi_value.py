"""Comparisons, baselines, roll-outs, forecasts and targets over HTTP and on the command line."""

from __future__ import annotations

from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli import app
from core import Role
from tests.unit.api.service import Api
from tests.unit.api.test_routes import refused
from tests.unit.kpis_value.shop import fill

KPI = "/api/v1/kpis"
CYCLE = f"{KPI}/order_cycle_time"
PERIODS = {"start": "2026-02-09T00:00:00Z", "end": "2026-02-23T00:00:00Z", "before_end": "2026-02-02T00:00:00Z"}
FROZEN = {"start": "2026-01-05T00:00:00Z", "end": "2026-02-02T00:00:00Z", "reason": "before the new carrier"}
ROLLOUT = {
    "at": "2026-02-02T00:00:00Z", "basis": "mean", "dimension": "channel", "dimension_value": "web",
    "control_value": "store", "days": 21, "settle_days": 3,
}  # fmt: skip


@pytest.fixture(scope="module")
def shop(api: Api) -> Api:
    """The shop's eight weeks of orders, computed."""
    fill(api.services.ch, api.shop.tenant)
    return api


def test_two_periods(shop: Api) -> None:
    found = shop.get(f"{CYCLE}/compare", basis="mean", **PERIODS).json()
    assert found["change"]["verdict"] == "better"
    assert found["change"]["low"] < found["change"]["absolute"] < found["change"]["high"] < 0
    assert found["before"]["end"] == "2026-02-02T00:00:00+00:00"
    assert found["before"]["n"] == found["change"]["n_before"] > 100
    assert found["kpi"]["version"] == 2
    assert found["money"] == {
        "kpi_id": "order_cycle_time", "missing": "value_models_file",
        "reason": "the tenant has no value model, so no money is shown",
    }  # fmt: skip
    assert shop.get(f"{KPI}/value-model").json() == {"value_model": None}


def test_a_baseline_is_frozen_by_administrators_and_audited(shop: Api) -> None:
    """The change against it follows; the other tenant sees neither."""
    assert "no baseline" in refused(shop.get(f"{CYCLE}/change"), 404)
    assert "admin" in refused(shop.post(f"{CYCLE}/baselines", FROZEN, Role.OPERATOR), 403)
    made = shop.post(f"{CYCLE}/baselines", FROZEN)
    assert made.status_code == 201, made.text
    assert shop.get(f"{CYCLE}/baselines").json() == {"baselines": [made.json()]}
    assert shop.get(f"{KPI}/baselines").json() == {"baselines": [made.json()]}
    entry = shop.get("/api/v1/audit", Role.AUDITOR).json()["entries"][0]
    assert (entry["action"], entry["subject"]) == ("kpi.baseline.freeze", "order_cycle_time")
    assert entry["details"]["reason"] == FROZEN["reason"]
    found = shop.get(f"{CYCLE}/change").json()
    assert found["baseline"]["id"] == made.json()["id"]
    assert found["comparison"]["after"]["start"] == "2026-02-02T00:00:00+00:00"
    assert found["comparison"]["change"]["verdict"] == "better"
    with shop.client(shop.other.keys[Role.VIEWER]) as other:
        assert other.get(f"{KPI}/baselines").json() == {"baselines": []}
        assert other.get(f"{CYCLE}/change").status_code == 404


def test_a_rollout(shop: Api) -> None:
    found = shop.get(f"{CYCLE}/rollout", **ROLLOUT).json()
    assert found["effect"]["verdict"] == "better"
    assert found["effect"]["alike_before"] is True
    assert found["effect"]["high"] < 0


def test_the_next_days_and_the_target(shop: Api) -> None:
    found = shop.get(f"{KPI}/orders_placed/forecast", days=3).json()
    assert [one["day"] for one in found["days"]] == ["2026-03-02", "2026-03-03", "2026-03-04"]
    assert found["coverage"] is not None
    told = shop.get(f"{CYCLE}/burn-down", basis="mean", target=36_000).json()
    assert told["attainment"]["met"] == "missed"
    assert told["burn_down"]["words"]
    assert shop.get(f"{CYCLE}/burn-down").json()["attainment"]["target"] == 345_600


@pytest.mark.parametrize(
    ("path", "question", "status", "said"),
    [
        ("order_cycle_tine/compare", {}, 404, "no KPI 'order_cycle_tine'"),
        ("order_cycle_tine/change", {}, 404, "no KPI"),
        ("order_cycle_tine/baselines", {}, 404, "no KPI"),
        ("order_cycle_tine/forecast", {}, 404, "no KPI"),
        ("order_cycle_tine/burn-down", {}, 404, "no KPI"),
        ("order_cycle_tine/rollout", {"at": "2026-02-02T00:00:00Z"}, 404, "no KPI"),
        ("order_cycle_time/compare", {"start": PERIODS["end"], "end": PERIODS["start"]}, 400, "ends after it starts"),
        ("order_cycle_time/compare", {"start": PERIODS["end"], "end": PERIODS["end"]}, 400, "ends after it starts"),
        ("order_cycle_time/compare", {"start": "2026-02-02T00:00:00"}, 400, "needs a time zone"),
        ("order_cycle_time/compare", {"start": "0001-01-01T00:00:00Z"}, 400, "out of range"),
        ("order_cycle_time/compare", {"end": "0001-01-01T00:00:00Z"}, 400, "out of range"),
        ("order_cycle_time/compare", {"before_end": "9998-12-31T00:00:00Z"}, 400, "out of range"),
        ("order_cycle_time/rollout", {"at": "0001-01-01T00:00:00Z"}, 400, "out of range"),
        ("order_cycle_time/rollout", {"at": "9998-12-31T23:59:59Z"}, 400, "out of range"),
        ("order_cycle_time/compare", {"basis": "mode"}, 400, "no basis"),
        ("order_cycle_time/rollout", {"at": "2027-01-01T00:00:00Z"}, 400, "nothing is known yet"),
        ("orders_placed/burn-down", {}, 400, "has no target"),
    ],
)
def test_a_wrong_question_says_what_to_do(
    shop: Api, path: str, question: dict[str, Any], status: int, said: str
) -> None:
    answer = shop.get(f"{KPI}/{path}", **question)
    assert said in refused(answer, status)
    assert answer.json()["hint"]


def test_an_inverted_period_is_not_frozen(shop: Api) -> None:
    wrong = shop.post(f"{CYCLE}/baselines", FROZEN | {"start": FROZEN["end"], "end": FROZEN["start"]})
    assert "ends after it starts" in refused(wrong, 400)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["compare", "order_cycle_time", "--basis", "mean", "--start", PERIODS["start"], "--end", PERIODS["end"]],
         ["money: none, the tenant has no value model"]),
        (["rollout", "order_cycle_time", "--at", ROLLOUT["at"], "--basis", "mean", "--dimension", "channel",
          "--value", "web", "--control", "store", "--days", "21"], ["control group:", "effect better"]),
        (["forecast", "orders_placed", "--days", "2"], ["2026-03-02", "8.00", "bands of 80 %"]),
        (["burn-down", "order_cycle_time", "--basis", "mean"], ["for a target of 4.00 d: met"]),
        (["compare", "order_cycle_time", "--json"], ['"verdict"']),
    ],
)  # fmt: skip
def test_on_the_command_line(shop: Api, command: list[str], said: list[str]) -> None:
    done = CliRunner().invoke(app, ["kpi", *command, "--url", shop.url, "--token", shop.shop.keys[Role.VIEWER]])
    assert done.exit_code == 0, done.output
    for text in said:
        assert text in done.output


def test_baselines_on_the_command_line(shop: Api) -> None:
    told = ["--url", shop.url, "--token", shop.shop.keys[Role.ADMIN]]
    freeze = ["kpi", "baseline", "freeze", "orders_placed", "--start", FROZEN["start"], "--end", FROZEN["end"]]
    done = CliRunner().invoke(app, [*freeze, "--reason", "usual", *told])
    assert "of orders_placed (version 1): 8" in done.output
    listed = CliRunner().invoke(app, ["kpi", "baseline", "list", "--json", *told])
    assert '"orders_placed"' in listed.output
    changed = CliRunner().invoke(app, ["kpi", "change", "orders_placed", *told])
    assert "no difference shown" in changed.output or "sample too small" in changed.output
