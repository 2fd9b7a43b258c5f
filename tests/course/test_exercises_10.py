"""Right and wrong answers to the exercises of lesson 10, compositing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from exercise_tests import Answer, ExerciseTests, Right, Wrong
from hypothesis import given, settings
from hypothesis import strategies as st

from nstlib.compose import composite as public_composite
from nstlib.course.exercises._engine import EXERCISES
from nstlib.video.steady import flicker as public_flicker

tf = pytest.importorskip("tensorflow")


def over(foreground: Any, background: Any, alpha: Any, back: Answer = lambda a: 1 - a) -> Any:
    channels = [
        foreground[..., i] * alpha + background[..., i] * back(alpha)
        for i in range(foreground.shape[-1])
    ]
    return np.stack(channels, axis=-1)


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
    "composite": [
        over,
        lambda foreground, background, alpha: (
            background + alpha[..., None] * (foreground - background)
        ),
        lambda foreground, background, alpha: tf.convert_to_tensor(
            over(foreground, background, alpha)
        ),
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
    "composite": [
        (lambda foreground, background, alpha: over(background, foreground, alpha), "exchanged"),
        (
            lambda foreground, background, alpha: over(foreground, background, alpha > 0.5),
            "compared with a threshold",
        ),
        (
            lambda foreground, background, alpha: over(foreground, background, alpha.round() > 0),
            "compared with a threshold",
        ),
        (
            lambda foreground, background, alpha: over(foreground, background, alpha >= 0.5),
            "compared with a threshold",
        ),
        (
            lambda foreground, background, alpha: over(foreground, background, 1.0 * (alpha > 0)),
            "above 0 only",
        ),
        (
            lambda foreground, background, alpha: over(foreground, background, 1.0 * (alpha == 1)),
            "only where alpha is 1",
        ),
        (
            lambda foreground, background, alpha: over(foreground, 0 * background, alpha),
            "background is missing",
        ),
        (
            lambda foreground, background, alpha: over(0 * foreground, background, alpha),
            "foreground is missing",
        ),
        (
            lambda foreground, background, alpha: over(
                foreground, background, alpha, lambda a: 1 + 0 * a
            ),
            "background is added whole",
        ),
        (
            lambda foreground, background, alpha: (
                foreground + over(0 * foreground, background, alpha)
            ),
            "already multiplied by alpha",
        ),
        (
            lambda foreground, background, alpha: over(foreground, background, alpha**0 / 2),
            "half of each",
        ),
        (
            lambda foreground, background, alpha: over(foreground, background, alpha)[..., 0],
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
    lesson = "10"
    right = RIGHT
    wrong = WRONG


@given(seed=st.integers(0, 2**32 - 1), height=st.integers(1, 5), width=st.integers(1, 5))
@settings(max_examples=20, deadline=None)
def test_compositing_as_asked_for_is_the_librarys(seed: int, height: int, width: int) -> None:
    random = np.random.default_rng(seed)
    foreground, background = random.random((2, height, width, 3), np.float32)
    alpha = random.random((height, width), np.float32)
    asked = EXERCISES["composite"].reference(foreground, background, alpha)
    np.testing.assert_allclose(asked, public_composite(foreground, background, alpha), atol=1e-6)


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
