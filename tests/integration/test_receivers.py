"""Receivers in processes of their own: nothing is lost or doubled when one of them, or all the rest, is killed."""

from __future__ import annotations

import contextlib
import json
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from tests.integration.served import Served, environment, eventually, opsintel, serving
from tests.support.plain_http import PLAIN
from tests.support.ports import free_port

pytestmark = pytest.mark.blackbox

COUNT = {"sql": "SELECT count(), uniqExact(SpanId), uniqExact(bitShiftRight(SegmentId, 40)) FROM otel_traces"}


def receivers_of(process: int) -> list[psutil.Process]:
    """The receiver processes below one; a child that ends while it is looked at is none."""
    found = []
    for child in psutil.Process(process).children():
        with contextlib.suppress(psutil.Error):
            if "api.receiver" in child.cmdline():
                found.append(child)
    return found


def spans(count: int) -> dict[str, object]:
    """A request of spans that exist once."""
    now = time.time_ns()
    times = {"startTimeUnixNano": str(now), "endTimeUnixNano": str(now + 1)}
    made = [
        {"traceId": secrets.token_hex(16), "spanId": secrets.token_hex(8), "name": "s"} | times for _ in range(count)
    ]
    return {"resourceSpans": [{"scopeSpans": [{"spans": made}]}]}


class Load:
    """Clients that push until told to stop, each request on a connection of its own; counts what was acknowledged.

    The end of its block stops them, whatever happens in it.
    """

    def __init__(self, doors: Callable[[], str], clients: int = 4) -> None:
        self._doors, self._stop, self._lock = doors, threading.Event(), threading.Lock()
        self.acknowledged, self.unknown = 0, 0
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            body = json.dumps(spans(10))
            try:
                with httpx.Client(timeout=20, verify=False) as client:
                    answer = client.post(
                        f"{self._doors()}/v1/traces", content=body, headers={"content-type": "application/json"}
                    )
            except httpx.HTTPError:
                with self._lock:
                    self.unknown += 10
                self._stop.wait(0.05)
                continue
            with self._lock:
                self.acknowledged += 10 if answer.status_code == 200 else 0

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Load:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def stored(service: Served) -> list[int]:
    """Rows, distinct spans, lanes."""
    answer = PLAIN.post(f"{service.url}/api/v1/query", json=COUNT, timeout=60)
    rows: list[int] = answer.json()["rows"][0]
    return rows


def settled(service: Served) -> bool:
    entry = service.ledger("traces")
    return not entry["pending"] and bool(entry["stored"])


def test_a_receiver_is_killed_and_comes_back(tmp_path: Path) -> None:
    """Its lane is repaired and stored, the other goes on, and a new one joins in."""
    with serving(tmp_path, OPSINTEL_RECEIVER_PROCESSES="2") as service, Load(lambda: service.http) as load:
        victim = receivers_of(service.process.pid)[0]
        eventually(lambda: load.acknowledged > 500)
        victim.kill()
        at = load.acknowledged
        eventually(lambda: load.acknowledged > at + 500)
        eventually(lambda: len(receivers_of(service.process.pid)) == 2)
        load.stop()
        eventually(lambda: settled(service))
        rows, distinct, lanes = stored(service)
        assert rows == distinct
        assert load.acknowledged <= rows <= load.acknowledged + load.unknown
        assert lanes == 2
        assert service.ledger("traces")["stored"] == rows
        eventually(lambda: 'opsintel_collector_received_items_total{lane="0' in service.get("/metrics").text)


def test_receivers_go_with_their_owner(tmp_path: Path) -> None:
    """Killed without a word, it leaves no process behind that holds the ports; the next start stores all."""
    service = Served(tmp_path, OPSINTEL_RECEIVER_PROCESSES="2")
    children = receivers_of(service.process.pid)
    with Load(lambda: service.http) as load:
        eventually(lambda: load.acknowledged > 300)
        service.process.kill()
    service.end()
    assert psutil.wait_procs(children, timeout=20)[1] == []
    with serving(tmp_path, OPSINTEL_RECEIVER_PROCESSES="1") as again:
        eventually(lambda: settled(again))
        rows, distinct, _ = stored(again)
        assert rows == distinct
        assert load.acknowledged <= rows <= load.acknowledged + load.unknown


def test_receivers_beside_a_backend(tmp_path: Path) -> None:
    """They take data while the backend is away, and the backend stores what they took."""
    ports = {name: str(free_port()) for name in ("OPSINTEL_OTLP_HTTP_PORT", "OPSINTEL_OTLP_GRPC_PORT")}
    alone = subprocess.Popen(
        [sys.executable, "-m", "api.cli", "serve", "--roles", "receiver", "--processes", "2"],
        cwd=tmp_path,
        env=environment(tmp_path, **ports),
    )
    try:
        door = f"http://127.0.0.1:{ports['OPSINTEL_OTLP_HTTP_PORT']}"
        eventually(lambda: answers(door))
        before = 0
        for _ in range(20):
            before += 10 * (PLAIN.post(f"{door}/v1/traces", json=spans(10), timeout=20).status_code == 200)
        assert before == 200
        with serving(tmp_path, "--roles", "backend") as backend:
            with Load(lambda: door) as load:
                eventually(lambda: load.acknowledged > 300)
            eventually(lambda: backend.ledger("traces")["stored"] == before + load.acknowledged)
            rows, distinct, _ = stored(backend)
            assert (rows, distinct) == (before + load.acknowledged,) * 2
            alone.send_signal(signal.SIGTERM)
            assert alone.wait(15) == 0
    finally:
        alone.kill()
        alone.wait()


def test_a_port_of_another_service_is_not_shared(tmp_path: Path) -> None:
    """Although the system would allow it: half of the data would go elsewhere."""
    with serving(tmp_path) as service:
        other = tmp_path / "other"
        other.mkdir()
        taken = service.http.rsplit(":", 1)[1]
        done = opsintel(other, "serve", OPSINTEL_OTLP_HTTP_PORT=taken)
        assert done.returncode == 2
        assert f"OTLP/HTTP cannot listen on 127.0.0.1:{taken}" in done.stderr


def answers(door: str) -> bool:
    try:
        return PLAIN.get(f"{door}/v1/traces").status_code == 405
    except httpx.HTTPError:
        return False


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """After a clean stop the log is empty and no file of metrics claims a receiver."""
    with serving(tmp_path) as service:
        assert PLAIN.post(f"{service.http}/v1/traces", json=spans(3), timeout=20).status_code == 200
        eventually(lambda: settled(service))
    assert not list((tmp_path / "data" / "receivers").glob("*.prom"))
    assert not list((tmp_path / "data" / "wal").rglob("*.seg"))
