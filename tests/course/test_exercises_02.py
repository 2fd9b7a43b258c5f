"""Right and wrong answers to the exercises of lesson 02, features."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from exercise_tests import Answer, ExerciseTests, Right, Wrong

tf = pytest.importorskip("tensorflow")


MEAN = np.array([103.939, 116.779, 123.68])


def undone_in_place(pixels: Any) -> Any:
    pixels += MEAN
    return pixels[..., ::-1] / 255


def receptive_field(layers: Any) -> int:
    # From the output back to the input: another way to the same number.
    size = 1
    for kernel, stride in reversed(layers):
        size = (size - 1) * stride + kernel
    return size


def field(first: int = 1, jump_first: bool = False, backwards: bool = False) -> Answer:
    def answer(layers: Any) -> int:
        size, jump = first, 1
        for kernel, stride in layers[::-1] if backwards else layers:
            if jump_first:
                jump *= stride
            size += (kernel - 1) * jump
            if not jump_first:
                jump *= stride
        return size

    return answer


RIGHT: Right = {
    "undo_preprocessing": [
        lambda pixels: (pixels[..., ::-1] + MEAN[::-1]) / 255,
        lambda pixels: pixels[..., ::-1] / 255 + MEAN[::-1] / 255,
        lambda pixels: tf.reverse(tf.constant(pixels) + MEAN, [-1]) / 255,
    ],
    "receptive_field": [receptive_field, field(), lambda layers: float(receptive_field(layers))],
    "sparsity": [
        lambda features: 1 - np.count_nonzero(features) / features.size,
        lambda features: tf.reduce_mean(tf.cast(tf.equal(features, 0), tf.float32)),
        lambda features: tf.nn.zero_fraction(features),
    ],
}

# Each line: a wrong answer, and words of the hint that it must get.
WRONG: Wrong = {
    "undo_preprocessing": [
        (lambda pixels: pixels[..., ::-1] * 255 - MEAN, "this is the way there"),
        (lambda pixels: pixels + MEAN, "the means are back"),
        (lambda pixels: (pixels + MEAN) / 255, "still in BGR order"),
        (lambda pixels: (pixels[..., ::-1] + MEAN) / 255, "after the channels were reversed"),
        (lambda pixels: (pixels / 255 + MEAN)[..., ::-1], "before you divide"),
        (lambda pixels: (pixels - MEAN)[..., ::-1] / 255, "subtracted once more"),
        (lambda pixels: pixels[..., ::-1] / 255, "not added"),
        (lambda pixels: (pixels + MEAN)[..., ::-1], "the result is in 0..255"),
        (lambda pixels: (pixels + MEAN)[::-1] / 255, "upside down"),
        (undone_in_place, "changes the array it was given"),
    ],
    "receptive_field": [
        (lambda layers: sum(kernel for kernel, _ in layers), "adds up the kernels"),
        (lambda layers: 1 + sum((k - 1) * s for k, s in layers), "its own stride"),
        (lambda layers: 1 + sum(kernel - 1 for kernel, _ in layers), "strides are ignored"),
        (field(first=0), "1 too small"),
        (field(first=2), "1 too large"),
        (field(jump_first=True), "not for its own kernel"),
        (field(backwards=True), "wrong end"),
        (lambda layers: int(np.prod([kernel for kernel, _ in layers])), "multiplied"),
        (lambda layers: [field()(layers[:n]) for n in range(len(layers))], "should be one number"),
        (lambda layers: 224, "it gives 224 where 5 is right"),  # noqa: ARG005
    ],
    "sparsity": [
        (lambda features: np.count_nonzero(features) / features.size, "not zero"),
        (lambda features: 100 * np.mean(features == 0), "percentage"),
        (lambda features: np.sum(features == 0), "this is a count"),
        (lambda features: np.mean(features == 0, axis=(0, 1)), "for each channel"),
        (lambda features: np.mean(features <= 0), "below zero"),
        (lambda features: np.mean(np.isclose(features, 0, atol=1e-3)), "small values"),
        (lambda features: np.mean(np.isclose(features, 0)), "small values"),
        (lambda features: np.sum(features == 0) / features[..., 0].size, "H·W·C"),
        (lambda features: features == 0, "should be one number"),
        (lambda features: str(np.mean(features == 0)), "type str"),
    ],
}


class TestExercises(ExerciseTests):
    lesson = "02"
    right = RIGHT
    wrong = WRONG
