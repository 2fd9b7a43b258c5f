"""Colours: means and covariances by NumPy, brightness by its weights, and what is kept."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import ArrayLike, NDArray

from nstlib.errors import ArgumentError, ImageError
from nstlib.images.arrays import Image
from nstlib.images.colors import grey, luminance, match_colors, match_luminance, replace_luminance
from nstlib.sources import load_image

#: Up to 36 pixels of any colour: none is more than 6 standard deviations from the mean.
images = arrays(
    np.float32,
    st.tuples(st.integers(1, 6), st.integers(1, 6), st.just(3)),
    elements=st.floats(0, 1, width=32),
)
#: So little contrast that even 6 standard deviations stay within [0, 1].
faint = images.map(lambda image: np.float32(0.47) + np.float32(0.06) * image)


def moments(image: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean colour, and the covariance of the channels, by their definitions."""
    pixels = np.asarray(image, np.float64).reshape(-1, 3)
    mean = pixels.mean(axis=0)
    return mean, (pixels - mean).T @ (pixels - mean) / len(pixels)


def brightness(image: ArrayLike) -> NDArray[np.float64]:
    r, g, b = np.moveaxis(np.asarray(image, np.float64), -1, 0)
    return 0.299 * r + 0.587 * g + 0.114 * b


def plain(*colour: float) -> Image:
    return np.full((4, 5, 3), colour, np.float32)


# ---------------------------------------------------------------------------- mean and covariance


@given(images, faint)
def test_colours_match(image: Image, reference: Image) -> None:
    assume(np.linalg.eigvalsh(moments(image)[1]).min() > 1e-4)  # colours that vary in all ways
    matched = match_colors(image, reference)
    assert matched.shape == image.shape
    assert matched.dtype == np.float32
    mean, covariance = moments(matched)
    wanted_mean, wanted_covariance = moments(reference)
    np.testing.assert_allclose(mean, wanted_mean, atol=1e-5)
    np.testing.assert_allclose(covariance, wanted_covariance, atol=1e-6)


@given(images, faint)
def test_the_mean_matches_whatever_the_colours_are(image: Image, reference: Image) -> None:
    mean, _ = moments(match_colors(image, reference))
    np.testing.assert_allclose(mean, moments(reference)[0], atol=1e-5)


@given(faint)
def test_colours_that_match_already_stay(image: Image) -> None:
    assume(np.linalg.eigvalsh(moments(image)[1]).min() > 1e-6)
    np.testing.assert_allclose(match_colors(image, image), image, atol=1e-4)


def test_the_map_is_linear_and_does_not_swap_colours() -> None:
    """Of all the maps that match the moments, the one by symmetric roots moves colours least."""
    image, reference = load_image("chelsea", size=48), load_image("coffee", size=40)
    small = 0.4 + 0.2 * reference
    flat = image.reshape(-1, 3)
    matched = match_colors(image, small).reshape(-1, 3)
    ones = np.ones((len(flat), 1), np.float32)
    fitted, *_ = np.linalg.lstsq(np.hstack([flat, ones]), matched, rcond=None)
    np.testing.assert_allclose(np.hstack([flat, ones]) @ fitted, matched, atol=1e-4)

    def root(matrix: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
        vectors, values, _ = np.linalg.svd(matrix)
        result: NDArray[np.float64] = vectors @ np.diag(values**exponent) @ vectors.T
        return result

    expected = root(moments(small)[1], 0.5) @ root(moments(image)[1], -0.5)
    np.testing.assert_allclose(fitted[:3].T, expected, atol=1e-3)


def test_what_leaves_the_range_is_clipped() -> None:
    """Nine black pixels and a white one: mean 0.1, and the white one lies 3 deviations above."""
    image = np.zeros((2, 5, 3), np.float32)
    image[1, 4] = 1
    half = np.zeros((2, 2, 3), np.float32)
    half[0] = 1  # mean 0.5, deviation 0.5
    matched = match_colors(image, half)
    np.testing.assert_array_equal(matched[1, 4], 1)  # not 0.5 + 3 · 0.5
    np.testing.assert_allclose(matched[0], 0.5 - 0.5 / 3, atol=1e-5)


def test_a_grey_image_gets_the_shades_of_one_line_of_colours() -> None:
    ramp = np.linspace(0, 1, 20, dtype=np.float32).reshape(4, 5, 1).repeat(3, axis=2)
    reference = 0.4 + 0.2 * load_image("coffee", size=40)
    matched = match_colors(ramp, reference)
    _, spreads, _ = np.linalg.svd(matched.reshape(-1, 3) - matched.mean(axis=(0, 1)))
    assert spreads[0] > 0.1
    assert spreads[1] < 1e-5
    np.testing.assert_allclose(moments(matched)[0], moments(reference)[0], atol=1e-5)


def test_noise_of_a_grey_picture_does_not_become_colours() -> None:
    """Between the channels of a scan there may be differences as small as rounding makes them."""
    random = np.random.default_rng(0)
    shades = random.uniform(0.2, 0.8, (40, 40, 1))
    image = (shades + random.normal(0, 1e-6, (40, 40, 3))).astype(np.float32)
    reference = random.uniform(0, 1, (30, 30, 3)).astype(np.float32)
    variances = np.linalg.eigvalsh(moments(match_colors(image, reference))[1])
    assert variances[2] > 0.01
    assert variances[1] < 1e-6  # one line of colours


def test_a_grey_reference_takes_the_colours_away() -> None:
    ramp = np.linspace(0.4, 0.6, 20, dtype=np.float32).reshape(4, 5, 1).repeat(3, axis=2)
    matched = match_colors(load_image("coffee", size=40), ramp)
    np.testing.assert_allclose(matched, matched[..., :1].repeat(3, axis=2), atol=1e-5)
    np.testing.assert_allclose(moments(matched)[1], moments(ramp)[1], atol=1e-6)


def test_plain_images() -> None:
    red, photo = plain(0.9, 0.2, 0.1), load_image("coffee", size=40)
    np.testing.assert_allclose(
        match_colors(photo, red), np.full_like(photo, (0.9, 0.2, 0.1)), atol=1e-6
    )
    mean, _ = moments(photo)
    np.testing.assert_allclose(match_colors(red, photo), plain(*mean), atol=1e-6)


# ------------------------------------------------------------------------------------- brightness


@pytest.mark.parametrize(
    ("colour", "expected"),
    [((1, 0, 0), 0.299), ((0, 1, 0), 0.587), ((0, 0, 1), 0.114), ((1, 1, 1), 1), ((0, 0, 0), 0)],
)
def test_luminance_by_hand(colour: tuple[float, ...], expected: float) -> None:
    y = luminance(plain(*colour))
    assert y.shape == (4, 5)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, expected, atol=1e-6)


@given(images)
def test_luminance_against_opencv(image: Image) -> None:
    y = luminance(image)
    np.testing.assert_allclose(y, cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), atol=1e-5)
    assert 0 <= y.min() <= y.max() <= 1


@given(images)
def test_grey(image: Image) -> None:
    result = grey(image)
    assert result.shape == image.shape
    assert result.dtype == np.float32
    for channel in range(3):
        np.testing.assert_allclose(result[..., channel], brightness(image), atol=1e-5)


@given(images, faint)
def test_brightness_matches(image: Image, reference: Image) -> None:
    y = brightness(image)
    matched = match_luminance(image, reference)
    np.testing.assert_array_equal(matched, matched[..., :1].repeat(3, axis=2))
    ours, wanted = matched[..., 0].astype(np.float64), brightness(reference)
    assert ours.mean() == pytest.approx(wanted.mean(), abs=1e-5)
    if y.std() > 1e-3:
        assert ours.std() == pytest.approx(wanted.std(), abs=1e-5)
        # Brighter stays brighter: the map is a straight line that rises.
        scaled = (y - y.mean()) * (wanted.std() / y.std()) + wanted.mean()
        np.testing.assert_allclose(ours, scaled, atol=1e-4)


def test_brightness_of_plain_images() -> None:
    red, photo = plain(0.9, 0.2, 0.1), load_image("coffee", size=40)
    np.testing.assert_allclose(match_luminance(photo, red), brightness(red)[0, 0], atol=1e-6)
    np.testing.assert_allclose(match_luminance(red, photo), brightness(photo).mean(), atol=1e-5)


@given(st.data(), images)
def test_colours_are_kept_while_brightness_changes(data: st.DataObject, image: Image) -> None:
    """I and Q are differences of the channels: they stay where all three change alike."""
    other = data.draw(
        arrays(np.float32, image.shape, elements=st.floats(0, 1, width=32)), label="other"
    )
    result = replace_luminance(image, other)
    assert result.dtype == np.float32
    expected = image + (brightness(other) - brightness(image))[..., np.newaxis]
    np.testing.assert_allclose(result, np.clip(expected, 0, 1), atol=1e-5)
    inside = (expected.min(axis=2) >= 0) & (expected.max(axis=2) <= 1)
    np.testing.assert_allclose(brightness(result)[inside], brightness(other)[inside], atol=1e-5)


def test_the_other_pictures_colours_do_not_matter() -> None:
    photo, other = load_image("coffee", size=40), load_image("mosaic", size=(27, 40))
    np.testing.assert_allclose(
        replace_luminance(photo, other), replace_luminance(photo, grey(other)), atol=1e-5
    )
    np.testing.assert_allclose(replace_luminance(photo, photo), photo, atol=1e-5)


# ------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize("function", [match_colors, match_luminance, replace_luminance])
@pytest.mark.parametrize("wrong", [0, 1])
def test_what_is_no_image(function: Any, wrong: int) -> None:
    arguments: list[Any] = [plain(0.5, 0.5, 0.5), plain(0.5, 0.5, 0.5)]
    arguments[wrong] = arguments[wrong] * 255
    with pytest.raises(ImageError, match="ranges"):
        function(*arguments)
    for one in (luminance, grey):
        with pytest.raises(ImageError, match="ranges"):
            one(arguments[wrong])


def test_brightness_of_another_shape() -> None:
    for shape in ((3, 3, 3), (1, 1, 3)):  # the second would go by unnoticed
        with pytest.raises(ImageError, match=r"brightness has shape .*; resize one of them"):
            replace_luminance(plain(0.5, 0.5, 0.5), np.zeros(shape, np.float32))


@pytest.mark.parametrize(
    "weights",
    [
        np.zeros((4, 5)),
        -np.ones((4, 5)),
        np.full((4, 5), np.nan),
        np.ones((4, 6)),
        np.ones((5, 4)),
        np.float64(1.0),
    ],
    ids=["all 0", "negative", "no numbers", "another shape", "on its side", "one number"],
)
@pytest.mark.parametrize("name", ["weights", "reference_weights"])
def test_weights_that_weigh_nothing(weights: Any, name: str) -> None:
    image = np.random.default_rng(0).random((4, 5, 3), np.float32)
    with pytest.raises(ArgumentError, match=rf"^{name} has shape .*; it must be \(H, W\)"):
        match_colors(image, image, **{name: weights})
