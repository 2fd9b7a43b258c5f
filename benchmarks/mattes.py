"""How good are mattes, as mattes? People cut out of photographs are laid before others.

    python benchmarks/mattes.py PEOPLE --backgrounds DIR [--model person --model FILE.onnx …]

PEOPLE holds photographs in images/ and masks in masks/. Of these, every eighth is taken: those that
`nst train person` keeps back. A person's outline is made soft by a Gaussian, the colours in front
are estimated without the old background, and the person is laid before a photograph without people.
So the matte of that composite is known exactly. Each model finds it by `PersonSegmenter.matte`, and
by its probabilities as they are.

The four measures are those of Rhemann et al., over the whole picture, because no trimap is given:
smaller is better. The gradient's kernels and the connectivity's levels are those of the code that
later papers publish their numbers by: Gaussian derivatives of unit norm, and steps of 0.1.

C. Rhemann et al., "A perceptually motivated online benchmark for image matting", CVPR 2009.
"""

from __future__ import annotations

import argparse
import functools
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

import nstlib as nst
from nstlib.backdrops import fill
from nstlib.compose import composite
from nstlib.images.arrays import Image
from nstlib.images.folders import find_pictures
from nstlib.inference.parts import keep_people
from nstlib.inference.segmenter import PersonSegmenter

Matte = NDArray[np.float32]

#: Standard deviation of the derivative of a Gaussian, in pixels.
SIGMA = 1.4

#: The least distance from the opaque part that counts as a lack of connection, and the levels at
#: which connection is looked for.
THETA, STEP = 0.15, 0.1

#: Standard deviations of the outlines that are made, in pixels.
SOFTNESS = (1.0, 3.0)


def sad(found: Matte, truth: Matte) -> float:
    """Sum of absolute differences, in thousands of pixels."""
    return float(np.abs(found - truth).sum(dtype=float)) / 1000


def mse(found: Matte, truth: Matte) -> float:
    """Mean squared difference."""
    return float(np.square(found - truth).mean(dtype=float))


def gradient_error(found: Matte, truth: Matte) -> float:
    """Sum of squared differences of the gradients' lengths, in thousands."""
    return float(np.square(_slope(found) - _slope(truth)).sum()) / 1000


def _slope(alpha: Matte) -> NDArray[np.float64]:
    """Length of the gradient at each pixel, by derivatives of a Gaussian of unit norm."""
    reach = math.ceil(SIGMA * math.sqrt(-2 * math.log(math.sqrt(2 * math.pi) * SIGMA * 0.01)))
    x = np.arange(-reach, reach + 1)
    bell = np.exp(-(x**2) / (2 * SIGMA**2))
    slope = x * bell
    # The kernel is a product of the two, so its norm is a product of theirs.
    bell, slope = bell / np.linalg.norm(bell), slope / np.linalg.norm(slope)
    exact = alpha.astype(np.float64)

    def filtered(across: NDArray[Any], down: NDArray[Any]) -> NDArray[Any]:
        return cv2.sepFilter2D(exact, -1, across, down, borderType=cv2.BORDER_REPLICATE)

    return np.asarray(np.hypot(filtered(slope, bell), filtered(bell, slope)))


def connectivity_error(found: Matte, truth: Matte) -> float:
    """Sum of differences of how far each pixel is connected to what is opaque, in thousands.

    At each level, the connected part that counts is the largest one where both mattes reach it. A
    pixel's level is the highest one up to which it belongs to that part; what its alpha has above
    that level, if it is 0.15 or more, counts as not connected.
    """
    steps = round(1 / STEP)
    level = np.ones(found.shape)
    connected = np.ones(found.shape, bool)
    for number in range(1, steps + 1):
        both = np.minimum(found, truth) >= np.float32(number * STEP)
        count, labels, statistics, _ = cv2.connectedComponentsWithStats(
            both.astype(np.uint8), connectivity=4
        )
        largest = np.zeros(found.shape, bool)
        if count > 1:
            largest = labels == 1 + int(statistics[1:, cv2.CC_STAT_AREA].argmax())
        level[connected & ~largest] = (number - 1) * STEP
        connected &= largest

    def connection(alpha: Matte) -> NDArray[np.float64]:
        above = alpha - level
        return np.asarray(1 - np.where(above >= THETA, above, 0))

    return float(np.abs(connection(found) - connection(truth)).sum()) / 1000


MEASURES: dict[str, Callable[[Matte, Matte], float]] = {
    "SAD": sad,
    "MSE": mse,
    "gradient": gradient_error,
    "connectivity": connectivity_error,
}


def composites(people: Path, backgrounds: Path, every: int = 8) -> Iterator[tuple[Image, Matte]]:
    """Lay every eighth person before another photograph: pictures, and their exact mattes."""
    photos = sorted(find_pictures(people / "images").pictures)[::every]
    worlds = sorted(find_pictures(backgrounds).pictures)
    random = np.random.default_rng(0)
    for path in photos:
        photo = nst.load_image(path)
        mask = nst.load_image(people / "masks" / f"{path.stem}.png")[..., 0]
        softness = random.uniform(*SOFTNESS)
        world = nst.load_image(worlds[int(random.integers(len(worlds)))])
        # From inside of the outline: there the old background has no share in the colours.
        inside = cv2.erode(mask, np.ones((5, 5)))
        front = fill(photo, np.asarray(inside, np.float32))
        truth = np.clip(cv2.GaussianBlur(mask, (0, 0), softness), 0, 1, dtype=np.float32)
        yield composite(front, _covering(world, mask.shape), truth), truth


def _matte_of_people(segmenter: PersonSegmenter, image: Image) -> Matte:
    return keep_people(segmenter.matte(image))


def _covering(world: Image, shape: tuple[int, ...]) -> Image:
    height, width = shape
    scale = max(height / world.shape[0], width / world.shape[1])
    sides = [max(side, round(scale * have)) for side, have in zip(shape, world.shape, strict=False)]
    return nst.resize(world, (sides[0], sides[1]))[:height, :width]


def main() -> None:
    """Print the mean of each measure for each model."""
    parser = argparse.ArgumentParser(description="errors of mattes on composites")
    parser.add_argument("people", type=Path)
    parser.add_argument("--backgrounds", type=Path, required=True)
    parser.add_argument("--model", action="append")
    parser.add_argument("--every", type=int, default=8)
    options = parser.parse_args()

    finders: dict[str, Callable[[Image], Matte]] = {}
    for model in options.model or ["person"]:
        segmenter = PersonSegmenter(model)
        name = Path(model).stem
        finders[f"{name}, probabilities"] = segmenter
        finders[f"{name}, matte"] = segmenter.matte
        finders[f"{name}, matte of people"] = functools.partial(_matte_of_people, segmenter)
    sums = {name: np.zeros(len(MEASURES)) for name in finders}
    count = 0
    for image, truth in composites(options.people, options.backgrounds, options.every):
        count += 1
        for name, find in finders.items():
            found = find(image)
            sums[name] += [measure(found, truth) for measure in MEASURES.values()]
    print(f"{count} composites; means; SAD, gradient and connectivity in thousands")
    print(f"{'':32}" + "".join(f"{name:>14}" for name in MEASURES))
    for name, total in sums.items():
        print(f"{name:32}" + "".join(f"{value:14.4f}" for value in total / count))


if __name__ == "__main__":
    main()
