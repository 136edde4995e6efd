"""Which web pages may push: none, but those of this service itself and of the origins that the settings name.

A browser sends `Origin` with whatever a page posts to another site, so a stranger's page in somebody's browser cannot
push to a service that this browser reaches. The Host header is checked where the caller is authenticated: only an
open service needs that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from collector.receivers.doors import Answer, Headers
from core import Forbidden

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ANY = "*"
PREFLIGHT_S = 7200


class Origins:
    """`allowed`: such as `https://shop.example`; `*` is every origin."""

    def __init__(self, allowed: Sequence[str] = ()) -> None:
        self._allowed = frozenset(allowed)

    def check(self, headers: Headers) -> None:
        """Raises Forbidden for a page that may not push."""
        origin = headers.get("origin")
        if origin is None:
            if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
                raise Forbidden("a page of another site may not push to this service")
            return
        if not (self._named(origin) or origin.partition("://")[2] == headers.get("host", "")):
            raise Forbidden(
                f"a page of {origin[:200]!r} may not push to this service",
                hint="an operator allows it in otlp_cors_origins",
            )

    def preflight(self, headers: Headers) -> Answer | None:
        """The answer to a browser that asks before it sends, None for any other OPTIONS. Raises Forbidden."""
        if "origin" not in headers or "access-control-request-method" not in headers:
            return None
        self.check(headers)
        asked = headers.get("access-control-request-headers", "")
        allowed = [
            ("access-control-allow-methods", "POST"),
            ("access-control-max-age", str(PREFLIGHT_S)),
        ]
        if asked:
            allowed.append(("access-control-allow-headers", asked[:1000]))
        return Answer(204, headers=tuple(allowed))

    def telling(self, headers: Headers, send: Send) -> Send:
        """`send`, with what lets an allowed page read the answer; the same for errors."""
        origin = headers.get("origin")
        if origin is None or not self._named(origin):
            return send
        more = [
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-expose-headers", b"retry-after"),
            (b"vary", b"origin"),
        ]

        async def tell(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        return tell

    def _named(self, origin: str) -> bool:
        return ANY in self._allowed or origin in self._allowed
