"""The drawn styles by name."""

from __future__ import annotations

import operator
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import cv2
import numpy as np

from nstlib._checks import check_choice, check_count
from nstlib.art._canvas import LONGEST, MAX_SIDE, MIN_SIDE, Array, Canvas
from nstlib.art.brushwork import brushwork
from nstlib.art.candy import candy
from nstlib.art.marble import marble
from nstlib.art.mosaic import mosaic
from nstlib.art.pointillism import pointillism
from nstlib.art.shards import shards
from nstlib.art.watercolour import watercolour
from nstlib.art.waves import waves
from nstlib.errors import ArgumentError

if TYPE_CHECKING:
    from nstlib.images.arrays import Image

_DRAW: dict[str, Callable[[Canvas], Array]] = {
    "mosaic": mosaic,
    "candy": candy,
    "brushwork": brushwork,
    "shards": shards,
    "waves": waves,
    "pointillism": pointillism,
    "marble": marble,
    "watercolour": watercolour,
}
DRAWN_STYLES: tuple[str, ...] = tuple(_DRAW)
"""The names of the drawn styles."""


def draw(name: str, size: int | tuple[int, int] = 512, *, seed: int = 0) -> Image:
    """Draw a style image.

    Parameters
    ----------
    name
        One of :data:`DRAWN_STYLES`.
    size
        Side of a square, or (height, width), in pixels, 16 to 4,096 each. The elements are sized
        by the shorter side, so the same seed gives the same picture at every size. A third of
        a second to one second at 512 px on one core; the time grows with the number of pixels.
    seed
        Zero or a positive integer; another seed gives another picture of the same style.

    Returns
    -------
    ndarray of float32, shape (height, width, 3)
        RGB in [0, 1]. Bit for bit the same for the same arguments on one machine.

    Raises
    ------
    ArgumentError
        For a name, a size, or a seed outside these.

    Examples
    --------
    >>> image = draw("marble", 64)
    >>> image.shape, image.dtype.name
    ((64, 64, 3), 'float32')
    >>> bool((draw("marble", 64, seed=1) == image).all())
    False
    """
    check_choice("name", name, DRAWN_STYLES)
    height, width = _check_size(size)
    number = check_count("seed", seed, 0)

    # The name is part of the seed, so that one seed gives each style a composition of its own.
    rng = np.random.default_rng([number, zlib.crc32(name.encode())])
    unit = max(min(height, width), max(height, width) / LONGEST)
    scale = 4 if unit <= 160 else 2 if unit <= 1280 else 1  # drawn larger: smooth edges
    image = _DRAW[name](Canvas(height * scale, width * scale, unit * scale, rng))
    image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))
    return np.clip(image.astype(np.float32), 0, 1)


def _check_size(size: int | tuple[int, int]) -> tuple[int, int]:
    sides = size if isinstance(size, tuple) else (size, size)
    try:
        numbers = [operator.index(side) for side in sides if not isinstance(side, bool)]
    except TypeError:
        numbers = []
    if len(numbers) != 2 or not all(MIN_SIDE <= side <= MAX_SIDE for side in numbers):
        accepted = f"whole pixels, {MIN_SIDE} to {MAX_SIDE} each"
        raise ArgumentError(
            f"size is {size!r}; give one side or (height, width) in {accepted}",
            command=f"--size is {size}; it must be a number of {accepted}",
        )
    return numbers[0], numbers[1]
