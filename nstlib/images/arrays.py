"""What an image is, and its other forms at the edges of the library.

Inside the library an image is float32 RGB in [0, 1], shape (H, W, 3). OpenCV's uint8 BGR pixels and
its NCHW blobs exist only in the functions here that name them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nstlib._checks import shown
from nstlib._files import reason
from nstlib.errors import ImageError

#: RGB in [0, 1], shape (H, W, 3).
Image: TypeAlias = NDArray[np.float32]

#: A longest side, or (height, width), in pixels.
Size: TypeAlias = int | tuple[int, int]

#: What ``cv2.dnn`` and ONNX Runtime compute on, (B, C, H, W).
Blob: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Picture:
    """An image, and its transparency if it has any.

    Attributes
    ----------
    image : ndarray of float32, shape (H, W, 3)
        What is seen where the picture lies on white paper, RGB in [0, 1]. It can be painted and
        resized like any other image: no hidden colours come into it.
    alpha : ndarray of float32, shape (H, W), or None
        1 where the picture is opaque, 0 where it is transparent; None if it is opaque everywhere.
    """

    image: Image
    alpha: NDArray[np.float32] | None = None


def as_array(value: ArrayLike, name: str) -> NDArray[Any]:
    """Return an array of what a caller gave, or say that it is none.

    Raises
    ------
    ImageError
        For lists of lists of different lengths, and for what holds no numbers.
    """
    if isinstance(value, Picture):
        raise ImageError(f"{name} is a Picture; give its .image, or its .alpha")
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise ImageError(f"{name} cannot become an array ({reason(error)})") from error
    if array.dtype.kind not in "biuf":
        given = f"an array of {array.dtype}" if array.ndim else shown(value)
        raise ImageError(f"{name} is {given}; it must be an array of numbers")
    return array


def check_image(image: ArrayLike, name: str = "image") -> Image:
    """Return `image` as float32 if it is RGB in [0, 1] of shape (H, W, 3); else say what it is.

    Parameters
    ----------
    image : array_like
        What a caller gave.
    name : str
        How the error calls it.

    Returns
    -------
    ndarray of float32, shape (H, W, 3)
        A copy, RGB in [0, 1]: what lies outside by 1e-6 or less is clipped.

    Raises
    ------
    ImageError
        For another shape, integers, NaN or infinite values, or values outside [0, 1].

    Examples
    --------
    >>> check_image(np.full((2, 2, 3), 255.0))
    Traceback (most recent call last):
    nstlib.errors.ImageError: image ranges from 255 to 255; an image lies in [0, 1]; divide ...
    """
    if isinstance(image, str | Path):
        raise ImageError(f"{name} is {shown(image)}; it must be an array, as load_image returns it")
    array = as_array(image, name)
    if not array.ndim:
        raise ImageError(f"{name} is {shown(image)}; an image is an array of shape (H, W, 3), RGB")
    if array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        way = _way_to_image(array.shape)
        raise ImageError(f"{name} has shape {array.shape}; an image is (H, W, 3), RGB; {way}")
    if not np.issubdtype(array.dtype, np.floating):
        way = "use astype(np.float32), and divide values that go beyond 1"
        if array.dtype == np.uint8:
            way = "use from_uint8 to convert 8-bit pixels"
        raise ImageError(f"{name} holds {array.dtype} values; an image is float32 in [0, 1]; {way}")
    low, high = float(array.min()), float(array.max())
    if not (low >= -1e-6 and high <= 1 + 1e-6):  # also false for NaN
        if not np.isfinite(array).all():
            raise ImageError(f"{name} holds NaN or infinite values; an image is float32 in [0, 1]")
        raise ImageError(
            f"{name} ranges from {low:.8g} to {high:.8g}; an image lies in [0, 1]; "
            "divide 0..255 values by 255, or clip"
        )
    if low >= 0 and high <= 1:  # every frame of a film comes by here, and copies are quicker
        return array.astype(np.float32)
    return np.clip(array, 0.0, 1.0, dtype=np.float32)


def _way_to_image(shape: tuple[int, ...]) -> str:
    """Say how an array of another shape becomes an image."""
    if 0 in shape:
        return "use load_image to read files"
    if len(shape) == 2 or shape[2:] == (1,):
        return "stack a grey one three times"
    if len(shape) == 4:
        return "give one picture of a batch, batch[0]"
    if shape[2:] == (4,):
        return "leave transparency out, image[..., :3], or lay the picture on white"
    if len(shape) == 3 and shape[0] == 3:
        return "put the channels last: image.transpose(1, 2, 0)"
    return "use load_image to read files"


def check_alpha(alpha: ArrayLike, image: Image, name: str = "alpha") -> NDArray[np.float32]:
    """Return `alpha` as float32 (H, W) in [0, 1] if it is a matte or a mask of `image`.

    Parameters
    ----------
    alpha : array_like, shape (H, W) or (H, W, 1)
        Float in [0, 1], bool, or uint8.
    image : ndarray of float32, shape (H, W, 3)
        The picture that it belongs to.
    name : str
        How the error calls it.

    Returns
    -------
    ndarray of float32, shape (H, W)
        In [0, 1].

    Raises
    ------
    ImageError
        If it is not: see :func:`nstlib.composite` for what is accepted.
    """
    array = as_array(alpha, name)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.shape != image.shape[:2]:
        raise ImageError(
            f"{name} has shape {array.shape} and the picture {image.shape}; "
            f"{name} must be (H, W), one number for each pixel"
        )
    return check_shares(array, name)


def check_shares(array: NDArray[Any], name: str) -> NDArray[np.float32]:
    """Return shares as float32 in [0, 1]: float as they are, bool as 0 and 1, uint8 over 255."""
    if array.dtype == np.uint8:
        return array.astype(np.float32) / np.float32(255)
    if array.dtype != np.bool_ and not np.issubdtype(array.dtype, np.floating):
        raise ImageError(
            f"{name} holds {array.dtype} values; it must be float in [0, 1], bool, or uint8"
        )
    low, high = float(array.min()), float(array.max())
    if not (low >= -1e-6 and high <= 1 + 1e-6):  # also false for NaN
        raise ImageError(f"{name} ranges from {low:.3g} to {high:.3g}; it must lie in [0, 1]")
    return np.clip(array, 0.0, 1.0, dtype=np.float32)


def per_channel(share: NDArray[np.float32]) -> Image:
    """Repeat what counts for each pixel (H, W) for three channels (H, W, 3).

    With NumPy's broadcasting instead, products with images are many times slower.
    """
    return np.asarray(cv2.merge([share] * 3), np.float32)


def to_uint8(image: ArrayLike) -> NDArray[np.uint8]:
    """Float RGB in [0, 1] → uint8 RGB in 0..255, rounded.

    Parameters
    ----------
    image : array_like of float, shape (H, W, 3)
        RGB in [0, 1].

    Returns
    -------
    ndarray of uint8, shape (H, W, 3)
        RGB in 0..255.

    Raises
    ------
    ImageError
        If `image` is not an image; see :func:`check_image`.

    Examples
    --------
    >>> to_uint8(np.full((1, 1, 3), 0.5, np.float32))
    array([[[128, 128, 128]]], dtype=uint8)
    """
    # As np.rint would, ten times as fast: every frame of a film comes by here.
    return np.asarray(cv2.convertScaleAbs(check_image(image), alpha=255.0), np.uint8)


def to_rgba(image: ArrayLike, alpha: ArrayLike) -> NDArray[np.uint8]:
    r"""Image and alpha → uint8 RGBA that looks like the image where it is laid on white.

    The colours are :math:`C = (I - (1 - \alpha)) / \alpha`, and white where nothing is seen: that
    is what a program shows that ignores alpha.

    Parameters
    ----------
    image : array_like of float, shape (H, W, 3)
        RGB in [0, 1].
    alpha : array_like, shape (H, W)
        As in :func:`nstlib.composite`.

    Returns
    -------
    ndarray of uint8, shape (H, W, 4)

    Raises
    ------
    ImageError
        If `image` is not an image, or `alpha` no matte of it.

    Examples
    --------
    >>> to_rgba(np.full((1, 1, 3), 0.6, np.float32), np.full((1, 1), 0.5, np.float32))
    array([[[ 51,  51,  51, 128]]], dtype=uint8)
    """
    seen = check_image(image)
    share = check_alpha(alpha, seen)[..., np.newaxis]
    colours = np.divide(seen - (1 - share), share, out=np.ones_like(seen), where=share > 0)
    rgba = np.concatenate([colours.clip(0, 1), share], axis=2)
    return np.rint(rgba * 255).astype(np.uint8)


def from_uint8(pixels: ArrayLike) -> Image:
    """Uint8 RGB in 0..255 → float32 RGB in [0, 1].

    Parameters
    ----------
    pixels : array_like of uint8, shape (H, W, 3)
        RGB in 0..255.

    Returns
    -------
    ndarray of float32, shape (H, W, 3)
        RGB in [0, 1].

    Raises
    ------
    ImageError
        If `pixels` is not a uint8 array of shape (H, W, 3).

    Examples
    --------
    >>> from_uint8(np.array([[[0, 51, 255]]], np.uint8)).round(3)
    array([[[0. , 0.2, 1. ]]], dtype=float32)
    """
    array = as_array(pixels, "pixels")
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise ImageError(
            f"pixels have shape {array.shape} and type {array.dtype}; "
            "8-bit RGB is uint8 of shape (H, W, 3)"
        )
    return array.astype(np.float32) / np.float32(255)


def rgb_to_bgr(image: NDArray[Any]) -> NDArray[Any]:
    """Reverse the channel order of an (H, W, 3) array, any dtype: what OpenCV's functions expect.

    Parameters
    ----------
    image : array_like of numbers, shape (H, W, 3)

    Returns
    -------
    ndarray of the same type and shape
        A copy, contiguous in memory.

    Raises
    ------
    ImageError
        For another shape, or what holds no numbers.

    Examples
    --------
    >>> rgb_to_bgr(np.array([[[1, 2, 3]]], np.uint8))
    array([[[3, 2, 1]]], dtype=uint8)
    """
    array = as_array(image, "image")
    if array.ndim != 3 or array.shape[2] != 3:
        raise ImageError(f"image has shape {array.shape}; channels are reversed in (H, W, 3)")
    # OpenCV refuses arrays with negative strides, which a bare [..., ::-1] would be.
    return array[..., ::-1].copy(order="C")


#: Reversing twice gives the original, so one function serves both ways.
bgr_to_rgb = rgb_to_bgr


def to_blob(image: ArrayLike) -> Blob:
    """Image (H, W, 3) → blob (1, 3, H, W): float32 RGB in [0, 1], the layout of ``cv2.dnn``.

    Parameters
    ----------
    image : array_like of float, shape (H, W, 3)
        RGB in [0, 1].

    Returns
    -------
    ndarray of float32, shape (1, 3, H, W)
        RGB in [0, 1], contiguous in memory.

    Raises
    ------
    ImageError
        If `image` is not an image; see :func:`check_image`.

    Examples
    --------
    >>> to_blob(np.zeros((4, 6, 3), np.float32)).shape
    (1, 3, 4, 6)
    """
    return np.ascontiguousarray(check_image(image).transpose(2, 0, 1)[np.newaxis])


def from_blob(blob: ArrayLike) -> Image:
    """Blob (1, 3, H, W) → image (H, W, 3): the inverse of :func:`to_blob`.

    Parameters
    ----------
    blob : array_like of float, shape (1, 3, H, W)
        RGB in [0, 1].

    Returns
    -------
    ndarray of float32, shape (H, W, 3)
        RGB in [0, 1].

    Raises
    ------
    ImageError
        For another shape, or values outside [0, 1].
    """
    array = as_array(blob, "blob")
    if array.ndim != 4 or array.shape[:2] != (1, 3):
        raise ImageError(f"blob has shape {array.shape}; one RGB image is (1, 3, H, W)")
    return check_image(array[0].transpose(1, 2, 0), "blob")
