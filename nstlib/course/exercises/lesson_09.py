"""Checks of the exercises of lesson 09, fast style networks."""

from __future__ import annotations

import math

import numpy as np

from nstlib.course.exercises._engine import (
    Answer,
    Array,
    Wrong,
    compare,
    exercise,
    numbers,
    try_answer,
)
from nstlib.course.exercises._parts import unchanged


def break_even(training: float, optimiser: float, network: float) -> float:
    """Return from how many pictures on a network is no slower than an optimiser, all in all.

    `training` is how long it takes to train the network once, `optimiser` how long the optimiser
    takes for a picture, `network` how long the network takes for one, all in seconds. A whole
    number; ``math.inf`` if the network never catches up.
    """
    saved = optimiser - network
    return math.ceil(training / saved) if saved > 0 else math.inf


@exercise(break_even)
def _check_break_even(answer: Answer) -> str:
    own = (
        "the network's own time for a picture is left out: each picture saves optimiser - network."
    )
    compare(
        answer,
        break_even,
        [(100.0, 10.0, 0.5), (60.0, 20.0, 5.0), (3600.0, 7.0, 0.25)],
        [
            ("pictures come whole: round up.", lambda t, o, n: t / (o - n)),
            (
                "this is one picture too few: after it the training is not yet made up for; round "
                "up, not down.",
                lambda t, o, n: t // (o - n),
            ),
            (
                "rounded to the nearest, it is sometimes one picture too few; round up.",
                lambda t, o, n: round(t / (o - n)),
            ),
            (
                "this is one too many where the division leaves no rest: 60 s of training, 15 s "
                "saved a picture, are made up for after 4 pictures.",
                lambda t, o, n: t // (o - n) + 1,
            ),
            (own, lambda t, o, _: math.ceil(t / o)),
            (own, lambda t, o, _: t / o),
            (
                "this is how many pictures the network paints while it could be trained; compare "
                "it with the optimiser.",
                lambda t, _, n: math.ceil(t / n),
            ),
            (
                "this is how many times faster the network is; the training's time is left out.",
                lambda _, o, n: o / n,
            ),
            (
                "both times for a picture are added; what a picture saves is their difference.",
                lambda t, o, n: math.ceil(t / (o + n)),
            ),
        ],
    )
    for network in (3.0, 2.0):
        if not np.isinf(try_answer(answer, (100.0, 2.0, network))[0]).all():
            raise Wrong(
                "a network that is no faster than the optimiser never catches up: math.inf."
            )
    return "Rounded up, the network's own time counted, and never is never."


def instance_normalization(features: Array, gamma: Array, beta: Array) -> Array:
    """Normalise a batch of feature maps (B, H, W, C), each channel of each picture by itself.

    Subtract the mean and divide by the root of the variance plus 1e-5, both taken over the
    positions; multiply by `gamma` (C,) and add `beta` (C,).
    """
    mean = features.mean(axis=(1, 2), keepdims=True)
    variance = features.var(axis=(1, 2), keepdims=True)
    return np.asarray(gamma * (features - mean) / np.sqrt(variance + 1e-5) + beta)


@exercise(instance_normalization)
def _check_instance_normalization(answer: Answer) -> str:
    gamma, beta = np.array([[0.5, 2, 3], [1, -2, 0.25]], np.float32)

    def over(axes: int | tuple[int, ...]) -> Answer:
        return lambda x, g, b: (
            g * (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-5) + b
        )

    def plain(x: Array) -> Array:
        return instance_normalization(x, np.ones(3), np.zeros(3))

    compare(
        answer,
        instance_normalization,
        [
            (numbers((2, 3, 4, 3), 9), gamma, beta),
            (numbers((3, 5, 2, 3), 7, seed=1), gamma, beta),
        ],
        [
            ("the features are unchanged.", lambda x, *_: x),
            (
                "this is batch normalization: mean and variance are taken over all the pictures of "
                "the batch; leave axis 0 out.",
                over((0, 1, 2)),
            ),
            (
                "mean and variance are taken over the channels as well; each channel has its own.",
                over((1, 2, 3)),
            ),
            (
                "mean and variance are taken over the channels of one position; take them over the "
                "positions, axes 1 and 2.",
                over(3),
            ),
            (
                "mean and variance are taken over one axis alone; positions have two, 1 and 2.",
                over(1),
            ),
            (
                "mean and variance are taken over one axis alone; positions have two, 1 and 2.",
                over(2),
            ),
            (
                "there is one mean and one variance for the whole batch; each channel of each "
                "picture has its own.",
                over((0, 1, 2, 3)),
            ),
            ("gamma and beta are left out.", lambda x, *_: plain(x)),
            ("beta is left out.", lambda x, g, _: g * plain(x)),
            ("gamma is left out.", lambda x, _, b: plain(x) + b),
            ("gamma and beta changed places.", lambda x, g, b: b * plain(x) + g),
            (
                "gamma also multiplies beta; multiply first, then add.",
                lambda x, g, b: g * (plain(x) + b),
            ),
            (
                "it is divided by the variance; divide by its root.",
                lambda x, g, b: (
                    g * plain(x) / np.sqrt(x.var(axis=(1, 2), keepdims=True) + 1e-5) + b
                ),
            ),
            (
                "it is not divided by the root of the variance.",
                lambda x, g, b: g * (x - x.mean(axis=(1, 2), keepdims=True)) + b,
            ),
            (
                "the mean is not subtracted.",
                lambda x, g, b: g * x / np.sqrt(x.var(axis=(1, 2), keepdims=True) + 1e-5) + b,
            ),
            (
                "the variance is divided by the number of positions less 1; divide by the number.",
                lambda x, g, b: (
                    g
                    * (x - x.mean(axis=(1, 2), keepdims=True))
                    / np.sqrt(x.var(axis=(1, 2), keepdims=True, ddof=1) + 1e-5)
                    + b
                ),
            ),
        ],
    )
    flat = np.full((1, 2, 3, 3), 5, np.float32)
    with np.errstate(all="ignore"):
        result, _ = try_answer(answer, (flat, gamma, beta))
    if not np.isfinite(result).all():
        raise Wrong(
            "where a channel is the same everywhere, its variance is 0 and the result NaN; add "
            "1e-5 to the variance before you take the root."
        )
    return "Each channel of each picture has mean beta and spread gamma, a flat one mean beta."


def overlaps(kernel: int, stride: int, length: int) -> Array:
    """Count how many inputs reach each output of a transposed convolution, in one dimension.

    Each of `length` inputs puts a kernel of size `kernel` into the output, `stride` further than
    the one before. The output, ((length - 1) · stride + kernel,), is not cut at its ends.
    """
    counts = np.zeros((length - 1) * stride + kernel, int)
    for start in range(0, length * stride, stride):
        counts[start : start + kernel] += 1
    return counts


@exercise(overlaps)
def _check_overlaps(answer: Answer) -> str:
    def whole(kernel: int, stride: int, length: int) -> Array:
        return np.ones((length - 1) * stride + kernel, int)

    def starts(kernel: int, stride: int, length: int) -> Array:
        counts = 0 * whole(kernel, stride, length)
        counts[: length * stride : stride] = 1
        return counts

    def cut(kernel: int, stride: int, length: int) -> Array:
        first = (kernel - stride) // 2
        return overlaps(kernel, stride, length)[first : first + length * stride]

    compare(
        answer,
        overlaps,
        [(3, 2, 4), (4, 2, 5), (5, 2, 3), (5, 3, 4), (2, 3, 2)],
        [
            (
                "each output is counted once, as if kernels did not overlap; count every kernel "
                "that reaches it.",
                lambda k, s, n: np.minimum(overlaps(k, s, n), 1),
            ),
            (
                "each output is counted once, as if kernels did not overlap; count every kernel "
                "that reaches it.",
                whole,
            ),
            (
                "only the first output that each kernel reaches is counted; a kernel reaches as "
                "many as its size.",
                starts,
            ),
            (
                "kernel and stride changed places.",
                lambda k, s, n: overlaps(s, k, n),
            ),
            (
                "the output is cut to length · stride; leave its ends as they are.",
                cut,
            ),
            (
                "the output is cut to length · stride; leave its ends as they are.",
                lambda k, s, n: overlaps(k, s, n)[: n * s],
            ),
            (
                "the kernels lie side by side; each begins `stride` after the one before.",
                lambda k, _, n: np.ones(k * n, int),
            ),
            (
                "the inputs have moved by one place each; they move by `stride`.",
                lambda k, _, n: overlaps(k, 1, n),
            ),
            (
                "this counts, for each input, how many outputs it reaches; count for each output "
                "how many inputs reach it.",
                lambda k, _, n: np.full(n, k),
            ),
        ],
    )
    return "Kernel 3 and stride 2 give 1 1 2 1 2 1 2 1 1; kernel 4 is even but for its ends."


def transposed_kernel(kernel: Array) -> Array:
    """Return the transposed convolution that doubling and then convolving is, in one dimension.

    `kernel` (K,) is the kernel of a convolution as networks compute it, without turning it round,
    after each input was repeated once. Returned are the K + 1 numbers that one input puts into the
    output, in the order of the outputs.
    """
    return np.convolve(kernel[::-1], np.ones(2, kernel.dtype))


@exercise(transposed_kernel)
def _check_transposed_kernel(answer: Answer) -> str:
    compare(
        answer,
        transposed_kernel,
        [(numbers((3,), 9) + 1,), (numbers((5,), 9, seed=4),)],
        [
            (
                "the kernel is unchanged; an input that is repeated reaches K + 1 outputs.",
                unchanged,
            ),
            (
                "the order is turned round: the kernel's last number meets an input first, at the "
                "lowest output.",
                lambda w: np.convolve(w, [1, 1]),
            ),
            (
                "each sum is halved; the two copies of an input add up.",
                lambda w: np.convolve(w[::-1], [0.5, 0.5]),
            ),
            (
                "this is where one copy of the input goes; the other one goes one place further, "
                "and they add up.",
                lambda w: np.append(w[::-1], 0),
            ),
            (
                "this is where one copy of the input goes; the other one goes one place further, "
                "and they add up.",
                lambda w: np.append(0, w[::-1]),
            ),
            (
                "the numbers are repeated; two neighbours add up where both copies meet.",
                lambda w: np.repeat(w[::-1], 2),
            ),
            (
                "the numbers are repeated; two neighbours add up where both copies meet.",
                lambda w: np.repeat(w, 2),
            ),
            (
                "the two ends are missing, which one copy reaches alone.",
                lambda w: (w[1:] + w[:-1])[::-1],
            ),
        ],
    )
    return "A kernel of 4, which a stride of 2 divides: so nothing is covered unevenly."
