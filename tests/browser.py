"""For tests that look at pages: Chromium, the system's or Playwright's own, and a web server."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
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

    with sync_playwright() as playwright, start(playwright.chromium, arguments) as browser:
        yield browser


@contextmanager
def start(chromium: Any, arguments: Sequence[str]) -> Iterator[Any]:
    """Start one more, beside another: ``browser.browser_type`` is what starts it."""
    system = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    browser = chromium.launch(
        executable_path=next(filter(None, system), None),  # None: Playwright's own
        args=[*ARGUMENTS, *arguments],
    )
    yield browser
    browser.close()


class _Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a folder as the simplest web server does; give its address."""
    handler = functools.partial(_Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
