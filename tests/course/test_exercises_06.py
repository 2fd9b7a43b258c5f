"""Right and wrong answers to the exercises of lesson 06, content and style."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from exercise_tests import Answer, ExerciseTests, Right, Wrong
from tensor_answers import gram_tf, squares

from nstlib.losses import content_loss as public_content_loss

tf = pytest.importorskip("tensorflow")


def content_loss(
    features: Any,
    targets: Any,
    distance: Answer = lambda f, p: squares(f - p) / squares(p),
    combine: Answer = tf.reduce_mean,
    layers: Answer = list,
) -> Any:
    return combine([distance(features[layer], targets[layer]) for layer in layers(targets)])


def content(**changes: Any) -> Answer:
    return lambda features, targets: content_loss(features, targets, **changes)


def with_four_bugs(features: Any, targets: Any) -> Any:
    """As the lesson gives it."""
    total = 0.0
    for layer in features:
        difference = tf.reduce_mean(features[layer] - targets[layer]) ** 2
        total += difference / tf.reduce_mean(features[layer] ** 2)
    return total


def by_derivative(content: Any, style: Any, content_weight: float, style_weight: float) -> Any:
    """Newton's step from 0: minus the slope there, divided by the curvature."""
    slope = -2 * content_weight * content - 2 * style_weight * style
    return -slope / (2 * content_weight + 2 * style_weight)


def by_steps(content: Any, style: Any, content_weight: float, style_weight: float) -> Any:
    x, rate = np.zeros_like(content), 0.25 / (content_weight + style_weight)
    for _ in range(80):
        x = x - rate * 2 * (content_weight * (x - content) + style_weight * (x - style))
    return x


def impostor(maps: Any) -> Any:
    at = np.unravel_index(np.argmin(maps), maps.shape)
    features = np.zeros_like(maps)
    features[at] = maps.sum()
    return features


def two_spots(maps: Any) -> Any:
    """Half of the sum at each of the two least values."""
    features = np.zeros_like(maps)
    features.flat[np.argsort(maps, axis=None)[:2]] = maps.sum() / 2
    return features


def scrambled(maps: Any) -> Any:
    return maps[::-1, ::-1, ::-1]


def last_place(maps: Any) -> Any:
    """Right unless the maps have all of theirs there already."""
    features = np.zeros_like(maps)
    features[-1, -1, -1] = maps.sum()
    return features


def mixture(m: Any, c: Any, n: Any, d: Any, share: float) -> Any:
    """By Gram matrices, which mix evenly."""
    mean = share * m + (1 - share) * n
    gram = share * (c + m[:, None] * m) + (1 - share) * (d + n[:, None] * n)
    return gram - mean[:, None] * mean


def mixing(change: Answer) -> Answer:
    """Write an answer with the exercise's parameters, of what its formula makes of them."""

    def answer(
        mean_one: Any, covariance_one: Any, mean_other: Any, covariance_other: Any, share: float
    ) -> Any:
        return change(mean_one, covariance_one, mean_other, covariance_other, share)

    return answer


def within(m: Any, c: Any, n: Any, d: Any, s: float) -> Any:  # noqa: ARG001
    return s * c + (1 - s) * d


def between(m: Any, n: Any) -> Any:
    return (m - n)[:, None] * (m - n)


RIGHT: Right = {
    "content_loss": [
        content_loss,
        lambda features, targets: public_content_loss(
            {layer: features[layer] for layer in targets}, targets
        ),
        content(distance=lambda f, p: tf.reduce_mean((f - p) ** 2) / tf.reduce_mean(p**2)),
    ],
    "balance": [by_derivative, by_steps],
    "impostor": [impostor, two_spots],
    "mixed_covariance": [
        mixing(mixture),
        mixing(lambda m, c, n, d, s: within(m, c, n, d, s) + s * (1 - s) * between(n, m)),
    ],
}

# Each line: a wrong answer, and words of the hint that it must get.
WRONG: Wrong = {
    "content_loss": [
        (with_four_bugs, "raised KeyError: 'for the style'"),
        (
            content(distance=lambda f, p: tf.reduce_mean(f - p) ** 2 / tf.reduce_mean(f**2)),
            "own features, and the mean is taken before the square",
        ),
        (content(distance=lambda f, p: tf.reduce_mean(f - p) ** 2), "cancel"),
        (
            content(distance=lambda f, p: tf.reduce_mean(f - p) ** 2 / tf.reduce_mean(p**2)),
            "cancel",
        ),
        (
            content(distance=lambda f, p: tf.reduce_mean(f - p) ** 2, combine=tf.add_n),
            "cancel: square first, then take the mean. And take the mean over the layers.",
        ),
        (content(distance=lambda f, p: squares(f - p)), "not divided by Σ P²"),
        (content(distance=lambda f, p: tf.reduce_mean((f - p) ** 2)), "divide by mean(P²)"),
        (content(distance=lambda f, p: squares(f - p) / 2), "half the sum of squares"),
        (content(distance=lambda f, p: squares(f - p) / squares(f)), "picture's own features"),
        (
            content(distance=lambda f, p: squares(f - p) / tf.reduce_sum(p) ** 2),
            "square the values first",
        ),
        (
            content(distance=lambda f, p: tf.reduce_mean((f - p) ** 2) / squares(p)),
            "take the same of both",
        ),
        (
            content(distance=lambda f, p: tf.reduce_sum(tf.abs(f - p)) / tf.reduce_sum(tf.abs(p))),
            "absolute differences",
        ),
        (content(distance=lambda f, p: tf.norm(f - p) / tf.norm(p)), "square roots"),
        (
            content(distance=lambda f, p: squares(gram_tf(f) - gram_tf(p)) / squares(gram_tf(p))),
            "forget places",
        ),
        (content(combine=tf.add_n), "sum over the layers"),
        (content(combine=tf.stack), "one value for each layer"),
        (content(layers=lambda targets: list(targets)[:1]), "first layer alone"),
        (content(layers=lambda targets: list(targets)[-1:]), "last layer alone"),
        (
            lambda features, targets: content_loss(features, targets, layers=lambda _: features),
            "raised KeyError",
        ),
        (content(combine=np.mean), "no gradient for shallow, deep, deepest"),
        (
            content(
                distance=lambda f, p: tf.reduce_sum(tf.stop_gradient(f - p) * (f - p)) / squares(p)
            ),
            "disagrees with finite differences",
        ),
    ],
    "balance": [
        (lambda p, a, c, s: by_derivative(p, a, s, c), "changed places"),
        (lambda p, a, c, s: (p + a) / 2, "whatever the weights"),  # noqa: ARG005
        (lambda p, a, c, s: c * p + s * a, "not divided by the sum"),
        (lambda p, a, c, s: (c * p + s * a) / 2, "divided by 2"),
        (lambda p, a, c, s: by_derivative(p, a, c * c, s * s), "the weights are squared"),
        (lambda p, a, c, s: p if c > s else a, "the heavier one wins"),
        (lambda p, a, c, s: (c * p - s * a) / (c + s), "the sign of one term"),
        (
            lambda p, a, c, s: (
                c * (by_derivative(p, a, c, s) - p) ** 2 + s * (by_derivative(p, a, c, s) - a) ** 2
            ),
            "this is the loss",
        ),
    ],
    "impostor": [
        (lambda maps: maps + 0, "these are the same again"),
        (lambda maps: np.full_like(maps, maps.mean()), "still too near"),
        (lambda maps: 2 * maps, "would tell the two apart"),
        (lambda maps: np.zeros_like(maps), "would tell the two apart"),
        (scrambled, "still too near"),
        (lambda maps: 9 * maps - 8 * maps.mean(), "holds negative numbers"),
        (lambda maps: np.roll(maps, 1, axis=0)[:, :, :1], "should be of shape (3, 4, 2)"),
        (lambda maps: np.full_like(maps, np.nan), "holds NaN"),
        (last_place, "return for the constant ones', these are the same again"),
    ],
    "mixed_covariance": [
        (mixing(within), "there is spread between them"),
        (
            mixing(lambda m, c, n, d, s: s**2 * c + (1 - s) ** 2 * d),  # noqa: ARG005
            "the shares are squared",
        ),
        (mixing(lambda m, c, n, d, s: mixture(m, c, n, d, 1 - s)), "went to the other style"),
        (mixing(lambda m, c, n, d, s: within(m, c, n, d, s) + between(m, n)), "must vanish"),
        (
            mixing(
                lambda m, c, n, d, s: (
                    within(m, c, n, d, s) + s * between(m, 0 * m) + (1 - s) * between(n, 0 * n)
                )
            ),
            "the Gram matrix of the mixture",
        ),
        (
            mixing(
                lambda m, c, n, d, s: within(m, c, n, d, s) + s * (1 - s) * np.eye(3) * (m - n) ** 2
            ),
            "take the outer product",
        ),
        (
            mixing(lambda m, c, n, d, s: within(m, c, n, d, s) - s * (1 - s) * between(m, n)),
            "is taken away; add it",
        ),
        (
            mixing(lambda m, c, n, d, s: (c + d) / 2 + s * (1 - s) * between(m, n)),
            "averaged evenly",
        ),
    ],
}


class TestExercises(ExerciseTests):
    lesson = "06"
    right = RIGHT
    wrong = WRONG
