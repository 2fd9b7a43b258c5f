"""Right and wrong answers to the exercises of lesson 03, Gram matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from exercise_tests import ExerciseTests, Right, Wrong, covariance, rows
from tensor_answers import gram_tf

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


RIGHT: Right = {
    "gram_matrix": [
        gram,
        gram_tf,
        lambda features: np.einsum("hwi,hwj->ij", features, features) / features[..., 0].size,
        # Methods that only tensors have: the check falls back on tensors.
        lambda features: gram(features.numpy()),
    ],
    "relative_difference": [
        lambda gram, target: ((gram - target) ** 2).mean() / (target**2).mean(),
        lambda gram, target: np.sum((gram - target) ** 2) / np.sum(target**2),
        lambda gram, target: tf.reduce_mean((gram - target) ** 2) / tf.reduce_mean(target**2),
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
        (lambda features: gram_tf(features) * features[..., 0].size, "not divided by H·W"),
        (lambda features: gram(features) / features.shape[-1], "divided by H·W·C"),
        (lambda features: rows(features) @ rows(features).T, "FFᵀ"),
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
    "relative_difference": [
        (lambda gram, target: np.mean((gram - target) ** 2), "not relative"),
        (lambda gram, target: np.mean((gram - target) ** 2) / np.mean(gram**2), "target"),
        (lambda gram, target: np.mean(gram - target) ** 2 / np.mean(target**2), "cancel"),
        (lambda gram, target: np.mean(gram - target) ** 2, "cancel"),
        (
            lambda gram, target: np.linalg.norm(gram - target) / np.linalg.norm(target),
            "square root",
        ),
        (
            lambda gram, target: np.sum((gram - target) ** 2) / np.mean(target**2),
            "a sum is divided by a mean",
        ),
        (lambda gram, target: np.mean((gram - target) ** 2) / np.mean(target) ** 2, "mean(A)²"),
        (lambda gram, target: np.abs(gram - target).mean() / np.abs(target).mean(), "absolute"),
        (lambda gram, target: (gram - target) ** 2 / np.mean(target**2), "for each entry"),
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
