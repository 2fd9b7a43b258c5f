"""Checks of the exercises of lesson 11, person segmentation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nstlib.course.exercises._engine import (
    Answer,
    Array,
    Raised,
    Wrong,
    choice,
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

    def reshaped(rgb: Array) -> Array:
        return rgb.reshape(1, 3, *rgb.shape[:2])

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
            (scrambled, lambda x: reshaped(scaled(x))),
            (
                "this is the given one; all three bugs are still in it.",
                lambda x: reshaped((x.astype(np.float32) - 0.5) / 0.5),
            ),
            (
                "two bugs are left: the channels' order, and the division by 255.",
                lambda x: blob((x.astype(np.float32) - 0.5) / 0.5),
            ),
            (
                "two bugs are left: the channels' order, and reshape, which scrambles the pixels.",
                lambda x: reshaped(scaled(x[..., ::-1])),
            ),
            (
                "two bugs are left: the division by 255, and reshape, which scrambles the pixels.",
                lambda x: reshaped((x[..., ::-1].astype(np.float32) - 0.5) / 0.5),
            ),
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


def keep_parts(mask: Array, smallest: float) -> Array:
    """Keep the connected regions that are not small beside the largest: (H, W) booleans.

    `mask` is (H, W), booleans. A region is made of pixels each of which shares a side with the
    next. It stays if it has at least `smallest` times as many pixels as the largest region.
    """
    from scipy import ndimage

    labels, count = ndimage.label(mask)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    large = np.flatnonzero(sizes >= smallest * sizes.max(initial=0)) + 1
    return np.isin(labels, large)


@exercise(keep_parts)
def _check_keep_parts(answer: Answer) -> str:
    def by(
        stays: Callable[[Array, float], Any], structure: Any = None
    ) -> Callable[[Array, float], Array]:
        """`stays` takes the regions' sizes and `smallest`."""

        def parts(mask: Array, smallest: float) -> Array:
            from scipy import ndimage

            labels, count = ndimage.label(mask, structure)
            sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
            return np.isin(labels, np.flatnonzero(stays(sizes, smallest)) + 1)

        return parts

    def numbered(mask: Array, smallest: float) -> Array:
        from scipy import ndimage

        return np.where(keep_parts(mask, smallest), ndimage.label(mask)[0], 0)

    # Regions of 12, 4, 3, 2 and twice 1 pixels; one of the latter touches the largest at a corner.
    rows = ["111100010", "111100000", "111100110", "000010110", "000000000", "110111000"]
    mask = np.array([[c == "1" for c in row] for row in rows])
    compare(
        answer,
        keep_parts,
        [(mask, 0.25), (mask[::-1].T.copy(), 0.1), (mask, 0.0)],
        [
            ("nothing is left out; small regions go.", lambda m, _: m),
            (
                "the background is counted as a region; leave out number 0.",
                lambda m, s: m & by(lambda n, s: n >= s * max(n.max(initial=0), (~m).sum()))(m, s),
            ),
            (
                "the background is counted as a region, and stays; leave out number 0.",
                lambda m, s: ~m | by(lambda n, s: n >= s * max(n.max(initial=0), (~m).sum()))(m, s),
            ),
            (
                "with a `smallest` of 0 the background stays, too: its 0 is as large as 0 times "
                "the largest.",
                lambda m, s: keep_parts(m, s) | (~m & (s == 0)),
            ),
            (
                "these are the numbers of the regions that stay; return booleans.",
                numbered,
            ),
            (
                "only the largest region is kept; others stay, too, if they are not small "
                "beside it.",
                by(lambda n, _: n == n.max(initial=0)),
            ),
            (
                "regions that touch at a corner are taken for one; neighbours share a side.",
                by(lambda n, s: n >= s * n.max(initial=0), np.ones((3, 3))),
            ),
            (
                "a region of exactly `smallest` times the largest goes; it stays: at least.",
                by(lambda n, s: n > s * n.max(initial=0)),
            ),
            (
                "the regions are compared with all pixels of the mask; compare with the largest.",
                by(lambda n, s: n >= s * n.sum()),
            ),
            (
                "the regions are compared with the whole picture; compare with the largest.",
                lambda m, s: by(lambda n, s: n >= s * m.size)(m, s),
            ),
            (
                "the small regions are kept, and the others are not.",
                by(lambda n, s: n < s * n.max(initial=0)),
            ),
            (
                "`smallest` is taken for a number of pixels; it is a share of the largest region.",
                by(lambda n, s: n >= s),
            ),
        ],
    )
    try:
        kept = try_answer(answer, (np.zeros((3, 4), bool), 0.5))[0]
    except Raised as error:
        raise Wrong(f"for an empty mask {error}; there is no largest region then.") from None
    if kept.any():
        raise Wrong("of an empty mask it keeps something; there is no region, so nothing stays.")
    return "It keeps whom you mean, if they are large; ask before it deletes a child at the back."


def both_ways(network: Callable[[Array], Array], image: Array) -> Array:
    """Return the mean of two answers: about an image, and about its mirror image, turned back.

    `network` takes an image (H, W, 3) and returns probabilities (H, W). Left and right change
    places in the mirror image.
    """
    mirrored = np.ascontiguousarray(image[:, ::-1])
    return np.asarray((network(image) + network(mirrored)[:, ::-1]) / 2)


@exercise(both_ways)
def _check_both_ways(answer: Answer) -> str:
    weights = numbers((4, 5), 7, seed=3) / np.float32(8)

    def network(image: Array) -> Array:
        """See the left side better than the right, and the top better than the bottom."""
        return np.asarray(image).mean(axis=2) * weights

    image = numbers((4, 5, 3), 9, seed=4) / np.float32(8)

    def of(combine: Callable[[Array, Array], Array], flip: Any = np.s_[:, ::-1]) -> Answer:
        return lambda net, x: combine(net(x), net(np.ascontiguousarray(x[flip]))[flip])

    compare(
        answer,
        both_ways,
        [(network, image)],
        [
            (
                "the answer about the mirror image is not turned back before the mean is taken.",
                lambda net, x: (net(x) + net(x[:, ::-1])) / 2,
            ),
            (
                "the image is turned upside down; mirror left and right: image[:, ::-1].",
                of(lambda a, b: (a + b) / 2, np.s_[::-1]),
            ),
            ("the answers are added; take their mean.", of(lambda a, b: a + b)),
            ("this is the answer about the mirror image alone.", of(lambda _, b: b)),
            ("this is the answer about the image alone.", of(lambda a, _: a)),
            ("the larger answer is taken at each pixel; take the mean.", of(np.maximum)),
            (
                "the image itself is not mirrored; its answer is mirrored instead.",
                lambda net, x: (net(x) + net(x)[:, ::-1]) / 2,
            ),
            (
                "the channels are reversed; mirror the columns: image[:, ::-1].",
                lambda net, x: (net(x) + net(x[..., ::-1])) / 2,
            ),
        ],
    )
    return "A network without a favourite side would give the same from both."


choice(
    "blob_shape",
    "What does blobFromImage(size=...) do with a photograph that is not square?",
    right="a",
    a="The whole photograph is squeezed into the square, and the mask can be stretched back.",
    b="OpenCV has no such option here; you would have to pad the photograph yourself.",
    c="that is what happens with crop=True, which is not the default.",
    d="a resize works with any two sizes, so there is nothing to complain about.",
)

choice(
    "unsure_where",
    "Where do the pixels lie of which the network is unsure?",
    right="c",
    a="then a pixel in the middle of a cheek would be as uncertain as one at the edge of hair.",
    b="look for what is not a person and yet like one: a flag's folds, for instance.",
    c="The outline is blurred, and some things are neither clearly a person nor clearly not.",
    d="faces are what the network has seen most; it is sure of them.",
)

choice(
    "accuracy_trap",
    "A person fills 2 %. What do accuracy and IoU say of a program that finds nobody?",
    right="a",
    a="It is right about all of the background; and it shares no pixel with the person.",
    b="IoU counts the person's pixels alone, and the program finds none of them.",
    c="accuracy counts the background, too, and about that the program is right.",
    d="neither looks at chance; count the pixels.",
)

choice(
    "two_averages",
    "Intersections 90 and 1, unions 100 and 10: mean over pictures, and over all pixels?",
    right="a",
    a="(0.9 + 0.1) / 2, and 91 / 110: over all pixels the large person drowns the small one.",
    b="these are the two numbers, but in the wrong order.",
    c="add the intersections and the unions first for the second one.",
    d="0.91 would be 91 / 100; the unions are 100 and 10.",
)

choice(
    "what_hurts",
    "Which costs the mask most, on all three: half the size, a tenth of the light, upside down, or "
    "mirrored?",
    right="c",
    a="at half the size a person still has 128 of the network's 256 pixels. On one of the three "
    "that is not enough, but on the others it costs little.",
    b="a tenth still leaves 26 grey levels, and dark pictures are brightened before the network "
    "sees them.",
    c="It has never seen anybody hang from the ceiling: all three fall apart.",
    d="in training, photographs were mirrored at random.",
)
