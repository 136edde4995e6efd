"""What the page of one key figure reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from dashboards.kpi_state import KpiState

if TYPE_CHECKING:
    from dashboards.reads import KpiReading, KpiValue


@dataclass(frozen=True)
class KpiStory:
    """One KPI: what it is, its trend, and the bucket that is looked at.

    bases: ids and names, the first is the default. dimensions: by what it can be split. roles: which cases can be
    asked for, none when it does not tell its cases. explanation: how it is computed, as label and text. chosen: the
    value of the bucket [start, end), None when there is none.
    """

    kpi_id: str
    title: str
    unit: str
    direction: str
    version: int
    target: float | None
    min_sample: int
    grain: str
    basis: str
    bases: Sequence[tuple[str, str]]
    grains: Sequence[str]
    dimensions: Sequence[str]
    roles: Sequence[str]
    explanation: Mapping[str, str]
    reading: KpiReading | None
    chosen: KpiValue | None
    start: datetime
    end: datetime


@dataclass(frozen=True)
class SplitPart:
    """A value of the dimension, or what the `values` others make together (`other`)."""

    value: str
    other: bool
    values: int
    figure: float | None
    numerator: float
    sample_size: int
    excluded: int
    open_cases: int


@dataclass(frozen=True)
class CaseRow:
    """A case and what it contributes; `contribution` is in the KPI's unit, or 1 of a share that it is counted in.

    A call between systems has a trace, and a case where it told one.
    """

    stream: str
    case_id: str
    subject: str
    trace_id: str
    at: datetime
    numerator: float
    denominator: float
    split: str
    reason: str


@dataclass(frozen=True)
class CaseList:
    """A page of cases, how many each role has, and how many were left out for each reason.

    of_cases: whether they are cases that the process page shows, and not records such as an item at a location.
    """

    role: str
    counts: Mapping[str, int]
    reasons: Sequence[tuple[str, int]]
    cases: Sequence[CaseRow]
    of_cases: bool
    following: str


@dataclass(frozen=True)
class Undelivered:
    """A report, or one target of it, that the newest run did not reach.

    scheduled_at: of the run; None when not even a run could be made. target: empty when there is no file to send.
    why: empty when nothing was told. next_try: when it is tried again by itself; None when an operator is needed.
    last_sent: when every target last had the report.
    """

    title: str
    scheduled_at: datetime | None
    target: str
    why: str
    attempts: int
    next_try: datetime | None
    last_sent: datetime | None


class KpiReads(Protocol):
    """What the page asks. Errors are `core.errors`; NotFound for an unknown KPI."""

    def kpi(self, tenant: str, state: KpiState) -> KpiStory: ...
    def kpi_parts(self, tenant: str, state: KpiState, story: KpiStory) -> Sequence[SplitPart]:
        """Of the dimension chosen, or the first."""
        ...

    def kpi_cases(self, tenant: str, state: KpiState, story: KpiStory) -> CaseList: ...
    def kpi_problems(self, tenant: str) -> Sequence[str]:
        """Files of the tenant's own KPIs that are wrong, with line, reason, and what holds instead."""
        ...

    def undelivered(self, tenant: str) -> Sequence[Undelivered]:
        """Reports on a schedule that did not arrive the last time."""
        ...
