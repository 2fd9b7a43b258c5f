"""Right and wrong answers to the exercises of lesson 00, images as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from exercise_tests import ExerciseTests, Right, Wrong

tf = pytest.importorskip("tensorflow")


def to_network(bgr: Any) -> Any:
    return (bgr[..., ::-1].transpose(2, 0, 1)[None] / 255).astype(np.float32)


def turned_in_place(bgr: Any) -> Any:
    bgr[...] = bgr[..., ::-1].copy()
    return (bgr.transpose(2, 0, 1)[None] / 255).astype(np.float32)


def with_three_bugs(bgr: Any) -> Any:
    rgb = bgr[::-1]
    return np.float32(rgb // 255).reshape(1, 3, *rgb.shape[:2])


def telling_picture(side: int) -> Any:
    return np.arange(3 * side**2, dtype=np.uint8).reshape(side, side, 3)


def ramp(side: int) -> Any:
    return np.repeat(np.arange(side**2, dtype=np.uint8).reshape(side, side, 1), 3, axis=2)


def colour(side: int) -> Any:
    return np.tile(np.array([1, 2, 3], np.uint8), (side, side, 1))


def symmetric(side: int) -> Any:
    # Its numbers trade places by the diagonal, and are equal there.
    y, x = np.indices((side, side))
    return np.stack([y + x, 10 + 3 * (y + x), 30 + y * x], axis=-1).astype(np.uint8)


def by_looking_it_up(row: int, column: int, channel: int, height: int, width: int) -> Any:
    places = np.arange(3 * height * width)
    wanted = places.reshape(height, width, 3)[row, column, channel]
    return np.argwhere(places.reshape(3, height, width) == wanted)[0]


def comes_from(row: int, column: int, channel: int, height: int, width: int) -> Any:
    plane, rest = divmod((row * width + column) * 3 + channel, height * width)
    return plane, *divmod(rest, width)


def over_white(rgba: Any) -> Any:
    return rgba[..., :3] * rgba[..., 3:4] + 1 - rgba[..., 3:4]


RIGHT: Right = {
    "to_network": [
        to_network,
        lambda bgr: np.stack([bgr[..., i] for i in (2, 1, 0)])[None].astype(np.float32) / 255,
        lambda bgr: tf.transpose(tf.cast(bgr[None, ..., ::-1], tf.float32) / 255, [0, 3, 1, 2]),
    ],
    "telling_picture": [
        telling_picture,
        lambda side: telling_picture(side)[::-1] + np.uint8(100),
        lambda side: (
            np.random.default_rng(0).permutation(3 * side**2).astype("u1").reshape(side, side, 3)
        ),
    ],
    "comes_from": [comes_from, by_looking_it_up, lambda *given: list(comes_from(*given))],
    "over_white": [
        over_white,
        lambda rgba: 1 - rgba[..., 3:] * (1 - rgba[..., :3]),
        lambda rgba: tf.cast(over_white(rgba), tf.float64),
    ],
}

# Each line: a wrong answer, and words of the hint that it must get.
WRONG: Wrong = {
    "to_network": [
        (with_three_bugs, "all three mistakes"),
        (lambda bgr: to_network(bgr)[0], "batch axis is missing"),
        (lambda bgr: bgr[None, ..., ::-1] / 255, "channels come last"),
        (lambda bgr: bgr[..., ::-1] / 255, "layout is still"),
        (lambda bgr: bgr[..., ::-1].T[None] / 255, "height and width changed places"),
        (lambda bgr: bgr[..., ::-1].transpose(2, 0, 1)[None], "not scaled"),
        (lambda bgr: bgr[..., ::-1].transpose(2, 0, 1)[None] // 255, "whole numbers"),
        (lambda bgr: to_network(bgr).astype(np.float64), "dtype is float64"),
        (lambda bgr: to_network(bgr[..., ::-1]), "still in BGR order"),
        (lambda bgr: to_network(bgr[::-1, :, ::-1]), "and the picture is upside down"),
        (lambda bgr: to_network(bgr[::-1]), "reverse the channels alone"),
        (lambda bgr: to_network(bgr[:, ::-1, ::-1]), "the picture is mirrored"),
        (lambda bgr: bgr[..., ::-1].reshape(1, 3, *bgr.shape[:2]) / 255, "scrambled: reshape"),
        (lambda bgr: bgr[::-1].reshape(1, 3, *bgr.shape[:2]) / 255, "scrambled, by reshape"),
        (lambda bgr: to_network(bgr) / 255, "every value is 255 times too small"),
        (turned_in_place, "changes the array it was given"),
    ],
    "telling_picture": [
        (lambda side: np.full((side, side, 3), 7, np.uint8), "no mistake whatever"),
        (ramp, "'no mistake' and 'red and blue exchanged'"),
        (colour, "'no mistake' and 'upside down'"),
        (symmetric, "'no mistake' and 'rows and columns exchanged'"),
        (lambda side: telling_picture(side).astype(np.float32), "dtype is float32"),
        (lambda side: telling_picture(side)[..., 0], "should be of shape (2, 2, 3)"),
        (lambda side: telling_picture(2), "should be of shape (3, 3, 3)"),  # noqa: ARG005
    ],
    "comes_from": [
        (lambda row, column, channel, height, width: (channel, row, column), "by transpose"),  # noqa: ARG005
        (lambda row, column, channel, height, width: (row, column, channel), "in the image"),  # noqa: ARG005
        (
            lambda row, column, channel, height, width: (
                comes_from(row, column, 0, height, width) + 0 * channel
            ),
            "raised TypeError",
        ),
        (
            lambda row, column, channel, height, width: comes_from(row, column, 0, height, width),  # noqa: ARG005
            "the channel is left out",
        ),
        (
            lambda row, column, channel, height, width: np.unravel_index(
                row * width + column + channel, (3, height, width)
            ),
            "count them all",
        ),
        (
            lambda row, column, channel, height, width: (
                ((row * height + column) * 3 + channel) // (height * width),
                *divmod(((row * height + column) * 3 + channel) % (height * width), width),
            ),
            "a row holds width pixels",
        ),
        (
            lambda row, column, channel, height, width: np.unravel_index(
                (row * width + column) * 3 + channel, (3, width, height)
            ),
            "width numbers, not height",
        ),
        (
            lambda row, column, channel, height, width: (
                comes_from(row, column, channel, height, width)[0],
                *divmod((row * width + column) * 3 + channel, width),
            ),
            "begin anew",
        ),
        (lambda *given: comes_from(*given)[::-1], "in this order"),
    ],
    "over_white": [
        (lambda rgba: rgba[..., :3], "alpha is dropped"),
        (lambda rgba: rgba[..., :3] * rgba[..., 3:], "over black"),
        (lambda rgba: rgba[..., :3] * (1 - rgba[..., 3:]) + rgba[..., 3:], "inverted"),
        (lambda rgba: np.dstack([over_white(rgba), rgba[..., 3:]]), "4 channels"),
        (lambda rgba: np.dstack([rgba[..., :3], np.ones((2, 3))]), "4 channels"),
        (lambda rgba: rgba[..., :3] + 1 - rgba[..., 3:], "premultiplied"),
        (lambda rgba: np.minimum(rgba[..., :3] + 1 - rgba[..., 3:], 1), "premultiplied"),
        (lambda rgba: rgba[..., :3] * rgba[..., 3:] + 255 * (1 - rgba[..., 3:]), "white is 255"),
        (lambda rgba: rgba[..., :3] * rgba[..., 3] + 1 - rgba[..., 3], "raised ValueError"),
    ],
}


class TestExercises(ExerciseTests):
    lesson = "00"
    right = RIGHT
    wrong = WRONG
