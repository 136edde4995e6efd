"""Cases at risk: open cases by the value that stands on a promise which they may miss, and why.

A case keeps its promise when it closes by it. An order that was delivered in time and whose payment is late still
counts as late here: the promise is looked at for the case as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from core.errors import InvalidInput
from kpis.process.filters import ALL, LIMITS, CaseFilter
from kpis.process.remaining import HISTORY, KINDS, History, Usual, moment, nanoseconds, question
from kpis.process.streams import ValueStream, value_streams
from metrics.conventions import PROMISE_AT
from storage import ClickHouse, load_sql

_ROOM = "kpis.process"


@dataclass(frozen=True)
class CaseAtRisk:
    """An open case that stands after `step` since `since`.

    `promise_at`: from the case's attribute `retail.promise.at`, else its start and the time within which nine tenths of
    the stream's cases closed; `promise_basis` says which, '' when there is neither. `remaining_s`: half of the
    comparable past cases still took so long at most, from now on; `remaining_p90_s`: nine tenths of them. `p_late`:
    probability of closing after the promise, 1 once it has passed (`overdue`), 0 without a promise. `sample_size`: past
    visits that this rests on; with 0 of them the times are 0 and mean nothing, and `basis` and `reasons` say so.
    """

    stream: str
    case_id: str
    step: str
    since: datetime
    value: Decimal | None
    currency: str
    promise_at: datetime | None
    promise_basis: str
    remaining_s: float
    remaining_p90_s: float
    p_late: float
    overdue: bool
    reasons: tuple[str, ...]
    sample_size: int
    basis: str


def cases_at_risk(
    ch: ClickHouse,
    tenant: str,
    now: datetime,
    streams: Mapping[str, ValueStream] | None = None,
    *,
    limit: int = 100,
    wanted: CaseFilter = ALL,
    history: History = HISTORY,
) -> list[CaseAtRisk]:
    """The `limit` open cases at `now` (aware) with the largest value x p_late, of all value streams or of `streams`.

    Amounts of several currencies are compared by how many median open cases of its currency a case is worth. Equal ones
    follow p_late, then the longest wait, then their names. `wanted` picks what is listed; all cases are history.
    Cases whose last event lets them go on by themselves (`running`) wait for nobody and are not listed.
    """
    if limit < 1:
        raise InvalidInput(f"limit must be 1 or more, got {limit}")
    known = value_streams() if streams is None else streams
    params = {"tenant": tenant, "streams": list(known), "now_ns": nanoseconds(now)}
    found = ch.query(load_sql(_ROOM, "risk_streams"), params, LIMITS).dicts()
    medians = {row["currency"]: row["median"] for row in found if row["median"] > 0}
    if len(medians) < 2:
        medians = {}
    scales = {"currencies": list(medians) or [""], "medians": list(medians.values()) or [1.0], "limit": limit}
    ranked: list[tuple[tuple[Any, ...], CaseAtRisk]] = []
    for name in sorted({stream for row in found for stream in row["streams"]}):
        asked = question(ch, tenant, known[name], now, history, wanted=wanted)
        text = load_sql(_ROOM, "cases_at_risk").replace("/*remaining*/", asked.text)
        for row in ch.query(text, asked.params | scales, LIMITS).dicts():
            case = _case(name, row, now, asked.usual)
            ranked.append(((-row["weight"], -case.p_late, case.since, name, case.case_id), case))
    return [case for _, case in sorted(ranked, key=lambda one: one[0])[:limit]]


def _case(stream: str, row: Mapping[str, Any], now: datetime, usual: Usual) -> CaseAtRisk:
    since = moment(row["since_ns"])
    promise = None if row["promise_ns"] is None else moment(row["promise_ns"])
    return CaseAtRisk(
        stream=stream,
        case_id=row["case_id"],
        step=row["step"],
        since=since,
        value=row["value"],
        currency=row["currency"],
        promise_at=promise,
        promise_basis=_promise_basis(promise, bool(row["promised"]), usual),
        remaining_s=row["remaining_s"],
        remaining_p90_s=row["remaining_p90_s"],
        p_late=row["p_late"],
        overdue=bool(row["overdue"]),
        reasons=tuple(_reasons(row, now - since, promise, now)),
        sample_size=row["used"],
        basis=_basis(row),
    )


def _promise_basis(promise: datetime | None, named: bool, usual: Usual) -> str:
    if promise is None or usual.p90 is None:
        return PROMISE_AT if named else ""
    if named:
        return PROMISE_AT
    return f"usual: nine tenths of {usual.closed} closed cases took {length(usual.p90.total_seconds())} or less"


def _basis(row: Mapping[str, Any]) -> str:
    kind = KINDS[row["kind"]]
    if not kind:
        return "nothing comparable: too few past cases lasted as long"
    return f"{row['used']} past visits compared by {kind}"


def _reasons(row: Mapping[str, Any], waited: timedelta, promise: datetime | None, now: datetime) -> list[str]:
    said, waited_s, left_s = [], waited.total_seconds(), (promise - now).total_seconds() if promise else 0.0
    if row["overdue"]:
        said.append(f"its promise passed {length(-left_s)} ago")
    if row["usual_n"] and waited_s > row["usual_gap_s"]:
        usual = f"usually {length(row['usual_gap_s'])} (n={row['usual_n']})"
        said.append(f"has waited {length(waited_s)} after {short(row['step'])}, {usual}")
    if not row["kind"]:
        said.append("there is no history to compare it with")
    elif promise and not row["overdue"]:
        half, most = length(row["due_s"]), length(row["due_p90_s"])
        said.append(
            f"has {length(left_s)} left; of {row['used']} comparable cases half needed {half} or less, "
            f"nine tenths {most}"
        )
    if promise is None:
        said.append("has no promise, and no case has closed that would tell what is usual")
    return said


def short(step: str) -> str:
    """A step by the last word of its name, if it is named like the events of the catalogue."""
    return step.rsplit(".", 1)[-1] if step.startswith("retail.") else step


def length(seconds: float) -> str:
    """A length of time for people: in the largest of s, min, h, d of which it is at least one and a half."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
