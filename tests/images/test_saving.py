"""Images are saved: without loss or nearly, whole or not at all, and only where they can be."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageFile
import PIL.JpegImagePlugin
import pytest
from image_files import noise, smooth
from numpy.typing import ArrayLike

from nstlib._files import check_output
from nstlib.errors import ArgumentError, ImageError, NstError, OutputError
from nstlib.images.arrays import (
    Image,
    from_uint8,
)
from nstlib.images.encode import save_image
from nstlib.sources import load_image


@pytest.mark.parametrize("suffix", [".png", ".PNG"])
def test_png_is_lossless(tmp_path: Path, suffix: str) -> None:
    pixels = noise(9, 7)
    path = save_image(from_uint8(pixels), tmp_path / f"picture{suffix}")
    with PIL.Image.open(path) as file:
        assert file.format == "PNG"
        np.testing.assert_array_equal(np.asarray(file), pixels)
    np.testing.assert_array_equal(load_image(path), from_uint8(pixels))


@pytest.mark.parametrize(
    ("suffix", "kind"), [(".jpg", "JPEG"), (".jpeg", "JPEG"), (".webp", "WEBP")]
)
def test_lossy_formats_come_close(tmp_path: Path, suffix: str, kind: str) -> None:
    image = from_uint8(smooth(64, 48))
    path = save_image(image, str(tmp_path / f"picture{suffix}"))
    with PIL.Image.open(path) as file:
        assert file.format == kind
    assert np.abs(load_image(path) - image).mean() < 0.01


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg"])
def test_jpegs_keep_their_colours(tmp_path: Path, suffix: str) -> None:
    """Also of columns one pixel wide, red and blue in turn."""
    stripes = np.zeros((64, 64, 3), np.float32)
    stripes[:, ::2, 0] = stripes[:, 1::2, 2] = 1
    with PIL.Image.open(save_image(stripes, tmp_path / f"stripes{suffix}")) as file:
        assert isinstance(file, PIL.JpegImagePlugin.JpegImageFile)
        assert np.abs(np.asarray(file, float) - 255 * stripes).max() <= 4
        # The standard's table begins with 16; at quality 95 that is (10 · 16 + 50) // 100.
        assert file.quantization[0][0] == 2


def test_webp_loses_little(tmp_path: Path) -> None:
    photo = load_image("coffee", size=256)
    with PIL.Image.open(save_image(photo, tmp_path / "photo.webp")) as file:
        off = np.abs(np.asarray(file.convert("RGB"), float) - 255 * photo)
    assert off.mean() < 3  # at quality 95; 3.7 at Pillow's own


def test_saving_replaces(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    save_image(np.zeros((2, 2, 3)), path)
    save_image(np.ones((3, 3, 3)), path)
    np.testing.assert_array_equal(load_image(path), np.ones((3, 3, 3)))
    assert [p.name for p in tmp_path.iterdir()] == ["picture.png"]


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_permissions_of_an_ordinary_file(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        path = save_image(np.zeros((2, 2, 3)), tmp_path / "picture.png")
        (tmp_path / "ordinary").write_text("")
        assert os.umask(umask) == umask  # saving has left it as it was
    finally:
        os.umask(before)
    assert path.stat().st_mode == (tmp_path / "ordinary").stat().st_mode


@pytest.mark.parametrize(
    ("fault", "comes_out"),
    [
        (OSError(28, "No space left on device"), OutputError),
        (OSError("encoder error"), OutputError),
        (ValueError("too large"), OutputError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
@pytest.mark.parametrize("earlier", [True, False])
def test_a_failed_write_leaves_things_as_they_were(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: BaseException,
    comes_out: type[BaseException],
    earlier: bool,
) -> None:
    path = tmp_path / "picture.png"
    if earlier:
        save_image(np.ones((2, 2, 3)), path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    begun: list[Path] = []

    def fail_in_the_middle(_: object, file: io.BufferedWriter, **__: object) -> None:
        file.write(b"half a picture")
        file.flush()
        begun.extend(p for p in tmp_path.iterdir() if p != path)
        raise fault

    monkeypatch.setattr(PIL.Image.Image, "save", fail_in_the_middle)
    with pytest.raises(comes_out) as caught:
        save_image(np.zeros((2, 2, 3)), path)
    assert begun  # beside its place, and gone now
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
    if comes_out is OutputError:
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "image", [np.full((2, 2, 3), np.nan), np.full((2, 2, 3), 2.0), np.zeros((2, 2), np.float32)]
)
def test_no_image_is_refused_before_anything_is_written(tmp_path: Path, image: Image) -> None:
    path = tmp_path / "picture.png"
    path.write_text("earlier")
    with pytest.raises(ImageError):
        save_image(image, path)
    assert path.read_text() == "earlier"
    assert [p.name for p in tmp_path.iterdir()] == ["picture.png"]


@pytest.mark.parametrize("name", ["picture", "picture.gif", "picture.png.txt", ".png"])
def test_unknown_suffix(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match=r"use one of \.png, \.jpg, \.jpeg, \.webp"):
        save_image(np.zeros((2, 2, 3)), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.png").mkdir()
    cases = {
        tmp_path / "absent" / "picture.png": "does not exist",
        tmp_path / "file" / "picture.png": "is a file, not a folder",
        tmp_path / "folder.png": "is a folder",
        tmp_path / ("a" * 300 + ".png"): "too long",
        tmp_path / ("a" * 252 + ".png"): "too long",
    }
    for path, words in cases.items():
        with pytest.raises(OutputError, match=words) as caught:
            save_image(np.zeros((2, 2, 3)), path)
        assert str(path) in str(caught.value)
    monkeypatch.setattr(os, "access", lambda *_: False)  # for root everything is writable
    with pytest.raises(OutputError, match="not writable"):
        check_output(tmp_path / "picture.png", [".png"])


def test_more_pixels_than_the_format_has_room_for(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="WebP limit"):
        save_image(np.zeros((1, 16384, 3), np.float32), tmp_path / "wide.webp")
    assert list(tmp_path.iterdir()) == []


def test_errors_are_the_librarys() -> None:
    assert issubclass(ImageError, NstError)
    assert issubclass(ImageError, ValueError)
    assert issubclass(OutputError, OSError)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
@pytest.mark.parametrize("alpha", [np.ones((3, 3)), np.full((4, 6), np.nan), "x"])
def test_a_bad_alpha_is_refused_also_where_none_is_stored(
    tmp_path: Path, suffix: str, alpha: ArrayLike
) -> None:
    with pytest.raises(ImageError):
        save_image(np.zeros((4, 6, 3)), tmp_path / f"a{suffix}", alpha=alpha)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [[10, 10], "1000", (), 10**9, 1000.5, (9, 9, 9), 0])
@pytest.mark.parametrize("enlarge", [False, True])
def test_what_is_no_size_is_refused_whatever_is_enlarged(size: object, enlarge: bool) -> None:
    with pytest.raises(ArgumentError, match="size is"):
        load_image("coffee", size, enlarge=enlarge)  # type: ignore[arg-type]
