"""Any picture as a style, by small networks that learnt nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageFile
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from small_any_style import AnyStyle
from style_colors import color_root, in_its_colors

import nstlib as nst
from nstlib._tensorflow import keras
from nstlib.errors import ArgumentError, ImageError, MemoryLimitError
from nstlib.images.colors import replace_luminance
from nstlib.inference.any_style import VECTOR, at_size, encode_style, mix_styles, painter_for
from nstlib.inference.stylizer import Stylizer

pytestmark = pytest.mark.usefixtures("any_style")


@pytest.mark.parametrize("backend", ["cv2", "ort"])
def test_a_picture_is_a_style(any_style: AnyStyle, backend: str) -> None:
    style, photo = nst.load_image("coffee", (40, 56)), nst.load_image("astronaut", (64, 88))
    vector = encode_style(style, size=40, backend=backend)
    assert vector.shape == (VECTOR,)
    assert vector.dtype == np.float32
    assert vector.nbytes == 4 * 262
    seen = np.asarray(any_style.encoder(style[np.newaxis])).reshape(-1)
    np.testing.assert_allclose(vector[:256], seen, atol=1e-3 * np.abs(seen).max())
    np.testing.assert_allclose(vector[256:], color_root(style)[np.triu_indices(3)], atol=1e-4)
    expected = in_its_colors(any_style.painted(photo, seen), seen[-6:-3], color_root(style))
    for given_style in (vector, style):
        stylizer = nst.Stylizer(given_style, backend=backend, style_size=40)
        np.testing.assert_allclose(stylizer(photo), expected, atol=5e-3)


@given(height=st.integers(1, 75), width=st.integers(1, 75))
@settings(max_examples=12, deadline=None)
def test_any_size_keeps_its_size(height: int, width: int) -> None:
    stylizer = nst.Stylizer(np.zeros(VECTOR, np.float32))
    photo = np.random.default_rng(0).random((height, width, 3), np.float32)
    assert stylizer(photo).shape == photo.shape


def test_what_is_constant_is_computed_once(any_style: AnyStyle) -> None:
    """Of the layers that scale and shift, those after a normalisation of their own go into it."""
    vector = np.random.default_rng(0).normal(size=VECTOR).astype(np.float32)
    graph = painter_for(vector).graph
    assert [entry.name for entry in graph.input] == ["image"]
    kinds = [node.op_type for node in graph.node]
    # Only "conv3", "by1" and "by2" scale and shift what is used elsewhere, too.
    assert kinds.count("Mul") == 3
    assert not {"Slice", "Cast"}.intersection(kinds)
    convolutions = [x for x in any_style.painter.layers if isinstance(x, keras.layers.Conv2D)]
    assert kinds.count("Conv") == len(convolutions)


def test_large_pictures_are_painted_by_tiles() -> None:
    photo = nst.load_image("astronaut", (96, 640))
    vector = encode_style("coffee", size=40)
    whole = nst.Stylizer(vector)(photo)
    tiles = nst.Stylizer(vector, whole_megapixels=0.02)(photo)
    np.testing.assert_allclose(tiles, whole, atol=1e-3)


def test_mixtures(tmp_path: Path) -> None:
    night, cup = encode_style("hubble", size=32), encode_style("coffee", size=32)
    np.save(tmp_path / "cup.npy", cup)
    shares: dict[str | Path, float] = {"hubble": 3, tmp_path / "cup.npy": 1.0}
    mixture = mix_styles(shares, size=32)
    np.testing.assert_allclose(mixture, 0.75 * night + 0.25 * cup, rtol=1e-5, atol=1e-6)
    photo = nst.load_image("astronaut", (32, 40))
    np.testing.assert_array_equal(
        nst.Stylizer(shares, style_size=32)(photo), nst.Stylizer(mixture)(photo)
    )
    np.testing.assert_array_equal(
        nst.Stylizer(tmp_path / "cup.npy")(photo), nst.Stylizer(cup)(photo)
    )


@pytest.mark.parametrize(
    "style",
    [
        np.zeros((1, 1, 3)),
        np.ones((400, 300, 3)),
        np.full((16, 16, 3), 0.5),
        np.random.default_rng(0).random((5, 3000, 3)),
        np.repeat(np.random.default_rng(0).random((30, 40, 1)), 3, axis=2),
    ],
    ids=["a black point", "white", "grey", "a stripe", "noise without colour"],
)
def test_any_picture_will_do(style: NDArray[np.float64]) -> None:
    vector = encode_style(style, size=48)
    assert np.isfinite(vector).all()
    photo = nst.load_image("astronaut", (40, 40))
    assert np.isfinite(nst.Stylizer(vector)(photo)).all()


def test_how_large_a_style_is_seen() -> None:
    seen: list[tuple[int, ...]] = []
    for shape in ((100, 150), (10, 700), (20, 20)):
        picture = at_size(np.zeros((*shape, 3), np.float32), 50)
        seen.append(picture.shape[:2])
    assert seen == [(50, 75), (50, 200), (50, 50)]


def test_of_a_long_picture_the_middle_is_seen() -> None:
    """Four times as long as high: red there, and blue at both ends."""
    stripe = np.zeros((10, 80, 3), np.float32)
    stripe[:, 20:60, 0] = stripe[:, :20, 2] = stripe[:, 60:, 2] = 1
    for picture in (at_size(stripe, 10), at_size(stripe.transpose(1, 0, 2), 10)):
        np.testing.assert_allclose(picture[..., 0], 1, atol=1e-6)
        np.testing.assert_allclose(picture[..., 2], 0, atol=1e-6)


def test_of_large_files_a_part_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ordinary scan of a painting has 100 megapixels and more, and 320 pixels are looked at."""
    picture = np.kron(
        np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8),
        np.ones((150, 150, 1), np.uint8),
    )
    PIL.Image.fromarray(picture).save(tmp_path / "scan.jpg", quality=95)
    decoded: list[tuple[int, int]] = []

    def note(file: PIL.ImageFile.ImageFile, *arguments: Any) -> Any:
        decoded.append(file.size)
        return load(file, *arguments)

    load = PIL.ImageFile.ImageFile.load
    monkeypatch.setattr(PIL.ImageFile.ImageFile, "load", note)
    vector = encode_style(tmp_path / "scan.jpg", size=32)
    assert max(decoded) < (1800, 1200)
    whole = encode_style(picture / 255, size=32)
    np.testing.assert_allclose(vector, whole, atol=0.02 * np.abs(whole).max())


def test_transparent_parts_are_white(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (40, 50, 4), np.uint8)
    pixels[..., 3] = 255 * random.integers(0, 2, (40, 50))
    PIL.Image.fromarray(pixels).save(tmp_path / "sticker.png")
    pixels[pixels[..., 3] == 0] = 255
    np.testing.assert_array_equal(
        encode_style(tmp_path / "sticker.png", size=40),
        encode_style(pixels[..., :3] / 255, size=40),
    )
    pixels[...] = 0
    PIL.Image.fromarray(pixels).save(tmp_path / "nothing.png")
    np.testing.assert_array_equal(
        encode_style(tmp_path / "nothing.png", size=40), encode_style(np.ones((40, 50, 3)), size=40)
    )


@pytest.mark.parametrize("strength", [0.25, 0.8])
def test_strength_goes_from_the_photographs_own_style(any_style: AnyStyle, strength: float) -> None:
    photo = nst.load_image("astronaut", (40, 56))
    style = nst.load_image("coffee", (40, 60))
    vector = encode_style(style, size=40)
    own = np.asarray(any_style.encoder(photo[np.newaxis])).reshape(-1)
    stylizer = nst.Stylizer(vector)
    mixed = (strength * vector[:256] + (1 - strength) * own).astype(np.float32)
    roots = color_root(style), color_root(photo)
    mixed_root = strength * roots[0] + (1 - strength) * roots[1]
    beginning = in_its_colors(any_style.painted(photo, own), own[-6:-3], roots[1])
    between = in_its_colors(any_style.painted(photo, mixed), mixed[-6:-3], mixed_root)
    expected = np.clip(between + (1 - strength) * (photo - beginning), 0, 1)
    np.testing.assert_allclose(stylizer(photo, strength), expected, atol=1e-2)
    np.testing.assert_array_equal(stylizer(photo, 0.0), photo)
    np.testing.assert_allclose(stylizer(photo, 1e-4), photo, atol=2e-3)  # no step at the beginning
    kept = stylizer(photo, strength, preserve_colors=True)
    np.testing.assert_allclose(kept, replace_luminance(photo, expected), atol=5e-3)
    assert np.abs(stylizer(photo) - expected).max() > 0.02  # it is not the painting at full


def test_a_vector_can_be_kept(tmp_path: Path) -> None:
    stylizer = nst.Stylizer("coffee", style_size=40)
    vector = stylizer.vector
    assert vector is not None
    np.save(tmp_path / "coffee.npy", vector)
    assert (tmp_path / "coffee.npy").stat().st_size == 128 + 4 * 262
    np.testing.assert_array_equal(nst.Stylizer(tmp_path / "coffee.npy").vector, vector)
    assert nst.Stylizer("candy").vector is None


def test_a_files_range_is_not_the_networks() -> None:
    """In one command it may be given for the ONNX file of another part."""
    photo = nst.load_image("astronaut", (40, 40))
    vector = encode_style("coffee", size=40)
    np.testing.assert_array_equal(
        nst.Stylizer(vector, value_range="-1,1")(photo), nst.Stylizer(vector)(photo)
    )
    with pytest.raises(ArgumentError, match=r"value_range is '5'"):
        nst.Stylizer(vector, value_range="5")


def test_a_composer_takes_every_kind_of_style() -> None:
    class Left:
        def matte(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
            return (np.indices(image.shape[:2])[1] < image.shape[1] / 2).astype(np.float32)

        def mask(self, image: NDArray[np.float32]) -> NDArray[np.uint8]:
            return (255 * self.matte(image)).astype(np.uint8)

    photo, style = nst.load_image("astronaut", (40, 40)), nst.load_image("coffee", (30, 40))
    vector = encode_style(style)
    composed = nst.Composer({"hubble": 1}, vector, segmenter=Left(), hard=True)(photo)
    np.testing.assert_allclose(composed[:, :20], nst.Stylizer(style)(photo)[:, :20], atol=1e-5)
    np.testing.assert_allclose(composed[:, 20:], nst.Stylizer("hubble")(photo)[:, 20:], atol=1e-5)
    both = nst.Composer(style, style, segmenter=Left(), hard=True)(photo)
    np.testing.assert_allclose(both, nst.Stylizer(style)(photo), atol=1e-5)


def test_too_little_memory_for_a_style(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("nstlib.inference.any_style.check_memory", fail)
    with pytest.raises(MemoryLimitError, match="to look at a style at 640 pixels; give a smaller"):
        encode_style("coffee", size=640)


@pytest.mark.parametrize(
    ("style", "words"),
    [
        (np.zeros(256), "262 finite numbers"),
        (np.full(262, np.nan), "262 finite numbers.*has other values"),
        ("nothing.npy", r"nothing\.npy: cannot be read \(No such file or directory\)"),
        ({}, "no style to mix"),
        ({"coffee": 0}, "the share of coffee is 0; it must be a number above 0"),
        ({"coffee": "1"}, "the share of coffee is '1'; it must be a number above 0"),
        ({"coffee": np.float64(-1)}, "the share of coffee is -1.0; it must be"),
        ({"coffee": 1, "net.onnx": 1}, "net.onnx is a network; only pictures and vectors"),
        ("mosaik", "'mosaik' is no style: give one of mosaic, candy"),
        (Path("net.keras"), "'net.keras' is no style"),
    ],
)
def test_what_is_no_style(style: object, words: str) -> None:
    with pytest.raises(ArgumentError, match=words) as caught:
        nst.Stylizer(style)  # type: ignore[arg-type]
    assert "--the" not in caught.value.command


@pytest.mark.parametrize(
    "content", [b"", b"xx", b"\x93NUMPY\x01\x00", b"PK\x03\x04", b"\x80\x04N."]
)
def test_a_damaged_vector_is_not_to_be_unpickled(tmp_path: Path, content: bytes) -> None:
    """NumPy's own message proposes that, and what is unpickled can run any program."""
    (tmp_path / "v.npy").write_bytes(content)
    with pytest.raises(ArgumentError, match=r"v\.npy is not the vector of a style") as caught:
        nst.Stylizer(tmp_path / "v.npy")
    for text in (str(caught.value), caught.value.command):
        assert "pickle" not in text


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("nothing.png", None, "no such file"),
        ("notes.txt", b"to do", "not an image that can be read here"),
        ("style", b"\x93NUMPY", "not an image that can be read here"),
        ("drawing.svg", b"<svg/>", "an SVG drawing"),
        ("film.mp4", b"\0\0\0\x18ftypmp42", "is a film, not an image"),
        ("cut.jpg", b"\xff\xd8\xff\xe0", "is damaged or cut off|not an image"),
        ("empty.png", b"", "is empty"),
    ],
)
def test_what_is_no_picture(tmp_path: Path, name: str, content: bytes | None, words: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageError, match=words):
        nst.Stylizer(tmp_path / name)


@pytest.mark.parametrize("size", [0, 15, 2049, 32.5])
def test_sizes_at_which_no_style_is_seen(size: object) -> None:
    with pytest.raises(ArgumentError, match=f"^size is {size}; it must be a whole number"):
        encode_style("coffee", size=size)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=f"^style_size is {size}; it must"):
        nst.Stylizer("coffee", style_size=size)  # type: ignore[arg-type]


def test_the_largest_shares_and_the_smallest_can_be_mixed() -> None:
    expected = mix_styles({"coffee": 1, "chelsea": 1}, size=64)
    for share in (1e308, 1e-308):
        mixed = mix_styles({"coffee": share, "chelsea": share}, size=64)
        np.testing.assert_allclose(mixed, expected, rtol=1e-6)


def test_a_vector_cannot_be_changed_behind_the_networks_back() -> None:
    given = encode_style("coffee", size=64)
    stylizer = Stylizer(given)
    assert stylizer.vector is not None
    with pytest.raises(ValueError, match="read-only"):
        stylizer.vector[0] = 1
    given[0] += 1  # still the caller's own
