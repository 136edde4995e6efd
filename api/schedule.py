"""The scheduled jobs of one process: KPIs, cases and what predictions of them were worth, alert rules,
unfinished control commands, reports on a schedule, the ledger's balance, retention.

A late run is made up once, never skipped in silence; no job runs twice at a time. Of the processes that run jobs
(`jobs_enabled`) and share a state database, one at a time holds the lease and does what is done for all; what a process
does for itself (its own metrics, its own copy of definitions) each does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial

from apscheduler.schedulers.background import BackgroundScheduler

from api import retention
from api.services import Services
from core import OpsintelError, get_logger
from kpis import KpiSchedule

MISFIRE_GRACE_S = 3_600
CONTROL_INTERVAL_S = 5
QUARANTINE_INTERVAL_S = 30
PREDICTIONS_INTERVAL_S = 60
REPORTS_INTERVAL_S = 60
LEASE_INTERVAL_S = 15
FOR_ITSELF = frozenset({"kpi-overrides", "kpi-gauges", "balance", "cardinality"})
"""Jobs that every process runs, with the lease or without."""
RESOLUTION_AT_MOST_S = 20.0
"""Looking at all spans anew takes longer; cases are brought up to date in between."""

log = get_logger("api.jobs")


class JobSchedule:
    """Runs them from `start()` to `stop()`."""

    def __init__(self, services: Services) -> None:
        self._services, self._stopping = services, threading.Event()
        self._led: bool | None = None
        self._kpis = KpiSchedule(
            services.kpis,
            services.settings.kpi_interval_s,
            services.own,
            lease=services.lease,
            ledger=services.kpi_runs,
        )
        self._scheduler = BackgroundScheduler(
            timezone=UTC, job_defaults={"misfire_grace_time": MISFIRE_GRACE_S, "coalesce": True, "max_instances": 1}
        )
        self._scheduler.add_job(self._hold, "interval", seconds=LEASE_INTERVAL_S, id="lease")
        if services.settings.kpi_overrides_dir:
            self._add("kpi-overrides", services.definitions.refresh, services.settings.kpi_interval_s)
        if services.settings.kpi_gauges:
            self._add("kpi-gauges", services.gauges.refresh, services.settings.kpi_interval_s)
        self._add("alerts", services.alerts.evaluate, services.settings.alert_interval_s)
        self._add("control", services.control.tick, CONTROL_INTERVAL_S)
        self._add("cases", self.look_at_cases, services.settings.cases_interval_s)
        self._add("predictions", self.judge_predictions, PREDICTIONS_INTERVAL_S)
        self._add("reports", services.reports.tick, REPORTS_INTERVAL_S)
        self._add("balance", services.balance.check, services.settings.balance_interval_s)
        self._add("retention", partial(retention.run, services), services.settings.retention_interval_s)
        self._add("quarantine", services.quarantine.finish, QUARANTINE_INTERVAL_S)
        self._add("cardinality", services.cardinality.run, services.settings.cardinality_interval_s)

    def _add(self, name: str, work: Callable[[], object], seconds: int) -> None:
        self._scheduler.add_job(
            self._run, "interval", args=(name, work), seconds=seconds, id=name, next_run_time=datetime.now(UTC)
        )

    def look_at_cases(self) -> None:
        """Steps found for cases first, then the cases. What goes wrong with the first keeps nobody from the second."""
        try:
            self._run("resolution", partial(self._services.resolution.run_once, at_most_s=RESOLUTION_AT_MOST_S))
        finally:
            self._services.cases.run_once()

    def judge_predictions(self) -> None:
        """What predictions of lateness turned out to be worth, worked out where that is due, for the lists to use."""
        found, streams = self._services, self._services.models.streams()
        for tenant, stream in found.cases.made():
            if self._stopping.is_set():
                return
            if stream in streams:
                found.corrections.keep(found.ch, tenant, streams[stream], found.clock.now())

    def _hold(self) -> None:
        """Says again that this process runs the jobs, so that a long run keeps the lease; or asks for it."""
        lease = self._services.lease
        try:
            leads = lease.hold()
        except OpsintelError as error:
            log.error("the lease cannot be asked for", error=str(error))
            return
        if leads != self._led:
            self._led = leads
            log.info("this process runs the jobs" if leads else "another process runs the jobs", holder=lease.holder)

    def _run(self, name: str, work: Callable[[], object]) -> None:
        with ExitStack() as stack:
            if self._services.tracing:
                stack.enter_context(self._services.tracing.job(name))
            try:
                if name not in FOR_ITSELF and not (self._services.lease.held or self._services.lease.hold()):
                    return
                with self._services.own.job(name):
                    work()
            except OpsintelError as error:
                log.error("job failed", job=name, error=str(error))

    def start(self) -> None:
        """Starts the threads; the first runs follow at once."""
        if self._services.ch.embedded and self._services.state.engine.dialect.name == "sqlite":
            self._services.lease.seize()  # the lock on the data directory says that who held it is dead
        self._hold()
        self._kpis.start()
        self._scheduler.start()

    def stop(self) -> None:
        """Waits for what is under way."""
        self._stopping.set()
        self._services.resolution.stop()
        self._services.cases.stop()
        self._services.reports.stop()
        self._kpis.stop()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)
        try:
            self._services.lease.release()
        except OpsintelError as error:
            log.error("the lease was not given back; it expires", error=str(error))
