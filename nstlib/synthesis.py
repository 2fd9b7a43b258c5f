"""The recipes: what the course builds from features, losses and the loop.

A recipe works from coarse to fine. At a quarter of the size a network's view spans four times as
much of the picture, so large structures settle first, and cheaply; each finer size then starts from
the enlarged result and only has to add detail.
"""

from __future__ import annotations

import functools
import inspect
import math
import re
import sys
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nstlib.colors import grey, match_colors, match_luminance, replace_luminance
from nstlib.errors import ArgumentError
from nstlib.features import (
    CONTENT_LAYERS,
    SMALLEST_SIDE,
    STYLE_LAYERS,
    check_layers,
    check_weights,
    feature_extractor,
    stride,
)
from nstlib.images import Image, Size, check_image, resize, target_size
from nstlib.losses import channel_statistics, style_loss, total_variation_loss
from nstlib.optimize import (
    Checkpoint,
    Loss,
    OptimizationError,
    Recorded,
    Step,
    coarse_to_fine,
    kept_steps,
)
from nstlib.quietly import tf
from nstlib.tiles import MARGIN, compare_by_tiles, compare_whole

#: Pixels by which :func:`transfer_style` continues a picture while it works. Convolutions do odd
#: things at a border; here the border is cut off at the end.
FRAME = 16

#: How much the deep layers count in :func:`synthesize_texture`; all others count 1. Their terms are
#: the last to settle, and until they do they cost the fine ones their cleanness: colours fringe,
#: points of light ring.
TEXTURE_WEIGHTS = {"block4_conv1": 0.5, "block5_conv1": 0.25}


@dataclass(frozen=True)
class Synthesis(Recorded):
    """A picture made by a recipe, and how it was made.

    Attributes
    ----------
    image : ndarray of float32, shape (H, W, 3)
        RGB in [0, 1].
    losses : dict of str to (float, float)
        Each term of the loss at full size: of the start, and of `image`.
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

    From noise, coarse to fine, an image is changed until its features at `layers` have the means
    and covariances, and with them the Gram matrices, of `source`: the same features occur together
    as often, elsewhere.

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
        Where the features are compared.
    layer_weights : mapping of str to float, optional
        See :func:`nstlib.losses.style_loss`. By default ``block4_conv1`` counts 1/2,
        ``block5_conv1`` 1/4, and any other layer 1.
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
    if layer_weights is None:
        layer_weights = {name: TEXTURE_WEIGHTS[name] for name in layers if name in TEXTURE_WEIGHTS}
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
    smallest = min(*full, *source.shape[:2])
    while scales > 1 and smallest < SMALLEST_SIDE * 2 ** (scales - 1):
        scales -= 1
    coarse = [
        [max(step, round(side / 2**halvings / step) * step) for side in full]
        for halvings in range(scales)
    ]
    result = coarse_to_fine(
        loss_at,
        noise,
        [(height, width) for height, width in reversed(coarse)],
        iterations=[iterations] * scales,
        resize=_resize_tile if tileable else resize,
        method=method,
        learning_rate=learning_rate,
        callback=callback,
        progress=progress,
    )
    # Both at full size: the run began at a coarse one, and one that was stopped ended there.
    at_start, at_end = map(loss_at(full), (tf.constant(noise), tf.constant(result.image)))
    losses = {name: (float(at_start[name]), float(at_end[name])) for name in at_start}
    return Synthesis(result.image, losses, result.history, weights, seed, result.interrupted)


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

    Coarse to fine, by steps of √2 from 128 pixels on, an image is changed until its deep features
    are those of `content`, place by place, and its features at all depths have the means and
    covariances of `style`, anywhere. One pass through the network serves both.

    Parameters
    ----------
    content : array_like of float, shape (H, W, 3)
        What is painted, RGB in [0, 1].
    style : ndarray of float, shape (h, w, 3), or sequence of array_like
        How it is painted, RGB in [0, 1]; several are mixed, or each gets its region by `masks`.
    size : int or (int, int), optional
        Longest side, or (height, width), of the result in pixels. By default the content's own.
    weights : str, optional
        See :func:`nstlib.features.feature_extractor`.
    content_weight, style_weight, tv_weight : float
        Factors of the three terms: more content keeps more of the subject, more style gives bolder
        strokes, more total variation a smoother picture.
    content_layers : iterable of str, default ("block4_conv2",)
        Where the content is compared. A shallow layer holds every pixel where it is; a deep one
        forgets the shapes. Gatys et al. chose the second layer of block 4, which keeps outlines
        and lets strokes move.
    style_layers : iterable of str
        Where the style is compared.
    layer_weights : mapping of str to float, optional
        Of the style's layers; see :func:`nstlib.losses.style_loss`.
    style_scale : float, default 1.0
        Longest side of the style over that of the result: 0.5 makes strokes half as large. A style
        is never enlarged beyond its own pixels.
    style_shares : sequence of float, optional
        How much each of several styles counts; by default all alike.
    masks : sequence of array_like, shapes (H, W), optional
        For each style the region that it paints, values in [0, 1], of the content's shape.
    preserve_colors : {"luminance", "covariance"}, optional
        Keep the content's colours: by transferring brightness alone, or by giving the style the
        content's colours first; see :mod:`nstlib.colors`. By default the style's colours come
        along.
    init : {"content", "noise"} or array_like of float, shape (H, W, 3)
        What to begin with.
    method, iterations, learning_rate
        See :func:`nstlib.optimize.minimize_image`; `iterations` at each size.
    seed : int, default 0
        Of the noise, where `init` is ``"noise"``.
    tile : int, default 1024
        A picture with a longer side than this is computed in tiles of at most so many pixels a
        side, in bounded memory. The loss is that of the whole picture, so there are no seams.
    checkpoint : str or pathlib.Path, optional
        A file to save the state in every few seconds; if it is there, the run goes on from it. See
        :class:`nstlib.optimize.Checkpoint`.
    callback : callable, optional
        Called with a :class:`nstlib.optimize.Step` after every iteration; if it returns True, the
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

    References
    ----------
    L. Gatys, A. Ecker and M. Bethge, "Image style transfer using convolutional neural networks",
    CVPR 2016.
    L. Gatys et al., "Controlling perceptual factors in neural style transfer", CVPR 2017: regions,
    colours, and the way from coarse to fine.

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
    for name, weight in (("content", content_weight), ("style", style_weight), ("tv", tv_weight)):
        if not 0 <= weight < math.inf:
            raise ArgumentError(f"{name}_weight is {weight}; it is a number, 0 or more")
    if content_weight == style_weight == 0:
        raise ArgumentError("content_weight and style_weight are both 0; one is above 0")
    if not 0 < style_scale < math.inf:
        raise ArgumentError(f"style_scale is {style_scale}; it is a number above 0")
    if seed < 0:
        raise ArgumentError(f"seed is {seed}; it is a whole number, 0 or more")
    if tile < 256:
        raise ArgumentError(f"tile is {tile}; it is 256 pixels or more")
    shares = _check_shares(style_shares, len(styles))
    regions = _check_masks(masks, len(styles), content.shape[:2])
    full = content.shape[:2] if size is None else target_size(content.shape[:2], size)
    _check_sizes(content.shape[:2], full, 1)
    if isinstance(init, str) and init not in ("content", "noise"):
        raise ArgumentError(f"init is {init!r}; it is 'content', 'noise' or an image")

    original = content
    if preserve_colors == "covariance":
        styles = [match_colors(s, content) for s in styles]
    elif preserve_colors == "luminance":
        styles = [match_luminance(s, content) for s in styles]
        content = grey(content)
    elif preserve_colors is not None:
        raise ArgumentError(
            f"preserve_colors is {preserve_colors!r}; it is 'luminance', 'covariance' or None"
        )
    if isinstance(init, str):
        noise = np.random.default_rng(seed).random((*full, 3), dtype=np.float32)
        start = content if init == "content" else noise
    else:
        start = check_image(init, "init")

    extractor = feature_extractor(dict.fromkeys((*style_layers, *content_layers)), weights)

    def loss_at(framed: tuple[int, int]) -> Loss:
        size = (framed[0] - 2 * FRAME, framed[1] - 2 * FRAME)
        wanted = [
            {
                layer: channel_statistics(maps)
                for layer, maps in extractor(_at_scale(s, size, style_scale)[np.newaxis]).items()
                if layer in style_layers
            }
            for s in styles
        ]
        whole = max(size) <= tile
        compare = (compare_whole if whole else functools.partial(compare_by_tiles, tile=tile))(
            extractor,
            _frame(resize(content, size)),
            content_layers,
            style_layers,
            [_frame(_resize_mask(region, size)) for region in regions],
        )

        def loss(image: tf.Tensor) -> dict[str, tf.Tensor]:
            from_content, statistics = compare(image)
            if not regions:  # every style looks at the whole picture
                statistics = statistics * len(styles)
            terms = {}
            if content_weight > 0:
                terms["content"] = content_weight * from_content
            if style_weight > 0:
                terms["style"] = style_weight * tf.add_n(
                    [
                        share * style_loss(found, targets, layer_weights=layer_weights)
                        for share, found, targets in zip(shares, statistics, wanted, strict=True)
                    ]
                )
            if tv_weight > 0:
                terms["tv"] = tv_weight * total_variation_loss(image)
            return terms

        return loss

    sizes = _sizes(full)
    settings = {
        "images": [zlib.crc32(i.tobytes()) for i in (content, start, *styles, *regions)],
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
        "method": method,
        "iterations": iterations,
        "learning_rate": learning_rate,
    }

    def report(step: Step) -> object:
        assert callback is not None
        assert step.image is not None
        return callback(replace(step, image=_unframe(step.image)))

    try:
        result = coarse_to_fine(
            loss_at,
            _frame(start),
            [(height + 2 * FRAME, width + 2 * FRAME) for height, width in sizes],
            iterations=[iterations] * len(sizes),
            resize=_resize_framed,
            checkpoint=None if checkpoint is None else Checkpoint(checkpoint, settings),
            method=method,
            learning_rate=learning_rate,
            callback=report if callback else None,
            progress=progress,
        )
    except OptimizationError as error:
        raise OptimizationError(str(error), _unframe(error.image)) from error
    at_start, at_end = map(
        loss_at(result.image.shape[:2]),
        (tf.constant(_frame(resize(start, full))), tf.constant(result.image)),
    )
    losses = {name: (float(at_start[name]), float(at_end[name])) for name in at_start}
    image = _unframe(result.image)
    if preserve_colors == "luminance":
        image = replace_luminance(resize(original, full), image)
    return Synthesis(image, losses, result.history, weights, seed, result.interrupted)


@dataclass(frozen=True)
class Estimate:
    """What a transfer will take, roughly.

    Attributes
    ----------
    seconds : float
        From its start to its picture.
    megabytes : float
        The most that the process will hold at any one time.
    sizes : tuple of (int, int)
        (height, width) of the pictures that it works at, the result's last.
    """

    seconds: float
    megabytes: float
    sizes: tuple[tuple[int, int], ...]


def estimate_transfer(
    content: ArrayLike, style: NDArray[Any] | Sequence[ArrayLike], **options: Any
) -> Estimate:
    """Say beforehand how long :func:`transfer_style` will take, and how much memory.

    A few iterations of the same transfer are made and timed, at 256 pixels or a little less or
    more. Time is then scaled by the pixels and the iterations at all the sizes. Memory is what the
    process holds now, and what the network's layers and the optimiser will need at the largest.

    Parameters
    ----------
    content, style, **options
        As for :func:`transfer_style`. A `checkpoint` is neither read nor written: the estimate is
        that of the whole run.

    Returns
    -------
    Estimate

    Raises
    ------
    ArgumentError, ImageError, OptimizationError
        As :func:`transfer_style`.
    KeyboardInterrupt
        If it is interrupted from the keyboard.

    Examples
    --------
    >>> from nstlib import load_image
    >>> cat, glass = load_image("chelsea", size=64), load_image("mosaic", size=64)
    >>> estimate = estimate_transfer(cat, glass, iterations=10)
    >>> estimate.seconds > 0, estimate.megabytes > 0, estimate.sizes
    (True, True, ((43, 64),))
    """
    bound = inspect.signature(transfer_style).bind(content, style, **options)
    bound.apply_defaults()
    given = bound.arguments
    shape = check_image(content, "content").shape[:2]
    full = shape if given["size"] is None else target_size(shape, given["size"])
    sizes = _sizes(full)

    # At 128 pixels, fixed costs would be half of the time, and at the largest size nothing.
    trial_size = sizes[min(2, len(sizes) - 1)]
    timed: list[Step] = []  # at the trial's last size, after whatever is done once a size

    def note(step: Step) -> None:
        assert step.image is not None
        if step.image.shape[:2] == trial_size:
            timed.append(step)

    trial = transfer_style(
        **given
        | {
            "size": trial_size,
            "iterations": min(5, given["iterations"]),
            "checkpoint": None,
            "callback": note,
            "progress": False,
        }
    )
    if trial.interrupted:
        raise KeyboardInterrupt
    first, last = timed[0], timed[-1]
    each = (last.seconds - first.seconds) / max(1, last.evaluations - first.evaluations)
    # L-BFGS's line search needs one more evaluation now and then, and its arithmetic grows with the
    # steps that it keeps; the 2 stand for the targets and the final losses.
    count = (1.25 if given["method"] == "lbfgs" else 1.0) * given["iterations"] + 2
    _, work_of_trial = _pixels(trial_size, given["tile"])
    work = sum(_pixels(size, given["tile"])[1] for size in sizes)
    # The first evaluation of all, which includes the tracing, comes once a size.
    seconds = len(sizes) * trial.history[0].seconds + count * each * work / work_of_trial

    layers = dict.fromkeys((*given["style_layers"], *given["content_layers"]))
    extractor = feature_extractor(layers, given["weights"])
    per_pixel = sum(
        4 * layer.output.shape[-1] / stride(layer.name) ** 2
        for layer in extractor.layers
        if layer.name.startswith("block")
    )
    at_once, _ = _pixels(full, given["tile"])
    needed = COPIES * per_pixel * at_once
    if given["method"] == "lbfgs":
        values = 3 * math.prod(side + 2 * FRAME for side in full)
        kept = min(given["iterations"], kept_steps(values))
        needed += 8 * (2 * kept + 10) * values  # in double precision
    now = memory() or 700.0  # where nothing tells: about what TensorFlow takes before it begins
    return Estimate(seconds, now + TRACE * len(sizes) + needed / 1e6, tuple(sizes))


#: How many times the layers' outputs an evaluation holds at its peak: they, their padded copies,
#: what the statistics make of them, and gradients. Measured.
COPIES = 4.0

#: Megabytes that stay with the process for each size. Measured.
TRACE = 15.0


def _pixels(size: tuple[int, int], tile: int) -> tuple[float, float]:
    """Pixels that one evaluation holds at once, and how many it costs."""
    sides = [side + 2 * FRAME for side in size]
    if max(size) <= tile:
        return math.prod(sides), math.prod(sides)
    counts = [math.ceil(side / tile) for side in sides]
    window = math.prod(side / n + 2 * MARGIN for side, n in zip(sides, counts, strict=True))
    return window, 1.5 * window * math.prod(counts)  # forward, again for the gradient, and back


def memory(*, peak: bool = False) -> float | None:
    """Megabytes that this process holds now, or has held at most; None where nothing tells.

    Where the present use cannot be had (outside Linux) the peak stands in for it.
    """
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        status = ""
    found = re.search(rf"^{'VmHWM' if peak else 'VmRSS'}:\s*(\d+) kB", status, re.MULTILINE)
    if found:
        return int(found[1]) * 1024 / 1e6
    try:
        import resource
    except ImportError:  # Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e6 if sys.platform == "darwin" else most * 1024 / 1e6


def _sizes(full: tuple[int, int]) -> list[tuple[int, int]]:
    """Sizes from about 128 pixels up to `full`, each √2 times the one before.

    Examples
    --------
    >>> _sizes((200, 300))
    [(100, 150), (141, 212), (200, 300)]
    """
    steps = max(0, round(2 * math.log2(max(full) / 128)))
    sizes = []
    for step in range(steps, -1, -1):
        scale = 2 ** (-step / 2)
        height, width = (round(side * scale) for side in full)
        if min(height, width) >= SMALLEST_SIDE or step == 0:
            sizes.append((height, width))
    return sizes


def _frame(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Continue a picture, or a mask, by its mirror image on all sides."""
    sides = [(FRAME, FRAME)] * 2 + [(0, 0)] * (image.ndim - 2)
    return np.pad(image, sides, mode="symmetric")


def _unframe(image: Image) -> Image:
    return image[FRAME:-FRAME, FRAME:-FRAME]


def _resize_framed(image: Image, size: tuple[int, int]) -> Image:
    return _frame(resize(_unframe(image), (size[0] - 2 * FRAME, size[1] - 2 * FRAME)))


def _at_scale(style: Image, size: tuple[int, int], scale: float) -> Image:
    """Resize a style for a picture of `size`, not beyond its own pixels."""
    longest = max(style.shape[:2])
    # VGG19 cannot look at less than its smallest side.
    least = math.ceil(SMALLEST_SIDE * longest / min(style.shape[:2]))
    return resize(style, max(least, min(longest, round(max(size) * scale))))


def _resize_mask(mask: Image, size: tuple[int, int]) -> Image:
    return resize(np.repeat(mask[..., np.newaxis], 3, axis=2), size)[..., 0]


def _check_styles(style: NDArray[Any] | Sequence[ArrayLike]) -> list[Image]:
    given = [style] if isinstance(style, np.ndarray) else list(style)
    if not given:
        raise ArgumentError("style is empty; give an image, or a list of images")
    styles = [check_image(s, "style") for s in given]
    for s in styles:
        if min(s.shape[:2]) < SMALLEST_SIDE:
            raise ArgumentError(
                f"style is {s.shape[0]}×{s.shape[1]} pixels; VGG19 halves it five times: each side "
                f"needs {SMALLEST_SIDE} or more"
            )
    return styles


def _check_shares(shares: Sequence[float] | None, count: int) -> list[float]:
    shares = [1.0] * count if shares is None else [float(share) for share in shares]
    if len(shares) != count or min(shares) < 0 or not 0 < sum(shares) < math.inf:
        raise ArgumentError(
            f"style_shares is {shares}; it is {count} numbers, one for each style, not negative, "
            "and at least one above 0"
        )
    return [share / sum(shares) for share in shares]


def _check_masks(
    masks: Sequence[ArrayLike] | None, count: int, shape: tuple[int, ...]
) -> list[Image]:
    if masks is None:
        return []
    regions = [np.asarray(mask, np.float32) for mask in masks]
    if len(regions) != count:
        raise ArgumentError(
            f"there are {len(regions)} masks and {count} styles; each style has one"
        )
    for region in regions:
        if region.shape != shape:
            raise ArgumentError(
                f"a mask has shape {region.shape}, the content {shape[0]}×{shape[1]} pixels; a "
                "mask is an array of the content's height and width"
            )
        if not (np.isfinite(region).all() and region.min() >= 0 and 0 < region.max() <= 1):
            raise ArgumentError(
                f"a mask ranges from {region.min():.3g} to {region.max():.3g}; it lies in [0, 1], "
                "and is above 0 somewhere"
            )
    return regions


def _resize_tile(image: Image, size: tuple[int, int]) -> Image:
    """Resize a picture that continues on its opposite side so that it still does."""
    # Within margins that come to whole pixels before and after, two or more wide: cubic
    # interpolation looks that far.
    common = [math.gcd(*sides) for sides in zip(image.shape[:2], size, strict=True)]
    y, x = (2 * side // part for side, part in zip(image.shape[:2], common, strict=True))
    padded = np.pad(image, [(y, y), (x, x), (0, 0)], mode="wrap")
    y, x = (2 * side // part for side, part in zip(size, common, strict=True))
    return resize(padded, (size[0] + 2 * y, size[1] + 2 * x))[y:-y, x:-x]


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
