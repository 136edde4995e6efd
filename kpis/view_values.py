"""Values of the KPIs over canonical views: the buckets whose facts changed are added up anew and stored.

All measures of a view are added up in one reading, in all grains at once. A bucket that lost its last fact is stored as
empty. What could not be stored is done by the next run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from core import Clock
from kpis.definitions import TenantKpis
from kpis.measures import MILLIONTHS, Measure, by_view, facts_sql, measures, parameters, value_of
from kpis.periods import FIRST_YEAR, LAST_YEAR, Grain
from kpis.run_report import RunReport
from kpis.value_rows import COLUMNS, RUN
from kpis.view_jobs import EPOCH, FACTS, LIMITS, TABLE, Changed, Hours, ViewJobs
from kpis.views import VIEWS, Details, View
from storage import load_sql

if TYPE_CHECKING:
    from storage import ClickHouse

ROWS_AT_ONCE = 100_000
COARSE: tuple[Grain, ...] = ("day", "week", "month")
Key = tuple[int, Grain, int]
"""Number of a measure, grain, second at which the bucket begins."""


class ViewValues:
    """Computes the KPIs over views of the catalogue. Not for two threads at a time."""

    def __init__(
        self,
        ch: ClickHouse,
        clock: Clock,
        kpis_of: Callable[[str], TenantKpis],
        details: Callable[[], Details] = dict,
    ) -> None:
        self._ch, self._clock, self._kpis_of = ch, clock, kpis_of
        self._views = ViewJobs(ch, clock, details)
        self._pending: dict[str, dict[str, Hours] | None] = {}
        self._taken: dict[str, TenantKpis] = {}

    def _take(self, tenant: str) -> None:
        """What this run goes by: the tenant's definitions and calendar as they are now."""
        kpis = self._kpis_of(tenant)
        if self._taken.get(tenant, kpis) is not kpis and tenant in self._pending:
            self._pending[tenant] = None  # its hours name measures by numbers that may have moved
        self._taken[tenant] = kpis
        self._calendar = kpis.calendar
        self._definitions = [definition for definition in kpis.catalogue if definition.view]
        self._measures = by_view(measures(self._definitions))

    def stop(self) -> None:
        """Ends a run under way after its current statement; the next run does what is left."""
        self._views.stop()

    def run(self, tenant: str, *, everything: bool = False) -> RunReport:
        """Takes in what was received since the last run, or everything."""
        self._take(tenant)
        if not self._definitions:
            return RunReport()
        every = everything or self._pending.get(tenant, {}) is None or self._newly_in_force(tenant)
        changed = self._views.run(tenant, self._measures, self._calendar.timezone, everything=everything)
        hours = self._remember(tenant, changed, every)
        if hours is not None and not any(hours.values()):
            if changed.cases:
                self._views.keep(tenant)
                self._store_runs(tenant, changed.through)
            return RunReport(unchanged=len(self._definitions))
        done = self._store(tenant, hours, changed.through)
        self._store_runs(tenant, changed.through)
        self._views.keep(tenant)
        del self._pending[tenant]
        return done

    def _remember(self, tenant: str, changed: Changed, every: bool) -> dict[str, Hours] | None:
        """The hours to compute, those of a failed run among them; None is all."""
        before = self._pending.get(tenant, {})
        if every or changed.everything or before is None:
            self._pending[tenant] = None
            return None
        for name, hours in changed.hours.items():
            before.setdefault(name, set()).update(hours)
        self._pending[tenant] = before
        return before

    def _newly_in_force(self, tenant: str) -> bool:
        """Whether a definition was not computed by the last run: a new one, another version, or another calendar."""
        rows = self._ch.query(load_sql("kpis", "computed_versions"), {"tenant": tenant}).rows
        done = {(name, int(version)): (through, said) for name, version, through, said in rows}
        wanted = [done.get((one.id, one.version), (EPOCH, "")) for one in self._definitions]
        newest = max(through for through, _ in wanted)
        return any(through < newest or said != self._calendar.name for through, said in wanted)

    def _store(self, tenant: str, hours: dict[str, Hours] | None, through: datetime) -> RunReport:
        buckets = written = 0
        for view in VIEWS:
            chosen = self._measures.get(view.name)
            if not chosen or (hours is not None and not hours.get(view.name)):
                continue
            wanted = None if hours is None else self._buckets(hours[view.name])
            found = self._sums(tenant, view, chosen, wanted)
            keys = set(found) if wanted is None else wanted
            keys |= self._stored(tenant, chosen) if wanted is None else set()
            rows = list(self._rows(tenant, chosen, keys, found, through))
            for at in range(0, len(rows), ROWS_AT_ONCE):
                self._ch.insert_rows("kpi_values", COLUMNS, rows[at : at + ROWS_AT_ONCE])
            buckets, written = buckets + len(keys), written + len(rows)
        return RunReport(computed=len(self._definitions), buckets=buckets, rows=written)

    def _buckets(self, hours: Hours) -> set[Key]:
        """The buckets of all grains that the hours lie in."""
        found: set[Key] = set()
        starts: dict[int, list[tuple[Grain, int]]] = {}
        for number, hour in hours:
            if hour not in starts:
                at = datetime.fromtimestamp(hour, UTC)
                starts[hour] = [("hour", hour)]
                starts[hour] += [(grain, int(self._calendar.start(grain, at).timestamp())) for grain in COARSE]
            found |= {(number, grain, start) for grain, start in starts[hour]}
        return found

    def _sums(
        self, tenant: str, view: View, chosen: Sequence[Measure], wanted: set[Key] | None
    ) -> dict[Key, tuple[Any, ...]]:
        low, high = self._span(tenant, view, wanted)
        first, last = datetime.fromtimestamp(low, UTC).year - 1, datetime.fromtimestamp(high, UTC).year + 1
        asked = sorted(wanted or ())
        params = {
            **parameters(chosen),
            "tenant": tenant,
            "tz": self._calendar.timezone,
            "all": int(wanted is None),
            "low": low,
            "high": high,
            "days": list(self._calendar.starts("day", first, last)),
            "weeks": list(self._calendar.starts("week", first, last)),
            "months": list(self._calendar.starts("month", first, last)),
            "ordered": [number for number, measure in enumerate(chosen) if measure.ordered],
            "ms": [number for number, _, _ in asked],
            "grains": [grain for _, grain, _ in asked],
            "starts": [start for _, _, start in asked],
        }
        text = load_sql("kpis", "view_buckets").replace(FACTS, facts_sql(chosen)).replace(TABLE, view.table)
        rows = self._ch.query(text, params, LIMITS).rows
        return {(int(row[0]), row[1], int(row[2])): tuple(row[3:]) for row in rows}

    def _span(self, tenant: str, view: View, wanted: set[Key] | None) -> tuple[int, int]:
        """From the first second that matters to the first that does not."""
        if wanted is not None:
            starts = [start for _, _, start in wanted]
            after = [self._calendar.end(grain, datetime.fromtimestamp(start, UTC)) for _, grain, start in wanted]
            return min(starts), int(max(after).timestamp())
        text = load_sql("kpis", "view_years").replace(TABLE, view.table)
        first, last = self._ch.query(text, {"tenant": tenant}).rows[0]
        years = self._calendar.starts("day", max(FIRST_YEAR, int(first) - 1), min(LAST_YEAR, int(last) + 3))
        return years[0], years[-1]

    def _rows(
        self,
        tenant: str,
        chosen: Sequence[Measure],
        keys: set[Key],
        found: dict[Key, tuple[Any, ...]],
        through: datetime,
    ) -> Iterator[tuple[Any, ...]]:
        now, nothing = self._clock.now(), (0, 0, 0, 0, 0, (0.0, 0.0))
        for key in sorted(keys):
            number, grain, start = key
            measure = chosen[number]
            if grain not in measure.definition.grains:
                continue
            numerator, denominator, counted, left_out, opened, percentiles = found.get(key, nothing)
            numerator, denominator = int(numerator) / MILLIONTHS, int(denominator) / MILLIONTHS
            figures = (numerator, denominator, counted, *(part / MILLIONTHS for part in percentiles))
            at = datetime.fromtimestamp(start, UTC)
            for basis, statistic in measure.statistics:
                value = value_of(statistic, figures)
                yield (
                    tenant,
                    measure.definition.id,
                    measure.definition.version,
                    basis,
                    "",
                    "",
                    grain,
                    at,
                    value,
                    numerator,
                    denominator,
                    int(counted),
                    int(left_out),
                    int(opened),
                    through,
                    now,
                )

    def _stored(self, tenant: str, chosen: Sequence[Measure]) -> set[Key]:
        """What is stored of these measures, to find the buckets that have no fact any more."""
        by_basis = {
            (measure.definition.id, basis): number
            for number, measure in enumerate(chosen)
            for basis, _ in measure.statistics
        }
        named = {measure.definition.id: measure.definition.version for measure in chosen}
        rows = self._ch.query(
            load_sql("kpis", "stored_buckets"),
            {"tenant": tenant, "ids": list(named), "versions": list(named.values())},
        ).rows
        return {
            (by_basis[kpi, basis], grain, int(start.timestamp()))
            for kpi, basis, grain, start in rows
            if (kpi, basis) in by_basis
        }

    def _store_runs(self, tenant: str, through: datetime) -> None:
        now = self._clock.now()
        rows = [
            (tenant, one.id, one.version, "", "", self._calendar.name, RUN, EPOCH, None, 0, 0, 0, 0, 0, through, now)
            for one in self._definitions
        ]
        self._ch.insert_rows("kpi_values", COLUMNS, rows)
