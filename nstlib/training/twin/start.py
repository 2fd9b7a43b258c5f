"""The twin's beginning, in closed form, and the coordinates in which it is then trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from nstlib._tensorflow import tf
from nstlib.training.twin.layers import Params, convolve, forward, pool, preprocess, thinned
from nstlib.vgg19 import CONVOLUTIONS


def _moments(batches: Sequence[NDArray[np.float32]]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Mean and covariance of channels over all positions of all batches."""
    channels = batches[0].shape[-1]
    total, square, count = np.zeros(channels), np.zeros((channels, channels)), 0
    for batch in batches:
        flat = batch.reshape(-1, batch.shape[-1])
        total += flat.sum(axis=0, dtype=np.float64)
        square += flat.T @ flat
        count += len(flat)
    mean = total / count
    return mean, square / count - np.outer(mean, mean)


def _regress(
    inputs: Sequence[NDArray[np.float32]], targets: Sequence[NDArray[np.float32]], ridge: float
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Best linear map and constant from inputs to targets, and each target's variance it leaves."""
    n = inputs[0].shape[-1]
    joined = [np.concatenate(pair, axis=-1) for pair in zip(inputs, targets, strict=True)]
    mean, covariance = _moments(joined)
    within = covariance[:n, :n] + ridge * np.trace(covariance[:n, :n]) / n * np.eye(n)
    slope = np.linalg.solve(within, covariance[:n, n:])
    left = np.diag(covariance[n:, n:]) - np.einsum("ij,ij->j", slope, covariance[:n, n:])
    return slope, mean[n:] - mean[:n] @ slope, left


def unexplained(left: NDArray[Any], variance: NDArray[Any]) -> float:
    """Share of a layer's variance, channels weighted by its inverse root."""
    weight = 1 / np.sqrt(variance + 0.01 * variance.mean())
    return float((left * weight).sum() / (variance * weight).sum())


def choose(covariance: NDArray[Any], count: int) -> NDArray[np.intp]:
    """Choose channels by pivoted QR of the root of their covariance: each adds the most."""
    variance = np.diag(covariance)
    scale = (variance + 0.01 * variance.mean()) ** -0.25
    values, vectors = np.linalg.eigh(covariance * np.outer(scale, scale))
    root = np.sqrt(np.maximum(values, 0))[:, None] * vectors.T
    return np.sort(scipy.linalg.qr(root, mode="r", pivoting=True)[1][:count])


def closed_form_student(
    teacher: Params,
    batches: Sequence[NDArray[np.float32]],
    widths: Sequence[int],
    *,
    poolings: tuple[str, str] = ("max", "average"),
    ridge: float = 1e-4,
    last: str = CONVOLUTIONS[-1],
) -> tuple[dict[str, Any], dict[str, Any], dict[str, float]]:
    """Make a narrow network from VGG19 without any training.

    Layer by layer the channels of VGG19 that tell most about all the others are chosen. All of the
    layer's inputs in VGG19 are rebuilt from the twin's inputs by one linear map with a constant;
    the kernels of the chosen channels after that map are the twin's kernels.

    Parameters
    ----------
    teacher : mapping of str to (kernel, bias)
        VGG19's.
    batches : sequence of ndarray, shapes (B, H, W, 3)
        Pictures, RGB in [0, 1].
    widths : sequence of int
        Channels of each of the twin's convolutions; no more than VGG19's own are made.
    poolings : (str, str)
        How VGG19 and how the twin halve their maps: by "max" or "average".
    ridge : float
        Of the regressions, relative to the mean variance.
    last : str
        The deepest layer to make.

    Returns
    -------
    params : dict of str to (kernel, bias)
    heads : dict of str to (slope, constant)
        From the twin's channels to VGG19's.
    left : dict of str to float
        The share of each layer's variance that its head leaves unexplained.
    """
    one = tf.function(lambda x, k, b: convolve(x, k, b, "replicate"), reduce_retracing=True)
    theirs = [preprocess(tf.constant(batch)).numpy() for batch in batches]
    ours = theirs
    params: dict[str, Any] = {}
    heads: dict[str, Any] = {}
    lefts: dict[str, float] = {}
    for index, name in enumerate(CONVOLUTIONS):
        if index and CONVOLUTIONS[index - 1][5] != name[5]:
            theirs = [pool(x, poolings[0]).numpy() for x in theirs]
            ours = [pool(x, poolings[1]).numpy() for x in ours]
        kernel, bias = teacher[name]
        if index:
            slope, constant, _ = _regress(ours, theirs, ridge)
        else:
            slope, constant = np.eye(3), np.zeros(3)
        theirs = [one(x, kernel, bias).numpy() for x in theirs]
        _, covariance = _moments(theirs)
        chosen = choose(covariance, widths[index])
        kernel = kernel[..., chosen].astype(np.float64)
        params[name] = (
            np.einsum("st,hwto->hwso", slope, kernel).astype(np.float32),
            (bias[chosen] + np.einsum("t,hwto->o", constant, kernel)).astype(np.float32),
        )
        ours = [one(x, *params[name]).numpy() for x in ours]
        slope, constant, left = _regress(ours, theirs, ridge)
        heads[name] = slope.astype(np.float32), constant.astype(np.float32)
        lefts[name] = unexplained(left, np.diag(covariance))
        if name == last:
            break
    return params, heads, lefts


def basis_of(
    params: Params,
    teacher: Params,
    batches: Sequence[NDArray[np.float32]],
    *,
    poolings: tuple[str, str] = ("max", "average"),
    damping: float = 3e-3,
) -> dict[str, NDArray[np.float32]]:
    """Measure the coordinates of :class:`nstlib.training.twin.distillation.Distiller`.

    Parameters
    ----------
    params : mapping of str to (kernel, bias)
        The twin, as :func:`closed_form_student` made it.
    teacher : mapping of str to (kernel, bias)
        VGG19's.
    batches : sequence of ndarray, shapes (B, H, W, 3)
        The pictures of the closed form.
    poolings : (str, str)
        As in :func:`closed_form_student`.
    damping : float
        Added to each variance, relative to their mean: what hardly varies is not blown up.
    """

    def roots(covariance: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        values, vectors = np.linalg.eigh(covariance)
        values = np.maximum(values, 0) + damping * values.mean()
        return vectors / np.sqrt(values), (vectors * np.sqrt(values)).T

    outputs: dict[str, list[Any]] = {name: [] for name in CONVOLUTIONS}
    targets: dict[str, list[Any]] = {name: [] for name in CONVOLUTIONS}
    inputs: dict[str, list[Any]] = {CONVOLUTIONS[0]: []}
    at = tf.constant([0, 1])

    @tf.function(reduce_retracing=True)
    def both(batch: tf.Tensor) -> Any:
        x = preprocess(batch)
        theirs, ours = (
            thinned(forward(network, x, "replicate", pooling), at)
            for network, pooling in zip((teacher, params), poolings, strict=True)
        )
        return x[:, ::2, 1::2], ours, theirs

    for batch in batches:
        x, ours, theirs = both(tf.constant(batch))
        inputs[CONVOLUTIONS[0]].append(x.numpy())
        for name in CONVOLUTIONS:
            outputs[name].append(ours[name].numpy())
            targets[name].append(theirs[name].numpy())
    basis: dict[str, Any] = {}
    statistics = {name: _moments(outputs[name]) for name in CONVOLUTIONS}
    for before, name in zip(("", *CONVOLUTIONS), CONVOLUTIONS, strict=False):
        if not before:
            mean, covariance = _moments(inputs[name])
        elif before[5] == name[5]:
            mean, covariance = statistics[before]
        else:  # close enough: pooled by means
            pooled = [pool(x, poolings[1]).numpy() for x in outputs[before]]
            mean, covariance = _moments(pooled)
        basis[f"{name}/in_mean"] = mean
        basis[f"{name}/in_root"], basis[f"{name}/in_unroot"] = roots(covariance)
        basis[f"{name}/out_mean"] = statistics[name][0]
        basis[f"{name}/out_root"], basis[f"{name}/out_unroot"] = roots(statistics[name][1])
        mean, covariance = _moments(targets[name])
        variance = np.diag(covariance)
        weight = 1 / np.sqrt(variance + 0.01 * variance.mean())
        basis[f"{name}/mean"] = mean
        basis[f"{name}/scale"] = np.sqrt(weight / (weight * variance).sum())
    return {name: np.asarray(value, np.float32) for name, value in basis.items()}
