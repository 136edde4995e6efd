"""Times far from now, numbers that are none, and calendars that change: nothing is lost for it or told wrongly."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from kpis import KpiJobs, TenantKpis, load_catalogue, series
from kpis.breakdown import breakdown
from kpis.drill import drill
from kpis.left_out import left_out
from kpis.periods import Calendar
from storage import ClickHouse
from tests.unit.kpis.events import moment
from tests.unit.kpis.test_view_kpis import NOW, O2C, PROMOTIONS, Shop, line, order, told

CATALOGUE = load_catalogue()
MARCH = (moment("2026-03-01T00:00"), moment("2026-04-01T00:00"))


@pytest.mark.parametrize("year", ["1960", "2150", "2250"])
def test_a_promise_of_another_century_is_in_no_bucket_and_in_nobodys_way(
    clickhouse: ClickHouse, tenant: str, year: str
) -> None:
    shop = Shop(clickhouse, tenant, kpis=("on_time_in_full", "on_time_delivery"))
    shop.take(order("O1", "2026-03-02T08:00", promise="2026-03-05T12:00:00Z"))
    shop.take(order("O2", "2026-03-02T08:00", promise=f"{year}-01-01T00:00:00Z"))
    shop.take(told(O2C, "O2", "order.delivered", "2026-03-03T08:00"))
    assert shop.told("on_time_in_full", "instant", "2026-03-05T00:00") == (None, 0, 0, 1)
    kept = float(year > "2026")
    assert shop.told("on_time_delivery", "instant", "2026-03-03T00:00") == (kept, 1, 0, 0)
    assert shop.told("on_time_delivery", "date", "2026-03-03T00:00") == (kept, 1, 0, 0)
    definition = CATALOGUE.get("on_time_in_full")
    assert drill(clickhouse, tenant, definition, *MARCH).totals.open_cases == 1
    assert breakdown(clickhouse, tenant, definition, "channel", *MARCH).total.open_cases == 1
    assert left_out(clickhouse, tenant, [definition], *MARCH, Calendar()) == {}


def test_what_began_before_all_buckets_takes_nothing_off_a_level(clickhouse: ClickHouse, tenant: str) -> None:
    """As seconds sent for nanoseconds do: two seconds after the beginning of 1970."""
    shop = Shop(clickhouse, tenant, kpis=("order_backlog", "order_backlog_age"))
    shop.take(
        order("O1", "1970-01-01T00:00"),
        told(O2C, "O1", "order.failed", "2026-04-08T10:00"),
        order("O2", "2026-04-08T08:00"),
        order("O3", "1970-01-01T00:00"),
    )
    assert shop.told("order_backlog", "all", "2026-04-09T00:00") == (1, 1, 0, 0)
    assert shop.told("order_backlog_age", "", "2026-04-09T00:00") == (40 * 3600, 1, 0, 0)
    day = (moment("2026-04-09T00:00"), moment("2026-04-10T00:00"))
    for kpi in ("order_backlog", "order_backlog_age"):
        page = drill(clickhouse, tenant, CATALOGUE.get(kpi), *day, now=shop.clock.now())
        assert [one.case_id for one in page.cases] == ["O2"]


def test_what_is_no_number_is_left_out(clickhouse: ClickHouse, tenant: str) -> None:
    shop = Shop(clickhouse, tenant, kpis=("inventory_accuracy",))
    for number, (level, book) in enumerate([("nan", "5"), ("5", "nan"), ("inf", "inf"), ("4", "5")]):
        at = f"2026-03-02T0{number}:00"
        named = {"sku": "S", "location_id": "L", "stock_level": level, "stock_book": book}
        shop.take(told("stock", "S@L", "stock.counted", at, **named))
    assert shop.told("inventory_accuracy", "unit", "2026-03-02T00:00") == (0.8, 1, 3, 0)
    reasons = drill(clickhouse, tenant, CATALOGUE.get("inventory_accuracy"), *MARCH, basis="unit").totals.reasons
    assert [one.cases for one in reasons] == [2, 1]  # without a level, without what was believed


def test_levels_by_another_calendar_replace_those_by_the_old_one(clickhouse: ClickHouse, tenant: str) -> None:
    few = CATALOGUE.chosen(lambda one: one.id in ("order_backlog", "orders_placed"))
    zones = {zone: TenantKpis(few, Calendar(zone)) for zone in ("UTC", "Asia/Tokyo")}
    now = "UTC"
    shop = Shop(clickhouse, tenant)
    shop.jobs = KpiJobs(clickhouse, shop.clock, few, [tenant], kpis_of=lambda _: zones[now])
    shop.take(order("O1", "2026-04-08T08:00"))

    def told_days() -> list[str]:
        found = series(clickhouse, tenant, "order_backlog", "all")
        return [f"{one.bucket_start:%d-%H}" for one in found if one.value is not None]

    before = told_days()
    assert before == ["08-00", "09-00", "10-00"]
    now = "Asia/Tokyo"
    shop.take()
    assert told_days() == ["07-15", "08-15", "09-15"]
    now = "UTC"
    shop.take()
    assert told_days() == before


def test_subjects_whose_dimension_is_not_known_are_a_part_of_their_own(clickhouse: ClickHouse, tenant: str) -> None:
    """An expression of a tenant's own may give NULL."""
    shop = Shop(clickhouse, tenant, kpis=("orders_placed",))
    shop.take(order("O1", "2026-03-02T08:00", channel="web"), order("O2", "2026-03-02T08:00"))
    definition = replace(CATALOGUE.get("orders_placed"), breakdowns={"channel": "nullIf(Channel, '')"})
    found = breakdown(clickhouse, tenant, definition, "channel", *MARCH)
    assert [(one.value, one.other, one.figures.value) for one in found.parts] == [("", False, 1), ("web", False, 1)]
    page = drill(clickhouse, tenant, definition, *MARCH, dimension="channel", value="")
    assert [(one.case_id, one.split) for one in page.cases] == [("O2", "")]
    assert page.totals.counted == 1


def test_an_event_far_ahead_leaves_the_others_counted(clickhouse: ClickHouse, tenant: str) -> None:
    shop = Shop(clickhouse, tenant, kpis=("order_cancellation_rate", "order_backlog"))
    shop.take(order("O1", "2026-03-02T08:00"))
    shop.take(order("O2", "2206-03-02T08:00"), order("O3", "2026-03-02T09:00"))
    assert shop.told("order_cancellation_rate", "all", "2026-03-02T00:00") == (0, 2, 0, 0)
    shop.clock.advance(timedelta(days=1).total_seconds())
    assert not shop.jobs.recompute_all().left_out
    assert shop.told("order_cancellation_rate", "all", "2026-03-02T00:00") == (0, 2, 0, 0)
    assert shop.told("order_backlog", "all", f"{NOW:%Y-%m-%d}T00:00") == (2, 2, 0, 0)


def test_a_difference_of_the_whole_tolerance_is_within_it(clickhouse: ClickHouse, tenant: str) -> None:
    """Money is decimal: 100.01 less 100.00 is a cent, 10.00 less 9.995 half a one, and not a little more."""
    shop = Shop(clickhouse, tenant, kpis=("promotion_settlement_accuracy", "price_mismatch_rate"))
    named = {"sku": "S", "channel": "web"}
    shop.take(
        told(PROMOTIONS, "P1", "promotion.claimed", "2026-03-02T08:00", amount="100.00", currency="EUR"),
        told(PROMOTIONS, "P1", "promotion.settled", "2026-03-03T08:00", amount="100.01", currency="EUR"),
        told("price", "S@web", "price.checked", "2026-03-02T08:00", amount="10.00", price_expected="9.995", **named),
        told("price", "S@web", "price.checked", "2026-03-02T09:00", amount="10.00", price_expected="9.9949", **named),
    )
    assert shop.told("promotion_settlement_accuracy", "count", "2026-03-02T00:00") == (1, 1, 0, 0)
    assert shop.told("price_mismatch_rate", "check", "2026-03-02T00:00") == (0.5, 2, 0, 0)


def test_the_reason_of_an_order_cancelled_twice_does_not_depend_on_what_came_first(
    clickhouse: ClickHouse, tenant: str
) -> None:
    shop = Shop(clickhouse, tenant, kpis=("order_cancellation_rate",))
    shop.take(order("O1", "2026-03-02T08:00"))
    shop.take(told(O2C, "O1", "order.cancelled", "2026-03-02T10:00", cancel_reason="fraud"))
    shop.take(told(O2C, "O1", "order.cancelled", "2026-03-02T09:00", cancel_reason="customer"))
    before = shop.told("order_cancellation_rate", "customer", "2026-03-02T00:00")
    clickhouse.command("OPTIMIZE TABLE process_events FINAL")
    shop.clock.advance(1)
    shop.jobs.recompute_all()
    assert shop.told("order_cancellation_rate", "customer", "2026-03-02T00:00") == before


@pytest.mark.parametrize("currency", ["JPY", "ZZZ"])
def test_money_of_another_currency_settles_nothing(clickhouse: ClickHouse, tenant: str, currency: str) -> None:
    shop = Shop(clickhouse, tenant, kpis=("promotion_settlement_accuracy",))
    shop.take(
        told(PROMOTIONS, "P1", "promotion.claimed", "2026-03-02T08:00", amount="100", currency="EUR"),
        told(PROMOTIONS, "P1", "promotion.settled", "2026-03-03T08:00", amount="100", currency=currency),
    )
    assert shop.told("promotion_settlement_accuracy", "value", "2026-03-02T00:00") == (None, 0, 1, 0)


def test_an_order_placed_anew_has_the_currency_of_its_amount(clickhouse: ClickHouse, tenant: str) -> None:
    shop = Shop(clickhouse, tenant, kpis=("order_cancellation_rate",))
    shop.take(
        told(O2C, "O1", "order.placed", "2026-03-02T08:00", 1, amount="10", currency="USD"),
        told(O2C, "O1", "order.placed", "2026-03-02T09:00", 1, amount="9", currency="EUR"),
    )
    found = clickhouse.query("SELECT Amount, Currency FROM kpi_orders FINAL WHERE TenantId = {t:String}", {"t": tenant})
    assert [(float(amount), currency) for amount, currency in found.rows] == [(9, "EUR")]


def test_a_quantity_that_is_no_number_is_a_missing_one(clickhouse: ClickHouse, tenant: str) -> None:
    shop = Shop(clickhouse, tenant, kpis=("fill_rate", "inventory_accuracy"))
    named = {"sku": "S", "location_id": "L", "stock_level": "nan", "stock_book": "5"}
    shop.take(
        order("O1", "2026-03-02T08:00"),
        line("O1", 1, "2026-03-02T08:00", float("nan")),
        told("stock", "S@L", "stock.counted", "2026-03-02T08:00", **named),
    )
    assert shop.told("fill_rate", "line", "2026-03-02T00:00") == (None, 0, 1, 0)
    assert shop.told("inventory_accuracy", "class_a", "2026-03-02T00:00") == (None, 0, 1, 0)
