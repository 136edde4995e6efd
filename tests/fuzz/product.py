"""The served product under attack, and what must be true of it after every batch of bad input.

No answer is a 500 or INTERNAL, no traceback is in the log, every process lives and is small, a neighbour's good request
is taken and stored, the ledger balances, and what was acknowledged is in the tables or in quarantine: counted from the
answers, not from the product's own figures.
"""

from __future__ import annotations

import json
import secrets
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import grpc
import httpx
import psutil
from google.protobuf.message import DecodeError

from collector.otlp_types import PUBLISHED, REJECTED_FIELDS, RESPONSES, SERVICE_NAMES
from storage import Signal
from tests.fuzz import samples
from tests.integration.served import Served, eventually, serving
from tests.support.plain_http import PLAIN

RECEIVER_BYTES = 300 << 20
PROTOBUF, JSON = "application/x-protobuf", "application/json"
TABLES = {
    Signal.TRACES: ("traces",),
    Signal.LOGS: ("logs",),
    Signal.METRICS: tuple(
        f"metrics_{kind}" for kind in ("gauge", "sum", "histogram", "exponential_histogram", "summary")
    ),
}


def items_of(signal: Signal, request: object) -> int:
    """Spans, records or points of a request, counted by the published messages."""
    levels = {
        Signal.TRACES: ("resource_spans", "scope_spans", "spans"),
        Signal.LOGS: ("resource_logs", "scope_logs", "log_records"),
        Signal.METRICS: ("resource_metrics", "scope_metrics", "metrics"),
    }[signal]
    found = [request]
    for level in levels:
        found = [child for parent in found for child in getattr(parent, level)]
    if signal is not Signal.METRICS:
        return len(found)
    kinds = [(metric, metric.WhichOneof("data")) for metric in found]  # type: ignore[attr-defined]
    return sum(len(getattr(metric, kind).data_points) for metric, kind in kinds if kind)


class Product:
    """A running service, and what its answers promised."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.acknowledged: Counter[Signal] = Counter()
        self.statuses: Counter[str] = Counter()
        self._client = httpx.Client(timeout=60)
        self._channel = grpc.insecure_channel(served.grpc.removeprefix("http://"))
        self._pids = {process.pid for process in self.processes()}
        assert len(self._pids) > 1, "receivers are processes of their own"

    def close(self) -> None:
        """Ends its connections."""
        self._client.close()
        self._channel.close()

    def processes(self) -> list[psutil.Process]:
        """The service's own, and its receivers."""
        main = psutil.Process(self.served.process.pid)
        return [main, *(child for child in main.children() if "api.receiver" in child.cmdline())]

    def post(self, path: str, body: bytes, headers: dict[str, str], api: bool = False) -> httpx.Response:
        """Sends anything; the answer must be one that a caller can work with."""
        answer = self._client.post(
            f"{self.served.url if api else self.served.http}{path}", content=body, headers=headers
        )
        self.statuses[f"{path} {answer.status_code}"] += 1
        assert answer.status_code < 500, (path, headers, body.hex(), answer.status_code, answer.text)
        return answer

    def otlp(self, signal: Signal, body: bytes, encoding: str = PROTOBUF, **headers: str) -> httpx.Response:
        """Over HTTP; counts nothing."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.post(f"/v1/{signal.value}", body, {"content-type": encoding} | named)

    def push(self, signal: Signal, body: bytes) -> None:
        """Protobuf over HTTP or gRPC, and takes the answer at its word."""
        total = _counted(signal, body)
        if len(body) % 2:
            answer = self.otlp(signal, body)
            assert answer.status_code in (200, 400), answer.text
            if answer.status_code == 200:
                self._acknowledge(signal, total, answer.content)
            return
        call = self._channel.unary_unary(f"/{SERVICE_NAMES[signal]}/Export")
        try:
            self._acknowledge(signal, total, call(body, timeout=60))
            self.statuses["grpc OK"] += 1
        except grpc.RpcError as error:
            self.statuses[f"grpc {error.code().name}"] += 1  # type: ignore[attr-defined]
            if error.code() is not grpc.StatusCode.INVALID_ARGUMENT:  # type: ignore[attr-defined]
                raise AssertionError(f"{error} for {body.hex()}") from None

    def push_json(self, signal: Signal, body: bytes) -> None:
        """JSON over HTTP, and takes the answer at its word."""
        answer = self.otlp(signal, body, JSON)
        assert answer.status_code in (200, 400), answer.text
        said = answer.json()
        if answer.status_code == 200:
            partial = said.get("partialSuccess", {})
            rejected = next((int(value) for key, value in partial.items() if key.startswith("rejected")), 0)
            self.acknowledged[signal] += items_in_json(signal, json.loads(body)) - rejected

    def _acknowledge(self, signal: Signal, total: int | None, answer: bytes) -> None:
        assert total is not None, "the reference reader refuses what was acknowledged"
        partial = RESPONSES[signal].FromString(answer).partial_success  # type: ignore[attr-defined]
        rejected = int(getattr(partial, REJECTED_FIELDS[signal]))
        assert 0 <= rejected <= total
        self.acknowledged[signal] += total - rejected

    def believe(self, signal: Signal) -> None:
        """Takes the ledger's word for what was acknowledged, where answers do not count what is stored."""
        seen, since = -1, time.monotonic()

        def still() -> bool:
            nonlocal seen, since
            entry = self.served.ledger(signal.value)
            if entry["received"] != seen or entry["pending"]:
                seen, since = entry["received"], time.monotonic()
            return time.monotonic() - since > 1.5

        eventually(still)
        assert seen >= self.acknowledged[signal]
        self.acknowledged[signal] = seen

    def raw(self, data: bytes, *, api: bool = False, seconds: float = 5.0) -> bytes:
        """Bytes on a connection of their own; what comes back before the end, or before the time is up."""
        where = urlsplit(self.served.url if api else self.served.http)
        with socket.create_connection((where.hostname, where.port), timeout=seconds) as connection:
            found = b""
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                while more := connection.recv(65_536):
                    found += more
            except OSError:
                pass
        assert b" 500 " not in found.split(b"\r\n", 1)[0], (data, found)
        return found

    def connect(self, data: bytes) -> socket.socket:
        """A connection on which this was sent, and nothing more comes."""
        where = urlsplit(self.served.http)
        connection = socket.create_connection((where.hostname, where.port), timeout=20)
        connection.sendall(data)
        return connection

    def cut(self, connection: socket.socket) -> None:
        """Returns when the service has ended the connection; fails when it does not."""
        try:
            while connection.recv(65_536):
                pass
        except ConnectionError:
            pass

    # --- what must hold ---

    def unharmed(self) -> None:
        """Fails with the first thing that is not as it must be."""
        self._neighbour()
        for signal in Signal:
            entry = eventually(lambda s=signal: self._settled(s))  # type: ignore[misc]
            rows = sum(self._rows(table) for table in TABLES[signal])
            kept = entry["stored"] + entry["quarantined"] + entry["duplicates"]
            assert entry["received"] == kept, (signal, entry)
            assert rows == entry["stored"], (signal, entry, rows)
            assert kept == self.acknowledged[signal], (signal, entry, self.acknowledged, dict(self.statuses))
        text = self.served.log.read_text()
        assert "Traceback" not in text, text[text.index("Traceback") - 2000 :][:6000]
        alive = {process.pid for process in self.processes()}
        assert alive == self._pids, "a process died"
        for process in self.processes()[1:]:
            assert process.memory_info().rss < RECEIVER_BYTES, process.memory_info()

    def _settled(self, signal: Signal) -> dict[str, int] | None:
        entry = self.served.ledger(signal.value)
        return None if entry["pending"] or entry["received"] < self.acknowledged[signal] else entry

    def _rows(self, table: str) -> int:
        answer = PLAIN.post(
            f"{self.served.url}/api/v1/query", json={"sql": f"SELECT count() FROM otel_{table}"}, timeout=60
        )
        return int(answer.json()["rows"][0][0])

    def _neighbour(self) -> None:
        request = samples.traces(Random(secrets.randbits(60)), time.time_ns(), 2)
        answer = self.otlp(Signal.TRACES, request.SerializeToString())
        assert (answer.status_code, answer.content) == (200, b""), answer.text
        self.acknowledged[Signal.TRACES] += 2


def items_in_json(signal: Signal, document: object) -> int:
    """Items of an accepted document: of members that exclude one another, the last counts."""
    levels = {
        Signal.TRACES: ("resourceSpans", "scopeSpans", "spans"),
        Signal.LOGS: ("resourceLogs", "scopeLogs", "logRecords"),
        Signal.METRICS: ("resourceMetrics", "scopeMetrics", "metrics"),
    }[signal]
    found: list[Any] = [document]
    for level in levels:
        found = [child for parent in found for child in parent.get(level) or ()]
    if signal is not Signal.METRICS:
        return len(found)
    kinds = ("gauge", "sum", "histogram", "exponentialHistogram", "summary")
    own = [[metric[key] for key in metric if key in kinds and metric[key] is not None] for metric in found]
    return sum(len(data[-1].get("dataPoints") or ()) for data in own if data)


def _counted(signal: Signal, body: bytes) -> int | None:
    """The items of a request by the reference reader; None for what is no request."""
    try:
        return items_of(signal, PUBLISHED[signal].FromString(body))
    except DecodeError:
        return None


@contextmanager
def attacked(folder: Path, **more: str) -> Iterator[Product]:
    """A service of its own, with a receiver process; unharmed at the end, and stopped cleanly."""
    limits = {
        "OPSINTEL_RECEIVER_PROCESSES": "1",
        "OPSINTEL_OTLP_HEADER_TIMEOUT_S": "1",
        "OPSINTEL_OTLP_BODY_TIMEOUT_S": "2",
    }
    with serving(folder, **(limits | more)) as served:
        product = Product(served)
        try:
            yield product
            product.unharmed()
            print(json.dumps(product.statuses, indent=1, sort_keys=True))
        finally:
            product.close()
