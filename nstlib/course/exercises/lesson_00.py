"""Checks of the exercises of lesson 00, images as arrays."""

from __future__ import annotations

import numpy as np

from nstlib.course.exercises._engine import Answer, Array, choice, compare, exercise, numbers

choice(
    "overflow",
    "A uint8 pixel of 200 is made brighter by 100. What comes out?",
    right="a",
    a="Eight bits keep the remainder modulo 256, and 300 - 256 = 44.",
    b="the largest number does not act as a ceiling. OpenCV's cv2.add stops there; NumPy does not.",
    c="300 needs nine bits, and the sum of two uint8 arrays is a uint8 array again.",
    d="NumPy does not warn you about overflow in arrays; it would cost a test for every pixel.",
)


def rgb_to_bgr(image: Array) -> Array:
    """Reverse the channels of an image (H, W, 3): red and blue change places.

    The dtype stays as it is.
    """
    return image[..., ::-1]


@exercise(rgb_to_bgr)
def _check_rgb_to_bgr(answer: Answer) -> str:
    pixels = (13 * np.arange(18)).reshape(2, 3, 3).astype(np.uint8)
    compare(
        answer,
        rgb_to_bgr,
        [(pixels,), (pixels.astype(np.float32) / np.float32(256),)],
        [
            ("the channels are unchanged; reverse the last axis.", lambda x: x),
            (
                "red and green changed places; red and blue should.",
                lambda x: x[..., [1, 0, 2]],
            ),
            (
                "green and blue changed places; red and blue should.",
                lambda x: x[..., [0, 2, 1]],
            ),
            (
                "the image is upside down: the first axis is the rows; reverse the last one.",
                lambda x: x[::-1],
            ),
            (
                "the image is mirrored: the second axis is the columns; reverse the last one.",
                lambda x: x[:, ::-1],
            ),
            (
                "all three axes are reversed, so the image is also turned; reverse the last alone.",
                lambda x: x[::-1, ::-1, ::-1],
            ),
            (
                "the channels moved round by one place; keep green in the middle.",
                lambda x: np.roll(x, 1, axis=-1),
            ),
            (
                "the channels moved round by one place; keep green in the middle.",
                lambda x: np.roll(x, -1, axis=-1),
            ),
        ],
        dtype=lambda image: image.dtype,
    )
    return "Red and blue changed places; rows, columns and the dtype stayed."


def to_blob(image: Array) -> Array:
    """Turn uint8 RGB pixels (H, W, 3) into a blob: float32 (1, 3, H, W), RGB in [0, 1].

    For BGR pixels that is ``cv2.dnn.blobFromImage(bgr, 1 / 255, swapRB=True)``.
    """
    import cv2

    bgr = np.ascontiguousarray(image[..., ::-1])
    return np.asarray(cv2.dnn.blobFromImage(bgr, 1 / 255, swapRB=True))


@exercise(to_blob)
def _check_to_blob(answer: Answer) -> str:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 3)).astype(np.uint8)
    compare(
        answer,
        to_blob,
        [(pixels,)],
        [
            (
                "the batch axis is missing: a blob is (1, 3, H, W), this is (3, H, W).",
                lambda x: x.transpose(2, 0, 1) / 255,
            ),
            (
                "the channels come last, (1, H, W, 3); "
                "a blob has them before the rows: (1, 3, H, W).",
                lambda x: x[np.newaxis] / 255,
            ),
            (
                "the layout is still (H, W, 3); a blob is (1, 3, H, W).",
                lambda x: x / 255,
            ),
            (
                "height and width changed places: .T reverses all axes; "
                "transpose(2, 0, 1) moves the channels alone.",
                lambda x: x.T[np.newaxis] / 255,
            ),
            (
                "the values are not scaled: divide by 255, so that they lie in [0, 1].",
                lambda x: x.transpose(2, 0, 1)[np.newaxis],
            ),
            (
                "the values were cut to whole numbers, 0 and 1; make them float32 before dividing.",
                lambda x: x.transpose(2, 0, 1)[np.newaxis] // 255,
            ),
            (
                "the channels are in BGR order; this blob is RGB, as the image is.",
                lambda x: x[..., ::-1].transpose(2, 0, 1)[np.newaxis] / 255,
            ),
            (
                "the pixels are scrambled: reshape cuts the same row of numbers into other pieces; "
                "transpose moves axes.",
                lambda x: x.reshape(1, 3, *x.shape[:2]) / 255,
            ),
            (
                "the pixels are scrambled: reshape cuts the same row of numbers into other pieces; "
                "transpose moves axes. And divide by 255.",
                lambda x: x.reshape(1, 3, *x.shape[:2]),
            ),
        ],
        dtype=lambda _: np.dtype(np.float32),
    )
    return "It equals cv2.dnn.blobFromImage(bgr, 1 / 255, swapRB=True), float32 and (1, 3, H, W)."


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
