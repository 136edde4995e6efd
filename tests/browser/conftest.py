"""A real server around a stand-in for the read models, and a real Chromium."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect, sync_playwright

from tests.browser.served import Served
from tests.browser.standin import StandIn

CHROMIUM_ARGS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run",
]  # fmt: skip


def find_chromium() -> str | None:
    """OPSINTEL_CHROMIUM, or a Chromium on the path."""
    named = os.environ.get("OPSINTEL_CHROMIUM")
    return named or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Starts servers and stops them afterwards."""
    with ExitStack() as running:
        yield lambda standin=None, **options: running.enter_context(Served(standin or StandIn(), **options))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser a module: while Playwright is open, its event loop counts as running in the tests' thread."""
    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium: install it with `apt-get install chromium`, or point OPSINTEL_CHROMIUM at one")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGS)
        expect.set_options(timeout=20_000)  # a busy machine is not a defect of the page
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
        context.set_default_timeout(60_000)
        contexts.append(context)
        return Watched(context, served.url)

    yield start
    for context in contexts:
        context.close()
