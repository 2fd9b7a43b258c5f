"""The four measures by which benchmarks/mattes.py judges, against values by hand."""

from __future__ import annotations

import math
from pathlib import Path

import mattes
import numpy as np
import PIL.Image
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

unit = st.sampled_from([0, 0.1, 0.25, 0.5, 0.75, 0.9, 1])
shapes = st.tuples(st.integers(1, 5), st.integers(1, 5))


def array(*rows: list[float]) -> NDArray[np.float32]:
    return np.array(rows, np.float32)


@given(st.data(), shapes)
def test_nothing_is_wrong_with_the_truth(data: st.DataObject, shape: tuple[int, int]) -> None:
    truth = data.draw(arrays(np.float32, shape, elements=unit))
    other = data.draw(arrays(np.float32, shape, elements=unit))
    for measure in mattes.MEASURES.values():
        assert measure(truth, truth) == 0
        assert measure(other, truth) >= 0


def test_differences_by_hand() -> None:
    found, truth = array([0.5, 1, 0], [0, 0.25, 1]), array([0, 1, 0], [1, 0, 1])
    assert mattes.sad(found, truth) == pytest.approx((0.5 + 1 + 0.25) / 1000)
    assert mattes.mse(found, truth) == pytest.approx((0.25 + 1 + 0.0625) / 6)


def test_a_gradient_by_hand() -> None:
    """A step from 0 to 1 along a row, of which each row has the same; against none at all.

    Along the row the kernel is x·exp(−x²/2σ²) from −4 to 4, of unit norm, and what it finds is the
    sum of its weights on the step's far side; across, it is a Gaussian of unit norm, whose sum
    counts. Borders repeat.
    """
    step = np.zeros((3, 20), np.float32)
    step[:, 10:] = 1
    weights = [x * math.exp(-(x**2) / (2 * 1.4**2)) for x in range(-4, 5)]
    bell = [math.exp(-(x**2) / (2 * 1.4**2)) for x in range(-4, 5)]
    norm = math.sqrt(sum(w * w for w in weights)) * math.sqrt(sum(b * b for b in bell))
    slopes = [
        sum(w for w, x in zip(weights, range(-4, 5), strict=True) if column + x >= 10)
        * sum(bell)
        / norm
        for column in range(20)
    ]
    expected = 3 * sum(slope**2 for slope in slopes) / 1000
    assert mattes.gradient_error(step, np.zeros_like(step)) == pytest.approx(expected, rel=1e-6)
    # The length of a gradient does not depend on its direction.
    assert mattes.gradient_error(step.T.copy(), np.zeros_like(step.T)) == pytest.approx(expected)
    assert mattes.gradient_error(1 - step, step) == pytest.approx(0, abs=1e-9)


def test_connections_by_hand() -> None:
    """Four opaque pixels, and beside a gap one that the truth does not have.

    The gap belongs to the opaque part at no level, and so do the last two pixels: their level is 0.
    Found has 0.8 there, which is not connected; the truth has nothing that is not.
    """
    truth = array([1, 1, 1, 1, 0, 0, 0])
    found = array([1, 1, 1, 1, 0, 0.8, 0.1])
    # 0.1 is less than 0.15, and does not count.
    assert mattes.connectivity_error(found, truth) == pytest.approx(0.8 / 1000)
    # A soft edge that both have is connected up to its own level: 0.5 and 0.7 up to 0.5, and 0.2
    # beyond that.
    truth = array([1, 1, 1, 1, 0.5, 0])
    assert mattes.connectivity_error(array([1, 1, 1, 1, 0.5, 0]), truth) == 0
    assert mattes.connectivity_error(array([1, 1, 1, 1, 0.7, 0]), truth) == pytest.approx(2e-4)
    # Corners do not connect.
    truth = array([1, 1, 0], [1, 1, 0], [0, 0, 1])
    found = array([1, 1, 0], [1, 1, 0], [0, 0, 0])
    assert mattes.connectivity_error(found, truth) == pytest.approx(1e-3)


@settings(max_examples=50)
@given(st.data(), shapes)
def test_connections_by_the_definition(data: st.DataObject, shape: tuple[int, int]) -> None:
    """Pixel by pixel: the highest level up to which it is in the largest part, at every level."""
    truth = data.draw(arrays(np.float32, shape, elements=unit))
    found = data.draw(arrays(np.float32, shape, elements=unit))
    levels = []
    for number in range(1, 11):
        both = (found >= np.float32(number * 0.1)) & (truth >= np.float32(number * 0.1))
        labels, count = scipy.ndimage.label(both)
        sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
        if count > 1 and (sizes == sizes.max()).sum() > 1:
            return  # which of two equal parts counts is nowhere said
        levels.append(labels == 1 + sizes.argmax() if count else np.zeros(shape, bool))
    total = 0.0
    for place in np.ndindex(*shape):
        level = 0
        while level < 10 and levels[level][place]:
            level += 1
        above = [float(alpha[place]) - level * 0.1 for alpha in (found, truth)]
        phi = [1 - (x if x >= 0.15 - 1e-9 else 0) for x in above]
        if any(abs(x - 0.15) < 1e-6 for x in above):
            return  # rounding decides
        total += abs(phi[0] - phi[1])
    assert mattes.connectivity_error(found, truth) == pytest.approx(total / 1000, abs=1e-9)


def test_composites_have_the_matte_that_they_were_made_with(tmp_path: Path) -> None:
    """A red person of a blue photograph before a green one: each pixel is the mixture."""
    for folder in ("people/images", "people/masks", "worlds"):
        (tmp_path / folder).mkdir(parents=True)
    photo = np.full((40, 50, 3), (20, 30, 200), np.uint8)
    mask = np.zeros((40, 50), np.uint8)
    mask[10:, 15:35] = 255
    photo[mask == 255] = (200, 20, 30)
    for number in range(9):
        PIL.Image.fromarray(photo).save(tmp_path / f"people/images/{number}.png")
        PIL.Image.fromarray(mask).save(tmp_path / f"people/masks/{number}.png")
    PIL.Image.new("RGB", (30, 90), (20, 180, 40)).save(tmp_path / "worlds/a.png")
    made = list(mattes.composites(tmp_path / "people", tmp_path / "worlds"))
    assert len(made) == 2  # the first and the ninth
    for image, truth in made:
        share = truth[..., None]
        expected = share * (200, 20, 30) / 255 + (1 - share) * (20, 180, 40) / 255
        np.testing.assert_allclose(image, expected, atol=0.02)
        assert 0.1 < ((truth > 0.02) & (truth < 0.98)).mean() < 0.6
        assert truth[30, 25] == pytest.approx(1, abs=1e-3)
