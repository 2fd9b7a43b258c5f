"""Checks of the exercises of lesson 00, images as arrays."""

from __future__ import annotations

import itertools

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

choice(
    "overflow",
    "A uint8 pixel of 200 is made brighter by 100. What does NumPy give?",
    right="a",
    a="Eight bits keep the remainder modulo 256, and 300 - 256 = 44.",
    b="the largest number does not act as a ceiling. OpenCV's cv2.add stops there; NumPy does not.",
    c="300 needs nine bits, and the sum of two uint8 arrays is a uint8 array again.",
    d="NumPy does not warn of overflow in arrays; that would cost a test for every pixel.",
)

choice(
    "cut_off",
    "A photo is loaded, left as it is, and saved with the fraction cut off, 20 times. The loss?",
    right="c",
    a="half a level is lost on average if the numbers lie anywhere between two levels. Where do "
    "they lie when nothing was computed?",
    b="that would need each number to lie just below its level. Try one: 200 / 255 * 255.",
    c="v / 255 * 255 is v again for all 256 values. Cutting off costs something only after a "
    "computation.",
    d="each pixel goes its own way, whatever the photo shows; there are only 256 values to try.",
)

choice(
    "png_or_jpeg",
    "plt.imread(path) / 255 is right for a JPEG. What does it give for a PNG?",
    right="b",
    a="plt.imread treats the two differently. Print the largest number of each.",
    b="plt.imread has already divided a PNG by 255, so the largest number is 1 / 255, or 0.0039.",
    c="dividing makes numbers smaller, and small numbers are dark.",
    d="nothing is wrong with the array's type or shape, so nobody complains. That is the danger.",
)

choice(
    "blind_picture",
    "Which test picture tells you nothing about RGB and BGR mixed up?",
    right="c",
    a="skin holds more red than blue, so a face turns blue. That tells you a lot.",
    b="the apple turns blue. That tells you a lot.",
    c="In grey pixels red and blue are equal, so the picture is the same either way: this test "
    "cannot fail.",
    d="the sky turns orange; you may think of an evening, but next to the original it shows.",
)

choice(
    "why_grey",
    "Why are the nine copies grey?",
    right="b",
    a="nothing is computed: reshape moves no number, so it averages none.",
    b="Three neighbours of one plane became one pixel, and neighbours are almost equal.",
    c="then all nine would be the same; look at the orange suit in the three rows of copies.",
    d="all numbers are still there; a second reshape brings the blob back.",
)

choice(
    "unnoticed_reshape",
    "For which picture would you not notice reshape in place of transpose?",
    right="b",
    a="orange all over still has different numbers for red, green and blue, and they turn into "
    "stripes.",
    b="All its numbers are equal, so their order does not matter: it could not show any such "
    "mistake.",
    c="reshape cuts the picture into thirds; a symmetric one does not look the same in each.",
    d="the shape is right, but the numbers are in other places. Look at numbered above.",
)


def to_network(bgr: Array) -> Array:
    """Turn uint8 BGR pixels (H, W, 3) into a blob: float32 (1, 3, H, W), RGB in [0, 1].

    That is ``cv2.dnn.blobFromImage(bgr, 1 / 255, swapRB=True)``.
    """
    import cv2

    return np.asarray(cv2.dnn.blobFromImage(np.ascontiguousarray(bgr), 1 / 255, swapRB=True))


@exercise(to_network)
def _check_to_network(answer: Answer) -> str:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 3)).astype(np.uint8)
    pixels[0, 0] = 255

    def rearranged(x: Array) -> Array:
        return np.asarray(x[..., ::-1].transpose(2, 0, 1)[np.newaxis] / 255)

    compare(
        answer,
        to_network,
        [(pixels,)],
        [
            (
                "the batch axis is missing: a blob is (1, 3, H, W), this is (3, H, W).",
                lambda x: rearranged(x)[0],
            ),
            (
                "the channels come last, (1, H, W, 3); "
                "a blob has them before the rows: (1, 3, H, W).",
                lambda x: x[np.newaxis, ..., ::-1] / 255,
            ),
            (
                "the layout is still (H, W, 3); a blob is (1, 3, H, W).",
                lambda x: x[..., ::-1] / 255,
            ),
            (
                "height and width changed places: .T reverses all axes; "
                "transpose(2, 0, 1) moves the channels alone.",
                lambda x: x[..., ::-1].T[np.newaxis] / 255,
            ),
            (
                "the values are not scaled: divide by 255, so that they lie in [0, 1].",
                lambda x: 255 * rearranged(x),
            ),
            (
                "the values were cut to whole numbers, 0 and 1: // drops the fraction.",
                lambda x: rearranged(x) // 1,
            ),
            (
                "all three mistakes are still there.",
                lambda x: (x[::-1] // 255).reshape(1, 3, *x.shape[:2]),
            ),
            (
                "the channels are still BGR, and the picture is upside down: [::-1] reverses the "
                "first axis, the rows.",
                lambda x: x[::-1].transpose(2, 0, 1)[np.newaxis] / 255,
            ),
            (
                "the picture is upside down; reverse the channels alone.",
                lambda x: rearranged(x[::-1]),
            ),
            (
                "the channels are still in BGR order; a network wants RGB.",
                lambda x: rearranged(x[..., ::-1]),
            ),
            (
                "the picture is mirrored, and the channels are still BGR: [:, ::-1] reverses the "
                "columns, [..., ::-1] the channels.",
                lambda x: rearranged(x[:, ::-1, ::-1]),
            ),
            (
                "the pixels are scrambled: reshape cuts the same row of numbers into other pieces; "
                "transpose moves axes.",
                lambda x: x[..., ::-1].reshape(1, 3, *x.shape[:2]) / 255,
            ),
            (
                "the pixels are scrambled, by reshape in place of transpose, and the rows are "
                "upside down.",
                lambda x: x[::-1].reshape(1, 3, *x.shape[:2]) / 255,
            ),
        ],
        dtype=lambda _: np.dtype(np.float32),
    )
    return "It equals cv2.dnn.blobFromImage(bgr, 1 / 255, swapRB=True), float32 and (1, 3, H, W)."


#: What can go wrong with a picture, and what a test picture must make visible.
_MISTAKES: dict[str, Answer] = {
    "no mistake": lambda x: x.transpose(2, 0, 1),
    "red and blue exchanged": lambda x: x[..., ::-1].transpose(2, 0, 1),
    "upside down": lambda x: x[::-1].transpose(2, 0, 1),
    "mirrored": lambda x: x[:, ::-1].transpose(2, 0, 1),
    "rows and columns exchanged": lambda x: x.transpose(2, 1, 0),
    "reshape for transpose": lambda x: x.reshape(3, *x.shape[:2]),
}


def telling_picture(side: int) -> Array:
    """Return a square uint8 picture (side, side, 3) that looks different after each mistake.

    The mistakes: red and blue exchanged, upside down, mirrored, rows and columns exchanged, and
    reshape in place of transpose. It works for a side from 2 to 9, whose numbers fit into uint8.
    """
    return np.arange(side * side * 3, dtype=np.uint8).reshape(side, side, 3)


@exercise(telling_picture)
def _check_telling_picture(answer: Answer) -> str:
    for side in (2, 3, 9):
        picture, _ = try_answer(answer, (side,))
        if picture.shape != (side, side, 3):
            raise Wrong(
                f"the result has shape {picture.shape}; it should be of shape {(side, side, 3)}."
            )
        if picture.dtype != np.uint8:
            raise Wrong(f"its dtype is {picture.dtype}; pictures in files are uint8.")
        if (picture == picture.flat[0]).all():
            raise Wrong("all its numbers are equal: no mistake whatever would show.")
        arrays = {name: wrong(picture) for name, wrong in _MISTAKES.items()}
        for one, other in itertools.combinations(arrays, 2):
            if np.array_equal(arrays[one], arrays[other]):
                raise Wrong(
                    f"with side={side}, {one!r} and {other!r} give the same numbers; which of them "
                    "are equal?"
                )
    return "Each of the five mistakes gives another array, so this test can fail."


def comes_from(row: int, column: int, channel: int, height: int, width: int) -> Array:
    """Say where a number of a wrongly reshaped image comes from in the blob.

    Planes (3, height, width) were reshaped to (height, width, 3). Returned are the plane, the row
    and the column of the number that stands at (row, column, channel) afterwards.
    """
    place = np.ravel_multi_index((row, column, channel), (height, width, 3))
    return np.array(np.unravel_index(place, (3, height, width)))


@exercise(comes_from)
def _check_comes_from(answer: Answer) -> str:
    def by(place: Answer, split: Answer) -> Answer:
        return lambda r, c, k, h, w: np.array(split(place(r, c, k, h, w), h, w))

    def right(r: int, c: int, k: int, _: int, w: int) -> int:
        return (r * w + c) * 3 + k

    def planes(place: int, h: int, w: int) -> tuple[int, ...]:
        return place // (h * w), place % (h * w) // w, place % w

    compare(
        answer,
        comes_from,
        [(2, 0, 0, 6, 6), (1, 3, 2, 6, 4), (0, 4, 1, 3, 7), (8, 2, 2, 9, 3), (4, 1, 0, 6, 5)],
        [
            (
                "that is where it stands if channels are moved properly, by transpose; reshape "
                "leaves every number in its place in memory.",
                lambda r, c, k, *_: np.array([k, r, c]),
            ),
            (
                "this is its place in the image, not in the blob.",
                lambda r, c, k, *_: np.array([r, c, k]),
            ),
            (
                "each pixel before it holds three numbers; count them all.",
                by(lambda r, c, k, _, w: r * w + c + k, planes),
            ),
            (
                "the channel is left out of its place.",
                by(lambda r, c, _, h, w: right(r, c, 0, h, w), planes),
            ),
            (
                "a row holds width pixels, not height.",
                by(lambda r, c, k, h, _: (r * h + c) * 3 + k, planes),
            ),
            (
                "in a plane, a row holds width numbers, not height.",
                by(right, lambda p, h, w: (p // (h * w), p % (h * w) // h, p % h)),
            ),
            (
                "the row is counted from the first plane; begin anew with each plane.",
                by(right, lambda p, h, w: (p // (h * w), p // w, p % w)),
            ),
            (
                "plane, row and column, in this order.",
                by(right, lambda p, h, w: planes(p, h, w)[::-1]),
            ),
        ],
    )
    return "So the nine copies are three planes, each cut into every third row and column."


def over_white(rgba: Array) -> Array:
    """Lay a float image (H, W, 4), RGB and straight alpha in [0, 1], over white: (H, W, 3).

    The colour is alpha · rgb + (1 - alpha) · 1.
    """
    rgb, alpha = rgba[..., :3], rgba[..., 3:]
    return alpha * rgb + (1 - alpha)


@exercise(over_white)
def _check_over_white(answer: Answer) -> str:
    rgba = numbers((2, 3, 4), high=8) / np.float32(8)
    rgba[..., 3] = [[0.0, 0.25, 0.5], [0.75, 1.0, 0.5]]
    compare(
        answer,
        over_white,
        [(rgba,)],
        [
            (
                "alpha is dropped: where it is 0 the result should be white.",
                lambda x: x[..., :3],
            ),
            (
                "this lies over black: add white's share, (1 - alpha).",
                lambda x: x[..., 3:] * x[..., :3],
            ),
            (
                "alpha is inverted: 1 means that the colour covers, 0 that white shows.",
                lambda x: (1 - x[..., 3:]) * x[..., :3] + x[..., 3:],
            ),
            (
                "the result still has 4 channels; over white nothing is transparent: return 3.",
                lambda x: np.dstack([over_white(x), x[..., 3:]]),
            ),
            (
                "the colour is not multiplied by alpha, as if it had been already "
                "(premultiplied); here alpha is straight.",
                lambda x: x[..., :3] + (1 - x[..., 3:]),
            ),
            (
                "the colour is not multiplied by alpha, as if it had been already "
                "(premultiplied); here alpha is straight.",
                lambda x: np.clip(x[..., :3] + (1 - x[..., 3:]), 0, 1),
            ),
            (
                "the colour is multiplied by alpha twice; once is enough.",
                lambda x: x[..., 3:] ** 2 * x[..., :3] + (1 - x[..., 3:]),
            ),
            (
                "white is 255 here; in an image in [0, 1] it is 1.",
                lambda x: x[..., 3:] * x[..., :3] + (1 - x[..., 3:]) * 255,
            ),
        ],
    )
    return "Alpha 0 gives white, alpha 1 the colour itself, alpha 0.5 the mean of both."
