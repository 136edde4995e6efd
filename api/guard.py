"""Who may call what: an ASGI middleware in front of every route, the dashboards' own included.

A principal is found before anything else runs, and left in the request's state. Open to all are health, readiness,
the sign-in page and the static files of the pages. While the service is open (loopback, no keys) two rules stand in
for credentials: the Host header must name this machine, and a request that changes something must not come from
another site's page; both keep a stranger's web page in the user's browser from reaching the service.
"""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from api.keys import COOKIE, Authenticator
from api.problems import answer
from core import Forbidden, OpsintelError, Principal, Unauthenticated

PUBLIC = frozenset({"/healthz", "/readyz", "/login", "/favicon.ico"})
PUBLIC_PREFIXES = ("/static/", "/assets/", "/_dash-component-suites/", "/v1/")
"""`/v1/` is OTLP on this port too; it authenticates for itself, to refuse in the caller's encoding."""
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1", "[::1]", "testserver"})


class AccessGuard:
    """Finds the principal of every HTTP request and WebSocket, or refuses it."""

    def __init__(self, app: ASGIApp, authenticator: Authenticator) -> None:
        self._app, self._authenticator = app, authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]}
        if path in PUBLIC or path.startswith(PUBLIC_PREFIXES):
            await self._app(scope, receive, send)
            return
        try:
            scope.setdefault("state", {})["principal"] = self._principal(scope, headers)
        except OpsintelError as error:
            wants_page = "text/html" in headers.get("accept", "") and scope.get("method") == "GET"
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            elif isinstance(error, Unauthenticated) and wants_page:
                await RedirectResponse("/login", 303)(scope, receive, send)
            else:
                await answer(error)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _principal(self, scope: Scope, headers: dict[str, str]) -> Principal:
        host, origin = headers.get("host", ""), headers.get("origin", "")
        changes = scope["type"] == "websocket" or scope.get("method") not in SAFE
        if changes and origin and urlsplit(origin).netloc != host:
            raise Forbidden(f"a page of {origin} may not act on this service")
        if self._authenticator.open:
            name = urlsplit(f"//{host}").hostname or ""
            if name not in LOCAL_NAMES:
                raise Forbidden(
                    f"an open service answers to this machine's own name only, not to {name!r}",
                    hint="call it at 127.0.0.1 or localhost",
                )
            return self._authenticator.headers(headers)
        if "authorization" not in headers:
            try:
                cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
            except CookieError:
                cookie = None
            if cookie is not None:
                return self._authenticator.token(cookie.value)
        return self._authenticator.headers(headers)
