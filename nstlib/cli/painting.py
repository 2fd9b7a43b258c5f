"""The commands that run networks on pictures, films and cameras."""

from __future__ import annotations

import functools
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
    PersonStyle,
    PreserveColors,
    SegmenterName,
    Source,
    Strength,
    WorldStyle,
)
from nstlib.cli._outputs import check_outputs
from nstlib.cli._run import fail

if TYPE_CHECKING:
    from nstlib.batch import Recipe
    from nstlib.compose import Calm, PaintParts
    from nstlib.images.arrays import Image


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
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="Where to write: for one INPUT a file, .png, .jpg, .jpeg or .webp; for several, "
            "or a folder, a folder.",
        ),
    ],
    strength: Strength = 1.0,
    preserve_colors: PreserveColors = False,
    backend: Annotated[
        str, typer.Option(help="What computes: cv2 (OpenCV) or ort (ONNX Runtime).")
    ] = "cv2",
    size: LongestSide = None,
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
    """Paint each INPUT by a trained network, in one pass.

    A folder is searched to its depths, and OUT gets its structure. Results that are there already
    are skipped, so a run that was ended goes on when it is given again. Exit code 1 if a picture
    could not be painted; the others are.
    """
    from nstlib.batch import Stylize

    recipe = Stylize(model, backend, strength, preserve_colors)
    return _paint_each(sources, output, recipe, size, jobs=jobs, scheduler=scheduler)


def segment(
    source: Source,
    output: Annotated[
        Path,
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
    size: LongestSide = None,
    segmenter: SegmenterName = "person",
) -> int:
    """Find the people in INPUT: a picture, a film, or a folder of pictures."""
    recipe = functools.partial(_silhouette, segmenter, matte)
    return _paint_parts(source, output, recipe, size, ".png")


def _silhouette(segmenter: str, matte: bool) -> PaintParts:
    """Make what shows people white, and all else black."""
    from nstlib.compose import check_alpha
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
        Path,
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
    segmenter: SegmenterName = "person",
) -> int:
    """Paint the world around the people in INPUT, the people, or each in a style of its own.

    INPUT is a picture, a film, or a folder of pictures. Films keep their sound. Ctrl-C ends one
    early, and keeps what is painted so far.
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
    return _paint_parts(source, output, recipe, size)


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


def _paint_each(
    sources: Sequence[str],
    output: Path,
    recipe: Recipe,
    size: int | None,
    *,
    jobs: int = 1,
    scheduler: str | None = None,
    suffix: str | None = None,
) -> int:
    """Paint a picture into a file, or several and folders into a folder."""
    from nstlib.batch import paint_all, plan
    from nstlib.images.encode import save_image
    from nstlib.sources import load_image

    if len(sources) == 1 and not Path(sources[0]).is_dir() and not output.is_dir():
        check_outputs(sources, output)
        picture = recipe()(load_image(sources[0], size))
        save_image(picture, output)
        height, width, _ = picture.shape
        print(f"wrote {typer.format_filename(output)}: {width}x{height} pixels")
        return 0

    done = paint_all(
        plan(sources, output, suffix=suffix),
        recipe,
        size=size,
        jobs=jobs,
        scheduler=scheduler,
        progress=sys.stderr.isatty(),
    )
    counts = {"painted": done.painted, "there already": done.skipped, "failed": done.failed}
    words = ", ".join(f"{len(tasks)} {what}" for what, tasks in counts.items() if tasks)
    print(f"{typer.format_filename(output)}: {words or 'nothing to paint'}")
    for task, fault in done.failed:
        # The library's messages begin with the file; others are told which it was.
        known = fault.startswith(str(task.source))
        fail(fault if known else f"{task.source}: {fault}", 1)
    if done.interrupted:
        return fail("interrupted; the same command goes on with what is missing", 130)
    return int(bool(done.failed))


def _paint_parts(
    source: str,
    output: Path,
    recipe: Callable[[], PaintParts],
    size: int | None,
    suffix: str | None = None,
) -> int:
    """Paint a film, a picture, or a folder of pictures."""
    from nstlib.video.writer import FILM_FORMATS

    if output.suffix.lower() in FILM_FORMATS:
        return _paint_film(source, output, recipe(), size)
    return _paint_each([source], output, recipe, size, suffix=suffix)


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
