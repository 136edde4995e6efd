"""Where work waited in a past period more than usual, when, and what that cost.

Waiting beyond the usual is of two kinds: cases that waited longer than nine in ten usually do, and more cases standing
after a step than usual. Both are added up hour by hour in money times hours, so that they can be compared between steps
and with the live list. Formulas: docs/process-bottlenecks.md.

Not promised: what is usual is taken from the time before the period, so an incident that had lasted for long by then is
usual; a step that few cases had left by then is not judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import accumulate, pairwise
from typing import Any

from core.errors import InvalidInput
from core.wording import span
from kpis.process.calendars import Calendar
from kpis.process.filters import ALL, CaseFilter
from kpis.process.stays import (
    HOUR_NS,
    LEAST_FINISHED,
    LEAST_HOURS,
    USUAL_OVER,
    StepsOnAClock,
    lasting,
    money,
    nanoseconds,
    on_clocks,
    upper,
)
from kpis.process.streams import ValueStream, packaged_models
from storage import ClickHouse, load_sql

_ROOM = "kpis.process"

LEAST_BEFORE = timedelta(days=14)
TURNOVERS = 5
"""How often the cases after a step must have changed in the time before, for their number to be judged."""
LONGEST_BREAK = 3
"""Hours as usual that do not end a stretch of unusual ones."""


@dataclass(frozen=True)
class PastTransition:
    """Of the cases that waited after a step those that went on to `to_step`, '' for nowhere.

    All of their waiting within the period, and the money x hours of as long a time before it.
    """

    to_step: str
    waits: int
    waiting_s: float
    value_hours: Decimal
    before_value_hours: Decimal


@dataclass(frozen=True)
class HistoricalBottleneck:
    """The waiting after a step in a past period, in one currency ('' when no case has an amount).

    `waiting_s` and `value_hours` (money x hours) are all of the waiting within the period, `before_value_hours` that of
    as long a time before it. `unusual_value_hours` and `unusual_case_hours` are what went beyond the usual. `kind` says
    how, mostly: "longer" (cases waited longer than nine in ten usually do), "more" (more cases stood there than
    usual), "" (nothing was unusual). `since` and `until` bound the worst stretch, to the hour; `until` is None when it
    lasted to the end of the period. `worst_hours`: when most stood there beyond the usual, and how much money
    (how many cases, where there is none). Lengths are of `calendar`, the working hours of what was waited for ('' is
    around the clock); hours that are multiplied are scaled to those of the clock on the wall, so that steps with
    different calendars compare.
    """

    stream: str
    step: str
    owner_system: str
    cases: int
    waits: int
    unpriced: int
    currency: str
    waiting_s: float
    median_wait_s: float
    usual_wait_s: float | None
    value_hours: Decimal
    before_value_hours: Decimal
    unusual_value_hours: Decimal
    unusual_case_hours: float
    kind: str
    since: datetime | None
    until: datetime | None
    worst_hours: tuple[tuple[datetime, Decimal], ...]
    transitions: tuple[PastTransition, ...]
    basis: str
    calendar: str = ""
    process_owner: str = ""


def historical_bottlenecks(
    ch: ClickHouse,
    tenant: str,
    stream: str,
    wanted: CaseFilter = ALL,
    *,
    start: datetime,
    end: datetime,
    streams: Mapping[str, ValueStream] | None = None,
    calendars: Mapping[str, Calendar] | None = None,
) -> list[HistoricalBottleneck]:
    """The steps of a stream that cases waited after in [start, end), by what waiting beyond the usual cost.

    What is usual is taken from the time before: as long as the period, and two weeks at least. `streams` and
    `calendars` are those in force; without both, those that the product comes with. Raises InvalidInput when the period
    is empty, or a time carries no zone; ConfigurationError when the stream names a calendar that is not there.
    """
    if start.tzinfo is None or end.tzinfo is None or start >= end:
        raise InvalidInput(
            f"a period must end after it starts, with zones, got {start.isoformat()} to {end.isoformat()}"
        )
    if streams is None and calendars is None:
        streams, calendars = packaged_models().streams, packaged_models().calendars
    known = (streams or {}).get(stream) or ValueStream(stream, "", ())
    return _Past(ch, tenant, known, wanted, start, end).ranked(calendars or {})


class _Past:
    """One answer about a past period in the making."""

    def __init__(
        self, ch: ClickHouse, tenant: str, stream: ValueStream, wanted: CaseFilter, start: datetime, end: datetime
    ) -> None:
        self._ch, self._stream, self._start, self._end = ch, stream, start, end
        self._before = start - max(end - start, LEAST_BEFORE)
        self._condition, values = wanted.conditions()
        self._params: dict[str, Any] = {
            **values,
            "tenant": tenant,
            "start_ns": nanoseconds(start),
            "end_ns": nanoseconds(end),
            "before_ns": nanoseconds(self._before),
            "last_ns": nanoseconds(self._before),
        }

    def ranked(self, calendars: Mapping[str, Calendar]) -> list[HistoricalBottleneck]:
        asked = {"tenant": self._params["tenant"], "streams": [self._stream.name]}
        begun = self._ch.query(load_sql(_ROOM, "bottleneck_streams"), asked).rows
        if not begun:
            return []
        known = self._params | self._as_known_then()
        last = self._end + timedelta(days=1)
        parts = [
            _PastOnAClock(steps, self._ask, self._params, self._before)
            for steps in on_clocks(self._ch, self._stream, calendars, known, begun[0][1], last)
        ]
        before_ns = min(part.first_ns for part in parts)
        found = [one for part in parts for one in part.bottlenecks(self._params["start_ns"] - before_ns)]
        found.sort(
            key=lambda one: (
                -one.unusual_value_hours, -one.unusual_case_hours, -one.value_hours, -one.waiting_s, one.step,
                one.currency,
            )
        )  # fmt: skip
        return found

    def _as_known_then(self) -> dict[str, int]:
        """Of the waits of the time before what was known when it ended."""
        start = self._params["start_ns"]
        return {"now_ns": start, "from_ns": self._params["before_ns"], "cutoff_ns": start}

    def _ask(
        self,
        steps: StepsOnAClock,
        statement: str,
        limits: Mapping[str, int],
        gone_by_hour: Sequence[int] = (),
        *,
        hindsight: bool = True,
        **more: Any,
    ) -> list[dict[str, Any]]:
        """With hindsight it is known where each case went in the end."""
        ever = {"now_ns": 2**62, "from_ns": self._params["before_ns"] - lasting(USUAL_OVER)}
        params = self._params | (ever if hindsight else self._as_known_then()) | more
        return steps.ask(self._ch, statement, params, limits, condition=self._condition, gone_by_hour=gone_by_hour)


class _PastOnAClock:
    """The part of the answer about steps whose waits are counted by one clock."""

    def __init__(
        self,
        steps: StepsOnAClock,
        ask: Callable[..., list[dict[str, Any]]],
        params: Mapping[str, Any],
        before: datetime,
    ) -> None:
        self._steps, self._ask, self._params, self._before = steps, ask, params, before
        known = ask(steps, "bottleneck_usual", {}, hindsight=False)
        self.first_ns: int = min((row["first_ns"] for row in known), default=params["start_ns"])
        self._usual = {row["step"]: row for row in known if row["finished"] >= LEAST_FINISHED}
        self._limits = {
            step: round(row["p90_s"] * 1e9) for step, row in self._usual.items() if row["p90_s"] is not None
        }
        start = params["before_ns"]
        self._hours: int = (params["end_ns"] - start) // HOUR_NS
        full = [start + hour * HOUR_NS for hour in range(self._hours + 1)]
        self._gone = steps.clock.gone_by(full, params["end_ns"])
        self._weights = [(one - two) / HOUR_NS for one, two in pairwise(self._gone)]
        """How much of the clock goes by within each hour."""
        self._scale = steps.clock.scale(start, params["end_ns"])

    def bottlenecks(self, before_ns: int) -> Iterator[HistoricalBottleneck]:
        """`before_ns`: how much of the time before the period is known at all."""
        gone_by_hour = self._gone[::-1]
        levels = self._ask(self._steps, "bottleneck_history_levels", self._limits, gone_by_hour, hours=self._hours)
        changes = {(row["step"], row["currency"]): row["changes"] for row in levels}
        rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for row in self._ask(self._steps, "bottleneck_history", {}):
            rows.setdefault((row["step"], row["currency"]), []).append(row)
        for key, own in rows.items():
            yield self._bottleneck(own, self._usual.get(key[0]), changes.get(key, ()), before_ns)

    def _bottleneck(
        self,
        rows: Sequence[Mapping[str, Any]],
        usual: Mapping[str, Any] | None,
        changes: Sequence[tuple[Any, ...]],
        before_ns: int,
    ) -> HistoricalBottleneck:
        row, before, stream = rows[0], self._params["before_ns"], self._steps.stream
        limit = self._limits.get(row["step"])
        split = known = (self._params["start_ns"] - before) // HOUR_NS
        if usual is not None and limit is not None:
            known = self._full_since(usual["first_ns"], limit)
        series = [_added_up(changes, part, self._hours) for part in (1, 2, 3, 4)]
        turned = usual is not None and usual["median_s"] is not None
        worked_s = sum(self._weights[known:split]) * 3600
        turned = turned and worked_s >= TURNOVERS * usual["median_s"]  # type: ignore[index]
        value, cases = (
            _Unusual.of(more if turned else (), late, known, split, [self._scale * one for one in self._weights])
            for more, late in (series[::2], series[1::2])
        )
        main = value if value.sum else cases
        stretch = main.stretch()
        scale = self._scale
        same = scale * (self._params["end_ns"] - self._params["start_ns"]) / before_ns if before_ns else 0.0
        return HistoricalBottleneck(
            stream=stream.name,
            step=row["step"],
            owner_system=stream.owner_after(row["step"], row["event_name"]),
            cases=row["cases"],
            waits=sum(one["waits"] for one in rows),
            unpriced=sum(one["unpriced"] for one in rows),
            currency=row["currency"],
            waiting_s=sum(one["waiting_s"] for one in rows),
            median_wait_s=row["median_wait_s"],
            usual_wait_s=usual["median_s"] if usual else None,
            value_hours=money(sum(one["value_hours"] for one in rows) * scale),
            before_value_hours=money(sum(one["before_value_hours"] for one in rows) * same),
            unusual_value_hours=money(value.sum),
            unusual_case_hours=cases.sum,
            kind=main.kind,
            since=self._at(stretch[0]) if stretch else None,
            until=self._at(stretch[1] + 1) if stretch and stretch[1] < self._hours - 1 else None,
            worst_hours=tuple((self._at(hour), money(level)) for hour, level in main.worst()),
            transitions=tuple(
                PastTransition(
                    one["to_step"], one["waits"], one["waiting_s"], money(one["value_hours"] * scale),
                    money(one["before_value_hours"] * same),
                )
                for one in sorted(rows, key=lambda one: (-one["value_hours"], -one["waiting_s"], one["to_step"]))
            ),
            basis=self._basis(limit, sum(weight > 0 for weight in self._weights[known:split])),
            calendar=self._steps.clock.calendar,
            process_owner=stream.process_owner,
        )  # fmt: skip

    def _full_since(self, first_ns: int, limit: int) -> int:
        """The hour since which it is as it always is: the first waits that are known begin with nobody there, and only
        when they can be over all that usually stand there do."""
        first = -(-(max(self._params["before_ns"], first_ns) - self._params["before_ns"]) // HOUR_NS)
        (left,) = self._steps.clock.gone_by([max(self._params["before_ns"], first_ns)], self._params["end_ns"])
        return next((hour for hour in range(first, self._hours) if left - self._gone[hour] >= limit), self._hours)

    def _at(self, hour: int) -> datetime:
        return self._before + timedelta(hours=hour)

    def _basis(self, limit: int | None, history: int) -> str:
        since = f"since {self._before:%Y-%m-%d %H:%M} UTC before the period"
        calendar = self._steps.clock.calendar
        of = f" of the working hours {calendar}" if calendar else ""
        if limit is None:
            return f"Nothing counts as unusual: too few waits after this step were over {since}."
        if history < LEAST_HOURS:
            return f"Nothing counts as unusual: less than {LEAST_HOURS} h{of} are known {since}."
        return (
            f"Usual is the time {since}, of which {history} h{of} are known; nine in ten waits after this step were "
            f"over within {span(limit / 1e9)}."
        )


@dataclass(frozen=True)
class _Unusual:
    """By hour of the period, what stood after a step beyond the usual: more than usual, or for longer."""

    kind: str
    hours: Mapping[int, float]
    worked: Mapping[int, int]
    """Places of the hours among those in which any work is done."""

    @classmethod
    def of(
        cls, more: Sequence[float], longer: Sequence[float], known: int, split: int, weights: Sequence[float]
    ) -> _Unusual:
        """From the levels of all hours, empty ones tell nothing; usual is the 95th percentile of [known, split).

        `weights`: how much of each hour counts. Hours off are neither usual nor unusual.
        """
        worked = {hour: place for place, hour in enumerate(h for h, weight in enumerate(weights) if weight > 0)}
        usual = [hour for hour in range(known, split) if hour in worked]
        if len(usual) < LEAST_HOURS:
            return cls("", {}, worked)
        sums, hours = [0.0, 0.0], dict[int, float]()
        for which, levels in enumerate((more, longer)):
            if not levels:
                continue
            limit = upper([levels[hour] for hour in usual])
            for hour in range(split, len(levels)):
                if hour in worked and levels[hour] > limit:
                    beyond = (levels[hour] - limit) * weights[hour]
                    hours[hour] = hours.get(hour, 0.0) + beyond
                    sums[which] += beyond
        return cls("" if not hours else "longer" if sums[1] >= sums[0] else "more", hours, worked)

    @property
    def sum(self) -> float:
        """Units x hours."""
        return sum(self.hours.values())

    def stretch(self) -> tuple[int, int] | None:
        """First and last hour of the stretch with most of it; breaks of up to three hours do not end one."""
        best, total = None, 0.0
        first, last, here = -1, -1, 0.0
        for hour in sorted(self.hours):
            if first < 0 or self.worked[hour] - self.worked[last] > LONGEST_BREAK + 1:
                first, here = hour, 0.0
            last, here = hour, here + self.hours[hour]
            if here > total:
                best, total = (first, last), here
        return best

    def worst(self) -> list[tuple[int, float]]:
        """The three worst hours, the worst first."""
        return sorted(self.hours.items(), key=lambda one: (-one[1], one[0]))[:3]


def _added_up(changes: Sequence[tuple[Any, ...]], part: int, hours: int) -> list[float]:
    """Levels at the full hours 0 to `hours` - 1, from the changes between them."""
    steps = dict.fromkeys(range(hours), 0.0)
    for change in changes:
        if change[0] in steps:
            steps[change[0]] += float(change[part])
    return [round(level, 6) for level in accumulate(steps.values())]
