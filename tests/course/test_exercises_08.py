"""Right and wrong answers to the exercises of lesson 08, under control."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.linalg
from exercise_tests import Answer, ExerciseTests, Right, Wrong, covariance, rows

pytest.importorskip("tensorflow")


def by_numpy(features: Any, mask: Any) -> Any:
    return np.cov(rows(features).T, bias=True, aweights=mask.ravel())


def around(features: Any, mask: Any, mean: Any, weights: Any) -> Any:
    """Sum of weighted products of what is left after `mean`, over the mask's sum."""
    left = rows(features) - mean
    return np.einsum("p,pi,pj->ij", np.ravel(weights), left, left) / mask.sum()


def inside(features: Any, mask: Any) -> Any:
    return np.average(rows(features), axis=0, weights=mask.ravel())


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
    "guided_covariance": [
        by_numpy,
        lambda features, mask: around(features, mask, inside(features, mask), mask),
    ],
    "cholesky_colors": [cholesky, triangular_solve],
    "merged_covariance": [
        from_second_moments,
        merged(lambda p, d: p * (1 - p) * d[:, None] * d),
    ],
}

# Each line: a wrong answer, and words of the hint that it must get.
WRONG: Wrong = {
    "guided_covariance": [
        (lambda features, mask: covariance(mask[..., None] * features), "the colleague's"),
        (
            lambda features, mask: covariance(mask[..., None] * features) / mask.mean(),
            "only the division has changed",
        ),
        (lambda features, mask: covariance(features), "the mask is not used"),  # noqa: ARG005
        (
            lambda features, mask: around(features, mask, rows(features).mean(0), mask),
            "that of the whole picture",
        ),
        (
            lambda features, mask: by_numpy(features, mask) * mask.mean(),
            "number of all positions",
        ),
        (lambda features, mask: by_numpy(features, mask) * mask.sum(), "not divided by the mask"),
        (
            lambda features, mask: around(features, mask, inside(features, mask), mask**2),
            "the weight stands in both",
        ),
        (lambda features, mask: by_numpy(features, mask == 1), "in part are left out"),
        (lambda features, mask: by_numpy(features, mask > 0), "in part count in full"),
        (lambda features, mask: around(features, mask, 0, mask), "this is a Gram matrix"),
        (lambda features, mask: by_numpy(features, 1 - mask), "inverted"),
        (lambda features, mask: np.diag(by_numpy(features, mask)), "the diagonal"),
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
    lesson = "08"
    right = RIGHT
    wrong = WRONG
