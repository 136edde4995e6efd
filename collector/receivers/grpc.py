"""OTLP/gRPC: the three Export services as raw bytes in, raw bytes out, on a thread for each call in work.

gRPC itself bounds a message, before and after decompression, and answers what is larger. A call returns when its items
are in the log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import grpc

from collector.admission import Admitted, Encoding
from collector.gate import HISTORY_HEADER, Gate
from collector.otlp_status import CRASHED, Refusal, refusal_of
from collector.otlp_types import SERVICE_NAMES
from collector.receivers.http import Authenticate, success_body
from collector.self_metrics import CollectorMetrics
from core import ConfigurationError, OpsintelError, Role, get_logger
from storage import Signal

_log = get_logger("collector.grpc")
_CODES = {code.value[0]: code for code in grpc.StatusCode}
WORKERS = 16
"""Calls in work at once: while one waits for the disk, others are decoded."""
Append = Callable[[Signal, str, Admitted], None]
"""Returns when the items are durable; raises Unavailable."""


class GrpcServer:
    """Serves from `start` to `stop`; `port` is known once it is made."""

    def __init__(
        self,
        append: Append,
        gate: Gate,
        authenticate: Authenticate,
        metrics: CollectorMetrics,
        host: str,
        port: int,
        *,
        max_bytes: int,
    ) -> None:
        self._append, self._gate = append, gate
        self._authenticate, self._metrics = authenticate, metrics
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="otlp-grpc")
        options = [
            ("grpc.max_receive_message_length", max_bytes),
            ("grpc.so_reuseport", 0),
        ]
        self._server = grpc.server(self._pool, options=options)
        for signal, name in SERVICE_NAMES.items():
            method = grpc.unary_unary_rpc_method_handler(self._handler(signal))
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, {"Export": method}),))
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            self.port: int = self._server.add_insecure_port(where)
        except RuntimeError as problem:
            raise ConfigurationError(
                f"OTLP/gRPC cannot listen on {where}: {problem}", hint="set otlp_host or otlp_grpc_port"
            ) from None

    def start(self) -> None:
        """Begins to accept calls."""
        self._server.start()

    def stop(self, grace_s: float) -> None:
        """Accepts nothing more, and waits for calls in work."""
        self._server.stop(grace_s).wait()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _handler(self, signal: Signal) -> Callable[[bytes, Any], bytes]:
        def export(request: bytes, context: Any) -> bytes:
            try:
                return self._export(signal, request, context.invocation_metadata())
            except OpsintelError as error:
                self._refuse(context, refusal_of(error))
            except Exception:  # the rim: the caller gets an answer, the log the traceback
                _log.exception("call failed", signal=signal.value)
                self._refuse(context, CRASHED)

        return export

    def _export(self, signal: Signal, request: bytes, metadata: Any) -> bytes:
        headers = _headers(metadata)
        principal = self._authenticate(headers)
        principal.require(Role.INGEST)
        history = headers.get(HISTORY_HEADER, "") == "true"
        admitted = self._gate.admit(signal, principal.tenant, Encoding.PROTOBUF, request, history=history)
        if admitted.durable:
            self._append(signal, principal.tenant, admitted)
        if admitted.rejected:
            self._metrics.rejected.labels(signal.value).inc(admitted.rejected)
        return success_body(signal, Encoding.PROTOBUF, admitted)

    def _refuse(self, context: Any, refusal: Refusal) -> NoReturn:
        code = _CODES[refusal.code]
        self._metrics.refused.labels("grpc", code.name).inc()
        details = bytes(refusal.status().SerializeToString())
        context.set_trailing_metadata((("grpc-status-details-bin", details),))
        context.abort(code, refusal.message)
        raise AssertionError("abort returned")


def _headers(metadata: Any) -> Mapping[str, str]:
    return {key: value for key, value in metadata or () if isinstance(value, str)}
