"""The KPI jobs: they recompute the buckets that newly received data touched, and write them to `kpi_values`.

Late data change the old bucket they belong to, and a bucket recomputed equals a bucket computed once. How far a KPI's
job has come is a row of its own (grain 'run') in the same table, written after the values: a run that dies is repeated.
News is told by the time of receipt, looked at with an overlap. Data that becomes visible later than the overlap after
its receipt, out of order, is not noticed by a run; `recompute_all` takes it in, which the schedule calls once a day.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from core import Clock, OpsintelError, StoreUnavailable, get_logger
from kpis.backfill import Step, period_slices
from kpis.definitions import Catalogue, KpiDefinition, TenantKpis
from kpis.periods import Calendar, Grain
from kpis.run_ledger import RunLedger
from kpis.run_report import RunReport
from kpis.value_rows import COLUMNS, RUN
from kpis.view_values import ViewValues
from kpis.views import Details
from metrics.read_models import as_utc, sql_second, sql_time
from storage import load_sql

if TYPE_CHECKING:
    from storage import ClickHouse

log = get_logger(__name__)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
LAST_SECOND = datetime(2106, 2, 7, 6, 28, 15, tzinfo=UTC)
"""The engine's DateTime ends here, and so does the last bucket."""
CHUNK = timedelta(days=7)
ORDER: tuple[Grain, ...] = ("hour", "day", "week", "month")
SUMMED: tuple[Grain, ...] = ("week", "month")
"""Grains that are added up from the days' values."""
LIMITS = {
    "max_bytes_before_external_group_by": 256 << 20,
    "max_bytes_before_external_sort": 256 << 20,
    # Compiling takes 0.2 to 0.3 s for a statement, which then runs for some milliseconds.
    "compile_expressions": 0,
}


class KpiJobs:
    """Computes every KPI of the catalogue for every tenant. One run at a time; a second caller waits.

    tenants: the names, a function that gives them, or None for everybody who has data. timezone: the IANA zone whose
    hours and days are the buckets. overlap: how far before the last receipt taken in a run looks again. kpis_of: the
    definitions and the calendar of a tenant, in place of catalogue and timezone; asked anew in every run. details:
    see `kpis.views.Details`. ledger: where runs are noted. leading: whether it may go on; asked between steps.
    """

    def __init__(
        self,
        ch: ClickHouse,
        clock: Clock,
        catalogue: Catalogue,
        tenants: Sequence[str] | Callable[[], Sequence[str]] | None = None,
        *,
        timezone: str = "UTC",
        overlap: timedelta = timedelta(minutes=1),
        details: Callable[[], Details] = dict,
        kpis_of: Callable[[str], TenantKpis] | None = None,
        ledger: RunLedger | None = None,
        leading: Callable[[], bool] = lambda: True,
        term: Callable[[], int] = lambda: 0,
    ) -> None:
        """term: the number of the lease's holding, by which who runs the jobs and who did before keep apart."""
        same = TenantKpis(catalogue, Calendar(timezone))
        self._kpis_of = kpis_of or (lambda _: same)
        self._ch, self._clock, self._tenants = ch, clock, tenants
        self._overlap, self._ledger, self._leading = overlap, ledger, leading
        self._running = threading.Lock()
        self._stopping = threading.Event()
        self._seen: dict[tuple[str, str, int], tuple[datetime, int]] = {}
        self._view_values = ViewValues(ch, clock, self._kpis_of, details, term)

    def run_once(self) -> RunReport:
        """Takes in what was received since the last run; everything where there was none.

        A KPI that fails is logged and reported, and leaves the others alone. Raises StoreUnavailable when the engine
        cannot be used at all.
        """
        return self._run(everything=False)

    def recompute_all(self) -> RunReport:
        """Computes every bucket there is data for anew."""
        return self._run(everything=True)

    def backfill_steps(self, tenant: str, ids: Sequence[str], start: datetime, end: datetime) -> list[Step]:
        """What computes the values of these KPIs (all when none is named) in [start, end) anew.

        Do them with `kpis.backfill.Backfill` after a `run_once`, in the same process. Raises NotFound for an unknown
        KPI, InvalidInput for a period that ends before it starts.
        """
        kpis, now = self._kpis_of(tenant), self._clock.now()
        chosen = [kpis.catalogue.get(one) for one in ids] or list(kpis.catalogue)
        slices = list(period_slices(start, end))
        names = {one.id for one in chosen if one.view}
        steps = self._view_values.backfill_steps(tenant, names, slices, now) if names else []
        for definition in chosen:
            if definition.source:
                steps += [
                    Step(
                        f"{definition.id} of {first:%Y-%m-%d}",
                        2,
                        partial(self._backfill_source, tenant, definition, kpis.calendar, first, last, now),
                    )
                    for first, last in slices
                ]
        return steps

    def _backfill_source(
        self, tenant: str, definition: KpiDefinition, calendar: Calendar, start: datetime, end: datetime, now: datetime
    ) -> RunReport:
        asked = {**definition.parameters, "tenant": tenant, "tz": calendar.timezone, "since": sql_time(EPOCH)}
        touched = self._ch.query(definition.touched_sql, asked, LIMITS).rows
        report = RunReport(computed=1)
        starts = _buckets_of(touched, calendar)
        for grain, at in self._stored(tenant, definition):
            starts[grain].add(at)
        for grain in sorted(definition.grains, key=ORDER.index):
            for chunk in _together(grain, (at for at in starts[grain] if start <= at < end)):
                rows = self._bucket_rows(tenant, definition, calendar, grain, chunk, now, now)
                self._ch.insert_rows("kpi_values", COLUMNS, rows)
                report += RunReport(buckets=len(chunk), rows=len(rows))
        return report

    def stop(self) -> None:
        """Ends a run under way after its current statement; its KPI is then repeated by the next run."""
        self._stopping.set()
        self._view_values.stop()

    def _run(self, *, everything: bool) -> RunReport:
        with self._running:
            total = RunReport()
            for tenant in self._tenant_names():
                if self._over:
                    break
                total += self._noted("kpis-all" if everything else "kpis", tenant, everything)
            return total

    @property
    def _over(self) -> bool:
        return self._stopping.is_set() or not self._leading()

    def _noted(self, job: str, tenant: str, everything: bool) -> RunReport:
        """A tenant's run, in the ledger from its beginning to its end."""
        if self._ledger is None:
            return self._of_tenant(tenant, everything)
        run = self._ledger.begin(job, tenant)
        try:
            report = self._of_tenant(tenant, everything)
        except OpsintelError as problem:
            self._ledger.fail(run, str(problem))
            raise
        self._ledger.end(run, report, stopped=self._over)
        return report

    def _of_tenant(self, tenant: str, everything: bool) -> RunReport:
        report, kpis = RunReport(), self._kpis_of(tenant)
        marks = {} if everything else self._marks(tenant, kpis.calendar)
        for definition in kpis.catalogue:
            if self._over:
                return report
            if definition.source:
                report += self._guarded(tenant, definition, kpis.calendar, marks)
        return report + self._from_views(tenant, everything)

    def _from_views(self, tenant: str, everything: bool) -> RunReport:
        try:
            return self._view_values.run(tenant, everything=everything)
        except StoreUnavailable:
            raise
        except OpsintelError as problem:
            log.error("kpis failed", tenant=tenant, error=str(problem))
            return RunReport(failures=(f"{tenant}: KPIs over views: {problem}",))

    def _tenant_names(self) -> Sequence[str]:
        if self._tenants is None:
            return [name for (name,) in self._ch.query(load_sql("kpis", "tenants")).rows]
        return self._tenants() if callable(self._tenants) else self._tenants

    def _guarded(
        self, tenant: str, definition: KpiDefinition, calendar: Calendar, marks: Mapping[tuple[str, int], datetime]
    ) -> RunReport:
        try:
            return self._compute(tenant, definition, calendar, marks.get((definition.id, definition.version)))
        except StoreUnavailable:
            raise
        except OpsintelError as problem:
            log.error("kpi failed", kpi=definition.id, tenant=tenant, error=str(problem))
            return RunReport(failures=(f"{tenant}: {definition.id}: {problem}",))

    def _compute(
        self, tenant: str, definition: KpiDefinition, calendar: Calendar, reached: datetime | None
    ) -> RunReport:
        now = self._clock.now()
        since = EPOCH if reached is None else max(reached - self._overlap, EPOCH)
        newest, arrived = self._ch.query(
            load_sql("kpis", f"received_{definition.source}"), {"tenant": tenant, "since": sql_time(since)}
        ).rows[0]
        key, sight = (tenant, definition.id, definition.version), (as_utc(newest), int(arrived))
        if not arrived or (reached is not None and self._seen.get(key) == sight):
            return RunReport(unchanged=1)
        # A receipt ahead of this clock must not carry the mark into the future and hide what comes next.
        through = min(as_utc(newest), now)
        touched = self._ch.query(
            definition.touched_sql,
            {**definition.parameters, "tenant": tenant, "tz": calendar.timezone, "since": sql_time(since)},
            LIMITS,
        ).rows
        starts = _buckets_of(touched, calendar)
        if reached is None:  # buckets of another calendar must not stay
            for grain, start in self._stored(tenant, definition):
                starts[grain].add(start)
        report = RunReport(computed=1)
        for grain in sorted(definition.grains, key=ORDER.index):
            for chunk in _together(grain, starts[grain]):
                if self._stopping.is_set():
                    return report
                rows = self._bucket_rows(tenant, definition, calendar, grain, chunk, through, now)
                self._ch.insert_rows("kpi_values", COLUMNS, rows)
                report += RunReport(buckets=len(chunk), rows=len(rows))
        self._mark(tenant, definition, calendar, through, now)
        self._seen[key] = sight
        return report

    def _marks(self, tenant: str, calendar: Calendar) -> dict[tuple[str, int], datetime]:
        """By KPI and version: everything received until then is in its values, by this calendar."""
        rows = self._ch.query(load_sql("kpis", "computed_versions"), {"tenant": tenant}).rows
        return {(kpi, int(version)): as_utc(at) for kpi, version, at, said, _ in rows if said == calendar.name}

    def _stored(self, tenant: str, definition: KpiDefinition) -> list[tuple[Grain, datetime]]:
        asked = {"tenant": tenant, "ids": [definition.id], "versions": [definition.version]}
        rows = self._ch.query(load_sql("kpis", "stored_buckets"), asked).rows
        return [(grain, as_utc(start)) for _, _, grain, start in rows if grain in definition.grains]

    def _bucket_rows(
        self,
        tenant: str,
        definition: KpiDefinition,
        calendar: Calendar,
        grain: Grain,
        chunk: Sequence[datetime],
        through: datetime,
        now: datetime,
    ) -> list[tuple[Any, ...]]:
        buckets = [sql_second(start) for start in chunk]
        ends = [min(calendar.end(grain, start), LAST_SECOND) for start in chunk]
        found = self._ch.query(
            load_sql("kpis", "sums_of_days") if grain in SUMMED else definition.compute_sql,
            {
                **definition.parameters,
                "tenant": tenant,
                "kpi": definition.id,
                "version": definition.version,
                "grain": grain,
                "tz": calendar.timezone,
                "buckets": buckets,
                "ends": [sql_second(end) for end in ends],
                "start": sql_time(chunk[0]),
                "end": sql_time(ends[-1]),
            },
            LIMITS,
        ).dicts()
        lead = (tenant, definition.id, definition.version)
        rows: list[tuple[Any, ...]] = []
        keys = set()
        for row in found:
            at = as_utc(row["BucketStart"])
            key = (row["Basis"], row["Dimension"], row["DimensionValue"], at)
            keys.add(key)
            figures = (row["Value"], row["Numerator"], row["Denominator"])
            counts = (row["SampleSize"], row["Excluded"], row["OpenCases"])
            rows.append((*lead, *key[:3], grain, at, *figures, *counts, through, now))
        # What a correction took out of a bucket altogether must not stand there for ever.
        stored = self._ch.query(
            load_sql("kpis", "stored_keys"),
            {"tenant": tenant, "kpi": lead[1], "version": lead[2], "grain": grain, "buckets": buckets},
        ).rows
        for basis, dimension, value, start in stored:
            if (basis, dimension, value, as_utc(start)) not in keys:
                rows.append(
                    (*lead, basis, dimension, value, grain, as_utc(start), None, 0.0, 0.0, 0, 0, 0, through, now)
                )
        return rows

    def _mark(
        self, tenant: str, definition: KpiDefinition, calendar: Calendar, through: datetime, now: datetime
    ) -> None:
        key = (tenant, definition.id, definition.version, "", "", calendar.name, RUN, EPOCH)
        row = (*key, None, 0.0, 0.0, 0, 0, 0, through, now)
        self._ch.insert_rows("kpi_values", COLUMNS, [row])


def _buckets_of(touched: Iterable[Sequence[Any]], calendar: Calendar) -> dict[Grain, set[datetime]]:
    """The buckets by grain that rows of (hour, day) lie in."""
    starts: dict[Grain, set[datetime]] = {"hour": set(), "day": set()}
    for hour, day in touched:
        starts["hour"].add(as_utc(hour))
        starts["day"].add(as_utc(day))
    return starts | {grain: {calendar.start(grain, day) for day in starts["day"]} for grain in SUMMED}


def _together(grain: Grain, starts: Iterable[datetime]) -> Iterable[list[datetime]]:
    """Buckets that one statement computes: a week or a month is added up alone."""
    return [[one] for one in sorted(starts)] if grain in SUMMED else chunks(starts)


def chunks(starts: Iterable[datetime]) -> Iterator[list[datetime]]:
    """Bucket starts in order, cut where more than a day lies between two or more than a week would be read at once."""
    chunk: list[datetime] = []
    for start in sorted(starts):
        if chunk and (start - chunk[-1] > DAY or start - chunk[0] >= CHUNK):
            yield chunk
            chunk = []
        chunk.append(start)
    if chunk:
        yield chunk
