"""Checks of the exercises of lesson 05, total variation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nstlib.course.exercises._engine import Answer, Array, choice, compare, exercise, numbers
from nstlib.course.exercises._parts import neighbours, pooled

choice(
    "ramp_or_edge",
    "Steps are no longer squared. Which costs more, the ramp in four steps or the edge in one?",
    right="c",
    a="that is so when steps are squared. What do the steps of each picture add up to?",
    b="four steps, but each is only a quarter as high.",
    c="Steps in one direction add up to the way from black to white, however many they are.",
    d="try a ramp of two steps: ½ and ½.",
)

choice(
    "noise_roughness",
    "Every pixel of noise is drawn evenly from [0, 1]. What is V?",
    right="c",
    a="that is the variance of a single pixel. A step is the difference of two.",
    b="that is the mean squared step in one direction. V adds two directions.",
    c="The variance of a difference of independent pixels is 1/12 + 1/12, and there are two "
    "directions.",
    d="only if neighbours were always black and white would a step be 1.",
)

choice(
    "half_size",
    "The same photograph at half the size: how rough is it?",
    right="a",
    a="An edge is as high as before, and takes up twice the share of the picture.",
    b="fewer pixels, but V takes a mean, so their number doesn't matter. How large are the steps?",
    c="V takes a mean, so the number of steps doesn't matter; their size does. Think of a ramp.",
)

choice(
    "style_gap",
    "One texture is more than ten times as rough as the other. How do their style losses compare?",
    right="c",
    a="that would be so if the style loss measured roughness. It was never told to.",
    b="it is less than that. Open the numbers below.",
    c="The style loss hardly notices the grain: it finds both about equally good.",
    d="smoothing was asked for as well, so that was to be feared. But open the numbers below.",
)

choice(
    "more_numbers",
    "305,888 numbers in the Gram matrices, 150,528 in the picture. What follows for the texture?",
    right="c",
    a="the painting itself has all of them, so they can be met.",
    b="the painting moved by some pixels has nearly the same matrices. So there are more.",
    c="A count says how many numbers are asked for, not how strongly the loss reacts to a change "
    "of the picture.",
    d="look at the counts again: more numbers are asked for than the picture has.",
)

choice(
    "billion",
    "The tutorial's weights on the small twin, whose style loss is far smaller. What comes out?",
    right="b",
    a="that needs a style loss that has something to say. How large is it beside the other term?",
    b="Next to a term that is millions of times as large, the style counts for nothing.",
    c="noise has a high total variation, and it costs 10⁹ times that.",
    d="no number is too large here, and nothing is divided by zero.",
)

choice(
    "loss_of_one",
    "What does a relative style loss of 1 mean?",
    right="b",
    a="look at the table: black has nothing of the style at all. Is its loss 1?",
    b="It is divided by the style's own size. So 1 is as far off as the style is large, and more "
    "is possible.",
    c="look at the table: several pictures score more.",
    d="that would be so if two pictures could never differ by less. The painting itself has 0.",
)


def _steps(image: Array) -> tuple[Array, Array]:
    """Return the steps to the right and those downwards, from each pixel to its neighbour."""
    columns, rows = neighbours(image)[1]
    return columns, rows


def total_variation(image: Array) -> float:
    """Return the roughness of an image (H, W, 3).

    It is the mean squared step from a pixel to its right neighbour, plus the mean squared step from
    a pixel to the one below.
    """
    right, down = _steps(image)
    return float((right**2).mean() + (down**2).mean())


@exercise(total_variation)
def _check_total_variation(answer: Answer) -> str:
    def of(change: Callable[[Array, Array], Any]) -> Answer:
        return lambda image: change(*_steps(image))

    absolute = "these are absolute steps; square them."
    half = "the two means are averaged; add them."

    def rolled(change: Callable[[Array, Array], Any]) -> Answer:
        return lambda image: change(*(np.roll(image, -1, axis) - image for axis in (1, 0)))

    compare(
        answer,
        total_variation,
        [(numbers((4, 6, 3), 9) / np.float32(8),), (numbers((5, 3, 3), 9, 1) / np.float32(8),)],
        [
            (
                "all three mistakes are still there, and so it gives 0 for every picture: steps "
                "that wrap round add up to nothing.",
                lambda _: 0.0,
            ),
            (
                "the steps still wrap round, and the two means are averaged; add them.",
                rolled(lambda r, d: ((r**2).mean() + (d**2).mean()) / 2),
            ),
            (absolute, of(lambda r, d: np.abs(r).mean() + np.abs(d).mean())),
            (
                "these are sums of absolute steps, as tf.image.total_variation gives; square the "
                "steps, and take means.",
                of(lambda r, d: np.abs(r).sum() + np.abs(d).sum()),
            ),
            (
                "only the steps to the right are counted; add those downwards.",
                of(lambda r, _: (r**2).mean()),
            ),
            (
                "only the steps downwards are counted; add those to the right.",
                of(lambda _, d: (d**2).mean()),
            ),
            (half, of(lambda r, d: ((r**2).mean() + (d**2).mean()) / 2)),
            (
                "all the steps share one mean; take a mean for each direction, and add the two.",
                of(lambda r, d: pooled([r, d], np.square)),
            ),
            ("these are sums; take means.", of(lambda r, d: (r**2).sum() + (d**2).sum())),
            (
                "the sums are divided by the number of pixels; there is one column of steps to the "
                "right fewer, and one row of steps downwards: take means of the steps.",
                lambda image: sum((step**2).sum() for step in _steps(image)) / image.size,
            ),
            (
                "the mean is taken before the square, so steps up and down cancel; square first.",
                of(lambda r, d: r.mean() ** 2 + d.mean() ** 2),
            ),
            (
                "this is one number for each colour; take the mean over all.",
                of(lambda r, d: (r**2).mean(axis=(0, 1)) + (d**2).mean(axis=(0, 1))),
            ),
            (
                "np.roll wraps round, so that the last column is compared with the first; "
                "cut two slices instead.",
                lambda image: sum(((image - np.roll(image, 1, i)) ** 2).mean() for i in (0, 1)),
            ),
            (
                "a difference along the last axis is one between colours; "
                "rows are axis 0, columns are axis 1.",
                lambda image: (np.diff(image) ** 2).mean(),
            ),
            (
                "these are square roots; leave the means squared.",
                of(lambda r, d: (r**2).mean() ** 0.5 + (d**2).mean() ** 0.5),
            ),
            (
                "this is the square root; leave the sum squared.",
                lambda image: total_variation(image) ** 0.5,
            ),
        ],
    )
    return "It is the mean squared step to the right, plus that downwards."


def fading(period: float, steps: int) -> float:
    """Return what is left of the contrast of stripes after `steps` steps downhill.

    The stripes repeat every `period` pixels, and do not vary along themselves. In each step a pixel
    moves half of the way to the mean of its four neighbours.
    """
    return float((1 - (1 - np.cos(2 * np.pi / period)) / 4) ** steps)


@exercise(fading)
def _check_fading(answer: Answer) -> str:
    def of(change: Callable[[float, int], float]) -> Answer:
        return lambda period, steps: change(float(np.cos(2 * np.pi / period)), steps)

    compare(
        answer,
        fading,
        [(2, 1), (4, 3), (8, 10), (32, 50), (3, 2)],
        [
            (
                "the two neighbours along the stripe are equal to the pixel, and hold it back; and "
                "a step goes half of the way. One of the two is left out.",
                of(lambda c, n: (1 - (1 - c) / 2) ** n),
            ),
            (
                "the two neighbours along the stripe are equal to the pixel, and hold it back; and "
                "a step goes half of the way. Both are left out.",
                of(lambda c, n: c**n),
            ),
            (
                "each step multiplies what the one before has left; here the losses are added up.",
                of(lambda c, n: 1 - n * (1 - c) / 4),
            ),
            (
                "this is what is lost; return what is left.",
                of(lambda c, n: 1 - (1 - (1 - c) / 4) ** n),
            ),
            ("this is one step; take `steps` of them.", of(lambda c, _: 1 - (1 - c) / 4)),
            (
                "the angle from one pixel to the next is 2π / period.",
                lambda period, steps: (1 - (1 - np.cos(np.pi / period)) / 4) ** steps,
            ),
            (
                "the angle from one pixel to the next is 2π / period.",
                lambda period, steps: (1 - (1 - np.cos(1 / period)) / 4) ** steps,
            ),
            (
                "the angle from one pixel to the next is 2π divided by the period, not times it.",
                lambda period, steps: (1 - (1 - np.cos(2 * np.pi * period)) / 4) ** steps,
            ),
            (
                "np.cos takes radians: a full turn is 2π, not 360.",
                lambda period, steps: (1 - (1 - np.cos(360 / period)) / 4) ** steps,
            ),
        ],
    )
    return "A stripe of two pixels loses half in each step, one of 32 pixels half of a hundredth."


def unbeaten(style: Array, roughness: Array) -> Array:
    """Tell which runs are worth looking at: of N runs, (N,) booleans.

    `style` (N,) and `roughness` (N,) are the two losses of each run. A run is beaten if another one
    is no worse in both and better in at least one.
    """
    beaten = [
        np.any((style <= s) & (roughness <= r) & ((style < s) | (roughness < r)))
        for s, r in zip(style, roughness, strict=True)
    ]
    return ~np.array(beaten)


@exercise(unbeaten)
def _check_unbeaten(answer: Answer) -> str:
    first = np.array([0.1, 0.2, 0.4, 0.3, 0.8, 0.25]), np.array([0.9, 0.5, 0.3, 0.6, 0.1, 0.45])
    # A tie in one loss, and two runs that are equal: neither beats the other.
    ties = np.array([0.1, 0.1, 0.5, 0.5, 0.7, 0.3]), np.array([0.6, 0.8, 0.2, 0.2, 0.2, 0.7])
    best_in_both = np.array([0.3, 0.1, 0.4]), np.array([0.5, 0.2, 0.2])

    def least(values: Array) -> Array:
        return np.asarray(values == values.min())

    def none(style: Array, roughness: Array, worse: Callable[[Array, Array], Any]) -> Array:
        pairs = zip(style, roughness, strict=True)
        return np.array([not np.any(worse(style - s, roughness - r)) for s, r in pairs])

    def first_of_equals(style: Array, roughness: Array) -> Array:
        _, first = np.unique([style, roughness], axis=1, return_index=True)
        return np.isin(np.arange(len(style)), first)

    compare(
        answer,
        unbeaten,
        [first, ties, best_in_both],
        [
            (
                "these are the runs that are beaten; return the others.",
                lambda s, r: ~unbeaten(s, r),
            ),
            (
                "these are the numbers of the runs; return a boolean for each run.",
                lambda s, r: np.flatnonzero(unbeaten(s, r)),
            ),
            (
                "only a run that is better in both counts as beating another; better in one and "
                "equal in the other is enough.",
                lambda s, r: none(s, r, lambda ds, dr: (ds < 0) & (dr < 0)),
            ),
            (
                "every run is beaten by itself here: one of the two comparisons must be strict.",
                lambda s, _: np.zeros(len(s), bool),
            ),
            (
                "of two equal runs one beats the other here; neither does.",
                lambda s, r: unbeaten(s, r) & first_of_equals(s, r),
            ),
            (
                "better in one loss is taken to be enough; the other one must not be worse.",
                lambda s, r: none(s, r, lambda ds, dr: (ds < 0) | (dr < 0)),
            ),
            ("this is the run of the least style loss alone.", lambda s, _: least(s)),
            ("this is the smoothest run alone.", lambda _, r: least(r)),
            (
                "these are the best in each loss; runs between them are worth looking at, too, "
                "unless another one beats them.",
                lambda s, r: least(s) | least(r),
            ),
            (
                "the two losses are added; without a weight between them there is no single best "
                "run.",
                lambda s, r: least(s + r),
            ),
        ],
    )
    return "No other run is no worse in both losses and better in one."


def total_variation_gradient(image: Array) -> Array:
    """Return the gradient of `total_variation` with respect to the image, of the image's shape."""
    right, down = _steps(image)
    slope = np.zeros(np.shape(image))
    # Each step pulls at both its ends: up at the one it leads to, down at the one it leaves.
    slope[:, 1:] += 2 * right / right.size
    slope[:, :-1] -= 2 * right / right.size
    slope[1:] += 2 * down / down.size
    slope[:-1] -= 2 * down / down.size
    return slope


@exercise(total_variation_gradient)
def _check_total_variation_gradient(answer: Answer) -> str:
    def ends(steps: Array, axis: int, leaves: int = 1, leads_to: int = 1) -> Array:
        width = [(0, 0)] * 3
        before, after = ([*width[:axis], pad, *width[axis + 1 :]] for pad in ((1, 0), (0, 1)))
        slope = leads_to * np.pad(steps, before) - leaves * np.pad(steps, after)
        return np.asarray(2 * slope / steps.size)

    def of(change: Callable[[Array, Array], Any]) -> Answer:
        return lambda image: change(*_steps(image))

    one_end = (
        "each step has two ends: it pulls one up and the other down; this counts only the end "
        "that it {}."
    )
    wrapped = (
        "np.roll wraps round: the border has no neighbours on the other side; use slices, or "
        "np.pad."
    )

    def laplacian(image: Array) -> Array:
        around = [np.roll(image, shift, axis) for shift in (-1, 1) for axis in (0, 1)]
        return np.asarray(4 * image - sum(around))

    compare(
        answer,
        total_variation_gradient,
        [(numbers((4, 6, 3), 9) / np.float32(8),), (numbers((5, 3, 3), 9, 1) / np.float32(8),)],
        [
            (
                "the sign is turned: this leads downhill; the gradient leads uphill.",
                of(lambda r, d: -ends(r, 1) - ends(d, 0)),
            ),
            (
                "the factor 2 is missing: the derivative of s² is 2s.",
                of(lambda r, d: (ends(r, 1) + ends(d, 0)) / 2),
            ),
            (
                "it is not divided by the numbers of steps: the loss takes means.",
                of(lambda r, d: ends(r, 1) * r.size + ends(d, 0) * d.size),
            ),
            (
                "it is not divided by the numbers of steps, and the factor 2 is missing.",
                of(lambda r, d: (ends(r, 1) * r.size + ends(d, 0) * d.size) / 2),
            ),
            (
                "it is divided by the number of pixels; divide each direction by the number of its "
                "steps.",
                lambda image: (
                    sum(ends(s, a) * s.size for s, a in zip(_steps(image), (1, 0), strict=True))
                    / image.size
                ),
            ),
            ("the steps downwards are missing.", of(lambda r, _: ends(r, 1))),
            ("the steps to the right are missing.", of(lambda _, d: ends(d, 0))),
            (
                one_end.format("leads to"),
                of(lambda r, d: ends(r, 1, leaves=0) + ends(d, 0, leaves=0)),
            ),
            (
                one_end.format("leaves"),
                of(lambda r, d: ends(r, 1, leads_to=0) + ends(d, 0, leads_to=0)),
            ),
            (
                "both ends get the same sign; a step pulls one up and the other down.",
                of(lambda r, d: ends(r, 1, leaves=-1) + ends(d, 0, leaves=-1)),
            ),
            (wrapped, lambda image: laplacian(image)),
            (wrapped, lambda image: 2 * laplacian(image)),
            (wrapped, lambda image: 2 * laplacian(image) / image.size),
            (
                "this is the loss; return its gradient, of the image's shape.",
                total_variation,
            ),
        ],
    )
    return "It agrees with the derivative at every pixel, also along the border and in the corners."
