"""Pages in the system's Chromium, driven by Playwright."""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import pytest
from playwright.sync_api import ConsoleMessage, Page, expect, sync_playwright

__all__ = ["NEEDS_CHROMIUM", "Tab", "in_chromium", "open_tab", "wait_for"]

_TIMEOUT_MS = 30_000
_PAUSE_MS = 20
expect.set_options(timeout=_TIMEOUT_MS)


def _find_chromium() -> str | None:
    """Return the path of a Chromium, None where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)


NEEDS_CHROMIUM = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(
        _find_chromium() is None, reason="no Chromium: install the package chromium"
    ),
]
"""Marks of tests that drive a browser, for ``pytestmark``."""

Test = TypeVar("Test", bound=Callable[..., None])


def in_chromium(test: Test) -> Test:
    """Mark one test that drives a browser."""
    for mark in NEEDS_CHROMIUM:
        test = mark(test)
    return test


@dataclass
class Tab:
    """A page and all that it reported since it was opened.

    Attributes
    ----------
    page
        Playwright's page.
    errors
        Errors on the console, of requests that failed and exceptions among them.
    requests
        URLs of everything that the page fetched.
    """

    page: Page
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} {message.location.get('url', '')}")


def wait_for(page: Page, expression: str) -> None:
    """Wait until a JavaScript expression is true.

    `Page.wait_for_function` looks again from within the page, whose security policy forbids it to
    evaluate texts: it fails wherever the first look is not enough.
    """
    deadline = time.monotonic() + _TIMEOUT_MS / 1000
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, expression
        page.wait_for_timeout(_PAUSE_MS)


@contextmanager
def open_tab(
    width: int = 1280,
    height: int = 900,
    *,
    dark: bool = False,
    phone: bool = False,
    flags: Sequence[str] = (),
) -> Iterator[Tab]:
    """Start a headless Chromium with one empty page.

    Parameters
    ----------
    width, height
        Size of the window in CSS pixels.
    dark
        Whether the dark colour scheme is preferred.
    phone
        Whether to be a phone: touch, and two device pixels to each CSS pixel.
    flags
        Further flags of Chromium.
    """
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=_find_chromium(),
            args=[
                "--disable-gpu", "--disable-quic", "--no-first-run",
                "--autoplay-policy=no-user-gesture-required", *flags,
            ],
        )  # fmt: skip
        page = chromium.new_page(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            # A smooth scroll would move what a test has just measured.
            reduced_motion="reduce",
            device_scale_factor=2 if phone else 1,
            has_touch=phone,
            is_mobile=phone,
        )
        page.set_default_timeout(_TIMEOUT_MS)
        yield Tab(page)
        chromium.close()
