"""Right and wrong answers to the exercises of lesson 03, Gram matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from exercise_tests import Answer, ExerciseTests, Right, Wrong, covariance, rows
from tensor_answers import gradient, gram_tf, squares

from nstlib.losses import channel_statistics

tf = pytest.importorskip("tensorflow")


def gram(x: Any) -> Any:
    F = rows(x)
    return F.T @ F / len(F)


def weights(mask: Any) -> Any:
    return np.ravel(mask) / np.sum(mask)


def mean_of(x: Any, share: Any) -> Any:
    return np.einsum("p,pc->c", share, rows(x))


def spread(x: Any, mean: Any, share: Any) -> Any:
    return np.einsum("p,pi,pj->ij", share, rows(x) - mean, rows(x) - mean)


def region_covariance(features: Any, mask: Any) -> Any:
    return spread(features, mean_of(features, weights(mask)), weights(mask))


def weighted_in_place(features: Any, mask: Any) -> Any:
    mask /= mask.sum()
    return region_covariance(features, mask)


def split(one: float, other: float, *, copy: bool = True) -> Answer:
    """Spread the loudest position over itself and one that is silent."""

    def answer(features: Any) -> Any:
        maps = features.copy() if copy else features
        F = maps.reshape(-1, maps.shape[-1])
        loud, silent = F.sum(1).argmax(), F.sum(1).argmin()
        F[silent] = one * F[loud]
        F[loud] *= other
        return maps

    return answer


def gram_gradient(features: Any, target: Any) -> Any:
    return 4 * features @ (gram(features) - target) / len(rows(features))


def by_tape(features: Any, target: Any) -> Any:
    features = tf.constant(features)
    return gradient(lambda x: squares(gram_tf(x) - target), features)


RIGHT: Right = {
    "gram_matrix": [
        gram,
        gram_tf,
        lambda features: np.einsum("hwi,hwj->ij", features, features) / features[..., 0].size,
        # Methods that only tensors have: the check falls back on tensors.
        lambda features: gram(features.numpy()),
    ],
    "same_gram": [
        split(0.6, 0.8),
        split(2**-0.5, 2**-0.5),
        # Two positions with the same features are as good as one louder and one silent.
        lambda features: split(0.28, 0.96)(features.astype(np.float64)),
    ],
    "gram_gradient": [
        gram_gradient,
        lambda features, target: by_tape(features, target),
        lambda features, target: np.einsum(
            "hwi,ij->hwj", 4 * features / features[..., 0].size, gram(features) - target
        ),
    ],
    "region_covariance": [
        region_covariance,
        # E[xy] - E[x]E[y], and with NumPy's own weights.
        lambda features, mask: (
            spread(features, 0, weights(mask))
            - np.multiply.outer(*[mean_of(features, weights(mask))] * 2)
        ),
        lambda features, mask: np.cov(rows(features).T, bias=True, aweights=np.ravel(mask)),
        lambda features, mask: channel_statistics(features, mask).covariance,
    ],
}

# Each line: a wrong answer, and words of the hint that it must get.
WRONG: Wrong = {
    "gram_matrix": [
        (lambda features: gram(features) * features[..., 0].size, "not divided by H·W"),
        (lambda features: np.cov(rows(features).T), "this is np.cov"),
        (lambda features: np.corrcoef(rows(features).T), "these are correlations"),
        (
            lambda features: gram(np.moveaxis(features, -1, 0).reshape(features.shape)),
            "leave the transpose out",
        ),
        (lambda features: gram_tf(features) * features[..., 0].size, "not divided by H·W"),
        (lambda features: gram(features) / features.shape[-1], "divided by H·W·C"),
        (lambda features: rows(features) @ rows(features).T, "FFᵀ"),
        (
            lambda features: gram(features.reshape(features.shape[-1], -1).T) / features.shape[-1],
            "both mistakes are still there",
        ),
        (
            lambda features: gram(features.reshape(features.shape[-1], -1).T),
            "mixes positions and channels",
        ),
        (covariance, "covariance"),
        (lambda features: gram(features)[None], "batch axis"),
        (lambda features: features.transpose(0, 2, 1) @ features, "for each row"),
        (lambda features: rows(features) @ rows(features), "raised ValueError"),
        (lambda features: gram(features) * 2, "every value is 2 times too large"),
        (lambda features: -3 * gram(features), "every value is -3 times"),
        (lambda features: gram(features) + np.eye(features.shape[-1]), "is right"),
        (lambda features: gram(features) * np.nan, "NaN"),
        (lambda features: {"gram": gram(features)}, "type dict"),
    ],
    "same_gram": [
        (lambda features: features, "as they were"),
        (lambda features: features[::-1, ::-1], "another order"),
        (lambda features: -features, "negative numbers"),
        (lambda features: 2 * features, "4 times the old one"),
        (split(0.5, 0.5), "the trace"),
        (lambda features: features[..., ::-1], "which products of two"),
        (lambda features: np.full_like(features, np.inf), "NaN or infinite"),
        (lambda features: rows(features), "shape (6, 4)"),
        (split(0.6, 0.8, copy=False), "changes the array it was given"),
    ],
    "gram_gradient": [
        (lambda features, target: gram_gradient(features, target) / 2, "twice, once in"),
        (lambda features, target: gram_gradient(features, target) / 4, "a factor of 4"),
        (
            lambda features, target: gram_gradient(features, target) * len(rows(features)),
            "is missing: it is a factor",
        ),
        (
            lambda features, target: gram_gradient(features, target) * len(rows(features)) / 2,
            "twice as large. And",
        ),
        (lambda features, target: -gram_gradient(features, target), "the sign is turned"),
        (
            lambda features, target: gram_gradient(features, target) / len(rows(features)),
            "divided by H·W twice",
        ),
        (lambda features, target: gram_gradient(features, target) / target.size, "the means"),
        (lambda features, target: 2 * (gram(features) - target), "with respect to G"),
        (lambda features, target: rows(gram_gradient(features, target)), "matrix (H·W, C)"),
        (lambda features, target: 4 * features / len(rows(features)), "G - A is not in it"),  # noqa: ARG005
        (
            lambda features, target: (
                4 * features @ (rows(features).T @ rows(features) - target) / len(rows(features))
            ),
            "without the division",
        ),
    ],
    "region_covariance": [
        (lambda features, mask: covariance(features), "mask is not used"),  # noqa: ARG005
        (lambda features, mask: region_covariance(features, 1 - mask), "of the rest"),
        (lambda features, mask: spread(features, 0, weights(mask)), "Gram matrix"),
        (lambda features, mask: covariance(features * mask[..., None]), "compared with zeros"),
        (
            lambda features, mask: spread(features, rows(features).mean(0), weights(mask)),
            "means are of the whole picture",
        ),
        (
            lambda features, mask: spread(
                features, mean_of(features, weights(mask)), mask.ravel() / mask.size
            ),
            "it is divided by H·W; divide",
        ),
        (
            lambda features, mask: spread(
                features, mean_of(features, mask.ravel() / mask.size), mask.ravel() / mask.size
            ),
            "so are the means",
        ),
        (
            lambda features, mask: spread(
                features, mean_of(features, mask.ravel() / mask.size), weights(mask)
            ),
            "the means are divided by H·W",
        ),
        (
            lambda features, mask: spread(features, mean_of(features, weights(mask)), mask.ravel()),
            "not divided by the sum",
        ),
        (
            lambda features, mask: spread(
                features, mean_of(features, weights(mask)), mask.ravel() ** 2 / mask.sum()
            ),
            "counts squared",
        ),
        (
            lambda features, mask: spread(
                features, mean_of(features, weights(mask)), weights(mask**2)
            ),
            "counts squared",
        ),
        (lambda features, mask: covariance(features[mask > 0][:, None]), "made hard"),
        (lambda features, mask: covariance(features[mask > 0.5][:, None]), "made hard"),
        (lambda features, mask: np.diag(region_covariance(features, mask)), "the diagonal"),
        (lambda features, mask: 2 * region_covariance(features, mask), "2 times too large"),
        (weighted_in_place, "changes the array it was given"),
    ],
}


class TestExercises(ExerciseTests):
    lesson = "03"
    right = RIGHT
    wrong = WRONG
