"""Compare a picture with a content and with styles, whole or, in bounded memory, tile by tile.

Means, covariances and squared differences are sums over positions, and a sum may be taken part by
part. So the loss of a large picture need not hold all its features at once: each tile is looked at
with a margin, gives its share of the sums, and is forgotten; for the gradient it is looked at again
(Chen et al. 2016 call that recomputation). The sums are those of the whole picture. That is why
tiles leave no seams.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from nstlib._tensorflow import keras, tf
from nstlib.features import stride
from nstlib.images.arrays import Image
from nstlib.losses import Statistics, channel_statistics, content_loss

Mask: TypeAlias = NDArray[np.float32]

#: Takes an image (H, W, 3); gives its content loss, and for each region its statistics by layer.
Comparison: TypeAlias = Callable[[tf.Tensor], tuple[tf.Tensor, list[dict[str, Statistics]]]]

#: Pixels that a tile sees beyond its border: half of what ``block5_conv1`` sees, and a multiple of
#: its stride.
MARGIN = 80

#: Sides of tiles are multiples of the deepest layer's stride, so that positions fall into step.
STEP = 16


def compare_whole(
    extractor: keras.Model,
    content: Image,
    content_layers: Sequence[str],
    style_layers: Sequence[str],
    regions: Sequence[Mask],
) -> Comparison:
    """Compare images with a content, and take their statistics in each of some regions.

    Parameters
    ----------
    extractor : keras.Model
        See :func:`nstlib.feature_extractor`.
    content : ndarray of float32, shape (H, W, 3)
        RGB in [0, 1], of the size of the images to come.
    content_layers, style_layers : sequence of str
        Where contents are compared, and where statistics are taken.
    regions : sequence of ndarray of float32, shapes (H, W)
        How much each position counts in each region, in [0, 1]. Without any, the whole picture is
        the one region.

    Returns
    -------
    callable
        See :data:`Comparison`.
    """
    targets = {
        name: maps
        for name, maps in extractor(content[np.newaxis]).items()
        if name in {*content_layers, *style_layers}
    }
    masks = [
        {name: _shrunk(region, targets[name].shape[1:3]) for name in style_layers}
        for region in regions
    ]
    targets = {name: targets[name] for name in content_layers}

    def compare(image: tf.Tensor) -> tuple[tf.Tensor, list[dict[str, Statistics]]]:
        features = extractor(image[tf.newaxis])
        statistics = [
            {name: channel_statistics(features[name], mask.get(name)) for name in style_layers}
            for mask in masks or [{}]
        ]
        return content_loss(features, targets), statistics

    return compare


def compare_by_tiles(
    extractor: keras.Model,
    content: Image,
    content_layers: Sequence[str],
    style_layers: Sequence[str],
    regions: Sequence[Mask],
    *,
    tile: int,
) -> Comparison:
    """Like :func:`compare_whole`, holding the features of one tile at a time.

    Beyond the picture's border its mirror image stands in for the border's own pixels; otherwise
    the result is the same.

    Parameters
    ----------
    tile : int
        The longest side of a tile in pixels, without its margin.

    References
    ----------
    T. Chen, B. Xu, C. Zhang and C. Guestrin, "Training deep nets with sublinear memory cost", 2016.
    """
    sides = content.shape[:2]
    counts = [math.ceil(side / tile) for side in sides]
    inner = [
        math.ceil(side / count / STEP) * STEP for side, count in zip(sides, counts, strict=True)
    ]
    window = [side + 2 * MARGIN for side in inner]
    beyond = [
        (MARGIN, MARGIN + part * count - side)
        for side, count, part in zip(sides, counts, inner, strict=True)
    ]
    corners = np.array(
        [(y * inner[0], x * inner[1]) for y in range(counts[0]) for x in range(counts[1])]
    )

    def features_of(padded: tf.Tensor, index: int) -> dict[str, tf.Tensor]:
        y, x = corners[index]
        cut = padded[y : y + window[0], x : x + window[1]]
        result = {}
        for name, maps in extractor(cut[tf.newaxis]).items():
            margin = MARGIN // stride(name)
            result[name] = maps[0, margin:-margin, margin:-margin]
        return result

    def pad(image: tf.Tensor) -> tf.Tensor:
        # NumPy mirrors as often as a narrow picture needs; tf.pad does so once.
        y, x = (np.pad(np.arange(n), b, "symmetric") for n, b in zip(sides, beyond, strict=True))
        return tf.gather(tf.gather(image, y, axis=0), x, axis=1)

    # What only fills up the last tiles does not count.
    everywhere = np.ones(sides, np.float32)
    masks = [np.pad(mask, beyond) for mask in (everywhere, *regions)]

    def masks_of(corner: NDArray[Any], layer: str) -> NDArray[np.float32]:
        y, x = corner + MARGIN
        cuts = [mask[y : y + inner[0], x : x + inner[1]] for mask in masks]
        shape = (inner[0] // stride(layer), inner[1] // stride(layer))
        return np.stack([_shrunk(cut, shape) for cut in cuts])

    layers = {*content_layers, *style_layers}
    weights = {
        name: tf.constant(np.stack([masks_of(corner, name) for corner in corners]))
        for name in layers
    }
    looks = [features_of(pad(content), index) for index in range(len(corners))]
    targets = {name: tf.stack([look[name] for look in looks]) for name in content_layers}
    sizes = {
        name: tf.reduce_sum(weights[name][:, 0, ..., tf.newaxis] * tf.square(targets[name]))
        for name in content_layers
    }
    # Sums of squares lose digits where the mean is large; taken around a typical value they don't.
    typical = {name: tf.reduce_mean(looks[0][name], axis=(0, 1)) for name in style_layers}
    del looks

    def sums_of(padded: tf.Tensor, index: int) -> list[tf.Tensor]:
        features = features_of(padded, index)
        sums = []
        for name in content_layers:
            squares = tf.square(features[name] - targets[name][index])
            sums.append(tf.reduce_sum(weights[name][index, 0, ..., tf.newaxis] * squares))
        for name in style_layers:
            flat = tf.reshape(features[name] - typical[name], (-1, typical[name].shape[0]))
            share = tf.reshape(weights[name][index], (-1, flat.shape[0], 1))
            weighted = share * flat
            sums += [
                tf.reduce_sum(share, axis=1),
                tf.reduce_sum(weighted, axis=1),
                tf.matmul(weighted, tf.broadcast_to(flat, weighted.shape), transpose_a=True),
            ]
        return sums

    def compare(image: tf.Tensor) -> tuple[tf.Tensor, list[dict[str, Statistics]]]:
        padded = pad(image)
        sums: list[tf.Tensor] = []
        for index in range(len(corners)):
            # One tile after the other, not all at once.
            with tf.control_dependencies(sums):
                look = tf.recompute_grad(functools.partial(sums_of, index=index))
                shares = look(tf.identity(padded))
            sums = [old + new for old, new in zip(sums, shares, strict=True)] if sums else shares
        relative = [sums.pop(0) / tf.maximum(sizes[name], 1e-12) for name in content_layers]
        statistics: list[dict[str, Statistics]] = [{} for _ in masks]
        for name in style_layers:
            count, first, second = (sums.pop(0) for _ in range(3))
            for region, found in enumerate(statistics):
                mean = first[region] / count[region]
                covariance = second[region] / count[region] - mean[:, tf.newaxis] * mean
                found[name] = Statistics(typical[name] + mean, covariance)
        return tf.add_n(relative) / len(relative), statistics[1:] or statistics

    return compare


def _shrunk(mask: Mask, shape: Sequence[int]) -> Mask:
    shrunk: NDArray[Any] = cv2.resize(mask, (shape[1], shape[0]), interpolation=cv2.INTER_AREA)
    return shrunk.astype(np.float32)
