"""Confidence intervals of estimates and of differences; each function names the source of its formula.

An estimate of which nothing can be said is `TooFew`, never None and never an interval of no width. The intervals take
subjects to be independent and alike over the period; they know nothing of seasons (see `rollout`) or of many
comparisons at once: of twenty intervals of 95 %, one is expected to miss.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from core.errors import InvalidInput
from kpis.value.quantiles import (
    beta_quantile,
    binomial_cdf,
    gamma_quantile,
    normal_quantile,
    t_quantile,
    two_sided_z,
)
from kpis.value.samples import CountSample, MeanSample, ProportionSample, QuantileSample, RatioSample, Sample

LEVEL = 0.95
RATIO_SUBJECTS = 30
"""Cochran's rule for the large-sample error of a ratio (1977, 6.8)."""
RATIO_SPREAD = 0.1
QUANTILE_VALUES = 8
"""Below this the spread of a quantile is read off its extremes."""


@dataclass(frozen=True)
class Interval:
    """low <= estimate <= high at the confidence `level`, in the unit of the sample."""

    estimate: float
    low: float
    high: float
    level: float
    method: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class TooFew:
    """The sample does not carry a statement. n: what there is; needed: what there should be, None where no number helps."""  # noqa: E501

    reason: str
    n: int
    needed: int | None = None


def interval(sample: Sample, level: float = LEVEL) -> Interval | TooFew:
    """The interval of one estimate, by the kind of its sample. Raises InvalidInput for a level `checked` refuses."""
    match sample:
        case ProportionSample():
            return proportion(sample, level)
        case MeanSample():
            return mean(sample, level)
        case RatioSample():
            return ratio(sample, level)
        case QuantileSample():
            return quantile(sample, level)
        case CountSample():
            return rate(sample, level)


def proportion(sample: ProportionSample, level: float = LEVEL) -> Interval | TooFew:
    """Wilson's score interval (Wilson 1927, JASA 22; recommended by Brown, Cai and DasGupta 2001)."""
    z = two_sided_z(checked(level))
    n, share = sample.n, sample.estimate
    if share is None:
        return TooFew("there are no cases", 0, 1)
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low = 0.0 if sample.successes == 0 else max(0.0, middle - half)
    high = 1.0 if sample.successes == n else min(1.0, middle + half)
    return Interval(share, low, high, level, "Wilson score")


def proportion_difference(before: ProportionSample, after: ProportionSample, level: float = LEVEL) -> Interval | TooFew:
    """after - before by Newcombe's hybrid score (1998, Statistics in Medicine 17, 873-890, method 10)."""
    one, two = proportion(before, level), proportion(after, level)
    return _first(one, two) or moved(one, two, level, "Newcombe hybrid score")


def mean(sample: MeanSample, level: float = LEVEL) -> Interval | TooFew:
    """Student's t (1908): mean ± t(n - 1) · s / sqrt(n)."""
    checked(level)
    middle = sample.estimate
    if middle is None or sample.n < 2:
        return TooFew("a mean needs two cases to show how much they differ", sample.n, 2)
    if sample.variance == 0:
        return TooFew("all values are equal, so nothing shows how far they spread", sample.n)
    half = t_quantile(0.5 + level / 2, sample.n - 1) * math.sqrt(sample.variance / sample.n)
    return Interval(middle, middle - half, middle + half, level, "Student t")


def mean_difference(before: MeanSample, after: MeanSample, level: float = LEVEL) -> Interval | TooFew:
    """after - before with unequal variances (Welch 1947, Biometrika 34; degrees of freedom after Satterthwaite 1946)."""  # noqa: E501
    checked(level)
    if few := _fewer(before, after, 2, "a mean needs two cases to show how much they differ"):
        return few
    errors = (before.variance / before.n, after.variance / after.n)
    return _welch(_difference(before, after), errors, (before.n, after.n), level, "Welch t")


def ratio(sample: RatioSample, level: float = LEVEL) -> Interval | TooFew:
    """Σx / Σy by the delta method with Student's t (Cochran, Sampling Techniques, 3rd ed. 1977, 6.4 and 6.8)."""
    checked(level)
    value = sample.estimate
    if sample.n < RATIO_SUBJECTS:
        return TooFew("a ratio of sums needs 30 cases", sample.n, RATIO_SUBJECTS)
    if value is None:
        return TooFew("the whole is 0, so there is no ratio", sample.n)
    if sample.variance == 0:
        return TooFew("all cases have the same ratio, so nothing shows how far they spread", sample.n)
    half = t_quantile(0.5 + level / 2, sample.n - 1) * math.sqrt(sample.variance)
    return Interval(value, value - half, value + half, level, "delta method", _uneven(sample))


def ratio_difference(before: RatioSample, after: RatioSample, level: float = LEVEL) -> Interval | TooFew:
    """after - before of two ratios of sums: delta method as in `ratio`, degrees of freedom as in `mean_difference`."""
    checked(level)
    if few := _fewer(before, after, RATIO_SUBJECTS, "a ratio of sums needs 30 cases"):
        return few
    if before.estimate is None or after.estimate is None:
        return TooFew("the whole is 0, so there is no ratio", min(before.n, after.n))
    notes = tuple(dict.fromkeys(_uneven(before) + _uneven(after)))
    errors = (before.variance, after.variance)
    return _welch(_difference(before, after), errors, (before.n, after.n), level, "delta method, Welch t", notes)


def quantile(sample: QuantileSample, level: float = LEVEL) -> Interval | TooFew:
    """Between order statistics, free of the distribution (David and Nagaraja, Order Statistics, 3rd ed. 2003, 7.1).

    The ranks are the binomial's quantiles: exact up to 2,000 values, above by the normal approximation; the true level
    is never below the one asked for where the binomial is exact.
    """
    outside = (1 - checked(level)) / 2
    n, q, value = sample.n, sample.q, sample.estimate
    needed = _values_needed(q, outside)
    if value is None or n < needed:
        return TooFew(f"the extremes of the sample do not yet enclose its {q:g} quantile", n, needed)
    low = _rank(n, q, outside)
    high = n + 1 - _rank(n, 1 - q, outside)
    if sample.at(1) == sample.at(n):
        return TooFew("all values are equal, so nothing shows how far they spread", n)
    return Interval(value, min(sample.at(low), value), max(sample.at(high), value), level, "order statistics")


def quantile_difference(before: QuantileSample, after: QuantileSample, level: float = LEVEL) -> Interval | TooFew:
    """after - before of two quantiles by Price and Bonett (2002, J. Statist. Comput. Simul. 72, 119-124).

    Each standard error is the width between two order statistics near sqrt(n) ranks from the median over twice the
    normal quantile of that width's exact level. For other quantiles the ranks are 2·sqrt(n·q·(1 - q)) away, which is
    the same rule at the median and ours elsewhere.
    """
    z = two_sided_z(checked(level))
    if before.q != after.q:
        raise InvalidInput(f"a {before.q:g} quantile is not compared with a {after.q:g} quantile")
    needed = max(QUANTILE_VALUES, _values_needed(before.q, 0.025))
    if few := _fewer(before, after, needed, "a quantile needs values on both sides of it"):
        return few
    error = math.sqrt(quantile_variance(before) + quantile_variance(after))
    if error == 0:
        return TooFew("the middle values are all equal, so nothing shows how far they spread", min(before.n, after.n))
    change = _difference(before, after)
    return Interval(change, change - z * error, change + z * error, level, "Price-Bonett")


def quantile_variance(sample: QuantileSample) -> float:
    """Of the sample quantile, in squared units; see `quantile_difference`."""
    n, q = sample.n, sample.q
    away = 2 * math.sqrt(n * q * (1 - q))
    low = min(max(1, round((n + 1) * q - away)), n - 1)
    high = max(min(n, round((n + 1) * q + away)), low + 1)
    outside = binomial_cdf(low - 1, n, q) + 1 - binomial_cdf(high - 1, n, q)
    z = normal_quantile(1 - min(max(outside, 1e-12), 0.999) / 2)
    return float(((sample.at(high) - sample.at(low)) / (2 * z)) ** 2)


def rate(sample: CountSample, level: float = LEVEL) -> Interval | TooFew:
    """Garwood's exact interval of a Poisson mean (1936, Biometrika 28) over the exposure."""
    outside = (1 - checked(level)) / 2
    value = sample.estimate
    if value is None:
        return TooFew("there is no exposure", 0)
    low = gamma_quantile(outside, sample.events) / sample.exposure
    high = gamma_quantile(1 - outside, sample.events + 1) / sample.exposure
    return Interval(value, low, high, level, "Garwood exact", ("takes events to come independently of each other",))


def rate_difference(before: CountSample, after: CountSample, level: float = LEVEL) -> Interval | TooFew:
    """after - before of two rates: the two exact intervals combined (Zou and Donner 2008, Stat. Med. 27, 1693-1702)."""
    one, two = rate(before, level), rate(after, level)
    if few := _first(one, two):
        return few
    if before.events + after.events == 0:
        return TooFew("there are no events on either side", 0, 1)
    return moved(one, two, level, "Garwood exact, Zou-Donner")


def rate_ratio(before: CountSample, after: CountSample, level: float = LEVEL) -> Interval | TooFew:
    """after / before of two rates, exact given the sum of events (Przyborowski and Wilenski 1940, Biometrika 31).

    The share of events that are `after` is binomial; its limits are Clopper and Pearson's. high is infinite when there
    was no event before and then there is no estimate: that is TooFew.
    """
    outside = (1 - checked(level)) / 2
    if not before.exposure or not after.exposure:
        return TooFew("there is no exposure", 0)
    if before.events == 0:
        return TooFew("there is no event to compare with", after.events, 1)
    scale = before.exposure / after.exposure
    low = beta_quantile(outside, after.events, before.events + 1) if after.events else 0.0
    high = beta_quantile(1 - outside, after.events + 1, before.events)
    value = after.events / before.events * scale
    return Interval(value, low / (1 - low) * scale, high / (1 - high) * scale, level, "conditional exact")


def moved(one: Interval | TooFew, two: Interval | TooFew, level: float, method: str) -> Interval:
    """two - one from their own intervals: the method of variance estimates recovery (Zou and Donner 2008).

    With Wilson's intervals it is Newcombe's method 10. The two must be independent of each other.
    """
    if isinstance(one, TooFew) or isinstance(two, TooFew):
        raise InvalidInput("two intervals are needed", hint="look at each for TooFew first")
    change = two.estimate - one.estimate
    low = change - math.hypot(two.estimate - two.low, one.high - one.estimate)
    high = change + math.hypot(two.high - two.estimate, one.estimate - one.low)
    return Interval(change, low, high, level, method, tuple(dict.fromkeys(one.notes + two.notes)))


def checked(level: float) -> float:
    """The level; raises InvalidInput unless it is 0.01 to 0.9999, beyond which the normal's tails mean nothing."""
    if not 0.01 <= level <= 0.9999:
        raise InvalidInput(f"a confidence level must be 0.01 to 0.9999, got {level!r}", hint="0.95 is usual")
    return level


def _welch(
    change: float,
    errors: tuple[float, float],
    sizes: tuple[int, int],
    level: float,
    method: str,
    notes: tuple[str, ...] = (),
) -> Interval | TooFew:
    total = sum(errors)
    if total == 0:
        return TooFew("all values are equal on both sides, so nothing shows how far they spread", min(sizes))
    shares = [(error / total) ** 2 / (size - 1) for error, size in zip(errors, sizes, strict=True)]
    half = t_quantile(0.5 + level / 2, 1 / sum(shares)) * math.sqrt(total)
    return Interval(change, change - half, change + half, level, method, notes)


def _difference(before: Sample, after: Sample) -> float:
    return (after.estimate or 0.0) - (before.estimate or 0.0)


def _first(one: Interval | TooFew, two: Interval | TooFew) -> TooFew | None:
    return next((each for each in (one, two) if isinstance(each, TooFew)), None)


def _fewer(before: Sample, after: Sample, needed: int, reason: str) -> TooFew | None:
    n = min(before.n, after.n)
    return TooFew(reason, n, needed) if n < needed else None


def _uneven(sample: RatioSample) -> tuple[str, ...]:
    if sample.whole_spread <= RATIO_SPREAD:
        return ()
    return ("a few large cases carry much of the whole, so the interval is rough",)


def _values_needed(q: float, outside: float) -> int:
    """The least n for which [smallest, largest] leaves no more than `outside` on either side of the quantile."""
    return math.ceil(max(math.log(outside) / math.log(q), math.log(outside) / math.log1p(-q)) - 1e-9)


def _rank(n: int, q: float, outside: float) -> int:
    """The highest rank r, 1 or more, with P(X < r) <= outside for X values below the quantile."""
    low, high = 1, n
    while low < high:
        middle = (low + high + 1) // 2
        if binomial_cdf(middle - 1, n, q) <= outside:
            low = middle
        else:
            high = middle - 1
    return low


__all__ = [
    "LEVEL",
    "Interval",
    "TooFew",
    "interval",
    "mean",
    "mean_difference",
    "moved",
    "proportion",
    "proportion_difference",
    "quantile",
    "quantile_difference",
    "rate",
    "rate_difference",
    "rate_ratio",
    "ratio",
    "ratio_difference",
]
