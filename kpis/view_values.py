"""Values of the KPIs over canonical views: hours whose facts changed are changed, their buckets added up and stored.

A measure that is new (a definition was added, or counts in another way) is added up from all rows of its view. A bucket
that lost its last fact is stored as empty. A definition that the engine refuses is left out, and told in each report.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from core import Clock, LimitExceeded, StorageError, StoreUnavailable, get_logger
from kpis.backfill import Step
from kpis.definitions import TenantKpis
from kpis.facts import facts_parameters
from kpis.levels import Levels
from kpis.limits import FEW, LIMITS
from kpis.measures import FIRST_SECOND, LAST_SECOND, MILLIONTHS, Measure, by_view, measures, value_of, with_minutes
from kpis.partials import Change, Partials
from kpis.periods import FIRST_YEAR, LAST_YEAR, Grain
from kpis.run_report import RunReport
from kpis.value_rows import COLUMNS, RUN
from kpis.view_jobs import EPOCH, ViewJobs, side_by_side
from kpis.view_rows import facts_of
from kpis.views import Details, view
from storage import load_sql

if TYPE_CHECKING:
    from storage import ClickHouse

log = get_logger(__name__)

ROWS_AT_ONCE = 100_000
COARSE: tuple[Grain, ...] = ("day", "week", "month")
MINUTES = timedelta(hours=6)
"""Of so long ago until now, buckets of minutes are computed, of KPIs whose definition lists minutes."""
MINUTES_SHOWN = timedelta(days=7)
"""Then they go, with the daily run."""
BUCKET_START = COLUMNS.index("BucketStart")
Bucket = tuple[int, Grain, int]
"""Key of a measure, grain, second at which the bucket begins."""


class ViewValues:
    """Computes the KPIs over views of the catalogue. Not for two threads at a time."""

    def __init__(
        self,
        ch: ClickHouse,
        clock: Clock,
        kpis_of: Callable[[str], TenantKpis],
        details: Callable[[], Details] = dict,
        term: Callable[[], int] = lambda: 0,
    ) -> None:
        self._ch, self._clock, self._kpis_of = ch, clock, kpis_of
        self._views, self._partials, self._levels = ViewJobs(ch, clock, details, term), Partials(ch), Levels(ch, clock)
        self._taken: dict[str, TenantKpis] = {}
        self._all_refused: dict[str, dict[str, str]] = {}

    def _take(self, tenant: str) -> None:
        """What this run goes by: the tenant's definitions and calendar as they are now."""
        kpis = self._kpis_of(tenant)
        if self._taken.get(tenant) is not kpis:
            self._all_refused[tenant] = {}
        self._taken[tenant], self._refused = kpis, self._all_refused[tenant]
        self._failed: dict[str, str] = {}
        self._kpis, self._calendar = kpis, kpis.calendar
        self._definitions = [definition for definition in kpis.catalogue if definition.view]
        chosen = with_minutes(measures(self._definitions))
        self._measures = {measure.key(self._calendar.timezone): measure for measure in chosen}
        self._views.rows.recent = int((self._clock.now() - MINUTES).timestamp()) // 60 * 60

    def stop(self) -> None:
        """Ends a run under way after its current statement; the next run does what is left."""
        self._views.stop()

    def run(self, tenant: str, *, everything: bool = False) -> RunReport:
        """Takes in what was received since the last run, or everything."""
        self._take(tenant)
        if not self._definitions:
            return RunReport()
        if everything:
            self._refused.clear()
            self._forget_minutes(tenant)
        complete = set() if everything else self._partials.complete(tenant) & self._in_force(tenant)
        changed = self._views.run(
            tenant, self._chosen(complete), self._calendar.timezone, self._kpis.currency, everything=everything
        )
        if changed.stopped:
            return RunReport()
        changes = {key: sums for one in changed.changes.values() for key, sums in one.items()}
        if changed.everything:
            complete = set()
        done = RunReport(left_out=tuple(self._refused.values()), through=changed.through)
        new = self._chosen(self._measures.keys() - complete)
        if new or changed.cases:
            self._views.ensure_not_superseded(tenant)
        if new:
            done += self._add_up(tenant, new, changed.through)
        if changes:
            self._partials.apply(tenant, changes, self._views.rows.next_version())
        told = [
            partial(self._tell_sums, tenant, changes, changed.through),
            partial(self._tell_levels, tenant, complete, changes, new, changed.through),
        ]
        for one in side_by_side(told):
            done += one
        if not new and not changes:
            done += RunReport(unchanged=len(self._definitions) - len(self._refused))
        if new or changed.cases:
            self._store_runs(tenant, changed.through)
            self._views.keep(tenant)
        return done

    def backfill_steps(
        self, tenant: str, ids: Collection[str], slices: Sequence[tuple[datetime, datetime]], through: datetime
    ) -> list[Step]:
        """What computes the values of these KPIs in these periods anew; the rows of the views stay as they are."""
        self._take(tenant)
        self._views.rows.begin(0)
        chosen = {key: measure for key, measure in self._measures.items() if measure.definition.id in ids}
        steps = [
            Step(f"sums of {name}", 1, partial(self._sum_up, tenant, name, some))
            for name, some in by_view(chosen.values()).items()
        ]
        summed = {key for key, measure in chosen.items() if not measure.level}
        if summed:
            steps += [
                Step(f"values of {start:%Y-%m-%d}", 2, partial(self._values_of, tenant, summed, start, end, through))
                for start, end in slices
            ]
        if levels := {key: measure for key, measure in chosen.items() if measure.level}:
            steps.append(Step("levels", 2, partial(self._levels_of, tenant, levels, slices, through)))
        return steps

    def _sum_up(self, tenant: str, name: str, chosen: Sequence[Measure]) -> RunReport:
        version = self._views.rows.next_version()
        some, problems = self._fill(tenant, name, chosen, version)
        keys = sorted(measure.key(self._calendar.timezone) for measure in some)
        asked = {"tenant": tenant, "keys": keys, "version": version}
        self._ch.command(load_sql("kpis", "partials_bury"), asked, LIMITS)
        self._partials.set_complete(tenant, keys, version)
        return RunReport(computed=len({measure.definition.id for measure in some}), left_out=tuple(problems))

    def _values_of(
        self, tenant: str, keys: Collection[int], start: datetime, end: datetime, through: datetime
    ) -> RunReport:
        """The buckets that begin in a period, each whole."""
        last = end - timedelta(seconds=1)
        until = max(self._calendar.end(grain, self._calendar.start(grain, last)) for grain in ("hour", *COARSE))
        low, high = int(start.timestamp()), int(end.timestamp())
        found = self._buckets(tenant, keys, None, (low, int(until.timestamp())))
        within = {bucket: sums for bucket, sums in found.items() if low <= bucket[2] < high}
        stored = {bucket for bucket in self._stored(tenant, keys) if low <= bucket[2] < high}
        return self._store(tenant, set(within) | stored, within, through)

    def _levels_of(
        self,
        tenant: str,
        chosen: Mapping[int, Measure],
        slices: Sequence[tuple[datetime, datetime]],
        through: datetime,
    ) -> RunReport:
        rows, _ = self._levels.rows(tenant, chosen, (), chosen.keys(), self._calendar, through, self._views.rows.began)
        within = [row for row in rows if slices[0][0] <= row[BUCKET_START] < slices[-1][1]]
        self._insert(within)
        return RunReport(computed=len(chosen), buckets=len(within), rows=len(within))

    def _computed(self, kpi_id: str) -> bool:
        """Whether the run has found nothing against it."""
        return kpi_id not in self._refused and kpi_id not in self._failed

    def _chosen(self, keys: Collection[int]) -> dict[str, list[Measure]]:
        """Those of the measures that are computed, by view."""
        return by_view(
            measure
            for key, measure in self._measures.items()
            if key in keys and measure.definition.id not in self._refused
        )

    def _forget_minutes(self, tenant: str) -> None:
        keys = sorted(key for key, measure in self._measures.items() if measure.by_minute)
        if keys:
            recent, shown = datetime.fromtimestamp(self._views.rows.recent, UTC), self._clock.now() - MINUTES_SHOWN
            asked = {"tenant": tenant, "keys": keys, "before": recent}
            self._ch.command(load_sql("kpis", "minutes_forget_sums"), asked)
            self._ch.command(load_sql("kpis", "minutes_forget_values"), {"tenant": tenant, "before": shown})

    def _in_force(self, tenant: str) -> set[int]:
        """The measures of definitions that the last run computed, by this calendar; the others may have missed some."""
        rows = self._ch.query(load_sql("kpis", "computed_versions"), {"tenant": tenant}).rows
        done = {(name, int(version)): at for name, version, _, said, at in rows if said == self._calendar.name}
        newest = max((done.get((one.id, one.version), EPOCH) for one in self._definitions), default=EPOCH)
        last = {one.id for one in self._definitions if done.get((one.id, one.version)) == newest}
        return {key for key, measure in self._measures.items() if measure.definition.id in last}

    # --- sums of hours ---

    def _add_up(self, tenant: str, chosen: Mapping[str, Sequence[Measure]], through: datetime) -> RunReport:
        """All hours of these measures, and all of their buckets."""
        version = self._views.rows.next_version()
        done = side_by_side([partial(self._fill, tenant, name, some, version) for name, some in chosen.items()])
        keys = {measure.key(self._calendar.timezone) for some, _ in done for measure in some}
        left_out = tuple(problem for _, problems in done for problem in problems)
        self._ch.command(
            load_sql("kpis", "partials_bury"), {"tenant": tenant, "keys": sorted(keys), "version": version}, LIMITS
        )
        summed = {key for key in keys if not self._measures[key].level}
        report = RunReport()
        if summed:
            found = self._buckets(tenant, summed, None)
            report = self._store(tenant, set(found) | self._stored(tenant, summed), found, through)
        self._partials.set_complete(tenant, keys, version)
        ids = {self._measures[key].definition.id for key in keys}
        return report + RunReport(computed=len(ids), left_out=left_out)

    def _fill(self, tenant: str, name: str, chosen: Sequence[Measure], version: int) -> tuple[list[Measure], list[str]]:
        """Adds up the facts of a view; gives the measures that could be, and what is wrong with the others."""
        try:
            self._fill_at_once(tenant, name, chosen, version)
        except StoreUnavailable:
            raise
        except StorageError as problem:
            definitions = {measure.definition.id for measure in chosen}
            if len(definitions) == 1:
                (wrong,) = definitions
                log.error("kpi left out", kpi=wrong, error=problem.message)
                if isinstance(problem, LimitExceeded):  # which may pass: the next run tries again
                    self._failed[wrong] = f"{wrong}: left out of this run: {problem.message}"
                    return [], [self._failed[wrong]]
                self._refused[wrong] = f"{wrong}: left out, the engine refuses its definition: {problem.message}"
                return [], [self._refused[wrong]]
        else:
            return list(chosen), []
        parts = [
            self._fill(tenant, name, [one for one in chosen if one.definition.id == each], version)
            for each in sorted(definitions)
        ]
        return [one for some, _ in parts for one in some], [one for _, some in parts for one in some]

    def _fill_at_once(self, tenant: str, name: str, chosen: Sequence[Measure], version: int) -> None:
        tz = self._calendar.timezone
        sums = facts_of(view(name), chosen)
        params = {"tenant": tenant, "version": version, "keys": [measure.key(tz) for measure in chosen]}
        text = load_sql("kpis", "partials_fill").replace("/*sums*/", sums)
        self._ch.command(text, params | facts_parameters(chosen, tz, self._views.rows.recent), LIMITS)

    def _tell_sums(self, tenant: str, changes: Change, through: datetime) -> RunReport:
        """The buckets that changed hours lie in."""
        computed = RunReport(computed=len({self._measures[key].definition.id for key, _ in changes}))
        summed = {one for one in changes if not self._measures[one[0]].level}
        if not summed:
            return computed
        wanted = self._holding(summed)
        found = self._buckets(tenant, {key for key, _ in summed}, wanted)
        return self._store(tenant, wanted, found, through) + computed

    def _tell_levels(
        self,
        tenant: str,
        complete: Collection[int],
        changes: Change,
        new: Mapping[str, Sequence[Measure]],
        through: datetime,
    ) -> RunReport:
        """The buckets of levels after what changed, and those that ended since they were last told."""
        fresh = {measure.key(self._calendar.timezone) for some in new.values() for measure in some}
        chosen = {
            key: measure
            for key, measure in self._measures.items()
            if measure.level and (key in complete or key in fresh) and self._computed(measure.definition.id)
        }
        fresh &= chosen.keys()
        moved = [one for one in changes if one[0] in chosen]
        if not chosen or not (fresh or moved or self._levels.due(tenant, self._calendar)):
            return RunReport()
        rows, hour = self._levels.rows(tenant, chosen, moved, fresh, self._calendar, through, self._views.rows.began)
        self._insert(rows)
        self._levels.stored(tenant, hour)
        return RunReport(buckets=len(rows), rows=len(rows))

    def _holding(self, hours: Collection[tuple[int, int]]) -> set[Bucket]:
        """The buckets of all grains that the hours lie in."""
        found: set[Bucket] = set()
        starts: dict[int, list[tuple[Grain, int]]] = {}
        for key, hour in hours:
            if self._measures[key].by_minute:
                found.add((key, "minute", hour))
                continue
            if hour not in starts:
                at = datetime.fromtimestamp(hour, UTC)
                starts[hour] = [("hour", hour)]
                starts[hour] += [(grain, int(self._calendar.start(grain, at).timestamp())) for grain in COARSE]
            found |= {(key, grain, start) for grain, start in starts[hour]}
        return found

    def _buckets(
        self, tenant: str, keys: Collection[int], wanted: set[Bucket] | None, span: tuple[int, int] | None = None
    ) -> dict[Bucket, tuple[Any, ...]]:
        """What the hours of buckets add up to: those wanted, or all of a span, or all."""
        low, high = span or self._span(tenant, keys, wanted)
        first, last = datetime.fromtimestamp(low, UTC).year - 1, datetime.fromtimestamp(high, UTC).year + 1
        first, last = max(FIRST_YEAR, first), min(LAST_YEAR, last)
        asked = sorted(wanted or ())
        params = {
            "tenant": tenant,
            "keys": sorted(keys),
            "all": int(wanted is None),
            "by_minute": sorted(key for key in keys if self._measures[key].by_minute),
            "low": low,
            "high": high,
            "days": list(self._calendar.starts("day", first, last)),
            "weeks": list(self._calendar.starts("week", first, last)),
            "months": list(self._calendar.starts("month", first, last)),
            "measures": [key for key, _, _ in asked],
            "grains": [grain for _, grain, _ in asked],
            "starts": [start for _, _, start in asked],
        }
        limits = LIMITS if wanted is None else FEW
        rows = self._ch.query(load_sql("kpis", "partials_buckets"), params, limits).rows
        return {(int(row[0]), row[1], int(row[2])): tuple(row[3:]) for row in rows}

    def _span(self, tenant: str, keys: Collection[int], wanted: set[Bucket] | None) -> tuple[int, int]:
        """From the first second that matters to the first that does not."""
        if wanted is not None:
            starts = [start for _, _, start in wanted]
            after = {(grain, start): datetime.fromtimestamp(start, UTC) for _, grain, start in wanted}
            ends = [self._calendar.end(grain, at) for (grain, _), at in after.items()]
            return min(starts), min(int(max(ends).timestamp()), LAST_SECOND)
        found = self._ch.query(load_sql("kpis", "partials_span"), {"tenant": tenant, "keys": sorted(keys)}).rows
        first, last = found[0]
        return max(FIRST_SECOND - 86_400, int(first)), min(LAST_SECOND, int(last) + 3_600)

    # --- values ---

    def _store(
        self, tenant: str, buckets: set[Bucket], found: Mapping[Bucket, tuple[Any, ...]], through: datetime
    ) -> RunReport:
        rows = list(self._rows(tenant, buckets, found, through))
        self._insert(rows)
        return RunReport(buckets=len(buckets), rows=len(rows))

    def _insert(self, rows: Sequence[tuple[Any, ...]]) -> None:
        for at in range(0, len(rows), ROWS_AT_ONCE):
            self._ch.insert_rows("kpi_values", COLUMNS, rows[at : at + ROWS_AT_ONCE])

    def _rows(
        self, tenant: str, buckets: set[Bucket], found: Mapping[Bucket, tuple[Any, ...]], through: datetime
    ) -> Iterator[tuple[Any, ...]]:
        now, nothing = self._views.rows.began, (0, 0, 0, 0, 0, (0.0, 0.0))
        for bucket in sorted(buckets):
            key, grain, start = bucket
            measure = self._measures[key]
            if grain not in measure.definition.grains:
                continue
            numerator, denominator, counted, left_out, opened, percentiles = found.get(bucket, nothing)
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

    def _stored(self, tenant: str, keys: Collection[int]) -> set[Bucket]:
        """What is stored of these measures, to find the buckets that have no fact any more."""
        by_basis = {
            (self._measures[key].definition.id, basis, self._measures[key].by_minute): key
            for key in keys
            for basis, _ in self._measures[key].statistics
        }
        named = {self._measures[key].definition.id: self._measures[key].definition.version for key in keys}
        rows = self._ch.query(
            load_sql("kpis", "stored_buckets"),
            {"tenant": tenant, "ids": list(named), "versions": list(named.values())},
        ).rows
        return {
            (by_basis[kpi, basis, grain == "minute"], grain, int(start.timestamp()))
            for kpi, basis, grain, start in rows
            if (kpi, basis, grain == "minute") in by_basis
            and (grain != "minute" or int(start.timestamp()) >= self._views.rows.recent)
        }

    def _store_runs(self, tenant: str, through: datetime) -> None:
        now = self._views.rows.began
        rows = [
            (tenant, one.id, one.version, "", "", self._calendar.name, RUN, EPOCH, None, 0, 0, 0, 0, 0, through, now)
            for one in self._definitions
            if self._computed(one.id)
        ]
        self._ch.insert_rows("kpi_values", COLUMNS, rows)
