"""Right and wrong answers to the exercises of lesson 05, total variation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from exercise_tests import Answer, ExerciseTests, Right, Wrong
from tensor_answers import gradient

from nstlib.losses import total_variation_loss as public_total_variation

tf = pytest.importorskip("tensorflow")


def steps(image: Any) -> tuple[Any, Any]:
    return image[:, 1:] - image[:, :-1], image[1:] - image[:-1]


def roughness(change: Answer = lambda r, d: np.mean(r**2) + np.mean(d**2)) -> Answer:
    return lambda image: change(*steps(image))


def roughness_slope(
    image: Any, factor: float = 2, up: float = 1, down: float = 1, axes: Any = (0, 1)
) -> Any:
    # The other way round: for each pixel, what its neighbours are told.
    slope = np.zeros(image.shape)
    for axis in axes:
        x, out = np.moveaxis(image, axis, 0), np.moveaxis(slope, axis, 0)
        share = factor / (x[1:]).size
        for i in range(len(x)):
            if i:
                out[i] += up * share * (x[i] - x[i - 1])
            if i + 1 < len(x):
                out[i] += down * share * (x[i] - x[i + 1])
    return slope


def taped_slope(image: Any) -> Any:
    return gradient(public_total_variation, tf.convert_to_tensor(image))


def wrapped_slope(image: Any, factor: float = 1) -> Any:
    around = sum(np.roll(image, shift, axis) for shift in (1, -1) for axis in (0, 1))
    return factor * (4 * image - around)


def unbeaten(style: Any, roughness: Any) -> Any:
    def beats(i: int, j: int) -> bool:
        no_worse = style[i] <= style[j] and roughness[i] <= roughness[j]
        return no_worse and (style[i], roughness[i]) != (style[j], roughness[j])

    runs = range(len(style))
    return np.array([not any(beats(i, j) for i in runs) for j in runs])


def by_sorting(style: Any, roughness: Any) -> Any:
    """Walk along the runs from the best style on: each one worth a look is smoother than before."""
    kept = np.zeros(len(style), bool)
    best = np.inf
    for i in np.lexsort([roughness, style]):
        equal = any(
            kept[j] and (style[j], roughness[j]) == (style[i], roughness[i])
            for j in range(len(style))
        )
        kept[i] = roughness[i] < best or equal
        best = min(best, roughness[i])
    return kept


def with_three_bugs(image: Any) -> Any:
    """As the lesson gives it."""
    right = np.roll(image, -1, axis=1) - image
    down = np.roll(image, -1, axis=0) - image
    return np.mean([right.mean() ** 2, down.mean() ** 2])


def rolled(image: Any) -> Any:
    return np.mean([np.mean((np.roll(image, -1, axis) - image) ** 2) for axis in (0, 1)])


def fading(period: Any, steps: Any, share: float = 0.25, angle: float = 2 * np.pi) -> Any:
    """What is left, counted from a pixel on a crest and its two neighbours across the stripe."""
    aside = np.cos(angle / period)
    mean_of_neighbours = (2 * 2 * share * aside + 2 * (1 - 2 * share)) / 2
    return ((1 + mean_of_neighbours) / 2) ** steps


def by_running(period: int, steps: int) -> Any:
    """Go downhill on stripes that close up round the picture."""
    image = np.tile(np.cos(2 * np.pi * np.arange(period) / period), (5, 1))
    crest = image[0, 0]
    for _ in range(steps):
        around = sum(np.roll(image, shift, axis) for shift in (1, -1) for axis in (0, 1)) / 4
        image = (image + around) / 2
    return image[0, 0] / crest


RIGHT: Right = {
    "fading": [
        fading,
        by_running,
        lambda period, steps: (1 - np.sin(np.pi / period) ** 2 / 2) ** steps,
    ],
    "total_variation": [
        roughness(),
        lambda image: public_total_variation(image),
        lambda image: sum(np.square(np.diff(image, axis=axis)).mean() for axis in (0, 1)),
    ],
    "total_variation_gradient": [roughness_slope, taped_slope],
    "unbeaten": [
        unbeaten,
        by_sorting,
        lambda style, roughness: unbeaten(style, roughness).astype(int),
        lambda style, roughness: [bool(kept) for kept in unbeaten(style, roughness)],
    ],
}

# Each line: a wrong answer, and words of the hint that it must get.
WRONG: Wrong = {
    "fading": [
        (lambda period, steps: fading(period, steps, share=0.5), "One of the two is left out"),
        (lambda period, steps: np.cos(2 * np.pi / period) ** steps, "Both are left out"),
        (lambda period, steps: 1 - steps * (1 - fading(period, 1)), "losses are added up"),
        (lambda period, steps: 1 - fading(period, steps), "return what is left"),
        (lambda period, steps: fading(period, 1), "this is one step"),  # noqa: ARG005
        (lambda period, steps: fading(period, steps, angle=np.pi), "is 2π / period."),
        (lambda period, steps: fading(period, steps, angle=1), "is 2π / period."),
        (lambda period, steps: fading(1 / period, steps), "not times it"),
        (lambda period, steps: fading(period, steps, angle=360), "takes radians"),
        (lambda period, steps: 0.5**steps + 0 * period, "it gives"),
    ],
    "total_variation": [
        (with_three_bugs, "all three mistakes"),
        (rolled, "still wrap round, and the two means"),
        (roughness(lambda r, d: np.abs(r).mean() + np.abs(d).mean()), "absolute steps; square"),
        (lambda image: tf.image.total_variation(image), "tf.image.total_variation"),
        (roughness(lambda r, d: np.mean(r**2)), "only the steps to the right"),  # noqa: ARG005
        (roughness(lambda r, d: np.mean(d**2)), "only the steps downwards"),  # noqa: ARG005
        (roughness(lambda r, d: (np.mean(r**2) + np.mean(d**2)) / 2), "averaged; add them"),
        (
            roughness(lambda r, d: np.mean(np.concatenate([r.ravel(), d.ravel()]) ** 2)),
            "share one mean",
        ),
        (roughness(lambda r, d: np.sum(r**2) + np.sum(d**2)), "these are sums; take means."),
        (
            lambda image: roughness(lambda r, d: np.sum(r**2) + np.sum(d**2))(image) / image.size,
            "divided by the number of pixels",
        ),
        (roughness(lambda r, d: np.mean(r) ** 2 + np.mean(d) ** 2), "cancel"),
        (
            roughness(lambda r, d: np.mean(r**2, axis=(0, 1)) + np.mean(d**2, axis=(0, 1))),
            "one number for each colour",
        ),
        (
            lambda image: sum(np.mean((image - np.roll(image, 1, a)) ** 2) for a in (0, 1)),
            "wraps round",
        ),
        (lambda image: np.mean(np.diff(image) ** 2), "between colours"),
        (
            roughness(lambda r, d: np.sqrt(np.mean(r**2)) + np.sqrt(np.mean(d**2))),
            "these are square roots",
        ),
        (lambda image: np.sqrt(roughness()(image)), "this is the square root"),
        (lambda image: np.mean(image**2), "it gives"),
    ],
    "total_variation_gradient": [
        (lambda image: -roughness_slope(image), "the sign is turned"),
        (lambda image: roughness_slope(image, factor=1), "the factor 2 is missing: "),
        (
            lambda image: (
                roughness_slope(image, axes=[0]) * image[1:].size
                + roughness_slope(image, axes=[1]) * image[:, 1:].size
            ),
            "not divided by the numbers of steps: ",
        ),
        (
            lambda image: (
                roughness_slope(image, axes=[0], factor=1) * image[1:].size
                + roughness_slope(image, axes=[1], factor=1) * image[:, 1:].size
            ),
            "and the factor 2 is missing",
        ),
        (
            lambda image: (
                (
                    roughness_slope(image, axes=[0]) * image[1:].size
                    + roughness_slope(image, axes=[1]) * image[:, 1:].size
                )
                / image.size
            ),
            "divided by the number of pixels",
        ),
        (lambda image: roughness_slope(image, axes=[1]), "steps downwards are missing"),
        (lambda image: roughness_slope(image, axes=[0]), "steps to the right are missing"),
        (lambda image: roughness_slope(image, down=0), "only the end that it leads to"),
        (lambda image: roughness_slope(image, up=0), "only the end that it leaves"),
        (lambda image: roughness_slope(image, down=-1), "both ends get the same sign"),
        (wrapped_slope, "wraps round"),
        (lambda image: wrapped_slope(image, 2), "wraps round"),
        (lambda image: wrapped_slope(image, 2 / image.size), "wraps round"),
        (roughness(), "this is the loss"),
        (lambda image: 3 * roughness_slope(image), "every value is 3 times too large"),
    ],
    "unbeaten": [
        (lambda style, roughness: ~unbeaten(style, roughness), "runs that are beaten"),
        (lambda style, roughness: np.where(unbeaten(style, roughness))[0], "numbers of the runs"),
        (
            lambda style, roughness: np.array(
                [
                    not np.any((style < s) & (roughness < r))
                    for s, r in zip(style, roughness, strict=True)
                ]
            ),
            "better in both counts",
        ),
        (
            lambda style, roughness: np.array(
                [
                    not np.any((style <= s) & (roughness <= r))
                    for s, r in zip(style, roughness, strict=True)
                ]
            ),
            "beaten by itself",
        ),
        (
            lambda style, roughness: np.array(
                [
                    kept and (s, r) not in [*zip(style[:i], roughness[:i], strict=True)]
                    for i, (s, r, kept) in enumerate(
                        zip(style, roughness, unbeaten(style, roughness), strict=True)
                    )
                ]
            ),
            "two equal runs",
        ),
        (
            lambda style, roughness: np.array(
                [
                    not np.any((style < s) | (roughness < r))
                    for s, r in zip(style, roughness, strict=True)
                ]
            ),
            "taken to be enough",
        ),
        (lambda style, roughness: style == min(style), "least style loss alone"),  # noqa: ARG005
        (lambda style, roughness: roughness == min(roughness), "smoothest run alone"),  # noqa: ARG005
        (
            lambda style, roughness: (style == min(style)) | (roughness == min(roughness)),
            "the best in each loss",
        ),
        (lambda style, roughness: style + roughness == min(style + roughness), "are added"),
    ],
}


class TestExercises(ExerciseTests):
    lesson = "05"
    right = RIGHT
    wrong = WRONG
