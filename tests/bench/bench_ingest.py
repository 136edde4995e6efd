"""How many spans a second go in, and what they cost.

    bench_ingest.py [--seconds 10] [--transport http|grpc] [--connections 4] [--spans 1000] [--opsintel CMD]

Starts the service on an empty directory and a load generator in a process of its own, on the same machine. Requests are
built beforehand; each is sent with trace and span ids of its own. Prints spans/s acknowledged while the load lasted,
spans/s stored (until nothing is pending), CPU seconds for a million spans of the service's process and of the load
generator, and the acknowledgement's latency. Exits 1 unless what is stored is exactly what was acknowledged. A number
to compare, not a test: it depends on the machine and on what else runs there.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import secrets
import shlex
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import psutil
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
READY_S, DRAIN_S, STOP_S = 120.0, 300.0, 20.0
TEMPLATES = 24


def template(spans: int) -> tuple[bytes, bytes]:
    """A request of ten-attribute spans, and the bytes in its ids that are replaced before each sending."""
    mark = secrets.token_bytes(6)
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    for key, value in (("service.name", "order-management"), ("service.version", "4.2.0"), ("host.name", "om-3")):
        resource.resource.attributes.add(key=key).value.string_value = value
    scope = resource.scope_spans.add()
    scope.scope.name, scope.scope.version = "bench", "1.0"
    now = time.time_ns()
    for index in range(spans):
        span = scope.spans.add(
            trace_id=mark + secrets.token_bytes(10),
            span_id=mark + index.to_bytes(2, "big"),
            parent_span_id=secrets.token_bytes(8),
            name=("POST /orders", "allocate", "reserve stock", "POST /shipments")[index % 4],
            kind=1 + index % 5,
            start_time_unix_nano=now + index * 1_000,
            end_time_unix_nano=now + index * 1_000 + 1_000_000 + secrets.randbelow(10**8),
        )
        text = {
            "http.request.method": "POST",
            "http.route": f"/orders/{{id}}/{index % 7}",
            "server.address": "warehouse.internal",
            "retail.stream": "order-to-cash",
            "retail.case.id": f"SO-{secrets.randbelow(10**7):07d}",
            "retail.step": ("allocate", "pick", "pack", "ship")[index % 4],
            "retail.location.id": f"WH-{index % 12}",
        }
        numbers = {"http.response.status_code": 200 + index % 2, "retail.quantity": 1 + index % 9, "retail.seq": index}
        for key, value in text.items():
            span.attributes.add(key=key).value.string_value = value
        for key, number in numbers.items():
            span.attributes.add(key=key).value.int_value = number
    return request.SerializeToString(), mark


# --- the load generator's process ---


def sender(transport: str, port: int) -> Callable[[bytes], bool]:
    """Sends one request and tells whether it was acknowledged in full."""
    if transport == "grpc":
        channel = grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.use_local_subchannel_pool", 1)])
        call = channel.unary_unary(METHOD)
        return lambda body: call(body, timeout=60) == b""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def post(body: bytes) -> bool:
        connection.request("POST", "/v1/traces", body, {"content-type": "application/x-protobuf"})
        response = connection.getresponse()
        return response.read() == b"" and response.status == 200

    return post


def generate(options: argparse.Namespace) -> None:
    """Sends until the time is over; prints what was acknowledged as JSON."""
    templates = [template(options.spans) for _ in range(TEMPLATES)]
    acked, latencies, lock = [0], list[float](), threading.Lock()
    print("ready", flush=True)
    sys.stdin.readline()
    started = time.monotonic()

    def client(number: int) -> None:
        send, turn, own = sender(options.transport, options.port), number, list[float]()
        while time.monotonic() - started < options.seconds:
            body, mark = templates[turn % TEMPLATES]
            turn += 1
            body = body.replace(mark, secrets.token_bytes(6))
            sent = time.monotonic()
            if send(body):
                own.append(time.monotonic() - sent)
        with lock:
            acked[0] += len(own) * options.spans
            latencies.extend(own)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(options.connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took, cpu = time.monotonic() - started, time.process_time()
    print(json.dumps({"acked": acked[0], "seconds": took, "cpu": cpu, "latencies": latencies}), flush=True)


# --- the measuring process ---


def free_ports() -> list[int]:
    """Three ports that nothing listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(3)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def api(port: int, method: str, path: str, document: Any = None) -> tuple[int, Any]:
    """The status and the decoded body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    body = None if document is None else json.dumps(document)
    connection.request(method, path, body, {"content-type": "application/json"})
    response = connection.getresponse()
    raw = response.read()
    connection.close()
    return response.status, json.loads(raw) if raw[:1] in (b"{", b"[") else None


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Asks ten times a second; leaves the program when the time is over."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if condition():
                return
        if time.monotonic() > deadline:
            sys.exit(f"{what}: not within {seconds:.0f} s")
        pause.wait(0.1)


def measure(options: argparse.Namespace) -> bool:
    """One run; whether what is stored is what was acknowledged."""
    http_port, grpc_port, otlp_port = free_ports()
    with tempfile.TemporaryDirectory(prefix="opsintel-bench-") as folder:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OPSINTEL_")} | {
            "OPSINTEL_DATA_DIR": folder,
            "OPSINTEL_HTTP_PORT": str(http_port),
            "OPSINTEL_OTLP_GRPC_PORT": str(grpc_port),
            "OPSINTEL_OTLP_HTTP_PORT": str(otlp_port),
            "OPSINTEL_JOBS_ENABLED": "false",
        }
        log = (Path(folder) / "serve.log").open("wb")
        service = subprocess.Popen(
            [*shlex.split(options.opsintel), "serve"], env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            wait_for(lambda: api(http_port, "GET", "/readyz")[0] == 200, READY_S, "the service does not start")
            return report(options, service.pid, http_port, grpc_port if options.transport == "grpc" else otlp_port)
        finally:
            service.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                service.wait(STOP_S)
            if service.poll() is None:
                os.killpg(service.pid, signal.SIGKILL)
                service.wait()
            log.close()


def report(options: argparse.Namespace, pid: int, api_port: int, port: int) -> bool:
    """Runs the load and prints the figures."""
    process = psutil.Process(pid)

    def cpu() -> float:
        return sum(sum(one.cpu_times()[:2]) for one in [process, *process.children(recursive=True)])

    arguments = ["--transport", options.transport, "--seconds", str(options.seconds), "--spans", str(options.spans)]
    arguments += ["--connections", str(options.connections), "--port", str(port), "--generate"]
    generator = subprocess.Popen(
        [sys.executable, __file__, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert generator.stdin is not None
    assert generator.stdout is not None
    generator.stdout.readline()
    before, started = cpu(), time.monotonic()
    generator.stdin.write("go\n")
    generator.stdin.flush()
    load = json.loads(generator.stdout.readline())
    generator.wait()

    def entry() -> dict[str, int]:
        traces: dict[str, int] = api(api_port, "GET", "/api/v1/ledger")[1]["signals"]["traces"]
        return traces

    wait_for(lambda: entry()["pending"] == 0, DRAIN_S, "the log does not drain")
    stored_s, used = time.monotonic() - started, cpu() - before
    resident = process.memory_info().rss
    sql = "SELECT count(), uniqExact(TraceId, SpanId) FROM otel_traces WHERE ScopeName = 'bench'"
    rows = api(api_port, "POST", "/api/v1/query", {"sql": sql, "params": {}})[1]["rows"]
    found, unique = (int(cell) for cell in rows[0])
    acked, millions = load["acked"], max(load["acked"], 1) / 1e6
    cuts = statistics.quantiles(load["latencies"] or [0.0, 0.0], n=100)
    print(
        f"{options.transport}, {options.connections} connections, {options.spans} spans a request\n"
        f"  acknowledged  {acked / load['seconds']:>10,.0f} spans/s  ({acked:,} in {load['seconds']:.1f} s)\n"
        f"  stored        {acked / stored_s:>10,.0f} spans/s  (nothing pending after {stored_s:.1f} s)\n"
        f"  CPU           {used / millions:>10.1f} s a million spans; load generator {load['cpu'] / millions:.1f} s\n"
        f"  latency       {cuts[49] * 1000:>10.1f} ms median, {cuts[98] * 1000:.1f} ms 99th percentile\n"
        f"  memory        {resident / (1 << 20):>10,.0f} MiB resident at the end"
    )
    last = entry()
    good = bool(found == unique == acked == last["stored"] == last["received"])
    print(f"  stored exactly what was acknowledged: {'yes' if good else f'NO, {found} rows, {unique} unique'}")
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description="ingest benchmark")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long to send")
    parser.add_argument("--transport", choices=("http", "grpc", "both"), default="both")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--spans", type=int, default=1_000, help="spans in a request")
    default = str(Path(sys.executable).parent / "opsintel")
    parser.add_argument("--opsintel", default=default, metavar="CMD", help="the command that has `serve`")
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--generate", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.generate:
        generate(options)
        return 0
    transports = ("http", "grpc") if options.transport == "both" else (options.transport,)
    results = [measure(argparse.Namespace(**vars(options) | {"transport": transport})) for transport in transports]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
