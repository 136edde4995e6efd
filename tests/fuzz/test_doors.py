"""Bad input at the doors of the served product: OTLP in all its forms, CloudEvents, remote write."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from random import Random
from urllib.parse import quote

import cramjam
import pytest

from storage import Signal
from tests.fuzz import samples
from tests.fuzz.bodies import broken, packed
from tests.fuzz.budget import Seeded, rounds
from tests.fuzz.json_mutations import STRANGE, mutate_json
from tests.fuzz.product import JSON, PROTOBUF, Product, attacked
from tests.fuzz.wire_mutations import corrupt, mutate
from tests.fuzz.wire_tree import varint
from tests.unit.collector_remote_write import senders

pytestmark = pytest.mark.blackbox

BATCH = 25
HEADERS = ("content-type", "content-encoding", "content-length", "transfer-encoding", "expect", "host", "origin", "te")
VALUES = (
    "", " ", "-1", "0", "99999999999999999999", "1e3", "٣", "\x80\xff", "gzip, gzip", "chunked", "chunked, chunked",
    "identity", "100-continue", "application/json; charset=utf-16", "a" * 9_000, "null", "*", "application/x-protobuf;",
)  # fmt: skip
STARTS = (
    b"POST  /v1/traces HTTP/1.1", b"POST //v1/traces HTTP/1.0", b"PRI * HTTP/2.0", b"POST /v1/%00 HTTP/1.1",
    b"\x16\x03\x01", b"POST http://[::1 HTTP/1.1", b"POST /v1/traces HTTP/9.9", b"\x00",
)  # fmt: skip


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with attacked(tmp_path_factory.mktemp("attacked")) as running:
        yield running


def attack(product: Product, one: Callable[[Seeded], None], believed: Signal | None = None) -> None:
    """Batch after batch; what must hold is looked at after each."""
    for random in rounds(0.0):
        for _ in range(BATCH):
            one(random)
        if believed is not None:
            product.believe(believed)
        product.unharmed()


@pytest.mark.parametrize("signal", Signal)
def test_bent_protobuf(product: Product, signal: Signal) -> None:
    def one(random: Random) -> None:
        request = samples.otlp(signal, random, time.time_ns())
        body = mutate(random, request.SerializeToString(), request.DESCRIPTOR)
        product.push(signal, corrupt(random, body) if random.random() < 0.2 else body)

    attack(product, one)


@pytest.mark.parametrize("signal", Signal)
def test_bent_json(product: Product, signal: Signal) -> None:
    def one(random: Random) -> None:
        document = samples.as_json(samples.otlp(signal, random, time.time_ns()))
        product.push_json(signal, mutate_json(random, document))

    attack(product, one)


def test_bodies_that_are_not_what_they_say(product: Product) -> None:
    """Cut, damaged, wrongly named and exploding bodies of every content encoding."""

    def one(random: Random) -> None:
        plain = samples.traces(random, time.time_ns()).SerializeToString()
        encoding, body, good = broken(random, plain)
        answer = product.otlp(Signal.TRACES, body, content_encoding=encoding)
        if answer.status_code == 200:
            product.acknowledged[Signal.TRACES] += 3 if good else 0  # by chance the bytes of something empty
        else:
            assert not good, answer.text
            assert answer.status_code in (400, 413, 415), answer.text

    attack(product, one)


@pytest.mark.parametrize("mode", ["structured", "batch", "binary"])
def test_bent_events(product: Product, mode: str) -> None:
    kinds = {"structured": "application/cloudevents+json", "batch": "application/cloudevents-batch+json"}

    def one(random: Random) -> None:
        events = [samples.event(random, datetime.now(UTC).isoformat()) for _ in range(3)]
        if random.random() < 0.2:
            events[0].pop("data")
            events[0]["data_base64"] = random.choice(("e30=", "?", "ä===", "AAAA", 5))
        headers = {"content-type": kinds.get(mode, JSON)}
        body = mutate_json(random, events if mode == "batch" else events[0])
        if mode == "binary":
            body = mutate_json(random, events[0].pop("data", {"a": [1]}))
            if random.random() < 0.7:
                events[0][random.choice(list(events[0]))] = random.choice(STRANGE)
            sent = {
                f"ce-{key}": quote(str(value).encode("utf-8", "replace"))[:4_000] for key, value in events[0].items()
            }
            sent.pop("ce-datacontenttype")
            headers |= sent
        answer = product.post("/v1/events", body, headers)
        assert answer.status_code in (200, 400, 413, 415), answer.text
        if answer.status_code == 200:
            product.acknowledged[Signal.LOGS] += answer.json()["accepted"]

    attack(product, one)


@pytest.mark.parametrize("version", [1, 2])
def test_bent_remote_write(product: Product, version: int) -> None:
    def one(random: Random) -> None:
        now = time.time_ns() // 10**6
        name = random.choice(("up", "http_requests_total", "rabbitmq_queue_messages"))
        labels = {"__name__": name, "job": "a", "queue": "q"}
        samples_ = [(random.choice((1.0, senders.STALE, float("inf"))), now + index) for index in range(3)]
        if version == 1:
            request = senders.v1((labels, samples_), (labels | {"instance": "two"}, samples_))
        else:
            grown = senders.V2()
            grown.add(labels, samples_, kind=random.randrange(9))
            grown.add(labels | {"instance": "two"}, samples_)
            request = grown.request
        body = mutate(random, request.SerializeToString(), request.DESCRIPTOR)
        raw = bytes(cramjam.snappy.compress_raw(body))
        named = {name.replace("_", "-"): value for name, value in senders.HEADERS[version].items()}
        raw = corrupt(random, raw) if random.random() < 0.3 else raw
        answer = product.post("/api/v1/write", raw, named | {"content-encoding": "snappy"})
        assert answer.status_code in (204, 400, 413), answer.text

    attack(product, one, Signal.METRICS)


def test_bent_heads(product: Product) -> None:
    """Requests whose first lines are abused; what is acknowledged all the same is stored."""

    def one(random: Random) -> None:
        body = samples.traces(random, time.time_ns(), 1).SerializeToString()
        lines = [
            random.choice((b"POST /v1/traces HTTP/1.1",) * 4 + STARTS),
            b"host: x", b"content-type: " + PROTOBUF.encode(), b"content-length: %d" % len(body), b"connection: close",
        ]  # fmt: skip
        for _ in range(random.randint(0, 3)):
            field = f"{random.choice(HEADERS)}: {random.choice(VALUES)}".encode("utf-8", "replace")
            lines.insert(random.randint(1, len(lines)), corrupt(random, field) if random.random() < 0.3 else field)
        product.raw(b"\r\n".join(lines) + b"\r\n\r\n" + body)

    attack(product, one, Signal.TRACES)


def test_slow_and_unfinished_requests(product: Product) -> None:
    """Many callers that stop in the middle: each is cut, and the neighbour is served meanwhile."""
    body = samples.traces(Seeded(1), time.time_ns(), 1).SerializeToString()
    head = b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 100000\r\n"
    starts = (
        b"",
        b"P",
        head,
        head + b"\r\n",
        head + b"\r\n" + body,
        head + b"transfer-encoding: chunked\r\n\r\nffff\r\n",
    )
    connections = [product.connect(starts[index % len(starts)]) for index in range(60)]
    try:
        product.unharmed()
        for connection in connections:
            product.cut(connection)
    finally:
        for connection in connections:
            connection.close()
    product.unharmed()


def test_bombs(product: Product) -> None:
    """A gigabyte in a megabyte, of every encoding, also one in another: refused, and memory stays as it is."""
    for encoding in ("gzip", "deflate", "zstd"):
        for size in (17 << 20, 1 << 30):
            answer = product.otlp(Signal.TRACES, packed(encoding, size), content_encoding=encoding)
            assert answer.status_code == 413, answer.text
    for claim in (2**25, 2**32 - 1):
        raw = bytes(cramjam.snappy.compress_raw(bytes(1 << 20)))
        length = varint(claim)
        answer = product.post(
            "/api/v1/write", length + raw[3:], {"content-type": PROTOBUF, "content-encoding": "snappy"}
        )
        assert answer.status_code in (400, 413), answer.text
    nested = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{}] * 300_000}]}]}).encode()
    assert product.otlp(Signal.TRACES, nested, JSON).status_code == 200
    product.unharmed()
