"""Mattes have the edges of the picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray
from onnx_files import (
    picture,
    save,
    two_channels,
)

from nstlib.errors import ArgumentError, ImageError
from nstlib.images.arrays import Image
from nstlib.images.resizing import resize
from nstlib.inference.mattes import guided_filter
from nstlib.inference.segmenter import PersonSegmenter


@pytest.fixture(scope="module")
def person_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(two_channels(), tmp_path_factory.mktemp("person") / "person.onnx")


@settings(max_examples=10)
@given(
    st.integers(1, 12), st.integers(1, 12), st.integers(1, 3), st.sampled_from([1e-4, 1e-2, 1.0])
)
def test_guided_filter_is_least_squares_in_windows(
    height: int, width: int, radius: int, epsilon: float
) -> None:
    random = np.random.default_rng(height * 100 + width)
    guide = random.uniform(0, 1, (height, width, 3))
    mask = random.uniform(0, 1, (height, width))

    def windows(values: NDArray[Any]) -> NDArray[Any]:
        around = [(radius, radius)] * 2 + [(0, 0)] * (values.ndim - 2)
        side = (2 * radius + 1, 2 * radius + 1)
        padded = np.pad(values, around, mode="symmetric")
        return np.lib.stride_tricks.sliding_window_view(padded, side, axis=(0, 1))

    fits = np.empty((height, width, 4))
    of_guide, of_mask = windows(guide), windows(mask)
    for y in range(height):
        for x in range(width):
            colors, wanted = of_guide[y, x].reshape(3, -1).T, of_mask[y, x].ravel()
            middle = colors.mean(axis=0)
            # Ridge regression as ordinary least squares with three rows more.
            count = len(wanted)
            rows = np.concatenate([colors - middle, np.sqrt(epsilon * count) * np.eye(3)])
            goal = np.concatenate([wanted - wanted.mean(), np.zeros(3)])
            slopes = np.linalg.lstsq(rows, goal, rcond=None)[0]
            fits[y, x] = *slopes, wanted.mean() - slopes @ middle
    means = windows(fits).mean(axis=(-1, -2))
    expected = (means[..., :3] * guide).sum(axis=2) + means[..., 3]
    np.testing.assert_allclose(guided_filter(guide, mask, radius, epsilon), expected, atol=2e-3)


@pytest.mark.parametrize(
    ("mask", "radius", "epsilon", "words"),
    [
        (np.zeros((8, 9)), 1, 1e-3, r"mask has shape \(8, 9\) and the picture \(8, 8, 3\)"),
        (np.full((8, 8), np.nan), 1, 1e-3, "mask ranges from nan to nan; it must lie in"),
        (np.full((8, 8), 255.0), 1, 1e-3, "mask ranges from 255 to 255; it must lie in"),
        (np.ones((8, 8), np.int64), 1, 1e-3, "mask holds int64 values; it must be float"),
        ([[0.0], [0.0, 1.0]], 1, 1e-3, "mask cannot become an array"),
        (np.zeros((8, 8)), 0, 1e-3, "radius is 0; it must be a whole number, 1 or more"),
        (np.zeros((8, 8)), 1, 0.0, r"epsilon is 0\.0; it must be a number above 0"),
        (np.zeros((8, 8)), 1, float("nan"), "epsilon is nan; it must be a number above 0"),
    ],
)
def test_guided_filter_refuses(mask: ArrayLike, radius: int, epsilon: float, words: str) -> None:
    with pytest.raises((ArgumentError, ImageError), match=words):
        guided_filter(np.zeros((8, 8, 3)), mask, radius, epsilon)


@pytest.mark.parametrize("full", [np.uint8(255), np.True_], ids=["uint8", "bool"])
def test_guided_filter_takes_the_masks_that_composite_takes(full: np.generic) -> None:
    guide, person = disc(32)
    mask = np.where(person, full, full.dtype.type(0))
    assert mask.dtype == full.dtype
    expected = guided_filter(guide, person.astype(np.float32), 2, 1e-3)
    np.testing.assert_array_equal(guided_filter(guide, mask, 2, 1e-3), expected)
    np.testing.assert_array_equal(guided_filter(guide, mask[..., np.newaxis], 2, 1e-3), expected)


def disc(size: int) -> tuple[Image, NDArray[np.bool_]]:
    """Draw a person, a striped disc, before a grey wall; and where it is."""
    y, x = np.mgrid[:size, :size] / size
    person = np.hypot(x - 0.5, y - 0.55) < 0.3
    photo = np.where(person[..., np.newaxis], [0.8, 0.45, 0.3], [0.35, 0.4, 0.45])
    photo[..., 1] += 0.05 * np.sin(60 * x) * person
    return photo.astype(np.float32), person


class Coarse(PersonSegmenter):
    """Finds the disc too far to the right, at a small size."""

    def __init__(self) -> None:
        self._brighten = True

    def _probabilities(self, photo: Image) -> NDArray[np.float32]:  # noqa: ARG002
        moved = np.roll(disc(96)[1], 1, axis=1).astype(np.float32)
        person = np.asarray(cv2.GaussianBlur(moved, (0, 0), 1), np.float32)
        return np.stack([1 - person, person], axis=2)


@pytest.mark.parametrize("size", [300, 1100])
def test_matte_has_the_edges_of_the_picture(size: int) -> None:
    photo, person = disc(size)
    segmenter = Coarse()
    before = np.abs(segmenter(photo) - person)
    after = np.abs(segmenter.matte(photo) - person)
    assert segmenter.matte(photo).dtype == np.float32
    assert segmenter.matte(photo).shape == person.shape
    assert after.mean() < 0.7 * before.mean()
    assert (after > 0.5).sum() < 0.7 * (before > 0.5).sum()


def test_matte_of_a_large_picture_is_that_of_a_small_one() -> None:
    photo, _ = disc(1024)
    segmenter = Coarse()
    matte, small = segmenter.matte(photo), segmenter.matte(resize(photo, 512))
    assert np.abs(cv2.resize(matte, (512, 512), interpolation=cv2.INTER_AREA) - small).mean() < 0.01


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (700, 1), (513, 2)])
def test_matte_of_odd_shapes(person_file: Path, size: tuple[int, int]) -> None:
    matte = PersonSegmenter(person_file).matte(picture(*size))
    assert matte.shape == size
    assert ((matte >= 0) & (matte <= 1)).all()


@pytest.mark.parametrize(
    ("person", "words"),
    [
        (None, "person is None; it must be an array of numbers"),
        ([[0.0], [0.0, 1.0]], "person cannot become an array"),
        (0.5, r"person has shape \(\); it must be \(h, w\), as look returns it"),
        (np.zeros((4, 0)), r"person has shape \(4, 0\)"),
        (np.zeros((4, 4, 2)), r"person has shape \(4, 4, 2\)"),
        (np.full((4, 4), 255.0), "person ranges from 255 to 255"),
        (np.full((4, 4), np.nan), "person ranges from nan"),
        (np.zeros((4, 4), np.int64), "person holds int64 values"),
    ],
)
def test_refining_what_is_no_probability(person: Any, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        Coarse().refine(picture(8, 8), person)


def test_refining_a_mask_of_pixels() -> None:
    photo, person = disc(64)
    refined = Coarse().refine(photo, person.astype(np.float32))
    pixels: Any = np.where(person, 255, 0).astype(np.uint8)
    np.testing.assert_array_equal(Coarse().refine(photo, pixels), refined)


@pytest.mark.parametrize("radius", [0, 2001, 10**6])
def test_windows_are_of_a_size_that_can_be_summed(radius: int) -> None:
    guide = np.zeros((20, 30, 3), np.float32)
    with pytest.raises(ArgumentError, match=f"radius is {radius}"):
        guided_filter(guide, guide[..., 0], radius, 1e-3)
    mask = np.random.default_rng(0).uniform(0, 1, (20, 30)).astype(np.float32)
    assert np.abs(guided_filter(guide, mask, 2000, 1e-3) - mask.mean()).max() < 0.05
