"""Right and wrong answers to the exercises of lesson 11, person segmentation."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
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


def regions(mask: Any, corners: bool = False) -> list[Any]:
    """The regions of a mask, each as the booleans of its pixels, found by flooding."""
    left, found = mask.copy(), []
    steps = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if corners or 0 in (y, x)]
    while left.any():
        region, waiting = np.zeros_like(mask), [tuple(np.argwhere(left)[0])]
        while waiting:
            y, x = waiting.pop()
            if 0 <= y < len(mask) and 0 <= x < len(mask[0]) and left[y, x]:
                left[y, x], region[y, x] = False, True
                waiting += [(y + dy, x + dx) for dy, dx in steps]
        found.append(region)
    return found


def parts(stays: Answer, corners: bool = False) -> Answer:
    """`stays` takes a region's size, the largest size, `smallest` and the mask."""

    def answer(mask: Any, smallest: float) -> Any:
        kept = np.zeros_like(mask)
        found = regions(mask, corners)
        largest = max((region.sum() for region in found), default=0)
        for region in found:
            if stays(region.sum(), largest, smallest, mask):
                kept |= region
        return kept

    return answer


def by_scikit_image(mask: Any, smallest: float) -> Any:
    numbered = skimage.measure.label(mask, connectivity=1)
    sizes = [region.area for region in skimage.measure.regionprops(numbered)]
    stay = [i + 1 for i, size in enumerate(sizes) if size >= smallest * max(sizes)]
    return np.isin(numbered, stay)


def turned(network: Any, image: Any, flip: Answer, back: Answer, mix: Answer) -> Any:
    return mix(network(image), back(network(flip(image))))


def mean(a: Any, b: Any) -> Any:
    return np.mean([a, b], axis=0)


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
    "keep_parts": [
        parts(lambda size, largest, smallest, _: size >= smallest * largest),
        by_scikit_image,
        lambda mask, smallest: 1 * by_scikit_image(mask, smallest),
    ],
    "both_ways": [
        lambda network, image: turned(network, image, np.fliplr, np.fliplr, mean),
        lambda network, image: 0.5 * np.fliplr(network(np.fliplr(image))) + 0.5 * network(image),
    ],
}


def broken_blob(*, rgb: bool = False, divided: bool = False, transposed: bool = False) -> Answer:
    """Mend some of the bugs of the exercise's function."""

    def answer(bgr: Any) -> Any:
        pixels = (bgr[..., ::-1] if rgb else bgr).astype(np.float32)
        scaled = ((pixels / 255 if divided else pixels) - 0.5) / 0.5
        if transposed:
            return scaled.transpose(2, 0, 1)[np.newaxis]
        return scaled.reshape(1, 3, *bgr.shape[:2])

    return answer


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
        (broken_blob(), "all three bugs"),
        (broken_blob(rgb=True), "the division by 255, and reshape"),
        (broken_blob(divided=True), "the channels' order, and reshape"),
        (broken_blob(transposed=True), "the channels' order, and the division"),
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
    "keep_parts": [
        (lambda mask, smallest: mask, "nothing is left out"),  # noqa: ARG005
        (
            parts(lambda size, largest, smallest, m: size >= smallest * max(largest, (~m).sum())),
            "the background is counted",
        ),
        (
            lambda mask, smallest: (
                parts(lambda n, largest, s, m: n >= s * max(largest, (~m).sum()))(mask, smallest)
                | ~mask
            ),
            "and stays; leave out number 0",
        ),
        (
            lambda mask, smallest: by_scikit_image(mask, smallest) | (smallest == 0),
            "with a `smallest` of 0",
        ),
        (
            lambda mask, smallest: (
                by_scikit_image(mask, smallest) * skimage.measure.label(mask, connectivity=1)
            ),
            "the numbers of the regions",
        ),
        (parts(lambda size, largest, *_: size == largest), "only the largest"),
        (
            parts(lambda size, largest, smallest, _: size >= smallest * largest, corners=True),
            "touch at a corner",
        ),
        (parts(lambda size, largest, smallest, _: size > smallest * largest), "at least"),
        (parts(lambda size, _, smallest, m: size >= smallest * m.sum()), "all pixels of the mask"),
        (parts(lambda size, _, smallest, m: size >= smallest * m.size), "the whole picture"),
        (
            parts(lambda size, largest, smallest, _: size < smallest * largest),
            "the small regions are kept",
        ),
        (lambda mask, smallest: by_scikit_image(mask, smallest) | ~mask.any(), "of an empty mask"),
        (
            lambda mask, smallest: by_scikit_image(mask, smallest / int(mask.any())),
            "for an empty mask it raised ZeroDivisionError",
        ),
        (lambda mask, smallest: by_scikit_image(mask, smallest)[1:], "should be of shape"),
    ],
    "both_ways": [
        (
            lambda network, image: turned(network, image, np.fliplr, lambda x: x, mean),
            "not turned back",
        ),
        (
            lambda network, image: turned(network, image, np.flipud, np.flipud, mean),
            "upside down",
        ),
        (lambda network, image: turned(network, image, np.fliplr, np.fliplr, np.add), "are added"),
        (
            lambda network, image: turned(network, image, np.fliplr, np.fliplr, lambda _, b: b),
            "mirror image alone",
        ),
        (lambda network, image: network(image), "the image alone"),
        (
            lambda network, image: turned(network, image, np.fliplr, np.fliplr, np.maximum),
            "the larger answer",
        ),
        (lambda network, image: turned(network, image, lambda x: x, np.fliplr, mean), "instead"),
        (lambda network, image: mean(network(image), network(image[..., ::-1])), "alone"),
    ],
}


class TestExercises(ExerciseTests):
    lesson = "11"
    right = RIGHT
    wrong = WRONG
