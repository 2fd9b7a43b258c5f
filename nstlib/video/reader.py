"""Read the frames of a film."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from nstlib._checks import check_count, refusal
from nstlib.errors import VideoError
from nstlib.video._ffmpeg import (
    MAX_RATE,
    Frame,
    duration_seconds,
    frame_rate,
    last_line,
    read_ppm_frames,
    run_ffmpeg,
    start_ffmpeg,
)


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
        if size is not None and not 2 <= check_count("size", size, 0) <= 16384:
            raise refusal("size", size, "the longest side in pixels, 2 to 16384")
        header = self._header()
        stream = re.search(r"Stream #.*?: Video: (.*)", header)
        if stream is None:
            raise VideoError(f"{self.path} is not a film that ffmpeg can read{last_line(header)}")
        self.rate = min(frame_rate(stream[1]), max_rate)
        length = re.search(r"Duration: (\d+):(\d+):([\d.]+)", header)
        self.seconds = duration_seconds(length) if length else None
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
            with start_ffmpeg(command, stdout=subprocess.PIPE, stderr=log) as process:
                assert process.stdout is not None
                try:
                    for count, frame in enumerate(read_ppm_frames(process.stdout), 1):  # noqa: B007
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
        return run_ffmpeg(self._input()).stderr

    def _input(self) -> list[str]:
        # Without the prefix, a name with a colon would be taken for an address.
        return ["-i", f"file:{self.path}"]
