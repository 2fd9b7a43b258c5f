"""What the colours of a painting in any picture's style ought to be, by other roads."""

from __future__ import annotations

import numpy as np
import scipy.linalg
from numpy.typing import NDArray


def color_root(picture: NDArray[np.floating]) -> NDArray[np.float64]:
    """The symmetric root of the covariance matrix of a picture's colours, from their SVD."""
    _, spreads, axes = np.linalg.svd(_centred(picture), full_matrices=False)
    return (axes.T * spreads / np.sqrt(picture.shape[0] * picture.shape[1])) @ axes


def in_its_colors(
    painting: NDArray[np.floating], mean: NDArray[np.floating], root: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Give a painting a mean and the root of a covariance matrix: X with X C X = wanted."""
    lit = np.full((3, 3), 0.001)
    found, wanted = np.cov(painting.reshape(-1, 3).T, bias=True) + lit, root @ root + lit
    product = scipy.linalg.sqrtm(found @ wanted)
    matrix = np.linalg.solve(found, np.real(product))
    gains, axes = np.linalg.eigh((matrix + matrix.T) / 2)
    changed = _centred(painting) @ ((axes * np.minimum(gains, 2)) @ axes.T) + mean
    return np.clip(changed, 0, 1).reshape(painting.shape)


def _centred(picture: NDArray[np.floating]) -> NDArray[np.float64]:
    pixels = picture.reshape(-1, 3).astype(np.float64)
    centred: NDArray[np.float64] = pixels - pixels.mean(axis=0)
    return centred
