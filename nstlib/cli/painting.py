"""The command that paints pictures and films in a style."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated

import typer

from nstlib.cli._films import Films
from nstlib.cli._options import (
    Backend,
    FrameRate,
    LongestSide,
    MaxMegapixels,
    PreserveColors,
    Strength,
    StyleSize,
    ValueRange,
)
from nstlib.cli._pictures import paint_inputs
from nstlib.cli._styles import computing, parse_style, styles_in, tell_sizes

if TYPE_CHECKING:
    from nstlib.batch import Recipe
    from nstlib.compose import Calm
    from nstlib.images.arrays import Image
    from nstlib.video.steady import Paint as PaintCamera


def stylize(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Files, folders, or names that 'nst assets list' shows.",
            show_default=False,
        ),
    ],
    style: Annotated[
        list[str],
        typer.Option(
            "--style",
            "-s",
            metavar="STYLE[:SHARE]",
            help="What it is to look like: mosaic, candy, shards, starry_night, "
            "starry_night_bold, great_wave, the_scream, water_lilies, composition_vii, any "
            "picture, a vector (.npy), or an ONNX file. Given several times, pictures are mixed: "
            "a.jpg:2 and b.jpg:1.",
        ),
    ],
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="Where to write. A name that ends in .png, .jpg, .jpeg or .webp is a file, for "
            "one INPUT, and so is a film: .mp4, .mov, .mkv, .webm, .gif. One that ends in a slash, "
            "has no suffix or is a folder already, is a folder: every INPUT's picture goes there "
            "under its own name. %04d in a name stands for the numbers of a film's frames.",
        ),
    ],
    strength: Strength = 1.0,
    preserve_colors: PreserveColors = False,
    backend: Backend = None,
    value_range: ValueRange = None,
    style_size: StyleSize = 320,
    size: LongestSide = None,
    rate: FrameRate = None,
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
    """Paint each INPUT in a style, in one pass. Transparent pictures stay transparent.

    INPUT is a picture, a film, or a folder; frames/%04d.png stands for numbered pictures that are a
    film's frames. An animated GIF is a film if OUT is one; else its first frame is painted. A
    folder is searched to its depths, and OUT gets its structure. In a folder, results that are
    there already are skipped, so a run that was ended goes on when it is given again. Exit code 1
    if a picture could not be painted; the others are.
    """
    from nstlib.batch import Stylize

    painted = parse_style(style)
    assert painted is not None  # the option is required
    tell_sizes(painted)
    recipe, film = (
        Stylize(
            painted,
            strength=strength,
            preserve_colors=preserve_colors,
            value_range=value_range,
            style_size=style_size,
            backend=by["backend"],
            eight_bits=by["eight_bits"],
        )
        for by in (computing(backend, film=film) for film in (False, True))
    )
    films = Films(functools.partial(_make_film_stylist, film), size, rate)
    return paint_inputs(
        sources,
        output,
        recipe,
        films,
        size=size,
        max_megapixels=max_megapixels,
        jobs=jobs,
        scheduler=scheduler,
        reads=styles_in(painted),
    )


def _make_film_stylist(recipe: Recipe) -> PaintCamera:
    """Make what paints the frames of a film by one network, steadily."""
    from nstlib.images.arrays import Picture
    from nstlib.video.steady import steady_painter

    paint = recipe()

    def show(frame: Image, calm: Calm | None = None) -> Image:
        if calm is None:
            return paint(Picture(frame)).image
        return calm("painted", paint(Picture(calm.seen("painted", frame))).image)

    return steady_painter(show)
