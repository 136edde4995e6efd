"""How long open cases will still take: past cases that stood at the same place and had waited as long.

An empirical distribution, made anew for every question from the table `cases`; there is no model to train. The formulas
are in docs/process-risk.md, why it is this one in docs/adr/0009-remaining-time.md. Only what had happened by the moment
in question is looked at, so a question about a past moment gets the answer that it would have got then.

Not promised: that cases come to an end at all. Those that never do weigh as long as they are open, in proportion.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from core.errors import InvalidInput
from kpis.process.filters import ALL, LIMITS, PLACE, CaseFilter
from kpis.process.streams import ValueStream
from metrics.conventions import PROMISE_AT
from storage import ClickHouse, load_sql

_ROOM = "kpis.process"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
VISITS = 1000
"""Of a longer case, only so many events count as history."""
_RECENT = "Last >= fromUnixTimestamp64Nano({from_ns:Int64})"
_PART = "cityHash64(CaseId) % {one_in:UInt32} = 0"
_SELECTION = "/*selection*/"
_UNFINISHED = "Last > fromUnixTimestamp64Nano({now_ns:Int64})"
_OPEN = "(ClosedAt IS NULL OR ClosedAt > fromUnixTimestamp64Nano({now_ns:Int64}))"
KINDS = ("", "the same steps so far", "the same step", "the whole case")
"""What a comparison was made by, as the statement numbers it; nothing comparable comes first."""


@dataclass(frozen=True)
class History:
    """What open cases are compared with.

    `window`: how far back a past visit may have begun. `horizon`: a longer remaining time counts as this long. `cases`:
    of a longer history an even part of about so many cases is looked at. `least_alike`: with fewer comparable visits by
    the steps so far, by the step, or by the case as a whole, the next of these is tried. `sample`: of more comparable
    visits an even part of half as many or more is looked at; of those the share `near` whose cases were of the nearest
    age counts, and the `nearest` ones in any case.
    """

    window: timedelta = timedelta(days=365)
    horizon: timedelta = timedelta(days=365)
    cases: int = 20_000
    least_alike: tuple[int, int, int] = (50, 20, 5)
    near: float = 0.25
    nearest: int = 20
    sample: int = 256

    def __post_init__(self) -> None:
        for name, length in (("window", self.window), ("horizon", self.horizon)):
            if length <= timedelta(0):
                raise InvalidInput(f"the history's {name} must be longer than nothing, got {length}")
        if self.cases < 1:
            raise InvalidInput(f"the history must have 1 case or more, got {self.cases}")
        if min(*self.least_alike, self.nearest, self.sample) < 1:
            raise InvalidInput(f"least_alike, nearest and sample must be 1 or more, got {self}")
        if not 0 < self.near <= 1:
            raise InvalidInput(f"near must be a share above 0 and up to 1, got {self.near}")


HISTORY = History()


@dataclass(frozen=True)
class Usual:
    """The history at a moment: its cases, how many of them closed, and how long nine tenths of those took at most."""

    cases: int
    closed: int
    p90: timedelta | None


@dataclass(frozen=True)
class Question:
    """The statement about the open cases of a stream at a moment; other statements have it as a part."""

    text: str
    params: dict[str, Any]
    usual: Usual


def question(
    ch: ClickHouse,
    tenant: str,
    stream: ValueStream,
    now: datetime,
    history: History = HISTORY,
    *,
    wanted: CaseFilter = ALL,
    as_known_then: bool = False,
    censored: bool = True,
    at_most: int | None = None,
) -> Question:
    """Prepares the question; its answer has a row for each open case.

    `as_known_then` takes promises from the events up to `now`, not from the case's row: slower; needed for the past.
    `censored`: whether cases that are still open count as history, with what they have lasted so far. `at_most`: of
    more open cases an even part by the hash of their ids, of about so many, is asked about.
    """
    now_ns = nanoseconds(now)
    params: dict[str, Any] = {
        "tenant": tenant,
        "stream": stream.name,
        "now_ns": now_ns,
        "from_ns": nanoseconds(now - history.window),
        "terminal": list(stream.terminal),
        "keeping": [*stream.promise_kept, *stream.terminal],
    }
    unfinished = f"CaseId IN ({_ids(_UNFINISHED)})"
    sized_by = load_sql(_ROOM, "remaining_usual").replace("/*unfinished*/", _known(unfinished, _RECENT))
    sized = ch.query(sized_by, params, LIMITS).dicts()[0]
    p90_ns = sized["usual_ns"]
    usual = Usual(sized["cases"], sized["closed"], timedelta(microseconds=p90_ns / 1000) if p90_ns >= 0 else None)
    condition, values = wanted.conditions()
    if at_most is not None:
        condition = f"({condition}) AND cityHash64(CaseId, 'open') % {{of_open:UInt32}} = 0"
    opened = f"CaseId IN ({_ids(f'{_OPEN} AND ({condition})')})"
    promises = load_sql(_ROOM, "promises_known" if as_known_then else "promises_now")
    text = load_sql(_ROOM, "remaining_times")
    for place, one in (
        ("/*history*/", _known(_PART, _RECENT)),
        ("/*open*/", _known(opened, "1")),
        ("/*promises*/", promises.replace(_SELECTION, opened)),
    ):
        text = text.replace(place, one)
    return Question(
        text,
        params
        | values
        | {
            "details": list(stream.details),
            "running": list(stream.running),
            "promise": PROMISE_AT,
            "keeps": int(bool(stream.promise_kept)),
            "usual_ns": p90_ns,
            "of_open": -(-max(sized["open"], 1) // (at_most or 1)),
            "one_in": -(-max(usual.cases, 1) // history.cases),
            "horizon_ns": nanoseconds(_EPOCH + history.horizon),
            "least": list(history.least_alike),
            "visits": VISITS,
            "sample": history.sample,
            "near": history.near,
            "nearest": history.nearest,
            "censored": int(censored),
        },
        usual,
    )


def _known(selection: str, condition: str) -> str:
    """The statement about cases as they were known; `selection` looks at case ids alone."""
    return load_sql(_ROOM, "known_cases").replace(_SELECTION, selection).replace(PLACE, condition)


def _ids(condition: str) -> str:
    return load_sql(_ROOM, "case_ids").replace(PLACE, condition)


def nanoseconds(moment: datetime) -> int:
    """Since the Unix epoch; exact. The moment must be aware."""
    return (moment - _EPOCH) // _MICROSECOND * 1000


def moment(since_epoch_ns: int) -> datetime:
    """The inverse, down to the microsecond; in UTC."""
    return _EPOCH + timedelta(microseconds=since_epoch_ns // 1000)
