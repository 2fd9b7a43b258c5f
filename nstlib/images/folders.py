"""The pictures in a folder, and what else lies there."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nstlib._checks import counted
from nstlib.images.formats import (
    FILM_SUFFIXES,
    HEIC_SUFFIXES,
    OTHER_PICTURES,
    readable_suffixes,
)


@dataclass
class Found:
    """What lies in a folder and in the folders below it.

    Attributes
    ----------
    pictures : list of Path
        What can be read, folder by folder, by name.
    films : list of Path
        Films.
    needs_heic : list of Path
        Phones' photographs, while the package that reads them is not installed.
    unknown_pictures : list of Path
        Pictures of kinds that cannot be read here.
    links, unreadable : list of Path
        Folders that were not searched: those behind a symbolic link, and those that the system
        does not let us read.
    others : list of Path
        All other files. Hidden ones are not counted.
    """

    pictures: list[Path] = field(default_factory=list)
    films: list[Path] = field(default_factory=list)
    needs_heic: list[Path] = field(default_factory=list)
    unknown_pictures: list[Path] = field(default_factory=list)
    links: list[Path] = field(default_factory=list)
    unreadable: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)

    def left_out(self) -> str:
        """Say in one line what is no picture that can be read; empty if all is.

        Examples
        --------
        >>> found = Found(films=[Path("a.mp4"), Path("b.mov")], others=[Path("notes.txt")])
        >>> found.left_out()
        '2 films, 1 other file (.txt)'
        """
        parts = (
            ("film", self.films, ""),
            ("HEIC picture", self.needs_heic, "pip install 'nstlib[heic]'"),
            (
                "unknown picture",
                self.unknown_pictures,
                f"{_suffixes(self.unknown_pictures)}: save as PNG or JPEG",
            ),
            ("linked folder", self.links, f"{_names(self.links)}: give it by itself"),
            ("unreadable folder", self.unreadable, _names(self.unreadable)),
            ("other file", self.others, _suffixes(self.others)),
        )
        return ", ".join(
            f"{counted(len(files), what)}{remark and f' ({remark})'}"
            for what, files, remark in parts
            if files
        )

    def add(self, other: Found) -> None:
        """Add what was found in another folder."""
        for name, files in vars(other).items():
            getattr(self, name).extend(files)


def find_pictures(folder: Path, *, without: Path | None = None) -> Found:
    """Search a folder to its depths. Hidden files and folders are passed over.

    Parameters
    ----------
    folder : pathlib.Path
        Where to look.
    without : pathlib.Path, optional
        A folder that is not searched, where the results go.
    """
    found = Found()
    readable = readable_suffixes()
    kinds = (
        (readable, found.pictures),
        (FILM_SUFFIXES, found.films),
        (HEIC_SUFFIXES, found.needs_heic),
        (OTHER_PICTURES, found.unknown_pictures),
    )
    for file in _walk(folder, found, None if without is None else os.path.realpath(without)):
        suffix = file.suffix.lower()
        next((files for known, files in kinds if suffix in known), found.others).append(file)
    return found


def _walk(folder: Path, found: Found, without: str | None) -> Iterator[Path]:
    def note(error: OSError) -> None:
        found.unreadable.append(Path(error.filename))

    for where, folders, names in os.walk(folder, onerror=note):
        here = Path(where)
        inside = [here / name for name in sorted(folders) if not name.startswith(".")]
        inside = [place for place in inside if os.path.realpath(place) != without]
        found.links += [place for place in inside if place.is_symlink()]
        folders[:] = [place.name for place in inside]
        yield from (here / name for name in sorted(names) if not name.startswith("."))


def _names(files: Iterable[Path]) -> str:
    return _list(sorted({file.name for file in files}))


def _suffixes(files: Iterable[Path]) -> str:
    return _list(sorted({file.suffix.lower() or "no suffix" for file in files}))


def _list(words: list[str], most: int = 4) -> str:
    return ", ".join([*words[:most], *(["…"] if len(words) > most else [])])
