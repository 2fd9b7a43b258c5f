"""Checks of the exercises of lesson 07, better and faster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nstlib.course.exercises._engine import Answer, Array, compare, exercise, numbers
from nstlib.course.exercises._parts import covariance, rows


def overall_speedup(seconds: Array, factors: Array) -> float:
    """Return how many times faster a run becomes when its parts do (Amdahl 1967).

    `seconds` (N,) is what each part of the run took, `factors` (N,) how many times faster each has
    become; 1 where nothing has changed.
    """
    return float(np.sum(seconds) / np.sum(seconds / factors))


@exercise(overall_speedup)
def _check_overall_speedup(answer: Answer) -> str:
    saved = "these are the seconds that are saved; divide the old time by the new."
    compare(
        answer,
        overall_speedup,
        [
            (np.array([80.0, 20.0]), np.array([10.0, 1.0])),
            (np.array([6.0, 3.0, 1.0]), np.array([2.0, 4.0, 1.0])),
        ],
        [
            (
                "the factors are multiplied; that is right only where each speeds up the whole "
                "run. Add up the parts' new times.",
                lambda _, f: f.prod(),
            ),
            (
                "this is the mean of the factors; a part counts by its time: add up the new times.",
                lambda _, f: f.mean(),
            ),
            (
                "the factors are averaged, weighted by the old times; add up the new times, "
                "seconds / factors, instead.",
                lambda s, f: (s * f).sum() / s.sum(),
            ),
            (
                "each part counts alike; weight it by its seconds.",
                lambda _, f: f.size / (1 / f).sum(),
            ),
            ("the factors are added; add up the parts' new times.", lambda _, f: f.sum()),
            (
                "this is the largest factor; the parts that stayed slow hold up the run.",
                lambda _, f: f.max(),
            ),
            (
                "the ratio is upside down: the old time stands above the line.",
                lambda s, f: (s / f).sum() / s.sum(),
            ),
            (
                "this is the new time; divide the old time by it.",
                lambda s, f: (s / f).sum(),
            ),
            (saved, lambda s, f: (s - s / f).sum()),
            (
                "this is the share of the time that is saved; divide the old time by the new.",
                lambda s, f: 1 - (s / f).sum() / s.sum(),
            ),
            (
                "the seconds are multiplied by the factors, which makes the run slower; divide.",
                lambda s, f: s.sum() / (s * f).sum(),
            ),
            (
                "this is one value for each part; add up the times first.",
                lambda s, f: s / (s / f),
            ),
            (
                "this is one value for each part; add up the times first.",
                lambda s, f: s / f,
            ),
        ],
    )
    return "If 80 s of 100 become 10 times faster, the whole becomes 3.57 times faster."


def match_brightness(brightness: Array, reference: Array) -> Array:
    """Give a brightness (H, W) the mean and the standard deviation of another one (h, w).

    Nothing is clipped.
    """
    scaled = (brightness - brightness.mean()) * (reference.std() / brightness.std())
    return np.asarray(scaled + reference.mean())


@exercise(match_brightness)
def _check_match_brightness(answer: Answer) -> str:
    dark = numbers((3, 4), 5) / np.float32(16)
    bright = numbers((5, 2), 9, seed=1) / np.float32(8)
    ratio = "the ratio of the spreads is upside down: the reference's stands above the line."
    compare(
        answer,
        match_brightness,
        [(dark, bright), (bright, dark)],
        [
            ("the brightness is unchanged.", lambda y, _: y),
            (
                "the roles are changed: the reference was given the brightness's values.",
                lambda y, r: match_brightness(r, y),
            ),
            (
                "only the mean is moved; scale the distances from the mean as well.",
                lambda y, r: y - y.mean() + r.mean(),
            ),
            (
                "the spread is right and the mean is 0; add the reference's.",
                lambda y, r: match_brightness(y, r) - r.mean(),
            ),
            (
                "the spread is right and the mean is still the old one; add the reference's.",
                lambda y, r: match_brightness(y, r) - r.mean() + y.mean(),
            ),
            (
                "the old mean is not subtracted before the values are scaled.",
                lambda y, r: y * (r.std() / y.std()) + r.mean(),
            ),
            (
                "the values are scaled, means and all; scale the distances from the old mean, then "
                "add the new one.",
                lambda y, r: y * (r.std() / y.std()),
            ),
            (
                "the new mean is scaled, too; add it after the distances are scaled.",
                lambda y, r: (y - y.mean() + r.mean()) * (r.std() / y.std()),
            ),
            (
                "the values are multiplied by the ratio of the means; that changes the spread to "
                "something else.",
                lambda y, r: y * (r.mean() / y.mean()),
            ),
            (
                "it is scaled by the ratio of the variances; take standard deviations.",
                lambda y, r: (y - y.mean()) * (r.var() / y.var()) + r.mean(),
            ),
            (ratio, lambda y, r: (y - y.mean()) * (y.std() / r.std()) + r.mean()),
            (
                "it is not divided by the old standard deviation.",
                lambda y, r: (y - y.mean()) * r.std() + r.mean(),
            ),
            (
                "this has mean 0 and standard deviation 1; multiply by the reference's standard "
                "deviation, then add its mean.",
                lambda y, _: (y - y.mean()) / y.std(),
            ),
            (
                "the range is stretched from the reference's darkest to its brightest value; match "
                "mean and standard deviation.",
                lambda y, r: (y - y.min()) / np.ptp(y) * np.ptp(r) + r.min(),
            ),
            (
                "the result is clipped to [0, 1]; leave it as it is, so that mean and standard "
                "deviation stay.",
                lambda y, r: np.clip(match_brightness(y, r), 0, 1),
            ),
        ],
    )
    return "Mean and standard deviation are the reference's; who is brighter than whom stayed."


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
