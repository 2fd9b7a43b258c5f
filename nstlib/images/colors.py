"""Keep a picture's colours while its style changes.

A style brings its colours along. Gatys et al. (2016) give two ways to leave them behind: change the
style's colours to the content's before the transfer, or transfer brightness alone.
"""

from __future__ import annotations

import numpy as np
import skimage.color
from numpy.typing import ArrayLike, NDArray

from nstlib.errors import ArgumentError, ImageError
from nstlib.images.arrays import Image, as_array, check_image


def match_colors(
    image: ArrayLike,
    reference: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    reference_weights: ArrayLike | None = None,
) -> Image:
    r"""Give an image another one's colours: its mean colour, and how its colours vary together.

    The linear map :math:`x \mapsto \hat\Sigma^{1/2} \Sigma^{-1/2} (x - \mu) + \hat\mu` turns pixels
    of mean :math:`\mu` and covariance :math:`\Sigma` into pixels of mean :math:`\hat\mu` and
    covariance :math:`\hat\Sigma`; values that leave [0, 1] are clipped.

    Parameters
    ----------
    image : array_like of float, shape (H, W, 3)
        RGB in [0, 1].
    reference : array_like of float, shape (h, w, 3)
        Whose colours to take, RGB in [0, 1].
    weights, reference_weights : array_like of float, shape (H, W) and (h, w), optional
        How much each pixel counts in the mean and the covariance: 0 or more, not all of them 0.
        By default all count alike.

    Returns
    -------
    ndarray of float32, shape (H, W, 3)
        RGB in [0, 1]. A grey image varies along one line only, and comes out in the shades of one
        line of colours.

    Raises
    ------
    ArgumentError
        If weights have another shape, are negative, not finite, or all 0.
    ImageError
        If `image` or `reference` is not an image.

    References
    ----------
    L. Gatys, M. Bethge, A. Hertzmann and E. Shechtman, "Preserving color in neural artistic style
    transfer", 2016, section 4.1.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> image, reference = random.uniform(0, 1, (9, 9, 3)), random.uniform(0.4, 0.6, (8, 8, 3))
    >>> matched = match_colors(image, reference)
    >>> np.allclose(matched.mean(axis=(0, 1)), reference.mean(axis=(0, 1)), atol=1e-3)
    True
    """
    pixels = check_image(image).astype(np.float64)
    wanted = check_image(reference, "reference").astype(np.float64)
    mean, covariance = _statistics(pixels, "weights", weights)
    wanted_mean, wanted_covariance = _statistics(wanted, "reference_weights", reference_weights)
    to_wanted = power(wanted_covariance, 0.5) @ power(covariance, -0.5)
    matched = (pixels.reshape(-1, 3) - mean) @ to_wanted.T + wanted_mean
    return np.clip(matched.reshape(pixels.shape), 0.0, 1.0).astype(np.float32)


def color_map(
    covariance: NDArray[np.float64], wanted: NDArray[np.float64], most: float
) -> NDArray[np.float64]:
    r"""Find the linear map between colours of two covariances that changes them least.

    Of all matrices that turn pixels of covariance :math:`\Sigma` into pixels of covariance
    :math:`\hat\Sigma`, the symmetric one :math:`\Sigma^{-1/2} (\Sigma^{1/2} \hat\Sigma
    \Sigma^{1/2})^{1/2} \Sigma^{-1/2}` moves them least, in the mean of squares. So it keeps hues
    as far as it can.

    Parameters
    ----------
    covariance, wanted : ndarray of float64, shape (3, 3)
        :math:`\Sigma` of the pixels, and :math:`\hat\Sigma` that they are to get.
    most : float
        No difference of colours is enlarged more than so many times: what hardly varies is noise,
        and stays small.

    Returns
    -------
    ndarray of float64, shape (3, 3)
        What differences from the mean colour, as columns, are multiplied by. Symmetric.

    References
    ----------
    F. Pitié and A. Kokaram, "The linear Monge-Kantorovitch linear colour mapping for example-based
    colour transfer", CVMP 2007.
    """
    root, inverse = power(covariance, 0.5), power(covariance, -0.5)
    gains, axes = np.linalg.eigh(inverse @ power(root @ wanted @ root, 0.5) @ inverse)
    result: NDArray[np.float64] = (axes * np.minimum(gains, most)) @ axes.T
    return result


def luminance(image: ArrayLike) -> NDArray[np.float32]:
    """Brightness of each pixel: Y of NTSC's YIQ, 0.299 R + 0.587 G + 0.114 B.

    Parameters
    ----------
    image : array_like of float, shape (H, W, 3)
        RGB in [0, 1].

    Returns
    -------
    ndarray of float32, shape (H, W)
        In [0, 1].

    Raises
    ------
    ImageError
        If `image` is not an image; see :func:`check_image`.
    """
    y: NDArray[np.float32] = skimage.color.rgb2yiq(check_image(image))[..., 0]
    return np.clip(y, 0.0, 1.0, dtype=np.float32)


def match_luminance(image: ArrayLike, reference: ArrayLike) -> Image:
    """Turn an image grey, with another one's mean and standard deviation of brightness.

    Parameters
    ----------
    image : array_like of float, shape (H, W, 3)
        RGB in [0, 1].
    reference : array_like of float, shape (h, w, 3)
        Whose brightness to match, RGB in [0, 1].

    Returns
    -------
    ndarray of float32, shape (H, W, 3)
        Three equal channels in [0, 1].

    Raises
    ------
    ImageError
        If one of the two is not an image.

    References
    ----------
    A. Hertzmann et al., "Image analogies", SIGGRAPH 2001, where the idea comes from; Gatys et al.
    2016, section 4.2.
    """
    y, wanted = luminance(image), luminance(reference)
    spread = float(y.std())
    # Below that, what varies is rounding: a plain image stays plain.
    scaled = (y - y.mean()) * (wanted.std() / spread if spread > 1e-5 else 0.0) + wanted.mean()
    return _grey(np.clip(scaled, 0.0, 1.0))


def replace_luminance(image: ArrayLike, brightness: ArrayLike) -> Image:
    """Keep an image's colours, and take the brightness of each pixel from another one.

    Parameters
    ----------
    image : array_like of float, shape (H, W, 3)
        Whose colours to keep (I and Q of YIQ), RGB in [0, 1].
    brightness : array_like of float, shape (H, W, 3)
        Whose brightness to take (Y), RGB in [0, 1].

    Returns
    -------
    ndarray of float32, shape (H, W, 3)
        RGB in [0, 1].

    Raises
    ------
    ImageError
        If one of the two is not an image, or they differ in size.

    References
    ----------
    L. Gatys et al., "Preserving color in neural artistic style transfer", 2016, section 4.2.

    Examples
    --------
    >>> red, white = np.float32([[[1, 0, 0]]]), np.float32([[[1, 1, 1]]])
    >>> luminance(replace_luminance(red * 0.5, white * 0.2)).round(2)
    array([[0.2]], dtype=float32)
    """
    yiq, y = skimage.color.rgb2yiq(check_image(image)), luminance(brightness)
    if y.shape != yiq.shape[:2]:
        raise ImageError(
            f"brightness has shape {y.shape}, the image {yiq.shape[:2]}; resize one of them"
        )
    yiq[..., 0] = y
    return np.clip(skimage.color.yiq2rgb(yiq), 0.0, 1.0).astype(np.float32)


def to_linear(image: Image) -> Image:
    """Turn sRGB's code values into amounts of light: half the light has the code 0.735.

    Parameters
    ----------
    image : ndarray of float32
        In [0, 1], of any shape.

    Returns
    -------
    ndarray of float32
        In [0, 1], of the same shape.

    References
    ----------
    IEC 61966-2-1:1999, the transfer function of sRGB.

    Examples
    --------
    >>> to_linear(np.float32([0, 0.04, 0.5, 1])).round(4)
    array([0.    , 0.0031, 0.214 , 1.    ], dtype=float32)
    """
    curve = ((image + np.float32(0.055)) / np.float32(1.055)) ** np.float32(2.4)
    return np.where(image <= 0.04045, image / np.float32(12.92), curve).astype(np.float32)


def from_linear(light: Image) -> Image:
    """Turn amounts of light into sRGB's code values: the inverse of :func:`to_linear`.

    Parameters
    ----------
    light : ndarray of float32
        In [0, 1], of any shape.

    Returns
    -------
    ndarray of float32
        In [0, 1], of the same shape.

    Examples
    --------
    >>> from_linear(np.float32([0, 0.0031, 0.5, 1])).round(4)
    array([0.    , 0.0401, 0.7354, 1.    ], dtype=float32)
    """
    curve = np.float32(1.055) * light ** np.float32(1 / 2.4) - np.float32(0.055)
    return np.where(light <= 0.0031308, np.float32(12.92) * light, curve).astype(np.float32)


def grey(image: ArrayLike) -> Image:
    """Leave an image its brightness alone: three equal channels (H, W, 3) in [0, 1].

    Parameters
    ----------
    image : array_like of float, shape (H, W, 3)
        RGB in [0, 1].

    Returns
    -------
    ndarray of float32, shape (H, W, 3)
        In [0, 1].

    Raises
    ------
    ImageError
        If `image` is not an image.
    """
    return _grey(luminance(image))


def _grey(y: NDArray[np.float32]) -> Image:
    return np.repeat(y[..., np.newaxis], 3, axis=2).astype(np.float32)


def _statistics(
    pixels: NDArray[np.float64], name: str, weights: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and covariance of pixels (H, W, 3)."""
    counts: NDArray[np.float64] | None = None
    if weights is not None:
        array = as_array(weights, name)
        shape = array.shape
        counts = np.ravel(array).astype(np.float64)
    if counts is not None and not (
        shape in (pixels.shape[:2], (*pixels.shape[:2], 1))
        and np.isfinite(counts).all()
        and counts.min() >= 0
        and counts.any()
    ):
        raise ArgumentError(
            f"{name} has shape {shape} and values from {counts.min(initial=0):g} to "
            f"{counts.max(initial=0):g}; it must be (H, W) like the picture, 0 or more, not all of "
            "it 0"
        )
    if counts is not None:
        counts /= counts.max()  # sums stay finite
    flat = pixels.reshape(-1, 3)
    mean = np.average(flat, axis=0, weights=counts)
    return mean, np.cov(flat.T, bias=True, aweights=counts)


def power(covariance: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
    """Raise a covariance matrix to a power: its axes stay, the variances along them change."""
    values, vectors = np.linalg.eigh(covariance)
    # Along directions of no variance there is nothing to scale.
    known = values > (1e-8 if exponent < 0 else 0.0)
    powers = np.where(known, np.where(known, values, 1.0) ** exponent, 0.0)
    result: NDArray[np.float64] = (vectors * powers) @ vectors.T
    return result
