"""What the pages read and may ask for: the seam between this room and the rooms below.

The composition root supplies one `Reads` and one `Actions`. Rows of the rooms below are described by what a page uses
of them (structural protocols), so their own frozen dataclasses fit as they are. Every call names the tenant; an
implementation must not look beyond it. Calls come from worker threads, several at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from core import Principal
from dashboards.kpi_reads import KpiReads
from dashboards.process_reads import ProcessReads


class KpiValue(Protocol):
    """One bucket of one KPI (`kpis.KpiValue`)."""

    @property
    def kpi_id(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def unit(self) -> str: ...
    @property
    def basis(self) -> str: ...
    @property
    def direction(self) -> str: ...
    @property
    def dimension(self) -> str: ...
    @property
    def dimension_value(self) -> str: ...
    @property
    def grain(self) -> str: ...
    @property
    def bucket_start(self) -> datetime: ...
    @property
    def value(self) -> float | None: ...
    @property
    def numerator(self) -> float: ...
    @property
    def denominator(self) -> float: ...
    @property
    def sample_size(self) -> int: ...
    @property
    def excluded(self) -> int: ...
    @property
    def open_cases(self) -> int: ...
    @property
    def data_through(self) -> datetime: ...
    @property
    def computed_at(self) -> datetime: ...


@dataclass(frozen=True)
class KpiReading:
    """One KPI on one basis (or for one edge): the latest settled bucket, and the buckets around it, oldest first.

    Buckets after the latest have too many open cases to be judged; they are neither drawn nor compared with.
    """

    label: str
    latest: KpiValue
    series: tuple[KpiValue, ...]

    @property
    def settled(self) -> tuple[KpiValue, ...]:
        """The buckets up to the latest."""
        return tuple(value for value in self.series if value.bucket_start <= self.latest.bucket_start)

    @property
    def previous(self) -> KpiValue | None:
        """The bucket before the latest one, or None."""
        earlier = [value for value in self.series if value.bucket_start < self.latest.bucket_start]
        return earlier[-1] if earlier else None


@dataclass(frozen=True)
class KpiTile:
    """A KPI as the page shows it. `readings[0]` is the headline, the others stand below it as chips.

    `group`: under which heading it stands. `target` is in the KPI's unit; a value whose sample is smaller than
    `min_sample` is marked, not hidden.
    """

    kpi_id: str
    title: str
    definition: str
    readings: tuple[KpiReading, ...]
    target: float | None = None
    min_sample: int = 30
    owner: str = ""
    group: str = ""


class WaitingStep(Protocol):
    """Open cases that stand after one step (`kpis.WaitingStep`)."""

    @property
    def stream(self) -> str: ...
    @property
    def step(self) -> str: ...
    @property
    def owner_system(self) -> str: ...
    @property
    def cases(self) -> int: ...
    @property
    def value(self) -> Decimal: ...
    @property
    def currency(self) -> str: ...
    @property
    def oldest_since(self) -> datetime: ...
    @property
    def median_wait_s(self) -> float: ...
    @property
    def usual_wait_s(self) -> float | None: ...


class QueueDepth(Protocol):
    """One queue now and over the window (`metrics.QueueDepth`)."""

    @property
    def system(self) -> str: ...
    @property
    def destination(self) -> str: ...
    @property
    def consumer_group(self) -> str: ...
    @property
    def depth(self) -> float: ...
    @property
    def oldest_age_s(self) -> float | None: ...
    @property
    def at(self) -> datetime: ...
    @property
    def usual_depth(self) -> float | None: ...
    @property
    def series(self) -> tuple[tuple[datetime, float], ...]: ...


class ApiLatency(Protocol):
    """One operation of one system over the window (`metrics.ApiLatency`)."""

    @property
    def system(self) -> str: ...
    @property
    def operation(self) -> str: ...
    @property
    def calls(self) -> int: ...
    @property
    def errors(self) -> int: ...
    @property
    def error_rate(self) -> float: ...
    @property
    def p50_ms(self) -> float: ...
    @property
    def p95_ms(self) -> float: ...
    @property
    def p99_ms(self) -> float: ...


class WebhookFailures(Protocol):
    """One webhook over the window (`metrics.WebhookFailures`)."""

    @property
    def webhook(self) -> str: ...
    @property
    def edge(self) -> str: ...
    @property
    def attempts(self) -> int: ...
    @property
    def failures(self) -> int: ...
    @property
    def failure_rate(self) -> float: ...
    @property
    def last_failure_at(self) -> datetime | None: ...
    @property
    def last_error(self) -> str: ...


@dataclass(frozen=True)
class AlertTile:
    """An alert that is pending or firing. `subject` names what it is about, `summary` says it in a sentence."""

    rule: str
    title: str
    severity: str
    state: str
    subject: str
    summary: str
    since: datetime


class TargetState(StrEnum):
    """What is known of an edge or workflow that can be paused."""

    RUNNING = "running"
    PAUSED = "paused"
    CHANGING = "changing"  # a command is under way
    UNKNOWN = "unknown"  # the engine did not tell


@dataclass(frozen=True)
class ControlTile:
    """Something that can be paused, with its last command (empty texts when there was none)."""

    target_id: str
    name: str
    kind: str
    state: TargetState
    changed_at: datetime | None = None
    changed_by: str = ""
    reason: str = ""


@dataclass(frozen=True)
class ActionOutcome:
    """How a command went. `verified` means that the effect was looked at; `message` is a sentence for people."""

    accepted: bool
    verified: bool
    message: str
    command_id: str = ""


@dataclass(frozen=True)
class Windows:
    """How far back the windowed reads look, as words for headings."""

    queues: str = "last 6 hours"
    latency: str = "last hour, as the servers saw it"
    webhooks: str = "last 24 hours"


class Reads(ProcessReads, KpiReads, Protocol):
    """Everything the pages show. Errors are `core.errors`; one failed read costs its own section alone."""

    @property
    def windows(self) -> Windows: ...
    def kpis(self, tenant: str) -> Sequence[KpiTile]: ...
    def all_kpis(self, tenant: str, grain: str) -> Sequence[KpiTile]: ...
    def waiting(self, tenant: str) -> Sequence[WaitingStep]:
        """Ranked: the dearest first."""
        ...

    def queues(self, tenant: str) -> Sequence[QueueDepth]: ...
    def latency(self, tenant: str) -> Sequence[ApiLatency]: ...
    def webhooks(self, tenant: str) -> Sequence[WebhookFailures]: ...
    def alerts(self, tenant: str) -> Sequence[AlertTile]: ...
    def control_targets(self, tenant: str) -> Sequence[ControlTile]: ...


class Actions(Protocol):
    """What a page may ask for. One idempotency key is one intent, however often the button is pressed."""

    def pause(self, principal: Principal, target_id: str, reason: str, idempotency_key: str) -> ActionOutcome: ...
    def resume(self, principal: Principal, target_id: str, reason: str, idempotency_key: str) -> ActionOutcome: ...
