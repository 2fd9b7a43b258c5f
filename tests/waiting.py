"""Wait for what must happen, however slow the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Seconds after which what has not happened yet never will.
LONGEST = 600


def wait_for(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + LONGEST
    while not happened():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.005)
