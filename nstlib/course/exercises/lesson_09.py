"""Checks of the exercises of lesson 09, person segmentation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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


def person_blob(bgr: Array) -> Array:
    """Turn OpenCV's uint8 BGR pixels (H, W, 3) into a blob: float32 RGB (1, 3, H, W) in [-1, 1].

    A value x becomes (x / 255 - 0.5) / 0.5.
    """
    rgb = bgr[..., ::-1].astype(np.float32)
    return np.asarray((rgb.transpose(2, 0, 1)[np.newaxis] / 255 - 0.5) / 0.5)


@exercise(person_blob)
def _check_person_blob(answer: Answer) -> str:
    def blob(rgb: Array) -> Array:
        return rgb.transpose(2, 0, 1)[np.newaxis]

    def scaled(bgr: Array) -> Array:
        return np.asarray((bgr[..., ::-1] / 255 - 0.5) / 0.5)

    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 3)).astype(np.uint8)
    scrambled = (
        "the pixels are scrambled: reshape cuts the same row of numbers into other pieces; "
        "transpose moves axes."
    )
    compare(
        answer,
        person_blob,
        [(pixels,)],
        [
            (
                "the channels are still in BGR order; the network takes RGB.",
                lambda x: blob(scaled(x[..., ::-1])),
            ),
            (
                "the values lie in [0, 1]; subtract 0.5, then divide by 0.5.",
                lambda x: blob(x[..., ::-1] / 255),
            ),
            (
                "the values lie in [-0.5, 0.5]; divide by 0.5 after 0.5 is subtracted.",
                lambda x: blob(x[..., ::-1] / 255 - 0.5),
            ),
            (
                "0.5 is subtracted last; the order is: divide by 255, subtract 0.5, divide by 0.5.",
                lambda x: blob(x[..., ::-1] / 255 / 0.5 - 0.5),
            ),
            (
                "the values are not divided by 255 first.",
                lambda x: blob((x[..., ::-1].astype(np.float32) - 0.5) / 0.5),
            ),
            (
                "the values are still those of the pixels; (x / 255 - 0.5) / 0.5 is missing.",
                lambda x: blob(x[..., ::-1]),
            ),
            (
                "the batch axis is missing: a blob is (1, 3, H, W), this is (3, H, W).",
                lambda x: blob(scaled(x))[0],
            ),
            (
                "the channels come last, (1, H, W, 3); "
                "a blob has them before the rows: (1, 3, H, W).",
                lambda x: scaled(x)[np.newaxis],
            ),
            ("the layout is still (H, W, 3); a blob is (1, 3, H, W).", scaled),
            (
                "height and width changed places: .T reverses all axes; "
                "transpose(2, 0, 1) moves the channels alone.",
                lambda x: scaled(x).T[np.newaxis],
            ),
            (scrambled, lambda x: scaled(x).reshape(1, 3, *x.shape[:2])),
        ],
        dtype=lambda _: np.dtype(np.float32),
    )
    return "It equals cv2.dnn.blobFromImage(bgr, 1 / 127.5, mean=(127.5,) * 3, swapRB=True)."


def _iou_of_class(mask: Array, truth: Array, *, absent: float = 1.0) -> float:
    union = np.count_nonzero(mask | truth)
    return np.count_nonzero(mask & truth) / union if union else absent


def mean_iou(mask: Array, truth: Array) -> float:
    """Return the mean of two IoUs, the person's and the background's.

    `mask` and `truth` (H, W) are booleans, True for a person. A class that neither of them holds
    counts as 1.
    """
    return (_iou_of_class(mask, truth) + _iou_of_class(~mask, ~truth)) / 2


@exercise(mean_iou)
def _check_mean_iou(answer: Answer) -> str:
    def both(measure: Answer) -> Answer:
        return lambda mask, truth: (measure(mask, truth) + measure(~mask, ~truth)) / 2

    def share(of: Callable[[Array, Array], Any]) -> Answer:
        return lambda mask, truth: np.count_nonzero(mask & truth) / max(1, of(mask, truth))

    def dice(mask: Array, truth: Array) -> float:
        area = mask.sum() + truth.sum()
        return 2 * np.count_nonzero(mask & truth) / area if area else 1.0

    def pooled(mask: Array, truth: Array) -> float:
        right = np.count_nonzero(mask == truth)
        return right / (2 * mask.size - right)

    truth = numbers((4, 6), 3) > 1
    mask = truth.copy()
    mask[1:3] = numbers((2, 6), 2, seed=1) > 0
    nobody = np.zeros((3, 4), bool)
    seen, _ = try_answer(answer, (nobody, nobody))
    if np.isnan(seen).any():
        raise Wrong(
            "where neither mask holds a person, 0 / 0 gives NaN; both are right about that: count "
            "the class as 1."
        )
    compare(
        answer,
        mean_iou,
        [(mask, truth), (~mask, truth), (nobody, nobody)],
        [
            (
                "this is the person's IoU alone; take the mean with the background's.",
                lambda m, t: _iou_of_class(m, t),
            ),
            (
                "this is the background's IoU alone; take the mean with the person's.",
                lambda m, t: _iou_of_class(~m, ~t),
            ),
            (
                "a class that neither mask holds counts as 0 here; both are right about it, so "
                "count it as 1.",
                both(lambda m, t: _iou_of_class(m, t, absent=0.0)),
            ),
            (
                "the IoUs are added; divide by two.",
                lambda m, t: 2 * mean_iou(m, t),
            ),
            (
                "this is the share of pixels that agree, the accuracy; divide the intersection by "
                "the union, for each class.",
                lambda m, t: (m == t).mean(),
            ),
            (
                "the classes are pooled: both intersections over both unions; divide first, then "
                "take the mean.",
                pooled,
            ),
            (
                "the intersection is divided by the truth's area (recall); divide by the union.",
                both(share(lambda _, t: t.sum())),
            ),
            (
                "the intersection is divided by the mask's area (precision); divide by the union.",
                both(share(lambda m, _: m.sum())),
            ),
            (
                "twice the intersection over the sum of the areas is Dice's measure; divide the "
                "intersection by the union.",
                both(dice),
            ),
            (
                "the union is the sum of both areas here, so what they share counts twice.",
                both(share(lambda m, t: m.sum() + t.sum())),
            ),
            (
                "the mask is compared with its opposite.",
                lambda m, t: mean_iou(~m, t),
            ),
        ],
    )
    return "Both classes count alike, however small the person is, and an empty mask can be right."


def _regions(above: Array) -> tuple[Array, range]:
    from scipy import ndimage

    labels, count = ndimage.label(above)
    return labels, range(1, count + 1)


def hysteresis(probability: Array, low: float, high: float) -> Array:
    """Keep the regions above `low` that hold a pixel above `high`: (H, W) booleans.

    A region is made of pixels above `low`, each of which shares a side with the next.
    """
    labels, numbers = _regions(probability > low)
    return np.isin(labels, [n for n in numbers if (probability[labels == n] > high).any()])


@exercise(hysteresis)
def _check_hysteresis(answer: Answer) -> str:
    def kept(test: Callable[[Array, float], Any]) -> Answer:
        def mask(p: Array, low: float, high: float) -> Array:
            labels, numbers = _regions(p > low)
            return np.isin(labels, [n for n in numbers if test(p[labels == n], high)])

        return mask

    def grown(p: Array, low: float, high: float, steps: int = 1, corners: bool = False) -> Array:
        from scipy import ndimage

        sides = ndimage.generate_binary_structure(2, 2 if corners else 1)
        mask = ndimage.binary_dilation(p > high, sides, iterations=steps, mask=p > low)
        return np.asarray(mask)

    def largest(p: Array, low: float, _: float) -> Array:
        labels, numbers = _regions(p > low)
        sizes = [np.count_nonzero(labels == n) for n in numbers]
        return np.asarray(labels == 1 + int(np.argmax(sizes)))

    # A person with a soft edge, a larger weak blot, and specks; two regions meet at a corner.
    probability = (
        np.array(
            [
                [0, 5, 8, 6, 0, 0, 0, 0, 6],
                [0, 6, 9, 6, 0, 6, 6, 6, 0],
                [6, 6, 0, 5, 0, 6, 7, 6, 6],
                [0, 0, 0, 0, 5, 0, 6, 6, 6],
                [10, 0, 3, 0, 0, 0, 6, 6, 6],
                [7.4, 0, 5, 0, 0, 9, 0, 0, 0],
            ]
        )
        / 10
    )
    compare(
        answer,
        hysteresis,
        [(probability, 0.45, 0.85), (probability[::-1].T.copy(), 0.55, 0.75)],
        [
            (
                "everything above `low` is kept; a region stays only if one of its pixels is above "
                "`high`.",
                lambda p, low, _: p > low,
            ),
            (
                "only pixels above `high` are kept; their whole region above `low` stays.",
                lambda p, _, high: p > high,
            ),
            (
                "regions that touch at a corner are taken for one; neighbours share a side.",
                lambda p, low, high: grown(p, low, high, steps=-1, corners=True),
            ),
            (
                "the regions grow by a single step from the pixels above `high`; go on until "
                "nothing is added.",
                grown,
            ),
            (
                "the mean of a region is compared with `high`; one pixel above it is enough.",
                kept(lambda values, high: values.mean() > high),
            ),
            (
                "all of a region's pixels have to be above `high` here; one is enough.",
                kept(lambda values, high: values.min() > high),
            ),
            (
                "this is the largest region; which one stays is decided by `high`, and it may be "
                "several.",
                largest,
            ),
            (
                "these are the pixels between the two thresholds.",
                lambda p, low, high: (p > low) & (p <= high),
            ),
            (
                "the regions without a pixel above `high` are kept, and the others are not.",
                lambda p, low, high: (p > low) & ~hysteresis(p, low, high),
            ),
            (
                "these are the numbers of the regions; return True where a region stays.",
                lambda p, low, high: _regions(p > low)[0] * hysteresis(p, low, high),
            ),
        ],
    )
    return "A region stays, soft edge and all, if the network is sure of one of its pixels."
