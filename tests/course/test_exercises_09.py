"""Right and wrong answers to the exercises of lesson 09, fast style networks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from exercise_tests import Answer, ExerciseTests, Right, Wrong

tf = pytest.importorskip("tensorflow")


def pictures(count: Answer = math.ceil) -> Answer:
    return lambda training, optimiser, network: (
        count(training / (optimiser - network)) if optimiser > network else math.inf
    )


def one_by_one(training: float, optimiser: float, network: float) -> float:
    return next((n for n in range(10_000) if training + n * network <= n * optimiser), float("inf"))


def standardised(
    x: Any,
    gamma: Any,
    beta: Any,
    axes: Any = (1, 2),
    epsilon: float = 1e-5,
    power: float = 0.5,
    ddof: int = 0,
) -> Any:
    centred = x - np.mean(x, axes, keepdims=True)
    variance = np.var(x, axes, keepdims=True, ddof=ddof) + epsilon
    return gamma * centred / variance**power + beta


def instance(**changes: Any) -> Answer:
    return lambda features, gamma, beta: standardised(features, gamma, beta, **changes)


def instance_tf(features: Any, gamma: Any, beta: Any) -> Any:
    mean, variance = tf.nn.moments(features, axes=[1, 2], keepdims=True)
    return tf.nn.batch_normalization(features, mean, variance, beta, gamma, 1e-5)


def instance_keras(features: Any, gamma: Any, beta: Any) -> Any:
    layer = tf.keras.layers.GroupNormalization(groups=-1, epsilon=1e-5)
    layer.build(features.shape)
    layer.set_weights([gamma, beta])
    return layer(features)


def covered(kernel: int, stride: int, length: int) -> Any:
    # Inputs one stride apart, smeared over the kernel.
    comb = np.zeros((length - 1) * stride + 1, int)
    comb[::stride] = 1
    return np.convolve(comb, np.ones(kernel, int))


def asked_by_outputs(kernel: int, stride: int, length: int) -> list[int]:
    return [
        sum(0 <= place - stride * i < kernel for i in range(length))
        for place in range((length - 1) * stride + kernel)
    ]


def one_input_doubled(kernel: Any) -> Any:
    size = len(kernel)
    doubled = np.zeros(2 * size)
    doubled[size - 1 : size + 1] = 1
    return np.correlate(doubled, kernel, "valid")


def seen(blocks: int) -> int:
    """Walk back from a pixel of the painting to all that it depends on; return how wide that is."""
    low = high = 0
    # (5, 1) is a kernel of 5 with a stride of 1; (0, 2) doubles, so going back halves.
    steps = [(5, 1), (0, 2), (3, 1), (0, 2), *[(3, 1)] * 2 * blocks, (3, 2), (5, 2)]
    for side, stride in steps:
        if side:
            low, high = stride * low - side // 2, stride * high + side // 2
        else:
            low, high = low // stride, high // stride
    return high - low + 1


def by_trying(pixels: int) -> int:
    return next(n for n in range(100) if seen(n) >= pixels)


RIGHT: Right = {
    "blocks_for": [
        by_trying,
        lambda pixels: max(0, -(-(pixels - 17) // 16)),
        lambda pixels: float(by_trying(pixels)),
    ],
    "break_even": [pictures(), one_by_one, lambda t, o, n: float(one_by_one(t, o, n))],
    "instance_normalization": [instance(), instance_tf, instance_keras],
    "overlaps": [covered, asked_by_outputs],
    "transposed_kernel": [
        one_input_doubled,
        lambda kernel: np.append(0, kernel[::-1]) + np.append(kernel[::-1], 0),
    ],
}

# Each line: a wrong answer, and words of the hint that it must get.
WRONG: Wrong = {
    "blocks_for": [
        (lambda pixels: (pixels - 17) / 16, "round up"),
        (lambda pixels: (pixels - 17) // 16, "one block too few"),
        (lambda pixels: round((pixels - 17) / 16), "to the nearest"),
        (lambda pixels: (pixels - 17) // 16 + 1, "leaves no rest"),
        (lambda pixels: math.ceil((pixels - 17) / 8), "two convolutions"),
        (lambda pixels: math.ceil((pixels - 17) / 4), "four pixels of the photograph apart"),
        (lambda pixels: math.ceil((pixels - 17) / 2), "four pixels of the photograph apart"),
        (lambda pixels: math.ceil((pixels - 17) / 24), "not three"),
        (lambda pixels: math.ceil(pixels / 16), "outside the blocks"),
        (lambda pixels: math.ceil((pixels - 1) / 16), "outside the blocks"),
        (lambda pixels: math.ceil((pixels - 97) / 16), "added to the five"),
        (lambda pixels: math.ceil((pixels - 17) / 16) - (pixels < 17), "negative"),
    ],
    "break_even": [
        (pictures(lambda n: n), "round up"),
        (pictures(math.floor), "one picture too few"),
        (pictures(round), "rounded to the nearest"),
        (pictures(lambda n: math.floor(n) + 1), "the division leaves no rest"),
        (lambda training, optimiser, network: math.ceil(training / optimiser), "own time"),  # noqa: ARG005
        (lambda training, optimiser, network: training / optimiser, "own time"),  # noqa: ARG005
        (lambda training, optimiser, network: math.ceil(training / network), "could be trained"),  # noqa: ARG005
        (lambda training, optimiser, network: optimiser / network, "times faster"),  # noqa: ARG005
        (
            lambda training, optimiser, network: math.ceil(training / (optimiser + network)),
            "their difference",
        ),
        (
            lambda training, optimiser, network: math.ceil(training / (optimiser - network)),
            "never catches up",
        ),
        (
            lambda training, optimiser, network: (
                math.inf if optimiser < network else math.ceil(training / (optimiser - network))
            ),
            "raised ZeroDivisionError",
        ),
    ],
    "instance_normalization": [
        (lambda features, gamma, beta: features, "unchanged"),  # noqa: ARG005
        (instance(axes=(0, 1, 2)), "this is batch normalization"),
        (instance(axes=(1, 2, 3)), "over the channels as well"),
        (instance(axes=3), "the channels of one position"),
        (instance(axes=1), "over one axis alone"),
        (instance(axes=2), "over one axis alone"),
        (instance(axes=(0, 1, 2, 3)), "for the whole batch"),
        (lambda features, gamma, beta: standardised(features, 1, 0), "are left out"),  # noqa: ARG005
        (lambda features, gamma, beta: standardised(features, gamma, 0), "beta is left out"),  # noqa: ARG005
        (lambda features, gamma, beta: standardised(features, 1, beta), "gamma is left out"),  # noqa: ARG005
        (lambda features, gamma, beta: standardised(features, beta, gamma), "changed places"),
        (
            lambda features, gamma, beta: gamma * (standardised(features, 1, 0) + beta),
            "gamma also multiplies beta",
        ),
        (instance(power=1), "by the variance"),
        (instance(power=0), "not divided by the root"),
        (
            lambda features, gamma, beta: (
                gamma * features / np.sqrt(np.var(features, (1, 2), keepdims=True) + 1e-5) + beta
            ),
            "the mean is not subtracted",
        ),
        (instance(ddof=1), "positions less 1"),
        (instance(epsilon=0), "add 1e-5"),
        (
            lambda x, gamma, beta: (
                gamma * (x - x.mean((1, 2), keepdims=True)) / (x.std((1, 2), keepdims=True) + 1e-5)
                + beta
            ),
            "it belongs under it",
        ),
        (
            lambda features, gamma, beta: standardised(features, gamma, beta)[0],
            "the result has shape",
        ),
    ],
    "overlaps": [
        (lambda *given: np.minimum(covered(*given), 1), "as if kernels did not overlap"),
        (lambda *given: np.ones(len(covered(*given))), "as if kernels did not overlap"),
        (lambda kernel, stride, length: covered(1, stride, length), "shape (7,)"),  # noqa: ARG005
        (
            lambda kernel, stride, length: np.append(
                covered(1, stride, length), np.zeros(kernel - 1)
            ),
            "only the first output",
        ),
        (lambda kernel, stride, length: covered(stride, kernel, length), "changed places"),
        (
            lambda kernel, stride, length: covered(kernel, stride, length)[: length * stride],
            "leave its ends",
        ),
        (
            lambda kernel, stride, length: covered(kernel, stride, length)[
                (kernel - stride) // 2 : (kernel - stride) // 2 + length * stride
            ],
            "leave its ends",
        ),
        (lambda kernel, stride, length: np.ones(kernel * length), "side by side"),  # noqa: ARG005
        (lambda kernel, stride, length: covered(kernel, 1, length), "they move by `stride`"),  # noqa: ARG005
        (lambda kernel, stride, length: np.full(length, kernel), "for each input"),  # noqa: ARG005
    ],
    "transposed_kernel": [
        (lambda kernel: kernel, "unchanged"),
        (lambda kernel: np.convolve(kernel, [1, 1]), "turned round"),
        (lambda kernel: one_input_doubled(kernel) / 2, "each sum is halved"),
        (lambda kernel: np.append(kernel[::-1], 0), "the other one goes one place further"),
        (lambda kernel: np.append(0, kernel[::-1]), "the other one goes one place further"),
        (lambda kernel: np.repeat(kernel[::-1], 2), "two neighbours add up"),
        (lambda kernel: np.repeat(kernel, 2), "two neighbours add up"),
        (lambda kernel: one_input_doubled(kernel)[1:-1], "the two ends are missing"),
    ],
}


class TestExercises(ExerciseTests):
    lesson = "09"
    right = RIGHT
    wrong = WRONG
