"""Intervals against published worked examples, against scipy where it knows the method, and by how often they hold.

Coverage is counted with a fixed seed; the tolerance is what so many repetitions can show, not what would be nice.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InvalidInput
from kpis.value.compare import Verdict, compare
from kpis.value.intervals import (
    Interval,
    TooFew,
    interval,
    mean,
    mean_difference,
    moved,
    proportion,
    proportion_difference,
    quantile,
    quantile_difference,
    rate,
    rate_difference,
    rate_ratio,
    ratio,
    ratio_difference,
)
from kpis.value.samples import (
    LEAST_EXPOSURE,
    CountSample,
    MeanSample,
    ProportionSample,
    QuantileSample,
    RatioSample,
    Sample,
    as_ratio,
    dump,
    load,
)

REPEATED = 1_500


def ends(found: Interval | TooFew) -> tuple[float, float]:
    assert isinstance(found, Interval), found
    return found.low, found.high


def few(found: Interval | TooFew) -> str:
    assert isinstance(found, TooFew), found
    return found.reason


def mean_of(values: object) -> MeanSample:
    found = np.asarray(values, dtype=float)
    return MeanSample(len(found), float(found.sum()), float((found**2).sum()))


def ratio_of(x: object, y: object) -> RatioSample:
    a, b = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    sums = (a.sum(), b.sum(), (a * a).sum(), (b * b).sum(), (a * b).sum())
    return RatioSample(len(a), *(float(one) for one in sums))


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson(successes: int, n: int, low: float, high: float) -> None:
    """Newcombe 1998, Statistics in Medicine 17, 857-872, table I, method 3."""
    assert ends(proportion(ProportionSample(successes, n))) == pytest.approx((low, high), abs=6e-5)


@pytest.mark.parametrize(
    ("after", "before", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((0, 10), (0, 10), -0.2775, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_newcombe(after: tuple[int, int], before: tuple[int, int], low: float, high: float) -> None:
    """Newcombe 1998, Statistics in Medicine 17, 873-890, table II, method 10."""
    found = proportion_difference(ProportionSample(*before), ProportionSample(*after))
    assert ends(found) == pytest.approx((low, high), abs=6e-5)


@pytest.mark.parametrize(
    ("events", "low", "high"), [(0, 0, 3.689), (1, 0.0253, 5.572), (10, 4.795, 18.390), (100, 81.364, 121.627)]
)
def test_garwood(events: int, low: float, high: float) -> None:
    """The tables of exact Poisson limits (Pearson and Hartley, Biometrika Tables I, 40)."""
    assert ends(rate(CountSample(events, 1.0))) == pytest.approx((low, high), abs=6e-4)
    assert ends(rate(CountSample(events, 4.0))) == pytest.approx((low / 4, high / 4), abs=2e-4)


@pytest.mark.parametrize(("n", "low", "high"), [(6, 1, 6), (10, 2, 9), (20, 6, 15), (50, 18, 33), (100, 40, 61)])
def test_a_median_between_order_statistics(n: int, low: int, high: int) -> None:
    """The usual table of ranks at 95 % (Conover, Practical Nonparametric Statistics, table A3, from the binomial)."""
    found = quantile(QuantileSample(tuple(float(rank) for rank in range(1, n + 1))))
    assert ends(found) == (low, high)


def test_student_and_welch_as_scipy_has_them(stats: Any) -> None:
    random = np.random.default_rng(5)
    before, after = random.normal(10, 3, 17), random.normal(12, 5, 9)
    own = stats.ttest_1samp(before, 0).confidence_interval(0.9)
    assert ends(mean(mean_of(before), 0.9)) == pytest.approx(tuple(own))
    both = stats.ttest_ind(after, before, equal_var=False).confidence_interval(0.99)
    assert ends(mean_difference(mean_of(before), mean_of(after), 0.99)) == pytest.approx(tuple(both))


def test_two_rates_as_the_conditional_test_has_them(stats: Any) -> None:
    """Of 30 events 20 came after, in half of the time: Clopper and Pearson's limits as scipy has them."""
    share = stats.binomtest(20, 30).proportion_ci(0.95, "exact")
    low, high = (one / (1 - one) * 2 for one in (share.low, share.high))
    assert ends(rate_ratio(CountSample(10, 8.0), CountSample(20, 4.0))) == pytest.approx((low, high))


def test_a_ratio_by_hand(stats: Any) -> None:
    """x 1,2,3 and y 2,2,4, ten times each: r = 6/8; residuals -0.5, 0.5, 0; their variance by 30/29 over 80²."""
    sample = ratio_of([1, 2, 3] * 10, [2, 2, 4] * 10)
    assert sample.estimate == 0.75
    assert sample.variance == pytest.approx(10 * (0.25 + 0.25) * 30 / 29 / 80**2)
    half = stats.t.ppf(0.975, 29) * math.sqrt(sample.variance)
    assert ends(ratio(sample)) == pytest.approx((0.75 - half, 0.75 + half))


def test_a_ratio_with_wholes_of_one_is_a_mean() -> None:
    values = np.random.default_rng(3).normal(7, 2, 40)
    one = as_ratio(mean_of(values))
    assert ends(ratio(one)) == pytest.approx(ends(mean(mean_of(values))))
    other = mean_of(values + 0.5)
    assert ends(ratio_difference(one, as_ratio(other))) == pytest.approx(ends(mean_difference(mean_of(values), other)))


def test_a_share_and_a_ratio_of_sums_can_be_compared() -> None:
    """One period had single lines alone, the other not: both are ratios of sums."""
    before, after = ProportionSample(40, 80), ratio_of([1, 2] * 40, [2, 2] * 40)
    found = compare(before, after, "up")
    assert (found.before, found.after, found.verdict) == (0.5, 0.75, Verdict.BETTER)
    with pytest.raises(InvalidInput, match="is not compared with"):
        compare(before, QuantileSample((1.0, 2.0)), "up")


LACKING: dict[str, tuple[Callable[[], Interval | TooFew], str]] = {
    "no case": (lambda: proportion(ProportionSample(0, 0)), "no cases"),
    "one value": (lambda: mean(MeanSample(1, 3, 9)), "two cases"),
    "equal values": (lambda: mean(MeanSample(9, 27, 81)), "all values are equal"),
    "one side": (lambda: mean_difference(MeanSample(1, 3, 9), MeanSample(9, 30, 120)), "two cases"),
    "both equal": (lambda: mean_difference(MeanSample(9, 27, 81), MeanSample(9, 36, 144)), "equal on both sides"),
    "29": (lambda: ratio(ratio_of(range(29), range(1, 30))), "30 cases"),
    "no whole": (lambda: ratio(ratio_of([0] * 30, [0] * 30)), "the whole is 0"),
    "no spread": (lambda: ratio(ratio_of([1] * 30, [2] * 30)), "same ratio"),
    "5 values": (lambda: quantile(QuantileSample((1.0, 2.0, 3.0, 4.0, 5.0))), "extremes"),
    "p90 of 28": (lambda: quantile(QuantileSample(tuple(map(float, range(28))), q=0.9)), "extremes"),
    "7 values": (lambda: quantile_difference(QuantileSample((1.0,) * 7), QuantileSample((2.0,) * 9)), "both sides"),
    "flat": (lambda: quantile_difference(QuantileSample((1.0,) * 9), QuantileSample((2.0,) * 9)), "all equal"),
    "no time": (lambda: rate(CountSample(3, 0.0)), "no exposure"),
    "no events": (lambda: rate_difference(CountSample(0, 1.0), CountSample(0, 1.0)), "no events"),
    "nothing before": (lambda: rate_ratio(CountSample(0, 1.0), CountSample(3, 1.0)), "no event to compare"),
}


@pytest.mark.parametrize("name", LACKING)
def test_too_few_says_why(name: str) -> None:
    ask, said = LACKING[name]
    assert said in few(ask())


def covered(draw: Callable[[np.random.Generator], Interval | TooFew], truth: float) -> float:
    random = np.random.default_rng(20_260_301)
    found = [draw(random) for _ in range(REPEATED)]
    kept = [one for one in found if isinstance(one, Interval)]
    assert len(kept) > 0.98 * REPEATED
    return sum(one.low <= truth <= one.high for one in kept) / len(kept)


def shares(random: np.random.Generator) -> Interval | TooFew:
    """0.08 of 150, then 0.12 of 200."""
    one, two = random.binomial(150, 0.08), random.binomial(200, 0.12)
    return proportion_difference(ProportionSample(int(one), 150), ProportionSample(int(two), 200))


def skewed_means(random: np.random.Generator) -> Interval | TooFew:
    """Waiting times: exponential with means of 4 and 5."""
    return mean_difference(mean_of(random.exponential(4, 80)), mean_of(random.exponential(5, 120)))


def lines_of_orders(random: np.random.Generator, share: float, n: int) -> RatioSample:
    """One to five lines; an order is short or it is not, so its lines go together."""
    lines = random.integers(1, 6, n)
    good = random.random(n) < share
    return ratio_of(lines * good, lines)


def clusters(random: np.random.Generator) -> Interval | TooFew:
    return ratio_difference(lines_of_orders(random, 0.8, 120), lines_of_orders(random, 0.9, 150))


def medians(random: np.random.Generator) -> Interval | TooFew:
    one, two = (sorted(float(v) for v in random.lognormal(middle, 0.8, 90)) for middle in (0.0, math.log(2)))
    return quantile_difference(QuantileSample(tuple(one)), QuantileSample(tuple(two)))


def tails(random: np.random.Generator) -> Interval | TooFew:
    one, two = (sorted(float(v) for v in random.exponential(scale, 150)) for scale in (1.0, 2.0))
    return quantile_difference(QuantileSample(tuple(one), q=0.9), QuantileSample(tuple(two), q=0.9))


def rates(random: np.random.Generator) -> Interval | TooFew:
    return rate_difference(CountSample(int(random.poisson(12)), 3.0), CountSample(int(random.poisson(9)), 1.5))


@pytest.mark.parametrize(
    ("draw", "truth", "least"),
    [
        (shares, 0.04, 0.94),
        (skewed_means, 1.0, 0.93),
        (clusters, 0.1, 0.93),
        (medians, 1.0, 0.93),
        (tails, math.log(10), 0.92),
        (rates, 2.0, 0.94),
    ],
)
def test_intervals_hold_as_often_as_they_say(
    draw: Callable[[np.random.Generator], Interval | TooFew], truth: float, least: float
) -> None:
    assert least <= covered(draw, truth) <= 0.985


def test_lines_taken_as_cases_would_not_hold() -> None:
    """Why a case is the unit: counting its lines as if they were independent gives intervals that are too narrow."""

    def naive(random: np.random.Generator) -> Interval | TooFew:
        one, two = lines_of_orders(random, 0.8, 120), lines_of_orders(random, 0.9, 150)
        sides = (ProportionSample(int(each.x), int(each.y)) for each in (one, two))
        return proportion_difference(*sides)

    assert covered(naive, 0.1) < 0.85


# --- what holds for every sample ---

counts = st.integers(0, 60)
values = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60)


@st.composite
def samples(draw: st.DrawFn) -> tuple[Sample, Sample]:
    """Two of one kind."""
    kind = draw(st.sampled_from(["proportion", "mean", "ratio", "quantile", "count"]))
    found: list[Sample] = []
    for _ in range(2):
        if kind == "proportion":
            n = draw(counts)
            found.append(ProportionSample(draw(st.integers(0, n)), n))
        elif kind == "count":
            found.append(CountSample(draw(counts), draw(st.just(0.0) | st.floats(LEAST_EXPOSURE, 100))))
        elif kind == "mean":
            found.append(mean_of(draw(values)))
        elif kind == "ratio":
            x = draw(values)
            found.append(ratio_of(x, draw(st.lists(st.floats(0, 1e6), min_size=len(x), max_size=len(x)))))
        else:
            found.append(QuantileSample(tuple(sorted(draw(values))), q=draw(st.sampled_from([0.5]))))
    return found[0], found[1]


@settings(max_examples=60)
@given(samples(), st.sampled_from([0.8, 0.95]))
def test_an_interval_holds_its_estimate_and_wider_levels_are_wider(pair: tuple[Sample, Sample], level: float) -> None:
    for found, wider in (
        (interval(pair[0], level), interval(pair[0], 0.99)),
        (_difference(pair, level), _difference(pair, 0.99)),
    ):
        if isinstance(found, TooFew) or isinstance(wider, TooFew):
            continue
        slack = 1e-9 * max(1.0, abs(found.estimate))
        assert found.low - slack <= found.estimate <= found.high + slack
        assert wider.low <= found.low + slack
        assert wider.high >= found.high - slack


@settings(max_examples=60)
@given(samples())
def test_what_is_better_one_way_is_worse_the_other(pair: tuple[Sample, Sample]) -> None:
    there, back, down = compare(*pair, "up"), compare(*reversed(pair), "up"), compare(*pair, "down")
    turned = {Verdict.BETTER: Verdict.WORSE, Verdict.WORSE: Verdict.BETTER}
    assert back.verdict is turned.get(there.verdict, there.verdict)
    assert down.verdict is turned.get(there.verdict, there.verdict)
    assert (there.low is None) == (there.high is None) == (there.verdict is Verdict.TOO_FEW) == bool(there.reason)


@settings(max_examples=40)
@given(samples())
def test_a_stored_sample_is_read_back(pair: tuple[Sample, Sample]) -> None:
    assert load(dump(pair[0])) == pair[0]


@settings(max_examples=40)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300), st.integers(2, 40), st.sampled_from([0.5, 0.9]))
def test_thinning_keeps_the_number_and_nearly_the_ranks(found: list[float], limit: int, q: float) -> None:
    whole = QuantileSample(tuple(sorted(found)), q=q)
    thin = whole.thinned(limit)
    assert thin.n == whole.n
    assert len(thin.values) <= limit
    off = math.ceil(whole.n / (2 * limit)) + 1
    for rank in range(1, whole.n + 1):
        assert whole.at(max(1, rank - off)) <= thin.at(rank) <= whole.at(min(whole.n, rank + off))


@pytest.mark.parametrize("level", [0, 1, -0.5, 1.5, math.nan, 1e-300, 1 - 1e-16])
def test_a_level_is_between_0_and_1(level: float) -> None:
    for sample in (ProportionSample(1, 2), MeanSample(2, 3, 5), QuantileSample((1.0, 2.0)), CountSample(1, 1.0)):
        with pytest.raises(InvalidInput, match="confidence level"):
            interval(sample, level)


def test_two_intervals_are_needed_to_move() -> None:
    with pytest.raises(InvalidInput, match="two intervals"):
        moved(TooFew("", 0), Interval(1, 0, 2, 0.95, ""), 0.95, "")


def _difference(pair: tuple[Sample, Sample], level: float) -> Interval | TooFew:
    found = compare(*pair, "up", level)
    if found.low is None or found.high is None or found.absolute is None:
        return TooFew(found.reason, 0)
    return Interval(found.absolute, found.low, found.high, level, "")
