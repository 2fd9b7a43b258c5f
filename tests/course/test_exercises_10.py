"""Right and wrong answers to the exercises of lesson 10, ONNX."""

from __future__ import annotations

import bisect
from typing import Any

import cv2
import numpy as np
from exercise_tests import Answer, ExerciseTests, Right, Wrong


def apart(measure: Answer = lambda d: np.abs(d).max(), empty: float = np.inf) -> Answer:
    def answer(one: Any, other: Any) -> Any:
        if np.shape(one) != np.shape(other):
            return np.inf
        difference = np.subtract(one, other, dtype=np.float64)
        return empty if np.isnan(difference).any() else measure(difference)

    return answer


def wrapping(one: Any, other: Any) -> Any:
    return np.abs(one - other).max() if one.dtype == np.uint8 else apart()(one, other)


def repeating(one: Any, other: Any) -> Any:
    return np.abs(np.subtract(one, other, dtype=np.float64)).max()


def in_multiples(
    mode: Any = "reflect",
    least: int = 0,
    crop: Answer = lambda x, height, width: x[:height, :width],
) -> Answer:
    def answer(network: Any, image: Any) -> Any:
        height, width = image.shape[:2]
        below, beside = (-side % 4 or least for side in (height, width))
        padded = np.pad(image, ((0, below), (0, beside), (0, 0)), mode)
        return crop(network(padded), height, width)

    return answer


def cut_by_minus(x: Any, height: int, width: int) -> Any:
    return x[: -(-height % 4), : -(-width % 4)]


def as_the_tutorial(network: Any, image: Any) -> Any:
    """Resize to multiples of 4, and back."""
    height, width = image.shape[:2]
    larger = cv2.resize(image, (-(-width // 4) * 4, -(-height // 4) * 4))
    return cv2.resize(network(larger), (width, height))


def in_multiples_by_opencv(network: Any, image: Any) -> Any:
    height, width = image.shape[:2]
    border = (0, -height % 4, 0, -width % 4, cv2.BORDER_REFLECT_101)
    return network(cv2.copyMakeBorder(image, *border))[:height, :width]


def folded(
    bias: Answer = lambda c, s, b, m: (c - m) * s + b,
    scale: Answer = lambda g, v: g / np.sqrt(v + 1e-5),
) -> Answer:
    def answer(weights: Any, gamma: Any, beta: Any, mean: Any, variance: Any) -> Any:
        s = scale(gamma, variance)
        return np.column_stack([weights[:, :-1] * s[:, None], bias(weights[:, -1], s, beta, mean)])

    return answer


def folded_by_probing(weights: Any, gamma: Any, beta: Any, mean: Any, variance: Any) -> Any:
    # What both steps make of no input, and of each input alone.
    def both(x: Any) -> Any:
        y = weights[:, :-1] @ x + weights[:, -1]
        return gamma * (y - mean) / np.sqrt(variance + 1e-5) + beta

    inputs = weights.shape[1] - 1
    constant = both(np.zeros(inputs))
    return np.column_stack([*(both(one) - constant for one in np.eye(inputs)), constant])


def halving(left: int = 0, shift: int = 0, end: Answer = max, margin: int = 1) -> Answer:
    def answer(agrees: Any, nodes: int) -> Any:
        well, ill = left, nodes
        while ill - well > margin:
            middle = (well + ill) // 2
            if agrees(middle):
                well = middle
            else:
                ill = middle - shift
        return end(well, ill)

    return answer


def one_by_one(agrees: Any, nodes: int) -> int:
    return next(count for count in range(1, nodes + 1) if not agrees(count))


def by_bisect(agrees: Any, nodes: int) -> int:
    return 1 + bisect.bisect_left(range(1, nodes), True, key=lambda count: not agrees(count))


def by_the_textbook(agrees: Any, nodes: int) -> int:
    low, high = 1, nodes
    while low <= high:
        middle = (low + high) // 2
        if agrees(middle):
            low = middle + 1
        else:
            high = middle - 1
    return low


RIGHT: Right = {
    "guilty_node": [
        halving(),
        by_bisect,
        by_the_textbook,
        lambda agrees, nodes: np.int64(halving()(agrees, nodes)),
    ],
    "largest_difference": [apart(), lambda one, other: float(apart()(one, other))],
    "pad_run_crop": [in_multiples(), in_multiples_by_opencv],
    "folded_convolution": [folded(), folded_by_probing],
}

# Each line: a wrong answer, and words of the hint that it must get.
WRONG: Wrong = {
    "guilty_node": [
        (one_by_one, "asked 264 times for 264 nodes; halving needs 9"),
        (halving(end=min), "the last node after which all is well"),
        (halving(left=-1), "there is no graph of 0 of"),
        (halving(left=1), "of which number 1 is guilty, it returns 2"),
        (halving(shift=1), "it returns"),
        (halving(margin=0), "it never stops asking"),
        (lambda agrees, nodes: nodes, "of which number 5 is guilty, it returns 264"),  # noqa: ARG005
        (lambda agrees, nodes: not agrees(nodes), "it returns 1"),
    ],
    "largest_difference": [
        (apart(lambda d: np.abs(d).mean()), "the differences are averaged"),
        (apart(lambda d: (d**2).mean()), "the squares are averaged"),
        (apart(lambda d: np.sqrt((d**2).mean())), "the squares are averaged"),
        (apart(lambda d: (d**2).max()), "the largest square"),
        (apart(np.max), "the sign counts"),
        (apart(lambda d: np.abs(d.max())), "the sign is taken away too late"),
        (lambda one, other: np.abs(np.max(one) - np.max(other)), "place by place"),
        (lambda one, other: np.abs(one - other), "one value for each place"),
        (lambda one, other: np.abs(one - other).max() / np.abs(other).max(), "on the scale"),
        (lambda one, other: np.abs(one - other).sum(), "are added up"),
        (wrapping, "1 - 2 is 255"),
        (repeating, "were compared all the same"),
        (apart(empty=np.nan), "would let it pass"),
        (apart(empty=0.0), "would let it pass"),
    ],
    "pad_run_crop": [
        (lambda network, image: network(image), "takes multiples of 4, and got 7 × 10"),
        (lambda network, image: image, "was not run"),  # noqa: ARG005
        (in_multiples(crop=lambda x, height, width: x), "not cropped"),  # noqa: ARG005
        (in_multiples(crop=cut_by_minus), "[:-0] is empty"),
        (as_the_tutorial, "every pixel computed anew"),
        (in_multiples("constant"), "padded with zeros"),
        (in_multiples("edge"), "the border is repeated"),
        (in_multiples("symmetric"), "repeats the border itself"),
        (in_multiples("wrap"), "the opposite side"),
        (in_multiples(least=4), "it needs none"),
        (in_multiples(crop=lambda x, height, width: x[-height:, -width:]), "at the wrong end"),
        (
            lambda network, image: network(np.flip(image, (0, 1))),
            "takes multiples of 4, and got 7 × 10",
        ),
        (
            lambda network, image: np.flip(in_multiples()(network, np.flip(image, (0, 1))), (0, 1)),
            "above and on the left",
        ),
        (
            lambda network, image: network(image[: len(image) // 4 * 4, : image.shape[1] // 4 * 4]),
            "its edge is lost",
        ),
    ],
    "folded_convolution": [
        (lambda weights, *rest: weights, "unchanged"),  # noqa: ARG005
        (
            lambda weights, gamma, beta, mean, variance: np.column_stack(
                [
                    weights[:, :-1] * gamma / np.sqrt(variance + 1e-5),
                    folded()(weights, gamma, beta, mean, variance)[:, -1],
                ]
            ),
            "the columns are scaled",
        ),
        (folded(lambda c, s, b, m: c + b - m * s), "the bias is not scaled"),
        (folded(lambda c, *_: c), "the bias is left"),
        (folded(lambda c, s, b, m: b - m * s), "the old bias is lost"),  # noqa: ARG005
        (folded(lambda c, s, b, m: c * s + b), "the mean is not subtracted"),  # noqa: ARG005
        (folded(lambda c, s, b, m: c * s - m + b), "it is scaled, too"),
        (folded(lambda c, s, b, m: (c + m) * s + b), "the mean is added"),
        (folded(lambda c, s, b, m: (c - m) * s), "beta is left out"),  # noqa: ARG005
        (folded(lambda c, s, b, m: (c - m + b) * s), "it is added last"),
        (folded(scale=lambda g, v: g / (v + 1e-5)), "divided by the variance"),
        (folded(scale=lambda g, v: g * np.sqrt(v + 1e-5)), "multiplied by the root"),
        (folded(scale=lambda g, v: 1 / np.sqrt(v + 1e-5)), "gamma is left out"),  # noqa: ARG005
        (folded(scale=lambda g, v: g), "not divided by the root"),  # noqa: ARG005
        (folded(scale=lambda g, v: g / np.sqrt(v)), "never changed in training"),
        (folded(scale=lambda g, v: g / (np.sqrt(v) + 1e-5)), "it belongs under it"),
        (lambda *given: folded()(*given).T, "shape (4, 3)"),
    ],
}


class TestExercises(ExerciseTests):
    lesson = "10"
    right = RIGHT
    wrong = WRONG
