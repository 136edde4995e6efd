"""The transitions of the process map with working time beside the clock's, so that a weekend is no bottleneck."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import ConfigurationError
from kpis.process.calendars import Calendar, working_time
from kpis.process.filters import ALL, LIMITS, PLACE, CaseFilter, ask
from kpis.process.process_map import Spread
from storage import ClickHouse, load_sql

_ROOM = "kpis.process"
GAP, WAITING, NUMBER = "/*working gap*/", "/*working waiting*/", "/*calendar*/"


@dataclass(frozen=True)
class CalendarGap:
    """`to_step` directly after `from_step`; `gap` and `waiting` as in the process map, in seconds of the clock.

    `working_gap` and `working_waiting` are the parts of them within the hours of `calendar` ('' is around the clock,
    where both are equal). Waiting is None where no start is known.
    """

    from_step: str
    to_step: str
    calendar: str
    count: int
    cases: int
    gap: Spread
    working_gap: Spread
    waits: int
    waiting: Spread | None
    working_waiting: Spread | None


def calendar_gaps(
    ch: ClickHouse,
    tenant: str,
    stream: str,
    calendars: Mapping[str, Calendar],
    wanted: CaseFilter = ALL,
    *,
    calendar: str = "",
    by_step: Mapping[str, str] | None = None,
) -> tuple[CalendarGap, ...]:
    """Transitions of the cases that the filter lets through, the most working time spent waiting first.

    What counts is the calendar of the step that is waited for: by its name or its event's in `by_step`, else
    `calendar`; '' is around the clock. Raises ConfigurationError for an unknown calendar, InvalidInput when the cases
    span more time than a calendar can be laid out for.
    """
    steps = dict(by_step or {})
    for name in (calendar, *steps.values()):
        if name and name not in calendars:
            raise ConfigurationError(
                f"there is no calendar {name!r}; there are {', '.join(sorted(calendars)) or 'none'}"
            )
    (span,) = ask(ch, "conformance_span", tenant, stream, wanted).dicts()
    if not span["cases"]:
        return ()
    names = sorted({calendar, *steps.values()} - {""})
    laid = {
        name: working_time(calendars[name], span["first"], span["last"], f"c{place}")
        for place, name in enumerate(names)
    }
    params: dict[str, Any] = {"tenant": tenant, "stream": stream}
    for one in laid.values():
        params |= one.params()
    own = sorted(set(steps.values()))
    for place, name in enumerate(own):
        params[f"steps{place}"] = [step for step, one in steps.items() if one == name]

    def seconds(name: str, start: str) -> str:
        return laid[name].seconds(start, "s") if name else f"greatest(s - ({start}), 0) / 1e9"

    condition, values = wanted.conditions()
    text = load_sql(_ROOM, "calendar_gaps").replace(PLACE, condition)
    for mark, branches in (
        (GAP, [seconds(name, "e") for name in (*own, calendar)]),
        (WAITING, [seconds(name, "s - w") for name in (*own, calendar)]),
        (NUMBER, [str(place) for place in range(len(own) + 1)]),
    ):
        text = text.replace(mark, _by_step(branches))
    rows = ch.query(text, params | values, LIMITS).dicts()
    return tuple(
        CalendarGap(
            row["from_step"], row["to_step"], (*own, calendar)[row["calendar"]], row["count"], row["cases"],
            _spread(row, "gap"), _spread(row, "working_gap"), row["waits"],
            _spread(row, "waiting") if row["waits"] else None,
            _spread(row, "working_waiting") if row["waits"] else None,
        )
        for row in rows
    )  # fmt: skip


def _by_step(branches: list[str]) -> str:
    """Chooses by the second step of a pair (its name is `b`, its event's `n`); the last branch is for all others."""
    *own, usual = branches
    cases = "".join(
        f"has({{steps{place}:Array(String)}}, b) OR has({{steps{place}:Array(String)}}, n), {branch}, "
        for place, branch in enumerate(own)
    )
    return f"multiIf({cases}{usual})" if own else usual


def _spread(row: Mapping[str, Any], name: str) -> Spread:
    median, p90, p95 = row[name]
    return Spread(row[f"{name}_mean_s"], median, p90, p95, row[f"{name}_sum_s"])
