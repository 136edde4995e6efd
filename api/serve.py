"""Runs everything, with receivers in processes of their own, until SIGTERM or SIGINT: drains, and exits 0.

The API has the main thread's event loop; the collector brings its own threads. What was acknowledged is on disk, so a
drain that runs out of time loses nothing: the rest is stored at the next start.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator

import uvicorn

from api.app import create_app
from api.authentication import make_authenticator
from api.composition import build, opened_state, opened_stores, running
from api.services import Services
from api.supervisor import Receivers
from collector.receivers import GuardedServer, guarded
from collector.tls import open_tls
from core import Clock, ConfigurationError, Settings, get_logger

log = get_logger("api")
GRACE_S = 3


class _Server(GuardedServer):
    """uvicorn without signal handlers of its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; raises ConfigurationError that names the address when it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"cannot listen on {host}:{port}: {error.strerror}", hint="stop what uses it or set OPSINTEL_HTTP_PORT"
        ) from None
    listener.listen(1024)
    return listener


def serve(
    settings: Settings,
    clock: Clock,
    ready: Callable[[Services, int], None] = lambda services, port: None,
    stopping: Callable[[], None] = lambda: None,
    *,
    receive: bool = True,
) -> None:
    """Blocks until the process is told to stop. `receive`: whether it takes data itself or leaves that to others.

    `ready` is called once with the API's port, when all doors are open; `stopping` before the doors of OTLP close.
    """
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(contextlib.closing(bind(settings.http_host, settings.http_port)))
        signal.signal(signal.SIGTERM, _leave)  # until the event loop takes over
        receivers = Receivers(settings, clock, settings.receivers) if receive and settings.receivers else None
        if receivers:
            stack.callback(receivers.stop)
            receivers.start()
            if not settings.embedded:  # data is taken before the server is up
                with opened_state(settings) as state:
                    make_authenticator(settings, state, clock)
                receivers.open()
        stores = stack.enter_context(opened_stores(settings, wait_s=settings.clickhouse_wait_s))
        services = build(stores, clock, receivers)
        stack.enter_context(running(services, receive=receive))
        port = listener.getsockname()[1]
        _announce(services, port)
        asyncio.run(_until_stopped(services, listener, lambda: ready(services, port)))
        stopping()
        log.info("stopping: no new data is accepted, the log is being stored")
    log.info("stopped")


def serve_receivers(settings: Settings, clock: Clock, processes: int) -> None:
    """Receivers alone, beside a process that owns the engine and uses the same data directory; blocks likewise."""
    stop, signals = threading.Event(), (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        signal.signal(number, _leave)  # until all doors are open
    with opened_state(settings) as state:
        make_authenticator(settings, state, clock)
    receivers = Receivers(settings, clock, processes)
    try:
        receivers.start()
        receivers.open()
        for number in signals:
            signal.signal(number, lambda *_: stop.set())
        while not stop.wait(1.0):
            pass
        log.info("stopping: no new data is accepted")
    finally:
        receivers.stop()
    log.info("stopped")


def _leave(number: int, frame: object) -> None:
    sys.exit(0)


async def _until_stopped(services: Services, listener: socket.socket, ready: Callable[[], None]) -> None:
    settings = services.settings
    tls = open_tls(settings, services.clock, ask_clients=False)
    config = uvicorn.Config(
        create_app(services), log_config=None, access_log=False, timeout_graceful_shutdown=GRACE_S, lifespan="off",
        server_header=False, http=guarded(services.collector.connection_limits()),
        ssl_context_factory=(lambda *_: tls.ssl_context()) if tls else None,
    )  # fmt: skip
    server = _Server(config, settings.otlp_header_timeout_s)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, setattr, server, "should_exit", True)
    announced = asyncio.create_task(asyncio.to_thread(ready))
    await server.serve(sockets=[listener])
    await announced


def _announce(services: Services, port: int) -> None:
    settings = services.settings
    log.info(
        "serving",
        dashboards=f"{settings.scheme}://{settings.http_host}:{port}/",
        otlp_grpc=f"{settings.otlp_bind_host}:{services.otlp_grpc_port}",
        otlp_http=f"{settings.scheme}://{settings.otlp_bind_host}:{services.otlp_http_port}",
        data=str(settings.data_dir.absolute()),
    )
    if not settings.loopback_only and not settings.tls_cert_file:
        _note(
            "WARNING: the service is reachable from the network without TLS; keys and data can be read on the way. "
            "Set OPSINTEL_TLS_CERT_FILE and OPSINTEL_TLS_KEY_FILE, or put a proxy with TLS in front."
        )
    if services.authenticator.open:
        _note(
            "NOTE: no API key exists; the service is open to everybody on this machine. "
            "Make a key with `opsintel token create`."
        )


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
