"""Networks work on every second frame of a film; between, what they made moves along."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from nstlib.images.arrays import Image
from nstlib.video.carry import CarryPainting, CarryPeople

HEIGHT, WIDTH = 90, 160


class Looking:
    """Finds a person where a picture is bright, at half its size, and counts how often it looks."""

    def __init__(self) -> None:
        self.looks = 0

    def look(self, image: Image) -> NDArray[np.float32]:
        self.looks += 1
        size = (image.shape[1] // 2, image.shape[0] // 2)
        return np.asarray(cv2.resize((image[..., 0] > 0.5).astype(np.float32), size), np.float32)

    def refine(self, image: Image, person: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.resize(person, image.shape[1::-1]), np.float32)

    def matte(self, image: Image) -> NDArray[np.float32]:
        return self.refine(image, self.look(image))

    def mask(self, image: Image) -> NDArray[np.uint8]:
        self.looks += 1
        return np.where(image[..., 0] > 0.5, 255, 0).astype(np.uint8)


def frame(column: int, seed: int = 0) -> Image:
    """Draw a bright square whose left side is at a column, both it and what is behind mottled."""
    random = np.random.default_rng(seed)
    drawn = cv2.GaussianBlur(random.uniform(0, 0.8, (HEIGHT, WIDTH)), (0, 0), 3)
    person = cv2.GaussianBlur(random.uniform(0.4, 1.4, (40, 40)), (0, 0), 2)
    drawn[30:70, column : column + 40] = person
    return np.repeat(drawn.clip(0, 1)[..., np.newaxis], 3, axis=2).astype(np.float32)


def test_between_two_looks_the_matte_moves_along() -> None:
    segmenter = Looking()
    carry = CarryPeople(segmenter)
    for number in range(8):
        image = frame(20 + 6 * number)
        matte = carry.matte(image)
        assert segmenter.looks == number // 2 + 1
        truth = np.zeros((HEIGHT, WIDTH), np.float32)
        truth[30:70, 20 + 6 * number : 60 + 6 * number] = 1
        # If it stayed where it was, a strip 6 pixels wide would be wrong at either side.
        assert np.abs(matte - truth).sum() < 0.6 * 2 * 6 * 40


def test_a_new_scene_is_looked_at_at_once() -> None:
    segmenter = Looking()
    carry = CarryPeople(segmenter)
    other = 1 - frame(90, seed=1)
    carry.matte(frame(20))
    np.testing.assert_array_equal(carry.matte(other), Looking().matte(other))
    assert segmenter.looks == 2
    carry.matte(other)
    assert segmenter.looks == 2


def test_another_size_is_looked_at_at_once() -> None:
    segmenter = Looking()
    carry = CarryPeople(segmenter)
    carry.matte(frame(20))
    assert carry.matte(frame(20)[:60, :120]).shape == (60, 120)
    assert segmenter.looks == 2


@pytest.mark.parametrize("count", [1, 4])
def test_masks_are_found_in_each_frame(count: int) -> None:
    segmenter = Looking()
    carry = CarryPeople(segmenter)
    for number in range(count):
        np.testing.assert_array_equal(carry.mask(frame(20)), Looking().mask(frame(20)))
        assert segmenter.looks == number + 1


class Negative:
    """Paints negatives, and counts them."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, image: Image, *, strength: float, preserve_colors: bool) -> Image:
        assert (strength, preserve_colors) == (0.5, True)
        self.count += 1
        return 1 - image


def panned(number: int) -> Image:
    """Draw what a camera sees that moves by 3 pixels to the right a frame."""
    random = np.random.default_rng(0)
    scene = cv2.GaussianBlur(random.uniform(-2, 3, (HEIGHT, WIDTH + 40, 3)), (0, 0), 2)
    return scene[:, 3 * number :][:, :WIDTH].clip(0, 1).astype(np.float32)


def test_between_two_paintings_strokes_move_along() -> None:
    painter = Negative()
    carry = CarryPainting(painter)
    counts = []
    for number in range(8):
        image = panned(number)
        painting = carry(image, strength=0.5, preserve_colors=True)
        counts.append(painter.count)
        inner = np.s_[8:-8, 8:-8]  # what is seen for the first time cannot be right
        still = np.abs(image - panned(max(0, number - 1)))[inner].mean()
        assert np.abs(painting - (1 - image))[inner].mean() <= 0.25 * still
        assert painting.min() >= 0
        assert painting.max() <= 1
    assert counts == [1, 2, 2, 3, 3, 4, 4, 5]


def test_a_new_scene_is_painted_at_once() -> None:
    painter = Negative()
    carry = CarryPainting(painter)
    for image in (panned(0), panned(1), 1 - panned(9)):
        painting = carry(image, strength=0.5, preserve_colors=True)
        np.testing.assert_array_equal(painting, 1 - image)
    assert painter.count == 3


def test_a_new_scene_in_the_dark_is_painted_at_once() -> None:
    """As by night, or once a film has faded; what moves there is carried along all the same."""
    for last, count in ((panned(2), 2), (1 - panned(9), 3)):
        painter = Negative()
        carry = CarryPainting(painter)
        for image in (panned(0), panned(1), last):
            carry(np.multiply(image, 0.1, dtype=np.float32), strength=0.5, preserve_colors=True)
        assert painter.count == count


def test_what_comes_out_from_behind_something_is_painted_at_once() -> None:
    """A wall with a pattern, and before it a dark square, which goes away or stays."""
    wall = panned(0)
    hidden = wall.copy()
    hidden[20:60, 40:80] = 0
    for last, count in ((wall, 3), (hidden, 2)):
        painter = Negative()
        carry = CarryPainting(painter)
        for image in (hidden, hidden, last):
            painting = carry(image, strength=0.5, preserve_colors=True)
        assert painter.count == count
        np.testing.assert_allclose(painting, 1 - last, atol=0.02)


@pytest.mark.parametrize("size", [(60, 80), (180, 320)])
def test_another_size_is_painted_at_once(size: tuple[int, int]) -> None:
    """Also half of it, where both are as large once they are shrunk to find out what moved."""
    painter = Negative()
    carry = CarryPainting(painter)
    for height, width in ((360, 640), (360, 640), size):
        image = np.asarray(cv2.resize(panned(0), (width, height)), np.float32)
        painting = carry(image, strength=0.5, preserve_colors=True)
        assert painting.shape == image.shape
    assert painter.count == 3


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (8, 64), (20, 320), (120, 1920), (640, 40)])
def test_narrow_frames_are_painted_each(size: tuple[int, int]) -> None:
    painter = Negative()
    carry = CarryPainting(painter)
    for number in range(3):
        image = np.full((*size, 3), 0.1 * number, np.float32)
        painting = carry(image, strength=0.5, preserve_colors=True)
        np.testing.assert_array_equal(painting, 1 - image)
    assert painter.count == 3


def test_what_stands_beside_something_that_moves_stays() -> None:
    """A wall with a faint pattern, and a disc that is thrown past it."""
    random = np.random.default_rng(0)
    wall = cv2.GaussianBlur(random.uniform(0, 1, (HEIGHT, WIDTH)), (0, 0), 3).astype(np.float32)
    wall = np.repeat((0.5 + 0.5 * (wall - 0.5))[..., np.newaxis], 3, axis=2)
    strokes = random.uniform(0, 1, (HEIGHT, WIDTH, 3)).astype(np.float32)
    carry = CarryPainting(lambda image, **_: strokes)  # noqa: ARG005
    beside = np.ones((HEIGHT, WIDTH), np.uint8)
    for number in range(3):
        image = wall.copy()
        place = (50 + 8 * number, 45)
        cv2.circle(image, place, 6, (1.0, 0.9, 0.0), -1)
        cv2.circle(beside, place, 10, 0, -1)
        painting = carry(image, strength=1.0, preserve_colors=False)
    still = beside > 0
    assert painting is not strokes
    assert np.abs(painting - strokes)[still].max() < 0.02


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
def test_what_of_a_painting_is_the_photograph_is_not_carried(strength: float) -> None:
    """In a scene that moves otherwise than is found out: the light changes from place to place."""

    def painter(image: Image, *, strength: float, preserve_colors: bool) -> Image:
        del preserve_colors
        return image + np.float32(strength) * (1 - 2 * image)

    carry = CarryPainting(painter)
    light = 1 + 0.05 * np.sin(np.arange(WIDTH, dtype=np.float32) / 9)[:, np.newaxis]
    for number in range(6):
        image = (panned(number) * (light if number % 2 else 2 - light)).clip(0, 1)
        found = carry(image, strength=strength, preserve_colors=False)
        expected = painter(image, strength=strength, preserve_colors=False)
        off = np.abs(found - expected)[8:-8, 8:-8].mean()
        assert off <= 0.06 * strength + 1e-6
