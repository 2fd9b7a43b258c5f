"""Checks of the exercises of lesson 06, content and style."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from nstlib.course.exercises._engine import (
    Answer,
    Array,
    Raised,
    Wrong,
    array_of,
    call_answer,
    compare,
    exercise,
    numbers,
)
from nstlib.course.exercises._parts import check_slope
from nstlib.course.exercises.lesson_03 import gram_matrix


def content_loss(features: Mapping[str, Any], targets: Mapping[str, Any]) -> Any:
    """Return the mean, over the layers, of Σ(F - P)² / Σ P².

    `features` and `targets` map layers to tensors (H, W, C): those of the picture, F, and those of
    the content, P. The layers of `targets` are the ones that count. The result is a scalar tensor,
    and TensorFlow can differentiate it.
    """
    from nstlib._tensorflow import tf

    differences = [
        tf.reduce_sum((features[layer] - target) ** 2) / tf.reduce_sum(target**2)
        for layer, target in targets.items()
    ]
    return tf.add_n(differences) / len(differences)


@exercise(content_loss)
def _check_content_loss(answer: Answer) -> str:
    from nstlib._tensorflow import tf

    shapes = {"shallow": (4, 3, 2), "deep": (2, 3, 4), "deepest": (1, 3, 5)}
    found = {layer: numbers(shape, 9, i) for i, (layer, shape) in enumerate(shapes.items())}
    wanted = {layer: numbers(shape, 4, 9 + i) for i, (layer, shape) in enumerate(shapes.items())}

    def each(distance: Callable[[Array, Array], Any]) -> Array:
        return np.array([distance(found[layer], wanted[layer]) for layer in wanted])

    cancels = (
        "the mean is taken before the square, so that opposite errors cancel: square first, then "
        "take the mean."
    )
    mixed = "a mean is divided by a sum, or a sum by a mean; take the same of both."
    right = each(lambda f, p: ((f - p) ** 2).sum() / (p**2).sum())
    by_layer = [
        (cancels, each(lambda f, p: (f - p).mean() ** 2)),
        (cancels, each(lambda f, p: (f - p).mean() ** 2 / (p**2).mean())),
        (cancels, each(lambda f, p: (f - p).mean() ** 2 / p.mean() ** 2)),
        (cancels, each(lambda f, p: (f - p).sum() ** 2 / (p**2).sum())),
        (
            "it is not divided by Σ P², so it is not relative.",
            each(lambda f, p: ((f - p) ** 2).sum()),
        ),
        ("it is not relative: divide by mean(P²).", each(lambda f, p: ((f - p) ** 2).mean())),
        (
            "this is half the sum of squares, as in Gatys et al. (2016); here it is relative: "
            "Σ(F - P)² / Σ P².",
            each(lambda f, p: ((f - p) ** 2).sum() / 2),
        ),
        (
            "it is divided by the size of the picture's own features; divide by the content's.",
            each(lambda f, p: ((f - p) ** 2).sum() / (f**2).sum()),
        ),
        (
            "it is divided by (Σ P)²; square the values first: Σ P².",
            each(lambda f, p: ((f - p) ** 2).sum() / p.sum() ** 2),
        ),
        (mixed, each(lambda f, p: ((f - p) ** 2).mean() / (p**2).sum())),
        (mixed, each(lambda f, p: ((f - p) ** 2).sum() / (p**2).mean())),
        (
            "these are absolute differences; square them, and the content's values, too.",
            each(lambda f, p: np.abs(f - p).sum() / np.abs(p).sum()),
        ),
        ("these are square roots; leave the ratios squared.", right**0.5),
        (
            "this compares Gram matrices, which forget places; compare the features position by "
            "position.",
            each(
                lambda f, p: (
                    ((gram_matrix(f) - gram_matrix(p)) ** 2).sum() / (gram_matrix(p) ** 2).sum()
                )
            ),
        ),
    ]
    known = [
        ("this is the sum over the layers; take the mean.", right.sum()),
        ("this is one value for each layer; return their mean.", right),
        ("this is the first layer alone; take the mean over all of `targets`.", right[0]),
        ("this is the last layer alone; take the mean over all of `targets`.", right[-1]),
        *((hint, values.mean()) for hint, values in by_layer),
        *(
            (f"{hint} And take the mean over the layers.", values.sum())
            for hint, values in by_layer
        ),
    ]
    # A layer that only the style needs: it does not count.
    features = {layer: tf.constant(maps) for layer, maps in found.items()}
    features["for the style"] = tf.ones((2, 2, 1))
    targets = {layer: tf.constant(maps) for layer, maps in wanted.items()}
    compare(
        answer,
        content_loss,
        [(features, targets)],
        [(hint, lambda *_, v=v: v) for hint, v in known],
    )
    compared = {layer: features[layer] for layer in targets}
    check_slope(answer, compared, targets)
    return "Every position counts, relative to the content, and gradients flow to every layer."


def unit_range(pixels: Array) -> Array:
    """Turn what ``plt.imread`` gives into float32 in [0, 1].

    Matplotlib gives the pixels of a JPEG as uint8 in 0..255, and those of a PNG as float32 in
    [0, 1] already. `pixels` (H, W, 3) may be either.
    """
    if pixels.dtype == np.uint8:
        return (pixels / 255).astype(np.float32)
    return pixels.astype(np.float32)


@exercise(unit_range)
def _check_unit_range(answer: Answer) -> str:
    jpeg = (13 * np.arange(18) + 20).reshape(2, 3, 3).astype(np.uint8)
    png = jpeg[::-1].astype(np.float32) / np.float32(256)
    # Taken at night: no value above 1 in 0..255.
    night = np.array([[[0, 1, 0], [1, 1, 0]]], np.uint8)

    def by_maximum(limit: float) -> Answer:
        return lambda x: x / np.float32(255) if x.max() > limit else x

    compare(
        answer,
        unit_range,
        [(jpeg,), (png,), (night,)],
        [
            (
                "a PNG's values lie in [0, 1] already, and are divided by 255 once more: the "
                "picture is nearly black.",
                lambda x: x / np.float32(255),
            ),
            (
                "nothing is divided; a JPEG's values lie in 0..255.",
                lambda x: x,
            ),
            (
                "this looks at the largest value to tell the two apart, and a JPEG of the night "
                "sky may have none above 1; look at the dtype.",
                by_maximum(1.0),
            ),
            (
                "each picture is divided by its own largest value, which makes it brighter; divide "
                "by the largest that the dtype can hold.",
                lambda x: x / np.float32(x.max()),
            ),
            (
                "each picture is stretched from its darkest to its brightest value; divide by 255 "
                "and no more.",
                lambda x: (x - np.float32(x.min())) / (np.float32(x.max()) - np.float32(x.min())),
            ),
            (
                "everything above 1 is clipped; a JPEG's values are divided by 255 instead.",
                lambda x: np.clip(x, 0, 1),
            ),
            (
                "the cases are swapped: PNG gives floats in [0, 1], JPEG uint8 in 0..255.",
                lambda x: x if x.dtype == np.uint8 else x / np.float32(255),
            ),
            (
                "the values were cut to whole numbers by //; divide with /.",
                lambda x: x // 255 if x.dtype == np.uint8 else x,
            ),
            (
                "it is divided by 256; white is 255, and should become 1.",
                lambda x: x / np.float32(256) if x.dtype == np.uint8 else x,
            ),
            (
                "this is 0..255; divide the uint8 pixels by 255 instead of multiplying the floats.",
                lambda x: x if x.dtype == np.uint8 else x * 255,
            ),
        ],
        dtype=lambda _: np.dtype(np.float32),
    )
    return "JPEG and PNG give the same picture, float32 in [0, 1], a dark one too."


def freeze(model: Any, names: Sequence[str]) -> int:
    """Freeze the layers of a Keras model that `names` lists; leave the others as they are.

    Return how many numbers training can still change. A name that no layer has is an error, and
    raises a ValueError.
    """
    for name in names:
        model.get_layer(name).trainable = False  # get_layer raises the error
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


@exercise(freeze)
def _check_freeze(answer: Answer) -> str:
    from nstlib._tensorflow import keras

    def network() -> Any:
        layers = [keras.layers.Dense(2 + i, name=f"block{i}") for i in (1, 2, 3, 4)]
        return keras.Sequential([keras.Input((2,)), *layers])

    def settings(part: Any) -> set[str]:
        return {name for name in vars(part) if not name.startswith("_")}

    names = ["block1", "block3", "block4"]
    model = network()
    parts = [model, *model.layers]
    known, values = [*map(settings, parts)], model.get_weights()
    result = array_of(call_answer(answer, model, names))
    if result.shape:
        raise Wrong(f"the result has shape {result.shape}; it should be one number.")
    for part, before in zip(parts, known, strict=True):
        for name in sorted(settings(part) - before):
            raise Wrong(
                f"it sets {name!r}, which Keras does not know: Python makes a new attribute, and "
                "nothing is frozen. The attribute is spelt trainable."
            )
    frozen = [layer.name for layer in model.layers if not layer.trainable]
    if frozen != names:
        everything = [layer.name for layer in model.layers]
        if not frozen:
            raise Wrong("no layer is frozen: set the trainable of each named layer to False.")
        if frozen == everything:
            raise Wrong("all the layers are frozen; freeze the named ones alone.")
        if frozen == [name for name in everything if name not in names]:
            raise Wrong(
                "the named layers can be trained and the others are frozen; it should be the other "
                "way round."
            )
        raise Wrong(f"asked to freeze {', '.join(names)}, it freezes {', '.join(frozen)}.")
    if not all(map(np.array_equal, values, model.get_weights())):
        raise Wrong("the weights' values changed; freezing leaves them as they are.")
    counts = {
        "this is how many arrays training can change; count the numbers in them.": len(
            model.trainable_weights
        ),
        "the frozen numbers are counted, too; count those that training can still change.": (
            model.count_params()
        ),
        "this is how many numbers are frozen; count those that training can still change.": sum(
            weight.size
            for layer in model.layers
            if not layer.trainable
            for weight in layer.get_weights()
        ),
        "this is how many layers were frozen; count the numbers that can still change.": len(names),
    }
    compare(
        lambda: result,
        lambda: freeze(network(), names),
        [()],
        [(hint, lambda count=count: count) for hint, count in counts.items()],
    )
    try:
        call_answer(answer, network(), ["block1", "blokc3"])
    except Raised:
        return "The named layers are frozen, the others are not, and a misspelt name is an error."
    raise Wrong(
        "it passes over 'blokc3', a name that no layer has, in silence: raise a ValueError, as "
        "model.get_layer does."
    )
