"""The same for films and cameras: read frames, paint them steadily, write them with their sound.

Films are read and written by the ffmpeg program that comes with imageio-ffmpeg, through pipes. On
their way frames are uint8 RGB of shape (H, W, 3); what paints them gets and gives images, float32
in [0, 1].
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, Self, TypeAlias

import cv2
import imageio_ffmpeg
import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm.auto import tqdm

from nstlib.errors import ArgumentError, NstError, OutputError, VideoError
from nstlib.images import (
    Image,
    check_image,
    check_output,
    from_uint8,
    resize,
    save_image,
    to_uint8,
)

if TYPE_CHECKING:
    from nstlib.compose import PaintParts

Frame: TypeAlias = NDArray[np.uint8]
Paint: TypeAlias = Callable[[Image], Image]

#: Suffixes of the films that can be written: H.264 with the source's sound, and animated GIFs.
FORMATS = (".mp4", ".mov", ".mkv", ".gif")

#: Frames a second, at most: of films, and of GIFs, whose frames last for hundredths of a second.
MAX_RATE, MAX_GIF_RATE = 60.0, 25.0

#: Frames that may wait between two threads.
_WAITING = 4

#: Colours as players take them to be where nothing else is said.
_COLOURS = (
    *("-vf", "scale=out_color_matrix=bt709:out_range=tv", "-pix_fmt", "yuv420p"),
    *("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"),
    *("-color_range", "tv"),
)

# Ctrl-C at a terminal reaches every program of its process group; ffmpeg is to finish its file.
_APART: dict[str, Any] = {"process_group": 0}
if sys.platform == "win32":
    _APART = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}


class VideoReader:
    """The frames of a film, upright, square in their pixels, at a constant rate.

    A film whose frames last differently long keeps its timing: a frame that lasts long comes
    several times. A frame that cannot be decoded is left out, and the one before it stays for as
    long.

    Parameters
    ----------
    path : str or pathlib.Path
        Any film that ffmpeg reads, also an animated GIF.
    size : int, optional
        Longest side of the frames, in pixels. By default their own.
    max_rate : float, default 60
        Frames a second, at most.

    Attributes
    ----------
    rate : float
        Frames a second.
    seconds : float or None
        How long the film lasts, by its own account.
    sound : str or None
        The codec of its sound.
    broken : int
        How many frames could not be decoded. Known after the last one.

    Raises
    ------
    VideoError
        If the file is absent, empty, or not a film; and, from the first frame on, if none of its
        frames can be decoded.
    """

    def __init__(
        self, path: str | Path, *, size: int | None = None, max_rate: float = MAX_RATE
    ) -> None:
        self.path = Path(path)
        if size is not None and not 2 <= size <= 16384:
            raise ArgumentError(f"size is {size}; it is the longest side in pixels, 2 to 16384")
        header = self._header()
        stream = re.search(r"Stream #.*?: Video: (.*)", header)
        if stream is None:
            raise VideoError(f"{self.path} is not a film that ffmpeg can read{_last(header)}")
        self.rate = min(_rate(stream[1]), max_rate)
        length = re.search(r"Duration: (\d+):(\d+):([\d.]+)", header)
        self.seconds = _seconds(length) if length else None
        sound = re.search(r"Stream #.*?: Audio: (\w+)", header)
        self.sound = sound[1] if sound else None
        self.broken = 0
        scale = "1" if size is None else f"{size}/max(iw*sar,ih)"
        self._filter = (
            f"fps={self.rate:.6f},scale='max(1,round(iw*sar*{scale}))':'max(1,round(ih*{scale}))'"
        )

    def __iter__(self) -> Iterator[Frame]:
        """Yield uint8 RGB frames of shape (H, W, 3). Each iteration begins anew."""
        count = 0
        with tempfile.TemporaryFile() as log:
            command = [
                *("-v", "verbose", "-nostats", "-err_detect", "explode", *self._input()),
                *("-map", "0:v:0", "-vf", self._filter),
                *("-f", "image2pipe", "-c:v", "ppm", "-pix_fmt", "rgb24", "-"),
            ]
            with _start(command, stdout=subprocess.PIPE, stderr=log) as process:
                assert process.stdout is not None
                try:
                    for count, frame in enumerate(_frames(process.stdout), 1):  # noqa: B007
                        yield frame
                    process.wait()
                finally:
                    process.kill()
            log.seek(0)
            text = log.read().decode(errors="replace")
        errors = re.search(r"\(video\): .* (\d+) decode errors", text)
        self.broken = int(errors[1]) if errors else 0
        if not count:
            raise VideoError(f"{self.path}: no frame of it can be decoded; get it again")

    @property
    def expected(self) -> int | None:
        """How many frames there should be."""
        return None if self.seconds is None else max(1, round(self.seconds * self.rate))

    def _header(self) -> str:
        """Return what ffmpeg says about the file."""
        try:
            if self.path.is_dir():
                raise VideoError(f"{self.path} is a folder; give the path of a film")
            if self.path.stat().st_size == 0:
                raise VideoError(f"{self.path} is empty (0 bytes); is the download finished?")
        except (OSError, ValueError) as error:
            if isinstance(error, VideoError):
                raise
            raise VideoError(f"{self.path}: no such film; give the path of one") from error
        return _run(self._input()).stderr

    def _input(self) -> list[str]:
        # Without the prefix, a name with a colon would be taken for an address.
        return ["-i", f"file:{self.path}"]


class VideoWriter:
    """Write frames as a film. The file appears whole or not at all, once :meth:`finish` is called.

    Parameters
    ----------
    path : str or pathlib.Path
        Ends in one of :data:`FORMATS`; its folder must exist. The sides of H.264 films are even:
        an odd one is lengthened by one pixel.
    rate : float
        Frames a second.
    sound : VideoReader, optional
        Where to take the sound from, if there is any.

    Raises
    ------
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> with VideoWriter("clip.mp4", 25) as writer:  # doctest: +SKIP
    ...     for frame in frames:
    ...         writer.write(frame)
    ...     writer.finish()
    """

    def __init__(self, path: str | Path, rate: float, sound: VideoReader | None = None) -> None:
        self.path = check_output(path, FORMATS)
        self.rate = rate
        self.frames = 0
        self.size = (0, 0)
        self._sound = sound if sound and sound.sound else None
        self._gif = self.path.suffix.lower() == ".gif"
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._folder = tempfile.TemporaryDirectory(
                dir=self.path.parent, prefix=f".{self.path.name}."
            )
        except OSError as error:
            raise OutputError(f"{self.path}: cannot write here ({error.strerror})") from error
        self._film = Path(self._folder.name) / "film.mp4"
        self._log = (Path(self._folder.name) / "log").open("w+b")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        self._log.close()
        self._folder.cleanup()

    def write(self, frame: Frame) -> None:
        """Write one frame, uint8 RGB of shape (H, W, 3). All have the size of the first."""
        if not self.frames:
            self.size = (frame.shape[0], frame.shape[1])
            self._process = self._start()
        elif frame.shape[:2] != self.size:
            raise OutputError(f"{self.path}: after {self.size} pixels comes a frame {frame.shape}")
        assert self._process is not None
        assert self._process.stdin is not None
        if not self._gif:
            # H.264 stores colour at half resolution.
            height, width = self.size
            frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        try:
            self._process.stdin.write(np.ascontiguousarray(frame).data)
        except OSError as error:
            raise self._failure() from error
        self.frames += 1

    def finish(self, *, cut_sound: bool = False) -> Literal["kept", "none", "lost"]:
        """Put the film into its place, and say what became of the sound.

        Parameters
        ----------
        cut_sound : bool, default False
            End the sound where the film ends.
        """
        if self._process is None:
            raise OutputError(f"{self.path}: there are no frames to write")
        process, self._process = self._process, None
        process.communicate()
        if process.returncode:
            raise self._failure()
        done = self._film.with_name(f"done{self.path.suffix.lower()}")
        end = ["-t", f"{self.frames / self.rate:.6f}"] if cut_sound else []
        for kind, options in self._endings():
            result = _run(["-y", "-v", "error", "-i", str(self._film), *options, *end, str(done)])
            if not result.returncode:
                try:
                    done.replace(self.path)
                except OSError as error:
                    raise OutputError(
                        f"{self.path}: cannot be written ({error.strerror})"
                    ) from error
                return kind
        raise OutputError(f"{self.path}: cannot be written{_last(result.stderr)}")

    def _start(self) -> subprocess.Popen[bytes]:
        height, width = self.size
        raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-framerate", f"{self.rate:.6f}"]
        if self._gif:  # nothing may be lost before its 256 colours are chosen
            codec = ["-c:v", "libx264rgb", "-preset", "ultrafast", "-qp", "0"]
        else:
            height, width = height + height % 2, width + width % 2
            codec = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "17", *_COLOURS]
        return _start(
            ["-v", "error", *raw, "-s", f"{width}x{height}", "-i", "-", *codec, str(self._film)],
            stdin=subprocess.PIPE,
            stderr=self._log,
        )

    def _endings(self) -> Iterator[tuple[Literal["kept", "none", "lost"], list[str]]]:
        """Ways to make the final file, the best one first."""
        if self._gif:
            # An ordered pattern stays where it is from frame to frame; others crawl.
            yield "none", ["-lavfi", "split[a][b];[a]palettegen[p];[b][p]paletteuse=bayer:4"]
            return
        tags = ["-c:v", "copy", "-movflags", "+faststart"]
        if self._sound:
            source = [*self._sound._input(), "-map", "0:v", "-map", "1:a:0", *tags]
            if self._sound.sound in ("aac", "mp3"):
                yield "kept", [*source, "-c:a", "copy"]
            yield "kept", [*source, "-c:a", "aac", "-b:a", "192k"]
        yield "lost" if self._sound else "none", tags

    def _failure(self) -> OutputError:
        self._log.seek(0)
        return OutputError(
            f"{self.path}: cannot be written{_last(self._log.read().decode(errors='replace'))}"
        )


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
    output = check_output(output, FORMATS)
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


class Steady:
    r"""Calm what flickers in a film where nothing moves: mattes, and painted strokes.

    A network that paints frame by frame turns the source's faintest noise into other strokes. Here
    each array is mixed with what was shown before, :math:`y_t = x_t + k\,(y_{t-1} - x_t)`, with
    :math:`k = h \exp(-(d / \tau)^2)` at each pixel, where :math:`d` is how much the source changed
    there: what stands is held, what moves is new at once.

    Parameters
    ----------
    hold : float, default 0.9
        :math:`h`: 0 holds nothing; 0.9 lets a lasting change come through within some ten frames.
    tolerance : float, default 0.04
        :math:`\tau`: the change of the source, of 1, above which hardly anything is held.
    reach : int, default 26
        How far around a change nothing is held either, in pixels.

    Raises
    ------
    ArgumentError
        If a number lies outside its range.

    Examples
    --------
    >>> steady = Steady(hold=0.5)
    >>> for painted in (0.2, 0.4):
    ...     steady.see(np.zeros((1, 1, 3), np.float32))
    ...     shown = steady("background", np.full((1, 1, 3), painted, np.float32))
    >>> shown[0, 0].round(2)
    array([0.3, 0.3, 0.3], dtype=float32)
    """

    def __init__(self, hold: float = 0.9, tolerance: float = 0.04, reach: int = 26) -> None:
        if not 0 <= hold < 1:
            raise ArgumentError(f"hold is {hold}; it is 0 or more, and less than 1")
        if not 0 < tolerance < np.inf:
            raise ArgumentError(f"tolerance is {tolerance}; it is a number above 0")
        if reach < 0:
            raise ArgumentError(f"reach is {reach}; it is a number of pixels, 0 or more")
        self._hold, self._tolerance = hold, tolerance
        self._around = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
        self._source: Image | None = None
        self._keep: NDArray[np.float32] = np.zeros((1, 1), np.float32)
        self._shown: dict[str, NDArray[np.float32]] = {}

    def see(self, source: Image) -> None:
        """Take in the source's next frame (H, W, 3), before any array of that frame is calmed."""
        if self._source is None or self._source.shape != source.shape:
            self._shown = {}
            self._keep = np.zeros(source.shape[:2], np.float32)
        else:
            changes = cv2.split(cv2.blur(cv2.absdiff(source, self._source), (5, 5)))
            changed = np.maximum.reduce(changes)  # much faster than a maximum along three channels
            changed = cv2.dilate(changed, self._around)
            self._keep = self._hold * np.exp(-np.square(changed / np.float32(self._tolerance)))
        self._source = source

    def __call__(self, name: str, array: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what to show in the place of an array (H, W) or (H, W, C) called `name`."""
        before = self._shown.get(name)
        if before is not None:
            keep = self._keep if array.ndim == 2 else cv2.merge([self._keep] * array.shape[2])
            array = array + keep * (before - array)
        self._shown[name] = array
        return array


def steadily(composer: PaintParts, steady: Steady | None = None) -> Paint:
    """Make of a composer what paints a film's frames one after the other, steadily.

    Parameters
    ----------
    composer : Composer
        Paints the parts of one frame; or what is called like one.
    steady : Steady, optional
        How much to calm. By default ``Steady()``.

    Returns
    -------
    callable
        For :func:`convert_video` or :func:`webcam`; of one film, because it remembers the last
        frame.
    """
    calm = steady or Steady()

    def paint(frame: Image) -> Image:
        calm.see(frame)
        return composer(frame, calm)

    return paint


def flicker(
    source: Iterable[ArrayLike], result: Iterable[ArrayLike], tolerance: float = 0.01
) -> float:
    """Measure how much a film changes where its source does not.

    Parameters
    ----------
    source, result : iterable of array_like of float, shape (H, W, 3)
        The frames of both films, RGB in [0, 1].
    tolerance : float, default 0.01
        A pixel stays if none of its channels changes by more than this from a frame to the next.

    Returns
    -------
    float
        Mean absolute change of the result from a frame to the next, over the pixels that stay in
        the source; in [0, 1].

    Raises
    ------
    ArgumentError
        If one film is longer, or no pixel stays.

    Examples
    --------
    >>> grey, light = np.full((2, 2, 3), 0.5), np.full((2, 2, 3), 0.75)
    >>> flicker([grey, grey], [grey, light])
    0.25
    """
    total, count = 0.0, 0
    films = zip(source, result, strict=True)
    try:
        for (was, shown_was), (now, shown_now) in itertools.pairwise(films):
            change = np.abs(check_image(now) - check_image(was)).max(axis=2)
            stays = change <= tolerance
            total += float(np.abs(check_image(shown_now) - check_image(shown_was))[stays].sum())
            count += 3 * int(stays.sum())
    except ValueError as error:
        if isinstance(error, NstError):
            raise
        raise ArgumentError("source and result have different numbers of frames") from error
    if not count:
        raise ArgumentError("no pixel of the source stays as it is; there is nothing to measure")
    return total / count


def webcam(
    paint: Paint, *, camera: int = 0, size: int | None = 640, title: str = "nst webcam"
) -> int:
    """Show what a camera sees, painted, in a window, until somebody presses q or Esc.

    One thread reads the camera, one paints the newest frame, this one shows it. The picture is
    mirrored, as people expect of themselves. The key s writes it to the current folder.

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
                    save_image(time.strftime("nst-%Y%m%d-%H%M%S.png"), picture)
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
    """Reads a camera in a thread of its own, and keeps the newest frame alone."""

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
        """Wait for a frame that was not given yet, uint8 BGR."""
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


def _start(arguments: list[str], **pipes: Any) -> subprocess.Popen[bytes]:
    """Start ffmpeg."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostdin", *arguments]
    return subprocess.Popen(command, **pipes, **_APART)


def _run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Run ffmpeg, and keep what it says."""
    with _start(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        _, said = process.communicate()
    text = said.decode(errors="replace")
    return subprocess.CompletedProcess(arguments, process.returncode, "", text)


def _last(log: str) -> str:
    """Write the last line that ffmpeg said in brackets, without what tells its parts apart."""
    lines = [line for line in log.splitlines() if line.strip()]
    return f" ({re.sub(r'^(.* @ 0x[0-9a-f]+.?)+', '', lines[-1]).strip()})" if lines else ""


def _frames(pipe: IO[bytes]) -> Iterator[Frame]:
    """Read pictures in the format PPM, which tell their own sizes. All get the first one's."""
    first = None
    while pipe.readline() == b"P6\n":
        width, height = map(int, pipe.readline().split())
        pipe.readline()
        content = pipe.read(3 * width * height)
        if len(content) < 3 * width * height:
            return
        frame = np.frombuffer(content, np.uint8).reshape(height, width, 3)
        first = first or (width, height)
        yield frame if (width, height) == first else np.asarray(cv2.resize(frame, first), np.uint8)


def _rate(stream: str) -> float:
    """Frames a second, as ffmpeg describes a stream: the finest that its frames keep to.

    Examples
    --------
    >>> _rate("h264, yuv420p, 640x360, 29.8 fps, 30 tbr"), _rate("gif, bgra, 640x360, 90k tbr")
    (30.0, 25.0)
    """
    mean, base = (re.search(rf"([\d.]+) {unit}\b", stream) for unit in ("fps", "tbr"))
    rates = [float(found[1]) for found in (base, mean) if found and float(found[1]) > 0]
    return next((rate for rate in rates if rate <= MAX_RATE), MAX_RATE if rates else 25.0)


def _seconds(length: re.Match[str]) -> float:
    hours, minutes, seconds = length.groups()
    return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
