"""Clocks set back, leaders that wake up late, runs that fail in part: what is counted is counted once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, cast

from core import ManualClock
from core.errors import LimitExceeded, OpsintelError, QueryRejected
from kpis import Catalogue, KpiJobs, TenantKpis, load_catalogue
from kpis.periods import Calendar
from storage import ClickHouse
from tests.unit.kpis.events import Event, load_events
from tests.unit.kpis.test_view_kpis import NOW, O2C, Shop, line, order

CATALOGUE = load_catalogue()
DAY = "2026-03-02T00:00"


class Watched:
    """The engine, with somebody who sees every statement first."""

    def __init__(self, ch: ClickHouse, seen: Callable[[str], None]) -> None:
        self._ch, self._seen = ch, seen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ch, name)

    def query(self, sql: str, *rest: Any, **more: Any) -> Any:
        self._seen(sql)
        return self._ch.query(sql, *rest, **more)

    def command(self, sql: str, *rest: Any, **more: Any) -> Any:
        self._seen(sql)
        return self._ch.command(sql, *rest, **more)

    def insert_rows(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Any:
        self._seen(f"INSERT INTO {table} rows")
        return self._ch.insert_rows(table, columns, rows)


def few(*ids: str) -> Catalogue:
    return CATALOGUE.chosen(lambda one: one.id in ids)


def another(shop: Shop, *ids: str, seen: Callable[[str], None] = lambda _: None, term: int = 0) -> KpiJobs:
    """The jobs of another process, in a term of its own."""
    engine = cast(ClickHouse, Watched(shop.ch, seen))
    return KpiJobs(engine, shop.clock, few(*ids), [shop.tenant], details=lambda: shop.details, term=lambda: term)


def arrives(shop: Shop, *events: Event, segment: int) -> None:
    load_events(shop.ch, shop.tenant, events, shop.clock.now(), segment=segment)


def failing_to_add_up(errors: list[OpsintelError]) -> Callable[[str], None]:
    """Raises the first of these, while there is one, for the statement that adds up all facts of a view."""

    def seen(sql: str) -> None:
        if "All facts of a view" in sql and errors:
            raise errors[0]

    return seen


def settle(shop: Shop) -> None:
    """What was taken in is not looked at again, as three seconds later."""
    shop.jobs._view_values._views._settled_after = timedelta(0)


def test_two_leaders_leave_the_rows_of_each_tenant_to_it(clickhouse: ClickHouse, tenant: str) -> None:
    """One sleeps behind filling its batch until its lease is another's, which then fills the same table."""
    shops = [Shop(clickhouse, f"{tenant}-{name}", kpis=("orders_placed", "fill_rate")) for name in "xy"]
    waits: list[tuple[threading.Event, threading.Event]] = []
    threads = []
    for term, shop in enumerate(shops):
        shop.take(order(f"{shop.tenant}-0", "2026-03-02T08:00"), line(f"{shop.tenant}-0", 1, "2026-03-02T08:00", 1))
        name = f"{shop.tenant}-1"
        arrives(shop, order(name, "2026-03-02T08:00"), line(name, 1, "2026-03-02T08:00", 1), segment=9)
        there, go = threading.Event(), threading.Event()

        def seen(sql: str, there: threading.Event = there, go: threading.Event = go) -> None:
            if sql.startswith("INSERT INTO kpi_made_order_lines") and not there.is_set():
                there.set()
                go.wait(20)

        jobs = another(shop, "orders_placed", "fill_rate", seen=seen, term=term)
        waits.append((there, go))
        threads.append(threading.Thread(target=jobs.run_once))
    for thread, (there, _) in zip(threads, waits, strict=True):
        thread.start()
        assert there.wait(20)
    for thread, (_, go) in zip(threads, waits, strict=True):
        go.set()
        thread.join()
    for shop in shops:
        cases = [row[1] for row in shop.rows()["order_lines"]]
        assert sorted(cases) == [f"{shop.tenant}-0", f"{shop.tenant}-1"]


def test_a_leader_that_wakes_up_late_counts_nothing_twice(clickhouse: ClickHouse, tenant: str) -> None:
    """It has found out what changes; meanwhile another computes everything, for the mark says that one has begun."""
    shop = Shop(clickhouse, tenant, kpis=("orders_placed",))
    shop.take(order("O1", "2026-03-02T08:00"))
    arrives(shop, order("O2", "2026-03-02T08:00"), segment=9)
    asleep, said = "INSERT INTO kpi_orders", []
    other = another(shop, "orders_placed")

    def seen(sql: str) -> None:
        if asleep in sql and asleep not in said:
            said.append(asleep)
            shop.clock.advance(1)
            other.run_once()
            shop.clock.advance(1)

    shop.clock.advance(60)
    another(shop, "orders_placed", seen=seen).run_once()
    assert said
    shop.clock.advance(60)
    another(shop, "orders_placed").run_once()
    assert shop.told("orders_placed", "", DAY) == (2, 2, 0, 0)


def test_a_process_that_begins_after_the_clock_was_set_back_counts_what_comes(
    clickhouse: ClickHouse, tenant: str
) -> None:
    shop = Shop(clickhouse, tenant, kpis=("orders_placed",))
    shop.take(order("O1", "2026-03-02T08:00"))
    shop.clock = ManualClock(NOW - timedelta(hours=1))
    shop.jobs = another(shop, "orders_placed")
    shop.take(order("O2", "2026-03-02T08:00"))
    shop.clock.advance(7_200)
    shop.take()
    assert shop.told("orders_placed", "", DAY) == (2, 2, 0, 0)


def test_news_is_seen_after_the_engines_clock_was_set_back(clickhouse: ClickHouse, tenant: str) -> None:
    shop = Shop(clickhouse, tenant, kpis=("orders_placed",))
    shop.take(order("O1", "2026-03-02T08:00"))
    ahead = "SELECT TenantId, Model, Through + toIntervalHour(1), Taken, Version + 1 FROM kpi_marks FINAL"
    clickhouse.command(f"INSERT INTO kpi_marks {ahead} WHERE TenantId = {{t:String}}", {"t": tenant})
    shop.take(order("O2", "2026-03-02T08:00"))
    assert shop.told("orders_placed", "", DAY) == (2, 2, 0, 0)


def test_a_level_that_cannot_be_computed_is_not_told_from_old_sums(clickhouse: ClickHouse, tenant: str) -> None:
    shop = Shop(clickhouse, tenant, kpis=("order_backlog",))
    shop.take(order("O1", "2026-04-08T08:00"))

    fails = [QueryRejected("memory limit exceeded")]
    shop.jobs = another(shop, "order_backlog", seen=failing_to_add_up(fails))
    assert shop.jobs.recompute_all().left_out
    before = shop.value("order_backlog", "all", "2026-04-10T00:00")
    fails.clear()
    shop.clock.advance(3_600)
    shop.take(order("O2", "2026-04-08T08:00"))
    after = shop.value("order_backlog", "all", "2026-04-10T00:00")
    assert after is not None
    assert after == before or after.value == 2


def test_a_definition_that_comes_back_has_not_missed_what_came_late(clickhouse: ClickHouse, tenant: str) -> None:
    """What its absence brought had been inserted before the newest that was known, and became visible later."""
    names: tuple[str, ...] = ("orders_placed", "fill_rate")
    known = {some: TenantKpis(few(*some), Calendar()) for some in (names, names[1:])}
    shop = Shop(clickhouse, tenant)
    shop.jobs = KpiJobs(clickhouse, shop.clock, CATALOGUE, [tenant], kpis_of=lambda _: known[names])
    settle(shop)
    shop.take(order("O1", "2026-03-02T08:00"), line("O1", 1, "2026-03-02T08:00", 1))
    newest = "(SELECT max(InsertedAt) FROM case_changes WHERE TenantId = {t:String})"
    note = f"SELECT {{t:String}}, '{O2C}', 'O2', 9, {newest}, toDateTime64('2026-03-02 08:00:00', 9, 'UTC')"
    arrives(shop, order("O2", "2026-03-02T08:00"), line("O2", 1, "2026-03-02T08:00", 1), segment=9)
    clickhouse.command("DELETE FROM case_changes WHERE TenantId = {t:String} AND SegmentId = 9", {"t": tenant})
    clickhouse.command(
        f"INSERT INTO case_changes (TenantId, Stream, CaseId, SegmentId, InsertedAt, Earliest) {note}", {"t": tenant}
    )
    names = names[1:]
    shop.take()
    names = ("orders_placed", "fill_rate")
    shop.take()
    assert shop.told("orders_placed", "", DAY) == (2, 2, 0, 0)


def test_a_limit_that_passes_leaves_a_definition_out_of_one_run_only(clickhouse: ClickHouse, tenant: str) -> None:
    shop = Shop(clickhouse, tenant, kpis=("orders_placed",))
    shop.take(order("O1", "2026-03-02T08:00"))

    fails = [LimitExceeded("memory limit exceeded")]
    shop.jobs = another(shop, "orders_placed", seen=failing_to_add_up(fails))
    (said,) = shop.jobs.recompute_all().left_out
    assert said == "orders_placed: left out of this run: memory limit exceeded"
    fails.clear()
    shop.take(order("O2", "2026-03-02T08:00"))
    assert shop.told("orders_placed", "", DAY) == (2, 2, 0, 0)
