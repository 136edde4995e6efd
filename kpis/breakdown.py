"""A KPI's number of a period, split by the values of a dimension.

It is added up from the facts of the same measure that the stored buckets come from (`kpis.measures`), so the parts add
up to the total and the total is what the buckets of the period say: numerator, denominator, counted, left out and open.
Of a median or p90 only these add up, not the value. Many values: the ones with the most cases have a part each, the
others one together. The definitions that are a statement are split by what they store, in whole hours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from core import InvalidInput
from kpis.definitions import KpiDefinition
from kpis.levels import snapshot
from kpis.measures import MILLIONTHS, Measure, facts_sql, measures, own_parameters, parameters, value_of
from kpis.views import view
from metrics.read_models import sql_second
from storage import load_sql

if TYPE_CHECKING:
    from storage import ClickHouse

PARTS, MOST_PARTS = 12, 200
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2106, 1, 1, tzinfo=UTC)
SPLIT, FACTS, TABLE, WITHIN = "/*split*/", "/*facts*/", "/*table*/", "/*within*/"


@dataclass(frozen=True)
class Figures:
    """A number and what it was made from; `value` is None when nothing was decided."""

    value: float | None
    numerator: float
    denominator: float
    sample_size: int
    excluded: int
    open_cases: int


@dataclass(frozen=True)
class Part:
    """One value of the dimension ('': it was not told), or what the `values` others make together (`other`)."""

    value: str
    other: bool
    values: int
    figures: Figures


@dataclass(frozen=True)
class Breakdown:
    """The total of [start, end) and its parts, those with the most cases first, the others together at the end."""

    kpi_id: str
    version: int
    unit: str
    direction: str
    basis: str
    dimension: str
    start: datetime
    end: datetime
    total: Figures
    parts: tuple[Part, ...]


def dimension_names(definition: KpiDefinition) -> tuple[str, ...]:
    """By what the KPI can be split."""
    return tuple(definition.breakdowns) if definition.view else definition.dimensions


def breakdown(
    ch: ClickHouse,
    tenant: str,
    definition: KpiDefinition,
    dimension: str,
    start: datetime,
    end: datetime,
    *,
    basis: str = "",
    timezone: str = "UTC",
    most: int = PARTS,
) -> Breakdown:
    """Splits the number of [start, end); basis '' is the definition's first. Raises InvalidInput."""
    require_period(start, end)
    chosen = require_basis(definition, basis)
    names = dimension_names(definition)
    if dimension not in names:
        raise InvalidInput(
            f"{definition.id} has no dimension {dimension[:80]!r}", hint=f"it has {', '.join(names) or 'none'}"
        )
    if not 1 <= most <= MOST_PARTS:
        raise InvalidInput(f"there are 1 to {MOST_PARTS} parts, got {most}")
    if definition.view:
        total, parts = _computed(ch, tenant, snapshot(definition, end), chosen, dimension, start, end, timezone, most)
    else:
        total, parts = _stored(ch, tenant, definition, chosen, dimension, start, end, most)
    return Breakdown(
        definition.id, definition.version, definition.unit, definition.direction, chosen, dimension, start, end,
        total, tuple(parts),
    )  # fmt: skip


def measure_of(definition: KpiDefinition, basis: str) -> Measure:
    """The measure that a basis of a definition over a view is told from."""
    return next(one for one in measures([definition]) if any(name == basis for name, _ in one.statistics))


def require_basis(definition: KpiDefinition, basis: str) -> str:
    """The basis, the first for ''. Raises InvalidInput."""
    chosen = basis or definition.basis_ids[0]
    if chosen not in definition.basis_ids:
        raise InvalidInput(
            f"{definition.id} has no basis {basis[:80]!r}", hint=f"there are {', '.join(definition.basis_ids)}"
        )
    return chosen


def require_period(start: datetime, end: datetime) -> None:
    """Raises InvalidInput for a period that ends before it starts, or outside of the years that are kept."""
    if start >= end:
        raise InvalidInput(
            f"a period ends after it starts, got {start.isoformat()} to {end.isoformat()}",
            hint="swap start and end; end is not included",
        )
    if start < EARLIEST or end > LATEST:
        raise InvalidInput(
            f"a period lies in the years 1970 to 2105, got {start.isoformat()} to {end.isoformat()}",
            hint="give a start and an end within them",
        )


def period_parameters(measure: Measure, tenant: str, start: datetime, end: datetime, timezone: str) -> dict[str, Any]:
    """What every statement over a measure's facts of a period is given."""
    seconds = {"low": int(start.timestamp()), "high": int(end.timestamp())}
    return {**parameters([measure]), "tenant": tenant, "tz": timezone, **seconds}


def filled(statement: str, measure: Measure, split: str) -> str:
    """A statement with the measure's facts, its view's table and the expression that splits them.

    Rows outside of the period are dropped before their facts are made: that is most of the work.
    """
    second = own_parameters(measure.definition, f"toUnixTimestamp(toDateTime64({measure.at}, 0, 'UTC'))")
    text = load_sql("kpis", statement).replace(TABLE, view(measure.view).table)
    text = text.replace(WITHIN, f"{second} >= {{low:Int64}} AND {second} < {{high:Int64}}")
    return text.replace(FACTS, facts_sql([measure])).replace(SPLIT, split)


def _computed(
    ch: ClickHouse,
    tenant: str,
    definition: KpiDefinition,
    basis: str,
    dimension: str,
    start: datetime,
    end: datetime,
    timezone: str,
    most: int,
) -> tuple[Figures, list[Part]]:
    measure, split = measure_of(definition, basis), definition.breakdowns[dimension]
    statistic = next(told for name, told in measure.statistics if name == basis)
    asked = period_parameters(measure, tenant, start, end, timezone)
    found = ch.query(filled("breakdown_values", measure, split), {**asked, "limit": most}).rows
    top, values = [str(value) for value, _ in found], int(found[0][1]) if found else 0
    total, parts = Figures(None, 0.0, 0.0, 0, 0, 0), []
    for kind, part, *row in ch.query(filled("breakdown", measure, split), {**asked, "top": top}).rows:
        numerator, denominator = int(row[0]) / MILLIONTHS, int(row[1]) / MILLIONTHS
        percentiles = [share / MILLIONTHS for share in row[5]]
        value = value_of(statistic, (numerator, denominator, row[2], *percentiles))
        figures = Figures(value, numerator, denominator, int(row[2]), int(row[3]), int(row[4]))
        if kind == 0:
            total = figures
        else:
            parts.append(Part(str(part), kind == 2, 1 if kind == 1 else values - len(top), figures))
    return total, parts


def _stored(
    ch: ClickHouse,
    tenant: str,
    definition: KpiDefinition,
    basis: str,
    dimension: str,
    start: datetime,
    end: datetime,
    most: int,
) -> tuple[Figures, list[Part]]:
    asked = {
        "tenant": tenant,
        "kpi": definition.id,
        "version": definition.version,
        "basis": basis,
        "dimension": dimension,
        "start": sql_second(start),
        "end": sql_second(end),
    }
    rows = ch.query(load_sql("kpis", "breakdown_stored"), asked).rows
    total = _added(row[2:] for row in rows if row[0] == "")
    split = [row for row in rows if row[0] == dimension and any(row[4:])]
    parts = [Part(str(row[1]), False, 1, _added([row[2:]])) for row in split[:most]]
    if rest := split[most:]:
        parts.append(Part("", True, len(rest), _added(row[2:] for row in rest)))
    return total, parts


def _added(rows: Iterable[Sequence[Any]]) -> Figures:
    sums = [sum(column) for column in zip(*rows, strict=True)] or [0.0, 0.0, 0, 0, 0]
    numerator, denominator, counted, excluded, opened = sums
    value = float(numerator) / float(denominator) if denominator else None
    return Figures(value, float(numerator), float(denominator), int(counted), int(excluded), int(opened))
