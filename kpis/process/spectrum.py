"""The performance spectrum of one transition: how its time changes over time, case by case and in classes.

After Denisov, Fahland and van der Aalst, *Unbiased, fine-grained description of processes performance from event data*
(BPM 2018): every occurrence of a directly-follows pair is a line from when it begins to when it ends, classed by the
quartile of its length. Lines that cross mean that cases overtake each other, lines that end together a batch. Only
complete pairs count: what a case waits for now is not in it. Definitions: docs/process-flow.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from core.errors import InvalidInput
from kpis.process.filters import ALL, LIMITS, PLACE, CaseFilter
from storage import ClickHouse, QueryResult, load_sql

_ROOM = "kpis.process"
OCCURRENCES = "/*occurrences*/"
"""Where in a statement the transition's occurrences belong (`spectrum_occurrences.sql`)."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST_BUCKETS = 1_000
MOST_LINES = 10_000


@dataclass(frozen=True)
class SpectrumBucket:
    """The occurrences that begin in [start, end): how many, by class (fastest first), and their gap in seconds.

    The percentiles are None when nothing began in it.
    """

    start: datetime
    end: datetime
    count: int
    classes: tuple[int, int, int, int]
    median_s: float | None
    p90_s: float | None


@dataclass(frozen=True)
class SpectrumLine:
    """One occurrence: from the end of the first step to the start of the second. `quartile`: 1 (fastest) to 4."""

    case_id: str
    start: datetime
    end: datetime
    quartile: int


@dataclass(frozen=True)
class Spectrum:
    """`count` occurrences in `cases` cases; zero, with nothing else, when the pair or the filter matched nothing.

    `bounds_s`: the quartiles of the gap over all of them; a gap equal to a bound is in the faster class. `lines`: a
    sample for drawing, the same for the same data; all of them when there are no more than were asked for.
    """

    stream: str
    from_step: str
    to_step: str
    count: int
    cases: int
    bounds_s: tuple[float, float, float] | None
    buckets: tuple[SpectrumBucket, ...]
    lines: tuple[SpectrumLine, ...]


def spectrum(
    ch: ClickHouse,
    tenant: str,
    stream: str,
    from_step: str,
    to_step: str,
    wanted: CaseFilter = ALL,
    *,
    buckets: int = 60,
    limit: int = 500,
) -> Spectrum:
    """The spectrum of `to_step` directly after `from_step`, in at most `buckets` equal buckets, with `limit` lines.

    Raises InvalidInput for `buckets` outside 1 to 1,000 and for a `limit` outside 0 to 10,000.
    """
    if not 1 <= buckets <= MOST_BUCKETS:
        raise InvalidInput(f"buckets must be 1 to {MOST_BUCKETS}, got {buckets}")
    if not 0 <= limit <= MOST_LINES:
        raise InvalidInput(f"limit must be 0 to {MOST_LINES}, got {limit}")
    pair = {"tenant": tenant, "stream": stream, "from_step": from_step, "to_step": to_step}
    whole = _ask(ch, "spectrum_bounds", wanted, pair).dicts()[0]
    if not whole["count"]:
        return Spectrum(stream, from_step, to_step, 0, 0, None, (), ())
    q1, q2, q3 = whole["quartiles"]
    first, last = whole["first_ns"], whole["last_ns"]
    width = (last - first) // buckets + 1
    classes = {**pair, "q1": q1, "q2": q2, "q3": q3}
    rows = _ask(ch, "spectrum_buckets", wanted, {**classes, "first": first, "width": width}).dicts()
    filled = {row["number"]: row for row in rows}
    lines = _ask(ch, "spectrum_lines", wanted, {**classes, "limit": limit}).rows if limit else []
    return Spectrum(
        stream,
        from_step,
        to_step,
        whole["count"],
        whole["cases"],
        (q1 / 1e9, q2 / 1e9, q3 / 1e9),
        tuple(
            SpectrumBucket(
                _moment(first + number * width),
                _moment(first + (number + 1) * width),
                row["count"] if row else 0,
                tuple(row["classes"]) if row else (0, 0, 0, 0),
                row["gap"][0] if row else None,
                row["gap"][1] if row else None,
            )
            for number in range((last - first) // width + 1)
            for row in (filled.get(number),)
        ),
        tuple(SpectrumLine(*line) for line in lines),
    )


def _ask(ch: ClickHouse, statement: str, wanted: CaseFilter, params: Mapping[str, Any]) -> QueryResult:
    """Like `filters.ask`, for a statement about the occurrences of one transition."""
    condition, values = wanted.conditions()
    text = load_sql(_ROOM, statement).replace(OCCURRENCES, load_sql(_ROOM, "spectrum_occurrences"))
    return ch.query(text.replace(PLACE, condition), {**params, **values}, LIMITS)


def _moment(nanoseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=nanoseconds // 1000)
