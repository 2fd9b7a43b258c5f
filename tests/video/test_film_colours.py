"""Colours of films: read as the standards say, and where they were after three programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from film_files import convert, ffmpeg, same
from numpy.typing import NDArray

from nstlib.video.reader import VideoReader

#: Red's and blue's shares of the brightness, by ITU-R BT.709 and BT.601.
SHARES = {"bt709": (0.2126, 0.0722), "smpte170m": (0.299, 0.114)}
SIDE = 32

NAMED = np.array(
    [(128, 128, 128), (200, 30, 40), (40, 180, 60), (30, 50, 200), (224, 172, 140), (255, 255, 255)]
)


def patches() -> NDArray[np.float64]:
    """Flat colours, 6 by 8: grey, red, green, blue, skin and white, and some as photographs have.

    Returns
    -------
    ndarray, shape (6, 8, 3)
        In 0..255.
    """
    random = np.random.default_rng(0)
    brightness = random.normal(110, 50, (6, 8, 1))
    colours = (brightness + random.normal(0, 15, (6, 8, 3))).clip(0, 255).round()
    colours[:, 0] = NAMED
    return colours


def to_planes(colours: NDArray[np.float64], matrix: str, full: bool) -> list[NDArray[np.uint8]]:
    """Turn RGB into Y, Cb and Cr by the standards' formulas, rounded to 8 bits."""
    kr, kb = SHARES[matrix]
    r, g, b = np.moveaxis(colours / 255, -1, 0)
    y = kr * r + (1 - kr - kb) * g + kb * b
    chroma = (b - y) / (2 * (1 - kb)), (r - y) / (2 * (1 - kr))
    scales = (0, 255, 255) if full else (16, 219, 224)
    planes = [scales[0] + scales[1] * y, *(128 + scales[2] * c for c in chroma)]
    return [np.rint(plane.clip(0, 255)).astype(np.uint8) for plane in planes]


def to_rgb(planes: list[NDArray[np.uint8]], matrix: str, full: bool) -> NDArray[np.float64]:
    """Turn Y, Cb and Cr into RGB in 0..255 by the standards' formulas, not rounded."""
    kr, kb = SHARES[matrix]
    low, high, wide = (0, 255, 255) if full else (16, 219, 224)
    y, cb, cr = (plane.astype(float) for plane in planes)
    y, cb, cr = (y - low) / high, (cb - 128) / wide, (cr - 128) / wide
    r, b = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    g = (y - kr * r - kb * b) / (1 - kr - kb)
    return np.stack([r, g, b], axis=-1).clip(0, 1) * 255


def write_planes(path: Path, planes: list[NDArray[np.uint8]], matrix: str, full: bool) -> Path:
    """Write a film of patches without loss, with its colours named. Nothing converts them."""
    raw = path.with_suffix(".yuv")
    sides = (SIDE, SIDE // 2, SIDE // 2)
    frame = b"".join(
        np.kron(plane, np.ones((side, side), np.uint8)).tobytes()
        for plane, side in zip(planes, sides, strict=True)
    )
    raw.write_bytes(3 * frame)
    height, width = planes[0].shape
    pixels, tags = ("yuvj420p", "pc") if full else ("yuv420p", "tv")
    size = f"{width * SIDE}x{height * SIDE}"
    source = ("-f", "rawvideo", "-pix_fmt", pixels, "-s", size, "-i", raw)
    # Said of what comes in, so that ffmpeg has nothing to convert.
    named = ("-vf", f"setparams=range={tags}:colorspace={matrix}")
    ffmpeg(*source, *named, "-pix_fmt", pixels, "-c:v", "libx264", "-qp", 0, path)
    return path


def read_patches(path: Path) -> NDArray[np.float64]:
    """Mean colour of each patch, of its middle, over all frames."""
    frames = np.mean(list(VideoReader(path)), axis=0)
    rows, columns = frames.shape[0] // SIDE, frames.shape[1] // SIDE
    cells = frames.reshape(rows, SIDE, columns, SIDE, 3)
    return np.asarray(cells[:, 10:22, :, 10:22].mean(axis=(1, 3)))


@pytest.mark.parametrize("matrix", SHARES)
@pytest.mark.parametrize("full", [False, True])
def test_three_programs_in_a_row(tmp_path: Path, matrix: str, full: bool) -> None:
    """Exact at first, to a rounding; then the mean stays, and the last two change nothing."""
    planes = to_planes(patches(), matrix, full)
    film = write_planes(tmp_path / "source.mkv", planes, matrix, full)
    first = read_patches(film)
    np.testing.assert_allclose(first, to_rgb(planes, matrix, full), atol=0.51)
    generations = [first]
    for number, suffix in enumerate((".mp4", ".webm", ".mov")):
        convert(film, tmp_path / f"{number}{suffix}", same)
        film = tmp_path / f"{number}{suffix}"
        generations.append(read_patches(film))
    # Other whole numbers stand for the colours of the first copy: ±1 level here and there, which
    # cancels out.
    drift = np.mean([generation - first for generation in generations], axis=(1, 2))
    assert np.abs(drift).max() <= 0.2
    assert np.abs(generations[1] - first).max() <= 2.5
    for later in generations[2:]:
        np.testing.assert_allclose(later[:, 0], generations[1][:, 0], atol=0.2)
