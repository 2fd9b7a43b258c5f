"""The exercises' checks.

``nst.check("gram_matrix", gram_matrix)`` calls an answer on small inputs, compares what comes back
with a reference solution and, where they differ, with what common mistakes would give; so it can
say which mistake it was. The docstring of each reference solution below states the exercise.
"""

from __future__ import annotations

import copy
import inspect
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nstlib.errors import ArgumentError

Answer: TypeAlias = Callable[..., Any]
Array: TypeAlias = NDArray[Any]
#: What to tell the learner, and the mistake that gives away that it applies.
Mistake: TypeAlias = tuple[str, Answer]

#: Mean blue, green and red of the images that VGG19 was trained on, in 0..255.
CAFFE_MEAN = np.array([103.939, 116.779, 123.68])


@dataclass(frozen=True)
class Verdict:
    """What came of a check.

    Attributes
    ----------
    passed : bool
        Whether the answer is right.
    message : str
        One line for the learner.
    """

    passed: bool
    message: str


def check(name: str, answer: object) -> None:
    """Check an answer to an exercise, and print what is right or wrong about it.

    Parameters
    ----------
    name : str
        The exercise.
    answer : callable
        The function that the exercise asks for. One that returns None is still open.

    Raises
    ------
    ArgumentError
        If there is no such exercise; the message lists those there are.

    Examples
    --------
    >>> check("rgb_to_bgr", lambda image: image[..., ::-1])
    ✓ rgb_to_bgr: right. Red and blue changed places; rows, columns and the dtype stayed.
    >>> check("sparsity", lambda features: (features != 0).mean())
    ✗ sparsity: this is the fraction of values that are not zero; count those that are.
    >>> check("gram_matrix", lambda features: ...)
    ○ gram_matrix: still open. Write the body, then run this cell again.
    """
    print(evaluate(name, answer).message)


def evaluate(name: str, answer: object) -> Verdict:
    """Check an answer as :func:`check` does, and return the verdict instead of printing it.

    Examples
    --------
    >>> evaluate("rgb_to_bgr", lambda image: image).passed
    False
    """
    if name not in _EXERCISES:
        raise ArgumentError(f"there is no exercise {name!r}; there are {', '.join(_EXERCISES)}")
    exercise = _EXERCISES[name]
    try:
        fact = exercise.check(_callable(exercise, answer))
    except _Open:
        message = f"○ {name}: still open. Write the body, then run this cell again."
        return Verdict(False, message)
    except _Wrong as wrong:
        return Verdict(False, f"✗ {name}: {wrong}")
    return Verdict(True, f"✓ {name}: right. {fact}")


# How an answer is tried ---------------------------------------------------------------------------


class _Wrong(Exception):  # noqa: N818 - a verdict, not an error of the program
    """The answer is wrong; the text is the hint."""


class _Raised(_Wrong):
    """The answer raised an exception."""


class _Open(Exception):  # noqa: N818
    """The answer has not been written yet."""


@dataclass(frozen=True)
class _Exercise:
    name: str
    reference: Answer
    check: Callable[[Answer], str]


_EXERCISES: dict[str, _Exercise] = {}


def _exercise(reference: Answer) -> Callable[[Callable[[Answer], str]], Callable[[Answer], str]]:
    """Register a checker: it raises _Wrong with a hint, or returns a fact that it has verified."""

    def register(checker: Callable[[Answer], str]) -> Callable[[Answer], str]:
        name = reference.__name__.lstrip("_")
        _EXERCISES[name] = _Exercise(name, reference, checker)
        return checker

    return register


def _callable(exercise: _Exercise, answer: object) -> Answer:
    if answer is None or answer is ...:
        raise _Open
    if not callable(answer):
        raise _Wrong(
            f"this is a value of type {type(answer).__name__}, not a function; pass the function "
            f'itself, without calling it: nst.check("{exercise.name}", {exercise.name})'
        )
    wanted = [*inspect.signature(exercise.reference).parameters]
    try:
        signature = inspect.signature(answer)
    except ValueError:  # some functions written in C do not tell
        return answer
    try:
        signature.bind(*wanted)
    except TypeError:
        raise _Wrong(
            f"its parameters are {signature}; the check calls {exercise.name}({', '.join(wanted)})."
        ) from None
    return answer


def _call(answer: Answer, *arguments: Any) -> Any:
    try:
        result = answer(*arguments)
    except NotImplementedError:
        raise _Open from None
    except Exception as error:
        # TensorFlow puts the name of the operation's node in front.
        reason = re.sub(r"^\{\{.*?\}\}\s*", "", str(error).strip())
        reason = (reason.splitlines() or ["no reason given"])[0]
        reason = reason if len(reason) <= 160 else f"{reason[:157]}..."
        raise _Raised(f"it raised {type(error).__name__}: {reason}") from error
    if result is None or result is ...:
        raise _Open
    return result


def _try(answer: Answer, case: Sequence[Any]) -> tuple[Array, bool]:
    """Call `answer` on copies of a case; return its result and whether it left the copies alone.

    NumPy arrays come first; an answer that cannot use them gets tensors.
    """
    given = copy.deepcopy(list(case))
    try:
        result = _call(answer, *given)
    except _Raised as raised:
        arrays = any(isinstance(value, np.ndarray) for value in case)
        if not arrays or "tensorflow" not in sys.modules:
            raise
        from nstlib.quietly import tf

        tensors = [tf.constant(v) if isinstance(v, np.ndarray) else v for v in case]
        try:
            return _array(_call(answer, *tensors)), True
        except _Raised as second:
            # Which of the two complaints is about the answer, and not about what it was given?
            raise (second if "ndarray" in str(raised) else raised) from None
    result = _array(result)
    untouched = all(
        np.array_equal(before, after)
        for before, after in zip(case, given, strict=True)
        if isinstance(before, np.ndarray)
    )
    return result, untouched


def _array(result: Any) -> Array:
    try:
        array = np.asarray(result)
    except Exception:
        array = np.asarray(None)
    if array.dtype.kind not in "biuf":
        raise _Wrong(f"it returns a value of type {type(result).__name__}; return numbers.")
    return array


def _compare(
    answer: Answer,
    reference: Answer,
    cases: Sequence[Sequence[Any]],
    mistakes: Sequence[Mistake],
    *,
    dtype: Callable[[Array], np.dtype[Any]] | None = None,
) -> None:
    """Raise _Wrong unless `answer` agrees with `reference` on every case."""
    tried = [_try(answer, case) for case in cases]
    results = [result for result, _ in tried]
    expected = [np.asarray(reference(*case)) for case in cases]
    if not all(map(_agree, results, expected)):
        for hint, mistake in mistakes:
            if all(_agree(r, mistake(*case)) for r, case in zip(results, cases, strict=True)):
                raise _Wrong(hint)
        for case, result, right in zip(cases, results, expected, strict=True):
            if not _agree(result, right):
                raise _Wrong(_difference(result, right, case, mistakes))
    if dtype:
        for case, result in zip(cases, results, strict=True):
            wanted = dtype(np.asarray(case[0]))
            if result.dtype != wanted:
                raise _Wrong(
                    f"the values are right, but their dtype is {result.dtype}; "
                    f"here it should be {wanted}."
                )
    if not all(untouched for _, untouched in tried):
        raise _Wrong("the values are right, but it changes the array it was given; work on a copy.")


def _agree(result: ArrayLike, expected: ArrayLike) -> bool:
    result, expected = np.asarray(result), np.asarray(expected)
    if result.shape != expected.shape:
        return False
    size = float(np.abs(expected).max(initial=0))
    # float32 answers lose a few units in the seventh place.
    return np.allclose(
        result.astype(np.float64), expected.astype(np.float64), rtol=1e-4, atol=1e-5 * size
    )


def _difference(
    result: Array, expected: Array, case: Sequence[Any], mistakes: Sequence[Mistake]
) -> str:
    """Say how two arrays differ when no single mistake explains it."""
    if result.shape != expected.shape:
        for hint, mistake in mistakes:
            if np.shape(mistake(*case)) == result.shape:
                return hint
        wanted = "one number" if expected.shape == () else f"of shape {expected.shape}"
        return f"the result has shape {result.shape}; it should be {wanted}."
    if not np.isfinite(result).all():
        return "the result holds NaN or infinite values."
    result, expected = result.astype(np.float64), expected.astype(np.float64)
    square = float((expected * expected).sum())
    factor = float((result * expected).sum()) / square if square else 0.0
    if expected.size > 1 and abs(factor) > 1e-6 and _agree(result, factor * expected):
        if factor < 0:
            return f"every value is {factor:.3g} times what it should be."
        size = (
            f"{factor:.3g} times too large" if factor > 1 else f"{1 / factor:.3g} times too small"
        )
        return f"every value is {size}."
    where = np.unravel_index(int(np.abs(result - expected).argmax()), expected.shape)
    place = f"at [{', '.join(map(str, where))}] it gives" if where else "it gives"
    return f"{place} {result[where]:.3g} where {expected[where]:.3g} is right."


def _numbers(shape: tuple[int, ...], high: int = 6, seed: int = 0) -> NDArray[np.float32]:
    """Whole numbers from 0 to `high` - 1, exact in float32."""
    return np.random.default_rng(seed).integers(0, high, shape).astype(np.float32)


# Lesson 00: images as arrays ----------------------------------------------------------------------


def _rgb_to_bgr(image: Array) -> Array:
    """Reverse the channels of an image (H, W, 3): red and blue change places.

    The dtype stays as it is.
    """
    return image[..., ::-1]


@_exercise(_rgb_to_bgr)
def _check_rgb_to_bgr(answer: Answer) -> str:
    pixels = (13 * np.arange(18)).reshape(2, 3, 3).astype(np.uint8)
    _compare(
        answer,
        _rgb_to_bgr,
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


def _to_blob(image: Array) -> Array:
    """Turn uint8 RGB pixels (H, W, 3) into a blob: float32 (1, 3, H, W), RGB in [0, 1].

    For BGR pixels that is ``cv2.dnn.blobFromImage(bgr, 1 / 255, swapRB=True)``.
    """
    import cv2

    bgr = np.ascontiguousarray(image[..., ::-1])
    return np.asarray(cv2.dnn.blobFromImage(bgr, 1 / 255, swapRB=True))


@_exercise(_to_blob)
def _check_to_blob(answer: Answer) -> str:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 3)).astype(np.uint8)
    _compare(
        answer,
        _to_blob,
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


def _over_white(rgba: Array) -> Array:
    """Lay a float image (H, W, 4), RGB and straight alpha in [0, 1], over white: (H, W, 3).

    The colour is alpha · rgb + (1 - alpha) · 1.
    """
    rgb, alpha = rgba[..., :3], rgba[..., 3:]
    return alpha * rgb + (1 - alpha)


@_exercise(_over_white)
def _check_over_white(answer: Answer) -> str:
    rgba = _numbers((2, 3, 4), high=8) / np.float32(8)
    rgba[..., 3] = [[0.0, 0.25, 0.5], [0.75, 1.0, 0.5]]
    _compare(
        answer,
        _over_white,
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
                lambda x: np.dstack([_over_white(x), x[..., 3:]]),
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


# Lesson 01: features ------------------------------------------------------------------------------


def _caffe_preprocess(image: Array) -> Array:
    """Turn RGB in [0, 1], (H, W, 3), into what VGG19 was trained on: BGR in 0..255 minus means.

    The means are 103.939 for blue, 116.779 for green and 123.68 for red.
    """
    return image[..., ::-1] * 255 - CAFFE_MEAN


@_exercise(_caffe_preprocess)
def _check_caffe_preprocess(answer: Answer) -> str:
    image = _numbers((2, 3, 3), high=17) / np.float32(16)
    mean, deviation = CAFFE_MEAN, np.array([57.375, 57.12, 58.395])
    order = "the channels are still in RGB order; reverse them to BGR first."
    divided = "the values are divided by standard deviations; caffe's way only subtracts the means."
    _compare(
        answer,
        _caffe_preprocess,
        [(image,)],
        [
            (
                "the values are not multiplied by 255: the means are on the 0..255 scale.",
                lambda x: x[..., ::-1] - mean,
            ),
            (order, lambda x: x * 255 - mean),
            (order, lambda x: x * 255 - mean[::-1]),
            (
                "the means are subtracted in RGB order; after the channels are reversed, "
                "blue's 103.939 comes first.",
                lambda x: x[..., ::-1] * 255 - mean[::-1],
            ),
            (
                "the means are subtracted before the values are multiplied by 255; multiply first.",
                lambda x: (x[..., ::-1] - mean) * 255,
            ),
            (
                "the means are divided by 255; they belong to values in 0..255: "
                "multiply the image instead.",
                lambda x: x[..., ::-1] - mean / 255,
            ),
            ("the means are not subtracted.", lambda x: x[..., ::-1] * 255),
            ("the means are added; subtract them.", lambda x: x[..., ::-1] * 255 + mean),
            (divided, lambda x: (x[..., ::-1] * 255 - mean) / deviation),
            (divided, lambda x: (x * 255 - mean[::-1]) / deviation[::-1]),
            (
                "the values are divided by 127.5 and moved to [-1, 1], as other networks want; "
                "VGG19 wants 0..255 minus the means.",
                lambda x: x * 2 - 1,
            ),
        ],
    )
    return "Middle grey, 0.5, becomes (23.6, 10.7, 3.8): blue, green, red."


def _receptive_field(layers: Sequence[tuple[int, int]]) -> int:
    """Tell how many input pixels, along one side, one output value of a stack of layers sees.

    `layers` lists (kernel, stride) from the input to the output; pooling is a layer like others.
    """
    size, jump = 1, 1
    for kernel, stride in layers:
        size += (kernel - 1) * jump
        jump *= stride
    return size


def _stride_first(layers: Sequence[tuple[int, int]]) -> int:
    size, jump = 1, 1
    for kernel, stride in layers:
        jump *= stride
        size += (kernel - 1) * jump
    return size


def _wrong_way(layers: Sequence[tuple[int, int]]) -> int:
    size = 1
    for kernel, stride in layers:
        size = (size - 1) * stride + kernel
    return size


@_exercise(_receptive_field)
def _check_receptive_field(answer: Answer) -> str:
    conv, pool = (3, 1), (2, 2)
    block3_conv1 = [conv, conv, pool, conv, conv, pool, conv]
    _compare(
        answer,
        _receptive_field,
        [([(5, 1)],), ([conv, conv],), ([(7, 2), conv, pool],), (block3_conv1,)],
        [
            (
                "this adds up the kernels; each layer adds (kernel - 1), times the strides "
                "of the layers before it.",
                lambda layers: sum(kernel for kernel, _ in layers),
            ),
            (
                "the strides are ignored: after a stride of 2, a step to the next value "
                "is 2 input pixels.",
                lambda layers: 1 + sum(kernel - 1 for kernel, _ in layers),
            ),
            (
                "it is 1 too small: before any layer a value sees 1 pixel, itself.",
                lambda layers: _receptive_field(layers) - 1,
            ),
            (
                "it is 1 too large: before any layer a value sees 1 pixel.",
                lambda layers: _receptive_field(layers) + 1,
            ),
            (
                "a layer's stride counts for the layers after it, not for its own kernel; "
                "add (kernel - 1) first.",
                _stride_first,
            ),
            (
                "the list is read from the wrong end: it runs from the input to the output.",
                _wrong_way,
            ),
            (
                "the kernels are multiplied; each layer adds (kernel - 1), times the strides "
                "of the layers before it.",
                lambda layers: int(np.prod([kernel for kernel, _ in layers])),
            ),
        ],
    )
    return "VGG19's block3_conv1 sees 24 pixels."


def _sparsity(features: Array) -> float:
    """Return the fraction of all values of feature maps (H, W, C) that are exactly zero."""
    return float(np.mean(np.asarray(features) == 0))


@_exercise(_sparsity)
def _check_sparsity(answer: Answer) -> str:
    relu = _numbers((3, 4, 2), high=3)
    # One channel is dead, one value is tiny, and some are below zero: none of these is special.
    mixed = np.array([[[0, -1, 2], [0, 0, 1e-6]], [[0, 3, -2], [0, 4, 0]]], np.float32)
    _compare(
        answer,
        _sparsity,
        [(relu,), (mixed,)],
        [
            (
                "this is the fraction of values that are not zero; count those that are.",
                lambda x: (x != 0).mean(),
            ),
            (
                "this is a percentage; return a fraction, in [0, 1].",
                lambda x: (x == 0).mean() * 100,
            ),
            ("this is a count; divide it by the number of values.", lambda x: (x == 0).sum()),
            (
                "this counts the values that are not zero; count the zeros and divide by the "
                "number of values.",
                lambda x: (x != 0).sum(),
            ),
            (
                "this is one number for each channel; return one for all values together.",
                lambda x: (x == 0).mean(axis=(0, 1)),
            ),
            (
                "the count is divided by H·W; divide it by the number of all values, H·W·C.",
                lambda x: (x == 0).sum() / (x.shape[0] * x.shape[1]),
            ),
            (
                "values below zero are counted too; only exact zeros are asked for.",
                lambda x: (x <= 0).mean(),
            ),
            ("this is the mean of the values, not of how many are zero.", lambda x: x.mean()),
            (
                "small values are counted as zero; only exact zeros are asked for.",
                lambda x: (np.abs(x) < 1e-3).mean(),
            ),
        ],
    )
    return f"It finds {_sparsity(relu):.1%} zeros, over all channels together."


# Lesson 02: Gram matrices -------------------------------------------------------------------------


def _rows(features: Array) -> Array:
    """Feature maps (H, W, C) as a matrix F of H·W positions by C channels."""
    return features.reshape(-1, features.shape[-1])


def _scrambled(features: Array) -> Array:
    """Give what ``reshape(C, -1)`` makes of feature maps: not the transpose of F."""
    return features.reshape(features.shape[-1], -1).T


def _product(F: Array) -> Array:
    return F.T @ F / len(F)


def _gram_matrix(features: Array) -> Array:
    """Return the Gram matrix (C, C) of feature maps (H, W, C): FᵀF / (H·W).

    F is the features as a matrix with a row for each of the H·W positions.
    """
    return _product(_rows(np.asarray(features)))


_SCRAMBLED = (
    "reshape(C, -1) mixes positions and channels; "
    "reshape to (H·W, C), which keeps each pixel's channels together, then transpose."
)


@_exercise(_gram_matrix)
def _check_gram_matrix(answer: Answer) -> str:
    _compare(
        answer,
        _gram_matrix,
        [(_numbers((2, 3, 4)),), (_numbers((5, 2, 3), seed=1),)],
        [
            (
                "it is not divided by H·W, the number of positions.",
                lambda x: _rows(x).T @ _rows(x),
            ),
            (
                "it is divided by H·W·C; divide by the number of positions, H·W.",
                lambda x: _gram_matrix(x) / x.shape[-1],
            ),
            (
                "it is divided by C; divide by the number of positions, H·W.",
                lambda x: _rows(x).T @ _rows(x) / x.shape[-1],
            ),
            (
                "it is divided by H·W - 1; divide by H·W.",
                lambda x: _rows(x).T @ _rows(x) / (len(_rows(x)) - 1),
            ),
            (
                "this is FFᵀ, positions by positions; FᵀF is (C, C), channels by channels.",
                lambda x: _rows(x) @ _rows(x).T / len(_rows(x)),
            ),
            (_SCRAMBLED, lambda x: _product(_scrambled(x))),
            (
                f"{_SCRAMBLED} And divide by H·W.",
                lambda x: _scrambled(x).T @ _scrambled(x),
            ),
            (
                "each channel's mean is subtracted: that is the covariance; "
                "the Gram matrix keeps the mean.",
                lambda x: _product(_rows(x) - _rows(x).mean(axis=0)),
            ),
            (
                "there is a batch axis, (1, C, C); the features here have none: return (C, C).",
                lambda x: _gram_matrix(x)[np.newaxis],
            ),
            (
                "this sums over the columns alone and leaves one matrix for each row; "
                "sum over all positions.",
                lambda x: np.einsum("hwi,hwj->hij", x, x),
            ),
            (
                "this is only the diagonal, each channel with itself; "
                "return every channel with every other, (C, C).",
                lambda x: np.diag(_gram_matrix(x)),
            ),
        ],
    )
    return "It is (4, 4) for features of shape (2, 3, 4), and divided by H·W = 6."


def _relative_difference(gram: Array, target: Array) -> float:
    """Return how far a matrix is from a target, relative to it: mean((G - A)²) / mean(A²)."""
    return float(np.mean((gram - target) ** 2) / np.mean(target**2))


@_exercise(_relative_difference)
def _check_relative_difference(answer: Answer) -> str:
    gram = np.array([[4, 1, 2], [1, 5, 0], [2, 0, 3]], np.float32)
    target = np.array([[2, 1, 0], [1, 1, 3], [0, 3, 6]], np.float32)
    # Errors of +2 and -2: their mean is zero, their squares are not.
    cancelling = target + np.diag([2, -2, 0]).astype(np.float32)
    _compare(
        answer,
        _relative_difference,
        [(gram, target), (cancelling, target)],
        [
            (
                "it is not divided by mean(A²), so it is not relative.",
                lambda g, a: ((g - a) ** 2).mean(),
            ),
            (
                "it is not divided by mean(A²), and it is a sum: divide by the sum of A².",
                lambda g, a: ((g - a) ** 2).sum(),
            ),
            (
                "it is divided by mean(G²); what it is relative to is the target, mean(A²).",
                lambda g, a: ((g - a) ** 2).mean() / (g**2).mean(),
            ),
            (
                "the mean is taken before the square, so opposite errors cancel; "
                "square first, then take the mean.",
                lambda g, a: (g - a).mean() ** 2 / (a**2).mean(),
            ),
            (
                "the mean is taken before the square, so opposite errors cancel; "
                "square first, then take the mean.",
                lambda g, a: (g - a).mean() ** 2,
            ),
            (
                "the mean is taken before the square, so opposite errors cancel; "
                "square first, then take the mean.",
                lambda g, a: (g - a).mean() ** 2 / a.mean() ** 2,
            ),
            (
                "this is the square root; leave the ratio squared.",
                lambda g, a: _relative_difference(g, a) ** 0.5,
            ),
            (
                "a sum is divided by a mean; take the sum of both, or the mean of both.",
                lambda g, a: ((g - a) ** 2).sum() / (a**2).mean(),
            ),
            (
                "a mean is divided by a sum; take the sum of both, or the mean of both.",
                lambda g, a: ((g - a) ** 2).mean() / (a**2).sum(),
            ),
            (
                "it is divided by mean(A)²; square the entries first: mean(A²).",
                lambda g, a: ((g - a) ** 2).mean() / a.mean() ** 2,
            ),
            (
                "these are absolute values; the differences and the target are squared.",
                lambda g, a: np.abs(g - a).mean() / np.abs(a).mean(),
            ),
            (
                "this is one value for each entry; take the means, and return one number.",
                lambda g, a: (g - a) ** 2 / (a**2).mean(),
            ),
        ],
    )
    return "It is relative to the target, and opposite errors do not cancel."


def _covariance(features: Array) -> Array:
    """Return the Gram matrix (C, C) of feature maps (H, W, C) less each channel's mean."""
    F = _rows(np.asarray(features))
    return _product(F - F.mean(axis=0))


def _region_covariance(features: Array, mask: Array) -> Array:
    """Return the covariance (C, C) of feature maps (H, W, C) in the region that a mask marks.

    `mask` (H, W), from 0 to 1, says how much each position counts: in the mean of each channel, and
    in the mean of the products of two channels' distances from their means.
    """
    F, share = _rows(np.asarray(features)), np.ravel(mask) / np.sum(mask)
    centred = F - share @ F
    return (share[:, np.newaxis] * centred).T @ centred


@_exercise(_region_covariance)
def _check_region_covariance(answer: Answer) -> str:
    half = np.array([[1, 1, 0], [1, 1, 0]], np.float32)
    soft = np.array([[1, 0.5], [0, 0.75], [0.25, 1], [0, 0], [0.5, 0.75]], np.float32)

    def shares(mask: Array) -> Array:
        return (mask / mask.sum())[..., np.newaxis]

    def mean(x: Array, mask: Array) -> Array:
        return np.asarray((shares(mask) * x).sum(axis=(0, 1)))

    def product(centred: Array, share: Array) -> Array:
        return _rows(share * centred).T @ _rows(centred)

    def hard(mask: Array, above: float) -> Array:
        return (mask > above).astype(np.float32)

    whole = "the means are of the whole picture; take those of the region: Σ m·F / Σ m."
    threshold = "the mask is made hard; a position of 0.5 counts half as much as one of 1."
    _compare(
        answer,
        _region_covariance,
        [(_numbers((2, 3, 4)), half), (_numbers((5, 2, 3), seed=1), soft)],
        [
            ("the mask is not used: this is the whole picture's.", lambda x, _: _covariance(x)),
            (
                "the mask marks the region with 1; this is the covariance of the rest.",
                lambda x, m: _region_covariance(x, 1 - m),
            ),
            (
                "the means are not subtracted: this is the region's Gram matrix.",
                lambda x, m: product(x, shares(m)),
            ),
            (
                "the features are multiplied by the mask, and then all positions count: the region "
                "is compared with zeros. Weight the means and the products instead.",
                lambda x, m: _covariance(m[..., np.newaxis] * x),
            ),
            (whole, lambda x, m: product(x - x.mean(axis=(0, 1)), shares(m))),
            (
                "it is divided by H·W; divide by the sum of the mask.",
                lambda x, m: _region_covariance(x, m) * m.mean(),
            ),
            (
                "it is divided by H·W, and so are the means; divide both by the sum of the mask.",
                lambda x, m: product(x - mean(x, m) * m.mean(), shares(m) * m.mean()),
            ),
            (
                "the means are divided by H·W; divide them by the sum of the mask.",
                lambda x, m: product(x - mean(x, m) * m.mean(), shares(m)),
            ),
            (
                "it is not divided by the sum of the mask.",
                lambda x, m: _region_covariance(x, m) * m.sum(),
            ),
            (
                "the mask is multiplied into both factors of the product, so it counts squared; "
                "once is enough.",
                lambda x, m: product(x - mean(x, m), shares(m) * m[..., np.newaxis]),
            ),
            (
                "the mask is multiplied into both factors of the product, so it counts squared; "
                "once is enough.",
                lambda x, m: product(x - mean(x, m), shares(m**2)),
            ),
            (threshold, lambda x, m: _region_covariance(x, hard(m, 0))),
            (threshold, lambda x, m: _region_covariance(x, hard(m, 0.499))),
            (threshold, lambda x, m: _region_covariance(x, hard(m, 0.5))),
            (
                "this is only the diagonal, each channel with itself; "
                "return every channel with every other, (C, C).",
                lambda x, m: np.diag(_region_covariance(x, m)),
            ),
        ],
    )
    return "Where the mask is 0 the features don't matter, and where it is 0.5 they count half."


# Lesson 03: texture synthesis ---------------------------------------------------------------------


def _style_loss(features: Mapping[str, Any], targets: Mapping[str, Any]) -> Any:
    """Return the mean, over the layers, of how far means and covariances are from a style's.

    A layer's distance is Σ(C - Ĉ)² / Σ Ĉ², for the covariances of its channels, plus
    Σ(μ - μ̂)² / Σ Ĉᵢᵢ, for their means; a hat marks the style's. `features` maps a layer to a tensor
    (H, W, C), `targets` maps it to the style's mean (C,) and covariance (C, C). The result is a
    scalar tensor, and TensorFlow can differentiate it.
    """
    from nstlib.quietly import tf

    losses = []
    for layer, (mean, covariance) in targets.items():
        F = tf.reshape(features[layer], [-1, features[layer].shape[-1]])
        found = tf.reduce_mean(F, axis=0)
        centred = F - found
        varies = tf.matmul(centred, centred, transpose_a=True) / F.shape[0]
        of_covariances = tf.reduce_sum((varies - covariance) ** 2) / tf.reduce_sum(covariance**2)
        of_means = tf.reduce_sum((found - mean) ** 2) / tf.linalg.trace(covariance)
        losses.append(of_covariances + of_means)
    return tf.add_n(losses) / len(losses)


def _known_style_losses(
    arrays: Mapping[str, Array], styles: Mapping[str, Array]
) -> list[tuple[str, Any]]:
    """Tell what common mistakes give for the features `arrays`, and the hint that each deserves."""

    def mean(x: Array) -> Array:
        return np.asarray(_rows(x).mean(axis=0))

    def each(distance: Callable[[Array, Array], Any]) -> Array:
        return np.array([distance(arrays[layer], styles[layer]) for layer in arrays])

    def of_covariances(
        size: Callable[[Array, Array], Any] = lambda _, a: (a**2).sum(),
        found: Answer = _covariance,
        wanted: Answer = _covariance,
    ) -> Array:
        return each(lambda x, y: ((found(x) - wanted(y)) ** 2).sum() / size(found(x), wanted(y)))

    def of_means(
        size: Callable[[Array, Array], Any] = lambda _, y: np.trace(_covariance(y)),
    ) -> Array:
        return each(lambda x, y: ((mean(x) - mean(y)) ** 2).sum() / size(x, y))

    def one(*_: Array) -> int:
        return 1

    def entries(x: Array) -> int:
        return len(mean(x))

    covariances, means = of_covariances(), of_means()
    cancelling = each(
        lambda x, y: (_covariance(x) - _covariance(y)).mean() ** 2 / (_covariance(y) ** 2).mean()
    ) + each(lambda x, y: (mean(x) - mean(y)).mean() ** 2 / np.diag(_covariance(y)).mean())
    gram = (
        "this compares Gram matrices; compare the covariances and the means, each with its own "
        "divisor."
    )
    uncentred = (
        "the means are not subtracted before the product, so a Gram matrix is compared with the "
        "style's covariance."
    )
    not_divided = "the difference of {} is not divided by the style's {}: it is not relative."
    own = "it is divided by the size of the features' own statistics; divide by the style's."
    to_squared_mean = (
        "the means' difference is divided by the squared means; divide it by the trace of the "
        "style's covariance, which says how much the channels vary."
    )
    unequal = (
        "a mean is divided by a sum in the {} term; take the sum of both, or the mean of both."
    )
    only = "this is the {} layer alone; take the mean over all of `targets`."
    by_layer: list[tuple[str, Array]] = [
        (gram, of_covariances(found=_gram_matrix, wanted=_gram_matrix)),
        (gram, of_covariances(found=_gram_matrix, wanted=_gram_matrix) + means),
        (uncentred, of_covariances(found=_gram_matrix)),
        (uncentred, of_covariances(found=_gram_matrix) + means),
        ("the means' term is missing: add Σ(μ - μ̂)² / Σ Ĉᵢᵢ.", covariances),
        ("the covariances' term is missing: add Σ(C - Ĉ)² / Σ Ĉ².", means),
        (not_divided.format("the means", "trace, Σ Ĉᵢᵢ"), covariances + of_means(one)),
        (not_divided.format("the covariances", "Σ Ĉ²"), of_covariances(one) + means),
        (
            "neither difference is divided by the style's size, Σ Ĉ² and Σ Ĉᵢᵢ: they are not "
            "relative.",
            of_covariances(one) + of_means(one),
        ),
        (
            "neither difference is divided by the style's size, Σ Ĉ² and Σ Ĉᵢᵢ: they are not "
            "relative.",
            of_covariances(lambda _, a: a.size) + of_means(lambda _, y: entries(y)),
        ),
        (to_squared_mean, covariances + of_means(lambda _, y: (mean(y) ** 2).sum())),
        (
            "the means' difference is divided by the sum of all entries of Ĉ; divide it by the "
            "sum of the diagonal alone, the trace.",
            covariances + of_means(lambda _, y: _covariance(y).sum()),
        ),
        (
            "the means' difference is divided by Σ Ĉ²; divide it by the trace, Σ Ĉᵢᵢ, which is in "
            "the same unit as a squared mean.",
            covariances + of_means(lambda _, y: (_covariance(y) ** 2).sum()),
        ),
        (
            "the covariances' difference is divided by the trace; divide it by Σ Ĉ², which is "
            "squared as the difference is.",
            of_covariances(lambda _, a: np.trace(a)) + means,
        ),
        (
            own,
            of_covariances(lambda c, _: (c**2).sum())
            + of_means(lambda x, _: np.trace(_covariance(x))),
        ),
        (own, of_covariances(lambda c, _: (c**2).sum()) + means),
        (own, covariances + of_means(lambda x, _: np.trace(_covariance(x)))),
        (
            unequal.format("means'"),
            covariances + of_means(lambda _, y: entries(y) * np.trace(_covariance(y))),
        ),
        (
            unequal.format("covariances'"),
            of_covariances(lambda _, a: a.size * (a**2).sum()) + means,
        ),
        (
            "the covariances are not divided by H·W, as the style's are.",
            of_covariances(found=lambda x: len(_rows(x)) * _covariance(x)) + means,
        ),
        (
            "the covariances are divided by H·W - 1; divide by H·W, as the style's are.",
            of_covariances(found=lambda x: len(_rows(x)) * _covariance(x) / (len(_rows(x)) - 1))
            + means,
        ),
        (
            "this compares each channel's variance alone, the diagonal; compare every channel "
            "with every other.",
            of_covariances(
                found=lambda x: np.diag(_covariance(x)), wanted=lambda x: np.diag(_covariance(x))
            )
            + means,
        ),
        (
            "these are square roots; leave the ratios squared.",
            np.sqrt(covariances) + np.sqrt(means),
        ),
        (
            "the mean is taken before the square, so opposite errors cancel; square first.",
            cancelling,
        ),
    ]
    right = covariances + means
    return [
        ("this is the sum over the layers; take the mean.", right.sum()),
        ("this is one value for each layer; return their mean.", right),
        (only.format("first"), right[0]),
        (only.format("last"), right[-1]),
        *((hint, values.mean()) for hint, values in by_layer),
        *(
            (f"{hint} And take the mean over the layers.", values.sum())
            for hint, values in by_layer
        ),
    ]


def _check_slope(answer: Answer, features: Mapping[str, Any], targets: Mapping[str, Any]) -> None:
    """Raise _Wrong unless a loss of features by layer has the gradient that its values tell."""
    from nstlib.quietly import tf

    with tf.GradientTape() as tape:
        tape.watch(features)
        loss = _call(answer, features, targets)
    gradients: dict[str, Any] = dict.fromkeys(features)
    if tf.is_tensor(loss):
        gradients = tape.gradient(loss, features)
    missing = [layer for layer, gradient in gradients.items() if gradient is None]
    if missing:
        raise _Wrong(
            f"the value is right, but there is no gradient for {', '.join(missing)}: NumPy, "
            "float() or .numpy() inside cuts the tape; use TensorFlow's functions throughout."
        )
    step, rng = 1e-2, np.random.default_rng(1)
    way = {k: rng.normal(size=maps.shape).astype(np.float32) for k, maps in features.items()}
    ahead = float(_call(answer, {k: features[k] + step * way[k] for k in features}, targets))
    behind = float(_call(answer, {k: features[k] - step * way[k] for k in features}, targets))
    slope = (ahead - behind) / (2 * step)
    taped = sum(float(tf.reduce_sum(gradients[layer] * way[layer])) for layer in features)
    if abs(taped - slope) > 0.02 * abs(slope):
        raise _Wrong(
            f"the value is right, but its gradient disagrees with finite differences ({taped:.2g} "
            f"by the tape, {slope:.2g} by finite differences): NumPy or tf.stop_gradient cuts the "
            "tape on part of the way."
        )


@_exercise(_style_loss)
def _check_style_loss(answer: Answer) -> str:
    from nstlib.losses import Statistics
    from nstlib.quietly import tf

    shapes = {"shallow": (4, 3, 2), "middle": (2, 3, 4), "deep": (1, 3, 3)}
    arrays, styles = (
        {layer: _numbers(shape, high, first + i) for i, (layer, shape) in enumerate(shapes.items())}
        for high, first in ((4, 0), (5, 9))
    )
    features = {layer: tf.constant(array) for layer, array in arrays.items()}
    targets = {
        layer: Statistics(
            tf.constant(_rows(style).mean(axis=0)), tf.constant(_covariance(style), tf.float32)
        )
        for layer, style in styles.items()
    }
    known = _known_style_losses(arrays, styles)
    case = (features, targets)
    _compare(answer, _style_loss, [case], [(hint, lambda *_, v=v: v) for hint, v in known])

    _check_slope(answer, features, targets)
    return "It is the mean over three layers, and its gradient agrees with finite differences."


def _gradient(loss: Answer, image: Any) -> Any:
    from nstlib.quietly import tf

    with tf.GradientTape() as tape:
        tape.watch(image)
        value = loss(image)
    return tape.gradient(value, image)


def _gradient_step(loss: Answer, image: Any, learning_rate: float) -> Any:
    """Take one step of gradient descent, and return the new image, clipped to [0, 1].

    `loss` takes an image tensor and returns a scalar; `image` is a float32 tensor (H, W, 3).
    """
    from nstlib.quietly import tf

    return tf.clip_by_value(image - learning_rate * _gradient(loss, image), 0.0, 1.0)


@_exercise(_gradient_step)
def _check_gradient_step(answer: Answer) -> str:
    from nstlib.quietly import tf

    goal = tf.constant(_numbers((2, 3, 3), 9, seed=1) / 2 - 2)
    weight = tf.constant(_numbers((2, 3, 3), 9, seed=2) - 4)
    inside = tf.constant(_numbers((2, 3, 3), 9) / 8)
    # A little outside [0, 1], which tells clipping after the step from clipping before it.
    outside = tf.constant(_numbers((2, 3, 3), 15, seed=3) / 10 - 0.2)

    def distance(image: Any) -> Any:
        return tf.reduce_sum((image - goal) ** 2)

    def linear(image: Any) -> Any:
        return tf.reduce_sum(weight * image)

    def step(change: Callable[[Array, Array, float], Array]) -> Answer:
        return lambda loss, image, rate: change(image.numpy(), _gradient(loss, image).numpy(), rate)

    def unit(g: Array) -> Array:
        return g / np.sqrt((g**2).sum())

    late = "the image is not clipped to [0, 1] after the step."
    try:
        _compare(
            answer,
            _gradient_step,
            [(distance, inside, 0.125), (linear, outside, 0.0625)],
            [
                (
                    "this goes uphill: subtract the gradient.",
                    step(lambda x, g, rate: np.clip(x + rate * g, 0, 1)),
                ),
                (
                    "this goes uphill, and the image is not clipped to [0, 1]: "
                    "subtract the gradient, then clip.",
                    step(lambda x, g, rate: x + rate * g),
                ),
                (late, step(lambda x, g, rate: x - rate * g)),
                (
                    "the image is clipped before the step; clip the result, after it.",
                    step(lambda x, g, rate: np.clip(x, 0, 1) - rate * g),
                ),
                (
                    "the learning rate is ignored: multiply the gradient by it.",
                    step(lambda x, g, _: np.clip(x - g, 0, 1)),
                ),
                (
                    "the gradient is clipped to [0, 1]; clip the image, after the step.",
                    step(lambda x, g, rate: np.clip(x - rate * np.clip(g, 0, 1), 0, 1)),
                ),
                (
                    "the gradient is divided by its length; use it as it is.",
                    step(lambda x, g, rate: np.clip(x - rate * unit(g), 0, 1)),
                ),
                (
                    "only the gradient's sign is used; use the gradient as it is.",
                    step(lambda x, g, rate: np.clip(x - rate * np.sign(g), 0, 1)),
                ),
                (
                    "the image is unchanged, only clipped; subtract learning_rate times the "
                    "gradient.",
                    step(lambda x, *_: np.clip(x, 0, 1)),
                ),
                (
                    "the image is unchanged; subtract learning_rate times the gradient.",
                    step(lambda x, *_: x),
                ),
                (
                    "this is the gradient; return the new image.",
                    step(lambda _, g, __: g),
                ),
                (
                    "this is the loss; return the new image.",
                    lambda loss, image, _: loss(image).numpy(),
                ),
            ],
        )
    except _Raised as raised:
        if "NoneType" not in str(raised):
            raise
        raise _Wrong(
            "the gradient is None: the tape did not watch the image; call tape.watch(image) "
            "before the loss is computed, inside the `with`."
        ) from None
    if not (tf.is_tensor(result := _call(answer, linear, inside, 0.125))):
        raise _Wrong(
            f"the values are right, but this is a {type(result).__name__}; return a tensor, "
            "which the next step can start from."
        )
    return "It goes downhill by learning_rate times the gradient, then clips to [0, 1]."


def _neighbours(image: Array) -> tuple[list[Array], list[Array]]:
    """Differences across the seams, and within the image: columns, then rows."""
    image = np.asarray(image, np.float64)
    seams = [image[:, -1] - image[:, 0], image[-1] - image[0]]
    return seams, [np.diff(image, axis=1), np.diff(image, axis=0)]


def _pooled(differences: Sequence[Array], size: Answer = np.abs) -> float:
    return float(size(np.concatenate([d.ravel() for d in differences])).mean())


def _seam_contrast(image: Array) -> float:
    """Compare the seams of a tiled image (H, W, 3) with the rest of it; about 1 if it is seamless.

    Above the line, the mean absolute difference over all pairs of pixels that become neighbours
    when the image is tiled: last and first column, last and first row, both together. Below it, the
    mean absolute difference over all pairs of neighbours inside the image, in both directions
    together.
    """
    seams, inner = _neighbours(image)
    return _pooled(seams) / _pooled(inner)


@_exercise(_seam_contrast)
def _check_seam_contrast(answer: Answer) -> str:
    def ratio(change: Callable[[list[Array], list[Array]], float]) -> Answer:
        return lambda image: change(*_neighbours(image))

    def signed(differences: Array) -> Array:
        return differences

    cancel = "the differences keep their signs, so they cancel; take absolute values."
    squared = "the differences are squared; take absolute values."
    _compare(
        answer,
        _seam_contrast,
        [(_numbers((4, 6, 3), 9) / np.float32(8),), (_numbers((5, 3, 3), 9, 1) / np.float32(8),)],
        [
            (
                "only the columns are compared; the last and first row meet as well.",
                ratio(lambda s, i: _pooled(s[:1]) / _pooled(i[:1])),
            ),
            (
                "only the columns are compared; the last and first row meet as well.",
                ratio(lambda s, i: _pooled(s[:1]) / _pooled(i)),
            ),
            (
                "only the rows are compared; the last and first column meet as well.",
                ratio(lambda s, i: _pooled(s[1:]) / _pooled(i[1:])),
            ),
            (
                "only the rows are compared; the last and first column meet as well.",
                ratio(lambda s, i: _pooled(s[1:]) / _pooled(i)),
            ),
            (
                "it is not divided by the mean difference of neighbours inside the image.",
                ratio(lambda s, _: _pooled(s)),
            ),
            (
                "the ratio is upside down: the seams stand above the line.",
                ratio(lambda s, i: _pooled(i) / _pooled(s)),
            ),
            (cancel, ratio(lambda s, i: _pooled(s, signed) / _pooled(i, signed))),
            (cancel, ratio(lambda s, i: abs(_pooled(s, signed)) / abs(_pooled(i, signed)))),
            (cancel, ratio(lambda s, i: _pooled(s, signed) / _pooled(i))),
            (squared, ratio(lambda s, i: _pooled(s, np.square) / _pooled(i, np.square))),
            (
                "the mean is taken for each direction apart, and then of the two; "
                "take one mean over the pairs of both directions together.",
                ratio(
                    lambda s, i: (
                        (_pooled(s[:1]) + _pooled(s[1:])) / (_pooled(i[:1]) + _pooled(i[1:]))
                    )
                ),
            ),
            (
                "the two directions' ratios are averaged; "
                "take one mean over the pairs of both directions together.",
                ratio(
                    lambda s, i: (
                        (_pooled(s[:1]) / _pooled(i[:1]) + _pooled(s[1:]) / _pooled(i[1:])) / 2
                    )
                ),
            ),
            (
                "sums are divided; there are fewer pairs at the seams than inside: take means.",
                ratio(
                    lambda s, i: sum(np.abs(d).sum() for d in s) / sum(np.abs(d).sum() for d in i)
                ),
            ),
            (
                "the pairs at the seams are counted among the neighbours inside; leave them out.",
                ratio(lambda s, i: _pooled(s) / _pooled(s + i)),
            ),
        ],
    )
    return "It pools the seams of both directions, relative to the neighbours inside the image."


# Lesson 04: total variation -----------------------------------------------------------------------


def _steps(image: Array) -> tuple[Array, Array]:
    """Return the steps to the right and those downwards, from each pixel to its neighbour."""
    columns, rows = _neighbours(image)[1]
    return columns, rows


def _total_variation(image: Array) -> float:
    """Return the roughness of an image (H, W, 3).

    It is the mean squared step from a pixel to its right neighbour, plus the mean squared step from
    a pixel to the one below.
    """
    right, down = _steps(image)
    return float((right**2).mean() + (down**2).mean())


@_exercise(_total_variation)
def _check_total_variation(answer: Answer) -> str:
    def of(change: Callable[[Array, Array], Any]) -> Answer:
        return lambda image: change(*_steps(image))

    absolute = "these are absolute steps; square them."
    half = "the two means are averaged; add them."
    _compare(
        answer,
        _total_variation,
        [(_numbers((4, 6, 3), 9) / np.float32(8),), (_numbers((5, 3, 3), 9, 1) / np.float32(8),)],
        [
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
                of(lambda r, d: _pooled([r, d], np.square)),
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
                lambda image: _total_variation(image) ** 0.5,
            ),
        ],
    )
    return "It is the mean squared step to the right, plus that downwards."


def _total_variation_gradient(image: Array) -> Array:
    """Return the gradient of `_total_variation` with respect to the image, of the image's shape."""
    right, down = _steps(image)
    slope = np.zeros(np.shape(image))
    # Each step pulls at both its ends: up at the one it leads to, down at the one it leaves.
    slope[:, 1:] += 2 * right / right.size
    slope[:, :-1] -= 2 * right / right.size
    slope[1:] += 2 * down / down.size
    slope[:-1] -= 2 * down / down.size
    return slope


@_exercise(_total_variation_gradient)
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

    _compare(
        answer,
        _total_variation_gradient,
        [(_numbers((4, 6, 3), 9) / np.float32(8),), (_numbers((5, 3, 3), 9, 1) / np.float32(8),)],
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
                _total_variation,
            ),
        ],
    )
    return "It agrees with the derivative at every pixel, also along the border and in the corners."


def _unbeaten(style: Array, roughness: Array) -> Array:
    """Tell which runs are worth looking at: of N runs, (N,) booleans.

    `style` (N,) and `roughness` (N,) are the two losses of each run. A run is beaten if another one
    is no worse in both and better in at least one.
    """
    beaten = [
        np.any((style <= s) & (roughness <= r) & ((style < s) | (roughness < r)))
        for s, r in zip(style, roughness, strict=True)
    ]
    return ~np.array(beaten)


@_exercise(_unbeaten)
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

    _compare(
        answer,
        _unbeaten,
        [first, ties, best_in_both],
        [
            (
                "these are the runs that are beaten; return the others.",
                lambda s, r: ~_unbeaten(s, r),
            ),
            (
                "these are the numbers of the runs; return a boolean for each run.",
                lambda s, r: np.flatnonzero(_unbeaten(s, r)),
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
                lambda s, r: _unbeaten(s, r) & first_of_equals(s, r),
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


# Lesson 05: content and style ---------------------------------------------------------------------


def _content_loss(features: Mapping[str, Any], targets: Mapping[str, Any]) -> Any:
    """Return the mean, over the layers, of Σ(F - P)² / Σ P².

    `features` and `targets` map layers to tensors (H, W, C): those of the picture, F, and those of
    the content, P. The layers of `targets` are the ones that count. The result is a scalar tensor,
    and TensorFlow can differentiate it.
    """
    from nstlib.quietly import tf

    differences = [
        tf.reduce_sum((features[layer] - target) ** 2) / tf.reduce_sum(target**2)
        for layer, target in targets.items()
    ]
    return tf.add_n(differences) / len(differences)


@_exercise(_content_loss)
def _check_content_loss(answer: Answer) -> str:
    from nstlib.quietly import tf

    shapes = {"shallow": (4, 3, 2), "deep": (2, 3, 4), "deepest": (1, 3, 5)}
    found = {layer: _numbers(shape, 9, i) for i, (layer, shape) in enumerate(shapes.items())}
    wanted = {layer: _numbers(shape, 4, 9 + i) for i, (layer, shape) in enumerate(shapes.items())}

    def each(distance: Callable[[Array, Array], Any]) -> Array:
        return np.array([distance(found[layer], wanted[layer]) for layer in wanted])

    cancels = (
        "the mean is taken before the square, so that opposite errors cancel: square first, then "
        "take the mean."
    )
    mixed = "a mean is divided by a sum, or a sum by a mean; take the same of both."
    right = each(lambda f, p: ((f - p) ** 2).sum() / (p**2).sum())
    by_layer = [
        (cancels, each(lambda f, p: (f - p).mean() ** 2)),
        (cancels, each(lambda f, p: (f - p).mean() ** 2 / (p**2).mean())),
        (cancels, each(lambda f, p: (f - p).mean() ** 2 / p.mean() ** 2)),
        (cancels, each(lambda f, p: (f - p).sum() ** 2 / (p**2).sum())),
        (
            "it is not divided by Σ P², so it is not relative.",
            each(lambda f, p: ((f - p) ** 2).sum()),
        ),
        ("it is not relative: divide by mean(P²).", each(lambda f, p: ((f - p) ** 2).mean())),
        (
            "this is half the sum of squares, as in Gatys et al. (2016); here it is relative: "
            "Σ(F - P)² / Σ P².",
            each(lambda f, p: ((f - p) ** 2).sum() / 2),
        ),
        (
            "it is divided by the size of the picture's own features; divide by the content's.",
            each(lambda f, p: ((f - p) ** 2).sum() / (f**2).sum()),
        ),
        (
            "it is divided by (Σ P)²; square the values first: Σ P².",
            each(lambda f, p: ((f - p) ** 2).sum() / p.sum() ** 2),
        ),
        (mixed, each(lambda f, p: ((f - p) ** 2).mean() / (p**2).sum())),
        (mixed, each(lambda f, p: ((f - p) ** 2).sum() / (p**2).mean())),
        (
            "these are absolute differences; square them, and the content's values, too.",
            each(lambda f, p: np.abs(f - p).sum() / np.abs(p).sum()),
        ),
        ("these are square roots; leave the ratios squared.", right**0.5),
        (
            "this compares Gram matrices, which forget places; compare the features position by "
            "position.",
            each(
                lambda f, p: (
                    ((_gram_matrix(f) - _gram_matrix(p)) ** 2).sum() / (_gram_matrix(p) ** 2).sum()
                )
            ),
        ),
    ]
    known = [
        ("this is the sum over the layers; take the mean.", right.sum()),
        ("this is one value for each layer; return their mean.", right),
        ("this is the first layer alone; take the mean over all of `targets`.", right[0]),
        ("this is the last layer alone; take the mean over all of `targets`.", right[-1]),
        *((hint, values.mean()) for hint, values in by_layer),
        *(
            (f"{hint} And take the mean over the layers.", values.sum())
            for hint, values in by_layer
        ),
    ]
    # A layer that only the style needs: it does not count.
    features = {layer: tf.constant(maps) for layer, maps in found.items()}
    features["for the style"] = tf.ones((2, 2, 1))
    targets = {layer: tf.constant(maps) for layer, maps in wanted.items()}
    _compare(
        answer,
        _content_loss,
        [(features, targets)],
        [(hint, lambda *_, v=v: v) for hint, v in known],
    )
    compared = {layer: features[layer] for layer in targets}
    _check_slope(answer, compared, targets)
    return "Every position counts, relative to the content, and gradients flow to every layer."


def _unit_range(pixels: Array) -> Array:
    """Turn what ``plt.imread`` gives into float32 in [0, 1].

    Matplotlib gives the pixels of a JPEG as uint8 in 0..255, and those of a PNG as float32 in
    [0, 1] already. `pixels` (H, W, 3) may be either.
    """
    if pixels.dtype == np.uint8:
        return (pixels / 255).astype(np.float32)
    return pixels.astype(np.float32)


@_exercise(_unit_range)
def _check_unit_range(answer: Answer) -> str:
    jpeg = (13 * np.arange(18) + 20).reshape(2, 3, 3).astype(np.uint8)
    png = jpeg[::-1].astype(np.float32) / np.float32(256)
    # Taken at night: no value above 1 in 0..255.
    night = np.array([[[0, 1, 0], [1, 1, 0]]], np.uint8)

    def by_maximum(limit: float) -> Answer:
        return lambda x: x / np.float32(255) if x.max() > limit else x

    _compare(
        answer,
        _unit_range,
        [(jpeg,), (png,), (night,)],
        [
            (
                "a PNG's values lie in [0, 1] already, and are divided by 255 once more: the "
                "picture is nearly black.",
                lambda x: x / np.float32(255),
            ),
            (
                "nothing is divided; a JPEG's values lie in 0..255.",
                lambda x: x,
            ),
            (
                "this looks at the largest value to tell the two apart, and a JPEG of the night "
                "sky may have none above 1; look at the dtype.",
                by_maximum(1.0),
            ),
            (
                "each picture is divided by its own largest value, which makes it brighter; divide "
                "by the largest that the dtype can hold.",
                lambda x: x / np.float32(x.max()),
            ),
            (
                "each picture is stretched from its darkest to its brightest value; divide by 255 "
                "and no more.",
                lambda x: (x - np.float32(x.min())) / (np.float32(x.max()) - np.float32(x.min())),
            ),
            (
                "everything above 1 is clipped; a JPEG's values are divided by 255 instead.",
                lambda x: np.clip(x, 0, 1),
            ),
            (
                "the cases are swapped: PNG gives floats in [0, 1], JPEG uint8 in 0..255.",
                lambda x: x if x.dtype == np.uint8 else x / np.float32(255),
            ),
            (
                "the values were cut to whole numbers by //; divide with /.",
                lambda x: x // 255 if x.dtype == np.uint8 else x,
            ),
            (
                "it is divided by 256; white is 255, and should become 1.",
                lambda x: x / np.float32(256) if x.dtype == np.uint8 else x,
            ),
            (
                "this is 0..255; divide the uint8 pixels by 255 instead of multiplying the floats.",
                lambda x: x if x.dtype == np.uint8 else x * 255,
            ),
        ],
        dtype=lambda _: np.dtype(np.float32),
    )
    return "JPEG and PNG give the same picture, float32 in [0, 1], a dark one too."


def _freeze(model: Any, names: Sequence[str]) -> int:
    """Freeze the layers of a Keras model that `names` lists; leave the others as they are.

    Return how many numbers training can still change. A name that no layer has is an error, and
    raises a ValueError.
    """
    for name in names:
        model.get_layer(name).trainable = False  # get_layer raises the error
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


@_exercise(_freeze)
def _check_freeze(answer: Answer) -> str:
    from nstlib.quietly import keras

    def network() -> Any:
        layers = [keras.layers.Dense(2 + i, name=f"block{i}") for i in (1, 2, 3, 4)]
        return keras.Sequential([keras.Input((2,)), *layers])

    def settings(part: Any) -> set[str]:
        return {name for name in vars(part) if not name.startswith("_")}

    names = ["block1", "block3", "block4"]
    model = network()
    parts = [model, *model.layers]
    known, values = [*map(settings, parts)], model.get_weights()
    result = _array(_call(answer, model, names))
    if result.shape:
        raise _Wrong(f"the result has shape {result.shape}; it should be one number.")
    for part, before in zip(parts, known, strict=True):
        for name in sorted(settings(part) - before):
            raise _Wrong(
                f"it sets {name!r}, which Keras does not know: Python makes a new attribute, and "
                "nothing is frozen. The attribute is spelt trainable."
            )
    frozen = [layer.name for layer in model.layers if not layer.trainable]
    if frozen != names:
        everything = [layer.name for layer in model.layers]
        hints = {
            (): "no layer is frozen: set the trainable of each named layer to False.",
            tuple(everything): "all the layers are frozen; freeze the named ones alone.",
            tuple(n for n in everything if n not in names): (
                "the named layers can be trained and the others are frozen; it should be the other "
                "way round."
            ),
        }
        others = f"asked to freeze {', '.join(names)}, it freezes {', '.join(frozen)}."
        raise _Wrong(hints.get(tuple(frozen), others))
    if not all(map(np.array_equal, values, model.get_weights())):
        raise _Wrong("the weights' values changed; freezing leaves them as they are.")
    counts = {
        "this is how many arrays training can change; count the numbers in them.": len(
            model.trainable_weights
        ),
        "the frozen numbers are counted, too; count those that training can still change.": (
            model.count_params()
        ),
        "this is how many numbers are frozen; count those that training can still change.": sum(
            weight.size
            for layer in model.layers
            if not layer.trainable
            for weight in layer.get_weights()
        ),
        "this is how many layers were frozen; count the numbers that can still change.": len(names),
    }
    _compare(
        lambda: result,
        lambda: _freeze(network(), names),
        [()],
        [(hint, lambda count=count: count) for hint, count in counts.items()],
    )
    try:
        _call(answer, network(), ["block1", "blokc3"])
    except _Raised:
        return "The named layers are frozen, the others are not, and a misspelt name is an error."
    raise _Wrong(
        "it passes over 'blokc3', a name that no layer has, in silence: raise a ValueError, as "
        "model.get_layer does."
    )


# Lesson 06: better and faster ---------------------------------------------------------------------


def _overall_speedup(seconds: Array, factors: Array) -> float:
    """Return how many times faster a run becomes when its parts do (Amdahl 1967).

    `seconds` (N,) is what each part of the run took, `factors` (N,) how many times faster each has
    become; 1 where nothing has changed.
    """
    return float(np.sum(seconds) / np.sum(seconds / factors))


@_exercise(_overall_speedup)
def _check_overall_speedup(answer: Answer) -> str:
    saved = "these are the seconds that are saved; divide the old time by the new."
    _compare(
        answer,
        _overall_speedup,
        [
            (np.array([80.0, 20.0]), np.array([10.0, 1.0])),
            (np.array([6.0, 3.0, 1.0]), np.array([2.0, 4.0, 1.0])),
        ],
        [
            (
                "the factors are multiplied; that is right only where each speeds up the whole "
                "run. Add up the parts' new times.",
                lambda _, f: f.prod(),
            ),
            (
                "this is the mean of the factors; a part counts by its time: add up the new times.",
                lambda _, f: f.mean(),
            ),
            (
                "the factors are averaged, weighted by the old times; add up the new times, "
                "seconds / factors, instead.",
                lambda s, f: (s * f).sum() / s.sum(),
            ),
            (
                "each part counts alike; weight it by its seconds.",
                lambda _, f: f.size / (1 / f).sum(),
            ),
            ("the factors are added; add up the parts' new times.", lambda _, f: f.sum()),
            (
                "this is the largest factor; the parts that stayed slow hold up the run.",
                lambda _, f: f.max(),
            ),
            (
                "the ratio is upside down: the old time stands above the line.",
                lambda s, f: (s / f).sum() / s.sum(),
            ),
            (
                "this is the new time; divide the old time by it.",
                lambda s, f: (s / f).sum(),
            ),
            (saved, lambda s, f: (s - s / f).sum()),
            (
                "this is the share of the time that is saved; divide the old time by the new.",
                lambda s, f: 1 - (s / f).sum() / s.sum(),
            ),
            (
                "the seconds are multiplied by the factors, which makes the run slower; divide.",
                lambda s, f: s.sum() / (s * f).sum(),
            ),
            (
                "this is one value for each part; add up the times first.",
                lambda s, f: s / (s / f),
            ),
            (
                "this is one value for each part; add up the times first.",
                lambda s, f: s / f,
            ),
        ],
    )
    return "If 80 s of 100 become 10 times faster, the whole becomes 3.57 times faster."


def _match_brightness(brightness: Array, reference: Array) -> Array:
    """Give a brightness (H, W) the mean and the standard deviation of another one (h, w).

    Nothing is clipped.
    """
    scaled = (brightness - brightness.mean()) * (reference.std() / brightness.std())
    return np.asarray(scaled + reference.mean())


@_exercise(_match_brightness)
def _check_match_brightness(answer: Answer) -> str:
    dark = _numbers((3, 4), 5) / np.float32(16)
    bright = _numbers((5, 2), 9, seed=1) / np.float32(8)
    ratio = "the ratio of the spreads is upside down: the reference's stands above the line."
    _compare(
        answer,
        _match_brightness,
        [(dark, bright), (bright, dark)],
        [
            ("the brightness is unchanged.", lambda y, _: y),
            (
                "the roles are changed: the reference was given the brightness's values.",
                lambda y, r: _match_brightness(r, y),
            ),
            (
                "only the mean is moved; scale the distances from the mean as well.",
                lambda y, r: y - y.mean() + r.mean(),
            ),
            (
                "the spread is right and the mean is 0; add the reference's.",
                lambda y, r: _match_brightness(y, r) - r.mean(),
            ),
            (
                "the spread is right and the mean is still the old one; add the reference's.",
                lambda y, r: _match_brightness(y, r) - r.mean() + y.mean(),
            ),
            (
                "the old mean is not subtracted before the values are scaled.",
                lambda y, r: y * (r.std() / y.std()) + r.mean(),
            ),
            (
                "the values are scaled, means and all; scale the distances from the old mean, then "
                "add the new one.",
                lambda y, r: y * (r.std() / y.std()),
            ),
            (
                "the new mean is scaled, too; add it after the distances are scaled.",
                lambda y, r: (y - y.mean() + r.mean()) * (r.std() / y.std()),
            ),
            (
                "the values are multiplied by the ratio of the means; that changes the spread to "
                "something else.",
                lambda y, r: y * (r.mean() / y.mean()),
            ),
            (
                "it is scaled by the ratio of the variances; take standard deviations.",
                lambda y, r: (y - y.mean()) * (r.var() / y.var()) + r.mean(),
            ),
            (ratio, lambda y, r: (y - y.mean()) * (y.std() / r.std()) + r.mean()),
            (
                "it is not divided by the old standard deviation.",
                lambda y, r: (y - y.mean()) * r.std() + r.mean(),
            ),
            (
                "this has mean 0 and standard deviation 1; multiply by the reference's standard "
                "deviation, then add its mean.",
                lambda y, _: (y - y.mean()) / y.std(),
            ),
            (
                "the range is stretched from the reference's darkest to its brightest value; match "
                "mean and standard deviation.",
                lambda y, r: (y - y.min()) / np.ptp(y) * np.ptp(r) + r.min(),
            ),
            (
                "the result is clipped to [0, 1]; leave it as it is, so that mean and standard "
                "deviation stay.",
                lambda y, r: np.clip(_match_brightness(y, r), 0, 1),
            ),
        ],
    )
    return "Mean and standard deviation are the reference's; who is brighter than whom stayed."


def _moments(image: Array) -> tuple[Array, Array, Array]:
    """Pixels (H·W, 3) in float64, their mean, and their covariance."""
    pixels = _rows(np.asarray(image, np.float64))
    return pixels, pixels.mean(axis=0), np.cov(pixels.T, bias=True)


def _mapped(image: Array, reference: Array, matrix: Callable[[Array, Array], Array]) -> Array:
    """Map each pixel's distance from the mean by `matrix`, made from both covariances."""
    pixels, mean, covariance = _moments(image)
    _, wanted_mean, wanted = _moments(reference)
    mapped = (pixels - mean) @ matrix(wanted, covariance).T + wanted_mean
    return np.asarray(mapped.reshape(np.shape(image)))


def _symmetric_root(covariance: Array) -> Array:
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.sqrt(values)) @ vectors.T)


def _cholesky_colors(image: Array, reference: Array) -> Array:
    """Give an image (H, W, 3) the mean and the covariance of another one's pixels, by Cholesky.

    With covariances C = LLᵀ of the image and Ĉ = L̂L̂ᵀ of the reference, L and L̂ lower triangular
    (``np.linalg.cholesky``), a pixel x becomes L̂L⁻¹(x - μ) + μ̂. Nothing is clipped.
    """
    root = np.linalg.cholesky
    return _mapped(image, reference, lambda wanted, c: root(wanted) @ np.linalg.inv(root(c)))


@_exercise(_cholesky_colors)
def _check_cholesky_colors(answer: Answer) -> str:
    root, inverse = np.linalg.cholesky, np.linalg.inv
    # As many pixels in both, so that dividing both covariances by their number less 1 is no error.
    image = _numbers((3, 4, 3), 9, seed=2) / np.float32(8)
    reference = _numbers((2, 6, 3), 9, seed=3) / np.float32(8)

    def by(matrix: Callable[[Array, Array], Array]) -> Answer:
        return lambda image, reference: _mapped(image, reference, matrix)

    def mean(image: Array) -> Array:
        return _moments(image)[1]

    turned = "the matrix is transposed: for pixels in rows it is (x - μ) @ A.T."
    _compare(
        answer,
        _cholesky_colors,
        [(image, reference), (reference, image)],
        [
            ("the image is unchanged.", lambda x, _: x),
            (
                "mean and covariance are right, but these are the symmetric roots; take the "
                "Cholesky factors.",
                by(lambda a, c: _symmetric_root(a) @ inverse(_symmetric_root(c))),
            ),
            (turned, by(lambda a, c: (root(a) @ inverse(root(c))).T)),
            (
                "the factors are in the wrong order: L⁻¹ takes the old covariance away, then L̂ "
                "gives the new one.",
                by(lambda a, c: inverse(root(c)) @ root(a)),
            ),
            (
                "these are upper triangular factors, C = UᵀU, as SciPy gives them; L is Uᵀ. (Or "
                "the factors are in the wrong order, and the product is transposed.)",
                by(lambda a, c: root(a).T @ inverse(root(c).T)),
            ),
            (
                "the covariances stand in place of their factors; take np.linalg.cholesky of each.",
                by(lambda a, c: a @ inverse(c)),
            ),
            (
                "L and L̂ are exchanged: L, the image's, is the one that is inverted.",
                by(lambda a, c: root(c) @ inverse(root(a))),
            ),
            (
                "L is not inverted: that would add the old covariance instead of taking it away.",
                by(lambda a, c: root(a) @ root(c)),
            ),
            (
                "the image's own covariance is not taken away: multiply by L⁻¹ first.",
                by(lambda a, _: root(a)),
            ),
            (
                "the colours are only whitened; multiply by L̂ after L⁻¹.",
                by(lambda _, c: inverse(root(c))),
            ),
            (
                "each channel is scaled alone, so channels vary together as before; use the whole "
                "covariance.",
                by(lambda a, c: np.diag(np.sqrt(np.diag(a) / np.diag(c)))),
            ),
            (
                "only the mean is moved; the covariance is still the old one.",
                by(lambda *_: np.eye(3)),
            ),
            (
                "the old mean is not subtracted before the matrix is applied.",
                lambda x, r: (
                    _cholesky_colors(x, r)
                    + (root(_moments(r)[2]) @ inverse(root(_moments(x)[2]))) @ mean(x)
                ),
            ),
            (
                "the covariance is right and the mean is 0; add the reference's.",
                lambda x, r: _cholesky_colors(x, r) - mean(r),
            ),
            (
                "the covariance is right and the mean is still the old one; add the reference's.",
                lambda x, r: _cholesky_colors(x, r) - mean(r) + mean(x),
            ),
            (
                "the result is clipped to [0, 1]; leave it as it is, so that mean and covariance "
                "stay.",
                lambda x, r: np.clip(_cholesky_colors(x, r), 0, 1),
            ),
        ],
    )
    return "Mean and covariance are the reference's, and red alone decides the new red."


def _merged_covariance(
    share: float, mean_a: Array, covariance_a: Array, mean_b: Array, covariance_b: Array
) -> Array:
    """Return the covariance (C, C) of a whole picture from those of its two regions.

    The first region holds `share` of all positions, the second the rest. `mean_a` and `mean_b` (C,)
    are the regions' means, `covariance_a` and `covariance_b` (C, C) their covariances.
    """
    apart = mean_a - mean_b
    within = share * covariance_a + (1 - share) * covariance_b
    return np.asarray(within + share * (1 - share) * np.outer(apart, apart))


@_exercise(_merged_covariance)
def _check_merged_covariance(answer: Answer) -> str:
    def case(share: float, seed: int) -> tuple[Any, ...]:
        a, b = (_numbers((3, 4, 3), 7, seed + i) for i in range(2))
        b[..., 0] += 3
        return (share, _rows(a).mean(axis=0), _covariance(a), _rows(b).mean(axis=0), _covariance(b))

    def plus(between: Callable[[float, Array], Any]) -> Answer:
        return lambda p, ma, ca, mb, cb: p * ca + (1 - p) * cb + between(p, ma - mb)

    def gram(p: float, ma: Array, ca: Array, mb: Array, cb: Array) -> Array:
        a, b = ca + np.outer(ma, ma), cb + np.outer(mb, mb)
        return np.asarray(p * a + (1 - p) * b)

    def plain(p: float, ma: Array, ca: Array, mb: Array, cb: Array) -> Array:
        mean = (ma + mb) / 2
        return gram(p, ma, ca, mb, cb) - np.outer(mean, mean)

    weight = (
        "the term between the regions, from the distance of their means, has the weight "
        "share · (1 - share)."
    )
    halves = "both regions count alike; the first counts `share`, the second the rest."
    _compare(
        answer,
        _merged_covariance,
        [case(0.25, 0), case(0.625, 4)],
        [
            (
                "only what varies within the regions is counted; that their means differ adds to "
                "the covariance of the whole. Two regions of one plain colour each show it.",
                plus(lambda *_: 0.0),
            ),
            (
                "the shares are changed: `share` is the first region's.",
                lambda p, *rest: _merged_covariance(1 - p, *rest),
            ),
            (
                "the shares are changed: `share` is the first region's. And the distance of the "
                "means adds to the covariance.",
                lambda p, _, ca, __, cb: (1 - p) * ca + p * cb,
            ),
            (halves, lambda _, *rest: _merged_covariance(0.5, *rest)),
            (
                f"{halves} And the distance of the means adds to the covariance.",
                lambda _, __, ca, ___, cb: (ca + cb) / 2,
            ),
            (
                "the covariances are added without their shares.",
                lambda _, __, ca, ___, cb: ca + cb,
            ),
            (weight, plus(lambda _, d: np.outer(d, d))),
            (weight, plus(lambda p, d: p * np.outer(d, d))),
            (weight, plus(lambda p, d: (1 - p) * np.outer(d, d))),
            (
                "the term between the regions is subtracted; means apart make the whole vary more.",
                plus(lambda p, d: -p * (1 - p) * np.outer(d, d)),
            ),
            (
                "the term between the regions takes each channel with itself alone; take the outer "
                "product of the means' distance.",
                plus(lambda p, d: p * (1 - p) * d * d),
            ),
            (
                "the term between the regions takes each channel with itself alone; take the outer "
                "product of the means' distance.",
                plus(lambda p, d: p * (1 - p) * np.diag(d * d)),
            ),
            (
                "the term between the regions is one number, the same for all channels; take the "
                "outer product of the means' distance.",
                plus(lambda p, d: p * (1 - p) * d @ d),
            ),
            (
                "this is the Gram matrix of the whole; subtract the outer product of its mean.",
                gram,
            ),
            (
                "the mean that is subtracted counts both regions alike; the mean of the whole is "
                "share · μₐ + (1 - share) · μ_b.",
                plain,
            ),
            (
                "this is only the diagonal, each channel with itself; "
                "return every channel with every other, (C, C).",
                lambda *args: np.diag(_merged_covariance(*args)),
            ),
        ],
    )
    return "What varies within the regions, by their shares, and what lies between their means."


# Lesson 07: fast style networks -------------------------------------------------------------------


def _break_even(training: float, optimiser: float, network: float) -> float:
    """Return from how many pictures on a network is no slower than an optimiser, all in all.

    `training` is how long it takes to train the network once, `optimiser` how long the optimiser
    takes for a picture, `network` how long the network takes for one, all in seconds. A whole
    number; ``math.inf`` if the network never catches up.
    """
    saved = optimiser - network
    return math.ceil(training / saved) if saved > 0 else math.inf


@_exercise(_break_even)
def _check_break_even(answer: Answer) -> str:
    own = (
        "the network's own time for a picture is left out: each picture saves optimiser - network."
    )
    _compare(
        answer,
        _break_even,
        [(100.0, 10.0, 0.5), (60.0, 20.0, 5.0), (3600.0, 7.0, 0.25)],
        [
            ("pictures come whole: round up.", lambda t, o, n: t / (o - n)),
            (
                "this is one picture too few: after it the training is not yet made up for; round "
                "up, not down.",
                lambda t, o, n: t // (o - n),
            ),
            (
                "rounded to the nearest, it is sometimes one picture too few; round up.",
                lambda t, o, n: round(t / (o - n)),
            ),
            (
                "this is one too many where the division leaves no rest: 60 s of training, 15 s "
                "saved a picture, are made up for after 4 pictures.",
                lambda t, o, n: t // (o - n) + 1,
            ),
            (own, lambda t, o, _: math.ceil(t / o)),
            (own, lambda t, o, _: t / o),
            (
                "this is how many pictures the network paints while it could be trained; compare "
                "it with the optimiser.",
                lambda t, _, n: math.ceil(t / n),
            ),
            (
                "this is how many times faster the network is; the training's time is left out.",
                lambda _, o, n: o / n,
            ),
            (
                "both times for a picture are added; what a picture saves is their difference.",
                lambda t, o, n: math.ceil(t / (o + n)),
            ),
        ],
    )
    for network in (3.0, 2.0):
        if not np.isinf(_try(answer, (100.0, 2.0, network))[0]).all():
            raise _Wrong(
                "a network that is no faster than the optimiser never catches up: math.inf."
            )
    return "Rounded up, the network's own time counted, and never is never."


def _instance_normalization(features: Array, gamma: Array, beta: Array) -> Array:
    """Normalise a batch of feature maps (B, H, W, C), each channel of each picture by itself.

    Subtract the mean and divide by the root of the variance plus 1e-5, both taken over the
    positions; multiply by `gamma` (C,) and add `beta` (C,).
    """
    mean = features.mean(axis=(1, 2), keepdims=True)
    variance = features.var(axis=(1, 2), keepdims=True)
    return np.asarray(gamma * (features - mean) / np.sqrt(variance + 1e-5) + beta)


@_exercise(_instance_normalization)
def _check_instance_normalization(answer: Answer) -> str:
    gamma, beta = np.array([[0.5, 2, 3], [1, -2, 0.25]], np.float32)

    def over(axes: int | tuple[int, ...]) -> Answer:
        return lambda x, g, b: (
            g * (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-5) + b
        )

    def plain(x: Array) -> Array:
        return _instance_normalization(x, np.ones(3), np.zeros(3))

    _compare(
        answer,
        _instance_normalization,
        [
            (_numbers((2, 3, 4, 3), 9), gamma, beta),
            (_numbers((3, 5, 2, 3), 7, seed=1), gamma, beta),
        ],
        [
            ("the features are unchanged.", lambda x, *_: x),
            (
                "this is batch normalization: mean and variance are taken over all the pictures of "
                "the batch; leave axis 0 out.",
                over((0, 1, 2)),
            ),
            (
                "mean and variance are taken over the channels as well; each channel has its own.",
                over((1, 2, 3)),
            ),
            (
                "mean and variance are taken over the channels of one position; take them over the "
                "positions, axes 1 and 2.",
                over(3),
            ),
            (
                "mean and variance are taken over one axis alone; positions have two, 1 and 2.",
                over(1),
            ),
            (
                "mean and variance are taken over one axis alone; positions have two, 1 and 2.",
                over(2),
            ),
            (
                "there is one mean and one variance for the whole batch; each channel of each "
                "picture has its own.",
                over((0, 1, 2, 3)),
            ),
            ("gamma and beta are left out.", lambda x, *_: plain(x)),
            ("beta is left out.", lambda x, g, _: g * plain(x)),
            ("gamma is left out.", lambda x, _, b: plain(x) + b),
            ("gamma and beta changed places.", lambda x, g, b: b * plain(x) + g),
            (
                "gamma also multiplies beta; multiply first, then add.",
                lambda x, g, b: g * (plain(x) + b),
            ),
            (
                "it is divided by the variance; divide by its root.",
                lambda x, g, b: (
                    g * plain(x) / np.sqrt(x.var(axis=(1, 2), keepdims=True) + 1e-5) + b
                ),
            ),
            (
                "it is not divided by the root of the variance.",
                lambda x, g, b: g * (x - x.mean(axis=(1, 2), keepdims=True)) + b,
            ),
            (
                "the mean is not subtracted.",
                lambda x, g, b: g * x / np.sqrt(x.var(axis=(1, 2), keepdims=True) + 1e-5) + b,
            ),
            (
                "the variance is divided by the number of positions less 1; divide by the number.",
                lambda x, g, b: (
                    g
                    * (x - x.mean(axis=(1, 2), keepdims=True))
                    / np.sqrt(x.var(axis=(1, 2), keepdims=True, ddof=1) + 1e-5)
                    + b
                ),
            ),
        ],
    )
    flat = np.full((1, 2, 3, 3), 5, np.float32)
    with np.errstate(all="ignore"):
        result, _ = _try(answer, (flat, gamma, beta))
    if not np.isfinite(result).all():
        raise _Wrong(
            "where a channel is the same everywhere, its variance is 0 and the result NaN; add "
            "1e-5 to the variance before you take the root."
        )
    return "Each channel of each picture has mean beta and spread gamma, a flat one mean beta."


def _overlaps(kernel: int, stride: int, length: int) -> Array:
    """Count how many inputs reach each output of a transposed convolution, in one dimension.

    Each of `length` inputs puts a kernel of size `kernel` into the output, `stride` further than
    the one before. The output, ((length - 1) · stride + kernel,), is not cut at its ends.
    """
    counts = np.zeros((length - 1) * stride + kernel, int)
    for start in range(0, length * stride, stride):
        counts[start : start + kernel] += 1
    return counts


@_exercise(_overlaps)
def _check_overlaps(answer: Answer) -> str:
    def whole(kernel: int, stride: int, length: int) -> Array:
        return np.ones((length - 1) * stride + kernel, int)

    def starts(kernel: int, stride: int, length: int) -> Array:
        counts = 0 * whole(kernel, stride, length)
        counts[: length * stride : stride] = 1
        return counts

    def cut(kernel: int, stride: int, length: int) -> Array:
        first = (kernel - stride) // 2
        return _overlaps(kernel, stride, length)[first : first + length * stride]

    _compare(
        answer,
        _overlaps,
        [(3, 2, 4), (4, 2, 5), (5, 2, 3), (5, 3, 4), (2, 3, 2)],
        [
            (
                "each output is counted once, as if kernels did not overlap; count every kernel "
                "that reaches it.",
                lambda k, s, n: np.minimum(_overlaps(k, s, n), 1),
            ),
            (
                "each output is counted once, as if kernels did not overlap; count every kernel "
                "that reaches it.",
                whole,
            ),
            (
                "only the first output that each kernel reaches is counted; a kernel reaches as "
                "many as its size.",
                starts,
            ),
            (
                "kernel and stride changed places.",
                lambda k, s, n: _overlaps(s, k, n),
            ),
            (
                "the output is cut to length · stride; leave its ends as they are.",
                cut,
            ),
            (
                "the output is cut to length · stride; leave its ends as they are.",
                lambda k, s, n: _overlaps(k, s, n)[: n * s],
            ),
            (
                "the kernels lie side by side; each begins `stride` after the one before.",
                lambda k, _, n: np.ones(k * n, int),
            ),
            (
                "the inputs have moved by one place each; they move by `stride`.",
                lambda k, _, n: _overlaps(k, 1, n),
            ),
            (
                "this counts, for each input, how many outputs it reaches; count for each output "
                "how many inputs reach it.",
                lambda k, _, n: np.full(n, k),
            ),
        ],
    )
    return "Kernel 3 and stride 2 give 1 1 2 1 2 1 2 1 1; kernel 4 is even but for its ends."


def _transposed_kernel(kernel: Array) -> Array:
    """Return the transposed convolution that doubling and then convolving is, in one dimension.

    `kernel` (K,) is the kernel of a convolution as networks compute it, without turning it round,
    after each input was repeated once. Returned are the K + 1 numbers that one input puts into the
    output, in the order of the outputs.
    """
    return np.convolve(kernel[::-1], np.ones(2, kernel.dtype))


@_exercise(_transposed_kernel)
def _check_transposed_kernel(answer: Answer) -> str:
    _compare(
        answer,
        _transposed_kernel,
        [(_numbers((3,), 9) + 1,), (_numbers((5,), 9, seed=4),)],
        [
            ("the kernel is unchanged; an input that is repeated reaches K + 1 outputs.", _same),
            (
                "the order is turned round: the kernel's last number meets an input first, at the "
                "lowest output.",
                lambda w: np.convolve(w, [1, 1]),
            ),
            (
                "each sum is halved; the two copies of an input add up.",
                lambda w: np.convolve(w[::-1], [0.5, 0.5]),
            ),
            (
                "this is where one copy of the input goes; the other one goes one place further, "
                "and they add up.",
                lambda w: np.append(w[::-1], 0),
            ),
            (
                "this is where one copy of the input goes; the other one goes one place further, "
                "and they add up.",
                lambda w: np.append(0, w[::-1]),
            ),
            (
                "the numbers are repeated; two neighbours add up where both copies meet.",
                lambda w: np.repeat(w[::-1], 2),
            ),
            (
                "the numbers are repeated; two neighbours add up where both copies meet.",
                lambda w: np.repeat(w, 2),
            ),
            (
                "the two ends are missing, which one copy reaches alone.",
                lambda w: (w[1:] + w[:-1])[::-1],
            ),
        ],
    )
    return "A kernel of 4, which a stride of 2 divides: so nothing is covered unevenly."


def _same(x: Array) -> Array:
    return x


# Lesson 08: ONNX ----------------------------------------------------------------------------------


def _largest_difference(one: Array, other: Array) -> float:
    """Return the largest difference between what two runtimes computed, without its sign.

    Infinite if the shapes differ or either holds a NaN: then they do not agree at all.
    """
    if np.shape(one) != np.shape(other):
        return math.inf
    difference = np.abs(np.asarray(one, np.float64) - np.asarray(other, np.float64))
    return math.inf if np.isnan(difference).any() else float(difference.max())


@_exercise(_largest_difference)
def _check_largest_difference(answer: Answer) -> str:
    one, other = _numbers((1, 3, 4, 5), 9), _numbers((1, 3, 4, 5), 9, seed=1)
    _compare(
        answer,
        _largest_difference,
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
    _compare(
        answer,
        _largest_difference,
        [(dark, light)],
        [
            (
                "for uint8 pixels 1 - 2 is 255, because they cannot be negative; make floats of "
                "them first.",
                lambda a, b: np.abs(a - b).max(),
            )
        ],
    )
    result, _ = _try(answer, (one, one[:, :1]))
    if not np.isinf(result).all():
        raise _Wrong(
            "shapes (1, 3, 4, 5) and (1, 1, 4, 5) were compared all the same: NumPy repeats the "
            "one channel. Different shapes are infinitely different."
        )
    broken = one.copy()
    broken[0, 1, 2, 3] = np.nan
    with np.errstate(all="ignore"):
        results = [_try(answer, case)[0] for case in ((one, broken), (broken, one))]
    if not all(np.isinf(result).all() for result in results):
        raise _Wrong(
            "one of the values is NaN, and the difference is not infinite. NaN is neither larger "
            "nor smaller than any tolerance, so a check would let it pass."
        )
    return "The largest, without its sign; other shapes, NaN and uint8 do not fool it."


def _pad_run_crop(network: Answer, image: Array) -> Array:
    """Run a network on an image (H, W, C) of any size, if it takes multiples of 4 alone.

    Pad below and on the right, by as few pixels as possible, with the mirror image in which the
    border itself is not repeated; run; return as many pixels as came in.
    """
    height, width = image.shape[:2]
    padded = np.pad(image, ((0, -height % 4), (0, -width % 4), (0, 0)), "reflect")
    return np.asarray(network(padded)[:height, :width])


@_exercise(_pad_run_crop)
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

    def halves(run: Answer, x: Array) -> Array:
        more = [-side % 4 for side in x.shape[:2]]
        result = run(np.pad(x, (*((n // 2, n - n // 2) for n in more), (0, 0)), "reflect"))
        top, left = (n // 2 for n in more)
        return np.asarray(result[top : top + x.shape[0], left : left + x.shape[1]])

    _compare(
        lambda image: answer(network, image),
        lambda image: _pad_run_crop(network, image),
        [
            (_numbers(shape, 9, seed),)
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
                    "the image is cut to a multiple of 4, and its edge is lost; pad it instead.",
                    lambda run, x: run(x[: x.shape[0] // 4 * 4, : x.shape[1] // 4 * 4]),
                ),
            ]
        ],
    )
    return "What goes in comes out at its own size, and no black edge changes its means."


def _folded_convolution(
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


@_exercise(_folded_convolution)
def _check_folded_convolution(answer: Answer) -> str:
    def case(channels: int, seed: int) -> tuple[Array, ...]:
        # As many inputs as outputs, so that scaling the wrong ones is an answer, too.
        given = [_numbers((channels, channels + 1), 9, seed)]
        given += [_numbers((channels,), 7, seed + i) + 1 for i in range(1, 5)]
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

    _compare(
        answer,
        _folded_convolution,
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
        result, _ = _try(answer, still)
    if not np.isfinite(result).all():
        raise _Wrong(
            "a channel that never changed in training has variance 0, and the weights become "
            "infinite; add 1e-5 to the variance before you take the root."
        )
    return "One convolution gives what convolution and normalization gave."


# Lesson 09: person segmentation -------------------------------------------------------------------


def _person_blob(bgr: Array) -> Array:
    """Turn OpenCV's uint8 BGR pixels (H, W, 3) into a blob: float32 RGB (1, 3, H, W) in [-1, 1].

    A value x becomes (x / 255 - 0.5) / 0.5.
    """
    rgb = bgr[..., ::-1].astype(np.float32)
    return np.asarray((rgb.transpose(2, 0, 1)[np.newaxis] / 255 - 0.5) / 0.5)


@_exercise(_person_blob)
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
    _compare(
        answer,
        _person_blob,
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


def _mean_iou(mask: Array, truth: Array) -> float:
    """Return the mean of two IoUs, the person's and the background's.

    `mask` and `truth` (H, W) are booleans, True for a person. A class that neither of them holds
    counts as 1.
    """
    return (_iou_of_class(mask, truth) + _iou_of_class(~mask, ~truth)) / 2


@_exercise(_mean_iou)
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

    truth = _numbers((4, 6), 3) > 1
    mask = truth.copy()
    mask[1:3] = _numbers((2, 6), 2, seed=1) > 0
    nobody = np.zeros((3, 4), bool)
    seen, _ = _try(answer, (nobody, nobody))
    if np.isnan(seen).any():
        raise _Wrong(
            "where neither mask holds a person, 0 / 0 gives NaN; both are right about that: count "
            "the class as 1."
        )
    _compare(
        answer,
        _mean_iou,
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
                lambda m, t: 2 * _mean_iou(m, t),
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
                lambda m, t: _mean_iou(~m, t),
            ),
        ],
    )
    return "Both classes count alike, however small the person is, and an empty mask can be right."


def _regions(above: Array) -> tuple[Array, range]:
    from scipy import ndimage

    labels, count = ndimage.label(above)
    return labels, range(1, count + 1)


def _hysteresis(probability: Array, low: float, high: float) -> Array:
    """Keep the regions above `low` that hold a pixel above `high`: (H, W) booleans.

    A region is made of pixels above `low`, each of which shares a side with the next.
    """
    labels, numbers = _regions(probability > low)
    return np.isin(labels, [n for n in numbers if (probability[labels == n] > high).any()])


@_exercise(_hysteresis)
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
    _compare(
        answer,
        _hysteresis,
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
                lambda p, low, high: (p > low) & ~_hysteresis(p, low, high),
            ),
            (
                "these are the numbers of the regions; return True where a region stays.",
                lambda p, low, high: _regions(p > low)[0] * _hysteresis(p, low, high),
            ),
        ],
    )
    return "A region stays, soft edge and all, if the network is sure of one of its pixels."


# Lesson 10: compositing ---------------------------------------------------------------------------


def _composite(foreground: Array, background: Array, alpha: Array) -> Array:
    """Lay one image (H, W, 3) over another: α · foreground + (1 - α) · background.

    `alpha` (H, W), in [0, 1], says how much of each pixel is foreground.
    """
    a = alpha[..., np.newaxis]
    return np.asarray(a * foreground + (1 - a) * background)


@_exercise(_composite)
def _check_composite(answer: Answer) -> str:
    foreground = _numbers((3, 4, 3), 9) / np.float32(8)
    background = _numbers((3, 4, 3), 9, seed=1) / np.float32(8)
    alpha = _numbers((3, 4), 5, seed=2) / np.float32(4)

    def of(change: Callable[[Array, Array, Array], Array]) -> Answer:
        return lambda f, b, alpha: change(f, b, alpha[..., np.newaxis])

    _compare(
        answer,
        _composite,
        [(foreground, background, alpha)],
        [
            (
                "the roles are exchanged: where alpha is 1 the foreground shows.",
                of(lambda f, b, a: a * b + (1 - a) * f),
            ),
            (
                "the mask is hard: alpha is compared with a threshold; take a share of each.",
                of(lambda f, b, a: np.where(a > 0.5, f, b)),
            ),
            (
                "the mask is hard: alpha is compared with a threshold; take a share of each.",
                of(lambda f, b, a: np.where(a >= 0.5, f, b)),
            ),
            (
                "the mask is hard: wherever alpha is above 0 only the foreground shows.",
                of(lambda f, b, a: np.where(a > 0, f, b)),
            ),
            (
                "the mask is hard: the foreground shows only where alpha is 1.",
                of(lambda f, b, a: np.where(a == 1, f, b)),
            ),
            ("the background is missing.", of(lambda f, _, a: a * f)),
            ("the foreground is missing.", of(lambda _, b, a: (1 - a) * b)),
            (
                "the background is added whole; only 1 - alpha of it shows.",
                of(lambda f, b, a: a * f + b),
            ),
            (
                "the foreground is added whole; that is right only for colours that are already "
                "multiplied by alpha.",
                of(lambda f, b, a: f + (1 - a) * b),
            ),
            ("alpha is not used; half of each is taken.", of(lambda f, b, _: (f + b) / 2)),
        ],
    )
    return "In each pixel alpha of the foreground and 1 - alpha of the background."


def _clean_foreground(image: Array, background: Array, alpha: Array) -> Array:
    """Take a known background out of an image: the F with α F + (1 - α) B = image.

    `image` and `background` B are (H, W, 3), `alpha` is (H, W). Where alpha is 0 nothing of F
    shows; the image's own pixel is returned there. The result is clipped to [0, 1].
    """
    a = alpha[..., np.newaxis]
    solved = (image - (1 - a) * background) / np.where(a > 0, a, 1)
    return np.clip(np.where(a > 0, solved, image), 0, 1)


@_exercise(_clean_foreground)
def _check_clean_foreground(answer: Answer) -> str:
    foreground = _numbers((3, 4, 3), 9, seed=3) / np.float32(8)
    background = _numbers((3, 4, 3), 9, seed=4) / np.float32(8)
    alpha = _numbers((3, 4), 5, seed=5) / np.float32(4)
    # A photograph never obeys the equation to the last digit, so some colours leave [0, 1].
    image = _composite(foreground, background, alpha)
    image += (_numbers((3, 4, 3), 3, seed=6) - 1) / np.float32(16)
    image[alpha == 0] = np.abs(background[alpha == 0] - np.float32(1 / 16))
    image = np.clip(image, 0, 1)

    def of(change: Callable[[Array, Array, Array], Array], *, clip: bool = True) -> Answer:
        def clean(x: Array, b: Array, alpha: Array) -> Array:
            a = np.where(alpha > 0, alpha, 1)[..., np.newaxis]
            result = np.where(alpha[..., np.newaxis] > 0, change(x, b, a), x)
            return np.clip(result, 0, 1) if clip else result

        return clean

    def solved(x: Array, b: Array, a: Array) -> Array:
        return np.asarray((x - (1 - a) * b) / a)

    def elsewhere(fill: Callable[[Array, Array], Any]) -> Answer:
        return lambda x, b, alpha: np.where(
            alpha[..., np.newaxis] > 0, _clean_foreground(x, b, alpha), fill(x, b)
        )

    with np.errstate(divide="ignore", invalid="ignore"):
        _compare(
            answer,
            _clean_foreground,
            [(image, background, alpha)],
            [
                ("the image is unchanged.", lambda x, *_: x),
                (
                    "the colours are right, but not clipped to [0, 1].",
                    of(solved, clip=False),
                ),
                (
                    "where alpha is 0 it returns black; return the image's own pixel.",
                    elsewhere(lambda x, _: np.zeros_like(x)),
                ),
                (
                    "where alpha is 0 it returns the background; return the image's own pixel.",
                    elsewhere(lambda _, b: b),
                ),
                (
                    "where alpha is 0 it divides by 0, or by next to nothing, and clips what comes "
                    "out; return the image's own pixel.",
                    elsewhere(lambda x, b: x > b),
                ),
                (
                    "the background is taken away, but what is left is not divided by alpha.",
                    of(lambda x, b, a: x - (1 - a) * b),
                ),
                (
                    "the image is divided by alpha before the background is taken away: subtract "
                    "(1 - alpha) · background first.",
                    of(lambda x, b, a: x / a - (1 - a) * b),
                ),
                ("the background is not taken away.", of(lambda x, _, a: x / a)),
                (
                    "all of the background is taken away; only 1 - alpha of it shows.",
                    of(lambda x, b, a: (x - b) / a),
                ),
                (
                    "alpha and 1 - alpha are exchanged.",
                    of(lambda x, b, a: (x - a * b) / np.where(a < 1, 1 - a, np.nan)),
                ),
                (
                    "alpha of the background is taken away; it is 1 - alpha that shows.",
                    of(lambda x, b, a: (x - a * b) / a),
                ),
                (
                    "this lays the image over the background once more; solve for the foreground.",
                    lambda x, b, alpha: _composite(x, b, alpha),
                ),
            ],
        )
    return "Laid over the old background it gives the image again, and over a new one no halo."


def _still(source: Array) -> Array:
    """Tell which pixels (T - 1, H, W) are the same as in the frame before."""
    return np.asarray((source[1:] == source[:-1]).all(axis=-1))


def _flicker(source: Array, result: Array) -> float:
    """Return the mean change of a film's pixels whose source did not change.

    `source` and `result` are (T, H, W, 3). A pixel counts, with its three channels, wherever its
    source is the same in all three as in the frame before. The change is absolute, from frame to
    frame.
    """
    return float(np.abs(np.diff(result, axis=0))[_still(source)].mean())


def _film(seed: int, frames: int) -> tuple[Array, Array]:
    """Return a source in which about half of the pixels stay from frame to frame, and a result."""
    random = np.random.default_rng(seed)
    source = _numbers((frames, 3, 5, 3), 9, seed) / np.float32(8)
    for t in range(1, frames):
        still = random.random((3, 5)) < 0.5
        source[t, still] = source[t - 1, still]
        # And in some only the green stays.
        green = ~still & (random.random((3, 5)) < 0.5)
        source[t, green, 1] = source[t - 1, green, 1]
    return source, _numbers((frames, 3, 5, 3), 9, seed + 1) / np.float32(8)


@_exercise(_flicker)
def _check_flicker(answer: Answer) -> str:
    def of(change: Callable[[Array, Array], Any]) -> Answer:
        return lambda source, result: change(np.diff(result, axis=0), _still(source))

    def by_channel(source: Array, result: Array) -> Any:
        return np.abs(np.diff(result, axis=0))[source[1:] == source[:-1]].mean()

    def since_the_first(source: Array, result: Array) -> Any:
        still = (source[1:] == source[0]).all(axis=-1)
        return np.abs(result[1:] - result[0])[still].mean() if still.any() else 0.0

    _compare(
        answer,
        _flicker,
        [_film(0, 3), _film(2, 5)],
        [
            (
                "all pixels are counted; leave out those whose source changed.",
                of(lambda d, _: np.abs(d).mean()),
            ),
            (
                "these are the pixels whose source changed; take those where it did not.",
                of(lambda d, still: np.abs(d)[~still].mean()),
            ),
            (
                "the changes are squared; take their absolute values.",
                of(lambda d, still: (d**2)[still].mean()),
            ),
            (
                "changes up and down cancel; take their absolute values.",
                of(lambda d, still: d[still].mean()),
            ),
            (
                "the changes are added up, so a longer film flickers more; take their mean.",
                of(lambda d, still: np.abs(d)[still].sum()),
            ),
            (
                "what moves counts as 0 and is still divided by; take the mean of the pixels that "
                "count.",
                of(lambda d, still: (np.abs(d) * still[..., np.newaxis]).mean()),
            ),
            (
                "each channel is looked at alone; a pixel counts if all three stay the same.",
                by_channel,
            ),
            (
                "frames are compared with the first; compare each with the one before.",
                since_the_first,
            ),
            (
                "the result is compared with its source; compare it with itself, a frame before.",
                lambda source, result: np.abs(result - source).mean(),
            ),
            (
                "this is the largest change; take the mean.",
                of(lambda d, still: np.abs(d)[still].max()),
            ),
            (
                "the three channels' changes are added; take their mean as well.",
                of(lambda d, still: 3 * np.abs(d)[still].mean()),
            ),
        ],
    )
    return "It is 0 for a film that stands still wherever its source does."


def _steady_mattes(mattes: Array, source: Array, keep: float) -> Array:
    """Smooth a film's mattes (T, H, W) in time, wherever the source (T, H, W, 3) stands still.

    The first stays. Then, where all three channels of a pixel's source are as in the frame before,
    the result is keep · the result before + (1 - keep) · the matte; elsewhere it is the matte.
    """
    steady = np.array(mattes, copy=True)
    for t, still in enumerate(_still(source), start=1):
        smooth = keep * steady[t - 1] + (1 - keep) * mattes[t]
        steady[t] = np.where(still, smooth, mattes[t])
    return steady


@_exercise(_steady_mattes)
def _check_steady_mattes(answer: Answer) -> str:
    def case(seed: int, frames: int, keep: float) -> tuple[Array, Array, float]:
        source, result = _film(seed, frames)
        return result[..., 0], source, keep

    def by(
        rule: Callable[[Array, Array, Array, float], Array],
        first: Callable[[Array, float], Array] = lambda matte, _: matte,
        still_of: Callable[[Array], Array] = _still,
    ) -> Answer:
        """Apply `rule` (matte, previous result, where the source is still, keep) to each frame."""

        def steady(mattes: Array, source: Array, keep: float) -> Array:
            results = [first(mattes[0], keep)]
            for matte, still in zip(mattes[1:], still_of(source), strict=True):
                results.append(rule(matte, results[-1], still, keep))
            return np.stack(results)

        return steady

    def smooth(m: Array, before: Array, still: Array, keep: float) -> Array:
        return np.where(still, keep * before + (1 - keep) * m, m)

    def previous_matte(mattes: Array, source: Array, keep: float) -> Array:
        pairs = zip(mattes[1:], mattes[:-1], _still(source), strict=True)
        return np.stack([mattes[0], *(smooth(m, old, still, keep) for m, old, still in pairs)])

    _compare(
        answer,
        _steady_mattes,
        [case(4, 4, 0.75), case(6, 5, 0.5), case(8, 3, 0.25)],
        [
            ("the mattes are unchanged.", lambda m, *_: m),
            (
                "keep and 1 - keep are exchanged: keep is the share of the result before.",
                by(lambda m, before, still, keep: smooth(m, before, still, 1 - keep)),
            ),
            (
                "it smooths where the source moves, too; what has moved on leaves a ghost there.",
                by(lambda m, before, _, keep: keep * before + (1 - keep) * m),
            ),
            (
                "it smooths where the source moves; smooth where it stands still.",
                by(lambda m, before, still, keep: smooth(m, before, ~still, keep)),
            ),
            (
                "the matte before is mixed in; take the result before, which remembers all frames.",
                previous_matte,
            ),
            (
                "the first matte is mixed with zeros; it stays as it is.",
                by(smooth, first=lambda m, keep: (1 - keep) * m),
            ),
            (
                "the first matte is missing; there are as many results as mattes.",
                lambda *args: _steady_mattes(*args)[1:],
            ),
            (
                "where the source stands still the result before is taken as it is; mix (1 - keep) "
                "of the matte in.",
                by(lambda m, before, still, _: np.where(still, before, m)),
            ),
            (
                "one channel that stays the same is taken for a pixel that stands still; look at "
                "all three.",
                by(smooth, still_of=lambda s: (s[1:] == s[:-1]).any(axis=-1)),
            ),
        ],
    )
    return "Where the picture stands still so does the matte, and what moves leaves no ghost."
