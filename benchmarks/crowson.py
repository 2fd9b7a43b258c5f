"""The method of crowsonkb's style-transfer-pytorch, written anew from what it documents.

Scales √2 apart from 128 pixels on; Adam with a step of 0.02, kept from scale to scale; 1,000
iterations at the first scale, 500 at each other; the moving average of the iterates is the result.
Gram matrices of five layers, weighted 256 : 64 : 16 : 4 : 1; content at block4_conv2 with 0.015;
total variation with 2. Each difference is a sum of squares over a sum of absolute values, whose
gradient has about the same size whatever the layer. Only the first convolution continues the border
by its own pixels.

Its weights were made for a network whose activations are around 1; ``scoreboard.py`` says how
VGG19's are brought there.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

import nstlib as nst
from nstlib import keras, tf
from nstlib.features import CaffePreprocessing
from nstlib.images.arrays import Image

STYLE_WEIGHTS = dict(zip(nst.STYLE_LAYERS, np.array([256, 64, 16, 4, 1]) / 341, strict=True))
CONTENT_LAYER = "block4_conv2"
CONTENT_WEIGHT, TV_WEIGHT = 0.015, 2.0
SMALLEST, STEP_SIZE, DECAY = 128, 0.02, 0.99
FIRST_ITERATIONS, ITERATIONS = 1000, 500


class MovingAverage:
    """A mean of all values given, in which each older one counts `decay` times less."""

    def __init__(self, decay: float) -> None:
        self._decay = decay
        self._sum: tf.Tensor = 0.0
        self._weight = 0.0

    def add(self, value: tf.Tensor) -> None:
        """Take in a newer value."""
        self._sum = self._decay * self._sum + (1 - self._decay) * value
        self._weight = self._decay * self._weight + (1 - self._decay)

    @property
    def mean(self) -> tf.Tensor:
        """The mean of what has been added."""
        return self._sum / self._weight


def scales(largest: int) -> list[int]:
    """List the longer sides, from about 128 pixels up to `largest`.

    Examples
    --------
    >>> scales(384)
    [136, 192, 272, 384]
    """
    found = [largest]
    while (smaller := round(largest / 2 ** (len(found) / 2))) >= min(SMALLEST, largest):
        found.insert(0, smaller)
    return found


def extractor_of(vgg: keras.Model) -> keras.Model:
    """Build the network from an image to its style and content layers."""
    image = keras.Input((None, None, 3))
    x = CaffePreprocessing()(image)
    x = keras.layers.Lambda(lambda x: tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC"))(x)
    outputs = {}
    for layer in vgg.layers[1:]:
        if layer.name == "block1_conv1":  # its border is there already
            valid = keras.layers.Conv2D.from_config({**layer.get_config(), "padding": "valid"})
            valid.build(layer.input.shape)
            valid.set_weights(layer.get_weights())
            layer = valid
        x = outputs[layer.name] = layer(x)
        if layer.name == nst.STYLE_LAYERS[-1]:
            break
    wanted = (*nst.STYLE_LAYERS, CONTENT_LAYER)
    network = keras.Model(image, {name: outputs[name] for name in wanted})
    network.trainable = False
    return network


def scaled_difference(found: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
    """Sum of squares over sum of absolute values."""
    difference = found - wanted
    return tf.reduce_sum(difference**2) / (tf.reduce_sum(tf.abs(difference)) + 1e-8)


def loss_of(
    extractor: keras.Model, content: Image, style: Image
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Build the loss at one scale."""
    target = extractor(content[np.newaxis])[CONTENT_LAYER]
    grams = {
        name: nst.gram_matrix(maps)
        for name, maps in extractor(style[np.newaxis]).items()
        if name in STYLE_WEIGHTS
    }

    def loss(image: tf.Tensor) -> tf.Tensor:
        features = extractor(image[tf.newaxis])
        of_style = tf.add_n(
            [
                weight * scaled_difference(nst.gram_matrix(features[name]), grams[name])
                for name, weight in STYLE_WEIGHTS.items()
            ]
        )
        of_content = scaled_difference(features[CONTENT_LAYER], target)
        # One mean over pixels and colours, with steps of zero at the last column and the last row.
        right = tf.reduce_sum((image[:, 1:] - image[:, :-1]) ** 2)
        down = tf.reduce_sum((image[1:] - image[:-1]) ** 2)
        roughness = (right + down) / tf.cast(tf.size(image), tf.float32)
        return of_style + CONTENT_WEIGHT * of_content + TV_WEIGHT * roughness

    return loss


def iterations_at(size: int) -> dict[int, int]:
    """Give the method's own numbers of iterations by scale.

    Examples
    --------
    >>> iterations_at(200)
    {141: 1000, 200: 500}
    """
    return {
        side: ITERATIONS if stage else FIRST_ITERATIONS for stage, side in enumerate(scales(size))
    }


def transfer(
    vgg: keras.Model,
    content: Image,
    style: Image,
    size: int,
    iterations: int | None = None,
    after: Callable[[int], None] | None = None,
) -> Image:
    """Paint a photograph.

    `iterations` replaces the method's own numbers at every scale; `after` is called with the scale
    after each.
    """
    extractor = extractor_of(vgg)
    image: Image | None = None
    memory: list[Image] = []
    steps = 0
    for side, count in iterations_at(size).items():
        small = nst.resize(content, side)
        start = small if image is None else nst.resize(image, small.shape[:2])
        variable = tf.Variable(np.clip(start, 0, 1))
        adam = keras.optimizers.Adam(STEP_SIZE)
        adam.build([variable])
        if memory:  # Adam's two means go on, at the new size; the second is never negative
            adam.iterations.assign(steps)
            first, second = (_enlarged(mean, small.shape[:2]) for mean in memory)
            for kept, value in zip(_means(adam), (first, np.maximum(second, 0)), strict=True):
                kept.assign(value)
        look = nst.resize(style, min(side, max(style.shape[:2])))
        loss = loss_of(extractor, small, look)

        @tf.function
        def step(
            variable: tf.Variable = variable,
            adam: keras.Optimizer = adam,
            loss: Callable[[tf.Tensor], tf.Tensor] = loss,
        ) -> None:
            with tf.GradientTape() as tape:
                value = loss(variable)
            adam.apply([tape.gradient(value, variable)], [variable])
            variable.assign(tf.clip_by_value(variable, 0.0, 1.0))

        average = MovingAverage(DECAY)
        average.add(tf.convert_to_tensor(variable))
        count = iterations or count
        for _ in range(count):
            step()
            average.add(tf.convert_to_tensor(variable))
            if after:
                after(side)
        steps += count
        memory = [mean.value.numpy() for mean in _means(adam)]
        image = average.mean.numpy()
    assert image is not None
    return np.clip(image, 0, 1)


def _means(adam: keras.Optimizer) -> list[tf.Variable]:
    """Give Adam's means of the gradient and of its square."""
    return [v for v in adam.variables if v.shape and len(v.shape) == 3]


def _enlarged(mean: Image, size: tuple[int, ...]) -> Image:
    """Resize what need not lie in [0, 1]."""
    larger = cv2.resize(mean, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(larger, np.float32)
