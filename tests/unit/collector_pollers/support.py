"""What these tests share: sources that do as they are told, and a log that keeps what it is given."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from prometheus_client import CollectorRegistry

from collector.pollers.environment import Environment
from collector.pollers.health import PollerMetrics
from collector.pollers.models import Redis
from collector.pollers.readings import Deadline, Polled
from collector.pollers.runner import PollerRunner
from core import Clock
from storage import Signal

Answer = Callable[[datetime, Deadline], Polled]


class Told:
    """A source whose next answers are given; stands in for nothing but faults."""

    def __init__(self, *answers: Polled | Exception | Answer) -> None:
        self.answers, self.polls, self.closed = list(answers), 0, threading.Event()
        self.polled = threading.Event()

    def poll(self, now: datetime, deadline: Deadline) -> Polled:
        self.polls += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.polled.set()
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Polled) else answer(now, deadline)

    def close(self) -> None:
        self.closed.set()


class Log:
    """Takes points at once, or fails as told."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, ExportMetricsServiceRequest, int]] = []
        self.problem: Exception | None = None

    def submit(self, signal: Signal, tenant: str, payload: bytes, items: int) -> Future[Any]:
        assert signal is Signal.METRICS
        if self.problem is not None:
            raise self.problem
        self.requests.append((tenant, ExportMetricsServiceRequest.FromString(payload), items))
        future: Future[Any] = Future()
        future.set_result(None)
        return future

    def points(self, name: str, request: int = -1) -> list[tuple[dict[str, str], float]]:
        """The points of a metric in a request: attributes and value."""
        return [
            ({one.key: one.value.string_value for one in point.attributes}, point.as_double)
            for metric in self.requests[request][1].resource_metrics[0].scope_metrics[0].metrics
            if metric.name == name
            for point in (*metric.gauge.data_points, *metric.sum.data_points)
        ]


def poller(**values: Any) -> Redis:
    """A poller of a kind that does not matter."""
    return Redis.model_validate({"name": "cache", "kind": "redis", "lists": ["a"], **values})


def runner(
    source: Told,
    log: Log,
    clock: Clock,
    registry: CollectorRegistry | None = None,
    environment: Environment | None = None,
    **values: Any,
) -> PollerRunner:
    """A runner of the source."""
    metrics = PollerMetrics(registry or CollectorRegistry())
    return PollerRunner(
        poller(**values), source, log.submit, clock, metrics, environment or Environment({}), random.Random(1)
    )
