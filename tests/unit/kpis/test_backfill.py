"""Backfills: values of a period computed anew, in steps that are not done twice when it was killed in between."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest

from core import Conflict, InvalidInput, ManualClock, StorageError
from kpis import KpiJobs, RunReport, load_catalogue
from kpis.backfill import Backfill, Progress, Step, period_slices
from storage import ClickHouse, StateDb
from tests.unit.kpis.events import Call, load_calls, load_events, moment
from tests.unit.kpis.test_view_kpis import RETURNS, order, stored, told

CHOSEN = (
    "orders_placed",
    "returns_requested",
    "refund_backlog",
    "refund_time_from_request",
    "integration_failure_rate",
)
MARCH, MAY = moment("2026-03-01T00:00"), moment("2026-05-01T00:00")


@pytest.fixture
def jobs(clickhouse: ClickHouse, tenant: str, clock: ManualClock) -> KpiJobs:
    """Two months of a few orders, returns and calls, computed."""
    clock.advance((MAY - clock.now()).total_seconds())
    events = []
    for week in range(8):
        at = MARCH + timedelta(days=7 * week, hours=3)
        events.append(order(f"O{week}", f"{at:%Y-%m-%dT%H:%M}"))
        events.append(told(RETURNS, f"R{week}", "return.requested", f"{at:%Y-%m-%dT%H:%M}", 1))
        events.append(told(RETURNS, f"R{week}", "return.received", f"{at + timedelta(hours=9):%Y-%m-%dT%H:%M}", 1))
        events.append(told(RETURNS, f"R{week}", "refund.issued", f"{at + timedelta(3):%Y-%m-%dT%H:%M}", amount="9"))
    load_events(clickhouse, tenant, events, clock.now())
    load_calls(clickhouse, tenant, [Call("a->b", MARCH + timedelta(days=n), n + 1) for n in (3, 50)], clock.now())
    found = KpiJobs(clickhouse, clock, load_catalogue().chosen(lambda one: one.id in CHOSEN), [tenant])
    assert not found.run_once().failures
    return found


def spoil(ch: ClickHouse, tenant: str, clock: ManualClock) -> None:
    """As if everything had been computed wrongly."""
    clock.advance(60)
    ch.command(
        "INSERT INTO kpi_values SELECT * REPLACE(7 AS Value, 7 AS Numerator, 7 AS SampleSize,"
        " {now:DateTime64(3)} AS ComputedAt)"
        " FROM kpi_values FINAL WHERE TenantId = {tenant:String} AND Grain != 'run'",
        {"tenant": tenant, "now": clock.now()},
    )
    ch.command(
        "INSERT INTO kpi_partials SELECT * REPLACE(77 AS Numerator, 7 AS Counted, Version + 1 AS Version)"
        " FROM kpi_partials FINAL WHERE TenantId = {tenant:String} AND Hour > 0",
        {"tenant": tenant},
    )
    clock.advance(60)


def test_everything_is_as_it_was_computed_once(
    jobs: KpiJobs, clickhouse: ClickHouse, state: StateDb, tenant: str, clock: ManualClock
) -> None:
    once = stored(clickhouse, tenant)
    assert len({kpi for kpi, *_ in once}) == len(CHOSEN)
    spoil(clickhouse, tenant, clock)
    assert stored(clickhouse, tenant) != once
    steps = jobs.backfill_steps(tenant, (), MARCH - timedelta(days=40), MAY + timedelta(days=1))
    report = Backfill(state, clock, ("all",), 2).run(steps)
    assert report.rows > 0
    assert stored(clickhouse, tenant) == once


def test_a_period_and_a_kpi_alone(
    jobs: KpiJobs, clickhouse: ClickHouse, state: StateDb, tenant: str, clock: ManualClock
) -> None:
    """April's orders are put right; March's and the returns stay as they are, wrong."""
    once = stored(clickhouse, tenant)
    spoil(clickhouse, tenant, clock)
    spoiled, april = stored(clickhouse, tenant), moment("2026-04-01T00:00")
    Backfill(state, clock, ("april",)).run(jobs.backfill_steps(tenant, ["orders_placed"], april, MAY))
    for bucket, figures in stored(clickhouse, tenant).items():
        kpi, _, _, start = bucket
        assert figures == (once if kpi == "orders_placed" and april <= start < MAY else spoiled)[bucket]


def counting(done: list[str], name: str, fails: Callable[[], bool] = lambda: False) -> Step:
    def work(name: str) -> RunReport:
        if fails():
            raise StorageError("the engine is gone")
        done.append(name)
        return RunReport(rows=1)

    return Step(name, 1, partial(work, name))


def test_killed_it_goes_on_where_it_was(state: StateDb, clock: ManualClock) -> None:
    done: list[str] = []
    broken = [True]
    steps = [counting(done, f"s{n}", lambda n=n: n == 3 and broken[0]) for n in range(6)]
    with pytest.raises(StorageError, match="the engine is gone"):
        Backfill(state, clock, ("a",), 1).run(steps)
    assert done == ["s0", "s1", "s2"]
    broken[0] = False
    seen: list[Progress] = []
    report = Backfill(state, clock, ("a",), 1).run(steps, seen.append)
    assert done == [f"s{n}" for n in range(6)]
    assert (seen[0].before, seen[0].done, seen[-1].done, seen[-1].step, report.rows) == (3, 3, 6, "s5", 3)
    Backfill(state, clock, ("a",), 1).run(steps)
    assert len(done) == 12, "it was whole, so the same question is another backfill"


def test_it_begins_no_step_without_its_lease_and_goes_on_later(state: StateDb, clock: ManualClock) -> None:
    done: list[str] = []
    steps = [counting(done, f"s{number}") for number in range(4)]
    with pytest.raises(Conflict, match="2 of 4 steps are done"):
        Backfill(state, clock, ("led",), 1).run(steps, leading=lambda: len(done) < 2)
    assert done == ["s0", "s1"]
    Backfill(state, clock, ("led",), 1).run(steps)
    assert done == ["s0", "s1", "s2", "s3"]


def test_another_question_starts_anew(state: StateDb, clock: ManualClock) -> None:
    done: list[str] = []
    failing = [counting(done, "s0"), counting(done, "s1", lambda: True)]
    with pytest.raises(StorageError):
        Backfill(state, clock, ("a",), 1).run(failing)
    Backfill(state, clock, ("b",), 1).run([counting(done, "s0")])
    assert done == ["s0", "s0"]
    clock.advance(8 * 86_400)
    Backfill(state, clock, ("a",), 1).run([counting(done, "s0")])
    assert done == ["s0", "s0", "s0"], "what was done a week ago is done again"


def test_stages_follow_one_another(state: StateDb, clock: ManualClock) -> None:
    done: list[str] = []
    steps = [
        Step(f"{stage}", stage, partial(lambda s: done.append(s) or RunReport(), f"{stage}")) for stage in (2, 1, 3)
    ]
    Backfill(state, clock, ("stages",), 4).run(steps)
    assert done == ["1", "2", "3"]


def test_what_cannot_be_asked_for(state: StateDb, clock: ManualClock) -> None:
    with pytest.raises(InvalidInput, match="a backfill's period ends after it starts"):
        list(period_slices(MAY, MARCH))
    with pytest.raises(InvalidInput, match="1 to 4 steps run side by side, got 9"):
        Backfill(state, clock, (), 9)


def test_a_bucket_without_a_fact_is_emptied(
    jobs: KpiJobs, clickhouse: ClickHouse, state: StateDb, tenant: str, clock: ManualClock
) -> None:
    """As if a correction had been missed: a day that has values and no orders, once in the period and once before."""
    once = stored(clickhouse, tenant)
    clickhouse.command(
        "INSERT INTO kpi_values SELECT * REPLACE(addDays(BucketStart, 1) AS BucketStart) FROM kpi_values FINAL"
        " WHERE TenantId = {tenant:String} AND KpiId = 'orders_placed' AND Grain = 'day'",
        {"tenant": tenant},
    )
    clock.advance(60)
    assert len(stored(clickhouse, tenant)) > len(once)
    april = moment("2026-04-01T00:00")
    Backfill(state, clock, ("april",)).run(jobs.backfill_steps(tenant, ["orders_placed"], april, MAY))
    assert all(start < april for _, _, _, start in stored(clickhouse, tenant).keys() - once.keys())
    assert not jobs.recompute_all().failures
    assert stored(clickhouse, tenant) == once


def test_every_definition_with_a_statement_of_its_own_can_be(
    clickhouse: ClickHouse, state: StateDb, tenant: str, clock: ManualClock
) -> None:
    """Some of their statements take parameters."""
    load_calls(clickhouse, tenant, [Call("a->b", clock.now(), 1, True), Call("a->b", clock.now(), 2)], clock.now())
    jobs = KpiJobs(clickhouse, clock, load_catalogue().chosen(lambda one: bool(one.source)), [tenant])
    jobs.run_once()
    once = stored(clickhouse, tenant)
    spoil(clickhouse, tenant, clock)
    steps = jobs.backfill_steps(tenant, (), clock.now() - timedelta(days=9), clock.now() + timedelta(days=1))
    Backfill(state, clock, ("statements",), 2).run(steps)
    assert stored(clickhouse, tenant) == once
