"""From a KPI's number to the cases behind it.

Every row is a subject of the definition's view (an order, a line, a return …) with what it contributes: the facts of
the same measure that the stored buckets are added up from. So over all pages the contributions of the counted ones are
the numerator and the denominator, and the open and the excluded ones are as many as the value says, as soon as the jobs
have taken in what was received.

Roles: `counted` (all that were decided), `numerator` (of a share or a count: those that contribute to it), `misses` (of
a share: those that are not, or not wholly, in the numerator; of a time: those that are worse than the target), `open`,
`excluded` (each with its reason). Of a level there are `counted` alone: what stands.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, get_args

from core import InvalidInput
from kpis.breakdown import (
    ENDED,
    UTC_CALENDAR,
    Period,
    dimension_names,
    filled,
    measure_of,
    require_basis,
    require_period,
    statistic_of,
)
from kpis.definitions import LEVELS, KpiDefinition
from kpis.measures import COUNTED, LEFT_OUT, MILLIONTHS, OPEN
from kpis.periods import Calendar
from kpis.views import RECORDS, view
from metrics.read_models import sql_time
from storage import load_sql

if TYPE_CHECKING:
    from storage import ClickHouse

Role = Literal["counted", "numerator", "misses", "open", "excluded"]
ROLES: tuple[str, ...] = get_args(Role)
CASES = "/*cases*/"
PAGE, MOST = 50, 500
UNKNOWN = "what is to be counted is not known"
"""Why a subject is left out whose numerator or denominator has no value."""
_CONDITIONS = {
    "counted": f"DrillState = {COUNTED}",
    "numerator": f"DrillState = {COUNTED} AND DrillN != 0",
    "misses": f"DrillState = {COUNTED} AND DrillN < DrillD",
    "open": f"DrillState = {OPEN}",
    "excluded": f"DrillState >= {LEFT_OUT}",
}
Cursor = tuple[int, str, str, str]
_FIRST: Cursor = (-(1 << 63), "", "", "")


@dataclass(frozen=True)
class DrilledCase:
    """One subject and what it contributes, in the unit of the numerator (seconds, money, 1 for a thing counted).

    What is open or left out contributes nothing. trace_id: of a call between systems, else ''. at: the time that
    decides on the bucket. split: its value of the dimension asked for, '' without one. reason: why it was left out, ''
    when it was not.
    """

    stream: str
    case_id: str
    subject: str
    trace_id: str
    at: datetime
    state: Literal["counted", "open", "excluded"]
    numerator: float
    denominator: float
    split: str
    reason: str


@dataclass(frozen=True)
class LeftOut:
    """How many were left out for a reason."""

    reason: str
    cases: int


@dataclass(frozen=True)
class CaseTotals:
    """What all cases of the period make together, whatever the role asked for.

    counted: how many the role `counted` has; it is the sample size, but of a level, whose sample is all that had begun.
    """

    numerator: float
    denominator: float
    counted: int
    sample_size: int
    excluded: int
    open_cases: int
    reasons: tuple[LeftOut, ...]


@dataclass(frozen=True)
class CasePage:
    """A page of cases. `following` asks for the next one; '' when this is the last.

    of_cases: whether `stream` and `case_id` name a case; else they name a record (an item at a location, a price).
    """

    kpi_id: str
    version: int
    unit: str
    basis: str
    of_cases: bool
    role: str
    start: datetime
    end: datetime
    totals: CaseTotals
    cases: tuple[DrilledCase, ...]
    following: str


def drill(
    ch: ClickHouse,
    tenant: str,
    definition: KpiDefinition,
    start: datetime,
    end: datetime,
    role: str = "counted",
    *,
    basis: str = "",
    dimension: str = "",
    value: str | None = None,
    calendar: Calendar = UTC_CALENDAR,
    largest: bool = False,
    after: str = "",
    limit: int = PAGE,
    now: datetime | None = None,
) -> CasePage:
    """The cases of [start, end) in the order of their keys, or the largest contributions first (of a level the oldest).

    Of a level the cases are those that stand at the end of the period, or `now` when it is not over.

    dimension: its value is told of each case; with a value ('' is one: not told) only the cases that have it are
    there. after: what a page gave as `following`. Raises InvalidInput that says what there is.
    """
    require_period(start, end)
    chosen = require_basis(definition, basis)
    if not definition.view and not definition.cases_sql:
        raise InvalidInput(
            f"{definition.id} is computed by a statement, which does not tell its cases",
            hint="KPIs over a canonical view do: see `view` in their definitions",
        )
    names = dimension_names(definition)
    if dimension and dimension not in names:
        raise InvalidInput(
            f"{definition.id} has no dimension {dimension[:80]!r}", hint=f"it has {', '.join(names) or 'none'}"
        )
    if not 1 <= limit <= MOST:
        raise InvalidInput(f"a page has 1 to {MOST} cases, got {limit}")
    condition, bound = _condition(definition, chosen, role)
    statistic = statistic_of(definition, chosen)
    facts, asked, reasons = _facts(definition, chosen, dimension, Period(start, end, calendar, now), tenant)
    asked |= {"narrowed": int(bool(dimension) and value is not None), "value": value or ""}
    rank, stream, case, subject = _cursor(after)
    page = {"largest": int(largest), "rank": rank, "stream": stream, "case": case, "subject": subject}
    by = "toInt64(DrillAt)" if statistic == "level" else "-DrillN"
    text = load_sql("kpis", "drill_cases").replace(CASES, facts).replace("/*role*/", condition).replace("/*rank*/", by)
    rows = ch.query(text, {**asked, **page, "bound": bound, "limit": limit + 1}).rows
    cases = tuple(
        DrilledCase(
            str(row[0]),
            str(row[1]),
            str(row[2]),
            str(row[9]),
            datetime.fromtimestamp(int(row[4]), UTC),
            _state(int(row[5])),
            int(row[6]) / MILLIONTHS if row[5] == COUNTED else 0.0,
            int(row[7]) / MILLIONTHS if row[5] == COUNTED else 0.0,
            str(row[3]),
            _reason(reasons, int(row[5])),
        )
        for row in rows[:limit]
    )
    last = rows[limit - 1] if len(rows) > limit else None
    following = "" if last is None else _written((int(last[8]), str(last[0]), str(last[1]), str(last[2])))
    of_cases = not definition.view or view(definition.view).source is not RECORDS
    totals = _totals(ch.query(load_sql("kpis", "drill_totals").replace(CASES, facts), asked).rows, reasons)
    return CasePage(
        definition.id, definition.version, definition.unit, chosen, of_cases, role, start, end, totals, cases, following
    )


def _facts(
    definition: KpiDefinition, basis: str, dimension: str, period: Period, tenant: str
) -> tuple[str, dict[str, Any], Sequence[str]]:
    """The statement that gives the facts of a period, its parameters, and why subjects are left out, by number."""
    if not definition.view:
        times = {"start": sql_time(period.start), "end": sql_time(period.end)}
        asked = {"tenant": tenant, "tz": period.calendar.timezone, "basis": basis, "dimension": dimension}
        return definition.cases_sql, {**definition.parameters, **asked, **times}, definition.exclusions
    measure, statistic = measure_of(definition, basis), statistic_of(definition, basis)
    split = definition.breakdowns[dimension] if dimension else "''"
    reasons = [one.reason for one in measure.excluded]
    return filled("drill_facts", measure, statistic, split), period.given(measure, statistic, tenant), reasons


def roles(definition: KpiDefinition, basis: str) -> tuple[str, ...]:
    """The roles that can be asked for of this basis; none where the cases are not told."""
    if not definition.view and not definition.cases_sql:
        return ()
    if statistic_of(definition, basis) in LEVELS:
        return ("counted",)
    measured = _is_measured(definition, basis)
    without = set() if _is_share(definition, basis) else {"misses"}
    if measured:
        without = {"numerator"} if definition.target is not None else {"numerator", "misses"}
    return tuple(role for role in ROLES if role not in without)


def _condition(definition: KpiDefinition, basis: str, role: str) -> tuple[str, int]:
    """The condition of a role, and the bound that it may name."""
    if role not in ROLES:
        raise InvalidInput(f"there is no role {role[:80]!r}", hint=f"there are {', '.join(ROLES)}")
    if role not in (there := roles(definition, basis)):
        hint = f"there are {', '.join(there)}"
        if role == "numerator":
            raise InvalidInput(f"{definition.id} has no numerator: every case is measured", hint=hint)
        raise InvalidInput(f"{definition.id} has no misses: it is no share and no time with a target", hint=hint)
    if role == "misses" and _is_measured(definition, basis):
        sign = "<" if definition.direction == "up" else ">"
        bound = round((definition.target or 0.0) * MILLIONTHS)
        return f"DrillState = {COUNTED} AND DrillN {sign} {{bound:Int64}}", bound
    return _CONDITIONS[role], 0


def _is_share(definition: KpiDefinition, basis: str) -> bool:
    return statistic_of(definition, basis) == "ratio" and definition.unit == "ratio"


def _is_measured(definition: KpiDefinition, basis: str) -> bool:
    if not definition.view:
        return definition.unit == "seconds"
    return statistic_of(definition, basis) in ("mean", "median", "p90")


def _totals(rows: Iterable[Sequence[Any]], reasons: Sequence[str]) -> CaseTotals:
    by_state = {int(state): (int(facts), int(n), int(d)) for state, facts, n, d in rows}
    counted, numerator, denominator = by_state.get(COUNTED, (0, 0, 0))
    left_out = [LeftOut(_reason(reasons, state), facts[0]) for state, facts in by_state.items() if state >= LEFT_OUT]
    return CaseTotals(
        numerator / MILLIONTHS,
        denominator / MILLIONTHS,
        counted,
        counted + by_state.get(ENDED, (0, 0, 0))[0],
        sum(one.cases for one in left_out),
        by_state.get(OPEN, (0, 0, 0))[0],
        tuple(sorted(left_out, key=lambda one: -one.cases)),
    )


def _state(number: int) -> Literal["counted", "open", "excluded"]:
    return "excluded" if number >= LEFT_OUT else "open" if number == OPEN else "counted"


def _reason(reasons: Sequence[str], number: int) -> str:
    if number < LEFT_OUT:
        return ""
    place = number - LEFT_OUT
    return reasons[place] if place < len(reasons) else UNKNOWN


def _written(cursor: Cursor) -> str:
    return base64.urlsafe_b64encode(json.dumps(cursor, ensure_ascii=False).encode()).decode().rstrip("=")


def _cursor(text: str) -> Cursor:
    if not text:
        return _FIRST
    try:
        rank, *names = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
        stream, case, subject = names
        if not isinstance(rank, int) or abs(rank) >= 1 << 63 or not all(isinstance(one, str) for one in names):
            raise ValueError("not what a page gives")
        "".join(names).encode()  # half a surrogate is no text
    except (ValueError, TypeError, binascii.Error):
        raise InvalidInput(
            f"after is not what a page gave as following, got {text[:80]!r}", hint="leave it out for the first page"
        ) from None
    return rank, stream, case, subject
