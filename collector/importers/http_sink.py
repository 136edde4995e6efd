"""Hands batches to a running service over OTLP/HTTP (protobuf, gzip).

Follows the OTLP specification's rules for clients: 429, 502, 503, 504 and a broken connection are retried, after
Retry-After where it is given and with growing delays where it is not, until `give_up_after_s`; anything else is
final. A partial success is not repeated: the refused records are counted. A batch whose answer was lost is sent
again, so it may be stored twice as log records; as process events it is not, because the event ids are the same.
"""

from __future__ import annotations

import email.utils
import gzip
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import httpx
from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

from core import Clock, get_logger
from core.errors import Forbidden, InvalidInput, NotFound, OpsintelError, TooLarge, Unauthenticated, Unavailable

RETRIED = frozenset({429, 502, 503, 504})
_FINAL: dict[int, type[OpsintelError]] = {401: Unauthenticated, 403: Forbidden, 404: NotFound, 413: TooLarge}
_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.5, 30.0


class HttpSink:
    """A sink for `import_file`; use it as a context manager, or close it. Not thread-safe."""

    def __init__(
        self,
        url: str,
        token: str = "",
        *,
        clock: Clock,
        timeout_s: float = 30.0,
        give_up_after_s: float = 300.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        base = url.rstrip("/")
        self._url = base if base.endswith("/v1/logs") else f"{base}/v1/logs"
        self._clock, self._sleep, self._give_up_after_s = clock, sleep, give_up_after_s
        headers = {"content-type": "application/x-protobuf", "content-encoding": "gzip", "opsintel-history": "true"}
        if token:
            headers["authorization"] = f"Bearer {token}"
        self._client = httpx.Client(headers=headers, timeout=timeout_s)
        self._log = get_logger(__name__)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection."""
        self._client.close()

    def __call__(self, payload: bytes, items: int) -> int:
        """Sends one batch until it is taken; the number of records the service refused.

        Raises Unavailable when it was not taken in time, Unauthenticated, Forbidden, NotFound, TooLarge or InvalidInput
        when the service says that sending it again would not help.
        """
        body = gzip.compress(payload, 3)
        deadline = self._clock.monotonic() + self._give_up_after_s
        delay = _FIRST_DELAY_S
        while True:
            asked: float | None = None
            try:
                response = self._client.post(self._url, content=body)
            except httpx.InvalidURL as problem:
                raise InvalidInput(f"{self._url!r} is not a URL: {problem}") from None
            except httpx.UnsupportedProtocol:
                raise InvalidInput(f"{self._url!r} is not a URL", hint="write http://HOST:PORT") from None
            except httpx.TransportError as problem:
                reason = str(problem) or type(problem).__name__
            else:
                if response.status_code == 200:
                    return self._refused(response, items)
                if response.status_code not in RETRIED:
                    raise self._final(response)
                asked = self._retry_after(response)
                reason = f"answered {response.status_code}"
            wait = delay if asked is None else asked
            if self._clock.monotonic() + wait > deadline:
                raise Unavailable(
                    f"{self._url} did not take a batch of {items} events: {reason}",
                    retry_after_s=wait,
                    hint="start the service or try later, then import the file again: nothing is counted twice",
                )
            self._log.warning("batch not taken, will be sent again", reason=reason, delay_s=round(wait, 1))
            self._sleep(wait)
            delay = min(delay * 2, _LONGEST_DELAY_S)

    def _refused(self, response: httpx.Response, items: int) -> int:
        try:
            partial = ExportLogsServiceResponse.FromString(response.content).partial_success
        except DecodeError:
            raise InvalidInput(f"{self._url} does not answer like an OTLP receiver", hint="check the URL") from None
        refused = min(int(partial.rejected_log_records), items)
        if refused or partial.error_message:
            self._log.warning("partial success", refused=refused, message=partial.error_message)
        return refused

    def _final(self, response: httpx.Response) -> OpsintelError:
        try:
            message = Status.FromString(response.content).message
        except DecodeError:
            message = ""
        kind = _FINAL.get(response.status_code, Unavailable if response.status_code >= 500 else InvalidInput)
        return kind(f"{self._url} answered {response.status_code}" + (f": {message}" if message else ""))

    def _retry_after(self, response: httpx.Response) -> float | None:
        """Seconds asked for by the service; both forms of the header are understood."""
        text = response.headers.get("retry-after", "").strip()
        if text.isdecimal() and text.isascii():
            return float(text)
        try:
            return max(0.0, (email.utils.parsedate_to_datetime(text) - self._clock.now()).total_seconds())
        except (ValueError, TypeError):
            return None
