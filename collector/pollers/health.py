"""What the pollers count of themselves, on a Prometheus registry that their owner passes in.

Labels are the names and kinds of the configuration and the closed set of reasons. `up` is read when it is scraped, so
that a poll that does not come back turns it to 0 without the poller's help.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from collector.pollers.readings import Reason

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_LABELS = ("poller", "kind")


class PollerMetrics:
    """One object for all pollers; names begin with `opsintel_poller_`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"opsintel_poller_{name}", text, _LABELS, registry=registry)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"opsintel_poller_{name}", text, (*_LABELS, *labels), registry=registry)

        self._registry = registry
        self._up = _Up()
        registry.register(self._up)
        self.last_success = gauge(
            "last_success_timestamp_seconds", "When a poll last succeeded, in seconds since the Unix epoch."
        )
        self.queues = gauge("queues", "Queues that the last successful poll brought.")
        self.failures = counter("failures", "Polls that brought nothing, by reason.", "reason")
        self.problems = counter("queue_problems", "Queues that a successful poll could not read.")
        self.duration = Histogram(
            "opsintel_poller_duration_seconds", "How long polls took.", _LABELS, buckets=_SECONDS, registry=registry
        )

    def watch(self, poller: str, kind: str, up: Callable[[], bool | None]) -> None:
        """Announces a poller; `up` is asked at every scrape, None means that nothing is known yet."""
        self._up.read[poller, kind] = up
        for reason in Reason:
            self.failures.labels(poller, kind, reason.value)
        self.problems.labels(poller, kind)


class _Up(Collector):
    def __init__(self) -> None:
        self.read: dict[tuple[str, str], Callable[[], bool | None]] = {}

    def describe(self) -> Iterator[Metric]:
        yield self._family()

    def collect(self) -> Iterator[Metric]:
        family = self._family()
        for labels, read in list(self.read.items()):
            up = read()
            if up is not None:
                family.add_metric(labels, float(up))
        yield family

    @staticmethod
    def _family() -> GaugeMetricFamily:
        return GaugeMetricFamily(
            "opsintel_poller_up", "1 while polls succeed, 0 while they fail or hang.", labels=_LABELS
        )
