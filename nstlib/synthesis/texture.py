"""Texture synthesis: a new picture of the same material (Gatys et al. 2015)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

import numpy as np
from numpy.typing import ArrayLike

from nstlib._checks import check_count, check_number
from nstlib._tensorflow import tf
from nstlib.features import SMALLEST_SIDE, STYLE_LAYERS, check_layers, feature_extractor
from nstlib.images.arrays import Image, Size, check_image
from nstlib.images.resizing import resize, target_size
from nstlib.losses import (
    channel_statistics,
    check_layer_weights,
    style_loss,
    total_variation_loss,
)
from nstlib.optimize import Loss, Step
from nstlib.scales import coarse_to_fine
from nstlib.synthesis.common import Synthesis, check_sizes, first_and_last
from nstlib.synthesis.needs import Room, needed_megabytes
from nstlib.vgg19 import check_weights, stride

#: How much the deep layers count in :func:`synthesize_texture`; all others count 1. Their terms
#: settle last, and while they are large the fine layers suffer: colours fringe, and rings appear
#: around points of light.
TEXTURE_WEIGHTS = {"block4_conv1": 0.5, "block5_conv1": 0.25}


def synthesize_texture(
    source: ArrayLike,
    size: Size | None = None,
    *,
    weights: str | None = None,
    layers: Iterable[str] = STYLE_LAYERS,
    layer_weights: Mapping[str, float] | None = None,
    tv_weight: float = 0.0,
    tileable: bool = False,
    scales: int = 3,
    method: str = "lbfgs",
    iterations: int = 60,
    learning_rate: float = 0.05,
    seed: int = 0,
    callback: Callable[[Step], object] | None = None,
    progress: bool = True,
) -> Synthesis:
    """Make a new picture with the texture of another.

    The start is noise. From coarse to fine it is changed until its features at `layers` have the
    means and covariances of `source`, and with them its Gram matrices: the same features occur
    together just as often, but in other places.

    Parameters
    ----------
    source : array_like of float, shape (H, W, 3)
        The texture, RGB in [0, 1]. Its details come out at the size they have here: resize it to
        choose their scale.
    size : int or (int, int), optional
        Side of the square, or (height, width), of the result in pixels. It may be larger than the
        source, whose own size is the default.
    weights : str, optional
        See :func:`nstlib.feature_extractor`.
    layers : iterable of str
        Where the features are compared.
    layer_weights : mapping of str to float, optional
        See :func:`nstlib.style_loss`. By default ``block4_conv1`` counts 1/2,
        ``block5_conv1`` 1/4, and any other layer 1.
    tv_weight : float, default 0
        Weight of the total variation: more makes it smoother.
    tileable : bool, default False
        Make a tile, whose right edge continues at its left one and whose lower edge continues at
        its upper one. Each side must then be a multiple of the deepest layer's stride (16 for
        ``block5_conv1``).
    scales : int, default 3
        How many sizes from coarse to fine, each half the next; fewer where the coarsest would be
        too small for the network. 1 works at full size only.
    method, iterations, learning_rate
        See :func:`nstlib.minimize_image`; `iterations` at each size.
    seed : int, default 0
        Of the noise at the start. The same seed gives the same picture on the same machine.
    callback : callable, optional
        Called with a :class:`nstlib.Step` after every iteration; if it returns True, the
        run ends.
    progress : bool, default True
        Show a progress bar for each size.

    Returns
    -------
    Synthesis

    Raises
    ------
    ArgumentError
        For values outside those above.
    ImageError
        If `source` is not an image.
    OptimizationError
        If the loss becomes NaN or infinite; the error carries the last good image.
    MemoryLimitError
        If memory runs out; once there is an image, it is an
        :class:`nstlib.optimize.UnfinishedError`, which carries the best.

    References
    ----------
    - L. Gatys, A. Ecker and M. Bethge, "Texture synthesis using convolutional neural networks",
      NeurIPS 2015.
    - L. Gatys et al., "Controlling perceptual factors in neural style transfer", CVPR 2017, for the
      way from coarse to fine.

    Examples
    --------
    >>> from nstlib import load_image
    >>> texture = synthesize_texture(
    ...     load_image("immunohistochemistry", size=64), layers=["block1_conv1", "block2_conv1"],
    ...     iterations=5, progress=False)
    >>> texture.size, texture.losses["style"][1] < texture.losses["style"][0]
    ((64, 64), True)
    """
    source = check_image(source, "source")
    layers = check_layers(layers)
    if layer_weights is None:
        layer_weights = {name: TEXTURE_WEIGHTS[name] for name in layers if name in TEXTURE_WEIGHTS}
    weights = check_weights(weights)
    # Zeros beyond the border would tell the network where the border is: the source's layout would
    # come back with its texture, and a tile, which has no border, could not match it.
    extractor = feature_extractor(layers, weights, padding="replicate")
    synthesizer = feature_extractor(layers, weights, padding="wrap") if tileable else extractor
    full = source.shape[:2] if size is None else target_size((1, 1), size)
    step = max(map(stride, layers)) if tileable else 1
    check_sizes(source.shape[:2], full, step)
    check_layer_weights(layer_weights)
    scales = check_count("scales", scales)
    iterations = check_count("iterations", iterations)
    tv_weight = check_number("tv_weight", tv_weight, least=0)
    seed = check_count("seed", seed, 0)

    room = Room()

    def loss_at(size: tuple[int, int]) -> Loss:
        at_once = math.prod(size)
        room.check(
            needed_megabytes(synthesizer, size, at_once, method=method, iterations=iterations)
        )
        scale = size[0] / full[0]
        height, width = (max(SMALLEST_SIDE, round(side * scale)) for side in source.shape[:2])
        small = resize(source, (height, width))
        targets = {
            name: channel_statistics(maps) for name, maps in extractor(small[np.newaxis]).items()
        }

        def loss(image: tf.Tensor) -> dict[str, tf.Tensor]:
            features = synthesizer(image[tf.newaxis])
            terms = {"style": style_loss(features, targets, layer_weights=layer_weights)}
            if tv_weight > 0:
                if tileable:  # the step to the next copy is as rough as any other
                    image = tf.concat([image, image[:1]], axis=0)
                    image = tf.concat([image, image[:, :1]], axis=1)
                terms["tv"] = tv_weight * total_variation_loss(image)
            return terms

        return loss

    # Noise in the source's own colours: every pixel is one of the source's, drawn at random.
    random = np.random.default_rng(seed)
    pixels = source.reshape(-1, 3)
    noise = pixels[random.integers(len(pixels), size=full)]
    sizes = _sizes(full, min(*full, *source.shape[:2]), scales, step)
    result = coarse_to_fine(
        loss_at,
        noise,
        sizes,
        iterations=[iterations] * len(sizes),
        resize=resize_tile if tileable else resize,
        method=method,
        learning_rate=learning_rate,
        callback=callback,
        progress=progress,
    )
    losses, interrupted = first_and_last(loss_at, noise, result)
    interrupted = interrupted or result.interrupted
    return Synthesis(result.image, losses, result.history, weights, seed, interrupted)


def _sizes(full: tuple[int, int], smallest: int, scales: int, step: int) -> list[tuple[int, int]]:
    """Sizes to work at, each about half the next, whose sides are multiples of `step`.

    So many that the smallest side is still large enough at the coarsest: 32 pixels allow 1 size,
    64 two, 128 three.
    """
    scales = min(scales, (smallest // SMALLEST_SIDE).bit_length())
    coarse = [
        [max(step, round(side / 2**halvings / step) * step) for side in full]
        for halvings in range(scales)
    ]
    return [(height, width) for height, width in reversed(coarse)]


def resize_tile(image: Image, size: tuple[int, int]) -> Image:
    """Resize a picture that continues on its opposite side so that it still does."""
    # The margins are whole pixels before and after resizing, two or more wide, because cubic
    # interpolation reaches that far.
    common = [math.gcd(*sides) for sides in zip(image.shape[:2], size, strict=True)]
    y, x = (2 * side // part for side, part in zip(image.shape[:2], common, strict=True))
    padded = np.pad(image, [(y, y), (x, x), (0, 0)], mode="wrap")
    y, x = (2 * side // part for side, part in zip(size, common, strict=True))
    return resize(padded, (size[0] + 2 * y, size[1] + 2 * x))[y:-y, x:-x]
