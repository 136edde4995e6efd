"""Samples read from the views equal what plain counting over the same orders gives."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from kpis import load_catalogue, series
from kpis.value.observations import NO_CASES, Cell, Observed, observe, observe_all
from kpis.value.questions import Part, Period, part
from kpis.value.samples import MeanSample, ProportionSample, QuantileSample, RatioSample
from tests.unit.kpis_value.conftest import Filled
from tests.unit.kpis_value.shop import DAY, ROLLOUT, START, Order, orders

CATALOGUE = load_catalogue()
WHOLE = Part()
FIRST_TWO = Period(START, START + 14 * DAY)


def seen(filled: Filled, kpi: str, basis: str, period: Period = FIRST_TWO, chosen: Part = WHOLE) -> Observed:
    return observe(filled.ch, filled.tenant, CATALOGUE.get(kpi), basis, [period], chosen, "UTC")[0]


def placed(period: Period = FIRST_TWO) -> list[Order]:
    return [order for order in orders() if period.start <= order.placed < period.end]


def delivered(period: Period = FIRST_TWO) -> list[Order]:
    return [one for one in orders() if not one.cancelled and period.start <= one.delivered < period.end]


def test_a_share_of_cases_is_a_proportion(filled: Filled) -> None:
    found = seen(filled, "order_cancellation_rate", "all")
    assert (
        found.sample
        == ProportionSample(sum(one.cancelled for one in placed()), len(placed()))
        == ProportionSample(7, 112)
    )
    assert (found.subjects, found.volume, found.unit) == (112, 112, "cases")


def test_lines_of_one_order_are_one_case(filled: Filled) -> None:
    """Two lines each, and of short orders one is not filled: a ratio of sums over orders, not a proportion of lines."""
    mine = [one for one in placed() if not one.cancelled]
    parts = [1 if one.short else 2 for one in mine]
    found = seen(filled, "first_time_fill_rate", "line")
    lines = len(mine) + sum(not one.short for one in mine) + sum(one.short for one in mine)
    assert found.subjects >= lines
    sample = found.sample
    assert isinstance(sample, RatioSample)
    # A cancelled order's lines were wanted and denied.
    gone = sum(one.cancelled for one in placed())
    assert (sample.n, sample.x, sample.y) == (112, sum(parts), 2 * (len(mine) + gone))
    assert (sample.xx, sample.yy, sample.xy) == (sum(x * x for x in parts), 4 * 112, sum(2 * x for x in parts))
    units = seen(filled, "first_time_fill_rate", "unit").sample
    assert isinstance(units, RatioSample)
    assert (units.x, units.y) == (sum(1 if one.short else 3 for one in mine), 3 * 112)


def test_a_mean_and_its_squares(filled: Filled) -> None:
    seconds = [one.seconds for one in delivered()]
    found = seen(filled, "order_cycle_time", "mean")
    assert found.sample == MeanSample(len(seconds), sum(seconds), sum(one**2 for one in seconds))
    assert found.volume == len(seconds)


def test_percentiles_keep_every_value(filled: Filled) -> None:
    seconds = sorted(one.seconds for one in delivered())
    assert seen(filled, "order_cycle_time", "median").sample == QuantileSample(tuple(seconds), (), 0.5)
    p90 = seen(filled, "order_cycle_time", "p90").sample
    assert isinstance(p90, QuantileSample)
    assert p90.q == 0.9
    assert p90.estimate == pytest.approx(seconds[int(0.9 * (len(seconds) - 1))], abs=3600)


def test_many_values_are_thinned_by_the_engine_as_here(filled: Filled) -> None:
    everything = Period(START, START + 60 * DAY)
    whole = seen(filled, "order_cycle_time", "median", everything).sample
    kpi = CATALOGUE.get("order_cycle_time")
    (thin,) = observe(filled.ch, filled.tenant, kpi, "median", [everything], WHOLE, "UTC", values_read=50)
    assert isinstance(whole, QuantileSample)
    assert isinstance(thin.sample, QuantileSample)
    assert (thin.sample.n, len(thin.sample.values)) == (whole.n, 50)
    assert thin.sample.estimate == whole.estimate
    assert "50 of 434 values" in " ".join(thin.notes)


def test_a_count_is_a_mean_of_days_with_the_empty_ones(filled: Filled) -> None:
    """Ten days before the shop opened and four with 8 orders each; the half day at the end is left out."""
    found = seen(filled, "orders_placed", "", Period(START - 10 * DAY, START + timedelta(days=4, hours=12)))
    assert found.sample == MeanSample(14, 32, 4 * 64)
    assert (found.unit, found.volume) == ("days", 14)
    assert "not counted" in " ".join(found.notes)


def test_nothing_is_nothing(filled: Filled) -> None:
    empty = Period(START - 100 * DAY, START - 90 * DAY)
    for kpi, basis in (
        ("order_cancellation_rate", "all"),
        ("order_cycle_time", "median"),
        ("order_cycle_time", "mean"),
    ):
        found = seen(filled, kpi, basis, empty)
        assert found.sample is not None
        assert (found.sample.n, found.sample.estimate, found.subjects) == (0, None, 0), kpi


def test_a_part_is_a_value_of_a_dimension_or_a_process(filled: Filled) -> None:
    web = seen(filled, "order_cycle_time", "mean", chosen=Part(dimension="channel", value="web")).sample
    mine = [one.seconds for one in delivered() if one.channel == "web"]
    assert web is not None
    assert (web.n, web.estimate) == (len(mine), pytest.approx(sum(mine) / len(mine)))
    definition = CATALOGUE.get("touchpoints_per_case")
    other = observe(filled.ch, filled.tenant, definition, "", [FIRST_TWO], part(definition, "procure-to-pay"), "UTC")
    assert other[0].subjects == 0


def test_another_tenant_sees_nothing(filled: Filled) -> None:
    definition = CATALOGUE.get("order_cancellation_rate")
    found = observe(filled.ch, "somebody else", definition, "all", [FIRST_TWO], Part(), "UTC")[0]
    assert (found.subjects, found.excluded) == (0, 0)


def test_stored_hours_stand_for_a_kpi_with_statements(filled: Filled) -> None:
    found = seen(filled, "fill_rate", "line")
    sample = found.sample
    assert isinstance(sample, RatioSample)
    assert sample.n == 112, "one order an hour"
    assert sample.y == found.subjects
    assert seen(filled, "integration_recovery_time", "").notes == (NO_CASES,)


def test_all_cells_at_once_equal_each_alone(filled: Filled) -> None:
    after = Period(ROLLOUT, ROLLOUT + 14 * DAY)
    cells = [
        Cell(CATALOGUE.get(kpi), basis, period)
        for kpi, basis in (
            ("order_cycle_time", "p90"), ("order_cycle_time", "mean"), ("orders_placed", ""),
            ("on_time_in_full", "date"),
            ("first_time_fill_rate", "unit"), ("fill_rate", "unit"),
        )
        for period in (FIRST_TWO, after)
    ]  # fmt: skip
    together = observe_all(filled.ch, filled.tenant, cells, Part(), "UTC")
    assert together == [seen(filled, one.definition.id, one.basis, one.period) for one in cells]


@pytest.mark.parametrize(
    ("kpi", "basis"),
    [("order_cancellation_rate", "all"), ("first_time_fill_rate", "unit"), ("order_cycle_time", "mean"),
     ("order_cycle_time", "median"), ("touchless_rate", "")],
)  # fmt: skip
def test_the_estimate_of_a_day_is_the_day_s_value(filled: Filled, kpi: str, basis: str) -> None:
    """What is compared is the KPI, not something like it."""
    for at in (START + 3 * DAY, ROLLOUT + 9 * DAY):
        stored = series(filled.ch, filled.tenant, kpi, basis, start=at, end=at + timedelta(seconds=1))
        found = seen(filled, kpi, basis, Period(at, at + DAY))
        value = stored[0].value if stored else None
        assert found.sample is not None
        assert found.sample.estimate == pytest.approx(value)
        assert found.subjects == (stored[0].sample_size if stored else 0)
        assert isinstance(at, datetime)


def test_every_kpi_over_a_view_can_be_observed(filled: Filled) -> None:
    """All definitions and bases, their parameters and their dimensions among them: nothing is refused by the engine."""
    cells = [Cell(one, basis, FIRST_TWO) for one in CATALOGUE if one.view and not one.level for basis in one.basis_ids]
    found = observe_all(filled.ch, filled.tenant, cells, WHOLE, "Europe/Berlin")
    assert all(one.sample is not None for one in found)
    by_id = {(cell.definition.id, cell.basis): one.subjects for cell, one in zip(cells, found, strict=True)}
    assert by_id["order_cancellation_rate", "all"] == 112
    for one in {one.view: one for one in CATALOGUE if one.view in ("orders", "intervals", "promotions")}.values():
        for name in one.breakdowns:
            observe(
                filled.ch, filled.tenant, one, one.basis_ids[0], [FIRST_TWO], Part(dimension=name, value="x"), "UTC"
            )
