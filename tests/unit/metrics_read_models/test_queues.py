"""Queue depth: the last word of each queue, its age, its series, and what is usual at this hour of the week."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from core import InvalidInput, ManualClock
from metrics import queue_depths
from metrics.read_models import same_hour_of_week
from storage import ClickHouse
from tests.unit.metrics_read_models.rows import load_gauge

DEPTH, AGE = "retail.queue.depth", "retail.queue.oldest_age"
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def test_the_last_sample_and_the_series(clickhouse: ClickHouse, tenant: str, clock: ManualClock) -> None:
    now = clock.now()
    points = [(now - n * 10 * MINUTE, float(n)) for n in range(1, 5)]
    load_gauge(clickhouse, tenant, DEPTH, "orders", points)
    load_gauge(clickhouse, tenant, DEPTH, "orders", points[:2])
    load_gauge(clickhouse, tenant, AGE, "orders", [(now - 5 * MINUTE, 120.0), (now - 20 * MINUTE, 60.0)])
    load_gauge(clickhouse, tenant, DEPTH, "refunds", [(now, 7.0)])
    orders, refunds = queue_depths(clickhouse, tenant, now, HOUR)
    assert (orders.system, orders.destination, orders.depth, orders.oldest_age_s) == ("rabbit", "orders", 1.0, 120.0)
    assert orders.at == now - 10 * MINUTE
    assert orders.series == tuple(sorted(points))
    assert (refunds.depth, refunds.oldest_age_s, refunds.usual_depth) == (7.0, None, None)


def test_a_long_window_is_thinned_to_the_last_sample_of_each_step(
    clickhouse: ClickHouse, tenant: str, clock: ManualClock
) -> None:
    now = clock.now()
    load_gauge(clickhouse, tenant, DEPTH, "orders", [(now - n * MINUTE, float(n)) for n in range(24 * 60)])
    (found,) = queue_depths(clickhouse, tenant, now, timedelta(days=1))
    assert 115 <= len(found.series) <= 125
    assert found.series[-1] == (now, 0.0)
    assert list(found.series) == sorted(found.series)


def test_the_window_is_open_at_its_start(clickhouse: ClickHouse, tenant: str, clock: ManualClock) -> None:
    now = clock.now()
    load_gauge(clickhouse, tenant, DEPTH, "before", [(now - HOUR, 1.0)])
    load_gauge(clickhouse, tenant, DEPTH, "after", [(now + MINUTE, 1.0)])
    load_gauge(clickhouse, tenant, AGE, "age only", [(now, 1.0)])
    assert queue_depths(clickhouse, tenant, now, HOUR) == []


def test_usual_is_the_median_of_the_same_hour_one_and_two_weeks_ago(
    clickhouse: ClickHouse, tenant: str, clock: ManualClock
) -> None:
    """Neither the hour now nor other hours of those days count; a sample sent twice counts once."""
    clock.advance(20 * 60)
    now, week = clock.now(), timedelta(weeks=1)
    start = now.replace(minute=0)
    old = [
        (start - week, 10.0),
        (start - week + 59 * MINUTE, 20.0),
        (start - 2 * week + 30 * MINUTE, 60.0),
        (start - week - MINUTE, 1000.0),
        (start - week + 60 * MINUTE, 1000.0),
        (start - 3 * week, 1000.0),
        (now, 500.0),
    ]
    load_gauge(clickhouse, tenant, DEPTH, "orders", old)
    load_gauge(clickhouse, tenant, DEPTH, "orders", [(start - week, 10.0), (now, 500.0)])
    (found,) = queue_depths(clickhouse, tenant, now, HOUR)
    assert (found.depth, found.usual_depth) == (500.0, 20.0)


def test_the_hour_of_the_week_is_the_local_one(clock: ManualClock) -> None:
    """Berlin's clocks went forward between the 22 and the 29 March 2026: nine o'clock was eight, now seven, UTC."""
    now = datetime.fromisoformat("2026-03-30T09:15+02:00")
    start, end = same_hour_of_week(now, "Europe/Berlin", 1)
    assert start == datetime.fromisoformat("2026-03-23T09:00+01:00")
    assert end - start == HOUR


def test_consumer_groups_of_a_topic_are_queues_of_their_own(
    clickhouse: ClickHouse, tenant: str, clock: ManualClock
) -> None:
    """Each with its own depth, age and usual depth."""
    now, week = clock.now(), timedelta(weeks=1)
    load_gauge(clickhouse, tenant, DEPTH, "orders", [(now, 3.0), (now - week, 30.0)], group="shipping")
    load_gauge(clickhouse, tenant, DEPTH, "orders", [(now, 0.0), (now - week, 10.0)], group="billing")
    load_gauge(clickhouse, tenant, AGE, "orders", [(now, 60.0)], group="shipping")
    found = queue_depths(clickhouse, tenant, now, HOUR)
    assert [(one.destination, one.consumer_group, one.depth, one.oldest_age_s, one.usual_depth) for one in found] == [
        ("orders", "billing", 0.0, None, 10.0),
        ("orders", "shipping", 3.0, 60.0, 30.0),
    ]


def test_tenants_are_apart(clickhouse: ClickHouse, tenant: str, clock: ManualClock) -> None:
    load_gauge(clickhouse, f"{tenant}-other", DEPTH, "orders", [(clock.now(), 1.0)])
    assert queue_depths(clickhouse, tenant, clock.now(), HOUR) == []


@pytest.mark.parametrize("window", [timedelta(), -HOUR])
def test_an_empty_window_is_refused(clickhouse: ClickHouse, tenant: str, clock: ManualClock, window: timedelta) -> None:
    with pytest.raises(InvalidInput, match="must be positive"):
        queue_depths(clickhouse, tenant, clock.now(), window)
