"""A definition that the engine cannot compute is left out, told in the report and the ledger, and the rest computed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core import ManualClock
from kpis import Catalogue, KpiJobs, load_catalogue, series
from kpis.run_ledger import Outcome, RunLedger
from storage import ClickHouse, StateDb
from tests.unit.kpis.events import load_events, moment
from tests.unit.kpis.test_view_kpis import order

GOOD = ("orders_placed", "sales_value", "touchpoints_per_case")
DAY = moment("2026-03-02T00:00")


def catalogue(numerator: str) -> Catalogue:
    """Three sound definitions and one over the same view as the first."""
    known = load_catalogue()
    wrong = replace(known.get("order_cancellation_rate"), numerator=numerator, bases=())
    return Catalogue({one: known.get(one) for one in GOOD} | {wrong.id: wrong})


@pytest.fixture
def ledger(state: StateDb, clock: ManualClock) -> RunLedger:
    return RunLedger(state, clock)


def run(ch: ClickHouse, jobs: KpiJobs, tenant: str, clock: ManualClock, number: int, amount: str = "1") -> list[str]:
    """One more order; what was left out."""
    event = replace(order(f"O{number}", "2026-03-02T08:00"), amount=amount)
    load_events(ch, tenant, [event], clock.now(), segment=number)
    clock.advance(60)
    report = jobs.run_once()
    return [*report.left_out, *report.failures]


def placed(ch: ClickHouse, tenant: str) -> float | None:
    (value,) = series(ch, tenant, "orders_placed")
    return value.value


def test_an_expression_that_the_engine_does_not_understand(
    clickhouse: ClickHouse, tenant: str, clock: ManualClock, ledger: RunLedger
) -> None:
    jobs = KpiJobs(clickhouse, clock, catalogue("CancleReason = 'x'"), [tenant], ledger=ledger)
    for number in (1, 2):
        (said,) = run(clickhouse, jobs, tenant, clock, number)
        assert said.startswith("order_cancellation_rate: left out, the engine refuses its definition: ")
        assert "CancleReason" in said
        assert placed(clickhouse, tenant) == number
        told = ledger.runs(tenant)[0]
        assert (told.outcome, told.error) == (Outcome.PARTIAL, said)
    assert series(clickhouse, tenant, "order_cancellation_rate") == []
    right = catalogue("CancelReason != ''")
    mended = KpiJobs(clickhouse, clock, right, [tenant], ledger=ledger)
    assert run(clickhouse, mended, tenant, clock, 3) == []
    assert placed(clickhouse, tenant) == 3
    (value,) = series(clickhouse, tenant, "order_cancellation_rate", catalogue=right)
    assert (value.value, value.sample_size) == (0, 3)


def test_an_expression_that_fails_on_what_arrives_later(
    clickhouse: ClickHouse, tenant: str, clock: ManualClock
) -> None:
    """The run that meets it fails as a whole; the next one finds out whose it is."""
    jobs = KpiJobs(clickhouse, clock, catalogue("throwIf(Amount > 5)"), [tenant])
    assert run(clickhouse, jobs, tenant, clock, 1) == []
    (failed,) = run(clickhouse, jobs, tenant, clock, 2, amount="6")
    assert "KPIs over views" in failed
    (said,) = run(clickhouse, jobs, tenant, clock, 3)
    assert said.startswith("order_cancellation_rate: left out")
    assert placed(clickhouse, tenant) == 3
