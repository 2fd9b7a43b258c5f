"""Right and wrong answers to the exercises of lesson 13, any style at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from exercise_tests import Answer, ExerciseTests, Right, Wrong


def adain(content: Any, style: Any) -> Any:
    """By NumPy's own deviations, position by position."""
    result = np.empty_like(content)
    for picture, (maps, wanted) in enumerate(zip(content, style, strict=True)):
        for channel in range(maps.shape[-1]):
            x, y = maps[..., channel], wanted[..., channel]
            normal = (x - np.mean(x)) / np.sqrt(np.var(x) + 1e-5)
            result[picture, ..., channel] = normal * np.sqrt(np.var(y) + 1e-5) + np.mean(y)
    return result


def moments(x: Any, axis: Any = (1, 2), epsilon: float = 1e-5) -> tuple[Any, Any]:
    return x.mean(axis=axis, keepdims=True), np.sqrt(x.var(axis=axis, keepdims=True) + epsilon)


def exchange(change: Answer, **options: Any) -> Answer:
    """Write an answer with the exercise's parameters, of what its formula makes of them."""

    def answer(content: Any, style: Any) -> Any:
        with np.errstate(divide="ignore", invalid="ignore"):
            return change(content, *moments(content, **options), *moments(style, **options))

    return answer


def colleague(content: Any, style: Any) -> Any:
    """Have the two faults of exercise 1: variances, and one mean for the whole batch."""
    mean, variance = content.mean(axis=(0, 1, 2)), content.var(axis=(0, 1, 2))
    style_mean, style_variance = style.mean(axis=(0, 1, 2)), style.var(axis=(0, 1, 2))
    return (content - mean) / variance * style_variance + style_mean


def by_sample(
    mean: Any, deviation: Any, style_mean: Any, style_deviation: Any, share: float
) -> Any:
    """Measure it on features that have these numbers."""
    pattern = np.random.default_rng(0).normal(size=(50, 1))
    pattern = (pattern - pattern.mean()) / pattern.std()
    mixed = share * (style_mean + style_deviation * pattern) + (1 - share) * (
        mean + deviation * pattern
    )
    return np.stack([mixed.mean(axis=0), mixed.std(axis=0)])


def strength(change: Answer) -> Answer:
    def answer(
        mean: Any, deviation: Any, style_mean: Any, style_deviation: Any, share: float
    ) -> Any:
        return np.stack(change(mean, deviation, style_mean, style_deviation, share))

    return answer


def sample_contrast(one: float, other: float, share: float) -> float:
    """Take two waves of different lengths, which have nothing to do with each other."""
    x = np.linspace(0, 2 * np.pi, 1000, endpoint=False)
    waves = share * one * np.sin(x), (1 - share) * other * np.sin(2 * x)
    return float(np.std(waves[0] + waves[1]) / (np.std(waves[0]) + np.std(waves[1])))


def turned(features: Any) -> Any:
    """Give the second channel the values of the first one, sorted against or with it."""
    with_it = np.corrcoef(features.reshape(-1, features.shape[-1]).T)[0, 1] > 0
    mean, spread = features.mean(axis=(0, 1)), features.std(axis=(0, 1))
    result = features.copy()
    result[..., 1] = (
        mean[1] + (-1) ** with_it * (features[..., 0] - mean[0]) * spread[1] / spread[0]
    )
    return result


def sorted_apart(features: Any) -> Any:
    """Sort each channel's values by themselves, one up and the next one down."""
    flat = np.sort(features.reshape(-1, features.shape[-1]), axis=0)
    flat[:, 1::2] = flat[::-1, 1::2]
    return flat.reshape(features.shape)


def shuffled(features: Any) -> Any:
    flat = features.reshape(-1, features.shape[-1])
    return np.random.default_rng(0).permutation(flat).reshape(features.shape)


def shuffled_channels(features: Any) -> Any:
    flat = features.reshape(-1, features.shape[-1])
    return np.random.default_rng(0).permuted(flat, axis=0).reshape(features.shape)


RIGHT: Right = {
    "adain": [adain, exchange(lambda c, m, d, n, e: (c - m) * (e / d) + n)],
    "strength": [by_sample, strength(lambda m, d, n, e, a: (m + a * (n - m), d + a * (e - d)))],
    "contrast_of_mean": [sample_contrast],
    "blind_spot": [turned, sorted_apart],
}

# Each line: a wrong answer, and words of the hint that it must get.
WRONG: Wrong = {
    "adain": [
        (lambda content, style: content, "unchanged"),  # noqa: ARG005
        (lambda content, style: adain(style, content), "the style's features the content's"),
        (exchange(lambda c, m, d, n, e: (c - m) / d**2 * e**2 + n), "both cancel"),
        (exchange(lambda c, m, d, n, e: (c - m) / d * e**2 + n), "multiplies by the variance"),
        (exchange(lambda c, m, d, n, e: (c - m) / d**2 * e + n), "divide by its root"),
        (
            exchange(lambda c, m, d, n, e: (c - m) / d * e + n, axis=(0, 1, 2)),
            "all pictures of the batch",
        ),
        (
            exchange(lambda c, m, d, n, e: (c - m) / d * e + n, axis=(1, 2, 3)),
            "each channel has its own",
        ),
        (exchange(lambda c, m, d, n, e: (c - m) / d * e + n, epsilon=0.0), "0 / 0"),
        (
            exchange(lambda c, m, d, n, e: (c - m) / (d + 1e-5) * (e + 1e-5) + n, epsilon=0.0),
            "it belongs under it",
        ),
        (exchange(lambda c, m, d, n, e: (c - m) / d * e), "mean is not added"),  # noqa: ARG005
        (exchange(lambda c, m, d, n, e: (c - m) / d + n), "deviation is missing"),  # noqa: ARG005
        (exchange(lambda c, m, d, n, e: c / d * e + n), "not taken away"),  # noqa: ARG005
        (exchange(lambda c, m, d, n, e: (c - m) / d * e + m), "mean stays"),  # noqa: ARG005
        (exchange(lambda c, m, d, n, e: (c - m) / d * (e + n)), "multiply first"),
        (colleague, "this is the colleague's"),
    ],
    "strength": [
        (strength(lambda m, d, n, e, a: (n + a * (m - n), e + a * (d - e))), "went to the content"),
        (
            strength(lambda m, d, n, e, a: (a * n + (1 - a) * m, np.hypot(a * e, (1 - a) * d))),
            "unrelated features",
        ),
        (
            strength(
                lambda m, d, n, e, a: (
                    a * n + (1 - a) * m,
                    np.sqrt(a * e**2 + (1 - a) * d**2),
                )
            ),
            "mean of the variances",
        ),
        (
            strength(
                lambda m, d, n, e, a: (
                    a * n + (1 - a) * m,
                    np.sqrt(a * e**2 + (1 - a) * d**2 + a * (1 - a) * (m - n) ** 2),
                )
            ),
            "each position is a mixture",
        ),
        (strength(lambda m, d, n, e, a: (n, e)), "as if the share were 1"),  # noqa: ARG005
        (
            strength(lambda m, d, n, e, a: (a * n + (1 - a) * m, e)),  # noqa: ARG005
            "still the style's",
        ),
    ],
    "contrast_of_mean": [
        (lambda one, other, share: np.hypot(share * one, (1 - share) * other), "divide by share"),
        (lambda one, other, share: sample_contrast(one, other, share) ** 2, "take the root"),
        (lambda one, other, share: 1.0, "as if X and Y rose"),  # noqa: ARG005
        (lambda one, other, share: sample_contrast(one, other, 1 - share), "belongs to the first"),
        (lambda one, other, share: 1 / sample_contrast(one, other, share), "upside down"),
        (
            lambda one, other, share: (
                np.sqrt(share * one**2 + (1 - share) * other**2)
                / (share * one + (1 - share) * other)
            ),
            "shares are not squared",
        ),
    ],
    "blind_spot": [
        (lambda features: features + 0, "no covariance has changed"),
        (shuffled, "Moving whole positions"),
        (shuffled_channels, "make it 0.5 or more"),
        (lambda features: features[..., ::-1], "a mean has changed"),
        (lambda features: features * 0 + features.mean(axis=(0, 1)), "a deviation has changed"),
        (lambda features: features[:2], "should be of shape"),
        (lambda features: features * np.nan, "NaN"),
    ],
}


class TestExercises(ExerciseTests):
    lesson = "13"
    right = RIGHT
    wrong = WRONG


def test_the_colleagues_own_test_could_not_fail() -> None:
    """Exercise 1 says so: one photograph, its own numbers, no channel that is flat."""
    photo = np.random.default_rng(0).normal(size=(1, 4, 5, 3))
    np.testing.assert_allclose(colleague(photo, photo), photo, atol=1e-9)
    other = np.random.default_rng(1).normal(2.0, 3.0, size=(1, 4, 5, 3))
    assert np.abs(colleague(photo, other) - adain(photo, other)).max() > 1
