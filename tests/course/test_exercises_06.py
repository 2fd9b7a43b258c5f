"""Right and wrong answers to the exercises of lesson 06, content and style."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from exercise_tests import Answer, ExerciseTests, Right, Wrong
from tensor_answers import gram_tf, squares

from nstlib.losses import content_loss as public_content_loss

tf = pytest.importorskip("tensorflow")


def content_loss(
    features: Any,
    targets: Any,
    distance: Answer = lambda f, p: squares(f - p) / squares(p),
    combine: Answer = tf.reduce_mean,
    layers: Answer = list,
) -> Any:
    return combine([distance(features[layer], targets[layer]) for layer in layers(targets)])


def content(**changes: Any) -> Answer:
    return lambda features, targets: content_loss(features, targets, **changes)


def unit_range(pixels: Any) -> Any:
    return np.float32(pixels / 255 if pixels.dtype.kind == "u" else pixels)


def frozen(
    set_on: Answer = lambda layer: setattr(layer, "trainable", False), count: Any = None
) -> Answer:
    def answer(model: Any, names: Any) -> Any:
        for name in names:
            set_on(model.get_layer(name))
        return count(model, names) if count else trainable_numbers(model)

    return answer


def trainable_numbers(model: Any) -> int:
    return sum(np.size(weight) for weight in model.trainable_weights)


def freeze_all(model: Any, names: Any) -> int:  # noqa: ARG001
    model.trainable = False
    return trainable_numbers(model)


def freeze_in_silence(model: Any, names: Any) -> int:
    for layer in model.layers:
        if layer.name in names:
            layer.trainable = False
    return trainable_numbers(model)


def freeze_others(model: Any, names: Any) -> int:
    for layer in model.layers:
        layer.trainable = layer.name in names
    return trainable_numbers(model)


def freeze_first(model: Any, names: Any) -> int:
    model.get_layer(names[0]).trainable = False
    return trainable_numbers(model)


def misspell_on_model(model: Any, names: Any) -> int:  # noqa: ARG001
    model.trainalble = False
    return 0


def zero_weights(model: Any, names: Any) -> Any:
    count = frozen()(model, names)
    model.set_weights([0 * weight for weight in model.get_weights()])
    return count


RIGHT: Right = {
    "content_loss": [
        content_loss,
        lambda features, targets: public_content_loss(
            {layer: features[layer] for layer in targets}, targets
        ),
        content(distance=lambda f, p: tf.reduce_mean((f - p) ** 2) / tf.reduce_mean(p**2)),
    ],
    "unit_range": [
        unit_range,
        lambda pixels: (
            pixels if np.issubdtype(pixels.dtype, np.floating) else pixels / np.float32(255)
        ),
    ],
    "freeze": [
        frozen(),
        frozen(count=lambda model, _: float(trainable_numbers(model))),
    ],
}

# Each line: a wrong answer, and words of the hint that it must get.
WRONG: Wrong = {
    "content_loss": [
        (content(distance=lambda f, p: tf.reduce_mean(f - p) ** 2), "cancel"),
        (
            content(distance=lambda f, p: tf.reduce_mean(f - p) ** 2 / tf.reduce_mean(p**2)),
            "cancel",
        ),
        (
            content(distance=lambda f, p: tf.reduce_mean(f - p) ** 2, combine=tf.add_n),
            "cancel: square first, then take the mean. And take the mean over the layers.",
        ),
        (content(distance=lambda f, p: squares(f - p)), "not divided by Σ P²"),
        (content(distance=lambda f, p: tf.reduce_mean((f - p) ** 2)), "divide by mean(P²)"),
        (content(distance=lambda f, p: squares(f - p) / 2), "half the sum of squares"),
        (content(distance=lambda f, p: squares(f - p) / squares(f)), "picture's own features"),
        (
            content(distance=lambda f, p: squares(f - p) / tf.reduce_sum(p) ** 2),
            "square the values first",
        ),
        (
            content(distance=lambda f, p: tf.reduce_mean((f - p) ** 2) / squares(p)),
            "take the same of both",
        ),
        (
            content(distance=lambda f, p: tf.reduce_sum(tf.abs(f - p)) / tf.reduce_sum(tf.abs(p))),
            "absolute differences",
        ),
        (content(distance=lambda f, p: tf.norm(f - p) / tf.norm(p)), "square roots"),
        (
            content(distance=lambda f, p: squares(gram_tf(f) - gram_tf(p)) / squares(gram_tf(p))),
            "forget places",
        ),
        (content(combine=tf.add_n), "sum over the layers"),
        (content(combine=tf.stack), "one value for each layer"),
        (content(layers=lambda targets: list(targets)[:1]), "first layer alone"),
        (content(layers=lambda targets: list(targets)[-1:]), "last layer alone"),
        (
            lambda features, targets: content_loss(features, targets, layers=lambda _: features),
            "raised KeyError",
        ),
        (content(combine=np.mean), "no gradient for shallow, deep, deepest"),
        (
            content(
                distance=lambda f, p: tf.reduce_sum(tf.stop_gradient(f - p) * (f - p)) / squares(p)
            ),
            "disagrees with finite differences",
        ),
    ],
    "unit_range": [
        (lambda pixels: np.float32(pixels / 255), "divided by 255 once more"),
        (lambda pixels: np.float32(pixels), "nothing is divided"),
        (
            lambda pixels: np.float32(pixels / 255 if pixels.max() > 1 else pixels),
            "look at the dtype",
        ),
        (lambda pixels: np.float32(pixels / pixels.max()), "its own largest value"),
        (lambda pixels: np.float32((pixels - pixels.min()) / np.ptp(pixels)), "stretched"),
        (lambda pixels: np.float32(np.clip(pixels, 0, 1)), "clipped"),
        (
            lambda pixels: np.float32(pixels if pixels.dtype == np.uint8 else pixels / 255),
            "the cases are swapped",
        ),
        (lambda pixels: pixels // 255 if pixels.dtype == np.uint8 else pixels, "whole numbers"),
        (
            lambda pixels: np.float32(pixels / 256) if pixels.dtype == np.uint8 else pixels,
            "divided by 256",
        ),
        (
            lambda pixels: np.float32(pixels if pixels.dtype == np.uint8 else pixels * 255),
            "this is 0..255",
        ),
        (
            lambda pixels: pixels / 255.0 if pixels.dtype == np.uint8 else pixels,
            "dtype is float64",
        ),
    ],
    "freeze": [
        (frozen(lambda layer: setattr(layer, "trainalble", False)), "'trainalble', which Keras"),
        (misspell_on_model, "'trainalble', which Keras"),
        (frozen(lambda layer: layer), "no layer is frozen"),
        (freeze_all, "all the layers are frozen"),
        (freeze_others, "the other way round"),
        (freeze_first, "block1, block3, block4, it freezes block1."),
        (frozen(count=lambda model, _: len(model.trainable_weights)), "how many arrays"),
        (frozen(count=lambda model, _: model.count_params()), "the frozen numbers are counted"),
        (
            frozen(count=lambda model, _: model.count_params() - trainable_numbers(model)),
            "how many numbers are frozen",
        ),
        (frozen(count=lambda _, names: len(names)), "how many layers were frozen"),
        (frozen(count=lambda *_: 0), "it gives 0 where 16 is right"),
        (freeze_in_silence, "in silence"),
        (zero_weights, "values changed"),
    ],
}


class TestExercises(ExerciseTests):
    lesson = "06"
    right = RIGHT
    wrong = WRONG
