"""What both recipes share: results, sizes from coarse to fine, and frames around pictures."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nstlib._memory import ran_out
from nstlib._tensorflow import tf
from nstlib.errors import ArgumentError
from nstlib.features import SMALLEST_SIDE, check_sides
from nstlib.images.arrays import Image
from nstlib.images.resizing import resize
from nstlib.optimize import Loss, Recorded, Result, Step, UnfinishedError

#: Pixels by which :func:`transfer_style` continues a picture while it works, unless it is told not
#: to. Convolutions do odd things at a border; here the border is cut off at the end. A multiple of
#: the stride of VGG19's fifth block, so that its positions are the same with and without.
FRAME = 16

#: Longest side of the picture that :func:`transfer_style` begins with, in pixels.
COARSEST = 128


@dataclass(frozen=True, eq=False)
class Synthesis(Recorded):
    """A picture made by a recipe, and how it was made.

    Attributes
    ----------
    image : ndarray of float32, shape (H, W, 3)
        RGB in [0, 1].
    losses : dict of str to (float, float)
        Each term of the loss at full size, at the start and for `image`.
    history : tuple of Step
        Every iteration at every size, without images; counts and seconds run on.
    weights : str
        Which weights the features had.
    seed : int
        Of the noise.
    interrupted : bool
        Whether the run was stopped early from the keyboard.
    """

    image: Image = field(repr=False)
    losses: dict[str, tuple[float, float]]
    history: tuple[Step, ...] = field(repr=False)
    weights: str
    seed: int
    interrupted: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.image.shape[0], self.image.shape[1]


def first_and_last(
    loss_at: Callable[[tuple[int, int]], Loss], start: Image, result: Result
) -> tuple[dict[str, tuple[float, float]], bool]:
    """Judge a run's start and its result at full size; tell whether that was interrupted.

    The run began at a coarse size, and one that was stopped early also ended there. If this
    measurement is interrupted, the losses are those that the run itself noted, and the finished
    picture is kept.

    Raises
    ------
    UnfinishedError
        If memory runs out; the error carries the picture.
    """
    size = (result.image.shape[0], result.image.shape[1])
    try:
        at_start, at_end = map(loss_at(size), (tf.constant(start), tf.constant(result.image)))
        return {name: (float(at_start[name]), float(at_end[name])) for name in at_start}, False
    except KeyboardInterrupt:
        noted = result.history[0].terms
        return {name: (noted[name], result.terms[name]) for name in result.terms}, True
    except Exception as error:
        if not ran_out(error):
            raise
    raise UnfinishedError(size, result.image)


def stage_sizes(full: tuple[int, int], coarsest: int = COARSEST) -> list[tuple[int, int]]:
    """Sizes up to `full`, each √2 times the one before; the first is about `coarsest` pixels long.

    Examples
    --------
    >>> stage_sizes((200, 300))
    [(100, 150), (141, 212), (200, 300)]
    >>> stage_sizes((200, 300), coarsest=300)
    [(200, 300)]
    """
    steps = max(0, round(2 * math.log2(max(full) / coarsest)))
    sizes = []
    for step in range(steps, -1, -1):
        scale = 2 ** (-step / 2)
        height, width = (round(side * scale) for side in full)
        if min(height, width) >= SMALLEST_SIDE or step == 0:
            sizes.append((height, width))
    return sizes


@dataclass(frozen=True)
class Frame:
    """Continues pictures on all sides by so many pixels, and takes them off again."""

    width: int

    def on(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Continue a picture, or a mask, by its mirror image."""
        sides = [(self.width, self.width)] * 2 + [(0, 0)] * (image.ndim - 2)
        return np.pad(image, sides, mode="symmetric")

    def off(self, image: Image) -> Image:
        """Take the frame off."""
        height, width = self.inside((image.shape[0], image.shape[1]))
        return image[self.width :, self.width :][:height, :width]

    def around(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the height and width with the frame."""
        return size[0] + 2 * self.width, size[1] + 2 * self.width

    def inside(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the height and width without it."""
        return size[0] - 2 * self.width, size[1] - 2 * self.width

    def resize(self, image: Image, size: tuple[int, int]) -> Image:
        """Resize a framed image; the frame stays as wide as it is."""
        return self.on(resize(self.off(image), self.inside(size)))


def check_sizes(
    source: tuple[int, int], size: tuple[int, int], step: int, name: str = "source"
) -> None:
    """Refuse sizes that VGG19 cannot take, and tiles that would not fit together.

    `name` is what the caller's argument is called whose height and width `source` is.
    """
    check_sides(name, source)
    check_sides("size", size, "give a larger size")
    if any(side % step for side in size):
        near = sorted({max(2, side // step + more) * step for side in size for more in (0, 1)})
        raise ArgumentError(
            f"size is {size[1]}×{size[0]} pixels; a tileable texture needs sides that are "
            f"multiples of {step}, the stride of its deepest layer: use {', '.join(map(str, near))}"
        )
