"""Buckets of minutes: of KPIs that list them, for the last hours, changed by what comes late within these."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from core import ManualClock
from kpis import KpiJobs, load_catalogue, series
from kpis.view_values import MINUTES
from storage import ClickHouse
from tests.unit.kpis.events import Event, load_events
from tests.unit.kpis.test_view_kpis import order


class Till:
    """Orders in, minutes out."""

    def __init__(self, ch: ClickHouse, tenant: str, clock: ManualClock) -> None:
        self.ch, self.tenant, self.clock = ch, tenant, clock
        chosen = load_catalogue().chosen(lambda one: one.id in ("orders_placed", "touchless_rate"))
        self.jobs = KpiJobs(ch, clock, chosen, [tenant], timezone="Asia/Kolkata")

    def order(self, case: str, ago: timedelta, event_id: str = "") -> Event:
        return order(case, f"{self.clock.now() - ago:%Y-%m-%dT%H:%M:%S}", event_id=event_id or case)

    def take(self, events: Sequence[Event]) -> None:
        load_events(self.ch, self.tenant, events, self.clock.now(), segment=self.clock.time_ns() // 10**9)
        report = self.jobs.run_once()
        assert not report.failures

    def minutes(self, kpi: str = "orders_placed") -> dict[str, float | None]:
        found = series(self.ch, self.tenant, kpi, grain="minute")
        return {f"{one.bucket_start:%d %H:%M}": one.value for one in found if one.sample_size}


def test_minutes_of_late(clickhouse: ClickHouse, tenant: str, clock: ManualClock) -> None:
    """09:00 is now. An order of seven hours ago is in an hour and in no minute; who lists no minutes has none."""
    till = Till(clickhouse, tenant, clock)
    clock.advance(30)
    till.take(
        [till.order("O1", timedelta(hours=7)), till.order("O2", timedelta(minutes=1)), till.order("O3", timedelta(0))]
    )
    assert till.minutes() == {"02 08:59": 1, "02 09:00": 1}
    hours = series(clickhouse, tenant, "orders_placed", grain="hour")
    assert sum(one.value or 0 for one in hours) == 3
    assert till.minutes("touchless_rate") == {}


def test_what_comes_late_and_what_is_corrected(clickhouse: ClickHouse, tenant: str, clock: ManualClock) -> None:
    till = Till(clickhouse, tenant, clock)
    till.take([till.order("O1", timedelta(minutes=5))])
    assert till.minutes() == {"02 08:55": 1}
    clock.advance(60)
    till.take([till.order("O2", timedelta(minutes=6)), till.order("O3", timedelta(minutes=1))])
    assert till.minutes() == {"02 08:55": 2, "02 09:00": 1}
    clock.advance(60)
    till.take([till.order("O3", timedelta(minutes=9))])  # the same event, told with another time
    assert till.minutes() == {"02 08:53": 1, "02 08:55": 2}


def test_minutes_that_are_past_stay_as_they_were(clickhouse: ClickHouse, tenant: str, clock: ManualClock) -> None:
    """Neither what comes later than the window nor the daily run changes them; the hour is changed."""
    till = Till(clickhouse, tenant, clock)
    till.take([till.order("O1", timedelta(minutes=5))])
    clock.advance(MINUTES.total_seconds())
    till.take([till.order("O2", MINUTES + timedelta(minutes=5))])
    assert till.minutes() == {"02 08:55": 1}
    assert not till.jobs.recompute_all().failures
    assert till.minutes() == {"02 08:55": 1}
    clock.advance(7 * 86_400)
    assert not till.jobs.recompute_all().failures
    assert till.minutes() == {}, "a week later they are not shown any more"
    (hour,) = (one for one in series(clickhouse, tenant, "orders_placed", grain="hour") if one.value)
    assert hour.value == 2


def test_recomputed_equals_computed_once(clickhouse: ClickHouse, tenant: str, clock: ManualClock) -> None:
    till = Till(clickhouse, tenant, clock)
    for number in range(6):
        till.take([till.order(f"O{number % 4}", timedelta(minutes=7 * number % 23))])
        clock.advance(45)
    once = till.minutes()
    assert sum(value or 0 for value in once.values()) == 4
    assert not till.jobs.recompute_all().failures
    assert till.minutes() == once
