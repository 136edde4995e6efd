"""Targets: whether one is met, and when the trend reaches it.

A target is met when the whole interval is on its good side, missed when it is on the other; in between the sample
does not tell. The trend is Theil and Sen's: the median slope over all pairs of days, with Sen's interval from
Kendall's S (Sen 1968, JASA 63, 1379-1389; Hollander, Wolfe and Chicken, Nonparametric Statistical Methods, 3rd ed.
2014, 9.3). Days are rarely independent: a good day follows a good day. So the variance of S is that of fewer days, by
the correlation r of neighbours: (1 + r) / (1 - r) (Bayley and Hammersley 1946; for Kendall's S see Hamed and Rao 1998,
J. Hydrology 204, 182-196). A trend that goes on for ever is an assumption, not a promise; nothing beyond two years is
told.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from itertools import pairwise
from statistics import fmean, median

from core.errors import InvalidInput
from kpis.value.compare import Direction
from kpis.value.intervals import LEVEL, TooFew, checked, interval
from kpis.value.quantiles import two_sided_z
from kpis.value.samples import Sample

FEWEST_DAYS = 14
MOST_DAYS = 366
FARTHEST_DAYS = 730
MOST_ALIKE = 0.9
WEEK, WEEKS_FOR_PATTERN = 7, 4
_Days = tuple[date | None, date | None, date | None]
_NEVER: _Days = (None, None, None)


class Met(StrEnum):
    """Whether a value reaches its target."""

    MET = "met"
    MISSED = "missed"
    NOT_SHOWN = "not_shown"
    NO_TARGET = "no_target"


class Outlook(StrEnum):
    """What the trend says about a target."""

    REACHED = "reached"
    ON_THE_WAY = "on_the_way"
    NO_TREND_SHOWN = "no_trend_shown"
    NOT_AT_THIS_RATE = "not_at_this_rate"
    TOO_FEW = "too_few"


@dataclass(frozen=True)
class Attainment:
    """A value against its target. gap: what is missing in the KPI's unit, negative when the target is exceeded.

    tolerance is part of the target's good side. low and high are None where the sample is too small: `reason` says so.
    """

    value: float | None
    low: float | None
    high: float | None
    target: float | None
    tolerance: float
    gap: float | None
    met: Met
    reason: str = ""


@dataclass(frozen=True)
class BurnDown:
    """The way to a target. level_now: where the trend line stands on `last`; per_day: its slope, with its interval.

    reaches: the day on which the trend line reaches the target, between `earliest` and `latest`; a None of these is
    "not within two years at that rate".
    """

    outlook: Outlook
    words: str
    target: float
    last: date | None
    level_now: float | None
    per_day: float | None
    per_day_low: float | None
    per_day_high: float | None
    reaches: date | None
    earliest: date | None
    latest: date | None
    days: int
    level: float


def attainment(
    sample: Sample, direction: Direction, target: float | None, tolerance: float = 0.0, level: float = LEVEL
) -> Attainment:
    """Whether the sample's estimate reaches the target."""
    found = interval(sample, level)
    value, sign = sample.estimate, 1 if direction == "up" else -1
    low, high, reason = (None, None, found.reason) if isinstance(found, TooFew) else (found.low, found.high, "")
    if target is None or value is None:
        met = Met.NO_TARGET if target is None else Met.NOT_SHOWN
        return Attainment(value, low, high, target, tolerance, None, met, reason)
    gap = sign * (target - value)
    if low is None or high is None:
        return Attainment(value, low, high, target, tolerance, gap, Met.NOT_SHOWN, reason)
    worst, best = (low, high) if sign == 1 else (high, low)
    wanted = target - sign * tolerance
    met = Met.NOT_SHOWN
    if sign * (worst - wanted) >= 0:
        met = Met.MET
    elif sign * (best - wanted) < 0:
        met = Met.MISSED
    return Attainment(value, low, high, target, tolerance, gap, met)


def burn_down(
    history: Mapping[date, float | None], direction: Direction, target: float, level: float = LEVEL
) -> BurnDown:
    """When the trend of the days reaches the target; days without a value are left out.

    Raises InvalidInput for a target or value that is not finite, and a level outside (0, 1).
    """
    checked(level)
    points = sorted((day, value) for day, value in history.items() if value is not None)[-MOST_DAYS:]
    if not math.isfinite(target) or not all(math.isfinite(value) for _, value in points):
        raise InvalidInput("a target and the values before it must be finite")
    if len(points) < FEWEST_DAYS:
        words = f"a trend needs {FEWEST_DAYS} days with a value, there are {len(points)}"
        return BurnDown(
            Outlook.TOO_FEW, words, target, points[-1][0] if points else None,
            None, None, None, None, None, None, None, len(points), level,
        )  # fmt: skip
    last = points[-1][0]
    slope, low, high = sen_slope([((day - last).days, value) for day, value in points], level)
    now = median(value - slope * (day - last).days for day, value in points)
    sign = 1 if direction == "up" else -1
    missing = sign * (target - now)
    days: _Days
    toward, slow, fast = sign * slope, *sorted((sign * low, sign * high))

    def day(rate: float) -> date | None:
        ahead = math.ceil(missing / rate - 1e-9) if rate > 0 and missing / rate <= FARTHEST_DAYS else None
        return None if ahead is None else last + timedelta(days=ahead)

    if missing <= 0:
        outlook, words, days = Outlook.REACHED, "the trend line is at the target or beyond it", _NEVER
        words += ", and leads back from it" if fast < 0 else ""
    elif slow <= 0 <= fast:
        # The line's own day is not told: standing still is as likely as it.
        outlook, days = Outlook.NO_TREND_SHOWN, (None, day(fast), None)
        words = "no trend is shown: its band includes standing still"
    elif toward < 0 or (reached := day(toward)) is None:
        outlook, days = Outlook.NOT_AT_THIS_RATE, (None, day(fast), None)
        away = "the trend leads away from the target" if toward < 0 else "the target is more than two years away"
        words = f"not at this rate: {away}"
    else:
        outlook, days = Outlook.ON_THE_WAY, (reached, day(fast), day(slow))
        words = f"at this rate on {reached.isoformat()}"
    return BurnDown(outlook, words, target, last, now, slope, low, high, *days, len(points), level)


def sen_slope(points: list[tuple[int, float]], level: float = LEVEL) -> tuple[float, float, float]:
    """Slope and its interval from points (place, value), places all different and rising; two points or more."""
    slopes = sorted(
        (after - before) / (there - here)
        for number, (here, before) in enumerate(points)
        for there, after in points[number + 1 :]
    )
    n, many, slope = len(points), len(slopes), median(slopes)
    alike = _carried([(place, value - slope * place) for place, value in points])
    wide = two_sided_z(level) * math.sqrt(n * (n - 1) * (2 * n + 5) / 18 * (1 + alike) / (1 - alike))
    low = max(0, math.floor((many - wide) / 2) - 1)
    high = min(many - 1, math.ceil((many + wide) / 2))
    return slope, slopes[low], slopes[high]


def _carried(points: list[tuple[int, float]]) -> float:
    """The correlation of a value with the next one, 0 to MOST_ALIKE, beside the pattern of the week.

    That of n values is too low by (1 + 3r) / n (Kendall 1954, Biometrika 41, 403-404), which is taken back.
    """
    period = WEEK if len(points) >= WEEKS_FOR_PATTERN * WEEK else 1
    slots: dict[int, list[float]] = {}
    for place, value in points:
        slots.setdefault(place % period, []).append(value)
    usual = {slot: fmean(values) for slot, values in slots.items()}
    residuals = [value - usual[place % period] for place, value in points]
    n, middle = len(residuals), fmean(residuals)
    spread = sum((value - middle) ** 2 for value in residuals)
    if n < FEWEST_DAYS or spread <= 0:
        return 0.0
    found = sum((a - middle) * (b - middle) for a, b in pairwise(residuals)) / spread
    return min(max((n * found + 1) / (n - 3), 0.0), MOST_ALIKE)
