"""How long until the same loss? The classic loop against ``synthesize_texture``, in one run.

    python benchmarks/texture.py [--weights mini|random|imagenet] [--steps 1000] [--size 224]

Both sides get the same network, picture, size and loss: the sum over five layers of the mean
squared difference of Gram matrices, which is what tutorials minimise. The classic side is Adam
(learning rate 0.2, beta_1 0.99, epsilon 0.1) on uniform noise, clipped to [0, 1] after each step.
Its loss after the last step is the goal; what counts is the time each side takes to get there.
Both sides' networks continue the picture beyond its border in the same way, by its own pixels.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import nstlib as nst
from nstlib.features import WEIGHTS
from nstlib.optimize import Step
from nstlib.quietly import keras, tf


def main() -> None:
    """Run both sides and print the ratio of their times."""
    parser = argparse.ArgumentParser(description="the classic loop against synthesize_texture")
    parser.add_argument("--weights", choices=WEIGHTS, default="mini")
    parser.add_argument("--image", default="immunohistochemistry")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--size", type=int, default=224)
    options = parser.parse_args()

    source = nst.load_image(options.image, size=(options.size, options.size))
    extractor = nst.feature_extractor(nst.STYLE_LAYERS, options.weights, padding="replicate")
    targets = {name: nst.gram_matrix(f) for name, f in extractor(source[np.newaxis]).items()}

    def classic_loss(image: tf.Tensor) -> tf.Tensor:
        grams = {name: nst.gram_matrix(f) for name, f in extractor(image[tf.newaxis]).items()}
        return tf.add_n([tf.reduce_mean((grams[name] - targets[name]) ** 2) for name in targets])

    image = tf.Variable(np.random.default_rng(0).random(source.shape, dtype=np.float32))
    adam = keras.optimizers.Adam(learning_rate=0.2, beta_1=0.99, epsilon=0.1)

    @tf.function
    def classic_step() -> None:
        with tf.GradientTape() as tape:
            loss = classic_loss(image)
        adam.apply([tape.gradient(loss, image)], [image])
        image.assign(tf.clip_by_value(image, 0.0, 1.0))

    began = time.perf_counter()
    for _ in range(options.steps):
        classic_step()
    classic_seconds = time.perf_counter() - began
    goal = float(classic_loss(image))
    print(f"{options.weights}, {options.image}, {options.size}×{options.size}")
    print(f"classic loop: loss {goal:.4g} after {options.steps} steps, {classic_seconds:.1f} s")

    # The library's style loss divides each layer by the mean square of its target. These layer
    # weights take that back, so that both sides minimise the same function.
    mean_squares = {name: float(tf.reduce_mean(gram**2)) for name, gram in targets.items()}
    total = sum(mean_squares.values())
    steps: list[Step] = []

    def goal_reached(step: Step) -> bool:
        steps.append(step)
        at_full_size = step.image is not None and step.image.shape == source.shape
        return at_full_size and step.terms["style"] * total <= goal

    result = nst.synthesize_texture(
        source,
        weights=options.weights,
        layer_weights=mean_squares,
        iterations=100,
        callback=goal_reached,
        progress=False,
    )
    reached = float(classic_loss(tf.constant(result.image)))
    if reached > goal * 1.001:
        print(f"synthesize_texture stopped at {reached:.4g} and did not get there")
        raise SystemExit(1)
    print(
        f"synthesize_texture: loss {reached:.4g} after {result.evaluations} evaluations at all "
        f"sizes, {result.seconds:.1f} s"
    )
    print(f"ratio of the times: {classic_seconds / result.seconds:.1f}")


if __name__ == "__main__":
    main()
