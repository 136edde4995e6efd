"""Real servers as child processes: each on free ports, in a folder of its own, gone at the end."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


def eventually(
    condition: Callable[[], object], seconds: float = 30.0, what: str = "the condition", *, every_s: float = 0.05
) -> None:
    """Returns once the condition holds; fails when it does not within the time."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come true within {seconds:g} s"
        pause.wait(every_s)


def listens(port: int) -> bool:
    """Whether something takes connections there."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@contextmanager
def folder(name: str, owner: str | None = None) -> Iterator[Path]:
    """A folder that is removed at the end, short enough for sockets in it, and `owner`'s where one is named."""
    path = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    if owner:
        shutil.chown(path, owner, owner)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@dataclass
class Server:
    """A running server. `log` is what it printed."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path
    values: dict[str, str] = field(default_factory=dict)

    def stop(self) -> None:
        """Ends it, by force when it takes too long."""
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)


@contextmanager
def started(
    command: Sequence[str],
    port: int,
    ready: Callable[[], bool],
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    user: str | None = None,
    seconds: float = 60.0,
    stop_by_force: bool = False,
) -> Iterator[Server]:
    """The server from when `ready` holds to the end of the block."""
    variables = {"PATH": os.environ["PATH"], "HOME": str(log.parent), **(environment or {})}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=variables, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            user=user, cwd=log.parent, start_new_session=True,
        )  # fmt: skip
    server = Server(port, process, log)
    try:
        deadline, pause = time.monotonic() + seconds, threading.Event()
        while not ready():
            assert process.poll() is None, f"{command[0]} ended: {log.read_text(errors='replace')[-2000:]}"
            assert time.monotonic() < deadline, f"{command[0]} is not ready: {log.read_text(errors='replace')[-2000:]}"
            pause.wait(0.05)
        yield server
    finally:
        if stop_by_force:  # the whole group: a start script may have children
            os.killpg(process.pid, signal.SIGKILL)
        server.stop()
