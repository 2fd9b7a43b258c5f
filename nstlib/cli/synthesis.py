"""The commands that optimise a picture: texture and transfer."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nstlib.cli._options import MaxMegapixels
from nstlib.cli._outputs import Film, check_outputs, print_estimate, print_result, write_report
from nstlib.cli._run import fail, fail_to_start
from nstlib.errors import ArgumentError

if TYPE_CHECKING:
    from nstlib.images.arrays import Image


def texture(
    image: Annotated[
        str,
        typer.Argument(
            metavar="IMAGE",
            help="A file, or a name that 'nst assets list' shows: a sample, drawn style, picture.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="Where to write the texture: .png, .jpg, .jpeg or .webp.",
        ),
    ],
    size: Annotated[int, typer.Option(help="Side of the square texture, in pixels.")] = 224,
    iterations: Annotated[int, typer.Option(help="At most, at each of up to three sizes.")] = 60,
    optimizer: Annotated[str, typer.Option(help="lbfgs or adam.")] = "lbfgs",
    tv_weight: Annotated[float, typer.Option(help="Weight of smoothness in the loss.")] = 0.0,
    tile: Annotated[bool, typer.Option("--tile", help="Let opposite edges fit together.")] = False,
    weights: Annotated[
        str | None,
        typer.Option(
            help="mini, random, or imagenet (80 MB, downloaded on first use).",
            show_default="NSTLIB_WEIGHTS, or mini",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another number gives another texture.")] = 0,
    max_megapixels: MaxMegapixels = 64.0,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write how the run went there, as JSON."),
    ] = None,
) -> int:
    """Make a texture like IMAGE: the same stuff, differently arranged.

    IMAGE is scaled to SIZE pixels on its longest side. Ctrl-C ends the run early and keeps the
    best picture so far.
    """
    from nstlib.images.encode import save_image
    from nstlib.sources import load_image

    check_outputs([image], output, report=report)
    source = load_image(image, size=size, max_megapixels=max_megapixels)
    try:
        from nstlib.optimize import OptimizationError
        from nstlib.synthesis.texture import synthesize_texture
    except Exception as error:
        return fail_to_start(error)

    _check_shape(image, source, size)
    try:
        result = synthesize_texture(
            source,
            (size, size),
            weights=weights,
            iterations=iterations,
            method=optimizer,
            tv_weight=tv_weight,
            tileable=tile,
            seed=seed,
            progress=sys.stderr.isatty(),
        )
    except OptimizationError as error:
        save_image(error.image, output)
        return fail(f"{error}; the last good picture is in {output}", 1)
    save_image(result.image, output)
    if report is not None:
        write_report(report, result)
    print_result(output, result)
    if result.interrupted:
        return fail(f"interrupted; {output} is the best picture so far", 130)
    return 0


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
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="Where to write the picture: .png, .jpg, .jpeg or .webp.",
        ),
    ],
    size: Annotated[
        int | None,
        typer.Option(
            help="Longest side of the picture, in pixels.",
            show_default="512, or CONTENT's own if that is less",
        ),
    ] = None,
    content_weight: Annotated[float, typer.Option(help="More keeps more of the subject.")] = 0.3,
    style_weight: Annotated[float, typer.Option(help="More gives bolder strokes.")] = 1.0,
    tv_weight: Annotated[float, typer.Option(help="Weight of smoothness in the loss.")] = 0.0,
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
    weights: Annotated[
        str | None,
        typer.Option(
            help="mini, random, or imagenet (80 MB, downloaded on first use).",
            show_default="NSTLIB_WEIGHTS, or mini",
        ),
    ] = None,
    optimizer: Annotated[str, typer.Option(help="lbfgs or adam.")] = "lbfgs",
    iterations: Annotated[
        int, typer.Option(help="At most, at each size from 128 pixels up by steps of 1.4.")
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
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write how the run went there, as JSON."),
    ] = None,
) -> int:
    """Paint CONTENT in the style of STYLE.

    First says how long it will take, and how much memory. Ctrl-C ends the run early and keeps the
    best picture so far.
    """
    from nstlib.images.colors import luminance, replace_luminance
    from nstlib.images.encode import save_image
    from nstlib.images.resizing import resize
    from nstlib.sources import load_image, load_style

    if mask is not None and len(styles) > 2:
        raise ArgumentError(f"--mask divides a picture between 2 styles; there are {len(styles)}")
    pictures = [name for name in (mask, init) if name not in (None, "content", "noise")]
    check_outputs(
        [content, *styles, *pictures], output, report=report, animate=animate, checkpoint=checkpoint
    )
    limit = {"max_megapixels": max_megapixels}
    photo = load_image(content, 512 if size is None else size, enlarge=size is not None, **limit)
    shape = (photo.shape[0], photo.shape[1])
    region = None if mask is None else luminance(load_image(mask, shape, **limit))
    start = init if init in ("content", "noise") else load_image(init, **limit)
    paintings = [load_style(name, max(shape) * style_scale, **limit) for name in styles]
    try:
        from nstlib.optimize import OptimizationError
        from nstlib.synthesis.estimate import estimate_transfer, memory
        from nstlib.synthesis.transfer import transfer_style
    except Exception as error:
        return fail_to_start(error)

    _check_shape(content, photo, size)

    def keep_photo(image: Image) -> Image:
        """Leave the photo where a lone style does not paint."""
        if region is None or len(styles) == 2:
            return image
        height, width, _ = image.shape
        share = resize(region[..., None].repeat(3, axis=2), (height, width))
        laid: Image = share * image + (1 - share) * resize(photo, (height, width))
        return laid.clip(0, 1)

    def finish(image: Image) -> Image:
        """Make of the picture inside a run what the run would return."""
        if preserve_colors == "luminance":
            image = replace_luminance(resize(photo, (image.shape[0], image.shape[1])), image)
        return keep_photo(image)

    options: dict[str, Any] = {
        "content_weight": content_weight,
        "style_weight": style_weight,
        "tv_weight": tv_weight,
        "preserve_colors": preserve_colors,
        "style_scale": style_scale,
        "masks": None if region is None else [region, 1 - region][: len(styles)],
        "init": start,
        "weights": weights,
        "method": optimizer,
        "iterations": iterations,
        "seed": seed,
    }
    film = None if animate is None else Film(max(1, iterations // 10), finish)
    try:
        print_estimate(estimate_transfer(photo, paintings, **options), checkpoint)
        result = transfer_style(
            photo,
            paintings,
            **options,
            checkpoint=checkpoint,
            callback=film,
            progress=sys.stderr.isatty(),
        )
    except OptimizationError as error:
        save_image(finish(error.image), output)
        return fail(f"{error}; the last good picture is in {output}", 1)
    picture = keep_photo(result.image)
    save_image(picture, output)
    if checkpoint is not None and not result.interrupted:
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
    if film is not None and animate is not None:
        film.save(animate, picture)
    print_result(output, result)
    if result.interrupted:
        again = f"; the same command goes on from {checkpoint}" if checkpoint else ""
        return fail(f"interrupted; {output} is the best picture so far{again}", 130)
    return 0


def _check_shape(name: str, image: Image, size: int | None) -> None:
    """Refuse a picture that is too narrow for VGG19, in the user's own numbers."""
    from nstlib.features import SMALLEST_SIDE

    short, longest = sorted(image.shape[:2])
    if short >= SMALLEST_SIDE:
        return
    at = "without --size" if size is None else f"at --size {size}"
    # The short side is rounded: it may be half a pixel less.
    enough = math.ceil(SMALLEST_SIDE * longest / (short - 0.5))
    raise ArgumentError(
        f"{name}: {at} its sides are {longest} and {short} pixels, but VGG19 needs "
        f"{SMALLEST_SIDE} or more; crop it, or give --size {enough} or more"
    )
