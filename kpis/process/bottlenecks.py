"""Where work waits now, whether that is unusual, since when, what it costs, and what moves with it: one list over all
value streams, the costliest first. The same for a past period: `past_bottlenecks`.

The cost of waiting is money times time: a case adds its value for every hour that it waits beyond what is usual. A
step where much always waits costs nothing by this measure as long as it is as usual. Formulas:
docs/process-bottlenecks.md.

Not promised: a step that few cases ever left, or that has less than a day of history, has no usual wait, and then
nothing is said about it. Parallel branches of a case are not told apart: it stands after its latest step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from statistics import median
from typing import Any

from core.errors import InvalidInput
from core.wording import span
from kpis.process.calendars import Calendar
from kpis.process.correlates import EXECUTABLE, Advice, Correlate, Waiting, correlates, hinted
from kpis.process.past_bottlenecks import HistoricalBottleneck, PastTransition, historical_bottlenecks
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

__all__ = [
    "Bottleneck",
    "Correlate",
    "HistoricalBottleneck",
    "PastTransition",
    "bottlenecks",
    "historical_bottlenecks",
    "unusual_hours",
]

_ROOM = "kpis.process"
UNTOUCHED = timedelta(days=1)
"""The usual is what was known so long ago, so that an incident of the last day is no part of it."""
LOOKED_INTO = 10
"""For so many of the costliest unusual steps correlates are looked for."""
HOURS_SHOWN = 8 * 24
"""Hours back for which the cases that stood after a step are counted: as far as other signals are looked at."""
WEEKS = 4
LEAST_THEN = 5
"""Cases that must have stood there at this hour of the weeks before, to name what they had waited."""
CAP = lasting(USUAL_OVER)
HOURS = CAP // HOUR_NS


@dataclass(frozen=True)
class Bottleneck:
    """Open cases that stand after one step, in one currency ('' when none has an amount).

    Waits are seconds of `calendar`, the working hours of what is waited for ('' is around the clock): `median_wait_s`
    so far, of the cases that stand there; `usual_wait_s` the median of what was known a day ago; `usual_same_hour_s`
    the median so far of the cases that stood there at this hour of the week before, and `usual_same_hour_cases` how
    many they were in the median week, of all currencies together; each None where too little is known. `delayed_cases`
    wait longer than nine in ten usually do. `excess_wait_s` and `value_hours` (money x hours) are their time beyond
    that, 0 while the step is as usual; the hours of `value_hours` are scaled to those of the clock on the wall, so that
    steps with different calendars compare. `since` is when it became unusual, to the hour. `owner_system` has the next
    move, `process_owner` is the role that answers for the stream. `action` on `action_target` would help, because of
    `action_why`; all '' when none is known to. It is advice only unless `action_executable`.
    """

    stream: str
    step: str
    owner_system: str
    cases: int
    value: Decimal
    currency: str
    unpriced: int
    median_wait_s: float
    usual_wait_s: float | None
    usual_same_hour_s: float | None
    excess_wait_s: float
    delayed_cases: int
    delayed_value: Decimal
    value_hours: Decimal
    oldest_since: datetime
    since: datetime | None
    correlates: tuple[Correlate, ...]
    action: str
    action_target: str
    basis: str
    usual_same_hour_cases: float | None = None
    calendar: str = ""
    process_owner: str = ""
    action_why: str = ""
    action_executable: bool = False


@dataclass(frozen=True)
class _Usual:
    """What is usual after a step; lengths in seconds. `first_ns`: the first wait that is known."""

    finished: int
    first_ns: int
    median_s: float | None
    p90_s: float | None

    @property
    def limit(self) -> int | None:
        """The usual p90 in nanoseconds, None when too little is known for one."""
        return None if self.p90_s is None or self.finished < LEAST_FINISHED else round(self.p90_s * 1e9)


@dataclass(frozen=True)
class _Standing:
    """A row of the list in the making. `since`: hours back for which the step has been unusual, None when it is not."""

    stream: ValueStream
    steps: StepsOnAClock
    row: Mapping[str, Any]
    usual: _Usual | None
    since: int | None
    same_hour_s: float | None
    same_hour_cases: float | None
    scale: float
    """Hours of the clock on the wall for one of the step's calendar."""

    @property
    def value_hours(self) -> float:
        return float(self.row["value_hours"]) * self.scale

    @property
    def place(self) -> str:
        return f"{self.stream.name}/{self.row['step']}"

    @property
    def owner(self) -> str:
        return self.stream.owner_after(self.row["step"], self.row["event_name"])

    @property
    def unusual(self) -> bool:
        return self.since is not None and self.row["excess_wait_s"] > 0

    def rank(self) -> tuple[Any, ...]:
        """The costliest first; where there is no money, the longest unusual waiting."""
        row = self.row
        cost = (-self.value_hours, -row["excess_wait_s"] * self.scale) if self.unusual else (0.0, 0.0)
        return (*cost, -row["value"], -row["cases"], self.stream.name, row["step"], row["currency"])


def bottlenecks(
    ch: ClickHouse,
    tenant: str,
    now: datetime,
    streams: Mapping[str, ValueStream] | None = None,
    calendars: Mapping[str, Calendar] | None = None,
) -> list[Bottleneck]:
    """Where open cases stand at `now` (aware), by `value_hours`, then value; currencies are separate rows.

    `streams` and `calendars` are those in force; without both, those that the product comes with. Raises InvalidInput
    when `now` carries no zone, ConfigurationError when a stream names a calendar that is not there.
    """
    if now.tzinfo is None:
        raise InvalidInput(f"a time must carry its zone, got {now.isoformat()!r}", hint="use datetime.now(UTC)")
    if streams is None and calendars is None:
        streams, calendars = packaged_models().streams, packaged_models().calendars
    return _Live(ch, tenant, now, streams or {}, calendars or {}).ranked()


class _Live:
    """One answer in the making."""

    def __init__(
        self,
        ch: ClickHouse,
        tenant: str,
        now: datetime,
        streams: Mapping[str, ValueStream],
        calendars: Mapping[str, Calendar],
    ) -> None:
        self._ch, self._tenant, self._now, self._streams, self._calendars = ch, tenant, now, streams, calendars
        self._now_ns = nanoseconds(now)
        self._cutoff = self._now_ns - lasting(UNTOUCHED)
        self._hours_ago = [self._now_ns - back * HOUR_NS for back in range(HOURS + 1)]
        self._weeks_ago = [self._now_ns - week * 7 * 24 * HOUR_NS for week in range(1, WEEKS + 1)]

    def ranked(self) -> list[Bottleneck]:
        params = {"tenant": self._tenant, "streams": list(self._streams)}
        known = self._ch.query(load_sql(_ROOM, "bottleneck_streams"), params).dicts()
        begun = {row["stream"]: row["first"] for row in known}
        rows = [
            row
            for name, first in sorted(begun.items())
            if first < self._now
            for steps in self._on_clocks(self._streams[name], first)
            for row in self._standing(steps, nanoseconds(first))
        ]
        rows.sort(key=_Standing.rank)
        found = self._moving_with([row for row in rows if row.unusual])
        return [self._bottleneck(row, *found.get(row.place, ((), None))) for row in rows]

    def _bottleneck(self, row: _Standing, found: tuple[Correlate, ...], advice: Advice | None) -> Bottleneck:
        told, usual, unusual = row.row, row.usual, row.unusual
        if unusual and advice is None:
            advice = hinted(row.stream.hint_after(told["step"], told["event_name"]))
        return Bottleneck(
            stream=row.stream.name,
            step=told["step"],
            owner_system=row.owner,
            cases=told["cases"],
            value=told["value"],
            currency=told["currency"],
            unpriced=told["unpriced"],
            median_wait_s=told["median_wait_s"],
            usual_wait_s=usual.median_s if usual and usual.finished >= LEAST_FINISHED else None,
            usual_same_hour_s=row.same_hour_s,
            excess_wait_s=told["excess_wait_s"] if unusual else 0.0,
            delayed_cases=told["delayed_cases"],
            delayed_value=told["delayed_value"],
            value_hours=money(row.value_hours) if unusual else Decimal(0),
            oldest_since=told["oldest_since"],
            since=self._now - timedelta(hours=row.since) if unusual and row.since is not None else None,
            correlates=found if unusual else (),
            action=advice.action if unusual and advice else "",
            action_target=advice.target if unusual and advice else "",
            basis=_basis(usual, row.steps.clock.calendar),
            usual_same_hour_cases=row.same_hour_cases,
            calendar=row.steps.clock.calendar,
            process_owner=row.stream.process_owner,
            action_why=advice.why if unusual and advice else "",
            action_executable=bool(unusual and advice and advice.action in EXECUTABLE),
        )

    # --- what stands, and what is usual ---

    def _on_clocks(self, stream: ValueStream, first: datetime) -> list[StepsOnAClock]:
        return on_clocks(
            self._ch, stream, self._calendars, self._since(self._now_ns - CAP), first, self._now + timedelta(days=1)
        )

    def _standing(self, steps: StepsOnAClock, first_ns: int) -> list[_Standing]:
        usual = self._usual(steps)
        limits = {step: one.limit for step, one in usual.items() if one.limit is not None}
        standing = steps.ask(
            self._ch, "bottleneck_standing", self._since(0) | {"last_ns": self._now_ns, "cap_ns": CAP}, limits
        )
        if not standing:
            return []
        clock = steps.clock
        gone = clock.gone_by(self._hours_ago, self._now_ns)
        before = {
            "cap_ns": CAP, "hours": HOURS, "oldest_ns": self._now_ns - (HOURS + 1) * HOUR_NS,
            "weeks": self._weeks_ago, "gone_by_week": clock.gone_by(self._weeks_ago, self._now_ns),
        }  # fmt: skip
        past = steps.ask(
            self._ch, "bottleneck_levels", self._since(self._now_ns - 2 * CAP) | before, limits, gone_by_hour=gone
        )
        then = {row["step"]: row for row in past}
        known = sum(week >= first_ns for week in self._weeks_ago)
        out = []
        for row in standing:
            step, own = row["step"], then.get(row["step"])
            counts = list(own["same_hour_cases"] if own else [0] * WEEKS)[:known]
            out.append(
                _Standing(
                    steps.stream,
                    steps,
                    row,
                    usual.get(step),
                    self._unusual_since(usual[step], own["changes"], gone) if own and step in limits else None,
                    own["same_hour_wait_s"] if own and sum(counts) >= LEAST_THEN else None,
                    float(median(counts)) if counts else None,
                    clock.scale(self._now_ns - CAP, self._now_ns),
                )
            )
        return out

    def _usual(self, steps: StepsOnAClock) -> dict[str, _Usual]:
        params = self._since(self._now_ns - CAP) | {"cutoff_ns": self._cutoff}
        return {
            row["step"]: _Usual(row["finished"], row["first_ns"], row["median_s"], row["p90_s"])
            for row in steps.ask(self._ch, "bottleneck_usual", params)
        }

    def _unusual_since(self, usual: _Usual, changes: tuple[Sequence[int], ...], gone: Sequence[int]) -> int | None:
        """For how many full hours back the step has been unusual without a break; None when it is not now."""
        begun = max(usual.first_ns, self._now_ns - CAP) + (usual.limit or 0)
        return unusual_hours(_levels(changes, gone), (self._cutoff - begun) // HOUR_NS)

    # --- what moves with it ---

    def _moving_with(self, rows: Sequence[_Standing]) -> dict[str, tuple[tuple[Correlate, ...], Advice | None]]:
        by_place: dict[str, _Standing] = {}
        for row in rows:
            by_place.setdefault(row.place, row)
        by_stream: dict[str, list[_Standing]] = {}
        for row in list(by_place.values())[:LOOKED_INTO]:
            by_stream.setdefault(row.stream.name, []).append(row)
        params = self._since(self._now_ns - CAP) | {"cutoff_ns": self._cutoff, "hours": HOURS_SHOWN}
        places = []
        for own in by_stream.values():
            steps = StepsOnAClock(own[0].stream, steps=[row.row["step"] for row in own], others=False)
            present = {one["step"]: one for one in steps.ask(self._ch, "bottleneck_present", params)}
            places += [self._waiting(row, present[row.row["step"]]) for row in own if row.row["step"] in present]
        return correlates(self._ch, self._now_ns, self._now, places, self._since(self._now_ns - CAP))

    def _waiting(self, row: _Standing, present: Mapping[str, Any]) -> Waiting:
        hours = self._known_hours(row.usual)
        changes = dict(zip(*present["changes"], strict=True))
        counts = accumulate(changes.get(back, 0) for back in range(hours + 1))
        standing = {back: float(count) for back, count in enumerate(counts)}
        takers = {name: taken for name, taken in present["takers"] if taken}
        unusual = frozenset(range((row.since or 0) + 1))
        return Waiting(row.stream, row.row["step"], row.owner, unusual, takers, standing)

    def _known_hours(self, usual: _Usual | None) -> int:
        return min(HOURS_SHOWN, max(0, (self._now_ns - usual.first_ns) // HOUR_NS)) if usual else 0

    def _since(self, from_ns: int) -> dict[str, Any]:
        return {"tenant": self._tenant, "now_ns": self._now_ns, "from_ns": from_ns, "last_ns": from_ns}


def unusual_hours(levels: Mapping[int, float], history: int) -> int | None:
    """For how many full hours back a level has been above the usual, None when it is not now.

    `levels` by hours back, 0 where there is none; usual is the 95th percentile of the `history` hours that ended a day
    ago. None, too, when these are fewer than a day.
    """
    if history < LEAST_HOURS:
        return None
    day = lasting(UNTOUCHED) // HOUR_NS
    limit = upper([levels.get(back, 0.0) for back in range(day, day + history)])
    if levels.get(0, 0.0) <= limit:
        return None
    back = 0
    while levels.get(back + 1, 0.0) > limit:
        back += 1
    return back


# --- small helpers ---


def _levels(changes: tuple[Sequence[int], ...], gone: Sequence[int]) -> dict[int, float]:
    """Seconds beyond the usual that stood after a step, by full hours back; exact, so that nothing is no trifle.

    `changes`: hours back, cases, and what they have beyond the usual by now (seconds and nanoseconds). `gone`: how much
    of the clock has gone by since each hour back.
    """
    by_hour = {int(back): (int(n), int(s) * 10**9 + int(ns)) for back, n, s, ns in zip(*changes, strict=True)}
    levels, cases, excess = {}, 0, 0
    for back, by_then in enumerate(gone):
        more = by_hour.get(back, (0, 0))
        cases, excess = cases + more[0], excess + more[1]
        if cases:
            levels[back] = (excess - cases * by_then) / 1e9
    return levels


def _basis(known: _Usual | None, calendar: str) -> str:
    if known is None or known.finished < LEAST_FINISHED:
        count = known.finished if known else 0
        return (
            f"No usual wait is known: {count} waits after this step were over a day ago, of the 28 days before; "
            f"{LEAST_FINISHED} are needed."
        )
    about = f"Usual is what was known a day ago of the 28 days before: {known.finished} finished waits after this step"
    if known.limit is None:
        return f"{about}, too few of all that began to say how long nine in ten wait, so nothing counts as delayed."
    by = f" of the working hours {calendar}" if calendar else ""
    over = span(known.limit / 1e9)
    return f"{about}, nine in ten over within {over}{by}; time beyond that is unusual waiting."
