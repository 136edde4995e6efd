"""ASGI middleware that times requests by route template. It adds nothing to the answer and changes nothing in it.

What matched no route is one label, `unmatched`: a scanner that tries a million paths makes one time series.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from metrics.own.registry import OwnMetrics
from metrics.own.tracing import SelfTracing

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED = "unmatched"


class RequestTiming:
    """Wraps an ASGI application; `tracing` is None while self tracing is off."""

    def __init__(self, app: Application, metrics: OwnMetrics, tracing: SelfTracing | None = None) -> None:
        self._app, self._metrics, self._tracing = app, metrics, tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        started_ns = time.time_ns()
        status = 500

        async def watching(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, watching)
        finally:
            method = scope["method"] if scope["method"] in METHODS else "other"
            route = route_of(scope)
            self._metrics.observe_http(method, route, status, time.perf_counter() - started)
            if self._tracing is not None:
                self._tracing.request(method, route, status, started_ns)


def route_of(scope: Scope) -> str:
    """The template of the route that the framework chose."""
    return str(getattr(scope.get("route"), "path", "") or UNMATCHED)
