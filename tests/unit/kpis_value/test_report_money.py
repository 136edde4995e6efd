"""What a report's changes are worth, by hand; without assumptions, or of changes not shown, nothing is said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kpis import load_catalogue
from kpis.exports.report import Headline
from kpis.value.money import parse_value_models
from kpis.value.report_money import money_notes
from tests.unit.kpis_exports.reports import kpi as a_kpi
from tests.unit.kpis_exports.reports import report

CATALOGUE = load_catalogue()
MODEL = parse_value_models("""
[acme]
currency = "EUR"
margin_per_order = { amount = 12.5, source = "controlling", date = 2026-01-15 }
""")["acme"]
CANCELLED = Headline(0.04, 2_000, 0.06, -0.02, -0.03, -0.01)


def told(kpi: str, headline: Headline | None) -> list[str]:
    one = replace(a_kpi(), id=kpi, name="The KPI", headline=headline)
    return list(money_notes(report(one), CATALOGUE, MODEL))


def test_fewer_cancellations() -> None:
    """Two points fewer of 2,000 orders at 12.50 EUR."""
    (said,) = told("order_cancellation_rate", CANCELLED)
    assert "is worth 500.00 EUR (250.00 to 750.00 by its 95 % interval)" in said
    assert "margin_per_order = 12.5 (controlling, 2026-01-15)" in said
    assert "2,000 cases of the period" in said


def test_a_count_s_change_is_of_its_total() -> None:
    (said,) = told("orders_placed", Headline(900, 900, 1_000, -100, -150, -50))
    assert "is worth -1,250.00 EUR (-1,875.00 to -625.00" in said


@pytest.mark.parametrize(
    ("kpi", "headline"),
    [
        ("order_cancellation_rate", None),
        ("order_cancellation_rate", replace(CANCELLED, change_high=0.01)),
        ("order_cancellation_rate", replace(CANCELLED, change_low=None, change_high=None)),
        ("order_cancellation_rate", replace(CANCELLED, small_sample=True)),
        ("on_time_delivery", CANCELLED),
        ("order_cycle_time", CANCELLED),
        ("touchless_rate", CANCELLED),
        ("unknown", CANCELLED),
    ],
)
def test_nothing_is_said(kpi: str, headline: Headline | None) -> None:
    """Not shown, no driver, a percentile, no assumption for its driver, another catalogue."""
    assert told(kpi, headline) == []
    assert list(money_notes(report(), CATALOGUE, None)) == []
