"""Pieces of answers and checks that several lessons share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nstlib.course.exercises._engine import Answer, Array, Wrong, call_answer


def rows(features: Array) -> Array:
    """Feature maps (H, W, C) as a matrix F of H·W positions by C channels."""
    return features.reshape(-1, features.shape[-1])


def covariance(features: Array) -> Array:
    """Return the Gram matrix (C, C) of feature maps (H, W, C) less each channel's mean."""
    F = rows(np.asarray(features))
    centred = F - F.mean(axis=0)
    return np.asarray(centred.T @ centred / len(F))


def check_slope(answer: Answer, features: Mapping[str, Any], targets: Mapping[str, Any]) -> None:
    """Raise Wrong unless a loss of features by layer has the gradient that its values tell."""
    from nstlib._tensorflow import tf

    with tf.GradientTape() as tape:
        tape.watch(features)
        loss = call_answer(answer, features, targets)
    gradients: dict[str, Any] = dict.fromkeys(features)
    if tf.is_tensor(loss):
        gradients = tape.gradient(loss, features)
    missing = [layer for layer, gradient in gradients.items() if gradient is None]
    if missing:
        raise Wrong(
            f"the value is right, but there is no gradient for {', '.join(missing)}: NumPy, "
            "float() or .numpy() inside cuts the tape; use TensorFlow's functions throughout."
        )
    step, rng = 1e-2, np.random.default_rng(1)
    way = {k: rng.normal(size=maps.shape).astype(np.float32) for k, maps in features.items()}
    ahead = float(call_answer(answer, {k: features[k] + step * way[k] for k in features}, targets))
    behind = float(call_answer(answer, {k: features[k] - step * way[k] for k in features}, targets))
    slope = (ahead - behind) / (2 * step)
    taped = sum(float(tf.reduce_sum(gradients[layer] * way[layer])) for layer in features)
    if abs(taped - slope) > 0.02 * abs(slope):
        raise Wrong(
            f"the value is right, but its gradient disagrees with finite differences ({taped:.2g} "
            f"by the tape, {slope:.2g} by finite differences): NumPy or tf.stop_gradient cuts the "
            "tape on part of the way."
        )


def neighbours(image: Array) -> tuple[list[Array], list[Array]]:
    """Differences across the seams, and within the image: columns, then rows."""
    image = np.asarray(image, np.float64)
    seams = [image[:, -1] - image[:, 0], image[-1] - image[0]]
    return seams, [np.diff(image, axis=1), np.diff(image, axis=0)]


def pooled(differences: Sequence[Array], size: Answer = np.abs) -> float:
    """Mean size of all differences together."""
    return float(size(np.concatenate([d.ravel() for d in differences])).mean())


def unchanged(x: Array) -> Array:
    """Return `x` itself."""
    return x
