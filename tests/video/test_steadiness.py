"""What flickers is calmed, what moves is not held back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from film_files import left_edge, moving_square
from numpy.typing import NDArray

from nstlib.compose import Composer
from nstlib.errors import ArgumentError, ImageError
from nstlib.images.arrays import Image
from nstlib.sources import load_image
from nstlib.video.steady import Steady, flicker, steady_painter


def test_steady_by_hand() -> None:
    steady = Steady(hold=0.8, tolerance=0.1, reach=0)
    source = np.full((9, 18, 3), 0.5, np.float32)
    moved = source.copy()
    moved[:, 9:] += np.float32(0.3)  # far above the tolerance: exp(-9)
    steady.see(source)
    first = steady("alpha", np.full((9, 18), 0.2, np.float32))
    np.testing.assert_array_equal(first, np.float32(0.2))
    steady.see(moved)
    second = steady("alpha", np.full((9, 18), 1.0, np.float32))
    np.testing.assert_allclose(second[:, :7], 0.8 * 0.2 + 0.2 * 1.0, atol=1e-6)
    np.testing.assert_allclose(second[:, 11:], 1.0, atol=1e-3)
    steady.see(moved)
    third = steady("alpha", np.full((9, 18), 1.0, np.float32))
    np.testing.assert_allclose(third[:, :7], 0.8 * 0.36 + 0.2 * 1.0, atol=1e-6)
    # Names are apart, and another size begins anew.
    np.testing.assert_array_equal(steady("person", moved), moved)
    steady.see(source[:4])
    np.testing.assert_array_equal(steady("alpha", second[:4]), second[:4])


def test_steady_halfway() -> None:
    """A change as large as the tolerance is held by 1/e of the hold."""
    steady = Steady(hold=0.5, tolerance=0.05)
    steady.see(np.zeros((7, 7, 3), np.float32))
    steady("x", np.zeros((7, 7), np.float32))
    steady.see(np.full((7, 7, 3), 0.05, np.float32))
    shown = steady("x", np.ones((7, 7), np.float32))
    np.testing.assert_allclose(shown, 1 - 0.5 * np.exp(-1), atol=1e-5)


def test_nothing_is_held_around_a_change() -> None:
    """One pixel changes: after the mean of 5×5 it reaches 2 pixels, and then `reach` further."""
    steady = Steady(hold=0.5, tolerance=0.001, reach=4)
    source = np.zeros((1, 31, 3), np.float32)
    steady.see(source)
    steady("x", np.zeros((1, 31), np.float32))
    source = source.copy()
    source[0, 15] = 1
    steady.see(source)
    shown = steady("x", np.ones((1, 31), np.float32))[0]
    assert [x for x in range(31) if shown[x] > 0.99] == list(range(15 - 6, 15 + 7))
    np.testing.assert_allclose(shown[:9], 0.5)


def test_no_ghosts_behind_what_moves() -> None:
    """What paints carries a glow around the square; where that has passed, none of it is left."""
    frames = [frame.astype(np.float32) / 255 for frame in moving_square()]

    def glow(frame: Image) -> Image:
        return np.asarray(cv2.blur(frame, (17, 17)), np.float32)  # 8 pixels far

    steady = Steady(reach=8)
    for frame in frames:
        steady.see(frame)
        shown = steady("background", glow(frame))
        behind = np.s_[:, : max(1, left_edge(frame * 255) - 8)]
        np.testing.assert_allclose(shown[behind], glow(frame)[behind], atol=0.02)
    assert left_edge(frames[-1] * 255) - 8 > 40  # there is something to see at the end


@pytest.mark.parametrize("speed", [1, 2, 5])
def test_no_ghosts_when_the_camera_moves(speed: int) -> None:
    """Contours of a frame some time ago would stand beside those of now."""
    photo = load_image("coffee", 400)
    frames = [photo[40:220, speed * number :][:, :300] for number in range(12)]
    steady = Steady()
    for frame in frames:
        steady.see(frame)
        shown = steady("background", frame)
    off = np.abs(shown - frames[-1])
    ghost = np.abs(frames[-1 - 3] - frames[-1])
    assert ghost.mean() > 0.01  # there is something to see three frames later
    assert off.mean() < 0.004
    assert np.quantile(off, 0.999) < 0.07
    # No pattern of what has passed: what is off does not go with the change since then.
    assert off[ghost > 0.2].mean() < 0.02


@pytest.mark.parametrize("step", [0.002, 0.005, 0.01, 0.02, 0.05])
def test_a_slow_change_of_light_is_hardly_late(step: float) -> None:
    """The slower it is, the longer it is held, and the less it matters."""
    steady = Steady()
    for number in range(40):
        frame = np.full((9, 9, 3), number * step % 0.9, np.float32)
        steady.see(frame)
        shown = steady("background", frame)
        assert np.abs(shown - frame).max() < 0.06


def noisy_film(count: int = 24) -> list[Image]:
    """A moving square before a still picture, with the noise of a camera."""
    random = np.random.default_rng(0)
    scene = np.kron(random.uniform(0.2, 0.8, (6, 10, 3)), np.ones((8, 8, 1)))
    frames = []
    for number in range(count):
        frame = scene.copy()
        frame[8:24, 3 * number % 60 : 3 * number % 60 + 16] = (0.9, 0.8, 0.2)
        frames.append(
            np.clip(frame + random.normal(0, 0.003, frame.shape), 0, 1).astype(np.float32)
        )
    return frames


class Unsteady:
    """Finds the yellow square, and trembles."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(1)

    def matte(self, image: Image) -> NDArray[np.float32]:
        yellow = (image[..., 0] > 0.85) & (image[..., 2] < 0.3)
        tremble = self._random.uniform(-0.15, 0.15, yellow.shape)
        return np.clip(0.15 + 0.7 * yellow + tremble, 0, 1).astype(np.float32)

    def mask(self, image: Image) -> NDArray[np.uint8]:
        return np.where(self.matte(image) > 0.5, 255, 0).astype(np.uint8)


def strokes(seed: int) -> Callable[..., Image]:
    """Paint in other strokes every time."""
    random = np.random.default_rng(seed)

    def paint(image: Image, *, strength: float, preserve_colors: bool) -> Image:  # noqa: ARG001
        painted = 0.2 + 0.6 * (1 - image) + random.uniform(-0.2, 0.2, image.shape)
        return np.clip(painted, 0, 1).astype(np.float32)

    return paint


def test_flicker_goes_down_and_movement_stays() -> None:
    source = noisy_film()
    composer = Composer(strokes(2), strokes(3), segmenter=Unsteady())
    alone = [composer(frame) for frame in source]
    painter = Composer(strokes(2), strokes(3), segmenter=Unsteady())
    steady_paint = steady_painter(painter, Steady(reach=3))
    together = [steady_paint(frame) for frame in source]
    before, after = flicker(source, alone, 0.02), flicker(source, together, 0.02)
    assert before > 0.08
    assert after < before / 4
    # What a held film is not: behind the times. Where the square is now, it is seen now.
    for number in range(1, 20):
        where = np.s_[10:22, 3 * number + 2 : 3 * number + 14]
        error = np.abs(together[number][where] - alone[number][where]).mean()
        assert error < 0.15
    # And where it was three frames ago there is no ghost of it: what is painted is dark or bright
    # as the still scene is.
    for number in range(12, 20):
        where = np.s_[10:22, 3 * (number - 8) : 3 * (number - 8) + 2]
        wanted = 0.2 + 0.6 * (1 - source[number][where].mean(axis=(0, 1)))
        np.testing.assert_allclose(together[number][where].mean(axis=(0, 1)), wanted, atol=0.12)


def test_flicker_by_hand() -> None:
    still = np.full((1, 3, 3), 0.5, np.float32)
    moved = still.copy()
    moved[0, 2, 1] = 0.9  # one channel is enough
    shown = still.copy()
    shown[0, 0] = 0.8  # of the two pixels that stay, one changes by 0.3
    assert flicker([still, moved], [still, shown]) == pytest.approx(0.15)
    assert flicker([still, moved, moved], [still, shown, shown]) == pytest.approx(0.3 / 5)
    assert flicker([still, still], [still, still]) == 0


def test_flicker_of_what_cannot_be_compared() -> None:
    black, white = np.zeros((2, 2, 3)), np.ones((2, 2, 3))
    with pytest.raises(ArgumentError, match="different numbers of frames"):
        flicker([black, black], [black])
    with pytest.raises(ArgumentError, match="no pixel of the source stays"):
        flicker([black, white], [black, black])
    with pytest.raises(ArgumentError, match="no pixel"):
        flicker([black], [black])
    with pytest.raises(ImageError):
        flicker([black.astype(np.uint8)] * 2, [black] * 2)


@pytest.mark.parametrize(
    "options", [{"hold": 1.0}, {"hold": -0.1}, {"tolerance": 0.0}, {"reach": -1}]
)
def test_bad_steadiness(options: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError, match=next(iter(options))):
        Steady(**options)
