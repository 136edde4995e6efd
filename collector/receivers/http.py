"""The HTTP receiver: a raw ASGI application in front of a table of doors, one for each path.

Every answer, errors included, is in the caller's encoding, which the door writes; a connection stays usable after an
error unless more of a body is on its way than is worth reading. Nothing is acknowledged that is not in the log. What
may come in is decided by the gate before the body is read (`collector/limits`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from collector.admission import Admitted, Encoding
from collector.limits import Gate, Pace
from collector.otlp_status import CRASHED, METHOD_NOT_ALLOWED, Refusal, refusal_of
from collector.receivers.body import Body, Disconnected, Message, Receive, TooSlow
from collector.receivers.doors import Answer, Door, Headers, refuse_as_otlp
from collector.receivers.guarded import CERTIFICATE_SCOPE
from collector.receivers.origins import Origins
from collector.screening import HISTORY_HEADER, Screening
from collector.self_metrics import CollectorMetrics
from collector.tls import CERTIFICATE_HEADER
from core import InvalidInput, NotFound, OpsintelError, Principal, Role, TooLarge, get_logger
from storage import Signal

Send = Callable[[Message], Awaitable[None]]
Authenticate = Callable[[Mapping[str, str]], Principal]
"""From headers (or gRPC metadata) with lower-case names; raises Unauthenticated."""
Ingest = Callable[[Signal, str, Admitted], Awaitable[None]]
"""Returns when the items are durable; raises Unavailable."""

_log = get_logger("collector.http")
INLINE_BYTES = 512 * 1024
"""Smaller bodies are decoded on the event loop: some milliseconds at most, less than a hand-over under load."""
DRAIN_BYTES = 1 << 20
"""An unread rest up to this size is read, so that the connection can go on."""
LINGER_BYTES = 64 << 20
LINGER_S = 2.0
"""How long a refused caller may go on sending before the connection is cut."""


class OtlpHttp:
    """The application. `doors` by path; `pool` decodes large bodies beside the event loop."""

    def __init__(
        self,
        ingest: Ingest,
        screening: Screening,
        authenticate: Authenticate,
        pool: ThreadPoolExecutor,
        metrics: CollectorMetrics,
        doors: Mapping[str, Door],
        *,
        gate: Gate,
        pace: Pace,
        origins: Origins,
    ) -> None:
        self._ingest, self._screening, self._authenticate = ingest, screening, authenticate
        self._pool, self._metrics, self._doors = pool, metrics, doors
        self._gate, self._pace, self._origins, self._max_bytes = gate, pace, origins, gate.max_bytes

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = _headers(scope)
        send = self._origins.telling(headers, send)
        body, door = Body(receive, self._pace), self._doors.get(scope["path"])
        try:
            try:
                if door is None:
                    raise NotFound(f"there is nothing at {scope['path'][:200]!r}", hint=f"use {', '.join(self._doors)}")
                match scope["method"]:
                    case "POST":
                        answer: Answer | None = await self._take(door, headers, body)
                    case "OPTIONS":
                        answer = self._options(door, headers)
                    case _:
                        answer = None
                if answer is None:
                    await self._refuse(send, body, headers, door, METHOD_NOT_ALLOWED, [(b"allow", b"POST")])
                    return
            except OpsintelError as error:
                await self._refuse(send, body, headers, door, refusal_of(error), [])
            except Disconnected:
                raise
            except Exception:  # the rim: the caller gets an answer, the log the traceback
                _log.exception("request failed", path=scope["path"][:200])
                await self._refuse(send, body, headers, door, CRASHED, [])
            else:
                await _respond(send, answer)
        except Disconnected:
            return

    async def _take(self, door: Door, headers: Headers, body: Body) -> Answer:
        self._origins.check(headers)
        principal = self._authenticate(headers)
        principal.require(Role.INGEST)
        costly = door.check(headers)
        announced = _announced(headers)
        if announced > self._max_bytes:
            raise TooLarge(f"the body has {announced} bytes, {self._max_bytes} are allowed")
        with self._gate.enter(principal, None if "transfer-encoding" in headers else announced) as visit:
            await visit.room()
            try:
                raw = await body.read(self._max_bytes)
            except TooSlow:
                self._gate.counts.refused("slow_body", principal.tenant)
                raise
            size = len(raw)

            def admission(signal: Signal, encoding: Encoding, request: bytes) -> Admitted:
                history = headers.get(HISTORY_HEADER, "") == "true"
                return self._screening.admit(signal, principal.tenant, encoding, request, history=history)

            visit.received(size)
            await visit.work(self._max_bytes if costly else size)
            if costly or size > INLINE_BYTES:
                taken = await asyncio.get_running_loop().run_in_executor(self._pool, door.take, headers, raw, admission)
            else:
                taken = door.take(headers, raw, admission)
            del raw
            visit.decoded(max(size, len(taken.admitted.payload)), taken.admitted.items)
            principal.require_signal(taken.signal.value)
            if taken.admitted.durable:
                await self._ingest(taken.signal, principal.tenant, taken.admitted)
        if taken.admitted.rejected:
            self._metrics.rejected.labels(taken.signal.value).inc(taken.admitted.rejected)
        return taken.answer

    def _options(self, door: Door, headers: Headers) -> Answer | None:
        preflight = self._origins.preflight(headers)
        if preflight is not None:
            return preflight
        self._authenticate(headers).require(Role.INGEST)
        return door.options(headers)

    async def _refuse(
        self,
        send: Send,
        body: Body,
        headers: Headers,
        door: Door | None,
        refusal: Refusal,
        more: list[tuple[bytes, bytes]],
    ) -> None:
        """Reads a small rest of the body first; from a caller with a large one it parts, after the answer."""
        self._metrics.refused.labels("http", str(refusal.http_status)).inc()
        if refusal.retry_after_header is not None:
            more = [*more, (b"retry-after", refusal.retry_after_header.encode())]
        if refusal.http_status == 401:
            more = [*more, (b"www-authenticate", b"Bearer")]
        if not body.complete and not body.late and _announced_or(headers) <= DRAIN_BYTES and "expect" not in headers:
            await body.drain(DRAIN_BYTES, LINGER_S)
        answer = door.refuse(headers, refusal) if door else refuse_as_otlp(headers, refusal)
        if body.complete:
            await _respond(send, answer, more)
            return
        more = [*more, (b"connection", b"close")]
        await _respond(send, answer, more, last=False)
        with contextlib.suppress(Disconnected):
            await body.drain(LINGER_BYTES, LINGER_S)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _announced(headers: Headers) -> int:
    """The length that the caller announces, 0 if none."""
    text = headers.get("content-length", "0")
    if not text.isascii() or not text.isdigit():
        raise InvalidInput(f"the content length {text[:40]!r} is no number")
    return int(text)


def _announced_or(headers: Headers) -> int:
    """Like `_announced`, 0 for what is no number: the refusal of it is on its way."""
    try:
        return _announced(headers)
    except InvalidInput:
        return 0


def _headers(scope: Mapping[str, Any]) -> dict[str, str]:
    """Names in lower case; beside them who the client's certificate stands for, if it showed one."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    headers.pop(CERTIFICATE_HEADER, None)
    identities = (scope.get("extensions") or {}).get(CERTIFICATE_SCOPE)
    if identities:
        headers[CERTIFICATE_HEADER] = "\n".join(identities)
    return headers


async def _respond(send: Send, answer: Answer, more: Sequence[tuple[bytes, bytes]] = (), *, last: bool = True) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    if answer.media_type:
        headers.append((b"content-type", answer.media_type.encode("latin-1")))
    if answer.status != 204:  # a 204 has no length (RFC 9110, 8.6)
        headers.append((b"content-length", b"%d" % len(answer.body)))
    await send({"type": "http.response.start", "status": answer.status, "headers": [*headers, *more]})
    await send({"type": "http.response.body", "body": answer.body, "more_body": not last})
