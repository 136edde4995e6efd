"""Which cases an answer is about: conditions on the table `cases` that combine, as SQL with bound values.

Every answer of this room takes a `CaseFilter`; an empty one means all cases. Names of steps and attributes are values,
never part of a statement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from core.errors import InvalidInput
from storage import ClickHouse, QueryResult, load_sql

_ROOM = "kpis.process"
PLACE = "/*filter*/"
LIMITS = {
    "max_bytes_before_external_group_by": 512 << 20,
    "max_bytes_before_external_sort": 512 << 20,
    "optimize_arithmetic_operations_in_aggregate_functions": 0,
}
"""The last: the engine would make `sum(x) / 1e9` of `sum(x / 1e9)`, and a sum of nanoseconds does not fit 64 bits."""
OPEN, CLOSED = "open", "closed"
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2262, 4, 11, 23, 47, 16, tzinfo=UTC)
MOST_CONDITIONS = 100
"""Each is an expression of its own, and thousands would keep the engine busy before it has read a row."""
LONGEST_S = 9e9
"""Nanoseconds in 64 bits end there."""


class TimeBasis(StrEnum):
    """What of a case must lie in the period [start, end)."""

    ACTIVE = "active"  # any of it
    STARTED = "started"  # its first moment
    ENDED = "ended"  # its last event
    INSIDE = "inside"  # all of it


@dataclass(frozen=True)
class CaseFilter:
    """All conditions hold together; within one list of values any of them suffices, unless said otherwise.

    `contains` and `misses`: every step named must, or must not, occur. `follows`: pairs (a, b) of which b comes
    directly after a somewhere. `last_steps`: whose latest event is one of these: of open cases, where they stand.
    `attributes`: case attribute to allowed values; `excluded`: to values that are not allowed. Durations in seconds,
    bounds included. `variants`: ids as the answers give them. `outcomes`: terminal events, or `open` and `closed`.
    `min_value`: in the case's own currency.
    """

    start: datetime | None = None
    end: datetime | None = None
    basis: TimeBasis = TimeBasis.ACTIVE
    contains: Sequence[str] = ()
    misses: Sequence[str] = ()
    follows: Sequence[tuple[str, str]] = ()
    last_steps: Sequence[str] = ()
    attributes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    excluded: Mapping[str, Sequence[str]] = field(default_factory=dict)
    min_duration_s: float | None = None
    max_duration_s: float | None = None
    min_events: int | None = None
    variants: Sequence[int] = ()
    outcomes: Sequence[str] = ()
    min_value: float | None = None
    case_ids: Sequence[str] = ()

    def __post_init__(self) -> None:
        conditions = len(self.follows) + len(self.attributes) + len(self.excluded)
        if conditions > MOST_CONDITIONS:
            raise InvalidInput(
                f"at most {MOST_CONDITIONS} pairs of steps and attributes may be asked for, got {conditions}"
            )
        if self.start and self.end and self.start >= self.end:
            raise InvalidInput(f"start must be before end, got {self.start.isoformat()} and {self.end.isoformat()}")
        if None not in (self.min_duration_s, self.max_duration_s) and self.min_duration_s > self.max_duration_s:  # type: ignore[operator]
            raise InvalidInput(
                f"the least duration must not be above the greatest, got {self.min_duration_s:g} and "
                f"{self.max_duration_s:g} s"
            )

    def conditions(self) -> tuple[str, dict[str, Any]]:
        """A condition on `cases` and its parameters, whose names begin with `f_`."""
        parts: list[str] = []
        params: dict[str, Any] = {}

        def bound(value: Any, kind: str) -> str:
            name = f"f_{len(params)}"
            params[name] = value
            return f"{{{name}:{kind}}}"

        self._period(parts, bound)
        if self.contains:
            parts.append(f"hasAll(Steps, {bound(list(self.contains), 'Array(String)')})")
        if self.misses:
            parts.append(f"NOT hasAny(Steps, {bound(list(self.misses), 'Array(String)')})")
        for before, after in self.follows:
            pair = f"x = {bound(before, 'String')} AND y = {bound(after, 'String')}"
            parts.append(f"arrayExists((x, y) -> {pair}, arrayPopBack(Steps), arrayPopFront(Steps))")
        if self.last_steps:
            parts.append(f"has({bound(list(self.last_steps), 'Array(String)')}, LastStep)")
        for wanted, no in ((self.attributes, ""), (self.excluded, "NOT ")):
            for name, values in wanted.items():
                found = f"Attributes[{bound(name, 'String')}]"
                parts.append(f"{no}has({bound(list(values), 'Array(String)')}, {found})")
        if self.min_duration_s is not None:
            parts.append(f"Duration >= {bound(_nanoseconds(self.min_duration_s), 'Int64')}")
        if self.max_duration_s is not None:
            parts.append(f"Duration <= {bound(_nanoseconds(self.max_duration_s), 'Int64')}")
        if self.min_events is not None:
            parts.append(f"Events >= {bound(self.min_events, 'UInt32')}")
        if self.variants:
            parts.append(f"has({bound(list(self.variants), 'Array(UInt64)')}, Variant)")
        self._outcomes(parts, bound)
        if self.min_value is not None:
            parts.append(f"toFloat64(Value) >= {bound(self.min_value, 'Float64')}")
        if self.case_ids:
            parts.append(f"CaseId IN {bound(list(self.case_ids), 'Array(String)')}")
        return " AND ".join(f"({part})" for part in parts) or "true", params

    def _period(self, parts: list[str], bound: Any) -> None:
        early, late = {
            TimeBasis.ACTIVE: ("Last", "First"),
            TimeBasis.STARTED: ("First", "First"),
            TimeBasis.ENDED: ("Last", "Last"),
            TimeBasis.INSIDE: ("First", "Last"),
        }[self.basis]
        if self.start is not None:
            parts.append(f"{early} >= {bound(storable(self.start), 'DateTime64(6)')}")
        if self.end is not None:
            parts.append(f"{late} < {bound(storable(self.end), 'DateTime64(6)')}")

    def _outcomes(self, parts: list[str], bound: Any) -> None:
        if not self.outcomes:
            return
        named = [one for one in self.outcomes if one not in (OPEN, CLOSED)]
        either = [f"has({bound(named, 'Array(String)')}, Outcome)"] if named else []
        either += ["Outcome = ''"] if OPEN in self.outcomes else []
        either += ["Outcome != ''"] if CLOSED in self.outcomes else []
        parts.append(" OR ".join(either))


def _nanoseconds(seconds: float) -> int:
    """Rounded, so that a bound written in tenths meets the length that it means; at most what is stored."""
    return round(seconds * 1e9) if seconds < LONGEST_S else 2**63 - 1


def storable(moment: datetime) -> datetime:
    """The nearest time that an event can have: `until 9999` is how people write `for ever`."""
    return min(max(moment, EARLIEST), LATEST)


ALL = CaseFilter()


def ask(
    ch: ClickHouse,
    statement: str,
    tenant: str,
    stream: str,
    wanted: CaseFilter = ALL,
    params: Mapping[str, Any] | None = None,
) -> QueryResult:
    """Runs a named statement of this room on the cases of a stream that the filter lets through.

    The statement has `/*filter*/` where the filter's condition belongs, beside `{tenant:String}` and `{stream:String}`.
    """
    condition, values = wanted.conditions()
    text = load_sql(_ROOM, statement).replace(PLACE, condition)
    return ch.query(text, {**(params or {}), **values, "tenant": tenant, "stream": stream}, LIMITS)
