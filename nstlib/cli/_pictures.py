"""From INPUT to OUT: pictures, films and folders are painted by what a command makes."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nstlib.cli._films import Films, becomes_film, is_film
from nstlib.cli._outputs import check_outputs, refuse_inputs
from nstlib.cli._run import fail, shown
from nstlib.errors import ArgumentError, OutputError

if TYPE_CHECKING:
    from nstlib.batch import Paint, Recipe
    from nstlib.compose import PaintParts


def is_folder(output: str) -> bool:
    """Tell whether results go into a folder of this name, which need not be there yet."""
    return output.endswith(("/", os.sep)) or Path(output).is_dir() or not Path(output).suffix


def _check_names(sources: Sequence[str], output: str) -> None:
    """Refuse what is a stream to other programs, and what lost its name to a shell's variable."""
    from nstlib.images.encode import IMAGE_FORMATS
    from nstlib.video.writer import FILM_FORMATS

    if "-" in (*sources, output):
        raise ArgumentError(
            "nst reads and writes files, not streams; give a file's name in the place of - (./- if "
            "it is called so)"
        )
    name = Path(output).name.lower()
    if name in {*IMAGE_FORMATS, *FILM_FORMATS} and not Path(output).is_dir():
        raise OutputError(f"{output} is a suffix without a name; give a name before it")


def _check_numbered(sources: Sequence[str]) -> None:
    """Refuse a film's numbered frames where pictures are painted one by one."""
    from nstlib._files import is_there
    from nstlib.video.sequence import is_pattern

    for source in sources:
        if is_pattern(source) and not is_there(source):
            raise ArgumentError(
                f"{source} stands for the numbered frames of a film; give it alone, with a film "
                "(out.mp4) or numbered pictures (out/%04d.png) as --output, or give their folder "
                "to paint them one by one"
            )


def paint_inputs(
    sources: Sequence[str],
    output: str,
    recipe: Recipe,
    films: Films,
    *,
    size: int | None,
    max_megapixels: float,
    jobs: int = 1,
    scheduler: str | None = None,
    suffix: str | None = None,
    reads: Sequence[str] = (),
    tell: Callable[[str | Path], object] | None = None,
) -> int:
    """Paint a picture or a film into a file, or several and folders into a folder.

    `reads` are the files that the recipes read, which are not to be overwritten; `tell` is called
    with each picture once it is over, also if it failed.
    """
    from nstlib._checks import check_count
    from nstlib._files import check_suffix
    from nstlib.batch import is_input_folder, paint_all, plan
    from nstlib.images.encode import save_image
    from nstlib.sources import load_picture
    from nstlib.video.writer import FILM_FORMATS

    _check_names(sources, output)
    check_count("jobs", jobs)
    place = Path(output)
    single = len(sources) == 1 and not is_input_folder(sources[0]) and not is_folder(output)
    if scheduler is not None and (single or becomes_film(output)):
        raise ArgumentError("--scheduler is for many pictures and a folder as OUT; leave it out")
    if len(sources) == 1 and becomes_film(output):
        refuse_inputs(place, reads, "film")
        return films.paint(sources[0], place)
    _check_numbered(sources)
    if films.rate is not None:
        raise ArgumentError(
            f"--rate is for numbered pictures that become a film, and {output} is none; leave it "
            "out"
        )
    if single:
        if is_film(sources[0]):
            check_suffix(place, FILM_FORMATS)
        check_outputs([*sources, *reads], place, formats=FILM_FORMATS)
        photo = load_picture(sources[0], size, max_megapixels=max_megapixels)
        picture = recipe()(photo)
        save_image(picture.image, place, alpha=picture.alpha)
        if tell is not None:
            tell(sources[0])
        height, width, _ = picture.image.shape
        print(f"wrote {shown(place)}: {width}x{height} pixels")
        return 0

    moving = films.plan(sources, place)
    planned = plan(
        [source for source in sources if not is_film(source)], place, suffix=suffix, films=True
    )
    planned.found.films.clear()
    if left_out := planned.found.left_out():
        print(f"nst: left out: {left_out}", file=sys.stderr)
    if moving and not planned.tasks:
        return films.paint_all(moving)
    done = paint_all(
        planned.tasks,
        recipe,
        size=size,
        max_megapixels=max_megapixels,
        jobs=jobs,
        scheduler=scheduler,
        tell=None if tell is None else lambda task: tell(task.source),
        progress=sys.stderr.isatty(),
    )
    counts = {"painted": done.painted, "there already": done.skipped, "failed": done.failed}
    words = ", ".join(f"{len(tasks)} {what}" for what, tasks in counts.items() if tasks)
    print(f"{shown(place)}: {words or 'nothing to paint'}")
    for task, fault in done.failed:
        # The library's messages begin with the file; others are told which it was.
        known = fault.command.startswith(str(task.source))
        fail(fault.command if known else f"{task.source}: {fault.command}", 1)
    if done.interrupted:
        return fail("interrupted; the same command goes on with what is missing", 130)
    return max(int(bool(done.failed)), films.paint_all(moving))


def paint_parts(
    source: str,
    output: str,
    recipe: Callable[..., PaintParts],
    size: int | None,
    max_megapixels: float,
    rate: float | None,
    *,
    mask: bool = False,
    opaque: bool = False,
    reads: Sequence[str] = (),
    tell: Callable[[str | Path], object] | None = None,
) -> int:
    """Paint a picture, a film or a folder. Masks are opaque, and those of a folder are PNGs."""
    from nstlib.video.steady import steady_painter

    keep_alpha = not (mask or opaque)
    return paint_inputs(
        [source],
        output,
        functools.partial(_make_picture_painter, recipe, keep_alpha),
        Films(lambda: steady_painter(recipe(film=True)), size, rate, keep_alpha=keep_alpha),
        size=size,
        max_megapixels=max_megapixels,
        suffix=".png" if mask else None,
        reads=reads,
        tell=tell,
    )


def _make_picture_painter(recipe: Callable[..., PaintParts], keep_alpha: bool) -> Paint:
    from nstlib.images.arrays import Picture

    paint = recipe()
    return lambda photo: Picture(paint(photo.image), photo.alpha if keep_alpha else None)
