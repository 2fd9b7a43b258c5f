"""Does the small twin see more than random weights? The same textures with each, and a distance.

    python benchmarks/perceptual.py [--size 128] [--output FILE] [--sources NAME ...]
        [--weights NAME ...] [--seeds 1]

Each source is a square of a picture: photographs that the twin's training never saw, the drawn
styles (it saw others of their kind) and, where they have been downloaded (``nst assets fetch
starry_night``), paintings. Textures are made of it with VGG19 of random weights, with the small
twin and, where its file is here, with ImageNet's VGG19; only the weights differ. ``--weights``
compares others: the second named is judged against the first. The pictures go to one contact
sheet, the distances to the terminal.

The distance sees structure and uses none of these networks; see :func:`structure`. Each run first
puts it to the test, on pictures whose order is known without it:

- another crop: a square elsewhere in the same picture;
- quilted: a good texture, sewn together from patches of that other crop (Efros and Freeman 2001);
- random phases: the source's own colours and spectrum, so that every pair of pixels is as alike as
  in the source, and nothing else (Galerne et al. 2011);
- noise: the source's own pixels, shuffled.

The last lines count: on how many sources is the twin's texture the nearer one, and what do its
evaluations cost? The exit status is 1 if it is the nearer one on fewer than five in six. With
several seeds, distances are means over them, and the sources are named on which the difference is
more than twice its standard error.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import scipy.fft
import skimage.data
import throughput
from numpy.typing import NDArray

import nstlib as nst
from nstlib.assets.cache import verify_assets
from nstlib.assets.registry import ASSETS
from nstlib.images.arrays import Image, from_uint8
from nstlib.images.resizing import resize
from nstlib.vgg19 import check_weights, imagenet_file

#: Share of the sources on which the twin must be the nearer one.
ENOUGH = 5 / 6

# --------------------------------------------------------------------------------------------------
# Sources


@dataclass(frozen=True)
class Source:
    """Two squares of a picture, one to copy and one to compare with.

    Attributes
    ----------
    name : str
        What :func:`nstlib.load_image` or ``skimage.data`` calls the picture.
    kind : {"photo", "drawn", "painting"}
        Where it comes from.
    side : float
        Of both squares: in pixels, or, of a drawn style, in heights of a sheet twice as wide as
        high.
    corner, other : (float, float)
        Left and upper end of the one and of the other, in the same unit. The two do not overlap.
    """

    name: str
    kind: str
    side: float
    corner: tuple[float, float]
    other: tuple[float, float]

    @property
    def title(self) -> str:
        """Its name, as far as it fits over a small picture."""
        return self.name if len(self.name) <= 13 else f"{self.name[:11]}…"

    def crops(self, size: int) -> tuple[Image, Image]:
        """Both squares, at `size` pixels a side."""
        if self.kind == "drawn":
            unit = size / self.side
            picture = nst.draw(self.name, (round(unit), 2 * round(unit)))
            side = size
        else:
            unit, side = 1.0, round(self.side)
            if self.name in nst.sample_names() or self.name in ASSETS:
                picture = nst.load_image(self.name)
            else:  # a grey photograph
                grey = getattr(skimage.data, self.name)()
                picture = from_uint8(np.repeat(grey[..., np.newaxis], 3, axis=2))

        def cut(corner: tuple[float, float]) -> Image:
            left, top = (
                min(round(unit * at), end - side)
                for at, end in zip(corner, picture.shape[1::-1], strict=True)
            )
            return resize(picture[top : top + side, left : left + side], (size, size))

        return cut(self.corner), cut(self.other)


SOURCES = (
    Source("immunohistochemistry", "photo", 160, (80, 20), (272, 95)),
    Source("hubble", "photo", 300, (0, 0), (500, 450)),
    Source("coffee", "photo", 110, (490, 290), (490, 180)),
    Source("chelsea", "photo", 88, (230, 0), (142, 0)),
    Source("retina", "photo", 400, (600, 100), (600, 900)),
    Source("brick", "photo", 256, (0, 256), (256, 256)),
    Source("grass", "photo", 256, (0, 0), (256, 256)),
    Source("gravel", "photo", 256, (0, 0), (256, 256)),
    Source("mosaic", "drawn", 0.45, (0.1, 0.55), (1.4, 0.55)),
    Source("candy", "drawn", 0.8, (0.0, 0.1), (1.1, 0.1)),
    Source("brushwork", "drawn", 0.55, (0.6, 0.05), (0.0, 0.05)),
    Source("shards", "drawn", 0.8, (0.0, 0.1), (1.2, 0.1)),
    Source("waves", "drawn", 0.5, (0.0, 0.48), (1.0, 0.48)),
    Source("pointillism", "drawn", 0.45, (1.5, 0.42), (1.0, 0.42)),
    Source("marble", "drawn", 0.6, (1.4, 0.4), (0.0, 0.2)),
    Source("watercolour", "drawn", 1.0, (0.0, 0.0), (1.0, 0.0)),
    Source("starry_night", "painting", 300, (300, 0), (620, 100)),
    Source("great_wave", "painting", 140, (270, 90), (20, 374)),
    Source("the_scream", "painting", 500, (50, 50), (600, 50)),
    Source("water_lilies", "painting", 500, (0, 500), (1000, 500)),
    Source("shipwreck", "painting", 300, (0, 350), (600, 350)),
)


def available() -> tuple[Source, ...]:
    """List the sources that can be had without a download."""
    return tuple(
        s for s in SOURCES if s.kind != "painting" or verify_assets([s.name])[s.name] == "ok"
    )


# --------------------------------------------------------------------------------------------------
# The distance

#: Wavelets: period and radius in pixels, side of the kernels, and in how many directions.
PERIOD, RADIUS, SIDE, DIRECTIONS = 4.0, 1.2, 7, 4

#: Smallest side to which pictures are halved.
COARSEST = 8

#: Detail fainter than this, of a range of 1, counts as none.
FAINT = 1e-3


def _wavelets() -> list[NDArray[np.complex64]]:
    """Waves under a bell, without a mean: they answer to an edge or a line across them."""
    y, x = np.indices((SIDE, SIDE)) - SIDE // 2
    bell = np.exp(-(x**2 + y**2) / (2 * RADIUS**2))
    bell /= bell.sum()
    kernels = []
    for angle in np.pi * np.arange(DIRECTIONS) / DIRECTIONS:
        wave = np.exp(2j * np.pi / PERIOD * (x * np.cos(angle) + y * np.sin(angle)))
        kernels.append((bell * (wave - (bell * wave).sum())).astype(np.complex64))
    return kernels


def _strengths(image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """How strongly each wavelet answers at each pixel, in all the colours together."""
    image = image.reshape(*image.shape[:2], -1)
    answers = [
        np.square(cv2.filter2D(image, -1, part))
        for kernel in _wavelets()
        for part in (kernel.real.copy(), kernel.imag.copy())
    ]
    parts = [a.reshape(image.shape).sum(axis=2) for a in answers]
    return [np.sqrt(even + odd) for even, odd in zip(parts[::2], parts[1::2], strict=True)]


def _halved(image: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = image.shape[:2]
    small = cv2.resize(image, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32, copy=False)


def structure(image: Image) -> NDArray[np.float64]:
    r"""Describe how a picture's details are arranged.

    .. math:: \log \frac{\overline{||x * \psi_1| * \psi_2|}}{\overline{|x * \psi_1|}}

    for each wavelet :math:`\psi_1` and each coarser one :math:`\psi_2`, the bar being the mean over
    the picture. :math:`|x * \psi_1|` says where there are details of one size and direction. A
    second wavelet asks how unevenly they lie: whether edges gather in outlines, strokes in waves,
    grains in spots. The quotient does not depend on how strong the details are, so that it leaves
    to others what spectra and colours tell. These are scattering coefficients of the second order,
    over those of the first.

    References
    ----------
    J. Bruna and S. Mallat, "Invariant scattering convolution networks", IEEE TPAMI 2013: they tell
    textures apart whose spectra agree.
    J. Portilla and E. Simoncelli, "A parametric texture model based on joint statistics of complex
    wavelet coefficients", IJCV 2000, who ask much the same by correlations.
    """
    ratios = []
    while min(image.shape[:2]) >= 2 * COARSEST:
        for strength in _strengths(image):
            mean = strength.mean() + FAINT
            while min(strength.shape) >= 2 * COARSEST:
                strength = _halved(strength)
                ratios += [uneven.mean() / mean for uneven in _strengths(strength)]
        image = _halved(image)
    return np.log(np.array(ratios, np.float64) + FAINT)


def distance(image: Image, source: Image) -> float:
    """Mean difference of the logarithms in :func:`structure`: 0.1 is a deviation by a tenth."""
    return float(np.abs(structure(image) - structure(source)).mean())


# --------------------------------------------------------------------------------------------------
# Pictures whose order is known


def quilted(image: Image, seed: int = 0) -> Image:
    """Sew a texture from patches, each chosen to fit its neighbours and cut where it fits best.

    References
    ----------
    A. Efros and W. Freeman, "Image quilting for texture synthesis and transfer", SIGGRAPH 2001.
    """
    random = np.random.default_rng(seed)
    size = len(image)
    patch = size // 4
    overlap = patch // 3
    step = patch - overlap
    count = -(-(size - overlap) // step)
    result = np.zeros((count * step + overlap, count * step + overlap, 3), np.float32)
    for y, x in np.ndindex(count, count):
        window = np.s_[y * step : y * step + patch, x * step : x * step + patch]
        old = result[window]
        mask = np.zeros(old.shape, np.float32)
        mask[: overlap if y else 0] = mask[:, : overlap if x else 0] = 1
        misfit = np.zeros((size - patch + 1, size - patch + 1), np.float32)
        if mask.any():
            misfit = np.maximum(cv2.matchTemplate(image, old, cv2.TM_SQDIFF, mask=mask), 0)
        fits = np.argwhere(misfit <= 1.2 * misfit.min() + 1e-6)
        top, left = fits[random.integers(len(fits))]
        new = image[top : top + patch, left : left + patch]
        difference = np.square(new - old).sum(axis=2)
        keep = np.zeros((patch, patch, 1), bool)
        if x:
            keep[:, :overlap, 0] |= seam(difference[:, :overlap])
        if y:
            keep[:overlap, :, 0] |= seam(difference[:overlap].T).T
        result[window] = np.where(keep, old, new)
    return result[:size, :size]


def seam(difference: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Mark what lies left of the way down along which two patches differ least."""
    cost = difference.copy()
    for above, row in pairwise(cost):
        either = np.pad(above, 1, constant_values=np.inf)
        row += np.minimum(np.minimum(either[:-2], either[1:-1]), either[2:])
    at = int(cost[-1].argmin())
    left = np.zeros(cost.shape, bool)
    left[-1, :at] = True
    for y in reversed(range(len(cost) - 1)):
        first = max(at - 1, 0)
        at = first + int(cost[y, first : at + 2].argmin())
        left[y, :at] = True
    return left


def random_phases(image: Image, seed: int = 0) -> Image:
    """Keep a picture's spectrum and shift every wave in it by chance, alike in all the colours.

    References
    ----------
    B. Galerne, Y. Gousseau and J.-M. Morel, "Random phase textures: theory and synthesis", IEEE
    TIP 2011.
    """
    noise = np.random.default_rng(seed).standard_normal(image.shape[:2])
    shift = np.exp(1j * np.angle(scipy.fft.fft2(noise)))
    shift[0, 0] = 1  # the mean colour
    waves = scipy.fft.fft2(image, axes=(0, 1)) * shift[..., np.newaxis]
    return np.clip(scipy.fft.ifft2(waves, axes=(0, 1)).real, 0, 1).astype(np.float32)


def shuffled(image: Image, seed: int = 0) -> Image:
    """Put every pixel elsewhere."""
    return np.random.default_rng(seed).permutation(image.reshape(-1, 3)).reshape(image.shape)


# --------------------------------------------------------------------------------------------------
# Faults that the distance says nothing about


def faults(image: Image) -> NDArray[np.float64]:
    """Measure a picture's fine coloured grain, its colourfulness and its grid.

    Returns
    -------
    ndarray of float, shape (3,)
        The strength of the finest detail of the colours alone, without the lightness, in levels of
        1/255. How far the largest channel is above the smallest, likewise. How unevenly fine detail
        is spread over the columns, or rows, that are equal modulo 8: 0 is evenly.
    """
    tint = image - image.mean(axis=2, keepdims=True)
    grain = np.sqrt(np.mean(np.square(tint - cv2.GaussianBlur(tint, (0, 0), 1.0))))
    colour = np.mean(image.max(axis=2) - image.min(axis=2))
    detail = np.abs(image - cv2.GaussianBlur(image, (0, 0), 1.0)).mean(axis=2)
    folds = []
    for profile in (detail.mean(axis=0), detail.mean(axis=1)):
        fold = profile[: len(profile) // 8 * 8].reshape(-1, 8).mean(axis=0)
        folds.append(fold.std() / (fold.mean() + FAINT))
    return np.array([255 * grain, 255 * colour, max(folds)])


# --------------------------------------------------------------------------------------------------
# The run


def milliseconds(weights: Sequence[str], padding: str, size: int = 224) -> dict[str, float]:
    """Time one evaluation of the loss and its gradient; the networks take turns."""
    source = nst.load_image("immunohistochemistry", size=(size, size))
    extractors = [
        nst.feature_extractor(nst.STYLE_LAYERS, name, padding=padding) for name in weights
    ]
    seconds = throughput.best_seconds(
        [throughput.evaluation(extractor, source) for extractor in extractors]
    )
    return {name: 1e3 * taken for name, taken in zip(weights, seconds, strict=True)}


def noise_of_seeds(found: NDArray[np.float64]) -> float:
    """Return the standard deviation from seed to seed, pooled over sources.

    Parameters
    ----------
    found : ndarray of float, shape (sources, seeds)
        Two seeds or more.
    """
    return float(np.sqrt(found.var(axis=1, ddof=1).mean()))


def main() -> None:
    """Make the textures, print the tables and the verdict, write the contact sheet."""
    sources = available()
    usual = ("random", "mini", *(["imagenet"] if imagenet_file() else []))
    parser = argparse.ArgumentParser(description="the small twin against random weights")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--iterations", type=int, default=60, help="at each of three sizes")
    parser.add_argument("--output", type=Path, default=Path("build/perceptual.png"))
    parser.add_argument("--sources", nargs="+", choices=[s.name for s in sources], metavar="NAME")
    parser.add_argument("--weights", nargs="+", default=usual, metavar="NAME")
    parser.add_argument("--seeds", type=int, default=1, help="textures of each source and network")
    options = parser.parse_args()
    options.output.parent.mkdir(parents=True, exist_ok=True)
    sources = tuple(s for s in sources if s.name in (options.sources or [s.name]))
    files = {Path(name).stem: check_weights(name) for name in options.weights}
    if len(files) < max(2, len(options.weights)):
        parser.error("--weights takes two or more, files of different names")
    weights = tuple(files)
    baseline, judged = weights[:2]

    known = ("another crop", "quilted", "random phases", "noise")
    columns = (*known[:2], *weights, *known[2:])
    print(f"Distance to the source at {options.size}×{options.size} pixels (0: as the source)\n")
    print(" " * 20, *(f"{name:>13}" for name in columns))
    found: dict[str, list[float]] = {name: [] for name in columns}
    each: dict[str, list[list[float]]] = {name: [] for name in weights}
    excess: dict[str, list[NDArray[np.float64]]] = {name: [] for name in weights}
    evaluations: dict[str, list[int]] = {name: [] for name in weights}
    pictures: list[Image] = []
    titles: list[str] = []
    for source in sources:
        crop, other = source.crops(options.size)
        made = {
            "another crop": other,
            "quilted": quilted(other),
            "random phases": random_phases(crop),
            "noise": shuffled(crop),
        }
        for name in known:
            found[name].append(distance(made[name], crop))
        for name in weights:
            of_seeds = []
            for seed in reversed(range(options.seeds)):
                texture = nst.synthesize_texture(
                    crop,
                    weights=files[name],
                    iterations=options.iterations,
                    seed=seed,
                    progress=False,
                )
                of_seeds.append(distance(texture.image, crop))
                evaluations[name].append(texture.evaluations)
                excess[name].append(faults(texture.image) - faults(crop))
            made[name] = texture.image  # of seed 0
            each[name].append(of_seeds)
            found[name].append(float(np.mean(of_seeds)))
        row = {name: found[name][-1] for name in columns}
        print(f"{source.name:20}", *(f"{row[name]:13.3f}" for name in columns), flush=True)
        shown = ("another crop", *weights)
        pictures += [crop, *(made[name] for name in shown)]
        titles += [source.title, *(f"{name.split()[-1]} {row[name]:.2f}" for name in shown)]

    total = len(sources)

    def count(nearer: str, farther: str) -> str:
        """Say on how many sources one column is below another, and where it is not."""
        pairs = zip(sources, found[nearer], found[farther], strict=True)
        wrong = [source.name for source, near, far in pairs if near >= far]
        but = f", not on {', '.join(wrong)}" if wrong else ""
        return f"{total - len(wrong)} of {total}{but}"

    print("\nThe distance on known cases:")
    ladders = (
        ("another crop", "quilted", "random phases", "noise"),
        ("another crop", judged, baseline, "noise"),
        ("another crop", baseline),
        ("quilted", baseline),
    )
    for ladder in ladders:
        for nearer, farther in pairwise(ladder):
            print(f"  {nearer} < {farther}: {count(nearer, farther)}")

    print("\nEvaluations per texture, at all three sizes together (median):")
    for name in weights:
        print(f"  {name}: {np.median(evaluations[name]):.0f}")

    print("\nFaults, as far as they exceed the source's (median and largest over the sources):")
    for name in weights:
        values = np.array(excess[name])
        grain, colour, grid = (
            f"{np.median(v):+.{d}f} ({v[np.abs(v).argmax()]:+.{d}f})"
            for v, d in zip(values.T, (1, 1, 2), strict=True)
        )
        print(f"  {name}: coloured grain {grain} levels, colour {colour} levels, grid {grid}")

    print("\nTime per evaluation at 224×224 (best of fifteen, the networks taking turns):")
    for use, padding in (("transfer", "zeros"), ("texture", "replicate")):
        times = milliseconds(list(files.values()), padding)
        print(f"  for a {use}:", ", ".join(f"{Path(n).stem} {t:.1f} ms" for n, t in times.items()))
        ratio = times[files[judged]] / times[files[baseline]]
        print(f"    {judged} takes {ratio:.2f} of the time of {baseline}")

    across = 1 + len(shown)
    two_sources = across < 5 and options.size < 200  # in a row, where they are shown large enough
    nst.show_images(
        pictures,
        titles,
        columns=2 * across if two_sources else across,
        caption=(
            "Source, another crop of the same picture, textures of the source by the weights "
            "named, and the distances of all these to the source."
        ),
        alt="Sources in rows; beside each, another crop and textures made with different weights.",
    ).save(options.output)
    print(f"\nContact sheet: {options.output}")

    if options.seeds > 1:
        distances = {name: np.array(each[name]) for name in weights}
        noise = {name: noise_of_seeds(distances[name]) for name in weights}
        print("\nFrom seed to seed:", ", ".join(f"{n} ±{sd:.3f}" for n, sd in noise.items()))
        error = np.hypot(noise[judged], noise[baseline]) / np.sqrt(options.seeds)
        apart = np.array(found[judged]) - np.array(found[baseline])
        for word, much in (("farther", apart > 2 * error), ("nearer", apart < -2 * error)):
            those = [source.name for source, one in zip(sources, much, strict=True) if one]
            where = ", ".join(those) or "none"
            print(f"{judged} is {word} by more than {2 * error:.3f} on {where}")

    wins = sum(m < r for m, r in zip(found[judged], found[baseline], strict=True))
    print(f"{judged} beats {baseline} on {count(judged, baseline)}")
    raise SystemExit(0 if wins >= ENOUGH * total else 1)


if __name__ == "__main__":
    main()
