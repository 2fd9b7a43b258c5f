"""Checks of the exercises of lesson 04, texture synthesis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nstlib.course.exercises._engine import (
    Answer,
    Array,
    Raised,
    Wrong,
    call_answer,
    choice,
    compare,
    exercise,
    numbers,
)
from nstlib.course.exercises._parts import check_slope, covariance, neighbours, pooled, rows
from nstlib.course.exercises.lesson_03 import gram_matrix

choice(
    "epsilon",
    "Adam has epsilon = 0.1, several times as large as the root. What becomes of its steps?",
    right="b",
    a="the division makes steps alike only where the root is far larger than what is added to it.",
    b="The sum below the line is little more than 0.1, so steps shrink with the gradient.",
    c="a large number is added below the line, so the quotient can't grow.",
    d="its steps always point roughly downhill here. How long are they?",
)

choice(
    "one_layer",
    "A texture by block1_conv1 alone: what does it look like?",
    right="a",
    a="3 x 3 pixels hold colours and how neighbours differ, and nothing larger.",
    b="the Gram matrix of block1 contains the colours' means. Would grey have those?",
    c="many pictures share these few numbers, and noise is nearer to most of them.",
    d="a fibre is some ten pixels wide; how many does this layer see?",
)

choice(
    "equal_work",
    "How many steps at full size cost as much as 30 at each of three sizes, each half the next?",
    right="c",
    a="that counts the steps, but a step at a smaller size costs less.",
    b="the two coarse sizes cost something, too.",
    c="30 (1 + 1/4 + 1/16) = 39.4: the coarse sizes cost less than a third of the fine one.",
    d="half the side is a quarter of the pixels.",
)

choice(
    "two_skies",
    "One run minimises Gram distance, the other never sees a Gram matrix. Which ends nearer in it?",
    right="c",
    a="it should, if a loss were only a goal. It is also the slope that leads there.",
    b="they start from the same noise, but follow different slopes.",
    c="Compared apart, the means get right sooner: that sky is dark when the other is still grey.",
    d="both were run. A loss can be computed for any picture, also one that was made by another.",
)


def _gradient(loss: Answer, image: Any) -> Any:
    from nstlib._tensorflow import tf

    with tf.GradientTape() as tape:
        tape.watch(image)
        value = loss(image)
    return tape.gradient(value, image)


def gradient_step(loss: Answer, image: Any, learning_rate: float) -> Any:
    """Take one step of gradient descent, and return the new image, clipped to [0, 1].

    `loss` takes an image tensor and returns a scalar; `image` is a float32 tensor (H, W, 3).
    """
    from nstlib._tensorflow import tf

    return tf.clip_by_value(image - learning_rate * _gradient(loss, image), 0.0, 1.0)


@exercise(gradient_step)
def _check_gradient_step(answer: Answer) -> str:
    from nstlib._tensorflow import tf

    goal = tf.constant(numbers((2, 3, 3), 9, seed=1) / 2 - 2)
    weight = tf.constant(numbers((2, 3, 3), 9, seed=2) - 4)
    inside = tf.constant(numbers((2, 3, 3), 9) / 8)
    # A little outside [0, 1], which tells clipping after the step from clipping before it.
    outside = tf.constant(numbers((2, 3, 3), 15, seed=3) / 10 - 0.2)

    def distance(image: Any) -> Any:
        return tf.reduce_sum((image - goal) ** 2)

    def linear(image: Any) -> Any:
        return tf.reduce_sum(weight * image)

    def step(change: Callable[[Array, Array, float], Array]) -> Answer:
        return lambda loss, image, rate: change(image.numpy(), _gradient(loss, image).numpy(), rate)

    def unit(g: Array) -> Array:
        return g / np.sqrt((g**2).sum())

    late = "the image is not clipped to [0, 1] after the step."
    try:
        compare(
            answer,
            gradient_step,
            [(distance, inside, 0.125), (linear, outside, 0.0625)],
            [
                (
                    "this goes uphill: subtract the gradient.",
                    step(lambda x, g, rate: np.clip(x + rate * g, 0, 1)),
                ),
                (
                    "this goes uphill, and the image is not clipped to [0, 1]: "
                    "subtract the gradient, then clip.",
                    step(lambda x, g, rate: x + rate * g),
                ),
                (late, step(lambda x, g, rate: x - rate * g)),
                (
                    "the image is clipped before the step; clip the result, after it.",
                    step(lambda x, g, rate: np.clip(x, 0, 1) - rate * g),
                ),
                (
                    "the learning rate is ignored: multiply the gradient by it.",
                    step(lambda x, g, _: np.clip(x - g, 0, 1)),
                ),
                (
                    "the gradient is clipped to [0, 1]; clip the image, after the step.",
                    step(lambda x, g, rate: np.clip(x - rate * np.clip(g, 0, 1), 0, 1)),
                ),
                (
                    "the gradient is divided by its length; use it as it is.",
                    step(lambda x, g, rate: np.clip(x - rate * unit(g), 0, 1)),
                ),
                (
                    "only the gradient's sign is used; use the gradient as it is.",
                    step(lambda x, g, rate: np.clip(x - rate * np.sign(g), 0, 1)),
                ),
                (
                    "the image is unchanged, only clipped; subtract learning_rate times the "
                    "gradient.",
                    step(lambda x, *_: np.clip(x, 0, 1)),
                ),
                (
                    "the image is unchanged; subtract learning_rate times the gradient.",
                    step(lambda x, *_: x),
                ),
                (
                    "this is the gradient; return the new image.",
                    step(lambda _, g, __: g),
                ),
                (
                    "this is the loss; return the new image.",
                    lambda loss, image, _: loss(image).numpy(),
                ),
            ],
        )
    except Raised as raised:
        if "NoneType" not in str(raised):
            raise
        raise Wrong(
            "the gradient is None: the tape did not watch the image; call tape.watch(image) "
            "before the loss is computed, inside the `with`."
        ) from None
    if not (tf.is_tensor(result := call_answer(answer, linear, inside, 0.125))):
        raise Wrong(
            f"the values are right, but this is a {type(result).__name__}; return a tensor, "
            "which the next step can start from."
        )
    return "It goes downhill by learning_rate times the gradient, then clips to [0, 1]."


def style_loss(features: Mapping[str, Any], targets: Mapping[str, Any]) -> Any:
    """Return the mean, over the layers, of how far means and covariances are from a style's.

    A layer's distance is Σ(C - Ĉ)² / Σ Ĉ², for the covariances of its channels, plus
    Σ(μ - μ̂)² / Σ Ĉᵢᵢ, for their means; a hat marks the style's. `features` maps a layer to a tensor
    (H, W, C), `targets` maps it to the style's mean (C,) and covariance (C, C). The result is a
    scalar tensor, and TensorFlow can differentiate it.
    """
    from nstlib._tensorflow import tf

    losses = []
    for layer, (mean, spread) in targets.items():
        F = tf.reshape(features[layer], [-1, features[layer].shape[-1]])
        found = tf.reduce_mean(F, axis=0)
        centred = F - found
        varies = tf.matmul(centred, centred, transpose_a=True) / F.shape[0]
        of_covariances = tf.reduce_sum((varies - spread) ** 2) / tf.reduce_sum(spread**2)
        of_means = tf.reduce_sum((found - mean) ** 2) / tf.linalg.trace(spread)
        losses.append(of_covariances + of_means)
    return tf.add_n(losses) / len(losses)


def _known_style_losses(
    arrays: Mapping[str, Array], styles: Mapping[str, Array]
) -> list[tuple[str, Any]]:
    """Tell what common mistakes give for the features `arrays`, and the hint that each deserves."""

    def mean(x: Array) -> Array:
        return np.asarray(rows(x).mean(axis=0))

    def each(distance: Callable[[Array, Array], Any]) -> Array:
        return np.array([distance(arrays[layer], styles[layer]) for layer in arrays])

    def of_covariances(
        size: Callable[[Array, Array], Any] = lambda _, a: (a**2).sum(),
        found: Answer = covariance,
        wanted: Answer = covariance,
    ) -> Array:
        return each(lambda x, y: ((found(x) - wanted(y)) ** 2).sum() / size(found(x), wanted(y)))

    def of_means(
        size: Callable[[Array, Array], Any] = lambda _, y: np.trace(covariance(y)),
    ) -> Array:
        return each(lambda x, y: ((mean(x) - mean(y)) ** 2).sum() / size(x, y))

    def one(*_: Array) -> int:
        return 1

    def entries(x: Array) -> int:
        return len(mean(x))

    covariances, means = of_covariances(), of_means()
    cancelling = each(
        lambda x, y: (covariance(x) - covariance(y)).mean() ** 2 / (covariance(y) ** 2).mean()
    ) + each(lambda x, y: (mean(x) - mean(y)).mean() ** 2 / np.diag(covariance(y)).mean())
    gram = (
        "this compares Gram matrices; compare the covariances and the means, each with its own "
        "divisor."
    )
    uncentred = (
        "the means are not subtracted before the product, so a Gram matrix is compared with the "
        "style's covariance."
    )
    not_divided = "the difference of {} is not divided by the style's {}: it is not relative."
    own = "it is divided by the size of the features' own statistics; divide by the style's."
    to_squared_mean = (
        "the means' difference is divided by the squared means; divide it by the trace of the "
        "style's covariance, which says how much the channels vary."
    )
    unequal = (
        "a mean is divided by a sum in the {} term; take the sum of both, or the mean of both."
    )
    only = "this is the {} layer alone; take the mean over all of `targets`."
    by_layer: list[tuple[str, Array]] = [
        (gram, of_covariances(found=gram_matrix, wanted=gram_matrix)),
        (gram, of_covariances(found=gram_matrix, wanted=gram_matrix) + means),
        (uncentred, of_covariances(found=gram_matrix)),
        (uncentred, of_covariances(found=gram_matrix) + means),
        ("the means' term is missing: add Σ(μ - μ̂)² / Σ Ĉᵢᵢ.", covariances),
        ("the covariances' term is missing: add Σ(C - Ĉ)² / Σ Ĉ².", means),
        (not_divided.format("the means", "trace, Σ Ĉᵢᵢ"), covariances + of_means(one)),
        (not_divided.format("the covariances", "Σ Ĉ²"), of_covariances(one) + means),
        (
            "neither difference is divided by the style's size, Σ Ĉ² and Σ Ĉᵢᵢ: they are not "
            "relative.",
            of_covariances(one) + of_means(one),
        ),
        (
            "neither difference is divided by the style's size, Σ Ĉ² and Σ Ĉᵢᵢ: they are not "
            "relative.",
            of_covariances(lambda _, a: a.size) + of_means(lambda _, y: entries(y)),
        ),
        (to_squared_mean, covariances + of_means(lambda _, y: (mean(y) ** 2).sum())),
        (
            "the means' difference is divided by the sum of all entries of Ĉ; divide it by the "
            "sum of the diagonal alone, the trace.",
            covariances + of_means(lambda _, y: covariance(y).sum()),
        ),
        (
            "the means' difference is divided by Σ Ĉ²; divide it by the trace, Σ Ĉᵢᵢ, which is in "
            "the same unit as a squared mean.",
            covariances + of_means(lambda _, y: (covariance(y) ** 2).sum()),
        ),
        (
            "the covariances' difference is divided by the trace; divide it by Σ Ĉ², which is "
            "squared as the difference is.",
            of_covariances(lambda _, a: np.trace(a)) + means,
        ),
        (
            own,
            of_covariances(lambda c, _: (c**2).sum())
            + of_means(lambda x, _: np.trace(covariance(x))),
        ),
        (own, of_covariances(lambda c, _: (c**2).sum()) + means),
        (own, covariances + of_means(lambda x, _: np.trace(covariance(x)))),
        (
            unequal.format("means'"),
            covariances + of_means(lambda _, y: entries(y) * np.trace(covariance(y))),
        ),
        (
            unequal.format("covariances'"),
            of_covariances(lambda _, a: a.size * (a**2).sum()) + means,
        ),
        (
            "the covariances are not divided by H·W, as the style's are.",
            of_covariances(found=lambda x: len(rows(x)) * covariance(x)) + means,
        ),
        (
            "the covariances are divided by H·W - 1; divide by H·W, as the style's are.",
            of_covariances(found=lambda x: len(rows(x)) * covariance(x) / (len(rows(x)) - 1))
            + means,
        ),
        (
            "this compares each channel's variance alone, the diagonal; compare every channel "
            "with every other.",
            of_covariances(
                found=lambda x: np.diag(covariance(x)), wanted=lambda x: np.diag(covariance(x))
            )
            + means,
        ),
        (
            "these are square roots; leave the ratios squared.",
            np.sqrt(covariances) + np.sqrt(means),
        ),
        (
            "the mean is taken before the square, so opposite errors cancel; square first.",
            cancelling,
        ),
    ]
    right = covariances + means
    return [
        ("this is the sum over the layers; take the mean.", right.sum()),
        ("this is one value for each layer; return their mean.", right),
        (only.format("first"), right[0]),
        (only.format("last"), right[-1]),
        *((hint, values.mean()) for hint, values in by_layer),
        *(
            (f"{hint} And take the mean over the layers.", values.sum())
            for hint, values in by_layer
        ),
    ]


@exercise(style_loss)
def _check_style_loss(answer: Answer) -> str:
    from nstlib._tensorflow import tf
    from nstlib.losses import Statistics

    shapes = {"shallow": (4, 3, 2), "middle": (2, 3, 4), "deep": (1, 3, 3)}
    arrays, styles = (
        {layer: numbers(shape, high, first + i) for i, (layer, shape) in enumerate(shapes.items())}
        for high, first in ((4, 0), (5, 9))
    )
    features = {layer: tf.constant(array) for layer, array in arrays.items()}
    targets = {
        layer: Statistics(
            tf.constant(rows(style).mean(axis=0)), tf.constant(covariance(style), tf.float32)
        )
        for layer, style in styles.items()
    }
    known = _known_style_losses(arrays, styles)
    case = (features, targets)
    compare(answer, style_loss, [case], [(hint, lambda *_, v=v: v) for hint, v in known])

    check_slope(answer, features, targets)
    return "It is the mean over three layers, and its gradient agrees with finite differences."


def seam_contrast(image: Array) -> float:
    """Compare the seams of a tiled image (H, W, 3) with the rest of it; about 1 if it is seamless.

    Above the line, the mean absolute difference over all pairs of pixels that become neighbours
    when the image is tiled: last and first column, last and first row, both together. Below it, the
    mean absolute difference over all pairs of neighbours inside the image, in both directions
    together.
    """
    seams, inner = neighbours(image)
    return pooled(seams) / pooled(inner)


@exercise(seam_contrast)
def _check_seam_contrast(answer: Answer) -> str:
    def ratio(change: Callable[[list[Array], list[Array]], float]) -> Answer:
        return lambda image: change(*neighbours(image))

    def signed(differences: Array) -> Array:
        return differences

    cancel = "the differences keep their signs, so they cancel; take absolute values."
    squared = "the differences are squared; take absolute values."
    compare(
        answer,
        seam_contrast,
        [(numbers((4, 6, 3), 9) / np.float32(8),), (numbers((5, 3, 3), 9, 1) / np.float32(8),)],
        [
            (
                "only the columns are compared; the last and first row meet as well.",
                ratio(lambda s, i: pooled(s[:1]) / pooled(i[:1])),
            ),
            (
                "only the columns are compared; the last and first row meet as well.",
                ratio(lambda s, i: pooled(s[:1]) / pooled(i)),
            ),
            (
                "only the rows are compared; the last and first column meet as well.",
                ratio(lambda s, i: pooled(s[1:]) / pooled(i[1:])),
            ),
            (
                "only the rows are compared; the last and first column meet as well.",
                ratio(lambda s, i: pooled(s[1:]) / pooled(i)),
            ),
            (
                "it is not divided by the mean difference of neighbours inside the image.",
                ratio(lambda s, _: pooled(s)),
            ),
            (
                "the ratio is upside down: the seams stand above the line.",
                ratio(lambda s, i: pooled(i) / pooled(s)),
            ),
            (cancel, ratio(lambda s, i: pooled(s, signed) / pooled(i, signed))),
            (cancel, ratio(lambda s, i: abs(pooled(s, signed)) / abs(pooled(i, signed)))),
            (cancel, ratio(lambda s, i: pooled(s, signed) / pooled(i))),
            (squared, ratio(lambda s, i: pooled(s, np.square) / pooled(i, np.square))),
            (
                "the mean is taken for each direction apart, and then of the two; "
                "take one mean over the pairs of both directions together.",
                ratio(
                    lambda s, i: (pooled(s[:1]) + pooled(s[1:])) / (pooled(i[:1]) + pooled(i[1:]))
                ),
            ),
            (
                "the two directions' ratios are averaged; "
                "take one mean over the pairs of both directions together.",
                ratio(
                    lambda s, i: (pooled(s[:1]) / pooled(i[:1]) + pooled(s[1:]) / pooled(i[1:])) / 2
                ),
            ),
            (
                "sums are divided; there are fewer pairs at the seams than inside: take means.",
                ratio(
                    lambda s, i: sum(np.abs(d).sum() for d in s) / sum(np.abs(d).sum() for d in i)
                ),
            ),
            (
                "the pairs at the seams are counted among the neighbours inside; leave them out.",
                ratio(lambda s, i: pooled(s) / pooled(s + i)),
            ),
        ],
    )
    return "It pools the seams of both directions, relative to the neighbours inside the image."
