"""How an error of ours is told to an OTLP caller; the only place that knows.

Whether a caller may repeat a request is decided by OTLP's lists of retryable codes (UNAVAILABLE, and RESOURCE_EXHAUSTED
only beside a RetryInfo; over HTTP 429, 502, 503 and 504): what can never succeed must not be in them.
https://opentelemetry.io/docs/specs/otlp/#failures and #failures-1
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

import orjson
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from collector.admission import Encoding
from core import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    OpsintelError,
    RateLimited,
    Retryable,
    TooLarge,
    Unauthenticated,
    UnsupportedMedia,
)

_CODES: tuple[tuple[type[OpsintelError], int, int], ...] = (  # the first that fits counts
    (TooLarge, Code.RESOURCE_EXHAUSTED, 413),
    (UnsupportedMedia, Code.INVALID_ARGUMENT, 415),
    (InvalidInput, Code.INVALID_ARGUMENT, 400),
    (Unauthenticated, Code.UNAUTHENTICATED, 401),
    (Forbidden, Code.PERMISSION_DENIED, 403),
    (NotFound, Code.NOT_FOUND, 404),
    (Conflict, Code.FAILED_PRECONDITION, 409),
    (RateLimited, Code.RESOURCE_EXHAUSTED, 429),
    (Retryable, Code.UNAVAILABLE, 503),
    (OpsintelError, Code.INTERNAL, 500),
)


@dataclass(frozen=True)
class Refusal:
    """An answer other than success: gRPC's code, HTTP's status, and when to come again (None: never)."""

    code: int
    http_status: int
    message: str
    retry_after_s: float | None = None

    @property
    def retry_after_header(self) -> str | None:
        """Whole seconds, rounded up, as HTTP wants them."""
        return None if self.retry_after_s is None else str(max(1, math.ceil(self.retry_after_s)))

    def status(self) -> Status:
        """The google.rpc.Status, with a RetryInfo where coming again may help."""
        status = Status(code=self.code, message=self.message)
        if self.retry_after_s is not None:
            seconds = int(self.retry_after_s)
            delay = Duration(seconds=seconds, nanos=int((self.retry_after_s - seconds) * 10**9))
            detail = AnyMessage()
            detail.Pack(RetryInfo(retry_delay=delay))
            status.details.append(detail)
        return status

    def body(self, encoding: Encoding) -> bytes:
        """The status in the caller's own encoding."""
        if encoding is Encoding.PROTOBUF:
            return bytes(self.status().SerializeToString())
        document: dict[str, object] = {"code": self.code, "message": self.message}
        if self.retry_after_s is not None:
            retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{self.retry_after_s:g}s"}
            document["details"] = [retry]
        return orjson.dumps(document)


METHOD_NOT_ALLOWED = Refusal(Code.UNIMPLEMENTED, 405, "telemetry is sent with POST")
CRASHED = Refusal(Code.INTERNAL, 500, "the collector failed; the request was not acknowledged")


def refusal_of(error: OpsintelError, chance: Callable[[], float] = random.random) -> Refusal:
    """The answer that tells this error. `chance`: from 0 to 1, spreads out when callers come again."""
    code, status = next((code, status) for kind, code, status in _CODES if isinstance(error, kind))
    retry = spread(error.retry_after_s, chance()) if isinstance(error, Retryable) else None
    return Refusal(code, status, str(error) or type(error).__name__, retry)


def spread(seconds: float, chance: float) -> float:
    """Never sooner, and up to half as long again, or a second: callers refused together do not come back together."""
    return seconds + chance * max(1.0, seconds / 2)
