"""Checks of the exercises of lesson 03, Gram matrices."""

from __future__ import annotations

import numpy as np

from nstlib.course.exercises._engine import Answer, Array, compare, exercise, numbers
from nstlib.course.exercises._parts import covariance, rows


def _scrambled(features: Array) -> Array:
    """Give what ``reshape(C, -1)`` makes of feature maps: not the transpose of F."""
    return features.reshape(features.shape[-1], -1).T


def _product(F: Array) -> Array:
    return F.T @ F / len(F)


def gram_matrix(features: Array) -> Array:
    """Return the Gram matrix (C, C) of feature maps (H, W, C): FᵀF / (H·W).

    F is the features as a matrix with a row for each of the H·W positions.
    """
    return _product(rows(np.asarray(features)))


_SCRAMBLED = (
    "reshape(C, -1) mixes positions and channels; "
    "reshape to (H·W, C), which keeps each pixel's channels together, then transpose."
)


@exercise(gram_matrix)
def _check_gram_matrix(answer: Answer) -> str:
    compare(
        answer,
        gram_matrix,
        [(numbers((2, 3, 4)),), (numbers((5, 2, 3), seed=1),)],
        [
            (
                "it is not divided by H·W, the number of positions.",
                lambda x: rows(x).T @ rows(x),
            ),
            (
                "it is divided by H·W·C; divide by the number of positions, H·W.",
                lambda x: gram_matrix(x) / x.shape[-1],
            ),
            (
                "it is divided by C; divide by the number of positions, H·W.",
                lambda x: rows(x).T @ rows(x) / x.shape[-1],
            ),
            (
                "it is divided by H·W - 1; divide by H·W.",
                lambda x: rows(x).T @ rows(x) / (len(rows(x)) - 1),
            ),
            (
                "this is FFᵀ, positions by positions; FᵀF is (C, C), channels by channels.",
                lambda x: rows(x) @ rows(x).T / len(rows(x)),
            ),
            (_SCRAMBLED, lambda x: _product(_scrambled(x))),
            (
                f"{_SCRAMBLED} And divide by H·W.",
                lambda x: _scrambled(x).T @ _scrambled(x),
            ),
            (
                "each channel's mean is subtracted: that is the covariance; "
                "the Gram matrix keeps the mean.",
                lambda x: _product(rows(x) - rows(x).mean(axis=0)),
            ),
            (
                "there is a batch axis, (1, C, C); the features here have none: return (C, C).",
                lambda x: gram_matrix(x)[np.newaxis],
            ),
            (
                "this sums over the columns alone and leaves one matrix for each row; "
                "sum over all positions.",
                lambda x: np.einsum("hwi,hwj->hij", x, x),
            ),
            (
                "this is only the diagonal, each channel with itself; "
                "return every channel with every other, (C, C).",
                lambda x: np.diag(gram_matrix(x)),
            ),
        ],
    )
    return "It is (4, 4) for features of shape (2, 3, 4), and divided by H·W = 6."


def relative_difference(gram: Array, target: Array) -> float:
    """Return how far a matrix is from a target, relative to it: mean((G - A)²) / mean(A²)."""
    return float(np.mean((gram - target) ** 2) / np.mean(target**2))


@exercise(relative_difference)
def _check_relative_difference(answer: Answer) -> str:
    gram = np.array([[4, 1, 2], [1, 5, 0], [2, 0, 3]], np.float32)
    target = np.array([[2, 1, 0], [1, 1, 3], [0, 3, 6]], np.float32)
    # Errors of +2 and -2: their mean is zero, their squares are not.
    cancelling = target + np.diag([2, -2, 0]).astype(np.float32)
    compare(
        answer,
        relative_difference,
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
                lambda g, a: relative_difference(g, a) ** 0.5,
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


def region_covariance(features: Array, mask: Array) -> Array:
    """Return the covariance (C, C) of feature maps (H, W, C) in the region that a mask marks.

    `mask` (H, W), from 0 to 1, says how much each position counts: in the mean of each channel, and
    in the mean of the products of two channels' distances from their means.
    """
    F, share = rows(np.asarray(features)), np.ravel(mask) / np.sum(mask)
    centred = F - share @ F
    return (share[:, np.newaxis] * centred).T @ centred


@exercise(region_covariance)
def _check_region_covariance(answer: Answer) -> str:
    half = np.array([[1, 1, 0], [1, 1, 0]], np.float32)
    soft = np.array([[1, 0.5], [0, 0.75], [0.25, 1], [0, 0], [0.5, 0.75]], np.float32)

    def shares(mask: Array) -> Array:
        return (mask / mask.sum())[..., np.newaxis]

    def mean(x: Array, mask: Array) -> Array:
        return np.asarray((shares(mask) * x).sum(axis=(0, 1)))

    def product(centred: Array, share: Array) -> Array:
        return rows(share * centred).T @ rows(centred)

    def hard(mask: Array, above: float) -> Array:
        return (mask > above).astype(np.float32)

    whole = "the means are of the whole picture; take those of the region: Σ m·F / Σ m."
    threshold = "the mask is made hard; a position of 0.5 counts half as much as one of 1."
    compare(
        answer,
        region_covariance,
        [(numbers((2, 3, 4)), half), (numbers((5, 2, 3), seed=1), soft)],
        [
            ("the mask is not used: this is the whole picture's.", lambda x, _: covariance(x)),
            (
                "the mask marks the region with 1; this is the covariance of the rest.",
                lambda x, m: region_covariance(x, 1 - m),
            ),
            (
                "the means are not subtracted: this is the region's Gram matrix.",
                lambda x, m: product(x, shares(m)),
            ),
            (
                "the features are multiplied by the mask, and then all positions count: the region "
                "is compared with zeros. Weight the means and the products instead.",
                lambda x, m: covariance(m[..., np.newaxis] * x),
            ),
            (whole, lambda x, m: product(x - x.mean(axis=(0, 1)), shares(m))),
            (
                "it is divided by H·W; divide by the sum of the mask.",
                lambda x, m: region_covariance(x, m) * m.mean(),
            ),
            (
                "it is divided by H·W, and so are the means; divide both by the sum of the mask.",
                lambda x, m: product(x - mean(x, m) * m.mean(), shares(m) * m.mean()),
            ),
            (
                "the means are divided by H·W; divide them by the sum of the mask.",
                lambda x, m: product(x - mean(x, m) * m.mean(), shares(m)),
            ),
            (
                "it is not divided by the sum of the mask.",
                lambda x, m: region_covariance(x, m) * m.sum(),
            ),
            (
                "the mask is multiplied into both factors of the product, so it counts squared; "
                "once is enough.",
                lambda x, m: product(x - mean(x, m), shares(m) * m[..., np.newaxis]),
            ),
            (
                "the mask is multiplied into both factors of the product, so it counts squared; "
                "once is enough.",
                lambda x, m: product(x - mean(x, m), shares(m**2)),
            ),
            (threshold, lambda x, m: region_covariance(x, hard(m, 0))),
            (threshold, lambda x, m: region_covariance(x, hard(m, 0.499))),
            (threshold, lambda x, m: region_covariance(x, hard(m, 0.5))),
            (
                "this is only the diagonal, each channel with itself; "
                "return every channel with every other, (C, C).",
                lambda x, m: np.diag(region_covariance(x, m)),
            ),
        ],
    )
    return "Where the mask is 0 the features don't matter, and where it is 0.5 they count half."
