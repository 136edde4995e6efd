"""The ledger of runs: which KPI job ran when for whom, what it did, how far the data went, and why it failed.

A run stands in it from its beginning, as `running`; one that its process did not end is `interrupted` once another
begins. Runs that found nothing new, one after the other, are one row that says how many they were. Rows are kept for so
many days.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from core import Clock
from kpis.run_report import RunReport
from storage.state.lease_tables import KPI_RUNS

if TYPE_CHECKING:
    from storage import StateDb

KEPT = timedelta(days=30)
ERROR_LIMIT = 4_000
"""Characters of an error that are kept."""
MOST = 1_000
"""Runs that are told at once."""


class Outcome(StrEnum):
    """What became of a run."""

    RUNNING = "running"
    DONE = "done"
    UNCHANGED = "unchanged"
    PARTIAL = "partial"  # some definitions were left out or failed, the others computed
    FAILED = "failed"
    STOPPED = "stopped"  # the service was stopped, or lost its lease; the next run goes on
    INTERRUPTED = "interrupted"  # its process ended without a word


@dataclass(frozen=True)
class Run:
    """One run, or several in a row that found nothing new (`repeats`)."""

    id: int
    job: str
    tenant: str
    holder: str
    began: datetime
    ended: datetime | None
    outcome: Outcome
    repeats: int
    computed: int
    buckets: int
    rows: int
    data_through: datetime | None
    error: str


class RunLedger:
    """Runs in the state database. holder: names this process. Raises core.StorageError when the database fails."""

    def __init__(self, state: StateDb, clock: Clock, holder: str = "", kept: timedelta = KEPT) -> None:
        self._state, self._clock, self._holder, self._kept = state, clock, holder, kept

    def begin(self, job: str, tenant: str) -> int:
        """A run that begins; its number."""
        now, c = self._clock.now(), KPI_RUNS.c
        row = {
            "job": job,
            "tenant": tenant,
            "holder": self._holder,
            "began": now,
            "outcome": Outcome.RUNNING,
            "repeats": 1,
            "computed": 0,
            "buckets": 0,
            "rows": 0,
            "error": "",
        }
        left = (c.job == job) & (c.tenant == tenant) & (c.outcome == Outcome.RUNNING)
        with self._state.begin() as connection:
            connection.execute(update(KPI_RUNS).where(left).values(outcome=Outcome.INTERRUPTED, ended=now))
            connection.execute(delete(KPI_RUNS).where(c.began < now - self._kept))
            return int(connection.execute(insert(KPI_RUNS).values(row).returning(c.id)).scalar_one())

    def end(self, run: int, report: RunReport, *, stopped: bool = False) -> Outcome:
        """What the run did."""
        outcome = Outcome.STOPPED if stopped else outcome_of(report)
        told = {
            "ended": self._clock.now(),
            "outcome": outcome,
            "computed": report.computed,
            "buckets": report.buckets,
            "rows": report.rows,
            "data_through": report.through,
            "error": "; ".join((*report.failures, *report.left_out))[:ERROR_LIMIT],
        }
        with self._state.begin() as connection:
            connection.execute(update(KPI_RUNS).where(KPI_RUNS.c.id == run).values(told))
            if outcome is Outcome.UNCHANGED:
                self._join(connection, run)
        return outcome

    def fail(self, run: int, error: str) -> None:
        """The run ended with an error before it could report."""
        self.end(run, RunReport(failures=(error,)))

    def due(self, job: str, every: timedelta) -> datetime:
        """When the job is to run next: so long after its last whole run, else after the first run of any."""
        c, now = KPI_RUNS.c, self._clock.now()
        whole = c.outcome.in_((Outcome.DONE, Outcome.UNCHANGED, Outcome.PARTIAL))
        with self._state.connect() as connection:
            last = connection.scalar(select(func.max(c.began)).where(c.job == job, whole))
            last = last or connection.scalar(select(func.min(c.began)))
        return max(now, (last or now) + every)

    def runs(self, tenant: str, *, job: str = "", outcome: str = "", limit: int = 100) -> Sequence[Run]:
        """The newest runs first."""
        c = KPI_RUNS.c
        wanted: list[ColumnElement[bool]] = [c.tenant == tenant]
        wanted += [c.job == job] if job else []
        wanted += [c.outcome == outcome] if outcome else []
        query = select(KPI_RUNS).where(*wanted).order_by(c.began.desc(), c.id.desc()).limit(min(limit, MOST))
        with self._state.connect() as connection:
            return [Run(**{**row, "outcome": Outcome(row["outcome"])}) for row in connection.execute(query).mappings()]

    def _join(self, connection: Connection, run: int) -> None:
        """Makes one row of this run and the one before, when that found nothing new either."""
        c = KPI_RUNS.c
        this = connection.execute(select(KPI_RUNS).where(c.id == run)).mappings().one()
        same = (c.job == this["job"], c.tenant == this["tenant"], c.id < run)
        before = connection.execute(select(KPI_RUNS).where(*same).order_by(c.id.desc()).limit(1)).mappings().first()
        if before is None or before["outcome"] != Outcome.UNCHANGED or before["holder"] != this["holder"]:
            return
        through = this["data_through"] or before["data_through"]
        told = {"ended": this["ended"], "repeats": before["repeats"] + 1, "data_through": through}
        connection.execute(update(KPI_RUNS).where(c.id == before["id"]).values(told))
        connection.execute(delete(KPI_RUNS).where(c.id == run))


def outcome_of(report: RunReport) -> Outcome:
    """What a report says of its run."""
    if report.failures:
        return Outcome.PARTIAL if report.computed else Outcome.FAILED
    if report.left_out:
        return Outcome.PARTIAL
    return Outcome.DONE if report.computed or report.rows else Outcome.UNCHANGED
