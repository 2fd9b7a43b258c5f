"""What flickers is calmed, what moves is not held back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from film_files import left_edge, moving_square
from numpy.typing import NDArray

from nstlib.cli.painting import _make_film_stylist
from nstlib.compose import Composer
from nstlib.errors import ArgumentError, ImageError
from nstlib.images.arrays import Image, Picture
from nstlib.sources import load_image
from nstlib.video.steady import Paint, Steady, flicker, steady_painter


def test_steady_by_hand() -> None:
    steady = Steady(hold=0.8, tolerance=0.1, reach=0)
    source = np.full((9, 18, 3), 0.5, np.float32)
    moved = source.copy()
    moved[:, 9:] += np.float32(0.3)  # far above the tolerance: exp(-9)
    first = steady.see(source)("alpha", np.full((9, 18), 0.2, np.float32))
    np.testing.assert_array_equal(first, np.float32(0.2))
    second = steady.see(moved)("alpha", np.full((9, 18), 1.0, np.float32))
    np.testing.assert_allclose(second[:, :7], 0.8 * 0.2 + 0.2 * 1.0, atol=1e-6)
    np.testing.assert_allclose(second[:, 11:], 1.0, atol=1e-3)
    calm = steady.see(moved)
    third = calm("alpha", np.full((9, 18), 1.0, np.float32))
    np.testing.assert_allclose(third[:, :7], 0.8 * 0.36 + 0.2 * 1.0, atol=1e-6)
    # Names are apart, and another size begins anew.
    np.testing.assert_array_equal(calm("person", moved), moved)
    np.testing.assert_array_equal(steady.see(source[:4])("alpha", second[:4]), second[:4])


def test_steady_halfway() -> None:
    """A change as large as the tolerance is held by 1/e of the hold."""
    steady = Steady(hold=0.5, tolerance=0.05)
    steady.see(np.zeros((7, 7, 3), np.float32))("x", np.zeros((7, 7), np.float32))
    calm = steady.see(np.full((7, 7, 3), 0.05, np.float32))
    shown = calm("x", np.ones((7, 7), np.float32))
    np.testing.assert_allclose(shown, 1 - 0.5 * np.exp(-1), atol=1e-5)


def test_nothing_is_held_around_a_change() -> None:
    """One pixel changes: after the mean of 5×5 it reaches 2 pixels, and then `reach` further."""
    steady = Steady(hold=0.5, tolerance=0.001, reach=4)
    source = np.zeros((1, 31, 3), np.float32)
    steady.see(source)("x", np.zeros((1, 31), np.float32))
    source = source.copy()
    source[0, 15] = 1
    shown = steady.see(source)("x", np.ones((1, 31), np.float32))[0]
    assert [x for x in range(31) if shown[x] > 0.99] == list(range(15 - 6, 15 + 7))
    np.testing.assert_allclose(shown[:9], 0.5)


def test_no_ghosts_behind_what_moves() -> None:
    """What paints carries a glow around the square; where that has passed, none of it is left."""
    frames = [frame.astype(np.float32) / 255 for frame in moving_square()]

    def glow(frame: Image) -> Image:
        return np.asarray(cv2.blur(frame, (17, 17)), np.float32)  # 8 pixels far

    steady = Steady(reach=8)
    for frame in frames:
        calm = steady.see(frame)
        shown = calm("background", glow(calm.seen("background", frame)))
        behind = np.s_[:, : max(1, left_edge(frame * 255) - 8)]
        np.testing.assert_allclose(shown[behind], glow(frame)[behind], atol=0.02)
    assert left_edge(frames[-1] * 255) - 8 > 40  # there is something to see at the end


@pytest.mark.parametrize("speed", [0.5, 1, 2, 5])
def test_no_ghosts_when_the_camera_moves(speed: float) -> None:
    """Contours of a frame some time ago would stand beside those of now."""
    photo = load_image("coffee", 400)
    frames = [
        np.asarray(cv2.getRectSubPix(photo, (300, 180), (150 + speed * number, 130)), np.float32)
        for number in range(12)
    ]
    steady = Steady()
    for frame in frames:
        calm = steady.see(frame)
        shown = calm("background", calm.seen("background", frame))
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
        calm = steady.see(frame)
        shown = calm("background", calm.seen("background", frame))
        assert np.abs(shown - frame).max() < 0.06


def test_what_networks_see_by_hand() -> None:
    """Noise is averaged, by how far a frame is from what was seen before; the rest is new."""
    steady = Steady(hold=0.8, tolerance=0.3)
    first = np.full((9, 18, 3), 0.5, np.float32)
    second = np.full((9, 18, 3), 0.51, np.float32)
    second[:, 9:] = 0.9  # by four times the tolerance of what is seen
    np.testing.assert_array_equal(steady.see(first).seen("x", first), first)
    seen = steady.see(second).seen("x", second)
    keep = 0.8 * np.exp(-((0.01 / 0.1) ** 2))
    np.testing.assert_allclose(seen[:, :7], 0.51 - keep * 0.01, atol=1e-6)
    np.testing.assert_allclose(seen[:, 11:], 0.9, atol=1e-6)
    # It begins where the last one ended, not where the source was; names and sizes are apart.
    third = steady.see(first).seen("x", first)
    off = float(seen[0, 0, 0]) - 0.5
    np.testing.assert_allclose(
        third[:, :5], 0.5 + 0.8 * np.exp(-((off / 0.1) ** 2)) * off, atol=1e-6
    )
    np.testing.assert_array_equal(steady.see(first).seen("y", second), second)
    np.testing.assert_array_equal(steady.see(first[:4]).seen("x", first[:4]), first[:4])


def fine_strokes(image: Image, **_: object) -> Image:
    """Paint as a network does: what is finer than 8 pixels, noise as well, becomes ten times so."""
    return np.clip(0.5 + 10 * (image - cv2.blur(image, (17, 17))), 0, 1).astype(np.float32)


class Nobody:
    """Finds no people."""

    def matte(self, image: Image) -> NDArray[np.float32]:
        return np.zeros(image.shape[:2], np.float32)

    def mask(self, image: Image) -> NDArray[np.uint8]:
        return np.zeros(image.shape[:2], np.uint8)


def by_composer() -> Paint:
    return steady_painter(Composer(fine_strokes, segmenter=Nobody()))


def by_stylist() -> Paint:
    def paint(photo: Picture) -> Picture:
        return Picture(fine_strokes(photo.image))

    return _make_film_stylist(lambda: paint)


@pytest.mark.parametrize("make", [by_composer, by_stylist])
def test_noise_is_no_strokes_beside_what_moves(make: Callable[[], Paint]) -> None:
    """Near the square nothing that is shown is held, but what the network sees has less noise."""
    source = noisy_film()
    paint = make()
    alone = [fine_strokes(frame) for frame in source]
    together = [paint(frame) for frame in source]
    for number in range(12, 19):
        before, now = source[number - 1], source[number]
        moves = (np.abs(now - before).max(axis=2) > 0.1).astype(np.uint8)
        # Strokes see 8 pixels far: from the ninth on they show noise alone.
        far, near = (cv2.dilate(moves, np.ones((side, side))) for side in (21, 25))
        ring = (near > 0) & (far == 0)
        assert ring.any()
        flickers = [
            np.abs(film[number] - film[number - 1])[ring].mean() for film in (alone, together)
        ]
        assert flickers[1] < flickers[0] / 2


def walking() -> tuple[list[Image], list[NDArray[np.float32]]]:
    """Move an astronaut before a cup of coffee, with a camera's noise: frames, and her mattes."""
    random = np.random.default_rng(0)
    cup, her = load_image("coffee", (180, 300)), load_image("astronaut", (180, 180))
    matte = np.zeros((180, 180), np.float32)
    cv2.ellipse(matte, ((90, 100), (80, 150), 0), 1, -1)
    frames, mattes = [], []
    for number in range(14):
        move = np.array([[1, 0, 6 * number], [0, 1, 0]], np.float32)
        person, alpha = (cv2.warpAffine(x, move, (300, 180)) for x in (her, matte))
        frame = cup + alpha[..., None] * (person - cup) + random.normal(0, 0.003, cup.shape)
        frames.append(np.clip(frame, 0, 1).astype(np.float32))
        mattes.append(np.asarray(alpha, np.float32))
    return frames, mattes


def test_no_ghosts_of_somebody_who_walks() -> None:
    """Where she was a moment ago, nothing of her is seen, and nothing shines through her."""
    frames, mattes = walking()
    steady = Steady()
    for frame in frames:
        seen = steady.see(frame).seen("background", frame)
    behind = (np.maximum.reduce(mattes[-6:-1]) > 0) & (mattes[-1] == 0)
    inside = cv2.erode(mattes[-1], np.ones((5, 5))) == 1
    assert min(behind.sum(), inside.sum()) > 2000
    for where in (behind, inside):
        assert np.abs(seen - frames[-1])[where].mean() < 0.004  # the noise, and no more
        passed = np.abs(frames[-4] - frames[-1]).max(axis=2)
        ghost = where & (passed > 0.3)
        assert ghost.sum() > 500
        # A ghost of it would pull what is seen towards what was there.
        pull = (seen - frames[-1])[ghost] * np.sign(frames[-4] - frames[-1])[ghost]
        assert abs(pull.mean()) < 0.002


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
    with pytest.raises(ArgumentError, match="fewer than two frames"):
        flicker([black], [black])
    with pytest.raises(ImageError, match="a frame of source holds uint8"):
        flicker([black.astype(np.uint8)] * 2, [black] * 2)
    with pytest.raises(ImageError, match="a frame of result has shape"):
        flicker([black] * 2, [black[..., 0]] * 2)


@pytest.mark.parametrize(
    ("source", "result", "words"),
    [
        ([(4, 4), (5, 4)], [(4, 4), (4, 4)], "4×4 and of 4×5"),
        ([(4, 4), (4, 4)], [(4, 4), (5, 4)], "4×4 and of 4×5"),
        ([(4, 4), (4, 4)], [(2, 3), (2, 3)], "4×4 and of 3×2"),
        ([(4, 4), (4, 4)], [(1, 1), (1, 1)], "4×4 and of 1×1"),
    ],
)
def test_flicker_of_frames_that_differ_in_size(
    source: list[tuple[int, int]], result: list[tuple[int, int]], words: str
) -> None:
    before, after = ([np.zeros((*size, 3)) for size in sizes] for sizes in (source, result))
    with pytest.raises(ArgumentError, match=f"frames of {words} pixels; .* one size: resize"):
        flicker(before, after)


def test_a_fault_of_a_films_own_is_not_taken_for_its_length() -> None:
    def broken() -> Iterator[Image]:
        yield np.zeros((2, 2, 3), np.float32)
        raise ValueError("the disk is gone")

    with pytest.raises(ValueError, match="the disk is gone"):
        flicker(broken(), broken())


@pytest.mark.parametrize(
    "options", [{"hold": 1.0}, {"hold": -0.1}, {"tolerance": 0.0}, {"reach": -1}]
)
def test_bad_steadiness(options: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError, match=next(iter(options))):
        Steady(**options)
