"""Small films for tests, made and read by other means than the library's."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from nstlib.images.arrays import Image
from nstlib.video.convert import Conversion, PaintFrame, convert_video

Frames = NDArray[np.uint8]

HEIGHT, WIDTH, RATE, COUNT = 48, 80, 10, 20
SIDE = 16  # of the square, which moves by 3 pixels a frame


def ffmpeg(*arguments: object) -> bytes:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y"]
    result = subprocess.run([*command, *map(str, arguments)], capture_output=True, check=False)
    assert result.returncode == 0, result.stderr.decode()
    return result.stdout


def moving_square(count: int = COUNT) -> Frames:
    frames = np.full((count, HEIGHT, WIDTH, 3), (30, 60, 120), np.uint8)
    for number, frame in enumerate(frames):
        frame[8 : 8 + SIDE, 3 * number : 3 * number + SIDE] = (220, 200, 40)
    return frames


def left_edge(frame: NDArray[Any]) -> int:
    """Column at which the yellow square begins."""
    bright = frame[8 + SIDE // 2, :, 0].astype(float) > 125
    return int(bright.argmax())


def write(path: Path, frames: Frames, *options: object, rate: float = RATE) -> Path:
    """Write a film by imageio-ffmpeg, from which nstlib's own writer is independent."""
    size = (frames.shape[2], frames.shape[1])
    writer = imageio_ffmpeg.write_frames(
        str(path), size, fps=rate, quality=9, macro_block_size=2, output_params=[*map(str, options)]
    )
    writer.send(None)
    for frame in frames:
        writer.send(frame.tobytes())
    writer.close()
    return path


def make_films(folder: Path) -> Path:
    """Write a silent film of a moving square, and the same with a tone of 2 seconds."""
    silent = write(folder / "silent.mp4", moving_square(), "-g", 5, "-bf", 0)
    tone = ["-f", "lavfi", "-i", "sine=frequency=440:duration=2", "-c:v", "copy"]
    ffmpeg("-i", silent, *tone, "-c:a", "aac", "-movflags", "+faststart", folder / "loud.mp4")
    ffmpeg("-i", silent, *tone, "-c:a", "pcm_s16le", folder / "loud.mov")
    return folder


def read(path: Path) -> Frames:
    """Read a film by imageio."""
    return np.asarray(iio.imread(path, plugin="FFMPEG"))


def sound(path: Path) -> NDArray[np.int16]:
    raw = ffmpeg("-i", path, "-map", "0:a:0", "-f", "s16le", "-ac", 1, "-ar", 44100, "-")
    return np.frombuffer(raw, np.int16)


def invert(image: Image) -> Image:
    return 1 - image


def same(image: Image) -> Image:
    return image


def convert(source: Path, output: Path, paint: PaintFrame = invert, **more: Any) -> Conversion:
    result = convert_video(source, output, paint, progress=False, **more)
    assert [p.name for p in output.parent.iterdir() if p.name.startswith(".")] == []
    return result
