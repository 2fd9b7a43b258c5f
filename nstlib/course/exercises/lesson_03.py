"""Checks of the exercises of lesson 03, Gram matrices."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nstlib.course.exercises._engine import (
    Answer,
    Array,
    Wrong,
    choice,
    compare,
    exercise,
    numbers,
    try_answer,
)
from nstlib.course.exercises._parts import covariance, rows

choice(
    "shuffled",
    "Feature vectors change places, or pixels do. When do the features' Gram matrices change?",
    right="c",
    a="a sum doesn't mind the order of its terms, so moving whole feature vectors can't change it.",
    b="that would be so if features looked at one pixel each. How many does the smallest see?",
    c="Moving feature vectors reorders a sum; moving pixels destroys what the features respond to.",
    d="the pixels keep their colours, but an edge needs neighbours, and those are others now.",
)

choice(
    "quarter",
    "How do the Gram matrices of a picture and of its middle quarter compare without / HW?",
    right="b",
    a="a sum over a quarter of the positions has a quarter of the terms.",
    b="A quarter of the terms, each about as large: so divide by their number.",
    c="that is the ratio of the sides; how many positions are there?",
    d="nothing random is going on: count the terms of the sum.",
)

choice(
    "rarely_together",
    "Of the pairs of channels that hardly ever meet in block5, what are most?",
    right="b",
    a="silent channels make empty rows, but the table has a column for them. How many are there?",
    b="Each of the two is rare, and rare things seldom meet even if nothing keeps them apart.",
    c="then moving each channel by itself would bring most of them together. Compare with the "
    "control.",
    d="the matrix is a mean over positions; a picture twice as large has the same.",
)

choice(
    "no_pattern",
    "Each channel is put to its mean everywhere. How far off are the Gram matrices?",
    right="a",
    a="In the blocks between the first and the last the means alone give nearly all, so there this "
    "distance hardly asks for a pattern.",
    b="two parts of equal size at right angles would give that. Are the means the smaller part?",
    c="the entries of the matrix are products of features, and the features' means aren't 0.",
    d="relative to the target 1 would mean that nothing is right; the means are right here.",
)

choice(
    "grey_pieces",
    "All pieces are made grey, each with the same histogram. What finds siblings now?",
    right="c",
    a="all histograms are equal now, so the nearest one is nearest by accident.",
    b="then Gram matrices would have lived on colours alone; what else do features respond to?",
    c="What is left is arrangement, which the features see and a histogram doesn't.",
    d="random kernels respond to edges too. How well they tell materials apart has to be measured.",
)


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
                "after transpose(2, 0, 1) the channels come first, so reshape(-1, C) cuts a "
                "channel into pieces; leave the transpose out.",
                lambda x: _product(x.transpose(2, 0, 1).reshape(-1, x.shape[-1])),
            ),
            (
                f"{_SCRAMBLED} And divide by H·W.",
                lambda x: _scrambled(x).T @ _scrambled(x),
            ),
            (
                "both mistakes are still there: reshape mixes positions and channels, and it is "
                "divided by H·W·C.",
                lambda x: _product(_scrambled(x)) / x.shape[-1],
            ),
            (
                "each channel's mean is subtracted: that is the covariance; "
                "the Gram matrix keeps the mean.",
                lambda x: _product(rows(x) - rows(x).mean(axis=0)),
            ),
            (
                "this is np.cov: each channel's mean is subtracted, and it is divided by H·W - 1; "
                "the Gram matrix keeps the mean.",
                lambda x: np.cov(rows(x).T),
            ),
            (
                "these are correlations; the Gram matrix keeps each channel's mean and its size.",
                lambda x: np.corrcoef(rows(x).T),
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


def same_gram(features: Array) -> Array:
    """Return other feature maps (H, W, C), not negative, with the Gram matrix of `features`.

    They are no mere reordering of the positions. At one or more positions `features` is 0
    everywhere.
    """
    F = rows(np.asarray(features, np.float64)).copy()
    norms = (F * F).sum(axis=1)
    loud, silent = int(norms.argmax()), int(norms.argmin())
    F[silent], F[loud] = 0.6 * F[loud], 0.8 * F[loud]
    return F.reshape(features.shape)


def _in_order(features: Array) -> Array:
    """Sort positions, so that two arrays that differ in their order alone become equal."""
    F = rows(features)
    return np.asarray(F[np.lexsort(F.T[::-1])])


@exercise(same_gram)
def _check_same_gram(answer: Answer) -> str:
    for shape, seed in (((2, 3, 4), 0), ((4, 2, 3), 1)):
        features = numbers(shape, seed=seed)
        features[1, 0] = 0
        other, untouched = try_answer(answer, (features,))
        if other.shape != shape:
            raise Wrong(f"the result has shape {other.shape}; it should be of shape {shape}.")
        if not np.isfinite(other).all():
            raise Wrong("the result holds NaN or infinite values.")
        wanted, found = gram_matrix(features), gram_matrix(other)
        if other.min() < -1e-9:
            raise Wrong("it holds negative numbers, and features after a ReLU have none.")
        if np.abs(found - wanted).max() > 1e-4 * np.abs(wanted).max():
            if abs(np.trace(found) / np.trace(wanted) - 1) > 1e-4:
                raise Wrong(
                    "its Gram matrix is another one; already the trace, the mean squared length "
                    f"of a position's features, is {np.trace(found) / np.trace(wanted):.3g} times "
                    "the old one."
                )
            raise Wrong(
                "its Gram matrix is another one, though the trace is right: which products of two "
                "channels have changed?"
            )
        if np.allclose(other, features, atol=1e-6):
            raise Wrong("these are the features as they were; change something.")
        if np.allclose(_in_order(other), _in_order(features), atol=1e-6):
            raise Wrong(
                "these are the same positions in another order. That keeps the matrix, but here "
                "the positions themselves are to differ."
            )
        if not untouched:
            raise Wrong("the result is right, but it changes the array it was given; copy first.")
    return "One loud position or two softer ones: the Gram matrix can't tell."


def gram_gradient(features: Array, target: Array) -> Array:
    """Return the gradient (H, W, C) of Σ(G - A)² with respect to feature maps (H, W, C).

    G is the features' Gram matrix, FᵀF / (H·W), and A is `target`, a symmetric matrix (C, C).
    """
    F = rows(np.asarray(features))
    difference = _product(F) - np.asarray(target)
    return np.asarray((4 / len(F) * F @ difference).reshape(np.shape(features)))


@exercise(gram_gradient)
def _check_gram_gradient(answer: Answer) -> str:
    def target(channels: int) -> Array:
        square = numbers((channels, channels), seed=7)
        return square + square.T

    cases = [(numbers((2, 3, 4)), target(4)), (numbers((5, 2, 3), seed=1), target(3))]

    def times(factor: Callable[[Array], float]) -> Answer:
        return lambda x, a: factor(x) * gram_gradient(x, a)

    def count(x: Array) -> int:
        return len(rows(x))

    half = "each feature stands in the product twice, once in Fᵀ and once in F: twice as large."
    undivided = "the 1/(H·W) of the Gram matrix is missing: it is a factor of the gradient, too."
    compare(
        answer,
        gram_gradient,
        cases,
        [
            (half, times(lambda _: 0.5)),
            (
                "the 2 of the square is missing, and each feature stands in the product twice: "
                "together a factor of 4.",
                times(lambda _: 0.25),
            ),
            (undivided, times(count)),
            (f"{half} And {undivided}", times(lambda x: count(x) / 2)),
            (
                "the sign is turned: this is the way downhill, the gradient points uphill.",
                times(lambda _: -1.0),
            ),
            (
                "it is divided by H·W twice; G holds its own division already.",
                times(lambda x: 1 / count(x)),
            ),
            (
                "the means over all entries are taken: the loss is the sum Σ(G - A)².",
                lambda x, a: gram_gradient(x, a) / a.size,
            ),
            (
                "this is the gradient with respect to G, (C, C); go on to F by the chain rule.",
                lambda x, a: 2 * (gram_matrix(x) - a),
            ),
            (
                "this is still F's matrix (H·W, C); give it the shape of the features.",
                lambda x, a: rows(gram_gradient(x, a)),
            ),
            (
                "the difference G - A is not in it: a gradient is small where the loss is small.",
                lambda x, _: 4 / count(x) * np.asarray(x),
            ),
            (
                "G is used without the division by H·W.",
                lambda x, a: (4 / count(x) * rows(x) @ (rows(x).T @ rows(x) - a)).reshape(x.shape),
            ),
        ],
    )
    features, wanted = (np.asarray(part, np.float64) for part in cases[0])
    way, step = np.random.default_rng(2).normal(size=features.shape), 1e-4

    def loss(x: Array) -> float:
        return float(((gram_matrix(x) - wanted) ** 2).sum())

    slope = (loss(features + step * way) - loss(features - step * way)) / (2 * step)
    assert abs((gram_gradient(features, wanted) * way).sum() / slope - 1) < 1e-6
    return "It agrees with finite differences: 4 F (G - A) / (H·W), in the shape of the features."


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
