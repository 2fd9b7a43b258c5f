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
    c="grey would need the differences between the channels to go; a shift leaves them.",
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


def merged_covariance(
    share: float, mean_a: Array, covariance_a: Array, mean_b: Array, covariance_b: Array
) -> Array:
    """Return the covariance (C, C) of a whole picture from those of its two regions.

    The first region holds `share` of all positions, the second the rest. `mean_a` and `mean_b` (C,)
    are the regions' means, `covariance_a` and `covariance_b` (C, C) their covariances.
    """
    apart = mean_a - mean_b
    within = share * covariance_a + (1 - share) * covariance_b
    return np.asarray(within + share * (1 - share) * np.outer(apart, apart))


@exercise(merged_covariance)
def _check_merged_covariance(answer: Answer) -> str:
    def case(share: float, seed: int) -> tuple[Any, ...]:
        a, b = (numbers((3, 4, 3), 7, seed + i) for i in range(2))
        b[..., 0] += 3
        return (share, rows(a).mean(axis=0), covariance(a), rows(b).mean(axis=0), covariance(b))

    def plus(between: Callable[[float, Array], Any]) -> Answer:
        return lambda p, ma, ca, mb, cb: p * ca + (1 - p) * cb + between(p, ma - mb)

    def gram(p: float, ma: Array, ca: Array, mb: Array, cb: Array) -> Array:
        a, b = ca + np.outer(ma, ma), cb + np.outer(mb, mb)
        return np.asarray(p * a + (1 - p) * b)

    def plain(p: float, ma: Array, ca: Array, mb: Array, cb: Array) -> Array:
        mean = (ma + mb) / 2
        return gram(p, ma, ca, mb, cb) - np.outer(mean, mean)

    weight = (
        "the term between the regions, from the distance of their means, has the weight "
        "share · (1 - share)."
    )
    halves = "both regions count alike; the first counts `share`, the second the rest."
    compare(
        answer,
        merged_covariance,
        [case(0.25, 0), case(0.625, 4)],
        [
            (
                "only what varies within the regions is counted; that their means differ adds to "
                "the covariance of the whole. Two regions of one plain colour each show it.",
                plus(lambda *_: 0.0),
            ),
            (
                "the shares are changed: `share` is the first region's.",
                lambda p, *rest: merged_covariance(1 - p, *rest),
            ),
            (
                "the shares are changed: `share` is the first region's. And the distance of the "
                "means adds to the covariance.",
                lambda p, _, ca, __, cb: (1 - p) * ca + p * cb,
            ),
            (halves, lambda _, *rest: merged_covariance(0.5, *rest)),
            (
                f"{halves} And the distance of the means adds to the covariance.",
                lambda _, __, ca, ___, cb: (ca + cb) / 2,
            ),
            (
                "the covariances are added without their shares.",
                lambda _, __, ca, ___, cb: ca + cb,
            ),
            (weight, plus(lambda _, d: np.outer(d, d))),
            (weight, plus(lambda p, d: p * np.outer(d, d))),
            (weight, plus(lambda p, d: (1 - p) * np.outer(d, d))),
            (
                "the term between the regions is subtracted; means apart make the whole vary more.",
                plus(lambda p, d: -p * (1 - p) * np.outer(d, d)),
            ),
            (
                "the term between the regions takes each channel with itself alone; take the outer "
                "product of the means' distance.",
                plus(lambda p, d: p * (1 - p) * d * d),
            ),
            (
                "the term between the regions takes each channel with itself alone; take the outer "
                "product of the means' distance.",
                plus(lambda p, d: p * (1 - p) * np.diag(d * d)),
            ),
            (
                "the term between the regions is one number, the same for all channels; take the "
                "outer product of the means' distance.",
                plus(lambda p, d: p * (1 - p) * d @ d),
            ),
            (
                "this is the Gram matrix of the whole; subtract the outer product of its mean.",
                gram,
            ),
            (
                "the mean that is subtracted counts both regions alike; the mean of the whole is "
                "share · μₐ + (1 - share) · μ_b.",
                plain,
            ),
            (
                "this is only the diagonal, each channel with itself; "
                "return every channel with every other, (C, C).",
                lambda *args: np.diag(merged_covariance(*args)),
            ),
        ],
    )
    return "What varies within the regions, by their shares, and what lies between their means."
