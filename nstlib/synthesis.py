"""The recipes: what the course builds from features, losses and the loop.

A recipe works from coarse to fine. At a quarter of the size a network's view spans four times as
much of the picture, so large structures settle first, and cheaply; each finer size then starts from
the enlarged result and only has to add detail.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nstlib.errors import ArgumentError
from nstlib.features import (
    SMALLEST_SIDE,
    STYLE_LAYERS,
    check_layers,
    check_weights,
    feature_extractor,
    stride,
)
from nstlib.images import Image, Size, check_image, resize, target_size
from nstlib.losses import gram_matrix, style_loss, total_variation_loss
from nstlib.optimize import Loss, Result, Step, minimize_image
from nstlib.quietly import tf


@dataclass(frozen=True)
class Synthesis:
    """A picture made by a recipe, and how it was made.

    Attributes
    ----------
    image : ndarray of float32, shape (H, W, 3)
        RGB in [0, 1].
    losses : dict of str to (float, float)
        Each term of the loss at full size: of the noise at the start, and of `image`.
    history : tuple of Step
        Every iteration at every size, without images; counts and seconds run on.
    weights : str
        Which weights the features had.
    seed : int
        Of the noise.
    interrupted : bool
        Whether the run was stopped early from the keyboard.
    """

    image: Image = field(repr=False)
    losses: dict[str, tuple[float, float]]
    history: tuple[Step, ...] = field(repr=False)
    weights: str
    seed: int
    interrupted: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.image.shape[0], self.image.shape[1]

    @property
    def iterations(self) -> int:
        """Iterations at all sizes together."""
        return self.history[-1].iteration

    @property
    def evaluations(self) -> int:
        """Evaluations of the loss and its gradient at all sizes together."""
        return self.history[-1].evaluations

    @property
    def seconds(self) -> float:
        """How long the optimisation took."""
        return self.history[-1].seconds


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
    iterations: int = 100,
    learning_rate: float = 0.05,
    seed: int = 0,
    callback: Callable[[Step], object] | None = None,
    progress: bool = True,
) -> Synthesis:
    """Make a new picture with the texture of another.

    From noise, coarse to fine, an image is changed until its Gram matrices at `layers` are those of
    `source`: the same features occur together as often, elsewhere.

    Parameters
    ----------
    source : array_like of float, shape (H, W, 3)
        The texture, RGB in [0, 1]. Its details come out at the size they have here: resize it to
        choose their scale.
    size : int or (int, int), optional
        Side of the square, or (height, width), of the result in pixels; larger than the source is
        welcome. By default the source's own size.
    weights : str, optional
        See :func:`nstlib.features.feature_extractor`.
    layers : iterable of str
        Where the Gram matrices are compared.
    layer_weights : mapping of str to float, optional
        See :func:`nstlib.losses.style_loss`.
    tv_weight : float, default 0
        Weight of the total variation: more makes it smoother.
    tileable : bool, default False
        Let the picture continue itself, left to right and top to bottom. Each side must then be a
        multiple of the deepest layer's stride (16 for ``block5_conv1``).
    scales : int, default 3
        How many sizes from coarse to fine, each half the next; fewer where the coarsest would be
        too small for the network. 1 works at full size only.
    method, iterations, learning_rate
        See :func:`nstlib.optimize.minimize_image`; `iterations` at each size.
    seed : int, default 0
        Of the noise to begin with. The same seed gives the same picture on the same machine.
    callback : callable, optional
        Called with a :class:`nstlib.optimize.Step` after every iteration; if it returns True, the
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

    References
    ----------
    L. Gatys, A. Ecker and M. Bethge, "Texture synthesis using convolutional neural networks",
    NeurIPS 2015.
    L. Gatys et al., "Controlling perceptual factors in neural style transfer", CVPR 2017, for the
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
    weights = check_weights(weights)
    # Zeros beyond the border would tell the network where the border is: the source's layout would
    # come back with its texture, and a tile, which has no border, could not match it.
    extractor = feature_extractor(layers, weights, padding="replicate")
    synthesizer = feature_extractor(layers, weights, padding="wrap") if tileable else extractor
    full = source.shape[:2] if size is None else target_size((1, 1), size)
    step = max(map(stride, layers)) if tileable else 1
    _check_sizes(source.shape[:2], full, step)
    if scales < 1:
        raise ArgumentError(f"scales is {scales}; it is 1 or more")
    if not 0 <= tv_weight < math.inf:
        raise ArgumentError(f"tv_weight is {tv_weight}; it is a number, 0 or more")
    if seed < 0:
        raise ArgumentError(f"seed is {seed}; it is a whole number, 0 or more")

    def loss_at(size: tuple[int, int]) -> Loss:
        scale = size[0] / full[0]
        height, width = (max(SMALLEST_SIDE, round(side * scale)) for side in source.shape[:2])
        small = resize(source, (height, width))
        targets = {name: gram_matrix(f) for name, f in extractor(small[np.newaxis]).items()}

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
    smallest = min(*full, *source.shape[:2])
    while scales > 1 and smallest < SMALLEST_SIDE * 2 ** (scales - 1):
        scales -= 1
    coarse = [
        [max(step, round(side / 2**halvings / step) * step) for side in full]
        for halvings in range(scales)
    ]
    result, history = _coarse_to_fine(
        loss_at,
        noise,
        [(height, width) for height, width in reversed(coarse)],
        resize=_resize_tile if tileable else resize,
        method=method,
        iterations=iterations,
        learning_rate=learning_rate,
        callback=callback,
        progress=progress,
    )
    # Both at full size: the run began at a coarse one, and one that was stopped ended there.
    at_start, at_end = map(loss_at(full), (tf.constant(noise), tf.constant(result.image)))
    losses = {name: (float(at_start[name]), float(at_end[name])) for name in at_start}
    return Synthesis(result.image, losses, history, weights, seed, result.interrupted)


def _coarse_to_fine(
    loss_at: Callable[[tuple[int, int]], Loss],
    start: Image,
    sizes: Sequence[tuple[int, int]],
    *,
    resize: Callable[[Image, tuple[int, int]], Image],
    callback: Callable[[Step], object] | None,
    **options: Any,
) -> tuple[Result, tuple[Step, ...]]:
    """Minimise at each of `sizes` in turn, each from the enlarged result of the one before."""
    history: list[Step] = []
    image = start
    result: Result | None = None
    for size in sizes:
        before = history[-1] if history else None
        stopped = False

        def report(step: Step, before: Step | None = before) -> bool:
            nonlocal stopped
            history.append(replace(_continued(step, before), image=None))
            stopped = callback is not None and callback(_continued(step, before)) is True
            return stopped

        try:
            result = minimize_image(
                loss_at(size),
                resize(image, size),
                callback=report,
                description=f"{size[0]}×{size[1]}",
                **options,
            )
        except KeyboardInterrupt:  # between the sizes
            if result is None:
                raise
            result = replace(result, interrupted=True)
        image = result.image
        if stopped or result.interrupted:
            break
    assert result is not None  # there is one size or more
    if image.shape[:2] != sizes[-1]:
        # Stopped on the way: what there is, at the size that was asked for.
        result = replace(result, image=resize(image, sizes[-1]))
    return result, tuple(history)


def _resize_tile(image: Image, size: tuple[int, int]) -> Image:
    """Resize a picture that continues on its opposite side so that it still does."""
    # Within margins that come to whole pixels before and after, two or more wide: cubic
    # interpolation looks that far.
    common = [math.gcd(*sides) for sides in zip(image.shape[:2], size, strict=True)]
    y, x = (2 * side // part for side, part in zip(image.shape[:2], common, strict=True))
    padded = np.pad(image, [(y, y), (x, x), (0, 0)], mode="wrap")
    y, x = (2 * side // part for side, part in zip(size, common, strict=True))
    return resize(padded, (size[0] + 2 * y, size[1] + 2 * x))[y:-y, x:-x]


def _continued(step: Step, before: Step | None) -> Step:
    if before is None:
        return step
    return replace(
        step,
        iteration=before.iteration + step.iteration,
        evaluations=before.evaluations + step.evaluations,
        seconds=before.seconds + step.seconds,
    )


def _check_sizes(source: tuple[int, int], size: tuple[int, int], step: int) -> None:
    for name, sides in (("source", source), ("size", size)):
        if min(sides) < SMALLEST_SIDE:
            raise ArgumentError(
                f"{name} is {sides[0]}×{sides[1]} pixels; VGG19 halves it five times: each side "
                f"needs {SMALLEST_SIDE} or more"
            )
    if any(side % step for side in size):
        near = sorted({max(2, side // step + more) * step for side in size for more in (0, 1)})
        raise ArgumentError(
            f"size is {size[0]}×{size[1]}; a tileable texture needs sides that are multiples of "
            f"{step}, the stride of its deepest layer: use {', '.join(map(str, near))}"
        )
