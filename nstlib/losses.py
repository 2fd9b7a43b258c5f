"""What style transfer minimises: distances between feature maps, and roughness.

The losses here are relative: each layer's distance is divided by the size of what it is compared
with. They are pure numbers: 0.01 means "nearly the same" and 1 a difference as large as what is
wanted, whatever the network, the layer and the image size. So one set of weights serves them all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from nstlib._checks import check_number, refusal
from nstlib._tensorflow import tf
from nstlib.errors import ArgumentError


def gram_matrix(features: tf.Tensor) -> tf.Tensor:
    r"""Correlate every channel with every other, over all positions.

    .. math:: G_{ij} = \frac{1}{HW} \sum_{p=1}^{HW} F_{pi} F_{pj}, \qquad G = F^\top F / (HW)

    The sum over the positions :math:`p` forgets where things are and keeps which features occur
    together: that is what is left of an image when only its texture is kept.

    Parameters
    ----------
    features : tensor of float, shape (H, W, C) or (B, H, W, C)
        Feature maps. Half precision is summed and returned in float32: its largest number, 65,504,
        is smaller than the number of pixels in a small picture.

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
    flat = _positions(_feature_maps(features))
    return tf.matmul(flat, flat, transpose_a=True) / tf.cast(tf.shape(flat)[-2], flat.dtype)


class Statistics(NamedTuple):
    """What is kept of a layer's features when positions are forgotten.

    Attributes
    ----------
    mean : tensor of float, shape (C,) or (B, C)
        How strongly each channel responds on average.
    covariance : tensor of float, shape (C, C) or (B, C, C)
        How channels vary together around their means.
    """

    mean: tf.Tensor
    covariance: tf.Tensor


def channel_statistics(features: tf.Tensor, mask: tf.Tensor | None = None) -> Statistics:
    r"""Take the mean of every channel, and the covariance of every channel with every other.

    .. math:: \mu = \frac{1}{HW} \sum_p F_p, \qquad
              C = \frac{1}{HW} \sum_p (F_p - \mu)(F_p - \mu)^\top

    Together they say as much as the Gram matrix, because :math:`G = C + \mu\mu^\top`. Kept apart, a
    channel that is always on cannot drown out those that make the pattern.

    Parameters
    ----------
    features : tensor of float, shape (H, W, C) or (B, H, W, C)
        Feature maps.
    mask : tensor of float, shape (H, W), optional
        How much each position counts, not negative: the region that is described (Gatys et al.
        2017 call it guided). By default all count alike.

    Returns
    -------
    Statistics

    Raises
    ------
    ArgumentError
        If `features` has neither three nor four axes, or `mask` is not of their height and width,
        holds a negative number or is 0 everywhere.

    References
    ----------
    - Y. Li, N. Wang, J. Liu and X. Hou, "Demystifying neural style transfer", IJCAI 2017: style as
      a distribution of features, and matching its mean and variance.
    - L. Gatys et al., "Controlling perceptual factors in neural style transfer", CVPR 2017.

    Examples
    --------
    >>> features = tf.constant([[[1.0, 5.0], [3.0, 5.0]]])  # the second channel is always on
    >>> mean, covariance = channel_statistics(features)
    >>> mean.numpy(), covariance.numpy()
    (array([2., 5.], dtype=float32), array([[1., 0.],
           [0., 0.]], dtype=float32))
    """
    features = _feature_maps(features)
    if mask is None:
        return Statistics(*_moments(_positions(features)))
    mask = tf.cast(mask, features.dtype)
    if not mask.shape.is_compatible_with(features.shape[-3:-1]):
        raise ArgumentError(
            f"mask has shape {mask.shape}; the features' positions are {features.shape[-3:-1]}"
        )
    counts = tf.get_static_value(mask)  # None for one that only the graph will know
    if counts is not None and not (counts.min() >= 0 and 0 < counts.sum() < float("inf")):
        raise ArgumentError(
            f"mask ranges from {counts.min():.3g} to {counts.max():.3g}; it holds finite "
            "numbers, not negative, and at least one is above 0"
        )
    share = mask[..., tf.newaxis] / tf.reduce_mean(mask)
    mean = tf.reduce_mean(share * features, axis=(-3, -2), keepdims=True)
    covariance = gram_matrix(tf.sqrt(share) * (features - tf.stop_gradient(mean)))
    return Statistics(tf.squeeze(mean, axis=(-3, -2)), covariance)


def style_loss(
    features: Mapping[str, tf.Tensor | Statistics],
    targets: Mapping[str, Statistics],
    *,
    layer_weights: Mapping[str, float] | None = None,
) -> tf.Tensor:
    r"""Measure how far the features' statistics are from a style's, relative to the style's.

    .. math:: L = \frac{1}{\sum_l w_l} \sum_l w_l \left(
              \frac{\sum_{ij} (C^l_{ij} - \hat C^l_{ij})^2}{\sum_{ij} (\hat C^l_{ij})^2}
              + \frac{\sum_i (\mu^l_i - \hat\mu^l_i)^2}{\sum_i \hat C^l_{ii}} \right)

    with :math:`\mu^l, C^l` the channel statistics of `features` at layer :math:`l`, and those with
    a hat the style's; of a batch, the mean. Each denominator has a floor, 1/1000 of
    :math:`\sum_i (\hat\mu^l_i)^2` (squared, for the first), for a style that hardly varies.

    Parameters
    ----------
    features : mapping of str to tensor, shapes (H, W, C) or (B, H, W, C), or to Statistics
        Feature maps by layer, as :func:`nstlib.feature_extractor` returns them, or what
        :func:`channel_statistics` makes of them.
    targets : mapping of str to Statistics
        Those of the style by layer; the layers of `targets` are the ones compared.
    layer_weights : mapping of str to float, optional
        The :math:`w_l`, not negative; 1 for a layer that it does not name.

    Returns
    -------
    tensor of float, shape ()
        0 where all the statistics agree.

    Raises
    ------
    ArgumentError
        If a layer of `targets` is missing from `features` or has other channels or another batch
        there, or `layer_weights` are not usable.

    Notes
    -----
    Gatys et al. compare Gram matrices, :math:`G = C + \mu\mu^\top`. A picture has the style's
    means and covariances exactly if it has them at the zero of this loss; it then has the style's
    Gram matrices, too. On the way there the two losses differ: where a picture is mostly one
    colour, :math:`\mu\mu^\top` makes up nearly all of :math:`G`, and a difference of Gram
    matrices hardly sees the pattern.

    References
    ----------
    - L. Gatys, A. Ecker and M. Bethge, "Image style transfer using convolutional neural networks",
      CVPR 2016.
    - Y. Li, N. Wang, J. Liu and X. Hou, "Demystifying neural style transfer", IJCAI 2017.

    Examples
    --------
    >>> features = {"a": tf.constant([[[2.0], [4.0]]])}  # mean 3, variance 1
    >>> style = {"a": Statistics(tf.constant([3.0]), tf.constant([[2.0]]))}
    >>> round(float(style_loss(features, style)), 3)  # ((1 - 2) / 2)²
    0.25
    """
    weights = _layer_weights(features, targets, layer_weights)
    loss = tf.add_n(
        [
            weights[layer] * _relative_difference(features[layer], target, layer)
            for layer, target in targets.items()
        ]
    )
    return loss / sum(weights.values())


def content_loss(
    features: Mapping[str, tf.Tensor],
    targets: Mapping[str, tf.Tensor],
    *,
    layer_weights: Mapping[str, float] | None = None,
) -> tf.Tensor:
    r"""Measure how far the features are from a content's, position by position.

    .. math:: L = \frac{1}{\sum_l w_l} \sum_l w_l
              \frac{\sum_{pi} (F^l_{pi} - P^l_{pi})^2}{\sum_{pi} (P^l_{pi})^2}

    with :math:`F^l` the features at layer :math:`l` and :math:`P^l` the content's, at the same
    positions :math:`p`: unlike a style, a content is a matter of place. Of a batch, the mean.

    Parameters
    ----------
    features, targets : mapping of str to tensor, shapes (H, W, C) or (B, H, W, C)
        Feature maps by layer, of equal shapes; the layers of `targets` are the ones compared.
    layer_weights : mapping of str to float, optional
        The :math:`w_l`, not negative; 1 for a layer that it does not name.

    Returns
    -------
    tensor of float, shape ()
        0 where the features agree; 1 for features that are all zero.

    Raises
    ------
    ArgumentError
        If a layer of `targets` is missing from `features`, is no feature map or has another shape
        there, or `layer_weights` are not usable.

    References
    ----------
    L. Gatys, A. Ecker and M. Bethge, "Image style transfer using convolutional neural networks",
    CVPR 2016; their loss is half the sum of squares, at VGG19's ``conv4_2``.

    Examples
    --------
    >>> features = {"a": tf.constant([[[3.0], [1.0]]])}
    >>> content = {"a": tf.constant([[[1.0], [3.0]]])}  # the same values, elsewhere
    >>> round(float(content_loss(features, content)), 3)  # (4 + 4) / (1 + 9)
    0.8
    """
    weights = _layer_weights(features, targets, layer_weights)
    terms = []
    for layer, given in targets.items():
        found, target = _feature_maps(features[layer]), _precise("targets", given)
        difference = found - _same_shape(target, found, layer)
        size = tf.reduce_sum(tf.square(target), axis=(-3, -2, -1))
        squares = tf.reduce_sum(tf.square(difference), axis=(-3, -2, -1))
        terms.append(weights[layer] * tf.reduce_mean(squares / _not_zero(size)))
    return tf.add_n(terms) / sum(weights.values())


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
    image = _precise("image", image)
    if image.shape.rank not in (3, 4) or {0, 1} & {*image.shape[-3:-1]}:
        raise ArgumentError(
            f"image has shape {image.shape}; it must be (H, W, C) or (B, H, W, C), "
            "with two pixels or more a side"
        )
    right = image[..., :, 1:, :] - image[..., :, :-1, :]
    down = image[..., 1:, :, :] - image[..., :-1, :, :]
    return tf.reduce_mean(tf.square(right)) + tf.reduce_mean(tf.square(down))


#: A style's spread counts as no less than this share of its squared mean.
_FLOOR = 1e-3


def _relative_difference(
    features: tf.Tensor | Statistics, target: Statistics, layer: str
) -> tf.Tensor:
    found = features if isinstance(features, Statistics) else channel_statistics(features)
    if not isinstance(target, Statistics):
        raise refusal(
            "targets", target, "what channel_statistics makes of a style's features, for each layer"
        )
    found, target = (
        Statistics(*(_precise(name, x) for x in statistics))
        for name, statistics in (("features", found), ("targets", target))
    )
    for ours, theirs in zip(found, target, strict=True):
        _check_channels(ours.shape, theirs.shape, layer)
    pictures = [x.mean.shape[0] if x.mean.shape.rank == 2 else 1 for x in (found, target)]
    if not {None, 1} & {*pictures} and pictures[0] != pictures[1]:
        raise ArgumentError(
            f"at {layer}, features are of {pictures[0]} pictures and targets of {pictures[1]}; "
            "give one style for all, or one for each"
        )
    floor = _FLOOR * tf.reduce_sum(tf.square(target.mean), axis=-1)
    spread = tf.maximum(tf.linalg.trace(target.covariance), floor)
    size = tf.maximum(tf.reduce_sum(tf.square(target.covariance), axis=(-2, -1)), floor**2)
    of_means = tf.reduce_sum(tf.square(found.mean - target.mean), axis=-1)
    of_covariances = tf.reduce_sum(tf.square(found.covariance - target.covariance), axis=(-2, -1))
    return tf.reduce_mean(of_covariances / _not_zero(size) + of_means / _not_zero(spread))


def _positions(features: tf.Tensor) -> tf.Tensor:
    """Put all positions in one row: (…, H, W, C) → (…, H·W, C)."""
    shape, rank = tf.shape(features), features.shape.rank
    flat = tf.reshape(features, [*([shape[0]] if rank == 4 else []), -1, shape[-1]])
    flat.set_shape([*features.shape[: rank - 3], None, features.shape[-1]])
    return flat


def _moments(flat: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean (…, C) and covariance (…, C, C) of (…, N, C), with a gradient of a single product.

    TensorFlow's own gradient would compute one product for each factor of the covariance, and would
    follow the mean inside it, which adds nothing: deviations from a mean add up to 0. Here only one
    factor has a gradient, and the product is made symmetric, which gives that gradient the other
    factor's part. (``tf.custom_gradient`` would be plainer, but it keeps the graph of every
    function that is traced with it until the process ends.)
    """
    count = tf.cast(tf.shape(flat)[-2], flat.dtype)
    mean = tf.reduce_mean(flat, axis=-2, keepdims=True)
    deviations = flat - tf.stop_gradient(mean)
    product = tf.matmul(tf.stop_gradient(deviations), deviations, transpose_a=True) / count
    covariance = product + tf.linalg.matrix_transpose(product) - tf.stop_gradient(product)
    return tf.squeeze(mean, axis=-2), covariance


def _precise(name: str, values: tf.Tensor) -> tf.Tensor:
    """Take half precision to float32, in which sums over a picture neither overflow nor drift."""
    try:
        tensor = tf.convert_to_tensor(values)
    except (TypeError, ValueError) as error:
        raise refusal(name, values, "a tensor or an array of numbers") from error
    if not tensor.dtype.is_floating:  # the mean of whole numbers would be rounded down
        raise ArgumentError(
            f"{name} holds {tensor.dtype.name} values; it must hold floating-point numbers: "
            "tf.cast(..., tf.float32) makes them so"
        )
    return tf.cast(tensor, tf.float32) if tensor.dtype in (tf.float16, tf.bfloat16) else tensor


def _feature_maps(features: tf.Tensor) -> tf.Tensor:
    features = _precise("features", features)
    if features.shape.rank not in (3, 4) or 0 in features.shape:
        raise ArgumentError(
            f"features has shape {features.shape}; feature maps are (H, W, C) or (B, H, W, C), "
            "no side 0"
        )
    return features


def _not_zero(size: tf.Tensor) -> tf.Tensor:
    # Where the target is 0 everywhere, there is no size to divide by.
    return tf.where(size > 0, size, tf.ones_like(size))


def _check_channels(features: tf.TensorShape, targets: tf.TensorShape, layer: str) -> None:
    ours, theirs = (shape[-1] if shape.rank else None for shape in (features, targets))
    if None not in (ours, theirs) and ours != theirs:
        raise ArgumentError(
            f"at {layer}, features have {ours} channels and targets {theirs}; take both from "
            "networks with the same weights"
        )


def _same_shape(target: tf.Tensor, features: tf.Tensor, layer: str) -> tf.Tensor:
    _check_channels(features.shape, target.shape, layer)
    if not target.shape.is_compatible_with(features.shape):
        raise ArgumentError(
            f"at {layer}, features have shape {features.shape} and targets {target.shape}; "
            "a content is compared position by position: resize the image to the content's size"
        )
    return target


def check_layer_weights(layer_weights: Mapping[str, float] | None) -> None:
    """Refuse weights of layers that are no mapping of names to numbers, 0 or more."""
    if layer_weights is None:
        return
    if not isinstance(layer_weights, Mapping):
        raise refusal("layer_weights", layer_weights, "a mapping of layers to numbers")
    for weight in layer_weights.values():
        check_number("layer_weights", weight, least=0)


def _layer_weights(
    features: Mapping[str, object],
    targets: Mapping[str, object],
    layer_weights: Mapping[str, float] | None,
) -> dict[str, float]:
    for name, given in (("features", features), ("targets", targets)):
        if not isinstance(given, Mapping):
            raise refusal(name, given, "a mapping of layers to feature maps or their statistics")
    check_layer_weights(layer_weights)
    weights = dict.fromkeys(targets, 1.0) | dict(layer_weights or {})
    missing = sorted({*targets, *weights} - {*features} | {*weights} - {*targets})
    if missing or not targets:
        raise ArgumentError(
            f"the layers do not match: features has {sorted(features)}, targets has "
            f"{sorted(targets)}, layer_weights has {sorted(layer_weights or {})}"
        )
    if not 0 < sum(weights.values()) < math.inf:
        raise ArgumentError(
            f"layer_weights is {dict(layer_weights or {})}; at least one weight is above 0, and "
            "their sum is finite"
        )
    return weights
