"""A handle on the test server's process: start, stop, kill, misbehave."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.faults import Action, Fault
from tests.support.ports import free_port

ROOT = Path(__file__).parents[2]
STOP_S = 30.0


class ClickHouseServer:
    """The server over one folder; a second `start` takes the same port and the same data."""

    def __init__(self, folder: Path, *, user: str = "default", password: str = "") -> None:
        self.folder, self.user, self.password = folder, user, password
        self.port, self.control = free_port(), free_port()
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Returns when the port is open."""
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "tests.support.clickhouse_server", "--path", str(self.folder)]
        command += ["--port", str(self.port), "--control-port", str(self.control)]
        command += ["--user", self.user, "--password", self.password]
        with (self.folder / "server.log").open("a") as log:
            self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError((self.folder / "server.log").read_text()[-2000:])
        told = json.loads(line)
        self.port, self.control = told["port"], told["control"]

    def stop(self) -> None:
        """Ends it in order; the engine's files are then closed."""
        self._end(kill=False)

    def kill(self) -> None:
        """Ends it at once."""
        self._end(kill=True)

    def _end(self, *, kill: bool) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        (process.kill if kill else process.terminate)()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self._process is not None
        return self._process.pid

    def dsn(self, *, user: str | None = None, password: str | None = None) -> str:
        """What the product is told."""
        name, secret = user or self.user, self.password if password is None else password
        return f"http://{name}:{secret}@127.0.0.1:{self.port}/default"

    # --- misbehaviour ---

    def tell(self, **commands: Any) -> dict[str, Any]:
        """Sends commands to the control port; the server's state."""
        connection = http.client.HTTPConnection("127.0.0.1", self.control, timeout=30)
        try:
            connection.request("POST", "/", json.dumps(commands))
            found: dict[str, Any] = json.loads(connection.getresponse().read())
            return found
        finally:
            connection.close()

    def fault(self, action: Action, match: str = "", *, times: int = 0, **more: Any) -> None:
        """From now on statements that contain `match` meet this."""
        self.tell(faults=[Fault(action, match, times, **more).document()])

    def clear(self) -> None:
        """Behave."""
        self.tell(clear=True, listening=True)

    # --- looking inside, past the product ---

    def ask(self, sql: str, database: str = "") -> list[list[str]]:
        """Rows of texts. Raises AssertionError with the server's error."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            headers = {"X-ClickHouse-User": self.user, "X-ClickHouse-Key": self.password}
            connection.request("POST", f"/?database={database}", sql, headers)
            response = connection.getresponse()
            text = response.read().decode()
            assert response.status == 200, text
            return [line.split("\t") for line in text.splitlines()]
        finally:
            connection.close()


@contextmanager
def clickhouse_server(folder: Path, *, user: str = "default", password: str = "") -> Iterator[ClickHouseServer]:
    """A server for the length of the block."""
    server = ClickHouseServer(folder, user=user, password=password)
    server.start()
    try:
        yield server
    finally:
        server.kill()
