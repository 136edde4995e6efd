"""Runs the OTLP/HTTP application on uvicorn, in a thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Any

import uvicorn
import uvloop

from core import ConfigurationError

KEEP_ALIVE_S = 75
BACKLOG = 1024


class HttpServer:
    """Binds at once, so that a port in use is known before anything starts; serves from `start` to `stop`."""

    def __init__(self, app: Callable[..., Any], host: str, port: int, *, grace_s: int, shared: bool = False) -> None:
        self._socket = _bind(host, port, shared=shared)
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=grace_s,
            backlog=BACKLOG,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="otlp-http", daemon=True)

    def start(self) -> None:
        """Begins to accept connections."""
        self._socket.listen(BACKLOG)
        self._thread.start()

    def stop(self) -> None:
        """Accepts nothing more, and waits for requests in work."""
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._server.serve(sockets=[self._socket]))


def _bind(host: str, port: int, *, shared: bool) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        bound = socket.socket(family, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            bound.bind((host, port))
        except OSError:
            bound.close()
            raise
    except OSError as problem:
        raise ConfigurationError(
            f"OTLP/HTTP cannot listen on {host}:{port}: {problem}", hint="set otlp_host or otlp_http_port"
        ) from None
    return bound
