"""Right and wrong answers to the exercises of lesson 09, person segmentation."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import scipy.ndimage
import skimage.filters
import skimage.measure
from exercise_tests import Answer, ExerciseTests, Right, Wrong


def person_blob(bgr: Any, change: Answer = lambda x: (x / 255 - 0.5) / 0.5) -> Any:
    channels = [change(bgr[..., i].astype(np.float32)) for i in (2, 1, 0)]
    return np.stack(channels)[None].astype(np.float32)


def by_opencv(bgr: Any) -> Any:
    return cv2.dnn.blobFromImage(bgr, 1 / 127.5, mean=(127.5,) * 3, swapRB=True)


def counts(mask: Any, truth: Any) -> tuple[int, int, int, int]:
    """Pixels that both call a person, only the mask, only the truth, and neither."""
    table = np.bincount(2 * np.ravel(truth) + np.ravel(mask), minlength=4)
    return int(table[3]), int(table[1]), int(table[2]), int(table[0])


def ratio(above: float, below: float, absent: float = 1.0) -> float:
    return above / below if below else absent


def measured(of_class: Answer, combine: Answer = lambda a, b: (a + b) / 2) -> Answer:
    """`of_class` takes what is in both, only in the mask, only in the truth."""

    def answer(mask: Any, truth: Any) -> Any:
        both, extra, missing, neither = counts(mask, truth)
        return combine(of_class(both, extra, missing), of_class(neither, missing, extra))

    return answer


def iou_of(both: int, extra: int, missing: int) -> float:
    return ratio(both, both + extra + missing)


def unguarded_iou(mask: Any, truth: Any) -> Any:
    with np.errstate(invalid="ignore"):
        return np.mean([np.sum(m & t) / np.sum(m | t) for m, t in [(mask, truth), (~mask, ~truth)]])


def flooded(
    probability: Any,
    low: float,
    high: float,
    neighbours: Any = ((0, 1), (1, 0), (0, -1), (-1, 0)),
    rounds: int = 99,
) -> Any:
    """Spread from the sure pixels to their neighbours, round by round."""
    sure = probability > high
    for _ in range(rounds):
        padded = np.pad(sure, 1)
        for dy, dx in neighbours:
            sure = sure | padded[1 + dy :, 1 + dx :][: len(sure), : len(sure[0])]
        sure &= probability > low
    return sure


CORNERS = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]


def region_numbers(probability: Any, low: float) -> Any:
    return skimage.measure.label(probability > low, connectivity=1)


def by_region(test: Answer) -> Answer:
    def answer(probability: Any, low: float, high: float) -> Any:
        mask = np.zeros(probability.shape, bool)
        numbers = region_numbers(probability, low)
        for number in range(1, numbers.max() + 1):
            mask |= (numbers == number) & test(probability[numbers == number], high)
        return mask

    return answer


def biggest_region(probability: Any, low: float, high: float) -> Any:  # noqa: ARG001
    numbers = region_numbers(probability, low)
    return numbers == np.bincount(numbers[numbers > 0]).argmax()


RIGHT: Right = {
    "person_blob": [
        person_blob,
        by_opencv,
        lambda bgr: person_blob(bgr, lambda x: x / 127.5 - 1),
    ],
    "mean_iou": [
        measured(iou_of),
        lambda mask, truth: np.mean(
            [iou_of(*counts(mask, truth)[:3]), iou_of(*counts(~mask, ~truth)[:3])]
        ),
    ],
    "hysteresis": [
        flooded,
        by_region(lambda values, high: values.max() > high),
        skimage.filters.apply_hysteresis_threshold,
        lambda probability, low, high: 1 * flooded(probability, low, high),
    ],
}

# Each line: a wrong answer, and words of the hint that it must get.
WRONG: Wrong = {
    "person_blob": [
        (lambda bgr: person_blob(bgr)[:, ::-1], "still in BGR order"),
        (lambda bgr: person_blob(bgr, lambda x: x / 255), "lie in [0, 1]"),
        (lambda bgr: person_blob(bgr, lambda x: x / 255 - 0.5), "lie in [-0.5, 0.5]"),
        (lambda bgr: person_blob(bgr, lambda x: x / 255 / 0.5 - 0.5), "subtracted last"),
        (lambda bgr: person_blob(bgr, lambda x: (x - 0.5) / 0.5), "not divided by 255"),
        (lambda bgr: person_blob(bgr, lambda x: x), "still those of the pixels"),
        (lambda bgr: person_blob(bgr)[0], "batch axis is missing"),
        (lambda bgr: person_blob(bgr).transpose(0, 2, 3, 1), "channels come last"),
        (lambda bgr: person_blob(bgr)[0].transpose(1, 2, 0), "layout is still"),
        (lambda bgr: person_blob(bgr).transpose(0, 1, 3, 2), "changed places"),
        (
            lambda bgr: person_blob(bgr)[0].transpose(1, 2, 0).reshape(1, 3, *bgr.shape[:2]),
            "scrambled",
        ),
        (lambda bgr: person_blob(bgr).astype(np.float64), "dtype is float64"),
    ],
    "mean_iou": [
        (measured(iou_of, lambda person, _: person), "the person's IoU alone"),
        (measured(iou_of, lambda _, background: background), "the background's IoU alone"),
        (
            measured(lambda both, e, m: ratio(both, both + e + m, absent=0)),
            "counts as 0 here",
        ),
        (unguarded_iou, "0 / 0 gives NaN"),
        (measured(iou_of, lambda a, b: a + b), "divide by two"),
        (lambda mask, truth: np.mean(mask == truth), "the accuracy"),
        (
            lambda mask, truth: (
                (counts(mask, truth)[0] + counts(mask, truth)[3])
                / (mask.size + sum(counts(mask, truth)[1:3]))
            ),
            "pooled",
        ),
        (measured(lambda both, _, m: ratio(both, both + m, absent=0)), "recall"),
        (measured(lambda both, e, _: ratio(both, both + e, absent=0)), "precision"),
        (measured(lambda both, e, m: ratio(2 * both, 2 * both + e + m)), "Dice"),
        (measured(lambda both, e, m: ratio(both, 2 * both + e + m, absent=0)), "counts twice"),
        (lambda mask, truth: measured(iou_of)(~mask, truth), "its opposite"),
        (lambda mask, truth: mask & truth, "should be one number"),
    ],
    "hysteresis": [
        (lambda probability, low, high: probability > low, "everything above `low`"),  # noqa: ARG005
        (lambda probability, low, high: probability > high, "only pixels above `high`"),  # noqa: ARG005
        (
            lambda probability, low, high: flooded(probability, low, high, CORNERS),
            "touch at a corner",
        ),
        (
            lambda probability, low, high: flooded(probability, low, high, rounds=1),
            "a single step",
        ),
        (by_region(lambda values, high: np.mean(values) > high), "mean of a region"),
        (by_region(lambda values, high: (values > high).all()), "all of a region's pixels"),
        (biggest_region, "the largest region"),
        (
            lambda probability, low, high: (low < probability) & ~(high < probability),
            "between the two thresholds",
        ),
        (by_region(lambda values, high: values.max() <= high), "without a pixel above"),
        (
            # The thresholds exchanged: every region above `high` holds a pixel above `low`.
            lambda probability, low, high: flooded(probability, high, low),
            "only pixels above `high`",
        ),
        (
            lambda probability, low, high: (
                scipy.ndimage.label(probability > low)[0] * flooded(probability, low, high)
            ),
            "the numbers of the regions",
        ),
    ],
}


class TestExercises(ExerciseTests):
    lesson = "09"
    right = RIGHT
    wrong = WRONG
