"""Style transfer: a photograph's content in a painting's style (Gatys et al. 2016)."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nstlib._checks import check_choice, check_count, check_number, counted, refusal
from nstlib._files import checksum
from nstlib._tensorflow import keras, tf
from nstlib.errors import ArgumentError
from nstlib.features import (
    CONTENT_LAYERS,
    SMALLEST_SIDE,
    STYLE_LAYERS,
    check_layers,
    check_sides,
    feature_extractor,
)
from nstlib.images.arrays import Image, Size, check_image
from nstlib.images.colors import grey, match_colors, match_luminance, replace_luminance
from nstlib.images.resizing import resize, resize_mask, target_size
from nstlib.losses import (
    Statistics,
    channel_statistics,
    check_layer_weights,
    style_loss,
    total_variation_loss,
)
from nstlib.optimize import (
    Loss,
    OptimizationError,
    Result,
    Step,
    UnfinishedError,
    check_callback,
)
from nstlib.scales import Checkpoint, coarse_to_fine
from nstlib.synthesis.common import (
    COARSEST,
    FRAME,
    Frame,
    Synthesis,
    check_sizes,
    first_and_last,
    stage_sizes,
)
from nstlib.synthesis.needs import Room, needed_megabytes, pixels_of
from nstlib.synthesis.tiles import compare_by_tiles, compare_whole, step_and_margin
from nstlib.vgg19 import check_weights


def transfer_style(
    content: ArrayLike,
    style: NDArray[Any] | Sequence[ArrayLike],
    *,
    size: Size | None = None,
    weights: str | None = None,
    content_weight: float = 0.3,
    style_weight: float = 1.0,
    tv_weight: float = 0.0,
    content_layers: Iterable[str] = CONTENT_LAYERS,
    style_layers: Iterable[str] = STYLE_LAYERS,
    layer_weights: Mapping[str, float] | None = None,
    style_scale: float = 1.0,
    style_shares: Sequence[float] | None = None,
    masks: Sequence[ArrayLike] | None = None,
    preserve_colors: str | None = None,
    init: str | ArrayLike = "content",
    coarsest: int = COARSEST,
    frame: bool = True,
    method: str = "lbfgs",
    iterations: int = 50,
    learning_rate: float = 0.02,
    seed: int = 0,
    tile: int = 1024,
    checkpoint: str | Path | None = None,
    callback: Callable[[Step], object] | None = None,
    progress: bool = True,
) -> Synthesis:
    """Paint the content of one picture in the style of another.

    An image is changed, from coarse to fine in steps of √2, until two things hold. Its deep
    features are those of `content` at every position, and its features at all depths have the means
    and covariances of `style`, wherever they lie. One pass through the network serves both.

    Parameters
    ----------
    content : array_like of float, shape (H, W, 3)
        What is painted, RGB in [0, 1].
    style : ndarray of float, shape (h, w, 3), or sequence of array_like
        How it is painted, RGB in [0, 1]; several are mixed, or each gets its region by `masks`.
    size : int or (int, int), optional
        Longest side, or (height, width), of the result in pixels. By default the content's own.
    weights : str, optional
        See :func:`nstlib.feature_extractor`.
    content_weight, style_weight, tv_weight : float
        Factors of the three terms: more content keeps more of the subject, more style gives bolder
        strokes, more total variation a smoother picture.
    content_layers : iterable of str, default ("block4_conv2",)
        Where the content is compared. A shallow layer keeps every pixel where it is; a deep one
        forgets the shapes. Gatys et al. chose the second layer of block 4, which keeps outlines and
        lets strokes move.
    style_layers : iterable of str
        Where the style is compared.
    layer_weights : mapping of str to float, optional
        Of the style's layers; see :func:`nstlib.style_loss`.
    style_scale : float, default 1.0
        Longest side of the style over that of the result: 0.5 makes strokes half as large. A style
        is never enlarged beyond its own pixels.
    style_shares : sequence of float, optional
        How much each of several styles counts; by default all alike.
    masks : sequence of array_like, shapes (H, W), optional
        For each style the region that it paints, values in [0, 1], of the content's shape.
    preserve_colors : {"luminance", "covariance"}, optional
        Keep the content's colours: by transferring brightness alone, or by giving the style the
        content's colours first; see :mod:`nstlib.images.colors`. By default the style's colours
        come along.
    init : {"content", "noise"} or array_like of float, shape (H, W, 3)
        What to begin with.
    coarsest : int, default 128
        Longest side of the first size in pixels, about; 32 or more. A size whose shorter side is
        below 32 is left out. Small sizes make large strokes, and can lose what is small in the
        content: a face, for instance. With the result's longest side there is one size. Then shapes
        stay clearer, strokes are finer, and there is more grain.
    frame : bool, default True
        Continue the picture by 16 pixels on all sides while it is painted, and cut that off at the
        end. VGG19 takes what is beyond a border for 0, so that statistics know of borders. Without
        a frame what a style has there, a painted rim or a signature, comes to the result's borders,
        and the outermost pixels may get odd colours. At 384 pixels it takes about a fifth less
        time, and the style loss of the result is lower, because nothing that counted is cut off.
    method, iterations, learning_rate
        See :func:`nstlib.minimize_image`; `iterations` at each size.
    seed : int, default 0
        Of the noise, where `init` is ``"noise"``.
    tile : int, default 1024
        A picture with a longer side than this is computed in tiles of at most this many pixels a
        side, in bounded memory. The loss is that of the whole picture, so there are no seams.
    checkpoint : str or pathlib.Path, optional
        A file to save the state in every few seconds; if it is there, the run goes on from it. See
        :class:`nstlib.scales.Checkpoint`.
    callback : callable, optional
        Called with a :class:`nstlib.Step` after every iteration; if it returns True, the
        run ends. With ``preserve_colors="luminance"`` its image is still grey.
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
        If `content`, a style or `init` is not an image.
    OptimizationError
        If the loss becomes NaN or infinite; the error carries the last good image.
    MemoryLimitError
        If memory runs out; once there is an image, it is an
        :class:`nstlib.optimize.UnfinishedError`, which carries the best.

    References
    ----------
    - L. Gatys, A. Ecker and M. Bethge, "Image style transfer using convolutional neural networks",
      CVPR 2016.
    - L. Gatys et al., "Controlling perceptual factors in neural style transfer", CVPR 2017:
      regions, colours, and the way from coarse to fine.

    Examples
    --------
    >>> from nstlib import load_image
    >>> cat, glass = load_image("chelsea", size=96), load_image("mosaic", size=96)
    >>> painted = transfer_style(cat, glass, iterations=3, progress=False)
    >>> painted.size, sorted(painted.losses)
    ((64, 96), ['content', 'style'])
    """
    content = check_image(content, "content")
    styles = _check_styles(style)
    weights = check_weights(weights)
    content_layers, style_layers = check_layers(content_layers), check_layers(style_layers)
    content_weight = check_number("content_weight", content_weight, least=0)
    style_weight = check_number("style_weight", style_weight, least=0)
    tv_weight = check_number("tv_weight", tv_weight, least=0)
    if content_weight == style_weight == 0:
        raise ArgumentError(
            "content_weight and style_weight are both 0; one is above 0",
            command="--content-weight and --style-weight are both 0; one is above 0",
        )
    check_layer_weights(layer_weights)
    style_scale = check_number("style_scale", style_scale, above=0)
    iterations = check_count("iterations", iterations)
    learning_rate = check_number("learning_rate", learning_rate, above=0)
    seed = check_count("seed", seed, 0)
    check_callback(callback)
    tile = check_count("tile", tile, 256)
    shares = _check_shares(style_shares, len(styles))
    regions = _check_masks(masks, len(styles), content.shape[:2])
    full = content.shape[:2] if size is None else target_size(content.shape[:2], size)
    check_sizes(content.shape[:2], full, 1, "content")
    coarsest = check_count("coarsest", coarsest, SMALLEST_SIDE)
    around = Frame(FRAME if frame else 0)
    if isinstance(init, str) and init not in ("content", "noise"):
        raise refusal("init", init, "content, noise or an image")

    if preserve_colors is not None:
        check_choice("preserve_colors", preserve_colors, ("luminance", "covariance"))
    original = content
    if preserve_colors == "covariance":
        styles = [match_colors(s, content) for s in styles]
    elif preserve_colors == "luminance":
        styles = [match_luminance(s, content) for s in styles]
        content = grey(content)
    if isinstance(init, str):
        noise = np.random.default_rng(seed).random((*full, 3), dtype=np.float32)
        start = content if init == "content" else noise
    else:
        start = check_image(init, "init")

    layers = dict.fromkeys((*style_layers, *content_layers))
    terms = _Terms(
        extractor=feature_extractor(layers, weights),
        content=content,
        styles=styles,
        shares=shares,
        regions=regions,
        content_layers=content_layers,
        style_layers=style_layers,
        layer_weights=layer_weights,
        factors={"content": content_weight, "style": style_weight, "tv": tv_weight},
        style_scale=style_scale,
        frame=around,
        tile=tile,
    )
    _, margin = step_and_margin(layers)
    room = Room()

    def loss_at(framed: tuple[int, int]) -> Loss:
        size = around.inside(framed)
        at_once, _ = pixels_of(size, around, tile, margin)
        room.check(
            needed_megabytes(terms.extractor, framed, at_once, method=method, iterations=iterations)
        )
        return terms.at(size)

    sizes = stage_sizes(full, coarsest)
    settings = {
        "images": checksum([content, start, *styles, *regions]),
        "size": full,
        "weights": weights,
        "content_weight": content_weight,
        "style_weight": style_weight,
        "tv_weight": tv_weight,
        "content_layers": content_layers,
        "style_layers": style_layers,
        "layer_weights": dict(layer_weights or {}),
        "style_scale": style_scale,
        "style_shares": shares,
        "coarsest": coarsest,
        "frame": frame,
        "method": method,
        "iterations": iterations,
        "learning_rate": learning_rate,
    }
    result, losses = _minimize_in_frame(
        loss_at,
        start,
        sizes,
        around,
        callback,
        iterations=[iterations] * len(sizes),
        checkpoint=None if checkpoint is None else Checkpoint(checkpoint, settings),
        method=method,
        learning_rate=learning_rate,
        progress=progress,
    )
    image = result.image
    if preserve_colors == "luminance":
        image = replace_luminance(resize(original, full), image)
    return Synthesis(image, losses, result.history, weights, seed, result.interrupted)


@dataclass(frozen=True)
class _Terms:
    """What the loss of a transfer is made of, for every size at which the picture is painted.

    Attributes
    ----------
    extractor : keras.Model
        Gives the features at all the layers.
    content : ndarray of float32, shape (H, W, 3)
        What is painted, RGB in [0, 1].
    styles : list of ndarray of float32, shapes (h, w, 3)
        How it is painted, RGB in [0, 1].
    shares : list of float
        How much each style counts.
    regions : list of ndarray of float32, shapes (H, W)
        Where each style paints; empty if each paints the whole picture.
    content_layers, style_layers : tuple of str
        Where contents and where styles are compared.
    layer_weights : mapping of str to float, or None
        Of the style's layers.
    factors : dict of str to float
        Of the terms ``content``, ``style`` and ``tv``; one of 0 is left out.
    style_scale : float
        Longest side of a style over that of the picture.
    frame : Frame
        What the pictures have around them.
    tile : int
        The longest side that is computed in one piece, in pixels.
    """

    extractor: keras.Model
    content: Image
    styles: list[Image]
    shares: list[float]
    regions: list[Image]
    content_layers: tuple[str, ...]
    style_layers: tuple[str, ...]
    layer_weights: Mapping[str, float] | None
    factors: dict[str, float]
    style_scale: float
    frame: Frame
    tile: int

    def at(self, size: tuple[int, int]) -> Loss:
        """Return the loss of framed pictures whose inside has this height and width."""
        targets = [self._statistics(style_at_scale(s, size, self.style_scale)) for s in self.styles]
        whole = max(size) <= self.tile
        compare = compare_whole if whole else functools.partial(compare_by_tiles, tile=self.tile)
        comparison = compare(
            self.extractor,
            self.frame.on(resize(self.content, size)),
            self.content_layers,
            self.style_layers,
            [self.frame.on(resize_mask(region, size)) for region in self.regions],
        )

        def judge(
            from_content: tf.Tensor, statistics: list[dict[str, Statistics]]
        ) -> dict[str, tf.Tensor]:
            return self._compared(from_content, statistics, targets)

        def loss(image: tf.Tensor) -> dict[str, tf.Tensor]:
            terms = comparison(image, judge)
            if self.factors["tv"] > 0:
                terms["tv"] = self.factors["tv"] * total_variation_loss(image)
            return terms

        return loss

    def _statistics(self, style: Image) -> dict[str, Statistics]:
        features = self.extractor(style[np.newaxis]).items()
        return {
            layer: channel_statistics(maps)
            for layer, maps in features
            if layer in self.style_layers
        }

    def _compared(
        self,
        from_content: tf.Tensor,
        statistics: list[dict[str, Statistics]],
        targets: list[dict[str, Statistics]],
    ) -> dict[str, tf.Tensor]:
        """Weigh how far the content is off, and each region's statistics from their style's."""
        if not self.regions:  # every style looks at the whole picture
            statistics = statistics * len(targets)
        terms = {}
        if self.factors["content"] > 0:
            terms["content"] = self.factors["content"] * from_content
        if self.factors["style"] > 0:
            losses = [
                share * style_loss(found, target, layer_weights=self.layer_weights)
                for share, found, target in zip(self.shares, statistics, targets, strict=True)
            ]
            terms["style"] = self.factors["style"] * tf.add_n(losses)
        return terms


def _minimize_in_frame(
    loss_at: Callable[[tuple[int, int]], Loss],
    start: Image,
    sizes: Sequence[tuple[int, int]],
    frame: Frame,
    callback: Callable[[Step], object] | None,
    **options: Any,
) -> tuple[Result, dict[str, tuple[float, float]]]:
    """Work on pictures with a frame, from coarse to fine; nobody outside sees the frame.

    Parameters
    ----------
    loss_at, start, callback, **options
        As for :func:`nstlib.coarse_to_fine`; `loss_at` is for framed pictures.
    sizes : sequence of (int, int)
        (height, width) without the frame.
    frame : Frame
        Put on `start`, and taken off the result.

    Returns
    -------
    Result
        Without the frame.
    dict of str to (float, float)
        Each term of the loss at the last size, at the start and for the result.
    """

    def report(step: Step) -> object:
        assert callback is not None
        assert step.image is not None  # a run's steps hold one
        return callback(replace(step, image=frame.off(step.image)))

    try:
        result = coarse_to_fine(
            loss_at,
            frame.on(start),
            [frame.around(size) for size in sizes],
            resize=frame.resize,
            callback=report if callback else None,
            **options,
        )
        losses, interrupted = first_and_last(loss_at, frame.on(resize(start, sizes[-1])), result)
    except OptimizationError as error:
        error.image = frame.off(error.image)
        raise
    except UnfinishedError as error:
        raise UnfinishedError(frame.inside(error.size), frame.off(error.image)) from None
    interrupted = interrupted or result.interrupted
    return replace(result, image=frame.off(result.image), interrupted=interrupted), losses


def style_at_scale(style: Image, size: tuple[int, int], scale: float) -> Image:
    """Resize a style for a picture of `size`, not beyond its own pixels."""
    longest = max(style.shape[:2])
    # VGG19 needs at least this many pixels a side.
    least = math.ceil(SMALLEST_SIDE * longest / min(style.shape[:2]))
    return resize(style, max(least, min(longest, round(max(size) * scale))))


def _check_styles(style: NDArray[Any] | Sequence[ArrayLike]) -> list[Image]:
    # A tensor is one picture, too, though it could be taken for a list of its rows.
    one = hasattr(style, "__array__") or not isinstance(style, Iterable) or isinstance(style, str)
    given: list[Any] = [style] if one else list(style)
    if not given:
        raise ArgumentError("style is empty; give an image, or a list of images")
    styles = []
    for number, picture in enumerate(given):
        several = len(given) > 1
        name = f"style[{number}]" if several else "style"
        styles.append(check_image(picture, name))
        command = f"STYLE number {number + 1}" if several else "STYLE"
        check_sides(name, styles[-1].shape[:2], command=command)
    return styles


def _check_shares(shares: Sequence[float] | None, count: int) -> list[float]:
    if shares is None:
        shares = [1.0] * count
    elif not isinstance(shares, Iterable) or getattr(shares, "shape", None) == ():
        raise refusal("style_shares", shares, "a list of numbers, one for each style")
    shares = [check_number("style_shares", share) for share in shares]
    if len(shares) != count or min(shares) < 0 or not 0 < sum(shares) < math.inf:
        raise ArgumentError(
            f"style_shares is {shares}; it must be {counted(count, 'number')}, one for each style, "
            "not negative, and at least one above 0"
        )
    return [share / sum(shares) for share in shares]


def _check_masks(
    masks: Sequence[ArrayLike] | None, count: int, shape: tuple[int, ...]
) -> list[Image]:
    if masks is None:
        return []
    accepted = "a list of arrays, one for each style"
    if getattr(masks, "ndim", None) == 2:  # one mask, not in a list
        raise refusal("masks", masks, accepted)
    try:
        regions = [np.asarray(mask, np.float32) for mask in masks]
    except (TypeError, ValueError, OverflowError):
        raise refusal("masks", masks, accepted) from None
    if len(regions) != count:
        raise ArgumentError(
            f"{counted(len(regions), 'mask')} and {counted(count, 'style')} are given; each style "
            "has one"
        )
    for number, region in enumerate(regions):
        if region.shape != shape:
            raise ArgumentError(
                f"masks[{number}] has shape {region.shape}; it must have the content's height and "
                f"width, {shape}"
            )
        if not (np.isfinite(region).all() and region.min() >= 0 and 0 < region.max() <= 1):
            raise ArgumentError(
                f"masks[{number}] ranges from {region.min():.3g} to {region.max():.3g}; it must "
                "lie in [0, 1], and be above 0 somewhere"
            )
    return regions
