"""The next days or hours of a KPI, with bands that come from the forecast's own past errors.

The method was chosen by `tests/bench/forecasts.py` on real series (docs/adr/0016): the median of the same slot of the
week over eight weeks, moved by half of what it missed in the last week. It knows the week and a level and nothing of
holidays, promotions or causes. Gaps are None: they are left out, never read as 0.

Bands are empirical (split conformal by the number of steps ahead; Vovk, Gammerman and Shafer 2005): the forecast is
made anew at past moments with what was known then, and the band is the quantile of its absolute errors. That needs no
distribution, but it does need a future that is like the past. `coverage` says how often bands made this way held.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import fmean, median

from core.errors import InvalidInput
from kpis.value.intervals import checked

WEEK_OF_DAYS, WEEK_OF_HOURS = 7, 168
WEEKS = 8
"""How far back the profile looks."""
SHARE, DAMPING = 0.5, 0.7
"""How much of the last week's miss is carried on, and what is left of that for each further week."""
FIRST_WEEKS = 4
"""What a forecast of the back-test must have behind it."""
FEWEST_ERRORS = 20
"""Past errors a band is made of, or more where the level asks for it."""
BACK_WEEKS = 26
METHOD = "median of the slot of the week over 8 weeks, moved by half of the last week's miss; bands from its own errors"


@dataclass(frozen=True)
class Band:
    """One step ahead (1 is the next bucket): the expected value and the band around it, in the KPI's unit."""

    ahead: int
    expected: float
    low: float
    high: float


@dataclass(frozen=True)
class Forecast:
    """points: the steps that can be told, nearest first.

    coverage: share of past values inside bands that were made from earlier errors alone, `judged` of them (None of
    none); compare it with `level`. error: the mean absolute error of the same past forecasts; naive_error: that of
    the value a week before, on the same moments.
    """

    points: tuple[Band, ...]
    level: float
    coverage: float | None
    judged: int
    error: float
    naive_error: float
    weeks: float
    method: str = METHOD

    @property
    def beats_naive(self) -> bool:
        """Whether the method was nearer than the value a week before; where not, trust it less."""
        return self.error < self.naive_error


@dataclass(frozen=True)
class NotEnoughHistory:
    """No forecast. weeks: what there is; needed: what there must be, without long gaps."""

    weeks: float
    needed: int
    reason: str


@dataclass(frozen=True)
class DayBand:
    """One local day: the expected value and the band around it."""

    day: date
    expected: float
    low: float
    high: float


def forecast_days(
    history: Mapping[date, float | None],
    horizon: int = 14,
    level: float = 0.8,
    *,
    lowest: float | None = None,
    highest: float | None = None,
) -> tuple[tuple[DayBand, ...], Forecast] | NotEnoughHistory:
    """The days after the last one of the history, which may have gaps and must end with a complete day.

    Days are the tenant's local ones. lowest and highest bound what is possible: 0 and 1 for a ratio. Raises as `bands`.
    """
    if not history:
        return NotEnoughHistory(0.0, weeks_needed(WEEK_OF_DAYS, horizon, level), "there is no history")
    first, last = min(history), max(history)
    values = [history.get(first + timedelta(days=n)) for n in range((last - first).days + 1)]
    found = bands(values, WEEK_OF_DAYS, horizon, level, lowest=lowest, highest=highest)
    if isinstance(found, NotEnoughHistory):
        return found
    days = tuple(DayBand(last + timedelta(days=p.ahead), p.expected, p.low, p.high) for p in found.points)
    return days, found


def bands(
    values: Sequence[float | None],
    period: int,
    horizon: int,
    level: float = 0.8,
    *,
    lowest: float | None = None,
    highest: float | None = None,
) -> Forecast | NotEnoughHistory:
    """The `horizon` buckets after the values, which are evenly spaced with `period` of them a week: 7 or 168.

    Hours are those of UTC; where the clocks change the profile is off by an hour until the weeks have passed. Raises
    InvalidInput for another period, a horizon outside 1 to four weeks, a level outside (0, 1), or a value not finite.
    """
    needed = weeks_needed(period, horizon, level)
    if bad := [value for value in values if value is not None and not math.isfinite(value)]:
        raise InvalidInput(f"a value of a history must be finite, got {bad[0]!r}", hint="use none for a gap")
    weeks = len(values) / period
    if weeks < needed:
        return NotEnoughHistory(weeks, needed, f"{weeks:.1f} weeks of history, {needed} are needed")
    errors: list[list[float]] = [[] for _ in range(horizon)]
    naive: list[float] = []
    inside = judged = 0
    waiting: list[tuple[int, int, float]] = []  # place, steps ahead, error: not known before its place has come
    for origin, predicted in _past(values, period, horizon):
        known = [one for one in waiting if one[0] < origin]
        waiting = [one for one in waiting if one[0] >= origin]
        for _, ahead, error in known:
            insort(errors[ahead], error)
        for ahead, expected in enumerate(predicted):
            place = origin + ahead
            truth = values[place] if place < len(values) else None
            if truth is None or expected is None:
                continue
            error = abs(truth - expected)
            waiting.append((place, ahead, error))
            if before := same_slot(values[:origin], period, ahead + 1, WEEKS):
                naive.append(abs(truth - before[0]))
            if (radius := _radius(errors[ahead], level)) is not None:
                judged += 1
                inside += error <= radius
    for _, ahead, error in waiting:
        insort(errors[ahead], error)
    points = []
    for ahead, expected in enumerate(predict(values, period, horizon)):
        radius = _radius(errors[ahead], level)
        if expected is None or radius is None:
            continue
        ends = (_inside(end, lowest, highest) for end in (expected, expected - radius, expected + radius))
        points.append(Band(ahead + 1, *ends))
    if not points:
        return NotEnoughHistory(weeks, needed, "the history has too many gaps")
    return Forecast(
        points=tuple(points),
        level=level,
        coverage=inside / judged if judged else None,
        judged=judged,
        error=fmean(one for each in errors for one in each),
        naive_error=fmean(naive),
        weeks=weeks,
    )


def predict(values: Sequence[float | None], period: int, horizon: int) -> list[float | None]:
    """The expected values alone, None for a slot of the week that has no value in eight weeks."""
    profile = _profile(values, period, horizon)
    past = _profile(values[:-period], period, period) if len(values) > period else []
    misses = [
        value - usual
        for value, usual in zip(values[-period:], past, strict=False)
        if value is not None and usual is not None
    ]
    off = SHARE * median(misses) if misses else 0.0
    return [
        None if usual is None else usual + off * DAMPING ** (ahead / period)
        for ahead, usual in enumerate(profile, start=1)
    ]


def same_slot(values: Sequence[float | None], period: int, ahead: int, weeks: int) -> list[float]:
    """The known values of the slot that lies `ahead` places after the last value, the latest first."""
    place = len(values) + (ahead - 1) % period - period
    places = range(place, max(-1, place - weeks * period), -period)
    return [value for at in places if (value := values[at]) is not None] if place >= 0 else []


def weeks_needed(period: int, horizon: int, level: float) -> int:
    """Whole weeks of history without which there is no forecast. Raises InvalidInput, see `bands`."""
    if period not in (WEEK_OF_DAYS, WEEK_OF_HOURS):
        raise InvalidInput(f"a period is 7 (days) or 168 (hours), got {period!r}")
    if not 1 <= horizon <= 4 * period:
        raise InvalidInput(f"a horizon must be 1 to {4 * period}, got {horizon!r}")
    wanted = horizon + _step(period) * (_errors_needed(level) - 1)
    return FIRST_WEEKS + math.ceil(wanted / period)


def _past(values: Sequence[float | None], period: int, horizon: int) -> Iterator[tuple[int, Sequence[float | None]]]:
    """Past moments a day apart, the oldest first, and what was expected at each."""
    step = _step(period)
    first = max(FIRST_WEEKS * period, len(values) - BACK_WEEKS * period)
    first += (len(values) - first) % step
    back = (WEEKS + 1) * period
    for origin in range(first, len(values), step):
        yield origin, predict(values[max(0, origin - back) : origin], period, horizon)


def _profile(values: Sequence[float | None], period: int, horizon: int) -> list[float | None]:
    found = [same_slot(values, period, ahead, WEEKS) for ahead in range(1, min(horizon, period) + 1)]
    week = [median(one) if one else None for one in found]
    return [week[ahead % period] for ahead in range(horizon)]


def _radius(errors: Sequence[float], level: float) -> float | None:
    """The rising errors' conformal quantile: the ceil((n + 1) · level)-th of n; None of too few."""
    if len(errors) < _errors_needed(level):
        return None
    return errors[min(len(errors), math.ceil((len(errors) + 1) * level - 1e-9)) - 1]


def _errors_needed(level: float) -> int:
    return max(FEWEST_ERRORS, math.ceil(checked(level) / (1 - level) - 1e-9))


def _step(period: int) -> int:
    return 1 if period == WEEK_OF_DAYS else 24


def _inside(value: float, lowest: float | None, highest: float | None) -> float:
    if lowest is not None:
        value = max(value, lowest)
    return value if highest is None else min(value, highest)
