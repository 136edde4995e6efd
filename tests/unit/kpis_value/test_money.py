"""Money by hand, and that none is shown where a number is missing."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from core.errors import ConfigurationError, InvalidInput
from kpis.value.compare import Change, compare
from kpis.value.money import (
    NotValued,
    Valuation,
    ValuedKpi,
    Volume,
    load_value_models,
    model_of,
    money,
    parse_value_models,
)
from kpis.value.samples import MeanSample, ProportionSample, QuantileSample

TEXT = """
[acme]
currency = "EUR"
[acme.cost_per_touch]
amount = 2.40
source = "time study"
date = 2026-01-15
[acme.margin_per_order]
amount = 12
source = "controlling"
date = 2026-01-15
[acme.cost_of_delay_per_hour."order-to-cash"]
amount = 0.80
source = "complaints"
date = 2026-01-15
["*"]
currency = "USD"
"""
MODELS = parse_value_models(TEXT)
ACME = MODELS["acme"]
VOLUME = Volume(Decimal(1_000), "cases of the period after", "counted")


def cycle(hours: float) -> Change:
    """Cycle times of 40 cases, spread by an hour, moved by so many hours."""
    values = [(40 + n % 3 - 1) * 3600.0 for n in range(42)]
    moved = [value + hours * 3600 for value in values]
    return compare(*(MeanSample(42, sum(one), sum(v * v for v in one)) for one in (values, moved)), "down")


def valued(unit: str = "seconds", driver: str = "delay_hours", **more: object) -> ValuedKpi:
    return ValuedKpi("kpi", unit, "order-to-cash", driver, **more)  # type: ignore[arg-type]


def test_an_hour_faster_by_hand() -> None:
    """One hour less x 1,000 cases x 0.80 EUR; the interval is that of the change, turned."""
    change = cycle(-1)
    found = money(change, valued(), VOLUME, ACME)
    assert isinstance(found, Valuation)
    assert (found.amount, found.currency, found.level) == (Decimal("800.00"), "EUR", 0.95)
    assert found.formula == "-change × volume (cases of the period after) × 1/3600 hours a second × " + (
        "cost_of_delay_per_hour.order-to-cash"
    )
    assert change.low is not None
    assert change.high is not None
    assert float(found.low) == pytest.approx(-change.high / 3600 * 800, abs=0.006)
    assert float(found.high) == pytest.approx(-change.low / 3600 * 800, abs=0.006)
    assert [one.source for one in found.assumptions] == ["complaints"]
    assert dict(found.inputs)["cost_of_delay_per_hour.order-to-cash"] == Decimal("0.80")


def test_an_hour_slower_is_a_loss() -> None:
    found = money(cycle(1), valued(), VOLUME, ACME)
    assert isinstance(found, Valuation)
    assert found.amount == Decimal("-800.00")
    assert found.low < found.amount < found.high < 0


def test_ten_points_fewer_cancellations() -> None:
    """20 % to 10 % of 1,000 orders is 100 orders of 12 EUR."""
    change = compare(ProportionSample(200, 1_000), ProportionSample(100, 1_000), "down")
    found = money(change, valued("ratio", "orders"), VOLUME, ACME)
    assert isinstance(found, Valuation)
    assert found.amount == Decimal("1200.00")
    assert "takes each case to move 1 orders" in found.caveats


def test_driver_units_need_somebody_who_vouches() -> None:
    change = compare(ProportionSample(200, 1_000), ProportionSample(100, 1_000), "down")
    kpi = valued("ratio", "touches", per_unit=Decimal(2))
    refused = money(change, kpi, VOLUME, ACME)
    assert isinstance(refused, NotValued)
    assert refused.missing == "per_unit_source"
    found = money(change, replace(kpi, per_unit_source="time study"), VOLUME, ACME)
    assert isinstance(found, Valuation)
    assert found.amount == Decimal("480.00")


def test_a_median_says_what_it_is_not() -> None:
    before = QuantileSample(tuple(float(3600 * n) for n in range(1, 60)))
    after = QuantileSample(tuple(float(3600 * n) for n in range(60, 120)))
    found = money(compare(before, after, "down"), valued(), VOLUME, ACME)
    assert isinstance(found, Valuation)
    assert any("one of medians" in said for said in found.caveats)


@pytest.mark.parametrize(
    ("change", "kpi", "tenant", "said", "missing"),
    [
        (cycle(0), valued(), "acme", "no difference is shown", ""),
        (compare(MeanSample(1, 1, 1), MeanSample(9, 9, 30), "down"), valued(), "acme", "too small", ""),
        (cycle(-1), replace(valued(), stream="x"), "acme", "does not say", "cost_of_delay_per_hour.x"),
        (cycle(-1), valued(), "other", "does not say", "cost_of_delay_per_hour.order-to-cash"),
        (cycle(-1), valued("seconds", "orders"), "acme", "does not move orders", ""),
        (cycle(-1), valued("money", "money"), "acme", "no currency", ""),
    ],
)
def test_no_money(change: Change, kpi: ValuedKpi, tenant: str, said: str, missing: str) -> None:
    model = model_of(MODELS, tenant)
    assert model is not None
    found = money(change, kpi, VOLUME, model)
    assert isinstance(found, NotValued)
    assert said in found.reason
    assert found.missing == missing


def test_what_cannot_be_meant() -> None:
    with pytest.raises(InvalidInput, match="no value driver 'luck'"):
        money(cycle(-1), valued(driver="luck"), VOLUME, ACME)
    for amount in ("-1", "NaN", "Infinity"):
        with pytest.raises(InvalidInput, match="a volume must be"):
            money(cycle(-1), valued(), replace(VOLUME, amount=Decimal(amount)), ACME)


def test_a_tenant_s_own_model_or_everybody_s() -> None:
    assert model_of(MODELS, "acme") is ACME
    other = model_of(MODELS, "other")
    assert other is not None
    assert (other.currency, dict(other.assumptions)) == ("USD", {})
    assert model_of({}, "acme") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[acme", "not TOML"),
        ("acme = 3", "must be a table of a tenant"),
        ('[acme]\ncurrency = "euro"', "three capital letters, got 'euro'"),
        ("[acme]", "three capital letters, got None"),
        ('[acme]\ncurrency = "EUR"\ncost_per_tuch = 3', "unknown key 'cost_per_tuch'"),
        ('[acme]\ncurrency = "EUR"\nrefund_cost = 3', "must have amount, source and date, got 3"),
        ('[acme]\ncurrency = "EUR"\nrefund_cost = {amount = 1, source = "x"}', "got amount, source"),
        ('[acme]\ncurrency = "EUR"\nrefund_cost = {amount = -1, source = "x", date = 2026-01-01}', "0 or more, got -1"),
        ('[acme]\ncurrency = "EUR"\nrefund_cost = {amount = nan, source = "x", date = 2026-01-01}', "0 or more"),
        ('[acme]\ncurrency = "EUR"\nrefund_cost = {amount = true, source = "x", date = 2026-01-01}', "got True"),
        (
            '[acme]\ncurrency = "EUR"\nrefund_cost = {amount = 1, source = " ", date = 2026-01-01}',
            "where the number is",
        ),
        ('[acme]\ncurrency = "EUR"\nrefund_cost = {amount = 1, source = "x", date = "today"}', "must be a date"),
        ('[acme]\ncurrency = "EUR"\ncost_of_delay_per_hour = 3', "must be a table of streams"),
    ],
)
def test_a_wrong_file_names_tenant_key_and_value(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "values.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as raised:
        load_value_models(file)
    assert said in raised.value.message
    assert raised.value.message.startswith("values.toml: ")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert load_value_models(None) == {}
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        load_value_models(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"# \xe9\n")
    with pytest.raises(ConfigurationError, match="is not UTF-8"):
        load_value_models(tmp_path / "latin.toml")
