"""Steadiness, computed once more pixel by pixel: for random films, not only for those by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nstlib.errors import ArgumentError
from nstlib.video.steady import Steady, flicker

Frames = NDArray[np.float32]


@st.composite
def films(draw: st.DrawFn) -> tuple[Frames, Frames]:
    """A source of which some pixels stand still, and what was painted of it; (N, H, W, 3) each."""
    count, height, width = draw(st.integers(2, 5)), draw(st.integers(3, 9)), draw(st.integers(3, 9))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    source = random.random((count, height, width, 3), np.float32)
    still = random.random((count, height, width, 1)) < draw(st.sampled_from([0.2, 0.9]))
    for number in range(1, count):
        nearly = source[number - 1] + np.float32(0.002) * (source[number] - source[number - 1])
        source[number] = np.where(still[number], nearly, source[number])
    return source, random.random(source.shape, np.float32)


def around(array: NDArray[Any], reach: int, y: int, x: int, border: str) -> NDArray[Any]:
    """The values in a square around a pixel; beyond the border mirrored values, or none."""
    height, width = array.shape[:2]
    rows, columns = np.arange(y - reach, y + reach + 1), np.arange(x - reach, x + reach + 1)
    if border == "mirror":  # 2 1 | 0 1 2: the border's own pixel is not repeated
        rows = np.abs((height - 1) - np.abs((height - 1) - rows % (2 * height - 2)))
        columns = np.abs((width - 1) - np.abs((width - 1) - columns % (2 * width - 2)))
    else:
        rows = rows[(rows >= 0) & (rows < height)]
        columns = columns[(columns >= 0) & (columns < width)]
    found: NDArray[Any] = array[np.ix_(rows, columns)]
    return found


def changes(now: Frames, before: Frames) -> NDArray[np.float64]:
    """Of each pixel the mean change of 5×5, of the channel in which it is largest."""
    difference = np.abs(now.astype(np.float64) - before)
    found = np.empty(now.shape[:2])
    for y, x in np.ndindex(found.shape):
        found[y, x] = around(difference, 2, y, x, "mirror").mean(axis=(0, 1)).max()
    return found


@settings(max_examples=30)
@given(films(), st.floats(0, 0.99), st.floats(0.01, 0.5), st.integers(0, 4))
def test_what_is_shown(
    film: tuple[Frames, Frames], hold: float, tolerance: float, reach: int
) -> None:
    source, painted = film
    steady = Steady(hold, tolerance, reach)
    expected = painted[0].astype(np.float64)
    np.testing.assert_array_equal(steady.see(source[0])("background", painted[0]), painted[0])
    for number in range(1, len(source)):
        changed = changes(source[number], source[number - 1])
        for y, x in np.ndindex(changed.shape):
            most = around(changed, reach, y, x, "none").max()
            keep = hold * np.exp(-((most / tolerance) ** 2))
            now = painted[number, y, x]
            expected[y, x] = now + keep * (expected[y, x] - now)
        shown = steady.see(source[number])("background", painted[number])
        np.testing.assert_allclose(shown, expected, atol=1e-4)


@settings(max_examples=30)
@given(films(), st.floats(0, 0.99), st.floats(0.01, 0.5))
def test_what_a_network_sees(film: tuple[Frames, Frames], hold: float, tolerance: float) -> None:
    source, _ = film
    steady = Steady(hold, tolerance)
    expected = source[0]
    for number in range(len(source)):
        seen = steady.see(source[number]).seen("person", source[number])
        if number:
            apart = changes(source[number], expected)[..., np.newaxis]
            keep = hold * np.exp(-((apart / (tolerance / 3)) ** 2))
            mixed = source[number] + keep * (expected.astype(np.float64) - source[number])
            np.testing.assert_allclose(seen, mixed, atol=1e-4)
        expected = seen


@settings(max_examples=60)
@given(films(), st.floats(0, 0.5))
def test_flicker(film: tuple[Frames, Frames], tolerance: float) -> None:
    source, result = film
    total, count = 0.0, 0
    for number in range(1, len(source)):
        for y, x in np.ndindex(source.shape[1:3]):
            now, before = source[number, y, x], source[number - 1, y, x]
            if all(abs(a - b) <= tolerance for a, b in zip(now, before, strict=True)):
                total += sum(
                    abs(float(a) - float(b))
                    for a, b in zip(result[number, y, x], result[number - 1, y, x], strict=True)
                )
                count += 3
    try:
        measured = flicker(source, result, tolerance)
    except ArgumentError:
        assert count == 0
    else:
        np.testing.assert_allclose(measured, total / count, rtol=1e-5)
