"""The exercises' checks.

``nst.check("gram_matrix", gram_matrix)`` calls an answer on small inputs, compares what comes back
with a reference solution and, where they differ, with what common mistakes would give; so it can
say which mistake it was. The docstring of each reference solution below states the exercise.
"""

from __future__ import annotations

import copy
import inspect
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
    """Return the Gram matrix (C, C) of feature maps (H, W, C) less each channel's mean.

    The mean of a channel is over all H·W positions; the product is divided by H·W.
    """
    F = _rows(np.asarray(features))
    return _product(F - F.mean(axis=0))


@_exercise(_covariance)
def _check_covariance(answer: Answer) -> str:
    _compare(
        answer,
        _covariance,
        [(_numbers((2, 3, 4)),), (_numbers((5, 2, 3), seed=1),)],
        [
            ("the means are not subtracted: this is the Gram matrix.", _gram_matrix),
            (
                "one mean over all channels together is subtracted; each channel has its own.",
                lambda x: _gram_matrix(x - x.mean()),
            ),
            (
                "it is divided by H·W - 1; divide by H·W, as the Gram matrix is.",
                lambda x: _covariance(x) * len(_rows(x)) / (len(_rows(x)) - 1),
            ),
            (
                "it is not divided by H·W, the number of positions.",
                lambda x: _covariance(x) * len(_rows(x)),
            ),
            (
                "the mean is taken over the channels at each position; "
                "take it over the positions, for each channel.",
                lambda x: _gram_matrix(x - x.mean(axis=-1, keepdims=True)),
            ),
            (
                "the mean is taken over the rows alone; take it over all positions, axis=(0, 1).",
                lambda x: _gram_matrix(x - x.mean(axis=0)),
            ),
            (
                "the mean is taken over the columns alone; take it over all positions, "
                "axis=(0, 1).",
                lambda x: _gram_matrix(x - x.mean(axis=1, keepdims=True)),
            ),
            (_SCRAMBLED, lambda x: _covariance(_scrambled(x)[np.newaxis])),
            (
                "this is the covariance of positions; np.cov takes variables as rows: "
                "give it Fᵀ, and bias=True.",
                lambda x: np.cov(_rows(x)),
            ),
            (
                "it is divided by the channels' standard deviations: this is the correlation.",
                lambda x: np.corrcoef(_rows(x).T),
            ),
        ],
    )
    return "The means are gone: adding a constant to a channel changes nothing."


# Lesson 03: texture synthesis ---------------------------------------------------------------------


def _style_loss(features: Mapping[str, Any], targets: Mapping[str, Any]) -> Any:
    """Return the mean, over the layers, of the Gram matrix's relative difference from its target.

    `features` maps a layer to a tensor (H, W, C), `targets` maps it to a Gram matrix (C, C). The
    result is a scalar tensor, and TensorFlow can differentiate it.
    """
    from nstlib.quietly import tf

    losses = []
    for layer, target in targets.items():
        F = tf.reshape(features[layer], [-1, features[layer].shape[-1]])
        gram = tf.matmul(F, F, transpose_a=True) / F.shape[0]
        losses.append(tf.reduce_mean((gram - target) ** 2) / tf.reduce_mean(target**2))
    return tf.add_n(losses) / len(losses)


@_exercise(_style_loss)
def _check_style_loss(answer: Answer) -> str:
    from nstlib.quietly import tf

    shapes = {"shallow": (4, 3, 2), "middle": (2, 3, 4), "deep": (1, 2, 3)}
    arrays = {k: _numbers(shape, 4, seed) for seed, (k, shape) in enumerate(shapes.items())}
    styles = {
        k: _gram_matrix(_numbers(shape, 5, seed + 9))
        for seed, (k, shape) in enumerate(shapes.items())
    }
    features = {layer: tf.constant(array) for layer, array in arrays.items()}
    targets = {layer: tf.constant(style, tf.float32) for layer, style in styles.items()}

    def each(distance: Callable[[Array, Array], Any], gram: Answer = _gram_matrix) -> list[Any]:
        return [distance(gram(arrays[layer]), styles[layer]) for layer in arrays]

    def undivided(x: Array) -> Array:
        return _rows(x).T @ _rows(x)

    relative = each(_relative_difference)
    absolute = each(lambda g, a: ((g - a) ** 2).mean())
    summed = each(lambda g, a: ((g - a) ** 2).sum())
    cancelling = each(lambda g, a: (g - a).mean() ** 2 / (a**2).mean())
    unscaled = each(_relative_difference, undivided)
    not_relative = "each layer's difference is not divided by mean(A²): it is not relative."
    gram_wrong = "the Gram matrices are not divided by H·W, as the targets are."
    only = "this is the {} layer alone; take the mean over all of `targets`."
    known: list[tuple[str, Any]] = [
        ("this is the sum over the layers; take the mean.", np.sum(relative)),
        (not_relative, np.mean(absolute)),
        (not_relative, np.sum(absolute)),
        (not_relative, np.sum(summed)),
        (not_relative, np.mean(summed)),
        (only.format("first"), relative[0]),
        (only.format("last"), relative[-1]),
        (gram_wrong, np.mean(unscaled)),
        (gram_wrong, np.sum(unscaled)),
        (
            "the mean is taken before the square, so opposite errors cancel; square first.",
            np.mean(cancelling),
        ),
        ("this is one value for each layer; return their mean.", np.array(relative)),
    ]
    case = (features, targets)
    _compare(answer, _style_loss, [case], [(hint, lambda *_, v=v: v) for hint, v in known])

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
    way = {layer: rng.normal(size=shape).astype(np.float32) for layer, shape in shapes.items()}
    ahead = float(_call(answer, {k: features[k] + step * way[k] for k in features}, targets))
    behind = float(_call(answer, {k: features[k] - step * way[k] for k in features}, targets))
    slope = (ahead - behind) / (2 * step)
    taped = sum(float(tf.reduce_sum(gradients[layer] * way[layer])) for layer in features)
    if abs(taped - slope) > 0.02 * abs(slope):
        raise _Wrong(
            f"the value is right, but its gradient disagrees with finite differences ({taped:.2g} "
            f"by the tape, {slope:.2g} by finite differences): part of the way, such as "
            "tf.stop_gradient, is cut off."
        )
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
