"""Write frames as a film, with the sound of another."""

from __future__ import annotations

import stat
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nstlib._checks import check_number
from nstlib._files import check_output, destination, reason, uninterrupted
from nstlib.errors import NstError, OutputError
from nstlib.video._ffmpeg import (
    ACCURATE,
    FFmpeg,
    Frame,
    last_line,
    run_ffmpeg,
    source,
    system_reason,
)
from nstlib.video.frames import check_frame
from nstlib.video.reader import VideoReader

#: Suffixes of the films that can be written.
FILM_FORMATS = (".mp4", ".mov", ".mkv", ".webm", ".gif")

#: Those of them that can be transparent.
ALPHA_FILMS = (".mov", ".webm")

#: What became of a film's sound. None means that there was none.
Sound: TypeAlias = Literal["kept", "none", "lost"]

#: A GIF's 256 colours are chosen from at most so many of its frames.
PALETTE_FRAMES = 100

#: How H.264 is encoded. Colours must not drift when a film goes through several programs. Without
#: loss, three passes change a picture's means by 0.03 levels of 255 at most, so it is the encoder's
#: steps that lift blue and red, not rounding or a lack of dither. In three passes of a moving
#: photograph these rose by 0.76 and 0.51 levels with ``veryfast -crf 17``, by 0.39 and 0.22 with
#: ``faster -crf 12``, and by 0.28 and 0.21 with these, in half the time of the latter: finer steps
#: for colour do what a longer search did. A painted film was 1.0 dB closer to its frames than with
#: the latter, and 25 % larger. Without arithmetic coding the picture is the same, the film 9 %
#: larger, and a quarter of the encoder's time is saved.
H264 = ("-preset", "superfast", "-crf", "13", "-chromaoffset", "-8", "-coder", "vlc")

#: Of several loudspeakers, Opus knows these layouts alone.
_OPUS = "7.1|6.1|5.1|5.0|quad|3.0|stereo|mono"

#: Which sounds each kind of file keeps as they are, and how others are encoded.
_SOUNDS = {
    ".webm": (
        ("opus", "vorbis"),
        ("-af", f"aformat=channel_layouts={_OPUS}", "-c:a", "libopus", "-b:a", "160k"),
    ),
    "": (("aac", "mp3"), ("-c:a", "aac", "-b:a", "192k")),
}


def _fraction(rate: float) -> str:
    """Write a rate as editing programs expect it.

    Examples
    --------
    >>> _fraction(29.97002997002997), _fraction(25.0), _fraction(12.5)
    ('30000/1001', '25/1', '25/2')
    """
    exact = Fraction(rate).limit_denominator(1001)
    return f"{exact.numerator}/{exact.denominator}"


class VideoWriter:
    """Write frames as a film. The file appears whole or not at all, once :meth:`finish` is called.

    The kind of film is decided by the suffix: H.264 in .mp4, .mov and .mkv, VP9 in .webm, or an
    animated .gif. Transparent frames make VP9 with transparency in .webm, and ProRes 4444 in .mov.
    All say that their colours are BT.709 in limited range. Memory does not grow with the film.

    Parameters
    ----------
    path : str or pathlib.Path
        Ends in one of :data:`FILM_FORMATS`; its folder must exist. The sides of films are even: an
        odd one is lengthened by one pixel, but not in GIFs.
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
        self.path = check_output(path, FILM_FORMATS)
        self.rate = check_number("rate", rate, above=0)
        self.frames = 0
        self.size = (0, 0)
        self._sound = sound if sound and sound.sound else None
        self._suffix = self.path.suffix.lower()
        self._shape = (0, 0, 0)
        self._last: Frame | None = None
        self._failed = False
        self._run: FFmpeg | None = None
        self._place = destination(self.path)
        try:
            self._folder = tempfile.TemporaryDirectory(dir=self._place.parent, prefix=".nst-")
        except OSError as error:
            raise OutputError(f"{self.path}: cannot write here ({reason(error)})") from error
        # What is written first can be read up to where it was cut off, and keeps exact times.
        kind = ".webm" if self._suffix == ".webm" else ".nut"
        self._film = Path(self._folder.name) / f"film{kind}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with uninterrupted():
            if self._run is not None:
                self._run.close()
            self._folder.cleanup()

    def write(self, frame: NDArray[Any]) -> None:
        """Write one frame.

        Parameters
        ----------
        frame : ndarray of uint8, shape (H, W, 3) or (H, W, 4)
            RGB in 0..255; in .mov and .webm also with alpha, 255 where it is opaque. All have the
            shape of the first.

        Raises
        ------
        ImageError
            If it is not such an array.
        OutputError
            If its shape is another one than the first's, or the film cannot be written.
        MemoryLimitError
            If the encoder runs out of memory.
        """
        frame = given = check_frame(frame, alpha=self._suffix in ALPHA_FILMS)
        with uninterrupted():  # a part of a frame would shift all that follow
            if self._run is None:
                self._shape = frame.shape
                height, width = frame.shape[:2]
                if self._suffix != ".gif":  # H.264 and VP9 store colour at half resolution
                    height, width = height + height % 2, width + width % 2
                self.size = (height, width)
                self._run = self._start()
            elif frame.shape != self._shape:
                raise OutputError(
                    f"{self.path}: after frames of shape {self._shape} comes one of {frame.shape}"
                )
            below, right = self.size[0] - frame.shape[0], self.size[1] - frame.shape[1]
            frame = np.pad(frame, ((0, below), (0, right), (0, 0)), mode="edge")
            try:
                self._run.stdin.write(np.ascontiguousarray(frame).data)
            except (OSError, ValueError) as error:
                raise self._fault(self._run) from error
            self.frames += 1
            self._last = given.copy()

    def finish(self, *, cut_sound: bool = False, hold: float = 0.0) -> Sound:
        """Put the film into its place, and say what became of the sound.

        Ctrl-C waits until that is done. If :meth:`write` or this method has failed, calling it
        (again) makes a film of what was written before, as far as that can be read.

        Parameters
        ----------
        cut_sound : bool, default False
            End the sound where the film ends.
        hold : float, default 0
            How long the last frame stays, in seconds, if that is longer than the others stay.

        Raises
        ------
        ArgumentError
            If `hold` is no number, 0 or more.
        OutputError
            If there are no frames, or the film cannot be written.
        """
        check_number("hold", hold, least=0)
        if self._run is None or self._last is None:
            raise OutputError(f"{self.path}: there are no frames to write")
        with uninterrupted():
            if not self._failed and not self._run.stdin.closed:
                for _ in range(round(hold * self.rate) - 1):
                    self.write(self._last)
            if self._run.wait() and not self._failed:
                raise self._fault(self._run)
            if not self._film.exists() or not self._film.stat().st_size:
                raise self._fault(self._run)
            done = self._film.with_name(f"done{self._suffix}")
            end = ["-t", f"{self.frames / self.rate:.6f}"] if cut_sound else []
            options = ["-y", "-v", "error", *source(self._film, trusted=True)]
            for kind, ending in self._endings():
                code, log = run_ffmpeg([*options, *ending, *end, f"file:{done}"])
                if not code:
                    self._put_in_place(done)
                    return kind
                if system_reason(log):
                    break
            raise OutputError(f"{self.path}: cannot be written{last_line(log)}")

    def _put_in_place(self, done: Path) -> None:
        try:
            if self._place.exists():
                done.chmod(stat.S_IMODE(self._place.stat().st_mode))
            done.replace(self._place)
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be written ({reason(error)})") from error

    def _start(self) -> FFmpeg:
        (height, width), channels = self.size, self._shape[2]
        return FFmpeg(
            [
                *("-v", "error", "-f", "rawvideo", "-framerate", _fraction(self.rate)),
                *("-pix_fmt", "rgba" if channels == 4 else "rgb24"),
                *("-s", f"{width}x{height}", "-i", "-"),
                *self._codec(transparent=channels == 4),
                f"file:{self._film}",
            ],
            stdin=True,
        )

    def _codec(self, *, transparent: bool) -> list[str]:
        if self._suffix == ".gif":  # nothing may be lost before its 256 colours are chosen
            return ["-c:v", "libx264rgb", "-preset", "ultrafast", "-qp", "0"]
        if self._suffix == ".webm":
            codec = ["-c:v", "libvpx-vp9", "-crf", "18", "-b:v", "0"]
            codec += ["-deadline", "good", "-cpu-used", "4", "-row-mt", "1"]
            pixels = "yuva420p" if transparent else "yuv420p"
            if transparent:
                codec += ["-auto-alt-ref", "0"]
        elif transparent:
            codec, pixels = ["-c:v", "prores_ks", "-profile:v", "4444"], "yuva444p10le"
        else:
            codec, pixels = ["-c:v", "libx264", *H264], "yuv420p"
        tags = "color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv"
        return [
            *codec,
            "-vf",
            f"scale=out_color_matrix=bt709:out_range=tv:{ACCURATE},format={pixels},setparams={tags}",
        ]

    def _endings(self) -> Iterator[tuple[Sound, list[str]]]:
        """Ways to make the final file, the best one first."""
        if self._suffix == ".gif":
            yield "none", self._palette()
            return
        tags = ["-c:v", "copy"]
        if self._suffix in (".mp4", ".mov"):
            tags += ["-movflags", "+faststart"]
        if self._sound:
            keep, encode = _SOUNDS.get(self._suffix, _SOUNDS[""])
            track = f"1:a:{self._sound.sound_track}"
            both = [*self._sound.input_arguments(), "-map", "0:v", "-map", track, *tags]
            if self._sound.sound in keep:
                yield "kept", [*both, "-c:a", "copy"]
            yield "kept", [*both, *encode]
        yield "lost" if self._sound else "none", tags

    def _palette(self) -> list[str]:
        """Choose a GIF's colours from a sample of its frames; write what makes the GIF with them.

        In one run of ffmpeg all the frames would wait in memory until the colours are chosen.
        """
        palette = self._film.with_name("palette.png")
        some = -(-self.frames // PALETTE_FRAMES)
        code, log = run_ffmpeg(
            [
                *("-y", "-v", "error", *source(self._film, trusted=True)),
                *("-vf", rf"select=not(mod(n\,{some})),palettegen"),
                # A folder's name may look like a pattern for numbered pictures.
                *("-update", "1", f"file:{palette}"),
            ]
        )
        if code:
            raise OutputError(f"{self.path}: cannot be written{last_line(log)}")
        # An ordered pattern stays where it is from frame to frame; others crawl.
        return ["-f", "png_pipe", *source(palette, trusted=True), "-lavfi", "paletteuse=bayer:4"]

    def _fault(self, run: FFmpeg) -> NstError:
        self._failed = True
        return run.fault(OutputError, f"{self.path}: cannot be written")
