"""A FastAPI application behind a real uvicorn on a free port, for as long as a test needs it."""

from __future__ import annotations

import socket
import threading
from types import TracebackType

import uvicorn
from fastapi import FastAPI

from core import ManualClock
from dashboards import mount
from tests.browser.standin import NOW, StandIn

NOTICE = "Open to this machine without credentials."


class Server:
    """A context manager; `url` is where the application answers. Start-up and shut-down events are run."""

    def __init__(self, app: FastAPI) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._uvicorn = uvicorn.Server(uvicorn.Config(app, log_level="critical", ws="none"))
        self._thread = threading.Thread(target=self._uvicorn.run, kwargs={"sockets": [self._socket]}, daemon=True)

    def __enter__(self) -> Server:
        self._thread.start()
        pause = threading.Event()
        for _ in range(1000):
            if self._uvicorn.started:
                return self
            pause.wait(0.01)
        raise AssertionError("the server did not start within 10 s")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._uvicorn.should_exit = True
        self._thread.join(10)
        self._socket.close()
        assert not self._thread.is_alive(), "the server did not stop within 10 s"


class Served(Server):
    """The dashboards alone, on a stand-in and a clock that the test moves."""

    def __init__(self, standin: StandIn, refresh_s: int = 15) -> None:
        self.standin, self.clock = standin, ManualClock(NOW)
        app = FastAPI(docs_url=None, redoc_url=None)
        mount(app, standin, standin, self.clock, NOTICE, timezone="Europe/Berlin", refresh_s=refresh_s)
        super().__init__(app)
