"""KPI values as they are read: never a bare number, always with its definition, sample and data-through time.

Readers answer from `kpi_values` alone, so they are as fresh as the last run of the jobs; each value says how fresh.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from core import InvalidInput
from core.wording import span
from kpis.definitions import Catalogue, KpiDefinition, load_catalogue
from kpis.periods import Grain
from metrics.read_models import as_utc, sql_second
from storage import load_sql

if TYPE_CHECKING:
    from storage import ClickHouse

STORED: tuple[Grain, ...] = ("minute", "hour", "day", "week", "month")
"""Of these the values are kept."""
FEW = {"optimize_move_to_prewhere_if_final": 1}
"""Rows of other grains are passed over before the newest of each are found."""
_UNITS = {"per_case": "number per case"}

FIRST = datetime(1970, 1, 1, tzinfo=UTC)
LAST = datetime(2106, 2, 7, tzinfo=UTC)


@dataclass(frozen=True)
class KpiValue:
    """One KPI in one bucket. `value` is None when there is nothing to divide by; it is in `unit`.

    sample_size: the cases behind the value; excluded: those left out on purpose; open_cases: those not decided yet.
    data_through: everything received until then is taken into account. bucket_start: UTC instant at which the hour or
    the day begins in the configured time zone.
    """

    kpi_id: str
    version: int
    unit: str
    basis: str
    direction: str
    dimension: str
    dimension_value: str
    grain: str
    bucket_start: datetime
    value: float | None
    numerator: float
    denominator: float
    sample_size: int
    excluded: int
    open_cases: int
    data_through: datetime
    computed_at: datetime


def latest_values(
    ch: ClickHouse, tenant: str, grain: str = "day", *, catalogue: Catalogue | None = None
) -> list[KpiValue]:
    """The latest value for every KPI, basis and dimension value, in the catalogue's order, the totals first.

    Latest is the newest settled bucket (see KpiDefinition.settled_open_share); where none is settled the newest with a
    value, and where there is none the newest. It may be long past: look at `bucket_start`. Raises InvalidInput for an
    unknown grain.
    """
    known = load_catalogue() if catalogue is None else catalogue
    definitions = list(known)
    found = ch.query(
        load_sql("kpis", "latest_values"),
        {
            "tenant": tenant,
            "grain": _grain(grain),
            "ids": [definition.id for definition in definitions],
            "versions": [definition.version for definition in definitions],
            "shares": [definition.settled_open_share for definition in definitions],
            "whole": [int(definition.whole or definition.statistic == "sum") for definition in definitions],
        },
        FEW,
    )
    order = {
        (definition.id, basis): (place, within)
        for place, definition in enumerate(definitions)
        for within, basis in enumerate(definition.basis_ids)
    }
    values = [_value(known.get(row["KpiId"]), row) for row in found.dicts()]
    kept = [value for value in values if (value.kpi_id, value.basis) in order]
    return sorted(kept, key=lambda v: (order[v.kpi_id, v.basis], v.dimension, v.dimension_value))


def series(
    ch: ClickHouse,
    tenant: str,
    kpi_id: str,
    basis: str = "",
    dimension_value: str = "",
    grain: str = "day",
    start: datetime = FIRST,
    end: datetime = LAST,
    *,
    dimension: str = "",
    catalogue: Catalogue | None = None,
) -> list[KpiValue]:
    """The values of one KPI whose bucket starts in [start, end), oldest first; buckets without data are not there.

    basis '' is the definition's first. dimension '' with a dimension value is the definition's first dimension; without
    one it is the total. Raises NotFound for an unknown KPI, InvalidInput for an unknown basis, dimension or grain.
    """
    definition = (load_catalogue() if catalogue is None else catalogue).get(kpi_id)
    wanted = basis or definition.basis_ids[0]
    if wanted not in definition.basis_ids:
        raise InvalidInput(f"{kpi_id} has no basis {basis!r}", hint=f"there are {', '.join(definition.basis_ids)}")
    if dimension_value and not dimension:
        dimension = definition.dimensions[0] if definition.dimensions else "?"
    if dimension and dimension not in definition.dimensions:
        if not definition.dimensions:
            raise InvalidInput(
                f"{kpi_id} stores no dimension beside its total",
                hint=f"/api/v1/kpis/{kpi_id}/breakdown?by=… splits a period, where `split_by` names something",
            )
        known = ", ".join(definition.dimensions)
        raise InvalidInput(f"{kpi_id} stores no dimension {dimension[:80]!r}", hint=f"it stores {known}")
    found = ch.query(
        load_sql("kpis", "series"),
        {
            "tenant": tenant,
            "kpi": definition.id,
            "version": definition.version,
            "basis": wanted,
            "dimension": dimension,
            "dimension_value": dimension_value,
            "grain": _grain(grain),
            "start": _second(start),
            "end": _second(end),
        },
    )
    return [_value(definition, row) for row in found.dicts()]


SeriesKey = tuple[str, str, str, str]
"""KPI, basis, dimension and dimension value."""


def trends(
    ch: ClickHouse,
    tenant: str,
    grain: str = "day",
    start: datetime = FIRST,
    end: datetime = LAST,
    *,
    catalogue: Catalogue | None = None,
) -> dict[SeriesKey, list[KpiValue]]:
    """What `series` gives, of every KPI at once. A value's data-through time is that of its last computation."""
    known = load_catalogue() if catalogue is None else catalogue
    definitions = list(known)
    params = {
        "tenant": tenant,
        "ids": [definition.id for definition in definitions],
        "versions": [definition.version for definition in definitions],
        "grain": _grain(grain),
        "start": _second(start),
        "end": _second(end),
    }
    found: dict[SeriesKey, list[KpiValue]] = {}
    for row in ch.query(load_sql("kpis", "trends"), params, FEW).dicts():
        value = _value(known.get(row["KpiId"]), row)
        found.setdefault((value.kpi_id, value.basis, value.dimension, value.dimension_value), []).append(value)
    return found


def explain(definition: KpiDefinition, basis: str = "") -> dict[str, str]:
    """What a reader should know about the number, as label and text, in the order of showing."""
    chosen = definition.basis(basis or definition.basis_ids[0])
    better = {"up": "higher is better", "down": "lower is better"}[definition.direction]
    few = f"fewer than {definition.small_sample} cases say little"
    fields = {
        "Question": definition.question,
        "What it says": definition.description,
        "Basis": f"{chosen.name}: {chosen.description}" if chosen else "",
        "Formula": definition.formula,
        "Bucket": definition.cohort,
        "Left out": "; ".join(definition.left_out),
        "Still open": definition.open_cases,
        "Unit": f"{_UNITS.get(definition.unit, definition.unit)}, {better}",
        "Target": "" if definition.target is None else _target(definition),
        "Small sample": few if definition.small_sample > 1 else "",
        "Caveats": "; ".join(definition.caveats),
        "Parameters": ", ".join(f"{name} = {value:g}" for name, value in definition.parameters.items()),
        "Owner": definition.owner,
        "Source": definition.reference,
        "Definition": f"{definition.id}, version {definition.version}",
    }
    return {label: text for label, text in fields.items() if text}


def _target(definition: KpiDefinition) -> str:
    wanted = _measure(definition, definition.target or 0.0)
    return (
        wanted if definition.tolerance is None else f"{wanted}, tolerance {_measure(definition, definition.tolerance)}"
    )


def _measure(definition: KpiDefinition, value: float) -> str:
    if definition.unit == "ratio":
        return f"{value * 100:g} %"
    if definition.unit == "seconds":
        return f"{span(value)} ({value:,.12g} s)"
    return f"{value:,.12g}"


def _second(at: datetime) -> str:
    return min(max(sql_second(at), sql_second(FIRST)), sql_second(LAST))


def _grain(grain: str) -> Grain:
    for known in STORED:
        if grain == known:
            return known
    raise InvalidInput(f"a grain is {', '.join(STORED)}; got {grain!r}")


def _value(definition: KpiDefinition, row: Mapping[str, Any]) -> KpiValue:
    return KpiValue(
        kpi_id=row["KpiId"],
        version=int(row["Version"]),
        unit=definition.unit,
        basis=row["Basis"],
        direction=definition.direction,
        dimension=row["Dimension"],
        dimension_value=row["DimensionValue"],
        grain=row["Grain"],
        bucket_start=as_utc(row["BucketStart"]),
        value=None if row["Value"] is None else float(row["Value"]),
        numerator=float(row["Numerator"]),
        denominator=float(row["Denominator"]),
        sample_size=int(row["SampleSize"]),
        excluded=int(row["Excluded"]),
        open_cases=int(row["OpenCases"]),
        data_through=as_utc(row["DataThrough"]),
        computed_at=as_utc(row["ComputedAt"]),
    )
