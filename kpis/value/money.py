"""What a change is worth: a formula, its inputs, and every assumption with its source and date.

Assumptions are the tenant's, from a TOML file; the product brings none. Positive money is a gain. The interval is that
of the change alone: how sure the assumptions are nobody has measured, and the valuation says so.

    ["acme"]                             # or ["*"] for every tenant without an own table
    currency = "EUR"
    [acme.cost_per_touch]
    amount = 2.40
    source = "time study, finance"
    date = 2026-01-15
    [acme.cost_of_delay_per_hour."order-to-cash"]
    amount = 0.80
    …
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from core.errors import ConfigurationError, InvalidInput
from kpis.value.compare import Change, Verdict

Driver = Literal["touches", "delay_hours", "orders", "refunds", "money"]
DRIVERS: tuple[Driver, ...] = ("touches", "delay_hours", "orders", "refunds", "money")
PLAIN = ("cost_per_touch", "margin_per_order", "refund_cost")
BY_STREAM = "cost_of_delay_per_hour"
ASSUMED: Mapping[Driver, str] = {
    "touches": "cost_per_touch",
    "delay_hours": BY_STREAM,
    "orders": "margin_per_order",
    "refunds": "refund_cost",
}
UNITS: Mapping[Driver, tuple[str, ...]] = {
    "touches": ("per_case", "count", "ratio"),
    "delay_hours": ("seconds",),
    "orders": ("ratio", "count", "per_case"),
    "refunds": ("ratio", "count", "per_case"),
    "money": ("money",),
}
CENT = Decimal("0.01")


@dataclass(frozen=True)
class Assumption:
    """One number somebody vouches for, in the model's currency. name: its place in the file."""

    name: str
    amount: Decimal
    source: str
    date: date


@dataclass(frozen=True)
class ValueModel:
    """A tenant's assumptions by name; those by stream are named `cost_of_delay_per_hour.<stream>`."""

    tenant: str
    currency: str
    assumptions: Mapping[str, Assumption] = field(default_factory=dict)


@dataclass(frozen=True)
class ValuedKpi:
    """What the valuation must know of a KPI, from its definition.

    driver: what one unit of the KPI moves. per_unit: driver units for one unit of the KPI where it is not 1 (2 touches
    for an order that falls out), with `per_unit_source` saying whose number that is.
    """

    id: str
    unit: str
    stream: str
    driver: Driver
    currency: str = ""
    per_unit: Decimal = Decimal(1)
    per_unit_source: str = ""


@dataclass(frozen=True)
class Volume:
    """How many the change applies to: 12,000 `orders a month`. source: where the number is from."""

    amount: Decimal
    of: str
    source: str


@dataclass(frozen=True)
class Valuation:
    """Money for `volume`, rounded to cents; low and high carry the change's interval and no other doubt.

    formula: with its inputs' names; inputs: name and number, in the formula's order; assumptions: those it uses.
    """

    kpi_id: str
    amount: Decimal
    low: Decimal
    high: Decimal
    currency: str
    level: float
    formula: str
    inputs: tuple[tuple[str, Decimal], ...]
    assumptions: tuple[Assumption, ...]
    volume: Volume
    caveats: tuple[str, ...]


@dataclass(frozen=True)
class NotValued:
    """No money is shown. missing: the assumption that would be needed, '' when it is not that."""

    kpi_id: str
    reason: str
    missing: str = ""


def money(change: Change, kpi: ValuedKpi, volume: Volume, model: ValueModel) -> Valuation | NotValued:
    """What the change is worth over the volume: gain per KPI unit · volume · driver units · amount.

    Refuses (NotValued) when the change is not shown, an assumption is missing, the unit does not fit the driver, or
    currencies differ. Raises InvalidInput for an unknown driver or a volume that is negative or not finite.
    """
    if kpi.driver not in DRIVERS:
        raise InvalidInput(f"no value driver {kpi.driver!r}", hint=f"there are {', '.join(DRIVERS)}")
    if not volume.amount.is_finite() or volume.amount < 0:
        raise InvalidInput(f"a volume must be 0 or more, got {volume.amount!r}")
    if change.verdict is Verdict.TOO_FEW:
        return NotValued(kpi.id, f"the sample is too small to show a change: {change.reason}")
    if change.verdict is Verdict.NO_DIFFERENCE_SHOWN or change.absolute is None:
        return NotValued(kpi.id, "no difference is shown, so there is nothing to value")
    if change.low is None or change.high is None:
        return NotValued(kpi.id, "the change has no interval")
    if kpi.unit not in UNITS[kpi.driver]:
        return NotValued(kpi.id, f"a KPI in {kpi.unit} does not move {kpi.driver}")
    inputs = [("change", _decimal(change.absolute)), ("volume", volume.amount)]
    scale, assumptions = volume.amount, []
    names = ["change" if change.direction == "up" else "-change", f"volume ({volume.of})"]
    if kpi.unit == "seconds":
        names.append("1/3600 hours a second")
        scale /= 3600
    if kpi.driver == "money":
        if kpi.currency != model.currency:
            return NotValued(kpi.id, f"the KPI is in {kpi.currency or 'no currency'}, the model in {model.currency}")
    else:
        name = ASSUMED[kpi.driver]
        name = f"{name}.{kpi.stream}" if name == BY_STREAM else name
        if (found := model.assumptions.get(name)) is None:
            return NotValued(kpi.id, f"the value model of {model.tenant} does not say {name}", missing=name)
        assumptions.append(found)
        inputs.append((name, found.amount))
        names.append(name)
        scale *= found.amount
    if kpi.per_unit != 1:
        if not kpi.per_unit_source:
            return NotValued(
                kpi.id, f"nobody vouches for {kpi.per_unit} {kpi.driver} a unit", missing="per_unit_source"
            )
        inputs.append((f"{kpi.driver} a unit", kpi.per_unit))
        names.append(f"{kpi.driver} a unit")
        scale *= kpi.per_unit
    sign = 1 if change.direction == "up" else -1
    low, high = sorted(_cents(sign * _decimal(end) * scale) for end in (change.low, change.high))
    return Valuation(
        kpi_id=kpi.id,
        amount=_cents(sign * _decimal(change.absolute) * scale),
        low=low,
        high=high,
        currency=model.currency,
        level=change.level,
        formula=" × ".join(names),
        inputs=tuple(inputs),
        assumptions=tuple(assumptions),
        volume=volume,
        caveats=_caveats(kpi, change),
    )


def parse_value_models(text: str, name: str = "value models") -> dict[str, ValueModel]:
    """The models by tenant. Raises ConfigurationError that names the tenant, the key and the value."""
    try:
        document = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as problem:
        raise ConfigurationError(f"{name}: not TOML: {problem}") from None
    return {tenant: _model(f"{name}: {tenant}", tenant, table) for tenant, table in document.items()}


def load_value_models(file: Path | None) -> dict[str, ValueModel]:
    """The models of a file, none of None. Raises ConfigurationError."""
    if file is None:
        return {}
    try:
        text = file.read_text("utf-8")
    except OSError as error:
        raise ConfigurationError(f"value_models_file: {file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"value_models_file: {file} is not UTF-8: {error}") from None
    return parse_value_models(text, file.name)


def model_of(models: Mapping[str, ValueModel], tenant: str) -> ValueModel | None:
    """The tenant's own model, else that of '*'; they are never mixed."""
    return models.get(tenant) or models.get("*")


def _model(where: str, tenant: str, table: Any) -> ValueModel:
    if not isinstance(table, dict):
        raise ConfigurationError(f"{where}: must be a table of a tenant, got {table!r}")
    currency = table.get("currency")
    if not isinstance(currency, str) or not re.fullmatch("[A-Z]{3}", currency):
        raise ConfigurationError(f"{where}.currency: must be three capital letters, got {currency!r}")
    known = ("currency", *PLAIN, BY_STREAM)
    found: dict[str, Assumption] = {}
    for key, value in table.items():
        if key == "currency":
            continue
        if key not in known:
            close = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
            raise ConfigurationError(f"{where}: unknown key {key!r}", hint=hint)
        if key == BY_STREAM:
            if not isinstance(value, dict):
                raise ConfigurationError(f"{where}.{key}: must be a table of streams, got {value!r}")
            for stream, one in value.items():
                found[f"{key}.{stream}"] = _assumption(f"{where}.{key}.{stream}", f"{key}.{stream}", one)
        else:
            found[key] = _assumption(f"{where}.{key}", key, value)
    return ValueModel(tenant, currency, found)


def _assumption(where: str, name: str, value: Any) -> Assumption:
    keys = {"amount", "source", "date"}
    if not isinstance(value, dict) or value.keys() != keys:
        got = ", ".join(sorted(value)) if isinstance(value, dict) else repr(value)
        raise ConfigurationError(f"{where}: must have amount, source and date, got {got}")
    amount = value["amount"]
    if (
        isinstance(amount, bool)
        or not isinstance(amount, int | Decimal)
        or not Decimal(amount).is_finite()
        or amount < 0
    ):
        raise ConfigurationError(f"{where}.amount: must be a number of 0 or more, got {amount!r}")
    source = value["source"]
    if not isinstance(source, str) or not source.strip():
        raise ConfigurationError(f"{where}.source: must say where the number is from, got {source!r}")
    if type(value["date"]) is not date:
        raise ConfigurationError(f"{where}.date: must be a date like 2026-01-15, got {value['date']!r}")
    return Assumption(name, Decimal(amount), source.strip(), value["date"])


def _caveats(kpi: ValuedKpi, change: Change) -> tuple[str, ...]:
    said = ["the interval carries the change's uncertainty alone, not that of the assumptions"]
    if change.method == "Price-Bonett":
        said.append("the change is one of medians: a median times a volume is not the sum over the cases")
    if kpi.unit == "ratio":
        said.append(f"takes each case to move {kpi.per_unit} {kpi.driver}")
    return (*said, *change.notes)


def _decimal(value: float) -> Decimal:
    return Decimal(repr(value))


def _cents(value: Decimal) -> Decimal:
    return value.quantize(CENT)
