"""Right and wrong answers to the exercises of lesson 00, images as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from exercise_tests import ExerciseTests, Right, Wrong

tf = pytest.importorskip("tensorflow")


def in_place(image: Any) -> Any:
    image[...] = image[..., ::-1].copy()
    return image


def to_blob(image: Any) -> Any:
    return (image.transpose(2, 0, 1)[None] / 255).astype(np.float32)


def over_white(rgba: Any) -> Any:
    return rgba[..., :3] * rgba[..., 3:4] + 1 - rgba[..., 3:4]


RIGHT: Right = {
    "rgb_to_bgr": [
        lambda image: image[..., ::-1],
        lambda image: np.stack([image[..., 2], image[..., 1], image[..., 0]], axis=-1),
        lambda image: tf.reverse(image, [-1]),
    ],
    "to_blob": [to_blob],
    "over_white": [
        over_white,
        lambda rgba: 1 - rgba[..., 3:] * (1 - rgba[..., :3]),
        lambda rgba: tf.cast(over_white(rgba), tf.float64),
    ],
}

# Each line: a wrong answer, and words of the hint that it must get.
WRONG: Wrong = {
    "rgb_to_bgr": [
        (lambda image: image, "unchanged"),
        (lambda image: image[..., [1, 0, 2]], "red and green changed places"),
        (lambda image: image[..., [0, 2, 1]], "green and blue changed places"),
        (lambda image: image[::-1], "upside down"),
        (lambda image: image[:, ::-1], "mirrored"),
        (lambda image: np.flip(image), "all three axes"),
        (lambda image: image[..., [1, 2, 0]], "by one place"),
        (lambda image: image[..., ::-1].astype(np.float64), "dtype is float64"),
        (lambda image: image[..., ::-1] / 255, "every value is 255 times too small"),
        (lambda image: image[..., ::-1].transpose(2, 0, 1), "shape (3, 2, 3)"),
        (in_place, "changes the array it was given"),
    ],
    "to_blob": [
        (lambda image: to_blob(image)[0], "batch axis is missing"),
        (lambda image: image[None] / 255, "channels come last"),
        (lambda image: image / 255, "layout is still"),
        (lambda image: image.T[None] / 255, "height and width changed places"),
        (lambda image: image.transpose(2, 0, 1)[None].astype("f4"), "not scaled"),
        (lambda image: image.transpose(2, 0, 1)[None], "not scaled"),
        (lambda image: to_blob(image).astype(np.uint8), "whole numbers"),
        (lambda image: to_blob(image).astype(np.float64), "dtype is float64"),
        (lambda image: to_blob(image[..., ::-1]), "BGR order"),
        (lambda image: image.reshape(1, 3, *image.shape[:2]) / 255, "scrambled"),
        (lambda image: image.reshape(1, 3, *image.shape[:2]), "scrambled"),
        (lambda image: to_blob(image) / 255, "every value is 255 times too small"),
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
