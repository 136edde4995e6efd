"""Forecasts, trends towards targets, and roll-outs on samples: by hand, against scipy, and for any series."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InvalidInput
from kpis.value.compare import Verdict
from kpis.value.forecast import (
    Forecast,
    NotEnoughHistory,
    bands,
    forecast_days,
    predict,
    same_slot,
    weeks_needed,
)
from kpis.value.intervals import Interval, proportion_difference
from kpis.value.rollout import Group, effect, windows
from kpis.value.samples import CountSample, MeanSample, ProportionSample, QuantileSample
from kpis.value.targets import Met, Outlook, attainment, burn_down, sen_slope

DAY = timedelta(days=1)
FIRST = date(2026, 1, 5)


def days(values: list[float]) -> dict[date, float | None]:
    return {FIRST + n * DAY: value for n, value in enumerate(values)}


# --- forecasts ---


def test_the_expected_value_by_hand() -> None:
    """Eight equal weeks 10..16, the last one 2 higher: the slot's median, moved by half of 2, damped by the day."""
    weeks = [[10.0 + day for day in range(7)] for _ in range(8)]
    values = [value for week in weeks for value in week] + [12.0 + day for day in range(7)]
    found = predict(values, 7, 8)
    expected = [10 + day + 0.5 * 2 * 0.7 ** ((day + 1) / 7) for day in range(7)]
    assert found[:7] == pytest.approx(expected)
    assert found[7] == pytest.approx(10 + 0.5 * 2 * 0.7 ** (8 / 7))
    assert same_slot(values, 7, 1, 3) == [12, 10, 10]


def test_bands_hold_about_as_often_as_they_say() -> None:
    """Weekday pattern and noise, a fixed seed: what comes lies inside bands of 80 % in some four of five days."""
    random = np.random.default_rng(11)
    inside = judged = 0
    for _ in range(6):
        values = [100 + 20 * (n % 7) + float(random.normal(0, 10)) for n in range(7 * 30 + 14)]
        found = bands(values[:-14], 7, 14)
        assert isinstance(found, Forecast)
        assert len(found.points) == 14
        inside += sum(one.low <= values[-14 + one.ahead - 1] <= one.high for one in found.points)
        judged += 14
        assert found.coverage is not None
        assert 0.6 < found.coverage < 0.95
        assert found.beats_naive
    assert 0.68 < inside / judged < 0.95


def test_history_that_is_just_enough() -> None:
    needed = weeks_needed(7, 14, 0.8)
    values: list[float | None] = [float(n % 7) for n in range(needed * 7)]
    found = bands(values, 7, 14)
    assert isinstance(found, Forecast)
    assert len(found.points) == 14
    short = bands(values[1:], 7, 14)
    assert isinstance(short, NotEnoughHistory)
    assert short.needed == needed == 9
    assert isinstance(forecast_days({}, 14), NotEnoughHistory)


def test_bands_are_judged_by_earlier_errors_alone() -> None:
    """At origin o the errors h steps ahead of all origins before o - h are known; 20 of them make a band."""
    weeks, horizon = 12, 5
    found = bands([float(n % 7) for n in range(7 * weeks)], 7, horizon)
    assert isinstance(found, Forecast)
    first, length = 28, 7 * weeks
    expected = sum(
        1 for origin in range(first, length) for ahead in range(horizon)
        if origin + ahead < length and origin - ahead - first >= 20
    )  # fmt: skip
    assert found.judged == expected


def test_days_follow_the_last_one_and_gaps_are_no_zeros() -> None:
    history = days([5.0] * 7 * 12)
    del history[FIRST + 30 * DAY]
    told = forecast_days(history, 3, lowest=0)
    assert not isinstance(told, NotEnoughHistory)
    assert [one.day for one in told[0]] == [FIRST + (84 + n) * DAY for n in range(3)]
    assert [(one.low, one.expected, one.high) for one in told[0]] == [(5, 5, 5)] * 3


@settings(max_examples=25)
@given(
    st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=0, max_size=150),
    st.integers(1, 28),
    st.sampled_from([0.5, 0.8, 0.9]),
)
def test_any_ratio_gives_bands_inside_0_and_1_or_none(values: list[float | None], horizon: int, level: float) -> None:
    found = bands(values, 7, horizon, level, lowest=0, highest=1)
    if isinstance(found, Forecast):
        assert all(0 <= one.low <= one.expected <= one.high <= 1 for one in found.points)
        assert found.coverage is None or 0 <= found.coverage <= 1


@pytest.mark.parametrize(
    ("period", "horizon", "level", "said"),
    [(24, 1, 0.8, "a period is"), (7, 0, 0.8, "a horizon"), (7, 29, 0.8, "a horizon"), (7, 7, 1.0, "level")],
)
def test_wrong_forecasts(period: int, horizon: int, level: float, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        bands([1.0] * 300, period, horizon, level)
    with pytest.raises(InvalidInput, match="must be finite"):
        bands([math.nan] * 300, 7, 7)


# --- targets ---


def test_sen_s_slope_as_scipy_has_it() -> None:
    stats = pytest.importorskip("scipy.stats")
    random = np.random.default_rng(2)
    values = [0.3 * n + float(random.normal(0, 4)) for n in range(40)]
    told = stats.theilslopes(values, range(40), 0.95)
    slope, low, high = sen_slope(list(enumerate(values)))
    assert slope == pytest.approx(told.slope)
    assert low == pytest.approx(told.low_slope, abs=0.01)
    assert high == pytest.approx(told.high_slope, abs=0.01)


def test_the_ranks_of_sen_s_interval_by_hand() -> None:
    """Ten days: 45 slopes, C = 1.96 sqrt(10 * 9 * 25 / 18) = 21.9, so the 11th and the 35th of them."""
    values = [2.0**n for n in range(10)]
    slopes = sorted((values[b] - values[a]) / (b - a) for a in range(10) for b in range(a + 1, 10))
    assert sen_slope(list(enumerate(values))) == (slopes[22], slopes[10], slopes[34])


def test_a_trend_s_interval_holds_where_days_are_alike() -> None:
    """Good days follow good days (0.6) and weekends differ; taken as independent they would hold in 83 %."""
    random = np.random.default_rng(6)
    held = 0
    for _ in range(300):
        values = [0.0]
        for _ in range(55):
            values.append(0.6 * values[-1] + float(random.normal()))
        week = [0, 0, 0, 0, 0, 2, -2]
        _, low, high = sen_slope([(n, value + week[n % 7]) for n, value in enumerate(values)])
        held += low <= 0 <= high
    assert held / 300 > 0.92


def test_a_straight_way_to_the_target() -> None:
    """90 % on the 56th day and a tenth of a point a day: 95 % is reached 50 days later."""
    found = burn_down(days([0.845 + 0.001 * n for n in range(56)]), "up", 0.95)
    assert found.outlook is Outlook.ON_THE_WAY
    assert (found.level_now, found.per_day) == (pytest.approx(0.9), pytest.approx(0.001))
    assert found.reaches == found.earliest == found.latest == FIRST + (55 + 50) * DAY
    assert found.words == f"at this rate on {found.reaches}"


def test_the_band_of_the_way_to_the_target() -> None:
    random = np.random.default_rng(4)
    found = burn_down(days([50 - 0.2 * n + float(random.normal(0, 2)) for n in range(56)]), "down", 20)
    assert found.outlook is Outlook.ON_THE_WAY
    assert found.earliest is not None
    assert found.reaches is not None
    assert found.latest is not None
    assert found.earliest < found.reaches < found.latest


@pytest.mark.parametrize(
    ("values", "direction", "outlook", "said"),
    [
        ([10.0] * 13, "up", Outlook.TOO_FEW, "needs 14 days"),
        ([10.0 + n for n in range(30)], "up", Outlook.REACHED, "at the target"),
        ([60.0 - n for n in range(30)], "up", Outlook.REACHED, "leads back from it"),
        ([19.0 - n / 10 for n in range(30)], "up", Outlook.NOT_AT_THIS_RATE, "leads away"),
        ([10.0 + n / 1000 for n in range(30)], "up", Outlook.NOT_AT_THIS_RATE, "more than two years"),
        ([10.0 + n % 2 for n in range(30)], "up", Outlook.NO_TREND_SHOWN, "standing still"),
    ],
)
def test_other_outlooks(values: list[float], direction: str, outlook: Outlook, said: str) -> None:
    found = burn_down(days(values), direction, 20)  # type: ignore[arg-type]
    assert found.outlook is outlook
    assert said in found.words
    assert found.reaches is None


@settings(max_examples=30)
@given(st.lists(st.floats(-1e6, 1e6), max_size=40), st.sampled_from(["up", "down"]), st.floats(-1e6, 1e6))
def test_a_way_is_told_in_order_or_not_at_all(values: list[float], direction: str, target: float) -> None:
    found = burn_down(days(values), direction, target)  # type: ignore[arg-type]
    assert found.words
    if found.reaches is not None:
        assert found.last is not None
        assert found.earliest is not None
        assert found.last <= found.earliest <= found.reaches <= (found.latest or date.max)
    if found.per_day is not None:
        assert found.per_day_low is not None
        assert found.per_day_high is not None
        assert found.per_day_low <= found.per_day <= found.per_day_high


@pytest.mark.parametrize(
    ("successes", "target", "tolerance", "met"),
    [
        (970, 0.95, 0.0, Met.MET),
        (955, 0.95, 0.0, Met.NOT_SHOWN),
        (955, 0.95, 0.02, Met.MET),
        (900, 0.95, 0.0, Met.MISSED),
        (900, 0.95, 0.02, Met.MISSED),
    ],
)
def test_a_target_is_met_by_the_whole_interval(successes: int, target: float, tolerance: float, met: Met) -> None:
    found = attainment(ProportionSample(successes, 1_000), "up", target, tolerance)
    assert found.met is met
    assert found.gap == pytest.approx(target - successes / 1_000)
    mirrored = attainment(ProportionSample(1_000 - successes, 1_000), "down", 1 - target, tolerance)
    assert mirrored.met is met


def test_targets_that_cannot_be_judged() -> None:
    assert attainment(ProportionSample(5, 9), "up", None).met is Met.NO_TARGET
    assert attainment(MeanSample(0, 0, 0), "up", 3).met is Met.NOT_SHOWN
    one = attainment(QuantileSample((1.0, 2.0)), "up", 3)
    assert (one.met, bool(one.reason)) == (Met.NOT_SHOWN, True)


# --- roll-outs ---


def group(before: int, after: int, n: int = 400, halves: tuple[int, int] = (40, 40)) -> Group:
    return Group(
        ProportionSample(before, n), ProportionSample(after, n),
        ProportionSample(halves[0], n // 2), ProportionSample(halves[1], n // 2),
    )  # fmt: skip


def test_difference_in_differences_by_hand() -> None:
    """20 to 35 % where it was rolled out, 20 to 25 % elsewhere: 10 points, and the spread of both changes."""
    found = effect(group(80, 140), group(80, 100), "up")
    own = proportion_difference(ProportionSample(80, 400), ProportionSample(140, 400))
    other = proportion_difference(ProportionSample(80, 400), ProportionSample(100, 400))
    assert isinstance(own, Interval)
    assert isinstance(other, Interval)
    assert found.absolute == pytest.approx(0.1)
    assert found.low == pytest.approx(0.1 - math.hypot(own.estimate - own.low, other.high - other.estimate))
    assert found.high == pytest.approx(0.1 + math.hypot(own.high - own.estimate, other.estimate - other.low))
    assert (found.verdict, found.alike_before) == (Verdict.BETTER, True)


def test_what_happened_to_both_is_no_effect() -> None:
    found = effect(group(80, 140), group(80, 140), "up")
    assert (found.absolute, found.verdict) == (0, Verdict.NO_DIFFERENCE_SHOWN)


def test_groups_that_moved_apart_before_are_named() -> None:
    found = effect(group(80, 140, halves=(20, 60)), group(80, 100), "up")
    assert found.alike_before is False
    assert any("already moved differently" in note for note in found.notes)


def test_a_small_group_says_which_one() -> None:
    small = Group(*(MeanSample(1, 3, 9) for _ in range(4)))
    large = Group(*(MeanSample(9, 30, 120) for _ in range(4)))
    found = effect(large, small, "up")
    assert (found.verdict, found.low, found.alike_before) == (Verdict.TOO_FEW, None, None)
    assert found.reason.startswith("control group: ")
    with pytest.raises(InvalidInput, match="is not compared with"):
        effect(Group(CountSample(1, 1.0), *(MeanSample(9, 30, 120) for _ in range(3))), large, "up")


def test_difference_in_differences_holds() -> None:
    """Both groups drift by 5 points, the roll-out adds 8: the interval holds that in some 95 of 100."""
    random = np.random.default_rng(9)

    def drawn(*chances: float) -> Group:
        return Group(*(ProportionSample(int(random.binomial(300, one)), 300) for one in chances))

    held = 0
    for _ in range(800):
        found = effect(drawn(0.2, 0.33, 0.2, 0.2), drawn(0.3, 0.35, 0.3, 0.3), "up")
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0.08 <= found.high
    assert 0.93 < held / 800 < 0.98


def test_windows_around_a_rollout() -> None:
    at = datetime(2026, 2, 2, 12, tzinfo=UTC)
    whole = windows(at, at + 40 * DAY, 28, 7)
    assert (whole.before.start, whole.before.end) == (at - 28 * DAY, at)
    assert (whole.after.start, whole.after.end) == (at + 7 * DAY, at + 35 * DAY)
    assert (whole.earlier.end, whole.later.start) == (at - 14 * DAY, at - 14 * DAY)
    assert whole.notes == ()
    part = windows(at, at + 10.5 * DAY, 28)
    assert part.after.end == at + 10 * DAY
    assert "10 of 28 days" in part.notes[0]
    for wrong in ((at, at + DAY / 2, 28, 0), (at, at + 40 * DAY, 367, 0), (at, at + 40 * DAY, 28, -1)):
        with pytest.raises(InvalidInput):
            windows(*wrong)
