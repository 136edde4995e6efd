"""Runs of the KPI jobs over HTTP, and that of two processes with one state database only one runs jobs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from api.schedule import JobSchedule
from core import ManualClock
from kpis import RunReport
from storage import ClickHouse
from storage.state.lease import Lease
from tests.unit.api.service import Api, serving


@pytest.fixture(scope="module")
def api(clickhouse: ClickHouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with serving(clickhouse, tmp_path_factory.mktemp("runs")) as found:
        yield found


def test_runs_are_told_with_who_runs_the_jobs(api: Api) -> None:
    ledger, tenant = api.services.kpi_runs, api.shop.tenant
    assert api.get("/api/v1/kpis/runs").json() == {"leader": None, "runs": []}
    api.services.lease.hold()
    ledger.end(ledger.begin("kpis", tenant), RunReport(computed=1, buckets=2, rows=3))
    ledger.end(ledger.begin("kpis-all", tenant), RunReport(failures=("no",)))
    ledger.end(ledger.begin("kpis", "another"), RunReport(computed=1))
    found = api.get("/api/v1/kpis/runs").json()
    assert found["leader"]["holder"] == api.services.lease.holder
    assert [(run["job"], run["outcome"], run["rows"], run["error"]) for run in found["runs"]] == [
        ("kpis-all", "failed", 0, "no"),
        ("kpis", "done", 3, ""),
    ]
    assert len(api.get("/api/v1/kpis/runs", job="kpis").json()["runs"]) == 1
    assert len(api.get("/api/v1/kpis/runs", outcome="failed", limit=1).json()["runs"]) == 1
    assert api.get("/api/v1/kpis/runs", outcome="great").status_code == 400
    api.services.lease.release()


def test_of_two_processes_one_runs_the_jobs_and_the_other_takes_over(api: Api, clock: ManualClock) -> None:
    ran: list[str] = []
    state = api.services.state
    schedules = {
        name: JobSchedule(replace(api.services, lease=Lease(state, clock, "two", name))) for name in ("first", "second")
    }

    def tick() -> list[str]:
        ran.clear()
        for name, schedule in schedules.items():
            schedule._run("alerts", lambda name=name: ran.append(name))
        return list(ran)

    assert tick() == ["first"]
    clock.advance(30)
    assert tick() == ["first"]
    schedules["first"]._hold()
    del schedules["first"]  # dies
    clock.advance(55)
    assert tick() == [], "it may still be at work"
    clock.advance(5)
    assert tick() == ["second"]


def test_what_a_process_does_for_itself_it_does_without_the_lease(api: Api, clock: ManualClock) -> None:
    state = api.services.state
    assert Lease(state, clock, "mine", "first").hold()
    other = JobSchedule(replace(api.services, lease=Lease(state, clock, "mine", "second")))
    ran: list[str] = []
    other._run("alerts", lambda: ran.append("alerts"))
    other._run("balance", lambda: ran.append("balance"))
    assert ran == ["balance"]
