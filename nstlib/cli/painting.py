"""The commands that run networks on pictures, films and cameras."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nstlib.cli._options import (
    Feather,
    Hard,
    LongestSide,
    Match,
    MaxMegapixels,
    PersonStyle,
    PreserveColors,
    SegmenterName,
    Source,
    Strength,
    WorldStyle,
)
from nstlib.cli._outputs import check_outputs
from nstlib.cli._run import fail
from nstlib.errors import ArgumentError, OutputError

if TYPE_CHECKING:
    from nstlib.batch import Paint, Recipe
    from nstlib.compose import Calm, PaintParts
    from nstlib.images.arrays import Image, Picture


def stylize(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Files, folders, or names that 'nst assets list' shows.",
            show_default=False,
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            metavar="STYLE",
            help="What paints: mosaic, candy, starry_night, great_wave, or an ONNX file.",
        ),
    ],
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="Where to write. A name that ends in .png, .jpg, .jpeg or .webp is a file, for "
            "one INPUT. One that ends in a slash, has no suffix or is a folder already, is a "
            "folder: every INPUT's picture goes there under its own name.",
        ),
    ],
    strength: Strength = 1.0,
    preserve_colors: PreserveColors = False,
    backend: Annotated[
        str, typer.Option(help="What computes: cv2 (OpenCV) or ort (ONNX Runtime).")
    ] = "cv2",
    size: LongestSide = None,
    max_megapixels: MaxMegapixels = 64.0,
    jobs: Annotated[int, typer.Option(help="How many pictures at a time.")] = 1,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Let a Dask cluster paint, whose scheduler is at this address. Its workers see "
            "the same files.",
            show_default="this machine paints",
        ),
    ] = None,
) -> int:
    """Paint each INPUT by a trained network, in one pass. Transparent pictures stay transparent.

    A folder is searched to its depths, and OUT gets its structure. Results that are there already
    are skipped, so a run that was ended goes on when it is given again. Exit code 1 if a picture
    could not be painted; the others are.
    """
    from nstlib.batch import Stylize

    recipe = Stylize(model, backend, strength, preserve_colors)
    return _paint_each(
        sources,
        output,
        recipe,
        size=size,
        max_megapixels=max_megapixels,
        jobs=jobs,
        scheduler=scheduler,
    )


def segment(
    source: Source,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="MASK",
            help="Where to write it: white is a person. A picture, a film, or a folder's place.",
        ),
    ],
    matte: Annotated[
        bool,
        typer.Option("--matte", help="Shades of grey that follow the edges, in place of 0 and 1."),
    ] = False,
    cutout: Annotated[
        bool,
        typer.Option(
            "--cutout",
            help="In place of a mask, the people themselves on transparency: .png or .webp.",
        ),
    ] = False,
    size: LongestSide = None,
    max_megapixels: MaxMegapixels = 64.0,
    segmenter: SegmenterName = "person",
) -> int:
    """Find the people in INPUT: a picture, a film, or a folder of pictures."""
    if cutout:
        _check_cutout(source, output, matte)
        return _paint_each(
            [source],
            output,
            functools.partial(_cutter, segmenter),
            size=size,
            max_megapixels=max_megapixels,
            suffix=".png",
        )
    recipe = functools.partial(_silhouette, segmenter, matte)
    return _paint_parts(source, output, recipe, size, max_megapixels, mask=True)


def _check_cutout(source: str, output: str, matte: bool) -> None:
    from nstlib._files import check_suffix
    from nstlib.images.encode import ALPHA_FORMATS

    if matte:
        raise ArgumentError("--cutout and --matte exclude each other; give one of them")
    if not _is_folder(output) and not Path(source).is_dir():
        try:
            check_suffix(output, ALPHA_FORMATS)
        except OutputError as error:
            raise OutputError(f"{error}, which can be transparent") from error


def _cutter(segmenter: str) -> Paint:
    """Make what leaves people alone: their colours without the old background's, and a matte."""
    import numpy as np

    from nstlib.compose import composite, estimate_layers
    from nstlib.images.arrays import Picture
    from nstlib.inference.segmenter import PersonSegmenter

    find = PersonSegmenter(segmenter)

    def cut(photo: Picture) -> Picture:
        matte = find.matte(photo.image)
        person, _ = estimate_layers(photo.image, matte)
        seen = composite(person, np.ones_like(person), matte)
        return Picture(seen, matte if photo.alpha is None else matte * photo.alpha)

    return cut


def _silhouette(segmenter: str, matte: bool) -> PaintParts:
    """Make what shows people white, and all else black."""
    from nstlib.images.arrays import check_alpha
    from nstlib.inference.segmenter import PersonSegmenter

    find = PersonSegmenter(segmenter)

    def show(photo: Image, calm: Calm | None = None) -> Image:
        alpha = check_alpha(find.matte(photo) if matte else find.mask(photo), photo)
        if calm is not None:
            alpha = calm("alpha", alpha)
        if not matte:
            alpha = (alpha > 0.5).astype(alpha.dtype)
        return alpha[..., None].repeat(3, axis=2)

    return show


def compose(
    source: Source,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="Where to write it: a picture (.png, .jpg, .jpeg, .webp), a film (.mp4, .mov, "
            ".mkv, .gif), or a folder's place.",
        ),
    ],
    style: WorldStyle = None,
    person: PersonStyle = None,
    feather: Feather = 0.0,
    strength: Strength = 1.0,
    match: Match = 0.0,
    hard: Hard = False,
    preserve_colors: PreserveColors = False,
    size: LongestSide = None,
    max_megapixels: MaxMegapixels = 64.0,
    segmenter: SegmenterName = "person",
) -> int:
    """Paint the world around the people in INPUT, the people, or each in a style of its own.

    INPUT is a picture, a film, or a folder of pictures. Transparent pictures stay transparent,
    films keep their sound. Ctrl-C ends a film early, and keeps what is painted so far.
    """
    from nstlib.compose import Composer

    recipe = functools.partial(
        Composer,
        style,
        person,
        segmenter=segmenter,
        feather=feather,
        strength=strength,
        match=match,
        hard=hard,
        preserve_colors=preserve_colors,
    )
    return _paint_parts(source, output, recipe, size, max_megapixels)


def webcam(
    style: WorldStyle = None,
    person: PersonStyle = None,
    feather: Feather = 0.0,
    strength: Strength = 1.0,
    match: Match = 0.0,
    hard: Hard = False,
    preserve_colors: PreserveColors = False,
    size: Annotated[int, typer.Option(help="Longest side of the picture, in pixels.")] = 640,
    segmenter: SegmenterName = "person",
    camera: Annotated[int, typer.Option(help="The number of the camera.")] = 0,
) -> int:
    """Show what the camera sees, painted as 'nst compose' would.

    In the window, q ends it, and s saves the picture to the current folder.
    """
    from nstlib.compose import Composer
    from nstlib.video.camera import webcam as show
    from nstlib.video.steady import steadily

    composer = Composer(
        style,
        person,
        segmenter=segmenter,
        feather=feather,
        strength=strength,
        match=match,
        hard=hard,
        preserve_colors=preserve_colors,
    )
    shown = show(steadily(composer), camera=camera, size=size)
    print(f"showed {shown} frames")
    return 0


def _is_folder(output: str) -> bool:
    """Tell whether results go into a folder of this name, which need not be there yet."""
    return output.endswith(("/", os.sep)) or Path(output).is_dir() or not Path(output).suffix


def _paint_each(
    sources: Sequence[str],
    output: str,
    recipe: Recipe,
    *,
    size: int | None,
    max_megapixels: float,
    jobs: int = 1,
    scheduler: str | None = None,
    suffix: str | None = None,
    formats: Sequence[str] = (),
) -> int:
    """Paint a picture into a file, or several and folders into a folder.

    `formats` are what the command writes besides pictures, to be named where a suffix is refused.
    """
    from nstlib.batch import paint_all, plan
    from nstlib.images.encode import save_image
    from nstlib.sources import load_picture

    place = Path(output)
    if len(sources) == 1 and not Path(sources[0]).is_dir() and not _is_folder(output):
        check_outputs(sources, place, formats=formats)
        photo = load_picture(sources[0], size, max_megapixels=max_megapixels)
        picture = recipe()(photo)
        save_image(picture.image, place, alpha=picture.alpha)
        height, width, _ = picture.image.shape
        print(f"wrote {typer.format_filename(place)}: {width}x{height} pixels")
        return 0

    planned = plan(sources, place, suffix=suffix)
    if left_out := planned.found.left_out():
        print(f"nst: left out: {left_out}", file=sys.stderr)
    done = paint_all(
        planned.tasks,
        recipe,
        size=size,
        max_megapixels=max_megapixels,
        jobs=jobs,
        scheduler=scheduler,
        progress=sys.stderr.isatty(),
    )
    counts = {"painted": done.painted, "there already": done.skipped, "failed": done.failed}
    words = ", ".join(f"{len(tasks)} {what}" for what, tasks in counts.items() if tasks)
    print(f"{typer.format_filename(place)}: {words or 'nothing to paint'}")
    for task, fault in done.failed:
        # The library's messages begin with the file; others are told which it was.
        known = fault.command.startswith(str(task.source))
        fail(fault.command if known else f"{task.source}: {fault.command}", 1)
    if done.interrupted:
        return fail("interrupted; the same command goes on with what is missing", 130)
    return int(bool(done.failed))


def _paint_parts(
    source: str,
    output: str,
    recipe: Callable[[], PaintParts],
    size: int | None,
    max_megapixels: float,
    *,
    mask: bool = False,
) -> int:
    """Paint a film, a picture, or a folder of pictures. Masks are opaque, and PNGs in a folder."""
    from nstlib.video.writer import FILM_FORMATS

    if Path(output).suffix.lower() in FILM_FORMATS and not _is_folder(output):
        return _paint_film(source, Path(output), recipe(), size)
    return _paint_each(
        [source],
        output,
        functools.partial(_painter, recipe, not mask),
        size=size,
        max_megapixels=max_megapixels,
        suffix=".png" if mask else None,
        formats=tuple(FILM_FORMATS),
    )


def _painter(recipe: Callable[[], PaintParts], keep_alpha: bool) -> Paint:
    from nstlib.images.arrays import Picture

    paint = recipe()
    return lambda photo: Picture(paint(photo.image), photo.alpha if keep_alpha else None)


def _paint_film(source: str, output: Path, paint: PaintParts, size: int | None) -> int:
    from nstlib.video.convert import convert_video
    from nstlib.video.steady import steadily

    try:
        done = convert_video(
            source, output, steadily(paint), size=size, progress=sys.stderr.isatty()
        )
    except KeyboardInterrupt:
        return fail("interrupted before the first frame; nothing is written", 130)
    height, width = done.size
    name = typer.format_filename(output)
    print(
        f"wrote {name}: {width}x{height} pixels, {done.frames} frames, "
        f"{done.frames / done.rate:.1f} seconds; {done.frames / done.seconds:.1f} frames a second"
    )
    if done.broken:
        print(f"nst: {done.broken} broken frames were skipped", file=sys.stderr)
    if done.sound == "lost":
        print("nst: the sound cannot be read; the film is silent", file=sys.stderr)
    if done.interrupted:
        return fail(f"interrupted; {name} holds what was painted so far", 130)
    if done.missing > 1:
        print(
            f"nst: {source} says that it lasts {done.missing:.1f} seconds longer than its pictures",
            file=sys.stderr,
        )
    return 0
