"""The sink against a real HTTP server that answers as it is told."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

from collector.importers import HttpSink
from core import ManualClock
from core.errors import (
    Forbidden,
    InvalidInput,
    NotFound,
    OpsintelError,
    TooLarge,
    Unauthenticated,
    Unavailable,
)

Answer = tuple[int, dict[str, str], bytes]
OK: Answer = (200, {}, b"")


@dataclass
class Receiver:
    """Gives the answers in order, the last one forever; remembers what came."""

    url: str = ""
    answers: list[Answer] = field(default_factory=lambda: [OK])
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    seen = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            seen.bodies.append(gzip.decompress(self.rfile.read(int(self.headers["content-length"]))))
            seen.headers.append({key.lower(): value for key, value in self.headers.items()})
            seen.paths.append(self.path)
            code, headers, body = seen.answers.pop(0) if len(seen.answers) > 1 else seen.answers[0]
            self.send_response(code)
            for key, value in {**headers, "content-length": str(len(body))}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    seen.url = f"http://127.0.0.1:{server.server_port}"
    yield seen
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def waits() -> list[float]:
    """Seconds that the sink waited."""
    return []


@pytest.fixture
def sink(receiver: Receiver, clock: ManualClock, waits: list[float]) -> Iterator[HttpSink]:
    def sleep(seconds: float) -> None:
        waits.append(seconds)
        clock.advance(seconds)

    with HttpSink(receiver.url, "secret", clock=clock, sleep=sleep, give_up_after_s=100) as opened:
        yield opened


def test_sends_protobuf_in_gzip_with_the_token(sink: HttpSink, receiver: Receiver) -> None:
    assert sink(b"payload", 3) == 0
    assert receiver.bodies == [b"payload"]
    assert receiver.paths == ["/v1/logs"]
    (headers,) = receiver.headers
    assert headers["content-type"] == "application/x-protobuf"
    assert headers["content-encoding"] == "gzip"
    assert headers["authorization"] == "Bearer secret"


def test_full_path_is_taken_as_it_is(receiver: Receiver, clock: ManualClock) -> None:
    with HttpSink(receiver.url + "/v1/logs/", clock=clock) as sink:
        sink(b"", 0)
    assert receiver.paths == ["/v1/logs"]
    assert "authorization" not in receiver.headers[0]


@pytest.mark.parametrize("code", [429, 502, 503, 504])
def test_repeats_what_may_succeed_later(sink: HttpSink, receiver: Receiver, waits: list[float], code: int) -> None:
    receiver.answers = [(code, {}, b""), (code, {}, b""), OK]
    assert sink(b"x", 1) == 0
    assert receiver.bodies == [b"x"] * 3
    assert waits == [0.5, 1.0], "the delay doubles"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("Mon, 02 Mar 2026 09:00:05 GMT", 5.0),
        ("Mon, 02 Mar 2026 08:00:00 GMT", 0.0),
        ("soon", 0.5),
        ("-3", 0.5),
    ],
)
def test_waits_as_long_as_it_is_asked_to(
    sink: HttpSink, receiver: Receiver, waits: list[float], header: str, seconds: float
) -> None:
    receiver.answers = [(503, {"retry-after": header}, b""), OK]
    sink(b"x", 1)
    assert waits == [seconds]


def test_gives_up_in_the_end(sink: HttpSink, receiver: Receiver, waits: list[float]) -> None:
    receiver.answers = [(503, {}, b"")]
    with pytest.raises(Unavailable, match="did not take a batch of 4 events: answered 503"):
        sink(b"x", 4)
    assert 60 < sum(waits) <= 100


def test_nobody_listens(clock: ManualClock) -> None:
    sink = HttpSink("http://127.0.0.1:1", clock=clock, sleep=clock.advance, give_up_after_s=1)
    with pytest.raises(Unavailable, match=r"http://127\.0\.0\.1:1/v1/logs did not take"):
        sink(b"x", 1)
    sink.close()


@pytest.mark.parametrize("url", ["127.0.0.1:4318", "ftp://host", "http://[::1", ""])
def test_url_that_is_none(clock: ManualClock, url: str) -> None:
    with HttpSink(url, clock=clock, sleep=clock.advance) as sink, pytest.raises(InvalidInput, match="is not a URL"):
        sink(b"x", 1)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (400, InvalidInput),
        (401, Unauthenticated),
        (403, Forbidden),
        (404, NotFound),
        (413, TooLarge),
        (500, Unavailable),
    ],
)
def test_final_answers_are_not_repeated(
    sink: HttpSink, receiver: Receiver, code: int, error: type[OpsintelError]
) -> None:
    receiver.answers = [(code, {}, Status(code=3, message="because of this").SerializeToString())]
    with pytest.raises(error, match=f"answered {code}: because of this"):
        sink(b"x", 1)
    assert len(receiver.bodies) == 1


def test_partial_success_is_counted_and_not_repeated(sink: HttpSink, receiver: Receiver) -> None:
    answer = ExportLogsServiceResponse()
    answer.partial_success.rejected_log_records = 2
    answer.partial_success.error_message = "too old"
    receiver.answers = [(200, {}, answer.SerializeToString())]
    assert sink(b"x", 5) == 2
    assert len(receiver.bodies) == 1


def test_page_of_another_server_is_no_acknowledgement(sink: HttpSink, receiver: Receiver) -> None:
    receiver.answers = [(200, {"content-type": "text/html"}, b"<!doctype html><html></html>")]
    with pytest.raises(InvalidInput, match="does not answer like an OTLP receiver"):
        sink(b"x", 5)
