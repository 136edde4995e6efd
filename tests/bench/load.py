"""The load generator: a process of its own that sends until the time is over and reports what was acknowledged.

    python -m tests.bench.load --port N [--signal traces] [--transport http|grpc] [--rate ITEMS_PER_SECOND] …

Without a rate every connection sends as fast as it is answered. With one, requests are due at even intervals and a
request's latency counts from the moment it was due, so a stall shows in full. Prints "ready", waits for a line on its
input, and prints one line of JSON at the end.
"""

from __future__ import annotations

import argparse
import http.client
import json
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from tests.bench.payloads import METHODS, Request

TEMPLATES = 16
REFUSED_PAUSE_S = 0.05


def sender(transport: str, signal: str, port: int) -> Callable[[bytes], bool]:
    """Sends one request and tells whether all of it was acknowledged."""
    if transport == "grpc":
        channel = grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.use_local_subchannel_pool", 1)])
        call = channel.unary_unary(METHODS[signal])

        def export(body: bytes) -> bool:
            try:
                return accepted(call(body, timeout=60))
            except grpc.RpcError:
                return False

        return export
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def post(body: bytes) -> bool:
        connection.request("POST", f"/v1/{signal}", body, {"content-type": "application/x-protobuf"})
        response = connection.getresponse()
        return accepted(response.read()) and response.status == 200

    return post


def accepted(answer: bytes) -> bool:
    """Whether nothing was rejected; the three answers have the same shape."""
    return not ExportTraceServiceResponse.FromString(answer).partial_success.rejected_spans


def main() -> None:
    parser = argparse.ArgumentParser(description="load generator of the ingest benchmark")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--signal", choices=sorted(METHODS), default="traces")
    parser.add_argument("--transport", choices=("http", "grpc"), default="http")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--items", type=int, default=1_000, help="in a request")
    parser.add_argument("--per-trace", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rate", type=float, default=0.0, help="items a second; 0: as fast as they are taken")
    parser.add_argument("--run", type=int, default=0)
    parser.add_argument("--epoch", type=int, default=0)
    options = parser.parse_args()
    seed = options.run * 1_000 + 1
    templates = [
        Request(
            options.signal,
            options.items,
            options.per_trace,
            number + 1,
            run=options.run,
            epoch_ns=options.epoch or None,
        )
        for number in range(TEMPLATES)
    ]
    for number, template in enumerate(templates):
        template.reseed(seed + number)
    locks = [threading.Lock() for _ in templates]
    print("ready", flush=True)
    sys.stdin.readline()
    started, cpu = time.monotonic(), time.process_time()
    interval = options.items / options.rate if options.rate else 0.0
    turn, turns, total = [0], threading.Lock(), threading.Lock()
    acked, refused, latencies = [0], [0], list[float]()

    def client(number: int) -> None:
        send, own, taken, not_taken = sender(options.transport, options.signal, options.port), list[float](), 0, 0
        while True:
            with turns:
                mine, turn[0] = turn[0], turn[0] + 1
            due = started + mine * interval if interval else time.monotonic()
            if due - started >= options.seconds:
                break
            if due > time.monotonic():
                time.sleep(due - time.monotonic())
            which = mine % TEMPLATES
            with locks[which]:
                body = templates[which].fresh()
            sent = due if interval else time.monotonic()
            if send(body):
                own.append(time.monotonic() - sent)
                taken += options.items
            else:
                not_taken += options.items
                time.sleep(REFUSED_PAUSE_S)
        with total:
            acked[0] += taken
            refused[0] += not_taken
            latencies.extend(own)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(options.connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cuts = statistics.quantiles(latencies, n=100) if len(latencies) > 1 else [0.0] * 99
    report = {
        "acked": acked[0], "refused": refused[0], "seconds": time.monotonic() - started,
        "cpu": time.process_time() - cpu, "p50_ms": cuts[49] * 1000, "p99_ms": cuts[98] * 1000,
        "bytes": templates[0].size / options.items,
    }  # fmt: skip
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
