"""What live and past bottlenecks share: the waits of cases after steps, the clock they are counted by, conversions.

A wait is counted by the calendar of the step that it waits for, because nobody is late on a day off: that of the model
for the step that mostly comes next, else that of the stream, else by the clock on the wall. Statements have a place for
the length of a wait (`/*waited Entered Till*/`), which is filled in here for one calendar at a time.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from core.errors import ConfigurationError
from kpis.process.calendars import Calendar, Pieces, WorkingTime, working_time
from kpis.process.filters import LIMITS, PLACE
from kpis.process.streams import ValueStream
from storage import ClickHouse, load_sql

_ROOM = "kpis.process"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STAYS, _HOURS_BACK = "/*stays*/", "/*hours back Excess*/"
_WAITED = re.compile(r"/\*waited (\S+) (\S+)\*/")
_HOUR_LATE = "/*hour late Entered Usual*/"
SECOND_NS = 1_000_000_000
HOUR_NS = 3_600 * SECOND_NS
USUAL_OVER = timedelta(days=28)
"""How far back the usual looks; what has waited longer than this is given up and adds nothing."""
LEAST_FINISHED = 20
"""Waits that must be over before a usual is named."""
LEAST_HOURS = 24
"""Below so many hours of history nothing is called unusual."""
USUAL_SHARE = 0.95
"""A level is unusual when it is higher than in this share of the hours of its history."""
NEXT_SHARE = 0.5
"""A step's calendar counts for the waits that lead to it at least so often."""
NOBODY = "\0"
"""Stands in for an empty list, which the engine cannot look up in; no step is called so."""


@dataclass(frozen=True)
class WaitClock:
    """What the lengths of waits are counted by: a calendar laid out over a period, or the clock on the wall ('').

    Lengths are nanoseconds. With a calendar, what lies outside its period counts as time off.
    """

    calendar: str = ""
    working: WorkingTime | None = None

    def fill_in(self, statement: str) -> str:
        """The statement with lengths by this clock."""
        text = _WAITED.sub(lambda found: self._waited(*found.groups()), statement)
        if self.working is None:
            back = f"intDiv(Excess, {HOUR_NS})"
            late = f"greatest(intDiv(Entered + Usual - {{before_ns:Int64}} + {HOUR_NS - 1}, {HOUR_NS}), toInt64(0))"
        else:
            back = self._hours("Excess")
            left = f"{self._waited('Entered', '{end_ns:Int64}')} - Usual"
            late = f"if({left} < 0, {{hours:Int64}} + 1, {{hours:Int64}} - {self._hours(left)})"
        return text.replace(_HOURS_BACK, back).replace(_HOUR_LATE, late)

    def gone_by(self, moments: Sequence[int], until: int) -> list[int]:
        """How much of this clock goes by from each moment to `until`."""
        if self.working is None:
            return [until - moment for moment in moments]
        end = _reached(self.working.ends, until)
        return [end - _reached(self.working.ends, moment) for moment in moments]

    def scale(self, start: int, end: int) -> float:
        """Hours of the clock on the wall for one of this clock, so that a day late costs the same by every calendar."""
        (gone,) = self.gone_by([start], end)
        return (end - start) / gone if gone else 1.0

    def params(self, gone_by_hour: Sequence[int] = ()) -> dict[str, Any]:
        """What filled-in statements refer to; `gone_by_hour`: how much has gone by since each hour back."""
        if self.working is None:
            return {}
        last = {gone: back for back, gone in enumerate(gone_by_hour)}
        return self.working.params() | {"back_gone": list(last) or [0], "back_hours": list(last.values()) or [0]}

    def _waited(self, start: str, end: str) -> str:
        if self.working is None:
            return f"greatest({end} - {start}, 0)"
        return f"toInt64(round(({self.working.seconds(start, end)}) * 1e9))"

    def _hours(self, excess: str) -> str:
        """The most hours back since which no more has gone by than this."""
        gone = "{back_gone:Array(Int64)}"
        return f"transform(roundDown({excess}, {gone}), {gone}, {{back_hours:Array(Int64)}}, toInt64(0))"


@dataclass(frozen=True)
class StepsOnAClock:
    """Some steps of a stream, all of whose waits are counted by one clock: `steps`, or all but these (`others`)."""

    stream: ValueStream
    clock: WaitClock = field(default_factory=WaitClock)
    steps: Sequence[str] = ()
    others: bool = True

    def ask(
        self,
        ch: ClickHouse,
        statement: str,
        params: Mapping[str, Any],
        limits: Mapping[str, int] | None = None,
        *,
        condition: str = "true",
        gone_by_hour: Sequence[int] = (),
    ) -> list[dict[str, Any]]:
        """Runs a statement over the waits after these steps in cases for which the condition holds.

        `limits`: the usual p90 by step, in ns.
        """
        known = dict(limits or {NOBODY: -1})
        values = {
            **params, **self.clock.params(gone_by_hour), **self.params(),
            "places": list(known), "limits": list(known.values()),
        }  # fmt: skip
        return ch.query(self.clock.fill_in(with_stays(statement, condition)), values, LIMITS).dicts()

    def params(self) -> dict[str, Any]:
        """What the list of waits refers to."""
        return {
            "stream": self.stream.name,
            "running": list(self.stream.running) or [NOBODY],
            "steps": list(self.steps) or [NOBODY],
            "other_steps": int(self.others),
        }


def with_stays(statement: str, condition: str = "true") -> str:
    """A named statement with the list of the waits in its place."""
    return load_sql(_ROOM, statement).replace(_STAYS, load_sql(_ROOM, "bottleneck_stays").replace(PLACE, condition))


def on_clocks(
    ch: ClickHouse,
    stream: ValueStream,
    calendars: Mapping[str, Calendar],
    params: Mapping[str, Any],
    first: datetime,
    last: datetime,
) -> list[StepsOnAClock]:
    """The steps of a stream by the clock that their waits are counted by.

    `params`: those of the list of waits, from which is learnt what comes next. Raises ConfigurationError when the
    stream's model names a calendar that is not there.
    """

    def clock(name: str) -> WaitClock:
        if not name:
            return WaitClock()
        if name not in calendars:
            have = ", ".join(sorted(calendars)) or "none"
            raise ConfigurationError(f"stream {stream.name}: there is no calendar {name!r}; there are {have}")
        return WaitClock(name, working_time(calendars[name], first, last))

    usual = clock(stream.calendar)
    if not stream.calendars:
        return [StepsOnAClock(stream, usual)]
    every = StepsOnAClock(stream)
    own: dict[str, list[str]] = {}
    for step, found in _next_steps(every.ask(ch, "bottleneck_next", params)).items():
        name = next((stream.calendars[one] for one in found if one in stream.calendars), stream.calendar)
        if name != stream.calendar:
            own.setdefault(name, []).append(step)
    named = [StepsOnAClock(stream, clock(name), steps, others=False) for name, steps in sorted(own.items())]
    return [*named, StepsOnAClock(stream, usual, [step for one in named for step in one.steps])]


def _next_steps(rows: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, str]]:
    """By step: name and event name of the step that mostly comes next, where there is one."""
    total: dict[str, int] = {}
    for row in rows:
        total[row["step"]] = total.get(row["step"], 0) + row["times"]
    return {
        row["step"]: (row["next_step"], row["next_name"])
        for row in rows
        if row["times"] >= NEXT_SHARE * total[row["step"]]
    }


def _reached(pieces: Pieces, moment: int) -> int:
    """The working time up to a moment, both in nanoseconds."""
    place = max(0, bisect_right(pieces.begins, moment // SECOND_NS) - 1)
    within = max(0, moment - pieces.begins[place] * SECOND_NS)
    return min(pieces.base[place] * SECOND_NS + within, pieces.top[place] * SECOND_NS)


def upper(levels: Sequence[float]) -> float:
    """The level that is exceeded in no more than the unusual share of the hours."""
    ordered = sorted(levels, reverse=True)
    return ordered[int((1 - USUAL_SHARE) * len(ordered))]


def nanoseconds(moment: datetime) -> int:
    """An aware time in nanoseconds since the Unix epoch."""
    return lasting(moment - _EPOCH)


def lasting(length: timedelta) -> int:
    """A length in nanoseconds, exactly."""
    return (length.days * 86_400 + length.seconds) * SECOND_NS + length.microseconds * 1_000


def money(value: float) -> Decimal:
    """Rounded to cents; 0 for what is no number."""
    return Decimal(f"{value:.2f}") if math.isfinite(value) else Decimal(0)
