"""The service's own numbers for `/metrics`, in a registry of their own, not the process-wide one.

Labels come from closed sets (route templates, job names, statement names), never from what a caller sent, so that no
request can grow the registry. Durations are in seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, Histogram, PlatformCollector
from prometheus_client import ProcessCollector as Process
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from core import Clock, get_logger

log = get_logger(__name__)

FAST = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SLOW = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0)


class OwnMetrics:
    """Every metric of the service; one object, made by the composition root."""

    def __init__(self, clock: Clock, *, version: str, engine_version: str = "") -> None:
        self._clock = clock
        self.registry = CollectorRegistry(auto_describe=True)
        Process(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        build = Gauge(
            "opsintel_build_info", "1, with the versions as labels.", ("version", "engine"), registry=self.registry
        )
        build.labels(version, engine_version).set(1)
        self._http = Histogram(
            "opsintel_http_request_duration_seconds",
            "Time to the end of the answer, by route template.",
            ("method", "route", "status"),
            buckets=FAST,
            registry=self.registry,
        )
        self._jobs = Counter(
            "opsintel_job_runs_total", "Runs of scheduled jobs, by outcome.", ("job", "outcome"), registry=self.registry
        )
        self._job_seconds = Histogram(
            "opsintel_job_duration_seconds", "How long runs took.", ("job",), buckets=SLOW, registry=self.registry
        )
        self._job_success = Gauge(
            "opsintel_job_last_success_timestamp_seconds",
            "When a run last succeeded, in seconds since the Unix epoch.",
            ("job",),
            registry=self.registry,
        )
        self._queries = Histogram(
            "opsintel_engine_query_duration_seconds",
            "How long the engine took, by named statement and outcome.",
            ("statement", "outcome"),
            buckets=FAST,
            registry=self.registry,
        )

    def observe_http(self, method: str, route: str, status: int, seconds: float) -> None:
        """One answered request; `route` is the template, never the path that was asked for."""
        self._http.labels(method, route, str(status)).observe(seconds)

    @contextmanager
    def job(self, name: str) -> Iterator[None]:
        """Times what happens within, counts it, and counts a failure when it raises."""
        started = self._clock.monotonic()
        outcome = "failure"
        try:
            yield
            outcome = "success"
            self._job_success.labels(name).set(self._clock.now().timestamp())
        finally:
            self._jobs.labels(name, outcome).inc()
            self._job_seconds.labels(name).observe(self._clock.monotonic() - started)

    @contextmanager
    def query(self, statement: str) -> Iterator[None]:
        """Times one statement of the engine; `statement` is its name, not its text."""
        started = time.perf_counter()
        outcome = "failure"
        try:
            yield
            outcome = "success"
        finally:
            self._queries.labels(statement, outcome).observe(time.perf_counter() - started)

    def watch(self, name: str, description: str, labels: tuple[str, ...], read: Reading) -> None:
        """A gauge that is read when it is scraped: the ledger, the size of the log, the number of active alerts.

        `read` gives a value per tuple of label values. When it raises, the scrape goes on without the gauge and the
        error is logged.
        """
        self.registry.register(_Watched(name, description, labels, read))


Reading = Callable[[], Mapping[tuple[str, ...], float]]


class _Watched(Collector):
    def __init__(self, name: str, description: str, labels: tuple[str, ...], read: Reading) -> None:
        self._name, self._description, self._labels, self._read = name, description, labels, read

    def describe(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(self._name, self._description, labels=self._labels)

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(self._name, self._description, labels=self._labels)
        try:
            read = self._read()
        except Exception as problem:  # the rim of the scrape: one broken reading must not hide all the others
            log.error("a metric could not be read", metric=self._name, error=repr(problem))
            return
        for labels, value in read.items():
            family.add_metric(labels, value)
        yield family


def render(registry: CollectorRegistry) -> tuple[str, bytes]:
    """The content type and the body of `/metrics`."""
    return CONTENT_TYPE_LATEST, generate_latest(registry)
