r"""What style transfer minimises: distances between feature maps, and roughness.

The style loss here is relative: each layer's distance is divided by the size of what it is compared
with. It is then a pure number, 1 for "nothing in common" and 0.01 for "one per cent off", whatever
the network, the layer and the image size, and one set of weights serves them all.
"""

from __future__ import annotations

from collections.abc import Mapping

from nstlib.errors import ArgumentError
from nstlib.quietly import tf


def gram_matrix(features: tf.Tensor) -> tf.Tensor:
    r"""Correlate every channel with every other, over all positions.

    .. math:: G_{ij} = \frac{1}{HW} \sum_{p=1}^{HW} F_{pi} F_{pj}, \qquad G = F^\top F / (HW)

    The sum over the positions :math:`p` forgets where things are and keeps which features occur
    together: that is what is left of an image when only its texture is kept.

    Parameters
    ----------
    features : tensor of float, shape (H, W, C) or (B, H, W, C)
        Feature maps.

    Returns
    -------
    tensor of float, shape (C, C) or (B, C, C)
        Symmetric and positive semidefinite; in the features' unit, squared.

    Raises
    ------
    ArgumentError
        If `features` has neither three nor four axes.

    Notes
    -----
    Gatys et al. leave the sum undivided and put :math:`1/(4 C^2 (HW)^2)` in front of the loss.
    Dividing here makes the matrices of two images of different sizes comparable.

    References
    ----------
    L. Gatys, A. Ecker and M. Bethge, "Texture synthesis using convolutional neural networks",
    NeurIPS 2015.

    Examples
    --------
    Two channels at four positions: each is on at two of them, both at one.

    >>> features = tf.constant([[[1.0, 0.0], [1.0, 1.0]], [[0.0, 1.0], [0.0, 0.0]]])
    >>> gram_matrix(features).numpy()
    array([[0.5 , 0.25],
           [0.25, 0.5 ]], dtype=float32)
    """
    features = tf.convert_to_tensor(features)
    rank = features.shape.rank
    if rank not in (3, 4):
        raise ArgumentError(
            f"features has shape {features.shape}; feature maps are (H, W, C) or (B, H, W, C)"
        )
    shape = tf.shape(features)
    positions = shape[-3] * shape[-2]
    flat = tf.reshape(features, [*([shape[0]] if rank == 4 else []), positions, shape[-1]])
    gram = tf.matmul(flat, flat, transpose_a=True) / tf.cast(positions, features.dtype)
    gram.set_shape([*features.shape[: rank - 3], features.shape[-1], features.shape[-1]])
    return gram


def style_loss(
    features: Mapping[str, tf.Tensor],
    targets: Mapping[str, tf.Tensor],
    *,
    layer_weights: Mapping[str, float] | None = None,
) -> tf.Tensor:
    r"""Measure how far the features' Gram matrices are from a style's, relative to the style's.

    .. math:: L = \frac{1}{\sum_l w_l} \sum_l w_l
              \frac{\sum_{ij} (G^l_{ij} - A^l_{ij})^2}{\sum_{ij} (A^l_{ij})^2}

    with :math:`G^l` the Gram matrix of `features` at layer :math:`l` and :math:`A^l` the style's;
    of a batch, the mean.

    Parameters
    ----------
    features : mapping of str to tensor, shapes (H, W, C) or (B, H, W, C)
        Feature maps by layer, as :func:`nstlib.features.feature_extractor` returns them.
    targets : mapping of str to tensor, shapes (C, C) or (B, C, C)
        Gram matrices of the style by layer; the layers of `targets` are the ones compared.
    layer_weights : mapping of str to float, optional
        The :math:`w_l`, not negative; 1 for a layer that it does not name.

    Returns
    -------
    tensor of float, shape ()
        0 where all the matrices agree; of the order of 1 where they have nothing in common.

    Raises
    ------
    ArgumentError
        If a layer of `targets` is missing from `features`, or `layer_weights` are not usable.

    References
    ----------
    L. Gatys, A. Ecker and M. Bethge, "Image style transfer using convolutional neural networks",
    CVPR 2016; their loss is the same sum without the division by the target.

    Examples
    --------
    >>> features = {"a": tf.fill([4, 4, 1], 3.0)}  # Gram matrix [[9]]
    >>> targets = {"a": tf.constant([[10.0]])}
    >>> round(float(style_loss(features, targets)), 4)  # ((9 - 10) / 10)²
    0.01
    """
    weights = dict.fromkeys(targets, 1.0) | dict(layer_weights or {})
    missing = sorted({*targets, *weights} - {*features} | {*weights} - {*targets})
    if missing or not targets:
        raise ArgumentError(
            f"the layers do not match: features has {sorted(features)}, targets has "
            f"{sorted(targets)}, layer_weights has {sorted(layer_weights or {})}"
        )
    total = sum(weights.values())
    if min(weights.values()) < 0 or not 0 < total < float("inf"):
        raise ArgumentError(
            f"layer_weights is {dict(layer_weights or {})}; weights are finite, not negative, "
            "and at least one is above 0"
        )
    loss = tf.add_n(
        [
            weights[layer] * _relative_difference(gram_matrix(features[layer]), target)
            for layer, target in targets.items()
        ]
    )
    return loss / total


def total_variation_loss(image: tf.Tensor) -> tf.Tensor:
    r"""Measure roughness: the mean squared step from a pixel to its right and its lower neighbour.

    .. math:: L = \operatorname{mean}_{yxc} (x_{y,x+1,c} - x_{y,x,c})^2
                + \operatorname{mean}_{yxc} (x_{y+1,x,c} - x_{y,x,c})^2

    Parameters
    ----------
    image : tensor of float, shape (H, W, C) or (B, H, W, C)
        Usually RGB in [0, 1]; both sides two pixels or more.

    Returns
    -------
    tensor of float, shape ()
        0 for a plain colour, 2 for a one-pixel checkerboard of black and white, 1/3 on average for
        uniform noise: neighbours are then independent, and each axis gives :math:`2 \cdot 1/12`.

    Raises
    ------
    ArgumentError
        If `image` has neither three nor four axes, or a side of one pixel.

    References
    ----------
    L. Rudin, S. Osher and E. Fatemi, "Nonlinear total variation based noise removal algorithms",
    Physica D, 1992, where the step is not squared.

    Examples
    --------
    >>> checkerboard = tf.constant([[[0.0], [1.0]], [[1.0], [0.0]]])
    >>> float(total_variation_loss(checkerboard))
    2.0
    """
    image = tf.convert_to_tensor(image)
    if image.shape.rank not in (3, 4) or 1 in image.shape[-3:-1]:
        raise ArgumentError(
            f"image has shape {image.shape}; it is (H, W, C) or (B, H, W, C), "
            "with two pixels or more a side"
        )
    right = image[..., :, 1:, :] - image[..., :, :-1, :]
    down = image[..., 1:, :, :] - image[..., :-1, :, :]
    return tf.reduce_mean(tf.square(right)) + tf.reduce_mean(tf.square(down))


def _relative_difference(gram: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    difference = tf.reduce_sum(tf.square(gram - target), axis=(-2, -1))
    size = tf.reduce_sum(tf.square(target), axis=(-2, -1))
    # A layer that the style leaves entirely dark has no size to be relative to.
    return tf.reduce_mean(difference / tf.where(size > 0, size, tf.ones_like(size)))
