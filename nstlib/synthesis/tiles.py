"""Compare a picture with a content and with styles, whole or, in bounded memory, tile by tile.

Means, covariances and squared differences are sums over positions, and a sum may be taken part by
part. So the loss of a large picture need not hold all its features at once: each tile is computed
with a margin, adds its share to the sums, and is dropped. For the gradient it is computed again
(Chen et al. 2016 call that recomputation). The sums are those of the whole picture. That is why
tiles leave no seams.

:mod:`nstlib.inference.tiles` paints tiles. Its windows are all of one size, for which a runtime
lays out its memory once; those here end where the picture ends, so that the border is continued as
in one pass. Each is a few lines of arithmetic, and they have none in common.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from nstlib._tensorflow import keras, tf
from nstlib.features import SMALLEST_SIDE
from nstlib.images.arrays import Image
from nstlib.losses import Statistics, channel_statistics, content_loss
from nstlib.vgg19 import reach, stride

Mask: TypeAlias = NDArray[np.float32]

#: Takes a content loss, and for each region its statistics by layer; gives the loss's terms.
Judge: TypeAlias = Callable[[tf.Tensor, list[dict[str, Statistics]]], dict[str, tf.Tensor]]

#: Takes an image (H, W, 3) and a judge; gives the judge's terms, whose sum has the right gradient.
Comparison: TypeAlias = Callable[[tf.Tensor, Judge], dict[str, tf.Tensor]]


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

    def compare(image: tf.Tensor, judge: Judge) -> dict[str, tf.Tensor]:
        features = extractor(image[tf.newaxis])
        statistics = [
            {name: channel_statistics(features[name], mask.get(name)) for name in style_layers}
            for mask in masks or [{}]
        ]
        return judge(content_loss(features, targets), statistics)

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

    Parameters
    ----------
    tile : int
        The longest side of a tile in pixels, without its margin; 32 or more.

    References
    ----------
    T. Chen, B. Xu, C. Zhang and C. Guestrin, "Training deep nets with sublinear memory cost", 2016.
    """
    return _ByTiles(extractor, content, content_layers, style_layers, regions, tile).compare


class _ByTiles:
    """What :func:`compare_by_tiles` knows of the tiles, of the content and of the regions."""

    def __init__(
        self,
        extractor: keras.Model,
        content: Image,
        content_layers: Sequence[str],
        style_layers: Sequence[str],
        regions: Sequence[Mask],
        tile: int,
    ) -> None:
        self._extractor = extractor
        self._content_layers, self._style_layers = content_layers, style_layers
        self._layers = tuple(dict.fromkeys((*content_layers, *style_layers)))
        self._sides = (content.shape[0], content.shape[1])
        spans = (spans_of(side, tile, self._layers) for side in self._sides)
        self._tiles = [_Tile(y, x) for y, x in itertools.product(*spans)]
        regions = regions or [np.ones(self._sides, np.float32)]
        self._regions = len(regions)
        self._masks = {
            name: np.stack([_shrunk(region, _positions(self._sides, name)) for region in regions])
            for name in style_layers
        }
        looks = [self._features_of(content[tile.window], tile) for tile in self._tiles]
        self._targets = [{name: look[name] for name in content_layers} for look in looks]
        self._sizes = {
            name: tf.add_n([tf.reduce_sum(tf.square(target[name])) for target in self._targets])
            for name in content_layers
        }
        # Sums of squares lose digits where the mean is large. Around a typical value they keep
        # them.
        self._typical = {name: tf.reduce_mean(looks[0][name], axis=(0, 1)) for name in style_layers}

    def _features_of(self, window: tf.Tensor, tile: _Tile) -> dict[str, tf.Tensor]:
        """Compute a tile's own features from its window."""
        return {
            name: maps[0][tile.own(name, within=True)]
            for name, maps in self._extractor(window[tf.newaxis]).items()
            if name in self._layers
        }

    def _sums_of(self, window: tf.Tensor, number: int) -> list[tf.Tensor]:
        """Add up over a tile: squared differences from the content, then each layer's moments."""
        tile, target = self._tiles[number], self._targets[number]
        features = self._features_of(window, tile)
        sums = [
            tf.reduce_sum(tf.square(features[name] - target[name])) for name in self._content_layers
        ]
        for name in self._style_layers:
            typical, masks = self._typical[name], self._masks[name]
            flat = tf.reshape(features[name] - typical, (-1, typical.shape[0]))
            share = tf.constant(masks[:, *tile.own(name)].reshape(len(masks), -1, 1))
            weighted = share * flat
            sums += [
                tf.reduce_sum(share, axis=1),
                tf.reduce_sum(weighted, axis=1),
                tf.matmul(weighted, tf.broadcast_to(flat, weighted.shape), transpose_a=True),
            ]
        return sums

    def _concluded(
        self, sums: Sequence[tf.Tensor]
    ) -> tuple[tf.Tensor, list[dict[str, Statistics]]]:
        """Make the content loss and the regions' statistics of the sums over all tiles."""
        left = iter(sums)
        relative = [
            next(left) / tf.where(self._sizes[name] > 0, self._sizes[name], 1.0)
            for name in self._content_layers
        ]
        statistics: list[dict[str, Statistics]] = [{} for _ in range(self._regions)]
        for name in self._style_layers:
            count, first, second = next(left), next(left), next(left)
            for region, found in enumerate(statistics):
                mean = first[region] / count[region]
                covariance = second[region] / count[region] - mean[:, tf.newaxis] * mean
                found[name] = Statistics(self._typical[name] + mean, covariance)
        return tf.add_n(relative) / len(relative), statistics

    def compare(self, image: tf.Tensor, judge: Judge) -> dict[str, tf.Tensor]:
        """See :data:`Comparison`."""
        seen = tf.stop_gradient(image)
        sums: list[tf.Tensor] = []
        for number, tile in enumerate(self._tiles):
            shares = self._sums_of(_after(sums, seen[tile.window]), number)
            sums = [old + new for old, new in zip(sums, shares, strict=True)] if sums else shares
        with tf.GradientTape() as tape:
            tape.watch(sums)
            terms = judge(*self._concluded(sums))
            total = tf.add_n(list(terms.values()))
        slopes = tape.gradient(total, sums, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        gradient = tf.zeros_like(seen)
        for number, tile in enumerate(self._tiles):
            window = _after([gradient, *slopes], seen[tile.window])
            with tf.GradientTape() as tape:
                tape.watch(window)
                shares = self._sums_of(window, number)
            part = tape.gradient(shares, window, output_gradients=slopes)
            around = [
                (span.start, side - span.stop)
                for span, side in zip(tile.window, self._sides, strict=True)
            ]
            gradient += tf.pad(part, [*around, (0, 0)])
        # This adds 0 to the value, and to the slope the gradient, which is known by now.
        slope = tf.reduce_sum(gradient * (image - seen))
        first = next(iter(terms))
        return terms | {first: terms[first] + slope}


def _after(others: Sequence[tf.Tensor], window: tf.Tensor) -> tf.Tensor:
    """Keep a window waiting: one tile after the other, not all at once."""
    with tf.control_dependencies(others):
        return tf.identity(window)


class _Span(NamedTuple):
    """A tile along one axis: its own pixels, and those that it looks at."""

    first: int
    end: int
    window: slice
    side: int

    def own(self, layer: str, within: bool) -> slice:
        """Its own positions at a layer, among the picture's or `within` those of its window."""
        step = stride(layer)
        begin = self.window.start if within else 0
        return slice((self.first - begin) // step, (self.end - begin) // step)


class _Tile(NamedTuple):
    y: _Span
    x: _Span

    @property
    def window(self) -> tuple[slice, slice]:
        return self.y.window, self.x.window

    def own(self, layer: str, *, within: bool = False) -> tuple[slice, slice]:
        return self.y.own(layer, within), self.x.own(layer, within)


def step_and_margin(layers: Iterable[str]) -> tuple[int, int]:
    """Pixels that tiles are multiples of, and by which they look further, for these layers.

    A window's features are those of the whole picture if it begins at a multiple of the deepest
    layer's stride.

    Examples
    --------
    >>> step_and_margin(["block1_conv1", "block5_conv1"]), step_and_margin(["block5_pool"])
    ((16, 80), (32, 128))
    """
    layers = tuple(layers)
    step = max(map(stride, layers))
    # A window is no smaller than the network takes, however little of a picture is left for it.
    least = max(SMALLEST_SIDE, *map(reach, layers))
    return step, math.ceil(least / step) * step


def spans_of(side: int, tile: int, layers: tuple[str, ...]) -> list[_Span]:
    """Divide a side into tiles of about the same length."""
    step, margin = step_and_margin(layers)
    longest = tile // step * step
    each = math.ceil(side / math.ceil(side / longest) / step) * step
    return [
        _Span(
            first,
            end := min(first + each, side),
            slice(max(0, first - margin), min(end + margin, side)),
            side,
        )
        for first in range(0, side, each)
    ]


def _positions(sides: tuple[int, int], layer: str) -> tuple[int, int]:
    return sides[0] // stride(layer), sides[1] // stride(layer)


def _shrunk(mask: Mask, shape: Sequence[int]) -> Mask:
    shrunk: NDArray[Any] = cv2.resize(mask, (shape[1], shape[0]), interpolation=cv2.INTER_AREA)
    return shrunk.astype(np.float32)
