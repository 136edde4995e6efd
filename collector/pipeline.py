"""The collector, put together: receivers in front, the log in the middle, the writer behind.

Without a store it only receives: segments stay on disk for the process that owns the engine. Every way in (receivers,
importers, events) goes through `append`, which returns when the items are durable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from prometheus_client import CollectorRegistry

from collector.admission import Admitted
from collector.engine import ClickHouseEngine, Engine
from collector.gate import Budget, Gate, midnight_ns
from collector.ledger import Ledger
from collector.quarantine import Quarantine
from collector.quarantine_table import QuarantineTable
from collector.receivers import Authenticate, GrpcServer, HttpServer, OtlpHttp
from collector.rules import Rules
from collector.self_metrics import CollectorMetrics
from collector.wal import Files, Frame, LogEvents, Position, SegmentLog
from collector.wal.replay import Found
from collector.writer import SegmentWriter
from core import Clock, Settings, StorageError, get_logger
from storage import ClickHouse, Signal, StateDb

_log = get_logger("collector")
DECODERS = 2
"""Threads that decode large HTTP bodies; protobuf holds the interpreter's lock, so more would not be faster."""
DRAIN_S, RECEIVERS_S = 8.0, 3
"""Of the 15 seconds in which a service must be gone."""


class Collector:
    """Opens the log (repairing it) when made; `start` opens the doors, `stop` closes them and drains.

    Raises ConfigurationError when a port or the log cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        ch: ClickHouse | None,
        state: StateDb,
        registry: CollectorRegistry,
        *,
        engine: Engine | None = None,
        files: Files | None = None,
    ) -> None:
        self._settings, self._clock = settings, clock
        self.metrics = CollectorMetrics(registry)
        self.ledger = Ledger(state, clock)
        store = engine or (ClickHouseEngine(ch) if ch is not None else None)
        settings.wal_dir.mkdir(parents=True, exist_ok=True)
        quarantine = Quarantine(settings.wal_dir / "quarantine", clock)
        self.log = SegmentLog(
            settings.wal_dir,
            clock=clock,
            quarantine=quarantine,
            segment_bytes=settings.wal_segment_bytes,
            max_bytes=settings.wal_max_bytes,
            floor=self._floor(store),
            files=files,
            events=LogEvents(self._durable, self._found, self.metrics.fsync.observe, self.metrics.log_failures.inc),
        )
        self.metrics.watch(lambda: self.log.bytes_on_disk, lambda: self.log.sealed_count, lambda: self.ledger.pending())
        self._writer = store and SegmentWriter(
            self.log,
            self.ledger,
            store,
            quarantine,
            self.metrics,
            clock,
            age_s=settings.wal_segment_age_ms / 1000,
            workers=settings.writers,
        )
        budget = Budget(settings.quarantine_max_bytes_per_day, clock, self._kept(ch))
        self.gate = Gate(Rules.of(settings), clock, budget)
        self._pool = ThreadPoolExecutor(DECODERS, thread_name_prefix="otlp-decode")
        self._http: HttpServer | None = None
        self._grpc: GrpcServer | None = None

    # --- life ---

    def start(self, authenticate: Authenticate | None) -> None:
        """Starts the writer, and the receivers too unless `authenticate` is None. Raises ConfigurationError."""
        if authenticate is not None:
            settings, limit = self._settings, self._settings.otlp_max_request_bytes
            app = self.http_application(authenticate)
            host = settings.otlp_bind_host
            self._http = HttpServer(app, host, settings.otlp_http_port, grace_s=RECEIVERS_S)
            self._grpc = GrpcServer(
                self._append_admitted,
                self.gate,
                authenticate,
                self.metrics,
                host,
                settings.otlp_grpc_port,
                max_bytes=limit,
            )
        if self._writer:
            self._writer.start()
        if self._http and self._grpc:
            self._http.start()
            self._grpc.start()
            _log.info("receivers open", host=self._settings.otlp_bind_host, http=self.http_port, grpc=self.grpc_port)

    def stop(self, deadline_s: float = DRAIN_S) -> bool:
        """Closes the doors, then the log, and stores what is in it; False when some is left for the next start."""
        if self._grpc:
            self._grpc.stop(RECEIVERS_S)
        if self._http:
            self._http.stop()
        self._pool.shutdown(wait=True)
        self.log.close()
        drained = self._writer.stop(deadline_s) if self._writer else True
        _log.info("collector stopped", drained=drained, segments_left=self.log.sealed_count)
        return drained

    @property
    def http_port(self) -> int:
        """The port of OTLP/HTTP, 0 while there is none."""
        return self._http.port if self._http else 0

    @property
    def grpc_port(self) -> int:
        """The port of OTLP/gRPC, 0 while there is none."""
        return self._grpc.port if self._grpc else 0

    # --- ways in ---

    def http_application(self, authenticate: Authenticate) -> OtlpHttp:
        """OTLP/HTTP as an ASGI application, for another server's port; it stops with the collector."""
        limit = self._settings.otlp_max_request_bytes
        return OtlpHttp(self._ingest, self.gate, authenticate, self._pool, self.metrics, limit)

    def append(self, signal: Signal, tenant: str, payload: bytes, items: int) -> Position:
        """Returns when the items are durable. `payload`: an admitted Export*ServiceRequest. Raises Unavailable."""
        return self.submit(signal, tenant, payload, items).result()

    def submit(self, signal: Signal, tenant: str, payload: bytes, items: int) -> Future[Position]:
        """Like `append`, without waiting; also the future may raise Unavailable."""
        return self.log.submit([Frame(signal, tenant, self._clock.time_ns(), items, payload)])

    def submit_admitted(self, signal: Signal, tenant: str, admitted: Admitted) -> Future[Position]:
        """Like `submit`, with what is to be quarantined: durable together, or not at all."""
        now = self._clock.time_ns()
        frames = [Frame(signal, tenant, now, admitted.items, admitted.payload)] if admitted.items else []
        frames += [Frame(signal, tenant, now, kept.items, kept.payload, kept.reason) for kept in admitted.quarantined]
        return self.log.submit(frames)

    def flush(self, timeout: float = 60.0) -> bool:
        """Waits until all that is durable now is stored; False if that took longer. Raises nothing else."""
        return self._writer.flush(timeout) if self._writer else False

    def _append_admitted(self, signal: Signal, tenant: str, admitted: Admitted) -> None:
        self.submit_admitted(signal, tenant, admitted).result()

    async def _ingest(self, signal: Signal, tenant: str, admitted: Admitted) -> None:
        await asyncio.wrap_future(self.submit_admitted(signal, tenant, admitted))

    # --- what the log tells ---

    def _durable(self, frames: Sequence[Frame]) -> None:
        self.ledger.accepted(frames)
        for frame in frames:
            self.metrics.received.labels(frame.signal.value).inc(frame.items)

    def _found(self, found: Found) -> None:
        self.metrics.torn.inc(found.torn_bytes)
        self.ledger.found(found.content)

    def _kept(self, ch: ClickHouse | None) -> dict[str, int]:
        """Bytes that each tenant has in quarantine since midnight, as far as the store can tell."""
        if ch is None:
            return {}
        try:
            return QuarantineTable(ch).bytes_since(midnight_ns(self._clock))
        except StorageError as error:
            _log.warning("what is in quarantine today is not known", error=str(error))
            return {}

    def _floor(self, store: Engine | None) -> int:
        """Below every id that may have been given: a token used twice would store nothing the second time.

        The log remembers its ids itself; this is for a log that was lost while the ledger or the tables were kept.
        """
        highest = self.ledger.highest_segment()
        if not highest and store is not None:
            highest = store.highest_segment()
        return highest + 1
