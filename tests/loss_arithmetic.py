"""The losses in NumPy, in double precision, and slopes by finite differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import ArrayLike, NDArray

from nstlib._tensorflow import tf
from nstlib.losses import (
    Statistics,
)

feature_maps = arrays(
    np.float32,
    st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 5)),
    elements=st.floats(-4, 4, width=16),
)


def random(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random(shape, np.float32)


def gram(features: ArrayLike) -> NDArray[np.float64]:
    """The definition, in double precision: a sum over positions of products of channels."""
    features = np.asarray(features, np.float64)
    height, width = features.shape[-3:-1]
    result: NDArray[np.float64] = np.einsum("...yxi,...yxj->...ij", features, features)
    return result / (height * width)


def statistics(features: ArrayLike, mask: NDArray[Any] | None = None) -> Statistics:
    """NumPy's mean and covariance of the positions of one image, in double precision."""
    features = np.asarray(features, np.float64)
    positions = features.reshape(-1, features.shape[-1])
    weights = None if mask is None else np.asarray(mask, np.float64).ravel()
    covariance = np.cov(positions, rowvar=False, bias=True, aweights=weights)
    return Statistics(np.average(positions, axis=0, weights=weights), np.atleast_2d(covariance))


def relative(features: Mapping[str, Any], targets: Mapping[str, Statistics]) -> float:
    """The style loss of one image, in double precision."""
    parts = []
    for name, target in targets.items():
        found = features[name]
        ours = found if isinstance(found, Statistics) else statistics(found)
        mean, covariance = (np.asarray(part, np.float64) for part in target)
        least = (mean**2).sum() / 1000
        size = max((covariance**2).sum(), least**2)
        spread = max(np.trace(covariance), least)
        parts.append(
            ((ours.covariance - covariance) ** 2).sum() / size
            + ((ours.mean - mean) ** 2).sum() / spread
        )
    return float(np.mean(parts))


def total_variation(image: NDArray[Any]) -> float:
    """The total variation, in double precision."""
    image = np.asarray(image, np.float64)
    return float(np.mean(np.diff(image, axis=-2) ** 2) + np.mean(np.diff(image, axis=-3) ** 2))


def assert_gradient(
    loss: Callable[[Any], Any], reference: Callable[[NDArray[Any]], float], at: NDArray[Any]
) -> None:
    """Compare the gradient with central differences of a reference in double precision."""
    x = tf.constant(at)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = loss(x)
    gradient = tape.gradient(value, x).numpy()
    at = at.astype(np.float64)
    step = 1e-5
    for index in np.random.default_rng(1).permutation(at.size)[:20]:
        shift = np.zeros(at.shape)
        shift.flat[index] = step
        slope = (reference(at + shift) - reference(at - shift)) / (2 * step)
        assert gradient.flat[index] == pytest.approx(slope, rel=1e-3, abs=1e-6)
