"""Cases at risk: open cases by the value that stands on a promise which they may miss, and why.

A probability is what comparable past cases say, after what such predictions turned out to be worth (`corrections`).
Where that is not known, or is no more than the share of late cases, the list says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from core.errors import InvalidInput
from core.wording import span
from kpis.process.corrections import Corrections
from kpis.process.filters import ALL, LIMITS, CaseFilter
from kpis.process.recalibration import Correction, Way
from kpis.process.remaining import HISTORY, KINDS, History, Usual, moment, nanoseconds, question
from kpis.process.streams import ValueStream, value_streams
from metrics.conventions import PROMISE_AT
from storage import ClickHouse, load_sql

_ROOM = "kpis.process"
FEW = 20
"""Of fewer comparable cases the list says that they are few."""


@dataclass(frozen=True)
class CaseAtRisk:
    """An open case that stands after `step` since `since`.

    `promise_at`: from the case's attribute `retail.promise.at`, else its start and the time within which nine tenths of
    the stream's cases closed; `promise_basis` says which, '' when there is neither. `remaining_s`: half of the
    comparable past cases still took so long at most, from now on; `remaining_p90_s`: nine tenths of them. `p_late`:
    probability to miss the promise, 1 once it has passed (`overdue`), None where nothing is known: without a promise or
    anything comparable. `sample_size`: past visits that this rests on; with 0 of them the times are None, and `basis`
    and `reasons` say so.
    """

    stream: str
    case_id: str
    step: str
    since: datetime
    value: Decimal | None
    currency: str
    promise_at: datetime | None
    promise_basis: str
    remaining_s: float | None
    remaining_p90_s: float | None
    p_late: float | None
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
    corrections: Corrections | None = None,
) -> list[CaseAtRisk]:
    """The `limit` open cases at `now` (aware) with the largest value x p_late, of all value streams or of `streams`.

    Amounts of several currencies are compared by how many median open cases of its currency a case is worth. Equal ones
    follow p_late, then the longest wait, then their names. A case of which nothing is known ranks by the share of late
    cases. `wanted` picks what is listed; all cases are history. `corrections`: what such predictions were worth;
    without it that is worked out first, which takes longer than the list.
    Cases whose last event lets them go on by themselves (`running`) wait for nobody and are not listed.
    """
    if limit < 1:
        raise InvalidInput(f"limit must be 1 or more, got {limit}")
    known = value_streams() if streams is None else streams
    corrections = corrections or Corrections()
    params = {"tenant": tenant, "streams": list(known), "now_ns": nanoseconds(now)}
    found = ch.query(load_sql(_ROOM, "risk_streams"), params, LIMITS).dicts()
    medians = {row["currency"]: row["median"] for row in found if row["median"] > 0}
    if len(medians) < 2:
        medians = {}
    scales = {"currencies": list(medians) or [""], "medians": list(medians.values()) or [1.0], "limit": limit}
    ranked: list[tuple[tuple[Any, ...], CaseAtRisk]] = []
    for name in sorted({stream for row in found for stream in row["streams"]}):
        asked = question(ch, tenant, known[name], now, history, wanted=wanted)
        correction = corrections.of(ch, tenant, known[name], now, history)
        shown = {
            "slope": correction.slope,
            "intercept": correction.intercept,
            "late_share": correction.late_share or 0.0,
        }
        text = load_sql(_ROOM, "cases_at_risk").replace("/*remaining*/", asked.text)
        for row in ch.query(text, asked.params | scales | shown, LIMITS).dicts():
            case = _case(name, row, now, asked.usual, correction)
            ranked.append(((-row["weight"], -row["shown"], case.since, name, case.case_id), case))
    return [case for _, case in sorted(ranked, key=lambda one: one[0])[:limit]]


def _case(stream: str, row: Mapping[str, Any], now: datetime, usual: Usual, correction: Correction) -> CaseAtRisk:
    since = moment(row["since_ns"])
    promise = None if row["promise_ns"] is None else moment(row["promise_ns"])
    overdue, compared = bool(row["overdue"]), bool(row["kind"])
    told = overdue or (compared and promise is not None)
    return CaseAtRisk(
        stream=stream,
        case_id=row["case_id"],
        step=row["step"],
        since=since,
        value=row["value"],
        currency=row["currency"],
        promise_at=promise,
        promise_basis=_promise_basis(promise, bool(row["promised"]), usual),
        remaining_s=row["remaining_s"] if compared else None,
        remaining_p90_s=row["remaining_p90_s"] if compared else None,
        p_late=row["shown"] if told else None,
        overdue=overdue,
        reasons=tuple(_reasons(row, now - since, promise, now, correction)),
        sample_size=row["used"],
        basis=_basis(row),
    )


def _promise_basis(promise: datetime | None, named: bool, usual: Usual) -> str:
    if promise is None or usual.p90 is None:
        return PROMISE_AT if named else ""
    if named:
        return PROMISE_AT
    return f"usual: nine tenths of {usual.closed} closed cases took {span(usual.p90.total_seconds())} or less"


def _basis(row: Mapping[str, Any]) -> str:
    kind = KINDS[row["kind"]]
    if not kind:
        return "nothing comparable: too few past cases lasted as long"
    return f"{row['used']} past visits compared by {kind}"


def _reasons(
    row: Mapping[str, Any], waited: timedelta, promise: datetime | None, now: datetime, correction: Correction
) -> list[str]:
    left_s = (promise - now).total_seconds() if promise else 0.0
    said = [f"its promise passed {span(-left_s)} ago"] if row["overdue"] else []
    said.append(_standing(row, waited.total_seconds()))
    if promise is None:
        said.append("has no promise, and no case has closed that would tell what is usual")
    elif not row["kind"]:
        said.append("too few past cases waited as long to say what comes next")
    elif not row["overdue"]:
        said.append(
            f"has {span(left_s)} left; {percent(row['p_late'])} of {row['used']} comparable cases needed longer: "
            f"half {span(row['due_s'])} or less, nine tenths {span(row['due_p90_s'])}"
        )
        if row["used"] < FEW:
            said.append("those are few cases")
        said.extend(_worth(correction, row["p_late"], row["shown"]))
    return said


def _standing(row: Mapping[str, Any], waited_s: float) -> str:
    standing = f"has waited {span(waited_s)} after {short(row['step'])}"
    if not row["usual_n"]:
        return f"{standing}, where no other case has been yet"
    return f"{standing}, usually {span(row['usual_gap_s'])} (n={row['usual_n']})"


def _worth(correction: Correction, predicted: float, shown: float) -> list[str]:
    """What past predictions say about this one."""
    known = f"{correction.n} past predictions" if correction.n != 1 else "1 past prediction"
    if correction.way is Way.UNTESTED:
        return [f"how far such predictions hold is not known yet ({known} judged)"]
    if correction.way is Way.SHARE:
        return [
            f"such predictions have told no more than the share of late cases, {percent(shown)} of {known}: "
            "that is shown"
        ]
    if correction.way is Way.CORRECTED and percent(predicted) != percent(shown):
        return [f"{known} turned out otherwise: corrected to {percent(shown)}"]
    return []


def percent(share: float) -> str:
    """A share for people."""
    return f"{share * 100:.0f} %"


def short(step: str) -> str:
    """A step by the last word of its name, if it is named like the events of the catalogue."""
    return step.rsplit(".", 1)[-1] if step.startswith("retail.") else step
