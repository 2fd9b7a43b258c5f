"""Show what a camera sees, painted, while it happens."""

from __future__ import annotations

import functools
import itertools
import os
import statistics
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, Protocol, Self, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from nstlib._checks import check_count, check_function, check_number
from nstlib._opencv import quiet_opencv
from nstlib.errors import NstWarning, OutputError, VideoError
from nstlib.images.arrays import Image, from_uint8, to_uint8
from nstlib.images.encode import save_image
from nstlib.images.resizing import resize
from nstlib.video._ffmpeg import Frame
from nstlib.video.steady import Paint, Prepares, sharing_cores

#: What the keys do, as the window says it; the second where there are styles to change to.
KEYS = "q: quit   s: save   h: hide this line"
KEYS_AND_STYLES = "n, p: next, previous style   q: quit   s: save   h: hide this line"

#: How many paintings are looked at to tell whether the machine is slow, at least, and how many
#: seconds of them: some scenes take longer than others. The median counts, so the first one, for
#: which memory is reserved, does not.
RECENT, SPAN = 9, 2.0

#: So many paintings a second are looked at, at most, however fast the camera and the machine are.
FASTEST = 120

#: Longest side, in pixels, below which pictures are not halved further.
LEAST_SIZE = 160

#: A picture of twice the size takes four times as long. It comes back when that would take no more
#: than this share of the time that there is, so that sizes do not go up and down.
ROOM_TO_GROW = 0.75

#: Frames that may be begun while one is painted. What paints a film takes longer now in the one
#: half and now in the other; with a single frame they would wait for each other.
AHEAD = 2

#: Width in pixels from which there is room for the line about the keys.
_ROOM = 200


class Capture(Protocol):
    """What gives a camera's frames: a ``cv2.VideoCapture``, or anything like it."""

    def isOpened(self) -> bool:  # noqa: N802  (the name that OpenCV gave it)
        """Tell whether there is a camera."""

    def read(self) -> tuple[bool, Any]:
        """Wait for the next frame, uint8 BGR (H, W, 3); False in front of it if there is none."""

    def release(self) -> None:
        """Let others use the camera."""


#: Tells the time in seconds, from any beginning.
Clock: TypeAlias = Callable[[], float]


def webcam(
    paint: Paint,
    *,
    change: Callable[[int], Paint] | None = None,
    camera: int | Capture = 0,
    size: int | None = 640,
    least_rate: float = 24.0,
    title: str = "nst webcam",
    clock: Clock = time.perf_counter,
) -> int:
    """Show what a camera sees, painted, in a window, until somebody presses q or Esc.

    One thread reads the camera, others paint the newest frame, and this one shows it. Delays do not
    add up: frames that come while one is painted are left out. What paints in two halves, as what
    :func:`nstlib.video.steady.steady_painter` returns, begins with the next two frames in a thread
    of its own while this one is painted. That shows more frames, and each waits at most for the two
    paintings before it. A machine that is too slow to paint `least_rate` frames a second, or as
    many as the camera gives, gets half the size, until it has time for the larger one again. The
    picture is mirrored, as people are used to see themselves. The key s saves it to the current
    folder; h hides and shows the line that says what the keys do; n and p change what paints.

    Parameters
    ----------
    paint : callable
        Takes and returns an image, as for :func:`convert_video`. It must take any size.
    change : callable, optional
        Is given how many styles to go on (below 0: back) when n or p were pressed, and returns what
        paints from then on. It is called by the thread that begins with the next frame, while the
        two frames before may still be painted.
    camera : int or Capture, default 0
        The number of the camera, or what gives its frames.
    size : int or None, default 640
        Longest side of the picture at first, in pixels; None for the camera's own.
    least_rate : float, default 24
        Frames a second below which the size is halved, again and again down to 160 pixels. Of a
        camera that gives fewer, all are painted.
    title : str
        The window's.
    clock : callable, default time.perf_counter
        Tells the time in seconds.

    Returns
    -------
    int
        How many frames were shown.

    Raises
    ------
    VideoError
        If there is no camera, it stops, or there is no screen to show a window on.
    ArgumentError
        If `paint` or `change` cannot be called, or a number lies outside its range.
    """
    check_function("paint", paint, "a function that takes an image and returns one")
    if change is not None:
        check_function("change", change, "a function that takes a number of steps")
    pace = _Pace(None if size is None else check_count("size", size), least_rate)
    screens = ("DISPLAY", "WAYLAND_DISPLAY")
    if sys.platform.startswith("linux") and not any(map(os.environ.get, screens)):
        raise VideoError("there is no screen here to show a window on; nst compose writes films")
    shown, keys, text = 0, True, KEYS if change is None else KEYS_AND_STYLES
    times = deque([clock()], maxlen=30)
    with (
        sharing_cores(paint),
        _Camera(camera, clock) as newest,
        _Painting(paint, change, newest, pace, clock) as painting,
    ):
        try:
            while True:
                picture = painting.picture()
                pixels = cv2.cvtColor(to_uint8(picture), cv2.COLOR_RGB2BGR)
                with _window():
                    cv2.imshow(title, _with_text(pixels, text) if keys else pixels)
                shown += 1
                times.append(clock())
                rate = f"{_rate(times):.1f} frames a second"
                with _window():
                    cv2.setWindowTitle(title, f"{title}: {rate}, q to quit")
                    key = cv2.waitKey(1) & 0xFF
                    closed = cv2.getWindowProperty(title, cv2.WND_PROP_VISIBLE) < 1
                if closed or key in (ord("q"), 27):
                    return shown
                if key == ord("s"):
                    _save(picture, time.strftime("nst-%Y%m%d-%H%M%S.png"))
                if key == ord("h"):
                    keys = not keys
                if key in (ord("n"), ord("p")):
                    painting.steps.append(1 if key == ord("n") else -1)
        except KeyboardInterrupt:
            return shown
        finally:
            with suppress(cv2.error):
                cv2.destroyAllWindows()


def _save(picture: Image, place: str) -> None:
    try:
        save_image(picture, place)
    except OutputError as error:
        warnings.warn(f"{error}; the show goes on", NstWarning, stacklevel=2)


@contextmanager
def _window() -> Iterator[None]:
    try:
        yield
    except cv2.error as error:
        raise VideoError(
            f"OpenCV cannot show a window here ({' '.join(str(error).split())}); nst compose "
            "writes films"
        ) from error


def _rate(times: deque[float]) -> float:
    """Frames a second over the last frames."""
    seconds = times[-1] - times[0]
    return (len(times) - 1) / seconds if seconds > 0 else 0.0


def _with_text(pixels: NDArray[Any], text: str) -> NDArray[Any]:
    """Write a line at the lower edge of a picture (H, W, 3), if there is room for it."""
    height, width, _ = pixels.shape
    if width < _ROOM:
        return pixels
    font, margin = cv2.FONT_HERSHEY_SIMPLEX, 8
    (long, _), _ = cv2.getTextSize(text, font, 1.0, 1)
    scale = min(0.5, (width - 2 * margin) / long)
    written = pixels.copy()
    # White on a dark outline can be read on any picture. The outline is the same letters, moved by
    # a pixel: OpenCV 5 makes a line of thicker letters longer.
    around = [(0, x, y) for x in (-1, 0, 1) for y in (-1, 0, 1)]
    for colour, x, y in (*around, (255, 0, 0)):
        place = (margin + x, height - margin + y)
        cv2.putText(written, text, place, font, scale, (colour,) * 3, 1, cv2.LINE_AA)
    return written


class _Painting:
    """Paints the newest frames in threads of its own: one begins with a frame, one finishes it."""

    def __init__(
        self,
        paint: Paint,
        change: Callable[[int], Paint] | None,
        camera: _Camera,
        pace: _Pace,
        clock: Clock,
    ) -> None:
        self._paint: Paint | Prepares = paint
        self._change = change
        self._camera, self._pace, self._clock = camera, pace, clock
        self._beginning = ThreadPoolExecutor(1, "begin")
        self._painting = ThreadPoolExecutor(1, "paint")
        self._coming: deque[Future[Image]] = deque()
        #: How many styles to go on, a number for each key that was pressed.
        self.steps: deque[int] = deque()

    def __enter__(self) -> Self:
        self._go_on()
        return self

    def __exit__(self, *_: object) -> None:
        for threads in (self._beginning, self._painting):
            threads.shutdown(cancel_futures=True)

    def picture(self) -> Image:
        """Wait for the next painting. While one goes on, those after it are begun."""
        ahead = AHEAD if isinstance(self._paint, Prepares) else 1
        while len(self._coming) <= ahead:
            self._go_on()
        return self._coming.popleft().result()

    def _go_on(self) -> None:
        begun = self._beginning.submit(self._begin)
        self._coming.append(self._painting.submit(lambda: begun.result()()))

    def _begin(self) -> Callable[[], Image]:
        """Do the first half of a painting, if it has halves; return what does the rest."""
        step = sum(self.steps.popleft() for _ in range(len(self.steps)))
        if self._change is not None and step:
            self._paint = self._change(step)
        if not isinstance(self._paint, Prepares):
            return functools.partial(self._at_once, self._paint)
        pixels, began = self._camera.frame(), self._clock()
        rest = self._paint.prepare(self._image(pixels))
        return functools.partial(self._finish, rest, self._clock() - began)

    def _at_once(self, paint: Paint) -> Image:
        # The frame is not taken before it can be painted, lest it be late.
        pixels, began = self._camera.frame(), self._clock()
        painted = paint(self._image(pixels))
        self._pace.took(0.0, self._clock() - began, self._camera.interval())
        return painted

    def _finish(self, rest: Callable[[], Image], first_half: float) -> Image:
        began = self._clock()
        painted = rest()
        self._pace.took(first_half, self._clock() - began, self._camera.interval())
        return painted

    def _image(self, pixels: Frame) -> Image:
        """Mirror a camera's frame, uint8 BGR, at the size of the moment."""
        mirrored = cv2.flip(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), 1)
        return self._pace.fitted(from_uint8(np.asarray(mirrored)))


class _Pace:
    """Chooses the size at which a machine paints fast enough."""

    def __init__(self, size: int | None, least_rate: float) -> None:
        self._longest = 1 / check_number("least_rate", least_rate, above=0)
        self._size = size
        self._halvings = 0
        self._recent: deque[tuple[float, float]] = deque()
        self._last = 0  # longest side of the last frame

    def fitted(self, frame: Image) -> Image:
        """Shrink a frame to the size, if it is larger."""
        full = max(frame.shape) if self._size is None else min(self._size, max(frame.shape))
        self._last = max(min(LEAST_SIZE, full), full // 2**self._halvings)
        return resize(frame, self._last) if max(frame.shape) > self._last else frame

    def took(self, first: float, second: float, interval: float) -> None:
        """Note how long a painting took, and a camera's frame: change the size if most ask for it.

        Parameters
        ----------
        first, second : float
            What its halves took, in seconds; the first is 0 if it was painted at once.
        interval : float
            From one of the camera's frames to the next, in seconds.
        """
        self._recent.append((first, second))
        if len(self._recent) < RECENT:
            return
        # Those that had been begun at the size before are among them, but no more than AHEAD.
        # Halves go on side by side, of a frame and of the next: the longer one counts. What works
        # on every second frame only counts by the mean of two.
        usual = max(
            statistics.median(map(statistics.fmean, itertools.pairwise(half)))
            for half in zip(*self._recent, strict=True)
        )
        enough = max(RECENT, round(SPAN / max(usual, interval, 1 / FASTEST)))
        if len(self._recent) < enough:
            return
        while len(self._recent) > enough:
            self._recent.popleft()
        allowed = max(self._longest, interval)
        if usual > allowed and self._last > LEAST_SIZE:
            self._halvings += 1
        elif self._halvings and 4 * usual < ROOM_TO_GROW * allowed:
            self._halvings -= 1
        else:
            return
        self._recent.clear()


class _Camera:
    """Reads a camera in its own thread, and keeps only the newest frame."""

    def __init__(self, camera: int | Capture, clock: Clock) -> None:
        self._name = "the camera"
        self._clock, self._came = clock, deque([clock()], maxlen=RECENT + 1)
        if isinstance(camera, int):
            with quiet_opencv():  # it tells what it tried; one line says it better
                number, camera = camera, cv2.VideoCapture(camera)
            self._name = f"camera {number}"
        self._capture = camera
        if not self._capture.isOpened():
            raise VideoError(
                f"there is no {self._name}, or another program uses it; --camera takes another "
                "number"
            )
        self._frames: deque[Frame] = deque(maxlen=1)
        self._news = threading.Condition()
        self._open = True
        self._fault: Exception | None = None
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
                raise VideoError(f"{self._name} stopped; connect it again") from self._fault
            return self._frames.popleft()

    def interval(self) -> float:
        """Tell how long it usually takes from one frame to the next, in seconds."""
        with self._news:
            return statistics.median(b - a for a, b in itertools.pairwise(self._came))

    def _read(self) -> None:
        try:
            while self._open:
                good, frame = self._capture.read()
                if not good:
                    break
                with self._news:
                    self._came.append(self._clock())
                    self._frames.append(np.asarray(frame, np.uint8))
                    self._news.notify_all()
        except Exception as error:  # a driver may raise anything
            self._fault = error
        finally:
            with self._news:
                self._open = False
                self._news.notify_all()
