"""A real server around a stand-in for the read models, and a real Chromium."""

from __future__ import annotations

import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, BrowserContext, Page, Route, sync_playwright

from core import ManualClock
from dashboards import mount
from tests.browser.standin import NOW, StandIn

NOTICE = "Open to this machine without credentials."
CHROMIUM_ARGS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run",
]  # fmt: skip


def find_chromium() -> str | None:
    """OPSINTEL_CHROMIUM, or a Chromium on the path."""
    named = os.environ.get("OPSINTEL_CHROMIUM")
    return named or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Served:
    """A running server; `url` is where."""

    def __init__(self, standin: StandIn, refresh_s: int = 15) -> None:
        self.standin = standin
        self.clock = ManualClock(NOW)
        self.app = FastAPI(docs_url=None, redoc_url=None)
        mount(self.app, standin, standin, self.clock, NOTICE, timezone="Europe/Berlin", refresh_s=refresh_s)
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._server = uvicorn.Server(uvicorn.Config(self.app, log_level="warning", ws="none"))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)

    def start(self) -> Served:
        self._thread.start()
        waited = threading.Event()
        for _ in range(1000):
            if self._server.started:
                return self
            waited.wait(0.01)
        raise AssertionError("the server did not start within 10 s")

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        with closing(self._socket):
            assert not self._thread.is_alive()


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Starts servers and stops them afterwards."""
    running: list[Served] = []

    def start(standin: StandIn | None = None, **options: int) -> Served:
        served = Served(standin or StandIn(), **options).start()
        running.append(served)
        return served

    yield start
    for served in running:
        served.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium: install it with `apt-get install chromium`, or point OPSINTEL_CHROMIUM at one")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGS)
        yield chromium
        chromium.close()


class Watched:
    """A page whose foreign requests are refused and remembered, like what it writes to the console."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.foreign: list[str] = []
        self.complaints: list[str] = []
        self.url = url
        context.route("**/*", self._route)
        self.page: Page = context.new_page()
        self.page.on("console", lambda message: self._console(message.type, message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("response", lambda answer: self._console("error", answer.url) if answer.status >= 400 else None)

    def _route(self, route: Route) -> None:
        if route.request.url.startswith((self.url, "data:", "blob:")):
            route.continue_()
        else:
            self.foreign.append(route.request.url)
            route.abort()

    def _console(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(f"{kind}: {text}")

    def open(self, path: str = "/") -> Page:
        """Loads the page and waits for its first data."""
        self.page.goto(self.url + path)
        self.page.wait_for_function("() => !document.querySelector('#headline')?.textContent.startsWith('Reading')"
                                    " && document.querySelector('#headline')")  # fmt: skip
        return self.page


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Watched]]:
    """Opens the server's page in a browser context of its own."""
    contexts: list[BrowserContext] = []

    def start(served: Served, *, width: int = 1440, height: int = 900, dark: bool = False) -> Watched:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
        )
        contexts.append(context)
        return Watched(context, served.url)

    yield start
    for context in contexts:
        context.close()
