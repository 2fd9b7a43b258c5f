"""The commands that optimise a picture: texture and transfer."""

from __future__ import annotations

import functools
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nstlib.cli._options import (
    ContentWeight,
    MaxMegapixels,
    Method,
    PictureOutput,
    Report,
    StyleWeight,
    TvWeight,
    Weights,
)
from nstlib.cli._outputs import (
    Film,
    check_outputs,
    print_estimate,
    print_result,
    weights_file,
    write_report,
)
from nstlib.cli._run import fail, fail_interrupted, fail_to_start
from nstlib.cli._signals import signals
from nstlib.errors import ArgumentError, ImageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nstlib.images.arrays import Image
    from nstlib.optimize import OptimizationError, Step, UnfinishedError


def texture(
    image: Annotated[
        str,
        typer.Argument(
            metavar="IMAGE",
            help="A file, or a name that 'nst assets list' shows: a sample, drawn style, picture.",
            show_default=False,
        ),
    ],
    output: PictureOutput,
    size: Annotated[int, typer.Option(help="Side of the square texture, in pixels.")] = 224,
    iterations: Annotated[int, typer.Option(help="At most, at each of up to three sizes.")] = 60,
    method: Method = "lbfgs",
    tv_weight: TvWeight = 0.0,
    tileable: Annotated[
        bool, typer.Option("--tileable", help="Let opposite edges fit together.")
    ] = False,
    weights: Weights = None,
    seed: Annotated[int, typer.Option(help="Another number gives another texture.")] = 0,
    max_megapixels: MaxMegapixels = 64.0,
    report: Report = None,
) -> int:
    """Make a new picture of the same material as IMAGE.

    IMAGE is scaled to SIZE pixels on its longest side. Ctrl-C ends the run early and keeps the
    best picture so far.
    """
    from nstlib.images.encode import save_image
    from nstlib.sources import load_image

    check_outputs([image, *weights_file(weights)], output, report=report)
    source = load_image(image, size=size, max_megapixels=max_megapixels)
    try:
        from nstlib.optimize import OptimizationError, UnfinishedError
        from nstlib.synthesis.texture import synthesize_texture
    except Exception as error:
        return fail_to_start(error)

    _check_shape(image, source, size)
    watch = _UntilAsked()
    try:
        result = synthesize_texture(
            source,
            (size, size),
            weights=weights,
            iterations=iterations,
            method=method,
            tv_weight=tv_weight,
            tileable=tileable,
            seed=seed,
            callback=watch,
            progress=sys.stderr.isatty(),
        )
    except (OptimizationError, UnfinishedError) as error:
        return _keep_result(error, error.image, output)
    save_image(result.image, output)
    print_result(output, result)
    if report is not None:
        write_report(report, result)
    return _end(output, result.interrupted or watch.stopped)


def transfer(
    content: Annotated[
        str,
        typer.Argument(
            metavar="CONTENT",
            help="What to paint: a file, or a name that 'nst assets list' shows.",
            show_default=False,
        ),
    ],
    styles: Annotated[
        list[str],
        typer.Argument(
            metavar="STYLE",
            help="How to paint it: likewise. Several are mixed.",
            show_default=False,
        ),
    ],
    output: PictureOutput,
    size: Annotated[
        int | None,
        typer.Option(
            help="Longest side of the picture, in pixels.",
            show_default="512, or CONTENT's own if that is less",
        ),
    ] = None,
    content_weight: ContentWeight = 0.3,
    style_weight: StyleWeight = 1.0,
    tv_weight: TvWeight = 0.0,
    preserve_colors: Annotated[
        str | None,
        typer.Option(
            help="Keep CONTENT's colours: luminance paints brightness alone, covariance gives them "
            "to the styles first.",
            show_default="the styles' colours",
        ),
    ] = None,
    style_scale: Annotated[
        float, typer.Option(help="0.5 makes strokes half as large; styles are never enlarged.")
    ] = 1.0,
    mask: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="A picture that says what goes where, stretched to CONTENT's shape. Of two "
            "styles, the first paints its white parts and the second its black ones. With one "
            "style, black parts stay as they are in CONTENT.",
            show_default=False,
        ),
    ] = None,
    init: Annotated[
        str, typer.Option(help="What to begin with: content, noise, or a picture.")
    ] = "content",
    coarsest: Annotated[
        int,
        typer.Option(
            help="Longest side of the first size, in pixels: more keeps faces clearer, less makes "
            "strokes larger."
        ),
    ] = 128,
    frame: Annotated[
        bool,
        typer.Option(
            help="Continue CONTENT beyond its border while it is painted, and cut that off. "
            "Without, it is quicker and closer to STYLE, and what STYLE has at its edges comes to "
            "the picture's."
        ),
    ] = True,
    weights: Weights = None,
    method: Method = "lbfgs",
    iterations: Annotated[
        int, typer.Option(help="At most, at each size from the first one up by steps of 1.4.")
    ] = 50,
    seed: Annotated[int, typer.Option(help="Of the noise, with --init noise.")] = 0,
    max_megapixels: MaxMegapixels = 64.0,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Save the state there every few seconds. A run that was ended goes on from it if "
            "the same command is given again. Removed once OUT is complete.",
        ),
    ] = None,
    animate: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write a film of the run there, .gif or .mp4: ten frames a size."
        ),
    ] = None,
    report: Report = None,
) -> int:
    """Paint CONTENT in the style of STYLE.

    What is transparent in CONTENT stays transparent. First says how long it will take, and how much
    memory. Ctrl-C ends the run early and keeps the best picture so far.
    """
    from nstlib._checks import check_number
    from nstlib.images.encode import save_image

    check_number("style_scale", style_scale, above=0)  # by which styles are drawn
    if mask is not None and len(styles) > 2:
        raise ArgumentError(f"--mask divides a picture between 2 styles; there are {len(styles)}")
    pictures = [name for name in (mask, init) if name not in (None, "content", "noise")]
    check_outputs(
        [content, *styles, *pictures, *weights_file(weights)],
        output,
        report=report,
        animate=animate,
        checkpoint=checkpoint,
    )
    given = _read(content, styles, mask, init, size, style_scale, max_megapixels)
    try:
        from nstlib._memory import memory
        from nstlib.optimize import OptimizationError, UnfinishedError
        from nstlib.synthesis.estimate import estimate_transfer
        from nstlib.synthesis.transfer import transfer_style
    except Exception as error:
        return fail_to_start(error)

    _check_shape(content, given.photo, size)
    options: dict[str, Any] = {
        "content_weight": content_weight,
        "style_weight": style_weight,
        "tv_weight": tv_weight,
        "preserve_colors": preserve_colors,
        "style_scale": style_scale,
        "masks": given.masks,
        "init": given.start,
        "coarsest": coarsest,
        "frame": frame,
        "weights": weights,
        "method": method,
        "iterations": iterations,
        "seed": seed,
    }
    finish = functools.partial(given.finish, preserve_colors=preserve_colors)
    film = None if animate is None else Film(animate, max(1, iterations // 10), finish)
    watch = _UntilAsked(film)
    try:
        print_estimate(estimate_transfer(given.photo, given.styles, **options), checkpoint)
        result = transfer_style(
            given.photo,
            given.styles,
            **options,
            checkpoint=checkpoint,
            callback=watch,
            progress=sys.stderr.isatty(),
        )
    except (OptimizationError, UnfinishedError) as error:
        image = finish(error.image)
        code = _keep_result(error, image, output, given.alpha_of(image))
        if film is not None:
            film.save(image)
        return code
    picture = given.keep_photo(result.image)
    save_image(picture, output, alpha=given.alpha_of(picture))
    print_result(output, result)
    interrupted = result.interrupted or watch.stopped
    if checkpoint is not None and not interrupted:
        checkpoint.unlink(missing_ok=True)
    if report is not None:
        settings = {
            "content": content,
            "styles": styles,
            "mask": mask,
            **{name: value for name, value in options.items() if name not in ("masks", "weights")},
            "init": init,
        }
        write_report(report, result, peak_megabytes=memory(peak=True), settings=settings)
    if film is not None:
        film.save(picture)
    return _end(output, interrupted, checkpoint)


@dataclass(frozen=True)
class _Pictures:
    """What goes into a transfer."""

    photo: Image
    alpha: NDArray[np.float32] | None
    styles: list[Image]
    region: NDArray[np.float32] | None
    start: str | Image

    @property
    def masks(self) -> list[NDArray[np.float32]] | None:
        if self.region is None:
            return None
        return [self.region, 1 - self.region][: len(self.styles)]

    def alpha_of(self, image: Image) -> NDArray[np.float32] | None:
        """Return the photo's alpha at the size of a painting of it."""
        from nstlib.images.resizing import resize_mask

        return None if self.alpha is None else resize_mask(self.alpha, image.shape[:2])

    def keep_photo(self, image: Image) -> Image:
        """Leave the photo where a lone style does not paint."""
        from nstlib.images.resizing import resize, resize_mask

        if self.region is None or len(self.styles) == 2:
            return image
        height, width, _ = image.shape
        share = resize_mask(self.region, (height, width))[..., None]
        laid: Image = share * image + (1 - share) * resize(self.photo, (height, width))
        return laid.clip(0, 1)

    def finish(self, image: Image, *, preserve_colors: str | None) -> Image:
        """Make of the picture inside a run what the run would return."""
        from nstlib.images.colors import replace_luminance
        from nstlib.images.resizing import resize

        if preserve_colors == "luminance":
            photo = resize(self.photo, (image.shape[0], image.shape[1]))
            image = replace_luminance(photo, image)
        return self.keep_photo(image)


def _read(
    content: str,
    styles: list[str],
    mask: str | None,
    init: str,
    size: int | None,
    style_scale: float,
    max_megapixels: float,
) -> _Pictures:
    """Read the pictures of a transfer."""
    from nstlib.images.colors import luminance
    from nstlib.sources import load_image, load_picture, load_style

    limit: dict[str, Any] = {"max_megapixels": max_megapixels}
    longest = 512 if size is None else size
    photo = load_picture(content, longest, enlarge=size is not None, **limit)
    shape = (photo.image.shape[0], photo.image.shape[1])
    return _Pictures(
        photo.image,
        photo.alpha,
        [load_style(name, max(shape) * style_scale, **limit) for name in styles],
        None if mask is None else luminance(load_image(mask, shape, **limit)),
        _start(init, max_megapixels),
    )


def _start(init: str, max_megapixels: float) -> str | Image:
    """Read what a transfer begins with, if it is a picture."""
    from nstlib.sources import load_image

    if init in ("content", "noise"):
        return init
    try:
        return load_image(init, max_megapixels=max_megapixels)
    except ImageError as error:
        if Path(init).exists():  # not a misspelt word
            raise
        raise ImageError(f"{error.command}; --init takes content and noise as well") from error


class _UntilAsked:
    """What is called after every step: from the first on, there is a picture to keep."""

    def __init__(self, film: Film | None = None) -> None:
        self._film = film
        self.stopped = False

    def __call__(self, step: Step) -> bool:
        signals.keep()
        if self._film is not None:
            self._film(step)
        self.stopped = signals.asked()
        return self.stopped


def _keep_result(
    error: OptimizationError | UnfinishedError,
    picture: Image,
    output: Path,
    alpha: NDArray[np.float32] | None = None,
) -> int:
    """Write the best picture of a run that failed."""
    from nstlib.images.encode import save_image

    save_image(picture, output, alpha=alpha)
    return fail(f"{error.command}; the last good picture is in {output}", 1)


def _end(output: Path, interrupted: bool, checkpoint: Path | None = None) -> int:
    """Say if a run was ended early; return the exit code."""
    if not interrupted:
        return 0
    return fail_interrupted(f"{output} is the best picture so far", checkpoint)


def _check_shape(name: str, image: Image, size: int | None) -> None:
    """Refuse a picture that is too narrow for VGG19, in the user's own numbers."""
    from nstlib.art._canvas import MAX_SIDE
    from nstlib.features import SMALLEST_SIDE

    short, longest = sorted(image.shape[:2])
    if short >= SMALLEST_SIDE:
        return
    at = "without --size" if size is None else f"at --size {size}"
    # The short side is rounded: it may be half a pixel less.
    enough = math.ceil(SMALLEST_SIDE * longest / (short - 0.5))
    # One pixel may stand for a hundredth of one.
    helps = short > 1 and enough <= MAX_SIDE
    advice = f"crop it, or give --size {enough} or more" if helps else "crop it"
    raise ArgumentError(
        f"{name}: {at} its sides are {longest} and {short} pixels, but VGG19 needs "
        f"{SMALLEST_SIDE} or more; {advice}"
    )
