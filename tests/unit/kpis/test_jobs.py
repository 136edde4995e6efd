"""The jobs: what they take in, what they leave alone, and what they do when something goes wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType

import pytest

from core import ManualClock, StoreUnavailable
from kpis import Catalogue, KpiJobs, RunReport, latest_values, series
from kpis.jobs import chunks
from storage import ClickHouse
from tests.unit.kpis.events import ORDERS, RETURNS, Call, Event, headline_kpis, load_calls, load_events, moment

CATALOGUE = headline_kpis()


def line(at: datetime, order: str, event: str = "placed", **extra: float) -> Event:
    """An event of an order's only line."""
    attributes = {"retail.order.line.id": "L1"}
    return Event(ORDERS, order, f"retail.order.line.{event}", at, f"{order}{event}", 1.0, "5", attributes, **extra)  # type: ignore[arg-type]


def test_tenants_do_not_share_a_number(clickhouse: ClickHouse, tenant: str, clock: ManualClock) -> None:
    other = f"{tenant}-other"
    load_events(clickhouse, tenant, [line(clock.now(), "O1"), line(clock.now(), "O1", "shipped")], clock.now())
    load_events(clickhouse, other, [line(clock.now(), "O1"), line(clock.now(), "O2")], clock.now())
    load_calls(clickhouse, other, [Call("a->b", clock.now(), 1, True)], clock.now())
    KpiJobs(clickhouse, clock, CATALOGUE, lambda: [tenant, other]).run_once()
    mine = {(value.kpi_id, value.basis): value for value in latest_values(clickhouse, tenant)}
    theirs = {(value.kpi_id, value.basis): value for value in latest_values(clickhouse, other)}
    assert mine["fill_rate", "line"].value == 1.0
    assert ("integration_failure_rate", "") not in mine
    assert (theirs["fill_rate", "line"].value, theirs["fill_rate", "line"].open_cases) == (None, 2)
    assert theirs["integration_failure_rate", ""].value == 1.0


def test_everybody_with_data_is_computed_when_no_tenants_are_named(
    clickhouse: ClickHouse, tenant: str, clock: ManualClock
) -> None:
    load_calls(clickhouse, tenant, [Call("a->b", clock.now(), 1)], clock.now())
    KpiJobs(clickhouse, clock, Catalogue({"i": CATALOGUE.get("integration_failure_rate")})).run_once()
    assert series(clickhouse, tenant, "integration_failure_rate")[0].sample_size == 1


def test_a_run_without_news_writes_nothing(clickhouse: ClickHouse, tenant: str, clock: ManualClock) -> None:
    jobs = KpiJobs(clickhouse, clock, CATALOGUE, [tenant])
    report = jobs.run_once()
    assert (report.computed, report.unchanged, report.rows) == (2, 1, 0), "the views are made for the first time"
    load_events(clickhouse, tenant, [line(clock.now(), "O1")], clock.now())
    first = jobs.run_once()
    assert (first.computed, first.unchanged, first.buckets, first.rows) == (1, 1, 16, 16), "4 bases in 4 grains"
    clock.advance(3_600)
    last = jobs.run_once()
    assert (last.computed, last.unchanged, last.buckets, last.rows) == (0, 3, 0, 0)


def test_only_touched_buckets_are_written(clickhouse: ClickHouse, tenant: str, clock: ManualClock) -> None:
    old, new = moment("2026-02-01T10:20"), moment("2026-03-02T08:20")
    load_events(clickhouse, tenant, [line(old, "O1"), line(new, "O2")], clock.now())
    clock.advance(600)
    load_events(clickhouse, tenant, [Event("procure-to-pay", "P1", "retail.goods.received", new, "p1")], clock.now())
    jobs = KpiJobs(clickhouse, clock, CATALOGUE, [tenant])
    jobs.run_once()
    before = clock.now()
    clock.advance(600)
    load_events(clickhouse, tenant, [line(old + timedelta(days=20), "O1", "shipped")], clock.now())
    jobs.run_once()
    found = series(clickhouse, tenant, "fill_rate", grain="hour")
    assert [(value.bucket_start, value.value, value.computed_at) for value in found] == [
        (old.replace(minute=0), 1.0, clock.now()),
        (new.replace(minute=0), None, before),
    ]
    assert len({value.data_through for value in found}) == 1, "what was not touched is as fresh as the run"


def test_a_receipt_from_the_future_does_not_hide_what_comes_next(
    clickhouse: ClickHouse, tenant: str, clock: ManualClock
) -> None:
    """A receiver's clock may be ahead of the jobs'."""
    load_calls(clickhouse, tenant, [Call("a->b", clock.now(), 1)], clock.now() + timedelta(days=2))
    jobs = KpiJobs(clickhouse, clock, CATALOGUE, [tenant])
    jobs.run_once()
    assert series(clickhouse, tenant, "integration_failure_rate")[0].data_through == clock.now()
    clock.advance(120)
    load_calls(clickhouse, tenant, [Call("a->b", clock.now(), 2, True)], clock.now())
    jobs.run_once()
    assert series(clickhouse, tenant, "integration_failure_rate")[0].value == 0.5


def test_what_became_visible_out_of_order_is_taken_in_by_the_full_pass(
    clickhouse: ClickHouse, tenant: str, clock: ManualClock
) -> None:
    jobs = KpiJobs(clickhouse, clock, CATALOGUE, [tenant])
    load_calls(clickhouse, tenant, [Call("a->b", clock.now(), 1)], clock.now())
    jobs.run_once()
    load_calls(clickhouse, tenant, [Call("a->b", clock.now(), 2, True)], clock.now() - timedelta(hours=2))
    jobs.run_once()
    assert series(clickhouse, tenant, "integration_failure_rate")[0].value == 0.0
    jobs.recompute_all()
    assert series(clickhouse, tenant, "integration_failure_rate")[0].value == 0.5


def test_a_new_version_is_computed_from_the_start(clickhouse: ClickHouse, tenant: str, clock: ManualClock) -> None:
    load_calls(clickhouse, tenant, [Call("a->b", clock.now() - timedelta(days=3), 1, True)], clock.now())
    KpiJobs(clickhouse, clock, CATALOGUE, [tenant]).run_once()
    newer = replace(CATALOGUE.get("integration_failure_rate"), version=2)
    catalogue = Catalogue(MappingProxyType({newer.id: newer}))
    assert series(clickhouse, tenant, newer.id, catalogue=catalogue) == []
    assert latest_values(clickhouse, tenant, catalogue=catalogue) == []
    KpiJobs(clickhouse, clock, catalogue, [tenant]).run_once()
    assert [value.version for value in series(clickhouse, tenant, newer.id, catalogue=catalogue)] == [2]
    assert {value.version for value in latest_values(clickhouse, tenant, catalogue=catalogue)} == {2}
    assert {value.version for value in latest_values(clickhouse, tenant)} == {1}


def test_days_begin_in_the_configured_zone(clickhouse: ClickHouse, tenant: str, clock: ManualClock) -> None:
    """Half past ten at night in UTC is the next day in Calcutta, whose days begin at half past six in the evening."""
    load_calls(clickhouse, tenant, [Call("a->b", moment("2026-03-01T22:30"), 1)], clock.now())
    KpiJobs(clickhouse, clock, CATALOGUE, [tenant], timezone="Asia/Kolkata").run_once()
    (day,) = series(clickhouse, tenant, "integration_failure_rate")
    (hour,) = series(clickhouse, tenant, "integration_failure_rate", grain="hour")
    assert (day.bucket_start, hour.bucket_start) == (moment("2026-03-01T18:30"), moment("2026-03-01T22:30"))


def test_a_kpi_that_fails_leaves_the_others_alone(clickhouse: ClickHouse, tenant: str, clock: ManualClock) -> None:
    broken = replace(CATALOGUE.get("integration_failure_rate"), compute_sql="SELECT nonsense FROM nowhere")
    catalogue = Catalogue({**CATALOGUE.definitions, broken.id: broken})
    received = Event(RETURNS, "R1", "retail.return.received", clock.now(), "r1")
    load_events(clickhouse, tenant, [line(clock.now(), "O1"), received], clock.now())
    load_calls(clickhouse, tenant, [Call("a->b", clock.now(), 1)], clock.now())
    jobs = KpiJobs(clickhouse, clock, catalogue, [tenant])
    report = jobs.run_once()
    assert len(report.failures) == 1
    assert report.failures[0].startswith(f"{tenant}: integration_failure_rate: ")
    assert series(clickhouse, tenant, "refund_turnaround")[0].open_cases == 1
    assert series(clickhouse, tenant, "fill_rate")[0].open_cases == 1
    KpiJobs(clickhouse, clock, CATALOGUE, [tenant]).run_once()
    made_up = series(clickhouse, tenant, "integration_failure_rate")[0]
    assert made_up.sample_size == 1, "no mark was set, so it is made up for"


class Dying:
    """The real engine, until the n-th insert."""

    def __init__(self, ch: ClickHouse, inserts: int) -> None:
        self._ch, self._left = ch, inserts
        self.query = ch.query

    def insert_rows(self, *args: object) -> None:
        """Raises when there are none left."""
        if not self._left:
            raise StoreUnavailable("gone")
        self._left -= 1
        self._ch.insert_rows(*args)  # type: ignore[arg-type]


@pytest.mark.parametrize("inserts", range(3))
def test_a_run_that_dies_at_any_write_is_made_up_for(
    clickhouse: ClickHouse, tenant: str, clock: ManualClock, inserts: int
) -> None:
    load_calls(clickhouse, tenant, [Call("a->b", clock.now(), 1)], clock.now())
    with pytest.raises(StoreUnavailable):
        KpiJobs(Dying(clickhouse, inserts), clock, CATALOGUE, [tenant]).run_once()  # type: ignore[arg-type]
    clock.advance(86_400)
    KpiJobs(clickhouse, clock, CATALOGUE, [tenant]).run_once()
    for grain in ("hour", "day"):
        assert [value.sample_size for value in series(clickhouse, tenant, "integration_failure_rate", grain=grain)] == [
            1
        ]


def test_stopped_jobs_compute_nothing_more(clickhouse: ClickHouse, tenant: str, clock: ManualClock) -> None:
    load_calls(clickhouse, tenant, [Call("a->b", clock.now(), 1)], clock.now())
    jobs = KpiJobs(clickhouse, clock, CATALOGUE, [tenant])
    jobs.stop()
    assert jobs.run_once() == RunReport()


def test_chunks_are_cut_at_gaps_and_after_a_week() -> None:
    start = moment("2026-03-01T00:00")
    hours = [start + timedelta(hours=n) for n in range(24 * 8)]
    later = [start + timedelta(days=30), start + timedelta(days=30, hours=5)]
    assert list(chunks(reversed([*hours, *later]))) == [hours[: 24 * 7], hours[24 * 7 :], later]
    assert list(chunks([])) == []
