"""KPIs of movements and of the day of the order: hand-computed examples, and what becomes of events that are wrong.

Movements are what one event told: ordered, shipped, cancelled, credited, each in the bucket of its own time.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from kpis import explain, load_catalogue
from kpis.drill import drill
from storage import ClickHouse
from tests.unit.kpis.events import Event, moment
from tests.unit.kpis.test_view_kpis import EUROS, O2C, PROMOTIONS, RETURNS, Shop, line, order, sent, told

COMPUTED = {
    "fill_rate", "first_time_fill_rate", "on_time_delivery", "order_cancellation_rate", "period_fill_rate",
    "promotion_settlement_accuracy", "return_rate", "sales_value", "same_day_fill_rate", "stockout_rate",
}  # fmt: skip
LINE_RATES = {
    "fill_rate": ("line", "unit", "value", "order"),
    "first_time_fill_rate": ("line", "unit"),
    "same_day_fill_rate": ("line", "unit"),
}
DAY = timedelta(days=1)
MONDAY, TUESDAY, WEEK, MONTH = "2026-03-02T00:00", "2026-03-03T00:00", "2026-03-02T00:00", "2026-03-01T00:00"


class SmallShop(Shop):
    """A shop that computes these KPIs only."""

    def __init__(self, ch: ClickHouse, tenant: str, zone: str = "UTC") -> None:
        super().__init__(ch, tenant, zone, COMPUTED)

    def left_out(self, kpi: str, basis: str, day: str) -> dict[str, int]:
        """How many were left out on the day, by the reason that the definition gives."""
        start = moment(day)
        page = drill(self.ch, self.tenant, load_catalogue().get(kpi), start, start + DAY, "excluded", basis=basis)
        assert sum(one.cases for one in page.totals.reasons) == page.totals.excluded == len(page.cases)
        return {one.reason: one.cases for one in page.totals.reasons}


@pytest.fixture
def shop(clickhouse: ClickHouse, tenant: str) -> SmallShop:
    return SmallShop(clickhouse, tenant)


def sale(case: str, at: str, units: float, amount: str, **more: str) -> Event:
    given = {"order_line_id": "L1", "amount": amount} | EUROS | more
    return told(O2C, case, "order.line.placed", at, units, **given)


def credit(case: str, at: str, units: float | None, amount: str, **more: str) -> Event:
    return told(RETURNS, case, "refund.issued", at, units, **({"amount": amount} | EUROS | more))


def test_what_left_on_the_day_of_its_order(shop: SmallShop) -> None:
    """O1 at once; O2 in parts on two days; O3 in two parcels of its day; O4 later; O5 not yet; O6 withdrawn."""
    shop.take(
        line("O1", 1, "2026-03-02T08:00", 2),
        sent("O1", 1, "2026-03-02T23:59", 2),
        line("O2", 1, "2026-03-02T09:00", 5),
        sent("O2", 1, "2026-03-02T10:00", 3),
        sent("O2", 1, "2026-03-03T10:00", 2),
        line("O3", 1, "2026-03-02T09:00", 4),
        sent("O3", 1, "2026-03-02T10:00", 1),
        sent("O3", 1, "2026-03-02T12:00", 9),
        line("O4", 1, "2026-03-02T09:00", 1),
        sent("O4", 1, "2026-03-03T00:00", 1),
        line("O5", 1, "2026-03-02T09:00", 6),
        line("O6", 1, "2026-03-02T09:00", 7),
        told(O2C, "O6", "order.cancelled", "2026-03-02T14:00", cancel_reason="customer"),
    )
    assert shop.told("same_day_fill_rate", "line", MONDAY) == (2 / 5, 5, 1, 0)
    assert shop.told("same_day_fill_rate", "unit", MONDAY) == ((2 + 3 + 4) / (2 + 5 + 4 + 1 + 6), 5, 1, 0)
    assert shop.told("fill_rate", "line", MONDAY) == (1, 4, 1, 1), "the final one waits for O5 and has no day"
    assert shop.told("fill_rate", "order", WEEK, "week") == (1, 4, 1, 1)
    assert shop.told("same_day_fill_rate", "line", TUESDAY) == (), "an empty period has no bucket"
    # Each shipment by its own day, and all ten pieces of O3's two parcels.
    assert shop.told("period_fill_rate", "unit", MONDAY) == ((2 + 3 + 10) / 25, 10, 0, 0)
    assert shop.told("period_fill_rate", "unit", TUESDAY) == (None, 2, 0, 0), "nothing was ordered"
    assert shop.told("period_fill_rate", "unit", WEEK, "week") == (18 / 25, 12, 0, 0)


def test_the_day_of_an_order_is_the_shops(clickhouse: ClickHouse, tenant: str) -> None:
    """Berlin's 29 March 2026 begins at 23:00 UTC of the 28th and has 23 hours."""
    shop = SmallShop(clickhouse, tenant, "Europe/Berlin")
    shop.take(
        line("O1", 1, "2026-03-28T23:30", 1),
        sent("O1", 1, "2026-03-29T21:59", 1),
        line("O2", 1, "2026-03-29T21:00", 1),
        sent("O2", 1, "2026-03-29T22:00", 1),
        line("O3", 1, "2026-03-28T22:59", 1),
        sent("O3", 1, "2026-03-28T23:00", 1),
    )
    assert shop.told("same_day_fill_rate", "line", "2026-03-28T23:00") == (1 / 2, 2, 0, 0)
    assert shop.told("same_day_fill_rate", "line", "2026-03-27T23:00") == (0, 1, 0, 0)
    assert shop.told("period_fill_rate", "unit", "2026-03-28T23:00") == (1, 4, 0, 0)
    assert shop.told("period_fill_rate", "unit", "2026-03-29T22:00") == (None, 1, 0, 0)


def test_a_shipment_of_something_never_ordered(shop: SmallShop) -> None:
    """It is in the total of the period, and changes no fill rate of lines."""
    shop.take(line("O1", 1, "2026-03-02T08:00", 4), sent("O1", 1, "2026-03-02T09:00", 3), sent("O9", 1, MONDAY, 5))
    assert shop.told("period_fill_rate", "unit", MONDAY) == (8 / 4, 3, 0, 0)
    assert shop.told("same_day_fill_rate", "unit", MONDAY) == (3 / 4, 1, 0, 0)


def test_sales_and_credits(shop: SmallShop) -> None:
    """R1 credits two lines of a return; R2 says no pieces, its return brought three, and pays a rest later."""
    shop.take(
        sale("O1", "2026-03-02T08:00", 10, "100"),
        sale("O1", "2026-03-02T08:00", 2, "60", order_line_id="L2"),
        sale("O2", "2026-03-02T09:00", 8, "40"),
        credit("R1", "2026-03-02T10:00", 1, "10"),
        credit("R1", "2026-03-02T10:00", 1, "30"),
        told(RETURNS, "R2", "return.received", "2026-03-02T11:00", 3),
        credit("R2", "2026-03-02T12:00", None, "15"),
        credit("R2", "2026-03-03T12:00", None, "5"),
    )
    assert shop.told("return_rate", "value", MONDAY) == (55 / 200, 6, 0, 0)
    assert shop.told("return_rate", "unit", MONDAY) == (5 / 20, 6, 0, 0)
    assert shop.told("return_rate", "line", MONDAY) == (3 / 3, 6, 0, 0)
    assert shop.told("return_rate", "order", MONDAY) == (2 / 2, 4, 0, 0)
    assert shop.told("return_rate", "value", TUESDAY) == (None, 1, 0, 0), "nothing was sold"
    assert shop.told("return_rate", "order", TUESDAY) == (), "the return had its first credit before"
    assert shop.told("return_rate", "value", MONTH, "month") == (60 / 200, 7, 0, 0)
    assert shop.told("return_rate", "unit", MONTH, "month") == (5 / 20, 7, 0, 0), "the rest is for money alone"
    assert shop.told("sales_value", "gross", MONDAY) == (200, 3, 0, 0)
    assert shop.told("sales_value", "credited", WEEK, "week") == (60, 4, 0, 0)
    assert shop.told("sales_value", "net", MONTH, "month") == (140, 7, 0, 0)
    assert shop.told("sales_value", "net", TUESDAY) == (-5, 1, 0, 0)


def test_a_line_placed_again_is_one_sale(shop: SmallShop) -> None:
    """The last word counts, at the first time: as for the fill rates."""
    shop.take(sale("O1", "2026-03-02T08:00", 10, "100"))
    shop.take(sale("O1", "2026-03-03T08:00", 6, "60"))
    assert shop.told("sales_value", "gross", MONDAY) == (60, 1, 0, 0)
    assert shop.told("sales_value", "gross", TUESDAY) == ()


def test_what_was_cancelled_kept_no_promise(shop: SmallShop) -> None:
    """O2 was cancelled as a whole, and yet a parcel arrived; O3's promise is the date, without a time."""
    promised = "2026-03-04T00:00:00Z"
    shop.take(
        order("O1", "2026-03-02T08:00", promise=promised),
        told(O2C, "O1", "order.delivered", "2026-03-03T23:00"),
        order("O2", "2026-03-02T08:00", promise=promised),
        told(O2C, "O2", "order.cancelled", "2026-03-03T10:00", cancel_reason="out_of_stock"),
        told(O2C, "O2", "order.delivered", "2026-03-03T11:00"),
        order("O3", "2026-03-02T08:00", promise=promised),
        told(O2C, "O3", "order.delivered", "2026-03-04T18:00"),
    )
    assert shop.told("on_time_delivery", "instant", TUESDAY) == (1, 1, 1, 0)
    assert shop.told("on_time_delivery", "instant", "2026-03-04T00:00") == (0, 1, 0, 0)
    assert shop.told("on_time_delivery", "date", "2026-03-04T00:00") == (1, 1, 0, 0)


def test_value_that_was_cancelled(shop: SmallShop) -> None:
    """O1 stays, O2 is cancelled; O3 failed, O4 has no currency, O5 a negative price."""
    shop.take(
        order("O1", "2026-03-02T08:00", **EUROS),
        replace(order("O2", "2026-03-02T08:00", **EUROS), amount="30"),
        told(O2C, "O2", "order.cancelled", "2026-03-03T10:00", cancel_reason="out_of_stock"),
        order("O3", "2026-03-02T08:00", **EUROS),
        told(O2C, "O3", "order.failed", "2026-03-02T08:01"),
        order("O4", "2026-03-02T08:00"),
        replace(order("O5", "2026-03-02T08:00", **EUROS), amount="-1"),
    )
    assert shop.told("order_cancellation_rate", "value", MONDAY) == (30 / 40, 2, 3, 0)
    assert shop.told("order_cancellation_rate", "all", MONDAY) == (1 / 4, 4, 1, 0)
    assert sum(shop.left_out("order_cancellation_rate", "value", MONDAY).values()) == 3


def test_promotions_without_a_currency(shop: SmallShop) -> None:
    """Settled as claimed in number; in value only what is money."""
    for case, given in (("M1", EUROS), ("M2", {"currency": "XXX"})):
        shop.take(
            told(PROMOTIONS, case, "promotion.claimed", "2026-03-02T08:00", **{"amount": "60"} | given),
            told(PROMOTIONS, case, "promotion.settled", "2026-03-03T08:00", **{"amount": "45"} | given),
        )
    assert shop.told("promotion_settlement_accuracy", "count", MONDAY) == (0, 2, 0, 0)
    assert shop.told("promotion_settlement_accuracy", "value", MONDAY) == (45 / 60, 1, 1, 0)


GOOD = (sale("O1", "2026-03-02T08:00", 2, "100"), credit("R1", "2026-03-02T09:00", 1, "50"))
NO_CURRENCY = "a known currency, or in another than the tenant's"
WRONG = {
    "no currency": (sale("B", "2026-03-02T08:00", 2, "70", currency=""), NO_CURRENCY),
    "ISO's code for none": (sale("B", "2026-03-02T08:00", 2, "70", currency="XXX"), NO_CURRENCY),
    "a code that is none": (sale("B", "2026-03-02T08:00", 2, "70", currency="ZZZ"), NO_CURRENCY),
    "a lower case code": (credit("B", "2026-03-02T08:00", 2, "70", currency="eur"), NO_CURRENCY),
    "a negative quantity": (sale("B", "2026-03-02T08:00", -2, "70"), "a negative amount or quantity"),
    "a negative amount": (credit("B", "2026-03-02T08:00", 2, "-70"), "a negative amount or quantity"),
    "no amount": (told(O2C, "B", "order.line.placed", "2026-03-02T08:00", 2, order_line_id="L1"), "an amount"),
}
"""One event that is wrong, and the end of the reason that the definition gives."""


def test_wrong_events_are_left_out_counted_and_shown(shop: SmallShop) -> None:
    """Money as if they were not there, and each of them in the number of those left out."""
    shop.take(*GOOD, *(event.named(f"B{n}") for n, (event, _) in enumerate(WRONG.values())))
    assert shop.told("sales_value", "net", MONDAY) == (50, 2, len(WRONG), 0)
    assert shop.told("return_rate", "value", MONDAY) == (0.5, 2, len(WRONG), 0)
    wanted = Counter(reason for _, reason in WRONG.values())
    for kpi, basis in (("sales_value", "net"), ("return_rate", "value")):
        found = shop.left_out(kpi, basis, MONDAY)
        assert {reason.split(" ", 5)[5]: cases for reason, cases in found.items()} == wanted, kpi
        assert all(reason in explain(load_catalogue().get(kpi))["Left out"] for reason in found)


def test_counts_do_not_ask_for_a_currency(shop: SmallShop) -> None:
    """A price without a currency leaves a line out of money, and of nothing else."""
    shop.take(*GOOD, sale("O2", "2026-03-02T08:00", 6, "70", currency="XXX"))
    assert shop.told("return_rate", "line", MONDAY) == (1 / 2, 3, 0, 0)
    assert shop.told("return_rate", "unit", MONDAY) == (1 / 8, 3, 0, 0)
    assert shop.told("return_rate", "value", MONDAY) == (1 / 2, 2, 1, 0)
    assert shop.told("stockout_rate", "line", MONDAY) == (0, 2, 0, 0)


WRONG_LINES: dict[str, tuple[tuple[tuple[str, str, float | None, str], ...], str]] = {
    "a negative quantity": ((("placed", "08:00", -2, "L1"),), "positive quantity"),
    "no pieces": ((("placed", "08:00", 0, "L1"),), "positive quantity"),
    "a negative parcel": ((("placed", "08:00", 3, "L1"), ("shipped", "09:00", -3, "L1")), "negative one"),
    "no line id": ((("placed", "08:00", 2, ""),), "without an order line id"),
    "no quantity": ((("placed", "08:00", None, "L1"),), "positive quantity"),
}
"""What is told of a line that is wrong (event, time, pieces, line id), and the reason that definitions give."""


def test_wrong_lines_are_left_out_of_fill_rates(shop: SmallShop) -> None:
    """A day each, of whose two lines one is wrong: it is in no part of the fraction, and counted."""
    days = [f"2026-03-{number:02}" for number, _ in enumerate(WRONG_LINES, 2)]
    events = []
    for day, (parts, _) in zip(days, WRONG_LINES.values(), strict=True):
        events += [sale(f"good {day}", f"{day}T08:00", 2, "10"), sent(f"good {day}", 1, f"{day}T09:00", 2)]
        events += [
            told(O2C, f"wrong {day}", f"order.line.{verb}", f"{day}T{at}", units, amount="10", order_line_id=line_id)
            for verb, at, units, line_id in parts
        ]
    shop.take(*events)
    for day, (wrong, (_, reason)) in zip(days, WRONG_LINES.items(), strict=True):
        for kpi, bases in LINE_RATES.items():
            for basis in bases:
                assert shop.told(kpi, basis, f"{day}T00:00") == (1, 1, 1, 0), (wrong, kpi, basis)
            assert reason in explain(load_catalogue().get(kpi))["Left out"]
            ((told_why, cases),) = shop.left_out(kpi, "line", f"{day}T00:00").items()
            assert (reason in told_why, cases) == (True, 1), (wrong, kpi)
        assert shop.told("stockout_rate", "unit", f"{day}T00:00") == (0, 1, 1, 0), wrong
