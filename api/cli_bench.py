"""`opsintel bench ingest`: how much a running service takes, seen from outside, over OTLP/HTTP.

It stores what it sends: spans of the service `opsintel-bench`, in the tenant of the key. It is a client in Python on
one machine, so beyond some hundred thousand spans a second it measures itself; and it does not measure CPU.
"""

from __future__ import annotations

import http.client
import json
import secrets
import statistics
import threading
import time
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from rich.console import Console
from rich.table import Table

from api.cli_data import Token, ask
from core import InvalidInput, Unavailable

SERVICE = "opsintel-bench"
TEMPLATES, MARK_BYTES, MOST_SPANS = 8, 6, 20_000
DRAIN_S, LONGEST_PAUSE_S = 300.0, 5.0


@dataclass
class Load:
    """What the connections report."""

    spans: int = 0
    acknowledged: int = 0
    refusals: int = 0
    latencies: list[float] = field(default_factory=list)
    problem: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    group = typer.Typer(help="Measure a running service.", no_args_is_help=True)
    group.callback()(_group)
    group.command("ingest")(ingest)
    app.add_typer(group, name="bench")


def _group() -> None:
    """Keeps `ingest` a name of its own while it is the only one."""


def ingest(
    url: Annotated[str, typer.Option(help="The running service.")] = "http://127.0.0.1:8080",
    otlp: Annotated[str, typer.Option(help="Its OTLP/HTTP endpoint.")] = "http://127.0.0.1:4318",
    seconds: Annotated[float, typer.Option(min=0.5, max=3600, help="How long to send.")] = 10.0,
    connections: Annotated[int, typer.Option(min=1, max=64)] = 4,
    spans: Annotated[int, typer.Option(min=1, max=MOST_SPANS, help="In a request.")] = 1_000,
    rate: Annotated[float, typer.Option(min=0, help="Spans a second; 0: as fast as they are taken.")] = 0.0,
    token: Token = "",
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Load a running service with spans, which it keeps, and print the rates and the latency of its answers."""
    target = urlsplit(otlp)
    if target.scheme not in ("http", "https") or not target.hostname:
        raise InvalidInput(f"--otlp must be like http://127.0.0.1:4318, got {otlp!r}")
    before = _ledger(url, token)
    templates = [_template(spans) for _ in range(TEMPLATES)]
    load, started = Load(spans), time.monotonic()
    turn = iter(range(1 << 62))

    def client() -> None:
        try:
            _send(load, target.scheme, target.netloc, target.path, token, templates, turn, started, seconds, rate)
        except (OSError, http.client.HTTPException) as error:
            with load.lock:
                load.problem = f"{otlp} cannot be reached: {error}"

    threads = [threading.Thread(target=client, daemon=True) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sent_s = time.monotonic() - started
    if load.problem and not load.acknowledged:
        raise Unavailable(load.problem)
    stored_s, after = _drained(url, token, started, before["stored"] + load.acknowledged)
    cuts = statistics.quantiles(load.latencies, n=100) if len(load.latencies) > 1 else [0.0] * 99
    found: dict[str, Any] = {
        "acknowledged": load.acknowledged,
        "acknowledged_per_s": round(load.acknowledged / sent_s),
        "stored": after["stored"] - before["stored"],
        "stored_per_s": round((after["stored"] - before["stored"]) / stored_s),
        "pending": after["pending"],
        "refusals": load.refusals,
        "latency_p50_ms": round(cuts[49] * 1000, 1),
        "latency_p99_ms": round(cuts[98] * 1000, 1),
        "problem": load.problem,
    }
    _print(found, as_json)


def _print(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(found))
        return
    table = Table("what", "value", title="ingest", title_justify="left")
    for name, value in found.items():
        if value != "":
            table.add_row(name.replace("_", " "), f"{value:,}" if isinstance(value, int | float) else str(value))
    Console().print(table)


def _ledger(url: str, token: str) -> dict[str, int]:
    found: dict[str, int] = ask(url, token, "/api/v1/ledger")["signals"]["traces"]
    return found


def _drained(url: str, token: str, started: float, wanted: int) -> tuple[float, dict[str, int]]:
    """When everything was stored, in seconds since the start, and the ledger then; gives up after five minutes."""
    deadline, pause = time.monotonic() + DRAIN_S, threading.Event()
    while (ledger := _ledger(url, token))["stored"] < wanted and time.monotonic() < deadline:
        pause.wait(0.2)
    return time.monotonic() - started, ledger


def _send(
    load: Load, scheme: str, netloc: str, path: str, token: str, templates: list[tuple[bytes, bytes]],
    turn: Any, started: float, seconds: float, rate: float,
) -> None:  # fmt: skip
    """One connection's requests, until the time is over. A refusal is waited out as long as the service asks."""
    kind = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
    connection, pause = kind(netloc, timeout=60), threading.Event()
    headers = {"content-type": "application/x-protobuf"} | ({"authorization": f"Bearer {token}"} if token else {})
    while True:
        with load.lock:
            number = next(turn)
        due = started + number * load.spans / rate if rate else time.monotonic()
        if due - started >= seconds:
            connection.close()
            return
        pause.wait(max(0.0, due - time.monotonic()))
        body, mark = templates[number % TEMPLATES]
        sent = due if rate else time.monotonic()
        connection.request(
            "POST", f"{path.rstrip('/')}/v1/traces", body.replace(mark, secrets.token_bytes(MARK_BYTES)), headers
        )
        answer = connection.getresponse()
        text = answer.read()
        took = time.monotonic() - sent
        if answer.status == 200:
            with load.lock:
                load.acknowledged += load.spans
                load.latencies.append(took)
        elif answer.status in (429, 503):
            with load.lock:
                load.refusals += 1
            pause.wait(min(float(answer.headers.get("retry-after", "1")), LONGEST_PAUSE_S))
        else:
            with load.lock:
                load.problem = f"the service answered {answer.status}: {text[:200].decode('utf-8', 'replace')}"
            return


def _template(spans: int) -> tuple[bytes, bytes]:
    """A request of ten-attribute spans, ten a trace, and the bytes in its ids that are replaced before each sending."""
    mark = secrets.token_bytes(MARK_BYTES)
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    for key, value in (("service.name", SERVICE), ("service.version", "1"), ("host.name", "bench-1")):
        resource.resource.attributes.add(key=key).value.string_value = value
    scope, now, tail = resource.scope_spans.add(), time.time_ns(), b""
    for index in range(spans):
        if index % 10 == 0:
            tail = secrets.token_bytes(10)
        span = scope.spans.add(
            trace_id=mark + tail,
            span_id=mark + index.to_bytes(2, "big"),
            name=("POST /orders", "allocate", "reserve stock", "POST /shipments")[index % 4],
            kind=1 + index % 5,
            start_time_unix_nano=now + index * 1_000,
            end_time_unix_nano=now + index * 1_000 + 1_000_000 + secrets.randbelow(10**8),
        )
        for key, value in (
            ("http.request.method", "POST"), ("http.route", f"/orders/{{id}}/{index % 7}"),
            ("server.address", "warehouse.internal"), ("url.scheme", "https"), ("network.protocol.version", "1.1"),
            ("user_agent.original", "bench/1.0"), ("warehouse", f"WH-{index % 12}"),
        ):  # fmt: skip
            span.attributes.add(key=key).value.string_value = value
        for key, number in (("http.response.status_code", 200 + index % 2), ("lines", 1 + index % 9), ("seq", index)):
            span.attributes.add(key=key).value.int_value = number
    return request.SerializeToString(), mark
