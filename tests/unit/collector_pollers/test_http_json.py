"""HTTP/JSON and the client below it, on a real HTTP server."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from collector.pollers.environment import Environment
from collector.pollers.models import HttpJson
from collector.pollers.readings import Deadline, Polled, PollFailed, QueueReading, Reason
from collector.pollers.sources.http_json import HttpJsonSource
from core import ManualClock, SystemClock

Handler = Callable[[BaseHTTPRequestHandler], None]


class Site:
    """Answers as `handle` says; keeps the headers that it was sent."""

    def __init__(self) -> None:
        site = self
        self.handle: Handler = lambda request: answer(request, {})
        self.headers: dict[str, str] = {}
        self.leave = threading.Event()

        class Requests(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.headers = {name.lower(): value for name, value in self.headers.items()}
                site.handle(self)

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Requests)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/queues"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self) -> None:
        self.leave.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def answer(request: BaseHTTPRequestHandler, document: object, status: int = 200, **headers: str) -> None:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    request.send_response(status)
    request.send_header("content-length", str(len(body)))
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), value)
    request.end_headers()
    request.wfile.write(body)


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.close()


EACH = {"items": "/queues", "name": "/name", "depth": "/waiting", "oldest_at": "/oldest", "consumers": "/workers"}


def poll(site: Site, now: datetime, environ: dict[str, str] | None = None, seconds: float = 5, **values: Any) -> Polled:
    given = {"name": "wms", "kind": "http_json", "url": site.url, **values}
    source = HttpJsonSource(HttpJson.model_validate(given), Environment(environ or {}))
    try:
        return source.poll(now, Deadline(SystemClock(), seconds))
    finally:
        source.close()


def failure(site: Site, now: datetime, seconds: float = 5, **values: Any) -> PollFailed:
    with pytest.raises(PollFailed) as caught:
        poll(site, now, seconds=seconds, **{"each": EACH, **values})
    return caught.value


def test_a_list_of_queues(site: Site, clock: ManualClock) -> None:
    """What is null or absent is not known; an expected queue that is absent is empty; one that is wrong is neither."""
    document = {
        "queues": [
            {"name": "pick", "waiting": 3, "oldest": "2026-03-02T08:59:00Z", "workers": 2},
            {"name": "pack", "waiting": 0, "oldest": None},
            {"name": "odd", "waiting": "many"},
            {"name": "none"},
            {"name": "test.a", "waiting": 1},
            {"waiting": 1},
        ]
    }
    site.handle = lambda request: answer(request, document)
    each = {**EACH, "exclude": ["test.*"], "expected": ["pick", "ship", "odd"]}
    polled = poll(site, clock.now(), each=each, system="wms", prefix="eu:")
    assert polled.readings == (
        QueueReading("wms", "eu:pick", 3.0, 60.0, consumers=2.0),
        QueueReading("wms", "eu:pack", 0.0, 0.0),
        QueueReading("wms", "eu:ship", 0.0, 0.0),
    )
    assert [one.partition(":")[0] for one in polled.problems] == ["odd", "none", "an element has no text at '/name'"]


def test_single_queues_and_objects(site: Site, clock: ManualClock) -> None:
    document = {"a": {"n": 1}, "b": {"n": 2.5}, "labels": {"waiting": 7, "age": 30}}
    site.handle = lambda request: answer(request, document)
    queue = {"destination": "labels", "depth": "/labels/waiting", "oldest_age": "/labels/age"}
    found = poll(site, clock.now(), queue=[queue], each={"items": "", "depth": "/n", "queues": ["a", "b"]})
    assert [(one.destination, one.depth, one.oldest_age_s) for one in found.readings] == [
        ("labels", 7.0, 30.0),
        ("a", 1.0, None),
        ("b", 2.5, None),
    ]


def test_credentials_go_out_and_nothing_else(site: Site, clock: ManualClock) -> None:
    """The URL can be a secret, too."""
    site.handle = lambda request: answer(request, {"queues": []})
    environ = {"AUTH": "Bearer s3cret", "WHERE": site.url + "?key=s3cret"}
    values = {"url": "", "url_env": "WHERE", "headers": {"X-Shop": "eu"}, "headers_env": {"Authorization": "AUTH"}}
    poll(site, clock.now(), environ, each=EACH, **values)
    assert (site.headers["authorization"], site.headers["x-shop"]) == ("Bearer s3cret", "eu")
    site.handle = lambda request: answer(request, b"nothing", 401)
    with pytest.raises(PollFailed) as caught:
        poll(site, clock.now(), environ, each=EACH, **values)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "reason"),
    [(302, Reason.ANSWER), (400, Reason.ANSWER), (401, Reason.CREDENTIALS), (403, Reason.FORBIDDEN),
     (404, Reason.NOT_FOUND), (429, Reason.BUSY), (500, Reason.UNREACHABLE), (503, Reason.BUSY)],
)  # fmt: skip
def test_statuses(site: Site, clock: ManualClock, status: int, reason: Reason) -> None:
    site.handle = lambda request: answer(request, b"", status, Retry_After="17", Location="http://127.0.0.1:1/")
    problem = failure(site, clock.now())
    assert problem.reason is reason
    assert problem.retry_after_s == (17 if reason is Reason.BUSY else 0)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>", Reason.ANSWER),
        (b"\xff\xfe", Reason.ANSWER),
        (b"[]", Reason.ANSWER),
        (b'{"queues": 5}', Reason.ANSWER),
        (b"[" * 100_000, Reason.ANSWER),
        (b'"' + b"x" * (17 << 20) + b'"', Reason.TOO_MUCH),
    ],
    ids=["html", "bytes", "no such place", "a number", "deep", "large"],
)
def test_bodies_that_cannot_be_used(site: Site, clock: ManualClock, body: bytes, reason: Reason) -> None:
    site.handle = lambda request: answer(request, body)
    assert failure(site, clock.now()).reason is reason


def test_more_queues_than_the_limit(site: Site, clock: ManualClock) -> None:
    site.handle = lambda request: answer(request, {"queues": {str(n): {"waiting": 1} for n in range(5)}})
    assert failure(site, clock.now(), max_queues=4).reason is Reason.TOO_MUCH


def test_silence_dripping_and_a_cut(site: Site, clock: ManualClock) -> None:
    """An answer that never begins, one that comes byte by byte, one that breaks off, and nobody at all."""
    site.handle = lambda request: site.leave.wait(20) and None  # type: ignore[assignment, return-value]
    assert failure(site, clock.now(), seconds=0.3).reason is Reason.TIMEOUT

    def drip(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("content-length", "100000")
        request.end_headers()
        try:
            while not site.leave.wait(0.05):
                request.wfile.write(b" ")
        except OSError:
            return

    site.handle = drip
    assert failure(site, clock.now(), seconds=0.4).reason is Reason.TIMEOUT

    def cut(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("content-length", "100000")
        request.end_headers()
        request.wfile.write(b"{")

    site.handle = cut
    assert failure(site, clock.now()).reason is Reason.UNREACHABLE
    assert failure(site, clock.now(), url="http://127.0.0.1:1/").reason is Reason.UNREACHABLE


def test_a_server_that_speaks_no_tls(site: Site, clock: ManualClock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def plain() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")
                connection.recv(65_536)

        thread = threading.Thread(target=plain)
        thread.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
        assert failure(site, clock.now(), url=url).reason is Reason.TLS
        thread.join()
