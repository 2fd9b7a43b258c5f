"""Transparency: kept from file to file, without colours that nobody sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nstlib.errors import ImageError
from nstlib.images.arrays import check_alpha, to_rgba
from nstlib.images.encode import save_image
from nstlib.sources import load_image, load_picture


def write(path: Path, pixels: Any, **options: Any) -> Path:
    PIL.Image.fromarray(np.asarray(pixels, np.uint8)).save(path, **options)
    return path


def read(path: Path) -> NDArray[np.uint8]:
    with PIL.Image.open(path) as file:
        return np.asarray(file)


def over_white(rgba: NDArray[np.uint8]) -> NDArray[np.float64]:
    """As any other program lays it on white paper."""
    alpha = rgba[..., 3:] / 255
    return alpha * rgba[..., :3] / 255 + (1 - alpha)


def test_a_sticker_is_seen_on_white_and_keeps_its_alpha(tmp_path: Path) -> None:
    path = write(tmp_path / "s.png", [[[255, 0, 0, 255], [0, 0, 255, 51], [9, 9, 9, 0]]])
    picture = load_picture(path)
    assert picture.alpha is not None
    np.testing.assert_allclose(picture.alpha, [[1, 0.2, 0]], atol=1e-6)
    np.testing.assert_allclose(picture.image, [[(1, 0, 0), (0.8, 0.8, 1), (1, 1, 1)]], atol=1e-6)
    np.testing.assert_array_equal(load_image(path), picture.image)


def test_what_is_opaque_has_no_alpha(tmp_path: Path) -> None:
    opaque = write(tmp_path / "opaque.png", [[[1, 2, 3, 255]]])
    assert load_picture(opaque).alpha is None
    assert load_picture(write(tmp_path / "rgb.png", [[[1, 2, 3]]])).alpha is None
    assert load_picture("coffee", 20).alpha is None
    assert load_picture("mosaic", 32).alpha is None


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_reading_and_writing_changes_nothing_that_is_seen(tmp_path: Path, suffix: str) -> None:
    """Every level of a colour, under every alpha."""
    alpha, level = np.indices((256, 256))
    pixels = np.stack([level, 255 - level, (level * 7) % 256, alpha], axis=2).astype(np.uint8)
    picture = load_picture(write(tmp_path / "in.png", pixels))
    found = read(save_image(picture.image, tmp_path / f"out{suffix}", alpha=picture.alpha))
    np.testing.assert_array_equal(found[..., 3], pixels[..., 3])
    if suffix == ".png":  # WebP is lossy
        np.testing.assert_array_equal(found[1:], pixels[1:])


def test_painted_colours_are_those_seen_on_white(tmp_path: Path) -> None:
    """By hand: P = 0.4 at alpha 0.8 is the colour (0.4 - 0.2) / 0.8 = 0.25, of 255 that is 64."""
    painted = np.array([[[0.4, 0.9, 1.0], [0.6, 0.6, 0.6], [0.1, 0.5, 0.3]]])
    path = save_image(painted, tmp_path / "p.png", alpha=[[0.8, 1.0, 0.0]])
    found = read(path)
    assert found[0, 0].tolist() == [64, 223, 255, 204]
    assert found[0, 1].tolist() == [153, 153, 153, 255]
    assert found[0, 2].tolist() == [255, 255, 255, 0]
    np.testing.assert_allclose(over_white(found)[0, :2], painted[0, :2], atol=1 / 255)


def test_nothing_darker_than_black_can_be_stored(tmp_path: Path) -> None:
    found = read(save_image(np.zeros((1, 1, 3)), tmp_path / "p.png", alpha=[[0.5]]))
    assert found[0, 0].tolist() == [0, 0, 0, 128]


def test_a_jpeg_shows_it_on_white(tmp_path: Path) -> None:
    picture = load_picture(write(tmp_path / "s.png", np.full((16, 16, 4), [255, 0, 0, 51])))
    path = save_image(picture.image, tmp_path / "s.jpg", alpha=picture.alpha)
    np.testing.assert_allclose(read(path)[8, 8], [255, 204, 204], atol=2)


def test_hidden_colours_do_not_bleed_when_a_picture_shrinks(tmp_path: Path) -> None:
    """Of two pixels that become one, the transparent one's green does not count."""
    path = write(tmp_path / "s.png", [[[200, 100, 0, 255], [0, 255, 0, 0]] * 2] * 2)
    picture = load_picture(path, (1, 2))
    assert picture.alpha is not None
    np.testing.assert_allclose(picture.alpha, [[0.5, 0.5]], atol=1e-6)
    found = read(save_image(picture.image, tmp_path / "small.png", alpha=picture.alpha))
    assert found.tolist() == [[[200, 100, 0, 128]] * 2]


@pytest.mark.parametrize(
    ("suffix", "picture", "options"),
    [
        (".png", PIL.Image.new("LA", (2, 1), (51, 102)), {}),
        (".webp", PIL.Image.new("RGBA", (2, 1), (51, 51, 51, 102)), {"lossless": True}),
        (".tif", PIL.Image.new("RGBA", (2, 1), (51, 51, 51, 102)), {}),
        (".png", PIL.Image.new("L", (2, 1), 51), {"transparency": 51}),
        (".gif", PIL.Image.new("L", (2, 1), 51), {"transparency": 51}),
        (".png", PIL.Image.new("RGB", (2, 1), (51, 51, 51)), {"transparency": (51, 51, 51)}),
    ],
    ids=["LA", "WebP", "TIFF", "L by key", "GIF", "RGB by key"],
)
def test_transparency_of_all_kinds(
    tmp_path: Path, suffix: str, picture: PIL.Image.Image, options: dict[str, Any]
) -> None:
    path = tmp_path / f"sticker{suffix}"
    picture.save(path, **options)
    alpha = 0.0 if options.get("transparency") else 0.4
    found = load_picture(path)
    assert found.alpha is not None
    np.testing.assert_allclose(found.alpha, [[alpha] * 2], atol=1e-6)
    np.testing.assert_allclose(found.image, np.full((1, 2, 3), alpha * 0.2 + 1 - alpha), atol=1e-6)


@pytest.mark.parametrize(
    ("alpha", "words"),
    [
        (np.zeros((3, 2)), "alpha has shape (3, 2) and the picture (2, 3, 3)"),
        (np.full((2, 3), 1.5), "alpha ranges from 1.5 to 1.5"),
        (np.full((2, 3), np.nan), "alpha ranges from nan"),
        (np.zeros((2, 3), np.int64), "alpha holds int64 values"),
    ],
)
def test_what_is_no_alpha(tmp_path: Path, alpha: NDArray[Any], words: str) -> None:
    image = np.zeros((2, 3, 3), np.float32)
    for attempt in (
        lambda: check_alpha(alpha, image),
        lambda: save_image(image, tmp_path / "p.png", alpha=alpha),
    ):
        with pytest.raises(ImageError) as caught:
            attempt()
        assert words in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=200)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["float", "bool", "uint8"]))
def test_any_picture_is_seen_again_on_white(seed: int, kind: str) -> None:
    random = np.random.default_rng(seed)
    share = random.choice([0, 1, random.random()], (4, 5)).astype(np.float32)
    kinds: dict[str, NDArray[Any]] = {
        "float": share,
        "bool": share > 0.5,
        "uint8": (share * 255).astype(np.uint8),
    }
    alpha = kinds[kind]
    image = random.random((4, 5, 3), np.float32)
    rgba = to_rgba(image, alpha)
    exact = alpha / 255 if kind == "uint8" else alpha.astype(np.float64)
    np.testing.assert_allclose(rgba[..., 3] / 255, exact, atol=0.5001 / 255)
    # Where there is so little of a colour that its share cannot be darker, it is black.
    seen = np.maximum(image, 1 - exact[..., np.newaxis])
    np.testing.assert_allclose(over_white(rgba), seen, atol=1.01 / 255)
    hidden = rgba[exact == 0][:, :3]
    assert (hidden == 255).all()
