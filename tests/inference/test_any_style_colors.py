"""Paintings in any picture's style get its colours: how red, green and blue vary together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from style_colors import color_root, in_its_colors

import nstlib as nst
from nstlib.inference.any_style import VECTOR, recolored

Picture = NDArray[np.float32]


def picture_of(seed: int, spread: float = 0.2, shape: tuple[int, int] = (31, 40)) -> Picture:
    """Colours that go together somehow, around a mean."""
    random = np.random.default_rng(seed)
    mixture = random.uniform(-1, 1, (3, 3)) * spread
    pixels = random.uniform(-0.5, 0.5, (*shape, 3)) @ mixture + random.uniform(0.4, 0.6, 3)
    return np.clip(pixels, 0, 1).astype(np.float32)


def vector_of(style: NDArray[np.floating]) -> NDArray[np.float32]:
    """A vector of a style of which no network has seen anything."""
    pixels = style.reshape(-1, 3)
    triangle = color_root(style)[np.triu_indices(3)]
    told = np.concatenate([pixels.mean(axis=0), pixels.std(axis=0), triangle])
    return np.concatenate([np.zeros(VECTOR - 12), told]).astype(np.float32)


def covariance_of(picture: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.cov(picture.reshape(-1, 3).T.astype(np.float64), bias=True)


def colorfulness(picture: NDArray[np.floating]) -> float:
    """How far colours spread, brightness aside."""
    apart = picture - picture.mean(axis=(0, 1))
    return float((apart - apart.mean(axis=-1, keepdims=True)).std())


@given(seeds=st.tuples(st.integers(0, 999), st.integers(0, 999)), spread=st.floats(0.05, 0.5))
@settings(max_examples=25, deadline=None)
def test_of_all_maps_the_one_that_moves_colours_least(
    seeds: tuple[int, int], spread: float
) -> None:
    painting, style = picture_of(seeds[0]), picture_of(seeds[1], spread)
    found = recolored(painting, vector_of(style))
    mean, root = style.mean(axis=(0, 1), dtype=np.float64), color_root(style)
    np.testing.assert_allclose(found, in_its_colors(painting, mean, root), atol=2e-4)
    assert (found.dtype, found.shape) == (painting.dtype, painting.shape)


def test_paintings_have_the_styles_covariance() -> None:
    painting, style = nst.load_image("coffee", (90, 120)), nst.load_image("mosaic", (80, 80))
    painting = painting * 0.5 + 0.2
    found = recolored(painting, vector_of(style * 0.5 + 0.2))
    wanted = covariance_of(style * 0.5 + 0.2)
    # The least brightness that every picture is taken to have moves it a little.
    np.testing.assert_allclose(covariance_of(found), wanted, atol=0.0015)
    assert np.abs(covariance_of(painting) - wanted).max() > 0.003  # it had another one


@given(seed=st.integers(0, 999))
@settings(max_examples=10, deadline=None)
def test_a_painting_in_its_own_colours_stays(seed: int) -> None:
    painting = picture_of(seed)
    np.testing.assert_allclose(recolored(painting, vector_of(painting)), painting, atol=1e-4)


def test_grey_styles_give_grey() -> None:
    style = np.repeat(nst.load_image("coffee", (50, 60)).mean(axis=-1, keepdims=True), 3, axis=2)
    painting = nst.load_image("astronaut", (60, 60))
    found = recolored(painting, vector_of(style))
    assert colorfulness(painting) > 0.05
    assert np.ptp(found, axis=-1).max() < 1e-3
    assert found.std() > 0.1


@pytest.mark.parametrize("color", [(0.5, 0.5, 0.5), (0.7, 0.3, 0.2)])
def test_in_a_style_of_one_colour_one_still_sees_something(color: tuple[float, ...]) -> None:
    style = np.full((20, 20, 3), color, np.float32)
    found = recolored(nst.load_image("astronaut", (60, 60)), vector_of(style))
    np.testing.assert_allclose(found.mean(axis=(0, 1)), color, atol=1e-3)
    assert 0.005 < found.std(axis=(0, 1)).max() < 0.05
    assert np.abs(found - found.mean(axis=(0, 1))).max(axis=(0, 1)).min() > 0.01


def test_noise_is_not_blown_up() -> None:
    random = np.random.default_rng(0)
    wall = (0.5 + random.normal(0, 0.005, (40, 50, 3))).astype(np.float32)
    found = recolored(wall, vector_of(picture_of(3, 0.8)))
    assert colorfulness(found) <= 2.02 * colorfulness(wall)
    plain = np.full((40, 50, 3), 0.5, np.float32)
    assert np.ptp(recolored(plain, vector_of(picture_of(3))), axis=(0, 1)).max() < 1e-6


def test_mixtures_have_no_more_colour_than_their_parts() -> None:
    grey, coloured = (nst.load_image(name, (50, 60)) for name in ("coffee", "candy"))
    grey = np.repeat(grey.mean(axis=-1, keepdims=True), 3, axis=2)
    vectors = vector_of(grey), vector_of(coloured * 0.5 + 0.25)
    painting = nst.load_image("astronaut", (60, 60)) * 0.6 + 0.2
    amounts = [
        colorfulness(recolored(painting, np.average(vectors, axis=0, weights=(1 - share, share))))
        for share in (0, 0.25, 0.5, 0.75, 1)
    ]
    assert amounts == sorted(amounts)
    assert amounts[2] == pytest.approx(amounts[4] / 2, rel=0.2)


def test_a_still_film_keeps_its_colours() -> None:
    """Grain changes the statistics of a frame hardly, so the map hardly changes."""
    random = np.random.default_rng(0)
    photo = nst.load_image("astronaut", (128, 128))
    vector = vector_of(nst.load_image("mosaic", (128, 128)))

    def flicker(change: Any) -> float:
        frames = [
            change((photo + random.normal(0, 0.02, photo.shape)).astype(np.float32))
            for _ in range(4)
        ]
        means = np.mean(frames, axis=(1, 2))
        return float(np.abs(np.diff(means, axis=0)).max())

    # A mean of 16,384 pixels with grain of 0.02 changes by some 0.0002.
    assert flicker(lambda frame: recolored(frame, vector)) < 0.001
