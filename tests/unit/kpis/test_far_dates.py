"""A date that an attribute tells may lie centuries away; it is in no bucket, and holds up no other figure."""

from __future__ import annotations

from datetime import UTC, datetime

from kpis import load_catalogue, series
from kpis.breakdown import UTC_CALENDAR, breakdown
from kpis.drill import drill
from kpis.left_out import left_out
from storage import ClickHouse
from tests.unit.kpis.test_view_kpis import Shop, order

NOBODY_KNOWS = ["0001-01-01T00:00:00Z", "1900-01-01T00:00:00Z", "1902-03-02", "2110-01-01T00:00:00Z", "9999-12-31"]
"""Dates that stand for none in many a system."""


def test_promises_centuries_away(clickhouse: ClickHouse, tenant: str) -> None:
    shop = Shop(clickhouse, tenant, kpis=("orders_placed", "on_time_in_full"))
    shop.take(order("O1", "2026-03-02T08:00"))
    shop.take(*(order(f"O2-{one}", "2026-03-02T08:00", promise=one) for one in NOBODY_KNOWS))
    assert shop.told("orders_placed", "", "2026-03-02T00:00")[0] == 6  # from changed hours alone
    shop.jobs.recompute_all()
    assert shop.told("orders_placed", "", "2026-03-02T00:00")[0] == 6
    assert series(clickhouse, tenant, "on_time_in_full") == []
    definition, always = load_catalogue().get("on_time_in_full"), (datetime(1970, 1, 2, tzinfo=UTC), shop.clock.now())
    assert drill(clickhouse, tenant, definition, *always).cases == ()
    assert breakdown(clickhouse, tenant, definition, "channel", *always).total.sample_size == 0
    assert left_out(clickhouse, tenant, [definition], *always, UTC_CALENDAR) == {}
