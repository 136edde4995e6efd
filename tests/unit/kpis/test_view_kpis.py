"""KPIs over canonical views: hand-computed examples, and that a bucket recomputed equals one computed once."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from core import ManualClock
from kpis import Catalogue, KpiJobs, KpiValue, TenantKpis, load_catalogue, series
from kpis.breakdown import breakdown
from kpis.checking import wrong_expressions
from kpis.drill import drill
from kpis.periods import Calendar
from kpis.view_jobs import ViewJobs
from kpis.views import VIEWS
from storage import ClickHouse
from tests.support.examples import DEEP, examples
from tests.unit.kpis.events import Call, Event, load_calls, load_events, moment

NOW = moment("2026-04-10T00:00")
O2C, P2P, RETURNS = "order-to-cash", "procure-to-pay", "return-to-resolution"
PROMOTIONS, CUSTOMERS, REPLENISH = "promotion-to-settlement", "customer-lifecycle", "forecast-to-replenish"
RECORDS = ("stock", "price")
EUROS = {"currency": "EUR"}
NUMBERS = itertools.count(1)
SOME_OF_EACH_WAY = (
    *("on_time_in_full", "order_cycle_time", "perfect_order", "fill_rate", "first_time_fill_rate", "period_fill_rate"),
    *("refund_turnaround", "refund_backlog", "order_backlog_age", "return_rate", "touchpoints_per_case", "rework_rate"),
    *("exception_resolution_time", "approval_waiting_time", "three_way_match_rate", "supplier_on_time", "stockouts"),
    *("promotion_settlement_accuracy", "inventory_accuracy", "price_mismatch_rate", "margin_at_risk", "orders_placed"),
)
"""Each view, each statistic, a level and its age; all of them are tried by `make properties`."""


def told(stream: str, case: str, name: str, at: str, quantity: float | None = None, **given: str) -> Event:
    """One event; attributes are written with underscores for dots, without `retail.`."""
    amount = given.pop("amount", None)
    attributes = {f"retail.{key.replace('_', '.')}": value for key, value in given.items()}
    identity = given.get("event_id", f"e{next(NUMBERS)}")
    return Event(stream, case, f"retail.{name}", moment(at), identity, quantity, amount, attributes)


def order(case: str, at: str, *, promise: str = "", **more: str) -> Event:
    return told(O2C, case, "order.placed", at, 1, amount="10", promise_at=promise, **more)


def line(case: str, number: int, at: str, units: float) -> Event:
    return told(O2C, case, "order.line.placed", at, units, amount="10", order_line_id=f"L{number}")


def sent(case: str, number: int, at: str, units: float) -> Event:
    return told(O2C, case, "order.line.shipped", at, units, order_line_id=f"L{number}")


class Shop:
    """Events in, values out."""

    def __init__(self, ch: ClickHouse, tenant: str, zone: str = "UTC", kpis: Collection[str] = ()) -> None:
        self.ch, self.tenant, self.clock, self.takes = ch, tenant, ManualClock(NOW), 0
        self.details: dict[str, tuple[str, ...]] = {O2C: ("retail.order.line.placed", "retail.order.line.shipped")}
        self.kpis = load_catalogue().chosen(lambda one: not kpis or one.id in kpis)
        self.jobs = KpiJobs(ch, self.clock, self.kpis, [tenant], timezone=zone, details=lambda: self.details)

    def take(self, *events: Event) -> None:
        self.takes += 1
        records = [event for event in events if event.stream in RECORDS]
        others = [event for event in events if event.stream not in RECORDS]
        for table, some in (("record_events", records), ("process_events", others)):
            load_events(self.ch, self.tenant, some, self.clock.now(), segment=self.takes, table=table)
        self.clock.advance(1)
        assert not self.jobs.run_once().failures

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """All rows of all views, as they stand."""
        found = {}
        for view in VIEWS:
            text = f"SELECT * EXCEPT (TenantId, Version, Gone) FROM {view.table} FINAL WHERE TenantId = {{t:String}}"
            found[view.name] = sorted(self.ch.query(text, {"t": self.tenant}).rows, key=repr)
        return found

    def value(self, kpi: str, basis: str, at: str, grain: str = "day") -> KpiValue | None:
        self.kpis.get(kpi)  # fails for one that is not computed here
        found = series(self.ch, self.tenant, kpi, basis, "", grain, moment(at), moment(at) + timedelta(seconds=1))
        return found[0] if found else None

    def told(self, kpi: str, basis: str, at: str, grain: str = "day") -> tuple[Any, ...]:
        one = self.value(kpi, basis, at, grain)
        return () if one is None else (one.value, one.sample_size, one.excluded, one.open_cases)


@pytest.fixture
def shop(clickhouse: ClickHouse, tenant: str) -> Shop:
    return Shop(clickhouse, tenant)


def test_orders(shop: Shop) -> None:
    """O1 in full and on time; O2 an hour late; O3 short; O4 waits; O5 failed; O6 was cancelled by its buyer."""
    shop.take(
        order("O1", "2026-03-02T08:00", promise="2026-03-04T12:00:00Z"),
        line("O1", 1, "2026-03-02T08:00", 2),
        sent("O1", 1, "2026-03-03T08:00", 2),
        told(O2C, "O1", "order.delivered", "2026-03-04T11:00"),
        order("O2", "2026-03-02T09:00", promise="2026-03-04T12:00:00Z"),
        line("O2", 1, "2026-03-02T09:00", 3),
        sent("O2", 1, "2026-03-03T08:00", 1),
        sent("O2", 1, "2026-03-04T08:00", 2),
        told(O2C, "O2", "exception.raised", "2026-03-03T09:00", exception_category="stock"),
        told(O2C, "O2", "exception.resolved", "2026-03-03T10:00", exception_category="stock", actor_type="human"),
        told(O2C, "O2", "order.delivered", "2026-03-04T13:00"),
        order("O3", "2026-03-02T10:00", promise="2026-03-04T12:00:00Z"),
        line("O3", 1, "2026-03-02T10:00", 4),
        sent("O3", 1, "2026-03-03T08:00", 3),
        told(O2C, "O3", "order.line.cancelled", "2026-03-03T09:00", 1, order_line_id="L1", cancel_reason="no-stock"),
        told(O2C, "O3", "order.delivered", "2026-03-04T09:00"),
        order("O4", "2026-03-02T11:00", promise="2026-03-04T12:00:00Z"),
        line("O4", 1, "2026-03-02T11:00", 1),
        order("O5", "2026-03-02T12:00", promise="2026-03-04T12:00:00Z"),
        told(O2C, "O5", "order.failed", "2026-03-02T12:01"),
        order("O6", "2026-03-02T13:00", promise="2026-03-04T12:00:00Z"),
        told(O2C, "O6", "order.cancelled", "2026-03-02T14:00", cancel_reason="customer"),
    )
    assert shop.told("on_time_in_full", "instant", "2026-03-04T00:00") == (1 / 3, 3, 2, 1)
    assert shop.told("on_time_in_full", "date", "2026-03-04T00:00") == (2 / 3, 3, 2, 1)
    assert shop.told("on_time_in_full", "on_time", "2026-03-04T00:00") == (2 / 3, 3, 2, 1)
    assert shop.told("on_time_in_full", "in_full", "2026-03-04T00:00") == (2 / 3, 3, 2, 1)
    assert shop.told("on_time_delivery", "instant", "2026-03-04T00:00") == (2 / 3, 3, 0, 0)
    assert shop.told("perfect_order", "", "2026-03-02T00:00") == (1 / 3, 3, 2, 1)
    assert shop.told("order_cycle_time", "median", "2026-03-04T00:00") == (51 * 3600, 3, 0, 0)
    assert shop.told("order_cycle_time", "mean", "2026-03-04T00:00") == ((51 + 52 + 47) * 1200, 3, 0, 0)
    assert shop.told("order_fallout_rate", "all", "2026-03-02T00:00") == (2 / 5, 5, 0, 1)
    assert shop.told("order_fallout_rate", "needing_people", "2026-03-02T00:00") == (2 / 5, 5, 0, 1)
    assert shop.told("order_fallout_rate", "auto_recovered", "2026-03-02T00:00") == (0, 5, 0, 1)
    assert shop.told("order_cancellation_rate", "customer", "2026-03-02T00:00") == (1 / 5, 5, 1, 0)
    assert shop.told("orders_placed", "", "2026-03-02T00:00", "month") == ()
    assert shop.told("orders_placed", "", "2026-03-01T00:00", "month") == (6, 6, 0, 0)
    assert shop.told("orders_placed", "", "2026-03-02T00:00", "week") == (6, 6, 0, 0)
    assert shop.told("first_time_fill_rate", "line", "2026-03-02T00:00") == (1 / 3, 3, 0, 1)
    assert shop.told("first_time_fill_rate", "unit", "2026-03-02T00:00") == ((2 + 1 + 3) / 9, 3, 0, 1)
    assert shop.told("oversell_rate", "line", "2026-03-02T00:00") == (1 / 3, 3, 0, 1)
    assert shop.told("oversell_rate", "unit", "2026-03-02T00:00") == (1 / 9, 3, 0, 1)
    assert shop.told("exception_resolution_time", "median", "2026-03-03T00:00") == (3600, 1, 0, 0)
    assert shop.told("exceptions_needing_people", "", "2026-03-03T00:00") == (1, 1, 0, 0)
    assert shop.told("touchpoints_per_case", "", "2026-03-04T00:00") == (1, 1, 2, 0)


def test_missing_goods_and_the_warehouse(clickhouse: ClickHouse, tenant: str) -> None:
    """One line of three waits a day for two units of seven; the first order waits two hours for its parcel."""
    shop = Shop(
        clickhouse, tenant, kpis=("stockout_rate", "backorder_recovery_time", "allocation_time", "pick_and_pack_time")
    )
    shop.take(
        order("O1", "2026-03-02T08:00"),
        line("O1", 1, "2026-03-02T08:00", 2),
        line("O1", 2, "2026-03-02T08:00", 4),
        told(O2C, "O1", "order.backordered", "2026-03-02T09:00", 2, order_line_id="L1"),
        told(O2C, "O1", "order.allocated", "2026-03-02T10:00"),
        told(O2C, "O1", "order.packed", "2026-03-02T12:00"),
        sent("O1", 1, "2026-03-03T09:00", 2),
        order("O2", "2026-03-02T08:00"),
        line("O2", 1, "2026-03-02T08:00", 1),
        told(O2C, "O2", "order.line.placed", "2026-03-02T08:00", 1, amount="10"),
    )
    assert shop.told("stockout_rate", "line", "2026-03-02T00:00") == (1 / 3, 3, 1, 0)
    assert shop.told("stockout_rate", "unit", "2026-03-02T00:00") == (2 / 7, 3, 1, 0)
    assert shop.told("backorder_recovery_time", "median", "2026-03-03T00:00") == (86400, 1, 0, 0)
    assert shop.told("allocation_time", "median", "2026-03-02T00:00") == (7200, 1, 0, 0)
    assert shop.told("pick_and_pack_time", "p90", "2026-03-02T00:00") == (7200, 1, 0, 0)


def test_work_counts_steps_and_not_their_details(clickhouse: ClickHouse, tenant: str) -> None:
    """O1: three steps, one of them twice and by a person; its two lines are no steps. O2: two steps of the system."""
    shop = Shop(clickhouse, tenant, kpis=("rework_rate", "touchless_rate", "touchpoints_per_case", "exceptions_raised"))
    shop.take(
        told(O2C, "O1", "order.placed", "2026-03-02T08:00", 1, actor_type="system"),
        line("O1", 1, "2026-03-02T08:00", 2),
        line("O1", 2, "2026-03-02T08:00", 2),
        told(O2C, "O1", "order.picked", "2026-03-02T09:00", actor_type="human"),
        told(O2C, "O1", "order.picked", "2026-03-02T10:00", actor_type="human"),
        told(O2C, "O2", "order.placed", "2026-03-02T08:00", 1, actor_type="system"),
        told(O2C, "O2", "order.failed", "2026-03-02T09:00", actor_type="system"),
        told(O2C, "O2", "exception.raised", "2026-03-02T08:30", exception_category="x", actor_type="system"),
    )
    assert shop.told("rework_rate", "case", "2026-03-02T00:00") == (1 / 2, 2, 0, 0)
    assert shop.told("rework_rate", "step", "2026-03-02T00:00") == (1 / 6, 2, 0, 0)
    assert shop.told("touchless_rate", "", "2026-03-02T00:00") == (1 / 2, 2, 0, 0)
    assert shop.told("touchpoints_per_case", "", "2026-03-02T00:00") == (1, 2, 0, 0)
    assert shop.told("exceptions_raised", "", "2026-03-02T00:00") == (1, 1, 0, 0)
    shop.details.clear()
    shop.take()
    assert shop.told("rework_rate", "step", "2026-03-02T00:00") == (2 / 8, 2, 0, 0), "another model, another number"


def test_backlogs_and_their_age(clickhouse: ClickHouse, tenant: str) -> None:
    """At the end of the first day two orders wait, for 10 and 4 hours; at the end of the second the older one does."""
    shop = Shop(clickhouse, tenant, kpis=("order_backlog", "order_backlog_age"))
    shop.take(
        order("O1", "2026-04-02T14:00"),
        order("O2", "2026-04-02T20:00"),
        order("O3", "2026-04-02T20:00"),
        told(O2C, "O3", "order.failed", "2026-04-02T21:30"),
        told(O2C, "O2", "order.delivered", "2026-04-03T10:00"),
    )
    assert shop.told("order_backlog", "all", "2026-04-02T00:00") == (2, 3, 0, 0)
    assert shop.told("order_backlog", "over_1_day", "2026-04-02T00:00") == ()
    assert shop.told("order_backlog", "over_1_day", "2026-04-03T00:00") == (1, 1, 0, 0)
    assert shop.told("order_backlog", "over_7_days", "2026-04-09T00:00") == (1, 1, 0, 0)
    assert shop.told("order_backlog_age", "", "2026-04-02T00:00") == (7 * 3600, 3, 0, 0)
    assert shop.told("order_backlog_age", "", "2026-04-03T00:00") == (34 * 3600, 3, 0, 0)
    assert shop.told("order_backlog", "all", "2026-04-02T13:00", "hour") == ()
    assert shop.told("order_backlog", "all", "2026-04-02T14:00", "hour") == (1, 1, 0, 0)
    assert shop.told("order_backlog", "all", "2026-04-02T20:00", "hour") == (3, 3, 0, 0)
    assert shop.told("order_backlog", "all", "2026-04-09T23:00", "hour") == (1, 3, 0, 0), (
        "a quiet hour has a level, too"
    )
    assert shop.told("order_backlog", "all", "2026-04-01T00:00", "month") == (1, 3, 0, 0)
    shop.take(told(O2C, "O1", "order.cancelled", "2026-04-04T10:00"))
    assert shop.told("order_backlog", "all", "2026-04-03T00:00") == (1, 3, 0, 0)
    assert shop.told("order_backlog", "all", "2026-04-04T00:00") == (0, 3, 0, 0)
    assert shop.told("order_backlog_age", "", "2026-04-04T00:00") == (None, 3, 0, 0)
    shop.clock.advance(3600)
    shop.take()
    assert shop.told("order_backlog", "all", "2026-04-10T01:00", "hour") == (0, 3, 0, 0)
    day = moment("2026-04-02T00:00"), moment("2026-04-03T00:00")
    backlog, age = (load_catalogue().get(name) for name in ("order_backlog", "order_backlog_age"))
    found = drill(shop.ch, shop.tenant, backlog, *day)
    assert [(one.case_id, one.numerator) for one in found.cases] == [("O1", 1), ("O2", 1)]
    assert drill(shop.ch, shop.tenant, backlog, *day, basis="over_1_day").cases == ()
    found = drill(shop.ch, shop.tenant, age, *day)
    assert [one.numerator for one in found.cases] == [36_000, 14_400]
    assert breakdown(shop.ch, shop.tenant, age, "channel", *day).total.value == 7 * 3600


STOCK = {"sku": "K1", "location_id": "DC"}


def test_stock_and_prices_have_no_case(clickhouse: ClickHouse, tenant: str) -> None:
    """Counts: right, 4 off of 100, one below zero, one of nothing. Out for two hours, twice; the second still is."""
    shop = Shop(
        clickhouse,
        tenant,
        kpis=("inventory_accuracy", "stockouts", "stockout_time", "inventory_update_latency", "price_mismatch_rate"),
    )
    record = "K1 @ DC"

    def stock(verb: str, at: str, quantity: float | None = None, **given: str) -> Event:
        return told("stock", record, f"stock.{verb}", at, quantity, **(STOCK | given))

    def price(at: str, found: str | None, expected: str) -> Event:
        given = {"sku": "K1", "channel": "web", "price_expected": expected}
        return told("price", "K1 @ web", "price.checked", at, **given, **({"amount": found} if found else {}))

    shop.take(
        stock("counted", "2026-03-02T08:00", stock_level="50", stock_book="50"),
        stock("counted", "2026-03-02T09:00", stock_level="96", stock_book="100"),
        stock("counted", "2026-03-02T10:00", stock_level="-1", stock_book="100"),
        stock("counted", "2026-03-02T11:00", stock_level="1"),
        told("stock", " @ ", "stock.counted", "2026-03-02T11:00", stock_level="1", stock_book="1"),
        stock("depleted", "2026-03-02T12:00", stock_level="0"),
        stock("depleted", "2026-03-02T12:30", stock_level="0"),
        stock("synchronised", "2026-03-02T13:00:30", stock_level="9", changed_at="2026-03-02T13:00:00Z", system="shop"),
        stock("synchronised", "2026-03-02T13:10", stock_level="9", system="shop"),
        stock("counted", "2026-03-02T13:30", stock_level="0", stock_book="0"),
        stock("replenished", "2026-03-02T14:00", 5),
        stock("depleted", "2026-03-02T15:00", stock_level="0"),
        price("2026-03-02T08:00", "9.99", "9.99"),
        price("2026-03-02T09:00", "8.99", "9.99"),
        price("2026-03-02T10:00", None, "9.99"),
    )
    assert shop.told("inventory_accuracy", "exact", "2026-03-02T00:00") == (2 / 3, 3, 3, 0)
    assert shop.told("inventory_accuracy", "class_b", "2026-03-02T00:00") == (2 / 3, 3, 3, 0)
    assert shop.told("inventory_accuracy", "class_c", "2026-03-02T00:00") == (1, 3, 3, 0)
    assert shop.told("inventory_accuracy", "unit", "2026-03-02T00:00") == (146 / 150, 3, 3, 0)
    assert shop.told("stockouts", "", "2026-03-02T00:00") == (2, 2, 0, 0)
    assert shop.told("stockout_time", "median", "2026-03-02T00:00") == (7200, 1, 0, 0)
    assert shop.told("inventory_update_latency", "mean", "2026-03-02T00:00") == (30, 1, 1, 0)
    assert shop.told("price_mismatch_rate", "check", "2026-03-02T00:00") == (1 / 2, 2, 1, 0)
    assert shop.told("price_mismatch_rate", "value", "2026-03-02T00:00") == (1 / 19.98, 2, 1, 0)
    shop.take(stock("reserved", "2026-03-02T16:30", 3, stock_level="0"))
    assert shop.told("stockout_time", "median", "2026-03-02T00:00") == ((7200 + 5400) / 2, 2, 0, 0)
    assert shop.told("stockouts", "", "2026-03-01T00:00") == (), "an empty period has no bucket"


def test_reconciliations_and_money_behind_exceptions(clickhouse: ClickHouse, tenant: str) -> None:
    """A person needs ten minutes, a system one; a third has no beginning. One of two amounts has a currency."""
    shop = Shop(
        clickhouse,
        tenant,
        kpis=("reconciliations", "reconciliation_effort", "margin_impacting_exceptions", "margin_at_risk"),
    )

    def compared(at: str, minutes: int | None, actor: str, amount: str) -> Event:
        event = told("record-to-report", "2026-02", "reconciliation.performed", at, amount=amount, actor_type=actor)
        return event if minutes is None else replace(event, started=event.at - timedelta(minutes=minutes))

    shop.take(
        compared("2026-03-02T08:00", 10, "human", "12.5"),
        compared("2026-03-02T09:00", 1, "system", "0"),
        compared("2026-03-02T10:00", None, "human", "0"),
        told(O2C, "O1", "exception.raised", "2026-03-02T09:00", amount="-20", currency="EUR", exception_category="a"),
        told(O2C, "O2", "exception.raised", "2026-03-02T09:00", amount="7", currency="XXX", exception_category="b"),
        told(O2C, "O3", "exception.raised", "2026-03-02T09:00", exception_category="b"),
    )
    assert shop.told("reconciliations", "people", "2026-03-02T00:00") == (2, 3, 0, 0)
    assert shop.told("reconciliations", "different", "2026-03-02T00:00") == (1, 3, 0, 0)
    assert shop.told("reconciliation_effort", "people", "2026-03-02T00:00") == (600, 1, 1, 0)
    assert shop.told("reconciliation_effort", "all", "2026-03-02T00:00") == (660, 2, 1, 0)
    assert shop.told("margin_impacting_exceptions", "", "2026-03-02T00:00") == (2, 2, 0, 0)
    assert shop.told("margin_at_risk", "", "2026-03-02T00:00") == (20, 1, 1, 0)


def test_money_is_of_the_tenants_currency(clickhouse: ClickHouse, tenant: str) -> None:
    """Two amounts in two currencies are not added: the other one is left out and counted, when one is named."""
    few = load_catalogue().chosen(lambda one: one.id == "margin_at_risk")
    kpis = {"now": TenantKpis(few, Calendar(), "EUR")}
    shop = Shop(clickhouse, tenant)
    shop.jobs = KpiJobs(clickhouse, shop.clock, few, [tenant], kpis_of=lambda _: kpis["now"])
    shop.take(
        told(O2C, "O1", "exception.raised", "2026-03-02T09:00", amount="20", currency="EUR", exception_category="a"),
        told(O2C, "O2", "exception.raised", "2026-03-02T09:00", amount="7", currency="USD", exception_category="a"),
    )
    assert shop.told("margin_at_risk", "", "2026-03-02T00:00") == (20, 1, 1, 0)
    kpis["now"] = TenantKpis(few, Calendar(), "USD")
    shop.take()
    assert shop.told("margin_at_risk", "", "2026-03-02T00:00") == (7, 1, 1, 0)


def test_details_before_the_first_step_are_kept_when_the_case_is_touched(clickhouse: ClickHouse, tenant: str) -> None:
    """How far back events are read must know of the line that came before the order, and of one without an order."""
    details = {O2C: ("retail.order.line.placed", "retail.order.line.shipped")}
    views = ViewJobs(clickhouse, ManualClock(NOW), lambda: details, settled=timedelta(0))
    before = line("O1", 1, "2026-03-02T08:00", 2), order("O1", "2026-03-02T09:00"), line("O9", 1, "2026-03-02T08:00", 2)
    for segment, events in enumerate(
        (before, (sent("O1", 1, "2026-03-03T08:00", 2), sent("O9", 1, "2026-03-03T08:00", 2)))
    ):
        load_events(clickhouse, tenant, events, NOW, segment=segment)
        views.run(tenant, {}, "UTC")
        views.keep(tenant)
    rows = clickhouse.query(
        "SELECT CaseId, Shipped, Ordered FROM kpi_order_lines FINAL WHERE TenantId = {tenant:String} ORDER BY CaseId",
        {"tenant": tenant},
    ).rows
    assert [tuple(row) for row in rows] == [("O1", 2, 2), ("O9", 2, 2)]


def test_what_is_awaited_joins_when_it_comes(clickhouse: ClickHouse, tenant: str) -> None:
    """The open order is decided by a late event, in the bucket it was promised for; nothing else changes."""
    shop = Shop(clickhouse, tenant, kpis=("on_time_in_full", "orders_placed"))
    shop.take(
        order("O1", "2026-03-02T08:00", promise="2026-03-04T12:00:00Z"),
        line("O1", 1, "2026-03-02T08:00", 2),
    )
    assert shop.told("on_time_in_full", "instant", "2026-03-04T00:00") == (None, 0, 0, 1)
    shop.take(sent("O1", 1, "2026-03-03T08:00", 2), told(O2C, "O1", "order.delivered", "2026-03-04T11:00"))
    assert shop.told("on_time_in_full", "instant", "2026-03-04T00:00") == (1, 1, 0, 0)
    before = shop.value("orders_placed", "", "2026-03-02T00:00")
    shop.take(told(O2C, "O1", "order.invoiced", "2026-03-05T11:00", amount="10"))
    after = shop.value("orders_placed", "", "2026-03-02T00:00")
    assert before is not None
    assert after is not None
    assert after.computed_at == before.computed_at, "an invoice changes no bucket of this KPI"
    assert after.data_through > before.data_through


def test_an_order_of_which_a_parcel_is_under_way_is_not_delivered(clickhouse: ClickHouse, tenant: str) -> None:
    shop = Shop(clickhouse, tenant, kpis=("on_time_in_full", "perfect_order", "on_time_delivery", "order_cycle_time"))
    parcels = [
        event
        for parcel, units in (("S1", 1), ("S2", 2))
        for event in (
            sent("O1", 1, "2026-03-03T08:00", units),
            told(O2C, "O1", "order.shipped", "2026-03-03T08:00", shipment_id=parcel),
        )
    ]
    shop.take(
        order("O1", "2026-03-02T08:00", promise="2026-03-04T12:00:00Z"),
        line("O1", 1, "2026-03-02T08:00", 3),
        *parcels,
        told(O2C, "O1", "order.delivered", "2026-03-04T11:00", shipment_id="S1"),
    )
    assert shop.told("on_time_in_full", "instant", "2026-03-04T00:00") == (None, 0, 0, 1)
    assert shop.told("perfect_order", "", "2026-03-02T00:00") == (None, 0, 0, 1)
    assert shop.told("on_time_delivery", "instant", "2026-03-04T00:00") == (None, 0, 0, 1)
    assert shop.told("order_cycle_time", "mean", "2026-03-04T00:00") == (None, 0, 0, 1)
    shop.take(told(O2C, "O1", "order.delivered", "2026-03-04T13:00", shipment_id="S2"))
    assert shop.told("on_time_in_full", "instant", "2026-03-04T00:00") == (0, 1, 0, 0)
    assert shop.told("on_time_in_full", "in_full", "2026-03-04T00:00") == (1, 1, 0, 0)


def test_a_correction_takes_a_bucket_away(clickhouse: ClickHouse, tenant: str) -> None:
    """The same event id with another day: the first day has no order any more."""
    shop = Shop(clickhouse, tenant, kpis=("orders_placed",))
    shop.take(order("O1", "2026-03-02T08:00", event_id="x1"))
    assert shop.told("orders_placed", "", "2026-03-02T00:00") == (1, 1, 0, 0)
    shop.take(order("O1", "2026-03-05T08:00", event_id="x1"))
    assert shop.told("orders_placed", "", "2026-03-02T00:00") == (None, 0, 0, 0)
    assert shop.told("orders_placed", "", "2026-03-05T00:00") == (1, 1, 0, 0)


def test_what_is_told_again_under_another_name_changes_the_views_that_had_it(
    clickhouse: ClickHouse, tenant: str
) -> None:
    """Goods that were said to be shipped were only packed."""
    shop = Shop(clickhouse, tenant, kpis=("fill_rate", "pick_and_pack_time"))
    shop.take(
        order("O1", "2026-03-02T08:00"),
        line("O1", 1, "2026-03-02T08:00", 2),
        told(O2C, "O1", "order.line.shipped", "2026-03-03T08:00", 2, order_line_id="L1", event_id="same"),
    )
    assert shop.told("fill_rate", "line", "2026-03-02T00:00") == (1.0, 1, 0, 0)
    shop.take(told(O2C, "O1", "order.packed", "2026-03-03T08:00", event_id="same"))
    assert shop.told("fill_rate", "line", "2026-03-02T00:00") == (None, 0, 0, 1)
    assert shop.told("pick_and_pack_time", "median", "2026-03-03T00:00")[1] == 0
    made = shop.rows()
    shop.jobs.recompute_all()
    assert shop.rows() == made


def test_rows_made_piece_by_piece_are_those_made_at_once(clickhouse: ClickHouse, tenant: str) -> None:
    """Each view has the subjects of its streams alone, and none that nobody speaks of any more."""
    shop = Shop(clickhouse, tenant, kpis=("fill_rate",))
    events = [
        order("O1", "2026-03-02T08:00", channel="web"),
        line("O1", 1, "2026-03-02T08:00", 2),
        line("O1", 2, "2026-03-02T08:00", 1),
        told(P2P, "P1", "purchase_order.sent", "2026-03-02T08:00", 5, amount="50", supplier_id="S1"),
        told(RETURNS, "R1", "return.requested", "2026-03-02T08:00", 1, order_id="O1"),
        told(REPLENISH, "F1", "replenishment.triggered", "2026-03-02T08:00", replenishment_id="F"),
        told("stock", "A/B", "stock.depleted", "2026-03-02T08:00", sku="A", location_id="B", stock_level="0"),
        sent("O1", 1, "2026-03-03T08:00", 2),
        told(O2C, "O1", "order.cancelled", "2026-03-03T10:00", cancel_reason="customer"),
        told(P2P, "P1", "goods.received", "2026-03-04T08:00", 5),
        told(RETURNS, "R1", "return.received", "2026-03-05T08:00", 1),
        told("stock", "A/B", "stock.replenished", "2026-03-03T08:00", 3, sku="A", location_id="B", stock_level="3"),
    ]
    for at in range(0, len(events), 3):
        shop.take(*events[at : at + 3], *events[:at:5])
    made = shop.rows()
    streams = {view: {row[0] for row in rows} for view, rows in made.items()}
    assert streams["orders"] == streams["order_lines"] == {O2C}
    assert streams["purchases"] == {P2P}
    assert streams["work"] == {O2C, P2P, RETURNS, REPLENISH}
    assert streams["stock_outs"] == {"stock"}
    shop.jobs.recompute_all()
    assert shop.rows() == made


def test_purchases_returns_and_promotions(shop: Shop) -> None:
    shop.take(
        told(P2P, "P1", "purchase_order.sent", "2026-03-02T08:00", 10, promise_at="2026-03-05T00:00:00Z", amount="100"),
        told(P2P, "P1", "purchase_order.acknowledged", "2026-03-02T10:00"),
        told(P2P, "P1", "goods.received", "2026-03-04T08:00", 6),
        told(P2P, "P1", "goods.received", "2026-03-06T08:00", 3),
        told(P2P, "P1", "supplier_invoice.received", "2026-03-07T08:00", amount="100"),
        told(P2P, "P1", "supplier_invoice.mismatched", "2026-03-07T09:00", actor_type="system"),
        told(P2P, "P1", "supplier_invoice.matched", "2026-03-07T12:00", actor_type="human"),
        told(P2P, "P1", "supplier_invoice.paid", "2026-03-09T08:00", amount="100", actor_type="system"),
        told(RETURNS, "R1", "return.requested", "2026-03-02T08:00", 1, return_reason="damaged"),
        told(RETURNS, "R1", "return.received", "2026-03-04T08:00"),
        told(RETURNS, "R1", "return.dispositioned", "2026-03-04T10:00", return_disposition="restock"),
        told(RETURNS, "R1", "refund.issued", "2026-03-05T08:00", amount="10"),
        told(RETURNS, "R1", "return.closed", "2026-03-06T08:00"),
        told(RETURNS, "R2", "return.requested", "2026-03-02T09:00", 1, return_reason="late"),
        told(PROMOTIONS, "M1", "promotion.claimed", "2026-03-02T08:00", amount="60", **EUROS),
        told(PROMOTIONS, "M1", "promotion.claimed", "2026-03-02T09:00", amount="40", **EUROS),
        told(PROMOTIONS, "M1", "promotion.settled", "2026-03-03T09:00", amount="55", **EUROS),
        told(PROMOTIONS, "M2", "promotion.claimed", "2026-03-02T09:00", amount="100", **EUROS),
        told(PROMOTIONS, "M2", "promotion.settled", "2026-03-04T09:00", amount="100", **EUROS),
        told(PROMOTIONS, "M3", "promotion.claimed", "2026-03-02T09:00", amount="7", **EUROS),
    )
    assert shop.told("supplier_response_time", "p90", "2026-03-02T00:00") == (7200, 1, 0, 0)
    assert shop.told("supplier_on_time", "first_promise", "2026-03-06T00:00") == (0, 1, 0, 0)
    assert shop.told("supplier_fill_rate", "", "2026-03-02T00:00") == (0.9, 1, 0, 0)
    assert shop.told("three_way_match_rate", "first_pass", "2026-03-07T00:00") == (0, 1, 0, 0)
    assert shop.told("three_way_match_rate", "final", "2026-03-07T00:00") == (1, 1, 0, 0)
    assert shop.told("invoice_touchless_rate", "", "2026-03-09T00:00") == (0, 1, 0, 0)
    assert shop.told("purchase_lead_time", "median", "2026-03-06T00:00") == (4 * 86400, 1, 0, 0)
    assert shop.told("purchase_order_cycle_time", "median", "2026-03-09T00:00") == (7 * 86400, 1, 0, 0)
    assert shop.told("invoice_processing_time", "median", "2026-03-09T00:00") == (2 * 86400, 1, 0, 0)
    assert shop.told("refund_time_from_request", "median", "2026-03-05T00:00") == (3 * 86400, 1, 0, 0)
    assert shop.told("return_cycle_time", "median", "2026-03-06T00:00") == (4 * 86400, 1, 0, 0)
    assert shop.told("return_inspection_time", "median", "2026-03-04T00:00") == (7200, 1, 0, 0)
    assert shop.told("returns_requested", "all", "2026-03-02T00:00") == (2, 2, 0, 0)
    assert shop.told("returns_requested", "damaged", "2026-03-02T00:00") == (1, 2, 0, 0)
    assert shop.told("restock_rate", "", "2026-03-04T00:00") == (1, 1, 0, 0)
    assert shop.told("promotion_settlement_accuracy", "count", "2026-03-02T00:00") == (1 / 2, 2, 0, 1)
    assert shop.told("promotion_settlement_accuracy", "value", "2026-03-02T00:00") == (155 / 200, 2, 0, 1)
    assert shop.told("promotion_settlement_time", "median", "2026-03-03T00:00") == (86400, 1, 0, 0)


INTERVALS: dict[str, tuple[str, str, str, dict[str, str]]] = {
    "customer_case_resolution_time": (CUSTOMERS, "customer_case.opened", "customer_case.resolved", {}),
    "warranty_lead_time": (CUSTOMERS, "warranty.claimed", "warranty.resolved", {"warranty_id": "W"}),
    "subscription_change_time": (CUSTOMERS, "subscription.change_requested", "subscription.changed", {}),
    "account_onboarding_time": (CUSTOMERS, "account.requested", "account.onboarded", {}),
    "supplier_onboarding_time": ("master-data", "supplier.requested", "supplier.onboarded", {"supplier_id": "S"}),
    "item_setup_time": ("master-data", "item.requested", "item.set_up", {"sku": "K"}),
    "days_to_close": ("record-to-report", "period.ended", "period.closed", {"period_id": "2026-02"}),
    "replenishment_latency": (REPLENISH, "replenishment.triggered", "replenishment.received", {}),
    "approval_waiting_time": (P2P, "approval.requested", "approval.denied", {"approval_subject": "a"}),
}
"""By KPI: stream, what begins the interval, what ends it, and the attributes that both have."""


def test_intervals(clickhouse: ClickHouse, tenant: str) -> None:
    """Two hours; a repeated beginning is none of its own; one that has not ended is not counted. None minds another."""
    shop = Shop(clickhouse, tenant, kpis=INTERVALS)
    events = []
    for kpi, (stream, begins, ends, attributes) in INTERVALS.items():
        for case, name, at in ((1, begins, "08:00"), (1, begins, "09:00"), (1, ends, "10:00"), (2, begins, "08:00")):
            events.append(told(stream, f"{kpi} {case}", name, f"2026-03-02T{at}", **attributes))
    shop.take(*events)
    for day, wanted in (("2026-03-02T00:00", (7200, 1, 0, 0)), ("2026-03-03T00:00", ())):
        found = {kpi: shop.told(kpi, "median", day) for kpi in INTERVALS}
        assert found == dict.fromkeys(INTERVALS, wanted), "an empty period has no bucket"


def test_a_day_of_23_hours_and_a_boundary_of_the_zone(clickhouse: ClickHouse, tenant: str) -> None:
    """In Berlin 2026-03-29 begins at 23:00 UTC of the 28th and has 23 hours."""
    shop = Shop(clickhouse, tenant, "Europe/Berlin", kpis=("orders_placed",))
    shop.take(
        order("O1", "2026-03-28T22:59:59"),
        order("O2", "2026-03-28T23:00"),
        order("O3", "2026-03-29T21:59:59"),
        order("O4", "2026-03-29T22:00"),
        order("O5", "2026-03-31T22:00"),
    )
    assert shop.told("orders_placed", "", "2026-03-27T23:00") == (1, 1, 0, 0)
    assert shop.told("orders_placed", "", "2026-03-28T23:00") == (2, 2, 0, 0)
    assert shop.told("orders_placed", "", "2026-03-29T22:00") == (1, 1, 0, 0)
    assert shop.told("orders_placed", "", "2026-03-22T23:00", "week") == (3, 3, 0, 0)
    assert shop.told("orders_placed", "", "2026-02-28T23:00", "month") == (4, 4, 0, 0)
    assert shop.told("orders_placed", "", "2026-03-31T22:00", "month") == (1, 1, 0, 0)


VERBS = {
    O2C: (
        "order.placed", "order.line.placed", "order.line.shipped", "order.line.cancelled", "order.delivered",
        "order.cancelled", "order.failed", "order.backordered", "exception.raised", "exception.resolved",
    ),
    RETURNS: ("return.requested", "return.received", "refund.issued", "return.closed"),
    P2P: ("purchase_order.sent", "goods.received", "supplier_invoice.received", "supplier_invoice.matched"),
}  # fmt: skip


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Events of a few cases at random times, some with an id that comes twice with other words."""
    events = []
    for number in range(draw(st.integers(3, 24))):
        stream = draw(st.sampled_from(sorted(VERBS)))
        name = draw(st.sampled_from(VERBS[stream]))
        at = moment("2026-03-28T00:00") + timedelta(minutes=draw(st.integers(0, 4 * 24 * 60)))
        attributes = {
            "retail.order.line.id": draw(st.sampled_from(["L1", "L2"])),
            "retail.exception.category": "stock",
            "retail.promise.at": "2026-03-30T00:00:00Z",
            "retail.cancel.reason": draw(st.sampled_from(["customer", "no-stock"])),
        }
        identity = f"e{draw(st.integers(0, 3))}" if draw(st.integers(0, 5)) == 0 else f"n{number}"
        case, quantity = f"C{draw(st.integers(0, 3))}", draw(st.sampled_from([None, 1.0, 2.0, 0.1]))
        events.append(
            Event(
                stream,
                case,
                f"retail.{name}",
                at,
                identity,
                quantity,
                "9.99",
                attributes | {"retail.event.id": identity},
            )
        )
    return events


@settings(
    max_examples=examples(9),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    events=histories(),
    cuts=st.lists(st.integers(0, 24), min_size=1, max_size=2),
    zone=st.sampled_from(["UTC", "Europe/Berlin"]),
)
def test_recomputed_equals_computed_once(
    clickhouse: ClickHouse, small_engine: None, events: list[Event], cuts: Sequence[int], zone: str
) -> None:
    """In pieces, piece by piece: the same values as everything at once, to the last digit."""
    number = next(NUMBERS)
    shop = Shop(clickhouse, f"pieces-{number}", zone, () if DEEP else SOME_OF_EACH_WAY)
    edges = sorted({0, len(events), *(min(cut, len(events)) for cut in cuts)})
    for first, last in itertools.pairwise(edges):
        shop.take(*events[first:last])
    once, made = stored(clickhouse, shop.tenant), shop.rows()
    assert not shop.jobs.recompute_all().failures
    assert stored(clickhouse, shop.tenant) == once
    assert shop.rows() == made


def stored(ch: ClickHouse, tenant: str) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """All values of a tenant that say something."""
    rows: Iterable[Sequence[Any]] = ch.query(
        "SELECT KpiId, Basis, Grain, BucketStart, Value, Numerator, Denominator, SampleSize, Excluded, OpenCases"
        " FROM kpi_values FINAL WHERE TenantId = {tenant:String} AND Grain != 'run'"
        " AND (SampleSize > 0 OR Excluded > 0 OR OpenCases > 0)",
        {"tenant": tenant},
    ).rows
    return {tuple(row[:4]): tuple(row[4:]) for row in rows}


def test_a_wrong_expression_is_named_with_its_file_and_key(clickhouse: ClickHouse) -> None:
    catalogue = load_catalogue()
    assert wrong_expressions(clickhouse, catalogue) == []
    broken = replace(catalogue.get("restock_rate"), numerator="Dispositon = 'restock'")
    (said,) = wrong_expressions(clickhouse, Catalogue(MappingProxyType({broken.id: broken})))
    assert said.startswith("restock_rate.toml:20: numerator: \"Dispositon = 'restock'\": the engine rejects")


def test_another_calendar_moves_the_buckets_of_the_past(clickhouse: ClickHouse, tenant: str) -> None:
    """And a version that comes back after another was in force is not left as it was then."""
    shop = Shop(clickhouse, tenant)
    few = load_catalogue().chosen(lambda one: one.id in ("orders_placed", "integration_failure_rate"))
    load_calls(clickhouse, tenant, [Call("a->b", moment("2026-03-02T23:30"), 1)], shop.clock.now())
    later = Catalogue({"orders_placed": replace(few.get("orders_placed"), version=2)})
    kpis = {"now": TenantKpis(few, Calendar())}
    shop.jobs = KpiJobs(clickhouse, shop.clock, few, [tenant], kpis_of=lambda _: kpis["now"])
    shop.take(order("O1", "2026-03-02T23:30"))
    assert shop.told("orders_placed", "", "2026-03-02T00:00") == (1, 1, 0, 0)
    kpis["now"] = TenantKpis(few, Calendar("Europe/Berlin", months="445", year_begins=2))
    shop.take()
    assert shop.told("orders_placed", "", "2026-03-02T00:00") == (None, 0, 0, 0)
    assert shop.told("orders_placed", "", "2026-03-02T23:00") == (1, 1, 0, 0)
    assert shop.told("orders_placed", "", "2026-03-01T23:00", "month") == (1, 1, 0, 0), (
        "the second period of four weeks"
    )
    assert shop.told("integration_failure_rate", "", "2026-03-02T00:00") == (None, 0, 0, 0)
    assert shop.told("integration_failure_rate", "", "2026-03-02T23:00") == (0, 1, 0, 0)
    kpis["now"] = TenantKpis(later, Calendar())
    shop.take(order("O2", "2026-03-02T08:00"))
    kpis["now"] = TenantKpis(few, Calendar())
    shop.take()
    assert shop.told("orders_placed", "", "2026-03-02T00:00") == (2, 2, 0, 0)
