"""Right and wrong answers to the exercises of lesson 12, compositing."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from exercise_tests import Answer, ExerciseTests, Right, Wrong
from hypothesis import given, settings
from hypothesis import strategies as st

from nstlib.compose import composite as public_composite
from nstlib.course.exercises._engine import EXERCISES
from nstlib.images.arrays import from_uint8
from nstlib.video.steady import flicker as public_flicker


def over(foreground: Any, background: Any, alpha: Any, back: Answer = lambda a: 1 - a) -> Any:
    channels = [
        foreground[..., i] * alpha + background[..., i] * back(alpha)
        for i in range(foreground.shape[-1])
    ]
    return np.stack(channels, axis=-1)


def whole(
    foreground: Any, background: Any, mask: Any, to_whole: Answer = np.rint, full: int = 255
) -> Any:
    return to_whole(over(foreground / 1.0, background / 1.0, mask / full)).astype(np.uint8)


def by_whole_numbers(foreground: Any, background: Any, mask: Any) -> Any:
    """Without floats: the nearest whole number is that of the sum and a half."""
    share = mask[..., None].astype(np.int64)
    return ((2 * (share * foreground + (255 - share) * background) + 255) // 510).astype(np.uint8)


def by_fractions(foreground: Any, background: Any, mask: Any) -> Any:
    """Pixel by pixel, as programs in C do it, with exact fractions."""
    result = np.zeros_like(foreground)
    for y, x, c in np.ndindex(*foreground.shape):
        m, f, b = int(mask[y, x]), int(foreground[y, x, c]), int(background[y, x, c])
        result[y, x, c] = round(Fraction(m * f + (255 - m) * b, 255))
    return result


def unmixed(change: Answer, fill: Answer = lambda x, b: x) -> Answer:  # noqa: ARG005
    """Pixel by pixel: `change` where some foreground shows, `fill` where none does."""

    def answer(image: Any, background: Any, alpha: Any) -> Any:
        clean = np.empty(image.shape)
        for place, a in np.ndenumerate(alpha):
            x, b = image[place].astype(float), background[place].astype(float)
            clean[place] = change(x, b, float(a)) if a > 0 else fill(x, b)
        return np.clip(clean, 0, 1)

    return answer


def without_guard(image: Any, background: Any, alpha: Any) -> Any:
    a = alpha[..., None]
    return np.clip((image - (1 - a) * background) / a, 0, 1)


def unclipped(image: Any, background: Any, alpha: Any) -> Any:
    a = np.where(alpha > 0, alpha, 1)[..., None]
    return np.where(alpha[..., None] > 0, (image - (1 - a) * background) / a, image)


def changes(
    source: Any,
    result: Any,
    counts_if: Answer = lambda old, new: (old == new).all(),
    size: Answer = np.abs,
) -> list[float]:
    """All the changes that count, collected pixel by pixel."""
    found: list[float] = []
    for t in range(1, len(source)):
        for place in np.ndindex(source.shape[1:3]):
            if counts_if(source[t - 1][place], source[t][place]):
                found += [float(v) for v in size(result[t][place] - result[t - 1][place])]
    return found


def steadied(
    mattes: Any,
    source: Any,
    keep: float,
    still_if: Answer = lambda old, new: (old == new).all(),
    rule: Answer = lambda matte, before, old, keep: matte + keep * (before - matte),  # noqa: ARG005
    moved: Answer = lambda matte, before, keep: matte,  # noqa: ARG005
) -> Any:
    steady = mattes.astype(float)
    for t in range(1, len(mattes)):
        for place in np.ndindex(mattes.shape[1:]):
            matte, before, old = mattes[t][place], steady[t - 1][place], mattes[t - 1][place]
            if still_if(source[t - 1][place], source[t][place]):
                steady[t][place] = rule(matte, before, old, keep)
            else:
                steady[t][place] = moved(matte, before, keep)
    return steady


RIGHT: Right = {
    "composite_bytes": [
        lambda foreground, background, mask: whole(foreground, background, mask),
        by_whole_numbers,
        by_fractions,
    ],
    "clean_foreground": [
        unmixed(lambda x, b, a: (x - (1 - a) * b) / a),
        unmixed(lambda x, b, a: b + (x - b) / a),
    ],
    "flicker": [
        lambda source, result: np.mean(changes(source, result)),
        lambda source, result: np.average(
            np.abs(result[1:] - result[:-1]).mean(-1),
            weights=(np.abs(source[1:] - source[:-1]).sum(-1) == 0),
        ),
    ],
    "steady_mattes": [
        steadied,
        lambda mattes, source, keep: steadied(mattes, source, keep).astype(np.float32),
    ],
}

# Each line: a wrong answer, and words of the hint that it must get.
WRONG: Wrong = {
    "composite_bytes": [
        (
            lambda foreground, background, mask: (
                (mask[..., None] * foreground + (255 - mask[..., None]) * background) // 255
            ),
            "the products overflow",
        ),
        (
            lambda foreground, background, mask: np.uint8(
                np.rint(over(foreground, background, mask, lambda m: 255 - m) / 255)
            ),
            "rounding comes too late",
        ),
        (
            lambda foreground, background, mask: whole(foreground, background, mask, np.trunc),
            "cut off",
        ),
        (
            lambda foreground, background, mask: whole(foreground, background, mask, np.ceil),
            "rounded up",
        ),
        (
            lambda foreground, background, mask: whole(foreground, background, mask, full=256),
            "divided by 256",
        ),
        (lambda foreground, background, mask: whole(background, foreground, mask), "exchanged"),
        (
            lambda foreground, background, mask: np.where(
                mask[..., None] >= 128, foreground, background
            ),
            "compared with a threshold",
        ),
        (
            lambda foreground, background, mask: np.where(
                mask[..., None] == 255, foreground, background
            ),
            "compared with a threshold",
        ),
        (
            lambda foreground, background, mask: over(
                foreground / 1.0, background / 1.0, mask / 255.0
            ),
            "not rounded",
        ),
        (
            lambda foreground, background, mask: over(
                foreground / 255.0, background / 255.0, mask / 255.0
            ),
            "lies in [0, 1]",
        ),
        (
            lambda foreground, background, mask: np.rint(
                over(foreground / 1.0, background / 1.0, mask / 255.0)
            ),
            "dtype is float64",
        ),
        (
            lambda foreground, background, mask: whole(foreground, background, mask)[..., 0],
            "should be of shape",
        ),
    ],
    "clean_foreground": [
        (lambda image, background, alpha: image, "the image is unchanged"),  # noqa: ARG005
        (unclipped, "not clipped"),
        (without_guard, "divides by 0"),
        (
            unmixed(lambda x, b, a: (x - (1 - a) * b) / a, lambda x, b: 0 * x),  # noqa: ARG005
            "returns black",
        ),
        (
            unmixed(lambda x, b, a: (x - (1 - a) * b) / a, lambda x, b: b),  # noqa: ARG005
            "returns the background",
        ),
        (
            unmixed(lambda x, b, a: (x - (1 - a) * b) / a, lambda x, b: x - b),
            "the image less the background",
        ),
        (
            lambda image, background, alpha: without_guard(
                image, background, np.maximum(alpha, 1e-6)
            ),
            "by next to nothing",
        ),
        (unmixed(lambda x, b, a: x - (1 - a) * b), "not divided by alpha"),
        (unmixed(lambda x, b, a: x / a - (1 - a) * b), "before the background is taken away"),
        (unmixed(lambda x, b, a: x / a), "is not taken away"),  # noqa: ARG005
        (unmixed(lambda x, b, a: (x - b) / a), "all of the background"),
        (unmixed(lambda x, b, a: (x - a * b) / a), "1 - alpha that shows"),
        (over, "once more"),
    ],
    "flicker": [
        (
            lambda source, result: np.mean(
                changes(source, result, lambda old, new: True)  # noqa: ARG005
            ),
            "all pixels are counted",
        ),
        (
            lambda source, result: np.mean(
                changes(source, result, lambda old, new: (old != new).any())
            ),
            "whose source changed",
        ),
        (
            lambda source, result: np.mean(
                changes(source, result, lambda old, new: (old == new).any())
            ),
            "one channel that stays the same",
        ),
        (
            lambda source, result: np.mean(
                [
                    np.mean(changes(source[t : t + 2], result[t : t + 2]))
                    for t in range(len(source) - 1)
                ]
            ),
            "a mean of the frames' means",
        ),
        (lambda source, result: np.mean(changes(source, result, size=np.square)), "squared"),
        (lambda source, result: np.mean(changes(source, result, size=np.asarray)), "cancel"),
        (lambda source, result: np.sum(changes(source, result)), "added up"),
        (
            lambda source, result: np.sum(changes(source, result)) / result[1:].size,
            "still divided by",
        ),
        (
            lambda source, result: np.mean(
                np.abs(np.diff(result, axis=0))[np.diff(source, axis=0) == 0]
            ),
            "each channel is looked at alone",
        ),
        (
            lambda source, result: np.mean(
                np.concatenate(
                    [changes(source[[0, t]], result[[0, t]]) or [] for t in range(1, len(source))]
                )
            ),
            "compared with the first",
        ),
        (lambda source, result: np.abs(source - result).mean(), "compared with its source"),
        (lambda source, result: np.max(changes(source, result)), "the largest change"),
        (
            lambda source, result: 3 * np.mean(changes(source, result)),
            "channels' changes are added",
        ),
        (lambda source, result: changes(source, result)[:2], "should be one number"),
    ],
    "steady_mattes": [
        (lambda mattes, source, keep: mattes, "unchanged"),  # noqa: ARG005
        (lambda mattes, source, keep: steadied(mattes, source, 1 - keep), "are exchanged"),
        (
            lambda mattes, source, keep: steadied(
                mattes, source, keep, moved=lambda m, before, k: k * before + (1 - k) * m
            ),
            "leaves a ghost",
        ),
        (
            lambda mattes, source, keep: steadied(
                mattes, source, keep, lambda old, new: (old != new).any()
            ),
            "smooth where it stands still",
        ),
        (
            lambda mattes, source, keep: steadied(
                mattes,
                source,
                keep,
                rule=lambda m, before, old, k: k * old + (1 - k) * m,  # noqa: ARG005
            ),
            "the matte before is mixed in",
        ),
        (
            lambda mattes, source, keep: steadied(
                np.concatenate([0 * mattes[:1], mattes]),
                np.concatenate([source[:1], source]),
                keep,
            )[1:],
            "mixed with zeros",
        ),
        (lambda mattes, source, keep: steadied(mattes, source, keep)[1:], "first matte is missing"),
        (
            lambda mattes, source, keep: steadied(
                mattes,
                source,
                keep,
                rule=lambda m, before, old, k: before,  # noqa: ARG005
            ),
            "taken as it is",
        ),
        (
            lambda mattes, source, keep: steadied(
                mattes, source, keep, lambda old, new: (old == new).any()
            ),
            "look at all three",
        ),
    ],
}


class TestExercises(ExerciseTests):
    lesson = "12"
    right = RIGHT
    wrong = WRONG


@given(seed=st.integers(0, 2**32 - 1), height=st.integers(1, 5), width=st.integers(1, 5))
@settings(max_examples=20, deadline=None)
def test_compositing_as_asked_for_is_the_librarys(seed: int, height: int, width: int) -> None:
    random = np.random.default_rng(seed)
    foreground, background = random.random((2, height, width, 3), np.float32)
    mask = random.integers(0, 256, (height, width)).astype(np.uint8)
    bytes_of = [np.rint(255 * image).astype(np.uint8) for image in (foreground, background)]
    asked = EXERCISES["composite_bytes"].reference(*bytes_of, mask)
    front, back = (from_uint8(image) for image in bytes_of)
    given = public_composite(front, back, mask)
    assert np.abs(asked - 255 * given).max() < 0.501


@given(seed=st.integers(0, 2**32 - 1), frames=st.integers(2, 4))
@settings(max_examples=20, deadline=None)
def test_the_flicker_asked_for_is_the_librarys(seed: int, frames: int) -> None:
    random = np.random.default_rng(seed)
    # Steps of a quarter: what changes does so by more than the library calls still.
    source = random.integers(0, 2, (frames, 3, 4, 3)).astype(np.float32) / 4
    source[1:, 0, 0] = source[0, 0, 0]
    result = random.random(source.shape, np.float32)
    asked = EXERCISES["flicker"].reference(source, result)
    assert asked == pytest.approx(public_flicker(source, result), rel=1e-4)
