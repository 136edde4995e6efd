"""A KPI's number of a period, split by the values of a dimension.

It is added up from the facts of the same measure that the stored buckets come from (`kpis.measures`), so the parts add
up to the total and the total is what the buckets of the period say: numerator, denominator, counted, left out and open.
Of a median or p90 only these add up, not the value. Many values: the ones with the most cases have a part each, the
others one together. The definitions that are a statement are split by what they store: of one bucket, and shares also
of a period of whole hours.

Of a level (what is open at the end of a bucket, and its age) the period's end alone matters: its facts are the subjects
that had begun by then, and those that had not ended make the number. See `kpis.levels`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from core import InvalidInput
from kpis.definitions import LEVELS, KpiDefinition, Statistic
from kpis.measures import (
    COUNTED,
    MILLIONTHS,
    Measure,
    facts_sql,
    measures,
    moment_of,
    own_parameters,
    parameters,
    second_of,
    value_of,
)
from kpis.periods import Calendar, Grain
from kpis.views import view
from metrics.read_models import sql_second
from storage import load_sql

if TYPE_CHECKING:
    from storage import ClickHouse

PARTS, MOST_PARTS = 12, 200
HOUR = 3_600
UTC_CALENDAR = Calendar()
ENDED = 3
"""State of a subject of a level that had begun and ended."""
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
    calendar: Calendar = UTC_CALENDAR,
    most: int = PARTS,
    now: datetime | None = None,
) -> Breakdown:
    """Splits the number of [start, end); basis '' is the definition's first. Raises InvalidInput.

    now: of a level whose period is not over, until when it is told.
    """
    require_period(start, end)
    chosen = require_basis(definition, basis)
    names = dimension_names(definition)
    if dimension not in names:
        raise InvalidInput(
            f"{definition.id} has no dimension {dimension[:80]!r}", hint=f"it has {', '.join(names) or 'none'}"
        )
    if not 1 <= most <= MOST_PARTS:
        raise InvalidInput(f"there are 1 to {MOST_PARTS} parts, got {most}")
    period = Period(start, end, calendar, now)
    if definition.view:
        total, parts = _computed(ch, tenant, definition, chosen, dimension, period, most)
    else:
        total, parts = _stored(ch, tenant, definition, chosen, dimension, period, most)
    return Breakdown(
        definition.id, definition.version, definition.unit, definition.direction, chosen, dimension, start, end,
        total, tuple(parts),
    )  # fmt: skip


def measure_of(definition: KpiDefinition, basis: str) -> Measure:
    """The measure that a basis of a definition over a view is told from."""
    return next(one for one in measures([definition]) if any(name == basis for name, _ in one.statistics))


def statistic_of(definition: KpiDefinition, basis: str) -> Statistic:
    """What a basis tells of its measure."""
    chosen = definition.basis(basis)
    return (chosen.statistic if chosen else None) or definition.statistic


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


@dataclass(frozen=True)
class Period:
    """A period as a tenant counts time; now: until when what is not over is told, None for all of it."""

    start: datetime
    end: datetime
    calendar: Calendar
    now: datetime | None

    def bucket(self, definition: KpiDefinition) -> Grain | None:
        """The length of the stored bucket that the period is, None when it is none."""
        for grain in definition.grains:
            if (
                self.calendar.start(grain, self.start) == self.start
                and self.calendar.end(grain, self.start) == self.end
            ):
                return grain
        return None

    def given(self, measure: Measure, statistic: Statistic, tenant: str) -> dict[str, Any]:
        """What every statement over a measure's facts of the period is given."""
        low, high = int(self.start.timestamp()), int(self.end.timestamp())
        if measure.level:
            low = 0
            if self.now is not None:
                hour = int(self.calendar.start("hour", self.now).timestamp())
                high = min(high, hour + HOUR if statistic == "level" else hour)
        return {**parameters([measure]), "tenant": tenant, "tz": self.calendar.timezone, "low": low, "high": high}


def filled(statement: str, measure: Measure, statistic: Statistic, split: str) -> str:
    """A statement with the measure's facts, its view's table and the expression that splits them.

    Rows outside of the period are dropped before their facts are made: that is most of the work.
    """
    second = own_parameters(measure.definition, second_of(measure.at))
    text = load_sql("kpis", statement).replace(TABLE, view(measure.view).table)
    text = text.replace(WITHIN, f"{second} >= {{low:Int64}} AND {second} < {{high:Int64}}")
    facts = _standing(measure, statistic) if measure.level else facts_sql([measure])
    return text.replace(FACTS, facts).replace(SPLIT, split)


def _standing(measure: Measure, statistic: Statistic) -> str:
    """The fact of a subject that had begun at the end of the period: whether it had ended, and how long it stood."""
    until = measure.definition.until
    ended = f"({until}) IS NOT NULL AND {second_of(until)} < {{high:Int64}}"
    moment = f"toDateTime64({measure.at}, 9, 'UTC')"
    age = f"{{high:Int64}} * {MILLIONTHS} - {moment_of(moment)}"
    figures = f"toInt64({MILLIONTHS}), toInt64(0)" if statistic == "level" else f"toInt64({age}), toInt64({MILLIONTHS})"
    state = f"multiIf(NOT ({measure.lasts}), 0, {ended}, {ENDED}, {COUNTED})"
    fact = f"(toUInt16(0), {second_of(measure.at)}, toUInt8({state}), {figures})"
    return own_parameters(measure.definition, f"arrayFilter(f -> f.3 != 0, [{fact}])")


def figures_of(statistic: Statistic, row: Sequence[Any]) -> Figures:
    """From sums of millionths, numbers of subjects (counted, left out, open, ended) and percentiles."""
    numerator, denominator = int(row[0]) / MILLIONTHS, int(row[1]) / MILLIONTHS
    counted, left_out, opened, ended = (int(part) for part in row[2:6])
    if statistic in LEVELS:
        value: float | None = float(counted) if statistic == "level" else numerator / denominator if counted else None
        return Figures(value, numerator, 1.0 if statistic == "level" else denominator, counted + ended, 0, 0)
    percentiles = [share / MILLIONTHS for share in row[6]]
    value = value_of(statistic, (numerator, denominator, counted, *percentiles))
    return Figures(value, numerator, denominator, counted, left_out, opened)


def _computed(
    ch: ClickHouse,
    tenant: str,
    definition: KpiDefinition,
    basis: str,
    dimension: str,
    period: Period,
    most: int,
) -> tuple[Figures, list[Part]]:
    measure, split = measure_of(definition, basis), definition.breakdowns[dimension]
    statistic = statistic_of(definition, basis)
    asked = period.given(measure, statistic, tenant)
    found = ch.query(filled("breakdown_values", measure, statistic, split), {**asked, "limit": most}).rows
    top, values = [str(value) for value, _ in found], int(found[0][1]) if found else 0
    total, parts = Figures(None, 0.0, 0.0, 0, 0, 0), []
    for kind, part, *row in ch.query(filled("breakdown", measure, statistic, split), {**asked, "top": top}).rows:
        figures = figures_of(statistic, row)
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
    period: Period,
    most: int,
) -> tuple[Figures, list[Part]]:
    """What is stored of the bucket that the period is; of another period shares are added up from their hours."""
    asked = {
        "tenant": tenant,
        "kpi": definition.id,
        "version": definition.version,
        "basis": basis,
        "dimension": dimension,
        "start": sql_second(period.start),
    }
    if grain := period.bucket(definition):
        found = ch.query(load_sql("kpis", "breakdown_bucket"), asked | {"grain": grain}).rows
        rows = [(row[0], row[1], _told(row[2:])) for row in found]
    elif definition.unit == "ratio" and "hour" in definition.grains:
        found = ch.query(load_sql("kpis", "breakdown_stored"), asked | {"end": sql_second(period.end)}).rows
        rows = [(row[0], row[1], _share([row[2:]])) for row in found if any(row[4:])]
    else:
        raise InvalidInput(
            f"{definition.id} is told of one bucket at a time: its parts do not add up over several",
            hint=f"give the start and the end of one {', '.join(definition.grains)}",
        )
    total = next((figures for by, _, figures in rows if by == ""), Figures(None, 0.0, 0.0, 0, 0, 0))
    split = [(str(part), figures) for by, part, figures in rows if by == dimension]
    parts = [Part(value, False, 1, figures) for value, figures in split[:most]]
    if rest := [_plain(figures) for _, figures in split[most:]]:
        together = _share(rest) if definition.unit == "ratio" else replace(_share(rest), value=None)
        parts.append(Part("", True, len(rest), together))
    return total, parts


def _told(row: Sequence[Any]) -> Figures:
    value, numerator, denominator, counted, excluded, opened = row
    figures = (float(numerator), float(denominator), int(counted), int(excluded), int(opened))
    return Figures(None if value is None else float(value), *figures)


def _plain(figures: Figures) -> tuple[float, float, int, int, int]:
    return figures.numerator, figures.denominator, figures.sample_size, figures.excluded, figures.open_cases


def _share(rows: Iterable[Sequence[Any]]) -> Figures:
    numerator, denominator, counted, excluded, opened = (sum(column) for column in zip(*rows, strict=True))
    value = float(numerator) / float(denominator) if denominator else None
    return Figures(value, float(numerator), float(denominator), int(counted), int(excluded), int(opened))
