"""A running collector with many tenants: the bearer token is the tenant's name. And callers that misbehave."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import grpc
import httpx
from google.rpc.status_pb2 import Status
from prometheus_client import CollectorRegistry

from collector import Collector
from core import Principal, Rates, Role, Settings, SystemClock, Unauthenticated, load_settings
from storage import ClickHouse, StateDb
from tests.support.plain_http import PLAIN

PROTOBUF, JSON = "application/x-protobuf", "application/json"
TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


class Rig:
    """Without an engine it only receives: what is acknowledged is in the log."""

    def __init__(
        self, settings: Settings, state: StateDb, ch: ClickHouse | None = None, *, share: float = 1.0, **changed: Any
    ) -> None:
        self.settings = load_settings(**settings.model_dump() | changed)
        self.registry = CollectorRegistry()
        self.collector = Collector(self.settings, SystemClock(), ch, state, self.registry, share=share)
        self.principals: dict[str, Principal] = {}
        self.collector.start(self.authenticate)
        self.channels: list[grpc.Channel] = []

    def authenticate(self, headers: Mapping[str, str]) -> Principal:
        token = headers.get("authorization", "").removeprefix("Bearer ")
        if not token:
            raise Unauthenticated("no token")
        return self.principals.get(token) or Principal(token, token, frozenset({Role.INGEST}), key=f"key-{token}")

    def key(self, name: str, tenant: str, *, rates: Rates | None = None, signals: frozenset[str] | None = None) -> None:
        """A key beside that of the tenant's name."""
        self.principals[name] = Principal(name, tenant, frozenset({Role.INGEST}), name, rates or Rates(), signals)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.collector.http_port}"

    def post(self, tenant: str, body: bytes, *, path: str = "/v1/traces", **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return PLAIN.post(
            self.url + path,
            content=body,
            headers={"content-type": PROTOBUF, "authorization": f"Bearer {tenant}"} | named,
            timeout=20,
        )

    def channel(self) -> grpc.Channel:
        """A connection of its own."""
        made = grpc.insecure_channel(f"127.0.0.1:{self.collector.grpc_port}", [("grpc.use_local_subchannel_pool", 1)])
        self.channels.append(made)
        return made

    def call(self, tenant: str, body: bytes, channel: grpc.Channel | None = None) -> bytes:
        answer: bytes = (channel or self.channel()).unary_unary(TRACES)(body, timeout=20, metadata=bearer(tenant))
        return answer

    def hanging_call(self, tenant: str, channel: grpc.Channel, release: threading.Event) -> Any:
        """A call whose message does not come before `release`."""

        def requests() -> Iterator[bytes]:
            release.wait(30)
            yield b""

        return channel.stream_unary(TRACES).future(requests(), timeout=30, metadata=bearer(tenant))

    def connect(self) -> socket.socket:
        """A raw connection to the HTTP port."""
        return socket.create_connection(("127.0.0.1", self.collector.http_port), timeout=10)

    def refused(self, reason: str, tenant: str = "") -> float:
        """How often a limit refused."""
        labels = {"reason": reason, "tenant": tenant}
        return self.registry.get_sample_value("opsintel_collector_limited_requests_total", labels) or 0.0

    def gauge(self, name: str) -> float:
        found = self.registry.get_sample_value(f"opsintel_collector_{name}")
        assert found is not None
        return found

    def close(self) -> None:
        for channel in self.channels:
            channel.close()
        self.collector.stop()


def bearer(tenant: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {tenant}"),)


def head(tenant: str, length: int, *more: str) -> bytes:
    """The head of a request for a body that may never come."""
    lines = [
        "POST /v1/traces HTTP/1.1", "host: 127.0.0.1", f"content-type: {PROTOBUF}", f"content-length: {length}",
        f"authorization: Bearer {tenant}", *more,
    ]  # fmt: skip
    return "\r\n".join([*lines, "", ""]).encode()


def read_all(connection: socket.socket) -> bytes:
    """Until the server closes; fails after ten seconds without a byte."""
    parts = list[bytes]()
    try:
        while part := connection.recv(65_536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def status_of(error: grpc.RpcError) -> Status:
    """The details of a refused call."""
    found = dict(error.trailing_metadata() or ())  # type: ignore[attr-defined]
    return Status.FromString(found["grpc-status-details-bin"])


def eventually(condition: Callable[[], Any], seconds: float = 15.0) -> None:
    """Returns once the condition holds."""
    import time

    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        pause.wait(0.01)
