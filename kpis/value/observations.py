"""Samples of KPIs, read from where the values come from, so that intervals are of real cases.

Of a KPI over a canonical view the unit of a sample is the case: its lines or intervals are added up first, as they are
not independent of each other (a cluster sample; Cochran, Sampling Techniques, 3rd ed. 1977, 9A). Percentiles take every
subject for itself. A KPI that only counts has days in the place of cases: 24 hours from the period's start, what is
left of the last one is not counted. Of a KPI with statements of its own only the stored hours are there: each is taken
as a case, and percentiles cannot be told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from kpis.definitions import KpiDefinition, Statistic
from kpis.limits import LIMITS
from kpis.measures import MILLIONTHS, Measure, facts_sql, measures, own_parameters, parameters, second_of
from kpis.value.questions import Part, Period
from kpis.value.samples import MeanSample, ProportionSample, QuantileSample, RatioSample, Sample
from kpis.view_rows import FACTS, TABLE
from kpis.views import view
from metrics.read_models import as_utc
from storage import load_sql

if TYPE_CHECKING:
    from storage import ClickHouse

SELECTION = "/*selection*/"
DAY_S = 86_400
VALUES_READ = 20_000
"""A percentile's values are usually thinned to so many by the engine, see QuantileSample.thinned."""
NO_CASES = "its cases are not kept one by one, so nothing shows how far they spread"
QUANTILES: Mapping[Statistic, float] = {"median": 0.5, "p90": 0.9}


@dataclass(frozen=True)
class Observed:
    """What a period holds. sample: None where the KPI is not told case by case (a percentile of stored hours).

    unit: what the sample's n counts. subjects: what the KPI's own sample size counts; volume: what its denominators
    add up to, what a change applies to (days for a count). open_cases: None where it is not known.
    """

    period: Period
    sample: Sample | None
    unit: str
    subjects: int
    excluded: int
    open_cases: int | None
    volume: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cell:
    """One sample that is wanted."""

    definition: KpiDefinition = field(hash=False)
    basis: str
    period: Period


@dataclass(frozen=True)
class _Sums:
    subjects: int = 0
    excluded: int = 0
    opens: int = 0
    units: int = 0
    x: float = 0.0
    xx: float = 0.0
    y: float = 0.0
    yy: float = 0.0
    xy: float = 0.0
    cc: float = 0.0
    xc: float = 0.0
    bits: int = 0
    singles: int = 0


def observe(
    ch: ClickHouse,
    tenant: str,
    definition: KpiDefinition,
    basis: str,
    periods: Sequence[Period],
    part: Part,
    tz: str,
    values_read: int = VALUES_READ,
) -> list[Observed]:
    """The samples of one KPI in the periods, in their order; the rest as of `observe_all`."""
    return observe_all(ch, tenant, [Cell(definition, basis, one) for one in periods], part, tz, values_read)


def observe_all(
    ch: ClickHouse, tenant: str, cells: Sequence[Cell], part: Part, tz: str, values_read: int = VALUES_READ
) -> list[Observed]:
    """The samples of many KPIs, each view read once (twice where percentiles are among them).

    tz: the zone in which expressions count days. values_read: how many values of a percentile are kept.
    """
    found: dict[Cell, Observed] = {}
    by_view: dict[str, list[Cell]] = {}
    for cell in dict.fromkeys(cells):
        by_view.setdefault("" if cell.definition.level else cell.definition.view, []).append(cell)
    for name, wanted in by_view.items():
        if name:
            found |= _of_view(ch, tenant, wanted, part, tz, values_read)
        else:
            for cell in wanted:
                found[cell] = of_buckets(ch, tenant, cell, part)
    return [found[cell] for cell in cells]


def data_through(ch: ClickHouse, tenant: str, definition: KpiDefinition) -> datetime | None:
    """Everything received until then is in the KPI; None where it was never computed."""
    asked = {"tenant": tenant, "kpi": definition.id, "version": definition.version}
    through, rows = ch.query(load_sql("kpis", "value_through"), asked).rows[0]
    return as_utc(through) if rows else None


# --- views ---


def _of_view(
    ch: ClickHouse, tenant: str, cells: Sequence[Cell], part: Part, tz: str, values_read: int
) -> dict[Cell, Observed]:
    statistics = {cell: _measure(cell) for cell in cells}
    sums: dict[Cell, _Sums] = {}
    for daily in (False, True):
        kept = {cell: one for cell, (one, kind) in statistics.items() if (kind == "sum") is daily}
        rows = _read(ch, tenant, "value_sums", kept, part, tz, {"daily": int(daily)})
        sums |= {cell: _sums(row) for cell, row in rows.items()}
    ordered = {cell: one for cell, (one, kind) in statistics.items() if kind in QUANTILES}
    values = _read(ch, tenant, "value_values", ordered, part, tz, {"most": values_read})
    out = {}
    for cell, (_, statistic) in statistics.items():
        one = sums.get(cell, _Sums())
        if statistic in QUANTILES:
            n, found = values.get(cell, (0, ()))
            out[cell] = _quantile(cell, one, statistic, int(n), found)
        elif statistic == "sum":
            out[cell] = _count(cell, one)
        else:
            out[cell] = _fraction(cell, one, statistic)
    return out


def _measure(cell: Cell) -> tuple[Measure, Statistic]:
    """The way of counting of the cell's basis."""
    return next(
        (measure, statistic)
        for measure in measures([cell.definition])
        for basis, statistic in measure.statistics
        if basis == cell.basis
    )


def _read(
    ch: ClickHouse,
    tenant: str,
    file: str,
    kept: Mapping[Cell, Measure],
    part: Part,
    tz: str,
    more: Mapping[str, Any],
) -> dict[Cell, Sequence[Any]]:
    """One reading of a view for all cells; what has no row is not there."""
    if not kept:
        return {}
    places: dict[tuple[str, str], int] = {}
    chosen: list[Measure] = []
    periods: dict[Period, int] = {}
    asked: list[list[tuple[int, int, int]]] = []
    numbers: dict[Cell, tuple[int, int]] = {}
    for cell, measure in kept.items():
        first, _ = measure.statistics[0]
        if (number := places.setdefault((measure.definition.id, first), len(chosen))) == len(chosen):
            chosen.append(measure)
            asked.append([])
        when = periods.setdefault(cell.period, len(periods))
        low, high = cell.period.seconds
        high = low + (high - low) // DAY_S * DAY_S if more.get("daily") else high
        if (when, low, high) not in asked[number]:
            asked[number].append((when, low, high))
        numbers[cell] = (number, when)
    ends = [second for one in periods for second in one.seconds]
    selection, given = _selection(next(iter(kept)).definition, part)
    # Said once more, so that the facts of other times are not made; most of the cost is in making them.
    known = (own_parameters(one.definition, one.at) for one in chosen)
    times = dict.fromkeys(second_of(at) for at in known)
    near = " OR ".join(f"({one} >= {{low:Int64}} AND {one} < {{high:Int64}})" for one in times)
    text = load_sql("kpis", file).replace(FACTS, facts_sql(chosen)).replace(TABLE, view(chosen[0].view).table)
    params = {
        **parameters(chosen), **given, **more,
        "tenant": tenant, "tz": tz, "low": min(ends), "high": max(ends), "cells": asked,
    }  # fmt: skip
    rows = ch.query(text.replace(SELECTION, f"{selection} AND ({near})"), params, LIMITS).rows
    found = {(int(row[0]), int(row[1])): row[2:] for row in rows}
    return {cell: found[place] for cell, place in numbers.items() if place in found}


def _selection(definition: KpiDefinition, part: Part) -> tuple[str, dict[str, Any]]:
    """A condition on the view's rows, and its parameters; the dimension is one of the definition's."""
    said, params = ["true"], {}
    if part.stream:
        said.append("Stream = {part_stream:String}")
        params["part_stream"] = part.stream
    if part.dimension:
        split = own_parameters(definition, definition.breakdowns[part.dimension])
        said.append(f"ifNull(toString({split}), '') = {{part_value:String}}")
        params["part_value"] = part.value
    return " AND ".join(said), params


def _sums(row: Sequence[Any]) -> _Sums:
    subjects, excluded, opens, units, *rest = row
    x, xx, y, yy, xy, cc, xc, bits, singles = rest
    return _Sums(
        int(subjects), int(excluded), int(opens), int(units),
        float(x), float(xx), float(y), float(yy), float(xy), float(cc), float(xc), int(bits), int(singles),
    )  # fmt: skip


def _quantile(cell: Cell, one: _Sums, statistic: Statistic, n: int, found: Sequence[int]) -> Observed:
    values = tuple(value / MILLIONTHS for value in found)
    counts: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    if n > len(values):
        most = len(values)
        # The engine takes the value in the middle of each stretch; the stretch stands for as many as it holds.
        counts = tuple(after - before for before, after in pairwise(k * n // most for k in range(most + 1)))
        notes = (f"percentiles are read off {most:,} of {n:,} values",)
    if one.units < one.subjects:
        notes = (*notes, "several subjects of one case are taken as independent")
    sample = QuantileSample(values, counts, QUANTILES[statistic])
    return Observed(cell.period, sample, "subjects", one.subjects, one.excluded, one.opens, one.subjects, notes)


def _count(cell: Cell, one: _Sums) -> Observed:
    """Totals of days: what has no row is a day with 0."""
    low, high = cell.period.seconds
    days = (high - low) // DAY_S
    notes = [
        "its change is that of a day's total; days are taken as independent, the week's pattern widens the interval"
    ]
    if (high - low) % DAY_S:
        notes.append("what is left of the period after its last whole 24 hours is not counted")
    sample = MeanSample(days, one.x, one.xx)
    return Observed(cell.period, sample, "days", one.subjects, one.excluded, one.opens, days, tuple(notes))


def _fraction(cell: Cell, one: _Sums, statistic: Statistic) -> Observed:
    """A mean or a ratio, of cases."""
    volume = float(one.subjects) if statistic == "mean" else one.y
    sample: Sample
    if statistic == "mean" and one.singles == one.units:
        sample = MeanSample(one.units, one.x, one.xx)
    elif statistic == "mean":
        sample = RatioSample(one.units, one.x, float(one.subjects), one.xx, one.cc, one.xc)
    elif one.bits == one.units and cell.definition.unit == "ratio":
        sample = ProportionSample(round(one.x), one.units)
    elif cell.definition.unit != "ratio" and one.singles == one.units and one.y == one.yy == one.units:
        sample = MeanSample(one.units, one.x, one.xx)
    else:
        sample = RatioSample(one.units, one.x, one.y, one.xx, one.yy, one.xy)
    return Observed(cell.period, sample, "cases", one.subjects, one.excluded, one.opens, volume)


# --- stored buckets ---


def of_buckets(ch: ClickHouse, tenant: str, cell: Cell, part: Part) -> Observed:
    """From what is stored: hours in the place of cases, days of a KPI that only counts. Costs the same for any number
    of cases."""
    definition = cell.definition
    counts = definition.statistic == "sum"
    params = {
        "tenant": tenant,
        "kpi": definition.id,
        "version": definition.version,
        "basis": cell.basis,
        "dimension": part.dimension,
        "dimension_value": part.value,
        "grain": "day" if counts else "hour",
        "periods": [(0, *cell.period.seconds)],
    }
    rows = ch.query(load_sql("kpis", "value_buckets"), params).rows
    one = _Sums()
    if rows:
        _, subjects, excluded, _, units, x, xx, y, yy, xy = rows[0]
        one = _Sums(int(subjects), int(excluded), 0, int(units), float(x), float(xx), float(y), float(yy), float(xy))
    seen = Observed(cell.period, None, "hours", one.subjects, one.excluded, None, one.y)
    if counts:
        return _count(cell, one)
    basis = definition.basis(cell.basis)
    if ((basis and basis.statistic) or definition.statistic) in QUANTILES or definition.unit not in (
        "ratio",
        "per_case",
    ):
        return replace(seen, volume=float(one.subjects), notes=(NO_CASES,))
    sample = RatioSample(one.units, one.x, one.y, one.xx, one.yy, one.xy)
    return replace(seen, sample=sample, notes=("made of stored hours: each is taken as a case",))
