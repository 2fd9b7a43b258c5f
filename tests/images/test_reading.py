"""Reading at scale: many threads, large photos, formats that are refused, folders."""

from __future__ import annotations

import importlib.util
import os
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import PIL.ImageFile
import pytest
import skimage.data

from nstlib.errors import DependencyError, ImageError
from nstlib.images.arrays import to_uint8
from nstlib.images.folders import Found, find_pictures
from nstlib.images.formats import FILM_SUFFIXES, FORMATS, HEIC_SUFFIXES, readable_suffixes
from nstlib.sources import load_image


def photo(height: int, width: int) -> PIL.Image.Image:
    """A photograph with grain, of any size."""
    picture = PIL.Image.fromarray(skimage.data.astronaut()).resize((width, height))
    grain = np.random.default_rng(0).normal(0, 12, (height, width, 1))
    return PIL.Image.fromarray((np.asarray(picture) + grain).clip(0, 255).astype(np.uint8))


# Threads


def test_threads_change_nothing_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither at the end nor at any moment, and a limit of Pillow's own isn't in the way."""
    paths = [tmp_path / f"{n}.{kind}" for n, kind in enumerate(["png", "jpg", "gif", "webp"])]
    for path in paths:
        photo(60, 80).save(path)
    if importlib.util.find_spec("pillow_heif"):
        import pillow_heif

        pillow_heif.from_pillow(photo(60, 80)).save(tmp_path / "4.heic")
        paths.append(tmp_path / "4.heic")
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 60 * 80)
    before = PIL.Image.MAX_IMAGE_PIXELS, list(warnings.filters), warnings.showwarning
    load_image(paths[0])  # Pillow's plugins are imported once
    openers = dict(PIL.Image.OPEN)
    seen = []
    load = PIL.ImageFile.ImageFile.load

    def spy(file: PIL.ImageFile.ImageFile) -> Any:
        seen.append((PIL.Image.MAX_IMAGE_PIXELS, list(warnings.filters), warnings.showwarning))
        return load(file)

    monkeypatch.setattr(PIL.ImageFile.ImageFile, "load", spy)
    with ThreadPoolExecutor(8) as pool:
        images = list(pool.map(load_image, paths * 25))
    assert len(seen) >= 100
    assert all(state == before for state in seen)
    assert (PIL.Image.MAX_IMAGE_PIXELS, list(warnings.filters), warnings.showwarning) == before
    assert openers == PIL.Image.OPEN
    for number, image in enumerate(images):
        np.testing.assert_array_equal(image, images[number % len(paths)])


# Large photos


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
@pytest.mark.parametrize("size", [100, (75, 100), 161])
def test_a_large_jpeg_is_decoded_smaller_and_looks_the_same(
    tmp_path: Path, size: Any, options: dict[str, Any]
) -> None:
    path = tmp_path / "photo.jpg"
    photo(1200, 1600).save(path, quality=92, **options)
    with PIL.Image.open(path) as file:
        whole = np.asarray(file, np.float32)
    longest = size if isinstance(size, int) else 100
    expected = cv2.resize(whole, (longest, round(longest * 0.75)), interpolation=cv2.INTER_AREA)
    found = load_image(path, size, max_megapixels=0.5) * 255  # the whole has 1.92 megapixels
    assert np.abs(found - expected).mean() < 1
    assert np.abs(found - expected).max() < 12


def test_a_turned_photo_is_decoded_large_enough(tmp_path: Path) -> None:
    """Height and width are meant as the picture is seen, not as it is stored."""
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    stripes = (np.arange(256, dtype=np.uint8) % 2 * 255)[:, np.newaxis].repeat(2048, axis=1)
    path = tmp_path / "photo.jpg"
    PIL.Image.fromarray(stripes).save(path, exif=exif, quality=95)
    seen = load_image(path, (20, 256))[10, :, 0]
    assert (np.abs(np.diff(seen)) > 0.9).all()


def test_several_photos_in_one_file(tmp_path: Path) -> None:
    """Phones and 3D cameras write MPO: JPEGs one behind the other, of which the first counts."""
    path = tmp_path / "photo.jpg"
    photo(1200, 1600).save(
        path, "MPO", save_all=True, append_images=[PIL.Image.new("RGB", (1600, 1200))]
    )
    image = load_image(path, 100, max_megapixels=0.5)
    assert image.shape == (75, 100, 3)
    expected = np.asarray(photo(1200, 1600)).reshape(75, 16, 100, 16, 3).mean(axis=(1, 3))
    assert np.abs(to_uint8(image) - expected).mean() < 2


def test_the_limit_counts_what_is_decoded_and_names_its_remedy(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    PIL.Image.new("RGB", (1600, 1200)).save(path)
    for size, words in ((None, "1.9 megapixels (1600×1200)"), (200, "(800×600, from 1600×1200)")):
        with pytest.raises(ImageError) as caught:
            load_image(path, size, max_megapixels=0.2)
        error = caught.value
        assert words in str(error)
        assert str(error).endswith("the limit is 0.2; shrink it, or raise max_megapixels")
        assert error.command.endswith("shrink it, or raise --max-megapixels")
    png = tmp_path / "picture.png"
    PIL.Image.new("RGB", (1600, 1200)).save(png)
    with pytest.raises(ImageError, match=r"1\.9 megapixels"):
        load_image(png, 100, max_megapixels=0.2)
    assert load_image(path, 100, max_megapixels=0.2).shape == (75, 100, 3)
    # A sliver keeps its short side.
    PIL.Image.fromarray(np.arange(80, dtype=np.uint8).repeat(4000).reshape(80, 4000)).save(path)
    np.testing.assert_allclose(load_image(path, (80, 10))[:, 5, 0] * 255, np.arange(80), atol=2)


def test_smaller_pictures_are_not_enlarged_unless_asked(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    photo(30, 40).save(path)
    assert load_image(path, 80).shape == (60, 80, 3)
    assert load_image(path, 80, enlarge=False).shape == (30, 40, 3)
    assert load_image(path, 20, enlarge=False).shape == (15, 20, 3)
    assert load_image("coffee", 5000, enlarge=False).shape == (400, 600, 3)


# Deep grey


def tiff(path: Path, numbers: list[Any], kind: Any) -> Path:
    picture = PIL.Image.fromarray(np.array([numbers], kind))
    picture.save(path)
    with PIL.Image.open(path) as file:
        assert file.mode in ("I", "F")
    return path


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([0, 51, 255], [0, 0.2, 1]),
        ([0, 13107, 65535], [0, 0.2, 1]),
        ([0, 1, 256], [0, 1 / 65535, 256 / 65535]),
    ],
)
def test_tiff_of_32_bits(tmp_path: Path, numbers: list[int], expected: list[float]) -> None:
    image = load_image(tiff(tmp_path / "picture.tif", numbers, np.int32))
    np.testing.assert_allclose(image[0, :, 1], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("numbers", "kind", "words"),
    [
        ([0, 70_000], np.int32, "from 0 to 70000; a picture of 32 bits is read if they lie from 0"),
        ([-1, 9], np.int32, "from -1 to 9"),
        ([0, 2**31 - 1], np.int32, "from 0 to 2147483648"),
        ([0, 255], np.float32, "from 0 to 255; a picture of floating-point numbers is read if"),
        ([-0.5, 1], np.float32, "divide them by the largest, or save it with 8 or 16 bits"),
        ([0, np.nan], np.float32, "from nan to nan"),
    ],
)
def test_numbers_that_could_mean_anything_are_refused(
    tmp_path: Path, numbers: list[float], kind: Any, words: str
) -> None:
    path = tiff(tmp_path / "picture.tif", numbers, kind)
    with pytest.raises(ImageError) as caught:
        load_image(path)
    assert str(path) in str(caught.value)
    assert words in str(caught.value)


# Which formats are read


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"


@pytest.mark.parametrize(
    ("name", "start", "words"),
    [
        ("photo.png", EPS, "is PostScript"),
        ("photo.eps", b"\xc5\xd0\xd3\xc6" + bytes(40), "is PostScript"),
        ("photo.jpg", b"%PDF-1.7 and so on", "is a PDF"),
        ("photo.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is an SVG drawing"),
        ("photo.wmf", b"\xd7\xcd\xc6\x9a" + bytes(40), "is a WMF drawing"),
        ("photo.jxl", b"\xff\x0a" + bytes(40), "is JPEG XL"),
        ("photo.jxl", b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(40), "is JPEG XL"),
        ("film.jpg", b"\0\0\0\x20ftypisom" + bytes(40), "is a film"),
        ("film.mkv", b"\x1aE\xdf\xa3" + bytes(40), "is a film"),
        ("data.png", b"\x89HDF\r\n\x1a\n" + bytes(40), "is not an image"),
        ("fits.png", b"SIMPLE  =                    T" + bytes(40), "is not an image"),
    ],
)
def test_formats_that_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, start: bytes, words: str
) -> None:
    """By their content and in words; and no other program is started."""

    def never(*_: object, **__: object) -> None:
        raise AssertionError("a program is started")

    monkeypatch.setattr("subprocess.Popen", never)
    monkeypatch.setattr(os, "system", never)
    path = tmp_path / name
    path.write_bytes(start)
    with pytest.raises(ImageError, match=words) as caught:
        load_image(path)
    assert str(caught.value).startswith(str(path))
    if words == "is a film":
        assert "nst compose" in caught.value.command


def test_no_format_needs_another_program() -> None:
    PIL.Image.init()
    assert set(FORMATS) <= set(PIL.Image.OPEN) | {"AVIF", "WEBP", "JPEG2000"}
    assert not {"EPS", "WMF", "PCD", "HDF5", "GRIB", "BUFR", "FITS"} & set(FORMATS)
    assert {".jpg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".tif"} <= readable_suffixes()
    assert not {".eps", ".ps", ".wmf", ".pdf", ".mpg", ".h5"} & readable_suffixes()
    assert not FILM_SUFFIXES & readable_suffixes()


def test_the_layers_of_a_psd_are_seen_together(tmp_path: Path) -> None:
    head = b"8BPS\0\1" + bytes(6) + b"\0\3" + b"\0\0\0\2" * 2 + b"\0\x08" + b"\0\3"
    path = tmp_path / "picture.psd"
    path.write_bytes(head + bytes(12) + b"\0\0" + bytes([255] * 4 + [0] * 4 + [51] * 4))
    np.testing.assert_allclose(load_image(path), np.full((2, 2, 3), [1, 0, 0.2]), atol=1e-6)


# HEIC


def test_heic(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif", reason="pillow_heif is not installed")
    for suffix in (".heic", ".jpg"):  # the content counts
        path = tmp_path / f"photo{suffix}"
        heif.from_pillow(photo(60, 80)).save(path, quality=95, format="HEIF")
        change = np.abs(to_uint8(load_image(path)).astype(int) - np.asarray(photo(60, 80)))
        assert change.mean() < 4
    assert readable_suffixes() >= HEIC_SUFFIXES
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(ImageError, match=str(path)):
        load_image(path)


def test_heic_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "pillow_heif" else find(name)
    )
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    path = tmp_path / "photo.heic"
    path.write_bytes(b"\0\0\0\x20ftypheic" + bytes(40))
    with pytest.raises(DependencyError) as caught:
        load_image(path)
    expected = f"{path}: reading HEIC needs pillow_heif: pip install 'nstlib[heic]'"
    assert str(caught.value) == expected
    assert not HEIC_SUFFIXES & readable_suffixes()
    photo(4, 4).save(tmp_path / "a.png")
    found = find_pictures(tmp_path)
    assert found.pictures == [tmp_path / "a.png"]
    assert found.left_out() == "1 HEIC picture (pip install 'nstlib[heic]')"


# Folders


def test_what_a_folder_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = {
        "pictures": ["z.JPG", "a.jfif", "b.jpe", "c.mpo", "deep/d.avif", "deep/er/e.jp2"],
        "films": ["holiday.MP4", "deep/f.mov"],
        "unknown_pictures": ["g.jxl", "h.CR2", "deep/i.svg"],
        "others": ["notes.txt", "README", "deep/j.xmp"],
        "": [".hidden.png", ".cache/k.png", "painted/l.png"],
    }
    for group in names.values():
        for name in group:
            path = Path("photos", name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    Path("album").mkdir()
    Path("album/m.png").touch()
    Path("photos/linked").symlink_to(Path("album").absolute())
    Path("photos/locked").mkdir()
    scan = os.scandir

    def refuse(place: Any) -> Any:  # the tests may run as root, who may read all
        if Path(place).name == "locked":
            raise PermissionError(13, "Permission denied", str(place))
        return scan(place)

    monkeypatch.setattr(os, "scandir", refuse)
    found = find_pictures(Path("photos"), without=Path("photos/painted"))
    for kind, expected in names.items():
        if kind:
            assert sorted(getattr(found, kind)) == sorted(Path("photos", n) for n in expected)
    assert found.links == [Path("photos/linked")]
    assert found.unreadable == [Path("photos/locked")]
    assert found.left_out() == (
        "2 films, "
        "3 unknown pictures (.cr2, .jxl, .svg: save as PNG or JPEG), "
        "1 linked folder (linked: give it by itself), 1 unreadable folder (locked), "
        "3 other files (.txt, .xmp, no suffix)"
    )
    assert Found().left_out() == ""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
def test_pipes_and_devices_are_no_pictures(tmp_path: Path) -> None:
    """They have 0 bytes to the system, but are not empty; and nobody may ever write into a pipe."""
    os.mkfifo(tmp_path / "pipe.png")
    for path in (tmp_path / "pipe.png", Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(ImageError, match="is no ordinary file; save the picture as a file"):
            load_image(path)


@pytest.mark.parametrize("kind", [str, Path])
def test_what_may_not_be_looked_at_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type
) -> None:
    """A folder that we may not enter, and a name that is too long, are no missing files."""
    with pytest.raises(ImageError, match=r"^x{5000}: cannot be read \(File name too long\)$"):
        load_image(kind("x" * 5000))
    ask = os.stat

    def refuse(path: Any, *arguments: Any, **options: Any) -> os.stat_result:
        if Path(path).parent.name == "locked":  # the tests may run as root, who may enter
            raise PermissionError(13, "Permission denied", str(path))
        return ask(path, *arguments, **options)

    monkeypatch.setattr(os, "stat", refuse)
    with pytest.raises(ImageError, match=r"a\.png: cannot be read \(Permission denied\)$"):
        load_image(kind(tmp_path / "locked/a.png"))


def test_a_limit_below_a_megapixel_is_not_called_0(tmp_path: Path) -> None:
    PIL.Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    with pytest.raises(ImageError, match=r"has 0\.0012 megapixels \(40×30\); the limit is 0\.001;"):
        load_image(tmp_path / "a.png", max_megapixels=0.001)
