"""OTLP/HTTP: a raw ASGI application for POST /v1/{traces,logs,metrics}.

Every answer, errors included, is in the caller's encoding; a connection stays usable after an error unless more of a
body is on its way than is worth reading. Nothing is acknowledged that is not in the log. It does not limit how many
requests are in work at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson

from collector.admission import Admitted, Encoding
from collector.gate import HISTORY_HEADER, Gate
from collector.otlp_status import CRASHED, METHOD_NOT_ALLOWED, Refusal, refusal_of
from collector.otlp_types import REJECTED_FIELDS, RESPONSES
from collector.receivers.decompress import check_encoding, decompress
from collector.self_metrics import CollectorMetrics
from core import InvalidInput, NotFound, OpsintelError, Principal, Role, TooLarge, UnsupportedMedia, get_logger
from storage import Signal

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Authenticate = Callable[[Mapping[str, str]], Principal]
"""From headers (or gRPC metadata) with lower-case names; raises Unauthenticated."""
Ingest = Callable[[Signal, str, Admitted], Awaitable[None]]
"""Returns when the items are durable; raises Unavailable."""

_log = get_logger("collector.http")
_PATHS = {f"/v1/{signal.value}": signal for signal in Signal}
INLINE_BYTES = 512 * 1024
"""Smaller bodies are decoded on the event loop: some milliseconds at most, less than a hand-over under load."""
DRAIN_BYTES = 1 << 20
"""An unread rest up to this size is read, so that the connection can go on."""
LINGER_S = 2.0
"""How long a refused caller may go on sending before the connection is cut."""


class _Disconnected(Exception):
    """The caller went away before the request was complete."""


class _Body:
    """The request's body, piece by piece."""

    def __init__(self, receive: Receive) -> None:
        self._receive, self.complete = receive, False

    async def piece(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise _Disconnected
        self.complete = not message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        return piece

    async def read(self, limit: int) -> bytes:
        parts, size = list[bytes](), 0
        while not self.complete:
            parts.append(await self.piece())
            size += len(parts[-1])
            if size > limit:
                raise TooLarge(f"the body has more than {limit} bytes")
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def drain(self, limit: int) -> None:
        size = 0
        while not self.complete and size <= limit:
            size += len(await self.piece())


class OtlpHttp:
    """The application. `pool` decodes large bodies beside the event loop."""

    def __init__(
        self,
        ingest: Ingest,
        gate: Gate,
        authenticate: Authenticate,
        pool: ThreadPoolExecutor,
        metrics: CollectorMetrics,
        max_bytes: int,
    ) -> None:
        self._ingest, self._gate, self._authenticate = ingest, gate, authenticate
        self._pool, self._metrics, self._max_bytes = pool, metrics, max_bytes

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        body = _Body(receive)
        encoding = _encoding_of(headers)
        try:
            try:
                signal = _PATHS.get(scope["path"])
                if signal is None:
                    raise NotFound(f"there is nothing at {scope['path'][:200]!r}", hint=f"use {', '.join(_PATHS)}")
                if scope["method"] != "POST":
                    await self._refuse(send, body, headers, encoding, METHOD_NOT_ALLOWED, [(b"allow", b"POST")])
                    return
                answer = await self._export(signal, headers, encoding, body)
            except OpsintelError as error:
                await self._refuse(send, body, headers, encoding, refusal_of(error), [])
            except _Disconnected:
                raise
            except Exception:  # the rim: the caller gets an answer, the log the traceback
                _log.exception("request failed", path=scope["path"][:200])
                await self._refuse(send, body, headers, encoding, CRASHED, [])
            else:
                await _respond(send, 200, encoding or Encoding.JSON, answer)
        except _Disconnected:
            return

    async def _export(
        self, signal: Signal, headers: Mapping[str, str], encoding: Encoding | None, body: _Body
    ) -> bytes:
        principal = self._authenticate(headers)
        principal.require(Role.INGEST)
        if encoding is None:
            raise UnsupportedMedia(
                f"the media type {headers.get('content-type', '')[:80]!r} is not OTLP",
                hint=f"use {Encoding.PROTOBUF.value} or {Encoding.JSON.value}",
            )
        packing = check_encoding(headers.get("content-encoding", ""))
        if _announced(headers) > self._max_bytes:
            raise TooLarge(f"the body has {_announced(headers)} bytes, {self._max_bytes} are allowed")
        raw = await body.read(self._max_bytes)
        tenant, old = principal.tenant, headers.get(HISTORY_HEADER, "") == "true"
        if len(raw) > INLINE_BYTES or packing:
            loop = asyncio.get_running_loop()
            admitted = await loop.run_in_executor(self._pool, self._admit, signal, tenant, encoding, raw, packing, old)
        else:
            admitted = self._admit(signal, tenant, encoding, raw, "", old)
        if admitted.durable:
            await self._ingest(signal, tenant, admitted)
        if admitted.rejected:
            self._metrics.rejected.labels(signal.value).inc(admitted.rejected)
        return success_body(signal, encoding, admitted)

    def _admit(
        self, signal: Signal, tenant: str, encoding: Encoding, raw: bytes, packing: str, history: bool
    ) -> Admitted:
        body = decompress(raw, packing, self._max_bytes)
        return self._gate.admit(signal, tenant, encoding, body, history=history)

    async def _refuse(
        self,
        send: Send,
        body: _Body,
        headers: Mapping[str, str],
        encoding: Encoding | None,
        refusal: Refusal,
        more: list[tuple[bytes, bytes]],
    ) -> None:
        """Reads a small rest of the body first; from a caller with a large one it parts, after the answer."""
        self._metrics.refused.labels("http", str(refusal.http_status)).inc()
        if refusal.retry_after_header is not None:
            more = [*more, (b"retry-after", refusal.retry_after_header.encode())]
        if refusal.http_status == 401:
            more = [*more, (b"www-authenticate", b"Bearer")]
        if not body.complete and _announced(headers) <= DRAIN_BYTES and "expect" not in headers:
            await body.drain(DRAIN_BYTES)
        answer = encoding or Encoding.JSON
        if body.complete:
            await _respond(send, refusal.http_status, answer, refusal.body(answer), more)
            return
        more = [*more, (b"connection", b"close")]
        await _respond(send, refusal.http_status, answer, refusal.body(answer), more, last=False)
        try:
            async with asyncio.timeout(LINGER_S):
                while not body.complete:
                    await body.piece()
        except (TimeoutError, _Disconnected):
            pass
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def success_body(signal: Signal, encoding: Encoding, admitted: Admitted) -> bytes:
    """The Export*ServiceResponse: empty, unless something was rejected, or kept aside (a warning, after OTLP)."""
    if not admitted.reason:
        return b"" if encoding is Encoding.PROTOBUF else b"{}"
    field = REJECTED_FIELDS[signal]
    if encoding is Encoding.PROTOBUF:
        partial = {field: admitted.rejected, "error_message": admitted.reason}
        return bytes(RESPONSES[signal](partial_success=partial).SerializeToString())
    first, *others = field.split("_")
    name = first + "".join(word.capitalize() for word in others)
    return orjson.dumps({"partialSuccess": {name: str(admitted.rejected), "errorMessage": admitted.reason}})


def _encoding_of(headers: Mapping[str, str]) -> Encoding | None:
    media_type = headers.get("content-type", "").split(";", 1)[0].strip().lower()
    return next((encoding for encoding in Encoding if encoding.value == media_type), None)


def _announced(headers: Mapping[str, str]) -> int:
    """The length that the caller announces, 0 if none."""
    text = headers.get("content-length", "0")
    if not text.isascii() or not text.isdigit():
        raise InvalidInput(f"the content length {text[:40]!r} is no number")
    return int(text)


async def _respond(
    send: Send,
    status: int,
    encoding: Encoding,
    body: bytes,
    more: list[tuple[bytes, bytes]] | None = None,
    *,
    last: bool = True,
) -> None:
    headers = [(b"content-type", encoding.value.encode()), (b"content-length", b"%d" % len(body)), *(more or [])]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": not last})
