"""How much of an evaluation is convolution? Loss and gradient against their convolutions alone.

    python benchmarks/throughput.py [--size 224]

For the small twin and for VGG19 (with random weights: they cost the same), the time of one
evaluation of the texture's loss and gradient is set beside the time that the same convolutions take
when nothing else is computed: each one forward, and backward to its input. The rest is pooling,
ReLU, borders, means, covariances and the optimiser's bookkeeping.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

import nstlib as nst
from nstlib.features import stride
from nstlib.images import Image
from nstlib.quietly import keras, tf


def median_seconds(work: Callable[[], object], repeats: int = 9) -> float:
    """Time a function, after two calls that don't count."""
    times = []
    for _ in range(repeats + 2):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return float(np.median(times[2:]))


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
    """Build the loss of a texture and its gradient."""
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
    """Print the two times, their ratio and the throughput, for both networks."""
    parser = argparse.ArgumentParser(description="an evaluation against its convolutions alone")
    parser.add_argument("--size", type=int, default=224)
    size = parser.parse_args().size
    source = nst.load_image("immunohistochemistry", size=(size, size))
    for weights in ("mini", "random"):
        extractor = nst.feature_extractor(nst.STYLE_LAYERS, weights, padding="replicate")
        alone, operations = convolutions(extractor, size)
        whole_seconds = median_seconds(evaluation(extractor, source))
        alone_seconds = median_seconds(alone)
        print(
            f"{weights}: evaluation {1e3 * whole_seconds:.1f} ms, its convolutions alone "
            f"{1e3 * alone_seconds:.1f} ms: {alone_seconds / whole_seconds:.0%}; "
            f"{operations / whole_seconds / 1e9:.0f} of {operations / alone_seconds / 1e9:.0f} "
            "GFLOP/s"
        )


if __name__ == "__main__":
    main()
