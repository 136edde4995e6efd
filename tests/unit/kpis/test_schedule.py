"""The schedule: it runs at once, counts runs and failures, and stops."""

from __future__ import annotations

import threading

from core import StoreUnavailable, SystemClock
from kpis import Catalogue, KpiJobs, KpiSchedule, RunReport, load_catalogue
from metrics.own import OwnMetrics
from storage import ClickHouse


class Scripted(KpiJobs):
    """Jobs whose runs end as told, and say when the last of them was reached."""

    def __init__(self, ch: ClickHouse, outcomes: list[RunReport | Exception]) -> None:
        super().__init__(ch, SystemClock(), Catalogue({}), [])
        self._outcomes, self.done = outcomes, threading.Event()

    def run_once(self) -> RunReport:
        """The next outcome."""
        if len(self._outcomes) == 1:
            self.done.set()
        outcome = self._outcomes.pop(0) if self._outcomes else RunReport()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def test_runs_are_counted_and_a_failure_does_not_end_the_schedule(clickhouse: ClickHouse) -> None:
    own = OwnMetrics(SystemClock(), version="1")
    jobs = Scripted(clickhouse, [StoreUnavailable("gone"), RunReport(failures=("no",)), RunReport(rows=1)])
    schedule = KpiSchedule(jobs, 1, own)
    schedule.start()
    assert jobs.done.wait(20)
    schedule.stop()
    schedule.stop()
    sample = own.registry.get_sample_value
    assert sample("opsintel_job_runs_total", {"job": "kpis", "outcome": "failure"}) == 2
    assert sample("opsintel_job_runs_total", {"job": "kpis", "outcome": "success"}) == 1


def test_late_runs_are_made_up_once(clickhouse: ClickHouse) -> None:
    """The library's own default forgets, without a word, a run that is a second late."""
    schedule = KpiSchedule(KpiJobs(clickhouse, SystemClock(), load_catalogue(), []), 60)
    schedule._scheduler.start(paused=True)
    found = {job.id: job for job in schedule._scheduler.get_jobs()}
    schedule.stop()
    assert set(found) == {"kpis", "kpis-all"}
    assert all(job.misfire_grace_time >= 300 and job.coalesce and job.max_instances == 1 for job in found.values())
