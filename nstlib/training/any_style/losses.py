"""The losses of :mod:`nstlib.losses` once more, for any Keras backend, one number a picture.

Each is relative, so that no style outweighs the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nstlib._keras import keras

ops = keras.ops

#: A style's spread counts as no less than this share of its squared mean.
_FLOOR = 1e-3

#: Pixels from a network's one coarsest feature to the next, and side of the windows of `lattice`.
_PERIOD, _WINDOW = 8, 32


def statistics(features: Any) -> tuple[Any, Any]:
    """Take means (B, C) and covariances (B, C, C) of the channels of features (B, H, W, C)."""
    _, height, width, channels = features.shape
    flat = ops.reshape(ops.cast(features, "float32"), (-1, height * width, channels))
    mean = ops.mean(flat, axis=1, keepdims=True)
    centred = flat - mean
    covariance = ops.matmul(ops.transpose(centred, (0, 2, 1)), centred) / (height * width)
    return mean[:, 0], covariance


def style_losses(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> Any:
    """Compare statistics with a style's, by layer: (B, L). See :func:`nstlib.losses.style_loss`."""
    losses = []
    for layer, (target_mean, target) in wanted.items():
        mean, covariance = found[layer]
        floor = _FLOOR * ops.sum(ops.square(target_mean), axis=-1)
        spread = ops.maximum(ops.trace(target, axis1=-2, axis2=-1), floor)
        size = ops.maximum(ops.sum(ops.square(target), axis=(-2, -1)), ops.square(floor))
        of_means = ops.sum(ops.square(mean - target_mean), axis=-1)
        of_covariances = ops.sum(ops.square(covariance - target), axis=(-2, -1))
        losses.append(of_covariances / (size + 1e-12) + of_means / (spread + 1e-12))
    return ops.stack(losses, axis=-1)


def content_losses(found: Any, wanted: Any) -> Any:
    """Compare features with a content's, place by place: (B,); ``nstlib.losses.content_loss``."""
    found, wanted = ops.cast(found, "float32"), ops.cast(wanted, "float32")
    difference = ops.sum(ops.square(found - wanted), axis=(1, 2, 3))
    return difference / (ops.sum(ops.square(wanted), axis=(1, 2, 3)) + 1e-12)


def lattice(pictures: Any) -> Any:
    """Measure what repeats itself every eight pixels: :func:`nstlib.training.style.lattice`."""
    _, height, width, channels = pictures.shape
    rows, columns, repeats = height // _WINDOW, width // _WINDOW, _WINDOW // _PERIOD
    mean = ops.average_pool(pictures, _PERIOD, 1, "same", data_format="channels_last")
    detail = (pictures - mean)[:, : rows * _WINDOW, : columns * _WINDOW]
    down = (-1, rows, repeats, _PERIOD, columns * repeats, _PERIOD * channels)
    windows = ops.mean(ops.reshape(detail, down), axis=2)
    across = (-1, rows, _PERIOD, columns, repeats, _PERIOD, channels)
    return ops.mean(ops.square(ops.mean(ops.reshape(windows, across), axis=4)))


def beyond(pictures: Any) -> Any:
    """Measure what a screen would cut off: the mean square of the distance from [0, 1]."""
    return ops.mean(ops.square(ops.relu(ops.abs(pictures - 0.5) - 0.5)))
