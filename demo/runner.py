"""Runs the simulated retailer against a server: the past as fast as the server takes it, then the present in real time.

The back-fill stops with `Unavailable` when the server does not acknowledge an export in spite of the SDK's retries: a
gap in the past would make every number after it doubtful. The live part goes on through outages as a service would.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from core import Clock, SystemClock, Unavailable, get_logger
from demo.engine import WorkflowEngine
from demo.incidents import write_truth
from demo.model.facts import DAY, HOUR, Fact, GaugeFact, LogFact, SpanFact
from demo.model.retailer import DemoSettings, Retailer
from demo.telemetry.exporters import Counts, Exporters
from demo.telemetry.live import Depth, LiveServices
from demo.telemetry.sdk import Resources, to_log, to_metrics, to_span

BATCH = 2_000
SENDERS = 2
IN_FLIGHT = 6
TICK_S = 1.0


@dataclass(frozen=True)
class Progress:
    """How far it is: `share` of the back-fill from 0 to 1, what was acknowledged, how long it took, and the phase."""

    share: float
    counts: Counts
    elapsed_s: float
    live: bool = False


OnProgress = Callable[[Progress], None]


def _ignore(_: Progress) -> None:
    pass


def backfill(
    retailer: Retailer,
    exporters: Exporters,
    *,
    clock: Clock,
    stop: threading.Event | None = None,
    on_progress: OnProgress = _ignore,
) -> Counts:
    """Sends every fact of the retailer's window and returns what was acknowledged.

    Ends early, without an error, when `stop` is set. Raises Unavailable when an export fails for good.
    """
    settings, began = retailer.settings, clock.monotonic()
    with _Sender(exporters) as sender:
        at = settings.start
        while at < settings.end and not (stop is not None and stop.is_set()):
            at = min(at + 6 * HOUR, settings.end)
            for fact in retailer.facts_until(at):
                sender.take(fact)
            share = (at - settings.start) / (settings.end - settings.start)
            on_progress(Progress(share, exporters.counts(), clock.monotonic() - began))
        sender.flush()
    counts = exporters.counts()
    on_progress(Progress(1.0, counts, clock.monotonic() - began))
    return counts


def live(
    retailer: Retailer,
    exporters: Exporters,
    stop: threading.Event,
    *,
    clock: Clock,
    paused: Callable[[], frozenset[str]] = frozenset,
    on_progress: OnProgress = _ignore,
) -> Counts:
    """Goes on with the same retailer in real time until `stop` is set; `paused` names the edges that are held."""
    began = clock.monotonic()
    depths: list[Depth] = retailer.depths()
    held: frozenset[str] = frozenset()
    services = LiveServices(exporters, lambda: depths)
    try:
        while True:
            wanted = paused()
            for edge_id in sorted(wanted ^ held):
                retailer.pause(edge_id, edge_id in wanted)
            held = wanted
            services.emit(retailer.facts_until(clock.time_ns()))
            depths = retailer.depths()
            on_progress(Progress(1.0, exporters.counts(), clock.monotonic() - began, live=True))
            if stop.wait(TICK_S):
                break
    finally:
        services.close()
    return exporters.counts()


def run_demo_client(
    endpoint: str,
    days: float,
    seed: int,
    stop: threading.Event,
    truth_file: Path | None,
    live_after: bool = True,
    on_progress: OnProgress = _ignore,
    *,
    clock: Clock | None = None,
    engine: WorkflowEngine | None = None,
    headers: dict[str, str] | None = None,
    orders_per_day: float = 360.0,
) -> Counts:
    """The whole demo as a client: back-fills `days` up to now, writes the truth file, then runs live until `stop`.

    `endpoint` is `http[s]://host:port` (OTLP/HTTP) or `grpc[s]://host:port`. With an `engine`, edges it holds are held
    in the live part; its owner starts and stops it. Raises InvalidInput for a bad endpoint, Unavailable when the
    back-fill is not acknowledged.
    """
    clock = clock or SystemClock()
    log = get_logger("demo")
    now = clock.time_ns()
    retailer = Retailer(DemoSettings(now - int(days * DAY), now, seed, orders_per_day))
    with ExitStack() as stack:
        exporters = Exporters(endpoint, headers)
        stack.callback(exporters.close)
        counts = backfill(retailer, exporters, clock=clock, stop=stop, on_progress=on_progress)
        if truth_file is not None:
            write_truth(truth_file, retailer.truth())
        log.info("demo back-filled", days=days, spans=counts.spans, logs=counts.logs, points=counts.points)
        if live_after and not stop.is_set():
            paused = engine.paused_edges if engine is not None else frozenset
            counts = live(retailer, exporters, stop, clock=clock, paused=paused, on_progress=on_progress)
    return counts


class _Sender:
    """Collects facts into batches and sends them from a few threads, with a bound on what is under way."""

    def __init__(self, exporters: Exporters) -> None:
        self._exporters = exporters
        self._resources = Resources()
        self._pool = ThreadPoolExecutor(SENDERS, "demo-sender")
        self._slots = threading.BoundedSemaphore(IN_FLIGHT)
        self._failure: str = ""
        self._spans: list[SpanFact] = []
        self._logs: list[LogFact] = []
        self._points: list[GaugeFact] = []

    def __enter__(self) -> _Sender:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def take(self, fact: Fact) -> None:
        """Adds a fact to its batch; waits while too much is under way. Raises Unavailable."""
        if isinstance(fact, SpanFact):
            self._spans.append(fact)
            if len(self._spans) >= BATCH:
                self._send_spans()
        elif isinstance(fact, LogFact):
            self._logs.append(fact)
            if len(self._logs) >= BATCH:
                self._send_logs()
        else:
            self._points.append(fact)
            if len(self._points) >= BATCH:
                self._send_points()

    def flush(self) -> None:
        """Sends what is left and waits until everything is answered. Raises Unavailable."""
        self._send_spans()
        self._send_logs()
        self._send_points()
        for _ in range(IN_FLIGHT):
            self._slots.acquire()
        for _ in range(IN_FLIGHT):
            self._slots.release()
        self._check()

    def _send_spans(self) -> None:
        batch, self._spans = self._spans, []
        if batch:
            exporter, resources = self._exporters.spans, self._resources
            self._submit(lambda: exporter.export([to_span(fact, resources) for fact in batch]))

    def _send_logs(self) -> None:
        batch, self._logs = self._logs, []
        if batch:
            exporter, resources = self._exporters.logs, self._resources
            self._submit(lambda: exporter.export([to_log(fact, resources) for fact in batch]))

    def _send_points(self) -> None:
        batch, self._points = self._points, []
        if batch:
            exporter, resources = self._exporters.metrics, self._resources
            self._submit(lambda: exporter.export(to_metrics(batch, resources)))

    def _submit(self, export: Callable[[], object]) -> None:
        self._check()
        self._slots.acquire()
        self._pool.submit(export).add_done_callback(self._finished)

    def _finished(self, future: Future[object]) -> None:
        if not future.cancelled():
            error = future.exception()
            if error is not None:
                self._failure = f"the demo could not send: {error}"
            elif getattr(future.result(), "name", "") != "SUCCESS":
                self._failure = "the server did not acknowledge an export, with all retries"
        self._slots.release()

    def _check(self) -> None:
        if self._failure:
            raise Unavailable(
                f"{self._failure}; {self._exporters.counts().acknowledged} items were acknowledged before"
            )
