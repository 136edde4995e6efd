"""Attributes and metrics with very many distinct values: found by a job, reported with who sends them and what to do.

The job looks at a sample of the last hour: whole granules, so that what is left out is not read. Distinct values are
counted with a probabilistic counter (some 1 % off) in the sample alone and are thus a lower bound for the hour; the
sample's size is reported beside them. An attribute that only old data has is not found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry, Gauge

from core import Clock, Settings
from storage import ClickHouse, Signal, load_sql

WINDOW = timedelta(hours=1)
NOTED_PART = 10
"""What has a tenth of the threshold is noted, so that its growth can be told."""
GROWTH = 2.0
_COLUMNS = (
    "TenantId", "Signal", "Place", "Name", "Hour", "DistinctValues", "Values", "Bytes", "ByteShare", "SampledRows",
    "Rows", "Services", "Examples", "ComputedAt",
)  # fmt: skip
ADVICE = {
    "item": "if nobody searches by it, remove it where it is made or in a collector's attributes processor; never "
    "group or alert by it",
    "resource": "a resource attribute should name the process, not a request or a start: move it to the items or "
    "remove it",
    "series": "remove its attribute with the most values by a view in the SDK, or send a histogram or a log record "
    "instead",
}


@dataclass(frozen=True)
class Finding:
    """`place`: `item`, `resource` or, for a metric's name, `series`; `share`: of all attributes' bytes, 0 to 1."""

    signal: str
    place: str
    name: str
    state: str
    distinct: int
    distinct_then: int
    share: float
    sampled_rows: int
    rows: int
    services: list[str]
    examples: list[str]
    first_seen: datetime
    last_seen: datetime
    advice: str


class Cardinality:
    """The job and its findings."""

    def __init__(self, settings: Settings, ch: ClickHouse, clock: Clock, registry: CollectorRegistry) -> None:
        self._ch, self._clock = ch, clock
        self._threshold, self._sample = settings.cardinality_threshold, settings.cardinality_sample_rows
        self._gauge = Gauge(
            "opsintel_collector_high_cardinality_names",
            "Attributes and metrics over the threshold of distinct values, all tenants.",
            ["signal", "place"],
            registry=registry,
        )

    def run(self) -> int:
        """Looks at the last hour of every tenant; how many names are over the threshold. Raises StorageError."""
        now = self._clock.now()
        high: dict[tuple[str, str], int] = {(signal.value, place): 0 for signal in Signal for place in ADVICE}
        for signal in Signal:
            since = now - WINDOW
            tenants = self._ch.query(load_sql("collector", f"cardinality_rows_{signal.value}"), {"since": since}).rows
            for tenant, rows in sorted(tenants):
                for place, distinct in self._look(signal, str(tenant), int(rows), since, now):
                    high[signal.value, place] += distinct >= self._threshold
        for (signal_name, place), count in high.items():
            self._gauge.labels(signal_name, place).set(count)
        return sum(high.values())

    def _look(
        self, signal: Signal, tenant: str, rows: int, since: datetime, now: datetime
    ) -> Sequence[tuple[str, int]]:
        every = max(1, rows // self._sample)
        params = {
            "tenant": tenant,
            "since": since,
            "every": every,
            "least": max(1, self._threshold // NOTED_PART),
        }
        found = self._ch.query(load_sql("collector", f"cardinality_{signal.value}"), params).rows
        hour = now.replace(minute=0, second=0, microsecond=0)
        self._ch.insert_rows(
            "attribute_cardinality",
            _COLUMNS,
            [
                (tenant, signal.value, place, name, hour, distinct, values, size, share, rows // every, rows,
                 services, examples, now)
                for place, name, distinct, values, size, share, services, examples in found
            ],
        )  # fmt: skip
        return [(str(row[0]), int(row[2])) for row in found]

    def findings(self, tenant: str, hours: int = 24) -> list[Finding]:
        """What is high, and what has doubled within the hours, the most values first."""
        since = self._clock.now() - timedelta(hours=hours)
        rows = self._ch.query(load_sql("collector", "cardinality_findings"), {"tenant": tenant, "since": since}).rows
        found = []
        for signal, place, name, distinct, then, share, sampled, all_rows, services, examples, first, last in rows:
            growing = then and distinct >= GROWTH * then
            if distinct >= self._threshold or growing:
                state = "high" if distinct >= self._threshold else "growing"
                numbers = (int(distinct), int(then), float(share), int(sampled), int(all_rows))
                texts = (list(services), list(examples))
                found.append(Finding(signal, place, name, state, *numbers, *texts, first, last, ADVICE[place]))
        return found
