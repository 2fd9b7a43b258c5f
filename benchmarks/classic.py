"""What tutorials run: Gram matrices, Adam, one size. The other side of the benchmarks.

Settings as in the widely copied loop: the five first layers of the blocks; Adam with beta_1 0.99
and epsilon 0.1; clipping to [0, 1] after each step; for a transfer, two separate networks, one for
the style and one for the content. Its content loss squares the mean of the differences, so that
opposite ones cancel; here it is the mean of the squares, on both sides.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

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


class Loop:
    """The loop, a step at a time, from `start` on.

    Its whole state is the image and what Adam keeps: :meth:`state` gives it, :meth:`restore` takes
    it back. `steps_before` are steps that the same Adam has made for another image.
    """

    def __init__(
        self,
        loss: Callable[[tf.Tensor], tf.Tensor],
        start: Image,
        learning_rate: float,
        steps_before: int = 0,
    ) -> None:
        image = self._image = tf.Variable(start)
        adam = self._adam = keras.optimizers.Adam(learning_rate, beta_1=0.99, epsilon=0.1)
        adam.build([image])
        adam.iterations.assign(steps_before)

        @tf.function
        def step() -> tf.Tensor:
            with tf.GradientTape() as tape:
                value = loss(image)
            adam.apply([tape.gradient(value, image)], [image])
            image.assign(tf.clip_by_value(image, 0.0, 1.0))
            return value

        self._step = step

    @property
    def image(self) -> Image:
        """The image as it is now."""
        image: Image = self._image.numpy()
        return image

    def step(self) -> float:
        """Make a step; return the loss before it."""
        return float(self._step())

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the image and Adam's memory by name."""
        kept = {f"adam{i}": v.value.numpy() for i, v in enumerate(self._adam.variables)}
        return {"image": self.image, **kept}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on where :meth:`state` was taken."""
        self._image.assign(state["image"])
        for i, variable in enumerate(self._adam.variables):
            variable.assign(state[f"adam{i}"])


def adam_loop(
    loss: Callable[[tf.Tensor], tf.Tensor], start: Image, steps: int, learning_rate: float
) -> tuple[Image, float, float]:
    """Run the loop; return its image, and the seconds of its first step and of all others."""
    began = time.perf_counter()
    loop = Loop(loss, start, learning_rate)
    loop.step()
    first = time.perf_counter() - began
    began = time.perf_counter()
    for _ in range(steps - 1):
        loop.step()
    return loop.image, first, time.perf_counter() - began


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
