"""Who is measured: this collector with its embedded engine, this collector on a server, and rotel on such a server.

Each is started on an empty folder, told where to listen, and asked afterwards what it stored.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.payloads import SERVICE
from tests.bench.rotel_tables import STATEMENTS
from tests.support.clickhouse_process import ClickHouseServer

READY_S, STOP_S = 60.0, 30.0
IDS = {
    "traces": (("otel_traces",), "(TraceId, SpanId)"),
    "logs": (("otel_logs",), "(TraceId, SpanId)"),
    "metrics": (("otel_metrics_gauge", "otel_metrics_sum"), "(MetricName, TimeUnix)"),
}
TABLES = {  # everything that an item is written to
    "traces": ("otel_traces", "otel_traces_trace_id_ts", "case_index"),
    "logs": ("otel_logs", "process_events"),
    "metrics": ("otel_metrics_gauge", "otel_metrics_sum"),
}


def free_port() -> int:
    """One that nothing listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def wait_until(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """The first true answer; raises AssertionError when there is none within the time."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while True:
        with contextlib.suppress(OSError):
            if found := condition():
                return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds:.0f} s")
        pause.wait(0.1)


@dataclass(frozen=True)
class Stored:
    """What the tables hold of a signal."""

    rows: int
    distinct: int
    bare: int
    """Items that have lost their resource."""


class Contender(ABC):
    """One of them, running or not."""

    name: str
    database: str

    def __init__(self) -> None:
        self.ports: dict[str, int] = {}
        self._processes: list[subprocess.Popen[bytes]] = []

    @abstractmethod
    def start(self, folder: Path) -> None:
        """Returns when it takes requests."""

    @abstractmethod
    def roots(self) -> dict[str, int]:
        """Its processes by role."""

    @abstractmethod
    def ask(self, sql: str) -> list[list[str]]:
        """Rows from the engine that it stores into."""

    def stop(self) -> None:
        """Ends everything that `start` began."""
        for process in reversed(self._processes):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    def _run(self, command: list[str], folder: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        own = {name: value for name, value in os.environ.items() if not name.startswith(("OPSINTEL_", "ROTEL_"))}
        with (folder / f"{Path(command[0]).name}.log").open("ab") as log:
            process = subprocess.Popen(command, cwd=folder, env=own | environment, stdout=log, stderr=log)
        self._processes.append(process)
        return process

    # --- what it stored ---

    def rows(self, signal_name: str) -> int:
        """Items that can be queried now."""
        tables, _ = IDS[signal_name]
        sql = " + ".join(f"(SELECT count() FROM {self.database}.{table})" for table in tables)
        return int(self.ask(f"SELECT {sql}")[0][0])

    def stored(self, signal_name: str) -> Stored:
        """Counts over everything."""
        tables, key = IDS[signal_name]
        union = " UNION ALL ".join(
            f"SELECT {key} AS id, ResourceAttributes['service.name'] = '{SERVICE}' AS whole "
            f"FROM {self.database}.{table}"
            for table in tables
        )
        (row,) = self.ask(f"SELECT count(), uniqExact(id), countIf(NOT whole) FROM ({union})")
        return Stored(*(int(cell) for cell in row))

    def disk(self, signal_name: str) -> int:
        """Bytes of all active parts of the signal's tables."""
        names = ", ".join(f"'{name}'" for name in TABLES[signal_name])
        sql = f"SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = '{self.database}'"
        return int(self.ask(f"{sql} AND table IN ({names})")[0][0])

    @abstractmethod
    def merge(self, signal_name: str) -> None:
        """Everything into one part a partition; nothing, where the engine cannot be told."""


class Opsintel(Contender):
    """This collector: with its embedded engine, or with a server beside it."""

    database = "opsintel"

    def __init__(self, *, server: bool, command: list[str], environment: dict[str, str] | None = None) -> None:
        super().__init__()
        self.name = "opsintel, server" if server else "opsintel, embedded"
        self._command, self._environment, self._with_server = command, environment or {}, server
        self._server: ClickHouseServer | None = None
        self._api = 0

    def start(self, folder: Path) -> None:
        self._api, self.ports = free_port(), {"http": free_port(), "grpc": free_port()}
        environment = {
            "OPSINTEL_DATA_DIR": str(folder / "data"),
            "OPSINTEL_HTTP_PORT": str(self._api),
            "OPSINTEL_OTLP_HTTP_PORT": str(self.ports["http"]),
            "OPSINTEL_OTLP_GRPC_PORT": str(self.ports["grpc"]),
            "OPSINTEL_JOBS_ENABLED": "false",
            "OPSINTEL_QUERY_MAX_SECONDS": "120",
        }
        if self._with_server:
            self._server = ClickHouseServer(folder / "server", user="bench", password="bench")
            self._server.start()
            environment["OPSINTEL_CLICKHOUSE_DSN"] = self._server.dsn()
        self._run([*self._command, "serve"], folder, environment | self._environment)
        wait_until(lambda: self._get("/readyz"), READY_S, "the service does not start")

    def _get(self, path: str, document: Any = None) -> Any:
        data = None if document is None else json.dumps(document).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._api}{path}", data, {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=150) as response:
            return json.loads(response.read())

    def roots(self) -> dict[str, int]:
        found = {"collector": self._processes[0].pid}
        return found | ({"server": self._server.pid} if self._server else {})

    def ask(self, sql: str) -> list[list[str]]:
        if self._server:
            return self._server.ask(sql)
        return [[str(cell) for cell in row] for row in self._get("/api/v1/query", {"sql": sql, "params": {}})["rows"]]

    def rows(self, signal_name: str) -> int:
        if self._server:
            return super().rows(signal_name)
        return int(self._get("/api/v1/ledger")["signals"][signal_name]["stored"])

    def disk(self, signal_name: str) -> int:
        return super().disk(signal_name) if self._server else 0

    def merge(self, signal_name: str) -> None:
        if self._server:
            for table in TABLES[signal_name]:
                self._server.ask(f"OPTIMIZE TABLE {self.database}.{table} FINAL")

    def stop(self) -> None:
        super().stop()
        if self._server:
            self._server.stop()
            self._server = None


class Rotel(Contender):
    """rotel, batching `batch` items (None: its default) before each insert."""

    database = "otel"

    def __init__(self, *, batch: int | None, asynchronous: bool = True) -> None:
        super().__init__()
        self.name = f"rotel, batch {batch or 8192}{'' if asynchronous else ', sync'}{' (default)' if not batch else ''}"
        self._batch, self._asynchronous = batch, asynchronous
        self._server: ClickHouseServer | None = None

    def start(self, folder: Path) -> None:
        self._server = ClickHouseServer(folder / "server", user="bench", password="bench")
        self._server.start()
        for statement in STATEMENTS:
            self._server.ask(statement)
        self.ports = {"http": free_port(), "grpc": free_port()}
        command = [agent(), "start", "--pid-file", str(folder / "pid"), "--log-file", str(folder / "log")]
        command += ["--otlp-http-endpoint", f"127.0.0.1:{self.ports['http']}"]
        command += ["--otlp-grpc-endpoint", f"127.0.0.1:{self.ports['grpc']}", "--exporter", "clickhouse"]
        command += ["--clickhouse-exporter-endpoint", f"http://127.0.0.1:{self._server.port}"]
        command += ["--clickhouse-exporter-user", "bench", "--clickhouse-exporter-password", "bench"]
        command += ["--clickhouse-exporter-async-insert", str(self._asynchronous).lower()]
        if self._batch:
            command += ["--batch-max-size", str(self._batch)]
        self._run(command, folder, {})
        for port in self.ports.values():
            wait_until(
                lambda port=port: socket.create_connection(("127.0.0.1", port)).close() or True, READY_S, "rotel"
            )

    def roots(self) -> dict[str, int]:
        assert self._server is not None
        return {"collector": self._processes[0].pid, "server": self._server.pid}

    def ask(self, sql: str) -> list[list[str]]:
        assert self._server is not None
        return self._server.ask(sql)

    def merge(self, signal_name: str) -> None:
        for table in TABLES[signal_name]:
            if self.ask(f"EXISTS TABLE {self.database}.{table}") == [["1"]]:
                self.ask(f"OPTIMIZE TABLE {self.database}.{table} FINAL")

    def stop(self) -> None:
        super().stop()
        if self._server:
            self._server.stop()
            self._server = None


def agent() -> str:
    """rotel's program, from its Python package or the path."""
    try:
        import rotel
    except ImportError:
        found = shutil.which("rotel-agent") or shutil.which("rotel")
        if not found:
            raise SystemExit("rotel is not installed: pip install 'opsintel[bench]'") from None
        return found
    return str(Path(rotel.__file__).with_name("rotel-agent"))


def default_command() -> list[str]:
    """This checkout's `opsintel`."""
    return [sys.executable, "-m", "api.cli"]
