"""The routes of KPIs: one definition, a breakdown, the cases behind a number, a tenant's own, and wrong questions."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.doctor import examine_running
from api.reads import ServiceReads
from core import Role
from dashboards.kpi_state import KpiState
from storage import ClickHouse
from tests.unit.api.service import Api, serving
from tests.unit.api.test_routes import refused
from tests.unit.kpis.test_drill import FewShop, march

PERIOD = {"start": "2026-03-04T00:00:00Z", "end": "2026-03-05T00:00:00Z"}


@pytest.fixture(scope="module")
def api(clickhouse: ClickHouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("kpis")
    with serving(clickhouse, folder, kpi_overrides_dir=folder / "own") as found:
        home = folder / "own" / found.shop.tenant
        home.mkdir(parents=True)
        (home / "on_time_in_full.toml").write_text("target = 0.5\n")
        (home / "orders_placed.toml").write_text("\ntarget = 'many'\n")
        found.services.definitions.refresh()
        FewShop(clickhouse, found.shop.tenant).take(*march())
        yield found


def got(api: Api, path: str, question: dict[str, Any]) -> httpx.Response:
    with api.client(api.shop.keys[Role.VIEWER]) as client:
        return client.get(f"/api/v1/kpis/{path}", params=question)


def ask(api: Api, path: str, **params: Any) -> Any:
    answer = got(api, path, PERIOD | params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_one_definition_whole(api: Api) -> None:
    found = api.get("/api/v1/kpis/on_time_in_full").json()
    assert found["definition"]["target"] == 0.5
    assert found["definition"]["numerator"] or found["definition"]["bases"][0]["numerator"]
    assert found["definition"]["split_by"][0] == "channel"
    assert found["explanation"]["instant"]["Target"] == "50 %, tolerance 1 %"
    assert found["roles"]["instant"] == ["counted", "numerator", "misses", "open", "excluded"]
    assert found["calendar"]["timezone"] == "UTC"
    assert {value["kpi_id"] for value in found["values"]} == {"on_time_in_full"}


def test_a_wrong_file_is_told_to_its_tenant_alone(api: Api) -> None:
    (problem,) = api.get("/api/v1/kpis").json()["problems"]
    assert (problem["file"], problem["line"], problem["in_force"]) == ("orders_placed.toml", 2, "nothing of it")
    with api.client(api.other.keys[Role.VIEWER]) as client:
        found = client.get("/api/v1/kpis").json()
    assert found["problems"] == []
    assert {one["target"] for one in found["definitions"] if one["id"] == "on_time_in_full"} != {0.5}
    (told,) = [one for one in examine_running(api.services).findings if one.id == "jobs.kpi_files"]
    assert f"{api.shop.tenant}/orders_placed.toml:2: target" in told.seen


def test_a_breakdown(api: Api) -> None:
    found = ask(api, "on_time_in_full/breakdown", by="channel")
    assert (found["total"]["numerator"], found["total"]["denominator"]) == (2, 3)
    assert [(part["value"], part["figures"]["sample_size"]) for part in found["parts"]] == [
        ("web", 2), ("", 1), ("shop", 0),
    ]  # fmt: skip


def test_the_cases_behind_a_number_page_by_page(api: Api) -> None:
    first = ask(api, "on_time_in_full/cases", by="channel", limit=2)
    second = ask(api, "on_time_in_full/cases", by="channel", limit=2, after=first["following"])
    cases = first["cases"] + second["cases"]
    assert [(one["case_id"], one["numerator"], one["split"]) for one in cases] == [
        ("O1", 1, "web"), ("O2", 0, "web"), ("O5", 1, ""),
    ]  # fmt: skip
    assert second["following"] == ""
    assert cases[0]["page"] == "/process?stream=order-to-cash&case=O1"
    assert api.get(cases[0]["timeline"]).json()["case_id"] == "O1"
    assert first["totals"]["reasons"] == [
        {"reason": "orders that could not be accepted (retail.order.failed)", "cases": 1}
    ]
    (missed,) = ask(api, "on_time_in_full/cases", role="misses")["cases"]
    assert missed["case_id"] == "O2"


def test_nobody_sees_anothers_cases(api: Api) -> None:
    with api.client(api.other.keys[Role.VIEWER]) as client:
        found = client.get("/api/v1/kpis/on_time_in_full/cases", params=PERIOD).json()
        assert (found["cases"], found["totals"]["sample_size"]) == ([], 0)
        parts = client.get("/api/v1/kpis/on_time_in_full/breakdown", params={**PERIOD, "by": "channel"}).json()["parts"]
        assert parts == []


def test_gauges_are_those_of_the_keys_tenant(api: Api) -> None:
    row = [api.other.tenant, "orders_placed", 1, "", "", "", "hour", datetime(2026, 3, 2, 7, tzinfo=UTC), 5.0, 5.0,
           0.0, 5, 0, 0, datetime(2026, 3, 2, 9, tzinfo=UTC), datetime(2026, 3, 2, 9, tzinfo=UTC)]  # fmt: skip
    columns = ["TenantId", "KpiId", "Version", "Basis", "Dimension", "DimensionValue", "Grain", "BucketStart", "Value",
               "Numerator", "Denominator", "SampleSize", "Excluded", "OpenCases", "DataThrough",
               "ComputedAt"]  # fmt: skip
    api.services.ch.insert_rows("kpi_values", columns, [row])
    api.services.gauges.refresh()
    with api.client(api.other.keys[Role.VIEWER]) as client:
        theirs = values(client.get("/metrics").text)
    assert theirs == {(api.other.tenant, "orders_placed"): 5}
    assert api.other.tenant not in {tenant for tenant, _ in values(api.get("/metrics").text)}


def values(text: str) -> dict[tuple[str, str], float]:
    return {
        (sample.labels["tenant"], sample.labels["kpi"]): sample.value
        for family in text_string_to_metric_families(text)
        if family.name == "opsintel_kpi_value"
        for sample in family.samples
    }


def test_the_page_reads_the_newest_bucket_and_the_bad_cases(api: Api) -> None:
    """And where none is bad, all; another bucket, basis and grain when the address names them."""
    reads, tenant = ServiceReads(api.services), api.shop.tenant
    state = KpiState("on_time_in_full", at=datetime(2026, 3, 4, 15, tzinfo=UTC))
    story = reads.kpi(tenant, state)
    assert (story.start, story.target, story.basis) == (datetime(2026, 3, 4, tzinfo=UTC), 0.5, "instant")
    assert story.chosen is not None
    assert story.chosen.value == 2 / 3
    assert [part.value for part in reads.kpi_parts(tenant, state, story)] == ["web", "", "shop"]
    found = reads.kpi_cases(tenant, state, story)
    assert (found.role, [one.case_id for one in found.cases]) == ("misses", ["O2"])
    assert found.counts == {"counted": 3, "open": 1, "excluded": 1}
    shop = reads.kpi_cases(tenant, state.but(by="channel", value=""), story)
    assert (shop.role, [one.case_id for one in shop.cases]) == ("counted", ["O5"])
    month = reads.kpi(tenant, KpiState("on_time_in_full", "date", "month"))
    assert (month.basis, month.grain, month.end - month.start) == ("date", "month", timedelta(days=31))
    (said,) = reads.kpi_problems(tenant)
    assert said.startswith("orders_placed.toml:2: target: ")
    assert said.endswith("In force: nothing of it.")


def test_pages_show_times_in_the_tenants_zone(api: Api) -> None:
    """The bar names it; another tenant's pages keep the service's."""
    file = api.services.settings.kpi_overrides_dir
    assert file is not None
    (file / api.other.tenant).mkdir(exist_ok=True)
    (file / api.other.tenant / "tenant.toml").write_text('timezone = "Asia/Tokyo"\n')
    api.services.definitions.refresh()
    for shop, zone in ((api.other, "Asia/Tokyo"), (api.shop, "UTC")):
        with api.client(shop.keys[Role.VIEWER]) as client:
            (route,) = [one for one in client.get("/_dash-dependencies").json() if "bar.children" in one["output"]]
            outputs = [{"id": name, "property": "children"} for name in ("bar", "main")]
            body = {"output": route["output"], "outputs": outputs, "changedPropIds": ["url.pathname"], "state": [],
                    "inputs": [{"id": "url", "property": "pathname", "value": "/kpi"}]}  # fmt: skip
            assert f"Times in {zone}" in str(client.post("/_dash-update-component", json=body).json())


def test_the_command_line_checks_a_folder_of_tenants(tmp_path: Path) -> None:
    home = tmp_path / "acme"
    home.mkdir()
    (home / "on_time_delivery.toml").write_text("target = 0.9\n")
    (home / "web.toml").write_text("version = 1\n\nname = = 1\n")
    command = [sys.executable, "-c", "from api.cli import main; main()", "kpi", "check", str(tmp_path)]
    bad = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert bad.returncode == 2
    assert "acme/web.toml:3: not TOML" in bad.stderr


@pytest.mark.parametrize(
    ("path", "question", "status", "said"),
    [
        ("fil_rate", {}, 404, "no KPI 'fil_rate'"),
        ("fil_rate/series", {}, 404, "no KPI 'fil_rate'"),
        ("fil_rate/cases", {}, 404, "no KPI 'fil_rate'"),
        ("fil_rate/breakdown", {"by": "channel"}, 404, "no KPI 'fil_rate'"),
        ("orders_placed/series", {"start": "2026-03-06T00:00:00Z"}, 400, "a period ends after it starts"),
        ("orders_placed/cases", {"start": "2026-03-06T00:00:00Z"}, 400, "a period ends after it starts"),
        ("orders_placed/breakdown", {"by": "channel", "end": "2026-03-01T00:00:00Z"}, 400, "a period ends after"),
        ("orders_placed/series", {"start": "1990-01-01T00:00:00Z", "grain": "hour"}, 413, "at most 20,000 buckets"),
        ("orders_placed/cases", {"start": "1960-01-01T00:00:00Z"}, 400, "a period lies in the years 1970 to 2105"),
        ("orders_placed/series", {"basis": "colour"}, 400, "orders_placed has no basis 'colour'"),
        ("orders_placed/breakdown", {"by": "colour"}, 400, "orders_placed has no dimension 'colour'"),
        ("orders_placed/cases", {"role": "misses"}, 400, "orders_placed has no misses"),
        ("orders_placed/cases", {"role": "x"}, 400, "there is no role 'x'"),
        ("orders_placed/cases", {"value": "x"}, 400, "value needs the dimension"),
        ("orders_placed/cases", {"after": "x"}, 400, "after is not what a page gave"),
        ("queue_age/cases", {}, 400, "queue_age is computed by a statement"),
        ("orders_placed/series", {"dimension": "x"}, 400, "orders_placed stores no dimension beside its total"),
        (
            "integration_failure_rate/series",
            {"dimension": "x"},
            400,
            "stores no dimension 'x'",
        ),
        ("on_time_in_full/burn-down", {"target": "97"}, 400, "target: a ratio is 0 to 1 (97 % is 0.97), got 97"),
        ("on_time_in_full/series", {"start": "2026-03-01T00:00:00 01:00"}, 400, "query.start: Input should be a valid"),
        ("on_time_in_full/compare", {"end": "yesterday"}, 400, "query.end: Input should be a valid datetime"),
    ],
)
def test_a_wrong_question_says_what_to_do(
    api: Api, path: str, question: dict[str, str], status: int, said: str
) -> None:
    period = {} if path.endswith(("fil_rate", "burn-down")) else PERIOD
    answer = got(api, path, period | question)
    assert said in refused(answer, status)
    assert answer.json()["hint"]
