"""Keeps N receiver processes running on the same two ports; the system spreads connections over them.

A receiver that dies is started again, sooner the longer it had lived. The ports are held by this process from the
start, so that they are known, and nobody else's service shares them by accident. It does not restart receivers when
settings change.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import IO

import orjson

from core import Clock, ConfigurationError, Settings, get_logger

log = get_logger("api.supervisor")
READY_S, STOP_S = 60.0, 5.0
FIRST_PAUSE_S, LONGEST_PAUSE_S, STEADY_S = 0.2, 10.0, 60.0


@dataclass
class _Receiver:
    number: int
    process: subprocess.Popen[bytes]
    started_at: float
    pause_s: float = FIRST_PAUSE_S
    lane: int | None = None


class Receivers:
    """`start` spawns them, `open` lets them open their doors, `stop` ends them. Raises ConfigurationError."""

    def __init__(self, settings: Settings, clock: Clock, count: int) -> None:
        self._clock, self._count = clock, count
        host = settings.otlp_bind_host
        self._held = contextlib.ExitStack()
        try:
            self.http_port = self._hold(host, settings.otlp_http_port, "OTLP/HTTP", "otlp_http_port")
            self.grpc_port = self._hold(host, settings.otlp_grpc_port, "OTLP/gRPC", "otlp_grpc_port")
        except BaseException:
            self._held.close()
            raise
        ports = {"otlp_http_port": self.http_port, "otlp_grpc_port": self.grpc_port}
        order = {"settings": settings.model_dump(mode="json") | ports, "share": 1 / count}
        self._order = orjson.dumps(order) + b"\n"
        self._receivers: list[_Receiver] = []
        self._stopping, self._lock = threading.Event(), threading.Lock()
        self._watches: list[threading.Thread] = []

    @property
    def alive(self) -> int:
        """How many are running."""
        return sum(1 for one in self._receivers if one.lane is not None and one.process.poll() is None)

    def start(self) -> None:
        """Spawns the processes; they load their code while others prepare the stores."""
        self._receivers = [self._spawn(number) for number in range(self._count)]

    def open(self) -> None:
        """Returns when all of them take data; repeating it changes nothing."""
        if self._watches:
            return
        for one in self._receivers:
            self._send(one)
        for one in self._receivers:
            self._await(one)
        for index in range(self._count):
            name = f"receiver-watch-{index}"
            self._watches.append(threading.Thread(target=self._watch, args=(index,), name=name, daemon=True))
            self._watches[-1].start()
        log.info("receivers open", processes=self._count, http=self.http_port, grpc=self.grpc_port)

    def stop(self) -> None:
        """Ends them; each writes what it has to its lane first. Repeating it changes nothing."""
        with self._lock:  # from here on none is spawned
            self._stopping.set()
        for one in self._receivers:
            self._close(one.process.stdin)  # one that has not begun waits for its order
            with contextlib.suppress(OSError):
                one.process.terminate()
        deadline = self._clock.monotonic() + STOP_S
        for one in self._receivers:
            try:
                one.process.wait(max(0.1, deadline - self._clock.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("a receiver did not stop in time", receiver=one.number)
                one.process.kill()
                one.process.wait()
        for watch in self._watches:
            watch.join()
        for one in self._receivers:
            self._close(one.process.stdout)
        self._held.close()

    # --- one receiver ---

    def _spawn(self, number: int) -> _Receiver:
        process = subprocess.Popen(
            [sys.executable, "-m", "api.receiver"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        return _Receiver(number, process, self._clock.monotonic())

    def _send(self, one: _Receiver) -> None:
        assert one.process.stdin is not None
        with contextlib.suppress(OSError, ValueError):  # it is gone, or we stop
            one.process.stdin.write(self._order)
            one.process.stdin.flush()

    def _await(self, one: _Receiver) -> None:
        """Returns when it is ready. Raises ConfigurationError with its own words when it will never be."""
        assert one.process.stdout is not None
        timer = threading.Timer(READY_S, one.process.kill)
        timer.daemon = True
        timer.start()
        try:
            line = one.process.stdout.readline()
        finally:
            timer.cancel()
        try:
            said = orjson.loads(line)
        except orjson.JSONDecodeError:
            said = {"error": "a receiver process ended before it was ready"}
        if "error" in said:
            raise ConfigurationError(said["error"], hint=said.get("hint") or "its log lines say more")
        one.lane = int(said["lane"])

    def _watch(self, index: int) -> None:
        """Starts one receiver again whenever it ends; none waits for another."""
        while not self._stopping.wait(FIRST_PAUSE_S):
            one = self._receivers[index]
            if one.process.poll() is not None:
                try:
                    self._again(index, one)
                except (ConfigurationError, OSError, ValueError) as error:  # it ends, and is started again
                    if not self._stopping.is_set():
                        log.error("a receiver cannot start", receiver=index, error=str(error))

    def _again(self, index: int, dead: _Receiver) -> None:
        steady = self._clock.monotonic() - dead.started_at >= STEADY_S
        pause = FIRST_PAUSE_S if steady else min(dead.pause_s * 2, LONGEST_PAUSE_S)
        log.error("a receiver ended", receiver=dead.number, status=dead.process.returncode, again_in_s=pause)
        self._stopping.wait(pause)
        dead.pause_s = pause  # also if there is none after it
        with self._lock:
            if self._stopping.is_set():
                return
            new = self._receivers[index] = self._spawn(dead.number)
        self._close(dead.process.stdin)
        self._close(dead.process.stdout)
        new.pause_s = pause
        self._send(new)
        try:
            self._await(new)
        except ConfigurationError:
            new.process.kill()
            raise

    @staticmethod
    def _close(pipe: IO[bytes] | None) -> None:
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()

    # --- the ports ---

    def _hold(self, host: str, port: int, what: str, setting: str) -> int:
        """Binds without listening; first alone, so that a port which somebody else listens on is noticed."""
        try:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
            with socket.socket(family, socket.SOCK_STREAM) as alone:
                alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                alone.bind((host, port))
                port = int(alone.getsockname()[1])
            held = self._held.enter_context(socket.socket(family, socket.SOCK_STREAM))
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            held.bind((host, port))
        except OSError as problem:
            raise ConfigurationError(
                f"{what} cannot listen on {host}:{port}: {problem}", hint=f"set otlp_host or {setting}"
            ) from None
        return port
