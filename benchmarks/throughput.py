"""How much of an evaluation is convolution? Loss and gradient against their convolutions alone.

    python benchmarks/throughput.py [--size 224]

For the small twin and for VGG19 (with random weights: they cost the same), the time of one
evaluation of the style's loss and gradient is set beside the time that the same convolutions take
when nothing else is computed: each one forward, and backward to its input. The rest is pooling,
ReLU, borders, means and covariances. A texture's network continues the picture at its border
before each convolution; a transfer's does not, because its picture has a frame.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

import numpy as np

import nstlib as nst
from nstlib import keras, tf
from nstlib.images.arrays import Image
from nstlib.vgg19 import stride


def best_seconds(works: Sequence[Callable[[], object]], repeats: int = 15) -> list[float]:
    """Time functions in turn, after two calls that don't count; the best of each.

    In turn, so that a machine that slows down slows all of them; the best, because whatever else
    it does can only add to the time.
    """
    times: list[list[float]] = [[] for _ in works]
    for _ in range(repeats + 2):
        for work, taken in zip(works, times, strict=True):
            began = time.perf_counter()
            work()
            taken.append(time.perf_counter() - began)
    return [min(taken[2:]) for taken in times]


def convolutions(extractor: keras.Model, size: int) -> tuple[Callable[[], object], float]:
    """Build an extractor's convolutions, forward and backward, and count their operations."""
    work, operations = [], 0.0
    for layer in extractor.layers:
        if "conv" not in layer.name:
            continue
        kernel = layer.get_weights()[0]
        side = size // stride(layer.name)
        x = tf.random.normal((1, side, side, kernel.shape[2]))
        y = tf.random.normal((1, side, side, kernel.shape[3]))
        work.append((tf.constant(kernel), x, y))
        operations += 2 * 2 * side**2 * kernel.size

    @tf.function
    def all_of_them() -> list[tf.Tensor]:
        done = []
        for kernel, x, y in work:
            done.append(tf.reduce_sum(tf.nn.conv2d(x, kernel, 1, "SAME")))
            back = tf.nn.conv2d_transpose(y, kernel, x.shape, 1, "SAME")
            done.append(tf.reduce_sum(back))
        return done

    return all_of_them, operations


def evaluation(extractor: keras.Model, source: Image) -> Callable[[], object]:
    """Build the loss of a style and its gradient."""
    image = tf.constant(source[np.newaxis, ::-1])
    targets = {n: nst.channel_statistics(f) for n, f in extractor(source[np.newaxis]).items()}

    @tf.function
    def gradient() -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(image)
            loss = nst.style_loss(extractor(image), targets)
        return tape.gradient(loss, image)

    return gradient


def main() -> None:
    """Print the two times, their ratio and the throughput, for both networks and both borders."""
    parser = argparse.ArgumentParser(description="an evaluation against its convolutions alone")
    parser.add_argument("--size", type=int, default=224)
    size = parser.parse_args().size
    source = nst.load_image("immunohistochemistry", size=(size, size))
    for weights, padding, name in (
        ("mini", "replicate", "the small twin, for a texture"),
        ("mini", "zeros", "the small twin, for a transfer"),
        ("random", "replicate", "VGG19, for a texture"),
        ("random", "zeros", "VGG19, for a transfer"),
    ):
        extractor = nst.feature_extractor(nst.STYLE_LAYERS, weights, padding=padding)
        alone, operations = convolutions(extractor, size)
        whole_seconds, alone_seconds = best_seconds([evaluation(extractor, source), alone])
        print(
            f"{name}: evaluation {1e3 * whole_seconds:.1f} ms, its convolutions alone "
            f"{1e3 * alone_seconds:.1f} ms: {alone_seconds / whole_seconds:.0%}; "
            f"{operations / whole_seconds / 1e9:.0f} of {operations / alone_seconds / 1e9:.0f} "
            "GFLOP/s"
        )


if __name__ == "__main__":
    main()
