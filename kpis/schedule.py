"""When the KPI jobs run: every interval, and once a day over everything, on a background thread.

What is done about a run that is missed: one that is late because the machine slept or the run before it was long is
made up for once, however many were missed and however late it is (up to a day of the minute job, two of the daily one);
no job runs twice at a time. After a restart the first run follows at once and takes up where the stored mark says; the
daily run follows a day after the last whole one, of whichever process (`RunLedger.due`), at once when that is past.
It promises no exact times.

Of several processes with one state database only that with the lease runs jobs; the others ask for it in every
interval, and take over when it has expired.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from apscheduler.schedulers.background import BackgroundScheduler

from core import OpsintelError, get_logger
from kpis.jobs import KpiJobs
from kpis.run_ledger import RunLedger
from kpis.run_report import RunReport

if TYPE_CHECKING:
    from storage.state.lease import Lease

log = get_logger(__name__)

DAY = timedelta(days=1)
MISFIRE_GRACE_S, DAILY_GRACE_S = 86_400, 2 * 86_400
"""How late a run may begin; the library's own default of a second would skip late runs without a word."""


class JobObserver(Protocol):
    """Who counts runs; metrics.own.OwnMetrics is one."""

    def job(self, name: str) -> AbstractContextManager[None]:
        """Times what happens within, and counts a failure when it raises."""
        ...


class KpiSchedule:
    """Runs the jobs every `interval_s` seconds from `start()` to `stop()`."""

    def __init__(
        self,
        jobs: KpiJobs,
        interval_s: int,
        observer: JobObserver | None = None,
        *,
        lease: Lease | None = None,
        ledger: RunLedger | None = None,
    ) -> None:
        """lease: without one this process runs the jobs. ledger: says when the daily run is due; else in a day."""
        self._jobs, self._observer, self._lease = jobs, observer, lease
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
            self._run,
            "interval",
            args=("kpis-all", jobs.recompute_all),
            days=DAY.days,
            id="kpis-all",
            next_run_time=ledger.due("kpis-all", DAY) if ledger else datetime.now(UTC) + DAY,
            misfire_grace_time=DAILY_GRACE_S,
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
        try:
            if self._lease is not None and not self._lease.hold():
                return
            with self._observer.job(name) if self._observer else nullcontext():
                report = work()
                if report.failures:
                    raise OpsintelError("; ".join(report.failures))
        except OpsintelError as problem:
            log.error("kpi run failed", job=name, error=str(problem))
            return
        for left_out in report.left_out:
            log.warning("kpi left out", job=name, reason=left_out)
        if report.rows:
            log.info("kpis computed", job=name, buckets=report.buckets, rows=report.rows)
