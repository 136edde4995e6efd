"""Callers that hold connections for nothing, on real sockets: each is answered or cut, and others go on."""

from __future__ import annotations

import re
from contextlib import ExitStack

import pytest

from tests.unit.collector.support import trace_request
from tests.unit.collector_limits.conftest import Make
from tests.unit.collector_limits.rig import eventually, head, read_all

BODY = trace_request(2).SerializeToString()


@pytest.mark.parametrize(
    "sent",
    [b"", b"POST /v1/tra", head("shop", 5)[:-2], b"\r\n", b"POST / HTTP/1.1\r\nx: " + b"a" * 100],
    ids=["nothing", "half a line", "no empty line", "a stray line end", "an unfinished field"],
)
def test_a_head_that_does_not_come_is_not_waited_for(make: Make, sent: bytes) -> None:
    rig = make(otlp_header_timeout_s=0.3)
    with rig.connect() as connection:
        connection.sendall(sent)
        assert read_all(connection).startswith(b"HTTP/1.1 408 ")
    assert rig.refused("slow_head") == 1


def test_a_stray_line_end_after_an_answer_does_not_keep_a_connection(make: Make) -> None:
    """It ends uvicorn's idle timer, and no other would begin."""
    rig = make(otlp_header_timeout_s=0.3)
    with rig.connect() as connection:
        connection.sendall(head("shop", len(BODY)) + BODY)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"\r\n")
        assert b" 408 " in read_all(connection)


@pytest.mark.parametrize(
    "fields",
    [
        [f"x-{number}: 1" for number in range(120)],
        [f"x: {'a' * 9_000}"],
        [f"{'a' * 9_000}: 1"],
    ],
    ids=["fields", "a value", "a name"],
)
def test_a_head_has_a_size(make: Make, fields: list[str]) -> None:
    rig = make(otlp_max_header_bytes=8_192)
    with rig.connect() as connection:
        connection.sendall(head("shop", len(BODY), *fields) + BODY)
        assert read_all(connection).startswith(b"HTTP/1.1 431 ")
    assert rig.refused("head_size") == 1


def test_a_field_without_an_end_is_cut(make: Make) -> None:
    """While it comes: nothing collects it."""
    rig = make(otlp_max_header_bytes=8_192)
    with rig.connect() as connection:
        connection.sendall(b"POST /v1/traces HTTP/1.1\r\nx: ")
        answer = b""
        try:
            for _ in range(2_000):
                connection.sendall(b"a" * 4096)
        except OSError:
            pass
        else:
            answer = read_all(connection)
        assert not answer or b" 431 " in answer
    eventually(lambda: rig.refused("head_size") == 1)


def test_a_slow_body_is_not_waited_for(make: Make) -> None:
    """503 in the caller's encoding, and the connection ends; what it reserved is given back."""
    rig = make(otlp_body_timeout_s=0.3)
    with rig.connect() as connection:
        connection.sendall(head("shop", 1_000_000) + b"x" * 10)
        eventually(lambda: rig.gauge("reading_bytes") == 1_000_000)
        answer = read_all(connection)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: " in answer
        assert b"10 bytes of the body came" in answer
        assert rig.refused("slow_body", "shop") == 1
    eventually(lambda: rig.gauge("reading_bytes") == 0 == rig.gauge("requests_in_work"))


def test_a_body_that_is_not_awaited_any_more_does_not_hold_a_connection(make: Make) -> None:
    """A refused caller that drips what is left is cut after two seconds."""
    rig = make()
    with rig.connect() as connection:
        connection.sendall(head("", 1_000) + b"x")
        assert read_all(connection).startswith(b"HTTP/1.1 401 ")


def test_thousands_of_pipelined_requests_are_cut(make: Make) -> None:
    rig = make()
    one = head("shop", len(BODY)) + BODY
    with rig.connect() as connection:
        connection.sendall(one * 500)
        answer = read_all(connection)
    assert answer.count(b"HTTP/1.1 200 ") < 100
    assert rig.refused("pipelining") == 1


def test_a_few_pipelined_requests_are_answered_in_order(make: Make) -> None:
    rig = make()
    bad = head("shop", 3).replace(PROTOBUF_LINE, b"content-type: text/plain") + b"abc"
    with rig.connect() as connection:
        connection.sendall(
            (head("shop", len(BODY)) + BODY) * 3 + bad + head("shop", len(BODY), "connection: close") + BODY
        )
        statuses = re.findall(rb"HTTP/1\.1 (\d+) ", read_all(connection))
    assert statuses == [b"200", b"200", b"200", b"415", b"200"]


PROTOBUF_LINE = b"content-type: application/x-protobuf"


def test_chunks_that_are_all_frame_are_cut(make: Make) -> None:
    rig = make()
    start = head("shop", 0).replace(b"content-length: 0", b"transfer-encoding: chunked")
    with rig.connect() as connection:
        connection.sendall(start)
        try:
            for _ in range(100):
                connection.sendall(b"1;" + b"e" * 4_000 + b"\r\nx\r\n")
        except OSError:
            pass
        answer = read_all(connection)
        assert not answer or b" 400 " in answer
    eventually(lambda: rig.refused("framing") + rig.refused("not_http") == 1)


def test_a_trailer_is_no_header(make: Make) -> None:
    """It comes after the head was judged, and names nobody."""
    rig = make()
    start = head("", len(BODY)).replace(f"content-length: {len(BODY)}".encode(), b"transfer-encoding: chunked")
    start = start.replace(b"authorization: Bearer \r\n", b"")
    with rig.connect() as connection:
        connection.sendall(start + b"%x\r\n" % len(BODY) + BODY + b"\r\n0\r\nauthorization: Bearer shop\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 401 ")


def test_the_longest_idle_connection_makes_room(make: Make) -> None:
    rig = make(otlp_max_connections=3, otlp_max_connections_per_address=3)
    with ExitStack() as stack:
        idle = [stack.enter_context(rig.connect()) for _ in range(3)]
        for connection in idle:
            connection.sendall(head("shop", len(BODY)) + BODY)
            assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
        assert rig.post("shop", BODY).status_code == 200
        assert read_all(idle[0]) == b""
        idle[2].sendall(head("shop", len(BODY)) + BODY)
        assert idle[2].recv(4096).startswith(b"HTTP/1.1 200 ")


def test_beyond_the_connections_there_is_an_answer(make: Make) -> None:
    rig = make(otlp_max_connections=3, otlp_max_connections_per_address=2)
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(rig.connect()).sendall(b"POST")
        eventually(lambda: rig.gauge("http_connections") == 2)
        with rig.connect() as third:
            third.sendall(b"POST")
            answer = read_all(third)
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b"retry-after: 1" in answer
    assert rig.refused("peer_connections") == 1


def test_an_empty_length_means_an_empty_body(make: Make) -> None:
    rig = make()
    with rig.connect() as connection:
        connection.sendall(head("shop", 0).replace(b"content-length: 0\r\n", b""))
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
