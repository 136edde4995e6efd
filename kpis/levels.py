"""Levels: how many subjects are open at the end of a bucket, and for how long already (a backlog and its age).

A subject begins (`at`) and ends (`until`); what began less what ended until then is the level. Both are facts of their
hour like those of any other measure (see `kpis.measures`), so a level is a running sum over the hours, and an hour that
changed changes all later levels. Ages are added up as the moments of beginning: n·end - Σ begin.

A bucket that is not over tells the level until now; its age is that at the end of the last full hour. A subject that
becomes old enough to be counted ("older than a day") is counted from the beginning of that hour on. Hours are told for
the last `HOURS_BACK`, longer buckets for `YEARS_BACK`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from core import Clock
from kpis.limits import FEW
from kpis.measures import MILLIONTHS, Measure
from kpis.periods import Calendar, Grain
from storage import load_sql

if TYPE_CHECKING:
    from storage import ClickHouse

HOURS_BACK = timedelta(days=32)
YEARS_BACK = timedelta(days=3 * 366)
GRAINS: tuple[Grain, ...] = ("hour", "day", "week", "month")


@dataclass(frozen=True)
class _Steps:
    """A measure step by step: what had begun less what had ended at the end of each hour, in whole numbers."""

    hours: Sequence[int]
    open: Sequence[int]
    began: Sequence[int]
    """Sums of the beginnings of what is open, millionths of seconds."""
    seen: Sequence[int]

    def until(self, second: int) -> tuple[int, int, int]:
        """Open, the sum of their beginnings, and how many had begun, by the facts of the hours that begin before."""
        place = bisect_left(self.hours, second)
        return (self.open[place - 1], self.began[place - 1], self.seen[place - 1]) if place else (0, 0, 0)


class Levels:
    """Rows of `kpi_values` for measures that are levels. Not for two threads at a time."""

    def __init__(self, ch: ClickHouse, clock: Clock) -> None:
        self._ch, self._clock = ch, clock
        self._reached: dict[str, int] = {}

    def due(self, tenant: str, calendar: Calendar) -> bool:
        """Whether an hour has passed since the levels were last told."""
        return self._reached.get(tenant, 0) < _hour(calendar, self._clock.now())

    def rows(
        self,
        tenant: str,
        chosen: Mapping[int, Measure],
        changed: Collection[tuple[int, int]],
        new: Collection[int],
        calendar: Calendar,
        through: datetime,
        computed: datetime,
    ) -> tuple[list[tuple[Any, ...]], int]:
        """Buckets that end after an hour that changed, or that ended since the last time; of `new` measures all.

        computed: is told as the time of computing. The second part is for `stored`, once the rows are.
        """
        now = self._clock.now()
        hour = _hour(calendar, now)
        reached = self._reached.get(tenant, 0)
        first = dict.fromkeys(chosen, reached) if reached < hour else {}
        first |= dict.fromkeys(new, 0)
        for key, at in changed:
            if key in chosen:
                first[key] = min(first.get(key, at), at)
        rows = self._of_other_calendars(tenant, chosen, new, calendar, through, computed)
        for key, steps in self._steps(tenant, first, hour).items():
            since = max(first[key], steps.hours[0])
            for grain in chosen[key].definition.grains:
                if grain in GRAINS:
                    for start, end in _buckets(calendar, grain, since, now):
                        rows += _told(tenant, chosen[key], grain, start, steps, min(end, hour), end, through, computed)
        return rows, hour

    def _of_other_calendars(
        self,
        tenant: str,
        chosen: Mapping[int, Measure],
        new: Collection[int],
        calendar: Calendar,
        through: datetime,
        computed: datetime,
    ) -> list[tuple[Any, ...]]:
        """Empties the stored buckets of `new` measures that no bucket of the calendar begins with: it was another."""
        known = {(chosen[key].definition.id, basis): chosen[key] for key in new for basis, _ in chosen[key].statistics}
        if not known:
            return []
        versions = {one.definition.id: one.definition.version for one in known.values()}
        asked = {"tenant": tenant, "ids": list(versions), "versions": list(versions.values())}
        found = self._ch.query(load_sql("kpis", "stored_buckets"), asked).rows
        odd = {(grain, at) for grain, at in {row[2:] for row in found} if calendar.start(grain, at) != at}
        return [
            _row(tenant, known[kpi, basis], basis, grain, at, None, (0.0, 0.0), 0, through, computed)
            for kpi, basis, grain, at in found
            if (kpi, basis) in known and (grain, at) in odd
        ]

    def stored(self, tenant: str, hour: int) -> None:
        """Levels until the hour need not be told again."""
        self._reached[tenant] = hour

    def _steps(self, tenant: str, since: Mapping[int, int], until: int) -> dict[int, _Steps]:
        """By measure, from a second of each on; what was before comes in the first step."""
        keys = sorted(since)
        asked = {"tenant": tenant, "keys": keys, "since": [since[key] for key in keys]}
        until_at = datetime.fromtimestamp(until, UTC)
        rows = self._ch.query(load_sql("kpis", "partials_levels"), {**asked, "until": until_at}, FEW).rows
        found: dict[int, list[Sequence[Any]]] = {}
        for key, *figures in rows:
            found.setdefault(int(key), []).append(figures)
        return {key: _summed(some) for key, some in found.items()}


def _summed(rows: Sequence[Sequence[Any]]) -> _Steps:
    opened, moments, told = (list(accumulate(int(row[place]) for row in rows)) for place in (1, 2, 3))
    count = [part // MILLIONTHS for part in opened]
    seen = [(both + one) // 2 for both, one in zip(told, count, strict=True)]
    return _Steps([int(row[0]) for row in rows], count, moments, seen)


def _told(
    tenant: str,
    measure: Measure,
    grain: Grain,
    start: datetime,
    steps: _Steps,
    full: int,
    end: int,
    through: datetime,
    computed: datetime,
) -> Iterator[tuple[Any, ...]]:
    at = datetime.fromtimestamp(int(start.timestamp()), UTC)
    for basis, statistic in measure.statistics:
        count, moments, seen = steps.until(end if statistic == "level" else full)
        ages = (count * full * MILLIONTHS - moments) / MILLIONTHS
        value = float(count) if statistic == "level" else ages / count if count else None
        figures = (float(count), 1.0) if statistic == "level" else (ages, float(count))
        yield _row(tenant, measure, basis, grain, at, value, figures, seen, through, computed)


def _row(
    tenant: str,
    measure: Measure,
    basis: str,
    grain: str,
    at: datetime,
    value: float | None,
    figures: tuple[float, float],
    seen: int,
    through: datetime,
    computed: datetime,
) -> tuple[Any, ...]:
    definition = measure.definition
    name = (tenant, definition.id, definition.version, basis, "", "", grain, at)
    return (*name, value, *figures, seen, 0, 0, through, computed)


def _buckets(calendar: Calendar, grain: Grain, since: int, now: datetime) -> Iterator[tuple[datetime, int]]:
    """Beginning and end of the buckets from the one that a second lies in to the one of now."""
    oldest = now - (HOURS_BACK if grain == "hour" else YEARS_BACK)
    start = calendar.start(grain, max(oldest, datetime.fromtimestamp(since, UTC)))
    while start <= now:
        end = calendar.end(grain, start)
        yield start, int(end.timestamp())
        start = end


def _hour(calendar: Calendar, at: datetime) -> int:
    return int(calendar.start("hour", at).timestamp())
