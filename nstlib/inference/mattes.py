"""A coarse mask gets the edges of the picture: the guided filter."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nstlib._checks import check_count, check_number
from nstlib.errors import ArgumentError
from nstlib.images.arrays import Image, check_image

#: How :meth:`PersonSegmenter.matte` refines what the network says: at which longest side in pixels,
#: in windows of which radius as a share of it, and above which variance of the colours; then by how
#: much the contrast is raised. Chosen on photographs of people with masks drawn by hand.
MATTE_SIDE, MATTE_RADIUS, MATTE_EPSILON, MATTE_CONTRAST = 512, 1 / 64, 3e-4, 2.0


def guided_filter(
    guide: ArrayLike, mask: ArrayLike, radius: int, epsilon: float
) -> NDArray[np.float32]:
    r"""Give a mask the edges of a picture.

    In each window of :math:`(2r + 1)^2` pixels the mask is explained as a linear function of the
    picture's colours, :math:`p_i \approx a^\top I_i + b`, by least squares:

    .. math:: a = (\Sigma + \epsilon U)^{-1} \operatorname{cov}(I, p), \qquad
       b = \bar p - a^\top \bar I

    with :math:`\Sigma` the covariance of the colours in the window and :math:`U` the identity. A
    pixel takes the mean of the functions of all windows that it lies in.

    Parameters
    ----------
    guide : array_like of float, shape (H, W, 3)
        The picture, RGB in [0, 1].
    mask : array_like of float, shape (H, W)
        What to refine.
    radius : int
        Of the window, in pixels, 1 or more: about as far as the mask may be off.
    epsilon : float
        Variance below which the picture counts as flat, more than 0.

    Returns
    -------
    ndarray of float32, shape (H, W)
        Not clipped: it may leave the range of `mask` a little.

    Raises
    ------
    ArgumentError
        For a mask of another size, or for a `radius` or `epsilon` outside those above.

    References
    ----------
    K. He, J. Sun and X. Tang, "Guided image filtering", IEEE TPAMI 35, 2013, section 3.5.

    Examples
    --------
    A mask that begins a pixel too late is moved to the edge between black and white:

    >>> guide = np.zeros((9, 12, 3), np.float32)
    >>> guide[:, 6:] = 1
    >>> mask = np.zeros((9, 12), np.float32)
    >>> mask[:, 7:] = 1
    >>> (guided_filter(guide, mask, 4, 1e-4)[4] > 0.5).astype(int)
    array([0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
    """
    image = check_image(guide, "guide")
    values = np.asarray(mask, np.float32)
    if values.shape != image.shape[:2]:
        raise ArgumentError(f"mask has shape {values.shape}; guide has {image.shape[:2]}")
    check_count("radius", radius)
    check_number("epsilon", epsilon, above=0)
    return evaluate_fit(*fit_locally(image, values, radius, epsilon), image)


def fit_locally(
    guide: Image, mask: NDArray[np.float32], radius: int, epsilon: float
) -> tuple[list[NDArray[np.float32]], NDArray[np.float32]]:
    """Three slopes (H, W) and the offset (H, W) of the function that each pixel takes."""

    def mean(values: NDArray[Any]) -> NDArray[Any]:
        side = 2 * radius + 1
        return np.asarray(cv2.blur(values, (side, side), borderType=cv2.BORDER_REFLECT))

    colors = cv2.split(guide)
    means, level = [mean(color) for color in colors], mean(mask)
    # The determinant is a small difference of large products: float32 has too few digits for it.
    (rr, rg, rb), (_, gg, gb), (_, _, bb) = (
        [
            (mean(x * y) - of_x * of_y).astype(np.float64) + epsilon * (x is y)
            for y, of_y in zip(colors, means, strict=True)
        ]
        for x, of_x in zip(colors, means, strict=True)
    )
    r, g, b = (mean(x * mask) - of_x * level for x, of_x in zip(colors, means, strict=True))
    first = (gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb)
    determinant = first[0] * rr + first[1] * rg + first[2] * rb
    slopes = [
        (first[0] * r + first[1] * g + first[2] * b) / determinant,
        (first[1] * r + (rr * bb - rb * rb) * g + (rb * rg - rr * gb) * b) / determinant,
        (first[2] * r + (rb * rg - rr * gb) * g + (rr * gg - rg * rg) * b) / determinant,
    ]
    offset = level - sum(slope * of_x for slope, of_x in zip(slopes, means, strict=True))
    return [mean(slope.astype(np.float32)) for slope in slopes], mean(offset.astype(np.float32))


def enlarged(maps: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Resize by linear interpolation to (width, height)."""
    return np.asarray(cv2.resize(maps, size), np.float32)


def evaluate_fit(
    slopes: list[NDArray[np.float32]], offset: NDArray[np.float32], image: Image
) -> NDArray[np.float32]:
    """Compute each pixel's function of its colours."""
    products = (slope * color for slope, color in zip(slopes, cv2.split(image), strict=True))
    return sum(products, start=offset)
