"""Images and masks in another size."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nstlib._checks import refusal
from nstlib.images.arrays import Image, Size, check_image


def resize(image: ArrayLike, size: Size) -> Image:
    """Resize by area averaging down and by cubic interpolation up.

    Parameters
    ----------
    image : array_like of float, shape (H, W, 3)
        RGB in [0, 1].
    size : int or (int, int)
        An int is the longest side and keeps the aspect ratio (to the nearest pixel); a pair is the
        exact (height, width). In pixels, from 1 to 16,384.

    Returns
    -------
    ndarray of float32, shape (height, width, 3)
        RGB in [0, 1]: cubic interpolation overshoots at edges, and is clipped.

    Raises
    ------
    ArgumentError
        If `size` is neither of those, or out of that range.
    ImageError
        If `image` is not an image.

    Examples
    --------
    >>> checkerboard = np.indices((4, 8)).sum(axis=0) % 2
    >>> image = np.repeat(checkerboard[..., np.newaxis], 3, axis=2).astype("float32")
    >>> small = resize(image, 4)
    >>> small.shape, float(small.min()), float(small.max())
    ((2, 4, 3), 0.5, 0.5)
    """
    image = check_image(image)
    return resized(image, *target_size(image.shape[:2], size))


def resized(image: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Do what :func:`resize` does, to any size, also with a mask (H, W)."""
    if (height, width) == image.shape[:2]:
        return image
    # cv2.INTER_AREA averages only when both sides shrink; enlarging one side as well is done apart.
    shrunk = (min(height, image.shape[0]), min(width, image.shape[1]))
    small = cv2.resize(image, shrunk[::-1], interpolation=cv2.INTER_AREA)
    large = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(large, 0.0, 1.0, dtype=np.float32)


def resize_mask(mask: NDArray[np.float32], size: Size) -> NDArray[np.float32]:
    """Resize a mask or a matte just as :func:`resize` does an image.

    Parameters
    ----------
    mask : ndarray of float32, shape (H, W)
        In [0, 1].
    size : int or (int, int)
        As for :func:`resize`.

    Returns
    -------
    ndarray of float32, shape (height, width)
        In [0, 1].

    Examples
    --------
    >>> resize_mask(np.float32([[0, 1, 0, 1], [0, 1, 0, 1]]), 2)
    array([[0.5, 0.5]], dtype=float32)
    """
    return resized(mask, *target_size(mask.shape, size))


def target_size(shape: tuple[int, ...], size: Size) -> tuple[int, int]:
    """Height and width that `size` means for an image of `shape`.

    Raises
    ------
    ArgumentError
        If `size` is not what :func:`resize` takes.

    Examples
    --------
    >>> target_size((400, 600), 300), target_size((400, 600), (10, 20))
    ((200, 300), (10, 20))
    """
    pixels = "in whole pixels from 1 to 16384"
    accepted = f"the longest side or a tuple (height, width), {pixels}"
    sides = size if isinstance(size, tuple) else (size, size)
    if len(sides) != 2 or not all(
        isinstance(side, int | np.integer) and not isinstance(side, bool) and 1 <= side <= 16384
        for side in sides
    ):
        raise refusal("size", size, accepted, command=f"the longest side, {pixels}")
    if isinstance(size, tuple):
        return int(size[0]), int(size[1])
    scale = size / max(shape[:2])
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def halved(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Shrink an image or a mask to half its sides, rounded up, by means over areas.

    Parameters
    ----------
    array : ndarray of float32, shape (H, W, 3) or (H, W)

    Returns
    -------
    ndarray of float32, shape (⌈H / 2⌉, ⌈W / 2⌉, 3) or (⌈H / 2⌉, ⌈W / 2⌉)

    Examples
    --------
    >>> halved(np.float32([[0, 1, 1, 1], [1, 0, 1, 1]]))
    array([[0.5, 1. ]], dtype=float32)
    """
    height, width = array.shape[:2]
    size = (-(-width // 2), -(-height // 2))
    return np.asarray(cv2.resize(array, size, interpolation=cv2.INTER_AREA), np.float32)
