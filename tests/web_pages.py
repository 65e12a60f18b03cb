"""Servers of the page, and a browser that opens it."""

from __future__ import annotations

import gzip
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:  # few tests need them
    from fastapi import FastAPI
    from playwright.sync_api import Browser, Page, Route

    from cropperhead.web.page_model import PageModel

# Where the browser has to be there, as in CI, its absence fails the tests
REQUIRED = "CROPPERHEAD_BROWSER"
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_AXE = Path(__file__).parent / "web" / "vendor" / "axe.min.js.gz"
TIMEOUT_MS = 60_000  # no test waits for less: a busy machine is no fault
_PAUSE_MS = 20


@contextmanager
def serving(application: FastAPI) -> Iterator[str]:
    """Serves an application, and gives its address without a slash at the end."""
    import uvicorn  # noqa: PLC0415

    from cropperhead.web import server  # noqa: PLC0415

    opened = server.listen(server.Address())
    running = uvicorn.Server(uvicorn.Config(application, log_level="error", access_log=False))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [opened]}, daemon=True)
    thread.start()
    try:
        yield server.url(opened, "")
    finally:
        running.should_exit = True
        thread.join()
        opened.close()


@pytest.fixture(scope="session")
def found_model(model) -> PageModel:
    from cropperhead.web import page_model  # noqa: PLC0415

    return page_model.read_page_model(model)


@pytest.fixture(scope="session")
def address(found_model) -> Iterator[str]:
    """The address of the page with a small model."""
    from cropperhead.web import app  # noqa: PLC0415

    with serving(app.create_app(app.PageSettings(model=found_model))) as found:
        yield found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        if os.environ.get(REQUIRED):
            pytest.fail("Chromium is not installed, and is required here.")
        pytest.skip("Chromium is not installed: 'apt install chromium' lets this test run.")
    from playwright.sync_api import expect, sync_playwright  # noqa: PLC0415

    expect.set_options(timeout=TIMEOUT_MS)
    with sync_playwright() as playwright:
        # as root, and in containers, its own sandbox cannot start
        found = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield found
        found.close()


@contextmanager
def window(browser: Browser, **options: Any) -> Iterator[Page]:
    """A new, private window; an error or a violation of the security policy fails the test."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
    opened = context.new_page()
    opened.set_default_timeout(TIMEOUT_MS)
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("console", lambda said: errors.append(said.text) if _is_violation(said) else None)
    try:
        yield opened
    finally:
        opened.unroute_all(behavior="ignoreErrors")  # what a route still waits for, ends with it
        context.close()
    assert errors == []


@pytest.fixture
def page(browser) -> Iterator[Page]:
    with window(browser) as opened:
        yield opened


@pytest.fixture
def direct_page(browser) -> Iterator[Page]:
    """A window in which every request reaches the server, or the `route` that stands before it.

    A service worker fetches the page's files unseen, and may answer before any route is asked.
    """
    with window(browser, service_workers="block") as opened:
        yield opened


def _is_violation(said) -> bool:
    return said.type == "error" and "Content Security Policy" in said.text


@pytest.fixture
def try_page(page, address) -> Page:
    """The page on which a photo can be chosen, ready to predict."""
    open_page(page, address)
    return page


def open_page(page: Page, address: str) -> None:
    """Opens a page that says when it is ready, and waits until it does."""
    page.goto(address)
    page.wait_for_selector("html[data-ready]")


def wait_until(page: Page, is_true: Callable[[], object]) -> None:
    """Waits until something is true, while the browser's events are handled.

    Not `wait_for_function`, which evaluates text: the pages' security policy forbids that.
    """
    for _ in range(TIMEOUT_MS // _PAUSE_MS):
        if is_true():
            return
        page.wait_for_timeout(_PAUSE_MS)
    raise AssertionError("it does not become true")


class HeldRequests:
    """Requests that wait before the server until they are let go of, in the order they came."""

    def __init__(self, page: Page, pattern: str) -> None:
        self._page = page
        self._routes: list[Route] = []
        # Playwright takes no method of a list
        page.route(pattern, lambda route: self._routes.append(route))  # noqa: PLW0108

    def take(self) -> Route:
        """The first, once it is there: a page says that it loads before it asks."""
        wait_until(self._page, lambda: self._routes)
        return self._routes.pop(0)

    def release(self) -> None:
        """Lets the first go on."""
        self.take().continue_()


def axe_violations(page: Page) -> list[str]:
    """What axe finds wrong with a page, by rule."""
    page.evaluate(gzip.decompress(_AXE.read_bytes()).decode())
    found = page.evaluate("async () => (await axe.run()).violations")
    return [f"{one['id']}: {[node['html'] for node in one['nodes']]}" for one in found]
