"""Breakdowns and drills: the parts and the cases add up to the stored number, and wrong questions say what to do."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from core import InvalidInput
from kpis import Catalogue, KpiDefinition, KpiJobs, KpiValue, load_catalogue, series
from kpis.breakdown import breakdown, dimension_names
from kpis.drill import DrilledCase, drill, roles
from kpis.periods import Calendar
from storage import ClickHouse
from tests.support.examples import examples
from tests.unit.kpis.events import Call, Event, load_calls, moment
from tests.unit.kpis.test_view_kpis import RETURNS, Shop, histories, line, order, sent, told

CATALOGUE = load_catalogue()
ZONE = "Europe/Berlin"
NUMBERS = itertools.count(1)
CHOSEN = (
    "on_time_in_full", "first_time_fill_rate", "order_cycle_time", "orders_placed", "touchpoints_per_case",
    "order_backlog", "order_backlog_age",
)  # fmt: skip
DAY = (moment("2026-03-02T00:00"), moment("2026-03-03T00:00"))
MARCH = (moment("2026-03-01T00:00"), moment("2026-04-01T00:00"))


class FewShop(Shop):
    """Computes a few KPIs, which makes it quick."""

    def __init__(self, ch: ClickHouse, tenant: str, zone: str = "UTC") -> None:
        super().__init__(ch, tenant, zone, CHOSEN)
        self.details = {}

    def all_cases(
        self, kpi: str, start: datetime, end: datetime, role: str = "counted", *, limit: int = 4, largest: bool = False,
        **more: Any,
    ) -> list[DrilledCase]:  # fmt: skip
        """Every page of them."""
        found: list[DrilledCase] = []
        after = ""
        while True:
            page = drill(
                self.ch, self.tenant, CATALOGUE.get(kpi), start, end, role, after=after, limit=limit, largest=largest,
                **more,
            )  # fmt: skip
            found += page.cases
            after = page.following
            if not after:
                return found


@pytest.fixture
def shop(clickhouse: ClickHouse, tenant: str) -> FewShop:
    shop = FewShop(clickhouse, tenant)
    shop.take(*march())
    return shop


def march() -> Iterator[Event]:
    """Five orders by two channels and one without: in full, late, open, failed, cancelled."""
    for number, (case, channel, delivered) in enumerate(
        [
            ("O1", "web", "04T11:00"),
            ("O2", "web", "04T13:00"),
            ("O3", "shop", ""),
            ("O4", "web", ""),
            ("O5", "", "04T10:00"),
        ]
    ):
        more = {"channel": channel} if channel else {}
        yield order(case, f"2026-03-02T08:0{number}", promise="2026-03-04T12:00:00Z", **more)
        yield line(case, 1, f"2026-03-02T08:0{number}", 2)
        if delivered:
            yield sent(case, 1, "2026-03-03T08:00", 2)
            yield told("order-to-cash", case, "order.delivered", f"2026-03-{delivered}")
    yield told("order-to-cash", "O4", "order.failed", "2026-03-02T09:00")


def test_a_share_by_channel(shop: FewShop) -> None:
    found = breakdown(shop.ch, shop.tenant, CATALOGUE.get("on_time_in_full"), "channel", *MARCH)
    assert (found.total.value, found.total.sample_size) == (2 / 3, 3)
    assert [(part.value, part.figures.numerator, part.figures.sample_size) for part in found.parts] == [
        ("web", 1, 2),
        ("", 1, 1),
        ("shop", 0, 0),
    ]
    web, _, shop_part = found.parts
    assert (web.figures.excluded, web.figures.open_cases) == (1, 0)
    assert (shop_part.figures.value, shop_part.figures.open_cases) == (None, 1)


def test_what_is_beyond_the_most_is_told_together(shop: FewShop) -> None:
    found = breakdown(
        shop.ch, shop.tenant, CATALOGUE.get("order_cycle_time"), "channel", *MARCH, basis="median", most=1
    )
    web, rest = found.parts
    assert (web.value, web.other, web.figures.value) == ("web", False, 52 * 3600 - 30)
    assert (rest.other, rest.values, rest.figures.sample_size) == (True, 1, 1)
    assert found.total.numerator == web.figures.numerator + rest.figures.numerator


def test_the_roles_of_a_share(shop: FewShop) -> None:
    def ids(role: str) -> list[str]:
        return [one.case_id for one in shop.all_cases("on_time_in_full", *MARCH, role)]

    assert ids("counted") == ["O1", "O2", "O5"]
    assert ids("numerator") == ["O1", "O5"]
    assert ids("misses") == ["O2"]
    assert ids("open") == ["O3"]
    (failed,) = shop.all_cases("on_time_in_full", *MARCH, "excluded")
    assert (failed.case_id, failed.state, failed.numerator) == ("O4", "excluded", 0)
    assert failed.reason == "orders that could not be accepted (retail.order.failed)"
    assert [one.case_id for one in shop.all_cases("on_time_in_full", *MARCH, dimension="channel", value="web")] == [
        "O1",
        "O2",
    ]
    assert [one.case_id for one in shop.all_cases("on_time_in_full", *MARCH, dimension="channel", value="")] == ["O5"]


def test_misses_of_a_time_are_worse_than_the_target(shop: FewShop) -> None:
    definition = replace(CATALOGUE.get("order_cycle_time"), target=51.0 * 3600)
    page = drill(shop.ch, shop.tenant, definition, *MARCH, "misses", basis="median")
    assert [(one.case_id, one.numerator) for one in page.cases] == [("O2", 53 * 3600 - 60)]
    assert roles(replace(definition, target=None), "median") == ("counted", "open", "excluded")
    assert "misses" not in roles(CATALOGUE.get("orders_placed"), "")


def test_the_largest_come_first_when_asked_for(shop: FewShop) -> None:
    found = shop.all_cases("order_cycle_time", *MARCH, basis="median", largest=True, limit=1)
    assert [one.case_id for one in found] == ["O2", "O1", "O5"]


def test_a_level_is_what_stands_at_the_end(shop: FewShop) -> None:
    """On the third four orders wait, on the fifth the one that nobody sent; the failed one never counts."""
    for day, ids in ((3, ["O1", "O2", "O3", "O5"]), (5, ["O3"])):
        start, end = moment(f"2026-03-0{day}T00:00"), moment(f"2026-03-0{day + 1}T00:00")
        for kpi in ("order_backlog", "order_backlog_age"):
            definition = CATALOGUE.get(kpi)
            (stored,) = series(shop.ch, shop.tenant, kpi, start=start, end=end)
            page = drill(shop.ch, shop.tenant, definition, start, end, now=shop.clock.now(), largest=True)
            assert sorted(one.case_id for one in page.cases) == ids
            assert page.totals.counted == len(ids)
            assert (page.totals.numerator, page.totals.sample_size) == (stored.numerator, stored.sample_size)
            split = breakdown(shop.ch, shop.tenant, definition, "channel", start, end, now=shop.clock.now())
            assert (split.total.value, split.total.denominator) == (stored.value, stored.denominator)
            assert sum(part.figures.numerator for part in split.parts) == stored.numerator
        assert page.cases[0].case_id == ids[0], "the oldest first"
    assert roles(CATALOGUE.get("order_backlog"), "all") == ("counted",)
    with pytest.raises(InvalidInput, match="has no misses"):
        drill(shop.ch, shop.tenant, CATALOGUE.get("order_backlog"), *MARCH, "misses")


def test_the_refunds_behind_a_day_are_those_of_its_value(clickhouse: ClickHouse, tenant: str) -> None:
    """R1 took a day, R2 was paid at once, R3 without goods, R4 waits, R5 was closed without a refund."""
    shop = Shop(clickhouse, tenant)
    definition = CATALOGUE.get("refund_turnaround")
    shop.jobs = KpiJobs(clickhouse, shop.clock, CATALOGUE.chosen(lambda one: one is definition), [tenant])
    at = {"R1": "2026-03-01T10:00", "R2": "2026-03-02T12:00", "R4": "2026-03-02T09:00", "R5": "2026-02-27T12:00"}
    shop.take(
        *(told(RETURNS, case, "return.received", when) for case, when in at.items()),
        told(RETURNS, "R1", "refund.issued", "2026-03-02T10:00"),
        told(RETURNS, "R2", "refund.issued", "2026-03-02T11:00"),
        told(RETURNS, "R3", "refund.issued", "2026-03-02T13:00"),
        told(RETURNS, "R5", "return.closed", "2026-02-28T10:00"),
    )
    (stored,) = series(clickhouse, tenant, definition.id, start=DAY[0], end=DAY[1])
    page = drill(clickhouse, tenant, definition, *DAY, largest=True)
    assert [(one.case_id, one.numerator) for one in page.cases] == [("R1", 86400), ("R2", 0)]
    totals = page.totals
    assert (totals.numerator, totals.denominator) == (stored.numerator, stored.denominator) == (86400, 2)
    assert (totals.sample_size, totals.excluded, totals.open_cases) == counts(stored) == (2, 1, 1)
    assert [one.case_id for one in drill(clickhouse, tenant, definition, *DAY, "open").cases] == ["R4"]
    (left_out,) = drill(clickhouse, tenant, definition, *DAY, "excluded").cases
    assert left_out.case_id == "R3"
    assert left_out.reason.startswith("refunds of returns without")
    assert roles(definition, "median") == ("counted", "misses", "open", "excluded")


def test_an_edge_is_split_by_what_is_stored(clickhouse: ClickHouse, tenant: str) -> None:
    at = moment("2026-03-02T09:00")
    calls = [Call("a->b", at, number, number < 2) for number in range(4)] + [Call("b->c", at, 9), Call("c->d", at, 10)]
    load_calls(clickhouse, tenant, calls, at)
    shop = Shop(clickhouse, tenant)
    few = CATALOGUE.chosen(lambda one: one.id == "integration_failure_rate")
    KpiJobs(clickhouse, shop.clock, few, [tenant]).run_once()
    found = breakdown(clickhouse, tenant, CATALOGUE.get("integration_failure_rate"), "edge", *MARCH, most=1)
    assert [(part.value, part.other, part.values, part.figures.value) for part in found.parts] == [
        ("a->b", False, 1, 0.5),
        ("", True, 2, 0),
    ]
    assert (found.total.numerator, found.total.sample_size) == (2, 6)
    day = breakdown(clickhouse, tenant, CATALOGUE.get("integration_failure_rate"), "edge", *DAY)
    assert [(part.value, part.figures.value) for part in day.parts] == [("a->b", 0.5), ("b->c", 0), ("c->d", 0)]
    definition = CATALOGUE.get("integration_failure_rate")
    page = drill(clickhouse, tenant, definition, *DAY, "numerator", dimension="edge", value="a->b", limit=1)
    rest = drill(
        clickhouse, tenant, definition, *DAY, "numerator", dimension="edge", value="a->b", after=page.following
    )
    assert [one.trace_id for one in (*page.cases, *rest.cases)] == [f"{number:032x}" for number in (0, 1)]
    assert rest.following == ""
    whole = drill(clickhouse, tenant, definition, *DAY).totals
    assert (whole.numerator, whole.denominator, whole.sample_size) == (2, 6, 6)
    with pytest.raises(InvalidInput, match="one bucket at a time"):
        breakdown(clickhouse, tenant, CATALOGUE.get("queue_age"), "queue", *MARCH)
    assert breakdown(clickhouse, tenant, CATALOGUE.get("queue_age"), "queue", *DAY, basis="p90").parts == ()


@settings(
    max_examples=examples(6),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(events=histories())
def test_cases_and_parts_add_up_to_the_stored_number(clickhouse: ClickHouse, events: list[Event]) -> None:
    """Every stored day of the chosen KPIs: what its cases contribute is its numerator, denominator and counts."""
    shop = FewShop(clickhouse, f"drill-{next(NUMBERS)}", ZONE)
    shop.take(*events)
    for kpi, definition in ((one, CATALOGUE.get(one)) for one in CHOSEN):
        for basis in definition.basis_ids[:2]:
            days = series(clickhouse, shop.tenant, kpi, basis)
            for stored in (days[0], days[-1]) if definition.level and days else days:  # a level stands every day
                check(shop, definition, stored)


def check(shop: FewShop, definition: KpiDefinition, stored: KpiValue) -> None:
    start, end = stored.bucket_start, Calendar(ZONE).end("day", stored.bucket_start)
    asked: dict[str, Any] = {"basis": stored.basis, "calendar": Calendar(ZONE), "now": shop.clock.now()}
    level = definition.level
    counted = shop.all_cases(definition.id, start, end, **asked)
    assert sum(one.numerator for one in counted) == pytest.approx(stored.numerator, abs=1e-6)
    if definition.statistic != "level":
        assert sum(one.denominator for one in counted) == pytest.approx(stored.denominator, abs=1e-6)
    distinct = len({(one.stream, one.case_id, one.subject) for one in counted})
    assert len(counted) == distinct == (stored.denominator if definition.statistic == "age" else distinct)
    if level:
        drilled = drill(shop.ch, shop.tenant, definition, start, end, **asked).totals
        assert (drilled.numerator, drilled.sample_size) == (stored.numerator, stored.sample_size)
        split = breakdown(shop.ch, shop.tenant, definition, "channel", start, end, most=1, **asked)
        assert (split.total.value, split.total.sample_size) == (stored.value, stored.sample_size)
        assert sum(part.figures.numerator for part in split.parts) == pytest.approx(stored.numerator, abs=1e-6)
        return
    assert distinct == stored.sample_size
    excluded = shop.all_cases(definition.id, start, end, "excluded", **asked)
    assert len(excluded) == stored.excluded
    assert all(one.reason for one in excluded)
    assert len(shop.all_cases(definition.id, start, end, "open", **asked)) == stored.open_cases
    assert all(start <= one.at < end for one in (*counted, *excluded))
    totals = drill(shop.ch, shop.tenant, definition, start, end, **asked).totals
    assert (totals.numerator, totals.denominator) == (stored.numerator, stored.denominator)
    assert (totals.sample_size, totals.excluded, totals.open_cases) == counts(stored)
    for dimension in dimension_names(definition)[:1]:
        split = breakdown(shop.ch, shop.tenant, definition, dimension, start, end, most=1, **asked)
        assert split.total.value == stored.value
        for name in ("numerator", "denominator", "sample_size", "excluded", "open_cases"):
            parts = sum(getattr(part.figures, name) for part in split.parts)
            assert parts == pytest.approx(getattr(stored, name), abs=1e-6), (definition.id, name)


def counts(stored: KpiValue) -> tuple[int, int, int]:
    return stored.sample_size, stored.excluded, stored.open_cases


def test_two_definitions_may_have_parameters_of_the_same_name(clickhouse: ClickHouse, tenant: str) -> None:
    """An hour's tolerance of one KPI is none of another's."""
    lenient = replace(CATALOGUE.get("on_time_delivery"), parameters={"tolerance_s": 3600.0})
    both = Catalogue({one.id: one for one in (lenient, CATALOGUE.get("perfect_order"))})
    shop = FewShop(clickhouse, tenant)
    shop.kpis = both
    shop.jobs = KpiJobs(clickhouse, shop.clock, both, [tenant])
    shop.take(*march())
    assert shop.told("on_time_delivery", "instant", "2026-03-04T00:00")[:2] == (1, 3)
    assert shop.told("perfect_order", "", "2026-03-02T00:00")[:2] == (2 / 3, 3)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"role": "losers"}, "there is no role 'losers'"),
        ({"basis": "colour"}, "on_time_in_full has no basis 'colour'"),
        ({"dimension": "colour"}, "on_time_in_full has no dimension 'colour'"),
        ({"after": "x"}, "after is not what a page gave"),
        ({"after": "WzFd"}, "after is not what a page gave"),
        ({"after": "NQ"}, "after is not what a page gave"),
        ({"after": "WzEsIlx1ZDgwMCIsImIiLCJjIl0"}, "after is not what a page gave"),
        ({"limit": 0}, "a page has 1 to 500 cases"),
    ],
)
def test_a_wrong_question(clickhouse: ClickHouse, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        drill(clickhouse, "nobody", CATALOGUE.get("on_time_in_full"), *MARCH, **asked)
    assert caught.value.message.startswith(said)
    assert caught.value.hint or "limit" in asked


@pytest.mark.parametrize("kpi", ["orders_placed", "queue_age"])
def test_what_cannot_be_told_is_refused(clickhouse: ClickHouse, kpi: str) -> None:
    with pytest.raises(InvalidInput, match=r"misses|statement"):
        drill(clickhouse, "nobody", CATALOGUE.get(kpi), *MARCH, "misses")


@pytest.mark.parametrize("period", [MARCH[::-1], (MARCH[0], MARCH[0]), (moment("1960-01-01T00:00"), MARCH[0])])
def test_a_wrong_period(clickhouse: ClickHouse, period: Sequence[datetime]) -> None:
    with pytest.raises(InvalidInput, match="a period"):
        breakdown(clickhouse, "nobody", CATALOGUE.get("orders_placed"), "channel", *period)


def test_nobody_elses_cases(shop: FewShop) -> None:
    stranger = drill(shop.ch, "stranger", CATALOGUE.get("orders_placed"), *MARCH)
    assert (stranger.cases, stranger.totals.sample_size) == ((), 0)
    assert breakdown(shop.ch, "stranger", CATALOGUE.get("orders_placed"), "channel", *MARCH).parts == ()
