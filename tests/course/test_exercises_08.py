"""Right and wrong answers to the exercises of lesson 08, under control."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
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


def by_search(one: Any, other: Any, share: float) -> Any:
    """Where the loss is least between A and B: it grows in every direction away from their line."""

    def loss(along: float) -> float:
        aim = one + along * (other - one)
        return float(
            share * ((aim - one) ** 2).sum() / (one**2).sum()
            + (1 - share) * ((aim - other) ** 2).sum() / (other**2).sum()
        )

    found = scipy.optimize.minimize_scalar(
        loss, bounds=(0, 1), method="bounded", options={"xatol": 1e-9}
    )
    return one + found.x * (other - one)


def mixed(weigh: Answer) -> Answer:
    def answer(one: Any, other: Any, share: float) -> Any:
        of_one, of_other = weigh(one, other, share)
        return (of_one * one + of_other * other) / (of_one + of_other)

    return answer


def squares(matrix: Any) -> float:
    return float((matrix * matrix).sum())


RIGHT: Right = {
    "guided_covariance": [
        by_numpy,
        lambda features, mask: around(features, mask, inside(features, mask), mask),
    ],
    "cholesky_colors": [cholesky, triangular_solve],
    "aim_of_mixture": [
        by_search,
        mixed(lambda a, b, s: (s * squares(b), (1 - s) * squares(a))),  # both sides times ΣA² ΣB²
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
        (
            lambda features, mask: (
                around(features, mask, inside(features, mask), mask**2) / mask.sum()
            ),
            "by the square of its share",
        ),
        (
            lambda features, mask: np.cov(rows(features).T, aweights=mask.ravel()),
            "as np.cov does for samples",
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
    "aim_of_mixture": [
        (mixed(lambda a, b, s: (s, 1 - s)), "by the shares alone"),  # noqa: ARG005
        (lambda a, b, s: (a + b) / 2, "the middle, whatever the shares"),  # noqa: ARG005
        (mixed(lambda a, b, s: (s * squares(a), (1 - s) * squares(b))), "sizes are multiplied"),
        (mixed(lambda a, b, s: (s / squares(b), (1 - s) / squares(a))), "have changed places; the"),
        (mixed(lambda a, b, s: ((1 - s) / squares(a), s / squares(b))), "shares have changed"),
        (mixed(lambda a, b, s: (1 / squares(a), 1 / squares(b))), "shares are not used"),  # noqa: ARG005
        (
            mixed(lambda a, b, s: (s / np.linalg.norm(a), (1 - s) / np.linalg.norm(b))),
            "here it is its root",
        ),
        (mixed(lambda a, b, s: (s / a.sum(), (1 - s) / b.sum())), "here it is a sum."),
        (mixed(lambda a, b, s: (s / a.sum() ** 2, (1 - s) / b.sum() ** 2)), "the square of a sum"),
        (mixed(lambda a, b, s: (s / a**2, (1 - s) / b**2)), "one number for the whole matrix"),
        (
            lambda a, b, s: s * a / squares(a) + (1 - s) * b / squares(b),
            "not divided by the sum of the two weights",
        ),
    ],
}


class TestExercises(ExerciseTests):
    lesson = "08"
    right = RIGHT
    wrong = WRONG
