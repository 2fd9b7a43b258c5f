"""Checks of the exercises of lesson 09, fast style networks."""

from __future__ import annotations

import math

import numpy as np

from nstlib.course.exercises._engine import (
    Answer,
    Array,
    Wrong,
    choice,
    compare,
    exercise,
    numbers,
    try_answer,
)
from nstlib.course.exercises._parts import unchanged

choice(
    "gradient_cost",
    "What does a loss with the gradient for the image cost, if a look at the image costs 1?",
    right="b",
    a="the gradient has to be carried back through every layer; that is not free.",
    b="One convolution forward and one back for each layer. The kernels are frozen, so nobody asks "
    "for their gradient.",
    c="a third convolution a layer would give the kernels' gradient. Are kernels trained here?",
    d="forward and back grow with the picture in the same way, so their ratio stays.",
)

choice(
    "why_one_pass",
    "Why does a style network paint so much faster than the optimiser?",
    right="c",
    a="compilers and half precision help both in the same way; the optimiser could use them, too.",
    b="a small network saves something. Now compare the original, large one with a search.",
    c="The search has been done, once, in training. What is left for each photograph is one pass.",
    d="no second network plays against this one: the judge is frozen and never learns.",
)

choice(
    "photograph_back",
    "The network gives the photograph back unchanged. Which terms of the loss are large?",
    right="b",
    a="content compares the painting with this very photograph: there is no difference.",
    b="Nothing is lost, nothing lies outside the range, hardly anything repeats; only the style is "
    "missing. The other three terms would be content with that.",
    c="the photograph is what content and range are content with. What do they compare?",
    d="a photograph has no pattern that repeats itself every eight pixels; dots would.",
)

choice(
    "two_starts",
    "Same steps, same crops, same loss: which network ends nearer to the new style?",
    right="b",
    a="what has to be unlearned is little: colours and strokes. What else does a network learn?",
    b="To keep a photograph's shapes and to lay strokes had been learned already; colours change "
    "first, and quickly.",
    c="after very many steps perhaps. How far does each have to go?",
    d="look at the first pictures of both: each step changes something.",
)

choice(
    "blocks_off",
    "All residual blocks are set to add nothing. What does the network paint?",
    right="c",
    a="in a plain chain it would: nothing would be left. Here x is added.",
    b="noise has to come from somewhere; nothing random is left in a trained network.",
    c="Each block hands on what it got, so the picture goes through; what the blocks had added "
    "is missing.",
    d="a sum with zero is no error, and shapes have not changed.",
)

choice(
    "fog_seen",
    "A photograph and the same in fog, through the network with instance normalization?",
    right="a",
    a="Fog multiplies a channel and adds to it, and that is what is divided and subtracted away, "
    "but for the epsilon.",
    b="that is what batch normalization would do: it keeps the mean of the photographs it saw.",
    c="contrast is measured anew for each picture and each channel, and then set to gamma.",
    d="the network has no random part: the same input gives the same output.",
)

choice(
    "grey_enlarged",
    "Two transposed convolutions, kernels of 3 and strides of 2, enlarge a plain grey. The result?",
    right="c",
    a="that holds where each output gets the same number of inputs. Count them in the row above.",
    b="a blur needs edges to blur; the picture is the same everywhere.",
    c="Some places get four inputs, others two or one; and the second layer repeats it in its own "
    "grid.",
    d="nothing runs in one direction only; rows and columns are treated alike.",
)

choice(
    "more_pixels",
    "The same photograph, larger, through the same network. What holds for every photograph tried?",
    right="c",
    a="that is the tutorial's claim. Look for a row in which the loss rises.",
    b="that would be the opposite claim, and needs only one row against it as well.",
    c="Strokes have the same size in pixels, so within a larger picture they are smaller. The "
    "style loss follows no such rule.",
    d="the layers are the same at each place, but the photograph's things have grown, and the "
    "strokes have not.",
)


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

    def outside(x: Array, g: Array, b: Array) -> Array:
        mean, spread = x.mean(axis=(1, 2), keepdims=True), x.std(axis=(1, 2), keepdims=True)
        return np.asarray(g * (x - mean) / (spread + 1e-5) + b)

    compare(
        answer,
        instance_normalization,
        [(numbers((2, 3, 4, 3), 9) / np.float32(1000), gamma, beta)],  # so faint that it matters
        [("1e-5 is added to the root; it belongs under it, to the variance.", outside)],
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
    return "Kernel 3 and stride 2 give 1 1 2 1 2 1 2 1 1; kernel 4 gives 2 but for its ends."


def blocks_for(pixels: int) -> int:
    """Return how many residual blocks a pixel of the painting needs to see so many pixels.

    The network is the lesson's, with enlargements that repeat values: convolutions of 5 and 3
    with strides of 2, blocks of two convolutions of 3 at a quarter of the size, an enlargement
    and a convolution of 3, an enlargement and a convolution of 5. `pixels` is the width, 1 or more,
    of what one pixel is to depend on, apart from normalization. The smallest number that will do.
    """
    return max(0, math.ceil((pixels - 17) / 16))


@exercise(blocks_for)
def _check_blocks_for(answer: Answer) -> str:
    def by(base: float, block: float) -> Answer:
        return lambda n: math.ceil((n - base) / block)

    one = "a block has two convolutions; this counts one of them."
    apart = (
        "inside the blocks neighbours lie four pixels of the photograph apart: each convolution "
        "there adds 4 · (3 - 1)."
    )
    compare(
        answer,
        blocks_for,
        [(97,), (98,), (200,), (110,), (33,)],
        [
            ("blocks come whole: round up.", lambda n: (n - 17) / 16),
            (
                "this is one block too few, or enough by luck; round up, not down.",
                lambda n: (n - 17) // 16,
            ),
            (
                "rounded to the nearest, it is sometimes one too few; round up.",
                lambda n: round((n - 17) / 16),
            ),
            (
                "one too many where the division leaves no rest: five blocks see exactly 97.",
                lambda n: (n - 17) // 16 + 1,
            ),
            (one, by(17, 8)),
            (apart, by(17, 4)),
            (apart, by(17, 8 / 4)),
            (
                "a kernel of 3 adds two pixels, not three: one is there already.",
                by(17, 24),
            ),
            (
                "the four convolutions outside the blocks see something, too: 17 pixels without "
                "any block.",
                by(0, 16),
            ),
            (
                "the four convolutions outside the blocks see something, too: 17 pixels without "
                "any block.",
                by(1, 16),
            ),
            (
                "this is how many blocks must be added to the five of the lesson.",
                by(97, 16),
            ),
        ],
    )
    if try_answer(answer, (5,))[0] < 0:
        raise Wrong("for 5 pixels it gives a negative number; no block at all will do: 0.")
    compare(answer, blocks_for, [(1,), (17,), (18,)], [])
    return "17 pixels without a block, and 16 more with each: five see 97."


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
