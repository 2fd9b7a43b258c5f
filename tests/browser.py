"""Chromium for tests that look at pages: the system's, or the one that Playwright brought."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

ARGUMENTS = (
    "--no-sandbox",  # Chromium refuses to sandbox itself for root, as in most containers
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def launch(arguments: Sequence[str] = ()) -> Iterator[Any]:
    """Start Chromium without a window, with further arguments of its own."""
    from playwright.sync_api import sync_playwright

    system = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=next(filter(None, system), None),  # None: Playwright's own
            args=[*ARGUMENTS, *arguments],
        )
        yield browser
        browser.close()
