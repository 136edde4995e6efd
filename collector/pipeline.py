"""The collector, put together: receivers in front, the log in the middle, the writer behind.

Without a store it only receives: it writes a lane of the log, and its segments stay on disk for the process that owns
the engine. With one it also stores what all lanes hold. Every way in (receivers, importers, events) goes through
`append`, which returns when the items are durable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from prometheus_client import CollectorRegistry

from collector.admission import Admitted
from collector.cloudevents import AnyEvent, EventRules
from collector.doors import http_doors
from collector.engine import ClickHouseEngine, Engine
from collector.keeper import SegmentKeeper
from collector.ledger import Ledger
from collector.limits import make_limits
from collector.quarantine import Quarantine
from collector.quarantine_table import QuarantineTable
from collector.receivers import (
    Authenticate,
    ConnectionLimits,
    GrpcLimits,
    GrpcServer,
    HttpServer,
    Origins,
    OtlpHttp,
)
from collector.remote_write import QueueMetrics
from collector.resent import SeenRequests
from collector.rules import Rules
from collector.screening import Budget, Screening, midnight_ns
from collector.self_metrics import CollectorMetrics
from collector.tls import open_tls
from collector.wal import (
    Backlog,
    Files,
    Frame,
    LogEvents,
    Position,
    SegmentLog,
    SystemFiles,
    keep_above,
    lane_folder,
)
from collector.wal.replay import Found
from collector.writer import SegmentWriter
from core import Clock, Settings, StorageError, get_logger
from storage import ClickHouse, Signal, StateDb

_log = get_logger("collector")
DECODERS = 2
"""Threads that decode large HTTP bodies; protobuf holds the interpreter's lock, so more would not be faster."""
DRAIN_S, TIDY_S, RECEIVERS_S = 7.0, 2.0, 3
"""Of the 15 seconds in which a service must be gone."""
OWNERS_LANE = 0


class Collector:
    """Opens its lane of the log (repairing it) when made; `start` opens the doors, `stop` closes them and drains.

    `share`: this process' part of the configured rates, where several receive. Raises ConfigurationError when a port,
    a TLS file or the log cannot be used, Conflict when another process has the lane.
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
        event_rules: EventRules | None = None,
        queue_metrics: QueueMetrics | None = None,
        share: float = 1.0,
    ) -> None:
        self._settings, self._clock = settings, clock
        self._event_rules, self._queue_metrics = event_rules or AnyEvent(), queue_metrics or QueueMetrics()
        self.metrics = CollectorMetrics(registry)
        folder, store = settings.wal_dir, engine or (ClickHouseEngine(ch) if ch is not None else None)
        folder.mkdir(parents=True, exist_ok=True)
        quarantine = Quarantine(folder / "quarantine", clock)
        floors = self._keep_ids_unique(state, store, files or SystemFiles())
        self.log = SegmentLog(
            folder,
            lane=None if store is None else OWNERS_LANE,
            clock=clock,
            quarantine=quarantine,
            segment_bytes=settings.wal_segment_bytes,
            max_bytes=settings.wal_max_bytes,
            min_free_bytes=settings.wal_free_floor_bytes // 2,  # the receivers stop at the whole
            age_s=settings.wal_segment_age_ms / 1000,
            floor=lambda lane: floors.get(lane, 0) + 1,
            files=files,
            events=LogEvents(
                self._durable, self._found, self.metrics.fsync.observe, self.metrics.log_failures.inc, self._sealed
            ),
        )
        budget = Budget(settings.quarantine_max_bytes_per_day, clock, self._kept(ch))
        self.screening = Screening(Rules.of(settings), clock, budget)
        self.limits = make_limits(settings, clock, state, registry, lambda: self.log.bytes_on_disk, share=share)
        self._backlog: Backlog | None = None
        self._writer: SegmentWriter | None = None
        self.ledger = Ledger(state, clock)
        if store is not None:
            self._backlog = Backlog(folder, clock, quarantine, files=files, found=self._found)
            self.ledger = Ledger(state, clock, self._backlog.pending)
            seen = SeenRequests(state, window_s=settings.resend_window_s)
            self._writer = SegmentWriter(
                self._backlog, self.ledger, seen, store, quarantine, self.metrics, clock, workers=settings.writers
            )
            note = folder / "engine-incarnation"
            half = settings.wal_max_bytes // 2
            self.keeper = SegmentKeeper(
                self._backlog, self._writer, seen, store, self.metrics, clock, note, most_bytes=half
            )
            backlog, ledger = self._backlog, self.ledger
            self.metrics.watch(lambda: backlog.bytes_on_disk, lambda: backlog.waiting, lambda: ledger.pending())
        self._pool = ThreadPoolExecutor(DECODERS, thread_name_prefix="otlp-decode")
        self._http: HttpServer | None = None
        self._grpc: GrpcServer | None = None

    # --- life ---

    def start(self, authenticate: Authenticate | None, *, shared_ports: bool = False) -> None:
        """Starts the writer, and the receivers too unless `authenticate` is None. Raises ConfigurationError.

        `shared_ports`: other processes listen on the same ports, and the system spreads the connections.
        """
        if authenticate is not None:
            settings, limits = self._settings, self.limits
            app = self.http_application(authenticate)
            host = settings.otlp_bind_host
            tls = open_tls(settings, self._clock, ask_clients=True)
            self._http = HttpServer(
                app,
                host,
                settings.otlp_http_port,
                grace_s=RECEIVERS_S,
                shared=shared_ports,
                limits=self.connection_limits(),
                keep_alive_s=settings.otlp_keep_alive_s,
                tls=tls,
            )
            self._grpc = GrpcServer(
                self._append_admitted,
                self.screening,
                authenticate,
                self.metrics,
                host,
                settings.otlp_grpc_port,
                gate=limits.grpc,
                limits=GrpcLimits(
                    calls=settings.otlp_grpc_max_calls,
                    connections=settings.otlp_max_connections,
                    handshake_s=settings.otlp_header_timeout_s,
                    message_s=settings.otlp_body_timeout_s,
                    shared=shared_ports,
                ),
                clock=self._clock,
                tls=tls,
            )
            limits.book.start()
        if self._writer:
            self._writer.start()
            self.keeper.start()
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
        self.limits.book.stop()
        self._pool.shutdown(wait=True)
        self.log.close()
        drained = True
        if self._writer and self._backlog:
            drained = self._writer.stop(deadline_s)
            self.keeper.stop(TIDY_S)
            _log.info("collector stopped", drained=drained, segments_left=self._backlog.waiting)
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
        """All doors of HTTP as an ASGI application, for another server's port; it stops with the collector."""
        limit = self._settings.otlp_max_request_bytes
        doors = http_doors(limit, self._clock, self._event_rules, self._queue_metrics)
        return OtlpHttp(
            self._ingest,
            self.screening,
            authenticate,
            self._pool,
            self.metrics,
            doors,
            gate=self.limits.http,
            pace=self.limits.pace,
            origins=Origins(self._settings.cors_origins),
        )

    def connection_limits(self) -> ConnectionLimits:
        """For a server of this process; each has connections of its own."""
        settings, limits = self._settings, self.limits
        return ConnectionLimits(
            limits.peers(), limits.counts, settings.otlp_header_timeout_s, settings.otlp_max_header_bytes
        )

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
        """Waits until all that this process was given until now is stored; False if that took longer."""
        return self._backlog.wait_settled(self.log.seal(), timeout) if self._backlog else False

    def _append_admitted(self, signal: Signal, tenant: str, admitted: Admitted) -> None:
        self.submit_admitted(signal, tenant, admitted).result()

    async def _ingest(self, signal: Signal, tenant: str, admitted: Admitted) -> None:
        await asyncio.wrap_future(self.submit_admitted(signal, tenant, admitted))

    # --- what the log tells ---

    def _durable(self, frames: Sequence[Frame]) -> None:
        for frame in frames:
            self.metrics.received.labels(frame.signal.value).inc(frame.items)

    def _found(self, found: Found) -> None:
        self.metrics.torn.inc(found.torn_bytes)

    def _sealed(self) -> None:
        if self._backlog:
            self._backlog.wake()

    def _kept(self, ch: ClickHouse | None) -> dict[str, int]:
        """Bytes that each tenant has in quarantine since midnight, as far as the store can tell."""
        if ch is None:
            return {}
        try:
            return QuarantineTable(ch).bytes_since(midnight_ns(self._clock))
        except StorageError as error:
            _log.warning("what is in quarantine today is not known", error=str(error))
            return {}

    def _keep_ids_unique(self, state: StateDb, store: Engine | None, files: Files) -> dict[int, int]:
        """The highest id that each lane has ever given, as the ledger knows or else the tables.

        A token used twice would store nothing the second time. The log remembers its ids itself; this is for a log that
        was lost while the ledger or the tables were kept.
        """
        highest = Ledger(state, self._clock).highest_segments()
        if not highest and store is not None:
            highest = store.highest_segments()
        if store is not None:
            for lane, segment in highest.items():
                if lane != OWNERS_LANE:
                    keep_above(lane_folder(self._settings.wal_dir, lane), files, segment + 1)
        return highest
