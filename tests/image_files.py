"""Pictures drawn by a seed, and files of them, for the tests of images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def smooth(height: int, width: int) -> NDArray[np.uint8]:
    """A gradient that lossy formats keep well."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 / width, y * 255 / height, 0 * x + 90], -1).astype(np.uint8)
