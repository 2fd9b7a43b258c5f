"""What tutorials run: Gram matrices, Adam, one size. The other side of the benchmarks.

Settings as in the widely copied loop: the five first layers of the blocks; Adam with beta_1 0.99
and epsilon 0.1; clipping to [0, 1] after each step; for a transfer, two separate networks, one for
the style and one for the content. Its content loss squares the mean of the differences, so that
opposite ones cancel; here it is the mean of the squares, on both sides.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

import nstlib as nst
from nstlib import keras, tf
from nstlib.images.arrays import Image

#: Weights of the transfer's terms in the tutorial.
STYLE_WEIGHT, CONTENT_WEIGHT, TV_WEIGHT = 1e-2, 1e4, 1e9

#: Where it compares the content.
CONTENT_LAYER = "block5_conv2"


def gram_loss(extractor: keras.Model, source: Image) -> Callable[[tf.Tensor], tf.Tensor]:
    """Sum over the layers of the mean squared difference of Gram matrices."""
    targets = {name: nst.gram_matrix(f) for name, f in extractor(source[np.newaxis]).items()}

    def loss(image: tf.Tensor) -> tf.Tensor:
        features = extractor(image[tf.newaxis])
        return tf.add_n(
            [tf.reduce_mean((nst.gram_matrix(features[n]) - g) ** 2) for n, g in targets.items()]
        )

    return loss


def adam_loop(
    loss: Callable[[tf.Tensor], tf.Tensor], start: Image, steps: int, learning_rate: float
) -> tuple[Image, float, float]:
    """Run the loop; return its image, and the seconds of its first step and of all others."""
    image = tf.Variable(start)
    adam = keras.optimizers.Adam(learning_rate=learning_rate, beta_1=0.99, epsilon=0.1)

    @tf.function
    def step() -> None:
        with tf.GradientTape() as tape:
            value = loss(image)
        adam.apply([tape.gradient(value, image)], [image])
        image.assign(tf.clip_by_value(image, 0.0, 1.0))

    began = time.perf_counter()
    step()
    first = time.perf_counter() - began
    began = time.perf_counter()
    for _ in range(steps - 1):
        step()
    return image.numpy(), first, time.perf_counter() - began


def show(path: Path, pictures: Sequence[Image], titles: Sequence[str]) -> None:
    """Write an original, and what each side made of it, as one picture."""
    nst.show_images(
        pictures,
        titles,
        columns=3,
        cell=3.2,
        caption="The same task, by two loops.",
        alt=f"Three pictures: {', '.join(titles)}.",
    ).save(path)
