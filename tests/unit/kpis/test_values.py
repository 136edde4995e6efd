"""The readers: which value is the latest, what a series holds, and how wrong questions are answered."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

import kpis
from core import InvalidInput, ManualClock, NotFound
from kpis import KpiJobs, latest_values, series, trends
from storage import ClickHouse
from tests.unit.kpis.events import ORDERS, Call, Event, headline_kpis, load_calls, load_events, moment

DAY = timedelta(days=1)


def lines(day: datetime, placed: int, shipped: int) -> list[Event]:
    """Orders of one line, some of them shipped."""
    attributes = {"retail.order.line.id": "L1"}
    return [
        Event(ORDERS, f"{day:%d}-{n}", f"retail.order.line.{name}", day, f"{day:%d}-{n}-{name}", 1.0, "5", attributes)
        for name, count in (("placed", placed), ("shipped", shipped))
        for n in range(count)
    ]


def test_the_latest_value_is_of_the_newest_settled_bucket(
    clickhouse: ClickHouse, tenant: str, clock: ManualClock
) -> None:
    """Of the third day one line in five is decided: that is no fill rate yet."""
    days = [moment("2026-02-27T10:00") + n * DAY for n in range(3)]
    events = lines(days[0], 5, 5) + lines(days[1], 5, 4) + lines(days[2], 5, 1)
    load_events(clickhouse, tenant, events, clock.now())
    KpiJobs(clickhouse, clock, headline_kpis(), [tenant]).run_once()
    latest = {value.basis: value for value in latest_values(clickhouse, tenant)}
    assert list(latest) == ["line", "unit", "order", "value"]
    assert latest["line"].bucket_start == days[1].replace(hour=0)
    assert (latest["line"].value, latest["line"].sample_size, latest["line"].open_cases) == (1.0, 4, 1)
    assert (latest["line"].unit, latest["line"].direction, latest["line"].version) == ("ratio", "up", 2)


@pytest.mark.parametrize(
    ("shipped", "day"), [((0, 1, 0), 1), ((0, 0, 0), 2)], ids=["newest with a value", "newest when none has one"]
)
def test_where_nothing_is_settled(
    clickhouse: ClickHouse, tenant: str, clock: ManualClock, shipped: tuple[int, ...], day: int
) -> None:
    days = [moment("2026-02-27T10:00") + n * DAY for n in range(3)]
    for at, count in zip(days, shipped, strict=True):
        load_events(clickhouse, tenant, lines(at, 9, count), clock.now())
    KpiJobs(clickhouse, clock, headline_kpis(), [tenant]).run_once()
    assert latest_values(clickhouse, tenant)[0].bucket_start == days[day].replace(hour=0)


def test_latest_has_the_total_before_the_edges(clickhouse: ClickHouse, tenant: str, clock: ManualClock) -> None:
    calls = [Call("b->c", clock.now(), 1), Call("a->b", clock.now(), 2, True)]
    load_calls(clickhouse, tenant, calls, clock.now())
    KpiJobs(clickhouse, clock, headline_kpis(), [tenant]).run_once()
    found = [
        (value.dimension, value.dimension_value, value.value) for value in latest_values(clickhouse, tenant, "hour")
    ]
    assert found == [("", "", 0.5), ("edge", "a->b", 1.0), ("edge", "b->c", 0.0)]


def test_a_series_is_half_open_and_in_order(clickhouse: ClickHouse, tenant: str, clock: ManualClock) -> None:
    start = moment("2026-02-20T00:00")
    load_calls(clickhouse, tenant, [Call("a->b", start + n * DAY, n + 1) for n in range(4)], clock.now())
    KpiJobs(clickhouse, clock, headline_kpis(), [tenant]).run_once()
    found = series(
        clickhouse, tenant, "integration_failure_rate", dimension_value="a->b", start=start + DAY, end=start + 3 * DAY
    )
    assert [value.bucket_start for value in found] == [start + DAY, start + 2 * DAY]
    assert series(clickhouse, tenant, "integration_failure_rate", dimension_value="x->y") == []


@pytest.mark.parametrize(
    ("question", "error", "message"),
    [
        ({"kpi_id": "fill"}, NotFound, "no KPI 'fill'"),
        ({"kpi_id": "fill_rate", "basis": "lines"}, InvalidInput, "has no basis 'lines'; there are line, unit"),
        (
            {"kpi_id": "fill_rate", "dimension_value": "a->b"},
            InvalidInput,
            "stores no dimension beside its total",
        ),
        (
            {"kpi_id": "fill_rate", "grain": "year"},
            InvalidInput,
            "a grain is minute, hour, day, week, month; got 'year'",
        ),
        ({"kpi_id": "fill_rate", "grain": "run"}, InvalidInput, "a grain is minute, hour, day, week, month; got 'run'"),
        ({"kpi_id": "fill_rate", "start": datetime(2026, 3, 1)}, InvalidInput, "must carry its zone"),  # noqa: DTZ001
    ],
)
def test_wrong_questions(
    clickhouse: ClickHouse, tenant: str, question: dict[str, str], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        series(clickhouse, tenant, **question)  # type: ignore[arg-type]


def test_public_names() -> None:
    assert {
        "Basis",
        "Catalogue",
        "KpiDefinition",
        "KpiJobs",
        "KpiSchedule",
        "KpiValue",
        "RunReport",
        "explain",
        "latest_values",
        "load_catalogue",
        "series",
    } <= set(kpis.__all__)
    assert all(hasattr(kpis, name) for name in kpis.__all__)


def test_trends_are_the_series_of_everything(clickhouse: ClickHouse, tenant: str, clock: ManualClock) -> None:
    """One question for a page gives, value by value, what one question for each series gives."""
    days = [moment("2026-02-27T10:00") + n * DAY for n in range(3)]
    for at in days:
        load_events(clickhouse, tenant, lines(at, 5, 4), clock.now())
        load_calls(clickhouse, tenant, [Call("a->b", at, 2, True), Call("b->c", at, 1)], clock.now())
    KpiJobs(clickhouse, clock, headline_kpis(), [tenant]).run_once()
    found = trends(clickhouse, tenant, start=days[1].replace(hour=0))
    assert {key[:2] for key in found} >= {
        ("fill_rate", "line"),
        ("fill_rate", "value"),
        ("integration_failure_rate", ""),
    }
    for (kpi, basis, dimension, part), values in found.items():
        alone = series(clickhouse, tenant, kpi, basis, part, dimension=dimension, start=days[1].replace(hour=0))
        assert [(v.bucket_start, v.value, v.sample_size) for v in values] == [
            (v.bucket_start, v.value, v.sample_size) for v in alone
        ]
        assert len(values) == 2
