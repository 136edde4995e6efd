"""The product under a fault: processes on a data directory and fixed ports, clients that push, and what is seen of it.

Nothing here reaches into the product; it starts, signals and asks it as its users do. What a row breaks, it breaks in
files, in the engine's server, or at a fault point.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil

from tests.faults.clients import Book, Doors, Load, Outcome, load, send_again
from tests.faults.points import INJECT, Plan, Point
from tests.integration.served import ROOT, Served, environment, eventually
from tests.support.clickhouse_process import ClickHouseServer
from tests.support.plain_http import PLAIN
from tests.support.ports import free_port

SETTLE_S = 90.0
DEFAULTS = {
    "OPSINTEL_RECEIVER_PROCESSES": "2",
    "OPSINTEL_WAL_SEGMENT_AGE_MS": "100",
    "OPSINTEL_JOBS_ENABLED": "false",
    "OPSINTEL_WAL_FREE_FLOOR_BYTES": "0",
}


class Unable(Exception):
    """The fault cannot be made on this machine; the row says why."""


class Rig:
    """One row's product. Not started when made. `server`: the store is this server, not embedded."""

    def __init__(
        self,
        folder: Path,
        *,
        server: ClickHouseServer | None = None,
        points: Iterable[Point] = (),
        settings: dict[str, str] | None = None,
    ) -> None:
        self.folder, self.server, self.book = folder, server, Book()
        self.plan = Plan(folder / "points", points)
        api, http, grpc = (free_port() for _ in range(3))
        self.doors = Doors(f"http://127.0.0.1:{http}", f"127.0.0.1:{grpc}")
        self.settings = DEFAULTS | {
            "OPSINTEL_HTTP_PORT": str(api),
            "OPSINTEL_OTLP_HTTP_PORT": str(http),
            "OPSINTEL_OTLP_GRPC_PORT": str(grpc),
            "FAULT_PLAN": str(self.plan.file),
            "PYTHONPATH": os.pathsep.join((str(INJECT), str(ROOT))),
        }
        if server is not None:
            self.settings["OPSINTEL_CLICKHOUSE_DSN"] = server.dsn()
        self.settings |= settings or {}
        self.served: Served | None = None
        self.starts, self.injected_at, self.recovered_s = 0, 0.0, 0.0
        self.restarted_receivers, self.notes = 0, list[str]()

    # --- folders ---

    @property
    def data(self) -> Path:
        """The data directory."""
        return Path(self.settings.get("OPSINTEL_DATA_DIR", self.folder / "data"))

    @property
    def wal(self) -> Path:
        """The log."""
        return self.data / "wal"

    def segments(self, ending: str) -> list[Path]:
        """Of all lanes, in this state, the lowest id first."""
        return sorted(self.wal.glob(f"lanes/*/*.{ending}"), key=lambda path: int(path.name.split(".")[0].split("-")[0]))

    # --- processes ---

    def start(self, *arguments: str, **more: str) -> Served:
        """`opsintel serve`, in a process group of its own."""
        self.starts += 1
        self.served = Group(self.folder, *arguments, **self.settings | more)
        return self.served

    @property
    def running(self) -> Served:
        """The product, which has been started."""
        assert self.served is not None
        return self.served

    def receivers(self) -> list[psutil.Process]:
        """The receiver processes."""
        return [child for child in psutil.Process(self.running.process.pid).children() if _receives(child)]

    def kill_owner(self) -> None:
        """SIGKILL; its receivers notice and end."""
        children = self.receivers() if self.running.process.poll() is None else []
        self.running.end()
        psutil.wait_procs(children, timeout=20)

    def kill_group(self) -> None:
        """SIGKILL to all of it at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.running.process.pid, signal.SIGKILL)
        self.running.process.wait(20)

    def wait_dead(self) -> None:
        """The product dies by itself, at a point."""
        self.running.process.wait(60)
        eventually(lambda: not any(_is_receiver(one, self.folder) for one in psutil.process_iter(["cmdline"])), 20)

    def end(self) -> None:
        """Nothing is left running."""
        if self.served is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.served.process.pid, signal.SIGKILL)
            self.served.end()

    # --- load ---

    @contextlib.contextmanager
    def load(self, pause_s: float = 0.02) -> Iterator[Load]:
        """Clients of every kind."""
        with load(self.book, lambda: self.doors, pause_s) as made:
            yield made

    def acknowledged(self) -> int:
        """Items, until now."""
        return self.book.items(Outcome.ACKNOWLEDGED)

    def wait_acknowledged(self, more: int = 300, seconds: float = 60.0) -> None:
        """Until so many items more have been acknowledged."""
        wanted = self.acknowledged() + more
        eventually(lambda: self.acknowledged() >= wanted, seconds)

    def injected(self) -> None:
        """The fault is over from here on; the time to recover counts."""
        self.injected_at = time.monotonic()

    # --- what is seen ---

    def settle(self) -> None:
        """Sends again what exporters would, and waits until nothing is pending."""
        if not self.injected_at:
            self.injected()
        send_again(self.book, lambda: self.doors)
        eventually(lambda: not any(one["pending"] for one in self.ledger().values()), SETTLE_S)
        self.recovered_s = time.monotonic() - self.injected_at

    def ledger(self) -> dict[str, dict[str, int]]:
        """Every signal's entry."""
        found: dict[str, dict[str, int]] = self.running.get("/api/v1/ledger").json()["signals"]
        return found

    def query(self, sql: str) -> list[list[Any]]:
        """Rows, through the product."""
        answer = PLAIN.post(f"{self.running.url}/api/v1/query", json={"sql": sql}, timeout=60)
        assert answer.status_code == 200, answer.text
        rows: list[list[Any]] = answer.json()["rows"]
        return rows

    def metric(self, name: str) -> float:
        """The sum of a metric of the owner's."""
        lines = self.running.get("/metrics").text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))

    def log_text(self) -> str:
        """Everything that the product has said, over all starts."""
        return "".join(path.read_text() for path in sorted(self.folder.glob("serve-*.log")))


class Group(Served):
    """`opsintel serve` in a process group of its own."""

    def __init__(self, folder: Path, *arguments: str, **more: str) -> None:
        self.log = folder / f"serve-{time.monotonic_ns()}.log"
        with self.log.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "api.cli", "serve", *arguments], start_new_session=True,
                cwd=folder, env=environment(folder, **more), stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self.url = self.grpc = self.http = ""

    def wait_open(self, seconds: float = 90.0) -> Group:
        """Until its doors are open. Raises AssertionError when it ends before."""
        told = eventually(self._serving, seconds)
        self.url = str(told["dashboards"]).rstrip("/")
        return self


def _receives(process: psutil.Process) -> bool:
    """Whether it is a receiver that lives."""
    try:
        return "api.receiver" in process.cmdline()
    except psutil.Error:
        return False


def _is_receiver(process: psutil.Process, folder: Path) -> bool:
    try:
        return _receives(process) and process.cwd() == str(folder)
    except psutil.Error:
        return False


def until(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """See `eventually`; the same, under the name that rows read well with."""
    return eventually(condition, seconds)


@contextlib.contextmanager
def small_disk(folder: Path, mebibytes: int) -> Iterator[Path]:
    """A file system of this size at `folder`. Raises Unable where this user may not mount one."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or os.geteuid() != 0:
        raise Unable("only root may mount a small disk")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unable(f"a small disk cannot be mounted: {done.stderr.strip()[:80]}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)
