"""Paint every frame of a film; keep its sound and its timing."""

from __future__ import annotations

import functools
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TypeAlias

import cv2
import numpy as np
from tqdm.auto import tqdm

from nstlib._checks import check_function, check_path
from nstlib._files import check_output, same_file, uninterrupted
from nstlib._memory import ran_out
from nstlib.errors import ArgumentError, MemoryLimitError, NstError, OutputError, VideoError
from nstlib.images.arrays import Image, Picture, from_uint8, to_rgba, to_uint8
from nstlib.images.encode import ALPHA_FORMATS
from nstlib.video._ffmpeg import MAX_GIF_RATE, MAX_RATE, Frame
from nstlib.video.frames import over_white
from nstlib.video.reader import VideoReader
from nstlib.video.sequence import PICTURES_RATE, PictureReader, PictureWriter, is_pattern
from nstlib.video.steady import Prepares, sharing_cores
from nstlib.video.writer import ALPHA_FILMS, FILM_FORMATS, Sound, VideoWriter

#: What paints frames: it takes an image, and returns one that may have transparency.
PaintFrame: TypeAlias = Callable[[Image], Image | Picture]

#: Frames that may wait between two threads.
_WAITING = 4

#: Frames that are begun while one is painted. They are large; but now the one half takes longer and
#: now the other, and with a single one they would wait for each other.
_AHEAD = 2


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
    tone_mapped : bool
        The source is an HDR film; what is written is not.
    interrupted : bool
        Ctrl-C ended it early.
    fault : NstError or None
        What else ended it early, after some frames: memory or the disk had run out, or a picture
        has another shape than the first.
    """

    frames: int
    rate: float
    size: tuple[int, int]
    seconds: float
    broken: int = 0
    missing: float = 0.0
    sound: Sound = "none"
    tone_mapped: bool = False
    interrupted: bool = False
    fault: NstError | None = None


def convert_video(
    source: str | Path,
    output: str | Path,
    paint: PaintFrame,
    *,
    size: int | None = None,
    rate: float | None = None,
    keep_alpha: bool = True,
    progress: bool = True,
) -> Conversion:
    """Paint every frame of a film; keep its sound and its timing.

    One thread reads, one begins with a frame, one paints a frame before it, one writes. A frame
    that equals the one before is not painted again. Ctrl-C ends the work early: what is painted is
    written, and the film can be played. So it is when memory runs out.

    Parameters
    ----------
    source : str or pathlib.Path
        Any film that ffmpeg reads, also an animated GIF, PNG or WebP; or pictures: a folder, or a
        pattern such as ``frames/%04d.png``.
    output : str or pathlib.Path
        Ends in .mp4, .mov, .mkv, .webm or .gif; or a pattern for pictures, ``painted/%04d.png``.
    paint : callable
        Takes and returns an image, float32 RGB in [0, 1] of shape (H, W, 3). It is called for one
        frame after the other, in another thread than this one. If it has a method ``prepare``, as
        what :func:`nstlib.video.steady.steady_painter` returns, that is called in a third thread,
        and what it returns does the rest. Frames for which it raises an
        :class:`NstError` or OpenCV an error are counted as broken, except the first. It may also
        return a :class:`Picture`, which has its own transparency.
    size : int, optional
        Longest side of the result, in pixels. By default the source's own.
    rate : float, default 25
        Frames a second of pictures. Films have their own.
    keep_alpha : bool, default True
        Keep a transparent source transparent if `output` is .mov, .webm, .png or .webp. What is
        painted is the film on white.
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
        If `output` cannot be written, or is `source` itself or one of its pictures.
    ArgumentError
        If `rate` is given for a film, `paint` cannot be called, or `source` or `output` is neither
        a text nor a path.
    KeyboardInterrupt
        On Ctrl-C before the first frame was written.
    """
    check_function("paint", paint, "a function that takes an image and returns one")
    check_path("source", source, "the path of a film, of a folder or pattern of pictures")
    output = check_path("output", output)
    if not is_pattern(output):
        check_output(output, FILM_FORMATS)
    reader = _open(source, output, size, rate)
    read = [reader.path, *(reader.files if isinstance(reader, PictureReader) else [])]
    if any(same_file(output, path) for path in read):
        raise OutputError(f"{output} is the input itself; choose another name for the film")
    can_be_transparent = output.suffix.lower() in (*ALPHA_FILMS, *ALPHA_FORMATS)
    began = time.perf_counter()
    work = FramePainter(paint, can_be_transparent)
    # From here on Ctrl-C is a note in a list, which is looked at after each frame: wherever it
    # comes, and however often, nothing is torn apart that has begun.
    with (
        uninterrupted() as caught,
        sharing_cores(paint),
        _create(output, reader) as writer,
    ):
        alpha = keep_alpha and can_be_transparent and reader.transparent()
        interrupted, fault = _run(reader, writer, work, alpha, progress, caught)
        caught.clear()
        if interrupted and not writer.frames:
            raise KeyboardInterrupt
        try:
            sound = writer.finish(cut_sound=interrupted or fault is not None)
        except (MemoryLimitError, OutputError) as error:
            if fault is not None:
                raise
            fault = error
            sound = writer.finish(cut_sound=True)
        caught.clear()
    return Conversion(
        frames=writer.frames,
        rate=reader.rate,
        size=writer.size,
        seconds=time.perf_counter() - began,
        broken=reader.broken + work.failed,
        missing=max(0.0, (reader.seconds or 0.0) - writer.frames / reader.rate),
        sound=sound,
        tone_mapped=reader.tone_mapped,
        interrupted=interrupted,
        fault=fault,
    )


_Reader: TypeAlias = VideoReader | PictureReader
_Writer: TypeAlias = VideoWriter | PictureWriter


def _open(source: str | Path, output: Path, size: int | None, rate: float | None) -> _Reader:
    most = MAX_GIF_RATE if output.suffix.lower() == ".gif" else MAX_RATE
    path = Path(source)
    if path.is_dir() or (is_pattern(path) and not path.is_file()):
        reader = PictureReader(path, size=size, rate=PICTURES_RATE if rate is None else rate)
        if reader.rate > most:
            fault = f"rate is {reader.rate:g}; a GIF has at most {most:g} frames a second"
            raise ArgumentError(fault, command=f"--{fault}")
        return reader
    if rate is not None:
        raise ArgumentError(
            f"rate is {rate}, but {path} is no pattern or folder of pictures; a film has its own",
            command=f"--rate is for pictures, and {path} is a film; leave it out",
        )
    return VideoReader(path, size=size, max_rate=most)


def _create(output: Path, reader: _Reader) -> _Writer:
    if is_pattern(output):
        return PictureWriter(output)
    return VideoWriter(output, reader.rate, reader if isinstance(reader, VideoReader) else None)


def _run(
    reader: _Reader,
    writer: _Writer,
    work: FramePainter,
    alpha: bool,
    progress: bool,
    caught: list[FrameType | None],
) -> tuple[bool, NstError | None]:
    """Convert frame by frame; tell whether Ctrl-C ended it, and what else did."""
    with (
        ThreadPoolExecutor(1, "prepare") as preparing,
        ThreadPoolExecutor(1, "paint") as painting,
        ThreadPoolExecutor(1, "write") as writing,
        closing(reader.frames(alpha=alpha)) as frames,  # type: ignore[type-var]
        tqdm(
            total=reader.expected, unit=" frames", desc=writer.path.name, disable=not progress
        ) as bar,
    ):
        waiting: deque[Future[None]] = deque()
        begun: deque[Future[Frame]] = deque()

        def settle(most: int) -> None:
            while len(waiting) > most or (waiting and waiting[0].done()):
                waiting.popleft().result()
                bar.update()

        failed = False

        def write(painted: Future[Frame]) -> None:
            nonlocal failed
            if failed:  # no frame follows one that is missing
                return
            failed = True
            writer.write(painted.result())
            failed = False

        unread: VideoError | None = None

        def readable() -> Iterator[Frame]:
            nonlocal unread
            try:
                yield from frames
            except VideoError as error:  # what was read before is painted all the same
                unread = error

        try:
            for frame in readable():
                prepared = preparing.submit(work.prepare, frame)
                painted = painting.submit(work, frame, prepared)
                begun.append(painted)
                waiting.append(writing.submit(write, painted))
                settle(_WAITING)
                if len(begun) > _AHEAD:
                    wait([begun.popleft()])
                if caught:
                    return True, None
            while waiting and not caught:
                settle(len(waiting) - 1)
            if unread is not None and not writer.frames:
                raise unread
            return bool(caught), unread
        except Exception as error:
            fault = _known(error)
            if writer.frames and isinstance(fault, (MemoryLimitError, OutputError)):
                return bool(caught), fault
            if fault is error:
                raise
            raise fault from error
        finally:
            preparing.shutdown(cancel_futures=True)
            painting.shutdown(cancel_futures=True)
            writing.shutdown(cancel_futures=True)


def _known(error: Exception) -> Exception:
    """Turn what Python and the runtimes say when memory runs out into the library's error."""
    if isinstance(error, MemoryLimitError) or not ran_out(error):
        return error
    return MemoryLimitError(
        "memory ran out; a smaller size needs less",
        command="memory ran out; a smaller --size needs less",
    )


class FramePainter:
    """Paints frame after frame, what repeats itself once, and survives those that fail."""

    def __init__(self, paint: PaintFrame, keep_alpha: bool = True) -> None:
        self._paint: PaintFrame | Prepares = paint
        self._keep_alpha = keep_alpha
        self._last: tuple[Frame, Frame] | None = None
        self._before: Frame | None = None
        self.failed = 0

    def prepare(self, frame: Frame) -> Callable[[], Image | Picture] | None:
        """Begin with a frame; return what paints it, or None if it equals the one before."""
        before, self._before = self._before, frame
        if before is not None and np.array_equal(frame, before):
            return None
        image = from_uint8(over_white(frame))
        if isinstance(self._paint, Prepares):
            return self._paint.prepare(image)
        return functools.partial(self._paint, image)

    def __call__(
        self, frame: Frame, prepared: Future[Callable[[], Image | Picture] | None]
    ) -> Frame:
        """Paint a frame; one that fails gets the painting of the frame before."""
        try:
            paint = prepared.result()
            if paint is None and self._last is not None:
                if not np.array_equal(frame, self._last[0]):  # the one before could not be painted
                    self.failed += 1
                return self._last[1]
            assert paint is not None
            painted = self._pixels(frame, paint())
        except (NstError, cv2.error) as error:
            if self._last is None or isinstance(_known(error), MemoryLimitError):
                raise
            self.failed += 1
            return self._last[1]
        self._last = frame, painted
        return painted

    def _pixels(self, frame: Frame, painted: Image | Picture) -> Frame:
        if not isinstance(painted, Picture):
            painted = Picture(painted, None)
        alpha = painted.alpha
        if frame.shape[2] == 4:
            share = frame[..., 3].astype(np.float32) / np.float32(255)
            alpha = share if alpha is None else share * alpha
        if alpha is None or not self._keep_alpha:
            return to_uint8(painted.image)
        return to_rgba(painted.image, alpha)
