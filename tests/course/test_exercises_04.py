"""Right and wrong answers to the exercises of lesson 04, texture synthesis."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from exercise_tests import Answer, ExerciseTests, Right, Wrong, covariance, rows
from hypothesis import given, settings
from hypothesis import strategies as st
from tensor_answers import gradient, gram_tf, squares

from nstlib.course.exercises._engine import EXERCISES
from nstlib.losses import Statistics, channel_statistics
from nstlib.losses import style_loss as public_style_loss

tf = pytest.importorskip("tensorflow")


def covariance_tf(x: Any) -> Any:
    return gram_tf(x - tf.reduce_mean(x, axis=[0, 1]))


def style_loss(
    features: Any,
    targets: Any,
    combine: Answer = tf.reduce_mean,
    of_covariances: Answer = lambda c, a: squares(c - a) / squares(a),
    of_means: Answer = lambda m, b, c, a: squares(m - b) / tf.linalg.trace(a),  # noqa: ARG005
    mean: Answer = lambda x: tf.reduce_mean(x, axis=[0, 1]),
    covariance: Answer = covariance_tf,
    layers: Answer = list,
) -> Any:
    losses = []
    for layer in layers(targets):
        target = targets[layer]
        found = mean(features[layer]), covariance(features[layer])
        losses.append(
            of_covariances(found[1], target.covariance)
            + of_means(found[0], target.mean, found[1], target.covariance)
        )
    return combine(losses)


def style(**changes: Any) -> Answer:
    return lambda features, targets: style_loss(features, targets, **changes)


def dark_if_deep(x: Any) -> Any:
    return tf.stop_gradient(x) if x.shape[0] == 1 else x


def style_of_grams(features: Any, targets: Any) -> Any:
    differences = []
    for layer, (mean, spread) in targets.items():
        target = spread + tf.tensordot(mean, mean, axes=0)
        differences.append(squares(gram_tf(features[layer]) - target) / squares(target))
    return tf.reduce_mean(differences)


def descend(change: Answer) -> Answer:
    return lambda loss, image, learning_rate: change(image, gradient(loss, image), learning_rate)


def unwatched(loss: Any, image: Any, learning_rate: Any) -> Any:
    with tf.GradientTape() as tape:
        value = loss(image)
    return tf.clip_by_value(image - learning_rate * tape.gradient(value, image), 0, 1)


def with_variable(loss: Any, image: Any, learning_rate: Any) -> Any:
    image = tf.Variable(image)
    with tf.GradientTape() as tape:
        value = loss(image)
    image.assign_sub(learning_rate * tape.gradient(value, image))
    return tf.clip_by_value(image, 0, 1)


def seams(image: Any, size: Answer = np.abs) -> tuple[list[Any], list[Any]]:
    across = [size(image[:, -1] - image[:, 0]).ravel(), size(image[-1] - image[0]).ravel()]
    inside = [
        size(image[:, 1:] - image[:, :-1]).ravel(),
        size(image[1:] - image[:-1]).ravel(),
    ]
    return across, inside


def contrast(which: slice = slice(None), size: Answer = np.abs) -> Answer:
    def answer(image: Any) -> Any:
        across, inside = seams(image, size)
        return np.concatenate(across[which]).mean() / np.concatenate(inside[which]).mean()

    return answer


RIGHT: Right = {
    "style_loss": [
        style_loss,
        lambda features, targets: public_style_loss(features, targets),
        # Means of both instead of sums of both make no difference; nor do tuples.
        style(
            of_covariances=lambda c, a: tf.reduce_mean((c - a) ** 2) / tf.reduce_mean(a**2),
            of_means=lambda m, b, c, a: (  # noqa: ARG005
                tf.reduce_mean((m - b) ** 2) / tf.reduce_mean(tf.linalg.diag_part(a))
            ),
        ),
        # Var = E[xy] - E[x]E[y].
        style(
            covariance=lambda x: (
                gram_tf(x) - tf.tensordot(*[tf.reduce_mean(x, axis=[0, 1])] * 2, axes=0)
            )
        ),
    ],
    "gradient_step": [
        descend(lambda x, g, rate: tf.clip_by_value(x - rate * g, 0, 1)),
        with_variable,
    ],
    "seam_contrast": [
        contrast(),
        lambda image: tf.convert_to_tensor(contrast()(np.asarray(image))),
    ],
}

# Each line: a wrong answer, and words of the hint that it must get.
WRONG: Wrong = {
    "style_loss": [
        (style_of_grams, "compares Gram matrices"),
        (style(covariance=gram_tf), "means are not subtracted before the product"),
        (
            style(covariance=gram_tf, of_means=lambda *_: 0.0),
            "means are not subtracted before the product",
        ),
        (style(of_means=lambda *_: 0.0), "the means' term is missing"),
        (style(of_covariances=lambda *_: 0.0), "the covariances' term is missing"),
        (
            style(of_means=lambda m, b, c, a: squares(m - b)),  # noqa: ARG005
            "difference of the means is not divided by the style's trace",
        ),
        (
            style(of_covariances=lambda c, a: squares(c - a)),
            "difference of the covariances is not divided",
        ),
        (
            style(
                of_covariances=lambda c, a: squares(c - a),
                of_means=lambda m, b, c, a: squares(m - b),  # noqa: ARG005
            ),
            "neither difference is divided",
        ),
        (
            style(
                of_covariances=lambda c, a: tf.reduce_mean((c - a) ** 2),
                of_means=lambda m, b, c, a: tf.reduce_mean((m - b) ** 2),  # noqa: ARG005
            ),
            "neither difference is divided",
        ),
        (
            style(of_means=lambda m, b, c, a: squares(m - b) / squares(b)),  # noqa: ARG005
            "divided by the squared means",
        ),
        (
            style(of_means=lambda m, b, c, a: squares(m - b) / tf.reduce_sum(a)),  # noqa: ARG005
            "sum of all entries",
        ),
        (
            style(of_means=lambda m, b, c, a: squares(m - b) / squares(a)),  # noqa: ARG005
            "is divided by Σ Ĉ²; divide it by the trace",
        ),
        (
            style(of_covariances=lambda c, a: squares(c - a) / tf.linalg.trace(a)),
            "covariances' difference is divided by the trace",
        ),
        (
            style(
                of_covariances=lambda c, a: squares(c - a) / squares(c),
                of_means=lambda m, b, c, a: squares(m - b) / tf.linalg.trace(c),  # noqa: ARG005
            ),
            "features' own statistics",
        ),
        (
            style(of_covariances=lambda c, a: squares(c - a) / squares(c)),
            "features' own statistics",
        ),
        (
            style(of_means=lambda m, b, c, a: squares(m - b) / tf.linalg.trace(c)),  # noqa: ARG005
            "features' own statistics",
        ),
        (
            style(
                of_means=lambda m, b, c, a: (  # noqa: ARG005
                    tf.reduce_mean((m - b) ** 2) / tf.linalg.trace(a)
                )
            ),
            "a mean is divided by a sum in the means' term",
        ),
        (
            style(of_covariances=lambda c, a: tf.reduce_mean((c - a) ** 2) / squares(a)),
            "a mean is divided by a sum in the covariances' term",
        ),
        (
            style(covariance=lambda x: covariance_tf(x) * (x.shape[0] * x.shape[1])),
            "not divided by H·W, as the style's",
        ),
        (
            style(
                covariance=lambda x: (
                    covariance_tf(x) * (x.shape[0] * x.shape[1] / (x.shape[0] * x.shape[1] - 1))
                )
            ),
            "H·W - 1",
        ),
        (
            style(
                of_covariances=lambda c, a: (
                    squares(tf.linalg.diag_part(c - a)) / squares(tf.linalg.diag_part(a))
                )
            ),
            "variance alone",
        ),
        (
            style(
                of_covariances=lambda c, a: tf.norm(c - a) / tf.norm(a),
                of_means=lambda m, b, c, a: (  # noqa: ARG005
                    tf.norm(m - b) / tf.sqrt(tf.linalg.trace(a))
                ),
            ),
            "square roots",
        ),
        (
            style(
                of_covariances=lambda c, a: tf.reduce_mean(c - a) ** 2 / tf.reduce_mean(a**2),
                of_means=lambda m, b, c, a: (  # noqa: ARG005
                    tf.reduce_mean(m - b) ** 2 / tf.reduce_mean(tf.linalg.diag_part(a))
                ),
            ),
            "cancel",
        ),
        (style(combine=tf.add_n), "this is the sum over the layers; take the mean."),
        (
            style(combine=tf.add_n, of_means=lambda *_: 0.0),
            "the means' term is missing: add Σ(μ - μ̂)² / Σ Ĉᵢᵢ. And take the mean over the layers.",
        ),
        (style(layers=lambda targets: list(targets)[:1]), "first layer alone"),
        (style(layers=lambda targets: list(targets)[-1:]), "last layer alone"),
        (style(combine=tf.stack), "one value for each layer"),
        (
            style(
                mean=lambda x: rows(x.numpy()).mean(0), covariance=lambda x: covariance(x.numpy())
            ),
            "no gradient for shallow, middle, deep",
        ),
        (style(combine=lambda losses: float(tf.reduce_mean(losses))), "no gradient"),
        (
            style(
                mean=lambda x: tf.reduce_mean(dark_if_deep(x), axis=[0, 1]),
                covariance=lambda x: covariance_tf(dark_if_deep(x)),
            ),
            "no gradient for deep",
        ),
        (style(mean=lambda x: rows(x.numpy()).mean(0)), "disagrees with finite differences"),
        (
            style(
                of_covariances=lambda c, a: (
                    tf.reduce_sum((c - a) * tf.stop_gradient(c - a)) / squares(a)
                )
            ),
            "disagrees with finite differences",
        ),
    ],
    "gradient_step": [
        (descend(lambda x, g, rate: tf.clip_by_value(x + rate * g, 0, 1)), "uphill"),
        (descend(lambda x, g, rate: x + rate * g), "uphill, and"),
        (descend(lambda x, g, rate: x - rate * g), "not clipped"),
        (descend(lambda x, g, rate: tf.clip_by_value(x, 0, 1) - rate * g), "before the step"),
        (descend(lambda x, g, rate: tf.clip_by_value(x - g, 0, 1)), "learning rate is ignored"),  # noqa: ARG005
        (
            descend(lambda x, g, rate: tf.clip_by_value(x - rate * tf.sign(g), 0, 1)),
            "sign",
        ),
        (
            descend(lambda x, g, rate: tf.clip_by_value(x - rate * g / tf.norm(g), 0, 1)),
            "divided by its length",
        ),
        (
            descend(
                lambda x, g, rate: tf.clip_by_value(x - rate * tf.clip_by_value(g, 0, 1), 0, 1)
            ),
            "gradient is clipped",
        ),
        (unwatched, "did not watch the image"),
        (lambda loss, image, learning_rate: image, "unchanged"),  # noqa: ARG005
        (lambda loss, image, learning_rate: gradient(loss, image), "this is the gradient"),  # noqa: ARG005
        (lambda loss, image, learning_rate: loss(image), "this is the loss"),  # noqa: ARG005
        (
            descend(lambda x, g, rate: np.clip(x.numpy() - rate * g.numpy(), 0, 1)),
            "return a tensor",
        ),
    ],
    "seam_contrast": [
        (contrast(slice(0, 1)), "only the columns"),
        (contrast(slice(1, 2)), "only the rows"),
        (lambda image: np.concatenate(seams(image)[0]).mean(), "not divided"),
        (lambda image: 1 / contrast()(image), "upside down"),
        (contrast(size=np.positive), "cancel"),
        (contrast(size=np.square), "squared"),
        (
            lambda image: (
                sum(d.mean() for d in seams(image)[0]) / sum(d.mean() for d in seams(image)[1])
            ),
            "each direction apart",
        ),
        (
            lambda image: (
                sum(d.sum() for d in seams(image)[0]) / sum(d.sum() for d in seams(image)[1])
            ),
            "take means",
        ),
    ],
}


class TestExercises(ExerciseTests):
    lesson = "04"
    right = RIGHT
    wrong = WRONG


@given(seed=st.integers(0, 2**32 - 1), layers=st.integers(1, 3))
@settings(max_examples=10, deadline=None)
def test_the_style_loss_asked_for_is_the_librarys(seed: int, layers: int) -> None:
    random = np.random.default_rng(seed)
    shapes = [tuple(random.integers((2, 2, 1), (5, 5, 5))) for _ in range(layers)]
    features, style_maps = (
        {str(i): tf.constant(random.random(shape, np.float32)) for i, shape in enumerate(shapes)}
        for _ in range(2)
    )
    targets = {layer: Statistics(*channel_statistics(maps)) for layer, maps in style_maps.items()}
    asked = float(EXERCISES["style_loss"].reference(features, targets))
    assert asked == pytest.approx(float(public_style_loss(features, targets)), rel=1e-4)
