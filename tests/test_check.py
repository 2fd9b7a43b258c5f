"""The exercises' checks: the reference passes, each planted mistake gets its own hint."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from nstlib import check as public_check
from nstlib.check import _EXERCISES, check, evaluate
from nstlib.errors import ArgumentError
from nstlib.losses import Statistics, channel_statistics
from nstlib.losses import content_loss as public_content_loss
from nstlib.losses import style_loss as public_style_loss
from nstlib.losses import total_variation_loss as public_total_variation

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
}

WRONG_CASES = [
    pytest.param(name, answer, hint, id=f"{name}-{hint}")
    for name, answers in WRONG.items()
    for answer, hint in answers
]


def test_every_exercise_is_tested() -> None:
    assert set(RIGHT) == set(WRONG) == set(_EXERCISES)
    assert all(len({hint for _, hint in answers}) >= 4 for answers in WRONG.values())


@pytest.mark.parametrize("name", _EXERCISES)
def test_the_reference_and_other_right_answers_pass(name: str) -> None:
    for answer in [_EXERCISES[name].reference, *RIGHT[name]]:
        verdict = evaluate(name, answer)
        assert verdict.passed, verdict.message
        assert verdict.message.startswith(f"✓ {name}: right. ")


@pytest.mark.parametrize(("name", "answer", "hint"), WRONG_CASES)
def test_a_planted_mistake_gets_its_hint(name: str, answer: Answer, hint: str) -> None:
    verdict = evaluate(name, answer)
    assert not verdict.passed
    assert verdict.message.startswith(f"✗ {name}: ")
    assert hint in verdict.message


@pytest.mark.parametrize("name", _EXERCISES)
def test_a_stub_is_still_open(name: str) -> None:
    parameters = ", ".join(inspect.signature(_EXERCISES[name].reference).parameters)
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


@pytest.mark.parametrize("name", _EXERCISES)
def test_an_answer_that_raises_is_reported_in_one_line(name: str) -> None:
    def answer(*_: object) -> None:
        raise KeyError("conv1\nand a second line")

    message = evaluate(name, answer).message
    assert message == f"✗ {name}: it raised KeyError: 'conv1\\nand a second line'"


@pytest.mark.parametrize("name", _EXERCISES)
def test_a_result_of_another_shape_never_breaks_a_check(name: str) -> None:
    def answer(*_: object) -> Any:
        return np.zeros((1, 2, 3, 4, 5))

    message = evaluate(name, answer).message
    assert "the result has shape (1, 2, 3, 4, 5); it should be" in message


@pytest.mark.parametrize("name", _EXERCISES)
def test_wrong_numbers_never_break_a_check(name: str) -> None:
    reference = _EXERCISES[name].reference

    def answer(*arguments: Any) -> Any:
        return np.asarray(reference(*arguments)) + 0.37

    assert evaluate(name, answer).message.startswith(f"✗ {name}: ")


@pytest.mark.parametrize("name", _EXERCISES)
def test_parameters_are_checked_before_the_answer_is_called(name: str) -> None:
    verdict = evaluate(name, lambda: 1)
    wanted = ", ".join(inspect.signature(_EXERCISES[name].reference).parameters)
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
    asked = float(_EXERCISES["style_loss"].reference(features, targets))
    assert asked == pytest.approx(float(public_style_loss(features, targets)), rel=1e-4)


def test_every_reference_states_its_exercise() -> None:
    assert all(exercise.reference.__doc__ for exercise in _EXERCISES.values())


def test_importing_the_module_is_light() -> None:
    code = (
        "import sys, nstlib.check; "
        "print([m for m in ('tensorflow', 'keras', 'cv2', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
