"""When the KPI jobs run: every interval, and once a day over everything, on a background thread.

A run that is late because the machine slept or the previous run was long is made up once, never skipped in silence.
It promises no exact times. The schedule lives in memory: after a restart the first run follows at once, and takes up
where the stored mark says.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import Protocol

from apscheduler.schedulers.background import BackgroundScheduler

from core import OpsintelError, get_logger
from kpis.jobs import KpiJobs
from kpis.run_report import RunReport

log = get_logger(__name__)

MISFIRE_GRACE_S = 3_600
DAY_S = 86_400


class JobObserver(Protocol):
    """Who counts runs; metrics.own.OwnMetrics is one."""

    def job(self, name: str) -> AbstractContextManager[None]:
        """Times what happens within, and counts a failure when it raises."""
        ...


class KpiSchedule:
    """Runs the jobs every `interval_s` seconds from `start()` to `stop()`."""

    def __init__(self, jobs: KpiJobs, interval_s: int, observer: JobObserver | None = None) -> None:
        self._jobs, self._observer = jobs, observer
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            job_defaults={"misfire_grace_time": MISFIRE_GRACE_S, "coalesce": True, "max_instances": 1},
        )
        self._scheduler.add_job(
            self._run,
            "interval",
            args=("kpis", jobs.run_once),
            seconds=interval_s,
            id="kpis",
            next_run_time=datetime.now(UTC),
        )
        self._scheduler.add_job(
            self._run, "interval", args=("kpis-all", jobs.recompute_all), seconds=DAY_S, id="kpis-all"
        )

    def start(self) -> None:
        """Starts the thread; the first run follows at once."""
        self._scheduler.start()

    def stop(self) -> None:
        """Ends a run under way after its current statement, and the thread; safe to call twice."""
        self._jobs.stop()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def _run(self, name: str, work: Callable[[], RunReport]) -> None:
        timed = self._observer.job(name) if self._observer else nullcontext()
        try:
            with timed:
                report = work()
                if report.failures:
                    raise OpsintelError("; ".join(report.failures))
        except OpsintelError as problem:
            log.error("kpi run failed", job=name, error=str(problem))
            return
        if report.rows:
            log.info("kpis computed", job=name, buckets=report.buckets, rows=report.rows)
