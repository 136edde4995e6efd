"""The product as its users start it: `opsintel serve` in a process of its own, on free ports and an empty directory."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

READY_S = 90.0


@dataclass(frozen=True)
class Service:
    """Where it can be reached."""

    process: subprocess.Popen[bytes]
    api: str
    otlp_http: str
    otlp_grpc: str
    log: Path


def free_port() -> int:
    """A port that nobody used a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment(data: Path, **settings: object) -> dict[str, str]:
    """The environment of a process of ours: nothing of the developer's, these settings."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OPSINTEL_")}
    ours = {"data_dir": data} | settings
    return clean | {f"OPSINTEL_{name.upper()}": str(value) for name, value in ours.items()}


@contextmanager
def served(folder: Path, **settings: object) -> Iterator[Service]:
    """Starts it, waits until it is ready, and stops it with SIGTERM; fails when that does not end with status 0."""
    api, grpc, http = free_port(), free_port(), free_port()
    ports = {"http_port": api, "otlp_grpc_port": grpc, "otlp_http_port": http}
    log = folder / "serve.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "api.cli", "serve"],
            env=environment(folder / "data", **ports, **settings),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    service = Service(process, f"http://127.0.0.1:{api}", f"http://127.0.0.1:{http}", f"127.0.0.1:{grpc}", log)
    try:
        _wait_until_ready(service)
        yield service
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert status == 0, log.read_text()[-2000:]


def _wait_until_ready(service: Service) -> None:
    deadline = time.monotonic() + READY_S
    answered = ""
    while time.monotonic() < deadline:
        assert service.process.poll() is None, service.log.read_text()[-2000:]
        try:
            reply = httpx.get(f"{service.api}/readyz", timeout=5)
        except httpx.TransportError as error:
            answered = str(error)
            continue
        if reply.status_code == 200:
            return
        answered = reply.text
    raise AssertionError(f"not ready after {READY_S:.0f} s: {answered}\n{service.log.read_text()[-2000:]}")
