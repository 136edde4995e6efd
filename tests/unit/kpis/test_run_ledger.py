"""The ledger of runs: what it says of runs that did something, found nothing, failed, were stopped or died."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core import ManualClock, StoreUnavailable
from kpis import KpiJobs, RunReport
from kpis.run_ledger import Outcome, RunLedger
from storage import ClickHouse, StateDb
from tests.unit.kpis.events import Call, load_calls, statement_kpis

DAY = timedelta(days=1)


@pytest.fixture
def ledger(state: StateDb, clock: ManualClock) -> RunLedger:
    return RunLedger(state, clock, "here")


def finished(ledger: RunLedger, clock: ManualClock, report: RunReport, job: str = "kpis") -> Outcome:
    run = ledger.begin(job, "t")
    clock.advance(2)
    return ledger.end(run, report)


@pytest.mark.parametrize(
    ("report", "outcome", "error"),
    [
        (RunReport(computed=3, buckets=7, rows=9), Outcome.DONE, ""),
        (RunReport(unchanged=3), Outcome.UNCHANGED, ""),
        (RunReport(computed=2, failures=("t: a: no",)), Outcome.PARTIAL, "t: a: no"),
        (RunReport(failures=("t: a: no",)), Outcome.FAILED, "t: a: no"),
        (RunReport(computed=2, left_out=("b: refused",)), Outcome.PARTIAL, "b: refused"),
    ],
    ids=["did something", "nothing new", "some failed", "all failed", "a definition was left out"],
)
def test_a_run_is_noted_with_what_became_of_it(
    ledger: RunLedger, clock: ManualClock, report: RunReport, outcome: Outcome, error: str
) -> None:
    began = clock.now()
    assert finished(ledger, clock, report) is outcome
    (run,) = ledger.runs("t")
    assert (run.job, run.holder, run.began, run.ended) == ("kpis", "here", began, clock.now())
    assert (run.outcome, run.buckets, run.rows, run.error) == (outcome, report.buckets, report.rows, error)
    assert ledger.runs("another") == []


def test_runs_that_found_nothing_are_one_row(ledger: RunLedger, clock: ManualClock) -> None:
    for report in (RunReport(computed=1), *[RunReport(unchanged=1)] * 3, RunReport(computed=1), RunReport(unchanged=1)):
        finished(ledger, clock, report)
    told = [(run.outcome, run.repeats) for run in ledger.runs("t")]
    assert told == [(Outcome.UNCHANGED, 1), (Outcome.DONE, 1), (Outcome.UNCHANGED, 3), (Outcome.DONE, 1)]


def test_a_run_whose_process_died_is_interrupted_when_the_next_begins(ledger: RunLedger, clock: ManualClock) -> None:
    ledger.begin("kpis", "t")
    assert [run.outcome for run in ledger.runs("t")] == [Outcome.RUNNING]
    clock.advance(60)
    finished(ledger, clock, RunReport(computed=1))
    assert [run.outcome for run in ledger.runs("t")] == [Outcome.DONE, Outcome.INTERRUPTED]


def test_old_runs_go(ledger: RunLedger, clock: ManualClock) -> None:
    finished(ledger, clock, RunReport(computed=1))
    clock.advance(31 * 86_400)
    finished(ledger, clock, RunReport(computed=1))
    assert len(ledger.runs("t")) == 1


def test_the_daily_run_is_due_a_day_after_the_last_whole_one(ledger: RunLedger, clock: ManualClock) -> None:
    """However often the service was started in between; a failed one does not count, and what is overdue is due now."""
    first = clock.now()
    assert ledger.due("kpis-all", DAY) == first + DAY
    finished(ledger, clock, RunReport(unchanged=1))
    clock.advance(3_600)
    assert ledger.due("kpis-all", DAY) == first + DAY, "counted from the first run, not from this start"
    clock.advance(2 * 86_400)
    assert ledger.due("kpis-all", DAY) == clock.now()
    whole = clock.now()
    finished(ledger, clock, RunReport(computed=1), "kpis-all")
    finished(ledger, clock, RunReport(failures=("no",)), "kpis-all")
    assert ledger.due("kpis-all", DAY) == whole + DAY


def test_jobs_note_their_runs(
    clickhouse: ClickHouse, state: StateDb, tenant: str, clock: ManualClock, ledger: RunLedger
) -> None:
    jobs = KpiJobs(clickhouse, clock, statement_kpis(), [tenant], ledger=ledger)
    load_calls(clickhouse, tenant, [Call("a->b", clock.now(), 1)], clock.now())
    jobs.run_once()
    jobs.run_once()
    jobs.recompute_all()
    told = [(run.job, run.outcome, run.rows > 0) for run in ledger.runs(tenant)]
    assert told == [
        ("kpis-all", Outcome.DONE, True),
        ("kpis", Outcome.UNCHANGED, False),
        ("kpis", Outcome.DONE, True),
    ]
    assert ledger.runs(tenant, job="kpis", outcome="done")[0].id == ledger.runs(tenant)[2].id


def test_a_run_that_raises_has_failed(
    clickhouse: ClickHouse, tenant: str, clock: ManualClock, ledger: RunLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = KpiJobs(clickhouse, clock, statement_kpis(), [tenant], ledger=ledger)

    def gone(*_: object) -> None:
        raise StoreUnavailable("the engine is gone")

    monkeypatch.setattr(jobs, "_compute", gone)
    with pytest.raises(StoreUnavailable):
        jobs.run_once()
    (run,) = ledger.runs(tenant)
    assert (run.outcome, run.error) == (Outcome.FAILED, "the engine is gone")


def test_who_lost_the_lease_does_nothing_more(
    clickhouse: ClickHouse, tenant: str, clock: ManualClock, ledger: RunLedger
) -> None:
    asked = iter([True, True, False, False, False, False, False])
    jobs = KpiJobs(clickhouse, clock, statement_kpis(), [tenant], ledger=ledger, leading=lambda: next(asked))
    load_calls(clickhouse, tenant, [Call("a->b", clock.now(), 1)], clock.now())
    report = jobs.run_once()
    assert (report.computed, report.unchanged) == (1, 0), "of two KPIs the first"
    assert [run.outcome for run in ledger.runs(tenant)] == [Outcome.STOPPED]
