"""The one way in which control and alerts call other systems: bounded, without redirects, and honest about outcomes.

Three outcomes and no exception: `Answer` (a status came back), `NotReached` (nothing was sent, so nothing can have
happened there), `NoAnswer` (something was sent and what became of it is not known). Proxies and credentials from the
environment are ignored. Each wait is bounded by the time-out and the body by a size; a peer that drips its header lines
can stretch the whole call beyond one time-out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx

from core.errors import ConfigurationError

# Raised before the first byte of the request leaves. Everything else that httpx raises counts as "not known".
_BEFORE_SENDING: tuple[type[httpx.RequestError], ...] = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


@dataclass(frozen=True)
class Answer:
    """A response. `body` is at most the limit; `truncated` says that there was more. Header names are lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    truncated: bool = False

    @property
    def ok(self) -> bool:
        """Whether the status is a 2xx."""
        return 200 <= self.status < 300


@dataclass(frozen=True)
class NotReached:
    """The call never left; the other side cannot have acted on it."""

    detail: str


@dataclass(frozen=True)
class NoAnswer:
    """The call may have arrived; the other side may have acted on it."""

    detail: str


HttpResult = Answer | NotReached | NoAnswer


def outcome_of(problem: httpx.RequestError) -> NotReached | NoAnswer:
    """Translates what httpx raises; in doubt the answer is `NoAnswer`."""
    detail = f"{type(problem).__name__}: {problem}".rstrip(": ")
    return NotReached(detail) if isinstance(problem, _BEFORE_SENDING) else NoAnswer(detail)


def check_endpoint(url: str) -> str:
    """Returns the URL of a configured endpoint; ConfigurationError unless it is plain http(s) with a host."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as problem:
        raise ConfigurationError(f"{url!r} is not a URL: {problem}") from None
    if parts.scheme not in ("http", "https"):
        raise ConfigurationError(f"an endpoint must be an http or https URL, got {url!r}")
    if not parts.hostname or port == 0:
        raise ConfigurationError(f"an endpoint must name a host (and a port of 1 or more), got {url!r}")
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(f"an endpoint must not carry credentials, got one for {parts.hostname!r}")
    if parts.fragment:
        raise ConfigurationError(f"an endpoint must not carry a fragment, got {url!r}")
    return url


class OutboundHttp:
    """A client for calls to configured endpoints. Thread-safe; `close` it when done.

    Connections are not kept: a peer that closes an idle one at the wrong moment would turn a clear "not sent" into
    "not known".
    """

    def __init__(self, *, timeout_s: float = 5.0, max_bytes: int = 64 * 1024) -> None:
        self._max_bytes = max_bytes
        self._client = httpx.Client(
            timeout=timeout_s,
            follow_redirects=False,
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0, max_connections=20),
            headers={"user-agent": "opsintel", "accept": "application/json", "accept-encoding": "identity"},
        )

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> HttpResult:
        """Posts a JSON body."""
        return self._call("POST", url, body, {"content-type": "application/json", **headers})

    def get(self, url: str) -> HttpResult:
        """Gets a JSON document."""
        return self._call("GET", url, None, {})

    def close(self) -> None:
        """Lets go of the sockets."""
        self._client.close()

    def _call(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> HttpResult:
        try:
            with self._client.stream(method, url, content=body, headers=dict(headers)) as response:
                kept, truncated = self._read(response)
                return Answer(response.status_code, dict(response.headers), kept, truncated)
        except httpx.RequestError as problem:
            return outcome_of(problem)

    def _read(self, response: httpx.Response) -> tuple[bytes, bool]:
        kept = bytearray()
        for chunk in response.iter_raw():
            kept += chunk
            if len(kept) > self._max_bytes:
                return bytes(kept[: self._max_bytes]), True
        return bytes(kept), False
