"""Image files: every kind of file, every kind of damage, and samples."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageFile
import pytest
import skimage.data
from image_files import noise, smooth
from numpy.typing import NDArray

from nstlib.art.catalogue import DRAWN_STYLES
from nstlib.errors import ImageError
from nstlib.images.arrays import (
    Image,
    to_uint8,
)
from nstlib.sources import PHOTOS, load_image, sample_names

RED, GREEN, BLUE, WHITE = (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)


def encoded(picture: PIL.Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def png(width: int, height: int, depth: int, colour: int, rows: bytes = b"") -> bytes:
    """A PNG put together by hand: what Pillow would not write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def refused(path: Path, *words: str, **options: Any) -> str:
    """Load a file that is no good: exactly ImageError, one line, naming the file."""
    with pytest.raises(ImageError) as caught:
        load_image(path, **options)
    message = str(caught.value)
    assert type(caught.value) is ImageError
    assert str(path) in message
    assert "\n" not in message
    for word in words:
        assert word in message
    return message


# ---------------------------------------------------------------------------- kinds of files


def loaded(tmp_path: Path, picture: PIL.Image.Image, suffix: str = ".png", **options: Any) -> Image:
    path = tmp_path / f"picture{suffix}"
    picture.save(path, **options)
    image = load_image(path)
    assert image.dtype == np.float32
    assert image.ndim == 3
    assert image.shape[2] == 3
    return image


def test_rgb(tmp_path: Path) -> None:
    pixels = noise(5, 7)
    image = loaded(tmp_path, PIL.Image.fromarray(pixels))
    np.testing.assert_array_equal(image, pixels.astype(np.float32) / np.float32(255))


def test_grey(tmp_path: Path) -> None:
    grey = np.array([[0, 51], [102, 255]], np.uint8)
    image = loaded(tmp_path, PIL.Image.fromarray(grey))
    np.testing.assert_allclose(image, np.stack([grey / 255] * 3, -1), atol=1e-6)


def test_rgba_lies_over_white(tmp_path: Path) -> None:
    rgba = np.array([[[255, 0, 0, 255], [255, 0, 0, 0], [0, 0, 0, 51]]], np.uint8)
    image = loaded(tmp_path, PIL.Image.fromarray(rgba))
    np.testing.assert_allclose(image, [[RED, WHITE, (0.8, 0.8, 0.8)]], atol=1e-6)


def test_grey_with_alpha(tmp_path: Path) -> None:
    la = PIL.Image.new("LA", (3, 1))
    for x, value in enumerate([(0, 255), (0, 0), (102, 102)]):
        la.putpixel((x, 0), value)
    # 102 of 255 is 0.4: 0.4 · 0.4 + 0.6 · 1
    np.testing.assert_allclose(loaded(tmp_path, la)[0, :, 1], [0, 1, 0.76], atol=1e-6)


def test_16_bit_grey(tmp_path: Path) -> None:
    grey = np.array([[0, 1, 12345, 65535]], np.uint16)
    image = loaded(tmp_path, PIL.Image.fromarray(grey))
    np.testing.assert_allclose(image[..., 2], grey / 65535, atol=1e-7)


def test_16_bit_rgb(tmp_path: Path) -> None:
    # Pillow reads 16-bit colours to 8 bits: right to one part in 255.
    colours = np.array([[[65535, 0, 32768], [12345, 257, 60000]]], np.uint16)
    path = tmp_path / "deep.png"
    path.write_bytes(png(2, 1, 16, 2, b"\0" + colours.astype(">u2").tobytes()))
    np.testing.assert_allclose(load_image(path), colours / 65535, atol=1 / 255)


def test_16_bit_tiff(tmp_path: Path) -> None:
    grey = np.array([[0, 30000], [40000, 65535]], np.uint16)
    image = loaded(tmp_path, PIL.Image.fromarray(grey), ".tif")
    np.testing.assert_allclose(image[..., 0], grey / 65535, atol=1e-7)


def test_float_tiff(tmp_path: Path) -> None:
    grey = np.array([[0.0, 0.25], [0.5, 1.0]], np.float32)
    image = loaded(tmp_path, PIL.Image.fromarray(grey), ".tif")
    np.testing.assert_array_equal(image[..., 1], grey)


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.1, 255.0])
def test_float_tiff_that_is_no_image(tmp_path: Path, value: float) -> None:
    path = tmp_path / "strange.tif"
    PIL.Image.fromarray(np.array([[0.5, value]], np.float32)).save(path)
    refused(path)


def test_palette(tmp_path: Path) -> None:
    picture = PIL.Image.new("P", (2, 1))
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.putpixel((1, 0), 1)
    np.testing.assert_array_equal(loaded(tmp_path, picture), [[RED, BLUE]])


@pytest.mark.parametrize("suffix", [".png", ".gif"])
def test_palette_with_transparency(tmp_path: Path, suffix: str) -> None:
    picture = PIL.Image.new("P", (2, 1))
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.putpixel((1, 0), 1)
    image = loaded(tmp_path, picture, suffix, transparency=0)
    np.testing.assert_array_equal(image, [[WHITE, BLUE]])


def test_palette_with_half_transparency(tmp_path: Path) -> None:
    picture = PIL.Image.new("P", (2, 1))
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.putpixel((1, 0), 1)
    image = loaded(tmp_path, picture, transparency=bytes([51, 255]))
    np.testing.assert_allclose(image, [[(1, 0.8, 0.8), BLUE]], atol=1e-6)


def test_one_bit(tmp_path: Path) -> None:
    bits = np.array([[0, 255, 0]], np.uint8)
    image = loaded(tmp_path, PIL.Image.fromarray(bits).convert("1"))
    np.testing.assert_array_equal(image[..., 0], [[0, 1, 0]])


def test_cmyk(tmp_path: Path) -> None:
    picture = PIL.Image.new("CMYK", (4, 1))
    for x, ink in enumerate([(0, 0, 0, 0), (0, 255, 255, 0), (255, 255, 0, 0), (0, 0, 0, 255)]):
        picture.putpixel((x, 0), ink)
    image = loaded(tmp_path, picture, ".tif")
    np.testing.assert_allclose(image, [[WHITE, RED, BLUE, (0, 0, 0)]], atol=0.01)


def test_cmyk_jpeg(tmp_path: Path) -> None:
    image = loaded(tmp_path, PIL.Image.new("CMYK", (16, 16), (0, 255, 255, 0)), ".jpg")
    np.testing.assert_allclose(image[8, 8], RED, atol=0.03)


ORIENTATIONS: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    # How each way of holding the camera stores the picture.
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: np.rot90(upright),  # shown turned clockwise: stored turned against it
    7: lambda upright: upright[::-1, ::-1].swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, -1),
}


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_exif_rotation(tmp_path: Path, suffix: str, orientation: int) -> None:
    upright = np.zeros((16, 32, 3), np.uint8)
    upright[:, :16, 0] = 255  # left half red
    upright[:8, 16:, 2] = 255  # top right blue
    stored = np.ascontiguousarray(ORIENTATIONS[orientation](upright))
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    options: dict[str, dict[str, Any]] = {
        ".jpg": {"quality": 100, "subsampling": 0},
        ".webp": {"lossless": True},
    }
    image = loaded(
        tmp_path, PIL.Image.fromarray(stored), suffix, exif=exif, **options.get(suffix, {})
    )
    np.testing.assert_allclose(image, upright / 255, atol=0.02)


@pytest.mark.parametrize("kind", ["16-bit", "palette"])
def test_exif_rotation_of_other_modes(tmp_path: Path, kind: str) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 3
    if kind == "16-bit":
        picture = PIL.Image.fromarray(np.array([[0, 65535]], np.uint16))
    else:
        picture = PIL.Image.new("P", (2, 1))
        picture.putpalette([0, 0, 0, 255, 255, 255])
        picture.putpixel((1, 0), 1)
    np.testing.assert_array_equal(loaded(tmp_path, picture, exif=exif)[..., 0], [[1, 0]])


def test_broken_exif_does_not_matter(tmp_path: Path) -> None:
    """Whatever stands in the notes, the pixels are loaded."""
    pixels = smooth(16, 16)
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "a maker of cameras"
    notes = exif.tobytes()
    random = np.random.default_rng(0)
    path = tmp_path / "photo.jpg"
    spoiled = [b"", b"Exif\0\0", b"Exif\0\0rubbish", notes[:20]]
    for _ in range(300):
        changed = bytearray(notes)
        for position in random.integers(6, len(notes), size=3):
            changed[position] = random.integers(0, 256)
        spoiled.append(bytes(changed))
    for note in spoiled:
        path.write_bytes(encoded(PIL.Image.fromarray(pixels), "JPEG", exif=note))
        assert load_image(path).shape == (16, 16, 3)


def test_notes_that_pillow_cannot_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(PIL.Image.new("RGB", (8, 16)), "JPEG"))

    def fail(_: object) -> None:
        raise SyntaxError("not a TIFF file")

    monkeypatch.setattr(PIL.Image.Image, "getexif", fail)
    assert load_image(path).shape == (16, 8, 3)


def test_rotation_survives_an_odd_note(tmp_path: Path) -> None:
    # Letters where a number belongs: Pillow reads such notes and cannot write them again.
    order = struct.pack("<2sHI", b"II", 42, 8)
    rotated = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    odd = struct.pack("<HHI4s", 0x0101, 2, 4, b"abc\0")
    notes = b"Exif\0\0" + order + struct.pack("<H", 2) + rotated + odd + b"\0\0\0\0"
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(PIL.Image.new("RGB", (8, 16)), "JPEG", exif=notes))
    assert load_image(path).shape == (8, 16, 3)


@pytest.mark.parametrize(
    ("suffix", "options"), [(".gif", {}), (".png", {}), (".webp", {"lossless": True})]
)
def test_animation_gives_its_first_frame(
    tmp_path: Path, suffix: str, options: dict[str, Any]
) -> None:
    first, *others = [PIL.Image.new("RGB", (4, 3), c) for c in ("red", "lime", "blue")]
    image = loaded(
        tmp_path, first, suffix, save_all=True, append_images=others, duration=100, **options
    )
    np.testing.assert_array_equal(image, np.broadcast_to(RED, (3, 4, 3)))


def test_the_content_counts_and_not_the_suffix(tmp_path: Path) -> None:
    path = tmp_path / "really_a_png.jpg"
    path.write_bytes(encoded(PIL.Image.new("RGB", (2, 2), "blue"), "PNG"))
    np.testing.assert_array_equal(load_image(path)[0, 0], BLUE)


# ------------------------------------------------------------------------- files that are no good


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"])
@pytest.mark.parametrize("part", [0.3, 0.7])
def test_truncated(tmp_path: Path, kind: str, part: float) -> None:
    data = encoded(PIL.Image.fromarray(noise(64, 64)), kind)
    path = tmp_path / f"cut.{kind.lower()}"
    path.write_bytes(data[: int(len(data) * part)])
    refused(path)


def test_damage_of_every_kind(tmp_path: Path) -> None:
    """Bytes changed at random: the picture loads, or the one error comes."""
    random = np.random.default_rng(0)
    path = tmp_path / "damaged"
    refusals: list[str] = []
    kinds = ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "ICO", "PPM", "TGA"]
    for kind in kinds:
        whole = encoded(PIL.Image.fromarray(noise(8, 12)), kind)
        for _ in range(40):
            data = bytearray(whole)
            for position in random.integers(0, min(len(data), 200), size=4):
                data[position] = random.integers(0, 256)
            path.write_bytes(data)
            try:
                load_image(path)
            except ImageError as error:
                refusals.append(str(error))
    assert 40 < len(refusals) < 40 * len(kinds)
    assert all(str(path) in message and "\n" not in message for message in refusals)


@pytest.mark.parametrize(
    "fault", [RuntimeError("decoder\nsays no"), struct.error("short"), KeyError(3), IndexError()]
)
def test_whatever_a_decoder_raises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(encoded(PIL.Image.new("RGB", (2, 2)), "PNG"))

    def fail(*_: object) -> None:
        raise fault

    monkeypatch.setattr(PIL.ImageFile.ImageFile, "load", fail)
    refused(path, "damaged or cut off")


def test_empty(tmp_path: Path) -> None:
    path = tmp_path / "empty.png"
    path.touch()
    refused(path, "empty")


def test_text(tmp_path: Path) -> None:
    path = tmp_path / "text.png"
    path.write_text("This is not an image. " * 50)
    refused(path, "not an image")


def test_absent(tmp_path: Path) -> None:
    refused(tmp_path / "absent.png", "no such file")
    with pytest.raises(ImageError, match=r"no such file.*astronaut"):  # and the names there are
        load_image(str(tmp_path / "absent.png"))


def test_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused(tmp_path / "file" / "absent.png", "no such file")


def test_folder(tmp_path: Path) -> None:
    refused(tmp_path, "folder")


def test_name_that_the_system_refuses(tmp_path: Path) -> None:
    refused(tmp_path / ("a" * 300 + ".png"), "cannot be read")
    refused(Path("zero\0byte.png"), "cannot be read")


def test_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.png"
    path.write_bytes(encoded(PIL.Image.new("RGB", (2, 2)), "PNG"))

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)  # the tests may run as root, who may read all
    assert "damaged" not in refused(path, "cannot be read (Permission denied)")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("zero.png", png(0, 5, 8, 2)),
        ("zero.gif", b"GIF89a" + bytes(7) + b";"),
        ("zero.ppm", b"P6 0 0 255\n"),
    ],
)
def test_zero_sized(tmp_path: Path, name: str, data: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    refused(path)


def test_over_large_fails_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png(60_000, 60_000, 8, 2, bytes(100)))
    tracemalloc.start()
    refused(path, "3600.0 megapixels", "60000×60000", "limit is 64", "max_megapixels")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 10e6  # bytes; the picture would take 10.8e9


def test_the_limit_goes_both_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "picture.png"
    PIL.Image.new("RGB", (100, 50)).save(path)
    refused(path, "limit is 0.004", max_megapixels=0.004)
    assert load_image(path, max_megapixels=0.005).shape == (50, 100, 3)
    # Pillow's own limit is neither in the way nor changed.
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 10)
    assert load_image(path).shape == (50, 100, 3)
    assert PIL.Image.MAX_IMAGE_PIXELS == 10


# --------------------------------------------------------------------------------------- samples


def test_sample_names() -> None:
    assert set(sample_names()) == {*PHOTOS, *DRAWN_STYLES}
    assert {"astronaut", "chelsea", "coffee", "hubble", "retina", "rocket"} < set(PHOTOS)


@pytest.mark.parametrize("name", PHOTOS)
def test_photos(name: str) -> None:
    expected = getattr(skimage.data, PHOTOS[name])()
    image = load_image(name)
    np.testing.assert_array_equal(to_uint8(image), expected)
    assert max(load_image(name, size=40).shape) == 40


def test_drawn_styles(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[object, ...]] = []

    def note(*arguments: object) -> Image:
        drawn.append(arguments)
        return np.zeros((8, 8, 3), np.float32)

    monkeypatch.setattr("nstlib.sources.draw", note)
    for name in DRAWN_STYLES:
        load_image(name)
        load_image(name, 40)
    assert drawn == [(name, size) for name in DRAWN_STYLES for size in (512, 40)]


def test_samples_load_offline() -> None:
    """With no network and nothing but the installed packages."""
    code = (
        "import socket\n"
        "def no(*a, **k): raise OSError('no network')\n"
        "socket.socket.connect = socket.create_connection = socket.getaddrinfo = no\n"
        "from nstlib.sources import PHOTOS, load_image\n"
        "for name in (*PHOTOS, 'mosaic'): load_image(name, 32)\n"
        "import sys; assert 'tensorflow' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_path_is_always_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    refused(Path("astronaut"), "no such file")
    PIL.Image.new("RGB", (3, 2)).save(tmp_path / "astronaut", "PNG")
    assert load_image(Path("astronaut")).shape == (2, 3, 3)
    assert load_image("astronaut").shape == (512, 512, 3)
