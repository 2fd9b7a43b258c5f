"""How long until the same loss? The tutorials' loop against the library's, in one run.

    python benchmarks/texture.py [--weights mini|random|imagenet] [--steps 1000] [--size 224]

Same network, picture, size and loss: the sum over five layers of the mean squared difference of
Gram matrices, which is what tutorials minimise. The classic side is Adam on uniform noise; its loss
after the last step is the goal. The library's side is L-BFGS, coarse to fine; what counts is the
time it takes to get there. Both sides' networks continue the picture beyond its border by its own
pixels.

Then the default run, ``nst texture``, is timed against the tutorial as written: VGG19 (its cost
does not depend on its weights) and 5,000 steps, from the time that one of them takes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import classic
import numpy as np

import nstlib as nst
from nstlib.optimize import Loss, Step
from nstlib.vgg19 import WEIGHTS

#: Steps of the tutorial's own run.
STEPS_AS_WRITTEN = 5000


def main() -> None:
    """Run both comparisons and print their ratios."""
    parser = argparse.ArgumentParser(description="the classic loop against the library's")
    parser.add_argument("--weights", choices=WEIGHTS, default="mini")
    parser.add_argument("--image", default="immunohistochemistry")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--output", type=Path, help="show the pictures of both sides in this file")
    options = parser.parse_args()

    source = nst.load_image(options.image, size=(options.size, options.size))
    extractor = nst.feature_extractor(nst.STYLE_LAYERS, options.weights, padding="replicate")
    goal_loss = classic.gram_loss(extractor, source)
    noise = np.random.default_rng(0).random(source.shape, dtype=np.float32)
    image, first, others = classic.adam_loop(goal_loss, noise, options.steps, learning_rate=0.2)
    goal = float(goal_loss(image))
    print(f"{options.weights}, {options.image}, {options.size}×{options.size}")
    print(f"classic loop: loss {goal:.4g} after {options.steps} steps, {first + others:.1f} s")

    def loss_at(size: tuple[int, int]) -> Loss:
        return classic.gram_loss(extractor, nst.resize(source, size))

    def reached(step: Step) -> bool:
        assert step.image is not None
        return step.image.shape == source.shape and step.loss <= goal

    sizes = [(options.size // part,) * 2 for part in (4, 2, 1)]
    result = nst.coarse_to_fine(
        loss_at, noise, sizes, iterations=[50, 50, 1000], callback=reached, progress=False
    )
    if result.loss > goal:
        print(f"the library's loop stopped at {result.loss:.4g} and did not get there")
        raise SystemExit(1)
    print(
        f"coarse to fine, L-BFGS: loss {result.loss:.4g} after {result.evaluations} evaluations at "
        f"all sizes, {result.seconds:.1f} s"
    )
    print(f"ratio of the times to one loss: {(first + others) / result.seconds:.1f}")

    vgg19 = nst.feature_extractor(nst.STYLE_LAYERS, "random")
    _, _, seconds = classic.adam_loop(classic.gram_loss(vgg19, source), noise, 11, 0.2)
    as_written = STEPS_AS_WRITTEN * seconds / 10
    default = nst.synthesize_texture(source, weights="mini", progress=False)
    print(
        f"as written, VGG19, {STEPS_AS_WRITTEN} steps of {seconds / 10:.3f} s: {as_written:.0f} s; "
        f"nst texture: {default.seconds:.1f} s; ratio {as_written / default.seconds:.0f}"
    )
    if options.output:
        titles = ["the source", f"the tutorials' loop, {options.steps} steps", "nst texture"]
        classic.show(options.output, [source, image, default.image], titles)


if __name__ == "__main__":
    main()
