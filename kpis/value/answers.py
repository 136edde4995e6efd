"""What is asked of the value of changes, and what the answers say: plain values, for routes and people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from kpis.value.compare import Change
from kpis.value.forecast import DayBand
from kpis.value.money import NotValued, Valuation
from kpis.value.rollout import Effect
from kpis.value.targets import Attainment, BurnDown


@dataclass(frozen=True)
class Asked:
    """Which number is meant; '' is the definition's first basis, and all of it."""

    kpi_id: str
    basis: str = ""
    stream: str = ""
    dimension: str = ""
    dimension_value: str = ""


@dataclass(frozen=True)
class Kpi:
    """Which number an answer is about."""

    id: str
    version: int
    name: str
    unit: str
    direction: str
    basis: str
    stream: str
    dimension: str
    dimension_value: str
    data_through: datetime | None


@dataclass(frozen=True)
class Side:
    """A period's number with its interval. n counts `of`; subjects is the KPI's own sample size."""

    start: datetime
    end: datetime
    value: float | None
    low: float | None
    high: float | None
    n: int
    of: str
    subjects: int
    excluded: int
    open_cases: int | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """Two periods of one KPI. words: the same for people. money: None is never said without a reason."""

    kpi: Kpi
    before: Side
    after: Side
    change: Change
    small_sample: bool
    words: str
    money: Valuation | NotValued


@dataclass(frozen=True)
class Frozen:
    """A baseline as it is shown, without its sample's values. current: the newest of its key and version."""

    id: int
    kpi_id: str
    version: int
    basis: str
    stream: str
    dimension: str
    dimension_value: str
    start: datetime
    end: datetime
    value: float
    low: float | None
    high: float | None
    n: int
    data_through: datetime
    frozen_by: str
    frozen_at: datetime
    reason: str
    current: bool


@dataclass(frozen=True)
class SinceBaseline:
    """The change against the frozen baseline."""

    baseline: Frozen
    comparison: Comparison


@dataclass(frozen=True)
class Rollout:
    """Before and after a roll-out. control and effect are None where no control group was named."""

    at: datetime
    days: int
    settle_days: int
    treated: Comparison
    control: Comparison | None
    effect: Effect | None
    money: Valuation | NotValued
    words: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Outlook:
    """The next days with bands; `days` is empty and `reason` says why where there is too little history."""

    kpi: Kpi
    days: tuple[DayBand, ...]
    reason: str
    level: float
    coverage: float | None
    judged: int
    error: float | None
    naive_error: float | None
    method: str
    last_day: date | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class TowardsTarget:
    """Whether the target is met in the last weeks, and when the trend reaches it."""

    kpi: Kpi
    attainment: Attainment
    burn_down: BurnDown
    side: Side
