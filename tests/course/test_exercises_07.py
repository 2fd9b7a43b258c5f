"""Right and wrong answers to the exercises of lesson 07, better and faster."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.linalg
from exercise_tests import Answer, ExerciseTests, Right, Wrong, covariance, rows

tf = pytest.importorskip("tensorflow")


def by_parts(seconds: Any, factors: Any) -> float:
    new = 0.0
    for second, factor in zip(seconds, factors, strict=True):
        new += second / factor
    return float(sum(seconds)) / new


def standard(y: Any) -> Any:
    return (y - np.mean(y)) / np.std(y)


def lower(image: Any, ddof: int = 0) -> Any:
    return np.linalg.cholesky(np.cov(rows(image), rowvar=False, ddof=ddof))


def recoloured(
    image: Any, reference: Any, matrix: Any, old: Any = None, new: Any = None, turn: bool = True
) -> Any:
    old = rows(image).mean(0) if old is None else old
    new = rows(reference).mean(0) if new is None else new
    return (image - old) @ (matrix.T if turn else matrix) + new


def cholesky(image: Any, reference: Any, **changes: Any) -> Any:
    return recoloured(image, reference, lower(reference) @ np.linalg.inv(lower(image)), **changes)


def triangular_solve(image: Any, reference: Any) -> Any:
    white = scipy.linalg.solve_triangular(
        lower(image, 1), (rows(image) - rows(image).mean(0)).T, lower=True
    )
    return (lower(reference, 1) @ white).T.reshape(image.shape) + rows(reference).mean(0)


def from_second_moments(
    share: Any, mean_a: Any, covariance_a: Any, mean_b: Any, covariance_b: Any
) -> Any:
    mean = share * mean_a + (1 - share) * mean_b
    moments = share * (covariance_a + np.outer(mean_a, mean_a))
    moments = moments + (1 - share) * (covariance_b + np.outer(mean_b, mean_b))
    return moments - np.outer(mean, mean)


def merged(between: Answer, shares: Answer = lambda p: (p, 1 - p)) -> Answer:
    def answer(share: Any, mean_a: Any, covariance_a: Any, mean_b: Any, covariance_b: Any) -> Any:
        of_a, of_b = shares(share)
        return of_a * covariance_a + of_b * covariance_b + between(share, mean_a - mean_b)

    return answer


RIGHT: Right = {
    "overall_speedup": [
        by_parts,
        lambda seconds, factors: 1 / np.sum(seconds / np.sum(seconds) / factors),
    ],
    "match_brightness": [
        lambda brightness, reference: standard(brightness) * reference.std() + reference.mean(),
        lambda brightness, reference: tf.convert_to_tensor(
            np.mean(reference) + standard(brightness) * np.std(reference)
        ),
    ],
    "cholesky_colors": [cholesky, triangular_solve],
    "merged_covariance": [
        from_second_moments,
        merged(lambda p, d: p * (1 - p) * d[:, None] * d),
    ],
}

# Each line: a wrong answer, and words of the hint that it must get.
WRONG: Wrong = {
    "overall_speedup": [
        (lambda seconds, factors: np.prod(factors), "factors are multiplied"),  # noqa: ARG005
        (lambda seconds, factors: np.mean(factors), "mean of the factors"),  # noqa: ARG005
        (lambda seconds, factors: np.average(factors, weights=seconds), "weighted by the old"),
        (
            lambda seconds, factors: 1 / np.mean(1 / factors),  # noqa: ARG005
            "each part counts alike",
        ),
        (lambda seconds, factors: max(factors), "largest factor"),  # noqa: ARG005
        (lambda seconds, factors: 1 / by_parts(seconds, factors), "upside down"),
        (lambda seconds, factors: sum(seconds) / by_parts(seconds, factors), "the new time"),
        (
            lambda seconds, factors: sum(seconds) - sum(seconds) / by_parts(seconds, factors),
            "seconds that are saved",
        ),
        (lambda seconds, factors: 1 - 1 / by_parts(seconds, factors), "share of the time"),
        (lambda seconds, factors: sum(seconds) / (seconds @ factors), "makes the run slower"),
        (lambda seconds, factors: seconds / (seconds / factors), "one value for each part"),
    ],
    "match_brightness": [
        (lambda brightness, reference: brightness + 0, "unchanged"),  # noqa: ARG005
        (
            lambda brightness, reference: brightness + reference.mean() - brightness.mean(),
            "only the mean is moved",
        ),
        (lambda brightness, reference: standard(brightness) * reference.std(), "mean is 0"),
        (
            lambda brightness, reference: (
                brightness / brightness.std() * reference.std() + reference.mean()
            ),
            "not subtracted",
        ),
        (
            lambda brightness, reference: brightness / brightness.std() * reference.std(),
            "means and all",
        ),
        (
            lambda brightness, reference: (
                standard(brightness) * reference.std()
                + reference.mean() * reference.std() / brightness.std()
            ),
            "the new mean is scaled, too",
        ),
        (
            lambda brightness, reference: brightness / brightness.mean() * reference.mean(),
            "ratio of the means",
        ),
        (
            lambda brightness, reference: (
                standard(brightness) * reference.var() / brightness.std() + reference.mean()
            ),
            "variances",
        ),
        (
            lambda brightness, reference: (
                standard(brightness) * brightness.var() / reference.std() + reference.mean()
            ),
            "upside down",
        ),
        (lambda brightness, reference: standard(brightness), "mean 0 and standard deviation 1"),  # noqa: ARG005
        (
            lambda brightness, reference: np.interp(
                brightness,
                [brightness.min(), brightness.max()],
                [reference.min(), reference.max()],
            ),
            "range is stretched",
        ),
        (
            lambda brightness, reference: np.clip(
                standard(brightness) * reference.std() + reference.mean(), 0, 1
            ),
            "clipped",
        ),
        (
            lambda brightness, reference: (
                standard(reference) * brightness.std() + brightness.mean()
            ),
            "roles are changed",
        ),
    ],
    "cholesky_colors": [
        (
            lambda image, reference: recoloured(
                image,
                reference,
                scipy.linalg.sqrtm(covariance(reference))
                @ np.linalg.inv(scipy.linalg.sqrtm(covariance(image))),
            ),
            "symmetric roots",
        ),
        (lambda image, reference: cholesky(image, reference, turn=False), "is transposed"),
        (
            lambda image, reference: recoloured(
                image, reference, np.linalg.inv(lower(image)) @ lower(reference)
            ),
            "in the wrong order",
        ),
        (
            lambda image, reference: recoloured(
                image,
                reference,
                scipy.linalg.cholesky(covariance(reference))
                @ np.linalg.inv(scipy.linalg.cholesky(covariance(image))),
            ),
            "upper triangular",
        ),
        (
            lambda image, reference: recoloured(
                image, reference, covariance(reference) @ np.linalg.inv(covariance(image))
            ),
            "in place of their factors",
        ),
        (
            lambda image, reference: recoloured(
                image, reference, lower(image) @ np.linalg.inv(lower(reference))
            ),
            "L and L̂ are exchanged",
        ),
        (
            lambda image, reference: recoloured(image, reference, lower(reference) @ lower(image)),
            "not inverted",
        ),
        (
            lambda image, reference: recoloured(image, reference, lower(reference)),
            "own covariance is not taken away",
        ),
        (
            lambda image, reference: recoloured(image, reference, np.linalg.inv(lower(image))),
            "only whitened",
        ),
        (
            lambda image, reference: (
                (image - rows(image).mean(0)) / rows(image).std(0) * rows(reference).std(0)
                + rows(reference).mean(0)
            ),
            "each channel is scaled alone",
        ),
        (
            lambda image, reference: recoloured(image, reference, np.eye(3)),
            "only the mean is moved",
        ),
        (lambda image, reference: cholesky(image, reference, old=0.0), "not subtracted"),
        (lambda image, reference: cholesky(image, reference, new=0.0), "the mean is 0"),
        (lambda image, reference: np.clip(cholesky(image, reference), 0, 1), "clipped"),
        (lambda image, reference: rows(cholesky(image, reference)), "shape (12, 3)"),
    ],
    "merged_covariance": [
        (merged(lambda p, d: 0), "only what varies within"),  # noqa: ARG005
        (
            lambda share, *rest: from_second_moments(1 - share, *rest),
            "the shares are changed: `share` is the first region's.",
        ),
        (
            merged(lambda p, d: 0, lambda p: (1 - p, p)),  # noqa: ARG005
            "first region's. And the distance",
        ),
        (lambda share, *rest: from_second_moments(0.5, *rest), "both regions count alike"),  # noqa: ARG005
        (
            merged(lambda p, d: 0, lambda p: (0.5, 0.5)),  # noqa: ARG005
            "And the distance of the means adds",
        ),
        (merged(lambda p, d: 0, lambda p: (1, 1)), "without their shares"),  # noqa: ARG005
        (merged(lambda p, d: np.outer(d, d)), "has the weight"),  # noqa: ARG005
        (merged(lambda p, d: p * np.outer(d, d)), "has the weight"),
        (merged(lambda p, d: p * (p - 1) * np.outer(d, d)), "is subtracted"),
        (merged(lambda p, d: p * (1 - p) * np.diag(d**2)), "each channel with itself alone"),
        (merged(lambda p, d: p * (1 - p) * np.sum(d**2)), "is one number"),
        (
            lambda share, mean_a, covariance_a, mean_b, covariance_b: (
                share * (covariance_a + np.outer(mean_a, mean_a))
                + (1 - share) * (covariance_b + np.outer(mean_b, mean_b))
            ),
            "Gram matrix of the whole",
        ),
        (lambda *given: np.diag(from_second_moments(*given)), "the diagonal"),
    ],
}


class TestExercises(ExerciseTests):
    lesson = "07"
    right = RIGHT
    wrong = WRONG
