"""Where readings come from: the KPI values, the queue depths and the ledger, through their rooms' read models.

The read models are handed in, so that this room depends on the shape of their answers alone. A snapshot asks each of
them at most once. Nothing is cached beyond a snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Generic, Protocol, TypeVar

from alerts.rules import KpiSelector, LedgerSelector, QueueSelector, Reading, Rule

Store = TypeVar("Store")
QUEUE_WINDOW = timedelta(minutes=15)
"""A queue that has not been measured for so long has no reading."""


class KpiPoint(Protocol):
    """What is needed of `kpis.KpiValue`."""

    @property
    def kpi_id(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def basis(self) -> str: ...
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


class QueuePoint(Protocol):
    """What is needed of `metrics.QueueDepth`."""

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


class WaitingPoint(Protocol):
    """What is needed of `kpis.WaitingStep`."""

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


class LedgerPoint(Protocol):
    """What is needed of `collector.SignalBalance`."""

    @property
    def signal(self) -> str: ...
    @property
    def items(self) -> int: ...
    @property
    def missing(self) -> int: ...
    @property
    def extra(self) -> int: ...
    @property
    def unaccounted(self) -> int: ...
    @property
    def where(self) -> str: ...


LedgerBalances = Callable[[str, datetime], tuple[datetime, Sequence[LedgerPoint]] | None]
"""Of a tenant at an instant: when it was compared last, and how each signal stood; None when that is not known."""


class Sources(Generic[Store]):
    """The read models, bound to a store."""

    def __init__(
        self,
        ch: Store,
        latest_values: Callable[[Store, str, str], Sequence[KpiPoint]],
        queue_depths: Callable[[Store, str, datetime, timedelta], Sequence[QueuePoint]],
        waiting_now: Callable[[Store, str, datetime], Sequence[WaitingPoint]] | None = None,
        queue_consumers: Callable[[Store, str, datetime], Mapping[str, str]] | None = None,
        values_before: Callable[[Store, str, str, datetime], Sequence[KpiPoint]] | None = None,
        ledger: LedgerBalances | None = None,
    ) -> None:
        """Called with (ch, tenant, grain), (ch, tenant, now, window), and (ch, tenant, now) for the two of impact.

        `values_before`, with (ch, tenant, grain, now), gives the bucket before the latest of each series.
        """
        self._values_before = values_before
        self._ledger = ledger
        self._ch = ch
        self._latest_values = latest_values
        self._queue_depths = queue_depths
        self._waiting_now = waiting_now
        self._queue_consumers = queue_consumers

    def snapshot(self, tenant: str, now: datetime) -> Snapshot:
        """A view of one tenant at one instant; reads when asked."""
        ch, waiting_now, consumers = self._ch, self._waiting_now, self._queue_consumers
        before, ledger = self._values_before, self._ledger
        return Snapshot(
            now,
            lambda grain: self._latest_values(ch, tenant, grain),
            lambda: self._queue_depths(ch, tenant, now, QUEUE_WINDOW),
            lambda: waiting_now(ch, tenant, now) if waiting_now else (),
            lambda: consumers(ch, tenant, now) if consumers else {},
            lambda grain: before(ch, tenant, grain, now) if before else (),
            lambda: ledger(tenant, now) if ledger else None,
        )


class Snapshot:
    """One tenant's readings at one instant. Raises what the read models raise (core.errors)."""

    def __init__(
        self,
        now: datetime,
        kpis: Callable[[str], Sequence[KpiPoint]],
        queues: Callable[[], Sequence[QueuePoint]],
        waiting: Callable[[], Sequence[WaitingPoint]],
        consumers: Callable[[], Mapping[str, str]],
        before: Callable[[str], Sequence[KpiPoint]],
        ledger: Callable[[], tuple[datetime, Sequence[LedgerPoint]] | None] = lambda: None,
    ) -> None:
        self._before = before
        self._ledger = ledger
        self._now = now
        self._kpis = kpis
        self._queues = queues
        self.waiting = waiting
        self.consumers = consumers
        self._kpi_values: dict[str, Sequence[KpiPoint]] = {}
        self._queue_values: Sequence[QueuePoint] | None = None

    def read(self, rule: Rule) -> list[Reading]:
        """The readings that a rule judges; a series that is not there has none."""
        if isinstance(rule.selector, KpiSelector):
            return self._read_kpis(rule.selector, rule.min_sample_size)
        if isinstance(rule.selector, LedgerSelector):
            return self._read_ledger(rule.selector)
        return self._read_queues(rule.selector)

    def _read_kpis(self, selector: KpiSelector, enough: int) -> list[Reading]:
        """A share whose bucket has only begun is judged together with the bucket before it."""
        if selector.grain not in self._kpi_values:
            self._kpi_values[selector.grain] = self._kpis(selector.grain)
        oldest = self._now - timedelta(seconds=selector.stale_after_s)
        chosen = [
            point
            for point in self._kpi_values[selector.grain]
            if point.kpi_id == selector.kpi_id
            and (not selector.basis or point.basis == selector.basis)
            and (point.dimension if point.dimension_value else "") == selector.dimension
            and selector.dimension_value in (None, point.dimension_value)
            and point.bucket_start >= oldest
        ]
        before: dict[tuple[str, ...], KpiPoint] = {}
        if any(point.unit == "ratio" and point.sample_size < enough for point in chosen):
            before = {_series(point): point for point in self._before(selector.grain)}
        return [
            _kpi_reading(point, before.get(_series(point)) if point.sample_size < enough else None) for point in chosen
        ]

    def _read_queues(self, selector: QueueSelector) -> list[Reading]:
        if self._queue_values is None:
            self._queue_values = self._queues()
        return [
            _queue_reading(selector, point)
            for point in self._queue_values
            if selector.system in (None, point.system)
            and selector.destination in (None, point.destination)
            and selector.consumer_group in (None, point.consumer_group)
        ]

    def _read_ledger(self, selector: LedgerSelector) -> list[Reading]:
        compared = self._ledger()
        if compared is None:
            return []
        at, points = compared
        return [
            Reading(
                {"signal": point.signal},
                float(point.items),
                at,
                values={
                    "missing": point.missing,
                    "extra": point.extra,
                    "unaccounted": point.unaccounted,
                    "where": point.where,
                },
            )
            for point in points
            if selector.signal in (None, point.signal)
        ]


def _series(point: KpiPoint) -> tuple[str, ...]:
    return point.kpi_id, point.basis, point.dimension, point.dimension_value


def _kpi_reading(point: KpiPoint, before: KpiPoint | None) -> Reading:
    """The reading of a bucket; of a share together with the bucket `before`, where one is given."""
    value, numerator, denominator, sample = point.value, point.numerator, point.denominator, point.sample_size
    if before is not None and point.unit == "ratio" and before.bucket_start < point.bucket_start:
        numerator, denominator = numerator + before.numerator, denominator + before.denominator
        value, sample = (numerator / denominator if denominator else None), sample + before.sample_size
    labels = {"kpi_id": point.kpi_id}
    if point.basis:
        labels["basis"] = point.basis
    if point.dimension_value:
        labels[point.dimension] = point.dimension_value
    return Reading(
        labels,
        value,
        point.bucket_start,
        sample,
        values={
            "basis": point.basis,
            "grain": point.grain,
            "dimension_value": point.dimension_value,
            "numerator": numerator,
            "denominator": denominator,
            "unit": point.unit,
        },
    )


def _queue_reading(selector: QueueSelector, point: QueuePoint) -> Reading:
    value: float | None = point.depth
    if selector.measure == "oldest_age_s":
        value = point.oldest_age_s
    elif selector.measure == "over_usual":
        value = None if point.usual_depth is None else point.depth / max(point.usual_depth, 1.0)
    labels = {"system": point.system, "destination": point.destination}
    if point.consumer_group:
        labels["consumer_group"] = point.consumer_group
    return Reading(
        labels,
        value,
        point.at,
        quiet=point.depth < selector.min_depth,
        values={
            "consumer_group": point.consumer_group,
            "depth": point.depth,
            "oldest_age_s": point.oldest_age_s,
            "usual_depth": point.usual_depth,
        },
    )
