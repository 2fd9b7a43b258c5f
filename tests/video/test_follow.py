"""One of several people is followed through a film."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from nstlib.errors import ArgumentError
from nstlib.images.arrays import Image
from nstlib.video.follow import Follow


class Red:
    """Takes what is red for people."""

    def matte(self, image: Image) -> NDArray[np.float32]:
        return image[..., 0]

    def mask(self, image: Image) -> NDArray[np.uint8]:
        return np.where(image[..., 0] > 0.5, 255, 0).astype(np.uint8)


def frame(*people: tuple[int, int]) -> Image:
    """Draw people 8 pixels wide, each at a column and in a share of red."""
    drawn = np.zeros((20, 100, 3), np.float32)
    for column, tenths in people:
        drawn[6:18, max(0, column) : max(0, column + 8), 0] = tenths / 10
    return drawn


def columns(shown: NDArray[np.float32]) -> list[int]:
    return [int(x) for x in np.flatnonzero(shown.any(axis=0))]


def test_a_person_is_followed_past_where_another_was() -> None:
    """Two people walk to the right, one behind the other, each to the other's first place."""
    follow = Follow(Red(), person_at=(0.14, 0.5))
    for number in range(20):
        shown = follow.matte(frame((10 + 3 * number, 9), (30 + 3 * number, 8)))
        assert columns(shown) == list(range(10 + 3 * number, 18 + 3 * number))
        assert shown.max() == np.float32(0.9)


def test_of_two_side_by_side_the_one_that_shares_more_is_followed() -> None:
    """Both stand where the one may have gone to since the last frame."""
    follow = Follow(Red(), person_at=(0.24, 0.5))
    assert columns(follow.matte(frame((8, 9), (20, 9)))) == list(range(20, 28))
    assert columns(follow.matte(frame((10, 9), (21, 9)))) == list(range(21, 29))


def test_masks_are_followed_too() -> None:
    follow = Follow(Red(), person_at="0.9,0.5")
    for number in range(5):
        mask = follow.mask(frame((10, 9), (85 - 3 * number, 8)))
        assert set(np.unique(mask)) == {0, 255}
        assert columns(mask.astype(np.float32)) == list(range(85 - 3 * number, 93 - 3 * number))


def test_who_is_gone_is_not_replaced() -> None:
    follow = Follow(Red(), person_at=(0.0, 0.5))
    assert columns(follow.matte(frame((2, 9), (60, 9)))) == list(range(2, 10))
    for _ in range(3):
        assert columns(follow.matte(frame((60, 9)))) == []
    assert columns(follow.matte(frame((4, 9), (60, 9)))) == list(range(4, 12))


def test_nor_by_somebody_who_is_only_guessed() -> None:
    follow = Follow(Red(), person_at=(0.0, 0.5))
    follow.matte(frame((2, 9), (60, 9)))
    assert columns(follow.matte(frame((60, 4)))) == []


def test_the_point_counts_once_somebody_is_there() -> None:
    follow = Follow(Red(), person_at=(0.0, 0.5))
    assert columns(follow.matte(frame())) == []
    assert columns(follow.matte(frame((30, 9), (60, 9)))) == list(range(30, 38))
    # Frames of another size begin anew.
    assert columns(follow.matte(frame((0, 9), (60, 9))[:, :80])) == list(range(8))


def test_no_point() -> None:
    with pytest.raises(ArgumentError, match="person_at is 'left'"):
        Follow(Red(), person_at="left")
