"""The one place where errors of ours become HTTP answers: RFC 9457 problem documents.

    {"type": "about:blank", "title": …, "status": …, "detail": what happened and why, "hint": the way out}

A crash is logged with its trace and answered without it.
"""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from core import (
    ConfigurationError,
    Conflict,
    Forbidden,
    InvalidInput,
    LimitExceeded,
    NotFound,
    OpsintelError,
    QueryRejected,
    RateLimited,
    Retryable,
    StorageError,
    StoreUnavailable,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnsupportedMedia,
    get_logger,
)

SEE_LOG = "the service's log has the details"
A_TIME = "write a time as 2026-03-01T00:00:00Z, or with %2B01:00 for +01:00, as + is a blank in an address"
MEDIA_TYPE = "application/problem+json"
STATUS: dict[type[OpsintelError], int] = {
    InvalidInput: 400,
    TooLarge: 413,
    UnsupportedMedia: 415,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    Retryable: 503,
    RateLimited: 429,
    Unavailable: 503,
    StoreUnavailable: 503,
    QueryRejected: 400,
    LimitExceeded: 422,
    StorageError: 500,
    ConfigurationError: 500,
    OpsintelError: 500,
}
log = get_logger("api")


def status_of(error: OpsintelError) -> int:
    """The HTTP status of an error: that of its nearest ancestor in the table."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def problem(status: int, detail: str, hint: str = "", headers: dict[str, str] | None = None) -> JSONResponse:
    """A problem document."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if hint:
        body["hint"] = hint
    return JSONResponse(body, status, headers, MEDIA_TYPE)


def answer(error: OpsintelError) -> JSONResponse:
    """The answer to an error of ours."""
    status, headers = status_of(error), {}
    if isinstance(error, Retryable):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="opsintel"'
    if status == 500 or isinstance(error, StoreUnavailable):  # its text may name files and servers of ours
        log.error("request failed", error=str(error))
        what = "the store cannot be used now" if status == 503 else "the request failed inside the service"
        return problem(status, what, SEE_LOG, headers)
    return problem(status, error.message, error.hint, headers)


def install(app: FastAPI) -> None:
    """Makes every error of the application a problem document."""

    @app.exception_handler(OpsintelError)
    def _ours(_request: Request, error: OpsintelError) -> JSONResponse:
        return answer(error)

    @app.exception_handler(HTTPException)
    def _http(request: Request, error: HTTPException) -> JSONResponse:
        detail = str(error.detail)
        if error.status_code == 404:
            detail = f"there is nothing at {request.url.path}"
        return problem(error.status_code, detail, headers=dict(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    def _validation(_request: Request, error: RequestValidationError) -> JSONResponse:
        parts = [f"{'.'.join(str(step) for step in one['loc'])}: {one['msg']}" for one in error.errors()]
        timely = any(str(one["type"]).startswith(("datetime_", "timezone_")) for one in error.errors())
        return problem(400, "; ".join(parts), A_TIME if timely else "")

    @app.exception_handler(Exception)
    def _crash(request: Request, error: Exception) -> JSONResponse:
        log.error("request crashed", path=request.url.path, exc_info=error)
        return problem(500, "the request failed inside the service", SEE_LOG)
