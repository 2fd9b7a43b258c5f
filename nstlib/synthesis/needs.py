"""How much memory a run needs at a size, and whether there is so much.

Where memory runs out, a system may end the process, or TensorFlow may crash, before Python hears of
it. The sizes that were finished would be lost. So each size is held against the room that there was
when the run began.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from nstlib._memory import room
from nstlib._tensorflow import keras
from nstlib.optimize import kept_steps
from nstlib.synthesis.common import Frame
from nstlib.vgg19 import stride

#: How many times the layers' outputs an evaluation holds at its peak: they, their padded copies,
#: what the statistics make of them, and gradients. Measured.
COPIES = 4.0

#: Megabytes that stay with the process for each size. Measured.
TRACE = 15.0


def needed_megabytes(
    extractor: keras.Model, sides: Iterable[int], at_once: float, *, method: str, iterations: int
) -> float:
    """Say what a run needs at one size, besides what the process holds before.

    Parameters
    ----------
    extractor : keras.Model
        What the loss looks through.
    sides : iterable of int
        Height and width of the image that changes.
    at_once : float
        Pixels that one evaluation holds.
    method, iterations
        See :func:`nstlib.minimize_image`.
    """
    per_pixel = sum(
        4 * layer.output.shape[-1] / stride(layer.name) ** 2
        for layer in extractor.layers
        if layer.name.startswith("block")
    )
    needed = COPIES * per_pixel * at_once
    if method == "lbfgs":
        values = 3 * math.prod(sides)
        kept = min(iterations, kept_steps(values))
        needed += 8 * (2 * kept + 10) * values  # in double precision
    return TRACE + needed / 1e6


class Room:
    """The memory that there is for a run, measured once: later, what it holds can be used again."""

    def __init__(self) -> None:
        self._free = room()

    def check(self, needed: float) -> None:
        """Raise a MemoryError if there is less than these megabytes."""
        if self._free is not None and needed > self._free:
            raise MemoryError(f"{needed:.0f} MB are needed, and {self._free:.0f} MB are free")


def pixels_of(size: tuple[int, int], frame: Frame, tile: int, margin: int) -> tuple[float, float]:
    """Pixels that one evaluation of a transfer holds at once, and how many it costs."""
    sides = frame.around(size)
    if max(size) <= tile:
        return math.prod(sides), math.prod(sides)
    counts = [math.ceil(side / tile) for side in sides]
    window = math.prod(side / n + 2 * margin for side, n in zip(sides, counts, strict=True))
    return window, 1.5 * window * math.prod(counts)  # forward, again for the gradient, and back
