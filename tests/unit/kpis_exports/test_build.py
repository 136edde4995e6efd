"""A report from stored values: which points, which headline, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from core import InvalidInput, NotFound, OpsintelError, TooLarge
from kpis import load_catalogue
from kpis.exports.buckets import last_over, period_before
from kpis.exports.build import PAGE, ExportQuestion, build_report
from kpis.exports.report import Report
from kpis.periods import Calendar
from storage import ClickHouse
from tests.unit.kpis_exports.reports import DAY, NOW, START, store

BERLIN = ZoneInfo("Europe/Berlin")
BERLIN_CALENDAR = Calendar("Europe/Berlin")
QUESTION = ExportQuestion(START, START + 10 * DAY, kpis=("fill_rate",))


def built(
    ch: ClickHouse, tenant: str, question: ExportQuestion = QUESTION, timezone: str = "UTC", page: int = PAGE
) -> Report:
    return build_report(ch, tenant, load_catalogue(), question, now=NOW, calendar=Calendar(timezone), page=page)


def test_points_of_the_period_by_basis_the_totals_first(clickhouse: ClickHouse, tenant: str) -> None:
    """Half open, without the other tenant's, other versions' and other grains' values."""
    store(clickhouse, tenant, [{"BucketStart": START + n * DAY, "Value": n / 10} for n in range(-1, 11)])
    store(clickhouse, tenant, [{"Basis": "unit"}, {"Version": 9, "Value": 9.0}, {"Grain": "hour", "Value": 8.0}])
    store(clickhouse, f"not {tenant}", [{"Value": 7.0}])
    (kpi,) = built(clickhouse, tenant).kpis
    assert [(series.basis, series.basis_name) for series in kpi.series] == [("line", "lines"), ("unit", "units")]
    points = list(kpi.series[0].points)
    assert [point.value for point in points] == [n / 10 for n in range(10)]
    assert (points[0].start, points[0].end, points[0].complete) == (START, START + DAY, True)
    assert [point.value for point in kpi.series[1].points] == [0.5]
    assert [point.value for point in kpi.series[0].points] == [n / 10 for n in range(10)], "as often as wanted"


@pytest.mark.parametrize("page", [1, 2, 3, 100])
def test_pages_lose_and_double_nothing(clickhouse: ClickHouse, tenant: str, page: int) -> None:
    edges = ["", "a->b", "b->c", "ü->ö"]
    rows = [
        {"KpiId": "integration_failure_rate", "Basis": "", "Dimension": edge and "edge", "DimensionValue": edge,
         "BucketStart": START + n * DAY, "Value": n + 0.5}
        for edge in edges for n in range(3)
    ]  # fmt: skip
    store(clickhouse, tenant, rows)
    question = replace(QUESTION, kpis=("integration_failure_rate",), dimensions=("*",))
    (kpi,) = built(clickhouse, tenant, question, page=page).kpis
    assert [series.dimension_value for series in kpi.series] == edges
    for series in (*kpi.series, *reversed(kpi.series)):
        assert [point.value for point in series.points] == [0.5, 1.5, 2.5], series.dimension_value


@pytest.mark.parametrize(
    ("dimensions", "values", "found"),
    [((), (), [""]), (("edge",), (), ["", "a", "b"]), (("edge",), ("b",), ["", "b"]), ((), ("a",), ["", "a"])],
)
def test_dimensions_and_their_values(
    clickhouse: ClickHouse, tenant: str, dimensions: tuple[str, ...], values: tuple[str, ...], found: list[str]
) -> None:
    kpi = {"KpiId": "integration_failure_rate", "Basis": ""}
    store(clickhouse, tenant, [kpi | {"Dimension": edge and "edge", "DimensionValue": edge} for edge in ("", "a", "b")])
    question = replace(QUESTION, kpis=(kpi["KpiId"],), dimensions=dimensions, dimension_values=values)
    assert [series.dimension_value for series in built(clickhouse, tenant, question).kpis[0].series] == found


def test_the_headline_of_a_ratio_is_of_sums(clickhouse: ClickHouse, tenant: str) -> None:
    """1/2 and 99/100 are 100/102, not the mean of the two; the ten days before: 3/4."""
    rows = [(0, 1, 2), (1, 99, 100), (-1, 3, 4), (-11, 0, 50)]
    store(clickhouse, tenant, [
        {"BucketStart": START + n * DAY, "Value": a / b, "Numerator": a, "Denominator": b, "SampleSize": b,
         "OpenCases": 1}
        for n, a, b in rows
    ])  # fmt: skip
    headline = built(clickhouse, tenant).kpis[0].headline
    assert headline
    assert headline.value == 100 / 102
    assert (headline.sample_size, headline.open_cases, headline.previous) == (102, 2, 0.75)
    assert headline.change == pytest.approx(100 / 102 - 0.75)


def test_the_headline_of_a_percentile_is_the_newest_settled_bucket(clickhouse: ClickHouse, tenant: str) -> None:
    kpi = {"KpiId": "refund_turnaround", "Basis": "median"}
    rows = [(-2, 50.0, 5), (0, 100.0, 5), (1, 300.0, 5), (2, None, 0)]
    store(clickhouse, tenant, [
        kpi | {"BucketStart": START + n * DAY, "Value": value, "SampleSize": size} for n, value, size in rows
    ])  # fmt: skip
    (found,) = built(clickhouse, tenant, replace(QUESTION, kpis=("refund_turnaround",))).kpis
    assert found.headline
    assert (found.headline.value, found.headline.previous, found.headline.change) == (300.0, 50.0, 250.0)
    assert (found.headline.target_met, found.headline.small_sample) == (True, True)
    assert "newest settled bucket" in dict(found.definition)["Headline"]


def test_the_headline_of_a_count_is_its_sum(clickhouse: ClickHouse, tenant: str) -> None:
    kpi = {"KpiId": "orders_placed", "Basis": load_catalogue().get("orders_placed").basis_ids[0]}
    rows = [(-1, 7.0), (0, 5.0), (1, 6.0)]
    store(clickhouse, tenant, [
        kpi | {"BucketStart": START + n * DAY, "Value": value, "Numerator": value} for n, value in rows
    ])  # fmt: skip
    headline = built(clickhouse, tenant, replace(QUESTION, kpis=("orders_placed",))).kpis[0].headline
    assert headline
    assert (headline.value, headline.previous) == (11.0, 7.0)
    later = replace(QUESTION, kpis=("orders_placed",), start=START + DAY, end=START + 2 * DAY)
    assert built(clickhouse, tenant, later).kpis[0].headline.previous == 5.0  # type: ignore[union-attr]
    first = replace(later, start=START - DAY, end=START)
    assert built(clickhouse, tenant, first).kpis[0].headline.previous is None, "nothing stored is no zero"  # type: ignore[union-attr]


def test_a_kpi_without_values_is_in_the_report(clickhouse: ClickHouse, tenant: str) -> None:
    found = built(clickhouse, tenant, replace(QUESTION, kpis=()))
    assert [kpi.id for kpi in found.kpis] == [one.id for one in load_catalogue()]
    assert {(kpi.series, kpi.headline) for kpi in found.kpis} == {((), None)}
    assert found.data_through is None
    assert dict(found.kpis[0].definition)["Data through"] == "nothing was computed for this period"


def test_days_of_a_change_of_the_clock(clickhouse: ClickHouse, tenant: str) -> None:
    """In Berlin 29 March 2026 has 23 hours, and 25 October 25."""
    start = datetime(2026, 3, 28, 23, tzinfo=UTC)
    store(clickhouse, tenant, [{"BucketStart": start}])
    (point,) = built(
        clickhouse, tenant, replace(QUESTION, start=start, end=start + DAY), "Europe/Berlin"
    ).kpis[0].series[0].points  # fmt: skip
    assert point.end - point.start == timedelta(hours=23)
    autumn = datetime(2026, 10, 24, 22, tzinfo=UTC)
    assert BERLIN_CALENDAR.end("day", autumn) - autumn == timedelta(hours=25)
    assert BERLIN_CALENDAR.end("week", autumn - 6 * DAY) - autumn == timedelta(hours=25)
    assert BERLIN_CALENDAR.end("hour", autumn) - autumn == timedelta(hours=1)
    assert BERLIN_CALENDAR.end("month", datetime(2026, 2, 28, 23, tzinfo=UTC)) == datetime(2026, 3, 31, 22, tzinfo=UTC)


def test_the_period_before_is_as_long_on_the_wall() -> None:
    march, april = datetime(2026, 2, 28, 23, tzinfo=UTC), datetime(2026, 3, 31, 22, tzinfo=UTC)
    assert period_before(march, april, BERLIN) == datetime(2026, 1, 31, 23, tzinfo=UTC), "February before March"
    week = datetime(2026, 4, 2, 22, tzinfo=UTC)
    assert period_before(week, week + 7 * DAY, BERLIN) == datetime(2026, 3, 26, 23, tzinfo=UTC)


def test_what_is_over() -> None:
    assert last_over("day", datetime(2026, 3, 29, 23, tzinfo=UTC), BERLIN) == datetime(2026, 3, 29, 0, tzinfo=UTC)
    assert last_over("month", datetime(2026, 3, 31, 9, tzinfo=UTC), BERLIN) == datetime(2026, 2, 28, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("question", "error", "says"),
    [
        ({"kpis": ("fill_rat",)}, NotFound, r"fill_rat.*did you mean fill_rate"),
        ({"end": START}, InvalidInput, r"ends after it starts.*swap"),
        ({"grain": "fortnight"}, InvalidInput, r"fortnight.*hour, day"),
        ({"dimensions": ("edgy",), "kpis": ()}, InvalidInput, r"edgy.*did you mean edge"),
        ({"start": datetime(1971, 1, 1, tzinfo=UTC), "end": datetime(2100, 1, 1, tzinfo=UTC), "grain": "hour"},
         TooLarge, r"1,000,000 at most.*a coarser grain such as day"),
        ({"end": datetime(2500, 1, 1, tzinfo=UTC)}, InvalidInput, r"end is out of range"),
    ],
)  # fmt: skip
def test_wrong_questions(
    clickhouse: ClickHouse, tenant: str, question: dict[str, object], error: type[OpsintelError], says: str
) -> None:
    with pytest.raises(error, match=says):
        built(clickhouse, tenant, replace(QUESTION, **question))  # type: ignore[arg-type]
