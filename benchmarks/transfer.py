"""How long until the same loss? A style transfer by the tutorials' loop and by the library's.

    python benchmarks/transfer.py [--weights mini|random|imagenet] [--steps 500] [--size 512]

Same network, pictures, size and loss: the tutorial's, with its three weights, and with its content
loss mended (see ``classic.py``). The classic side is Adam (learning rate 0.001) from the content,
with two networks; its loss after the last step is the goal. The library's side has one network for
both and L-BFGS, coarse to fine; what counts is the time it takes to get there.

Then the default run, ``nst transfer``, is timed against the tutorial as written: VGG19 (its cost
does not depend on its weights) and 2,000 steps, from the time that one of them takes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import classic
import numpy as np

import nstlib as nst
from nstlib import tf
from nstlib.images.arrays import Image
from nstlib.optimize import Loss, Step
from nstlib.vgg19 import WEIGHTS

#: Steps of the tutorial's own run.
STEPS_AS_WRITTEN = 2000


def two_networks(content: Image, style: Image, weights: str) -> Callable[[tf.Tensor], tf.Tensor]:
    """Build the tutorial's loss: the picture goes through the network once for each term."""
    of_style = classic.gram_loss(nst.feature_extractor(nst.STYLE_LAYERS, weights), style)
    extractor = nst.feature_extractor([classic.CONTENT_LAYER], weights)
    target = extractor(content[np.newaxis])[classic.CONTENT_LAYER]

    def loss(image: tf.Tensor) -> tf.Tensor:
        features = extractor(image[tf.newaxis])[classic.CONTENT_LAYER]
        return (
            classic.STYLE_WEIGHT * of_style(image)
            + classic.CONTENT_WEIGHT * tf.reduce_mean((features - target) ** 2)
            + classic.TV_WEIGHT * nst.total_variation_loss(image)
        )

    return loss


def one_network(
    content: Image, style: Image, weights: str, precision: str = "float32"
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Build the same loss with one pass for both terms."""
    layers = [*nst.STYLE_LAYERS, classic.CONTENT_LAYER]
    extractor = nst.feature_extractor(layers, weights, precision=precision)
    wanted = extractor(style[np.newaxis])
    grams = {name: nst.gram_matrix(wanted[name]) for name in nst.STYLE_LAYERS}
    target = extractor(content[np.newaxis])[classic.CONTENT_LAYER]

    def loss(image: tf.Tensor) -> tf.Tensor:
        features = extractor(image[tf.newaxis])
        of_style = tf.add_n(
            [tf.reduce_mean((nst.gram_matrix(features[n]) - g) ** 2) for n, g in grams.items()]
        )
        of_content = tf.reduce_mean((features[classic.CONTENT_LAYER] - target) ** 2)
        return (
            classic.STYLE_WEIGHT * of_style
            + classic.CONTENT_WEIGHT * of_content
            + classic.TV_WEIGHT * nst.total_variation_loss(image)
        )

    return loss


def main() -> None:
    """Run both comparisons and print their ratios."""
    parser = argparse.ArgumentParser(description="the classic loop against the library's")
    parser.add_argument("--weights", choices=WEIGHTS, default="mini")
    parser.add_argument("--content", default="astronaut")
    parser.add_argument("--style", default="brushwork")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--output", type=Path, help="show the pictures of both sides in this file")
    options = parser.parse_args()

    content = nst.load_image(options.content, size=options.size)
    style = nst.load_image(options.style, size=options.size)
    full = content.shape[:2]
    goal_loss = two_networks(content, style, options.weights)
    image, first, others = classic.adam_loop(goal_loss, content, options.steps, 0.001)
    goal = float(goal_loss(image))
    print(f"{options.weights}, {options.content} and {options.style}, {full[0]}×{full[1]}")
    print(f"classic loop: loss {goal:.4g} after {options.steps} steps, {first + others:.1f} s")

    def loss_at(size: tuple[int, int]) -> Loss:
        small = nst.resize(style, max(size))
        return one_network(nst.resize(content, size), small, options.weights)

    def reached(step: Step) -> bool:
        assert step.image is not None
        return step.image.shape == content.shape and step.loss <= goal

    sizes = [(full[0] // part, full[1] // part) for part in (4, 2, 1)]
    result = nst.coarse_to_fine(
        loss_at, content, sizes, iterations=[20, 20, 500], callback=reached, progress=False
    )
    if result.loss > goal:
        print(f"the library's loop stopped at {result.loss:.4g} and did not get there")
        raise SystemExit(1)
    print(
        f"coarse to fine, L-BFGS: loss {result.loss:.4g} after {result.evaluations} evaluations at "
        f"all sizes, {result.seconds:.1f} s"
    )
    print(f"ratio of the times to one loss: {(first + others) / result.seconds:.1f}")

    vgg19 = two_networks(content, style, "random")
    _, _, seconds = classic.adam_loop(vgg19, content, 4, 0.001)
    as_written = STEPS_AS_WRITTEN * seconds / 3
    default = nst.transfer_style(content, style, weights="mini", progress=False)
    print(
        f"as written, VGG19 twice, {STEPS_AS_WRITTEN} steps of {seconds / 3:.2f} s: "
        f"{as_written:.0f} s; nst transfer: {default.seconds:.1f} s; "
        f"ratio {as_written / default.seconds:.0f}"
    )
    if options.output:
        titles = ["the content", f"the tutorial's loop, {options.steps} steps", "nst transfer"]
        classic.show(options.output, [content, image, default.image], titles)


if __name__ == "__main__":
    main()
