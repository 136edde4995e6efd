"""uvicorn's HTTP protocol with the limits that it does not have: nobody holds a connection, or memory, for nothing.

    the head      must come within a time, have a size and a number of fields at most
    the framing   of a chunked body may not outgrow the body; trailers are counted and dropped
    pipelining    a few requests may wait behind one, not thousands
    connections   in all and from one address; the longest idle one makes room
    the answer    must be taken within a time

How fast a body must come is the application's business (`collector/receivers/body.py`).
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

import orjson
from google.rpc.code_pb2 import Code
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from collector.limits import LimitCounts, Peers
from collector.tls import certificate_identities

CERTIFICATE_SCOPE = "opsintel.certificate"
"""The key in an ASGI scope with the identities of a client's verified certificate."""
FIELDS, PIPELINED, FRAMING_BYTES, ANSWER_S = 100, 16, 64 * 1024, 30.0
_quiet = logging.getLogger("uvicorn.error.guarded")  # a caller's nonsense is counted, not logged
_quiet.setLevel(logging.ERROR)


@dataclass(frozen=True)
class ConnectionLimits:
    """Of one server; `peers` belongs to its event loop."""

    peers: Peers
    counts: LimitCounts
    header_timeout_s: float
    max_header_bytes: int


class _Refused(Exception):
    """Stops the parser."""


def guarded(limits: ConnectionLimits) -> type[HttpToolsProtocol]:
    """The protocol class for a uvicorn configuration."""
    return type("GuardedHttp", (GuardedProtocol,), {"limits": limits})


class GuardedProtocol(HttpToolsProtocol):
    """One connection."""

    limits: ConnectionLimits
    _timer: asyncio.TimerHandle | None = None
    _answer_timer: asyncio.TimerHandle | None = None
    _refusal: tuple[int, str, str] | None = None
    _in_head, _began_now = True, False
    _head_bytes = _field_bytes = _fields = _raw_bytes = _body_bytes = 0
    _identities: tuple[str, ...] = ()

    # --- the connection's life ---

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes it in, or tells why not."""
        super().connection_made(transport)
        self.logger = _quiet
        reason = self.limits.peers.enter(self, self.client[0] if self.client else "")
        if reason:
            self._refuse(503, reason, "there are too many connections")
            return
        tls = transport.get_extra_info("ssl_object")
        if tls is not None:
            self._identities = certificate_identities(tls.getpeercert(binary_form=True))
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets everything about it."""
        self.limits.peers.leave(self)
        self._disarm()
        self._written()
        super().connection_lost(exc)

    def close_idle(self) -> None:
        """Makes room for somebody else."""
        self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Parses, then looks whether the caller is still within his limits."""
        if self._refusal or self.transport.is_closing():
            return
        self.limits.peers.busy(self)
        self._began_now = False
        super().data_received(data)
        if self._refusal or self.transport.is_closing():
            return
        if not self._began_now:
            if self._in_head:
                self._head_bytes += len(data)
                if self._head_bytes > self.limits.max_header_bytes:
                    self._refuse(431, "head_size", "the head of the request is too large")
                    return
            else:
                self._raw_bytes += len(data)
                if self._raw_bytes > FRAMING_BYTES + 9 * self._body_bytes:
                    self._refuse(400, "framing", "the body's chunks are more frame than body")
                    return
        waiting = self.cycle is None or self.cycle.response_complete
        if waiting and self._timer is None and self.timeout_keep_alive_task is None:
            self._await_head()  # bytes have come that are no request yet

    def handle_websocket_upgrade(self) -> None:
        """From here on it is another protocol's connection."""
        self.limits.peers.leave(self)
        self._disarm()
        super().handle_websocket_upgrade()

    # --- the parser's events ---

    def on_message_begin(self) -> None:
        """Another request begins."""
        super().on_message_begin()
        self._in_head = self._began_now = True
        self._head_bytes = self._field_bytes = self._fields = self._raw_bytes = self._body_bytes = 0
        if self._identities:
            self.scope["extensions"] = {CERTIFICATE_SCOPE: dict.fromkeys(self._identities, True)}
        if self._timer is None and (self.cycle is None or self.cycle.response_complete):
            self._await_head()

    def on_url(self, url: bytes) -> None:
        """A part of the target."""
        super().on_url(url)
        self._count(len(url), 0)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head, or of a trailer, which nobody reads."""
        self._count(len(name) + len(value) + 4, 1)
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is here; from now on the application watches."""
        self._in_head = False
        self._disarm()
        super().on_headers_complete()
        if len(self.pipeline) > PIPELINED:
            self._stop(400, "pipelining", f"more than {PIPELINED} requests wait on this connection")

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_response_complete(self) -> None:
        """Answered; idle unless another request is waiting."""
        pipelined = bool(self.pipeline)
        super().on_response_complete()
        if not pipelined and not self.transport.is_closing():
            self.limits.peers.idle(self)

    # --- answers that nobody takes ---

    def pause_writing(self) -> None:
        """The caller does not read."""
        super().pause_writing()
        self._written()
        self._answer_timer = self.loop.call_later(ANSWER_S, self.transport.abort)

    def resume_writing(self) -> None:
        """It does again."""
        self._written()
        super().resume_writing()

    def _written(self) -> None:
        if self._answer_timer:
            self._answer_timer.cancel()
            self._answer_timer = None

    # --- refusing ---

    def send_400_response(self, msg: str) -> None:
        """Called for what the parser does not take, and after `_stop`."""
        if self._refusal is None:
            self._refusal = (400, "not_http", msg)
        status, reason, text = self._refusal
        self.limits.counts.refused(reason)
        self._disarm()
        if self.transport.is_closing():
            return
        code = Code.UNAVAILABLE if status == 503 else Code.INVALID_ARGUMENT
        body = orjson.dumps({"code": code, "message": text})
        retry = b"retry-after: 1\r\n" if status == 503 else b""
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n" % len(body)
        self.transport.write(STATUS_LINE[status] + head + retry + b"\r\n" + body)
        self.transport.close()

    def _refuse(self, status: int, reason: str, text: str) -> None:
        self._refusal = (status, reason, text)
        self.send_400_response(text)

    def _stop(self, status: int, reason: str, text: str) -> None:
        """`_refuse`, from within the parser."""
        self._refusal = (status, reason, text)
        raise _Refused(text)

    def _count(self, size: int, fields: int) -> None:
        self._field_bytes += size
        self._fields += fields
        if self._field_bytes > self.limits.max_header_bytes or self._fields > FIELDS:
            self._stop(431, "head_size", f"a head has {FIELDS} fields and {self.limits.max_header_bytes} bytes at most")

    # --- the head's time ---

    def _await_head(self) -> None:
        self._disarm()
        self._timer = self.loop.call_later(self.limits.header_timeout_s, self._late)

    def _disarm(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self._refuse(408, "slow_head", f"the head did not come within {self.limits.header_timeout_s:g} s")
