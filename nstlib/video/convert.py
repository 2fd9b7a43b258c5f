"""Paint every frame of a film; keep its sound and its timing."""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from tqdm.auto import tqdm

from nstlib._files import check_output
from nstlib.errors import NstError, OutputError
from nstlib.images.arrays import from_uint8, to_uint8
from nstlib.video._ffmpeg import MAX_GIF_RATE, MAX_RATE, Frame
from nstlib.video.reader import VideoReader
from nstlib.video.steady import Paint
from nstlib.video.writer import FILM_FORMATS, VideoWriter

#: Frames that may wait between two threads.
_WAITING = 4


@dataclass(frozen=True)
class Conversion:
    """How :func:`convert_video` went.

    Attributes
    ----------
    frames : int
        How many were written.
    rate : float
        Frames a second of the film.
    size : (int, int)
        Height and width in pixels.
    seconds : float
        How long the work took.
    broken : int
        Frames that could not be decoded or painted; the one before stays in their place.
    missing : float
        Seconds that the source says it lasts beyond its last frame: it is cut off, or its sound is
        longer.
    sound : {"kept", "none", "lost"}
        None means that there was none.
    interrupted : bool
        Ctrl-C ended it early.
    """

    frames: int
    rate: float
    size: tuple[int, int]
    seconds: float
    broken: int
    missing: float
    sound: Literal["kept", "none", "lost"]
    interrupted: bool


def convert_video(
    source: str | Path,
    output: str | Path,
    paint: Paint,
    *,
    size: int | None = None,
    progress: bool = True,
) -> Conversion:
    """Paint every frame of a film; keep its sound and its timing.

    One thread reads, one paints, one writes. A frame that equals the one before is not painted
    again. Ctrl-C ends the work early: what is painted is written, and the film can be played.

    Parameters
    ----------
    source : str or pathlib.Path
        Any film that ffmpeg reads, also an animated GIF.
    output : str or pathlib.Path
        Ends in .mp4, .mov, .mkv or .gif.
    paint : callable
        Takes and returns an image, float32 RGB in [0, 1] of shape (H, W, 3). It is called for one
        frame after the other, in another thread than this one. Frames for which it raises an
        :class:`NstError` or OpenCV an error are counted as broken, except the first.
    size : int, optional
        Longest side of the result, in pixels. By default the source's own.
    progress : bool, default True
        Show a bar, with frames a second and the time left.

    Returns
    -------
    Conversion

    Raises
    ------
    VideoError
        If `source` is not a film.
    OutputError
        If `output` cannot be written, or is `source` itself.
    KeyboardInterrupt
        On Ctrl-C before the first frame was written.
    """
    output = check_output(output, FILM_FORMATS)
    rate = MAX_GIF_RATE if output.suffix.lower() == ".gif" else MAX_RATE
    reader = VideoReader(source, size=size, max_rate=rate)
    if output.exists() and output.samefile(reader.path):
        raise OutputError(f"{output} is the input itself; choose another name for the film")
    began = time.perf_counter()
    work = _Work(paint)
    interrupted = False
    with VideoWriter(output, reader.rate, reader) as writer:
        with (
            ThreadPoolExecutor(1, "paint") as painting,
            ThreadPoolExecutor(1, "write") as writing,
            closing(iter(reader)) as frames,  # type: ignore[type-var]
            tqdm(
                total=reader.expected, unit=" frames", desc=output.name, disable=not progress
            ) as bar,
        ):
            waiting: deque[Future[None]] = deque()

            def settle(most: int) -> None:
                while len(waiting) > most or (waiting and waiting[0].done()):
                    waiting.popleft().result()
                    bar.update()

            def write(painted: Future[Frame]) -> None:
                writer.write(painted.result())

            try:
                for frame in frames:
                    waiting.append(writing.submit(write, painting.submit(work, frame)))
                    settle(_WAITING)
                settle(0)
            except KeyboardInterrupt:
                interrupted = True
            finally:
                painting.shutdown(cancel_futures=True)
                writing.shutdown(cancel_futures=True)
        if interrupted and not writer.frames:
            raise KeyboardInterrupt
        sound = writer.finish(cut_sound=interrupted)
    return Conversion(
        frames=writer.frames,
        rate=reader.rate,
        size=writer.size,
        seconds=time.perf_counter() - began,
        broken=reader.broken + work.failed,
        missing=max(0.0, (reader.seconds or 0.0) - writer.frames / reader.rate),
        sound=sound,
        interrupted=interrupted,
    )


class _Work:
    """Paints frame after frame, what repeats itself once, and survives those that fail."""

    def __init__(self, paint: Paint) -> None:
        self._paint = paint
        self._last: tuple[Frame, Frame] | None = None
        self.failed = 0

    def __call__(self, frame: Frame) -> Frame:
        if self._last is not None and np.array_equal(frame, self._last[0]):
            return self._last[1]
        try:
            painted = to_uint8(self._paint(from_uint8(frame)))
        except (NstError, cv2.error):
            if self._last is None:
                raise
            self.failed += 1
            return self._last[1]
        self._last = frame, painted
        return painted
