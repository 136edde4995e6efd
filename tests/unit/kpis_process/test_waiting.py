"""Open cases by the step they stand after: open or not, worth what, whose move, since when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from kpis.process import ProcessModels, parse_streams, waiting_now
from storage import ClickHouse

Insert = Callable[..., None]
START = datetime(2026, 3, 1, tzinfo=UTC)
O2C = "order-to-cash"
STREAMS = ProcessModels().streams()
PLACED, ALLOCATED, PAID, LINE = (f"retail.order.{v}" for v in ("placed", "allocated", "paid", "line.placed"))


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_open_cases_are_priced_ranked_and_owned(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any
) -> None:
    insert(
        [
            event("1", PLACED, 0, amount="100.50"), event("1", ALLOCATED, 10, amount="400"),
            event("1", LINE, 11, amount="999"),
            event("2", PLACED, 0, amount="50"), event("2", ALLOCATED, 30),
            event("3", PLACED, 0, amount="20"),
            event("4", PLACED, 0, amount="7"), event("4", ALLOCATED, 50), event("4", PAID, 60),
        ],
        stream=O2C,
    )  # fmt: skip
    first, second = waiting_now(clickhouse, tenant, at(100), STREAMS)
    assert (first.stream, first.step, first.owner_system) == (O2C, ALLOCATED, "warehouse")
    assert (first.cases, first.value, first.currency, first.unpriced) == (2, Decimal("150.5"), "EUR", 0)
    assert (first.oldest_since, first.median_wait_s) == (at(10), 80.0)
    assert first.usual_wait_s == 10.0, "of the one case that went on"
    assert (second.step, second.owner_system, second.cases) == (PLACED, "order-management", 1)
    assert second.usual_wait_s == 30.0, "the median of 10, 30 and 50"


def test_nothing_that_happens_later_counts(clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any) -> None:
    insert([event("1", PLACED, 0, amount="5"), event("1", PAID, 50)], stream=O2C)
    assert [w.step for w in waiting_now(clickhouse, tenant, at(49), STREAMS)] == [PLACED]
    assert waiting_now(clickhouse, tenant, at(50), STREAMS) == []


def test_terminal_steps_are_known_by_event_name_too(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any
) -> None:
    insert([event("1", "place", 0, name=PLACED), event("1", "pay", 5, name=PAID)], stream=O2C)
    insert([event("2", "place", 0, name=PLACED)], stream=O2C)
    assert [(w.step, w.cases, w.usual_wait_s) for w in waiting_now(clickhouse, tenant, at(9), STREAMS)] == [
        ("place", 1, 5.0)
    ]


def test_cases_without_an_amount_stand_beside_the_others(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any
) -> None:
    insert(
        [event("1", PLACED, 0, amount="5"), event("2", PLACED, 1), event("3", PLACED, 2, amount="3", currency="GBP")],
        stream=O2C,
    )
    found = waiting_now(clickhouse, tenant, at(9), STREAMS)
    assert [(w.currency, w.value, w.cases, w.unpriced) for w in found] == [
        ("EUR", Decimal(5), 1, 0),
        ("GBP", Decimal(3), 2, 1),
    ]


def test_value_without_a_value_event_is_the_largest_amount(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any
) -> None:
    """The same money is named at several steps; adding it up would count it twice."""
    insert([event("1", ALLOCATED, 0, amount="5"), event("1", "retail.order.picked", 1, amount="7")], stream=O2C)
    (found,) = waiting_now(clickhouse, tenant, at(9), STREAMS)
    assert (found.value, found.usual_wait_s) == (Decimal(7), None)


def test_running_promotion_waits_for_nobody(clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any) -> None:
    stream = "promotion-to-settlement"
    insert([event("1", "retail.promotion.started", 0), event("2", "retail.promotion.ended", 0)], stream=stream)
    found = waiting_now(clickhouse, tenant, at(9), STREAMS)
    assert [(w.step, w.value, w.currency, w.unpriced) for w in found] == [("retail.promotion.ended", Decimal(0), "", 1)]


def test_other_streams_and_tenants_are_not_listed(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any
) -> None:
    insert([event("1", PLACED, 0)], stream="imported")
    insert([event("1", PLACED, 0)], stream=O2C, tenant=f"{tenant}-other")
    assert waiting_now(clickhouse, tenant, at(9), STREAMS) == []


def test_the_streams_asked_about_are_the_ones_in_force(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any
) -> None:
    """A model of one's own is what counts, for a new stream as for one that comes with the product."""
    insert([event("1", "opened", 0), event("2", "opened", 0), event("2", "mended", 5)], stream="repairs")
    insert([event("1", PLACED, 0), event("1", ALLOCATED, 5)], stream=O2C)
    own = parse_streams(
        f'[repairs]\nowner = "bench"\nterminal = ["mended"]\n["{O2C}"]\nowner = "shop"\nterminal = ["{ALLOCATED}"]\n'
    )
    found = waiting_now(clickhouse, tenant, at(9), own)
    assert [(one.stream, one.step, one.owner_system, one.cases) for one in found] == [("repairs", "opened", "bench", 1)]
