"""Films in the commands that paint: one film, or those in a folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nstlib._checks import counted
from nstlib.cli._run import fail, say, shown
from nstlib.errors import NstError, OutputError

if TYPE_CHECKING:
    from nstlib.batch import Task
    from nstlib.video.convert import Conversion, PaintFrame


@dataclass(frozen=True)
class Films:
    """How a command paints films.

    Attributes
    ----------
    recipe : callable
        Makes what paints the frames of one film, one after the other.
    size : int or None
        Longest side of the results.
    rate : float or None
        Frames a second of numbered pictures.
    keep_alpha : bool
        Whether transparent films stay transparent.
    suffix : str or None
        What the results in a folder end in, in the place of their films' own suffixes.
    """

    recipe: Callable[[], PaintFrame]
    size: int | None
    rate: float | None
    keep_alpha: bool = True
    suffix: str | None = None

    def paint(self, source: str | Path, output: Path, part: Path | None = None) -> int:
        """Paint one film; say how it went.

        What is painted of a film that ends early is kept as `part`, if that is given.
        """
        from nstlib.video.convert import convert_video

        place = output if part is None else part

        try:
            done = convert_video(
                source,
                place,
                self.recipe(),
                size=self.size,
                rate=self.rate,
                keep_alpha=self.keep_alpha,
                progress=sys.stderr.isatty(),
            )
        except KeyboardInterrupt:
            return fail("interrupted before the first frame; nothing is written", 130)
        if part is not None and not done.interrupted and done.fault is None:
            place = part.replace(output)
        return _report(source, shown(place), done)

    def paint_all(self, films: Sequence[Task]) -> int:
        """Paint films, each into its place. Those that are there already are skipped.

        So a film that ends early must not stand in its place: the next run begins it anew.
        """
        worst = 0
        taken = {os.path.realpath(x) for film in films for x in (film.source, film.target)}
        for film in films:
            source, target = str(film.source), film.target
            if target.is_file():
                print(f"{shown(target)} is there already")
                continue
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                part = next(p for p in _parts(target) if os.path.realpath(p) not in taken)
                taken.add(os.path.realpath(part))
                code = self.paint(source, target, part)
            except NstError as error:
                # The library's messages begin with the file; others are told which it was.
                known = error.command.startswith(source)
                code = fail(error.command if known else f"{source}: {error.command}", 1)
            except OSError as error:
                from nstlib._files import reason

                code = fail(f"{source}: {shown(target)} cannot be written: {reason(error)}", 1)
            if code == 130:
                return code
            worst = max(worst, code)
        return worst

    def plan(self, sources: Sequence[str], folder: Path) -> list[Task]:
        """List the films among the sources and in their folders, and where their results go."""
        from nstlib.batch import Task, check_targets

        films = [Task(film, folder / self._target(name)) for film, name in _films(sources, folder)]
        check_targets(films)
        return films

    def _target(self, name: Path) -> Path:
        from nstlib.video.writer import FILM_FORMATS

        suffix = self.suffix or name.suffix.lower()
        return name.with_suffix(suffix if suffix in FILM_FORMATS else ".mp4")


def _parts(film: Path) -> Iterator[Path]:
    """Names for a part of a film, beside it."""
    most = 220  # bytes; file systems take names of 255, with the suffix
    stem = os.fsencode(film.stem)
    short = film.stem if len(stem) <= most else stem[:most].decode(errors="ignore")
    yield from (film.with_stem(f"{short}{'.part' * times}") for times in range(1, 6))
    raise OutputError(f"{film}: other films have the names of its part; choose another folder")


def becomes_film(output: str) -> bool:
    """Tell whether what is written there is a film, or a film's numbered frames."""
    from nstlib.video.sequence import is_pattern
    from nstlib.video.writer import FILM_FORMATS

    path = Path(output)
    return is_pattern(path) or (path.suffix.lower() in FILM_FORMATS and not path.is_dir())


def is_film(source: str) -> bool:
    """Tell whether a file is a film, by its name."""
    from nstlib.images.formats import FILM_SUFFIXES

    return Path(source).suffix.lower() in FILM_SUFFIXES and not Path(source).is_dir()


def _films(sources: Sequence[str], results: Path) -> Iterator[tuple[Path, Path]]:
    from nstlib.batch import is_input_folder
    from nstlib.images.folders import find_pictures

    for source in sources:
        path = Path(source)
        if is_input_folder(source):
            for film in find_pictures(path, without=results).films:
                yield film, film.relative_to(path)
        elif is_film(source):
            yield path, Path(path.name)


def _report(source: str | Path, name: str, done: Conversion) -> int:
    height, width = done.size
    print(
        f"wrote {name}: {width}x{height} pixels, {counted(done.frames, 'frame')}, "
        f"{done.frames / done.rate:.1f} seconds; {done.frames / done.seconds:.1f} frames a second"
    )
    if done.tone_mapped:
        print("the film is HDR; its brightness is mapped to an ordinary screen's")
    if done.broken:
        skipped = counted(done.broken, "broken frame")
        say(f"{skipped} {'was' if done.broken == 1 else 'were'} skipped")
    if done.sound == "lost":
        say("the sound cannot be read; the film is silent")
    if done.interrupted:
        return fail(f"interrupted; {name} holds what was painted so far", 130)
    if done.fault is not None:
        return fail(f"{done.fault.command}; {name} holds what was painted so far", 1)
    if done.missing > 1:
        say(
            f"{source} says that it lasts {done.missing:.1f} seconds longer than its pictures; if "
            "it was cut off on its way here, get it again"
        )
    return 0
