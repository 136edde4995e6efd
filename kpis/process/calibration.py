"""How good the predictions are: made again for past moments, from what was known then, and compared with what happened.

Each open case at each moment is one prediction, so a case that was open long is looked at several times and counts as
often. What turned out of earlier moments decides what is made of later predictions (`recalibration`), as it would have
been then. Not promised: that what held then holds now.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from core.errors import InvalidInput, NotFound
from kpis.process.filters import LIMITS
from kpis.process.recalibration import AS_IT_IS, ENOUGH, Correction, Sums, candidates, chosen
from kpis.process.remaining import HISTORY, History, moment, nanoseconds, question
from kpis.process.streams import ValueStream, value_streams
from storage import ClickHouse, load_sql

_ROOM = "kpis.process"
BINS = 10
MOMENTS = 8
OVER = timedelta(days=56)
"""How long before now the moments lie of which the product tells its calibration."""
PREDICTIONS = 1_000
"""Of more open cases at a moment, the calibration looks at an even part of about so many."""


@dataclass(frozen=True)
class ReliabilityBin:
    """Predictions from `low` to below `high` (the last: to 1): the mean predicted, and the share that was late."""

    low: float
    high: float
    count: int
    predicted: float | None
    observed: float | None


@dataclass(frozen=True)
class Backtest:
    """Predictions at past moments against what was known at `through`. None where there is nothing to average.

    `open_cases`: predictions in all; `without_history`: of them those that had nothing comparable, left out below;
    `overdue`: whose promise had passed already. `timed` cases have closed since: `mae_s` is the mean absolute error of
    the remaining time, `p90_coverage` the share that took no longer than `remaining_p90_s`. `judged` cases were not yet
    overdue, and their promise has passed since: `brier` is the mean of (shown - late)^2 (Brier 1950), where shown is
    what was made of the prediction by what had been judged until then; `brier_as_predicted` the same of p_late as it
    was. `tested` predictions were made when enough had been judged: `brier_tested` is theirs, `brier_share` that of the
    share of late cases known by then. `correction`: what is made of predictions at `through`.

    Baselines: `mae_step_s` says the mean remaining time of all cases at a random moment after that step,
    `mae_constant_s` that of the stream; `brier_step` says 1 or 0 by whether the former exceeds the time left,
    `brier_constant` always the share that turned out late, which nobody knows beforehand.
    """

    stream: str
    moments: tuple[datetime, ...]
    through: datetime | None
    open_cases: int
    without_history: int
    overdue: int
    timed: int
    mae_s: float | None
    mae_step_s: float | None
    mae_constant_s: float | None
    p90_coverage: float | None
    judged: int
    late_share: float | None
    brier: float | None
    brier_as_predicted: float | None
    brier_step: float | None
    brier_constant: float | None
    tested: int
    brier_tested: float | None
    brier_share: float | None
    correction: Correction
    bins: tuple[ReliabilityBin, ...]


@dataclass(frozen=True)
class Calibration:
    """What the product says about itself: a back-test over `moments` from `period_start` to `period_end`.

    `n` predictions of lateness could be judged; `unresolved` could not yet. Both ends are None, and `n` 0, as long as
    no case has closed. The other fields are those of `Backtest`. `correction` is what the list of cases at risk makes
    of its predictions.
    """

    stream: str
    period_start: datetime | None
    period_end: datetime | None
    moments: int
    n: int
    unresolved: int
    late_share: float | None
    brier: float | None
    brier_as_predicted: float | None
    brier_constant: float | None
    tested: int
    brier_tested: float | None
    brier_share: float | None
    correction: Correction
    mae_s: float | None
    mae_step_s: float | None
    p90_coverage: float | None
    bins: tuple[ReliabilityBin, ...]


def backtest(
    ch: ClickHouse,
    tenant: str,
    stream: str,
    as_of: Sequence[datetime],
    *,
    streams: Mapping[str, ValueStream] | None = None,
    through: datetime | None = None,
    history: History = HISTORY,
    censored: bool = True,
    at_most: int | None = None,
    corrected: bool = True,
) -> Backtest:
    """Predicts at the moments of `as_of` (aware) and compares with what is known at `through` (else: the last event).

    Raises NotFound for a stream of which nobody has said what ends its cases, InvalidInput for a moment that is not
    before `through`. `censored` and `at_most` are explained at `question`. Unless
    `corrected`, predictions are shown as they are.
    """
    known = _known(stream, streams)
    until = through or _period(ch, tenant, stream, None)[1]
    if until is None:
        return _result(stream, (), None, {}, AS_IT_IS)
    late = [one for one in as_of if one >= until]
    if late:
        raise InvalidInput(
            f"a moment must be before {until.isoformat()}, to which there are data, got {late[0].isoformat()}"
        )
    total: dict[Any, Any] = defaultdict(int)
    past = _Past()
    moments = sorted(as_of)
    for place, at in enumerate(moments):
        asked = question(ch, tenant, known, at, history, as_known_then=True, censored=censored, at_most=at_most)
        correction = past.correction(place) if corrected else AS_IT_IS
        text = load_sql(_ROOM, "remaining_backtest").replace("/*remaining*/", asked.text)
        params = {
            "through_ns": nanoseconds(until),
            "later": [nanoseconds(one) for one in moments[place + 1 :]],
            "slope": correction.slope,
            "intercept": correction.intercept,
        }
        row = ch.query(text, asked.params | params, LIMITS).dicts()[0]
        past.add(row)
        if past.known(place).n >= ENOUGH:
            total["tested"] += row["judged_cases"]
            total["tested_square_error"] += row["square_error"]
            total["share_square_error"] += past.share_squares(place)
        for name, value in row.items():
            if isinstance(value, Mapping):
                for part, more in value.items():
                    total[name, part] += more
            else:
                total[name] += value
    return _result(stream, tuple(as_of), until, total, past.correction(len(moments)))


class _Past:
    """What was judged of the predictions of each moment, by the moment at which the outcome was known."""

    def __init__(self) -> None:
        self._judged: list[dict[int, Sums]] = []

    def add(self, row: Mapping[str, Any]) -> None:
        """What came of the predictions of the next moment; the engine leaves out sums that are 0."""
        place, parts = len(self._judged) + 1, ("known_n", "known_p", "known_pp", "known_late", "known_p_late")
        self._judged.append(
            {place + after: Sums(*(row[part].get(after, 0) for part in parts)) for after in row["known_n"]}
        )

    def known(self, by: int) -> Sums:
        """Of all moments before that one, what was known then."""
        return sum((self._of(place, by) for place in range(min(by, len(self._judged)))), Sums())

    def correction(self, by: int) -> Correction:
        """What to make of a prediction at that moment."""
        trials = [(self.known(place), self._of(place, by)) for place in range(min(by, len(self._judged)))]
        return chosen(self.known(by), trials)

    def share_squares(self, place: int) -> float:
        """The sum of squares that the share of late cases known at the moment would have had."""
        return candidates(self.known(place))[0].squares(sum(self._judged[place].values(), Sums()))

    def _of(self, place: int, by: int) -> Sums:
        return sum((sums for at, sums in self._judged[place].items() if at <= by), Sums())


def calibration(
    ch: ClickHouse,
    tenant: str,
    stream: str,
    now: datetime,
    *,
    streams: Mapping[str, ValueStream] | None = None,
    over: timedelta = OVER,
    history: History = HISTORY,
) -> Calibration:
    """Back-tests eight moments, evenly over the last `over` (aware `now`) for which the outcome is mostly known.

    The last of them lies the usual duration of a case before now: later ones would only judge what went fast.
    Raises NotFound as `backtest` does.
    """
    known = _known(stream, streams)
    first, last = _period(ch, tenant, stream, now)
    usual = question(ch, tenant, known, now, history).usual.p90
    if first is None or last is None or usual is None:
        return _calibration(stream, _result(stream, (), None, {}, AS_IT_IS))
    end = min(now, last) - usual
    start = max(first, end - over)
    moments = [end - (end - start) * step / MOMENTS for step in range(MOMENTS)] if start < end else []
    until = min(now, last)
    tested = backtest(
        ch, tenant, stream, sorted(moments), streams=streams, through=until, history=history, at_most=PREDICTIONS
    )
    return _calibration(stream, tested)


def _known(stream: str, streams: Mapping[str, ValueStream] | None) -> ValueStream:
    known = value_streams() if streams is None else streams
    if stream not in known:
        have = ", ".join(sorted(known)) or "none"
        raise NotFound(f"nobody has said what ends a case of {stream!r}; the value streams are {have}")
    return known[stream]


def _period(ch: ClickHouse, tenant: str, stream: str, now: datetime | None) -> tuple[datetime | None, datetime | None]:
    params = {"tenant": tenant, "stream": stream, "now_ns": nanoseconds(now) if now else (1 << 63) - 1}
    row = ch.query(load_sql(_ROOM, "stream_period"), params, LIMITS).dicts()[0]
    return (moment(row["first_ns"]), moment(row["last_ns"])) if row["cases"] else (None, None)


def _result(
    stream: str,
    moments: tuple[datetime, ...],
    through: datetime | None,
    sums: Mapping[Any, Any],
    correction: Correction,
) -> Backtest:
    def get(name: str) -> Any:
        return sums.get(name, 0)

    def mean(name: str, of: int) -> float | None:
        return get(name) / of if of else None

    timed, judged = get("timed_cases"), get("judged_cases")
    late = mean("late_cases", judged)
    return Backtest(
        stream=stream,
        moments=moments,
        through=through,
        open_cases=get("open_cases"),
        without_history=get("without_history"),
        overdue=get("overdue_cases"),
        timed=timed,
        mae_s=mean("error_s", timed),
        mae_step_s=mean("step_error_s", timed),
        mae_constant_s=mean("stream_error_s", timed),
        p90_coverage=mean("within_p90", timed),
        judged=judged,
        late_share=late,
        brier=mean("square_error", judged),
        brier_as_predicted=mean("plain_square_error", judged),
        brier_step=mean("step_square_error", judged),
        brier_constant=None if late is None else late * (1 - late),
        tested=get("tested"),
        brier_tested=mean("tested_square_error", get("tested")),
        brier_share=mean("share_square_error", get("tested")),
        correction=correction,
        bins=tuple(_bin(sums, place) for place in range(BINS)),
    )


def _bin(sums: Mapping[Any, Any], place: int) -> ReliabilityBin:
    count = sums.get(("bin_count", place), 0)
    predicted, late = sums.get(("bin_predicted", place), 0.0), sums.get(("bin_late", place), 0)
    return ReliabilityBin(
        place / BINS,
        (place + 1) / BINS,
        count,
        predicted / count if count else None,
        late / count if count else None,
    )


def _calibration(stream: str, tested: Backtest) -> Calibration:
    return Calibration(
        stream=stream,
        period_start=tested.moments[0] if tested.moments else None,
        period_end=tested.moments[-1] if tested.moments else None,
        moments=len(tested.moments),
        n=tested.judged,
        unresolved=tested.open_cases - tested.without_history - tested.overdue - tested.judged,
        late_share=tested.late_share,
        brier=tested.brier,
        brier_as_predicted=tested.brier_as_predicted,
        brier_constant=tested.brier_constant,
        tested=tested.tested,
        brier_tested=tested.brier_tested,
        brier_share=tested.brier_share,
        correction=tested.correction,
        mae_s=tested.mae_s,
        mae_step_s=tested.mae_step_s,
        p90_coverage=tested.p90_coverage,
        bins=tested.bins,
    )
