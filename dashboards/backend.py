"""Dash's FastAPI server, narrowed to what one application with other routes can live with.

What is changed and why is in docs/adr/0001-dash-on-fastapi.md: no catch-all (unknown paths stay 404), no WebSocket
route, one guard in front of every Dash route but the static files, callback bodies checked before they are used,
unknown scripts 404 instead of 500, scripts compressed once. It leans on Dash internals by name: the tests hold them,
the version range in pyproject.toml bounds them.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import mimetypes
import pkgutil
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

from dash import Dash
from dash.backends._fastapi import FastAPIDashServer, reset_current_request, set_current_request
from dash.exceptions import PreventUpdate
from dash.fingerprint import check_fingerprint
from fastapi import Depends, FastAPI, HTTPException, Request, Response

from core import Forbidden, OpsintelError, Principal, get_logger
from dashboards.components.shell import BELOW, PAGES

LOG = get_logger("dashboards.backend")
Identify = Callable[[Request], Principal]
_PRINCIPAL: ContextVar[Principal] = ContextVar("opsintel_dashboards_principal")

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
PUBLIC_RULES = ("/_dash-component-suites/", "/_favicon.ico")
"""Files of the installed packages: the same for everybody, and needed before anybody has signed in."""
PAGE_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def current_principal() -> Principal:
    """Who the running callback works for; set by the guard of the route it came through."""
    return _PRINCIPAL.get()


class NarrowFastAPI(FastAPIDashServer):
    """See the head of this file. `identify` must be set before `Dash.init_app`."""

    websocket_capability = False
    identify: Identify

    def __init__(self, server: FastAPI) -> None:
        super().__init__(server)
        self._files: dict[tuple[str, str], _File] = {}

    def _setup_catchall(self) -> None:
        """Dash would answer every unknown path with its page; FastAPI's own 404 is the right answer."""

    def add_url_rule(
        self,
        rule: str,
        view_func: Callable[..., Any] | str,
        endpoint: str | None = None,
        methods: list[str] | None = None,
        include_in_schema: bool = False,
    ) -> None:
        view = self._html_response_wrapper(view_func) if isinstance(view_func, str) else view_func
        public = rule.startswith(PUBLIC_RULES)
        self.server.add_api_route(
            rule or "/",
            view,
            methods=methods or ["GET"],
            name=endpoint,
            include_in_schema=include_in_schema,
            dependencies=[] if public else [Depends(self._guard)],
            response_model=None,
        )

    async def _guard(self, request: Request) -> None:
        if request.method == "POST":
            _require_same_origin(request)
        _PRINCIPAL.set(self.identify(request))

    def setup_index(self, dash_app: Dash) -> None:
        async def index(request: Request) -> Response:
            # Dash's middleware does both for `/` alone
            token = set_current_request(request)  # type: ignore[no-untyped-call]
            try:
                dash_app._setup_server()  # type: ignore[no-untyped-call]
                html: str = dash_app.index()  # type: ignore[no-untyped-call]
            finally:
                reset_current_request(token)  # type: ignore[no-untyped-call]
            title = f"{dash_app.title} · {(PAGES | BELOW)[request.url.path]}"
            html = html.replace(f"<title>{dash_app.title}</title>", f"<title>{title}</title>", 1)
            return Response(html, media_type="text/html", headers=PAGE_HEADERS)

        for path in PAGES | BELOW:
            dash_app._add_url(path.removeprefix("/"), index, methods=["GET", "HEAD"])

    def setup_component_suites(self, dash_app: Dash) -> None:  # type: ignore[override]
        async def serve(request: Request, package_name: str, fingerprinted_path: str) -> Response:
            path, fingerprinted = check_fingerprint(fingerprinted_path)  # type: ignore[no-untyped-call]
            allowed = dash_app.registered_paths.get(package_name, ())
            if path not in allowed:
                raise HTTPException(404)
            file = self._files.get((package_name, path))
            if file is None:
                try:
                    file = await asyncio.to_thread(_load, package_name, path)
                except OSError:
                    raise HTTPException(404) from None
                self._files[package_name, path] = file  # bounded: only registered paths get here
            return file.response(request, immutable=fingerprinted)

        dash_app._add_url("_dash-component-suites/{package_name}/{fingerprinted_path:path}", serve, ["GET", "HEAD"])

    def serve_callback(self, dash_app: Dash) -> Callable[[Request], Awaitable[Response]]:
        dispatch = super().serve_callback(dash_app)

        async def checked(request: Request) -> Response:
            problem = _callback_problem(getattr(request.state, "json_body", None), dash_app.callback_map)
            if problem:
                raise HTTPException(400, problem)
            try:
                answer: Response = await dispatch(request)
            except (PreventUpdate, OpsintelError):
                raise
            except Exception:
                LOG.exception("a dashboard callback failed")
                raise
            return _packed(answer, request)

        return checked


def _require_same_origin(request: Request) -> None:
    """Refuses a request that another site's page makes in the user's name."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host", ""):
        raise Forbidden("a dashboard answers to its own pages only", hint="open the dashboard under its own address")
    if request.headers.get("sec-fetch-site") == "cross-site":
        raise Forbidden("a dashboard answers to its own pages only", hint="open the dashboard under its own address")


def _callback_problem(body: Any, known: dict[str, Any]) -> str:
    """Why the body is not a callback request; empty when it is one."""
    if not isinstance(body, dict):
        return "the body must be a JSON object sent as application/json"
    if not isinstance(body.get("output"), str) or body["output"] not in known:
        return "output names no callback"
    for part in ("inputs", "state", "changedPropIds"):
        if not isinstance(body.get(part, []), list):
            return f"{part} must be a list"
    if "inputs" not in body or "outputs" not in body:
        return "inputs and outputs must be given"
    if not all(_is_dependency(one) for one in (*body["inputs"], *body.get("state", []))):
        return "an input must be an object with id and property, or a list of such"
    wanted = known[body["output"]]
    for part, given in (("inputs", body["inputs"]), ("state", body.get("state", []))):
        if len(given) != len(wanted[part]):
            return f"{part} must have {len(wanted[part])} entries, got {len(given)}"
    return ""


def _packed(answer: Response, request: Request) -> Response:
    """The answer compressed, when it is worth it and the caller understands."""
    body = bytes(answer.body)
    if len(body) < 1024 or "gzip" not in request.headers.get("accept-encoding", ""):
        return answer
    answer.body = gzip.compress(body, 1, mtime=0)
    answer.headers["Content-Encoding"] = "gzip"
    answer.headers["Vary"] = "Accept-Encoding"
    answer.headers["Content-Length"] = str(len(answer.body))
    return answer


def _is_dependency(entry: Any) -> bool:
    if isinstance(entry, list):
        return all(isinstance(one, dict) and _is_dependency(one) for one in entry)
    return isinstance(entry, dict) and "id" in entry and isinstance(entry.get("property"), str)


class _File:
    """A script or style of a component package, plain and compressed."""

    def __init__(self, data: bytes, media_type: str) -> None:
        self.data = data
        self.packed = gzip.compress(data, 6, mtime=0) if len(data) > 1024 else b""
        self.media_type = media_type
        self.etag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'

    def response(self, request: Request, *, immutable: bool) -> Response:
        headers = {
            "ETag": self.etag,
            "Vary": "Accept-Encoding",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "public, max-age=31536000, immutable" if immutable else "no-cache",
        }
        if request.headers.get("if-none-match") == self.etag:
            return Response(status_code=304, headers=headers)
        if self.packed and "gzip" in request.headers.get("accept-encoding", ""):
            return Response(self.packed, media_type=self.media_type, headers=headers | {"Content-Encoding": "gzip"})
        return Response(self.data, media_type=self.media_type, headers=headers)


def _load(package: str, path: str) -> _File:
    data = pkgutil.get_data(package, path)
    if data is None:
        raise FileNotFoundError(path)
    return _File(data, mimetypes.guess_type(path)[0] or "application/octet-stream")


def attach(dash_app: Dash, app: FastAPI, identify: Identify) -> None:
    """Registers the Dash application's routes on the FastAPI application, each behind `identify`."""
    server = dash_app.backend
    assert isinstance(server, NarrowFastAPI)
    server.identify = identify
    dash_app.init_app(app)
