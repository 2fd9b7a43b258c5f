"""Frames as 8-bit pixels, with and without transparency."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nstlib.errors import ImageError
from nstlib.video._ffmpeg import Frame


def check_frame(frame: NDArray[Any], *, alpha: bool = True) -> Frame:
    """Return `frame` if it is uint8 of shape (H, W, 3), or (H, W, 4) where that is accepted.

    Examples
    --------
    >>> check_frame(np.zeros((2, 2, 3)))
    Traceback (most recent call last):
    nstlib.errors.ImageError: a frame holds float64 values of shape (2, 2, 3); a film's frames ...
    """
    array = np.asarray(frame)
    channels = (3, 4) if alpha else (3,)
    if (
        array.dtype != np.uint8
        or array.ndim != 3
        or array.shape[2] not in channels
        or not array.size
    ):
        raise ImageError(
            f"a frame holds {array.dtype} values of shape {array.shape}; a film's frames are uint8 "
            "of shape (H, W, 3), RGB in 0..255; use to_uint8 to convert an image"
        )
    return array


def over_white(frame: Frame) -> Frame:
    """Lay a frame (H, W, 4) on white; leave one (H, W, 3) as it is.

    Examples
    --------
    >>> over_white(np.array([[[200, 100, 0, 255], [200, 100, 0, 51], [200, 100, 0, 0]]], np.uint8))
    array([[[200, 100,   0],
            [244, 224, 204],
            [255, 255, 255]]], dtype=uint8)
    """
    if frame.shape[2] == 3:
        return frame
    share = frame[..., 3:].astype(np.float32) / np.float32(255)
    seen = share * frame[..., :3] + (1 - share) * np.float32(255)
    return np.rint(seen).astype(np.uint8)
