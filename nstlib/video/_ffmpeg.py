"""The ffmpeg program that comes with imageio-ffmpeg, through pipes."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from typing import IO, Any, TypeAlias

import cv2
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

Frame: TypeAlias = NDArray[np.uint8]

# Ctrl-C at a terminal reaches every program of its process group; ffmpeg is to finish its file.
_APART: dict[str, Any] = {"process_group": 0}


def start_ffmpeg(arguments: list[str], **pipes: Any) -> subprocess.Popen[bytes]:
    """Start ffmpeg."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostdin", *arguments]
    return subprocess.Popen(command, **pipes, **_APART)


def run_ffmpeg(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Run ffmpeg, and keep what it says."""
    with start_ffmpeg(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        _, said = process.communicate()
    text = said.decode(errors="replace")
    return subprocess.CompletedProcess(arguments, process.returncode, "", text)


def last_line(log: str) -> str:
    """Write the last line that ffmpeg said in brackets, without what tells its parts apart."""
    lines = [line for line in log.splitlines() if line.strip()]
    return f" ({re.sub(r'^(.* @ 0x[0-9a-f]+.?)+', '', lines[-1]).strip()})" if lines else ""


def read_ppm_frames(pipe: IO[bytes]) -> Iterator[Frame]:
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


def frame_rate(stream: str) -> float:
    """Frames a second, as ffmpeg describes a stream: the finest that its frames keep to.

    Examples
    --------
    >>> _rate("h264, yuv420p, 640x360, 29.8 fps, 30 tbr"), _rate("gif, bgra, 640x360, 90k tbr")
    (30.0, 25.0)
    """
    mean, base = (re.search(rf"([\d.]+) {unit}\b", stream) for unit in ("fps", "tbr"))
    rates = [float(found[1]) for found in (base, mean) if found and float(found[1]) > 0]
    return next((rate for rate in rates if rate <= MAX_RATE), MAX_RATE if rates else 25.0)


def duration_seconds(length: re.Match[str]) -> float:
    hours, minutes, seconds = length.groups()
    return 3600 * int(hours) + 60 * int(minutes) + float(seconds)


#: Frames a second, at most: of films, and of GIFs, whose frames last for hundredths of a second.
MAX_RATE, MAX_GIF_RATE = 60.0, 25.0
