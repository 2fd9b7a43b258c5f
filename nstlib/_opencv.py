"""OpenCV, which writes nothing to the terminal."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import cv2

_counting = threading.Lock()
_asked = 0
_usual = 0


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """Silence OpenCV's log, which says again what is raised. One level counts for all threads.

    Examples
    --------
    >>> level = cv2.utils.logging.getLogLevel()
    >>> with quiet_opencv(), quiet_opencv():
    ...     cv2.utils.logging.getLogLevel() == cv2.utils.logging.LOG_LEVEL_SILENT
    True
    >>> cv2.utils.logging.getLogLevel() == level
    True
    """
    global _asked, _usual
    with _counting:
        if _asked == 0:
            _usual = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        _asked += 1
    try:
        yield
    finally:
        with _counting:
            _asked -= 1
            if _asked == 0:
                cv2.utils.logging.setLogLevel(_usual)
