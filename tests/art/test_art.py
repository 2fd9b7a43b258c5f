"""The drawn style images: the same picture at every size, and never a dull one."""

from __future__ import annotations

import colorsys
import inspect
import subprocess
import sys
import zlib
from functools import cache

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nstlib.art._canvas import Canvas, from_oklab, noise_field, palette_of, relief, to_oklab
from nstlib.art.catalogue import DRAWN_STYLES, draw
from nstlib.art.marble import refine
from nstlib.art.shards import split
from nstlib.errors import ArgumentError

Image = NDArray[np.float32]

# Mean saturation (HSV) that each style must reach: all but the washes and the earths are vivid.
SATURATION = {
    "mosaic": 0.4,
    "candy": 0.4,
    "brushwork": 0.5,
    "shards": 0.25,
    "waves": 0.3,
    "pointillism": 0.3,
    "marble": 0.3,
    "watercolour": 0.12,
}


@cache
def drawn(name: str, size: int | tuple[int, int] = 128, seed: int = 0) -> Image:
    """Draw once for all the tests that only look."""
    image = draw(name, size, seed=seed)
    image.setflags(write=False)
    return image


def shrunk(image: Image, size: int) -> Image:
    """Average square blocks, in NumPy alone."""
    k = image.shape[0] // size
    blocks = image.reshape(size, k, size, k, 3).mean(axis=(1, 3))
    return np.asarray(blocks, np.float32)


def test_catalogue() -> None:
    assert len(DRAWN_STYLES) >= 8
    assert len(set(DRAWN_STYLES)) == len(DRAWN_STYLES)
    assert set(DRAWN_STYLES) == set(SATURATION)
    assert DRAWN_STYLES[0] == "mosaic"


@pytest.mark.parametrize("size", [128, (67, 131)])
@pytest.mark.parametrize("name", DRAWN_STYLES)
def test_is_an_image(name: str, size: int | tuple[int, int]) -> None:
    image = drawn(name, size)
    height, width = size if isinstance(size, tuple) else (size, size)
    assert image.shape == (height, width, 3)
    assert image.dtype == np.float32
    assert np.isfinite(image).all()
    assert image.min() >= 0
    assert image.max() <= 1


@pytest.mark.parametrize("name", DRAWN_STYLES)
def test_another_seed_gives_another_picture_of_the_style(name: str) -> None:
    first, second = drawn(name), drawn(name, seed=1)
    assert np.abs(first - second).mean() > 0.04
    # The same palette: the mean colours stay together.
    assert np.abs(first.mean(axis=(0, 1)) - second.mean(axis=(0, 1))).max() < 0.2


@pytest.mark.parametrize("name", DRAWN_STYLES)
def test_the_same_seed_gives_the_same_array_whatever_the_global_states(name: str) -> None:
    first = drawn(name)
    np.random.seed(7)  # noqa: NPY002 (the legacy state is what is tested)
    cv2.setRNGSeed(7)
    expected, noise = np.random.random(4), np.zeros((4, 4), np.uint8)  # noqa: NPY002
    cv2.randn(noise, np.array(99.0), np.array(40.0))

    np.random.seed(7)  # noqa: NPY002
    cv2.setRNGSeed(7)
    assert np.array_equal(draw(name, 128, seed=0), first)
    assert np.array_equal(np.random.random(4), expected)  # noqa: NPY002
    again = np.zeros((4, 4), np.uint8)
    cv2.randn(again, np.array(99.0), np.array(40.0))
    assert np.array_equal(again, noise)


def test_another_process_draws_the_same() -> None:
    # String hashes differ between processes; seeds must not.
    program = "from nstlib import art; print(zlib.crc32(art.draw('waves', 32).tobytes()))"
    run = [sys.executable, "-c", f"import zlib; {program}"]
    result = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert int(result) == zlib.crc32(draw("waves", 32).tobytes())


@pytest.mark.parametrize("name", DRAWN_STYLES)
def test_a_larger_size_is_the_same_picture_in_more_detail(name: str) -> None:
    # 64 is drawn four times as large, 256 twice: two resolutions in truth as well.
    small, large = drawn(name, 64), drawn(name, 256)
    means = np.abs(small.mean(axis=(0, 1)) - large.mean(axis=(0, 1)))
    assert means.max() < 0.03
    # Composition: at 32 px both agree far better with each other than two seeds do.
    same = np.abs(shrunk(small, 32) - shrunk(large, 32)).mean()
    other = np.abs(shrunk(small, 32) - shrunk(drawn(name, 64, 1), 32)).mean()
    assert same < 0.025
    assert same < 0.2 * other


@pytest.mark.parametrize("name", DRAWN_STYLES)
def test_colours_and_contrast(name: str) -> None:
    image = drawn(name)
    sparse = image[::4, ::4].reshape(-1, 3)
    saturation = np.mean([colorsys.rgb_to_hsv(*pixel.tolist())[1] for pixel in sparse])
    assert saturation > SATURATION[name]
    # Hasler and Süsstrunk's colourfulness (2003): above 0.13 (33 of 255) is "moderately colourful".
    r, g, b = image[..., 0], image[..., 1], image[..., 2]
    red_green, yellow_blue = r - g, (r + g) / 2 - b
    spread = np.hypot(red_green.std(), yellow_blue.std())
    assert spread + 0.3 * np.hypot(red_green.mean(), yellow_blue.mean()) > 0.13
    grey = image.mean(axis=-1)
    low, high = np.percentile(grey, [2, 98])
    assert high - low > 0.35
    assert grey.mean() > 0.2
    assert grey.mean() < 0.8


@pytest.mark.parametrize("name", DRAWN_STYLES)
def test_rich_at_every_scale(name: str) -> None:
    # Differences between neighbours, at blocks of 1/256, 1/64 and 1/16 of the side: grain,
    # elements and composition. A flat field or plain noise fails in one of them.
    image = drawn(name, 256)
    for size, least in ((256, 0.02), (64, 0.025), (16, 0.03)):
        steps = np.abs(np.diff(shrunk(image, size).mean(axis=-1), axis=1))
        assert steps.mean() > least, size


@pytest.mark.parametrize("name", DRAWN_STYLES)
def test_narrow_strips(name: str) -> None:
    # Half of the styles across, half of them upright.
    size = (16, 160) if DRAWN_STYLES.index(name) % 2 else (160, 16)
    image = drawn(name, size)
    assert image.shape == (*size, 3)
    assert np.isfinite(image).all()
    assert image.std() > 0.03


@settings(max_examples=12, deadline=None)
@given(
    name=st.sampled_from(DRAWN_STYLES),
    size=st.one_of(st.integers(16, 64), st.tuples(st.integers(16, 64), st.integers(16, 64))),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_size_and_seed(name: str, size: int | tuple[int, int], seed: int) -> None:
    image = draw(name, size, seed=seed)
    assert image.shape == (*(size if isinstance(size, tuple) else (size, size)), 3)
    assert image.dtype == np.float32
    assert np.isfinite(image).all()
    assert image.min() >= 0
    assert image.max() <= 1
    assert image.std() > 0.03


@pytest.mark.parametrize(
    "size",
    [15, 0, -64, 4097, (64, 15), (15, 64), (64, 5000), (64,), (64, 64, 3), 64.0, "64", None, True,
     (64, True), [64, 64]],
)  # fmt: skip
def test_refuses_sizes(size: object) -> None:
    with pytest.raises(ArgumentError, match="16 to 4096") as caught:
        draw("mosaic", size)  # type: ignore[arg-type]
    assert repr(size) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["oil", "", "Mosaic", None, 3, ["mosaic"]])
def test_an_unknown_name_lists_the_names(name: object) -> None:
    with pytest.raises(ArgumentError) as caught:
        draw(name)  # type: ignore[arg-type]
    message = str(caught.value)
    assert repr(name) in message
    assert all(style in message for style in DRAWN_STYLES)


@pytest.mark.parametrize("seed", [-1, 1.5, "0", None])
def test_refuses_seeds(seed: object) -> None:
    with pytest.raises(ArgumentError, match="seed"):
        draw("waves", 32, seed=seed)  # type: ignore[arg-type]


def test_numpy_integers_are_integers() -> None:
    size, seed = np.int64(32), np.uint8(2)
    assert np.array_equal(
        draw("waves", (size, size), seed=seed),  # type: ignore[arg-type]
        draw("waves", 32, seed=2),
    )


def test_seed_is_keyword_only() -> None:
    parameters = inspect.signature(draw).parameters
    assert parameters["seed"].kind is inspect.Parameter.KEYWORD_ONLY


def test_palette_runs_through_its_colours() -> None:
    ramp = palette_of(np.array([-1.0, 0.0, 0.5, 1.0, 2.0]), "#000000 #ff0000 #ffffff")
    expected = [[0, 0, 0], [0, 0, 0], [1, 0, 0], [1, 1, 1], [1, 1, 1]]
    assert np.allclose(ramp, expected, atol=0.01)


def test_oklab_known_values() -> None:
    # Red, from Ottosson's definition: L 0.628, a 0.225, b 0.126.
    assert np.allclose(to_oklab([1, 0, 0]), [0.6280, 0.2249, 0.1258], atol=1e-3)
    colours = np.random.default_rng(0).random((50, 3))
    assert np.allclose(from_oklab(to_oklab(colours)), colours, atol=1e-4)


def test_noise_does_not_depend_on_the_resolution() -> None:
    def noise(pixels: int) -> NDArray[np.float32]:
        canvas = Canvas(pixels, pixels, pixels, np.random.default_rng(5))
        return noise_field(canvas, 6, 3)

    large = noise(256)
    blocks = large.reshape(64, 4, 64, 4).mean(axis=(1, 3))
    assert np.abs(noise(64) - blocks).max() < 0.1
    assert abs(float(large.std()) - 1) < 0.25


def test_light_falls_from_the_upper_left() -> None:
    canvas = Canvas(32, 32, 32, np.random.default_rng(0))
    hill = np.exp(-((canvas.x - 0.5) ** 2 + (canvas.y - 0.5) ** 2) / 0.05).astype(np.float32)
    diffuse, glint = relief(canvas, 0.3 * hill)
    assert diffuse[10, 10] > 0.1
    assert diffuse[22, 22] < -0.1
    flat, _ = relief(canvas, np.zeros((32, 32), np.float32))
    assert np.allclose(flat, 0, atol=1e-6)
    assert glint.max() <= 1 + 1e-6


def test_refined_outline_keeps_its_corners() -> None:
    square = np.array([0, 1, 1 + 1j, 1j])
    fine = refine(square, 0.3)
    assert len(fine) == 16
    assert np.allclose(np.abs(np.roll(fine, -1) - fine), 0.25)
    assert all(np.isclose(fine, corner).any() for corner in square)


def test_a_split_keeps_the_area() -> None:
    square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    halves = split(square, 0.3, np.random.default_rng(2))
    areas = [cv2.contourArea(half.astype(np.float32)) for half in halves]
    assert len(halves) == 2
    assert min(areas) > 0
    assert sum(areas) == pytest.approx(1, abs=1e-5)
