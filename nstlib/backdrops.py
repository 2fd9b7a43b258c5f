"""What is seen behind a person: a colour, another picture, or their own background, blurred."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
import PIL.ImageColor
from numpy.typing import ArrayLike, NDArray

from nstlib._files import is_there
from nstlib.errors import ArgumentError, ImageError
from nstlib.images.arrays import Image, check_alpha, check_image, from_uint8, per_channel
from nstlib.images.colors import from_linear, to_linear
from nstlib.images.resizing import halved, resize, resized
from nstlib.sources import load_image

#: What :class:`nstlib.Composer` takes to be seen behind a person.
Backdrop: TypeAlias = str | Path | ArrayLike

#: In :func:`blur_background`, as shares of the picture's longest side: the Gaussian's standard
#: deviation, and how far around a person nothing counts as background: a matte is not exact.
BLUR, AROUND = 1 / 50, 1 / 80

#: Longest side at which backgrounds are blurred, in pixels: what is blurred needs no more.
_BLUR_SIDE = 640


class Behind:
    """Shows what is to be seen behind a person, in a photograph's size.

    Attributes
    ----------
    plain : bool
        Whether it is of one colour.
    """

    def __init__(self, backdrop: Backdrop, linear: bool) -> None:
        blurred = isinstance(backdrop, str) and backdrop == "blur"
        self._image = None if blurred else _read_backdrop(backdrop)
        self.plain = self._image is not None and bool((self._image == self._image[0, 0]).all())
        self._linear = linear
        self._covering: Image | None = None

    def __call__(self, photo: Image, alpha: NDArray[np.float32]) -> Image:
        """Return what is behind a person of this matte (H, W) in a photograph (H, W, 3)."""
        if self._image is None:
            return blur_background(photo, alpha, linear=self._linear)
        covering = self._covering  # of the last frame's size
        if covering is None or covering.shape != photo.shape:
            self._covering = covering = _cover(self._image, photo.shape[0], photo.shape[1])
        return covering


def _read_backdrop(backdrop: Backdrop) -> Image:
    """Return an image; a colour is one of a single pixel."""
    if isinstance(backdrop, Path):
        return load_image(backdrop)
    if not isinstance(backdrop, str):
        return check_image(backdrop, "backdrop")
    try:
        red, green, blue, *alpha = PIL.ImageColor.getrgb(backdrop)
    except ValueError:
        try:
            return load_image(backdrop)
        except ImageError as error:
            if is_there(backdrop):
                raise
            raise _no_backdrop(backdrop) from error
    # Pillow also reads rgb(300, 0, 0).
    if alpha not in ([], [255]) or not all(0 <= level <= 255 for level in (red, green, blue)):
        raise _no_backdrop(backdrop)
    return from_uint8(np.array([[[red, green, blue]]], np.uint8))


def _no_backdrop(backdrop: str) -> ArgumentError:
    accepted = (
        "'blur', an opaque colour such as '#1e90ff' or 'navy', the path of an image, or the name "
        "of a sample"
    )
    return ArgumentError(
        f"backdrop is {backdrop!r}; it must be {accepted}",
        command=f"--background is {backdrop}; it must be {accepted}",
    )


def _cover(image: Image, height: int, width: int) -> Image:
    """Scale an image so that it covers this size, and cut off what stands out, alike on both sides.

    Examples
    --------
    >>> wide = np.float32([[[0.0] * 3, [0.2] * 3, [0.4] * 3, [0.6] * 3, [0.8] * 3, [1.0] * 3]])
    >>> _cover(wide, 1, 2)[0, :, 0]
    array([0.4, 0.6], dtype=float32)
    """
    scale = max(height / image.shape[0], width / image.shape[1])
    rows, columns = (
        max(1, min(have, round(side / scale)))
        for side, have in zip((height, width), image.shape, strict=False)
    )
    top, left = (image.shape[0] - rows) // 2, (image.shape[1] - columns) // 2
    return resized(image[top : top + rows, left : left + columns], height, width)


def blur_background(image: ArrayLike, alpha: ArrayLike, *, linear: bool = False) -> Image:
    """Show what is behind a person out of focus, and nothing of the person.

    A blur of the whole picture would carry the person's colours far around the outline. So the
    background is first continued under the person: what is missing at one size is taken from half
    that size, where each pixel is a mean that is weighted by the shares of the background.

    Parameters
    ----------
    image : array_like of float, shape (H, W, 3)
        RGB in [0, 1].
    alpha : array_like, shape (H, W) or (H, W, 1)
        Share of the person, as in :func:`nstlib.composite`.
    linear : bool, default False
        Blur amounts of light, as a lens does: lamps become bright discs.

    Returns
    -------
    ndarray of float32, shape (H, W, 3)
        RGB in [0, 1].

    Examples
    --------
    >>> alpha = np.zeros((32, 32), np.float32)
    >>> alpha[8:, 12:20] = 1
    >>> red, blue = np.float32([1, 0, 0]), np.float32([0, 0, 1])
    >>> photo = np.where(alpha[..., None] == 1, red, blue)
    >>> bool(np.allclose(blur_background(photo, alpha), blue, atol=0.01))
    True
    """
    photo = check_image(image)
    share = check_alpha(alpha, photo)
    height, width, _ = photo.shape
    scale = min(1.0, _BLUR_SIDE / max(height, width))
    small = max(1, round(height * scale)), max(1, round(width * scale))
    longest = max(small)
    reach = 2 * round(AROUND * longest) + 1
    away = cv2.resize(share, small[::-1], interpolation=cv2.INTER_AREA)
    away = cv2.dilate(away, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    photo = resize(photo, small)
    if linear:
        photo = to_linear(photo)
    filled = fill(photo, np.asarray(1 - away, np.float32))
    behind = cv2.GaussianBlur(
        filled, (0, 0), max(BLUR * longest, 0.5), borderType=cv2.BORDER_REPLICATE
    )
    # What is smooth is enlarged linearly: cubic interpolation would add nothing to it.
    blurred = np.clip(cv2.resize(behind, (width, height)), 0.0, 1.0, dtype=np.float32)
    return from_linear(blurred) if linear else blurred


def fill(image: Image, share: NDArray[np.float32]) -> Image:
    """Continue a picture smoothly to where it is missing.

    Parameters
    ----------
    image : ndarray of float32, shape (H, W, 3)
        RGB in [0, 1].
    share : ndarray of float32, shape (H, W)
        How much each pixel counts: 1 for those that stay, 0 for those that are missing.

    Returns
    -------
    ndarray of float32, shape (H, W, 3)
        RGB in [0, 1].

    Examples
    --------
    >>> row = np.float32([[[0.2] * 3, [0.9] * 3, [0.4] * 3]])
    >>> fill(row, np.float32([[1, 0, 1]]))[..., 0].round(1)
    array([[0.2, 0.3, 0.4]], dtype=float32)
    """
    share = per_channel(share)
    weighted = share * image
    pyramid = [(weighted, share)]
    while max(weighted.shape[:2]) > 1:
        weighted, share = halved(weighted), halved(share)
        pyramid.append((weighted, share))
    filled: Image = image.mean(axis=(0, 1), keepdims=True)
    if share.any():
        filled = weighted / share
    for weighted, share in reversed(pyramid):
        height, width, _ = share.shape
        filled = weighted + (1 - share) * cv2.resize(filled, (width, height))
    return filled
