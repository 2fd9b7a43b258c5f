"""Write frames as a film, with the sound of another."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Self

import numpy as np

from nstlib._files import check_output
from nstlib.errors import OutputError
from nstlib.video._ffmpeg import Frame, last_line, run_ffmpeg, start_ffmpeg
from nstlib.video.reader import VideoReader

#: Suffixes of the films that can be written: H.264 with the source's sound, and animated GIFs.
FILM_FORMATS = (".mp4", ".mov", ".mkv", ".gif")

#: Colours as players take them to be where nothing else is said.
_COLOURS = (
    *("-vf", "scale=out_color_matrix=bt709:out_range=tv", "-pix_fmt", "yuv420p"),
    *("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"),
    *("-color_range", "tv"),
)


class VideoWriter:
    """Write frames as a film. The file appears whole or not at all, once :meth:`finish` is called.

    Parameters
    ----------
    path : str or pathlib.Path
        Ends in one of :data:`FILM_FORMATS`; its folder must exist. The sides of H.264 films are
        even: an odd one is lengthened by one pixel.
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
            result = run_ffmpeg(
                ["-y", "-v", "error", "-i", str(self._film), *options, *end, str(done)]
            )
            if not result.returncode:
                try:
                    done.replace(self.path)
                except OSError as error:
                    raise OutputError(
                        f"{self.path}: cannot be written ({error.strerror})"
                    ) from error
                return kind
        raise OutputError(f"{self.path}: cannot be written{last_line(result.stderr)}")

    def _start(self) -> subprocess.Popen[bytes]:
        height, width = self.size
        raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-framerate", f"{self.rate:.6f}"]
        if self._gif:  # nothing may be lost before its 256 colours are chosen
            codec = ["-c:v", "libx264rgb", "-preset", "ultrafast", "-qp", "0"]
        else:
            height, width = height + height % 2, width + width % 2
            codec = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "17", *_COLOURS]
        return start_ffmpeg(
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
            f"{self.path}: cannot be written{last_line(self._log.read().decode(errors='replace'))}"
        )
