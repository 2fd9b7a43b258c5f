"""A coarse mask gets the edges of the picture: the guided filter."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nstlib._checks import check_count, check_number, refusal
from nstlib.images.arrays import Image, check_alpha, check_image

#: The largest radius of a guided filter's windows, in pixels. Larger sums lose their digits.
LARGEST_RADIUS = 2000

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
    mask : array_like, shape (H, W) or (H, W, 1)
        What to refine: float in [0, 1], bool, or uint8 in 0..255.
    radius : int
        Of the window, in pixels, 1 or more: about as far as the mask may be off.
    epsilon : float
        Variance below which the picture counts as flat, more than 0.

    Returns
    -------
    ndarray of float32, shape (H, W)
        Not clipped: it may leave [0, 1] a little.

    Raises
    ------
    ImageError
        If `guide` is not an image, or `mask` not a mask of it.
    ArgumentError
        For a `radius` or `epsilon` outside those above.

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
    values = check_alpha(mask, image, "mask")
    if check_count("radius", radius) > LARGEST_RADIUS:
        raise refusal("radius", radius, f"a whole number from 1 to {LARGEST_RADIUS}")
    check_number("epsilon", epsilon, above=0)
    return evaluate_fit(*fit_locally(image, values, radius, epsilon), image)


def fit_locally(
    guide: Image, mask: NDArray[np.float32], radius: int, epsilon: float
) -> tuple[list[NDArray[np.float32]], NDArray[np.float32]]:
    """Three slopes (H, W) and the offset (H, W) of the function that each pixel takes."""
    side = 2 * radius + 1

    def mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return cv2.blur(values, (side, side), borderType=cv2.BORDER_REFLECT)  # type: ignore[return-value]

    def covariance(
        x: NDArray[np.float32],
        of_x: NDArray[np.float32],
        y: NDArray[np.float32],
        of_y: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        result = mean(x * y)
        result -= of_x * of_y
        return result

    # Half-way between black and white is 0 here: squares then lose fewer digits.
    half = np.float32(0.5)
    red, green, blue = (color - half for color in cv2.split(guide))
    of_red, of_green, of_blue, level = (mean(x) for x in (red, green, blue, mask))
    rr = covariance(red, of_red, red, of_red) + np.float32(epsilon)
    rg = covariance(red, of_red, green, of_green)
    rb = covariance(red, of_red, blue, of_blue)
    gg = covariance(green, of_green, green, of_green) + np.float32(epsilon)
    gb = covariance(green, of_green, blue, of_blue)
    bb = covariance(blue, of_blue, blue, of_blue) + np.float32(epsilon)
    r, g, b = (
        covariance(x, of_x, mask, level)
        for x, of_x in ((red, of_red), (green, of_green), (blue, of_blue))
    )
    # Elimination. All pivots are epsilon or more; a determinant would be a small difference of
    # large products, for which float32 has too few digits.
    by_red = rg / rr
    gg -= by_red * rg
    gb -= by_red * rb
    g -= by_red * r
    by_red = rb / rr
    bb -= by_red * rb
    b -= by_red * r
    by_green = gb / gg
    bb -= by_green * gb
    b -= by_green * g
    of_b = b / bb
    of_g = (g - gb * of_b) / gg
    of_r = (r - rg * of_g - rb * of_b) / rr
    level -= of_r * (of_red + half)
    level -= of_g * (of_green + half)
    level -= of_b * (of_blue + half)
    return [mean(of_r), mean(of_g), mean(of_b)], mean(level)


def enlarged(maps: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Resize by linear interpolation to (width, height)."""
    return np.asarray(cv2.resize(maps, size), np.float32)


def evaluate_fit(
    slopes: list[NDArray[np.float32]], offset: NDArray[np.float32], image: Image
) -> NDArray[np.float32]:
    """Compute each pixel's function of its colours."""
    products = (slope * color for slope, color in zip(slopes, cv2.split(image), strict=True))
    return sum(products, start=offset)
