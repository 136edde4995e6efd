"""What a report says, before it becomes a file: plain values that every writer (XLSX, CSV, Parquet, PDF) reads.

A report holds no reference to the store; whoever builds it has read everything. Ratios are 0 to 1, lengths seconds,
money is in the KPI's currency; times are aware. Writers translate for people, they do not compute.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from kpis.brand import Brand


@dataclass(frozen=True)
class Point:
    """One bucket [start, end). value is None when nothing was decided; complete: the bucket is over and settled."""

    start: datetime
    end: datetime
    value: float | None
    numerator: float
    denominator: float
    sample_size: int
    excluded: int
    open_cases: int
    complete: bool = True


@dataclass(frozen=True)
class ReportSeries:
    """The points of one basis, of the total (dimension '') or of one value of a dimension, oldest first.

    points may be a lazy iterable that is read once: a writer must not need two passes.
    """

    basis: str
    basis_name: str
    points: Iterable[Point]
    dimension: str = ""
    dimension_value: str = ""


@dataclass(frozen=True)
class Headline:
    """The one number of a KPI for the report's period, against the period before, the baseline and the target.

    change: value - previous, with its 95 % confidence interval; None where it cannot be told. small_sample: the sample
    is too small to read anything into a change.
    """

    value: float | None
    sample_size: int
    previous: float | None = None
    change: float | None = None
    change_low: float | None = None
    change_high: float | None = None
    baseline: float | None = None
    target: float | None = None
    target_met: bool | None = None
    small_sample: bool = False
    excluded: int = 0
    open_cases: int = 0
    drivers: tuple[tuple[str, float], ...] = ()
    """What moved it: 'dimension: value' and its contribution to the change, the largest first."""


@dataclass(frozen=True)
class LeftOut:
    """How many were left out of a KPI in the report's whole period for a reason. basis: '' when of every one."""

    basis: str
    reason: str
    number: int


@dataclass(frozen=True)
class ReportKpi:
    """One KPI. unit: ratio, seconds, count, money or per_case. definition: label and text, in the order of showing."""

    id: str
    version: int
    name: str
    question: str
    unit: str
    direction: str
    stream: str
    definition: tuple[tuple[str, str], ...]
    series: tuple[ReportSeries, ...]
    headline: Headline | None = None
    target: float | None = None
    currency: str = ""
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True)
class Row:
    """A line of one of the lists: a bottleneck, an incident or a control action, with the money in it and its time."""

    title: str
    detail: str = ""
    money: float | None = None
    currency: str = ""
    at: datetime | None = None
    cases: int | None = None


@dataclass(frozen=True)
class Report:
    """A whole report for the period [start, end) in buckets of `grain`, as `timezone` counts days."""

    id: str
    title: str
    tenant: str
    brand: Brand
    start: datetime
    end: datetime
    grain: str
    timezone: str
    generated_at: datetime
    data_through: datetime | None
    kpis: tuple[ReportKpi, ...]
    bottlenecks: tuple[Row, ...] = ()
    incidents: tuple[Row, ...] = ()
    actions: tuple[Row, ...] = ()
    notes: tuple[str, ...] = field(default=())
