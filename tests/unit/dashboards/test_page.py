"""The page as a whole: its sentence, its states, and how a snapshot is taken."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from core import ManualClock, StoreUnavailable
from dashboards import KpiTile
from dashboards.components import headline as top
from dashboards.figures import GRAPH_CONFIG
from dashboards.pages.overview import REGIONS, render
from dashboards.snapshot import Section, Snapshot, Snapshots
from dashboards.view import Doors, View
from tests.browser.standin import NOW, Empty, StandIn
from tests.unit.dashboards.trees import text

VIEW = View(NOW, ZoneInfo("Europe/Berlin"), Doors("10.0.0.1:4317", "http://10.0.0.1:4318"))


def take(reads: Any, tenant: str = "default") -> Snapshot:
    return asyncio.run(Snapshots(reads, ManualClock(NOW)).take(tenant))


def test_the_first_line_says_what_waits_and_what_fires() -> None:
    assert top.headline(take(StandIn())).replace("\u00a0", " ") == (
        "€ 90.9 k stands in 604 open cases; 2 alerts are firing"
    )


def test_different_currencies_are_not_added_up() -> None:
    class Mixed(StandIn):
        def waiting(self, tenant: str) -> Sequence[Any]:
            first, second, *_ = super().waiting(tenant)
            return [first, dataclasses.replace(second, currency="USD")]

    assert (
        top.headline(take(Mixed())).replace("\u00a0", " ").startswith("€ 38.4 k and $ 21.9 k stand in 231 open cases")
    )


def test_steps_without_a_price_add_no_sum() -> None:
    class Unpriced(StandIn):
        def waiting(self, tenant: str) -> Sequence[Any]:
            first, second, *_ = super().waiting(tenant)
            return [first, dataclasses.replace(second, currency="", value=Decimal(0))]

    assert top.headline(take(Unpriced())).replace("\u00a0", " ").startswith("€ 38.4 k stands in 231 open cases")


def test_the_second_line_names_the_dearest_of_what_is_slow() -> None:
    assert "214 cases in order-to-cash after order allocated (warehouse)" in top.lead(take(StandIn()))
    assert top.lead(take(Empty())) == ""


def test_with_no_data_the_page_says_where_to_push() -> None:
    shown = render(take(Empty()), VIEW)
    assert shown["headline"] == "No data yet"
    assert shown["sections"] == "hidden"
    assert "10.0.0.1:4317" in text(shown["first_steps"])
    assert shown["banners"] is None


def test_stale_data_are_announced_with_their_age() -> None:
    shown = render(take(StandIn(through=NOW - timedelta(minutes=31))), VIEW)
    assert "Nothing has come in since 09:29 CET (31 min ago)" in text(shown["banners"])
    assert "stale" in text(shown["freshness"])


def test_recent_data_are_live() -> None:
    shown = render(take(StandIn()), VIEW)
    assert shown["banners"] is None
    assert "live" in text(shown["freshness"])
    assert shown["first_steps"] is None


def test_every_region_is_rendered_and_no_other() -> None:
    assert set(render(take(StandIn()), VIEW)) == set(REGIONS)


class Broken(StandIn):
    """One read is refused by the store, another has a defect."""

    def kpis(self, tenant: str) -> Sequence[KpiTile]:
        raise StoreUnavailable("the engine does not answer")

    def all_kpis(self, tenant: str, grain: str) -> Sequence[KpiTile]:
        return self.kpis(tenant)

    def queues(self, tenant: str) -> Sequence[Any]:
        raise ZeroDivisionError("a defect with a secret in it")


def test_a_section_that_fails_leaves_the_others_alone() -> None:
    shown = render(take(Broken()), VIEW)
    assert "This could not be read: the engine does not answer." in text(shown["kpis"])
    assert "the service's log has the details" in text(shown["queues"])
    assert "secret" not in text(shown["queues"])
    assert "order allocated" in text(shown["waiting"])


def test_what_is_not_known_is_not_called_none() -> None:
    """A page that cannot read alerts must not claim that none is firing."""
    whole = take(StandIn())
    lost = dataclasses.replace(whole, alerts=Section((), "lost"), waiting=Section((), "lost"))
    assert top.headline(lost) == "What waits is not known; alerts are not known"
    unknown = dataclasses.replace(whole, data_through=Section(None, "lost"))
    assert not unknown.empty
    assert "not known" in text(top.freshness(unknown, VIEW))


def test_a_read_that_hangs_costs_its_own_section() -> None:
    release = threading.Event()

    class Slow(StandIn):
        def webhooks(self, tenant: str) -> Sequence[Any]:
            release.wait(10)
            return ()

    async def run() -> Snapshot:
        try:
            return await Snapshots(Slow(), ManualClock(NOW), limit_s=0.05).take("default")
        finally:
            release.set()

    shown = asyncio.run(run())
    assert "longer than 0.05 s" in shown.webhooks.problem
    assert shown.kpis.value


def test_browsers_share_a_reading_and_tenants_do_not() -> None:
    standin, clock = StandIn(), ManualClock(NOW)

    async def run() -> None:
        snapshots = Snapshots(standin, clock, reuse_s=2)
        await asyncio.gather(*(snapshots.take("a") for _ in range(5)), snapshots.take("b"))
        assert sorted(standin.seen) == ["a", "b"]
        await snapshots.take("a")
        assert sorted(standin.seen) == ["a", "b"]
        clock.advance(3)
        await snapshots.take("a")
        assert sorted(standin.seen) == ["a", "a", "b"]
        await snapshots.take("a", fresh=True)
        assert sorted(standin.seen) == ["a", "a", "a", "b"]

    asyncio.run(run())


def test_rendering_leaves_the_second_to_the_reads() -> None:
    """The page must answer within a second; this is the thread's own time, so a busy machine does not matter."""
    snapshot = take(StandIn())
    render(snapshot, VIEW)
    started = time.thread_time()
    render(snapshot, VIEW)
    assert time.thread_time() - started < 0.1


def test_figures_are_made_in_one_place_and_send_nothing_away() -> None:
    assert GRAPH_CONFIG["showSendToCloud"] is False
    root = Path(__file__).parents[3] / "dashboards"
    makers = [path.name for path in root.rglob("*.py") if "dcc.Graph(" in path.read_text("utf-8")]
    assert makers == ["figures.py"]


def test_the_page_names_the_zone_of_its_times() -> None:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert VIEW.time(at).replace("\u00a0", " ") == "1 Mar 13:00 CET"
