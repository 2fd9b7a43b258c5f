"""Checks of the exercises of lesson 10, ONNX."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from nstlib.course.exercises._engine import (
    Answer,
    Array,
    Wrong,
    call_answer,
    choice,
    compare,
    exercise,
    numbers,
    try_answer,
)

choice(
    "odd_sizes",
    "A network halves a picture twice and doubles it twice. What happens at 250 × 333?",
    right="b",
    a="the file names its sides height and width, so any size is taken.",
    b="Halving rounds up: 250 gives 125, 63, and doubled twice 252; 333 gives 336.",
    c="that would be a fault, and this file is in order; what rounds up on the way down?",
    d="follow 250 through two halvings, which round up, and two doublings.",
)

choice(
    "running_means",
    "Are running_mean and running_var of these checkpoints of no use to ONNX?",
    right="b",
    a="look at the layers' names: is this batch normalization? And look up ONNX's operator "
    "BatchNormalization: what are its inputs?",
    b="Instance normalization takes mean and variance from the picture in hand; "
    "BatchNormalization in ONNX has both as inputs.",
    c="it normalises with the picture's own mean and variance, so there was nothing to use.",
    d="OpenCV reads batch normalization, with its statistics, without trouble.",
)

choice(
    "checked_file",
    "The checker accepts the file and a runtime loads it. What do you know?",
    right="b",
    a="nobody has looked at a picture yet.",
    b="The operators exist, and inputs, types and shapes fit together; what a runtime computes is "
    "another matter.",
    c="the checker does not know the weights that you meant; any numbers would do.",
    d="the checker runs nothing, so it can't know what runtimes compute.",
)

choice(
    "blind_test",
    "A mean counts one row three times and leaves others out. Which picture does not show it?",
    right="b",
    a="rows of noise have different means, so counting one of them three times shows.",
    b="If all rows are alike, it does not matter which are counted: this test cannot fail.",
    c="the stripes make rows different, and one of them is counted three times.",
    d="the rows at the bottom are brighter, and they are never counted.",
)


def largest_difference(one: Array, other: Array) -> float:
    """Return the largest difference between what two runtimes computed, without its sign.

    Infinite if the shapes differ or either holds a NaN: then they do not agree at all.
    """
    if np.shape(one) != np.shape(other):
        return math.inf
    difference = np.abs(np.asarray(one, np.float64) - np.asarray(other, np.float64))
    return math.inf if np.isnan(difference).any() else float(difference.max())


@exercise(largest_difference)
def _check_largest_difference(answer: Answer) -> str:
    one, other = numbers((1, 3, 4, 5), 9), numbers((1, 3, 4, 5), 9, seed=1)
    compare(
        answer,
        largest_difference,
        [(one, other + 9), (one + 3, other)],
        [
            (
                "the differences are averaged: one wrong pixel among a million would go unseen; "
                "take the largest.",
                lambda a, b: np.abs(a - b).mean(),
            ),
            (
                "the squares are averaged: one wrong pixel among a million would go unseen; take "
                "the largest difference.",
                lambda a, b: ((a - b) ** 2).mean(),
            ),
            (
                "the squares are averaged: one wrong pixel among a million would go unseen; take "
                "the largest difference.",
                lambda a, b: np.sqrt(((a - b) ** 2).mean()),
            ),
            ("this is the largest square; take its root.", lambda a, b: ((a - b) ** 2).max()),
            (
                "the sign counts: where the second is larger, the difference is negative and never "
                "the largest; take absolute values first.",
                lambda a, b: (a - b).max(),
            ),
            (
                "the sign is taken away too late; take absolute values first, then the largest.",
                lambda a, b: np.abs((a - b).max()),
            ),
            (
                "the largest values are compared, wherever they are; compare place by place.",
                lambda a, b: np.abs(a.max() - b.max()),
            ),
            ("this is one value for each place; take the largest.", lambda a, b: np.abs(a - b)),
            (
                "it is divided by the size of the values; the tolerance is on the scale of the "
                "output.",
                lambda a, b: np.abs(a - b).max() / np.abs(b).max(),
            ),
            (
                "the differences are added up; take the largest.",
                lambda a, b: np.abs(a - b).sum(),
            ),
        ],
    )
    dark, light = np.array([[[1, 7]], [[2, 5]]], np.uint8)
    compare(
        answer,
        largest_difference,
        [(dark, light)],
        [
            (
                "for uint8 pixels 1 - 2 is 255, because they cannot be negative; make floats of "
                "them first.",
                lambda a, b: np.abs(a - b).max(),
            )
        ],
    )
    result, _ = try_answer(answer, (one, one[:, :1]))
    if not np.isinf(result).all():
        raise Wrong(
            "shapes (1, 3, 4, 5) and (1, 1, 4, 5) were compared all the same: NumPy repeats the "
            "one channel. Different shapes are infinitely different."
        )
    broken = one.copy()
    broken[0, 1, 2, 3] = np.nan
    with np.errstate(all="ignore"):
        results = [try_answer(answer, case)[0] for case in ((one, broken), (broken, one))]
    if not all(np.isinf(result).all() for result in results):
        raise Wrong(
            "one of the values is NaN, and the difference is not infinite. NaN is neither larger "
            "nor smaller than any tolerance, so a check would let it pass."
        )
    return "The largest, without its sign; other shapes, NaN and uint8 do not fool it."


def pad_run_crop(network: Answer, image: Array) -> Array:
    """Run a network on an image (H, W, C) of any size, if it takes multiples of 4 alone.

    Pad below and on the right, by as few pixels as possible, with the mirror image in which the
    border itself is not repeated; run; return as many pixels as came in.
    """
    height, width = image.shape[:2]
    padded = np.pad(image, ((0, -height % 4), (0, -width % 4), (0, 0)), "reflect")
    return np.asarray(network(padded)[:height, :width])


@exercise(pad_run_crop)
def _check_pad_run_crop(answer: Answer) -> str:
    def network(image: Array) -> Array:
        image = np.asarray(image)
        height, width = image.shape[:2]
        if height % 4 or width % 4:
            raise ValueError(f"the network takes multiples of 4, and got {height} × {width}")
        # What is at the border counts at every place, as in a network that normalises.
        return np.asarray(2 * image - image.mean(axis=(0, 1)))

    def padded(image: Array, mode: Any, before: bool = False, least: int = 0) -> Array:
        more = [-side % 4 or least for side in image.shape[:2]]
        around = [(n, 0) if before else (0, n) for n in more]
        return np.pad(image, (*around, (0, 0)), mode)

    def by(mode: Any, **how: Any) -> Answer:
        return lambda run, x: run(padded(x, mode, **how))[: x.shape[0], : x.shape[1]]

    def at_the_start(run: Answer, x: Array) -> Array:
        return np.asarray(run(padded(x, "reflect", before=True))[-x.shape[0] :, -x.shape[1] :])

    def cut_by_minus(run: Answer, x: Array) -> Array:
        below, beside = (-side % 4 for side in x.shape[:2])
        return np.asarray(run(padded(x, "reflect"))[:-below, :-beside])

    def stretched(run: Answer, x: Array) -> Array:
        import cv2

        height, width = x.shape[:2]
        larger = cv2.resize(x, (width + -width % 4, height + -height % 4))
        return np.asarray(cv2.resize(run(larger), (width, height)))

    def halves(run: Answer, x: Array) -> Array:
        more = [-side % 4 for side in x.shape[:2]]
        result = run(np.pad(x, (*((n // 2, n - n // 2) for n in more), (0, 0)), "reflect"))
        top, left = (n // 2 for n in more)
        return np.asarray(result[top : top + x.shape[0], left : left + x.shape[1]])

    compare(
        lambda image: answer(network, image),
        lambda image: pad_run_crop(network, image),
        [
            (numbers(shape, 9, seed),)
            for seed, shape in enumerate([(8, 12, 3), (7, 10, 3), (9, 8, 2)])
        ],
        [
            (
                hint,
                lambda image, mistake=mistake: mistake(network, image),
            )
            for hint, mistake in [
                ("the network was not run.", lambda _, x: x),
                (
                    "the result is not cropped; return as many pixels as came in.",
                    lambda run, x: run(padded(x, "reflect")),
                ),
                (
                    "it is padded with zeros; a black edge changes the picture's means. Use the "
                    "mirror image.",
                    by("constant"),
                ),
                (
                    "the border is repeated; use the mirror image.",
                    by("edge"),
                ),
                (
                    "the mirror image repeats the border itself (symmetric); leave it out "
                    "(reflect).",
                    by("symmetric"),
                ),
                (
                    "what is padded comes from the opposite side; use the mirror image.",
                    by("wrap"),
                ),
                (
                    "a side that is a multiple of 4 already gets 4 pixels more; it needs none.",
                    by("reflect", least=4),
                ),
                (
                    "it is padded above and on the left; pad below and on the right.",
                    at_the_start,
                ),
                (
                    "it is padded on both sides; pad below and on the right alone.",
                    halves,
                ),
                (
                    "it is cropped at the wrong end; the padding is below and on the right.",
                    lambda run, x: run(padded(x, "reflect"))[-x.shape[0] :, -x.shape[1] :],
                ),
                (
                    "where nothing was added, it returns nothing: [:-0] is empty. Cut at the "
                    "image's own height and width.",
                    cut_by_minus,
                ),
                (
                    "the image is resized, and every pixel computed anew; pad it instead, and cut "
                    "the result.",
                    stretched,
                ),
                (
                    "the image is cut to a multiple of 4, and its edge is lost; pad it instead.",
                    lambda run, x: run(x[: x.shape[0] // 4 * 4, : x.shape[1] // 4 * 4]),
                ),
            ]
        ],
    )
    return "What goes in comes out at its own size, and no black edge changes its means."


def folded_convolution(
    weights: Array, gamma: Array, beta: Array, mean: Array, variance: Array
) -> Array:
    """Put a batch normalization at inference into the convolution before it.

    `weights` (O, I + 1) holds the kernels of a 1×1 convolution, a row for each output channel, and
    its bias in the last column. The other arguments (O,) are the normalization's; its epsilon is
    1e-5. Returned are weights of the same shape that give what both gave.
    """
    scale = gamma / np.sqrt(variance + 1e-5)
    folded = weights * scale[:, np.newaxis]
    folded[:, -1] += beta - mean * scale
    return folded


@exercise(folded_convolution)
def _check_folded_convolution(answer: Answer) -> str:
    def case(channels: int, seed: int) -> tuple[Array, ...]:
        # As many inputs as outputs, so that scaling the wrong ones is an answer, too.
        given = [numbers((channels, channels + 1), 9, seed)]
        given += [numbers((channels,), 7, seed + i) + 1 for i in range(1, 5)]
        return tuple(given)

    def by(
        scale: Callable[[Array, Array], Array] = lambda g, v: g / np.sqrt(v + 1e-5),
        bias: Callable[[Array, Array, Array, Array], Array] = lambda c, s, b, m: (c - m) * s + b,
    ) -> Answer:
        def mistake(w: Array, g: Array, b: Array, m: Array, v: Array) -> Array:
            s = scale(g, v)
            kernels, constant = w[:, :-1] * s[:, np.newaxis], bias(w[:, -1], s, b, m)
            return np.column_stack([kernels, constant])

        return mistake

    def columns(w: Array, g: Array, b: Array, m: Array, v: Array) -> Array:
        s = g / np.sqrt(v + 1e-5)
        return np.column_stack([w[:, :-1] * s, (w[:, -1] - m) * s + b])

    compare(
        answer,
        folded_convolution,
        [case(3, 0), case(4, 7)],
        [
            ("the weights are unchanged.", lambda w, *_: w),
            (
                "the columns are scaled, which are the input channels; each output channel, a row, "
                "has its own factor.",
                columns,
            ),
            (
                "the bias is not scaled: the normalization divides it along with the rest.",
                by(bias=lambda c, s, b, m: c + b - m * s),
            ),
            (
                "the bias is left as it was.",
                by(bias=lambda c, *_: c),
            ),
            (
                "the old bias is lost; it is normalised like what it was added to.",
                by(bias=lambda _, s, b, m: b - m * s),
            ),
            (
                "the mean is not subtracted.",
                by(bias=lambda c, s, b, _: c * s + b),
            ),
            (
                "the mean is subtracted as it is; it is scaled, too.",
                by(bias=lambda c, s, b, m: c * s - m + b),
            ),
            (
                "the mean is added; subtract it.",
                by(bias=lambda c, s, b, m: (c + m) * s + b),
            ),
            ("beta is left out.", by(bias=lambda c, s, _, m: (c - m) * s)),
            (
                "beta is scaled, too; it is added last.",
                by(bias=lambda c, s, b, m: (c - m + b) * s),
            ),
            (
                "it is divided by the variance; divide by its root.",
                by(scale=lambda g, v: g / (v + 1e-5)),
            ),
            (
                "it is multiplied by the root of the variance; divide by it.",
                by(scale=lambda g, v: g * np.sqrt(v + 1e-5)),
            ),
            ("gamma is left out.", by(scale=lambda _, v: 1 / np.sqrt(v + 1e-5))),
            (
                "it is not divided by the root of the variance.",
                by(scale=lambda g, _: g),
            ),
        ],
    )
    still = (np.array([[2, 3]], np.float32), *np.array([[4], [5], [6], [0]], np.float32))
    with np.errstate(all="ignore"):
        result, _ = try_answer(answer, still)
    if not np.isfinite(result).all():
        raise Wrong(
            "a channel that never changed in training has variance 0, and the weights become "
            "infinite; add 1e-5 to the variance before you take the root."
        )
    outside = by(scale=lambda g, v: g / (np.sqrt(v) + 1e-5))
    belongs = "1e-5 is added to the root; it belongs under it, to the variance."
    compare(answer, folded_convolution, [still], [(belongs, outside)])
    return "One convolution gives what convolution and normalization gave."


def guilty_node(agrees: Callable[[int], bool], nodes: int) -> int:
    """Find the first node after which two runtimes disagree, by halving.

    ``agrees(count)`` tells whether they agree on the graph cut off after its first `count` nodes,
    from 1 to `nodes`. They do before the guilty node, and don't from it on.
    """
    well, ill = 0, nodes
    while ill - well > 1:
        middle = (well + ill) // 2
        if agrees(middle):
            well = middle
        else:
            ill = middle
    return ill


def _runtimes(nodes: int, guilty: int) -> tuple[Callable[[int], bool], list[int]]:
    """Return an ``agrees`` for a graph with one guilty node, and the list of what it is asked."""
    asked: list[int] = []

    def agrees(count: int) -> bool:
        asked.append(count)
        if len(asked) > 10 * nodes:
            raise RuntimeError("it never stops asking")
        if not 1 <= count <= nodes:
            raise ValueError(f"there is no graph of {count} of {nodes} nodes")
        return count < guilty

    return agrees, asked


@exercise(guilty_node)
def _check_guilty_node(answer: Answer) -> str:
    most = 0
    for nodes, guilty in [(264, 5), (264, 1), (264, 264), (264, 132), (7, 4), (1, 1), (2, 2)]:
        agrees, asked = _runtimes(nodes, guilty)
        result = np.asarray(call_answer(answer, agrees, nodes))
        if result.shape != ():
            raise Wrong(f"the result has shape {result.shape}; it should be one number.")
        if result == guilty - 1:
            raise Wrong(
                f"it returns {result}, the last node after which all is well; the guilty one is "
                "the next."
            )
        if result != guilty:
            raise Wrong(
                f"with {nodes} nodes, of which number {guilty} is guilty, it returns {result:g}."
            )
        allowed = nodes.bit_length()  # also for a search that takes the last node on trial
        if len(asked) > allowed:
            raise Wrong(
                f"it is right, but asked {len(asked)} times for {nodes} nodes; halving needs "
                f"{allowed}."
            )
        most = max(most, len(asked))
    return f"It asked {most} times at most for 264 nodes, because each answer halves what is left."
