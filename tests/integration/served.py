"""`opsintel` as its users run it: processes on a data directory, told by signals, with ports that the system picks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.support.plain_http import PLAIN

ROOT = Path(__file__).parents[2]


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Of a process with its data in `folder`; the settings of this process do not reach it."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("OPSINTEL_", "OTEL_"))}
    ports = {f"OPSINTEL_{name}_PORT": "0" for name in ("HTTP", "OTLP_GRPC", "OTLP_HTTP")}
    return own | ports | {
        "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "OPSINTEL_DATA_DIR": str(folder / "data"),
        "OPSINTEL_LOG_FORMAT": "json", "COLUMNS": "300",
    } | more  # fmt: skip


def opsintel(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "api.cli", *arguments],
        cwd=folder, env=environment(folder, **more), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def eventually(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """The first true answer; fails when there is none within the time."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not (found := condition()):
        assert time.monotonic() < deadline, "the condition did not come true in time"
        pause.wait(0.05)
    return found


class Served:
    """`opsintel serve` on a folder; made when its doors are open."""

    def __init__(self, folder: Path, *arguments: str, **more: str) -> None:
        self.log = folder / f"serve-{time.monotonic_ns()}.log"
        with self.log.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "api.cli", "serve", *arguments],
                cwd=folder, env=environment(folder, **more), stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            told = eventually(self._serving)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        self.url = str(told["dashboards"]).rstrip("/")
        self.grpc, self.http = str(told["otlp_grpc"]), str(told["otlp_http"])

    def _serving(self) -> dict[str, Any] | None:
        text = self.log.read_text()
        assert self.process.poll() is None, text
        for line in text.splitlines():
            if line.startswith("{") and line.endswith("}"):
                found: dict[str, Any] = json.loads(line)
                if found.get("event") == "serving":
                    return found
        return None

    def get(self, path: str, token: str = "") -> httpx.Response:
        """Asks the API."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return PLAIN.get(f"{self.url}{path}", headers=headers, timeout=60)

    def ledger(self, signal: str) -> dict[str, int]:
        """One signal's entry."""
        found: dict[str, int] = self.get("/api/v1/ledger").json()["signals"][signal]
        return found

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Exit status, and the seconds it took."""
        started = time.monotonic()
        self.process.send_signal(number)
        status = self.process.wait(60)
        return status, time.monotonic() - started

    def end(self) -> None:
        """Makes sure that it is gone."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@contextmanager
def serving(folder: Path, *arguments: str, **more: str) -> Iterator[Served]:
    """`opsintel serve` for the length of the block; fails when SIGTERM does not end it with status 0 within 15 s."""
    service = Served(folder, *arguments, **more)
    try:
        yield service
        status, seconds = service.stop()
        assert (status, seconds < 15) == (0, True), service.log.read_text()[-2000:]
    finally:
        service.end()
