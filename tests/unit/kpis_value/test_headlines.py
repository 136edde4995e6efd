"""A report's changes carry the intervals of the cases behind them, and the baselines in force."""

from __future__ import annotations

from datetime import datetime

import pytest

from kpis import load_catalogue
from kpis.exports.build import ExportQuestion, build_report
from kpis.exports.report import Headline
from kpis.value import headlines
from kpis.value.intervals import Interval, mean_difference, proportion_difference, quantile_difference
from kpis.value.observations import observe
from kpis.value.samples import MeanSample, ProportionSample, QuantileSample
from tests.unit.kpis_value.conftest import Filled
from tests.unit.kpis_value.shop import DAY, NOW, ROLLOUT, START, orders

CATALOGUE = load_catalogue()


def headline(filled: Filled, kpi: str, start: datetime = ROLLOUT, end: datetime = ROLLOUT + 28 * DAY) -> Headline:
    report = build_report(
        filled.ch, filled.tenant, CATALOGUE, ExportQuestion(start, end, kpis=(kpi,)), now=NOW,
        baselines={(kpi, CATALOGUE.get(kpi).version, CATALOGUE.get(kpi).basis_ids[0]): 0.25, (kpi, 99, ""): 9.0},
    )  # fmt: skip
    (one,) = report.kpis
    assert one.headline is not None
    return one.headline


def ends(found: object) -> tuple[float, float]:
    assert isinstance(found, Interval)
    return found.low, found.high


def test_a_share(filled: Filled) -> None:
    """14 of 224 orders before, none of 224 after."""
    found = headline(filled, "order_cancellation_rate")
    expected = proportion_difference(ProportionSample(14, 224), ProportionSample(0, 224))
    assert found.change == pytest.approx(-14 / 224)
    assert (found.change_low, found.change_high) == pytest.approx(ends(expected))
    assert found.baseline == 0.25


def test_a_percentile_is_of_the_newest_day_of_each_period(filled: Filled) -> None:
    found = headline(filled, "order_cycle_time")

    def of(day: datetime) -> QuantileSample:
        mine = [one.seconds for one in orders() if not one.cancelled and day <= one.delivered < day + DAY]
        return QuantileSample(tuple(sorted(mine)))

    before, after = of(ROLLOUT - DAY), of(ROLLOUT + 27 * DAY)
    assert (found.previous, found.value) == (before.estimate, after.estimate)
    expected = quantile_difference(before, after)
    if isinstance(expected, Interval):
        assert (found.change_low, found.change_high) == pytest.approx(ends(expected))
    else:
        assert (found.change_low, found.change_high) == (None, None)


def test_a_count_is_of_totals(filled: Filled) -> None:
    """Two days before the shop opened and two of 8 orders, then four of 8: the sums' change, spread by the days."""
    found = headline(filled, "orders_placed", START + 2 * DAY, START + 6 * DAY)
    expected = mean_difference(MeanSample(4, 16, 128), MeanSample(4, 32, 256))
    assert (found.previous, found.value, found.change) == (16, 32, 16)
    assert (found.change_low, found.change_high) == pytest.approx(tuple(4 * one for one in ends(expected)))
    same = headline(filled, "orders_placed", START + 20 * DAY, START + 24 * DAY)
    assert (same.change, same.change_low, same.change_high) == (0, None, None), "all days are equal"


def test_a_count_that_is_not_over_has_no_interval(filled: Filled) -> None:
    found = headline(filled, "orders_placed", NOW - 20 * DAY, NOW + 20 * DAY)
    assert found.change is not None
    assert found.change_low is None


def test_many_cases_are_told_by_stored_hours(filled: Filled) -> None:
    """The same interval where each hour holds an order, at the cost of a few buckets; percentiles have none then."""
    periods = (headlines.Period(ROLLOUT - 28 * DAY, ROLLOUT), headlines.Period(ROLLOUT, ROLLOUT + 28 * DAY))
    told = []
    for kpi in ("first_time_fill_rate", "order_cycle_time"):
        definition = CATALOGUE.get(kpi)
        basis = definition.basis_ids[0]
        seen = observe(filled.ch, filled.tenant, definition, basis, periods, headlines.WHOLE, "UTC")
        before, after = (one.sample.estimate for one in seen if one.sample)
        assert before is not None
        assert after is not None
        told.append(headlines.Told(definition, *periods, before, after, 448))

    def intervals(most: int) -> dict[str, tuple[float, float]]:
        return headlines.change_intervals(filled.ch, filled.tenant, told, "UTC", cases_read=most)

    near, far = intervals(1000), intervals(10)
    assert set(near) == {"first_time_fill_rate", "order_cycle_time"}
    assert set(far) == {"first_time_fill_rate"}
    assert near["first_time_fill_rate"][0] != 0
    assert far["first_time_fill_rate"] == pytest.approx(near["first_time_fill_rate"], rel=0.05)


def test_what_does_not_agree_with_the_report_has_no_interval(filled: Filled) -> None:
    """As when the views have moved on since the values were stored."""
    definition = CATALOGUE.get("order_cancellation_rate")
    periods = (headlines.Period(ROLLOUT - 28 * DAY, ROLLOUT), headlines.Period(ROLLOUT, ROLLOUT + 28 * DAY))
    right = headlines.Told(definition, *periods, 14 / 224, 0.0, 448)
    wrong = headlines.Told(definition, *periods, 15 / 224, 0.0, 448)
    assert set(headlines.change_intervals(filled.ch, filled.tenant, [right], "UTC")) == {definition.id}
    assert headlines.change_intervals(filled.ch, filled.tenant, [wrong], "UTC") == {}
    assert headlines.change_intervals(filled.ch, "somebody else", [right], "UTC") == {}
