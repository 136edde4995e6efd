"""What the collector counts of itself, on a Prometheus registry that its owner passes in."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_FAST = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_SLOW = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class CollectorMetrics:
    """Names begin with `opsintel_collector_`; items are spans, log records and metric points."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"opsintel_collector_{name}", text, labels, registry=registry)

        self._registry = registry
        self.received = counter("received_items", "Items acknowledged.", "signal")
        self.rejected = counter("rejected_items", "Items refused by partial success.", "signal")
        self.refused = counter("refused_requests", "Requests answered with an error.", "transport", "code")
        self.stored = counter("stored_items", "Items taken by the engine.", "signal")
        self.duplicates = counter("duplicate_items", "Items not stored because the same bytes were before.", "signal")
        self.restored = counter("restored_items", "Items stored again because the engine had lost them.")
        self.quarantined = counter("quarantined_items", "Items kept aside instead of stored.", "reason")
        self.torn = counter("torn_tail_bytes", "Bytes cut from the end of the log at starts.")
        self.log_failures = counter("log_failures", "Failed writes and syncs of the log.")
        self.insert_failures = counter("insert_failures", "Failed inserts, those that were retried included.")
        self.mismatches = counter("count_mismatches", "Replayed segments whose rows are not what was expected.")
        self.fsync = Histogram(
            "opsintel_collector_fsync_seconds", "Duration of a sync.", buckets=_FAST, registry=registry
        )
        self.insert = Histogram(
            "opsintel_collector_insert_seconds", "Duration of an insert.", buckets=_SLOW, registry=registry
        )

    def acknowledged(self) -> dict[str, int]:
        """Items acknowledged by this process, by signal."""
        samples = [one for metric in self.received.collect() for one in metric.samples if one.name.endswith("_total")]
        return {one.labels["signal"]: int(one.value) for one in samples}

    def watch(
        self, log_bytes: Callable[[], float], segments: Callable[[], float], pending: Callable[[], float]
    ) -> None:
        """Adds the gauges of the process that stores, and where they are read from."""
        for name, text, read in (
            ("wal_bytes", "Size of the write-ahead log.", log_bytes),
            ("wal_sealed_segments", "Sealed segments that wait to be stored.", segments),
            ("pending_items", "Items acknowledged and not yet stored.", pending),
        ):
            Gauge(f"opsintel_collector_{name}", text, registry=self._registry).set_function(read)
