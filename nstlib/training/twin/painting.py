"""The twin's own pictures: textures and transfers through it as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from nstlib._tensorflow import tf
from nstlib.features import CONTENT_LAYERS, STYLE_LAYERS
from nstlib.losses import channel_statistics, style_loss
from nstlib.synthesis.texture import TEXTURE_WEIGHTS
from nstlib.training.twin.layers import Params, forward, preprocess


class Painter:
    """Textures and transfers synthesised through a twin, several at once, by Adam.

    Parameters
    ----------
    dtype : str
        What the twin computes with.
    iterations : sequence of int
        At each size, each twice the one before; the last is that of the sources.
    """

    def __init__(self, dtype: str = "float32", iterations: Sequence[int] = (30, 40, 60)) -> None:
        self.dtype = dtype
        self.iterations = tuple(iterations)
        self._slope = tf.function(self._gradient, reduce_retracing=True)
        self._describe = tf.function(self._described, reduce_retracing=True)

    def paint(
        self,
        params: Params,
        sources: NDArray[np.float32],
        contents: NDArray[np.float32],
        weight: NDArray[np.float32],
        random: np.random.Generator,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Make pictures with the textures of `sources`, and with `contents` where `weight` > 0.

        Parameters
        ----------
        params : mapping of str to (kernel, bias)
            The twin.
        sources, contents : ndarray of float, shapes (B, S, S, 3)
            RGB in [0, 1].
        weight : ndarray of float, shape (B,)
            Of the content's loss; 0 for a texture, which begins with noise.
        random : numpy.random.Generator
            Of the noise.

        Returns
        -------
        early, final : ndarray, shapes (B, S, S, 3)
            The pictures after a quarter of the last size's iterations, and at their end.
        """
        size = sources.shape[1]
        images = early = final = np.empty(0, np.float32)
        for halvings, count in zip(
            reversed(range(len(self.iterations))), self.iterations, strict=True
        ):
            side = size >> halvings
            small, kept = _resized(sources, side), _resized(contents, side)
            style, _ = self._describe(params, tf.constant(small))
            _, content = self._describe(params, tf.constant(kept))
            if images.size:
                images = _resized(images, side)
            else:
                noise = [random.permutation(s.reshape(-1, 3)).reshape(s.shape) for s in small]
                images = np.where(weight[:, None, None, None] > 0, kept, np.stack(noise))
            first, second = np.zeros_like(images), np.zeros_like(images)
            for i in range(count):
                slope = self._slope(
                    params, tf.constant(images), style, content, tf.constant(weight)
                ).numpy()
                first += 0.1 * (slope - first)
                second += 0.05 * (np.square(slope) - second)
                step = first / (1 - 0.9 ** (i + 1))
                step /= np.sqrt(second / (1 - 0.95 ** (i + 1))) + 1e-12
                rate = 0.005 + 0.06 * (1 - i / count)
                images = np.clip(images - rate * step, 0, 1).astype(np.float32)
                if i == count // 4:
                    early = images
            final = images
        return early, final

    def _features(self, params: Params, images: tf.Tensor) -> dict[str, tf.Tensor]:
        x = tf.cast(preprocess(images), self.dtype)
        features = forward(params, x, "replicate", "average", last=STYLE_LAYERS[-1])
        return {n: tf.cast(features[n], tf.float32) for n in (*STYLE_LAYERS, *CONTENT_LAYERS)}

    def _described(self, params: Params, images: tf.Tensor) -> tuple[dict[str, Any], tf.Tensor]:
        features = self._features(params, images)
        style = {name: channel_statistics(features[name]) for name in STYLE_LAYERS}
        return style, features[CONTENT_LAYERS[0]]

    def _gradient(
        self,
        params: Params,
        images: tf.Tensor,
        style: dict[str, Any],
        content: tf.Tensor,
        weight: tf.Tensor,
    ) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(images)
            features = self._features(params, images)
            found = features[CONTENT_LAYERS[0]]
            off = tf.reduce_sum(tf.math.squared_difference(found, content), (1, 2, 3))
            off /= tf.reduce_sum(tf.square(content), (1, 2, 3))
            loss = tf.reduce_mean(weight * off)
            loss += style_loss(features, style, layer_weights=TEXTURE_WEIGHTS)
        return tape.gradient(loss, images)


def _resized(images: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    way = cv2.INTER_AREA if images.shape[1] >= side else cv2.INTER_CUBIC
    resized = [cv2.resize(image, (side, side), interpolation=way) for image in images]
    return np.stack(resized).astype(np.float32)
