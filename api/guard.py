"""Who may call what: an ASGI middleware in front of every route, the dashboards' own included.

A principal is found before anything else runs, and left in the request's state. Open to all are health, readiness,
the sign-in page and the static files of the pages. While the service is open (loopback, no keys) two rules stand in
for credentials: the Host header must name this machine, and a request that changes something must not come from
another site's page; both keep a stranger's web page in the user's browser from reaching the service.
"""

from __future__ import annotations

from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from api.keys import COOKIE, Authenticator
from api.local_names import refuse_other_hosts
from api.problems import answer
from core import Forbidden, OpsintelError, Principal, Unauthenticated

PUBLIC = frozenset({"/healthz", "/readyz", "/login", "/favicon.ico"})
PUBLIC_PREFIXES = ("/static/", "/assets/", "/_dash-component-suites/", "/v1/")
"""`/v1/` is OTLP on this port too; it authenticates for itself, to refuse in the caller's encoding."""
NOBODY = Principal("nobody")
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


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
        public = path in PUBLIC or path.startswith(PUBLIC_PREFIXES)
        try:
            if not path.startswith("/v1/"):
                _refuse_other_sites(scope, headers)
            scope.setdefault("state", {})["principal"] = NOBODY if public else self._principal(headers)
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

    def _principal(self, headers: dict[str, str]) -> Principal:
        if self._authenticator.open:
            refuse_other_hosts(headers.get("host", ""))
            return self._authenticator.headers(headers)
        if "authorization" not in headers:
            key = cookie_parser(headers.get("cookie", "")).get(COOKIE)
            if key:
                return self._authenticator.token(key)
        return self._authenticator.headers(headers)


def _refuse_other_sites(scope: Scope, headers: dict[str, str]) -> None:
    """Raises Forbidden for what another site's page sends to change something, signing somebody in included."""
    if scope["type"] != "websocket" and scope.get("method") in SAFE:
        return
    origin = headers.get("origin", "")
    if origin and origin.partition("://")[2] != headers.get("host", ""):
        raise Forbidden(f"a page of {origin[:200]} may not act on this service")
    if headers.get("sec-fetch-site") == "cross-site":
        raise Forbidden("a page of another site may not act on this service")
