"""Show what a camera sees, painted, while it happens."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Self

import cv2
import numpy as np

from nstlib.errors import VideoError
from nstlib.images.arrays import Image, from_uint8, to_uint8
from nstlib.images.encode import save_image
from nstlib.images.resizing import resize
from nstlib.video._ffmpeg import Frame
from nstlib.video.steady import Paint


def webcam(
    paint: Paint, *, camera: int = 0, size: int | None = 640, title: str = "nst webcam"
) -> int:
    """Show what a camera sees, painted, in a window, until somebody presses q or Esc.

    One thread reads the camera, one paints the newest frame, and this one shows it. The picture is
    mirrored, as people are used to see themselves. The key s saves it to the current folder.

    Parameters
    ----------
    paint : callable
        Takes and returns an image, as for :func:`convert_video`.
    camera : int, default 0
        The number of the camera.
    size : int or None, default 640
        Longest side of the picture, in pixels; None for the camera's own.
    title : str
        The window's.

    Returns
    -------
    int
        How many frames were shown.

    Raises
    ------
    VideoError
        If there is no camera, it stops, or there is no screen to show a window on.
    """
    screens = ("DISPLAY", "WAYLAND_DISPLAY")
    if sys.platform.startswith("linux") and not any(map(os.environ.get, screens)):
        raise VideoError("there is no screen here to show a window on; nst compose writes films")
    shown = 0
    began = time.perf_counter()
    with _Camera(camera) as newest, ThreadPoolExecutor(1, "paint") as painting:

        def work() -> Image:
            frame = from_uint8(cv2.cvtColor(newest.frame(), cv2.COLOR_BGR2RGB)[:, ::-1])
            if size is not None and max(frame.shape) > size:
                frame = resize(frame, size)
            return paint(frame)

        try:
            next_one = painting.submit(work)
            while True:
                picture = next_one.result()
                next_one = painting.submit(work)
                cv2.imshow(title, cv2.cvtColor(to_uint8(picture), cv2.COLOR_RGB2BGR))
                shown += 1
                rate = shown / (time.perf_counter() - began)
                cv2.setWindowTitle(title, f"{title}: {rate:.1f} frames a second, q to quit")
                key = cv2.waitKey(1) & 0xFF
                if key in (ord("q"), 27) or cv2.getWindowProperty(title, cv2.WND_PROP_VISIBLE) < 1:
                    return shown
                if key == ord("s"):
                    save_image(picture, time.strftime("nst-%Y%m%d-%H%M%S.png"))
        except KeyboardInterrupt:
            return shown
        except cv2.error as error:
            raise VideoError(
                f"OpenCV cannot show a window here ({' '.join(str(error).split())}); "
                "nst compose writes films"
            ) from error
        finally:
            painting.shutdown(cancel_futures=True)
            with suppress(cv2.error):
                cv2.destroyAllWindows()


class _Camera:
    """Reads a camera in its own thread, and keeps only the newest frame."""

    def __init__(self, number: int) -> None:
        # OpenCV tells the terminal what it tried; one line says it better.
        level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        try:
            self._capture = cv2.VideoCapture(number)
        finally:
            cv2.utils.logging.setLogLevel(level)
        if not self._capture.isOpened():
            raise VideoError(
                f"there is no camera {number}, or another program uses it; --camera takes another "
                "number"
            )
        self._number = number
        self._frames: deque[Frame] = deque(maxlen=1)
        self._news = threading.Condition()
        self._open = True
        self._thread = threading.Thread(target=self._read, name="camera", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._open = False
        self._thread.join()
        self._capture.release()

    def frame(self) -> Frame:
        """Wait for the next frame, uint8 BGR."""
        with self._news:
            self._news.wait_for(lambda: self._frames or not self._open)
            if not self._frames:
                raise VideoError(f"camera {self._number} stopped; connect it again")
            return self._frames.popleft()

    def _read(self) -> None:
        while self._open:
            good, frame = self._capture.read()
            with self._news:
                if good:
                    self._frames.append(np.asarray(frame, np.uint8))
                else:
                    self._open = False
                self._news.notify_all()
