"""JSON over HTTP for pollers: one GET, bounded in time and size, every way to fail translated.

No redirects (credentials would follow them), no proxies and no credentials from the environment's own variables. A peer
that sends its header lines one byte at a time can stretch a request beyond its time; nothing else can.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx
import orjson

from collector.pollers.models import Tls
from collector.pollers.readings import Deadline, PollFailed, Reason
from core.errors import ConfigurationError

MAX_BYTES = 16 << 20


class JsonClient:
    """A client for one server. `headers` and `auth` may hold secrets; no message repeats them."""

    def __init__(
        self,
        *,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        tls: Tls,
        poller: str,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._max_bytes = max_bytes
        self._client = httpx.Client(
            headers={"accept": "application/json", "user-agent": "opsintel", "accept-encoding": "identity"}
            | {name.lower(): value for name, value in (headers or {}).items()},
            auth=auth,
            verify=ssl_context(tls, poller),
            trust_env=False,
            follow_redirects=False,
            limits=httpx.Limits(max_connections=2, max_keepalive_connections=1),
        )

    def get(self, url: str, deadline: Deadline, params: Mapping[str, str] | None = None) -> object:
        """The document at the URL. Raises PollFailed."""
        where = _shown(url)
        try:
            with self._client.stream("GET", url, params=params, timeout=deadline.left()) as response:
                _refuse(response, where)
                body = bytearray()
                for chunk in response.iter_raw():  # as it comes: a chunk size would wait for a full one
                    body += chunk
                    if len(body) > self._max_bytes:
                        raise PollFailed(
                            Reason.TOO_MUCH,
                            f"{where} answered more than {self._max_bytes:,} bytes",
                            hint="ask for fewer queues",
                        )
                    deadline.left()
        except httpx.RequestError as problem:
            raise _translated(problem, where, deadline) from None
        except httpx.InvalidURL:
            raise PollFailed(Reason.ANSWER, "the URL cannot be used", hint="check url or url_env") from None
        try:
            found: object = orjson.loads(body)
        except orjson.JSONDecodeError as problem:
            raise PollFailed(Reason.ANSWER, f"{where} did not answer JSON: {problem}", hint="check the URL") from None
        return found

    def close(self) -> None:
        """Lets go of the sockets."""
        self._client.close()


def ssl_context(tls: Tls, poller: str) -> ssl.SSLContext:
    """What connections are made safe with; ConfigurationError when a file does not hold what it should."""
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
        if tls.cert_file:
            context.load_cert_chain(tls.cert_file, tls.key_file)
    except (ssl.SSLError, OSError) as problem:
        raise ConfigurationError(
            f"poller {poller!r}: ca_file, cert_file or key_file cannot be used: {problem}", hint="they are PEM files"
        ) from None
    return context


def _shown(url: str) -> str:
    """The URL without its query, which may hold a secret."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"


def _refuse(response: httpx.Response, where: str) -> None:
    status = response.status_code
    if status == 200:
        return
    if status == 401:
        raise PollFailed(
            Reason.CREDENTIALS, f"{where} refused the credentials (401)", hint="check the user and the password"
        )
    if status == 403:
        raise PollFailed(Reason.FORBIDDEN, f"{where} does not allow this (403)", hint="give the user the right to read")
    if status == 404:
        raise PollFailed(Reason.NOT_FOUND, f"{where} does not exist (404)", hint="check the URL")
    if status in (429, 503):
        raise PollFailed(
            Reason.BUSY,
            f"{where} answered {status}: not now",
            retry_after_s=_seconds(response.headers.get("retry-after")),
        )
    if status >= 500:
        raise PollFailed(Reason.UNREACHABLE, f"{where} answered {status}", hint="look at the server's own log")
    hint = "redirects are not followed; give the final URL" if 300 <= status < 400 else "check the URL"
    raise PollFailed(Reason.ANSWER, f"{where} answered {status}", hint=hint)


def _seconds(text: str | None) -> float:
    return float(text) if text and text.isascii() and text.isdigit() and len(text) < 7 else 0.0


def _translated(problem: httpx.RequestError, where: str, deadline: Deadline) -> PollFailed:
    if isinstance(problem, httpx.TimeoutException):
        return PollFailed(
            Reason.TIMEOUT,
            f"{where} did not answer within {deadline.seconds:g} s",
            hint="is it up? else raise timeout_s",
        )
    if isinstance(problem.__cause__, ssl.SSLError) or "SSL" in str(problem):
        return PollFailed(
            Reason.TLS,
            f"{where}: no safe connection: {problem}",
            hint="check https, ca_file and the certificate's name",
        )
    if isinstance(problem, httpx.ConnectError):
        return PollFailed(
            Reason.UNREACHABLE, f"{where} cannot be reached: {problem}", hint="check host, port and network"
        )
    return PollFailed(Reason.UNREACHABLE, f"{where}: the connection broke: {type(problem).__name__}")
