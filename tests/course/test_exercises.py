"""The exercises' checks: the reference passes, each planted mistake gets its own hint."""

from __future__ import annotations

import inspect
import math
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
import scipy.linalg
import scipy.ndimage
import skimage.filters
import skimage.measure
from hypothesis import given, settings
from hypothesis import strategies as st

from nstlib import check as public_check
from nstlib.compose import composite as public_composite
from nstlib.course.exercises._engine import EXERCISES, check, evaluate
from nstlib.errors import ArgumentError
from nstlib.losses import Statistics, channel_statistics
from nstlib.losses import content_loss as public_content_loss
from nstlib.losses import style_loss as public_style_loss
from nstlib.losses import total_variation_loss as public_total_variation
from nstlib.video.steady import flicker as public_flicker

tf = pytest.importorskip("tensorflow")

MEAN = np.array([103.939, 116.779, 123.68])
Answer = Callable[..., Any]


def rows(x: Any) -> Any:
    return np.reshape(x, (-1, x.shape[-1]))


def gram(x: Any) -> Any:
    F = rows(x)
    return F.T @ F / len(F)


def gram_tf(x: Any) -> Any:
    return tf.einsum("hwi,hwj->ij", x, x) / (x.shape[0] * x.shape[1])


def in_place(image: Any) -> Any:
    image[...] = image[..., ::-1].copy()
    return image


def preprocess_in_place(image: Any) -> Any:
    image *= 255
    return image[..., ::-1] - MEAN


def to_blob(image: Any) -> Any:
    return (image.transpose(2, 0, 1)[None] / 255).astype(np.float32)


def over_white(rgba: Any) -> Any:
    return rgba[..., :3] * rgba[..., 3:4] + 1 - rgba[..., 3:4]


def receptive_field(layers: Any) -> int:
    # From the output back to the input: another way to the same number.
    size = 1
    for kernel, stride in reversed(layers):
        size = (size - 1) * stride + kernel
    return size


def field(first: int = 1, jump_first: bool = False, backwards: bool = False) -> Answer:
    def answer(layers: Any) -> int:
        size, jump = first, 1
        for kernel, stride in layers[::-1] if backwards else layers:
            if jump_first:
                jump *= stride
            size += (kernel - 1) * jump
            if not jump_first:
                jump *= stride
        return size

    return answer


def covariance(x: Any) -> Any:
    return np.cov(rows(x).T, bias=True)


def covariance_tf(x: Any) -> Any:
    return gram_tf(x - tf.reduce_mean(x, axis=[0, 1]))


def weights(mask: Any) -> Any:
    return np.ravel(mask) / np.sum(mask)


def mean_of(x: Any, share: Any) -> Any:
    return np.einsum("p,pc->c", share, rows(x))


def spread(x: Any, mean: Any, share: Any) -> Any:
    return np.einsum("p,pi,pj->ij", share, rows(x) - mean, rows(x) - mean)


def region_covariance(features: Any, mask: Any) -> Any:
    return spread(features, mean_of(features, weights(mask)), weights(mask))


def weighted_in_place(features: Any, mask: Any) -> Any:
    mask /= mask.sum()
    return region_covariance(features, mask)


def squares(difference: Any) -> Any:
    return tf.reduce_sum(difference**2)


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
    for layer, (mean, covariance) in targets.items():
        target = covariance + tf.tensordot(mean, mean, axes=0)
        differences.append(squares(gram_tf(features[layer]) - target) / squares(target))
    return tf.reduce_mean(differences)


def gradient(loss: Any, image: Any) -> Any:
    with tf.GradientTape() as tape:
        tape.watch(image)
        value = loss(image)
    return tape.gradient(value, image)


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


def by_parts(seconds: Any, factors: Any) -> float:
    new = 0.0
    for second, factor in zip(seconds, factors, strict=True):
        new += second / factor
    return float(sum(seconds)) / new


def standard(y: Any) -> Any:
    return (y - np.mean(y)) / np.std(y)


def lower(image: Any, ddof: int = 0) -> Any:
    return np.linalg.cholesky(np.cov(rows(image), rowvar=False, ddof=ddof))


def recoloured(
    image: Any, reference: Any, matrix: Any, old: Any = None, new: Any = None, turn: bool = True
) -> Any:
    old = rows(image).mean(0) if old is None else old
    new = rows(reference).mean(0) if new is None else new
    return (image - old) @ (matrix.T if turn else matrix) + new


def cholesky(image: Any, reference: Any, **changes: Any) -> Any:
    return recoloured(image, reference, lower(reference) @ np.linalg.inv(lower(image)), **changes)


def triangular_solve(image: Any, reference: Any) -> Any:
    white = scipy.linalg.solve_triangular(
        lower(image, 1), (rows(image) - rows(image).mean(0)).T, lower=True
    )
    return (lower(reference, 1) @ white).T.reshape(image.shape) + rows(reference).mean(0)


def from_second_moments(
    share: Any, mean_a: Any, covariance_a: Any, mean_b: Any, covariance_b: Any
) -> Any:
    mean = share * mean_a + (1 - share) * mean_b
    moments = share * (covariance_a + np.outer(mean_a, mean_a))
    moments = moments + (1 - share) * (covariance_b + np.outer(mean_b, mean_b))
    return moments - np.outer(mean, mean)


def merged(between: Answer, shares: Answer = lambda p: (p, 1 - p)) -> Answer:
    def answer(share: Any, mean_a: Any, covariance_a: Any, mean_b: Any, covariance_b: Any) -> Any:
        of_a, of_b = shares(share)
        return of_a * covariance_a + of_b * covariance_b + between(share, mean_a - mean_b)

    return answer


def steps(image: Any) -> tuple[Any, Any]:
    return image[:, 1:] - image[:, :-1], image[1:] - image[:-1]


def roughness(change: Answer = lambda r, d: np.mean(r**2) + np.mean(d**2)) -> Answer:
    return lambda image: change(*steps(image))


def roughness_slope(
    image: Any, factor: float = 2, up: float = 1, down: float = 1, axes: Any = (0, 1)
) -> Any:
    # The other way round: for each pixel, what its neighbours are told.
    slope = np.zeros(image.shape)
    for axis in axes:
        x, out = np.moveaxis(image, axis, 0), np.moveaxis(slope, axis, 0)
        share = factor / (x[1:]).size
        for i in range(len(x)):
            if i:
                out[i] += up * share * (x[i] - x[i - 1])
            if i + 1 < len(x):
                out[i] += down * share * (x[i] - x[i + 1])
    return slope


def taped_slope(image: Any) -> Any:
    return gradient(public_total_variation, tf.convert_to_tensor(image))


def wrapped_slope(image: Any, factor: float = 1) -> Any:
    around = sum(np.roll(image, shift, axis) for shift in (1, -1) for axis in (0, 1))
    return factor * (4 * image - around)


def unbeaten(style: Any, roughness: Any) -> Any:
    def beats(i: int, j: int) -> bool:
        no_worse = style[i] <= style[j] and roughness[i] <= roughness[j]
        return no_worse and (style[i], roughness[i]) != (style[j], roughness[j])

    runs = range(len(style))
    return np.array([not any(beats(i, j) for i in runs) for j in runs])


def by_sorting(style: Any, roughness: Any) -> Any:
    """Walk along the runs from the best style on: each one worth a look is smoother than before."""
    kept = np.zeros(len(style), bool)
    best = np.inf
    for i in np.lexsort([roughness, style]):
        equal = any(
            kept[j] and (style[j], roughness[j]) == (style[i], roughness[i])
            for j in range(len(style))
        )
        kept[i] = roughness[i] < best or equal
        best = min(best, roughness[i])
    return kept


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


def person_blob(bgr: Any, change: Answer = lambda x: (x / 255 - 0.5) / 0.5) -> Any:
    channels = [change(bgr[..., i].astype(np.float32)) for i in (2, 1, 0)]
    return np.stack(channels)[None].astype(np.float32)


def by_opencv(bgr: Any) -> Any:
    return cv2.dnn.blobFromImage(bgr, 1 / 127.5, mean=(127.5,) * 3, swapRB=True)


def counts(mask: Any, truth: Any) -> tuple[int, int, int, int]:
    """Pixels that both call a person, only the mask, only the truth, and neither."""
    table = np.bincount(2 * np.ravel(truth) + np.ravel(mask), minlength=4)
    return int(table[3]), int(table[1]), int(table[2]), int(table[0])


def ratio(above: float, below: float, absent: float = 1.0) -> float:
    return above / below if below else absent


def measured(of_class: Answer, combine: Answer = lambda a, b: (a + b) / 2) -> Answer:
    """`of_class` takes what is in both, only in the mask, only in the truth."""

    def answer(mask: Any, truth: Any) -> Any:
        both, extra, missing, neither = counts(mask, truth)
        return combine(of_class(both, extra, missing), of_class(neither, missing, extra))

    return answer


def iou_of(both: int, extra: int, missing: int) -> float:
    return ratio(both, both + extra + missing)


def unguarded_iou(mask: Any, truth: Any) -> Any:
    with np.errstate(invalid="ignore"):
        return np.mean([np.sum(m & t) / np.sum(m | t) for m, t in [(mask, truth), (~mask, ~truth)]])


def flooded(
    probability: Any,
    low: float,
    high: float,
    neighbours: Any = ((0, 1), (1, 0), (0, -1), (-1, 0)),
    rounds: int = 99,
) -> Any:
    """Spread from the sure pixels to their neighbours, round by round."""
    sure = probability > high
    for _ in range(rounds):
        padded = np.pad(sure, 1)
        for dy, dx in neighbours:
            sure = sure | padded[1 + dy :, 1 + dx :][: len(sure), : len(sure[0])]
        sure &= probability > low
    return sure


CORNERS = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]


def region_numbers(probability: Any, low: float) -> Any:
    return skimage.measure.label(probability > low, connectivity=1)


def by_region(test: Answer) -> Answer:
    def answer(probability: Any, low: float, high: float) -> Any:
        mask = np.zeros(probability.shape, bool)
        numbers = region_numbers(probability, low)
        for number in range(1, numbers.max() + 1):
            mask |= (numbers == number) & test(probability[numbers == number], high)
        return mask

    return answer


def biggest_region(probability: Any, low: float, high: float) -> Any:  # noqa: ARG001
    numbers = region_numbers(probability, low)
    return numbers == np.bincount(numbers[numbers > 0]).argmax()


def over(foreground: Any, background: Any, alpha: Any, back: Answer = lambda a: 1 - a) -> Any:
    channels = [
        foreground[..., i] * alpha + background[..., i] * back(alpha)
        for i in range(foreground.shape[-1])
    ]
    return np.stack(channels, axis=-1)


def unmixed(change: Answer, fill: Answer = lambda x, b: x) -> Answer:  # noqa: ARG005
    """Pixel by pixel: `change` where some foreground shows, `fill` where none does."""

    def answer(image: Any, background: Any, alpha: Any) -> Any:
        clean = np.empty(image.shape)
        for place, a in np.ndenumerate(alpha):
            x, b = image[place].astype(float), background[place].astype(float)
            clean[place] = change(x, b, float(a)) if a > 0 else fill(x, b)
        return np.clip(clean, 0, 1)

    return answer


def without_guard(image: Any, background: Any, alpha: Any) -> Any:
    a = alpha[..., None]
    return np.clip((image - (1 - a) * background) / a, 0, 1)


def unclipped(image: Any, background: Any, alpha: Any) -> Any:
    a = np.where(alpha > 0, alpha, 1)[..., None]
    return np.where(alpha[..., None] > 0, (image - (1 - a) * background) / a, image)


def changes(
    source: Any,
    result: Any,
    counts_if: Answer = lambda old, new: (old == new).all(),
    size: Answer = np.abs,
) -> list[float]:
    """All the changes that count, collected pixel by pixel."""
    found: list[float] = []
    for t in range(1, len(source)):
        for place in np.ndindex(source.shape[1:3]):
            if counts_if(source[t - 1][place], source[t][place]):
                found += [float(v) for v in size(result[t][place] - result[t - 1][place])]
    return found


def steadied(
    mattes: Any,
    source: Any,
    keep: float,
    still_if: Answer = lambda old, new: (old == new).all(),
    rule: Answer = lambda matte, before, old, keep: matte + keep * (before - matte),  # noqa: ARG005
    moved: Answer = lambda matte, before, keep: matte,  # noqa: ARG005
) -> Any:
    steady = mattes.astype(float)
    for t in range(1, len(mattes)):
        for place in np.ndindex(mattes.shape[1:]):
            matte, before, old = mattes[t][place], steady[t - 1][place], mattes[t - 1][place]
            if still_if(source[t - 1][place], source[t][place]):
                steady[t][place] = rule(matte, before, old, keep)
            else:
                steady[t][place] = moved(matte, before, keep)
    return steady


def pictures(count: Answer = math.ceil) -> Answer:
    return lambda training, optimiser, network: (
        count(training / (optimiser - network)) if optimiser > network else math.inf
    )


def one_by_one(training: float, optimiser: float, network: float) -> float:
    return next((n for n in range(10_000) if training + n * network <= n * optimiser), float("inf"))


def standardised(
    x: Any,
    gamma: Any,
    beta: Any,
    axes: Any = (1, 2),
    epsilon: float = 1e-5,
    power: float = 0.5,
    ddof: int = 0,
) -> Any:
    centred = x - np.mean(x, axes, keepdims=True)
    variance = np.var(x, axes, keepdims=True, ddof=ddof) + epsilon
    return gamma * centred / variance**power + beta


def instance(**changes: Any) -> Answer:
    return lambda features, gamma, beta: standardised(features, gamma, beta, **changes)


def instance_tf(features: Any, gamma: Any, beta: Any) -> Any:
    mean, variance = tf.nn.moments(features, axes=[1, 2], keepdims=True)
    return tf.nn.batch_normalization(features, mean, variance, beta, gamma, 1e-5)


def instance_keras(features: Any, gamma: Any, beta: Any) -> Any:
    layer = tf.keras.layers.GroupNormalization(groups=-1, epsilon=1e-5)
    layer.build(features.shape)
    layer.set_weights([gamma, beta])
    return layer(features)


def covered(kernel: int, stride: int, length: int) -> Any:
    # Inputs one stride apart, smeared over the kernel.
    comb = np.zeros((length - 1) * stride + 1, int)
    comb[::stride] = 1
    return np.convolve(comb, np.ones(kernel, int))


def asked_by_outputs(kernel: int, stride: int, length: int) -> list[int]:
    return [
        sum(0 <= place - stride * i < kernel for i in range(length))
        for place in range((length - 1) * stride + kernel)
    ]


def one_input_doubled(kernel: Any) -> Any:
    size = len(kernel)
    doubled = np.zeros(2 * size)
    doubled[size - 1 : size + 1] = 1
    return np.correlate(doubled, kernel, "valid")


def apart(measure: Answer = lambda d: np.abs(d).max(), empty: float = np.inf) -> Answer:
    def answer(one: Any, other: Any) -> Any:
        if np.shape(one) != np.shape(other):
            return np.inf
        difference = np.subtract(one, other, dtype=np.float64)
        return empty if np.isnan(difference).any() else measure(difference)

    return answer


def wrapping(one: Any, other: Any) -> Any:
    return np.abs(one - other).max() if one.dtype == np.uint8 else apart()(one, other)


def repeating(one: Any, other: Any) -> Any:
    return np.abs(np.subtract(one, other, dtype=np.float64)).max()


def in_multiples(
    mode: Any = "reflect",
    least: int = 0,
    crop: Answer = lambda x, height, width: x[:height, :width],
) -> Answer:
    def answer(network: Any, image: Any) -> Any:
        height, width = image.shape[:2]
        below, beside = (-side % 4 or least for side in (height, width))
        padded = np.pad(image, ((0, below), (0, beside), (0, 0)), mode)
        return crop(network(padded), height, width)

    return answer


def in_multiples_by_opencv(network: Any, image: Any) -> Any:
    height, width = image.shape[:2]
    border = (0, -height % 4, 0, -width % 4, cv2.BORDER_REFLECT_101)
    return network(cv2.copyMakeBorder(image, *border))[:height, :width]


def folded(
    bias: Answer = lambda c, s, b, m: (c - m) * s + b,
    scale: Answer = lambda g, v: g / np.sqrt(v + 1e-5),
) -> Answer:
    def answer(weights: Any, gamma: Any, beta: Any, mean: Any, variance: Any) -> Any:
        s = scale(gamma, variance)
        return np.column_stack([weights[:, :-1] * s[:, None], bias(weights[:, -1], s, beta, mean)])

    return answer


def folded_by_probing(weights: Any, gamma: Any, beta: Any, mean: Any, variance: Any) -> Any:
    # What both steps make of no input, and of each input alone.
    def both(x: Any) -> Any:
        y = weights[:, :-1] @ x + weights[:, -1]
        return gamma * (y - mean) / np.sqrt(variance + 1e-5) + beta

    inputs = weights.shape[1] - 1
    constant = both(np.zeros(inputs))
    return np.column_stack([*(both(one) - constant for one in np.eye(inputs)), constant])


RIGHT: dict[str, list[Answer]] = {
    "rgb_to_bgr": [
        lambda image: image[..., ::-1],
        lambda image: np.stack([image[..., 2], image[..., 1], image[..., 0]], axis=-1),
        lambda image: tf.reverse(image, [-1]),
    ],
    "to_blob": [to_blob],
    "over_white": [
        over_white,
        lambda rgba: 1 - rgba[..., 3:] * (1 - rgba[..., :3]),
        lambda rgba: tf.cast(over_white(rgba), tf.float64),
    ],
    "caffe_preprocess": [
        lambda image: image[..., ::-1] * 255 - MEAN,
        lambda image: (255 * image - MEAN[::-1])[..., ::-1],
        lambda image: tf.keras.applications.vgg19.preprocess_input(image * 255),
    ],
    "receptive_field": [receptive_field, field(), lambda layers: float(receptive_field(layers))],
    "sparsity": [
        lambda features: 1 - np.count_nonzero(features) / features.size,
        lambda features: tf.reduce_mean(tf.cast(tf.equal(features, 0), tf.float32)),
        lambda features: tf.nn.zero_fraction(features),
    ],
    "gram_matrix": [
        gram,
        gram_tf,
        lambda features: np.einsum("hwi,hwj->ij", features, features) / features[..., 0].size,
        # Methods that only tensors have: the check falls back on tensors.
        lambda features: gram(features.numpy()),
    ],
    "relative_difference": [
        lambda gram, target: ((gram - target) ** 2).mean() / (target**2).mean(),
        lambda gram, target: np.sum((gram - target) ** 2) / np.sum(target**2),
        lambda gram, target: tf.reduce_mean((gram - target) ** 2) / tf.reduce_mean(target**2),
    ],
    "region_covariance": [
        region_covariance,
        # E[xy] - E[x]E[y], and with NumPy's own weights.
        lambda features, mask: (
            spread(features, 0, weights(mask))
            - np.multiply.outer(*[mean_of(features, weights(mask))] * 2)
        ),
        lambda features, mask: np.cov(rows(features).T, bias=True, aweights=np.ravel(mask)),
        lambda features, mask: channel_statistics(features, mask).covariance,
    ],
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
    "total_variation": [
        roughness(),
        lambda image: public_total_variation(image),
        lambda image: sum(np.square(np.diff(image, axis=axis)).mean() for axis in (0, 1)),
    ],
    "total_variation_gradient": [roughness_slope, taped_slope],
    "unbeaten": [
        unbeaten,
        by_sorting,
        lambda style, roughness: unbeaten(style, roughness).astype(int),
        lambda style, roughness: [bool(kept) for kept in unbeaten(style, roughness)],
    ],
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
    "overall_speedup": [
        by_parts,
        lambda seconds, factors: 1 / np.sum(seconds / np.sum(seconds) / factors),
    ],
    "match_brightness": [
        lambda brightness, reference: standard(brightness) * reference.std() + reference.mean(),
        lambda brightness, reference: tf.convert_to_tensor(
            np.mean(reference) + standard(brightness) * np.std(reference)
        ),
    ],
    "cholesky_colors": [cholesky, triangular_solve],
    "merged_covariance": [
        from_second_moments,
        merged(lambda p, d: p * (1 - p) * d[:, None] * d),
    ],
    "break_even": [pictures(), one_by_one, lambda t, o, n: float(one_by_one(t, o, n))],
    "instance_normalization": [instance(), instance_tf, instance_keras],
    "overlaps": [covered, asked_by_outputs],
    "transposed_kernel": [
        one_input_doubled,
        lambda kernel: np.append(0, kernel[::-1]) + np.append(kernel[::-1], 0),
    ],
    "largest_difference": [apart(), lambda one, other: float(apart()(one, other))],
    "pad_run_crop": [in_multiples(), in_multiples_by_opencv],
    "folded_convolution": [folded(), folded_by_probing],
    "person_blob": [
        person_blob,
        by_opencv,
        lambda bgr: person_blob(bgr, lambda x: x / 127.5 - 1),
    ],
    "mean_iou": [
        measured(iou_of),
        lambda mask, truth: np.mean(
            [iou_of(*counts(mask, truth)[:3]), iou_of(*counts(~mask, ~truth)[:3])]
        ),
    ],
    "hysteresis": [
        flooded,
        by_region(lambda values, high: values.max() > high),
        skimage.filters.apply_hysteresis_threshold,
        lambda probability, low, high: 1 * flooded(probability, low, high),
    ],
    "composite": [
        over,
        lambda foreground, background, alpha: (
            background + alpha[..., None] * (foreground - background)
        ),
        lambda foreground, background, alpha: tf.convert_to_tensor(
            over(foreground, background, alpha)
        ),
    ],
    "clean_foreground": [
        unmixed(lambda x, b, a: (x - (1 - a) * b) / a),
        unmixed(lambda x, b, a: b + (x - b) / a),
    ],
    "flicker": [
        lambda source, result: np.mean(changes(source, result)),
        lambda source, result: np.average(
            np.abs(result[1:] - result[:-1]).mean(-1),
            weights=(np.abs(source[1:] - source[:-1]).sum(-1) == 0),
        ),
    ],
    "steady_mattes": [
        steadied,
        lambda mattes, source, keep: steadied(mattes, source, keep).astype(np.float32),
    ],
}

# Each line: a wrong answer, and words of the hint that it must get.
WRONG: dict[str, list[tuple[Answer, str]]] = {
    "rgb_to_bgr": [
        (lambda image: image, "unchanged"),
        (lambda image: image[..., [1, 0, 2]], "red and green changed places"),
        (lambda image: image[..., [0, 2, 1]], "green and blue changed places"),
        (lambda image: image[::-1], "upside down"),
        (lambda image: image[:, ::-1], "mirrored"),
        (lambda image: np.flip(image), "all three axes"),
        (lambda image: image[..., [1, 2, 0]], "by one place"),
        (lambda image: image[..., ::-1].astype(np.float64), "dtype is float64"),
        (lambda image: image[..., ::-1] / 255, "every value is 255 times too small"),
        (lambda image: image[..., ::-1].transpose(2, 0, 1), "shape (3, 2, 3)"),
        (in_place, "changes the array it was given"),
    ],
    "to_blob": [
        (lambda image: to_blob(image)[0], "batch axis is missing"),
        (lambda image: image[None] / 255, "channels come last"),
        (lambda image: image / 255, "layout is still"),
        (lambda image: image.T[None] / 255, "height and width changed places"),
        (lambda image: image.transpose(2, 0, 1)[None].astype("f4"), "not scaled"),
        (lambda image: image.transpose(2, 0, 1)[None], "not scaled"),
        (lambda image: to_blob(image).astype(np.uint8), "whole numbers"),
        (lambda image: to_blob(image).astype(np.float64), "dtype is float64"),
        (lambda image: to_blob(image[..., ::-1]), "BGR order"),
        (lambda image: image.reshape(1, 3, *image.shape[:2]) / 255, "scrambled"),
        (lambda image: image.reshape(1, 3, *image.shape[:2]), "scrambled"),
        (lambda image: to_blob(image) / 255, "every value is 255 times too small"),
    ],
    "over_white": [
        (lambda rgba: rgba[..., :3], "alpha is dropped"),
        (lambda rgba: rgba[..., :3] * rgba[..., 3:], "over black"),
        (lambda rgba: rgba[..., :3] * (1 - rgba[..., 3:]) + rgba[..., 3:], "inverted"),
        (lambda rgba: np.dstack([over_white(rgba), rgba[..., 3:]]), "4 channels"),
        (lambda rgba: np.dstack([rgba[..., :3], np.ones((2, 3))]), "4 channels"),
        (lambda rgba: rgba[..., :3] + 1 - rgba[..., 3:], "premultiplied"),
        (lambda rgba: np.minimum(rgba[..., :3] + 1 - rgba[..., 3:], 1), "premultiplied"),
        (lambda rgba: rgba[..., :3] * rgba[..., 3:] + 255 * (1 - rgba[..., 3:]), "white is 255"),
        (lambda rgba: rgba[..., :3] * rgba[..., 3] + 1 - rgba[..., 3], "raised ValueError"),
    ],
    "caffe_preprocess": [
        (lambda image: image[..., ::-1] - MEAN, "not multiplied by 255"),
        (lambda image: image * 255 - MEAN, "RGB order"),
        (lambda image: image * 255 - MEAN[::-1], "still in RGB order"),
        (lambda image: image[..., ::-1] * 255 - MEAN[::-1], "means are subtracted in RGB order"),
        (lambda image: (image[..., ::-1] - MEAN) * 255, "before the values are multiplied"),
        (lambda image: image[..., ::-1] - MEAN / 255, "means are divided by 255"),
        (lambda image: image[..., ::-1] * 255, "not subtracted"),
        (
            lambda image: (image[..., ::-1] * 255 - MEAN) / [57.375, 57.12, 58.395],
            "standard deviations",
        ),
        (lambda image: image / 0.5 - 1, "127.5"),
        (preprocess_in_place, "changes the array it was given"),
    ],
    "receptive_field": [
        (lambda layers: sum(kernel for kernel, _ in layers), "adds up the kernels"),
        (lambda layers: 1 + sum(kernel - 1 for kernel, _ in layers), "strides are ignored"),
        (field(first=0), "1 too small"),
        (field(first=2), "1 too large"),
        (field(jump_first=True), "not for its own kernel"),
        (field(backwards=True), "wrong end"),
        (lambda layers: int(np.prod([kernel for kernel, _ in layers])), "multiplied"),
        (lambda layers: [field()(layers[:n]) for n in range(len(layers))], "should be one number"),
        (lambda layers: 224, "it gives 224 where 5 is right"),  # noqa: ARG005
    ],
    "sparsity": [
        (lambda features: np.count_nonzero(features) / features.size, "not zero"),
        (lambda features: 100 * np.mean(features == 0), "percentage"),
        (lambda features: np.sum(features == 0), "this is a count"),
        (lambda features: np.mean(features == 0, axis=(0, 1)), "for each channel"),
        (lambda features: np.mean(features <= 0), "below zero"),
        (lambda features: np.mean(np.isclose(features, 0, atol=1e-3)), "small values"),
        (lambda features: np.sum(features == 0) / features[..., 0].size, "H·W·C"),
        (lambda features: features == 0, "should be one number"),
        (lambda features: str(np.mean(features == 0)), "type str"),
    ],
    "gram_matrix": [
        (lambda features: gram(features) * features[..., 0].size, "not divided by H·W"),
        (lambda features: gram_tf(features) * features[..., 0].size, "not divided by H·W"),
        (lambda features: gram(features) / features.shape[-1], "divided by H·W·C"),
        (lambda features: rows(features) @ rows(features).T, "FFᵀ"),
        (
            lambda features: gram(features.reshape(features.shape[-1], -1).T),
            "mixes positions and channels",
        ),
        (covariance, "covariance"),
        (lambda features: gram(features)[None], "batch axis"),
        (lambda features: features.transpose(0, 2, 1) @ features, "for each row"),
        (lambda features: rows(features) @ rows(features), "raised ValueError"),
        (lambda features: gram(features) * 2, "every value is 2 times too large"),
        (lambda features: -3 * gram(features), "every value is -3 times"),
        (lambda features: gram(features) + np.eye(features.shape[-1]), "is right"),
        (lambda features: gram(features) * np.nan, "NaN"),
        (lambda features: {"gram": gram(features)}, "type dict"),
    ],
    "relative_difference": [
        (lambda gram, target: np.mean((gram - target) ** 2), "not relative"),
        (lambda gram, target: np.mean((gram - target) ** 2) / np.mean(gram**2), "target"),
        (lambda gram, target: np.mean(gram - target) ** 2 / np.mean(target**2), "cancel"),
        (lambda gram, target: np.mean(gram - target) ** 2, "cancel"),
        (
            lambda gram, target: np.linalg.norm(gram - target) / np.linalg.norm(target),
            "square root",
        ),
        (
            lambda gram, target: np.sum((gram - target) ** 2) / np.mean(target**2),
            "a sum is divided by a mean",
        ),
        (lambda gram, target: np.mean((gram - target) ** 2) / np.mean(target) ** 2, "mean(A)²"),
        (lambda gram, target: np.abs(gram - target).mean() / np.abs(target).mean(), "absolute"),
        (lambda gram, target: (gram - target) ** 2 / np.mean(target**2), "for each entry"),
    ],
    "region_covariance": [
        (lambda features, mask: covariance(features), "mask is not used"),  # noqa: ARG005
        (lambda features, mask: region_covariance(features, 1 - mask), "of the rest"),
        (lambda features, mask: spread(features, 0, weights(mask)), "Gram matrix"),
        (lambda features, mask: covariance(features * mask[..., None]), "compared with zeros"),
        (
            lambda features, mask: spread(features, rows(features).mean(0), weights(mask)),
            "means are of the whole picture",
        ),
        (
            lambda features, mask: spread(
                features, mean_of(features, weights(mask)), mask.ravel() / mask.size
            ),
            "it is divided by H·W; divide",
        ),
        (
            lambda features, mask: spread(
                features, mean_of(features, mask.ravel() / mask.size), mask.ravel() / mask.size
            ),
            "so are the means",
        ),
        (
            lambda features, mask: spread(
                features, mean_of(features, mask.ravel() / mask.size), weights(mask)
            ),
            "the means are divided by H·W",
        ),
        (
            lambda features, mask: spread(features, mean_of(features, weights(mask)), mask.ravel()),
            "not divided by the sum",
        ),
        (
            lambda features, mask: spread(
                features, mean_of(features, weights(mask)), mask.ravel() ** 2 / mask.sum()
            ),
            "counts squared",
        ),
        (
            lambda features, mask: spread(
                features, mean_of(features, weights(mask)), weights(mask**2)
            ),
            "counts squared",
        ),
        (lambda features, mask: covariance(features[mask > 0][:, None]), "made hard"),
        (lambda features, mask: covariance(features[mask > 0.5][:, None]), "made hard"),
        (lambda features, mask: np.diag(region_covariance(features, mask)), "the diagonal"),
        (lambda features, mask: 2 * region_covariance(features, mask), "2 times too large"),
        (weighted_in_place, "changes the array it was given"),
    ],
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
    "total_variation": [
        (roughness(lambda r, d: np.abs(r).mean() + np.abs(d).mean()), "absolute steps; square"),
        (lambda image: tf.image.total_variation(image), "tf.image.total_variation"),
        (roughness(lambda r, d: np.mean(r**2)), "only the steps to the right"),  # noqa: ARG005
        (roughness(lambda r, d: np.mean(d**2)), "only the steps downwards"),  # noqa: ARG005
        (roughness(lambda r, d: (np.mean(r**2) + np.mean(d**2)) / 2), "averaged; add them"),
        (
            roughness(lambda r, d: np.mean(np.concatenate([r.ravel(), d.ravel()]) ** 2)),
            "share one mean",
        ),
        (roughness(lambda r, d: np.sum(r**2) + np.sum(d**2)), "these are sums; take means."),
        (
            lambda image: roughness(lambda r, d: np.sum(r**2) + np.sum(d**2))(image) / image.size,
            "divided by the number of pixels",
        ),
        (roughness(lambda r, d: np.mean(r) ** 2 + np.mean(d) ** 2), "cancel"),
        (
            roughness(lambda r, d: np.mean(r**2, axis=(0, 1)) + np.mean(d**2, axis=(0, 1))),
            "one number for each colour",
        ),
        (
            lambda image: sum(np.mean((image - np.roll(image, 1, a)) ** 2) for a in (0, 1)),
            "wraps round",
        ),
        (lambda image: np.mean(np.diff(image) ** 2), "between colours"),
        (
            roughness(lambda r, d: np.sqrt(np.mean(r**2)) + np.sqrt(np.mean(d**2))),
            "these are square roots",
        ),
        (lambda image: np.sqrt(roughness()(image)), "this is the square root"),
        (lambda image: np.mean(image**2), "it gives"),
    ],
    "total_variation_gradient": [
        (lambda image: -roughness_slope(image), "the sign is turned"),
        (lambda image: roughness_slope(image, factor=1), "the factor 2 is missing: "),
        (
            lambda image: (
                roughness_slope(image, axes=[0]) * image[1:].size
                + roughness_slope(image, axes=[1]) * image[:, 1:].size
            ),
            "not divided by the numbers of steps: ",
        ),
        (
            lambda image: (
                roughness_slope(image, axes=[0], factor=1) * image[1:].size
                + roughness_slope(image, axes=[1], factor=1) * image[:, 1:].size
            ),
            "and the factor 2 is missing",
        ),
        (
            lambda image: (
                (
                    roughness_slope(image, axes=[0]) * image[1:].size
                    + roughness_slope(image, axes=[1]) * image[:, 1:].size
                )
                / image.size
            ),
            "divided by the number of pixels",
        ),
        (lambda image: roughness_slope(image, axes=[1]), "steps downwards are missing"),
        (lambda image: roughness_slope(image, axes=[0]), "steps to the right are missing"),
        (lambda image: roughness_slope(image, down=0), "only the end that it leads to"),
        (lambda image: roughness_slope(image, up=0), "only the end that it leaves"),
        (lambda image: roughness_slope(image, down=-1), "both ends get the same sign"),
        (wrapped_slope, "wraps round"),
        (lambda image: wrapped_slope(image, 2), "wraps round"),
        (lambda image: wrapped_slope(image, 2 / image.size), "wraps round"),
        (roughness(), "this is the loss"),
        (lambda image: 3 * roughness_slope(image), "every value is 3 times too large"),
    ],
    "unbeaten": [
        (lambda style, roughness: ~unbeaten(style, roughness), "runs that are beaten"),
        (lambda style, roughness: np.where(unbeaten(style, roughness))[0], "numbers of the runs"),
        (
            lambda style, roughness: np.array(
                [
                    not np.any((style < s) & (roughness < r))
                    for s, r in zip(style, roughness, strict=True)
                ]
            ),
            "better in both counts",
        ),
        (
            lambda style, roughness: np.array(
                [
                    not np.any((style <= s) & (roughness <= r))
                    for s, r in zip(style, roughness, strict=True)
                ]
            ),
            "beaten by itself",
        ),
        (
            lambda style, roughness: np.array(
                [
                    kept and (s, r) not in [*zip(style[:i], roughness[:i], strict=True)]
                    for i, (s, r, kept) in enumerate(
                        zip(style, roughness, unbeaten(style, roughness), strict=True)
                    )
                ]
            ),
            "two equal runs",
        ),
        (
            lambda style, roughness: np.array(
                [
                    not np.any((style < s) | (roughness < r))
                    for s, r in zip(style, roughness, strict=True)
                ]
            ),
            "taken to be enough",
        ),
        (lambda style, roughness: style == min(style), "least style loss alone"),  # noqa: ARG005
        (lambda style, roughness: roughness == min(roughness), "smoothest run alone"),  # noqa: ARG005
        (
            lambda style, roughness: (style == min(style)) | (roughness == min(roughness)),
            "the best in each loss",
        ),
        (lambda style, roughness: style + roughness == min(style + roughness), "are added"),
    ],
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
    "overall_speedup": [
        (lambda seconds, factors: np.prod(factors), "factors are multiplied"),  # noqa: ARG005
        (lambda seconds, factors: np.mean(factors), "mean of the factors"),  # noqa: ARG005
        (lambda seconds, factors: np.average(factors, weights=seconds), "weighted by the old"),
        (
            lambda seconds, factors: 1 / np.mean(1 / factors),  # noqa: ARG005
            "each part counts alike",
        ),
        (lambda seconds, factors: max(factors), "largest factor"),  # noqa: ARG005
        (lambda seconds, factors: 1 / by_parts(seconds, factors), "upside down"),
        (lambda seconds, factors: sum(seconds) / by_parts(seconds, factors), "the new time"),
        (
            lambda seconds, factors: sum(seconds) - sum(seconds) / by_parts(seconds, factors),
            "seconds that are saved",
        ),
        (lambda seconds, factors: 1 - 1 / by_parts(seconds, factors), "share of the time"),
        (lambda seconds, factors: sum(seconds) / (seconds @ factors), "makes the run slower"),
        (lambda seconds, factors: seconds / (seconds / factors), "one value for each part"),
    ],
    "match_brightness": [
        (lambda brightness, reference: brightness + 0, "unchanged"),  # noqa: ARG005
        (
            lambda brightness, reference: brightness + reference.mean() - brightness.mean(),
            "only the mean is moved",
        ),
        (lambda brightness, reference: standard(brightness) * reference.std(), "mean is 0"),
        (
            lambda brightness, reference: (
                brightness / brightness.std() * reference.std() + reference.mean()
            ),
            "not subtracted",
        ),
        (
            lambda brightness, reference: brightness / brightness.std() * reference.std(),
            "means and all",
        ),
        (
            lambda brightness, reference: (
                standard(brightness) * reference.std()
                + reference.mean() * reference.std() / brightness.std()
            ),
            "the new mean is scaled, too",
        ),
        (
            lambda brightness, reference: brightness / brightness.mean() * reference.mean(),
            "ratio of the means",
        ),
        (
            lambda brightness, reference: (
                standard(brightness) * reference.var() / brightness.std() + reference.mean()
            ),
            "variances",
        ),
        (
            lambda brightness, reference: (
                standard(brightness) * brightness.var() / reference.std() + reference.mean()
            ),
            "upside down",
        ),
        (lambda brightness, reference: standard(brightness), "mean 0 and standard deviation 1"),  # noqa: ARG005
        (
            lambda brightness, reference: np.interp(
                brightness,
                [brightness.min(), brightness.max()],
                [reference.min(), reference.max()],
            ),
            "range is stretched",
        ),
        (
            lambda brightness, reference: np.clip(
                standard(brightness) * reference.std() + reference.mean(), 0, 1
            ),
            "clipped",
        ),
        (
            lambda brightness, reference: (
                standard(reference) * brightness.std() + brightness.mean()
            ),
            "roles are changed",
        ),
    ],
    "cholesky_colors": [
        (
            lambda image, reference: recoloured(
                image,
                reference,
                scipy.linalg.sqrtm(covariance(reference))
                @ np.linalg.inv(scipy.linalg.sqrtm(covariance(image))),
            ),
            "symmetric roots",
        ),
        (lambda image, reference: cholesky(image, reference, turn=False), "is transposed"),
        (
            lambda image, reference: recoloured(
                image, reference, np.linalg.inv(lower(image)) @ lower(reference)
            ),
            "in the wrong order",
        ),
        (
            lambda image, reference: recoloured(
                image,
                reference,
                scipy.linalg.cholesky(covariance(reference))
                @ np.linalg.inv(scipy.linalg.cholesky(covariance(image))),
            ),
            "upper triangular",
        ),
        (
            lambda image, reference: recoloured(
                image, reference, covariance(reference) @ np.linalg.inv(covariance(image))
            ),
            "in place of their factors",
        ),
        (
            lambda image, reference: recoloured(
                image, reference, lower(image) @ np.linalg.inv(lower(reference))
            ),
            "L and L̂ are exchanged",
        ),
        (
            lambda image, reference: recoloured(image, reference, lower(reference) @ lower(image)),
            "not inverted",
        ),
        (
            lambda image, reference: recoloured(image, reference, lower(reference)),
            "own covariance is not taken away",
        ),
        (
            lambda image, reference: recoloured(image, reference, np.linalg.inv(lower(image))),
            "only whitened",
        ),
        (
            lambda image, reference: (
                (image - rows(image).mean(0)) / rows(image).std(0) * rows(reference).std(0)
                + rows(reference).mean(0)
            ),
            "each channel is scaled alone",
        ),
        (
            lambda image, reference: recoloured(image, reference, np.eye(3)),
            "only the mean is moved",
        ),
        (lambda image, reference: cholesky(image, reference, old=0.0), "not subtracted"),
        (lambda image, reference: cholesky(image, reference, new=0.0), "the mean is 0"),
        (lambda image, reference: np.clip(cholesky(image, reference), 0, 1), "clipped"),
        (lambda image, reference: rows(cholesky(image, reference)), "shape (12, 3)"),
    ],
    "merged_covariance": [
        (merged(lambda p, d: 0), "only what varies within"),  # noqa: ARG005
        (
            lambda share, *rest: from_second_moments(1 - share, *rest),
            "the shares are changed: `share` is the first region's.",
        ),
        (
            merged(lambda p, d: 0, lambda p: (1 - p, p)),  # noqa: ARG005
            "first region's. And the distance",
        ),
        (lambda share, *rest: from_second_moments(0.5, *rest), "both regions count alike"),  # noqa: ARG005
        (
            merged(lambda p, d: 0, lambda p: (0.5, 0.5)),  # noqa: ARG005
            "And the distance of the means adds",
        ),
        (merged(lambda p, d: 0, lambda p: (1, 1)), "without their shares"),  # noqa: ARG005
        (merged(lambda p, d: np.outer(d, d)), "has the weight"),  # noqa: ARG005
        (merged(lambda p, d: p * np.outer(d, d)), "has the weight"),
        (merged(lambda p, d: p * (p - 1) * np.outer(d, d)), "is subtracted"),
        (merged(lambda p, d: p * (1 - p) * np.diag(d**2)), "each channel with itself alone"),
        (merged(lambda p, d: p * (1 - p) * np.sum(d**2)), "is one number"),
        (
            lambda share, mean_a, covariance_a, mean_b, covariance_b: (
                share * (covariance_a + np.outer(mean_a, mean_a))
                + (1 - share) * (covariance_b + np.outer(mean_b, mean_b))
            ),
            "Gram matrix of the whole",
        ),
        (lambda *given: np.diag(from_second_moments(*given)), "the diagonal"),
    ],
    "break_even": [
        (pictures(lambda n: n), "round up"),
        (pictures(math.floor), "one picture too few"),
        (pictures(round), "rounded to the nearest"),
        (pictures(lambda n: math.floor(n) + 1), "the division leaves no rest"),
        (lambda training, optimiser, network: math.ceil(training / optimiser), "own time"),  # noqa: ARG005
        (lambda training, optimiser, network: training / optimiser, "own time"),  # noqa: ARG005
        (lambda training, optimiser, network: math.ceil(training / network), "could be trained"),  # noqa: ARG005
        (lambda training, optimiser, network: optimiser / network, "times faster"),  # noqa: ARG005
        (
            lambda training, optimiser, network: math.ceil(training / (optimiser + network)),
            "their difference",
        ),
        (
            lambda training, optimiser, network: math.ceil(training / (optimiser - network)),
            "never catches up",
        ),
        (
            lambda training, optimiser, network: (
                math.inf if optimiser < network else math.ceil(training / (optimiser - network))
            ),
            "raised ZeroDivisionError",
        ),
    ],
    "instance_normalization": [
        (lambda features, gamma, beta: features, "unchanged"),  # noqa: ARG005
        (instance(axes=(0, 1, 2)), "this is batch normalization"),
        (instance(axes=(1, 2, 3)), "over the channels as well"),
        (instance(axes=3), "the channels of one position"),
        (instance(axes=1), "over one axis alone"),
        (instance(axes=2), "over one axis alone"),
        (instance(axes=(0, 1, 2, 3)), "for the whole batch"),
        (lambda features, gamma, beta: standardised(features, 1, 0), "are left out"),  # noqa: ARG005
        (lambda features, gamma, beta: standardised(features, gamma, 0), "beta is left out"),  # noqa: ARG005
        (lambda features, gamma, beta: standardised(features, 1, beta), "gamma is left out"),  # noqa: ARG005
        (lambda features, gamma, beta: standardised(features, beta, gamma), "changed places"),
        (
            lambda features, gamma, beta: gamma * (standardised(features, 1, 0) + beta),
            "gamma also multiplies beta",
        ),
        (instance(power=1), "by the variance"),
        (instance(power=0), "not divided by the root"),
        (
            lambda features, gamma, beta: (
                gamma * features / np.sqrt(np.var(features, (1, 2), keepdims=True) + 1e-5) + beta
            ),
            "the mean is not subtracted",
        ),
        (instance(ddof=1), "positions less 1"),
        (instance(epsilon=0), "add 1e-5"),
        (
            lambda features, gamma, beta: standardised(features, gamma, beta)[0],
            "the result has shape",
        ),
    ],
    "overlaps": [
        (lambda *given: np.minimum(covered(*given), 1), "as if kernels did not overlap"),
        (lambda *given: np.ones(len(covered(*given))), "as if kernels did not overlap"),
        (lambda kernel, stride, length: covered(1, stride, length), "shape (7,)"),  # noqa: ARG005
        (
            lambda kernel, stride, length: np.append(
                covered(1, stride, length), np.zeros(kernel - 1)
            ),
            "only the first output",
        ),
        (lambda kernel, stride, length: covered(stride, kernel, length), "changed places"),
        (
            lambda kernel, stride, length: covered(kernel, stride, length)[: length * stride],
            "leave its ends",
        ),
        (
            lambda kernel, stride, length: covered(kernel, stride, length)[
                (kernel - stride) // 2 : (kernel - stride) // 2 + length * stride
            ],
            "leave its ends",
        ),
        (lambda kernel, stride, length: np.ones(kernel * length), "side by side"),  # noqa: ARG005
        (lambda kernel, stride, length: covered(kernel, 1, length), "they move by `stride`"),  # noqa: ARG005
        (lambda kernel, stride, length: np.full(length, kernel), "for each input"),  # noqa: ARG005
    ],
    "transposed_kernel": [
        (lambda kernel: kernel, "unchanged"),
        (lambda kernel: np.convolve(kernel, [1, 1]), "turned round"),
        (lambda kernel: one_input_doubled(kernel) / 2, "each sum is halved"),
        (lambda kernel: np.append(kernel[::-1], 0), "the other one goes one place further"),
        (lambda kernel: np.append(0, kernel[::-1]), "the other one goes one place further"),
        (lambda kernel: np.repeat(kernel[::-1], 2), "two neighbours add up"),
        (lambda kernel: np.repeat(kernel, 2), "two neighbours add up"),
        (lambda kernel: one_input_doubled(kernel)[1:-1], "the two ends are missing"),
    ],
    "largest_difference": [
        (apart(lambda d: np.abs(d).mean()), "the differences are averaged"),
        (apart(lambda d: (d**2).mean()), "the squares are averaged"),
        (apart(lambda d: np.sqrt((d**2).mean())), "the squares are averaged"),
        (apart(lambda d: (d**2).max()), "the largest square"),
        (apart(np.max), "the sign counts"),
        (apart(lambda d: np.abs(d.max())), "the sign is taken away too late"),
        (lambda one, other: np.abs(np.max(one) - np.max(other)), "place by place"),
        (lambda one, other: np.abs(one - other), "one value for each place"),
        (lambda one, other: np.abs(one - other).max() / np.abs(other).max(), "on the scale"),
        (lambda one, other: np.abs(one - other).sum(), "are added up"),
        (wrapping, "1 - 2 is 255"),
        (repeating, "were compared all the same"),
        (apart(empty=np.nan), "would let it pass"),
        (apart(empty=0.0), "would let it pass"),
    ],
    "pad_run_crop": [
        (lambda network, image: network(image), "takes multiples of 4, and got 7 × 10"),
        (lambda network, image: image, "was not run"),  # noqa: ARG005
        (in_multiples(crop=lambda x, height, width: x), "not cropped"),  # noqa: ARG005
        (in_multiples("constant"), "padded with zeros"),
        (in_multiples("edge"), "the border is repeated"),
        (in_multiples("symmetric"), "repeats the border itself"),
        (in_multiples("wrap"), "the opposite side"),
        (in_multiples(least=4), "it needs none"),
        (in_multiples(crop=lambda x, height, width: x[-height:, -width:]), "at the wrong end"),
        (
            lambda network, image: network(np.flip(image, (0, 1))),
            "takes multiples of 4, and got 7 × 10",
        ),
        (
            lambda network, image: np.flip(in_multiples()(network, np.flip(image, (0, 1))), (0, 1)),
            "above and on the left",
        ),
        (
            lambda network, image: network(image[: len(image) // 4 * 4, : image.shape[1] // 4 * 4]),
            "its edge is lost",
        ),
    ],
    "folded_convolution": [
        (lambda weights, *rest: weights, "unchanged"),  # noqa: ARG005
        (
            lambda weights, gamma, beta, mean, variance: np.column_stack(
                [
                    weights[:, :-1] * gamma / np.sqrt(variance + 1e-5),
                    folded()(weights, gamma, beta, mean, variance)[:, -1],
                ]
            ),
            "the columns are scaled",
        ),
        (folded(lambda c, s, b, m: c + b - m * s), "the bias is not scaled"),
        (folded(lambda c, *_: c), "the bias is left"),
        (folded(lambda c, s, b, m: b - m * s), "the old bias is lost"),  # noqa: ARG005
        (folded(lambda c, s, b, m: c * s + b), "the mean is not subtracted"),  # noqa: ARG005
        (folded(lambda c, s, b, m: c * s - m + b), "it is scaled, too"),
        (folded(lambda c, s, b, m: (c + m) * s + b), "the mean is added"),
        (folded(lambda c, s, b, m: (c - m) * s), "beta is left out"),  # noqa: ARG005
        (folded(lambda c, s, b, m: (c - m + b) * s), "it is added last"),
        (folded(scale=lambda g, v: g / (v + 1e-5)), "divided by the variance"),
        (folded(scale=lambda g, v: g * np.sqrt(v + 1e-5)), "multiplied by the root"),
        (folded(scale=lambda g, v: 1 / np.sqrt(v + 1e-5)), "gamma is left out"),  # noqa: ARG005
        (folded(scale=lambda g, v: g), "not divided by the root"),  # noqa: ARG005
        (folded(scale=lambda g, v: g / np.sqrt(v)), "never changed in training"),
        (lambda *given: folded()(*given).T, "shape (4, 3)"),
    ],
    "person_blob": [
        (lambda bgr: person_blob(bgr)[:, ::-1], "still in BGR order"),
        (lambda bgr: person_blob(bgr, lambda x: x / 255), "lie in [0, 1]"),
        (lambda bgr: person_blob(bgr, lambda x: x / 255 - 0.5), "lie in [-0.5, 0.5]"),
        (lambda bgr: person_blob(bgr, lambda x: x / 255 / 0.5 - 0.5), "subtracted last"),
        (lambda bgr: person_blob(bgr, lambda x: (x - 0.5) / 0.5), "not divided by 255"),
        (lambda bgr: person_blob(bgr, lambda x: x), "still those of the pixels"),
        (lambda bgr: person_blob(bgr)[0], "batch axis is missing"),
        (lambda bgr: person_blob(bgr).transpose(0, 2, 3, 1), "channels come last"),
        (lambda bgr: person_blob(bgr)[0].transpose(1, 2, 0), "layout is still"),
        (lambda bgr: person_blob(bgr).transpose(0, 1, 3, 2), "changed places"),
        (
            lambda bgr: person_blob(bgr)[0].transpose(1, 2, 0).reshape(1, 3, *bgr.shape[:2]),
            "scrambled",
        ),
        (lambda bgr: person_blob(bgr).astype(np.float64), "dtype is float64"),
    ],
    "mean_iou": [
        (measured(iou_of, lambda person, _: person), "the person's IoU alone"),
        (measured(iou_of, lambda _, background: background), "the background's IoU alone"),
        (
            measured(lambda both, e, m: ratio(both, both + e + m, absent=0)),
            "counts as 0 here",
        ),
        (unguarded_iou, "0 / 0 gives NaN"),
        (measured(iou_of, lambda a, b: a + b), "divide by two"),
        (lambda mask, truth: np.mean(mask == truth), "the accuracy"),
        (
            lambda mask, truth: (
                (counts(mask, truth)[0] + counts(mask, truth)[3])
                / (mask.size + sum(counts(mask, truth)[1:3]))
            ),
            "pooled",
        ),
        (measured(lambda both, _, m: ratio(both, both + m, absent=0)), "recall"),
        (measured(lambda both, e, _: ratio(both, both + e, absent=0)), "precision"),
        (measured(lambda both, e, m: ratio(2 * both, 2 * both + e + m)), "Dice"),
        (measured(lambda both, e, m: ratio(both, 2 * both + e + m, absent=0)), "counts twice"),
        (lambda mask, truth: measured(iou_of)(~mask, truth), "its opposite"),
        (lambda mask, truth: mask & truth, "should be one number"),
    ],
    "hysteresis": [
        (lambda probability, low, high: probability > low, "everything above `low`"),  # noqa: ARG005
        (lambda probability, low, high: probability > high, "only pixels above `high`"),  # noqa: ARG005
        (
            lambda probability, low, high: flooded(probability, low, high, CORNERS),
            "touch at a corner",
        ),
        (
            lambda probability, low, high: flooded(probability, low, high, rounds=1),
            "a single step",
        ),
        (by_region(lambda values, high: np.mean(values) > high), "mean of a region"),
        (by_region(lambda values, high: (values > high).all()), "all of a region's pixels"),
        (biggest_region, "the largest region"),
        (
            lambda probability, low, high: (low < probability) & ~(high < probability),
            "between the two thresholds",
        ),
        (by_region(lambda values, high: values.max() <= high), "without a pixel above"),
        (
            # The thresholds exchanged: every region above `high` holds a pixel above `low`.
            lambda probability, low, high: flooded(probability, high, low),
            "only pixels above `high`",
        ),
        (
            lambda probability, low, high: (
                scipy.ndimage.label(probability > low)[0] * flooded(probability, low, high)
            ),
            "the numbers of the regions",
        ),
    ],
    "composite": [
        (lambda foreground, background, alpha: over(background, foreground, alpha), "exchanged"),
        (
            lambda foreground, background, alpha: over(foreground, background, alpha > 0.5),
            "compared with a threshold",
        ),
        (
            lambda foreground, background, alpha: over(foreground, background, alpha.round() > 0),
            "compared with a threshold",
        ),
        (
            lambda foreground, background, alpha: over(foreground, background, alpha >= 0.5),
            "compared with a threshold",
        ),
        (
            lambda foreground, background, alpha: over(foreground, background, 1.0 * (alpha > 0)),
            "above 0 only",
        ),
        (
            lambda foreground, background, alpha: over(foreground, background, 1.0 * (alpha == 1)),
            "only where alpha is 1",
        ),
        (
            lambda foreground, background, alpha: over(foreground, 0 * background, alpha),
            "background is missing",
        ),
        (
            lambda foreground, background, alpha: over(0 * foreground, background, alpha),
            "foreground is missing",
        ),
        (
            lambda foreground, background, alpha: over(
                foreground, background, alpha, lambda a: 1 + 0 * a
            ),
            "background is added whole",
        ),
        (
            lambda foreground, background, alpha: (
                foreground + over(0 * foreground, background, alpha)
            ),
            "already multiplied by alpha",
        ),
        (
            lambda foreground, background, alpha: over(foreground, background, alpha**0 / 2),
            "half of each",
        ),
        (
            lambda foreground, background, alpha: over(foreground, background, alpha)[..., 0],
            "should be of shape",
        ),
    ],
    "clean_foreground": [
        (lambda image, background, alpha: image, "the image is unchanged"),  # noqa: ARG005
        (unclipped, "not clipped"),
        (without_guard, "divides by 0"),
        (
            unmixed(lambda x, b, a: (x - (1 - a) * b) / a, lambda x, b: 0 * x),  # noqa: ARG005
            "returns black",
        ),
        (
            unmixed(lambda x, b, a: (x - (1 - a) * b) / a, lambda x, b: b),  # noqa: ARG005
            "returns the background",
        ),
        (
            lambda image, background, alpha: without_guard(
                image, background, np.maximum(alpha, 1e-6)
            ),
            "by next to nothing",
        ),
        (unmixed(lambda x, b, a: x - (1 - a) * b), "not divided by alpha"),
        (unmixed(lambda x, b, a: x / a - (1 - a) * b), "before the background is taken away"),
        (unmixed(lambda x, b, a: x / a), "is not taken away"),  # noqa: ARG005
        (unmixed(lambda x, b, a: (x - b) / a), "all of the background"),
        (unmixed(lambda x, b, a: (x - a * b) / a), "1 - alpha that shows"),
        (over, "once more"),
    ],
    "flicker": [
        (
            lambda source, result: np.mean(
                changes(source, result, lambda old, new: True)  # noqa: ARG005
            ),
            "all pixels are counted",
        ),
        (
            lambda source, result: np.mean(
                changes(source, result, lambda old, new: (old != new).any())
            ),
            "whose source changed",
        ),
        (lambda source, result: np.mean(changes(source, result, size=np.square)), "squared"),
        (lambda source, result: np.mean(changes(source, result, size=np.asarray)), "cancel"),
        (lambda source, result: np.sum(changes(source, result)), "added up"),
        (
            lambda source, result: np.sum(changes(source, result)) / result[1:].size,
            "still divided by",
        ),
        (
            lambda source, result: np.mean(
                np.abs(np.diff(result, axis=0))[np.diff(source, axis=0) == 0]
            ),
            "each channel is looked at alone",
        ),
        (
            lambda source, result: np.mean(
                np.concatenate(
                    [changes(source[[0, t]], result[[0, t]]) or [] for t in range(1, len(source))]
                )
            ),
            "compared with the first",
        ),
        (lambda source, result: np.abs(source - result).mean(), "compared with its source"),
        (lambda source, result: np.max(changes(source, result)), "the largest change"),
        (
            lambda source, result: 3 * np.mean(changes(source, result)),
            "channels' changes are added",
        ),
        (lambda source, result: changes(source, result)[:2], "should be one number"),
    ],
    "steady_mattes": [
        (lambda mattes, source, keep: mattes, "unchanged"),  # noqa: ARG005
        (lambda mattes, source, keep: steadied(mattes, source, 1 - keep), "are exchanged"),
        (
            lambda mattes, source, keep: steadied(
                mattes, source, keep, moved=lambda m, before, k: k * before + (1 - k) * m
            ),
            "leaves a ghost",
        ),
        (
            lambda mattes, source, keep: steadied(
                mattes, source, keep, lambda old, new: (old != new).any()
            ),
            "smooth where it stands still",
        ),
        (
            lambda mattes, source, keep: steadied(
                mattes,
                source,
                keep,
                rule=lambda m, before, old, k: k * old + (1 - k) * m,  # noqa: ARG005
            ),
            "the matte before is mixed in",
        ),
        (
            lambda mattes, source, keep: steadied(
                np.concatenate([0 * mattes[:1], mattes]),
                np.concatenate([source[:1], source]),
                keep,
            )[1:],
            "mixed with zeros",
        ),
        (lambda mattes, source, keep: steadied(mattes, source, keep)[1:], "first matte is missing"),
        (
            lambda mattes, source, keep: steadied(
                mattes,
                source,
                keep,
                rule=lambda m, before, old, k: before,  # noqa: ARG005
            ),
            "taken as it is",
        ),
        (
            lambda mattes, source, keep: steadied(
                mattes, source, keep, lambda old, new: (old == new).any()
            ),
            "look at all three",
        ),
    ],
}

WRONG_CASES = [
    pytest.param(name, answer, hint, id=f"{name}-{hint}")
    for name, answers in WRONG.items()
    for answer, hint in answers
]


def test_every_exercise_is_tested() -> None:
    assert set(RIGHT) == set(WRONG) == set(EXERCISES)
    assert all(len({hint for _, hint in answers}) >= 4 for answers in WRONG.values())


@pytest.mark.parametrize("name", EXERCISES)
def test_the_reference_and_other_right_answers_pass(name: str) -> None:
    for answer in [EXERCISES[name].reference, *RIGHT[name]]:
        verdict = evaluate(name, answer)
        assert verdict.passed, verdict.message
        assert verdict.message.startswith(f"✓ {name}: right. ")


@pytest.mark.parametrize(("name", "answer", "hint"), WRONG_CASES)
def test_a_planted_mistake_gets_its_hint(name: str, answer: Answer, hint: str) -> None:
    verdict = evaluate(name, answer)
    assert not verdict.passed
    assert verdict.message.startswith(f"✗ {name}: ")
    assert hint in verdict.message


@pytest.mark.parametrize("name", EXERCISES)
def test_a_stub_is_still_open(name: str) -> None:
    parameters = ", ".join(inspect.signature(EXERCISES[name].reference).parameters)
    space: dict[str, Any] = {}
    exec(
        f"def stub({parameters}): ...\n"
        f"def unwritten({parameters}): raise NotImplementedError\n"
        f"def dots({parameters}): return ...\n",
        space,
    )
    for answer in (space["stub"], space["unwritten"], space["dots"], None, ...):
        verdict = evaluate(name, answer)
        assert not verdict.passed
        assert verdict.message == (
            f"○ {name}: still open. Write the body, then run this cell again."
        )


@pytest.mark.parametrize("name", EXERCISES)
def test_an_answer_that_raises_is_reported_in_one_line(name: str) -> None:
    def answer(*_: object) -> None:
        raise KeyError("conv1\nand a second line")

    message = evaluate(name, answer).message
    assert message == f"✗ {name}: it raised KeyError: 'conv1\\nand a second line'"


@pytest.mark.parametrize("name", EXERCISES)
def test_a_result_of_another_shape_never_breaks_a_check(name: str) -> None:
    def answer(*_: object) -> Any:
        return np.zeros((1, 2, 3, 4, 5))

    message = evaluate(name, answer).message
    assert "the result has shape (1, 2, 3, 4, 5); it should be" in message


@pytest.mark.parametrize("name", EXERCISES)
def test_wrong_numbers_never_break_a_check(name: str) -> None:
    reference = EXERCISES[name].reference

    def answer(*arguments: Any) -> Any:
        return np.asarray(reference(*arguments)) + 0.37

    assert evaluate(name, answer).message.startswith(f"✗ {name}: ")


@pytest.mark.parametrize("name", EXERCISES)
def test_parameters_are_checked_before_the_answer_is_called(name: str) -> None:
    verdict = evaluate(name, lambda: 1)
    wanted = ", ".join(inspect.signature(EXERCISES[name].reference).parameters)
    assert verdict.message == f"✗ {name}: its parameters are (); the check calls {name}({wanted})."


def test_what_is_not_a_function() -> None:
    verdict = evaluate("gram_matrix", np.eye(3))
    assert not verdict.passed
    assert 'nst.check("gram_matrix", gram_matrix)' in verdict.message
    assert "ndarray" in verdict.message


def test_a_function_without_a_signature_is_called_all_the_same() -> None:
    assert "raised TypeError" in evaluate("sparsity", dict.fromkeys).message


def test_an_unknown_name_lists_the_exercises() -> None:
    with pytest.raises(ArgumentError, match=r"gram_matirx.*rgb_to_bgr, to_blob.*seam_contrast"):
        evaluate("gram_matirx", gram)


def test_check_prints_the_message_and_returns_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert check("gram_matrix", gram) is None  # type: ignore[func-returns-value]
    out = capsys.readouterr().out
    assert out == evaluate("gram_matrix", gram).message + "\n"
    assert public_check is check


@pytest.mark.parametrize(("name", "answer", "hint"), WRONG_CASES)
def test_messages_are_one_line_and_repeat(name: str, answer: Answer, hint: str) -> None:
    messages = {evaluate(name, answer).message for _ in range(2)}
    assert len(messages) == 1
    (message,) = messages
    assert "\n" not in message
    assert len(message) < 250
    # No number shows more digits than any machine would agree on.
    assert not re.search(r"\d\.\d{4,}", message), hint


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


@given(seed=st.integers(0, 2**32 - 1), height=st.integers(1, 5), width=st.integers(1, 5))
@settings(max_examples=20, deadline=None)
def test_compositing_as_asked_for_is_the_librarys(seed: int, height: int, width: int) -> None:
    random = np.random.default_rng(seed)
    foreground, background = random.random((2, height, width, 3), np.float32)
    alpha = random.random((height, width), np.float32)
    asked = EXERCISES["composite"].reference(foreground, background, alpha)
    np.testing.assert_allclose(asked, public_composite(foreground, background, alpha), atol=1e-6)


@given(seed=st.integers(0, 2**32 - 1), frames=st.integers(2, 4))
@settings(max_examples=20, deadline=None)
def test_the_flicker_asked_for_is_the_librarys(seed: int, frames: int) -> None:
    random = np.random.default_rng(seed)
    # Steps of a quarter: what changes does so by more than the library calls still.
    source = random.integers(0, 2, (frames, 3, 4, 3)).astype(np.float32) / 4
    source[1:, 0, 0] = source[0, 0, 0]
    result = random.random(source.shape, np.float32)
    asked = EXERCISES["flicker"].reference(source, result)
    assert asked == pytest.approx(public_flicker(source, result), rel=1e-4)


def test_every_reference_states_its_exercise() -> None:
    assert all(exercise.reference.__doc__ for exercise in EXERCISES.values())


def test_importing_the_module_is_light() -> None:
    code = (
        "import sys, nstlib.check; "
        "print([m for m in ('tensorflow', 'keras', 'cv2', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
