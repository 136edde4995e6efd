"""OTLP/gRPC: the three Export services as raw bytes in, raw bytes out, on a thread for each call in work.

A call is looked at before its message is read: on the wire a stream of one message and a single message are the same,
so the handlers take streams, and authenticate, check the limits and reserve memory first. There are more threads than
calls may be in work, so that there is always one to refuse with. gRPC itself bounds a message, before and after
decompression, and answers what is larger. A call returns when its items are in the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NoReturn

import grpc

from collector.admission import Admitted, Encoding
from collector.limits import Gate
from collector.otlp_status import CRASHED, Refusal, refusal_of
from collector.otlp_types import SERVICE_NAMES
from collector.receivers.deadlines import Deadlines
from collector.receivers.doors import success_body
from collector.receivers.http import Authenticate
from collector.screening import HISTORY_HEADER, Screening
from collector.self_metrics import CollectorMetrics
from collector.tls import CERTIFICATE_HEADER, TlsMaterial, pem_identities
from core import Clock, ConfigurationError, InvalidInput, OpsintelError, Role, get_logger
from storage import Signal

_log = get_logger("collector.grpc")
_CODES = {code.value[0]: code for code in grpc.StatusCode}
REFUSERS = 8
"""Threads beyond the calls in work."""
QUEUED = 4096
"""Calls that wait for a thread; gRPC answers more than these by itself, without a RetryInfo."""
Append = Callable[[Signal, str, Admitted], None]
"""Returns when the items are durable; raises Unavailable."""


@dataclass(frozen=True)
class GrpcLimits:
    """What gRPC itself is told; a call's message must have come within `message_s`."""

    calls: int
    connections: int
    handshake_s: float
    message_s: float
    shared: bool = False
    """Whether other processes listen on the same port."""

    def options(self, max_bytes: int) -> list[tuple[str, int]]:
        """Channel arguments of the server."""
        return [
            ("grpc.max_receive_message_length", max_bytes),
            ("grpc.so_reuseport", int(self.shared)),
            ("grpc.max_concurrent_streams", 128),
            ("grpc.max_allowed_incoming_connections", self.connections),
            ("grpc.server_handshake_timeout_ms", int(self.handshake_s * 1000)),
            ("grpc.max_metadata_size", 16 * 1024),
            ("grpc.absolute_max_metadata_size", 32 * 1024),
            ("grpc.max_connection_idle_ms", 15 * 60_000),
            ("grpc.keepalive_time_ms", 60_000),
            ("grpc.keepalive_timeout_ms", 20_000),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
            ("grpc.http2.max_ping_strikes", 3),
        ]


class GrpcServer:
    """Serves from `start` to `stop`; `port` is known once it is made."""

    def __init__(
        self,
        append: Append,
        screening: Screening,
        authenticate: Authenticate,
        metrics: CollectorMetrics,
        host: str,
        port: int,
        *,
        gate: Gate,
        limits: GrpcLimits,
        clock: Clock,
        tls: TlsMaterial | None = None,
    ) -> None:
        self._append, self._screening, self._gate = append, screening, gate
        self._authenticate, self._metrics = authenticate, metrics
        self._asks_clients = tls is not None and tls.asks_clients
        self._pool = ThreadPoolExecutor(limits.calls + REFUSERS, thread_name_prefix="otlp-grpc")
        self._deadlines = Deadlines(limits.message_s, clock)
        self._server = grpc.server(
            self._pool, options=limits.options(gate.max_bytes), maximum_concurrent_rpcs=QUEUED + limits.calls
        )
        for signal, name in SERVICE_NAMES.items():
            method = grpc.stream_unary_rpc_method_handler(self._handler(signal))
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, {"Export": method}),))
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            if tls is None:
                self.port: int = self._server.add_insecure_port(where)
            else:
                self.port = self._server.add_secure_port(where, tls.grpc_credentials())
        except RuntimeError as problem:
            raise ConfigurationError(
                f"OTLP/gRPC cannot listen on {where}: {problem}", hint="set otlp_host or otlp_grpc_port"
            ) from None

    def start(self) -> None:
        """Begins to accept calls."""
        self._deadlines.start()
        self._server.start()

    def stop(self, grace_s: float) -> None:
        """Accepts nothing more, and waits for calls in work."""
        self._server.stop(grace_s).wait()
        self._deadlines.stop()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _handler(self, signal: Signal) -> Callable[[Iterator[bytes], Any], bytes]:
        def export(requests: Iterator[bytes], context: Any) -> bytes:
            try:
                return self._export(signal, requests, context)
            except OpsintelError as error:
                self._refuse(context, refusal_of(error))
            except grpc.RpcError:  # the caller went away, or his message was too slow
                raise
            except Exception:  # the rim: the caller gets an answer, the log the traceback
                _log.exception("call failed", signal=signal.value)
                self._refuse(context, CRASHED)

        return export

    def _export(self, signal: Signal, requests: Iterator[bytes], context: Any) -> bytes:
        headers = self._headers(context)
        principal, history = self._authenticate(headers), headers.get(HISTORY_HEADER, "") == "true"
        principal.require(Role.INGEST)
        principal.require_signal(signal.value)
        with self._gate.enter(principal, None) as visit:
            visit.room_blocking()
            request = self._message(requests, context)
            size = len(request)
            visit.received(size)
            visit.work_blocking(size)
            admitted = self._screening.admit(signal, principal.tenant, Encoding.PROTOBUF, request, history=history)
            visit.decoded(max(size, len(admitted.payload)), admitted.items)
            if admitted.durable:
                self._append(signal, principal.tenant, admitted)
        if admitted.rejected:
            self._metrics.rejected.labels(signal.value).inc(admitted.rejected)
        return success_body(signal, Encoding.PROTOBUF, admitted)

    def _message(self, requests: Iterator[bytes], context: Any) -> bytes:
        """Raises grpc.RpcError when the call is over before the message has come."""

        def late() -> None:
            self._gate.counts.refused("slow_body")
            context.cancel()

        watched = self._deadlines.watch(late)
        try:
            return next(requests)
        except StopIteration:
            raise InvalidInput("the call has no message; an empty one has no bytes, but a frame") from None
        finally:
            self._deadlines.done(watched)

    def _headers(self, context: Any) -> Mapping[str, str]:
        headers = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        headers.pop(CERTIFICATE_HEADER, None)
        if self._asks_clients:
            pem = context.auth_context().get("x509_pem_cert") or [None]
            headers[CERTIFICATE_HEADER] = "\n".join(pem_identities(pem[0]))
        return headers

    def _refuse(self, context: Any, refusal: Refusal) -> NoReturn:
        code = _CODES[refusal.code]
        self._metrics.refused.labels("grpc", code.name).inc()
        details = bytes(refusal.status().SerializeToString())
        context.set_trailing_metadata((("grpc-status-details-bin", details),))
        context.abort(code, refusal.message)
        raise AssertionError("abort returned")
