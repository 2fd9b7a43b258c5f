"""Checks of the exercises of lesson 08, under control."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nstlib.course.exercises._engine import Answer, Array, choice, compare, exercise, numbers
from nstlib.course.exercises._parts import covariance, rows

choice(
    "moved_mean",
    "A style is blue against yellow. Its mean colour is moved to that of a red and brown "
    "photograph. What does it look like?",
    right="b",
    a="the same shift is added to every pixel. Does that make blue and yellow more alike?",
    b="A shift leaves all differences between pixels as they are, and blue against yellow is a "
    "difference.",
    c="a pixel is grey if its three channels are equal. One shift for all pixels can't make both "
    "blue and yellow grey.",
    d="the mean isn't one pixel's colour: to move it, every pixel moves.",
)

choice(
    "red_on_the_table",
    "In which of the two ways to keep colours can the red of the cup turn up on the table?",
    right="b",
    a="there each pixel keeps the differences of its channels, R - G and G - B, from the same "
    "place of the photograph.",
    b="The style gets the photograph's palette, and the strokes lay it down where the style loss "
    "likes it.",
    c="one of the two takes the colour of each pixel from the same place of the photograph.",
    d="one of the two changes the style's colours before the run, and a style loss forgets places.",
)

choice(
    "outside_the_mask",
    "A mask that is hard at its edge, and a run that begins with the photograph. How far does the "
    "style reach?",
    right="b",
    a="then no feature inside the mask could look out of it. How far does block5_conv1 see?",
    b="Features inside the mask see pixels outside of it, so these get a gradient as well, the "
    "nearer the more.",
    c="the mask chooses the positions that are counted. A pixel that no counted feature sees has "
    "nothing that moves it.",
)

choice(
    "wrong_mask",
    "A mask lies too far to the right by mistake. What tells you?",
    right="d",
    a="the style loss is measured inside the mask that it was given. It has no other.",
    b="the content loss compares with the photograph, and some ellipse or other gets painted in "
    "either case.",
    c="its shape is right, its values lie from 0 to 1. What should complain?",
    d="Every number is as it should be, for the mask that was given. So look at the mask, laid "
    "over the photograph, before the run.",
)


def guided_covariance(features: Array, mask: Array) -> Array:
    """Return the covariance (C, C) of features (H, W, C) where a mask (H, W) counts them.

    A position counts as much as the mask says there, from 0 to 1, for the mean as well.
    """
    F = rows(np.asarray(features, np.float64))
    share = np.asarray(mask, np.float64).reshape(-1, 1) / np.sum(mask)
    centred = F - (share * F).sum(axis=0)
    return np.asarray((share * centred).T @ centred)


@exercise(guided_covariance)
def _check_guided_covariance(answer: Answer) -> str:
    hard = np.array([[1, 1, 0, 0], [1, 0, 0, 1], [0, 1, 0, 0]], np.float32)
    soft = np.array([[1, 0.5, 0, 0.25], [0.75, 0, 1, 0.5], [0, 1, 0.25, 0]], np.float32)

    def by(
        centre: Callable[[Array, Array], Any],
        weight: Callable[[Array], Array] = lambda m: m,
        divide: Callable[[Array], float] = lambda m: float(m.sum()),
    ) -> Answer:
        def answered(features: Array, mask: Array) -> Array:
            F, m = rows(np.asarray(features, np.float64)), mask.reshape(-1, 1).astype(np.float64)
            centred = F - centre(F, m)
            return np.asarray((weight(m) * centred).T @ centred / divide(m))

        return answered

    def mean(F: Array, m: Array) -> Array:
        return np.asarray((m * F).sum(axis=0) / m.sum())

    def on_black(features: Array, mask: Array) -> Array:
        return covariance(mask[..., np.newaxis] * features)

    def black_by_mask(features: Array, mask: Array) -> Array:
        return on_black(features, mask) * mask.size / mask.sum()

    compare(
        answer,
        guided_covariance,
        [
            (numbers((3, 4, 2), 9), hard),
            (numbers((3, 4, 3), 9, seed=1), soft),
        ],
        [
            (
                "this is the colleague's: positions outside count, with features of zero. Weight "
                "the sums, not the features.",
                on_black,
            ),
            (
                "the features are still multiplied by the mask, and the mean with them; only the "
                "division has changed. Weight the sums, not the features.",
                black_by_mask,
            ),
            ("the mask is not used: this is the whole picture's.", lambda f, _: covariance(f)),
            (
                "the mean is that of the whole picture; inside the mask it is another one.",
                by(lambda F, _: F.mean(axis=0)),
            ),
            (
                "the sum is divided by the number of all positions; divide by the mask's sum.",
                by(mean, divide=lambda m: float(m.size)),
            ),
            (
                "the sum is not divided by the mask's sum.",
                by(mean, divide=lambda _: 1.0),
            ),
            (
                "a position counts by the square of its mask: the weight stands in both factors. "
                "Once is enough.",
                by(mean, weight=np.square),
            ),
            (
                "a position counts by the square of its share: the weight stands in both factors. "
                "Once is enough.",
                by(mean, weight=np.square, divide=lambda m: float(m.sum() ** 2)),
            ),
            (
                "it is divided by less than the mask's sum, as np.cov does for samples unless it "
                "gets bias=True or ddof=0.",
                lambda f, m: np.cov(rows(f).T, aweights=m.ravel()),
            ),
            (
                "positions that the mask counts in part are left out; each counts as much as the "
                "mask says.",
                by(
                    lambda F, m: F[m[:, 0] == 1].mean(axis=0),
                    weight=lambda m: np.floor(m),
                    divide=lambda m: float(np.floor(m).sum()),
                ),
            ),
            (
                "positions that the mask counts in part count in full; each counts as much as the "
                "mask says.",
                by(
                    lambda F, m: F[m[:, 0] > 0].mean(axis=0),
                    weight=lambda m: np.ceil(m),
                    divide=lambda m: float(np.ceil(m).sum()),
                ),
            ),
            (
                "the mean is not subtracted: this is a Gram matrix, inside the mask.",
                by(lambda *_: 0.0),
            ),
            (
                "the mask is inverted: this describes what it leaves out.",
                lambda f, m: guided_covariance(f, 1 - m),
            ),
            (
                "this is only the diagonal, each channel with itself; return every channel with "
                "every other, (C, C).",
                lambda f, m: np.diag(guided_covariance(f, m)),
            ),
        ],
    )
    return "What stands outside the mask makes no difference, be it 20 or 2,000."


def _moments(image: Array) -> tuple[Array, Array, Array]:
    """Pixels (H·W, 3) in float64, their mean, and their covariance."""
    pixels = rows(np.asarray(image, np.float64))
    return pixels, pixels.mean(axis=0), np.cov(pixels.T, bias=True)


def _mapped(image: Array, reference: Array, matrix: Callable[[Array, Array], Array]) -> Array:
    """Map each pixel's distance from the mean by `matrix`, made from both covariances."""
    pixels, mean, covariance = _moments(image)
    _, wanted_mean, wanted = _moments(reference)
    mapped = (pixels - mean) @ matrix(wanted, covariance).T + wanted_mean
    return np.asarray(mapped.reshape(np.shape(image)))


def _symmetric_root(covariance: Array) -> Array:
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.sqrt(values)) @ vectors.T)


def cholesky_colors(image: Array, reference: Array) -> Array:
    """Give an image (H, W, 3) the mean and the covariance of another one's pixels, by Cholesky.

    With covariances C = LLᵀ of the image and Ĉ = L̂L̂ᵀ of the reference, L and L̂ lower triangular
    (``np.linalg.cholesky``), a pixel x becomes L̂L⁻¹(x - μ) + μ̂. Nothing is clipped.
    """
    root = np.linalg.cholesky
    return _mapped(image, reference, lambda wanted, c: root(wanted) @ np.linalg.inv(root(c)))


@exercise(cholesky_colors)
def _check_cholesky_colors(answer: Answer) -> str:
    root, inverse = np.linalg.cholesky, np.linalg.inv
    # As many pixels in both, so that dividing both covariances by their number less 1 is no error.
    image = numbers((3, 4, 3), 9, seed=2) / np.float32(8)
    reference = numbers((2, 6, 3), 9, seed=3) / np.float32(8)

    def by(matrix: Callable[[Array, Array], Array]) -> Answer:
        return lambda image, reference: _mapped(image, reference, matrix)

    def mean(image: Array) -> Array:
        return _moments(image)[1]

    turned = "the matrix is transposed: for pixels in rows it is (x - μ) @ A.T."
    compare(
        answer,
        cholesky_colors,
        [(image, reference), (reference, image)],
        [
            ("the image is unchanged.", lambda x, _: x),
            (
                "mean and covariance are right, but these are the symmetric roots; take the "
                "Cholesky factors.",
                by(lambda a, c: _symmetric_root(a) @ inverse(_symmetric_root(c))),
            ),
            (turned, by(lambda a, c: (root(a) @ inverse(root(c))).T)),
            (
                "the factors are in the wrong order: L⁻¹ takes the old covariance away, then L̂ "
                "gives the new one.",
                by(lambda a, c: inverse(root(c)) @ root(a)),
            ),
            (
                "these are upper triangular factors, C = UᵀU, as SciPy gives them; L is Uᵀ. (Or "
                "the factors are in the wrong order, and the product is transposed.)",
                by(lambda a, c: root(a).T @ inverse(root(c).T)),
            ),
            (
                "the covariances stand in place of their factors; take np.linalg.cholesky of each.",
                by(lambda a, c: a @ inverse(c)),
            ),
            (
                "L and L̂ are exchanged: L, the image's, is the one that is inverted.",
                by(lambda a, c: root(c) @ inverse(root(a))),
            ),
            (
                "L is not inverted: that would add the old covariance instead of taking it away.",
                by(lambda a, c: root(a) @ root(c)),
            ),
            (
                "the image's own covariance is not taken away: multiply by L⁻¹ first.",
                by(lambda a, _: root(a)),
            ),
            (
                "the colours are only whitened; multiply by L̂ after L⁻¹.",
                by(lambda _, c: inverse(root(c))),
            ),
            (
                "each channel is scaled alone, so channels vary together as before; use the whole "
                "covariance.",
                by(lambda a, c: np.diag(np.sqrt(np.diag(a) / np.diag(c)))),
            ),
            (
                "only the mean is moved; the covariance is still the old one.",
                by(lambda *_: np.eye(3)),
            ),
            (
                "the old mean is not subtracted before the matrix is applied.",
                lambda x, r: (
                    cholesky_colors(x, r)
                    + (root(_moments(r)[2]) @ inverse(root(_moments(x)[2]))) @ mean(x)
                ),
            ),
            (
                "the covariance is right and the mean is 0; add the reference's.",
                lambda x, r: cholesky_colors(x, r) - mean(r),
            ),
            (
                "the covariance is right and the mean is still the old one; add the reference's.",
                lambda x, r: cholesky_colors(x, r) - mean(r) + mean(x),
            ),
            (
                "the result is clipped to [0, 1]; leave it as it is, so that mean and covariance "
                "stay.",
                lambda x, r: np.clip(cholesky_colors(x, r), 0, 1),
            ),
        ],
    )
    return "Mean and covariance are the reference's, and red alone decides the new red."


def aim_of_mixture(one: Array, other: Array, share: float) -> Array:
    """Return the C at which a mixture of two styles' relative losses is least.

    `one` (A) and `other` (B), of one shape, are what the two styles have, for instance their
    covariances at a layer. The loss is share · Σ(C - A)² / ΣA² + (1 - share) · Σ(C - B)² / ΣB².
    """
    weight_one, weight_other = share / np.sum(one**2), (1 - share) / np.sum(other**2)
    return np.asarray((weight_one * one + weight_other * other) / (weight_one + weight_other))


@exercise(aim_of_mixture)
def _check_aim_of_mixture(answer: Answer) -> str:
    def case(share: float, seed: int, factor: float) -> tuple[Any, ...]:
        a, b = (covariance(numbers((3, 4, 3), 7, seed + i)) for i in range(2))
        return a, factor * b, share

    def by(weigh: Callable[[Array, Array, float], tuple[Any, Any]]) -> Answer:
        def answered(a: Array, b: Array, s: float) -> Array:
            of_a, of_b = weigh(a, b, s)
            return np.asarray((of_a * a + of_b * b) / (of_a + of_b))

        return answered

    def undivided(a: Array, b: Array, s: float) -> Array:
        return np.asarray(s * a / np.sum(a**2) + (1 - s) * b / np.sum(b**2))

    def loss(a: Array, b: Array, s: float) -> float:
        c = aim_of_mixture(a, b, s)
        return float(
            s * np.sum((c - a) ** 2) / np.sum(a**2) + (1 - s) * np.sum((c - b) ** 2) / np.sum(b**2)
        )

    compare(
        answer,
        aim_of_mixture,
        [case(0.25, 0, 1), case(0.5, 4, 10), case(0.75, 8, 0.25)],
        [
            (
                "this is the mean by the shares alone; each loss is also divided by the size of "
                "its style, and that is a weight, too.",
                by(lambda _, __, s: (s, 1 - s)),
            ),
            ("this is the middle, whatever the shares.", by(lambda *_: (0.5, 0.5))),
            (
                "the sizes are multiplied, or have changed places; the loss of `one` is divided by "
                "ΣA², that of `other` by ΣB².",
                by(lambda a, b, s: (s * np.sum(a**2), (1 - s) * np.sum(b**2))),
            ),
            (
                "the shares have changed places: `share` is that of `one`.",
                lambda a, b, s: aim_of_mixture(a, b, 1 - s),
            ),
            (
                "the shares are not used.",
                lambda a, b, _: aim_of_mixture(a, b, 0.5),
            ),
            (
                "a size is ΣA², a sum of squares; here it is its root.",
                by(lambda a, b, s: (s / np.sqrt(np.sum(a**2)), (1 - s) / np.sqrt(np.sum(b**2)))),
            ),
            (
                "a size is ΣA², a sum of squares; here it is a sum.",
                by(lambda a, b, s: (s / np.sum(a), (1 - s) / np.sum(b))),
            ),
            (
                "a size is ΣA², a sum of squares; here it is the square of a sum.",
                by(lambda a, b, s: (s / np.sum(a) ** 2, (1 - s) / np.sum(b) ** 2)),
            ),
            (
                "the sum over all entries is missing: ΣA² is one number for the whole matrix.",
                by(lambda a, b, s: (s / a**2, (1 - s) / b**2)),
            ),
            (
                "it is not divided by the sum of the two weights. What if both styles were equal?",
                undivided,
            ),
            ("this is the loss; return the C at which it is least.", loss),
        ],
    )
    return "The weaker style pulls harder: to miss it by the same amount is a larger share of it."
